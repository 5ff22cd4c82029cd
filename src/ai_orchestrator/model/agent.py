"""What an agent is to the rest of the system: usage, stream events, result."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

Permission = Literal["write", "read-only"]
SandboxMode = Literal["required", "best-effort", "off"]
AccountKind = Literal["env", "vendor-home", "user-home", "none"]
LOGIN_DRIVERS = ("claude", "codex")
"""Drivers whose login the orchestrator can keep; a test holds them equal to what drivers say."""


class Usage(msgspec.Struct, frozen=True):
    """What runs cost. None means unmeasured, never zero. Cached tokens are part of input."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost_usd: Decimal | None = None
    is_tokens_whole: bool = True
    """False: a run that is in it did not tell its tokens, so they are a lower bound."""
    is_cost_whole: bool = True
    """The same of the cost."""

    def plus(self, other: Usage) -> Usage:
        """The sum, field by field; unmeasured and measured give measured.

        What has not run yet is unmeasured as well, so that alone makes no lower bound: a run that
        is over is added by `as_ended`.
        """
        return Usage(
            _sum(self.input_tokens, other.input_tokens),
            _sum(self.output_tokens, other.output_tokens),
            _sum(self.cached_tokens, other.cached_tokens),
            _sum_money(self.cost_usd, other.cost_usd),
            is_tokens_whole=self.is_tokens_whole and other.is_tokens_whole,
            is_cost_whole=self.is_cost_whole and other.is_cost_whole,
        )

    def as_ended(self) -> Usage:
        """The same of a run that is over: what it has not told by now is lacking in every sum."""
        is_told = self.input_tokens is not None and self.output_tokens is not None
        return msgspec.structs.replace(
            self,
            is_tokens_whole=self.is_tokens_whole and is_told,
            is_cost_whole=self.is_cost_whole and self.cost_usd is not None,
        )

    @property
    def total_tokens(self) -> int | None:
        """Input and output together, None when neither was measured."""
        return _sum(self.input_tokens, self.output_tokens)


def _sum(left: int | None, right: int | None) -> int | None:
    if left is None:
        return right
    return left if right is None else left + right


def _sum_money(left: Decimal | None, right: Decimal | None) -> Decimal | None:
    if left is None:
        return right
    return left if right is None else left + right


class SessionSeen(msgspec.Struct, frozen=True, tag="session"):
    """The agent named its conversation, and perhaps its model and version."""

    session_id: str
    model: str | None = None
    version: str | None = None


class TextSeen(msgspec.Struct, frozen=True, tag="text"):
    """The agent said something. `is_delta`: to be joined to the text before it."""

    text: str
    is_delta: bool = False


class ToolSeen(msgspec.Struct, frozen=True, tag="tool"):
    """A tool call began or ended. `summary` is its most telling argument, cut to 200 characters."""

    id: str
    name: str
    phase: Literal["start", "ok", "error"]
    summary: str = ""


class UsageSeen(msgspec.Struct, frozen=True, tag="usage"):
    """Consumption so far of this run (the parser has normalised per-call and per-thread figures).

    Cumulative within the run: the last one seen counts.
    """

    usage: Usage
    turns: int | None = None


class RetrySeen(msgspec.Struct, frozen=True, tag="retry"):
    """The agent tells that it will ask its model again. `status` is the HTTP status, if known."""

    status: int | None
    message: str
    delay_s: float | None = None


class WaitSeen(msgspec.Struct, frozen=True, tag="wait"):
    """The run waits for an account that serves one run at a time. Told by the host."""

    account: str
    is_over: bool = False


class EndSeen(msgspec.Struct, frozen=True, tag="end"):
    """The agent's own terminal event. `error_kind` is None exactly when it claims success."""

    error_kind: ErrorKind | None
    message: str = ""
    final_text: str | None = None
    reset_s: float | None = None
    """Seconds until a quota or rate limit lifts, when the vendor says so."""


ErrorKind = Literal[
    "missing",  # the agent's program is not there
    "environment",  # the machine lacks something else that the run needs
    "auth",  # the account was refused: final, never retried
    "quota",  # a limit with a reset time
    "overloaded",  # 429 without a reset, 5xx, network: may work later
    "limit",  # turn, token, cost or time limit that we or the vendor set
    "stalled",  # nothing heard for the stall time
    "protocol",  # no terminal event, or an unreadable stream
    "crash",  # exit code or signal against its own word
    "cancelled",
    "agent",  # the agent says that it failed
]

AgentEvent = SessionSeen | TextSeen | ToolSeen | UsageSeen | RetrySeen | WaitSeen | EndSeen


class AgentResult(msgspec.Struct, frozen=True):
    """How one run of an agent ended, by exit code AND terminal event.

    The third truth, the work tree, is judged by the step that ran the agent.
    """

    error_kind: ErrorKind | None
    message: str
    final_text: str
    usage: Usage
    turns: int | None
    tool_calls: int
    session_id: str | None
    model: str | None
    version: str | None
    exit_code: int | None
    duration_s: float
    leftovers: int = 0
    reset_s: float | None = None

    @staticmethod
    def not_started(error_kind: ErrorKind, message: str) -> AgentResult:
        """The result of a run that never began and used nothing."""
        return AgentResult(
            error_kind=error_kind,
            message=message,
            final_text="",
            usage=Usage(0, 0, 0),
            turns=0,
            tool_calls=0,
            session_id=None,
            model=None,
            version=None,
            exit_code=None,
            duration_s=0.0,
        )

    @property
    def is_success(self) -> bool:
        """Exit code and terminal event agree that it went well."""
        return self.error_kind is None
