"""Removes what tasks leave behind: rows, repositories, trees, conversations, logs, artefacts."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ai_orchestrator.base.clock import Clock
from ai_orchestrator.model.ids import workflow_id
from ai_orchestrator.model.task import GarbageReport, TaskView
from ai_orchestrator.store.artefacts import ArtefactFiles, remove_unowned
from ai_orchestrator.store.database import Database
from ai_orchestrator.store.tasks import delete_task
from ai_orchestrator.store.views import known_tasks, unfinished_sources
from ai_orchestrator.workspace.garbage import Knowledge, execute, plan, report, survey
from ai_orchestrator.workspace.layout import DataLayout
from ai_orchestrator.workspace.removal import Trash


class Journal(Protocol):
    """The engine, as far as removal needs it."""

    def delete(self, workflow_id: str) -> None:
        """Removes a workflow's rows; an unknown id changes nothing."""
        ...


@dataclass(frozen=True, slots=True)
class TaskRemoval:
    """Removes one task, or all that nobody needs any more."""

    database: Database
    files: ArtefactFiles
    journal: Journal
    layout: DataLayout
    trash: Trash
    logs: Path
    clock: Clock
    setup_limit_bytes: int

    async def delete(self, task_id: str, view: TaskView) -> None:
        """Everything of a final task. Raises `ConflictError` while it is not final."""
        digests = await self.database.write_async(lambda c: delete_task(c, task_id))
        await self.database.write_async(lambda c: remove_unowned(c, self.files, digests))
        await asyncio.to_thread(self._delete_files, task_id, view.summary.task_attempt)

    def _delete_files(self, task_id: str, attempts: int) -> None:
        for attempt in range(1, attempts + 1):
            self.journal.delete(workflow_id(task_id, attempt))
        self.trash.discard(self.layout.task(task_id))
        self.trash.discard(self.layout.conversations / task_id)
        shutil.rmtree(self.logs / task_id, ignore_errors=True)

    async def collect(self, *, dry_run: bool, force: bool) -> GarbageReport:
        """What is no longer needed on disk, of all tasks; their rows and logs stay."""
        known, sources = await self.database.read_async(
            lambda c: (known_tasks(c), unfinished_sources(c))
        )
        knowledge = {
            one.task_id: Knowledge(
                is_final=one.is_final,
                has_changes=one.has_changes,
                is_applied=one.is_applied,
                task_attempt=one.task_attempt,
            )
            for one in known
        }
        now_s = self.clock.now().timestamp()
        found = await asyncio.to_thread(survey, self.layout, now_s)
        wanted = plan(
            found,
            knowledge,
            force=force,
            setup_limit_bytes=self.setup_limit_bytes,
            needed_mirrors={self.layout.mirror(source).name for source in sources},
        )
        if dry_run:
            return report(wanted, is_dry_run=True)
        return await asyncio.to_thread(execute, wanted, self.layout, self.trash)
