"""One agent step: who takes it, with which prompt, rights and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ai_orchestrator.config.problems import known_names
from ai_orchestrator.model.agent import Permission
from ai_orchestrator.model.workflow import AgentStep, Limits
from ai_orchestrator.workflows.loading.compile_agents import AgentTable, Standing, check_account_of
from ai_orchestrator.workflows.loading.compile_prompts import Prompt, kind_words
from ai_orchestrator.workflows.loading.document import Document
from ai_orchestrator.workflows.loading.faults import Faults, read_duration_s
from ai_orchestrator.workflows.loading.placed_steps import PlacedStep

_NO_AGENT = "no agent is enabled that could take this step. Enable one in `agents`."


@dataclass(frozen=True, slots=True)
class AgentStepCompiler:
    """Makes agent steps out of those of the document."""

    document: Document
    agents: AgentTable
    prompts: Mapping[str, Prompt]
    limits: Limits
    """When neither step nor agent says otherwise."""
    model: str | None
    """A flag's model, for every step."""
    faults: Faults

    def make(self, step: PlacedStep, path: str) -> AgentStep | None:
        """The step; None when it is left out, or too much is wrong with it."""
        task, prompt_name = step.doc.task or "", step.doc.prompt or step.doc.task or ""
        if not self._are_known(step, task, prompt_name):
            return None
        permission = self.permission(step)
        self._check_sense(step, permission)
        agent = self._agent(step, permission)
        if agent is None:
            return None
        doc = step.doc
        is_own_choice = doc.agent in (None, agent)
        account = doc.account if is_own_choice else None
        check_account_of((*step.keys, "account"), account, agent, self.document, self.faults)
        return AgentStep(
            path=path,
            task=task,
            agent=agent,
            role=self.prompts[task].task.role,
            asks=self.prompts[task].task.asks,
            permission=permission,
            prompt=prompt_name,
            limits=self._limits(step, agent),
            account=account or self.agents.docs[agent].account,
            model=self.model or (doc.model if is_own_choice else None),
            when=doc.when,
            is_optional=doc.optional,
            description=doc.description,
        )

    def permission(self, step: PlacedStep) -> Permission:
        """What the step may do: as it says, else as its prompt, else as its task."""
        task = self.prompts.get(step.doc.task or "")
        prompt = self.prompts.get(step.doc.prompt or step.doc.task or "")
        if step.doc.permission is not None or task is None:
            return step.doc.permission or "read-only"
        if prompt is None or prompt.task.asks != task.task.asks:
            return task.permission
        return prompt.permission

    def _are_known(self, step: PlacedStep, task: str, prompt: str) -> bool:
        for key, name in (("task", task), ("prompt", prompt)):
            if name not in self.prompts:
                known = known_names(self.prompts, name)
                self.faults.add((*step.keys, key), f"no {key} '{name}'. {known}")
                self._knows_agent(step)
                return False
        return True

    def _knows_agent(self, step: PlacedStep) -> bool:
        """The agent that the step names exists, or it names none."""
        name = step.doc.agent
        if name is None or name in self.agents.docs:
            return True
        known = known_names(self.agents.docs, name)
        self.faults.add((*step.keys, "agent"), f"no agent '{name}'. {known}")
        return False

    def _check_sense(self, step: PlacedStep, permission: Permission) -> None:
        doc, asks = step.doc, self.prompts[step.doc.task or ""].task.asks
        if doc.prompt is not None and self.prompts[doc.prompt].task.asks != asks:
            other = kind_words(self.prompts[doc.prompt].task.asks)
            self.faults.add(
                (*step.keys, "prompt"),
                f"the prompt '{doc.prompt}' asks for {other}, the task '{doc.task}' for "
                f"{kind_words(asks)}.",
            )
        if asks == "change" and permission == "read-only":
            self.faults.add((*step.keys, "permission"), "a step that changes files needs `write`.")
        if doc.agent is not None and doc.role is not None:
            self.faults.add((*step.keys, "role"), "`agent` and `role` exclude each other.")

    def _agent(self, step: PlacedStep, permission: Permission) -> str | None:
        """Who takes the step: the agent it names, else the one whose role fits best."""
        name = step.doc.agent
        if name is None:
            return self._by_role(step, permission)
        if not self._knows_agent(step):
            return None
        keys = (*step.keys, "agent")
        match self.agents.standings[name]:
            case "left-out":
                return self._by_role(step, permission)
            case "ready" if self.agents.may(name, permission):
                return name
            case "ready":
                self.faults.add(keys, f"the agent '{name}' is `read-only` and this step writes.")
            case standing if self._may_be_left_out(step, standing):
                why = "not installed" if standing == "missing" else "disabled"
                self.faults.note(keys, f"the agent '{name}' is {why}: the step is left out.")
            case "missing":
                self.faults.lack(self.agents.lack_of(name))
            case "disabled":
                self.faults.add(keys, f"the agent '{name}' is disabled: `enabled: false`.")
        return None

    def _may_be_left_out(self, step: PlacedStep, standing: Standing) -> bool:
        """An optional step; and advice, by which nothing is decided, of whom nobody wants to hear.

        The configuration that this product came with has such a step.
        """
        asks = self.prompts[step.doc.task or ""].task.asks
        return step.doc.optional or (standing == "disabled" and asks == "suggestions")

    def _by_role(self, step: PlacedStep, permission: Permission) -> str | None:
        roles = self.prompts[step.doc.task or ""].task.agent_roles
        name = self.agents.choose((step.doc.role,) if step.doc.role else roles, permission)
        if name is not None:
            return name
        if step.doc.optional:
            self.faults.note(step.keys, "no agent can take it: the step is left out.")
        elif self.agents.missing():
            self.faults.lack(self.agents.lack())
        else:
            self.faults.add(step.keys, _NO_AGENT)
        return None

    def _limits(self, step: PlacedStep, name: str) -> Limits:
        doc, agent, keys = step.doc, self.agents.docs[name], ("agents", name)
        own_s = read_duration_s(
            (*keys, "timeout"), agent.timeout, self.limits.timeout_s, self.faults
        )
        return Limits(
            timeout_s=read_duration_s((*step.keys, "timeout"), doc.timeout, own_s, self.faults),
            stall_s=read_duration_s(
                (*keys, "stall_timeout"), agent.stall_timeout, self.limits.stall_s, self.faults
            ),
            max_turns=doc.max_turns or agent.max_turns,
            max_tokens=doc.max_tokens or agent.max_tokens,
            max_cost_usd=doc.max_cost_usd or agent.max_cost_usd,
        )
