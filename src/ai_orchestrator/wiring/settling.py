"""Writes the end of task attempts that did not come to it by themselves: cancelled, or broken off.

Made by `server`, which asks it when a workflow raised, when a task is cancelled that does not run,
and at start for what was being cancelled when the last process ended.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass

import sqlalchemy as sa

from ai_orchestrator.base.errors import OrchestratorError, shorten
from ai_orchestrator.model.states import ExitCode, OutcomeCode, TaskState
from ai_orchestrator.store.database import Database
from ai_orchestrator.store.records import SqlRecords
from ai_orchestrator.store.views import frozen_task, task_summary
from ai_orchestrator.workflows.running.interruption import close_left_open
from ai_orchestrator.workflows.running.run import give_back
from ai_orchestrator.workflows.running.world import World

PAUSE_S = 2.0
"""Between tries while the database cannot be written; a guess."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settling:
    """Gives every task attempt an end."""

    database: Database
    records: SqlRecords
    world: World
    leaving: threading.Event
    """Set when this process is about to end: the next one will see to it."""

    async def is_wanted(self, task_id: str, task_attempt: int) -> bool:
        """The attempt has no end yet, and is the task's last one.

        The journal may not know what our row does: that the attempt's end was settled while the
        journal itself could not be written.
        """
        summary = await self.database.read_async(lambda c: task_summary(c, task_id))
        return not summary.state.is_final and summary.task_attempt == task_attempt

    async def settle(self, task_id: str, task_attempt: int, error: BaseException) -> None:
        """Writes the end of a task attempt whose workflow broke off: cancelled, or failed.

        A full disk may stand in the way, so this tries until it can be written or we leave.
        """
        if isinstance(error, Exception):
            log.error("task %s: its workflow broke off", task_id, exc_info=error)
        while not self.leaving.is_set():
            try:
                if isinstance(error, Exception):
                    await self._failed(task_id, task_attempt, error)
                else:
                    await self.cancelled(task_id, task_attempt)
            except OrchestratorError as obstacle:
                log.warning("task %s: its end cannot be written: %s", task_id, obstacle)
                await asyncio.sleep(PAUSE_S)
            else:
                return

    async def cancelled(self, task_id: str, task_attempt: int) -> None:
        """Writes the end of a task that its user cancelled; one that was not is left alone."""
        summary = await self.database.read_async(lambda c: task_summary(c, task_id))
        if summary.state is TaskState.CANCELLING and summary.task_attempt == task_attempt:
            await self._give_back(task_id, task_attempt)
            await self._close_left_open(task_id, task_attempt)
            await self.records.set_state(
                task_id, TaskState.CANCELLED, reason="Cancelled by its user."
            )
            self.world.archive.forget(task_id, task_attempt)
            log.info("task %s: cancelled by its user", task_id)

    async def _failed(self, task_id: str, task_attempt: int, error: Exception) -> None:
        await self._give_back(task_id, task_attempt)
        await self._close_left_open(task_id, task_attempt)
        outcome, reason = _as_outcome(error)
        await self.records.set_state(task_id, TaskState.FAILED, outcome=outcome, reason=reason)
        self.world.archive.forget(task_id, task_attempt)

    async def _close_left_open(self, task_id: str, task_attempt: int) -> None:
        left = await self.records.unfinished(task_id, task_attempt)
        await close_left_open(self.world, task_id, task_attempt, left)

    async def _give_back(self, task_id: str, task_attempt: int) -> None:
        frozen = await self.database.read_async(lambda c: frozen_task(c, task_id))
        await give_back(self.world, task_id, task_attempt, frozen.source)


def _as_outcome(error: Exception) -> tuple[OutcomeCode, str]:
    """What broke a workflow off, as a task's outcome and its reason."""
    if isinstance(error, sa.exc.OperationalError):  # of the engine's library: disk or file
        said = shorten(str(error.orig))
        return OutcomeCode.ENVIRONMENT, f"The database cannot be written: {said}."
    if isinstance(error, OrchestratorError) and error.exit_code == ExitCode.ENVIRONMENT:
        return OutcomeCode.ENVIRONMENT, str(error)
    return OutcomeCode.INTERNAL, f"{type(error).__name__}: {error}"
