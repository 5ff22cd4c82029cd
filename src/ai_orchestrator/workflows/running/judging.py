"""Runs the verifiers on a commit: on a clean checkout, equipped like the agent's tree.

Used for the base, before any agent, and for every head that is to count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ai_orchestrator.model.events import AgentTextData
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.orders import Equipment
from ai_orchestrator.model.review import Verifier, VerifierResult
from ai_orchestrator.workflows.commands.verify import VerifyOrder
from ai_orchestrator.workflows.running.attempt_log import event_for
from ai_orchestrator.workflows.running.ports import TaskTree
from ai_orchestrator.workflows.running.setting_up import SetUp, set_up
from ai_orchestrator.workflows.running.world import TaskFacts, World


@dataclass(frozen=True, slots=True)
class Judging:
    """A commit to judge. `key`: of the step that has it judged."""

    commit: str
    verifiers: Sequence[Verifier]
    key: StepKey
    base_paths: tuple[str, ...] = ()
    """Put back as they are in the base."""
    is_baseline: bool = False
    """It is the base, before any agent."""
    extra_env: Mapping[str, str] = field(default_factory=dict)
    """PORT.. and the like, not secret."""
    limit_s: float | None = None
    """Seconds until the task's time is over."""

    @property
    def name(self) -> str:
        """Of its process trees, unique among those alive."""
        return f"{self.key.tree}.base" if self.is_baseline else self.key.tree


async def judge_commit(
    world: World, facts: TaskFacts, tree: TaskTree, judging: Judging
) -> tuple[VerifierResult, ...]:
    """A result per verifier. Raises `EnvironmentProblemError` where one cannot be started."""
    checkout = await tree.clean_checkout(judging.commit, base_paths=judging.base_paths)
    equipment = await _equip(world, facts)
    order = SetUp(
        tree=tree,
        which="clean",
        work=checkout,
        name=judging.name,
        furnished=equipment.paths,
        is_before_agents=judging.is_baseline,
    )
    said = await set_up(world, facts, order)
    if said:
        name = "setup/base" if judging.is_baseline else "setup"
        await world.records.emit([event_for(judging.key, name, AgentTextData(said))])
    paths = tree.attempt_paths(judging.name, role="verify", agent="verify", account=None)
    try:
        return await world.verifiers(facts.task_id).run(
            VerifyOrder(
                name=judging.name,
                verifiers=tuple(judging.verifiers),
                checkout=checkout,
                home=paths.home,
                tmp=paths.tmp,
                path_env=facts.path_env,
                sandbox=facts.spec.sandbox,
                read_only=paths.read_only,
                extra_env=judging.extra_env,
                limit_s=judging.limit_s,
            )
        )
    finally:
        tree.discard_attempt(judging.name)


async def _equip(world: World, facts: TaskFacts) -> Equipment:
    environment = facts.spec.environment
    if not environment.copy and not environment.link:
        return Equipment()
    return await world.trees.equip(
        facts.task_id, facts.task_attempt, facts.source, environment, which="clean"
    )
