"""Looks at tasks where no runner can be had: one that is silent, or a database of a newer release.

A `Backend` for the commands that only look, over the files of the data directory. It starts
nothing, changes nothing, and its `info` says that it answers in a runner's place, and why.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec
import sqlalchemy as sa

from ai_orchestrator import __version__
from ai_orchestrator.base.clock import SystemClock
from ai_orchestrator.base.errors import EnvironmentProblemError, InternalError, shorten
from ai_orchestrator.base.process import DirectSpawner
from ai_orchestrator.model.events import Event
from ai_orchestrator.model.task import (
    Diff,
    GarbageReport,
    RepositorySource,
    ServerInfo,
    TaskRequest,
    TaskSummary,
    TaskView,
)
from ai_orchestrator.services import attempts
from ai_orchestrator.services.changes import TaskChanges
from ai_orchestrator.store.database import Database
from ai_orchestrator.store.engine import open_read_only
from ai_orchestrator.store.events import read_events
from ai_orchestrator.store.views import (
    frozen_task,
    list_tasks,
    resolve_task_id,
    task_view,
    unfinished_tasks,
)
from ai_orchestrator.workflows.running.values import EPOCH
from ai_orchestrator.workspace.trees import GitTrees

T = TypeVar("T")
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
DATABASE = "db.sqlite"


class ReadOnlyBackend:
    """`Backend` for looking. Every method that would change something raises the `reason`."""

    def __init__(self, data_dir: Path, reason: EnvironmentProblemError) -> None:
        """`reason`: why there is no runner. Raised itself where there is nothing to look at."""
        self._reason = reason
        self._data_dir = data_dir
        path = data_dir / DATABASE
        if not path.is_file():
            raise reason
        self._database = Database(open_read_only(path))
        self._trees = GitTrees(data_dir, DirectSpawner(), path_env=_SYSTEM_PATH)
        self._changes = TaskChanges(self._trees, data_dir / "logs", self._source_of)

    def info(self) -> ServerInfo:
        """This process, and why it answers."""
        return ServerInfo(
            release=__version__,
            epoch=EPOCH,
            pid=os.getpid(),
            data_directory=str(self._data_dir),
            started_at=SystemClock().now(),
            unfinished_tasks=len(self._read(unfinished_tasks)),
            role="read-only",
            note=f"read from the database as it is, since {self._reason}",
        )

    def tasks(self, *, limit: int = 50) -> list[TaskSummary]:
        """Tasks, newest first."""
        return self._read(lambda connection: list_tasks(connection, limit=limit))

    def task(self, task_id: str, *, attempt: int | None = None) -> TaskView:
        """One task. Raises `NotFoundError`."""
        view = self._read(lambda c: task_view(c, resolve_task_id(c, task_id), attempt))
        works = attempts.read(self._trees.layout, view.summary.id)
        view = attempts.with_kept_work(view, works)
        return view if attempt is None else attempts.as_of(view, works, attempt)

    def events(self, task_id: str, *, after_seq: int = 0, follow: bool = False) -> Iterator[Event]:
        """The events so far; nothing can be followed."""
        if follow:
            self._refuse()
        whole_id = self._read(lambda connection: resolve_task_id(connection, task_id))
        while batch := self._events_after(whole_id, after_seq):
            yield from batch
            after_seq = batch[-1].seq

    def diff(self, task_id: str, *, step: str | None = None, attempt: int | None = None) -> Diff:
        """What the task, or one step of it, changed."""
        return asyncio.run(self._changes.diff(self.task(task_id, attempt=attempt), step))

    def patch(
        self, task_id: str, *, step: str | None = None, attempt: int | None = None
    ) -> Iterator[bytes]:
        """The change as a patch, in chunks."""
        return _stepwise(self._changes.patch(self.task(task_id, attempt=attempt), step))

    def logs(self, task_id: str, *, step: str | None = None) -> Iterator[bytes]:
        """The raw output of the agents, in chunks."""
        return _stepwise(self._changes.logs(self.task(task_id), step))

    def bundle(
        self, task_id: str, *, attempt: int | None = None, is_whole: bool = False
    ) -> Iterator[bytes]:
        """Refused: it is for `apply`, which has to tell the runner."""
        del task_id, attempt, is_whole
        self._refuse()

    def submit(self, request: TaskRequest) -> TaskView:
        """Refused."""
        del request
        self._refuse()

    def mark_applied(self, task_id: str, how: str, *, attempt: int | None = None) -> None:
        """Refused."""
        del task_id, how, attempt
        self._refuse()

    def cancel(self, task_id: str) -> TaskView:
        """Refused."""
        del task_id
        self._refuse()

    def retry(self, task_id: str, *, credentials: Mapping[str, str] | None = None) -> TaskView:
        """Refused."""
        del task_id, credentials
        self._refuse()

    def delete(self, task_id: str, *, force: bool = False) -> None:
        """Refused."""
        del task_id, force
        self._refuse()

    def gc(self, *, dry_run: bool, force: bool) -> GarbageReport:
        """Refused."""
        del dry_run, force
        self._refuse()

    def close(self) -> None:
        """Closes the files."""
        self._database.close()
        asyncio.run(self._trees.close())

    def _refuse(self) -> NoReturn:
        raise self._reason

    def _events_after(self, task_id: str, after_seq: int) -> list[Event]:
        return self._read(lambda c: read_events(c, task_id, after_seq=after_seq))

    async def _source_of(self, task_id: str) -> RepositorySource:
        return self._read(lambda connection: frozen_task(connection, task_id).source)

    def _read(self, query: Callable[[sa.Connection], T]) -> T:
        """What the query finds. A newer release may keep what this one cannot read."""
        try:
            return self._database.read(query)
        except (InternalError, msgspec.MsgspecError, LookupError, ValueError) as error:
            raise EnvironmentProblemError(
                f"{self._data_dir / DATABASE} cannot be read by this release: "
                f"{shorten(str(error))}.",
                hint="Use the release that wrote it.",
            ) from error


def _stepwise(stream: Coroutine[Any, Any, AsyncIterator[T]]) -> Iterator[T]:
    """The items of an asynchronous stream, in an event loop of its own."""
    with asyncio.Runner() as runner:
        items = runner.run(stream)
        while True:
            try:
                item = runner.run(_next(items))
            except StopAsyncIteration:
                return
            yield item


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)
