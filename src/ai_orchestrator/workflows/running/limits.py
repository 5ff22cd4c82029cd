"""What is left of a step's and a task's limits for one run of an agent. Pure."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from ai_orchestrator.model.agent import AgentResult, Usage
from ai_orchestrator.model.workflow import LEAST_TIME_S, Limits, WorkflowSpec

N = TypeVar("N", int, float)


def within(
    limits: Limits, spec: WorkflowSpec, used: Usage, spent: Usage, remaining_s: float
) -> Limits:
    """The step's limits less what its earlier attempts `spent`, and no more than the task has left.

    `used`: by the task's finished steps. `remaining_s`: of the task's time.
    """
    task = Limits(timeout_s=remaining_s, max_tokens=spec.max_tokens, max_cost_usd=spec.max_cost_usd)
    left = _less(task, used.plus(spent))
    own = _less(limits, spent)
    return msgspec.structs.replace(
        own,
        timeout_s=max(min(own.timeout_s, left.timeout_s), LEAST_TIME_S),
        max_tokens=_smaller(own.max_tokens, left.max_tokens),
        max_cost_usd=_smaller(own.max_cost_usd, left.max_cost_usd),
    )


def after_run(limits: Limits, result: AgentResult) -> Limits | None:
    """What a run left of its limits for another one; None where it left nothing of one of them."""
    turns = limits.max_turns
    left = msgspec.structs.replace(
        _less(limits, result.usage),
        timeout_s=limits.timeout_s - result.duration_s,
        max_turns=None if turns is None else turns - (result.turns or 0),
    )
    bounds = (left.timeout_s, left.max_turns, left.max_tokens, left.max_cost_usd)
    return left if all(bound is None or bound > 0 for bound in bounds) else None


def _less(limits: Limits, usage: Usage) -> Limits:
    """What is unmeasured takes nothing off: the limits of a run still hold for it."""
    tokens, cost = limits.max_tokens, limits.max_cost_usd
    return msgspec.structs.replace(
        limits,
        max_tokens=None if tokens is None else max(tokens - (usage.total_tokens or 0), 0),
        max_cost_usd=None if cost is None else max(cost - float(usage.cost_usd or 0), 0.0),
    )


def _smaller(one: N | None, other: N | None) -> N | None:
    return min((value for value in (one, other) if value is not None), default=None)
