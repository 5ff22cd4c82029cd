"""Rows of step executions; an execution is finished when its row says so.

Called inside write transactions of `records`, and by the services for views and spend.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ai_orchestrator.base.errors import NotFoundError
from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.task import StepView
from ai_orchestrator.store.tables import insert_if_absent, tables_of

RUNNING = "running"


def begin_attempt(
    connection: sa.Connection, task_id: str, task_attempt: int, view: StepView
) -> bool:
    """Inserts the row of an execution; False, and no change, where it exists already."""
    values = _key(task_id, task_attempt, view) | _values(view) | _owner(connection, task_id)
    return insert_if_absent(connection, tables_of(connection).attempts, values)


def end_attempt(
    connection: sa.Connection,
    task_id: str,
    task_attempt: int,
    view: StepView,
    result: str | None = None,
) -> Usage | None:
    """Writes how an execution ended; None, and no change, where its row had an end already.

    An execution that never began (it was skipped) gets its row here. Gives what the task has cost
    by now, which its row says from then on.
    """
    table = tables_of(connection).attempts
    key = _key(task_id, task_attempt, view)
    values = _values(view) | {"result": result}
    updated = connection.execute(
        sa.update(table)
        .where(*(table.c[name] == value for name, value in key.items()))
        .where(table.c.outcome == RUNNING)
        .values(values)
    )
    if updated.rowcount == 0:
        row = key | values | _owner(connection, task_id)
        if not insert_if_absent(connection, table, row):
            return None
    return _sum_up(connection, task_id)


def touch_attempt(
    connection: sa.Connection, task_id: str, task_attempt: int, view: StepView
) -> None:
    """Writes what is known of a running execution by now; one that has ended stays as it is."""
    table = tables_of(connection).attempts
    key = _key(task_id, task_attempt, view)
    connection.execute(
        sa.update(table)
        .where(*(table.c[name] == value for name, value in key.items()))
        .where(table.c.outcome == RUNNING)
        .values(session=view.session, model=view.model, usage=view.usage)
    )


def results_of(
    connection: sa.Connection, task_id: str, task_attempt: int, step: str, iteration: int
) -> dict[int, str]:
    """Attempt -> result, of the executions of a step in a round that have one."""
    table = tables_of(connection).attempts
    rows = connection.execute(
        sa.select(table.c.attempt, table.c.result).where(
            table.c.task_id == task_id,
            table.c.task_attempt == task_attempt,
            table.c.step == step,
            table.c.iteration == iteration,
            table.c.result.is_not(None),
        )
    )
    return {row.attempt: row.result for row in rows}


def list_running(connection: sa.Connection, task_id: str, task_attempt: int) -> list[StepView]:
    """Executions of a task attempt that have no end."""
    table = tables_of(connection).attempts
    rows = connection.execute(
        sa.select(table).where(
            table.c.task_id == task_id,
            table.c.task_attempt == task_attempt,
            table.c.outcome == "running",
        )
    )
    return [step_view(row) for row in rows]


def list_attempts(
    connection: sa.Connection, task_id: str, task_attempt: int, step: str, iteration: int
) -> list[StepView]:
    """All executions of a step in a round, by rising attempt."""
    table = tables_of(connection).attempts
    rows = connection.execute(
        sa.select(table)
        .where(
            table.c.task_id == task_id,
            table.c.task_attempt == task_attempt,
            table.c.step == step,
            table.c.iteration == iteration,
        )
        .order_by(table.c.attempt)
    )
    return [step_view(row) for row in rows]


def spend(connection: sa.Connection, task_id: str) -> Usage:
    """What the task has cost so far, over all its task attempts.

    A field is None only where no part was measured; a lower bound where an agent ended that did
    not tell it. One that runs counts as far as it has told.
    """
    table = tables_of(connection).attempts
    rows = connection.execute(
        sa.select(table.c.usage, table.c.kind, table.c.outcome).where(table.c.task_id == task_id)
    )
    total = Usage()
    for row in rows:
        has_ended = row.kind == "agent" and row.outcome not in (RUNNING, "skipped")
        total = total.plus(row.usage.as_ended() if has_ended else row.usage)
    return total


def step_view(row: sa.Row[Any]) -> StepView:
    """The row of an execution as the API shows it."""
    return StepView(
        step=row.step,
        iteration=row.iteration,
        attempt=row.attempt,
        kind=row.kind,
        outcome=row.outcome,
        started_at=row.started_at,
        agent=row.agent,
        account=row.account_id,
        model=row.model,
        session=row.session,
        how=row.how,
        finished_at=row.finished_at,
        commit=row.commit,
        tree=row.tree,
        is_changed=row.is_changed,
        usage=row.usage,
        reason=row.reason,
        verifiers=row.verifiers,
    )


def _key(task_id: str, task_attempt: int, view: StepView) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "task_attempt": task_attempt,
        "step": view.step,
        "iteration": view.iteration,
        "attempt": view.attempt,
    }


def _values(view: StepView) -> dict[str, Any]:
    return {
        "kind": view.kind,
        "agent": view.agent,
        "account_id": view.account,
        "model": view.model,
        "session": view.session,
        "how": view.how,
        "outcome": view.outcome,
        "commit": view.commit,
        "tree": view.tree,
        "is_changed": view.is_changed,
        "usage": view.usage,
        "reason": view.reason,
        "verifiers": view.verifiers,
        "started_at": view.started_at,
        "finished_at": view.finished_at,
    }


def _owner(connection: sa.Connection, task_id: str) -> dict[str, Any]:
    table = tables_of(connection).tasks
    row = connection.execute(
        sa.select(table.c.project_id, table.c.principal).where(table.c.id == task_id)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"task {task_id}: does not exist, so it can have no steps.")
    return {"project_id": row.project_id, "principal": row.principal}


def _sum_up(connection: sa.Connection, task_id: str) -> Usage:
    table = tables_of(connection).tasks
    # Two that end side by side must not each sum up without the other. A foreign key's lock, which
    # the insertion of an attempt takes, is no bar to this one: they would wait crosswise.
    own = sa.select(table.c.id).where(table.c.id == task_id)
    connection.execute(own.with_for_update(key_share=True))
    total = spend(connection, task_id)
    connection.execute(sa.update(table).where(table.c.id == task_id).values(usage=total))
    return total
