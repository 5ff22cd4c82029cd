"""Whether a failed agent step is tried again, and the wait until then, in the open."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec

from ai_orchestrator.model.events import QuotaChangedData
from ai_orchestrator.model.states import TaskState
from ai_orchestrator.model.workflow import AgentStep, WorkflowSpec
from ai_orchestrator.workflows.running.agent_order import AgentStepOrder, attempts_of
from ai_orchestrator.workflows.running.attempt_log import event_for
from ai_orchestrator.workflows.running.retry import Again, after_attempts
from ai_orchestrator.workflows.running.values import StepDone


async def tried_again(order: AgentStepOrder, done: StepDone) -> Again | None:
    """Whether this outcome is to be tried again, and what is left of the wait until then.

    Decided as of the moment when the attempt ended: who re-enters in mid-wait decides alike.
    """
    if done.outcome == "succeeded":
        return None
    facts = order.facts
    results = await order.world.records.attempt_results(
        facts.task_id, facts.task_attempt, order.step.path, order.iteration
    )
    dones = [msgspec.json.decode(raw, type=StepDone) for _, raw in sorted(results.items())]
    failures = [one for one in dones if one.outcome == "failed"]
    verdict = after_attempts(
        failures,
        done.reset_s,
        retries=_retries(facts.spec, order.step),
        remaining_s=facts.spec.max_duration_s - (done.at - order.progress.started_at),
    )
    if not isinstance(verdict, Again):
        return None
    elapsed_s = order.world.clock.now().timestamp() - done.at
    return replace(verdict, delay_s=max(verdict.delay_s - elapsed_s, 0.0))


def _retries(spec: WorkflowSpec, step: AgentStep) -> int:
    own = spec.agents[step.agent].max_retries
    return spec.step_retries if own is None else own


async def wait_for(order: AgentStepOrder, again: Again) -> None:
    """Waits in the open: the state says so where it is a quota."""
    if not again.is_quota:
        await order.world.pause(again.delay_s)
        return
    records, task_id = order.world.records, order.facts.task_id
    key = order.key(len(await attempts_of(order)))
    limited = QuotaChangedData(
        agent=order.step.agent,
        account=order.step.account,
        resets_at=order.world.clock.now() + timedelta(seconds=again.delay_s),
        message=f"Waiting {again.delay_s:.0f} s for the quota of {order.step.agent}.",
    )
    await records.emit([event_for(key, "quota", limited)])
    await records.set_state(task_id, TaskState.WAITING_QUOTA, reason=limited.message)
    await order.world.pause(again.delay_s)
    lifted = msgspec.structs.replace(limited, resets_at=None, message="The quota has reset.")
    await records.emit([event_for(key, "quota-over", lifted)])
    await records.set_state(task_id, TaskState.RUNNING)
