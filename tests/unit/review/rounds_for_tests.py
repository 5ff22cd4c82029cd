"""Rounds and settings with ordinary values, for tests of the stop rule."""

from __future__ import annotations

from decimal import Decimal

from ai_orchestrator.model.review import Finding, FindingState, LedgerEntry, Severity
from ai_orchestrator.model.states import SuccessRule
from ai_orchestrator.review.stop import (
    BudgetState,
    Round,
    Stop,
    StopSettings,
    VerificationState,
    decide,
)

NO_LIMITS = BudgetState()
OUT_OF_TIME = BudgetState(elapsed_s=60, max_duration_s=60)
OUT_OF_MONEY = BudgetState(used_cost_usd=Decimal("2.50"), max_cost_usd=2.5)
OUT_OF_TOKENS = BudgetState(used_tokens=1_000_000, max_tokens=900_000)


def entry(
    name: str, severity: Severity = Severity.HIGH, source: str = "review", line: int = 12
) -> LedgerEntry:
    """An open finding."""
    finding = Finding(severity, name, "calculator/core.py", line)
    return LedgerEntry(name, finding, FindingState.NEW, source, 1, 1)


def settings(
    success: SuccessRule = SuccessRule.APPROVED_VERIFIED, max_iterations: int = 3, **other: object
) -> StopSettings:
    """Settings of a workflow that writes, with the bar at medium."""
    values: dict[str, object] = {"bar": Severity.MEDIUM, "has_writer": True, **other}
    return StopSettings(success=success, max_iterations=max_iterations, **values)  # type: ignore[arg-type]  # names come from the tests


def round_(
    iteration: int = 1,
    *,
    verification: VerificationState = "green",
    approval: bool | None = True,
    open_findings: tuple[LedgerEntry, ...] = (),
    tree: str | None = None,
    **other: object,
) -> Round:
    """A round that changed the tree; approved and green unless said otherwise."""
    values: dict[str, object] = {
        "is_changed": True,
        "is_changed_since_base": True,
        "failed_verifiers": ("pytest",) if verification == "red" else (),
        **other,
    }
    return Round(
        iteration=iteration,
        tree=f"tree-{iteration}" if tree is None else tree,
        verification=verification,
        approval=approval,
        open_findings=open_findings,
        **values,  # type: ignore[arg-type]  # names come from the tests
    )


def unsettled(iteration: int, open_findings: tuple[LedgerEntry, ...], **other: object) -> Round:
    """A green round that was not approved."""
    values: dict[str, object] = {"approval": False, "open_findings": open_findings, **other}
    return round_(iteration, **values)  # type: ignore[arg-type]  # names come from the tests


def stop(rule: StopSettings, *rounds: Round, budget: BudgetState = NO_LIMITS) -> Stop:
    """The decision, which must be to stop."""
    decision = decide(rule, rounds, budget)
    assert isinstance(decision, Stop), decision
    return decision
