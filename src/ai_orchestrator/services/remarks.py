"""What a person should know of a task that is accepted: kept with it, and told at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ai_orchestrator.model.task import RepositorySource, TaskRequest
from ai_orchestrator.workflows.load import default_workflow, remarks


@dataclass(frozen=True, slots=True)
class TaskRemarks:
    """Where they come from."""

    of_source: Callable[[RepositorySource], Awaitable[tuple[str, ...]]]
    """About the repository: untracked files, a shallow clone."""

    async def of(self, request: TaskRequest) -> tuple[str, ...]:
        """One sentence each, about the start and about the workflow; the request is known good."""
        told = await self.of_source(request.repository)
        return (*told, *await asyncio.to_thread(_of_workflow, request))


def _of_workflow(request: TaskRequest) -> tuple[str, ...]:
    name = request.workflow or default_workflow(request.config)
    return remarks(request.config, [name], request.options)
