"""What exit codes come to, with and without a red base."""

from __future__ import annotations

import pytest

from ai_orchestrator.model.review import VerifierResult
from ai_orchestrator.review.verification import (
    baseline_problem,
    failure_signature,
    verification,
)


def result(
    name: str, code: int | None, output: str = "out", *, is_timed_out: bool = False
) -> VerifierResult:
    """A verifier's result."""
    return VerifierResult(name, (name, "-q"), code, is_timed_out, 1.5, output)


GREEN = result("tests", 0)
RED = result("tests", 1)
SLOW = result("tests", None, is_timed_out=True)
KILLED = result("tests", None)
LINT = result("lint", 0)
BAD_LINT = result("lint", 2)


@pytest.mark.parametrize(
    ("results", "base", "strict", "lenient"),
    [
        pytest.param([], [], "none", "none", id="no verifier"),
        pytest.param([GREEN], [], "green", "green", id="green"),
        pytest.param([GREEN, LINT], [RED, LINT], "green", "green", id="mended"),
        pytest.param([RED], [GREEN], "red", "red", id="broken"),
        pytest.param([RED], [RED], "red", "green", id="red as before"),
        pytest.param([RED], [], "red", "red", id="nothing to be excused by"),
        pytest.param([RED, BAD_LINT], [RED, LINT], "red", "red", id="one as before, one broken"),
        pytest.param([RED, LINT], [RED, BAD_LINT], "red", "green", id="one as before, one mended"),
        pytest.param([SLOW], [RED], "red", "red", id="ended before, hangs now"),
        pytest.param([KILLED], [RED], "red", "red", id="ended before, is killed now"),
        pytest.param([SLOW], [SLOW], "red", "green", id="hangs as before"),
        pytest.param([RED], [SLOW], "red", "green", id="hung before, ends now"),
    ],
)
def test_state_of_a_commit(
    results: list[VerifierResult], base: list[VerifierResult], strict: str, lenient: str
) -> None:
    """Strict: all green. With an allowed red base: none worse than the base."""
    assert verification(results, base, is_red_base_allowed=False).state == strict
    assert verification(results, base, is_red_base_allowed=True).state == lenient


@pytest.mark.parametrize(
    ("results", "base", "reason"),
    [
        ([], [], "There is no verifier."),
        ([GREEN], [], "Verifier passes: tests."),
        ([GREEN, LINT], [], "All 2 verifiers pass: tests, lint."),
        ([RED], [GREEN], "tests fails: tests ended with exit code 1."),
        ([RED, BAD_LINT], [], "tests, lint fail: tests ended with exit code 1."),
        ([SLOW], [], "tests fails: tests did not end within its time limit (2 s)."),
        ([KILLED], [], "tests fails: tests was ended by a signal."),
        ([RED], [RED], "No worse than the base, on which tests fails as well (--allow-red-base)."),
    ],
)
def test_reason_of_a_state(
    results: list[VerifierResult], base: list[VerifierResult], reason: str
) -> None:
    """A sentence for people."""
    assert verification(results, base, is_red_base_allowed=True).reason == reason


@pytest.mark.parametrize("base", [[], [GREEN], [GREEN, LINT]])
def test_green_base_is_a_ground_to_start_from(base: list[VerifierResult]) -> None:
    """So is one without verifiers."""
    assert baseline_problem(base, baseline="expect-green", is_red_base_allowed=False) is None


def test_red_base_is_a_problem_with_its_output() -> None:
    """Told before any agent is paid for, with what to do."""
    problem = baseline_problem(
        [GREEN, result("lint", 2, "E501 core.py\n")],
        baseline="expect-green",
        is_red_base_allowed=False,
    )
    assert problem is not None
    assert problem.reason.startswith("lint fails on the base already, before any agent")
    assert problem.output == "$ lint -q\nE501 core.py\n(lint ended with exit code 2)"
    assert "--allow-red-base" in problem.hint
    assert "expect-red" in problem.hint


def test_red_base_may_be_allowed_or_expected() -> None:
    """Both let work start."""
    assert baseline_problem([RED], baseline="expect-green", is_red_base_allowed=True) is None
    assert baseline_problem([RED], baseline="expect-red", is_red_base_allowed=False) is None


def test_expected_red_base_that_is_green_is_a_problem() -> None:
    """The task would begin from a wrong idea; without verifiers nothing can be said."""
    problem = baseline_problem([GREEN], baseline="expect-red", is_red_base_allowed=False)
    assert problem is not None
    assert "nothing fails" in problem.reason
    assert baseline_problem([], baseline="expect-red", is_red_base_allowed=False) is None


SAME = [
    ("2 failed in 0.12s", "2 failed in 0.13s"),
    ("at 0x7f12ab", "at 0x7f99cd"),
    ("2024-01-01 10:00:00.5 x", "2025-12-31 23:59:59 x"),
    ("see /tmp/pytest-1/a", "see /tmp/pytest-22/a"),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_failing_alike_gives_the_same_signature(left: str, right: str) -> None:
    """Times, addresses and temporary paths do not count."""
    one, two = result("t", 1, left), result("t", 1, right)
    assert failure_signature([one, LINT]) == failure_signature([LINT, two]) != ""


@pytest.mark.parametrize(
    "other",
    [
        result("t", 1, "2 failed"),
        result("t", 2, "10 failed"),
        result("u", 1, "10 failed"),
        result("t", None, "10 failed", is_timed_out=True),
    ],
)
def test_failing_otherwise_gives_another_signature(other: VerifierResult) -> None:
    """Fewer failing tests are progress."""
    assert failure_signature([result("t", 1, "10 failed")]) != failure_signature([other])


def test_green_results_have_no_signature() -> None:
    """There is nothing to compare."""
    assert failure_signature([GREEN, LINT]) == ""
