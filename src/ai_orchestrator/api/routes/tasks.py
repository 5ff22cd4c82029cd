"""`/api/v1/tasks`: thin routes over the task service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from litestar import Controller, delete, get, post
from litestar.params import Parameter
from litestar.response import Stream

from ai_orchestrator.api.principal import local_principal
from ai_orchestrator.model.events import encode_event
from ai_orchestrator.model.task import Diff, TaskRequest, TaskSummary, TaskView
from ai_orchestrator.services.tasks import TaskService

NDJSON = "application/x-ndjson"
BINARY = "application/octet-stream"


class Applied(msgspec.Struct, frozen=True):
    """How the work reached its repository: branch, merge or new-repository."""

    how: str
    attempt: int | None = None
    """The task attempt whose work it is; None: the last one."""


class Retry(msgspec.Struct, frozen=True):
    """What the next task attempt needs anew: the credentials were deleted at the last one's end."""

    credentials: dict[str, str] = {}


class TaskController(Controller):
    """Tasks: accept, look, follow, cancel, retry, delete."""

    path = "/tasks"

    @post("/", status_code=201)
    async def submit(self, data: TaskRequest, tasks: TaskService) -> TaskView:
        """Accepts a task; it is durable when this answers."""
        return await tasks.submit(data, local_principal())

    @get("/")
    async def list_tasks(
        self, tasks: TaskService, limit: Annotated[int, Parameter(ge=1, le=1000)] = 50
    ) -> list[TaskSummary]:
        """Tasks, newest first."""
        return await tasks.summaries(limit)

    @get("/{task_id:str}")
    async def show(self, task_id: str, tasks: TaskService, attempt: int | None = None) -> TaskView:
        """One task with its steps and findings, or as one of its attempts left it."""
        return await tasks.view(task_id, attempt)

    @get("/{task_id:str}/events")
    async def events(
        self,
        task_id: str,
        tasks: TaskService,
        after: Annotated[int, Parameter(ge=0)] = 0,
        follow: bool = False,  # noqa: FBT001, FBT002  # a query parameter
    ) -> Stream:
        """Events as NDJSON; a blank line at least every 10 s tells that the server lives."""
        whole_id = await tasks.resolve(task_id)
        return Stream(_event_lines(tasks, whole_id, after, follow=follow), media_type=NDJSON)

    @get("/{task_id:str}/diff")
    async def diff(
        self,
        task_id: str,
        tasks: TaskService,
        step: str | None = None,
        attempt: int | None = None,
    ) -> Diff:
        """Changed files and stat of the task or of one step."""
        return await tasks.diff(task_id, step, attempt)

    @get("/{task_id:str}/patch")
    async def patch(
        self,
        task_id: str,
        tasks: TaskService,
        step: str | None = None,
        attempt: int | None = None,
    ) -> Stream:
        """The change as a patch."""
        return Stream(await tasks.patch(task_id, step, attempt), media_type=BINARY)

    @get("/{task_id:str}/bundle")
    async def bundle(
        self,
        task_id: str,
        tasks: TaskService,
        attempt: int | None = None,
        whole: bool = False,  # noqa: FBT001, FBT002  # a query parameter
    ) -> Stream:
        """A git bundle that holds the final commit."""
        chunks = await tasks.bundle(task_id, attempt, is_whole=whole)
        return Stream(chunks, media_type=BINARY)

    @get("/{task_id:str}/logs")
    async def logs(self, task_id: str, tasks: TaskService, step: str | None = None) -> Stream:
        """The raw output of the agents, redacted."""
        return Stream(await tasks.logs(task_id, step), media_type=BINARY)

    @post("/{task_id:str}/applied", status_code=204)
    async def applied(self, task_id: str, data: Applied, tasks: TaskService) -> None:
        """Records that the work reached its repository."""
        await tasks.mark_applied(task_id, data.how, data.attempt)

    @post("/{task_id:str}/cancel", status_code=202)
    async def cancel(self, task_id: str, tasks: TaskService) -> TaskView:
        """Cancels a task; one that is final stays as it is."""
        return await tasks.cancel(task_id)

    @post("/{task_id:str}/retry", status_code=202)
    async def retry(self, task_id: str, data: Retry, tasks: TaskService) -> TaskView:
        """Runs a final task again as its next task attempt."""
        return await tasks.retry(task_id, data.credentials)

    @delete("/{task_id:str}", status_code=204)
    async def remove(
        self,
        task_id: str,
        tasks: TaskService,
        force: bool = False,  # noqa: FBT001, FBT002  # a query parameter
    ) -> None:
        """Deletes a final task; work not yet applied needs `force`."""
        await tasks.delete(task_id, force=force)


async def _event_lines(
    tasks: TaskService, task_id: str, after: int, *, follow: bool
) -> AsyncIterator[bytes]:
    async for batch in tasks.events(task_id, after, follow=follow):
        yield b"".join(encode_event(event) + b"\n" for event in batch) or b"\n"
