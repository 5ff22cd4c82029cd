"""What the stop rule tells people."""

from __future__ import annotations

import pytest
from tests.unit.review.rounds_for_tests import (
    NO_LIMITS,
    OUT_OF_MONEY,
    entry,
    round_,
    settings,
    stop,
    unsettled,
)

from ai_orchestrator.model.states import SuccessRule
from ai_orchestrator.review.stop import BudgetState, Continue, Round, StopSettings, decide

VERIFIED = SuccessRule.VERIFIED
OPEN = (entry("a"),)


@pytest.mark.parametrize(
    ("rule", "rounds", "budget", "reason"),
    [
        (
            settings(max_iterations=3),
            [round_(3, approval=False, open_findings=(entry("a"), entry("b", line=40)))],
            NO_LIMITS,
            (
                "Stopped after 3 of 3 rounds: 2 findings at or above medium are still open "
                "(calculator/core.py:12, calculator/core.py:40)."
            ),
        ),
        (
            settings(max_iterations=1),
            [round_(approval=None, verification="red")],
            NO_LIMITS,
            "Stopped after one round: 1 verifier fails (pytest) and no reviewer gave a verdict.",
        ),
        (
            settings(max_iterations=1),
            [round_(approval=False)],
            NO_LIMITS,
            "Stopped after one round: the last state is not approved.",
        ),
        (
            settings(max_iterations=5),
            [unsettled(1, OPEN), unsettled(2, OPEN)],
            NO_LIMITS,
            (
                "Stopped after 2 of 5 rounds since more would not help: rounds 1 and 2 left the "
                "same problems, while 1 finding at or above medium is still open "
                "(calculator/core.py:12)."
            ),
        ),
        (
            settings(),
            [round_()],
            NO_LIMITS,
            (
                "Approved after 1 of 3 rounds with no open finding at or above medium. "
                "All verifiers pass."
            ),
        ),
        (
            settings(VERIFIED, 1),
            [round_(verification_reason="No worse than the base.")],
            NO_LIMITS,
            "Done after one round. No worse than the base.",
        ),
        (
            settings(),
            [round_(is_changed=False, is_changed_since_base=False)],
            NO_LIMITS,
            "Nothing was changed: after 1 of 3 rounds the work equals the base.",
        ),
        (
            settings(),
            [round_(verification="red")],
            OUT_OF_MONEY,
            (
                "The task's budget of 2.50 USD is used up: 2.50 spent after 1 of 3 rounds. "
                "1 verifier fails (pytest)."
            ),
        ),
    ],
)
def test_reason_is_a_sentence_for_people(
    rule: StopSettings, rounds: list[Round], budget: BudgetState, reason: str
) -> None:
    """How far it came and what is missing, with places."""
    assert stop(rule, *rounds, budget=budget).reason == reason


def test_long_lists_of_places_are_cut() -> None:
    """Three places are enough for a sentence."""
    findings = tuple(entry(str(n), line=n) for n in range(1, 8))
    reason = stop(settings(max_iterations=1), round_(open_findings=findings)).reason
    assert "7 findings" in reason
    assert "core.py:3 and 4 more)" in reason


def test_going_on_says_what_is_missing() -> None:
    """The reason is fit for the next prompt."""
    decision = decide(settings(), [round_(verification="red", approval=False)], NO_LIMITS)
    assert decision == Continue("1 verifier fails (pytest) and the last state is not approved.")
