"""A whole workflow: its steps, and everything around them that decides how a task runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from ai_orchestrator.config.document_path import Keys
from ai_orchestrator.model.states import SuccessRule
from ai_orchestrator.model.task import RunOptions
from ai_orchestrator.model.workflow import Limits, LoopStep, Step, WorkflowSpec
from ai_orchestrator.workflows.graph import (
    agent_steps,
    agents_used,
    has_verdict,
    has_writer,
    loops,
)
from ai_orchestrator.workflows.loading.compile_agent_step import AgentStepCompiler
from ai_orchestrator.workflows.loading.compile_agents import AgentTable, account_specs
from ai_orchestrator.workflows.loading.compile_prompts import Prompt
from ai_orchestrator.workflows.loading.compile_steps import LoopDefaults, StepCompiler
from ai_orchestrator.workflows.loading.compile_tree import TreeCompiler
from ai_orchestrator.workflows.loading.document import Document, Duration, WorkflowDoc
from ai_orchestrator.workflows.loading.faults import Faults, read_duration_s
from ai_orchestrator.workflows.prompts import REVIEW_AGAIN

_UNTIL: Mapping[SuccessRule, str] = {
    SuccessRule.APPROVED_VERIFIED: "approved and verified",
    SuccessRule.VERIFIED: "verified",
    SuccessRule.CHANGED_VERIFIED: "changed and verified",
    SuccessRule.REVIEW_DELIVERED: "approved",
}
"""When a loop ends that does not say so itself."""


@dataclass(frozen=True, slots=True)
class WorkflowCompiler:
    """Makes workflows out of one document."""

    document: Document
    agents: AgentTable
    prompts: Mapping[str, Prompt]
    review_again: str
    options: RunOptions
    faults: Faults

    def make(self, name: str) -> WorkflowSpec:
        """The workflow of that name. What is wrong with it is added to the faults."""
        keys: Keys = ("workflows", name)
        given = self.document.workflows[name]
        workflow = given if isinstance(given, WorkflowDoc) else WorkflowDoc(steps=given)
        compiler = self._step_compiler()
        steps = compiler.workflow(name)
        success = workflow.success or _usual_success(is_reviewed=compiler.asks_for_verdict(name))
        steps = tuple(_with_until(step, success) for step in steps)
        self._check_steps(keys, workflow, success, steps)
        self._check_flags(name, steps)
        return self._spec(keys, workflow, success, steps)

    def _spec(
        self, keys: Keys, workflow: WorkflowDoc, success: SuccessRule, steps: tuple[Step, ...]
    ) -> WorkflowSpec:
        settings, options = self.document.settings, self.options
        agents = tuple(dict.fromkeys((*self.agents.ready(), *agents_used(steps))))
        tree = self._tree(keys, workflow)
        return WorkflowSpec(
            name=str(keys[-1]),
            description=workflow.description,
            success=success,
            steps=steps,
            agents={agent: self.agents.specs[agent] for agent in agents},
            accounts=account_specs(self.document, agents),
            prompts=self._prompts_of(steps),
            verifiers=tree.verifiers(),
            baseline=workflow.baseline or "expect-green",
            protected=tree.protected(),
            environment=tree.environment(),
            bar=workflow.bar or settings.bar,
            min_open_findings=workflow.min_open_findings or settings.min_open_findings,
            fail_on=options.fail_on or workflow.fail_on,
            allow_red_base=options.allow_red_base,
            allow_unverified=options.allow_unverified or workflow.allow_unverified,
            sandbox=options.sandbox or settings.sandbox,
            agent_network=workflow.network or settings.network,
            max_duration_s=self._max_duration_s(keys, workflow.timeout),
            max_tokens=options.max_tokens or workflow.max_tokens or settings.max_tokens,
            max_cost_usd=options.max_cost_usd or workflow.max_cost_usd or settings.max_cost_usd,
            step_retries=settings.step_retries,
        )

    def _step_compiler(self) -> StepCompiler:
        settings = self.document.settings
        limits = Limits(
            timeout_s=self._setting_s("agent_timeout", settings.agent_timeout),
            stall_s=self._setting_s("stall_timeout", settings.stall_timeout),
        )
        agent_step = AgentStepCompiler(
            self.document, self.agents, self.prompts, limits, self.options.model, self.faults
        )
        loop = LoopDefaults(settings.max_iterations, self.options.max_iterations)
        return StepCompiler(self.document, self.prompts, agent_step, loop, self.faults)

    def _tree(self, keys: Keys, workflow: WorkflowDoc) -> TreeCompiler:
        timeout_s = self._setting_s("verifier_timeout", self.document.settings.verifier_timeout)
        return TreeCompiler(self.document, keys, workflow, timeout_s, self.faults)

    def _setting_s(self, key: str, value: Duration) -> float:
        return read_duration_s(("settings", key), value, 1.0, self.faults)

    def _max_duration_s(self, keys: Keys, value: Duration | None) -> float:
        default_s = self._setting_s("max_duration", self.document.settings.max_duration)
        return read_duration_s((*keys, "timeout"), value, default_s, self.faults)

    def _prompts_of(self, steps: Sequence[Step]) -> dict[str, str]:
        """The templates that the steps need, and the one that asks again for a verdict."""
        used = agent_steps(steps)
        templates = {step.prompt: self.prompts[step.prompt].template for step in used}
        if any(step.asks != "change" for step in used):
            templates[REVIEW_AGAIN] = self.review_again
        return templates

    def _check_steps(
        self, keys: Keys, workflow: WorkflowDoc, success: SuccessRule, steps: Sequence[Step]
    ) -> None:
        """Adds faults of the whole: nothing to do, rounds of no loop, success out of reach."""
        if workflow.file is not None:
            self.faults.add(
                (*keys, "file"), "a workflow in a file of its own cannot name a further file."
            )
        if not workflow.steps:
            self.faults.add(keys, "it has no steps.")
            return
        if not steps:
            if not self.faults.found and not self.faults.lacks:
                self.faults.add(keys, "none of its steps has an agent that may be used.")
            return
        if workflow.max_iterations is not None and not loops(steps):
            self.faults.add((*keys, "max_iterations"), "no step of it is repeated. Remove it.")
        lack = _lack(success, steps)
        if lack is not None:
            place = (*keys, "success") if workflow.success is not None else keys
            self.faults.add(place, f"`success: {success}` is out of reach: {lack}.")

    def _check_flags(self, name: str, steps: Sequence[Step]) -> None:
        """Adds faults for flags that would have no effect, or an effect that nobody means."""
        used = agents_used(steps)
        if self.options.max_iterations is not None and steps and not loops(steps):
            self.faults.add(("--max-iterations",), f"the workflow '{name}' repeats no step.")
        if self.options.model is not None and len(used) > 1:
            self.faults.add(
                ("--model",),
                f"the workflow '{name}' uses several agents: {', '.join(used)}. Name one with "
                "--agents as well.",
            )


def _usual_success(*, is_reviewed: bool) -> SuccessRule:
    return SuccessRule.APPROVED_VERIFIED if is_reviewed else SuccessRule.VERIFIED


def _lack(success: SuccessRule, steps: Sequence[Step]) -> str | None:
    """What the steps lack for the rule ever to hold; None when nothing."""
    match success:
        case SuccessRule.APPROVED_VERIFIED if not has_verdict(steps):
            return "no step reviews"
        case SuccessRule.REVIEW_DELIVERED if all(
            step.asks == "change" for step in agent_steps(steps)
        ):
            return "no step reviews"
        case SuccessRule.CHANGED_VERIFIED if not has_writer(steps):
            return "no step changes anything"
        case _:
            return None


def _with_until(step: Step, success: SuccessRule) -> Step:
    if not isinstance(step, LoopStep) or step.until:
        return step
    return msgspec.structs.replace(step, until=_UNTIL[success])
