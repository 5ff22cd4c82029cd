"""Tasks, whatever the interface: accept, look, follow, cancel, retry, delete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import sqlalchemy as sa

from ai_orchestrator.base.errors import ConflictError
from ai_orchestrator.model.events import Event
from ai_orchestrator.model.ids import workflow_id
from ai_orchestrator.model.states import TaskState
from ai_orchestrator.model.task import Diff, GarbageReport, TaskRequest, TaskSummary, TaskView
from ai_orchestrator.services import attempts
from ai_orchestrator.services.acceptance import Acceptance
from ai_orchestrator.services.changes import TaskChanges
from ai_orchestrator.store.database import Database
from ai_orchestrator.store.events import READ_LIMIT, EventLog, read_events
from ai_orchestrator.store.records import SqlRecords
from ai_orchestrator.store.tasks import (
    begin_retry,
    mark_applied,
    save_credentials,
)
from ai_orchestrator.store.views import (
    list_tasks,
    resolve_task_id,
    task_state,
    task_view,
)

HEARTBEAT_S = 10.0


class Workflows(Protocol):
    """The engine, as far as a running task needs it."""

    def enqueue(
        self, connection: sa.Connection, workflow_id: str, task_id: str, task_attempt: int
    ) -> None:
        """Queues a workflow inside the caller's transaction."""
        ...

    def wake(self) -> None:
        """Looks for queued work at once."""
        ...

    def cancel(self, workflow_id: str) -> None:
        """Cancels a workflow; a running step is interrupted within about a second."""
        ...

    @property
    def running(self) -> frozenset[str]:
        """Workflows that are inside a step."""
        ...


class Removal(Protocol):
    """Removes what tasks leave on disk and in the database."""

    async def delete(self, task_id: str, view: TaskView) -> None:
        """Rows, repository, trees, conversations and logs of a final task."""
        ...

    async def collect(self, *, dry_run: bool, force: bool) -> GarbageReport:
        """What is no longer needed, of all tasks."""
        ...


@dataclass(frozen=True, slots=True)
class TaskService:
    """All that a user can ask about tasks. Task ids may be short where they are unique."""

    database: Database
    log: EventLog
    records: SqlRecords
    engine: Workflows
    acceptance: Acceptance
    changes: TaskChanges
    removal: Removal
    encrypt: Callable[[str, Mapping[str, str]], bytes]
    settle_cancelled: Callable[[str, int], Awaitable[None]]
    """Writes the end of a cancelled task attempt and gives back what it held."""

    async def submit(self, request: TaskRequest, principal: str) -> TaskView:
        """Accepts a task; it is durable when this returns."""
        accepted = await self.acceptance.accept(request, principal)
        view = await self._view(accepted.task_id)
        return msgspec.structs.replace(view, is_repeat=accepted.is_repeat)

    async def resolve(self, text: str) -> str:
        """The whole id for an id or its unique end. Raises `NotFoundError`."""
        return await self.database.read_async(lambda c: resolve_task_id(c, text))

    async def summaries(self, limit: int) -> list[TaskSummary]:
        """Tasks, newest first."""
        return await self.database.read_async(lambda c: list_tasks(c, limit=limit))

    async def view(self, text: str, attempt: int | None = None) -> TaskView:
        """One task with its steps and findings; with `attempt`, as that one left it."""
        return await self._view(await self.resolve(text), attempt)

    async def _view(self, task_id: str, attempt: int | None = None) -> TaskView:
        view = await self.database.read_async(lambda c: task_view(c, task_id, attempt))
        if not attempts.may_have_more(view) and attempt in (None, view.summary.task_attempt):
            return view
        works = await asyncio.to_thread(attempts.read, self.changes.trees.layout, task_id)
        view = attempts.with_kept_work(view, works)
        return view if attempt is None else attempts.as_of(view, works, attempt)

    async def events(
        self, task_id: str, after_seq: int, *, follow: bool
    ) -> AsyncIterator[list[Event]]:
        """Batches of events by rising seq; an empty batch says that nothing came for a while.

        Ends after the last event, with `follow` only once the task is final or waits.
        """
        seen = after_seq
        with self.records.subscribe(task_id) as subscription:
            while True:
                batch, state = await self.database.read_async(
                    lambda c, seen=seen: (  # type: ignore[misc]  # binds the loop's value
                        read_events(c, task_id, after_seq=seen),
                        task_state(c, task_id),
                    )
                )
                if batch:
                    seen = batch[-1].seq
                    yield batch
                if len(batch) == READ_LIMIT:
                    continue
                if not follow or state.is_final or state.is_waiting:
                    return
                if not await subscription.wait(HEARTBEAT_S):
                    yield []

    async def diff(self, text: str, step: str | None, attempt: int | None = None) -> Diff:
        """Changed files and stat of the task, or of the last execution of one step."""
        return await self.changes.diff(await self.view(text, attempt), step)

    async def patch(
        self, text: str, step: str | None, attempt: int | None = None
    ) -> AsyncIterator[bytes]:
        """The change as a patch, in chunks."""
        return await self.changes.patch(await self.view(text, attempt), step)

    async def bundle(
        self, text: str, attempt: int | None = None, *, is_whole: bool = False
    ) -> AsyncIterator[bytes]:
        """A git bundle that holds the final commit, in chunks; the whole history where wanted."""
        return await self.changes.bundle(await self.view(text, attempt), is_whole=is_whole)

    async def logs(self, text: str, step: str | None) -> AsyncIterator[bytes]:
        """The raw output of the agents, in the order of the steps."""
        return await self.changes.logs(await self.view(text), step)

    async def mark_applied(self, text: str, how: str, attempt: int | None = None) -> None:
        """Records that the work reached its repository; of the last attempt, if none is named."""
        view = await self.view(text, attempt)
        task_id = view.summary.id
        await self.changes.note_applied(view)
        if attempt is None or attempt == (await self._view(task_id)).summary.task_attempt:
            await self.database.write_async(lambda c: mark_applied(c, self.log, task_id, how))

    async def cancel(self, text: str) -> TaskView:
        """Cancels a task; one that is final stays as it is."""
        view = await self.view(text)
        if not view.summary.state.is_final:
            task_id = view.summary.id
            workflow = workflow_id(task_id, view.summary.task_attempt)
            await self.records.set_state(task_id, TaskState.CANCELLING)
            await asyncio.to_thread(self.engine.cancel, workflow)
            if workflow not in self.engine.running:
                await self.settle_cancelled(task_id, view.summary.task_attempt)
        return await self._view(view.summary.id)

    async def retry(self, text: str, credentials: Mapping[str, str]) -> TaskView:
        """Runs a final task again, from its base, as its next task attempt."""
        view = await self.view(text)
        task_id = view.summary.id
        if view.summary.state.is_final:
            await self._require_start(view)
            await self.changes.note_end(view)
        release = self.acceptance.release

        def write(connection: sa.Connection) -> None:
            attempt = begin_retry(
                connection, self.log, task_id, epoch=release.epoch, release=release.name
            )
            if credentials:
                save_credentials(connection, task_id, self.encrypt(task_id, credentials))
            self.engine.enqueue(connection, workflow_id(task_id, attempt), task_id, attempt)

        await self.database.write_async(write)
        self.engine.wake()
        return await self._view(task_id)

    async def _require_start(self, view: TaskView) -> None:
        """The task can begin anew. Raises `ConflictError` where what it starts from is gone."""
        task_id = view.summary.id
        source = await self.changes.source_of(task_id)
        mirror = self.changes.trees.layout.mirror(source)
        gone = [Path(source.path)] if source.path is not None else []
        for place in (*gone, mirror):
            if not await asyncio.to_thread(place.is_dir):
                what = "its repository" if place != mirror else "our copy of its repository"
                raise ConflictError(
                    f"task {task_id}: cannot start again, since {what} {place} is gone.",
                    hint="Put it back, or give the task anew: ai-orchestrator run --repo PATH.",
                )

    async def delete(self, text: str, *, force: bool) -> None:
        """Deletes a final task. Raises `ConflictError` while it runs or holds unapplied work."""
        view = await self.view(text)
        if not view.summary.state.is_final:
            raise ConflictError(
                f"task {text}: is {view.summary.state}, so it cannot be deleted.",
                hint="Cancel it first.",
            )
        lost = "" if force else _lost_by_deleting(text, view)
        if lost:
            raise ConflictError(
                f"task {text}: its work was not applied yet and would be lost.",
                hint=f"`{lost}` brings it into the repository; --force deletes it.",
            )
        await self.removal.delete(view.summary.id, view)

    async def collect_garbage(self, *, dry_run: bool, force: bool) -> GarbageReport:
        """Removes what is no longer needed; work not yet applied only with `force`."""
        return await self.removal.collect(dry_run=dry_run, force=force)


def _lost_by_deleting(text: str, view: TaskView) -> str:
    """The command that saves the work which would be lost; empty where none would."""
    if view.final_commit is not None and not view.is_applied:
        return f"tasks apply {text}"
    return "".join(
        f"tasks apply {text} --attempt {one.attempt}" for one in attempts.unapplied(view)[:1]
    )
