"""When a run must be stopped: times, limits, retries that lead nowhere. Pure, but for its memory.

The vendors' own limits differ and some are missing, their retries last minutes, some in silence:
so the host counts for itself and asks this after each event and at each deadline.
"""

from __future__ import annotations

from ai_orchestrator.agents.conclude import StopCause, Tally
from ai_orchestrator.model.agent import (
    AgentEvent,
    EndSeen,
    ErrorKind,
    RetrySeen,
    TextSeen,
    ToolSeen,
    UsageSeen,
)
from ai_orchestrator.model.workflow import Limits

TOOL_PATIENCE = 3.0
"""Builds and test suites are silent: while a tool runs the stall limit is so many times longer."""
RETRY_PATIENCE_S = 60.0
"""A guess: a hiccup of a provider is over by then; what lasts longer is waited for outside."""
LONGEST_DELAY_S = 60.0
"""An agent that will sleep longer than this before it asks again is stopped at once."""
EXIT_PATIENCE_S = 30.0
"""How long a program may take to end after its terminal event."""
_FINAL_STATUS = (401, 403)
_LIMITED_STATUS = 429


class Watch:
    """The stop rule of one run. Times are monotonic seconds."""

    def __init__(self, limits: Limits, began_s: float) -> None:
        self._limits = limits
        self._began_s = began_s
        self._heard_s = began_s
        self._retrying_since_s: float | None = None
        self._last_retry: RetrySeen | None = None
        self._ended_s: float | None = None
        self._has_open_tools = False

    def heard(self, now_s: float) -> None:
        """The program printed something."""
        self._heard_s = now_s

    def saw(self, event: AgentEvent, tally: Tally, now_s: float) -> StopCause | None:
        """The reason to stop that this event gives; `tally` includes it."""
        self._has_open_tools = bool(tally.open_tools)
        match event:
            case RetrySeen():
                return self._retry(event, now_s)
            case TextSeen() | ToolSeen():
                self._retrying_since_s = None
            case UsageSeen() if event.usage.total_tokens is not None:
                # The model answers, though it may think for minutes before it says a word. Without
                # figures the event only tells that a call began.
                self._retrying_since_s = None
            case EndSeen(error_kind="protocol"):  # nobody knows what it goes on to say
                return StopCause("protocol", event.message)
            case EndSeen():
                self._ended_s = now_s
            case _:
                pass
        return None if self._ended_s is not None else over_limits(self._limits, tally)

    def deadline_s(self) -> float:
        """When to ask `overdue` next, unless something is heard before."""
        times = [self._began_s + self._limits.timeout_s]
        if self._ended_s is not None:
            times.append(self._ended_s + EXIT_PATIENCE_S)
        else:
            times.append(self._heard_s + self._stall_s)
        if self._retrying_since_s is not None:
            times.append(self._retrying_since_s + RETRY_PATIENCE_S)
        return min(times)

    def overdue(self, now_s: float) -> StopCause | None:
        """The reason to stop that the time gives."""
        limits = self._limits
        if self._ended_s is not None and now_s >= self._ended_s + EXIT_PATIENCE_S:
            return StopCause(
                "crash", f"it did not exit within {EXIT_PATIENCE_S:g} s of its terminal event"
            )
        if now_s >= self._began_s + limits.timeout_s:
            return StopCause("limit", f"stopped after {limits.timeout_s:g} s, the step's timeout")
        if self._ended_s is not None:
            return None
        since = self._retrying_since_s
        if since is not None and now_s >= since + RETRY_PATIENCE_S:
            return self._no_answer(f"for {RETRY_PATIENCE_S:g} s")
        if now_s >= self._heard_s + self._stall_s:
            return self._stalled()
        return None

    @property
    def _stall_s(self) -> float:
        return self._limits.stall_s * (TOOL_PATIENCE if self._has_open_tools else 1.0)

    def _stalled(self) -> StopCause:
        message = f"nothing heard for {self._stall_s:g} s"
        if self._retrying_since_s is not None:
            return self._no_answer(f"and then there was {message}")
        return StopCause("stalled", message)

    def _retry(self, event: RetrySeen, now_s: float) -> StopCause | None:
        self._last_retry = event
        if self._retrying_since_s is None:
            self._retrying_since_s = now_s
        if event.status in _FINAL_STATUS:
            return StopCause("auth", f"the account was refused ({event.status}): {event.message}")
        if event.delay_s is not None and event.delay_s > LONGEST_DELAY_S:
            kind: ErrorKind = "quota" if event.status == _LIMITED_STATUS else "overloaded"
            said = f"the model's service asks to wait {event.delay_s:g} s: {event.message}"
            return StopCause(kind, said, event.delay_s)
        return None

    def _no_answer(self, how_long: str) -> StopCause:
        retry = self._last_retry
        told = "" if retry is None else f" ({retry.status or 'no status'}: {retry.message})"
        return StopCause("overloaded", f"the agent asked its model again {how_long}{told}")


def over_limits(limits: Limits, tally: Tally) -> StopCause | None:
    """The limit that the run has passed; None within all of them."""
    turns, tokens, cost = tally.turns, tally.usage.total_tokens, tally.usage.cost_usd
    if limits.max_turns is not None and turns is not None and turns > limits.max_turns:
        return StopCause("limit", f"more than {limits.max_turns} turns")
    if limits.max_tokens is not None and tokens is not None and tokens > limits.max_tokens:
        return StopCause("limit", f"{tokens} tokens used of {limits.max_tokens} allowed")
    if limits.max_cost_usd is not None and cost is not None and cost > limits.max_cost_usd:
        return StopCause("limit", f"{cost} USD spent of {limits.max_cost_usd:g} allowed")
    return None
