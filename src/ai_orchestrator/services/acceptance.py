"""Accepting a task: checked whole, frozen whole, and durable when the answer is given."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec
import sqlalchemy as sa

from ai_orchestrator.base.beside import together
from ai_orchestrator.base.clock import Clock
from ai_orchestrator.base.errors import BadInputError, ConflictError, shorten
from ai_orchestrator.model.ids import branch_name, new_task_id, short_id, workflow_id
from ai_orchestrator.model.task import RepositorySource, TaskRequest
from ai_orchestrator.model.workflow import WorkflowSpec
from ai_orchestrator.services.repeat import difference, repository_name
from ai_orchestrator.store.database import Database
from ai_orchestrator.store.events import EventLog
from ai_orchestrator.store.tables import TaskContext
from ai_orchestrator.store.tasks import NewTask, insert_task, task_with_key
from ai_orchestrator.store.texts import storable
from ai_orchestrator.store.views import frozen_task

MAX_TASK_BYTES = 256 * 1024
TITLE_CHARS = 80
TAKEN_OUT = (
    "The task's text held what looks like a key or a token: it is kept and given to agents without "
    "it. Give secrets by an account."
)


class Queue(Protocol):
    """The engine, as far as acceptance needs it."""

    def enqueue(
        self, connection: sa.Connection, workflow_id: str, task_id: str, task_attempt: int
    ) -> None:
        """Queues a workflow inside the caller's transaction."""
        ...

    def wake(self) -> None:
        """Looks for queued work at once."""
        ...


@dataclass(frozen=True, slots=True)
class Release:
    """What is written beside each task: who began it."""

    name: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Start:
    """Where the work starts, and what there is to know of it."""

    commit: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The task that a request has come to."""

    task_id: str
    is_repeat: bool = False
    """It was accepted before, under the same idempotency key."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Accepts tasks; every part of it is passed in."""

    database: Database
    log: EventLog
    queue: Queue
    clock: Clock
    release: Release
    freeze: Callable[[TaskRequest], WorkflowSpec]
    """The workflow, whole; raises `ConfigError` with every problem. Slow: runs in a thread."""
    resolve: Callable[[RepositorySource], Coroutine[object, object, str]]
    """The commit that a source names now, fetched."""
    remarks: Callable[[TaskRequest, WorkflowSpec], Awaitable[tuple[str, ...]]]
    """What a person should know before the work starts, one sentence each."""
    encrypt: Callable[[str, Mapping[str, str]], bytes]
    """Task id and credentials -> what may be stored."""

    async def accept(self, request: TaskRequest, principal: str) -> Accepted:
        """The accepted task; with a known idempotency key the earlier one.

        Raises `ConflictError` where that one was asked for something else.
        """
        check_task_text(request.task)
        request, taken_out = self._without_secrets(request)
        if request.idempotency_key is not None:
            earlier = await self._earlier(principal, request.idempotency_key)
            if earlier is not None:
                return await self._again(request, earlier)
        base, (spec, notes) = await together(
            self.resolve(request.repository), self._considered(request)
        )
        new = self._new_task(request, principal, spec, Start(base, (*taken_out, *notes)))
        accepted = await self.database.write_async(lambda connection: self._write(connection, new))
        if accepted != new.id:
            return await self._again(request, accepted)
        self.queue.wake()
        return Accepted(accepted)

    def _without_secrets(self, request: TaskRequest) -> tuple[TaskRequest, tuple[str, ...]]:
        """The request with a text that may be stored and prompted, and what is to be said of it."""
        clean = self.log.sink.clean(request.task)
        if clean == storable(request.task):
            return request, ()
        return msgspec.structs.replace(request, task=clean), (TAKEN_OUT,)

    async def _considered(self, request: TaskRequest) -> tuple[WorkflowSpec, tuple[str, ...]]:
        """The workflow, and what is to be said about it."""
        spec = await asyncio.to_thread(self.freeze, request)
        return spec, await self.remarks(request, spec)

    async def _earlier(self, principal: str, key: str) -> str | None:
        return await self.database.read_async(
            lambda connection: task_with_key(connection, "default", principal, key)
        )

    async def _again(self, request: TaskRequest, task_id: str) -> Accepted:
        """The task that has the key already. Raises `ConflictError` where it is another one."""
        earlier = await self.database.read_async(lambda c: frozen_task(c, task_id))
        what = difference(request, earlier)
        if what:
            raise ConflictError(
                f"task {short_id(task_id)}: was accepted under the idempotency key "
                f"{shorten(request.idempotency_key or '')!r}, for {what}.",
                hint="Give another task another key.",
            )
        return Accepted(task_id, is_repeat=True)

    def _write(self, connection: sa.Connection, new: NewTask) -> str:
        """Our row and the queued workflow, in one transaction."""
        task_id = insert_task(connection, self.log, new)
        if task_id == new.id:
            self.queue.enqueue(connection, workflow_id(task_id, 1), task_id, 1)
        return task_id

    def _new_task(
        self, request: TaskRequest, principal: str, spec: WorkflowSpec, start: Start
    ) -> NewTask:
        task_id = new_task_id(self.clock.now())
        title = title_of(request.task)
        return NewTask(
            id=task_id,
            principal=principal,
            title=title,
            task=request.task,
            workflow=spec.name,
            repository=repository_name(request.repository),
            source=request.repository,
            spec=spec,
            context=TaskContext(request.path, request.home),
            epoch=self.release.epoch,
            release=self.release.name,
            base_commit=start.commit,
            notes=start.notes,
            branch=branch_name(task_id, title),
            idempotency_key=request.idempotency_key,
            credentials=(
                self.encrypt(task_id, request.credentials) if request.credentials else None
            ),
        )


def check_task_text(task: str) -> None:
    """Raises `BadInputError` for a text that is empty, too long or not valid Unicode."""
    if not task.strip():
        raise BadInputError("the task is empty.", hint="Say in a sentence what is to be done.")
    if "\0" in task:
        raise BadInputError("the task holds a NUL character.", hint="Remove it.")
    try:
        size = len(task.encode())
    except UnicodeEncodeError as error:
        raise BadInputError(
            f"the task holds a character that is not valid UTF-8 at position {error.start}.",
            hint="Remove it.",
        ) from error
    if size > MAX_TASK_BYTES:
        raise BadInputError(
            f"the task has {size} bytes; the limit is {MAX_TASK_BYTES}.",
            hint="Put long material into a file of the repository and name it in the task.",
        )


def title_of(task: str) -> str:
    """The first line of a task, cut to the length of a title."""
    line = task.strip().splitlines()[0].strip()
    return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1] + "…"
