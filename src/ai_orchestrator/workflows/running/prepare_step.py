"""The first step of a task attempt: agents there, tree made, environment set up, base judged.

All of it before the first agent is paid for. Idempotent: whatever is there already is kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.model.events import StepFinishedData, StepStartedData, VerifierFinishedData
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.orders import Equipment
from ai_orchestrator.model.review import VerifierResult
from ai_orchestrator.model.states import OutcomeCode, TaskState
from ai_orchestrator.model.workflow import AgentSpec
from ai_orchestrator.review.verification import baseline_problem
from ai_orchestrator.workflows.graph import agents_used, has_writer
from ai_orchestrator.workflows.running.attempt_log import event_for
from ai_orchestrator.workflows.running.detection import find_verifiers
from ai_orchestrator.workflows.running.judging import Judging, judge_commit
from ai_orchestrator.workflows.running.plan import EMPTY_TREE
from ai_orchestrator.workflows.running.ports import TaskTree
from ai_orchestrator.workflows.running.setting_up import SetUp, set_up
from ai_orchestrator.workflows.running.values import Prepared, Stopped, port_variables
from ai_orchestrator.workflows.running.world import TaskFacts, World, remaining_s

OpenTree = Callable[[World, TaskFacts], Awaitable[TaskTree]]


async def prepare_task(world: World, facts: TaskFacts, tree: OpenTree) -> Prepared:
    """The prepared task attempt; `stopped` says why it cannot begin."""
    await world.records.set_state(facts.task_id, TaskState.RUNNING)
    key = StepKey(facts.task_id, facts.task_attempt, "prepare", 1, 1)
    began = world.clock.now()
    await world.records.emit([event_for(key, "started", StepStartedData(kind="prepare"))])
    said = ""
    try:
        prepared, said = await _prepare(world, facts, key, tree, began)
    except EnvironmentProblemError as error:
        outcome = OutcomeCode.NO_AGENT if error.code == "agent-missing" else OutcomeCode.ENVIRONMENT
        prepared = _stopped(world, facts, Stopped(outcome, str(error)))
    finished = StepFinishedData(
        outcome="failed" if prepared.stopped else "succeeded",
        reason=prepared.stopped.reason if prepared.stopped else said,
        duration_s=(world.clock.now() - began).total_seconds(),
    )
    await world.records.emit([event_for(key, "finished", finished)])
    return prepared


async def _prepare(
    world: World, facts: TaskFacts, key: StepKey, open_tree: OpenTree, began: datetime
) -> tuple[Prepared, str]:
    """The prepared task attempt, and what was done to set its tree up."""
    shortfall = await world.enclosure.shortfall(facts.spec.sandbox, facts.spec.agent_network)
    if shortfall is not None:
        await world.records.add_note(facts.task_id, shortfall)
    await world.agents.check(_agents_used(facts), facts.path_env)
    tree = await open_tree(world, facts)
    equipment, said = await _made_ready(world, facts, key, tree)
    base_tree = await tree.tree_of(facts.base)
    verifiers = facts.spec.verifiers
    if verifiers is None:
        is_empty = base_tree == EMPTY_TREE
        verifiers = () if is_empty else await find_verifiers(world, facts, tree, facts.base)
    judging = Judging(
        facts.base,
        verifiers,
        key,
        is_baseline=True,
        extra_env=port_variables(equipment.ports),
        limit_s=remaining_s(facts, began.timestamp(), world.clock),
    )
    baseline = await _baseline(world, facts, tree, judging)
    problem = baseline_problem(
        baseline,
        baseline=facts.spec.baseline,
        is_red_base_allowed=facts.spec.allow_red_base,
    )
    prepared = Prepared(
        base_commit=facts.base,
        base_tree=base_tree,
        verifiers=verifiers,
        baseline=baseline,
        ports=equipment.ports,
        notes=equipment.notes,
        stopped=(
            Stopped(
                OutcomeCode.ENVIRONMENT,
                f"{problem.reason} {problem.hint}\n{problem.output}".strip(),
            )
            if problem
            else None
        ),
        began_at=began.timestamp(),
        at=world.clock.now().timestamp(),
    )
    return prepared, said


async def _made_ready(
    world: World, facts: TaskFacts, key: StepKey, tree: TaskTree
) -> tuple[Equipment, str]:
    """The tree is furnished and set up; what was done to set it up, as a sentence."""
    equipment = await world.trees.equip(
        facts.task_id, facts.task_attempt, facts.source, facts.spec.environment
    )
    for note in equipment.notes:
        await world.records.add_note(facts.task_id, note)
    order = SetUp(
        tree=tree,
        which="work",
        work=tree.work,
        name=key.tree,
        furnished=equipment.paths,
        is_before_agents=True,
    )
    said = await set_up(world, facts, order)
    tree.mark_ready()
    return equipment, said


def _stopped(world: World, facts: TaskFacts, stopped: Stopped) -> Prepared:
    return Prepared(
        base_commit=facts.base,
        base_tree="",
        verifiers=(),
        stopped=stopped,
        at=world.clock.now().timestamp(),
    )


def _agents_used(facts: TaskFacts) -> list[AgentSpec]:
    return [facts.spec.agents[name] for name in agents_used(facts.spec.steps)]


async def _baseline(
    world: World, facts: TaskFacts, tree: TaskTree, judging: Judging
) -> tuple[VerifierResult, ...]:
    """The verifiers' results on the base; none where nothing will be changed."""
    if not judging.verifiers or not has_writer(facts.spec.steps):
        return ()
    results = await judge_commit(world, facts, tree, judging)
    await world.records.emit(
        [
            event_for(
                judging.key,
                f"verifier/{n}",
                VerifierFinishedData(result, facts.base, is_baseline=True),
            )
            for n, result in enumerate(results)
        ]
    )
    return results
