"""An agent step to bring to its end: what `agent_step` is told, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass

from ai_orchestrator.base.sandbox import WORK_DIR
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.orders import AttemptPaths
from ai_orchestrator.model.task import StepView
from ai_orchestrator.model.workflow import AgentStep
from ai_orchestrator.workflows.running.agent_run import AgentRun
from ai_orchestrator.workflows.running.ports import TaskTree
from ai_orchestrator.workflows.running.progress import Progress, part_of
from ai_orchestrator.workflows.running.prompt_inputs import Places, PromptMaker
from ai_orchestrator.workflows.running.world import TaskFacts, World


@dataclass(frozen=True, slots=True)
class AgentStepOrder:
    """A step to bring to its end, whatever was begun before."""

    world: World
    facts: TaskFacts
    tree: TaskTree
    progress: Progress
    step: AgentStep
    iteration: int
    extra_env: dict[str, str]
    is_alone: bool = True
    """Not one of a group, whose ledger is written once for all of them."""

    def key(self, attempt: int) -> StepKey:
        """The key of one of its attempts."""
        facts = self.facts
        return StepKey(facts.task_id, facts.task_attempt, self.step.path, self.iteration, attempt)

    def paths(self, key: StepKey) -> AttemptPaths:
        """The attempt's directories."""
        return self.tree.attempt_paths(
            key.tree, role=part_of(self.step), agent=self.step.agent, account=self.step.account
        )

    @property
    def may_write(self) -> bool:
        """The agent could change the tree: only the sandbox makes it read-only for sure."""
        is_inside = self.world.enclosure.is_sandboxed(self.facts.spec.sandbox)
        return self.step.permission == "write" or not is_inside

    def run(self, paths: AttemptPaths) -> AgentRun:
        """The attempt's conversation with its agent."""
        is_inside = self.world.enclosure.is_sandboxed(self.facts.spec.sandbox)
        places = Places(
            work_seen=str(WORK_DIR if is_inside else self.tree.work),
            tmp=paths.tmp,
            tmp_seen="/tmp" if is_inside else str(paths.tmp),  # noqa: S108  # the sandbox's own
        )
        prompts = PromptMaker(
            self.facts, self.progress, self.step, self.iteration, self.tree, places
        )
        return AgentRun(
            self.world, self.facts, self.progress, self.step, paths, self.extra_env, prompts
        )


async def attempts_of(order: AgentStepOrder) -> list[StepView]:
    """The rows of the step's attempts in this round, by rising attempt."""
    facts = order.facts
    return await order.world.records.attempts(
        facts.task_id, facts.task_attempt, order.step.path, order.iteration
    )
