"""What the stop rule looks at: rounds, settings and spend. Built by the plan of a workflow."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from ai_orchestrator.model.review import LedgerEntry, Severity
from ai_orchestrator.model.states import OutcomeCode, SuccessRule
from ai_orchestrator.review.ledger import OWN_SOURCE, open_at_or_above

VerificationState = Literal["green", "red", "none"]
"""`none`: there is no verifier. Verifiers that have not run on this tree are `red`."""


@dataclass(frozen=True, slots=True)
class Round:
    """The state at the end of one round of a loop, or of a workflow without one."""

    iteration: int
    """From 1. Work done before the loop belongs to its first round."""
    tree: str
    """Id of the tree that the round ended with."""
    is_changed: bool
    """The tree is another than at the beginning of the round."""
    verification: VerificationState
    approval: bool | None
    """Every reviewer approves this very tree; None where nobody was asked or no answer was read."""
    open_findings: tuple[LedgerEntry, ...]
    """Open entries of the ledger; those below the bar may be among them."""
    failed_verifiers: tuple[str, ...]
    is_changed_since_base: bool
    is_delivered: bool = False
    """A review or a list of suggestions was parsed and stored."""
    failure_signature: str = ""
    """From `verification.failure_signature`: equal when the verifiers failed in the same way."""
    verification_reason: str = ""
    """The sentence that came with `verification`."""


@dataclass(frozen=True, slots=True)
class StopSettings:
    """What of the frozen workflow decides when to stop."""

    success: SuccessRule
    max_iterations: int
    bar: Severity
    has_writer: bool
    """Some step may change the tree, so that a run that changes nothing did nothing."""
    min_open_findings: int = 1
    """So many reviewers' findings at or above the bar keep the loop going."""
    allow_unverified: bool = False
    fail_on: Severity | None = None
    """An open finding of this severity or worse is no success, whatever the rule says."""


@dataclass(frozen=True, slots=True)
class Overrun:
    """A limit of the whole task is used up."""

    outcome: OutcomeCode
    reason: str


@dataclass(frozen=True, slots=True)
class BudgetState:
    """Spend of the whole task against its limits. None as spend is unmeasured, as limit none."""

    elapsed_s: float = 0.0
    max_duration_s: float | None = None
    used_tokens: int | None = None
    max_tokens: int | None = None
    used_cost_usd: Decimal | None = None
    max_cost_usd: float | None = None

    def overrun(self) -> Overrun | None:
        """The first limit that is used up, in the order time, money, tokens; None when none is.

        What is unmeasured overruns nothing: the limits of a single run still hold for it.
        """
        if self.max_duration_s is not None and self.elapsed_s >= self.max_duration_s:
            return Overrun(
                OutcomeCode.BOUND,
                f"The task's time limit of {self.max_duration_s:.0f} s is used up.",
            )
        return self._overspent()

    def _overspent(self) -> Overrun | None:
        cost, tokens = self.used_cost_usd, self.used_tokens
        if (
            cost is not None
            and self.max_cost_usd is not None
            and cost >= Decimal(str(self.max_cost_usd))
        ):
            return Overrun(
                OutcomeCode.BUDGET,
                f"The task's budget of {self.max_cost_usd:.2f} USD is used up: {cost:.2f} spent.",
            )
        if tokens is not None and self.max_tokens is not None and tokens >= self.max_tokens:
            return Overrun(
                OutcomeCode.BUDGET,
                f"The task's budget of {self.max_tokens:,} tokens is used up: {tokens:,} spent.",
            )
        return None


def blocking(settings: StopSettings, last: Round) -> tuple[LedgerEntry, ...]:
    """The open findings that stand between the round and success under the rule.

    Our own findings (protected files, lost tests) at or above the bar always do; a reviewer's only
    where the rule asks for approval, and from `min_open_findings` on; `fail_on` admits none.
    """
    if settings.success is SuccessRule.REVIEW_DELIVERED:
        return ()
    counted = open_at_or_above(last.open_findings, settings.bar)
    own = tuple(entry for entry in counted if entry.source == OWN_SOURCE)
    theirs = tuple(entry for entry in counted if entry.source != OWN_SOURCE)
    is_asked = settings.success is SuccessRule.APPROVED_VERIFIED
    blocked = theirs if is_asked and len(theirs) >= settings.min_open_findings else ()
    return _in_order(last, (*own, *blocked, *failing(settings, last)))


def failing(settings: StopSettings, last: Round) -> tuple[LedgerEntry, ...]:
    """The open findings that `fail_on` does not admit."""
    if settings.fail_on is None:
        return ()
    return open_at_or_above(last.open_findings, settings.fail_on)


def _in_order(last: Round, chosen: tuple[LedgerEntry, ...]) -> tuple[LedgerEntry, ...]:
    names = {entry.fingerprint for entry in chosen}
    return tuple(entry for entry in last.open_findings if entry.fingerprint in names)
