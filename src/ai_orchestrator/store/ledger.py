"""Rows of the findings ledger; written by `records`, read by `views`."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from ai_orchestrator.base.errors import NotFoundError
from ai_orchestrator.model.review import LedgerEntry
from ai_orchestrator.store.events import EventLog
from ai_orchestrator.store.tables import tables_of


def save_entries(
    connection: sa.Connection,
    log: EventLog,
    task: tuple[str, int],
    entries: Sequence[LedgerEntry],
) -> None:
    """Writes entries of a task attempt's ledger (`task`: id and attempt) by their fingerprint.

    A known one keeps its place, new ones follow in their order: reviewers that run side by side
    write their own entries and leave those of the others.
    """
    table = tables_of(connection).findings
    owner = _owner(connection, task[0])
    places = _places(connection, task)
    at = log.clock.now()
    for entry in entries:
        position = places.setdefault(entry.fingerprint, len(places))
        values = {"entry": log.sink.clean_struct(entry), "updated_at": at}
        key = {"task_id": task[0], "task_attempt": task[1], "fingerprint": entry.fingerprint}
        updated = connection.execute(
            sa.update(table)
            .where(*(table.c[name] == value for name, value in key.items()))
            .values(values)
        )
        if updated.rowcount == 0:
            connection.execute(table.insert().values(key | values | owner | {"position": position}))


def _owner(connection: sa.Connection, task_id: str) -> dict[str, str]:
    tasks = tables_of(connection).tasks
    row = connection.execute(
        sa.select(tasks.c.project_id, tasks.c.principal).where(tasks.c.id == task_id)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"task {task_id}: does not exist, so it can have no findings.")
    return {"project_id": row.project_id, "principal": row.principal}


def _places(connection: sa.Connection, task: tuple[str, int]) -> dict[str, int]:
    table = tables_of(connection).findings
    rows = connection.execute(
        sa.select(table.c.fingerprint, table.c.position).where(
            table.c.task_id == task[0], table.c.task_attempt == task[1]
        )
    )
    return {row.fingerprint: row.position for row in rows}


def ledger(connection: sa.Connection, task_id: str, task_attempt: int) -> tuple[LedgerEntry, ...]:
    """The findings of a task attempt, in the order in which they were saved."""
    table = tables_of(connection).findings
    rows = connection.execute(
        sa.select(table.c.entry)
        .where(table.c.task_id == task_id, table.c.task_attempt == task_attempt)
        .order_by(table.c.position)
    )
    return tuple(rows.scalars())
