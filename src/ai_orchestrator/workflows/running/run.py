"""The durable function: ask the plan, act, fold the answer in, until the plan says finish.

Everything that touches the world is a journaled step; everything between is pure, so a replay
after a crash comes to the same place. A change of this sequence raises `values.EPOCH`.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import assert_never

from ai_orchestrator.base.beside import together
from ai_orchestrator.base.errors import OrchestratorError
from ai_orchestrator.model.ids import final_ref, workflow_id
from ai_orchestrator.model.states import ExitCode, OutcomeCode, TaskState
from ai_orchestrator.model.task import RepositorySource
from ai_orchestrator.model.workflow import AgentStep, ParallelStep, ScriptStep
from ai_orchestrator.workflows.running.agent_order import AgentStepOrder
from ai_orchestrator.workflows.running.agent_step import run_agent_step
from ai_orchestrator.workflows.running.check_step import CheckOrder, check_head
from ai_orchestrator.workflows.running.group_ledger import GroupLedger, save_group_ledger
from ai_orchestrator.workflows.running.interruption import close_left_open
from ai_orchestrator.workflows.running.plan import Check, Finish, Run, next_move
from ai_orchestrator.workflows.running.ports import DurableContext, TaskTree
from ai_orchestrator.workflows.running.prepare_step import prepare_task
from ai_orchestrator.workflows.running.progress import (
    Progress,
    after_check,
    after_step,
    begin,
    verified,
)
from ai_orchestrator.workflows.running.script_step import ScriptStepOrder, run_script_step
from ai_orchestrator.workflows.running.values import Checked, Closed, Prepared, StepDone
from ai_orchestrator.workflows.running.world import TaskFacts, World

log = logging.getLogger(__name__)


async def run_task(context: DurableContext, world: World, task_id: str, task_attempt: int) -> None:
    """Runs a task attempt to its end and writes that end; never raises for what a task does."""
    facts = await world.archive.facts(task_id, task_attempt)
    finish, progress = await _run(context, world, facts)
    await context.step("close", partial(_close, world, facts, finish, progress), Closed)


async def _run(
    context: DurableContext, world: World, facts: TaskFacts
) -> tuple[Finish, Progress | None]:
    """How it ended, and how far it had come; None where it did not begin."""
    try:
        prepared = await context.step(
            "prepare", partial(prepare_task, world, facts, open_tree), Prepared, is_preemptible=True
        )
    except OrchestratorError as error:
        return _broken_off(error), None
    progress = begin(prepared)
    while True:
        move, progress = next_move(facts.spec, progress)
        if isinstance(move, Finish):
            return move, progress
        try:
            progress = await _make(context, world, facts, progress, move, prepared)
        except OrchestratorError as error:
            return _broken_off(error), progress


def _broken_off(error: OrchestratorError) -> Finish:
    return Finish(_outcome_of(error), is_success=False, reason=str(error))


def _outcome_of(error: OrchestratorError) -> OutcomeCode:
    match error.exit_code:
        case ExitCode.ENVIRONMENT | ExitCode.BAD_INPUT:
            return OutcomeCode.ENVIRONMENT
        case ExitCode.TASK_FAILED:  # what an agent left, or what became of its tree
            return OutcomeCode.AGENT_FAILED
        case _:
            return OutcomeCode.INTERNAL


async def _make(
    context: DurableContext,
    world: World,
    facts: TaskFacts,
    progress: Progress,
    move: Check | Run,
    prepared: Prepared,
) -> Progress:
    """Progress after a move."""
    match move:
        case Check():
            checked = await context.step(
                f"verify/{move.after}/i{move.iteration}",
                partial(_check, world, facts, progress, move, prepared),
                Checked,
                is_preemptible=True,
            )
            return after_check(progress, checked)
        case Run():
            return await _run_step(context, world, facts, progress, move, prepared)
        case _:
            assert_never(move)


async def _run_step(
    context: DurableContext,
    world: World,
    facts: TaskFacts,
    progress: Progress,
    move: Run,
    prepared: Prepared,
) -> Progress:
    """Progress after a step, or after all steps of a group, in the spec's order.

    A step that raises lets the others of its group come to their end before it is heard.
    """
    steps: tuple[AgentStep | ScriptStep, ...]
    steps = move.step.steps if isinstance(move.step, ParallelStep) else (move.step,)
    dones = await asyncio.gather(
        *(
            context.step(
                f"{step.path}/i{move.iteration}",
                partial(_act, world, facts, progress, step, move, prepared),
                StepDone,
                is_preemptible=True,
            )
            for step in steps
        ),
        return_exceptions=True,
    )
    before = progress.ledger
    for step, done in zip(steps, dones, strict=True):
        if isinstance(done, BaseException):
            raise done
        progress = after_step(progress, step, done)
    if isinstance(move.step, ParallelStep):
        ledger = GroupLedger(move.step.path, move.iteration, before, progress.ledger)
        name = f"ledger/{move.step.path}/i{move.iteration}"
        await context.step(name, partial(save_group_ledger, world, facts, ledger), int)
    return progress


async def _act(
    world: World,
    facts: TaskFacts,
    progress: Progress,
    step: AgentStep | ScriptStep,
    move: Run,
    prepared: Prepared,
) -> StepDone:
    tree = await open_tree(world, facts)
    extra_env = prepared.port_variables
    if isinstance(step, ScriptStep):
        return await run_script_step(
            ScriptStepOrder(world, facts, tree, progress, step, move.iteration, extra_env)
        )
    return await run_agent_step(
        AgentStepOrder(
            world,
            facts,
            tree,
            progress,
            step,
            move.iteration,
            extra_env,
            is_alone=not isinstance(move.step, ParallelStep),
        )
    )


async def _check(
    world: World, facts: TaskFacts, progress: Progress, move: Check, prepared: Prepared
) -> Checked:
    tree = await open_tree(world, facts)
    return await check_head(
        CheckOrder(
            world, facts, tree, progress, move.after, move.iteration, prepared.port_variables
        )
    )


async def open_tree(world: World, facts: TaskFacts) -> TaskTree:
    """The task attempt's tree, made where missing: one for all steps, who come side by side."""
    key = workflow_id(facts.task_id, facts.task_attempt)
    async with world.positions.lock(facts.task_id):
        if key not in world.open_trees:
            world.open_trees[key] = await world.trees.open(
                facts.task_id, facts.task_attempt, facts.source, facts.base
            )
        return world.open_trees[key]


async def _close(
    world: World, facts: TaskFacts, finish: Finish, progress: Progress | None
) -> Closed:
    """Writes how the task attempt ended: refs, state, outcome; forgets its credentials."""
    fields: dict[str, str | None] = {}
    left = await world.records.unfinished(facts.task_id, facts.task_attempt)
    await close_left_open(world, facts.task_id, facts.task_attempt, left)
    if progress is not None and progress.head != facts.base:
        tree = await open_tree(world, facts)
        final = tree.point(final_ref(facts.task_id, facts.task_attempt), progress.head)
        await together(final, _given_back(world, facts))
        is_verified = verified(facts.spec, progress).state == "green"
        fields["final_commit"] = progress.head
        fields["verified_tree"] = progress.head_tree if is_verified else None
    else:
        await _given_back(world, facts)
    await world.records.set_state(
        facts.task_id,
        TaskState.SUCCEEDED if finish.is_success else TaskState.FAILED,
        outcome=finish.outcome,
        reason=finish.reason,
        fields=fields,
    )
    world.archive.forget(facts.task_id, facts.task_attempt)
    return Closed(finish.outcome)


async def _given_back(world: World, facts: TaskFacts) -> None:
    await give_back(world, facts.task_id, facts.task_attempt, facts.source)


async def give_back(
    world: World, task_id: str, task_attempt: int, source: RepositorySource
) -> None:
    """Frees the trees and ports of a task attempt that is over, before its final state is told.

    What cannot be freed changes no outcome: it is logged and left to the garbage collection.
    """
    world.open_trees.pop(workflow_id(task_id, task_attempt), None)
    world.positions.forget(task_id)
    try:
        await world.trees.close_tree(task_id, task_attempt, source)
    except OrchestratorError as error:
        log.warning("task %s: its trees stay until they are collected: %s", task_id, error)
