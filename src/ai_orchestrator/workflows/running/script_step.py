"""One script step of one round: a command in the tree, committed like an agent's work."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import msgspec

from ai_orchestrator.base.process import Completed
from ai_orchestrator.model.events import AgentTextData, StepStartedData
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.orders import StepCommit
from ai_orchestrator.model.task import StepView
from ai_orchestrator.model.workflow import LEAST_TIME_S, ScriptStep
from ai_orchestrator.workflows.commands.tree_command import TreeCommand, run_in_tree
from ai_orchestrator.workflows.running.attempt_log import event_for
from ai_orchestrator.workflows.running.interruption import earlier, ending
from ai_orchestrator.workflows.running.ports import TaskTree
from ai_orchestrator.workflows.running.progress import Progress
from ai_orchestrator.workflows.running.setting_up import put_in_place
from ai_orchestrator.workflows.running.step_records import commit_message, finishing_events
from ai_orchestrator.workflows.running.values import StepDone
from ai_orchestrator.workflows.running.world import TaskFacts, World, remaining_s

OUTPUT_SHOWN_CHARS = 4_000


@dataclass(frozen=True, slots=True)
class ScriptStepOrder:
    """A script step to bring to its end. An interrupted one starts again from the head."""

    world: World
    facts: TaskFacts
    tree: TaskTree
    progress: Progress
    step: ScriptStep
    iteration: int
    extra_env: dict[str, str]


async def run_script_step(order: ScriptStepOrder) -> StepDone:
    """The step's outcome, by the command's exit status."""
    facts, records, step = order.facts, order.world.records, order.step
    finished, attempts = await earlier(
        order.world, facts.task_id, facts.task_attempt, step.path, order.iteration
    )
    if finished is not None:
        return msgspec.json.decode(finished, type=StepDone)
    key = StepKey(facts.task_id, facts.task_attempt, step.path, order.iteration, attempts + 1)
    view = StepView(
        step=step.path,
        iteration=order.iteration,
        attempt=key.attempt,
        kind="script",
        outcome="running",
        started_at=order.world.clock.now(),
        how="restarted" if attempts else "fresh",
    )
    started = StepStartedData(kind="script", how="restarted" if attempts else "fresh")
    await records.start_attempt(
        view, facts.task_id, facts.task_attempt, event_for(key, "started", started)
    )
    async with ending(order.world, key, view):
        await put_in_place(order.world, facts, order.tree, order.progress.head, key.tree)
        order.world.positions.disturb(facts.task_id)
        completed = await _run(order, key)
        return await _conclude(order, key, view, completed)


async def _run(order: ScriptStepOrder, key: StepKey) -> Completed:
    paths = order.tree.attempt_paths(key.tree, role="script", agent="script", account=None)
    left_s = remaining_s(order.facts, order.progress.started_at, order.world.clock)
    return await run_in_tree(
        order.world.spawner,
        order.world.enclosure,
        TreeCommand(
            argv=order.step.argv,
            paths=paths,
            path_env=order.facts.path_env,
            sandbox=order.facts.spec.sandbox,
            has_network=order.step.network,
            timeout_s=min(order.step.timeout_s, max(left_s, LEAST_TIME_S)),
            tree=key.tree,
            env=order.extra_env,
        ),
    )


async def _conclude(
    order: ScriptStepOrder, key: StepKey, view: StepView, completed: Completed
) -> StepDone:
    progress, step = order.progress, order.step
    output = _shown(completed)
    is_success = completed.exit.is_success and not completed.is_timed_out
    commit = StepCommit(progress.head, progress.head_tree, is_changed=False)
    if is_success:
        commit = await order.tree.commit(key.ref, progress.head, commit_message(key, step, view))
    now = order.world.clock.now()
    done = StepDone(
        step=step.path,
        iteration=order.iteration,
        attempt=key.attempt,
        outcome="succeeded" if is_success else "failed",
        commit=commit.commit,
        tree=commit.tree,
        is_changed=commit.is_changed,
        error_kind=None if is_success else "agent",
        reason="" if is_success else f"{shlex.join(step.argv)}: {_ending(completed)}\n{output}",
        summary=output,
        at=now.timestamp(),
    )
    done = order.world.records.clean(done)
    view = msgspec.structs.replace(
        view,
        outcome=done.outcome,
        finished_at=now,
        commit=done.commit,
        tree=done.tree,
        is_changed=done.is_changed,
        reason=done.reason,
    )
    said = [event_for(key, "output", AgentTextData(output))] if output.strip() else []
    events = finishing_events(order.facts.spec, key, view, done, commit)
    await order.world.records.finish_attempt(
        view,
        order.facts.task_id,
        order.facts.task_attempt,
        [*said, *events],
        result=msgspec.json.encode(done).decode(),
    )
    order.tree.discard_attempt(key.tree)
    return done


def _shown(completed: Completed) -> str:
    text = (completed.stdout + completed.stderr).decode("utf-8", "replace")
    return text[-OUTPUT_SHOWN_CHARS:]


def _ending(completed: Completed) -> str:
    if completed.is_timed_out:
        return f"stopped after {completed.duration_s:.0f} s"
    if completed.exit.code is None:
        return f"ended by signal {completed.exit.signal}"
    return f"exit status {completed.exit.code}"
