"""What Codex says: `codex exec --json`.

Facts observed with 0.169.0 (docs/reference/agents.md): usage counts over the whole thread; an item
of type `error` is a warning, not the end; errors are prose, only a refused account carries a
status; there is no cost and no event per model call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import UUID

import msgspec

from ai_orchestrator.agents.stream import Dialect, cut, read_as
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


class _Thread(msgspec.Struct, frozen=True):
    thread_id: str


class _Change(msgspec.Struct, frozen=True):
    path: str = ""


class _Item(msgspec.Struct, frozen=True):
    id: str = ""
    type: str = ""
    text: str = ""
    command: str = ""
    changes: list[_Change] = []
    query: str = ""
    server: str = ""
    tool: str = ""
    status: str = ""


class _ItemEvent(msgspec.Struct, frozen=True):
    item: _Item


class _Tokens(msgspec.Struct, frozen=True):
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0


class _Completed(msgspec.Struct, frozen=True):
    usage: _Tokens | None = None


class _Error(msgspec.Struct, frozen=True):
    message: str = ""


class _Failed(msgspec.Struct, frozen=True):
    error: _Error = _Error()


_STATUS = re.compile(r"\bstatus (\d{3})\b")
_RECONNECTING = "Reconnecting..."
_QUOTA = re.compile(r"usage limit|quota|insufficient_quota", re.IGNORECASE)
_RESET = re.compile(
    r"try again in (?:(\d{1,9}) days? ?)?(?:(\d{1,9}) hours? ?)?"
    r"(?:(\d{1,9}) minutes? ?)?(?:(\d{1,9}) seconds?)?",
    re.IGNORECASE,
)
_BUSY = re.compile(
    r"high demand|overloaded|rate limit|too many requests|stream disconnected|error sending"
    r"|connection|timed? ?out|internal server error|service unavailable|network",
    re.IGNORECASE,
)
_UNIT_S = (86_400, 3_600, 60, 1)


class CodexDialect(Dialect):
    """See `stream.Dialect`."""

    def __init__(self, earlier: Usage | None) -> None:
        self._earlier = earlier
        self._thread: Usage | None = None
        self._tools = 0
        self._text = ""
        self._open: set[str] = set()

    def read(self, kind: str, line: str) -> Iterator[AgentEvent]:
        """See `stream.Dialect.read`."""
        match kind:
            case "thread.started":
                # Its next run takes it as an argument: `-x` would be an option there.
                yield SessionSeen(str(UUID(read_as(_Thread, line).thread_id)))
            case "item.started" | "item.completed":
                yield from self._item(kind, read_as(_ItemEvent, line).item)
            case "turn.completed":
                yield from self._completed(read_as(_Completed, line))
            case "turn.failed":
                yield _failure(read_as(_Failed, line).error.message)
            case "error":
                yield from _error(read_as(_Error, line).message)
            case _:
                pass

    @property
    def thread_usage(self) -> Usage | None:
        """The thread's tokens so far."""
        return self._thread

    def _item(self, kind: str, item: _Item) -> Iterator[AgentEvent]:
        if item.type == "agent_message":
            if kind == "item.completed" and item.text:
                self._text = item.text
                yield TextSeen(item.text)
        elif item.type not in ("error", "reasoning", "todo_list"):
            yield from self._tool(kind, item)

    def _tool(self, kind: str, item: _Item) -> Iterator[AgentEvent]:
        if item.id not in self._open:
            self._open.add(item.id)
            self._tools += 1
            yield ToolSeen(item.id, item.type, "start", _summary(item))
        if kind == "item.completed":
            self._open.discard(item.id)
            is_error = item.status in ("failed", "declined")
            yield ToolSeen(item.id, item.type, "error" if is_error else "ok")
            # The stream has no event per model call: each tool result is answered by one.
            yield UsageSeen(Usage(), self._tools + 1)

    def _completed(self, event: _Completed) -> Iterator[AgentEvent]:
        if event.usage is not None:
            used = event.usage
            thread = measured(used.input_tokens, used.output_tokens, used.cached_input_tokens)
            self._thread = thread
            yield UsageSeen(since(thread, self._earlier), self._tools + 1)
        yield EndSeen(None, final_text=self._text)


def _summary(item: _Item) -> str:
    paths = " ".join(change.path for change in item.changes)
    return cut(item.command or paths or item.query or f"{item.server} {item.tool}".strip())


def _error(message: str) -> Iterator[AgentEvent]:
    """A retry, or the announcement of the `turn.failed` that follows at once."""
    if message.startswith(_RECONNECTING):
        yield RetrySeen(_status(message), cut(message))


def _failure(message: str) -> EndSeen:
    reset_s = _reset_s(message)
    return EndSeen(_kind(message, reset_s), cut(message), reset_s=reset_s)


def _kind(message: str, reset_s: float | None) -> ErrorKind:
    """The error's kind. Codex gives prose without a code, so this reads prose: see the facts."""
    status = _status(message)
    if status in (401, 403):
        return "auth"
    if reset_s is not None and _QUOTA.search(message):
        return "quota"
    if status == 429 or (status is not None and status >= 500):
        return "overloaded"
    return "overloaded" if _BUSY.search(message) or _QUOTA.search(message) else "agent"


def _status(message: str) -> int | None:
    found = _STATUS.search(message)
    return int(found[1]) if found else None


def _reset_s(message: str) -> float | None:
    found = _RESET.search(message)
    if found is None or not any(found.groups()):
        return None
    return float(
        sum(
            int(number) * unit
            for number, unit in zip(found.groups(), _UNIT_S, strict=True)
            if number
        )
    )
