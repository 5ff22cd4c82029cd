"""Tasks from acceptance to deletion, on real databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from ai_orchestrator.base.errors import (
    BadInputError,
    ConflictError,
    InternalError,
    NotFoundError,
)
from ai_orchestrator.model.events import AgentTextData, TaskStateData
from ai_orchestrator.model.ids import short_id
from ai_orchestrator.model.states import OutcomeCode, TaskState
from ai_orchestrator.store.artefacts import remove_unowned
from ai_orchestrator.store.events import read_events
from ai_orchestrator.store.tasks import (
    StateChange,
    adopt,
    begin_retry,
    change_state,
    delete_task,
    insert_task,
    load_credentials,
    mark_applied,
    task_with_key,
)
from ai_orchestrator.store.views import (
    KnownTask,
    frozen_task,
    known_tasks,
    list_tasks,
    resolve_task_id,
    task_summary,
    task_view,
    unfinished_tasks,
)

Make = Callable[..., Any]
CHILD_TABLES = ("attempts", "events", "findings", "credentials", "artefacts")


class UndoError(Exception):
    """Ends a transaction without a commit."""


def test_accepted_task_is_frozen(store: Any) -> None:
    """What was given at acceptance comes back as it was; the first event says queued."""
    new = store.new_task(base_commit="b1", notes=("red base allowed",), branch="ai/x")
    task_id = store.database.write(lambda c: insert_task(c, store.log, new))
    frozen = store.database.read(lambda c: frozen_task(c, task_id))
    assert (frozen.spec, frozen.source, frozen.context) == (new.spec, new.source, new.context)
    assert (frozen.id, frozen.task, frozen.base_commit) == (new.id, new.task, "b1")
    assert (frozen.state, frozen.task_attempt, frozen.is_applied) == ("queued", 1, False)
    (first,) = store.database.read(lambda c: read_events(c, task_id))
    assert (first.seq, first.data) == (1, TaskStateData(TaskState.QUEUED))
    view = store.database.read(lambda c: task_view(c, task_id))
    assert (view.last_seq, view.notes, view.branch) == (1, ("red base allowed",), "ai/x")
    assert view.summary.created_at.tzinfo is not None


def test_acceptance_that_is_undone_leaves_nothing(store: Any) -> None:
    """When the enqueue in the same transaction fails, there is no task."""

    def accept(connection: sa.Connection) -> None:
        insert_task(connection, store.log, store.new_task(credentials=b"sealed"))
        raise UndoError

    with pytest.raises(UndoError):
        store.database.write(accept)
    assert [store.count(table) for table in ("tasks", *CHILD_TABLES)] == [0] * 6


def test_idempotency_key_gives_the_same_task(store: Any) -> None:
    """A repeat writes nothing; the key belongs to one principal in one project."""
    first = store.accept(idempotency_key="k", credentials=b"1")
    assert store.accept(idempotency_key="k", credentials=b"2") == first
    assert store.database.read(lambda c: load_credentials(c, first)) == b"1"
    others = [
        store.accept(idempotency_key="k", principal="local:you"),
        store.accept(idempotency_key="k", project_id="shop"),
        store.accept(idempotency_key="k2"),
        store.accept(),
        store.accept(),
    ]
    assert len({first, *others}) == 6
    found = store.database.read(lambda c: task_with_key(c, "default", "local:me", "k"))
    assert found == first
    assert store.database.read(lambda c: task_with_key(c, "default", "local:me", "no")) is None


def test_same_key_at_the_same_time_makes_one_task(store: Any) -> None:
    """Four submissions that race for a key all get the one task."""
    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: ids.append(store.accept(idempotency_key="k")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 4
    assert len(set(ids)) == 1
    assert store.count("tasks") == 1


def test_id_that_was_given_before_is_a_defect(store: Any) -> None:
    """Two tasks never share an id."""
    task_id = store.accept()
    with pytest.raises(InternalError, match="given before"):
        store.accept(id=task_id)


def test_title_is_redacted_and_the_task_is_not(store: Any) -> None:
    """People see the title and the repository; the agent must read the task as it was given."""
    token = "ghp_" + "a1" * 18
    task_id = store.accept(
        title=f"Use {token}", task=f"Use {token}\0", repository=f"https://{token}@h/r"
    )
    view = store.database.read(lambda c: task_view(c, task_id))
    assert view.summary.title == "Use [redacted:github-token]"
    assert view.summary.repository == "https://[redacted:github-token]@h/r"
    assert view.task == f"Use {token}�"


def test_tasks_are_listed_newest_first_in_pages(store: Any) -> None:
    """Pages follow each other without a gap and carry state and outcome."""
    ids = [store.accept() for _ in range(5)]
    pages: list[list[str]] = []
    before: str | None = None
    while page := store.database.read(
        lambda c, before=before: list_tasks(c, limit=2, before=before)
    ):
        pages.append([task.id for task in page])
        before = page[-1].id
    assert pages == [ids[4:2:-1], ids[2:0:-1], ids[:1]]


@pytest.mark.parametrize("form", [str, str.upper, short_id, lambda i: f" {i[-4:]} "], ids=range(4))
def test_short_ids_are_resolved(store: Any, form: Callable[[str], str]) -> None:
    """A whole id, its last characters, in either case, with spaces around."""
    ids = [store.accept(id=f"t-01jd00000000000000000{end}") for end in ("0ab12", "0cd12")]
    assert store.database.read(lambda c: resolve_task_id(c, form(ids[0]))) == ids[0]


def test_ambiguous_short_id_lists_candidates(store: Any) -> None:
    """The message names the tasks that fit."""
    ids = [store.accept(id=f"t-01jd0000000000000000{end}") for end in ("00ab12", "00cd12")]
    with pytest.raises(BadInputError) as caught:
        store.database.read(lambda c: resolve_task_id(c, "12"))
    assert all(task_id in caught.value.message for task_id in ids)


@pytest.mark.parametrize("text", ["zzzzzzzz", "t-01jd0000000000000000000000"])
def test_unknown_id_is_not_found(store: Any, text: str) -> None:
    """An id that fits no task is said to be unknown."""
    store.accept()
    with pytest.raises(NotFoundError):
        store.database.read(lambda c: resolve_task_id(c, text))


@pytest.mark.parametrize("text", ["", "%", "_", "t-", "a b", "x" * 400, "'; --"])
def test_what_is_no_id_is_bad_input(store: Any, text: str) -> None:
    """Wildcards and other characters never reach the query."""
    store.accept()
    with pytest.raises(BadInputError, match="task id"):
        store.database.read(lambda c: resolve_task_id(c, text))


@pytest.mark.parametrize("read", [task_view, task_summary, frozen_task])
def test_reading_an_unknown_task_is_not_found(store: Any, read: Callable[..., Any]) -> None:
    """Every view says so."""
    with pytest.raises(NotFoundError):
        store.database.read(lambda c: read(c, "t-gone"))


async def test_retry_begins_the_next_attempt(store: Any, step: Make, event: Make) -> None:
    """Steps and outcome start anew, usage and log go on, under a new release."""
    task_id = store.accept()
    await store.records.finish_attempt(step(outcome="failed"), task_id, 1, [event(task_id)])
    await store.records.set_state(
        task_id, TaskState.FAILED, outcome=OutcomeCode.AGENT_FAILED, fields={"final_commit": "f"}
    )
    store.database.write(lambda c: mark_applied(c, store.log, task_id, "patch"))
    again = store.database.write(
        lambda c: begin_retry(c, store.log, task_id, epoch=2, release="0.2.0")
    )
    view = store.database.read(lambda c: task_view(c, task_id))
    assert (again, view.summary.task_attempt, view.summary.state) == (2, 2, "queued")
    assert (view.summary.outcome, view.final_commit, view.steps, view.is_applied) == (
        None,
        None,
        (),
        False,
    )
    (unfinished,) = store.database.read(unfinished_tasks)
    assert (unfinished.workflow_id, unfinished.epoch, unfinished.release) == (
        f"{task_id}-a2",
        2,
        "0.2.0",
    )
    events = store.database.read(lambda c: read_events(c, task_id))
    assert [e.seq for e in events] == [1, 2, 3, 4]
    assert (events[-1].task_attempt, events[-1].data) == (2, TaskStateData(TaskState.QUEUED))


@pytest.mark.parametrize("state", [s for s in TaskState if not s.is_final])
async def test_unfinished_task_is_neither_retried_nor_deleted(store: Any, state: TaskState) -> None:
    """What still runs is left alone, and the message says how to go on."""
    task_id = store.accept()
    await store.records.set_state(task_id, state)
    with pytest.raises(ConflictError, match=f"is {state}"):
        store.database.write(lambda c: begin_retry(c, store.log, task_id, epoch=1, release="1"))
    with pytest.raises(ConflictError, match="Cancel it"):
        store.database.write(lambda c: delete_task(c, task_id))
    assert store.database.read(lambda c: task_summary(c, task_id)).task_attempt == 1


def test_only_one_of_two_retries_begins(store: Any) -> None:
    """Two people press retry at the same time: one attempt, one conflict."""
    task_id = store.accept()
    store.database.write(lambda c: _fail(store, c, task_id))
    results: list[object] = []

    def retry() -> None:
        try:
            results.append(
                store.database.write(
                    lambda c: begin_retry(c, store.log, task_id, epoch=1, release="1")
                )
            )
        except ConflictError:
            results.append("conflict")

    threads = [threading.Thread(target=retry) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, results)) == ["2", "conflict"]


def _fail(store: Any, connection: sa.Connection, task_id: str) -> None:
    change_state(connection, store.log, StateChange(task_id, TaskState.FAILED))


def test_unfinished_tasks_are_found_by_an_index(sqlite_store: Any) -> None:
    """The runner asks every few seconds, and tasks of the past grow without end."""
    asked: list[tuple[str, Any]] = []

    def look(_connection: Any, _cursor: Any, statement: str, given: Any, *_rest: Any) -> None:
        asked.append((statement, given))

    sa.event.listen(sqlite_store.database.engine, "before_cursor_execute", look)
    sqlite_store.database.read(unfinished_tasks)
    statement, given = asked[-1]
    plan = sqlite_store.database.read(
        lambda c: c.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given).all()
    )
    assert [step.detail for step in plan if step.detail.startswith("SCAN")] == []
    assert any("USING INDEX ix_orchestrator_tasks_state" in step.detail for step in plan)


async def test_unfinished_tasks_are_adopted(store: Any) -> None:
    """Oldest first, without the final ones; a final one keeps the release that finished it."""
    waiting, done = store.accept(), store.accept()
    await store.records.set_state(done, TaskState.SUCCEEDED)
    store.database.write(lambda c: adopt(c, [waiting, done], epoch=1, release="0.2.0"))
    (found,) = store.database.read(unfinished_tasks)
    assert (found.task_id, found.release, found.state) == (waiting, "0.2.0", "queued")
    assert (found.task_attempt, found.workflow_id) == (1, f"{waiting}-a1")


async def test_garbage_collection_is_told_what_it_must_keep(store: Any) -> None:
    """Whether each task is final, has a commit of its own, and was applied."""
    running, changed, applied = (store.accept() for _ in range(3))
    for task_id in (changed, applied):
        fields = {"final_commit": "f"}
        await store.records.set_state(task_id, TaskState.SUCCEEDED, fields=fields)
    store.database.write(lambda c: mark_applied(c, store.log, applied, "patch"))
    known = {task.task_id: task for task in store.database.read(known_tasks)}
    assert known == {
        running: KnownTask(
            running, is_final=False, has_changes=False, is_applied=False, task_attempt=1
        ),
        changed: KnownTask(
            changed, is_final=True, has_changes=True, is_applied=False, task_attempt=1
        ),
        applied: KnownTask(
            applied, is_final=True, has_changes=True, is_applied=True, task_attempt=1
        ),
    }


def test_applied_task_says_so(store: Any) -> None:
    """The way it was applied is kept; an unknown task is an error."""
    task_id = store.accept()
    store.database.write(lambda c: mark_applied(c, store.log, task_id, "branch ai/x"))
    assert store.database.read(lambda c: task_view(c, task_id)).is_applied
    with pytest.raises(NotFoundError):
        store.database.write(lambda c: mark_applied(c, store.log, "t-gone", "patch"))


async def test_deleted_task_leaves_no_row(store: Any, step: Make, event: Make) -> None:
    """All rows go, and the files that no other task owns."""
    kept, gone = store.accept(), store.accept(credentials=b"sealed")
    shared, own = AgentTextData("s" * 20_000), AgentTextData("o" * 20_000)
    await store.records.emit(
        [event(kept, data=shared), event(gone, data=shared), event(gone, data=own)]
    )
    await store.records.finish_attempt(step(outcome="failed"), gone, 1, [])
    store.database.write(lambda c: _fail(store, c, gone))
    digests = store.database.write(lambda c: delete_task(c, gone))
    removed = store.database.write(lambda c: remove_unowned(c, store.files, digests))
    assert (len(digests), removed) == (2, (1, 20_000))
    assert [store.count(t) for t in ("tasks", *CHILD_TABLES)] == [1, 0, 2, 0, 0, 1]
    assert len(list(store.files.digests())) == 1
    with pytest.raises(NotFoundError):
        store.database.write(lambda c: delete_task(c, gone))


async def test_steps_are_shown_in_the_order_they_began(store: Any, step: Make) -> None:
    """A view shows the current attempt's steps as they followed each other."""
    task_id = store.accept()
    first = step()
    later = [
        step(step="verify", kind="verify", started_at=first.started_at + timedelta(seconds=9)),
        step(step="review", started_at=first.started_at + timedelta(seconds=5)),
    ]
    for view in (*later, first):
        await store.records.finish_attempt(view, task_id, 1, [])
    shown = store.database.read(lambda c: task_view(c, task_id)).steps
    assert [s.step for s in shown] == ["implement", "review", "verify"]


def test_every_row_names_project_and_principal(store: Any, step: Make, event: Make) -> None:
    """Rows of a task carry whose they are."""
    task_id = store.accept(project_id="shop", principal="token:ci", credentials=b"x")
    big = AgentTextData("x" * 20_000)
    store.database.write(lambda c: store.log.append(c, task_id, [event(task_id, data=big)]))

    def read(connection: sa.Connection) -> set[tuple[str, str]]:
        prefix = "orchestrator_" if connection.dialect.name == "sqlite" else "orchestrator."
        found: set[tuple[str, str]] = set()
        for table in ("tasks", "events", "credentials", "artefacts"):
            rows = connection.exec_driver_sql(f"SELECT project_id, principal FROM {prefix}{table}")
            found |= {(row[0], row[1]) for row in rows}
        return found

    assert store.database.read(read) == {("shop", "token:ci")}
