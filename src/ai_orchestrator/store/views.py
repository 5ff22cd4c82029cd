"""What the API, the command line and the runner read of tasks, each inside a read transaction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ai_orchestrator.base.errors import BadInputError, NotFoundError, shorten
from ai_orchestrator.model.ids import is_task_id, workflow_id
from ai_orchestrator.model.states import TaskState
from ai_orchestrator.model.task import RepositorySource, StepView, TaskSummary, TaskView
from ai_orchestrator.model.workflow import WorkflowSpec
from ai_orchestrator.store.attempts import step_view
from ai_orchestrator.store.ledger import ledger
from ai_orchestrator.store.tables import TaskContext, tables_of
from ai_orchestrator.store.tasks import UNFINISHED_STATES

CANDIDATES_SHOWN = 5
_SHORT_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{1,26}")
_SUMMARY_COLUMNS = (
    "id",
    "title",
    "state",
    "workflow",
    "repository",
    "created_at",
    "updated_at",
    "task_attempt",
    "outcome",
    "reason",
    "usage",
    "principal",
    "project_id",
)


@dataclass(frozen=True, slots=True)
class FrozenTask:
    """What was frozen at acceptance, and where the task stands: all that running it needs."""

    id: str
    project_id: str
    principal: str
    title: str
    task: str
    workflow: str
    source: RepositorySource
    spec: WorkflowSpec
    context: TaskContext
    state: TaskState
    task_attempt: int
    base_commit: str | None
    final_commit: str | None
    verified_tree: str | None
    branch: str
    is_applied: bool


@dataclass(frozen=True, slots=True)
class UnfinishedTask:
    """A task whose current attempt is not final, and the release that began it."""

    task_id: str
    task_attempt: int
    state: TaskState
    epoch: int
    release: str

    @property
    def workflow_id(self) -> str:
        """The durable engine's name for the attempt."""
        return workflow_id(self.task_id, self.task_attempt)


def resolve_task_id(connection: sa.Connection, text: str) -> str:
    """The full id of the one task whose id is the text or ends with it.

    Raises `NotFoundError`, or `BadInputError` that lists candidates where several match.
    """
    table = tables_of(connection).tasks
    wanted = text.strip().lower()
    if is_task_id(wanted):
        query = sa.select(table.c.id).where(table.c.id == wanted)
    elif _SHORT_ID.fullmatch(wanted):
        query = sa.select(table.c.id).where(table.c.id.like(f"%{wanted}"))
    else:
        raise BadInputError(
            f"task id {shorten(text)!r}: is none.",
            hint="Use an id that `tasks` shows, or its last characters.",
        )
    found = connection.execute(query.order_by(table.c.id.desc()).limit(CANDIDATES_SHOWN + 1))
    return _only_one(wanted, list(found.scalars()))


def list_tasks(
    connection: sa.Connection, *, limit: int = 50, before: str | None = None
) -> list[TaskSummary]:
    """Tasks, newest first; with `before`, those older than that task (for the next page)."""
    table = tables_of(connection).tasks
    query = sa.select(*(table.c[name] for name in _SUMMARY_COLUMNS))
    if before is not None:
        query = query.where(table.c.id < before)
    rows = connection.execute(query.order_by(table.c.id.desc()).limit(limit))
    return [_summary(row) for row in rows]


def task_summary(connection: sa.Connection, task_id: str) -> TaskSummary:
    """One task as in the list. Raises `NotFoundError`."""
    table = tables_of(connection).tasks
    return _summary(_one(connection, task_id, [table.c[name] for name in _SUMMARY_COLUMNS]))


def task_state(connection: sa.Connection, task_id: str) -> TaskState:
    """Where one task is. Raises `NotFoundError`."""
    state: TaskState = _one(connection, task_id, [tables_of(connection).tasks.c.state]).state
    return state


def task_view(connection: sa.Connection, task_id: str, task_attempt: int | None = None) -> TaskView:
    """A task with steps and ledger of an attempt, by default the current one.

    Raises `NotFoundError`.
    """
    table = tables_of(connection).tasks
    left_out = {"spec", "context", "source"}  # large, and not shown
    row = _one(connection, task_id, [column for column in table.c if column.name not in left_out])
    attempt = row.task_attempt if task_attempt is None else task_attempt
    return TaskView(
        summary=_summary(row),
        task=row.task,
        steps=_steps(connection, task_id, attempt),
        findings=ledger(connection, task_id, attempt),
        base_commit=row.base_commit,
        final_commit=row.final_commit,
        verified_tree=row.verified_tree,
        branch=row.branch,
        notes=row.notes,
        last_seq=row.next_seq - 1,
        is_applied=row.applied_at is not None,
    )


def frozen_task(connection: sa.Connection, task_id: str) -> FrozenTask:
    """What running the task needs. Raises `NotFoundError`."""
    row = _one(connection, task_id, list(tables_of(connection).tasks.c))
    return FrozenTask(
        id=row.id,
        project_id=row.project_id,
        principal=row.principal,
        title=row.title,
        task=row.task,
        workflow=row.workflow,
        source=row.source,
        spec=row.spec,
        context=row.context,
        state=row.state,
        task_attempt=row.task_attempt,
        base_commit=row.base_commit,
        final_commit=row.final_commit,
        verified_tree=row.verified_tree,
        branch=row.branch,
        is_applied=row.applied_at is not None,
    )


def unfinished_tasks(connection: sa.Connection) -> list[UnfinishedTask]:
    """Every task whose current attempt is not final, oldest first."""
    table = tables_of(connection).tasks
    rows = connection.execute(
        sa.select(table.c.id, table.c.task_attempt, table.c.state, table.c.epoch, table.c.release)
        .where(table.c.state.in_(UNFINISHED_STATES))
        .order_by(table.c.id)
    )
    return [
        UnfinishedTask(row.id, row.task_attempt, row.state, row.epoch, row.release) for row in rows
    ]


def _only_one(wanted: str, found: Sequence[str]) -> str:
    if not found:
        raise NotFoundError(f"task {wanted}: does not exist.", hint="`tasks` lists those that do.")
    if len(found) > 1:
        more = " and more" if len(found) > CANDIDATES_SHOWN else ""
        raise BadInputError(
            f"task {wanted}: fits {', '.join(found[:CANDIDATES_SHOWN])}{more}.",
            hint="Give more characters of the id.",
        )
    return found[0]


def _one(
    connection: sa.Connection, task_id: str, columns: Sequence[sa.ColumnElement[Any]]
) -> sa.Row[Any]:
    table = tables_of(connection).tasks
    row = connection.execute(sa.select(*columns).where(table.c.id == task_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"task {task_id}: does not exist.", hint="`tasks` lists those that do.")
    return row


def _steps(connection: sa.Connection, task_id: str, task_attempt: int) -> tuple[StepView, ...]:
    table = tables_of(connection).attempts
    rows = connection.execute(
        sa.select(table)
        .where(table.c.task_id == task_id, table.c.task_attempt == task_attempt)
        .order_by(table.c.started_at, table.c.iteration, table.c.step, table.c.attempt)
    )
    return tuple(step_view(row) for row in rows)


def _summary(row: sa.Row[Any]) -> TaskSummary:
    return TaskSummary(
        id=row.id,
        title=row.title,
        state=row.state,
        workflow=row.workflow,
        repository=row.repository,
        created_at=row.created_at,
        updated_at=row.updated_at,
        task_attempt=row.task_attempt,
        outcome=row.outcome,
        reason=row.reason,
        usage=row.usage,
        principal=row.principal,
        project=row.project_id,
    )


@dataclass(frozen=True, slots=True)
class KnownTask:
    """What garbage collection has to know of a task."""

    task_id: str
    is_final: bool
    has_changes: bool
    """Its current attempt ended with a commit of its own."""
    is_applied: bool
    task_attempt: int


def known_tasks(connection: sa.Connection) -> list[KnownTask]:
    """Every task, as garbage collection sees it."""
    table = tables_of(connection).tasks
    rows = connection.execute(
        sa.select(
            table.c.id,
            table.c.state,
            table.c.final_commit,
            table.c.applied_at,
            table.c.task_attempt,
        )
    )
    return [
        KnownTask(
            task_id=row.id,
            is_final=TaskState(row.state).is_final,
            has_changes=row.final_commit is not None,
            is_applied=row.applied_at is not None,
            task_attempt=row.task_attempt,
        )
        for row in rows
    ]


def unfinished_sources(connection: sa.Connection) -> list[RepositorySource]:
    """What unfinished tasks work on, also those that have not begun."""
    table = tables_of(connection).tasks
    chosen = sa.select(table.c.source).where(table.c.state.in_(UNFINISHED_STATES))
    return list(connection.scalars(chosen))
