"""What the collection of garbage leaves to tasks that wait for their turn."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.support.repository import make_repository

from ai_orchestrator.base.clock import SystemClock
from ai_orchestrator.base.process import DirectSpawner
from ai_orchestrator.model.states import TaskState
from ai_orchestrator.model.task import RepositorySource
from ai_orchestrator.services.removal import TaskRemoval
from ai_orchestrator.store.artefacts import ArtefactFiles
from ai_orchestrator.store.tables import tables_of
from ai_orchestrator.workspace.trees import GitTrees


class NoJournal:
    """An engine that has nothing to delete."""

    def delete(self, workflow_id: str) -> None:
        """There is no such workflow."""


def end(connection: sa.Connection, task_id: str) -> None:
    """The task is over."""
    table = tables_of(connection).tasks
    ended = sa.update(table).where(table.c.id == task_id).values(state=TaskState.SUCCEEDED)
    connection.execute(ended)


@pytest.mark.parametrize("is_waiting", [True, False], ids=["waiting", "ended"])
def test_only_a_task_that_waits_keeps_its_mirror(
    data: Any, tmp_path: Path, *, is_waiting: bool
) -> None:
    """Also by force: accepted is durable."""
    asyncio.run(_collected(data, tmp_path, is_waiting=is_waiting))


async def _collected(data: Any, tmp_path: Path, *, is_waiting: bool) -> None:
    trees = GitTrees(tmp_path / "data", DirectSpawner(), path_env=os.environ["PATH"])
    source = RepositorySource(path=str(make_repository(tmp_path / "user", {"a.txt": "one\n"})))
    await trees.resolve(source)
    mirror = trees.layout.mirror(source)
    os.utime(mirror, (1, 1))
    task_id = data.accept(source=source)
    if not is_waiting:
        data.database.write(lambda c: end(c, task_id))
    removal = TaskRemoval(
        database=data.database,
        files=ArtefactFiles(tmp_path / "artefacts"),
        journal=NoJournal(),
        layout=trees.layout,
        trash=trees.trash,
        logs=tmp_path / "logs",
        clock=SystemClock(),
        setup_limit_bytes=0,
    )
    report = await removal.collect(dry_run=False, force=True)
    await trees.close()
    assert mirror.exists() is is_waiting
    assert bool(report.removed) is not is_waiting
