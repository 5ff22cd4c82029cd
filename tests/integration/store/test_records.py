"""The workflows' records on real databases."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from tests.integration.store.conftest import Store

from ai_orchestrator.base.errors import InternalError, NotFoundError
from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.events import (
    BudgetChangedData,
    Event,
    FindingChangedData,
    NewEvent,
    StepFinishedData,
    StepStartedData,
    TaskStateData,
    VerifierFinishedData,
)
from ai_orchestrator.model.review import (
    Finding,
    FindingState,
    LedgerEntry,
    Severity,
    VerifierResult,
)
from ai_orchestrator.model.states import OutcomeCode, TaskState
from ai_orchestrator.store.attempts import end_attempt, spend
from ai_orchestrator.store.database import Database
from ai_orchestrator.store.engine import open_database
from ai_orchestrator.store.events import read_events
from ai_orchestrator.store.schema import upgrade
from ai_orchestrator.store.tasks import load_credentials, save_credentials
from ai_orchestrator.store.views import list_tasks, task_view
from ai_orchestrator.workflows.running.ports import Records
from ai_orchestrator.workflows.running.values import StepDone

Make = Callable[..., Any]
DEADLINE_S = 30.0
USAGE = Usage(input_tokens=100, output_tokens=20, cached_tokens=50, cost_usd=Decimal("0.10"))


def _events(store: Any, task_id: str) -> list[Event]:
    events: list[Event] = store.database.read(lambda c: read_events(c, task_id))
    return events


def _finished(event: Make, task_id: str, id_: str = "finished") -> NewEvent:
    new: NewEvent = event(task_id, id_, StepFinishedData("succeeded", commit="c1"))
    return new


def _entry(fingerprint: str, claim: str = "No test") -> LedgerEntry:
    return LedgerEntry(
        fingerprint=fingerprint,
        finding=Finding(Severity.HIGH, claim, "a.py", 3),
        state=FindingState.NEW,
        source="review",
        first_iteration=1,
        last_iteration=1,
    )


def test_records_fit_the_port(sqlite_store: Any) -> None:
    """The type checker holds that the workflows can use them."""
    records: Records = sqlite_store.records
    assert records.redact("nothing secret") == "nothing secret"


async def test_finished_attempt_comes_back_whole(store: Any, event: Make, step: Make) -> None:
    """Every field of an execution that was begun and finished is kept."""
    task_id = store.accept()
    running = step(agent="claude", account="me", model="m-1", how="resumed")
    done = msgspec.structs.replace(
        running,
        outcome="succeeded",
        session="s-1",
        finished_at=running.started_at + timedelta(seconds=2.5),
        commit="c1",
        tree="t1",
        is_changed=True,
        usage=USAGE,
        reason="done",
        verifiers=(VerifierResult("test", ("make", "test"), 0, False, 1.5, "ok"),),  # noqa: FBT003 # a field
    )
    await store.records.start_attempt(
        running, task_id, 1, event(task_id, "s", StepStartedData("agent"))
    )
    assert await store.records.attempts(task_id, 1, "implement", 1) == [running]
    await store.records.finish_attempt(done, task_id, 1, [_finished(event, task_id)])
    assert await store.records.attempts(task_id, 1, "implement", 1) == [done]
    assert [e.type for e in _events(store, task_id)] == [
        "task.state",
        "step.started",
        "step.finished",
    ]


async def test_repeating_changes_nothing(store: Any, event: Make, step: Make) -> None:
    """Each call may be made again after a crash: same rows, same events."""
    task_id = store.accept()
    started = event(task_id, "started", StepStartedData("agent"))
    done = step(outcome="succeeded", commit="c1")
    began = [await store.records.start_attempt(step(), task_id, 1, started) for _ in range(2)]
    assert began == [True, False]
    for _ in range(2):
        await store.records.finish_attempt(done, task_id, 1, [_finished(event, task_id)])
    assert not await store.records.start_attempt(step(), task_id, 1, started)
    assert await store.records.attempts(task_id, 1, "implement", 1) == [done]
    assert [e.seq for e in _events(store, task_id)] == [1, 2, 3]


async def test_first_end_of_an_attempt_stays(store: Any, event: Make, step: Make) -> None:
    """A worker that was replaced and comes back changes neither the row nor the log."""
    task_id = store.accept()
    await store.records.finish_attempt(
        step(outcome="interrupted"), task_id, 1, [_finished(event, task_id)]
    )
    late = [_finished(event, task_id, "late")]
    await store.records.finish_attempt(step(outcome="succeeded", commit="x"), task_id, 1, late)
    (kept,) = await store.records.attempts(task_id, 1, "implement", 1)
    assert (kept.outcome, kept.commit) == ("interrupted", None)
    assert "late" not in [e.id for e in _events(store, task_id)]


async def test_row_and_event_are_written_together(store: Any, event: Make, step: Make) -> None:
    """When the event cannot be stored, the attempt is not finished either."""
    task_id = store.accept()
    await store.records.start_attempt(step(), task_id, 1, event(task_id))
    too_big = event(task_id, data=_too_big())
    with pytest.raises(InternalError):
        await store.records.finish_attempt(step(outcome="succeeded"), task_id, 1, [too_big])
    assert [a.outcome for a in await store.records.attempts(task_id, 1, "implement", 1)] == [
        "running"
    ]


def _too_big() -> VerifierFinishedData:
    many = ("word",) * 5_000  # nothing in it is long enough to be cut
    return VerifierFinishedData(VerifierResult("t", many, 0, False, 1.0, ""), "c")  # noqa: FBT003 # a field


async def test_attempts_are_told_apart(store: Any, event: Make, step: Make) -> None:
    """Steps, rounds, task attempts and tasks do not mix; attempts come by rising number."""
    task_id, other = store.accept(), store.accept()
    for attempt in (2, 10, 1):
        await store.records.start_attempt(step(attempt=attempt), task_id, 1, event(task_id))
    await store.records.start_attempt(step(step="review"), task_id, 1, event(task_id))
    await store.records.start_attempt(step(iteration=2), task_id, 1, event(task_id))
    await store.records.start_attempt(step(), task_id, 2, event(task_id))
    await store.records.start_attempt(step(), other, 1, event(other))
    found = await store.records.attempts(task_id, 1, "implement", 1)
    assert [(a.step, a.iteration, a.attempt) for a in found] == [
        ("implement", 1, 1),
        ("implement", 1, 2),
        ("implement", 1, 10),
    ]


async def test_result_is_kept_for_later_steps(store: Any, step: Make) -> None:
    """What a step answered can be read again as it was given."""
    task_id = store.accept()
    result = '{"verdict":"approve","why":"so"}'
    await store.records.finish_attempt(step(outcome="succeeded"), task_id, 1, [], result=result)
    assert (await store.records.attempt_results(task_id, 1, "implement", 1))[1] == result


@pytest.mark.parametrize("secret", ["12345678", '":1234567', '"at":123', "succeeded"], ids=repr)
def test_a_value_can_be_read_whatever_a_secret_is(sqlite_store: Any, secret: str) -> None:
    """A number is no secret, and what stands around a text is none either, nor a fixed word."""
    task_id = sqlite_store.accept()
    sqlite_store.redactor.add(task_id, {"KEY": secret})
    told = StepDone("s", 1, 1, "succeeded", "c1", "t1", reason=f"it is {secret}", at=1234567890.25)
    kept = msgspec.json.encode(sqlite_store.records.clean(told))
    expected = msgspec.structs.replace(told, reason="it is [redacted:KEY]")
    assert msgspec.json.decode(kept, type=StepDone) == expected


async def test_results_of_a_round_are_told_by_attempt(store: Any, step: Make) -> None:
    """Executions without a result, and those of other rounds, are left out."""
    task_id = store.accept()
    finish = store.records.finish_attempt
    await finish(step(outcome="failed"), task_id, 1, [])
    await finish(step(outcome="succeeded", attempt=2), task_id, 1, [], result="2")
    await finish(step(outcome="succeeded", iteration=2), task_id, 1, [], result="3")
    assert await store.records.attempt_results(task_id, 1, "implement", 1) == {2: "2"}


async def test_running_attempt_is_brought_up_to_date(store: Any, event: Make, step: Make) -> None:
    """Session, model and usage are kept while it runs; an end is never overwritten."""
    task_id = store.accept()
    seen = step(session="s-1", model="m-1", usage=USAGE)
    await store.records.start_attempt(step(), task_id, 1, event(task_id))
    await store.records.update_attempt(seen, task_id, 1)
    assert await store.records.attempts(task_id, 1, "implement", 1) == [seen]
    done = step(outcome="interrupted", session="s-2")
    await store.records.finish_attempt(done, task_id, 1, [])
    await store.records.update_attempt(seen, task_id, 1)
    assert await store.records.attempts(task_id, 1, "implement", 1) == [done]


async def test_a_partly_measured_task_has_a_lower_bound(store: Any, step: Make) -> None:
    """Usage is summed over task attempts; what an agent did not tell is not taken for zero."""
    task_id = store.accept()
    tokens_only = Usage(input_tokens=7, output_tokens=3)
    ended = [
        (1, step(outcome="succeeded", usage=USAGE)),
        (1, step(outcome="failed", attempt=2, usage=tokens_only)),
        (1, step(outcome="skipped", attempt=4)),
        (1, step(outcome="succeeded", step="verify", kind="verify")),
        (2, step(outcome="succeeded", usage=USAGE)),
    ]
    for task_attempt, view in ended:
        await store.records.finish_attempt(view, task_id, task_attempt, [])
    found = store.database.read(lambda c: spend(c, task_id))
    assert (found.total_tokens, found.cost_usd) == (250, Decimal("0.20"))
    assert (found.is_tokens_whole, found.is_cost_whole) == (True, False)
    await store.records.finish_attempt(step(outcome="interrupted", attempt=3), task_id, 1, [])
    view = store.database.read(lambda c: task_view(c, task_id))
    assert view.summary.usage == msgspec.structs.replace(found, is_tokens_whole=False)
    (listed,) = store.database.read(list_tasks)
    assert listed.usage == view.summary.usage


async def test_a_wholly_measured_task_is_whole(store: Any, event: Make, step: Make) -> None:
    """Steps without an agent spend nothing, and one that runs has told all that it can."""
    task_id = store.accept()
    await store.records.start_attempt(step(step="review"), task_id, 1, event(task_id))
    await store.records.finish_attempt(step(outcome="succeeded", usage=USAGE), task_id, 1, [])
    script = step(step="format", kind="script", outcome="succeeded")
    await store.records.finish_attempt(script, task_id, 1, [])
    assert store.database.read(lambda c: spend(c, task_id)) == USAGE


async def test_unmeasured_stays_unmeasured(store: Any, step: Make) -> None:
    """A task of which nothing was measured costs None, never zero."""
    task_id = store.accept()
    await store.records.finish_attempt(step(outcome="succeeded"), task_id, 1, [])
    assert store.database.read(lambda c: spend(c, task_id)).cost_usd is None


async def test_budget_tells_the_spend_of_the_whole_task(
    store: Any, event: Make, step: Make
) -> None:
    """Also of attempts before and of agents beside, which the step itself does not know."""
    task_id = store.accept()
    await store.records.finish_attempt(step(outcome="interrupted", usage=USAGE), task_id, 1, [])
    beside = step(step="review", outcome="succeeded", usage=USAGE)
    await store.records.finish_attempt(beside, task_id, 1, [])
    own = BudgetChangedData(USAGE, max_tokens=1_000, max_cost_usd=2.5)
    await store.records.finish_attempt(
        step(attempt=2, outcome="succeeded", usage=USAGE), task_id, 1, [event(task_id, data=own)]
    )
    (told,) = [e.data for e in _events(store, task_id) if isinstance(e.data, BudgetChangedData)]
    assert told == msgspec.structs.replace(own, usage=USAGE.plus(USAGE).plus(USAGE))


def test_two_that_end_side_by_side_are_both_in_the_sum(
    postgresql_url: str, tmp_path: Path, step: Make
) -> None:
    """The second waits for the first before it looks at the rows."""
    engine = open_database(postgresql_url)
    upgrade(engine, tmp_path / "backups")
    store = Store(Database(engine), tmp_path)
    task_id = store.accept()

    def end(name: str) -> Usage | None:
        view = step(step=name, outcome="succeeded", usage=USAGE)
        return store.database.write(lambda c: end_attempt(c, task_id, 1, view))

    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as first:
            end_attempt(first, task_id, 1, step(outcome="succeeded", usage=USAGE))
            second = pool.submit(end, "review")
            _until_one_waits(engine)
        assert second.result(DEADLINE_S) == USAGE.plus(USAGE)
    store.database.close()


def _until_one_waits(engine: sa.Engine) -> None:
    deadline = time.monotonic() + DEADLINE_S
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.exec_driver_sql(waiting).scalar_one() == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


async def test_ledger_keeps_its_order(store: Any, event: Make) -> None:
    """Entries are written by fingerprint, in the order given, per task attempt, redacted."""
    task_id = store.accept()
    store.redactor.add(task_id, {"KEY": "very-secret-value"})
    first = [_entry("b"), _entry("a", "prints very-secret-value")]
    changed = [event(task_id, "f-1", FindingChangedData(first[0]))]
    for _ in range(2):
        await store.records.save_ledger(task_id, 1, first, changed)
    view = store.database.read(lambda c: task_view(c, task_id))
    assert [e.fingerprint for e in view.findings] == ["b", "a"]
    assert view.findings[1].finding.claim == "prints [redacted:KEY]"
    assert len(_events(store, task_id)) == 2
    await store.records.save_ledger(task_id, 1, [_entry("c"), _entry("b", "again")], [])
    await store.records.save_ledger(task_id, 2, [_entry("d")], [])
    view = store.database.read(lambda c: task_view(c, task_id))
    assert [e.fingerprint for e in view.findings] == ["b", "a", "c"]
    assert view.findings[0].finding.claim == "again"


async def test_state_changes_are_told_once_each(store: Any) -> None:
    """Going back to an earlier state is news, staying in it is not; fields are set beside it."""
    task_id = store.accept()
    set_state = store.records.set_state
    for state in (TaskState.RUNNING, TaskState.RUNNING, TaskState.WAITING_QUOTA, TaskState.RUNNING):
        await set_state(task_id, state, fields={"base_commit": "b1"})
    await set_state(
        task_id,
        TaskState.SUCCEEDED,
        outcome=OutcomeCode.VERIFIED,
        reason="All green.",
        fields={"final_commit": "f1", "verified_tree": "t1", "branch": "ai/x"},
    )
    view = store.database.read(lambda c: task_view(c, task_id))
    told = [e.data.state for e in _events(store, task_id) if isinstance(e.data, TaskStateData)]
    assert told == ["queued", "running", "waiting_quota", "running", "succeeded"]
    assert (view.base_commit, view.final_commit, view.verified_tree) == ("b1", "f1", "t1")
    assert (view.branch, view.summary.outcome, view.summary.reason) == (
        "ai/x",
        "verified",
        "All green.",
    )


@pytest.mark.parametrize("final", [s for s in TaskState if s.is_final])
async def test_final_state_stays(store: Any, final: TaskState) -> None:
    """After the end nothing changes state, fields or log."""
    task_id = store.accept()
    await store.records.set_state(task_id, final)
    for state in TaskState:
        await store.records.set_state(task_id, state, reason="late", fields={"final_commit": "x"})
    view = store.database.read(lambda c: task_view(c, task_id))
    assert (view.summary.state, view.summary.reason, view.final_commit) == (final, "", None)
    assert view.last_seq == 2


@pytest.mark.parametrize("late", [s for s in TaskState if not s.is_final])
async def test_cancelling_is_left_only_for_a_final_state(store: Any, late: TaskState) -> None:
    """A step that has not heard of the cancel yet does not undo it."""
    task_id = store.accept()
    await store.records.set_state(task_id, TaskState.CANCELLING)
    await store.records.set_state(task_id, late)
    assert store.database.read(lambda c: task_view(c, task_id)).summary.state == "cancelling"
    await store.records.set_state(task_id, TaskState.CANCELLED)
    assert store.database.read(lambda c: task_view(c, task_id)).summary.state == "cancelled"


async def test_credentials_end_with_the_task(store: Any) -> None:
    """They are there while the task lives, and gone with its final state."""
    task_id = store.accept(credentials=b"sealed")
    await store.records.set_state(task_id, TaskState.RUNNING)
    assert store.database.read(lambda c: load_credentials(c, task_id)) == b"sealed"
    store.database.write(lambda c: save_credentials(c, task_id, b"sealed again"))
    assert store.database.read(lambda c: load_credentials(c, task_id)) == b"sealed again"
    await store.records.set_state(task_id, TaskState.FAILED)
    assert store.database.read(lambda c: load_credentials(c, task_id)) is None


async def test_unknown_column_beside_a_state_is_refused(store: Any) -> None:
    """A misspelt field is an error that lists the known ones, and the state stays."""
    task_id = store.accept()
    with pytest.raises(InternalError, match=r"final_comit.*Known: base_commit"):
        await store.records.set_state(task_id, TaskState.FAILED, fields={"final_comit": "x"})
    assert store.database.read(lambda c: task_view(c, task_id)).summary.state == "queued"


async def test_records_of_no_task_are_refused(store: Any, event: Make, step: Make) -> None:
    """Every method says that the task does not exist."""
    records = store.records
    for call in (
        records.start_attempt(step(), "t-gone", 1, event("t-gone")),
        records.finish_attempt(step(outcome="failed"), "t-gone", 1, []),
        records.emit([event("t-gone")]),
        records.save_ledger("t-gone", 1, [], []),
        records.set_state("t-gone", TaskState.RUNNING),
        records.add_note("t-gone", "hm"),
    ):
        with pytest.raises(NotFoundError, match="t-gone"):
            await call


async def test_events_of_several_tasks_go_in_one_call(store: Any, event: Make) -> None:
    """Each lands in its own task's log, in order."""
    first, second = store.accept(), store.accept()
    await store.records.emit([event(second, "1"), event(first, "2"), event(second, "3")])
    assert [e.id for e in _events(store, second)][1:] == ["1", "3"]
    assert [e.id for e in _events(store, first)][1:] == ["2"]


async def test_notes_are_kept_once(store: Any) -> None:
    """A note that is there is not repeated, and their number is bounded."""
    task_id = store.accept(notes=("first",))
    for note in ("second", "second", "first"):
        await store.records.add_note(task_id, note)
    assert store.database.read(lambda c: task_view(c, task_id)).notes == ("first", "second")
    for number in range(60):
        await store.records.add_note(task_id, f"note {number}")
    assert len(store.database.read(lambda c: task_view(c, task_id)).notes) == 50


async def test_artefact_is_kept_redacted(store: Any) -> None:
    """A verifier's whole output can be kept by its digest."""
    task_id = store.accept()
    store.redactor.add(task_id, {"KEY": "very-secret-value"})
    digest = await store.records.keep_artefact(task_id, "a very-secret-value b")
    assert store.files.path(digest).read_text() == "a [redacted:KEY] b"
    assert store.count("artefacts") == 1


async def test_reader_is_woken_by_a_commit(store: Any, event: Make) -> None:
    """A wait ends with a commit of its task, finds it in the log, and with no other."""
    task_id, other = store.accept(), store.accept()
    with store.records.subscribe(task_id) as wake:
        waiting = asyncio.create_task(wake.wait(30))
        await asyncio.sleep(0)
        await store.records.emit([event(other)])
        assert not waiting.done()
        await store.records.emit([event(task_id, "seen")])
        assert await waiting
        assert _events(store, task_id)[-1].id == "seen"
    assert store.wakeups.count == 0


def test_records_serve_several_event_loops_at_once(store: Any, event: Make) -> None:
    """Steps run in threads with loops of their own; all write, and a reader in one is woken."""
    task_id = store.accept()
    woken: list[bool] = []
    is_waiting = threading.Event()

    async def read() -> None:
        with store.records.subscribe(task_id) as wake:
            is_waiting.set()
            woken.append(await wake.wait(30))

    async def write() -> None:
        for _ in range(10):
            await store.records.emit([event(task_id)])

    reader = threading.Thread(target=asyncio.run, args=(read(),))
    reader.start()
    assert is_waiting.wait(30)
    writers = [threading.Thread(target=asyncio.run, args=(write(),)) for _ in range(3)]
    for thread in writers:
        thread.start()
    for thread in [*writers, reader]:
        thread.join(60)
    assert woken == [True]
    assert [e.seq for e in _events(store, task_id)] == list(range(1, 32))
