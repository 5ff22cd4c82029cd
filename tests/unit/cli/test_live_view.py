"""`reduce`: what is known of a task after its events."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import reduce as fold

import pytest
from tests.unit.cli.memory import START, USAGE, entry, event, story, verifier_result

from ai_orchestrator.cli.live_view import SAID_LIMIT, SAID_LIMIT_CHARS, LiveView, reduce
from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.events import (
    AgentQuestionData,
    AgentRetryData,
    AgentTextData,
    AgentToolData,
    AgentUsageData,
    AgentWaitData,
    BudgetChangedData,
    Event,
    EventData,
    FindingChangedData,
    QuotaChangedData,
    StepFinishedData,
    StepStartedData,
    TaskStateData,
    UnknownData,
    VerifierFinishedData,
)
from ai_orchestrator.model.review import FindingState
from ai_orchestrator.model.states import OutcomeCode, TaskState


def after(*events: Event) -> LiveView:
    """The view after events."""
    return fold(reduce, events, LiveView())


def in_step(*datas: EventData, step: str = "implement") -> LiveView:
    """The view after these things happened in one execution of a step."""
    started = StepStartedData("agent", agent="claude", model="opus")
    return after(
        *(
            event(seq, data, step=step, iteration=1, attempt=1)
            for seq, data in enumerate((started, *datas), start=1)
        )
    )


def test_a_whole_story_ends_with_nothing_running() -> None:
    """Steps, verifiers, findings and state are all there."""
    view = after(*story())

    assert [step.outcome for step in view.steps] == ["succeeded"] * 3
    assert [(step.step, step.iteration) for step in view.steps][-1] == ("refine", 2)
    assert view.running == ()
    assert [result.is_green for result in view.verifiers] == [True]
    assert [finding.state for finding in view.findings] == [FindingState.FIXED]
    assert (view.state, view.outcome) == (TaskState.SUCCEEDED, OutcomeCode.APPROVED_VERIFIED)
    assert (view.usage.total_tokens, view.usage.cost_usd) == (14_710, USAGE.cost_usd)
    assert view.started_at == START


def test_an_event_seen_before_changes_nothing() -> None:
    """A stream that is taken up again may repeat its last event."""
    view = after(*story()[:8])

    assert reduce(view, story()[7]) == view
    assert reduce(view, story()[2]) == view


def test_a_running_step_shows_who_works() -> None:
    """Agent, model and when it began."""
    (step,) = in_step().running

    assert (step.agent, step.model, step.started_at) == ("claude", "opus", START)


def test_a_second_attempt_stands_beside_the_first() -> None:
    """Each execution has a line of its own."""
    view = after(
        event(1, StepStartedData("agent"), step="s", iteration=1, attempt=1),
        event(2, StepFinishedData("interrupted"), step="s", iteration=1, attempt=1),
        event(3, StepStartedData("agent", how="resumed"), step="s", iteration=1, attempt=2),
    )

    assert [(step.attempt, step.outcome) for step in view.steps] == [
        (1, "interrupted"),
        (2, "running"),
    ]


def test_text_deltas_are_joined() -> None:
    """Words arrive in pieces; the person reads sentences."""
    view = in_step(AgentTextData("I w", is_delta=True), AgentTextData("ill", is_delta=True))

    assert [said.text for said in view.said] == ["I will"]


def test_whole_texts_and_other_steps_are_not_joined() -> None:
    """A tool call or another speaker ends a sentence."""
    view = in_step(
        AgentTextData("a", is_delta=True),
        AgentToolData("1", "Edit", "start", "x.py"),
        AgentTextData("b", is_delta=True),
        AgentTextData("c"),
        AgentTextData("d", is_delta=True),
    )

    assert [said.text for said in view.said] == ["a", "x.py", "b", "c", "d"]


def test_successful_end_of_a_tool_call_adds_nothing() -> None:
    """Its start was shown; a failure is shown again."""
    view = in_step(
        AgentToolData("1", "Edit", "start", "x"),
        AgentToolData("1", "Edit", "ok"),
        AgentToolData("2", "Bash", "error", "make"),
    )

    assert [(said.tool, said.mark) for said in view.said] == [("Edit", "start"), ("Bash", "error")]


def test_what_is_remembered_is_bounded() -> None:
    """A talkative agent does not fill the memory of the command."""
    long = AgentTextData("x" * 900, is_delta=True)
    view = in_step(*(AgentToolData(str(i), "T", "start") for i in range(100)), *([long] * 9))

    assert len(view.said) == SAID_LIMIT
    assert len(view.said[-1].text) == SAID_LIMIT_CHARS


def test_usage_of_an_attempt_is_cumulative() -> None:
    """The last figure of an attempt counts, not their sum."""
    view = in_step(
        AgentUsageData(Usage(100, 10)),
        AgentUsageData(Usage(150, 30)),
        StepFinishedData("succeeded", usage=Usage(150, 30, None, Decimal("0.5"))),
    )

    assert view.usage == Usage(150, 30, None, Decimal("0.5"))


def test_usage_of_attempts_adds_up() -> None:
    """What was spent on a failed attempt stays spent."""
    view = after(
        event(1, StepStartedData("agent"), step="s", iteration=1, attempt=1),
        event(2, AgentUsageData(Usage(100, 10)), step="s", iteration=1, attempt=1),
        event(3, StepStartedData("agent"), step="s", iteration=1, attempt=2),
        event(4, AgentUsageData(Usage(50, 5)), step="s", iteration=1, attempt=2),
    )

    assert view.usage == Usage(150, 15)


def test_unmeasured_stays_unmeasured() -> None:
    """No usage at all is None, not zero, also when only tokens were told."""
    unmeasured = in_step(StepFinishedData("succeeded")).usage
    assert (unmeasured.total_tokens, unmeasured.cost_usd) == (None, None)
    assert in_step(AgentUsageData(Usage(1, 1))).usage.cost_usd is None


@pytest.mark.parametrize("is_first", [True, False], ids=["before", "after"])
def test_an_agent_that_told_no_cost_makes_the_total_a_lower_bound(
    is_first: bool,  # noqa: FBT001  a column of the table
) -> None:
    """Before or after one that told it; a script, which costs nothing, does not."""
    paid = Usage(10, 1, None, Decimal("0.42"))
    spent = [Usage(10, 1), paid] if is_first else [paid, Usage(10, 1)]
    events = [
        event(1, StepStartedData("agent"), step="s", attempt=1),
        event(2, StepFinishedData("failed", usage=spent[0]), step="s", attempt=1),
        event(3, StepStartedData("agent"), step="s", attempt=2),
        event(4, StepFinishedData("failed", usage=spent[1]), step="s", attempt=2),
        event(5, StepStartedData("script"), step="lint"),
        event(6, StepFinishedData("failed"), step="lint"),
    ]

    assert after(*events).usage == Usage(20, 2, None, Decimal("0.42"), is_cost_whole=False)


def test_the_total_is_that_of_the_whole_task() -> None:
    """Another attempt of the task does not make the first one undone."""
    view = in_step(BudgetChangedData(Usage(1_000, 0)))
    later = event(90, StepStartedData("agent"), step="s", task_attempt=2)

    assert reduce(view, later).usage == Usage(1_000, 0)


def test_the_budget_sets_the_total_and_its_limits() -> None:
    """The server's account replaces our own, which goes on from there."""
    view = in_step(
        AgentUsageData(Usage(100, 0)),
        BudgetChangedData(Usage(1_000, 0), 5_000, 2.5),
        AgentUsageData(Usage(160, 0)),
    )

    assert view.usage.input_tokens == 1_060
    assert (view.max_tokens, view.max_cost_usd) == (5_000, 2.5)


def test_verifiers_keep_their_last_result() -> None:
    """One line per verifier, red then green."""
    view = in_step(
        VerifierFinishedData(verifier_result(is_green=False), "c"),
        VerifierFinishedData(verifier_result(is_green=True), "c"),
    )

    assert [result.is_green for result in view.verifiers] == [True]


def test_findings_are_told_apart_by_fingerprint() -> None:
    """A changed entry replaces its older self."""
    view = in_step(
        FindingChangedData(entry(claim="a")),
        FindingChangedData(entry(claim="b")),
        FindingChangedData(entry(FindingState.RECURRING, "a")),
    )

    assert [(found.fingerprint, found.state) for found in view.findings] == [
        ("a", FindingState.RECURRING),
        ("b", FindingState.NEW),
    ]


def test_what_stands_in_the_way_is_a_notice() -> None:
    """Limits, retries and questions; the next step clears them."""
    resets = START + timedelta(hours=1)
    assert "until 13:00 UTC" in in_step(QuotaChangedData("claude", "work", resets)).notice
    assert "trying again" in in_step(AgentRetryData("overloaded")).notice
    assert "account work" in in_step(AgentWaitData("work")).notice
    assert in_step(AgentWaitData("work"), AgentWaitData("work", is_over=True)).notice == ""
    assert "asks: which?" in in_step(AgentQuestionData("which?")).notice
    assert in_step(AgentRetryData("x"), StepStartedData("agent")).notice == ""
    assert (
        in_step(QuotaChangedData("a", None, resets), QuotaChangedData("a", None, None)).notice == ""
    )


def test_a_waiting_state_keeps_the_notice() -> None:
    """The reason for the wait stays on the screen; running again clears it."""
    limit = QuotaChangedData("claude", None, START)
    waits = TaskStateData(TaskState.WAITING_QUOTA)

    assert in_step(limit, waits).notice
    assert not in_step(limit, waits, TaskStateData(TaskState.RUNNING)).notice


def test_the_end_of_the_task_ends_its_steps() -> None:
    """A cancelled task shows no step as running."""
    view = in_step(TaskStateData(TaskState.CANCELLED))

    assert [step.outcome for step in view.steps] == ["interrupted"]


def test_a_new_task_attempt_starts_afresh() -> None:
    """And late events of the one before do not disturb it."""
    view = after(
        event(1, StepStartedData("agent"), step="s"),
        event(2, TaskStateData(TaskState.RUNNING), task_attempt=2),
        event(3, TaskStateData(TaskState.FAILED), task_attempt=1),
    )

    assert (view.task_attempt, view.steps, view.state) == (2, (), TaskState.RUNNING)
    assert view.last_seq == 3


def test_an_event_of_a_newer_release_is_skipped() -> None:
    """Only its place in the log is remembered."""
    view = after(event(1, UnknownData({"x": 1})))

    assert view.last_seq == 1
    assert view.steps == ()
