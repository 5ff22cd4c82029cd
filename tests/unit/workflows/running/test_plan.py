"""The plan of a workflow, played against scripted answers: what runs and how it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.review import Finding, Severity, Verdict, Verifier, VerifierResult
from ai_orchestrator.model.states import OutcomeCode, SuccessRule
from ai_orchestrator.model.workflow import AgentSpec, AgentStep, LoopStep, Step, WorkflowSpec
from ai_orchestrator.workflows.running.plan import Check, Finish, Run, next_move
from ai_orchestrator.workflows.running.progress import Progress, after_check, after_step, begin
from ai_orchestrator.workflows.running.values import Checked, Prepared, StepDone

SUITE = Verifier("tests", ("make", "test"))
FLAW = Finding(Severity.MEDIUM, "divides by zero", file="core.py", line=3)


def agent_step(task: str, *, when: str | None = None, is_optional: bool = False) -> AgentStep:
    """A step as the loader makes it."""
    asks = {"review": "verdict", "suggestions": "suggestions"}.get(task, "change")
    return AgentStep(
        path=task,
        task=task,
        agent="a",
        role="implementer" if asks == "change" else "reviewer",
        asks=asks,  # type: ignore[arg-type]  # one of the three literals
        permission="write" if asks == "change" else "read-only",
        prompt=task,
        when=when,
        is_optional=is_optional,
    )


def workflow(
    steps: tuple[Step, ...], success: SuccessRule = SuccessRule.APPROVED_VERIFIED, **more: object
) -> WorkflowSpec:
    """A spec with one agent and one verifier."""
    base = WorkflowSpec(
        name="w",
        description="",
        success=success,
        steps=steps,
        agents={"a": AgentSpec("a", "command", ("true",))},
        accounts={},
        prompts={},
        verifiers=(SUITE,),
    )
    return WorkflowSpec(
        **({field: getattr(base, field) for field in base.__struct_fields__} | more)
    )


def loop(max_iterations: int = 3) -> LoopStep:
    """The default loop: implement once, then refine; review each round."""
    return LoopStep(
        "improve",
        (
            agent_step("implement", when="iteration == 1"),
            agent_step("refine", when="iteration > 1"),
            agent_step("review"),
        ),
        until="approved and verified",
        max_iterations=max_iterations,
    )


@dataclass(frozen=True)
class Script:
    """How the world answers: trees by writing step, colours and verdicts by round."""

    trees: Sequence[str]
    green: Sequence[bool]
    approvals: Sequence[bool]
    failing_step: str = ""


def play(spec: WorkflowSpec, script: Script) -> tuple[list[str], Finish]:
    """The moves that were made, and the end."""
    *_, (moves, move, _) = walk(spec, script)
    assert isinstance(move, Finish)
    return moves, move


def walk(
    spec: WorkflowSpec, script: Script
) -> Iterator[tuple[list[str], Run | Check | Finish, Progress]]:
    """Every state on the way: moves so far, the next move, progress before it."""
    progress = begin(prepared())
    trees, green, approvals = iter(script.trees), iter(script.green), iter(script.approvals)
    moves: list[str] = []
    while True:
        before = progress
        move, progress = next_move(spec, progress)
        yield list(moves), move, before
        if isinstance(move, Finish):
            return
        if isinstance(move, Check):
            moves.append(f"verify/{move.iteration}")
            progress = after_check(progress, checked(progress, move, is_green=next(green)))
            continue
        step = move.step
        assert isinstance(step, AgentStep)
        moves.append(f"{step.path}/{move.iteration}")
        if step.path == script.failing_step:
            progress = after_step(progress, step, failed(progress, move))
        elif step.asks == "change":
            progress = after_step(progress, step, changed(progress, move, next(trees)))
        else:
            progress = after_step(
                progress, step, judged(progress, move, is_approval=next(approvals))
            )


def prepared() -> Prepared:
    """A green base."""
    return Prepared("c0", "t0", (SUITE,), (result(is_green=True),), at=100.0)


def result(*, is_green: bool) -> VerifierResult:
    """One run of the suite."""
    return VerifierResult(
        name="tests",
        argv=("make", "test"),
        code=0 if is_green else 1,
        is_timed_out=False,
        duration_s=1.0,
        output="out",
    )


def checked(progress: Progress, move: Check, *, is_green: bool) -> Checked:
    """The suite on the head."""
    return Checked(
        "verify",
        move.iteration,
        progress.head,
        progress.head_tree,
        (replace_output(result(is_green=is_green), progress.head_tree),),
        at=progress.now + 1,
    )


def replace_output(one: VerifierResult, text: str) -> VerifierResult:
    """The result with other output, so that two red rounds do not look the same."""
    return msgspec.structs.replace(one, output=text)


def changed(progress: Progress, move: Run, tree: str) -> StepDone:
    """A writer that left this tree."""
    is_changed = tree != progress.head_tree
    commit = f"c-{tree}" if is_changed else progress.head
    return StepDone(
        step_of(move).path,
        move.iteration,
        1,
        "succeeded",
        commit,
        tree,
        is_changed,
        usage=Usage(input_tokens=100, output_tokens=10),
        at=progress.now + 1,
    )


def judged(progress: Progress, move: Run, *, is_approval: bool) -> StepDone:
    """A reviewer's answer."""
    words = ("divides by zero", "leaks the handle of the log", "names mean nothing")
    flaw = msgspec.structs.replace(FLAW, claim=words[move.iteration - 1])
    verdict = Verdict("approve") if is_approval else Verdict("request_changes", (flaw,))
    return StepDone(
        step_of(move).path,
        move.iteration,
        1,
        "succeeded",
        progress.head,
        progress.head_tree,
        verdict=verdict,
        is_approval=is_approval,
        usage=Usage(input_tokens=30, output_tokens=10),
        at=progress.now + 1,
    )


def failed(progress: Progress, move: Run) -> StepDone:
    """An agent that crashed."""
    return StepDone(
        step_of(move).path,
        move.iteration,
        1,
        "failed",
        progress.head,
        progress.head_tree,
        error_kind="crash",
        reason="exit status 9",
        at=progress.now + 1,
    )


def step_of(move: Run) -> AgentStep:
    """The agent step of a move."""
    assert isinstance(move.step, AgentStep)
    return move.step


def test_a_round_that_fails_is_followed_by_one_that_refines() -> None:
    """Red and disapproved, then green and approved: two rounds, done."""
    moves, end = play(workflow((loop(),)), Script(["t1", "t2"], [False, True], [False, True]))
    assert moves == [
        "implement/1",
        "verify/1",
        "review/1",
        "refine/2",
        "verify/2",
        "review/2",
    ]
    assert (end.outcome, end.is_success) == (OutcomeCode.APPROVED_VERIFIED, True)


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        pytest.param(
            Script(["t1", "t2", "t3"], [False, False, False], [False, False, False]),
            OutcomeCode.VERIFIER_FAILED,
            id="never-green",
        ),
        pytest.param(
            Script(["t1", "t2", "t3"], [False, True, True], [False, False, False]),
            OutcomeCode.NOT_CONVERGED,
            id="green-but-never-approved",
        ),
        pytest.param(
            Script(["t1", "t1"], [False], [False, False]), OutcomeCode.STALLED, id="no-progress"
        ),
        pytest.param(Script(["t0"], [], [True]), OutcomeCode.NO_CHANGE, id="nothing-changed"),
        pytest.param(
            Script(["t1"], [True], [True], failing_step="review"),
            OutcomeCode.AGENT_FAILED,
            id="the-reviewer-crashed",
        ),
    ],
)
def test_a_loop_that_does_not_come_to_its_end_says_why(
    script: Script, outcome: OutcomeCode
) -> None:
    """Each way to stop has its own outcome, and none of them is a success."""
    _, end = play(workflow((loop(),)), script)
    assert (end.outcome, end.is_success) == (outcome, False)
    assert end.reason


def test_two_writers_in_a_row_are_verified_once() -> None:
    """Verifiers run when somebody wants to know, not after every change."""
    steps = (agent_step("implement"), agent_step("test"), agent_step("review"))
    moves, end = play(workflow(steps), Script(["t1", "t2"], [True], [True]))
    assert moves == ["implement/1", "test/1", "verify/1", "review/1"]
    assert end.is_success


def test_a_change_after_the_review_is_no_longer_approved() -> None:
    """An approval counts for the tree that was judged, and for no other."""
    steps = (agent_step("implement"), agent_step("review"), agent_step("document"))
    _, end = play(workflow(steps), Script(["t1", "t2"], [True, True], [True]))
    assert not end.is_success


def test_an_optional_step_may_fail() -> None:
    """The task goes on from the head as it was."""
    steps = (
        agent_step("implement"),
        agent_step("document", is_optional=True),
        agent_step("review"),
    )
    script = Script(["t1"], [True], [True], failing_step="document")
    moves, end = play(workflow(steps), script)
    assert moves == ["implement/1", "document/1", "verify/1", "review/1"]
    assert end.is_success


def test_a_review_alone_is_delivered_without_verifying() -> None:
    """A workflow that changes nothing needs no verifier."""
    spec = workflow((agent_step("review"),), SuccessRule.REVIEW_DELIVERED)
    moves, end = play(spec, Script([], [], [False]))
    assert moves == ["review/1"]
    assert (end.outcome, end.is_success) == (OutcomeCode.REVIEW_DELIVERED, True)


@pytest.mark.parametrize(
    ("limit", "outcome"),
    [
        pytest.param({"max_tokens": 50}, OutcomeCode.BUDGET, id="tokens"),
        pytest.param({"max_duration_s": 0.5}, OutcomeCode.BOUND, id="time"),
    ],
)
def test_a_used_up_limit_ends_the_task_before_the_next_step(
    limit: dict[str, Any], outcome: OutcomeCode
) -> None:
    """Nothing more is started once the task's own limit is reached."""
    script = Script(["t1", "t2"], [False, True], [False, True])
    moves, end = play(workflow((loop(),), **limit), script)
    assert moves == ["implement/1", *(["verify/1"] if outcome is OutcomeCode.BUDGET else [])]
    assert (end.outcome, end.is_success) == (outcome, False)


@pytest.mark.parametrize("limit", [{"max_tokens": 150}, {"max_duration_s": 3.0}])
def test_work_that_is_done_is_done_though_its_last_cent_is_spent(limit: dict[str, Any]) -> None:
    """The approving review used the budget up: there is nothing left to pay for."""
    script = Script(["t1"], [True], [True])
    moves, end = play(workflow((loop(),), **limit), script)
    assert moves == ["implement/1", "verify/1", "review/1"]
    assert (end.outcome, end.is_success) == (OutcomeCode.APPROVED_VERIFIED, True)


def test_a_loop_is_judged_by_its_own_rounds() -> None:
    """What an earlier loop did in its only round is no round of the next one."""
    first = LoopStep("first", (agent_step("implement"),), until="verified", max_iterations=3)
    second = LoopStep(
        "second",
        (agent_step("refine", when="open_findings > 0"), agent_step("review")),
        until="approved and verified",
        max_iterations=3,
    )
    script = Script(["t1", "t2"], [True, True], [False, True])
    moves, end = play(workflow((first, second)), script)
    assert moves[-3:] == ["refine/2", "verify/2", "review/2"]
    assert (end.outcome, end.is_success) == (OutcomeCode.APPROVED_VERIFIED, True)


def test_a_workflow_that_changes_nothing_never_verifies() -> None:
    """Its base was not judged either: a broken suite is not the review's concern."""
    spec = workflow((agent_step("review"),), SuccessRule.REVIEW_DELIVERED)
    progress = begin(Prepared("c0", "t0", (SUITE,), at=100.0))
    move, progress = next_move(spec, progress)
    assert isinstance(move, Run)
    progress = after_step(progress, agent_step("review"), judged(progress, move, is_approval=True))
    move, _ = next_move(spec, progress)
    assert isinstance(move, Finish)
    assert move.outcome is OutcomeCode.REVIEW_DELIVERED


def test_the_plan_answers_alike_whenever_it_is_asked() -> None:
    """Re-entered at every state, it gives the same move and the same progress."""
    script = Script(["t1", "t2"], [False, True], [False, True])
    spec = workflow((loop(),))
    for _, move, before in walk(spec, script):
        assert next_move(spec, replace(before))[0] == move


def test_a_missing_verifier_that_is_accepted_costs_no_further_round() -> None:
    """A verifier will not appear by refining once more."""
    spec = workflow((loop(),), allow_unverified=True, verifiers=())
    progress = begin(Prepared("c0", "t0", ()))
    rounds = []
    while True:
        move, progress = next_move(spec, progress)
        if isinstance(move, Finish):
            break
        assert isinstance(move, Run)
        step = step_of(move)
        rounds.append(move.iteration)
        if step.asks == "change":
            progress = after_step(progress, step, changed(progress, move, f"t{len(rounds)}"))
        else:
            progress = after_step(progress, step, judged(progress, move, is_approval=True))
    assert (move.outcome, move.is_success) == (OutcomeCode.UNVERIFIED, True)
    assert set(rounds) == {1}
