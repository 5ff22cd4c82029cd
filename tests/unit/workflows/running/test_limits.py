"""What is left of limits for one run of an agent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ai_orchestrator.model.agent import AgentResult, Usage
from ai_orchestrator.model.states import SuccessRule
from ai_orchestrator.model.workflow import Limits, WorkflowSpec
from ai_orchestrator.workflows.running.limits import after_run, within


def spec(tokens: int | None = None, cost: float | None = None) -> WorkflowSpec:
    """A task with these limits."""
    more = {"max_tokens": tokens, "max_cost_usd": cost}
    return WorkflowSpec("w", "", SuccessRule.VERIFIED, (), {}, {}, {}, None, **more)  # type: ignore[arg-type]


def run(usage: Usage, turns: int | None = None, duration_s: float = 1.0) -> AgentResult:
    """How a run ended that used so much."""
    return AgentResult(None, "", "", usage, turns, 0, "s", None, None, 0, duration_s)


def cost(usd: str) -> Usage:
    """So much money."""
    return Usage(cost_usd=Decimal(usd))


def test_earlier_attempts_of_a_step_count_against_its_task() -> None:
    """An interrupted one has been paid for."""
    left = within(Limits(), spec(cost=5.0), cost("1"), cost("3.5"), 100.0)
    assert left.max_cost_usd == pytest.approx(0.5)


def test_earlier_attempts_of_a_step_count_against_the_steps_own_limit() -> None:
    """What other steps used does not."""
    limits = Limits(max_tokens=100)
    assert within(limits, spec(), Usage(500, 0), Usage(60, 10), 100.0).max_tokens == 30


def test_the_tightest_limit_counts() -> None:
    """Of step and task; a time that is over leaves a moment."""
    left = within(Limits(timeout_s=60.0, max_tokens=40), spec(tokens=100), Usage(90, 0), Usage(), 0)
    assert (left.max_tokens, left.timeout_s, left.max_cost_usd) == (10, 1.0, None)


def test_nothing_is_less_than_nothing() -> None:
    """A run may have gone beyond before it was stopped."""
    assert within(Limits(max_tokens=5), spec(), Usage(), Usage(9, 0), 9.0).max_tokens == 0


def test_a_run_leaves_the_rest_to_the_next_one() -> None:
    """Of tokens, turns, money and time."""
    limits = Limits(timeout_s=10.0, max_turns=5, max_tokens=100, max_cost_usd=1.0)
    left = after_run(limits, run(Usage(30, 10, 0, Decimal("0.25")), turns=2, duration_s=4.0))
    assert left == Limits(timeout_s=6.0, max_turns=3, max_tokens=60, max_cost_usd=0.75)


@pytest.mark.parametrize(
    ("limits", "result"),
    [
        pytest.param(Limits(max_tokens=40), run(Usage(30, 10)), id="tokens"),
        pytest.param(Limits(max_turns=2), run(Usage(), turns=2), id="turns"),
        pytest.param(Limits(max_cost_usd=1.0), run(cost("1.5")), id="money"),
        pytest.param(Limits(timeout_s=4.0), run(Usage(), duration_s=4.0), id="time"),
    ],
)
def test_a_run_that_used_a_limit_up_leaves_nothing(limits: Limits, result: AgentResult) -> None:
    """Then there is no other one."""
    assert after_run(limits, result) is None


def test_what_was_not_measured_takes_nothing_off() -> None:
    """It is not zero, but nobody knows what it is."""
    limits = Limits(max_turns=2, max_tokens=40, max_cost_usd=1.0)
    left = after_run(limits, run(Usage(), turns=None, duration_s=0.0))
    assert left == limits
