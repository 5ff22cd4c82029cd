"""How a run ended: exit code AND terminal event, never one of them alone. Pure.

Each of the two lied in a measured case: a run that was interrupted exits 0 without a terminal
event, a refused request ends in an event called success, and a program told to stop claims
success with exit code 0. The third truth, the work tree, is judged by the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from ai_orchestrator.agents.kept_text import LIMIT_TEXT_CHARS, KeptText
from ai_orchestrator.base.command import Exit
from ai_orchestrator.base.errors import shorten
from ai_orchestrator.model.agent import (
    AgentEvent,
    AgentResult,
    EndSeen,
    ErrorKind,
    RetrySeen,
    SessionSeen,
    TextSeen,
    ToolSeen,
    Usage,
    UsageSeen,
    WaitSeen,
)
from ai_orchestrator.model.workflow import Limits

STDERR_TOLD_CHARS = 400  # the reason stands at the end, after the warnings


@dataclass(frozen=True, slots=True)
class StopCause:
    """Why we ended the run before it ended itself."""

    kind: ErrorKind
    message: str
    reset_s: float | None = None


class Tally:
    """What a run has said so far, as far as its result needs it."""

    def __init__(self) -> None:
        self.session: SessionSeen | None = None
        self.usage = Usage()
        self.turns: int | None = None
        self.tool_calls = 0
        self.open_tools: set[str] = set()
        self.end: EndSeen | None = None
        self._model: str | None = None
        self._version: str | None = None
        self._text = KeptText()

    def add(self, event: AgentEvent) -> None:
        """Counts one event; they come in order."""
        match event:
            case SessionSeen():
                self.session = event
                self._model = event.model or self._model
                self._version = event.version or self._version
            case TextSeen():
                self._add_text(event)
            case ToolSeen():
                self._add_tool(event)
            case UsageSeen():
                self.usage = event.usage
                self.turns = self.turns if event.turns is None else event.turns
            case RetrySeen() | WaitSeen():
                pass  # others act on it; the result needs only what came of it
            case EndSeen():
                if self.end is None or self.end.error_kind != "protocol":
                    self.end = event
            case _:
                assert_never(event)

    @property
    def text(self) -> str:
        """The last message of the agent."""
        return self._text.text

    @property
    def model(self) -> str | None:
        """The model that the agent named."""
        return self._model

    @property
    def version(self) -> str | None:
        """The version that the agent named."""
        return self._version

    def _add_text(self, event: TextSeen) -> None:
        if not event.is_delta:
            self._text.restart()
        self._text.add(event.text)

    def _add_tool(self, event: ToolSeen) -> None:
        if event.phase == "start":
            self.tool_calls += 1
            self.open_tools.add(event.id)
        else:
            self.open_tools.discard(event.id)


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known of the process at its end."""

    exit: Exit
    stop: StopCause | None
    duration_s: float
    stderr_tail: str
    """The end of standard error, redacted."""
    exit_kinds: Mapping[int, ErrorKind]
    """Exit codes that this program uses for one kind of failure only."""


def conclude(tally: Tally, ending: Ending) -> AgentResult:
    """The result of a run."""
    kind, message, reset_s = _verdict(tally, ending)
    end = tally.end
    text = end.final_text if end is not None and end.final_text is not None else tally.text
    return AgentResult(
        error_kind=kind,
        message=message,
        final_text=text[-LIMIT_TEXT_CHARS:],
        usage=tally.usage,
        turns=tally.turns,
        tool_calls=tally.tool_calls,
        session_id=None if tally.session is None else tally.session.session_id,
        model=tally.model,
        version=tally.version,
        exit_code=ending.exit.code,
        duration_s=ending.duration_s,
        leftovers=ending.exit.leftovers,
        reset_s=reset_s,
    )


def nothing_left(limits: Limits) -> AgentResult | None:
    """The result of a run that may use nothing and is not started; None: it may."""
    allowed = (limits.max_turns, limits.max_tokens, limits.max_cost_usd)
    if all(limit is None or limit > 0 for limit in allowed):
        return None
    return AgentResult.not_started("limit", "not started: the limits leave nothing to use")


def _verdict(tally: Tally, ending: Ending) -> tuple[ErrorKind | None, str, float | None]:
    stop, end = ending.stop, tally.end
    if stop is not None:
        return stop.kind, stop.message, stop.reset_s
    if end is None:
        kind, message = _without_terminal_event(ending)
        return kind, message, None
    if end.error_kind is not None:
        return end.error_kind, _joined(end.message, "the agent reported a failure"), end.reset_s
    if not ending.exit.is_success:
        said = f"the agent claimed success, then {_how(ending.exit)}"
        return "crash", _with_stderr(said, ending), None
    if tally.turns == 0:
        return "agent", "the agent claimed success without asking its model", None
    return None, "", None


def _without_terminal_event(ending: Ending) -> tuple[ErrorKind, str]:
    how = ending.exit
    known = None if how.code is None else ending.exit_kinds.get(how.code)
    if known is not None:
        return known, _with_stderr(f"the agent {_how(how)}", ending)
    said = f"the agent {_how(how)} without a terminal event"
    return "protocol" if how.is_success else "crash", _with_stderr(said, ending)


def _how(how: Exit) -> str:
    if how.code is None:
        return f"was ended by signal {how.signal}"
    return f"ended with exit code {how.code}"


def _with_stderr(said: str, ending: Ending) -> str:
    tail = shorten(ending.stderr_tail.strip()[-STDERR_TOLD_CHARS:])
    return f"{said}: {tail}" if tail else f"{said}; it said nothing on standard error"


def _joined(message: str, otherwise: str) -> str:
    return shorten(message) if message.strip() else otherwise
