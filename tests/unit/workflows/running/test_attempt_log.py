"""What an agent's stream becomes in the log and in its attempt's row."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ai_orchestrator.model.agent import (
    AgentEvent,
    EndSeen,
    RetrySeen,
    SessionSeen,
    TextSeen,
    ToolSeen,
    Usage,
    UsageSeen,
)
from ai_orchestrator.model.events import (
    AgentRetryData,
    AgentTextData,
    AgentToolData,
    AgentUsageData,
    NewEvent,
)
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.task import StepView
from ai_orchestrator.workflows.running.attempt_log import AttemptLog, event_for

KEY = StepKey("t-x", 2, "improve/implement", 1, 3)
VIEW = StepView(
    step="improve/implement",
    iteration=1,
    attempt=3,
    kind="agent",
    outcome="running",
    started_at=datetime(2026, 1, 31, tzinfo=UTC),
    model="wanted",
)
PAID = Usage(input_tokens=10, output_tokens=0, cost_usd=Decimal(1))
TEN = Usage(input_tokens=10, output_tokens=0)


def seen(*events: AgentEvent) -> tuple[AttemptLog, list[NewEvent], list[StepView]]:
    """The log after the events, what it sent on, and how the row changed."""
    sent: list[NewEvent] = []
    rows: list[StepView] = []
    log = AttemptLog(KEY, VIEW, sent.append, rows.append)
    for event in events:
        log.see(event)
    return log, sent, rows


def test_everything_that_happens_is_told_in_order() -> None:
    """But for the session, which is the row's, and the end, which the result carries."""
    _, sent, _ = seen(
        SessionSeen("s", "m"),
        TextSeen("hello", is_delta=True),
        ToolSeen("1", "Write", "start", "a.py"),
        RetrySeen(529, "overloaded", 2.0),
        UsageSeen(TEN, 1),
        EndSeen(None, final_text="done"),
    )
    assert [event.data for event in sent] == [
        AgentTextData("hello", is_delta=True),
        AgentToolData("1", "Write", "start", "a.py"),
        AgentRetryData("overloaded", 529, 2.0),
        AgentUsageData(TEN, 1),
    ]


def test_ids_are_the_same_whenever_it_happens_again() -> None:
    """A batch that is sent twice is stored once; another attempt has other ids."""
    events = (TextSeen("a"), TextSeen("b"))
    ids = [event.id for event in seen(*events)[1]]
    assert ids == [event.id for event in seen(*events)[1]]
    assert len(set(ids)) == 2
    other = event_for(StepKey("t-x", 2, "improve/implement", 1, 4), "e1", AgentTextData("a"))
    assert other.id not in ids


def test_the_row_knows_the_session_as_soon_as_it_is_told() -> None:
    """That is what a conversation is taken up by, should the power go."""
    _, _, rows = seen(SessionSeen("s-1", None))
    assert [(row.session, row.model) for row in rows] == [("s-1", "wanted")]
    _, _, rows = seen(SessionSeen("s-1", "given"))
    assert rows[-1].model == "given"


def test_the_last_figure_of_a_run_counts() -> None:
    """Figures are cumulative within a run."""
    log, _, rows = seen(UsageSeen(TEN), UsageSeen(TEN.plus(TEN)))
    assert log.view.usage == TEN.plus(TEN)
    assert rows[-1].usage == TEN.plus(TEN)


def test_what_a_second_run_uses_comes_on_top() -> None:
    """The agent was asked again for an answer that can be read."""
    log, _, _ = seen(UsageSeen(TEN))
    log.settle(TEN, "s-1", None)
    log.begin_another_run()
    log.see(UsageSeen(TEN))
    assert log.view.usage.total_tokens == 20
    log.settle(TEN, None, "m-2")
    assert (log.view.usage.total_tokens, log.view.session, log.view.model) == (20, "s-1", "m-2")


@pytest.mark.parametrize("told", [(PAID, TEN), (TEN, PAID)], ids=["first only", "second only"])
def test_a_cost_that_one_of_two_runs_told_is_a_lower_bound(told: tuple[Usage, Usage]) -> None:
    """What the other one cost is not taken for zero."""
    log, _, _ = seen()
    log.settle(told[0], "s-1", None)
    log.begin_another_run()
    log.settle(told[1], "s-1", None)
    usage = log.view.usage
    assert (usage.cost_usd, usage.is_cost_whole, usage.is_tokens_whole) == (Decimal(1), False, True)
