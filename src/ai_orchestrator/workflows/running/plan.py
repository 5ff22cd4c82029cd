"""What a task does next: a pure function of the frozen spec and the progress so far.

The durable function asks, acts and folds the answer in, until it is told to finish. Whoever
re-enters after a crash replays the same values and is told the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from ai_orchestrator.model.states import OutcomeCode
from ai_orchestrator.model.workflow import (
    AgentStep,
    LoopStep,
    ParallelStep,
    ScriptStep,
    Step,
    WorkflowSpec,
)
from ai_orchestrator.review.stop import BudgetState, Continue, Round, StopSettings, decide
from ai_orchestrator.review.verification import failure_signature
from ai_orchestrator.workflows.condition import evaluate, parse
from ai_orchestrator.workflows.graph import has_writer, loops
from ai_orchestrator.workflows.running.progress import (
    Place,
    Progress,
    approved,
    facts,
    failed_verifiers,
    verified,
)

SimpleStep = AgentStep | ScriptStep | ParallelStep


@dataclass(frozen=True, slots=True)
class Run:
    """Run a step in this round."""

    step: SimpleStep
    iteration: int


@dataclass(frozen=True, slots=True)
class Check:
    """Run the verifiers on the head, which the named step made."""

    after: str
    iteration: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The task attempt is over."""

    outcome: OutcomeCode
    is_success: bool
    reason: str


Move = Run | Check | Finish


def next_move(spec: WorkflowSpec, progress: Progress) -> tuple[Move, Progress]:
    """The next move, and the progress with the place advanced past what is skipped or begun."""
    while True:
        if progress.stopped is not None:
            return _finish_stopped(spec, progress), progress
        if _must_check(spec, progress):
            return _check(spec, progress), progress
        if progress.place.index >= len(spec.steps):
            return _finish(spec, progress), progress
        step = spec.steps[progress.place.index]
        if isinstance(step, LoopStep):
            move, advanced = _in_loop(spec, progress, step)
        else:
            move, advanced = _at_top(spec, progress, step)
        if isinstance(move, Run) and (overrun := _overrun(spec, progress)) is not None:
            return overrun, progress
        progress = advanced
        if move is not None:
            return move, progress


def _check(spec: WorkflowSpec, progress: Progress) -> Check | Finish:
    """Verifiers cost no money, but time."""
    overrun = _overrun(spec, progress)
    if overrun is not None and overrun.outcome is OutcomeCode.BOUND:
        return overrun
    return Check(progress.last_step, progress.place.iteration)


def _at_top(
    spec: WorkflowSpec, progress: Progress, step: SimpleStep
) -> tuple[Move | None, Progress]:
    advanced = replace(progress, place=Place(progress.place.index + 1))
    if not _is_wanted(spec, progress, step):
        return None, advanced
    return Run(step, 1), advanced


def _in_loop(
    spec: WorkflowSpec, progress: Progress, loop: LoopStep
) -> tuple[Move | None, Progress]:
    place = progress.place
    if place.inner < len(loop.steps):
        step = loop.steps[place.inner]
        advanced = replace(progress, place=replace(place, inner=place.inner + 1))
        if not _is_wanted(spec, progress, step):
            return None, advanced
        return Run(step, place.iteration), advanced
    return _round_over(spec, progress, loop)


def _round_over(
    spec: WorkflowSpec, progress: Progress, loop: LoopStep
) -> tuple[Move | None, Progress]:
    """Leaves the loop, begins its next round, or ends the task."""
    begins = len(progress.rounds) if progress.place.iteration == 1 else progress.loop_begins
    rounds = (*progress.rounds, _round(spec, progress))
    progress = replace(progress, rounds=rounds, loop_begins=begins)
    left = replace(progress, place=Place(progress.place.index + 1), round_tree=progress.head_tree)
    if evaluate(parse(loop.until), facts(spec, progress)):
        return None, left
    budget = _budget(spec, progress)
    decision = decide(_settings(spec, loop.max_iterations), rounds[begins:], budget)
    may_improve = (
        progress.place.iteration < loop.max_iterations
        and budget.overrun() is None
        and not isinstance(decision, Continue)
        and decision.outcome is not OutcomeCode.UNVERIFIED  # a verifier will not appear
    )
    again = Place(progress.place.index, 0, progress.place.iteration + 1)
    if isinstance(decision, Continue) or (decision.is_success and may_improve):
        return None, replace(progress, place=again, round_tree=progress.head_tree)
    if decision.is_success:
        return None, left
    return Finish(decision.outcome, is_success=False, reason=decision.reason), progress


def _round(spec: WorkflowSpec, progress: Progress) -> Round:
    return Round(
        iteration=progress.place.iteration,
        tree=progress.head_tree,
        is_changed=progress.head_tree != progress.round_tree,
        verification=verified(spec, progress).state,
        approval=approved(progress),
        open_findings=tuple(entry for entry in progress.ledger if entry.is_open),
        failed_verifiers=failed_verifiers(progress),
        is_delivered=progress.has_delivered,
        is_changed_since_base=progress.head_tree != progress.base_tree,
        failure_signature=failure_signature(progress.results),
        verification_reason=verified(spec, progress).reason,
    )


def _settings(spec: WorkflowSpec, max_iterations: int) -> StopSettings:
    return StopSettings(
        success=spec.success,
        max_iterations=max_iterations,
        min_open_findings=spec.min_open_findings,
        allow_unverified=spec.allow_unverified,
        has_writer=has_writer(spec.steps),
        bar=spec.bar,
        fail_on=spec.fail_on,
    )


def _budget(spec: WorkflowSpec, progress: Progress) -> BudgetState:
    return BudgetState(
        used_tokens=progress.usage.total_tokens,
        max_tokens=spec.max_tokens,
        used_cost_usd=progress.usage.cost_usd,
        max_cost_usd=spec.max_cost_usd,
        elapsed_s=progress.now - progress.started_at,
        max_duration_s=spec.max_duration_s,
    )


def _finish(spec: WorkflowSpec, progress: Progress) -> Finish:
    """The last word: the rule applied to the state as it is now, with no round left."""
    last = replace(
        _round(spec, progress),
        iteration=max(len(progress.rounds) - progress.loop_begins, 1),
        is_changed=progress.head_tree != progress.base_tree,
    )
    rounds = (*progress.rounds[progress.loop_begins : -1], last)
    budget = _budget(spec, progress)
    allowed = max((loop.max_iterations for loop in loops(spec.steps)), default=len(rounds))
    decision = decide(_settings(spec, allowed), rounds, budget)
    if isinstance(decision, Continue):  # more rounds are allowed, but the steps are over
        decision = decide(_settings(spec, len(rounds)), rounds, budget)
    if isinstance(decision, Continue):
        return Finish(
            OutcomeCode.INTERNAL, is_success=False, reason="The stop rule went on without a round."
        )
    return Finish(decision.outcome, is_success=decision.is_success, reason=decision.reason)


def _finish_stopped(spec: WorkflowSpec, progress: Progress) -> Finish:
    """Why the task was stopped; a step's limit that was the rest of the task's budget says so."""
    stopped = progress.stopped
    if stopped is None:
        raise AssertionError("only called when stopped")
    overrun = _budget(spec, progress).overrun()
    if stopped.outcome is OutcomeCode.BOUND and overrun is not None:
        return Finish(overrun.outcome, is_success=False, reason=overrun.reason)
    return Finish(stopped.outcome, is_success=False, reason=stopped.reason)


def _overrun(spec: WorkflowSpec, progress: Progress) -> Finish | None:
    """A task limit that was used up before the next step."""
    overrun = _budget(spec, progress).overrun()
    if overrun is None:
        return None
    return Finish(overrun.outcome, is_success=False, reason=overrun.reason)


def _must_check(spec: WorkflowSpec, progress: Progress) -> bool:
    """The head was not verified, and what comes next wants to know.

    Two writers in a row without a condition between them are verified once, after the second.
    """
    if not has_writer(spec.steps):
        return False
    if not progress.verifiers and not _may_detect_later(progress):
        return False
    if progress.checked_tree == progress.head_tree or progress.last_step == "base":
        return False
    step = _upcoming(spec, progress.place)
    return step is None or not _is_writer(step) or step.when is not None


def _may_detect_later(progress: Progress) -> bool:
    """An empty base has no verifiers yet; they are looked for once, after the first commit."""
    return (
        not progress.verifiers
        and progress.base_tree == EMPTY_TREE
        and progress.checked_tree is None
        and progress.head_tree != EMPTY_TREE
    )


EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The id of git's empty tree (SHA-1), the same in every repository."""


def _upcoming(spec: WorkflowSpec, place: Place) -> SimpleStep | None:
    """The step at the place, None at the end of a loop's round or of the workflow."""
    if place.index >= len(spec.steps):
        return None
    step = spec.steps[place.index]
    if not isinstance(step, LoopStep):
        return step
    return loop_step(step, place.inner)


def loop_step(loop: LoopStep, inner: int) -> SimpleStep | None:
    """The loop's step at the index, None past its end."""
    return loop.steps[inner] if inner < len(loop.steps) else None


def _is_wanted(spec: WorkflowSpec, progress: Progress, step: SimpleStep) -> bool:
    return step.when is None or evaluate(parse(step.when), facts(spec, progress))


def _is_writer(step: Step) -> bool:
    match step:
        case AgentStep():
            return step.permission == "write"
        case ScriptStep():
            return True
        case ParallelStep():
            return False
        case LoopStep():
            return any(_is_writer(inner) for inner in step.steps)
        case _:
            assert_never(step)
