"""What Gemini CLI says: `gemini -o stream-json`.

Facts observed with 0.61.0 (docs/reference/agents.md): figures are those of this run, at its end
only; retries are told on standard error alone; the user's prompt is echoed; a signal ends it with
exit code 0 and no `result`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from ai_orchestrator.agents.kept_text import KeptText
from ai_orchestrator.agents.stream import Dialect, cut, read_as, summary
from ai_orchestrator.agents.usage import measured
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


class _Init(msgspec.Struct, frozen=True):
    session_id: str
    model: str | None = None


class _Message(msgspec.Struct, frozen=True):
    role: str = ""
    content: str = ""
    delta: bool = False


class _ToolUse(msgspec.Struct, frozen=True):
    tool_name: str = ""
    tool_id: str = ""
    parameters: dict[str, object] = {}


class _ToolResult(msgspec.Struct, frozen=True):
    tool_id: str = ""
    status: str = ""


class _Error(msgspec.Struct, frozen=True):
    type: str = ""
    message: str = ""


class _Stats(msgspec.Struct, frozen=True):
    input_tokens: int = 0
    output_tokens: int = 0
    cached: int = 0


class _Result(msgspec.Struct, frozen=True):
    status: str
    error: _Error | None = None
    stats: _Stats | None = None


_TURN_LIMIT = "FatalTurnLimitedError"
_LIMITED = re.compile(r"quota|rate.?limit|resource.?exhausted|too many requests", re.IGNORECASE)
_CODE = re.compile(r'"?code"?\s*:\s*(\d{3})\b')
_STDERR_RETRY = re.compile(r"Attempt (\d+) failed(?: with status (\d{3}))?")
_RESET = re.compile(
    r"(?:reset after|retry (?:in|after)|retryDelay\"?:\s*\"?)\s*((?:\d+(?:\.\d+)?[hms])+)"
)
_PART = re.compile(r"(\d+(?:\.\d+)?)([hms])")
_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0}


class GeminiDialect(Dialect):
    """See `stream.Dialect`."""

    def __init__(self) -> None:
        self._text = KeptText()
        self._is_speaking = False
        self._tools = 0
        self._status: int | None = None
        self._problem = ""

    def read(self, kind: str, line: str) -> Iterator[AgentEvent]:
        """See `stream.Dialect.read`."""
        match kind:
            case "init":
                init = read_as(_Init, line)
                yield SessionSeen(init.session_id, init.model)
            case "message":
                yield from self._message(read_as(_Message, line))
            case "tool_use":
                yield from self._tool_use(read_as(_ToolUse, line))
            case "tool_result":
                result = read_as(_ToolResult, line)
                is_error = result.status != "success"
                yield ToolSeen(result.tool_id, "", "error" if is_error else "ok")
            case "error":
                self._problem = read_as(_Error, line).message
            case "result":
                yield from self._result(read_as(_Result, line))
            case _:
                pass

    def read_stderr(self, line: str) -> Iterable[AgentEvent]:
        """Its retries: standard output is silent while it waits."""
        found = _STDERR_RETRY.search(line)
        if found is not None:
            self._status = int(found[2]) if found[2] else None
            yield RetrySeen(self._status, cut(line))

    def _message(self, event: _Message) -> Iterator[AgentEvent]:
        if event.role != "assistant" or not event.content:
            return
        is_delta = event.delta and self._is_speaking
        if not is_delta:
            self._text.restart()
        self._text.add(event.content)
        self._is_speaking = True
        yield TextSeen(event.content, is_delta=is_delta)

    def _tool_use(self, event: _ToolUse) -> Iterator[AgentEvent]:
        self._is_speaking = False
        self._tools += 1
        yield ToolSeen(event.tool_id, event.tool_name, "start", summary(event.parameters))
        yield UsageSeen(Usage(), self._tools + 1)

    def _result(self, event: _Result) -> Iterator[AgentEvent]:
        if event.stats is not None:
            stats = event.stats
            used = measured(stats.input_tokens, stats.output_tokens, stats.cached)
            yield UsageSeen(used, self._tools + 1)
        if event.status == "success" and self._problem and not self._text.text:
            # It stopped by itself, for instance "Loop detected", and calls that a success.
            yield EndSeen("agent", cut(self._problem))
        elif event.status == "success":
            yield EndSeen(None, final_text=self._text.text)
        else:
            yield _failure(event.error or _Error(), self._status)


def _failure(error: _Error, last_status: int | None) -> EndSeen:
    reset_s = _reset_s(error.message)
    message = cut(error.message or error.type or "the agent gave no reason")
    return EndSeen(_kind(error, last_status, reset_s), message, reset_s=reset_s)


def _kind(error: _Error, last_status: int | None, reset_s: float | None) -> ErrorKind:
    """The kind by the code in the message, else by the status of the last try."""
    if error.type == _TURN_LIMIT:
        return "limit"
    found = _CODE.search(error.message)
    status = int(found[1]) if found else last_status
    if status in (401, 403) or "API_KEY_INVALID" in error.message:
        return "auth"
    if status == 429 or (status is None and _LIMITED.search(error.message)):
        return "overloaded" if reset_s is None else "quota"
    return "overloaded" if status is not None and status >= 500 else "agent"


def _reset_s(message: str) -> float | None:
    found = _RESET.search(message)
    if found is None:
        return None
    return sum(float(number) * _UNIT_S[unit] for number, unit in _PART.findall(found[1]))
