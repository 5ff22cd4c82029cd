"""What GitHub Copilot CLI says: `copilot --output-format json`, and its usage file.

Facts observed with 1.0.102 (docs/reference/agents.md): no token counts in the stream, those of the
usage file count over the whole session; SIGTERM ends it with exit code 0 and a `result` that claims
success.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from ai_orchestrator.agents.stream import Dialect, cut, read_as, summary
from ai_orchestrator.agents.usage import measured, since
from ai_orchestrator.model.agent import (
    AgentEvent,
    EndSeen,
    ErrorKind,
    RetrySeen,
    SessionSeen,
    TextSeen,
    ToolSeen,
    Usage,
    UsageSeen,
)

USAGE_FILE = "copilot-usage.json"


class _Data(msgspec.Struct, frozen=True, rename="camel"):
    content: str = ""
    delta_content: str = ""
    message_id: str = ""
    model: str | None = None
    tool_call_id: str = ""
    tool_name: str = ""
    arguments: dict[str, object] | str | None = None
    success: bool = False
    status_code: int | None = None
    error_type: str = ""
    message: str = ""
    reason: str = ""
    parent_tool_call_id: str | None = None


class _Event(msgspec.Struct, frozen=True):
    data: _Data = _Data()


class _Result(msgspec.Struct, frozen=True):
    exitCode: int  # noqa: N815  # the vendor's name
    sessionId: str  # noqa: N815  # the vendor's name


class _Tokens(msgspec.Struct, frozen=True, rename="camel"):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0


class _Metrics(msgspec.Struct, frozen=True):
    usage: _Tokens = _Tokens()


class _UsageFile(msgspec.Struct, frozen=True, rename="camel"):
    model_metrics: dict[str, _Metrics] = {}


_NOT_LOGGED_IN = "Error: No authentication information found"
_KINDS: Mapping[str, ErrorKind] = {"authentication": "auth", "rate_limit": "overloaded"}


class CopilotDialect(Dialect):
    """See `stream.Dialect`."""

    def __init__(self, earlier: Usage | None, session: str) -> None:
        self._earlier = earlier
        self._session = session
        self._is_named = False
        self._thread: Usage | None = None
        self._turns = 0
        self._text = ""
        self._spoken: set[str] = set()
        self._error: EndSeen | None = None
        self._status: int | None = None

    def read(self, kind: str, line: str) -> Iterator[AgentEvent]:
        """See `stream.Dialect.read`."""
        if kind == "result":
            yield from self._result(read_as(_Result, line))
            return
        data = read_as(_Event, line).data
        match kind:
            case "model.call_start":
                yield from self._call(data)
            case "assistant.message_delta":
                yield from self._delta(data)
            case "assistant.message":
                yield from self._message(data)
            case "tool.execution_start" | "tool.execution_complete":
                yield from _tool(kind, data)
            case "model.call_failure":
                self._status = data.status_code
            case "assistant.turn_retry":
                yield RetrySeen(self._status, data.reason or "the model did not answer")
            case "session.error":
                self._error = _failure(data)
            case _:
                pass

    def read_stderr(self, line: str) -> Iterable[AgentEvent]:
        """That nobody is logged in: it says so there, and nothing in the stream."""
        if line.startswith(_NOT_LOGGED_IN):
            yield EndSeen("auth", cut(line))

    def at_end(self, files: Mapping[str, bytes]) -> Iterable[AgentEvent]:
        """The figures of the usage file; none where it was not written or is unreadable."""
        if USAGE_FILE not in files:
            return
        try:
            metrics = msgspec.json.decode(files[USAGE_FILE], type=_UsageFile).model_metrics
        except msgspec.MsgspecError:
            return
        thread = Usage(0, 0, 0)
        for model in metrics.values():
            used = model.usage
            thread = thread.plus(
                measured(used.input_tokens, used.output_tokens, used.cache_read_tokens)
            )
        self._thread = thread
        yield UsageSeen(since(thread, self._earlier), self._turns)

    @property
    def thread_usage(self) -> Usage | None:
        """The session's tokens so far."""
        return self._thread

    def _call(self, data: _Data) -> Iterator[AgentEvent]:
        if not self._is_named:
            self._is_named = True
            yield SessionSeen(self._session, data.model)
        self._turns += 1
        yield UsageSeen(Usage(), self._turns)

    def _delta(self, data: _Data) -> Iterator[AgentEvent]:
        if data.delta_content and data.parent_tool_call_id is None:
            yield TextSeen(data.delta_content, is_delta=data.message_id in self._spoken)
            self._spoken.add(data.message_id)

    def _message(self, data: _Data) -> Iterator[AgentEvent]:
        if not data.content or data.parent_tool_call_id is not None:
            return
        self._text = data.content
        if data.message_id not in self._spoken:
            yield TextSeen(data.content)

    def _result(self, event: _Result) -> Iterator[AgentEvent]:
        yield SessionSeen(event.sessionId)
        if self._error is not None:
            yield self._error
        elif event.exitCode != 0:
            yield EndSeen("agent", f"it ended with exit code {event.exitCode} by its own word")
        else:
            yield EndSeen(None, final_text=self._text)


def _tool(kind: str, data: _Data) -> Iterator[AgentEvent]:
    if kind == "tool.execution_start":
        given = data.arguments
        said = summary(given) if isinstance(given, dict) else cut(given or "")
        yield ToolSeen(data.tool_call_id, data.tool_name, "start", said)
    else:
        yield ToolSeen(data.tool_call_id, "", "ok" if data.success else "error")


def _failure(data: _Data) -> EndSeen:
    kind = _KINDS.get(data.error_type)
    if kind is None:
        status = data.status_code
        is_busy = status is not None and (status == 429 or status >= 500)
        kind = "overloaded" if is_busy else "auth" if status in (401, 403) else "agent"
    return EndSeen(kind, cut(data.message or data.error_type))
