"""The log, the sink and the batcher hold for every sequence of events."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_orchestrator.base.clock import SystemClock
from ai_orchestrator.model.events import (
    EVENT_LIMIT_BYTES,
    AgentTextData,
    AgentToolData,
    NewEvent,
    UnknownData,
    VerifierFinishedData,
    decode_data,
)
from ai_orchestrator.model.ids import new_task_id
from ai_orchestrator.model.review import VerifierResult
from ai_orchestrator.model.states import SuccessRule
from ai_orchestrator.model.task import RepositorySource
from ai_orchestrator.model.workflow import WorkflowSpec
from ai_orchestrator.security.redaction import Redactor
from ai_orchestrator.store.artefacts import ArtefactFiles
from ai_orchestrator.store.batching import EventBatcher
from ai_orchestrator.store.database import Database
from ai_orchestrator.store.engine import open_database
from ai_orchestrator.store.events import EventLog, read_events
from ai_orchestrator.store.schema import upgrade
from ai_orchestrator.store.sink import Sink
from ai_orchestrator.store.tables import TaskContext
from ai_orchestrator.store.tasks import NewTask, insert_task

SPEC = WorkflowSpec("quick", "", SuccessRule.VERIFIED, (), {}, {}, {}, None)
IDS = st.integers(0, 12).map(lambda number: f"e-{number}")
CALLS = st.lists(
    st.tuples(st.sampled_from(["one", "two"]), st.lists(IDS, max_size=6), st.booleans()),
    max_size=12,
)


class UndoError(Exception):
    """Ends a transaction without a commit."""


def _accept(database: Database, log: EventLog) -> str:
    clock = SystemClock()
    new = NewTask(
        id=new_task_id(clock.now()),
        principal="local:me",
        title="t",
        task="t",
        workflow="quick",
        repository="/r",
        source=RepositorySource(path="/r"),
        spec=SPEC,
        context=TaskContext("", ""),
        epoch=1,
        release="1",
    )
    return database.write(lambda connection: insert_task(connection, log, new))


@given(CALLS)
@settings(max_examples=40, deadline=None)
def test_seq_is_dense_and_every_id_counts_once(calls: list[tuple[str, list[str], bool]]) -> None:
    """Whatever is repeated, mixed over two tasks or undone: the log equals a list in memory."""
    with tempfile.TemporaryDirectory() as directory:
        engine = open_database(Path(directory) / "db.sqlite")
        upgrade(engine, Path(directory))
        with closing(Database(engine)) as database:
            log = EventLog(Sink(Redactor()), ArtefactFiles(Path(directory)), SystemClock())
            tasks = {name: _accept(database, log) for name in ("one", "two")}
            expected: dict[str, list[str]] = {"one": [], "two": []}
            for name, ids, is_undone in calls:
                _append(database, log, tasks[name], ids, is_undone=is_undone)
                if not is_undone:
                    known = expected[name]
                    known += [id_ for id_ in dict.fromkeys(ids) if id_ not in known]
            for name, task_id in tasks.items():
                stored = database.read(partial(read_events, task_id=task_id))
                assert [e.id for e in stored][1:] == expected[name]
                assert [e.seq for e in stored] == list(range(1, len(stored) + 1))


def _append(
    database: Database, log: EventLog, task_id: str, ids: list[str], *, is_undone: bool
) -> None:
    events = [NewEvent(id_, task_id, 1, AgentTextData("x")) for id_ in ids]

    def write(connection: sa.Connection) -> None:
        log.append(connection, task_id, events)
        if is_undone:
            raise UndoError

    with suppress(UndoError):
        database.write(write)


TEXT = st.one_of(
    st.text(max_size=40),
    st.tuples(st.text(min_size=1, max_size=4), st.integers(1, 9_000)).map(lambda p: p[0] * p[1]),
)
DATA = st.one_of(
    TEXT.map(AgentTextData),
    st.tuples(TEXT, TEXT).map(lambda t: AgentToolData(t[0], t[1], "start", t[0] + t[1])),
    st.tuples(TEXT, TEXT).map(
        lambda t: VerifierFinishedData(VerifierResult(t[0], ("a", t[1]), 0, False, 1.0, t[1]), "c")  # noqa: FBT003 # a field
    ),
    st.dictionaries(st.text(max_size=9), TEXT, max_size=4).map(UnknownData),
)


@given(DATA)
@settings(max_examples=300, deadline=None)
def test_stored_data_is_short_and_can_be_read(
    data: AgentTextData | AgentToolData | VerifierFinishedData | UnknownData,
) -> None:
    """Whatever the texts: at most 16 KB, decodable as its type, whole texts kept where cut."""
    fitted = Sink(Redactor()).fit(data)
    assert len(fitted.raw) <= EVENT_LIMIT_BYTES
    read = decode_data(data.type, fitted.raw)
    assert type(read) is type(data)
    if not fitted.wholes and isinstance(data, AgentTextData):
        assert isinstance(read, AgentTextData)
        assert len(read.text) == len(Redactor().redact(data.text))


@given(st.lists(st.one_of(st.text("ab ü-sk", max_size=12), st.none()), max_size=200))
@settings(max_examples=100, deadline=None)
def test_batcher_keeps_text_and_order(pieces: list[str | None]) -> None:
    """Joined or not, the text and the tool calls (None) come out in the order they came in."""
    written: list[NewEvent] = []

    async def emit(events: Sequence[NewEvent]) -> None:
        written.extend(events)

    async def run() -> None:
        async with EventBatcher(emit, Redactor().new_stream) as batcher:
            for number, piece in enumerate(pieces):
                data = (
                    AgentToolData("1", "bash", "ok")
                    if piece is None
                    else AgentTextData(piece, is_delta=True)
                )
                batcher.add(NewEvent(f"e-{number}", "t-1", 1, data))

    asyncio.run(run())
    shown = "".join(
        event.data.text if isinstance(event.data, AgentTextData) else "|" for event in written
    )
    assert shown == "".join("|" if piece is None else piece for piece in pieces)
    assert len({event.id for event in written}) == len(written)
