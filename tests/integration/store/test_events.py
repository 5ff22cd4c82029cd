"""The event log on real databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from ai_orchestrator.base.errors import InternalError, NotFoundError
from ai_orchestrator.model.events import (
    EVENT_LIMIT_BYTES,
    AgentTextData,
    AgentToolData,
    Event,
    NewEvent,
    UnknownData,
    VerifierFinishedData,
    encode_data,
)
from ai_orchestrator.model.review import VerifierResult
from ai_orchestrator.store.database import Database
from ai_orchestrator.store.engine import open_database
from ai_orchestrator.store.events import read_events
from ai_orchestrator.store.tables import tables_of

MakeEvent = Callable[..., NewEvent]


class UndoError(Exception):
    """Ends a transaction without a commit."""


def _append(store: Any, task_id: str, *events: NewEvent) -> int:
    added: int = store.database.write(lambda c: store.log.append(c, task_id, events))
    return added


def _read(store: Any, task_id: str, **options: int) -> list[Event]:
    events: list[Event] = store.database.read(lambda c: read_events(c, task_id, **options))
    return events


def test_events_come_back_as_they_were(store: Any, event: MakeEvent) -> None:
    """Every part of the envelope is kept, and the time is the clock's, to the microsecond."""
    task_id = store.accept()
    _append(store, task_id, event(task_id, "e-1", AgentToolData("1", "bash", "start", "ls")))
    stored = _read(store, task_id)[-1]
    assert stored == Event(
        seq=2,
        id="e-1",
        ts=store.clock.at,
        project="default",
        task=task_id,
        task_attempt=1,
        type="agent.tool",
        data=AgentToolData("1", "bash", "start", "ls"),
        iteration=1,
        step="implement",
        attempt=1,
    )


def test_duplicates_are_dropped_and_take_no_seq(store: Any, event: MakeEvent) -> None:
    """An id counts once, in the log and within one call, and leaves no gap."""
    task_id = store.accept()
    first, second, third = (event(task_id, f"e-{n}") for n in range(3))
    assert _append(store, task_id, first) == 1
    assert _append(store, task_id, first, second, second) == 1
    assert _append(store, task_id, first, second) == 0
    assert _append(store, task_id, third) == 1
    stored = _read(store, task_id)
    assert [one.seq for one in stored] == [1, 2, 3, 4]
    assert [one.id for one in stored[1:]] == ["e-0", "e-1", "e-2"]


def test_first_of_two_with_one_id_is_kept(store: Any, event: MakeEvent) -> None:
    """The log never changes what it has told."""
    task_id = store.accept()
    one, other = (event(task_id, "e", AgentTextData(text)) for text in ("one", "other"))
    _append(store, task_id, one, other)
    _append(store, task_id, other)
    assert [e.data for e in _read(store, task_id)[1:]] == [AgentTextData("one")]


def test_ids_are_counted_per_task(store: Any, event: MakeEvent) -> None:
    """The same id in two tasks is two events, each numbered from its own task's beginning."""
    tasks = [store.accept(), store.accept()]
    for task_id in tasks:
        _append(store, task_id, event(task_id, "same"))
    assert [[e.seq for e in _read(store, task_id)] for task_id in tasks] == [[1, 2], [1, 2]]


def test_undone_transaction_leaves_nothing(store: Any, event: MakeEvent) -> None:
    """Neither the event nor its number remains of a transaction that was not committed."""
    task_id = store.accept()

    def write(connection: sa.Connection) -> None:
        store.log.append(connection, task_id, [event(task_id, "lost")])
        raise UndoError

    with pytest.raises(UndoError):
        store.database.write(write)
    _append(store, task_id, event(task_id, "kept"))
    assert [(e.seq, e.id) for e in _read(store, task_id)][1:] == [(2, "kept")]


def test_event_of_no_task_is_refused(store: Any, event: MakeEvent) -> None:
    """A task that was deleted gets no events any more."""
    with pytest.raises(NotFoundError, match="does not exist"):
        _append(store, "t-gone", event("t-gone"))
    assert store.count("events") == 0


def test_reading_goes_on_after_a_seq(store: Any, event: MakeEvent) -> None:
    """Pages of two give every event once, in order."""
    task_id = store.accept()
    _append(store, task_id, *(event(task_id) for _ in range(6)))
    seen: list[int] = []
    while page := _read(store, task_id, after_seq=seen[-1] if seen else 0, limit=2):
        assert len(page) <= 2
        seen += [e.seq for e in page]
    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_writers_at_the_same_time_leave_no_gap(
    store: Any, engine: sa.Engine, event: MakeEvent
) -> None:
    """Four threads on two engines, with duplicates between them: one dense row of numbers."""
    task_id = store.accept()
    url = engine.url.render_as_string(hide_password=False)
    other = Database(open_database(url))
    failures: list[BaseException] = []

    def write(database: Database, name: str) -> None:
        try:
            for number in range(20):
                some = [event(task_id, f"{name}-{number}"), event(task_id, f"both-{number}")]
                database.write(lambda c, some=some: store.log.append(c, task_id, some))  # type: ignore[misc]
        except BaseException as error:  # noqa: BLE001 # shown by the assertion below
            failures.append(error)

    threads = [
        threading.Thread(target=write, args=(database, f"{name}{n}"))
        for name, database in (("a", store.database), ("b", other))
        for n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    stored = _read(store, task_id)
    assert failures == []
    assert [e.seq for e in stored] == list(range(1, 1 + 4 * 20 + 20 + 1))
    assert len({e.id for e in stored}) == len(stored)


def test_long_text_is_cut_and_kept_whole_elsewhere(store: Any, event: MakeEvent) -> None:
    """The event stays small, says how much there was and where, and the task owns the rest."""
    task_id = store.accept()
    text = "ä line\n" * 10_000
    _append(store, task_id, event(task_id, data=AgentTextData(text)))
    stored = _read(store, task_id)[-1]
    assert isinstance(stored.data, AgentTextData)
    assert len(encode_data(stored.data)) <= EVENT_LIMIT_BYTES
    assert stored.data.text.startswith("ä line\nä line\n")
    digest = stored.data.text.rpartition("artefact ")[2].rstrip("]")
    assert store.files.path(digest).read_text() == text
    assert f"{len(text.encode())} bytes" in stored.data.text
    assert store.count("artefacts") == 1


def test_same_long_text_is_stored_once(store: Any, event: MakeEvent) -> None:
    """Two tasks with the same text share one file."""
    for task_id in (store.accept(), store.accept()):
        _append(store, task_id, event(task_id, data=AgentTextData("x" * 20_000)))
    assert len(list(store.files.digests())) == 1
    assert store.count("artefacts") == 2


def test_long_text_deep_in_the_data_is_cut(store: Any, event: MakeEvent) -> None:
    """A verifier's output is cut though it lies in a struct within the data."""
    task_id = store.accept()
    result = VerifierResult("test", ("make",), 1, False, 1.0, "\x01" * 8_000)  # noqa: FBT003 # a field
    _append(store, task_id, event(task_id, data=VerifierFinishedData(result, "abc")))
    stored = _read(store, task_id)[-1]
    assert isinstance(stored.data, VerifierFinishedData)
    assert stored.data.result.name == "test"
    assert "48000 bytes" not in stored.data.result.output
    assert "8000 bytes in all" in stored.data.result.output


def test_event_without_a_long_text_over_the_limit_is_refused(store: Any, event: MakeEvent) -> None:
    """What cannot be cut is an error that names the event's type, and nothing is stored."""
    task_id = store.accept()
    result = VerifierResult("t", ("word",) * 5_000, 0, False, 1.0, "")  # noqa: FBT003 # a field
    with pytest.raises(InternalError, match=r"verifier\.finished"):
        _append(store, task_id, event(task_id, data=VerifierFinishedData(result, "abc")))
    assert len(_read(store, task_id)) == 1


def test_secrets_reach_neither_log_nor_artefact(store: Any, event: MakeEvent) -> None:
    """Values and well-known keys are replaced before anything is stored."""
    task_id = store.accept()
    store.redactor.add(task_id, {"API_KEY": "very-secret-value"})
    for text in ("a very-secret-value b", "very-secret-value " * 2_000, "ghp_" + "a1" * 18):
        _append(store, task_id, event(task_id, data=AgentTextData(text)))
    texts = [e.data.text for e in _read(store, task_id) if isinstance(e.data, AgentTextData)]
    assert texts[0] == "a [redacted:API_KEY] b"
    assert texts[2] == "[redacted:github-token]"
    written = [path.read_bytes() for path in store.directory.rglob("*") if path.is_file()]
    assert not [one for one in written if b"very-secret-value" in one or b"ghp_" in one]


def test_secret_that_is_a_word_of_ours_does_not_break_the_log(store: Any, event: MakeEvent) -> None:
    """The vocabulary is never redacted: the log could not be read any more."""
    task_id = store.accept()
    store.redactor.add(
        task_id, {"A": "agent.tool", "B": "start", "C": "restarted", "D": "bash-name"}
    )
    _append(store, task_id, event(task_id, data=AgentToolData("1", "bash-name", "start")))
    stored = _read(store, task_id)[-1]
    assert stored.data == AgentToolData("1", "[redacted:D]", "start")


@pytest.mark.parametrize(
    "text", ["a\0b", "half \ud800 pair", "\U0001f600"], ids=["nul", "half", "emoji"]
)
def test_odd_characters_can_be_stored(store: Any, event: MakeEvent, text: str) -> None:
    """What a database refuses is replaced, everything else is kept."""
    task_id = store.accept()
    _append(store, task_id, event(task_id, data=AgentTextData(text)))
    stored = _read(store, task_id)[-1].data
    assert isinstance(stored, AgentTextData)
    assert stored.text == text.replace("\0", "�").replace("\ud800", "�")


def test_event_of_a_newer_release_is_read(store: Any, event: MakeEvent) -> None:
    """A type that this release does not know comes as it is."""
    task_id = store.accept()
    _append(store, task_id, event(task_id, "newer"))

    def change(connection: sa.Connection) -> None:
        table = tables_of(connection).events
        values = {"type": "agent.dream", "data": '{"of":["sheep"]}'}
        connection.execute(sa.update(table).where(table.c.id == "newer").values(values))

    store.database.write(change)
    stored = _read(store, task_id)[-1]
    assert (stored.type, stored.data) == ("agent.dream", UnknownData({"of": ["sheep"]}))
