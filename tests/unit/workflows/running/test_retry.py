"""When a failed run of an agent is tried again."""

from __future__ import annotations

import pytest

from ai_orchestrator.model.agent import ErrorKind
from ai_orchestrator.workflows.running.retry import FIRST_DELAY_S, Again, Final, after_attempts
from ai_orchestrator.workflows.running.values import StepDone


def failures(*kinds: ErrorKind) -> list[StepDone]:
    """Failed attempts of one step, one after the other."""
    return [
        StepDone("s", 1, number, "failed", "c", "t", error_kind=kind)
        for number, kind in enumerate(kinds, start=1)
    ]


@pytest.mark.parametrize(
    "kind",
    ["missing", "environment", "auth", "limit", "stalled", "protocol", "crash", "agent"],
)
def test_what_would_fail_again_is_final(kind: ErrorKind) -> None:
    """Whatever the vendor says about a reset."""
    assert after_attempts(failures(kind), 5.0, retries=9, remaining_s=1e6) == Final()


def test_what_is_overloaded_is_tried_with_growing_pauses() -> None:
    """As often as was asked for, and no more."""
    pauses = []
    for count in range(1, 5):
        many: list[ErrorKind] = ["overloaded"] * count
        verdict = after_attempts(failures(*many), None, retries=3, remaining_s=1e6)
        pauses.append(verdict.delay_s if isinstance(verdict, Again) else None)
    assert pauses == [FIRST_DELAY_S, 2 * FIRST_DELAY_S, 4 * FIRST_DELAY_S, None]


def test_no_wait_is_longer_than_the_task_has_left() -> None:
    """However far away the moment is that the vendor names."""
    assert after_attempts(failures("overloaded"), 60.0, retries=9, remaining_s=60.0) == Final()


def test_a_reset_that_is_over_is_not_asked_for_without_a_pause() -> None:
    """Clocks differ: an agent that says so again and again is asked ever less often."""
    pauses = []
    for count in (1, 2, 3, 500):
        many: list[ErrorKind] = ["quota"] * count
        verdict = after_attempts(failures(*many), 0.0, retries=0, remaining_s=1e6)
        pauses.append(verdict.delay_s if isinstance(verdict, Again) else None)
    assert pauses == [2.0, 4.0, 8.0, 128.0]


def test_what_the_vendor_says_goes_before_our_own_pause() -> None:
    """It knows better."""
    verdict = after_attempts(failures("overloaded"), 33.0, retries=1, remaining_s=1e6)
    assert verdict == Again(33.0)


def test_only_what_was_overloaded_uses_up_the_tries() -> None:
    """Waits for a quota in between do not."""
    mixed = failures("quota", "quota", "overloaded")
    assert after_attempts(mixed, None, retries=1, remaining_s=1e6) == Again(FIRST_DELAY_S)


@pytest.mark.parametrize(
    ("reset_s", "remaining_s", "verdict"),
    [
        pytest.param(60.0, 61.0, Again(60.0, is_quota=True), id="within-the-tasks-time"),
        pytest.param(60.0, 60.0, Final(), id="only-when-the-time-is-up"),
        pytest.param(None, 1e6, Final(), id="nobody-knows-when"),
        pytest.param(-5.0, 1e6, Again(128.0, is_quota=True), id="it-has-reset-already"),
    ],
)
def test_a_quota_is_waited_for_while_the_task_has_time(
    reset_s: float | None, remaining_s: float, verdict: Again | Final
) -> None:
    """However often: each wait ends with a reset that the vendor announced."""
    quotas: list[ErrorKind] = ["quota"] * 20
    many = failures(*quotas)
    assert after_attempts(many, reset_s, retries=0, remaining_s=remaining_s) == verdict
