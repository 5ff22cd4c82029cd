"""What a person should know of a task that is accepted: kept with it, and told at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.model.task import RepositorySource, TaskRequest
from ai_orchestrator.model.workflow import WorkflowSpec
from ai_orchestrator.services.agents import chosen_account, login_places
from ai_orchestrator.workflows.graph import agents_used
from ai_orchestrator.workflows.loading.load import default_workflow, remarks


@dataclass(frozen=True, slots=True)
class TaskRemarks:
    """Where they come from."""

    of_source: Callable[[RepositorySource], Awaitable[tuple[str, ...]]]
    """About the repository: untracked files, a shallow clone."""
    kept_logins: Path
    """The directory of the logins that the orchestrator keeps."""

    async def of(self, request: TaskRequest, spec: WorkflowSpec) -> tuple[str, ...]:
        """One sentence each, about start, workflow and accounts; the request is known good."""
        told = await self.of_source(request.repository)
        of_accounts = await asyncio.to_thread(self._of_accounts, request, spec)
        return (*told, *await asyncio.to_thread(_of_workflow, request), *of_accounts)

    def _of_accounts(self, request: TaskRequest, spec: WorkflowSpec) -> tuple[str, ...]:
        """A person's own login is worth a word on every run that uses it."""
        places = login_places(request.home, self.kept_logins)
        accounts = tuple(spec.accounts.values())
        agents = [spec.agents[name] for name in agents_used(spec.steps)]
        return tuple(
            f"{agent.name} works with your own login, in your own directory. "
            f"`{places.command} {agent.name}` makes one of its own."
            for agent in agents
            if chosen_account(agent, accounts, request.credentials, places).kind == "user-home"
        )


def _of_workflow(request: TaskRequest) -> tuple[str, ...]:
    name = request.workflow or default_workflow(request.config)
    return remarks(request.config, [name], request.options)
