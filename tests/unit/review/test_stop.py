"""The stop rule: each cause, the order of causes, and what people are told."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.unit.review.rounds_for_tests import (
    NO_LIMITS,
    OUT_OF_MONEY,
    OUT_OF_TIME,
    OUT_OF_TOKENS,
    entry,
    round_,
    settings,
    stop,
    unsettled,
)

from ai_orchestrator.model.review import LedgerEntry, Severity
from ai_orchestrator.model.states import OutcomeCode, SuccessRule
from ai_orchestrator.review.ledger import OWN_SOURCE
from ai_orchestrator.review.stop import (
    BudgetState,
    Continue,
    Round,
    StopSettings,
    VerificationState,
    decide,
)

APPROVED = SuccessRule.APPROVED_VERIFIED
VERIFIED = SuccessRule.VERIFIED
CHANGED = SuccessRule.CHANGED_VERIFIED
REVIEW = SuccessRule.REVIEW_DELIVERED
RULES = [APPROVED, VERIFIED, CHANGED]
OPEN = (entry("a"),)
OTHER = (entry("b"),)


def verdict(rule: StopSettings, *rounds: Round, budget: BudgetState = NO_LIMITS) -> str:
    """The decision in a word: `continue`, or the outcome with `!` where it is a success."""
    decision = decide(rule, rounds, budget)
    if isinstance(decision, Continue):
        return "continue"
    return f"{decision.outcome}{'!' if decision.is_success else ''}"


@pytest.mark.parametrize(
    ("rule", "verification", "approval", "open_findings", "expected"),
    [
        # approved+verified
        (APPROVED, "green", True, (), "approved_verified!"),
        (APPROVED, "green", False, (), "continue"),
        (APPROVED, "green", None, (), "continue"),
        (APPROVED, "green", True, (entry("a"),), "continue"),
        (APPROVED, "green", True, (entry("a", Severity.LOW),), "approved_verified!"),
        (APPROVED, "green", False, (entry("a"),), "continue"),
        (APPROVED, "green", True, (entry("a", source=OWN_SOURCE),), "continue"),
        (APPROVED, "red", True, (), "continue"),
        (APPROVED, "red", False, (entry("a"),), "continue"),
        (APPROVED, "none", True, (), "unverified"),
        (APPROVED, "none", False, (), "continue"),
        (APPROVED, "none", None, (), "continue"),
        (APPROVED, "none", True, (entry("a"),), "continue"),
        # verified: reviewers do not count, our own findings do
        (VERIFIED, "green", None, (), "verified!"),
        (VERIFIED, "green", False, (entry("a"),), "verified!"),
        (VERIFIED, "green", True, (entry("a", source=OWN_SOURCE),), "continue"),
        (VERIFIED, "red", True, (), "continue"),
        (VERIFIED, "none", None, (), "unverified"),
        (VERIFIED, "none", None, (entry("a", source=OWN_SOURCE),), "continue"),
        # changed+verified
        (CHANGED, "green", None, (), "changed_verified!"),
        (CHANGED, "red", None, (), "continue"),
        (CHANGED, "none", None, (), "unverified"),
        (CHANGED, "green", None, (entry("a", source=OWN_SOURCE),), "continue"),
    ],
)
def test_one_round_of_three_under_each_rule(
    rule: SuccessRule,
    verification: VerificationState,
    approval: bool | None,  # noqa: FBT001  a column of the table
    open_findings: tuple[LedgerEntry, ...],
    expected: str,
) -> None:
    """Success needs every condition of its rule; what is missing keeps the loop going."""
    last = round_(verification=verification, approval=approval, open_findings=open_findings)
    assert verdict(settings(rule), last) == expected


@pytest.mark.parametrize(
    ("rule", "last", "expected"),
    [
        (APPROVED, round_(approval=False), "not_converged"),
        (APPROVED, round_(approval=None), "agent_failed"),
        (APPROVED, round_(approval=False, open_findings=(entry("a"),)), "not_converged"),
        (APPROVED, round_(verification="none", approval=False), "not_converged"),
        (APPROVED, round_(verification="red"), "verifier_failed"),
        (APPROVED, round_(verification="red", approval=False), "verifier_failed"),
        (VERIFIED, round_(verification="red"), "verifier_failed"),
        (VERIFIED, round_(open_findings=(entry("a", source=OWN_SOURCE),)), "not_converged"),
        (CHANGED, round_(verification="red"), "verifier_failed"),
        (REVIEW, round_(is_delivered=False), "agent_failed"),
    ],
)
def test_rounds_used_up(rule: SuccessRule, last: Round, expected: str) -> None:
    """The outcome says whether the verifiers or the reviewers were missing."""
    assert verdict(settings(rule, max_iterations=1), last) == expected


@pytest.mark.parametrize("verification", ["green", "red", "none"])
def test_review_is_delivered_whatever_else_holds(verification: VerificationState) -> None:
    """A parsed verdict is the work; neither approval nor verifiers nor a change are needed."""
    last = round_(
        verification=verification,
        approval=False,
        open_findings=(entry("a"),),
        is_delivered=True,
        is_changed=False,
        is_changed_since_base=False,
    )
    assert verdict(settings(REVIEW, 1, has_writer=False), last) == "review_delivered!"


def test_fail_on_makes_a_delivered_review_fail() -> None:
    """The outcome stays what it is, the success goes."""
    rule = settings(REVIEW, 1, has_writer=False, fail_on=Severity.HIGH)
    assert verdict(rule, round_(is_delivered=True, open_findings=(entry("a"),))) == (
        "review_delivered"
    )
    minor = round_(is_delivered=True, open_findings=(entry("a", Severity.MEDIUM),))
    assert verdict(rule, minor) == "review_delivered!"


@pytest.mark.parametrize("rule", RULES)
def test_fail_on_below_the_bar_is_a_condition_of_success(rule: SuccessRule) -> None:
    """An option is never parsed and ignored: the loop goes on, and ends unconverged."""
    last = round_(open_findings=(entry("a", Severity.LOW),))
    assert verdict(settings(rule, fail_on=Severity.LOW), last) == "continue"
    assert verdict(settings(rule, 1, fail_on=Severity.LOW), last) == "not_converged"


@pytest.mark.parametrize("rule", RULES)
def test_allowed_unverified_is_a_success_and_says_so(rule: SuccessRule) -> None:
    """Without a verifier the code stays `unverified`, so that nobody reads it as proven."""
    decision = stop(settings(rule, allow_unverified=True), round_(verification="none"))
    assert (decision.outcome, decision.is_success) == (OutcomeCode.UNVERIFIED, True)
    assert "No verifier" in decision.reason


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("verification", ["green", "red", "none"])
def test_no_change_beats_success(rule: SuccessRule, verification: VerificationState) -> None:
    """An agent that did nothing is no success, however green the base was."""
    last = round_(verification=verification, is_changed=False, is_changed_since_base=False)
    assert verdict(settings(rule, allow_unverified=True), last) == "no_change"


def test_workflow_without_a_writer_need_not_change_anything() -> None:
    """Suggestions and reviews are exempt."""
    last = round_(is_changed=False, is_changed_since_base=False)
    assert verdict(settings(VERIFIED, has_writer=False), last) == "verified!"


def test_work_that_was_undone_is_no_change() -> None:
    """A later round that went back to the base has nothing to show."""
    last = round_(2, is_changed_since_base=False)
    decision = stop(settings(), round_(1, approval=False), last)
    assert decision.outcome is OutcomeCode.NO_CHANGE
    assert "undone" in decision.reason


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [
        pytest.param(
            [unsettled(1, OPEN), unsettled(2, OTHER, is_changed=False)],
            "stalled",
            id="nothing changed with something open",
        ),
        pytest.param(
            [unsettled(1, OPEN), round_(2, approval=False, open_findings=(), is_changed=False)],
            "continue",
            id="nothing changed, but all was rejected: the reviewer has the next word",
        ),
        pytest.param(
            [round_(1, verification="red"), round_(2, verification="red", is_changed=False)],
            "stalled",
            id="nothing changed with red verifiers",
        ),
        pytest.param(
            [
                unsettled(1, OPEN, tree="x"),
                unsettled(2, OTHER, tree="y"),
                unsettled(3, OPEN, tree="x"),
            ],
            "stalled",
            id="back at an earlier tree",
        ),
        pytest.param(
            [unsettled(1, OPEN), unsettled(2, OPEN)],
            "stalled",
            id="same findings twice",
        ),
        pytest.param(
            [round_(1, verification="red"), round_(2, verification="red")],
            "stalled",
            id="same verifier red in the same way twice",
        ),
        pytest.param(
            [
                round_(1, verification="red", failure_signature="10 failed"),
                round_(2, verification="red", failure_signature="2 failed"),
            ],
            "continue",
            id="same verifier red in another way",
        ),
        pytest.param(
            [
                round_(1, verification="red", failed_verifiers=("pytest",)),
                round_(2, verification="red", failed_verifiers=("ruff",)),
            ],
            "continue",
            id="another verifier red",
        ),
        pytest.param(
            [unsettled(1, OPEN), unsettled(2, OTHER)],
            "continue",
            id="one mended, one new",
        ),
        pytest.param(
            [round_(1, approval=False, open_findings=(*OPEN, *OTHER)), unsettled(2, OPEN)],
            "continue",
            id="one of two mended",
        ),
        pytest.param(
            [
                round_(1, approval=False, open_findings=(*OPEN, entry("x", Severity.LOW))),
                unsettled(2, OPEN),
            ],
            "stalled",
            id="what is below the bar is no progress",
        ),
        pytest.param(
            [unsettled(1, OPEN), unsettled(2, OTHER), unsettled(3, OPEN)],
            "continue",
            id="same as two rounds ago, but another tree",
        ),
        pytest.param(
            [unsettled(1, OPEN), round_(2, is_changed=False)],
            "approved_verified!",
            id="nothing changed, but the reviewer came round",
        ),
    ],
)
def test_standstill_of_a_loop(rounds: list[Round], expected: str) -> None:
    """A loop that no longer moves ends before its rounds are used up; one that moves goes on."""
    assert verdict(settings(max_iterations=9), *rounds) == expected


def test_loop_without_a_writer_stalls_by_its_findings_only() -> None:
    """Its tree never changes, and that is no standstill."""
    rule = settings(APPROVED, 9, has_writer=False)
    first = unsettled(1, OPEN, tree="x", is_changed=False)
    other = unsettled(2, OTHER, tree="x", is_changed=False)
    same = unsettled(2, OPEN, tree="x", is_changed=False)
    assert verdict(rule, first, other) == "continue"
    assert verdict(rule, first, same) == "stalled"


@pytest.mark.parametrize(
    ("budget", "outcome"),
    [
        (OUT_OF_TIME, OutcomeCode.BOUND),
        (OUT_OF_MONEY, OutcomeCode.BUDGET),
        (OUT_OF_TOKENS, OutcomeCode.BUDGET),
        (BudgetState(60, 60, 9, 9, Decimal(9), 9.0), OutcomeCode.BOUND),
    ],
)
def test_used_up_limit_stops_what_would_go_on(budget: BudgetState, outcome: OutcomeCode) -> None:
    """Before the first round and between rounds; time is named before money."""
    assert stop(settings(), budget=budget).outcome is outcome
    assert stop(settings(), round_(approval=False), budget=budget).outcome is outcome


@pytest.mark.parametrize(
    "budget",
    [
        NO_LIMITS,
        BudgetState(59, 60, 899, 900, Decimal("2.49"), 2.5),
        BudgetState(used_tokens=None, max_tokens=1, used_cost_usd=None, max_cost_usd=0.01),
        BudgetState(10**9, None, 10**9, None, Decimal(10**9), None),
    ],
    ids=["none", "just below", "unmeasured", "unlimited"],
)
def test_limit_that_is_not_used_up_stops_nothing(budget: BudgetState) -> None:
    """Unmeasured spend is not taken for a number."""
    assert verdict(settings(), budget=budget) == "continue"
    assert verdict(settings(), round_(approval=False), budget=budget) == "continue"


@pytest.mark.parametrize("budget", [OUT_OF_TIME, OUT_OF_MONEY, OUT_OF_TOKENS])
@pytest.mark.parametrize(
    ("rule", "rounds", "expected"),
    [
        (settings(), [round_()], "approved_verified!"),
        (settings(), [round_(verification="none")], "unverified"),
        (settings(), [round_(is_changed_since_base=False)], "no_change"),
        (settings(max_iterations=1), [round_(approval=False)], "not_converged"),
        (settings(max_iterations=1), [round_(verification="red")], "verifier_failed"),
        (settings(), [round_(1, verification="red"), round_(2, verification="red")], "stalled"),
        (settings(REVIEW, 1), [round_(is_delivered=True)], "review_delivered!"),
    ],
)
def test_limits_never_hide_a_cause_that_they_did_not_make(
    rule: StopSettings, rounds: list[Round], expected: str, budget: BudgetState
) -> None:
    """Work that is done is done, and what failed by itself is not blamed on the budget."""
    assert verdict(rule, *rounds, budget=budget) == expected


def test_standstill_in_the_last_round_is_called_so() -> None:
    """It tells more than that the rounds are used up."""
    rounds = [round_(n, approval=False, open_findings=OPEN) for n in (1, 2)]
    assert verdict(settings(max_iterations=2), *rounds) == "stalled"


@pytest.mark.parametrize(
    ("minimum", "count", "expected"),
    [(1, 1, "continue"), (2, 1, "approved_verified!"), (2, 2, "continue")],
)
def test_minimum_of_open_findings_counts_reviewers_findings(
    minimum: int, count: int, expected: str
) -> None:
    """Fewer than the minimum do not keep the loop going."""
    findings = tuple(entry(str(n)) for n in range(count))
    last = round_(open_findings=findings)
    assert verdict(settings(min_open_findings=minimum), last) == expected


def test_minimum_of_open_findings_excuses_none_of_our_own() -> None:
    """A touched verifier's configuration blocks alone."""
    last = round_(open_findings=(entry("a", source=OWN_SOURCE),))
    assert verdict(settings(min_open_findings=5), last) == "continue"
