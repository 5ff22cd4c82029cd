"""What happens to a task's row, each inside a write transaction that the caller holds.

Acceptance puts `insert_task` and the durable engine's enqueue into one transaction, so these are
functions on a connection. After the commit the caller wakes readers by `Wakeups.signal`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from ai_orchestrator.base.errors import ConflictError, InternalError, NotFoundError
from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.events import NewEvent, TaskStateData
from ai_orchestrator.model.ids import workflow_id
from ai_orchestrator.model.states import OutcomeCode, TaskState
from ai_orchestrator.model.task import RepositorySource
from ai_orchestrator.model.workflow import WorkflowSpec
from ai_orchestrator.store.events import EventLog
from ai_orchestrator.store.tables import TaskContext, insert_if_absent, tables_of
from ai_orchestrator.store.texts import storable

NOTES_LIMIT = 50
"""Notes kept per task; a guess at more than anybody reads."""
UNFINISHED_STATES: tuple[TaskState, ...] = tuple(s for s in TaskState if not s.is_final)
"""Asked for by name: an index answers what a state is, none answers what it is not."""
_SETTABLE = frozenset({"base_commit", "final_commit", "verified_tree", "branch"})


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to accept: all of it frozen."""

    id: str
    principal: str
    title: str
    task: str
    workflow: str
    repository: str
    """The source as people read it."""
    source: RepositorySource
    spec: WorkflowSpec
    context: TaskContext
    epoch: int
    release: str
    project_id: str = "default"
    base_commit: str | None = None
    branch: str = ""
    notes: tuple[str, ...] = ()
    idempotency_key: str | None = None
    credentials: bytes | None = None
    """Encrypted by `security.vault`; deleted when the task becomes final."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """A state to change to, and columns to set beside it."""

    task_id: str
    state: TaskState
    outcome: OutcomeCode | None = None
    reason: str = ""
    fields: Mapping[str, str | None] = field(default_factory=dict)


def insert_task(connection: sa.Connection, log: EventLog, new: NewTask) -> str:
    """The id of the accepted task: `new.id`, or that of the task that has its idempotency key.

    In the second case nothing was written. The task is queued and its first event says so.
    """
    if not insert_if_absent(connection, tables_of(connection).tasks, _first_values(log, new)):
        return _holder_of_key(connection, new)
    if new.credentials is not None:
        save_credentials(connection, new.id, new.credentials)
    _tell_state(connection, log, StateChange(new.id, TaskState.QUEUED), task_attempt=1, seq=1)
    return new.id


def change_state(connection: sa.Connection, log: EventLog, change: StateChange) -> bool:
    """Whether the state, outcome or reason changed; then the event `task.state` was appended.

    A final state stays, and so does `cancelling` until a final state follows it; fields are not
    set then. A final state deletes the task's credentials in the same transaction.
    """
    row = _locked(connection, change.task_id)
    now: TaskState = row.state
    if now.is_final or (now is TaskState.CANCELLING and not change.state.is_final):
        return False
    reason = log.sink.clean(change.reason)
    before = (now, row.outcome, row.reason)
    is_news = before != (change.state, change.outcome, reason)
    values = _fields(change.fields)
    if is_news:
        at = log.clock.now()
        values |= {"state": change.state, "outcome": change.outcome, "reason": reason}
        values |= {"updated_at": at, "finished_at": at if change.state.is_final else None}
    _update(connection, change.task_id, values)
    if change.state.is_final:
        delete_credentials(connection, change.task_id)
    if is_news:
        _tell_state(connection, log, change, task_attempt=row.task_attempt, seq=row.next_seq)
    return is_news


def begin_retry(
    connection: sa.Connection, log: EventLog, task_id: str, *, epoch: int, release: str
) -> int:
    """The number of the next task attempt, queued. Raises `ConflictError` unless it is final.

    Commits of the earlier attempt stay in the task's repository; the row forgets them.
    """
    row = _locked(connection, task_id)
    if not row.state.is_final:
        raise ConflictError(
            f"task {task_id}: is {row.state}, so it cannot be started again.",
            hint="Wait for its end, or cancel it.",
        )
    at = log.clock.now()
    _update(
        connection,
        task_id,
        {
            "task_attempt": row.task_attempt + 1,
            "state": TaskState.QUEUED,
            "outcome": None,
            "reason": "",
            "final_commit": None,
            "verified_tree": None,
            "finished_at": None,
            "applied_at": None,
            "applied_how": None,
            "epoch": epoch,
            "release": release,
            "updated_at": at,
        },
    )
    queued = StateChange(task_id, TaskState.QUEUED)
    _tell_state(connection, log, queued, task_attempt=row.task_attempt + 1, seq=row.next_seq)
    return int(row.task_attempt) + 1


def mark_applied(connection: sa.Connection, log: EventLog, task_id: str, how: str) -> None:
    """Records that the work reached its repository; the last time counts."""
    at = log.clock.now()
    values = {"applied_at": at, "applied_how": log.sink.clean(how), "updated_at": at}
    _update(connection, task_id, values)


def add_note(connection: sa.Connection, log: EventLog, task_id: str, note: str) -> None:
    """Adds a sentence that people should see with the task; one that is there is not repeated."""
    row = _locked(connection, task_id)
    text = log.sink.clean(note)
    if text not in row.notes:
        _update(connection, task_id, {"notes": (*row.notes, text)[-NOTES_LIMIT:]})


def adopt(connection: sa.Connection, task_ids: Sequence[str], *, epoch: int, release: str) -> None:
    """Unfinished tasks belong to this release from now on."""
    table = tables_of(connection).tasks
    connection.execute(
        sa.update(table)
        .where(table.c.id.in_(list(task_ids)), table.c.state.in_(UNFINISHED_STATES))
        .values(epoch=epoch, release=release)
    )


def delete_task(connection: sa.Connection, task_id: str) -> tuple[str, ...]:
    """Removes all rows of a final task: digests of its artefacts, for `remove_unowned`.

    Raises `ConflictError` while it is not final, `NotFoundError` where it does not exist.
    """
    tables = tables_of(connection)
    row = _locked(connection, task_id)
    if not row.state.is_final:
        raise ConflictError(
            f"task {task_id}: is {row.state}, so it cannot be deleted.", hint="Cancel it first."
        )
    digests = connection.execute(
        sa.select(tables.artefacts.c.digest).where(tables.artefacts.c.task_id == task_id)
    ).scalars()
    found = tuple(digests)
    connection.execute(sa.delete(tables.tasks).where(tables.tasks.c.id == task_id))  # cascades
    return found


def save_credentials(connection: sa.Connection, task_id: str, ciphertext: bytes) -> None:
    """Keeps a task's encrypted credentials, in place of older ones."""
    table = tables_of(connection).credentials
    row = _locked(connection, task_id)
    delete_credentials(connection, task_id)
    connection.execute(
        table.insert().values(
            task_id=task_id,
            project_id=row.project_id,
            principal=row.principal,
            ciphertext=ciphertext,
        )
    )


def load_credentials(connection: sa.Connection, task_id: str) -> bytes | None:
    """A task's encrypted credentials; None where it has none, or none any more."""
    table = tables_of(connection).credentials
    ciphertext: bytes | None = connection.execute(
        sa.select(table.c.ciphertext).where(table.c.task_id == task_id)
    ).scalar_one_or_none()
    return ciphertext


def delete_credentials(connection: sa.Connection, task_id: str) -> None:
    """Forgets a task's credentials; again is no error."""
    table = tables_of(connection).credentials
    connection.execute(sa.delete(table).where(table.c.task_id == task_id))


def _first_values(log: EventLog, new: NewTask) -> dict[str, Any]:
    at = log.clock.now()
    return {
        "id": new.id,
        "project_id": new.project_id,
        "principal": new.principal,
        "title": log.sink.clean(new.title),
        "task": storable(new.task),  # what the agent is told: not to be changed
        "state": TaskState.QUEUED,
        "reason": "",
        "workflow": new.workflow,
        "repository": log.sink.clean(new.repository),
        "source": new.source,
        "spec": new.spec,
        "context": new.context,
        "task_attempt": 1,
        "base_commit": new.base_commit,
        "branch": new.branch,
        "notes": new.notes,
        "usage": Usage(),
        "next_seq": 1,
        "epoch": new.epoch,
        "release": new.release,
        "idempotency_key": new.idempotency_key,
        "created_at": at,
        "updated_at": at,
    }


def _holder_of_key(connection: sa.Connection, new: NewTask) -> str:
    holder = task_with_key(connection, new.project_id, new.principal, new.idempotency_key or "")
    if holder is None:
        raise InternalError(f"task {new.id}: its id was given before.")
    return holder


def task_with_key(
    connection: sa.Connection, project_id: str, principal: str, idempotency_key: str
) -> str | None:
    """The id of the task that was accepted under the key; None where there is none."""
    table = tables_of(connection).tasks
    found: str | None = connection.execute(
        sa.select(table.c.id).where(
            table.c.project_id == project_id,
            table.c.principal == principal,
            table.c.idempotency_key == idempotency_key,
        )
    ).scalar_one_or_none()
    return found


def _locked(connection: sa.Connection, task_id: str) -> sa.Row[Any]:
    """The task's row, locked to the end of the transaction."""
    table = tables_of(connection).tasks
    columns = ("project_id", "principal", "state", "outcome", "reason", "task_attempt", "next_seq")
    row = connection.execute(
        sa.select(*(table.c[name] for name in (*columns, "notes")))
        .where(table.c.id == task_id)
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise _missing(task_id)
    return row


def _update(connection: sa.Connection, task_id: str, values: Mapping[str, Any]) -> None:
    table = tables_of(connection).tasks
    if not values:
        return
    result = connection.execute(sa.update(table).where(table.c.id == task_id).values(values))
    if result.rowcount == 0:
        raise _missing(task_id)


def _missing(task_id: str) -> NotFoundError:
    return NotFoundError(f"task {task_id}: does not exist.", hint="`tasks` lists those that do.")


def _fields(fields: Mapping[str, str | None]) -> dict[str, Any]:
    unknown = sorted(set(fields) - _SETTABLE)
    if unknown:
        raise InternalError(
            f"columns {', '.join(unknown)}: cannot be set beside a state. "
            f"Known: {', '.join(sorted(_SETTABLE))}."
        )
    return {
        name: "" if name == "branch" and value is None else value for name, value in fields.items()
    }


def _tell_state(
    connection: sa.Connection, log: EventLog, change: StateChange, *, task_attempt: int, seq: int
) -> None:
    # States come back (running, waiting, running), so the event's own place tells them apart.
    event = NewEvent(
        id=f"{workflow_id(change.task_id, task_attempt)}:state:{seq}",
        task=change.task_id,
        task_attempt=task_attempt,
        data=TaskStateData(state=change.state, outcome=change.outcome, reason=change.reason),
    )
    log.append(connection, change.task_id, [event])
