"""The stop rule: whether a loop goes on, and how a task ends. Pure; asked by the workflow's plan.

The causes are looked at in one fixed order, and the first that holds decides:

1. `no_change`: the work equals the base, though the workflow was to change it.
2. success: every condition of the rule holds in the last round. A `review-delivered` task with a
   finding that `fail_on` does not admit ends here too, as a failure.
3. `unverified`: nothing is missing but a verifier, and there is none.
4. `stalled`: something is open or red, and the last round changed nothing, went back to an
   earlier tree, or left exactly the problems that the round before it left.
5. rounds used up: `agent_failed` where a review was asked for and none could be read,
   `verifier_failed` while verifiers are red, else `not_converged`.
6. `bound`, then `budget`: the task's time, money or tokens are used up.

A cause that more time or money would not have removed comes before one that it would have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ai_orchestrator.model.states import OutcomeCode, SuccessRule
from ai_orchestrator.review.ledger import open_at_or_above
from ai_orchestrator.review.reasons import counted, findings, rounds_done, shortfall
from ai_orchestrator.review.rounds import (
    BudgetState,
    Overrun,
    Round,
    StopSettings,
    VerificationState,
    blocking,
    failing,
)

__all__ = [
    "BudgetState",
    "Continue",
    "Overrun",
    "Round",
    "Stop",
    "StopSettings",
    "VerificationState",
    "decide",
]

_SUCCESS = {
    SuccessRule.APPROVED_VERIFIED: OutcomeCode.APPROVED_VERIFIED,
    SuccessRule.VERIFIED: OutcomeCode.VERIFIED,
    SuccessRule.CHANGED_VERIFIED: OutcomeCode.CHANGED_VERIFIED,
    SuccessRule.REVIEW_DELIVERED: OutcomeCode.REVIEW_DELIVERED,
}


@dataclass(frozen=True, slots=True)
class Continue:
    """Another round. `reason`: what is missing, one sentence for people and for the next prompt."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The task ends. `reason` is one sentence for people."""

    outcome: OutcomeCode
    is_success: bool
    reason: str


Decision = Continue | Stop


@dataclass(frozen=True, slots=True)
class _Problems:
    """What a round left: open findings at or above the bar, and which verifiers failed how."""

    findings: frozenset[str]
    verifiers: frozenset[str]
    failure_signature: str


def decide(settings: StopSettings, rounds: Sequence[Round], budget: BudgetState) -> Decision:
    """Whether to go on after the last of the rounds; before the first only the limits count.

    Always stops once the last round's number reaches `max_iterations`.
    """
    if rounds:
        for cause in _CAUSES:
            stop = cause(settings, rounds)
            if stop is not None:
                return stop
    overrun = budget.overrun()
    if overrun is not None:
        return _overrun(settings, rounds, overrun)
    if not rounds:
        return Continue("Nothing was done yet.")
    return Continue(_sentence(f"{shortfall(settings, rounds[-1])}"))


def _no_change(settings: StopSettings, rounds: Sequence[Round]) -> Stop | None:
    if not settings.has_writer or settings.success is SuccessRule.REVIEW_DELIVERED:
        return None
    last = rounds[-1]
    if last.is_changed_since_base:
        return None
    how = "Nothing was changed" if len(rounds) == 1 else "Every change was undone again"
    return Stop(
        OutcomeCode.NO_CHANGE,
        is_success=False,
        reason=f"{how}: after {rounds_done(settings, last)} the work equals the base.",
    )


def _success(settings: StopSettings, rounds: Sequence[Round]) -> Stop | None:
    last = rounds[-1]
    if not _is_satisfied(settings, last):
        return None
    code = _SUCCESS[settings.success]
    unwanted = failing(settings, last)
    if unwanted:
        return Stop(
            code,
            is_success=False,
            reason=(
                f"The review was delivered with {findings(unwanted)} at or above "
                f"{settings.fail_on}, which this run was told to fail on."
            ),
        )
    return Stop(code, is_success=True, reason=_praise(settings, last))


def _unverified(settings: StopSettings, rounds: Sequence[Round]) -> Stop | None:
    last = rounds[-1]
    if last.verification != "none":
        return None
    if not _is_satisfied(settings, replace(last, verification="green")):
        return None
    consequence = (
        "this workflow accepts that"
        if settings.allow_unverified
        else "so nothing proves the work; it is kept, but does not count as done"
    )
    return Stop(
        OutcomeCode.UNVERIFIED,
        is_success=settings.allow_unverified,
        reason=f"No verifier was found or configured: {consequence}.",
    )


def _stalled(settings: StopSettings, rounds: Sequence[Round]) -> Stop | None:
    if len(rounds) == 1:
        return None
    how = _stall(settings, rounds)
    if how is None:
        return None
    last = rounds[-1]
    return Stop(
        OutcomeCode.STALLED,
        is_success=False,
        reason=(
            f"Stopped after {rounds_done(settings, last)} since more would not help: {how}, "
            f"while {shortfall(settings, last)}."
        ),
    )


def _stall(settings: StopSettings, rounds: Sequence[Round]) -> str | None:
    last, before = rounds[-1], rounds[-2]
    problems = _problems(settings, last)
    if not problems.findings and last.verification != "red":
        return None  # what was open may have been rejected: the reviewer has the next word
    if settings.has_writer and not last.is_changed:
        return f"round {last.iteration} changed nothing"
    twin = next((old for old in rounds[:-1] if old.tree == last.tree), None)
    if settings.has_writer and twin is not None:
        return f"round {last.iteration} went back to the state of round {twin.iteration}"
    if problems == _problems(settings, before):
        return f"rounds {before.iteration} and {last.iteration} left the same problems"
    return None


def _used_up(settings: StopSettings, rounds: Sequence[Round]) -> Stop | None:
    last = rounds[-1]
    if last.iteration < settings.max_iterations:
        return None
    if _was_never_reviewed(settings, last):
        code = OutcomeCode.AGENT_FAILED
    elif last.verification == "red":
        code = OutcomeCode.VERIFIER_FAILED
    else:
        code = OutcomeCode.NOT_CONVERGED
    return Stop(
        code,
        is_success=False,
        reason=f"Stopped after {rounds_done(settings, last)}: {shortfall(settings, last)}.",
    )


def _was_never_reviewed(settings: StopSettings, last: Round) -> bool:
    if settings.success is SuccessRule.REVIEW_DELIVERED:
        return True  # a delivered one would have been a success
    return settings.success is SuccessRule.APPROVED_VERIFIED and last.approval is None


_CAUSES: tuple[Callable[[StopSettings, Sequence[Round]], Stop | None], ...] = (
    _no_change,
    _success,
    _unverified,
    _stalled,
    _used_up,
)


def _overrun(settings: StopSettings, rounds: Sequence[Round], overrun: Overrun) -> Stop:
    if not rounds:
        return Stop(overrun.outcome, is_success=False, reason=overrun.reason)
    missing = _sentence(shortfall(settings, rounds[-1]))
    return Stop(
        overrun.outcome,
        is_success=False,
        reason=f"{overrun.reason[:-1]} after {rounds_done(settings, rounds[-1])}. {missing}",
    )


def _is_satisfied(settings: StopSettings, last: Round) -> bool:
    """Every condition of the success rule holds in the round."""
    if settings.success is SuccessRule.REVIEW_DELIVERED:
        return last.is_delivered
    if last.verification != "green" or blocking(settings, last):
        return False
    if settings.success is SuccessRule.APPROVED_VERIFIED:
        return last.approval is True
    return last.is_changed_since_base or settings.success is not SuccessRule.CHANGED_VERIFIED


def _problems(settings: StopSettings, last: Round) -> _Problems:
    entries = open_at_or_above(last.open_findings, settings.bar)
    return _Problems(
        findings=frozenset(entry.fingerprint for entry in entries),
        verifiers=frozenset(last.failed_verifiers),
        failure_signature=last.failure_signature,
    )


def _praise(settings: StopSettings, last: Round) -> str:
    after = f"after {rounds_done(settings, last)}"
    if settings.success is SuccessRule.REVIEW_DELIVERED:
        return f"The review was delivered with {counted(len(last.open_findings), 'open finding')}."
    passed = last.verification_reason or "All verifiers pass."
    if settings.success is not SuccessRule.APPROVED_VERIFIED:
        return f"Done {after}. {passed}"
    still_open = len(open_at_or_above(last.open_findings, settings.bar))
    if still_open == 0:
        return f"Approved {after} with no open finding at or above {settings.bar}. {passed}"
    return (
        f"Approved {after}: {counted(still_open, 'open finding')} at or above {settings.bar}, "
        f"fewer than the {settings.min_open_findings} that keep the loop going. {passed}"
    )


def _sentence(part: str) -> str:
    return f"{part[:1].upper()}{part[1:]}."
