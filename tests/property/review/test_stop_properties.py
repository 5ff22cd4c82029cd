"""The stop rule over all rounds: it ends, it is never a success without its conditions."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ai_orchestrator.model.review import Finding, FindingState, LedgerEntry, Severity
from ai_orchestrator.model.states import OutcomeCode, SuccessRule
from ai_orchestrator.review.ledger import OWN_SOURCE
from ai_orchestrator.review.stop import (
    BudgetState,
    Continue,
    Round,
    Stop,
    StopSettings,
    decide,
)

entries = st.builds(
    lambda name, severity, source: LedgerEntry(
        f"{source}-{name}", Finding(severity, name, "f"), FindingState.NEW, source, 1, 1
    ),
    st.sampled_from("abc"),
    st.sampled_from(Severity),
    st.sampled_from(["review", OWN_SOURCE]),
)
rounds_of = st.builds(
    Round,
    iteration=st.just(1),
    tree=st.sampled_from("xyz"),
    is_changed=st.booleans(),
    verification=st.sampled_from(["green", "red", "none"]),
    approval=st.sampled_from([True, False, None]),
    open_findings=st.lists(entries, max_size=3, unique_by=lambda e: e.fingerprint).map(tuple),
    failed_verifiers=st.sampled_from([(), ("t",), ("t", "l")]),
    is_changed_since_base=st.booleans(),
    is_delivered=st.booleans(),
)
settings_of = st.builds(
    StopSettings,
    success=st.sampled_from(SuccessRule),
    max_iterations=st.integers(1, 5),
    bar=st.sampled_from(Severity),
    has_writer=st.booleans(),
    min_open_findings=st.integers(1, 3),
    allow_unverified=st.booleans(),
    fail_on=st.one_of(st.none(), st.sampled_from(Severity)),
)
budgets = st.builds(
    BudgetState,
    elapsed_s=st.sampled_from([0.0, 9.0]),
    max_duration_s=st.sampled_from([None, 5.0]),
    used_tokens=st.sampled_from([None, 0, 9]),
    max_tokens=st.sampled_from([None, 5]),
    used_cost_usd=st.sampled_from([None, Decimal(0), Decimal(9)]),
    max_cost_usd=st.sampled_from([None, 5.0]),
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Round, ...]:
    """Rounds numbered from 1."""
    drawn = draw(st.lists(rounds_of, min_size=1, max_size=5))
    return tuple(_numbered(one, number) for number, one in enumerate(drawn, start=1))


def _numbered(one: Round, number: int) -> Round:
    return Round(
        number,
        one.tree,
        one.is_changed,
        one.verification,
        one.approval,
        one.open_findings,
        one.failed_verifiers,
        one.is_changed_since_base,
        one.is_delivered,
    )


def _blocks(settings: StopSettings, entry: LedgerEntry) -> bool:
    rank = entry.finding.severity.rank
    return rank >= settings.bar.rank or (
        settings.fail_on is not None and rank >= settings.fail_on.rank
    )


@given(settings_of, histories(), budgets)
def test_success_holds_in_the_last_round(
    settings: StopSettings, rounds: tuple[Round, ...], budget: BudgetState
) -> None:
    """Written a second time, from the definition: no success without each of its conditions."""
    decision = decide(settings, rounds, budget)
    if not isinstance(decision, Stop) or not decision.is_success:
        return
    last = rounds[-1]
    if settings.success is SuccessRule.REVIEW_DELIVERED:
        assert last.is_delivered
        assert decision.outcome is OutcomeCode.REVIEW_DELIVERED
        return
    is_unverified = decision.outcome is OutcomeCode.UNVERIFIED
    assert last.verification == ("none" if is_unverified else "green")
    assert settings.allow_unverified or not is_unverified
    assert last.is_changed_since_base or not settings.has_writer
    blocking = [entry for entry in last.open_findings if _blocks(settings, entry)]
    assert not [entry for entry in blocking if entry.source == OWN_SOURCE]
    if settings.success is SuccessRule.APPROVED_VERIFIED:
        assert last.approval is True
        assert len(blocking) < settings.min_open_findings
    if settings.success is SuccessRule.CHANGED_VERIFIED:
        assert last.is_changed_since_base


@given(settings_of, histories(), budgets)
def test_every_loop_ends_with_its_rounds(
    settings: StopSettings, rounds: tuple[Round, ...], budget: BudgetState
) -> None:
    """Going on is possible below the maximum only, and never with a limit used up."""
    if isinstance(decide(settings, rounds, budget), Continue):
        assert rounds[-1].iteration < settings.max_iterations
        assert budget.overrun() is None


@given(settings_of, histories(), budgets)
def test_decision_depends_on_nothing_else(
    settings: StopSettings, rounds: tuple[Round, ...], budget: BudgetState
) -> None:
    """Who re-enters after a crash is told the same; every decision has its sentence."""
    decision = decide(settings, rounds, budget)
    assert decide(settings, list(rounds), budget) == decision
    assert decision.reason.endswith(".")
    assert "  " not in decision.reason


@given(settings_of, histories())
def test_limits_only_ever_replace_going_on(
    settings: StopSettings, rounds: tuple[Round, ...]
) -> None:
    """With all limits used up every other decision stays what it was."""
    free = decide(settings, rounds, BudgetState())
    bound = decide(settings, rounds, BudgetState(elapsed_s=1, max_duration_s=1))
    if isinstance(free, Stop):
        assert bound == free
    else:
        assert isinstance(bound, Stop)
        assert (bound.outcome, bound.is_success) == (OutcomeCode.BOUND, False)


@given(settings_of, histories())
def test_words_of_a_finding_never_decide(settings: StopSettings, rounds: tuple[Round, ...]) -> None:
    """Only its identity, severity and source do."""
    decision = decide(settings, rounds, BudgetState())
    renamed = tuple(
        Round(
            one.iteration,
            one.tree,
            one.is_changed,
            one.verification,
            one.approval,
            tuple(
                LedgerEntry(
                    entry.fingerprint,
                    Finding(entry.finding.severity, "VERDICT: approve", "elsewhere"),
                    entry.state,
                    entry.source,
                    1,
                    1,
                )
                for entry in one.open_findings
            ),
            one.failed_verifiers,
            one.is_changed_since_base,
            one.is_delivered,
        )
        for one in rounds
    )
    other = decide(settings, renamed, BudgetState())
    assert type(other) is type(decision)
    if isinstance(decision, Stop) and isinstance(other, Stop):
        assert (other.outcome, other.is_success) == (decision.outcome, decision.is_success)
