"""The event log: append with a dense `seq` per task, read from any place on.

Called inside write transactions of `records` and `tasks`, so that an event and what it tells of
are committed together or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from ai_orchestrator.base.clock import Clock
from ai_orchestrator.base.errors import NotFoundError
from ai_orchestrator.model.events import Event, NewEvent, decode_data
from ai_orchestrator.store.artefacts import ArtefactFiles, digest_of
from ai_orchestrator.store.sink import Fitted, Sink
from ai_orchestrator.store.tables import insert_if_absent, tables_of

READ_LIMIT = 500
"""Events given by one read unless asked otherwise; at 16 KB each at most 8 MB."""


@dataclass(frozen=True, slots=True)
class _Place:
    """What the task's row gave: whose the events are, and the first seq of the reserved run."""

    task_id: str
    project_id: str
    principal: str
    first_seq: int


class EventLog:
    """Appends events: redacted, cut to size, each id once, numbered under the task row's lock."""

    def __init__(self, sink: Sink, files: ArtefactFiles, clock: Clock) -> None:
        self.sink = sink
        self.files = files
        self.clock = clock

    def append(self, connection: sa.Connection, task_id: str, events: Sequence[NewEvent]) -> int:
        """How many were new. All belong to the task; their order is kept.

        An event whose id the log has, or that came earlier in `events`, is dropped and takes no
        seq. Raises `NotFoundError` where the task does not exist.
        """
        wanted: dict[str, NewEvent] = {}
        for event in events:
            wanted.setdefault(event.id, event)
        if not wanted:
            return 0
        fitted = {id_: self.sink.fit(event.data) for id_, event in wanted.items()}
        at = self.clock.now()
        place = _reserve(connection, task_id, len(wanted), at)
        known = _known_ids(connection, task_id, list(wanted))
        if known:
            _give_back(connection, task_id, len(known))
        new = [event for id_, event in wanted.items() if id_ not in known]
        rows = [
            _row(event, fitted[event.id], place, seq, at)
            for seq, event in enumerate(new, start=place.first_seq)
        ]
        if rows:
            connection.execute(tables_of(connection).events.insert(), rows)
        for event in new:
            self._keep_wholes(connection, place, fitted[event.id], at)
        return len(new)

    def keep(self, connection: sa.Connection, task_id: str, content: bytes) -> str:
        """The digest of an artefact that the task owns from now on. The content is clean."""
        at = self.clock.now()
        place = _reserve(connection, task_id, 0, at)
        self._keep_wholes(connection, place, Fitted(b"", (content,)), at)
        return digest_of(content)

    def _keep_wholes(
        self, connection: sa.Connection, place: _Place, fitted: Fitted, at: datetime
    ) -> None:
        # After the task's row is locked: see `artefacts.remove_unowned`.
        for whole in fitted.wholes:
            digest = self.files.put(whole)
            values = {
                "task_id": place.task_id,
                "digest": digest,
                "project_id": place.project_id,
                "principal": place.principal,
                "size": len(whole),
                "created_at": at,
            }
            insert_if_absent(connection, tables_of(connection).artefacts, values)


def read_events(
    connection: sa.Connection, task_id: str, *, after_seq: int = 0, limit: int = READ_LIMIT
) -> list[Event]:
    """Events of a task by rising seq, those after `after_seq`, at most `limit`."""
    table = tables_of(connection).events
    rows = connection.execute(
        sa.select(table)
        .where(table.c.task_id == task_id, table.c.seq > after_seq)
        .order_by(table.c.seq)
        .limit(limit)
    )
    return [_event(row) for row in rows]


def _reserve(connection: sa.Connection, task_id: str, count: int, at: datetime) -> _Place:
    """Locks the task's row to the end of the transaction and takes `count` numbers."""
    table = tables_of(connection).tasks
    row = connection.execute(
        sa.update(table)
        .where(table.c.id == task_id)
        .values(next_seq=table.c.next_seq + count, updated_at=at)
        .returning(table.c.project_id, table.c.principal, table.c.next_seq)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"task {task_id}: does not exist, so it can have no events.")
    return _Place(task_id, row.project_id, row.principal, row.next_seq - count)


def _known_ids(connection: sa.Connection, task_id: str, ids: list[str]) -> set[str]:
    table = tables_of(connection).events
    return set(
        connection.execute(
            sa.select(table.c.id).where(table.c.task_id == task_id, table.c.id.in_(ids))
        ).scalars()
    )


def _give_back(connection: sa.Connection, task_id: str, count: int) -> None:
    table = tables_of(connection).tasks
    connection.execute(
        sa.update(table).where(table.c.id == task_id).values(next_seq=table.c.next_seq - count)
    )


def _row(
    event: NewEvent, fitted: Fitted, place: _Place, seq: int, at: datetime
) -> dict[str, object]:
    return {
        "task_id": place.task_id,
        "seq": seq,
        "id": event.id,
        "project_id": place.project_id,
        "principal": place.principal,
        "ts": at,
        "task_attempt": event.task_attempt,
        "iteration": event.iteration,
        "step": event.step,
        "attempt": event.attempt,
        "type": event.data.type,
        "data": fitted.raw.decode(),
    }


def _event(row: sa.Row[tuple[object, ...]]) -> Event:
    columns = row._mapping  # noqa: SLF001 # SQLAlchemy's public name for it
    data = columns["data"]
    return Event(
        seq=columns["seq"],
        id=columns["id"],
        ts=columns["ts"],
        project=columns["project_id"],
        task=columns["task_id"],
        task_attempt=columns["task_attempt"],
        type=columns["type"],
        data=decode_data(columns["type"], data.encode()),
        iteration=columns["iteration"],
        step=columns["step"],
        attempt=columns["attempt"],
    )
