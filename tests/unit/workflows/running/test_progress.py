"""How a task's progress is folded from what its steps came to."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from ai_orchestrator.model.agent import ErrorKind, Usage
from ai_orchestrator.model.review import Finding, Severity, Verdict, Verifier, VerifierResult
from ai_orchestrator.model.states import OutcomeCode, SuccessRule
from ai_orchestrator.model.workflow import AgentStep, ScriptStep, WorkflowSpec
from ai_orchestrator.review.verdict import Rejection
from ai_orchestrator.workflows.running.progress import (
    Progress,
    after_check,
    after_step,
    approved,
    begin,
    conversation_key,
    facts,
    verified,
)
from ai_orchestrator.workflows.running.values import Checked, Prepared, StepDone, Stopped

SUITE = Verifier("tests", ("make", "test"))
FLAW = Finding(Severity.HIGH, "divides by zero", "core.py", 3)
SPEC = WorkflowSpec("w", "", SuccessRule.VERIFIED, (), {}, {}, {}, None)


def agent(
    path: str = "write", asks: Literal["change", "verdict", "suggestions"] = "change", **more: Any
) -> AgentStep:
    """A step as the loader makes it."""
    fields: dict[str, Any] = {
        "path": path,
        "task": path,
        "agent": "a",
        "role": "implementer" if asks == "change" else "reviewer",
        "asks": asks,
        "permission": "write" if asks == "change" else "read-only",
        "prompt": "p",
    }
    return AgentStep(**(fields | more))


def done(**changes: Any) -> StepDone:
    """A step that left tree t1."""
    fields: dict[str, Any] = {
        "step": "write",
        "iteration": 1,
        "attempt": 1,
        "outcome": "succeeded",
        "commit": "c1",
        "tree": "t1",
        "at": 110.0,
    }
    return StepDone(**(fields | changes))


def green(name: str = "tests", code: int = 0) -> VerifierResult:
    """One run of a verifier."""
    return VerifierResult(name, ("make", name), code, False, 1.0, "out")  # noqa: FBT003


def start(**changes: Any) -> Progress:
    """A green base."""
    fields: dict[str, Any] = {
        "base_commit": "c0",
        "base_tree": "t0",
        "verifiers": (SUITE,),
        "baseline": (green(),),
        "at": 100.0,
    }
    return begin(Prepared(**(fields | changes)))


def checked(**changes: Any) -> Checked:
    """The verifiers on tree t1."""
    fields: dict[str, Any] = {
        "step": "write/verify",
        "iteration": 1,
        "commit": "c1",
        "tree": "t1",
        "results": (green(),),
        "at": 120.0,
    }
    return Checked(**(fields | changes))


def test_a_base_whose_verifiers_passed_is_green_until_something_changes() -> None:
    """Green is said of a tree, and of no other."""
    progress = start()
    assert verified(SPEC, progress).state == "green"
    progress = after_step(progress, agent(), done())
    assert verified(SPEC, progress).state == "red"
    assert verified(SPEC, after_check(progress, checked())).state == "green"
    assert verified(SPEC, after_check(progress, checked(results=(green(code=1),)))).state == "red"


def test_without_a_verifier_nothing_is_verified() -> None:
    """Which is neither green nor red."""
    assert verified(SPEC, start(verifiers=(), baseline=())).state == "none"


def test_verifiers_that_are_found_later_count_from_then_on() -> None:
    """An empty base has none; its first commit may bring some."""
    progress = after_step(start(verifiers=(), baseline=()), agent(), done())
    assert after_check(progress, checked(verifiers=(SUITE,))).verifiers == (SUITE,)


def test_spend_and_time_add_up() -> None:
    """Of every step, also of one that failed."""
    ten = Usage(input_tokens=10)
    progress = after_step(start(), agent(), done(usage=ten))
    progress = after_step(progress, agent(), done(outcome="failed", usage=ten, at=130.0))
    assert (progress.usage.input_tokens, progress.now, progress.started_at) == (20, 130.0, 100.0)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("limit", OutcomeCode.BOUND),
        ("quota", OutcomeCode.BUDGET),
        ("missing", OutcomeCode.NO_AGENT),
        ("environment", OutcomeCode.ENVIRONMENT),
        ("auth", OutcomeCode.AGENT_FAILED),
        ("crash", OutcomeCode.AGENT_FAILED),
        ("overloaded", OutcomeCode.AGENT_FAILED),
    ],
)
def test_a_failed_step_ends_the_task_by_its_kind(kind: ErrorKind, outcome: OutcomeCode) -> None:
    """The reason names the step; an optional one ends nothing."""
    failure = done(outcome="failed", error_kind=kind, reason="because")
    stopped = after_step(start(), agent(), failure).stopped
    assert stopped == Stopped(outcome, "Step write failed: because")
    assert after_step(start(), agent(is_optional=True), failure).stopped is None


def test_the_first_reason_to_stop_counts() -> None:
    """Of reviewers side by side the second may fail for want of the first."""
    first = done(outcome="failed", error_kind="crash", reason="first")
    second = done(outcome="failed", error_kind="missing", reason="second")
    progress = after_step(after_step(start(), agent(), first), agent(), second)
    assert progress.stopped is not None
    assert "first" in progress.stopped.reason


def test_an_approval_counts_for_the_tree_that_was_judged() -> None:
    """Every reviewer's last word, on this very tree."""
    review, second = agent("review", "verdict"), agent("second", "verdict")
    progress = after_step(start(), agent(), done())
    assert approved(progress) is None
    yes = {"verdict": Verdict("approve"), "is_approval": True}
    progress = after_step(progress, review, done(**yes))
    assert approved(progress) is True
    assert approved(after_step(progress, second, done(verdict=Verdict("request_changes")))) is False
    assert approved(after_step(progress, agent(), done(tree="t2"))) is False


def test_a_review_that_could_not_be_read_is_to_look_at_everything_again() -> None:
    """The delta since a look that came to nothing would hide what was never judged."""
    review = agent("review", "verdict")
    unread = after_step(start(), review, done(verdict_note="no JSON found"))
    assert (unread.reviewed, unread.has_delivered, approved(unread)) == ({}, False, None)
    read = after_step(unread, review, done(verdict=Verdict("approve"), is_approval=True))
    assert (read.reviewed, read.has_delivered) == ({"review": "c1"}, True)


def test_conversations_are_kept_by_part() -> None:
    """Implementer and reviewer of one agent do not share a memory, nor two kinds of reviewer."""
    steps = [agent(), agent("review", "verdict"), agent("security_review", "verdict")]
    assert len({conversation_key(one) for one in steps}) == 3
    progress = after_step(start(), steps[0], done(session="s-1"))
    progress = after_step(progress, steps[0], done(session=None))
    assert progress.sessions == {conversation_key(steps[0]): "s-1"}


def test_findings_are_raised_rejected_and_found_by_ourselves() -> None:
    """Each by its source; a failed step raises nothing."""
    review = agent("review", "verdict")
    verdict = Verdict("request_changes", (FLAW,))
    failed = after_step(start(), review, done(outcome="failed", verdict=verdict))
    assert failed.ledger == ()
    progress = after_step(start(), review, done(verdict=verdict))
    (entry,) = progress.ledger
    rejection = Rejection(entry.fingerprint, "not so")
    progress = after_step(progress, agent(), done(rejections=(rejection,)))
    assert not progress.ledger[0].is_open
    progress = after_check(progress, checked(findings=(FLAW,)))
    assert [one.is_open for one in progress.ledger] == [False, True]


def test_what_the_orchestrator_found_is_not_up_to_the_implementer() -> None:
    """A deleted test stays a finding, whatever the one says who deleted it."""
    progress = after_check(start(), checked(findings=(FLAW,)))
    rejection = Rejection(progress.ledger[0].fingerprint, "not so")
    progress = after_step(progress, agent(), done(rejections=(rejection,)))
    assert progress.ledger[0].is_open


def test_reviewers_reject_nothing() -> None:
    """It is for the one to answer whose work was found wanting."""
    review = agent("review", "verdict")
    progress = after_step(start(), review, done(verdict=Verdict("request_changes", (FLAW,))))
    rejection = Rejection(progress.ledger[0].fingerprint, "not so")
    progress = after_step(progress, agent("other", "verdict"), done(rejections=(rejection,)))
    assert progress.ledger[0].is_open


def test_suggestions_that_could_not_be_read_are_none() -> None:
    """They deliver nothing, and what was open before stays open."""
    step = agent("look", "suggestions")
    unread = after_step(start(), step, done(suggestions=None))
    assert not unread.has_delivered
    read = after_step(unread, step, done(suggestions=(FLAW,)))
    assert (read.has_delivered, read.ledger[0].is_open) == (True, True)
    again = after_step(read, step, done(suggestions=None))
    assert again.ledger[0].is_open


def test_an_optional_reviewer_that_fails_has_no_say() -> None:
    """It may fail without ending the task; without any other nothing is approved."""
    optional = agent("audit", "verdict", is_optional=True)
    failed = after_step(start(), optional, done(outcome="failed", error_kind="quota"))
    assert approved(failed) is None
    yes = done(verdict=Verdict("approve"), is_approval=True)
    assert approved(after_step(failed, agent("review", "verdict"), yes)) is True


def test_reviewers_side_by_side_never_share_a_conversation() -> None:
    """Not even with the same task, agent and account."""
    one, other = (agent(f"group/{name}", "verdict", task="review") for name in ("a", "b"))
    assert conversation_key(one) != conversation_key(other)


def test_what_preparing_took_is_of_the_tasks_time() -> None:
    """Setting up and judging the base included."""
    assert start(at=130.0, began_at=100.0).started_at == 100.0


def test_conditions_see_what_is_so_now() -> None:
    """The figures behind `when` and `until`."""
    verdict = Verdict("request_changes", (FLAW,))
    progress = after_step(start(), agent(), done())
    progress = after_step(progress, agent("review", "verdict"), done(verdict=verdict))
    progress = after_check(progress, checked(results=(green(code=1), green("lint"))))
    seen = facts(SPEC, progress)
    assert (seen.open_findings, seen.failed_verifiers, seen.changed) == (1, 1, True)
    assert (seen.verified, seen.approved, seen.iteration) == (False, False, 1)


def test_a_script_step_moves_the_head_as_well() -> None:
    """Without a conversation."""
    progress = after_step(start(), ScriptStep("format", ("true",)), done(step="format"))
    assert (progress.head, progress.head_tree, progress.last_step) == ("c1", "t1", "format")
    assert progress.sessions == {}
