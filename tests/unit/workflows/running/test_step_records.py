"""What stands in commits and in the timeline about a finished step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.events import BudgetChangedData, CommitMadeData, StepFinishedData
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.orders import StepCommit
from ai_orchestrator.model.review import Finding, FindingState, LedgerEntry, Severity, Verdict
from ai_orchestrator.model.states import SuccessRule
from ai_orchestrator.model.task import StepView
from ai_orchestrator.model.workflow import ScriptStep, WorkflowSpec
from ai_orchestrator.workflows.running.step_records import (
    commit_message,
    finding_events,
    finishing_events,
    verdict_sentence,
)
from ai_orchestrator.workflows.running.values import StepDone

KEY = StepKey("t-x", 1, "improve/implement", 2, 3)
BEGAN = datetime(2026, 1, 31, tzinfo=UTC)
FLAW = Finding(Severity.LOW, "a typing error")
SPEC = WorkflowSpec("w", "", SuccessRule.VERIFIED, (), {}, {}, {}, None, max_tokens=1000)


def view(**changes: Any) -> StepView:
    """A row that has just been finished."""
    fields: dict[str, Any] = {
        "step": "improve/implement",
        "iteration": 2,
        "attempt": 3,
        "kind": "agent",
        "outcome": "succeeded",
        "started_at": BEGAN,
        "finished_at": BEGAN + timedelta(seconds=4),
    }
    return StepView(**(fields | changes))


def done(**changes: Any) -> StepDone:
    """A step that changed nothing and cost nothing."""
    fields: dict[str, Any] = {
        "step": "improve/implement",
        "iteration": 2,
        "attempt": 3,
        "outcome": "succeeded",
        "commit": "c0",
        "tree": "t0",
    }
    return StepDone(**(fields | changes))


def told(end: StepDone, commit: StepCommit | None = None, **row: Any) -> list[Any]:
    """The data of the events, in order."""
    made = commit or StepCommit("c0", "t0", is_changed=False)
    return [event.data for event in finishing_events(SPEC, KEY, view(**row), end, made)]


def test_a_commit_says_where_it_comes_from() -> None:
    """In trailers that git itself can read."""
    agent = view(agent="claude", model="opus", session="s-1")
    message = commit_message(KEY, ScriptStep("improve/implement", ("true",)), agent)
    assert message == (
        "improve/implement (iteration 2)\n\n"
        "AI-Orchestrator-Task: t-x\n"
        "AI-Orchestrator-Step: improve/implement\n"
        "AI-Orchestrator-Iteration: 2\n"
        "AI-Orchestrator-Attempt: 3\n"
        "AI-Orchestrator-Agent: claude\n"
        "AI-Orchestrator-Model: opus\n"
        "AI-Orchestrator-Session: s-1\n"
    )


def test_a_commit_of_no_agent_names_none() -> None:
    """And a step's own description is its subject."""
    script = ScriptStep("format", ("true",), description="Format everything")
    message = commit_message(KEY, script, view())
    assert message.startswith("Format everything\n\n")
    assert "Agent" not in message


def test_a_script_without_a_change_tells_its_end_only() -> None:
    """It spends nothing."""
    assert told(done(), kind="script") == [
        StepFinishedData("succeeded", "", commit="c0", duration_s=4.0)
    ]


def test_an_agent_that_tells_no_spend_changes_the_budget_as_well() -> None:
    """What is known of the task's spend is a lower bound from then on."""
    assert [type(data) for data in told(done())] == [StepFinishedData, BudgetChangedData]


def test_a_change_and_its_cost_are_told_too() -> None:
    """The commit before the end, the budget after it; the records put in the task's sum."""
    usage = Usage(input_tokens=7, output_tokens=1)
    commit = StepCommit("c1", "t1", is_changed=True, files=1, insertions=2, deletions=3)
    made, finished, budget = told(done(is_changed=True, commit="c1", usage=usage), commit)
    assert made == CommitMadeData("c1", KEY.ref, 1, 2, 3)
    assert (finished.outcome, finished.is_changed, finished.usage) == ("succeeded", True, usage)
    assert budget == BudgetChangedData(usage=usage, max_tokens=1000, max_cost_usd=None)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, ""),
        ({"verdict_note": "no JSON found"}, "no JSON found"),
        ({"verdict": Verdict("approve"), "is_approval": True}, "approves, no finding."),
        (
            {"verdict": Verdict("approve", (FLAW,)), "is_approval": True},
            "approves, 1 finding.",
        ),
        (
            {"verdict": Verdict("request_changes", (FLAW, FLAW)), "verdict_note": "odd."},
            "asks for changes, 2 findings. odd.",
        ),
    ],
)
def test_a_verdict_is_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    """For people who watch."""
    assert verdict_sentence(done(**changes)) == sentence


def test_each_changed_finding_is_an_event_of_its_own() -> None:
    """With an id by what it is, so that it is told once per execution."""
    entries = [LedgerEntry(name, FLAW, FindingState.NEW, "review", 1, 1) for name in ("aaa", "bbb")]
    events = finding_events(KEY, entries)
    assert [event.id.rpartition("/")[2] for event in events] == ["aaa", "bbb"]
    assert finding_events(KEY, entries) == events
