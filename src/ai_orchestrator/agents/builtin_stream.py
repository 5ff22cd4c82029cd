"""What the built-in agent says: one JSON object a line. The dialect is ours, see `builtin_loop`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from ai_orchestrator.agents.stream import Dialect, read_as
from ai_orchestrator.agents.usage import measured
from ai_orchestrator.model.agent import (
    AgentEvent,
    EndSeen,
    ErrorKind,
    RetrySeen,
    SessionSeen,
    TextSeen,
    ToolSeen,
    UsageSeen,
)


class _Session(msgspec.Struct, frozen=True):
    session_id: str
    model: str
    version: str


class _Text(msgspec.Struct, frozen=True):
    text: str


class _Tool(msgspec.Struct, frozen=True):
    id: str
    name: str
    phase: Literal["start", "ok", "error"]
    summary: str = ""


class _Usage(msgspec.Struct, frozen=True):
    turns: int
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None


class _Retry(msgspec.Struct, frozen=True):
    message: str
    delay_s: float
    status: int | None = None


class _End(msgspec.Struct, frozen=True):
    error_kind: ErrorKind | None
    message: str = ""
    text: str | None = None
    reset_s: float | None = None


class BuiltinDialect(Dialect):
    """See `stream.Dialect`."""

    def read(self, kind: str, line: str) -> Iterable[AgentEvent]:
        """See `stream.Dialect.read`."""
        match kind:
            case "session":
                named = read_as(_Session, line)
                yield SessionSeen(named.session_id, named.model, named.version)
            case "text":
                yield TextSeen(read_as(_Text, line).text)
            case "tool":
                tool = read_as(_Tool, line)
                yield ToolSeen(tool.id, tool.name, tool.phase, tool.summary)
            case "usage":
                used = read_as(_Usage, line)
                usage = measured(used.input_tokens, used.output_tokens, used.cached_tokens)
                yield UsageSeen(usage, used.turns)
            case "retry":
                retry = read_as(_Retry, line)
                yield RetrySeen(retry.status, retry.message, retry.delay_s)
            case "end":
                end = read_as(_End, line)
                yield EndSeen(end.error_kind, end.message, end.text, end.reset_s)
            case _:
                pass
