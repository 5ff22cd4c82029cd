"""When a run is stopped."""

from __future__ import annotations

import pytest

from ai_orchestrator.agents.conclude import StopCause, Tally
from ai_orchestrator.agents.watch import (
    EXIT_PATIENCE_S,
    RETRY_PATIENCE_S,
    TOOL_PATIENCE,
    Watch,
    over_limits,
)
from ai_orchestrator.model.agent import (
    AgentEvent,
    EndSeen,
    RetrySeen,
    TextSeen,
    ToolSeen,
    Usage,
    UsageSeen,
)
from ai_orchestrator.model.workflow import Limits

LIMITS = Limits(timeout_s=1000.0, stall_s=100.0)


class Run:
    """A watch with its tally."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.watch = Watch(limits, 0.0)
        self.tally = Tally()

    def see(self, event: AgentEvent, at_s: float = 0.0) -> StopCause | None:
        """What the watch says to the event."""
        self.watch.heard(at_s)
        self.tally.add(event)
        return self.watch.saw(event, self.tally, at_s)

    def kind_at(self, now_s: float) -> str | None:
        """What the watch says to the time."""
        cause = self.watch.overdue(now_s)
        return None if cause is None else cause.kind


def test_silence_is_a_stall() -> None:
    """From the last word on."""
    run = Run()
    run.watch.heard(50.0)
    assert run.kind_at(149.0) is None
    assert run.kind_at(150.0) == "stalled"
    assert run.watch.deadline_s() == 150.0


def test_a_running_tool_is_given_longer() -> None:
    """Builds say nothing; when it has ended the ordinary limit holds again."""
    run = Run()
    run.see(ToolSeen("1", "run", "start"))
    assert run.kind_at(101.0) is None
    assert run.kind_at(100.0 * TOOL_PATIENCE) == "stalled"
    run.see(ToolSeen("1", "", "ok"))
    assert run.kind_at(101.0) == "stalled"


def test_the_timeout_holds_whatever_is_said() -> None:
    """Also for one that chatters on."""
    run = Run()
    run.watch.heard(999.0)
    assert run.kind_at(1000.0) == "limit"


@pytest.mark.parametrize(
    ("usage", "kind"),
    [(Usage(100, 0, 0), None), (Usage(0, 0, 0), None), (Usage(), "overloaded")],
    ids=["counts", "counts-nothing-yet", "only-a-call-that-began"],
)
def test_a_model_that_thinks_after_a_retry_is_no_longer_retried(
    usage: Usage, kind: str | None
) -> None:
    """Its figures are its first sign of life; what tells none is none."""
    run = Run()
    run.see(RetrySeen(529, "overloaded"))
    run.see(UsageSeen(usage, 1), 5.0)
    run.watch.heard(5.0 + RETRY_PATIENCE_S)
    assert run.kind_at(5.0 + RETRY_PATIENCE_S) == kind


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_account_is_final_at_the_first_retry(status: int) -> None:
    """Claude would try ten times."""
    cause = Run().see(RetrySeen(status, "refused"))
    assert cause is not None
    assert cause.kind == "auth"


@pytest.mark.parametrize(("status", "kind"), [(429, "quota"), (503, "overloaded")])
def test_a_long_wait_is_done_outside(status: int, kind: str) -> None:
    """An agent that sleeps for minutes holds a slot for nothing."""
    cause = Run().see(RetrySeen(status, "later", delay_s=600.0))
    assert cause is not None
    assert (cause.kind, cause.reset_s) == (kind, 600.0)


def test_retries_that_lead_nowhere_end() -> None:
    """Counted from the first of them, not from the last."""
    run = Run()
    assert run.see(RetrySeen(429, "busy", 1.0), 10.0) is None
    assert run.see(RetrySeen(429, "busy", 1.0), 40.0) is None
    assert run.kind_at(10.0 + RETRY_PATIENCE_S) == "overloaded"


def test_progress_makes_up_for_retries() -> None:
    """A hiccup is over when the model speaks."""
    run = Run()
    run.see(RetrySeen(429, "busy", 1.0), 10.0)
    run.see(TextSeen("here I am"), 20.0)
    assert run.kind_at(10.0 + RETRY_PATIENCE_S) is None


def test_a_stall_amid_retries_is_an_overload() -> None:
    """The agent lives, its model does not."""
    run = Run(Limits(timeout_s=1000.0, stall_s=20.0))
    run.see(RetrySeen(None, "no answer"), 0.0)
    assert run.kind_at(20.0) == "overloaded"


def test_a_program_that_does_not_exit_is_stopped() -> None:
    """Its terminal event was its last word."""
    run = Run()
    run.see(EndSeen(None), 10.0)
    assert run.kind_at(10.0 + EXIT_PATIENCE_S - 1) is None
    assert run.kind_at(10.0 + EXIT_PATIENCE_S) == "crash"


def test_a_stream_that_cannot_be_read_is_stopped_at_once() -> None:
    """With the true reason; it goes on talking, and nobody understands it."""
    cause = Run().see(EndSeen("protocol", "A line was dropped."))
    assert cause == StopCause("protocol", "A line was dropped.")


def test_after_the_terminal_event_no_limit_is_exceeded() -> None:
    """The work is done, and its last figures come late."""
    run = Run(Limits(max_tokens=10))
    run.see(EndSeen(None))
    assert run.see(UsageSeen(Usage(100, 100), 1)) is None


@pytest.mark.parametrize(
    ("limits", "usage", "turns", "is_over"),
    [
        (Limits(max_turns=3), Usage(), 3, False),
        (Limits(max_turns=3), Usage(), 4, True),
        (Limits(max_turns=3), Usage(), None, False),
        (Limits(max_tokens=10), Usage(6, 4), 1, False),
        (Limits(max_tokens=10), Usage(6, 5), 1, True),
        (Limits(max_tokens=10), Usage(), 1, False),
        (Limits(max_cost_usd=1.0), Usage(cost_usd=None), 1, False),
        (Limits(), Usage(10**9, 10**9), 10**6, False),
    ],
)
def test_limits_are_counted_by_us(
    limits: Limits, usage: Usage, turns: int | None, *, is_over: bool
) -> None:
    """At the limit is within it; what is unmeasured exceeds nothing."""
    tally = Tally()
    tally.add(UsageSeen(usage, turns))
    cause = over_limits(limits, tally)
    assert (cause is not None) == is_over
    assert cause is None or cause.kind == "limit"
