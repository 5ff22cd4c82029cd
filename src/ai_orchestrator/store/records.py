"""`Records` of the workflows, on SQL: each method one transaction, then a signal to readers.

Used by the durable function's steps, in whatever event loop and thread the engine runs them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
import sqlalchemy as sa

from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.events import BudgetChangedData, NewEvent
from ai_orchestrator.model.review import LedgerEntry
from ai_orchestrator.model.states import OutcomeCode, TaskState
from ai_orchestrator.model.task import StepView
from ai_orchestrator.store.attempts import (
    begin_attempt,
    end_attempt,
    list_attempts,
    list_running,
    results_of,
    touch_attempt,
)
from ai_orchestrator.store.database import Database
from ai_orchestrator.store.events import EventLog
from ai_orchestrator.store.ledger import save_entries
from ai_orchestrator.store.tasks import StateChange, add_note, change_state
from ai_orchestrator.store.wakeups import Subscription, Wakeups

T = TypeVar("T")


class SqlRecords:
    """Our own rows. Everything that is written has been redacted by the log's sink."""

    def __init__(self, database: Database, log: EventLog, wakeups: Wakeups) -> None:
        self._database = database
        self._log = log
        self._wakeups = wakeups

    async def start_attempt(
        self, view: StepView, task_id: str, task_attempt: int, event: NewEvent
    ) -> bool:
        """Writes the attempt's row as running, with its event; False where there was one."""
        clean = self._log.sink.clean_struct(view)

        def write(connection: sa.Connection) -> bool:
            is_new = begin_attempt(connection, task_id, task_attempt, clean)
            if is_new:
                self._log.append(connection, task_id, [event])
            return is_new

        is_new = await self._database.write_async(write)
        self._wakeups.signal(task_id)
        return is_new

    async def update_attempt(self, view: StepView, task_id: str, task_attempt: int) -> None:
        """Brings session, model and usage of a running attempt up to date."""
        clean = self._log.sink.clean_struct(view)

        def write(connection: sa.Connection) -> None:
            touch_attempt(connection, task_id, task_attempt, clean)

        await self._database.write_async(write)

    async def finish_attempt(
        self,
        view: StepView,
        task_id: str,
        task_attempt: int,
        events: Sequence[NewEvent],
        *,
        result: str | None = None,
    ) -> None:
        """Writes outcome and commit with the event `step.finished` in one transaction.

        An attempt that had an end already keeps it, and these events are dropped. `result`: JSON
        of what later steps need of this one's answer, cleaned before it was encoded (see `clean`);
        `attempt_results` gives it back. An event
        `budget.changed` gets the sum over all executions of the task, as this transaction sees it.
        """
        clean = self._log.sink.clean_struct(view)

        def write(connection: sa.Connection) -> None:
            spent = end_attempt(connection, task_id, task_attempt, clean, result)
            if spent is not None:
                self._log.append(connection, task_id, [_with_spend(one, spent) for one in events])

        await self._database.write_async(write)
        self._wakeups.signal(task_id)

    async def attempts(
        self, task_id: str, task_attempt: int, step: str, iteration: int
    ) -> list[StepView]:
        """All executions of a step in a round, by rising attempt."""

        def read(connection: sa.Connection) -> list[StepView]:
            return list_attempts(connection, task_id, task_attempt, step, iteration)

        return await self._database.read_async(read)

    async def attempt_results(
        self, task_id: str, task_attempt: int, step: str, iteration: int
    ) -> dict[int, str]:
        """Attempt number -> the `result` given when it was finished."""

        def read(connection: sa.Connection) -> dict[int, str]:
            return results_of(connection, task_id, task_attempt, step, iteration)

        return await self._database.read_async(read)

    async def unfinished(self, task_id: str, task_attempt: int) -> list[StepView]:
        """Executions of the task attempt whose row says that they run."""
        return await self._database.read_async(
            lambda connection: list_running(connection, task_id, task_attempt)
        )

    async def emit(self, events: Sequence[NewEvent]) -> None:
        """Appends events; those whose id the log has are dropped."""
        by_task: dict[str, list[NewEvent]] = {}
        for event in events:
            by_task.setdefault(event.task, []).append(event)

        def write(connection: sa.Connection) -> None:
            for task_id in sorted(by_task):  # one order for all, so that no two wait crosswise
                self._log.append(connection, task_id, by_task[task_id])

        if by_task:
            await self._database.write_async(write)
        for task_id in by_task:
            self._wakeups.signal(task_id)

    async def save_ledger(
        self,
        task_id: str,
        task_attempt: int,
        entries: Sequence[LedgerEntry],
        events: Sequence[NewEvent],
    ) -> None:
        """Writes entries of the ledger by their fingerprint, and appends their events."""

        def write(connection: sa.Connection) -> None:
            self._log.append(connection, task_id, events)
            save_entries(connection, self._log, (task_id, task_attempt), entries)

        await self._database.write_async(write)
        self._wakeups.signal(task_id)

    async def set_state(
        self,
        task_id: str,
        state: TaskState,
        *,
        outcome: OutcomeCode | None = None,
        reason: str = "",
        fields: Mapping[str, str | None] | None = None,
    ) -> None:
        """Changes the state with its event; a final state stays, `cancelling` until a final one.

        `fields`: columns to set beside it: base_commit, final_commit, verified_tree, branch.
        """
        change = StateChange(task_id, state, outcome, reason, fields or {})

        def write(connection: sa.Connection) -> None:
            change_state(connection, self._log, change)

        await self._database.write_async(write)
        self._wakeups.signal(task_id)

    async def add_note(self, task_id: str, note: str) -> None:
        """Adds a sentence that people should see with the task."""

        def write(connection: sa.Connection) -> None:
            add_note(connection, self._log, task_id, note)

        await self._database.write_async(write)

    async def keep_artefact(self, task_id: str, text: str) -> str:
        """The digest of a text that is too long for a row; it is kept as long as the task."""
        content = self.redact(text).encode()

        def write(connection: sa.Connection) -> str:
            return self._log.keep(connection, task_id, content)

        return await self._database.write_async(write)

    def clean(self, value: T) -> T:
        """The struct with every free text in it redacted; to be done before it is encoded."""
        return self._log.sink.clean_struct(value)

    def redact(self, text: str) -> str:
        """The text without the secrets of any task that is running here."""
        return self._log.sink.clean(text)

    def subscribe(self, task_id: str) -> Subscription:
        """Wakes its reader after each commit that concerns the task."""
        return self._wakeups.subscribe(task_id)


def _with_spend(event: NewEvent, spent: Usage) -> NewEvent:
    if not isinstance(event.data, BudgetChangedData):
        return event
    data = msgspec.structs.replace(event.data, usage=spent)
    return msgspec.structs.replace(event, data=data)
