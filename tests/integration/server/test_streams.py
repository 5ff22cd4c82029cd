"""Streams of events that their readers leave: nothing of a reader stays behind in the server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn

from ai_orchestrator.api.app import build_app
from ai_orchestrator.base.clock import SystemClock
from ai_orchestrator.model.events import AgentTextData, NewEvent
from ai_orchestrator.model.ids import new_task_id
from ai_orchestrator.model.states import SuccessRule, TaskState
from ai_orchestrator.model.task import RepositorySource
from ai_orchestrator.model.workflow import WorkflowSpec
from ai_orchestrator.security.redaction import Redactor
from ai_orchestrator.services.server import ServerService
from ai_orchestrator.services.tasks import TaskService
from ai_orchestrator.store.artefacts import ArtefactFiles
from ai_orchestrator.store.database import Database
from ai_orchestrator.store.engine import open_database
from ai_orchestrator.store.events import EventLog
from ai_orchestrator.store.records import SqlRecords
from ai_orchestrator.store.schema import upgrade
from ai_orchestrator.store.sink import Sink
from ai_orchestrator.store.tables import TaskContext
from ai_orchestrator.store.tasks import NewTask, insert_task
from ai_orchestrator.store.wakeups import Wakeups

LIMIT_S = 20.0


class Site:
    """The API over a real store, without an engine: what streams need and no more."""

    http: uvicorn.Server

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "api.sock"
        engine = open_database(directory / "db.sqlite")
        upgrade(engine, directory / "backups")
        self.database = Database(engine)
        self.log = EventLog(Sink(Redactor()), ArtefactFiles(directory / "a"), SystemClock())
        self.wakeups = Wakeups()
        self.records = SqlRecords(self.database, self.log, self.wakeups)
        self.open_requests = 0
        self.task_id = self._accept()

    def _accept(self) -> str:
        spec = WorkflowSpec("w", "", SuccessRule.VERIFIED, (), {}, {}, {}, None)
        new = NewTask(
            id=new_task_id(self.log.clock.now()),
            principal="local:me",
            title="t",
            task="t",
            workflow="w",
            repository="/r",
            source=RepositorySource(path="/r"),
            spec=spec,
            context=TaskContext("", ""),
            epoch=1,
            release="0.1.0",
        )
        return self.database.write(lambda connection: insert_task(connection, self.log, new))

    def app(self) -> Any:
        """The application; only streams may be asked of it."""
        nothing = cast("Any", None)
        tasks = TaskService(
            database=self.database,
            log=self.log,
            records=self.records,
            engine=nothing,
            acceptance=nothing,
            changes=nothing,
            removal=nothing,
            encrypt=nothing,
            settle_cancelled=nothing,
        )
        return build_app(tasks, cast("ServerService", None), self._count)

    def _count(self, change: int) -> None:
        self.open_requests += change

    async def say(self, text: str) -> None:
        """One more event of the task."""
        event = NewEvent(f"e-{text}", self.task_id, 1, AgentTextData(text))
        await self.records.emit([event])

    async def follow(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A reader of the stream that has seen the first event."""
        reader, writer = await asyncio.open_unix_connection(str(self.socket))
        path = f"/api/v1/tasks/{self.task_id}/events?follow=true"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await asyncio.wait_for(reader.readuntil(b'"task.state"'), LIMIT_S)
        return reader, writer

    async def until(self, subscriptions: int, open_requests: int) -> None:
        """Waits for so many readers."""
        async with asyncio.timeout(LIMIT_S):
            while (self.wakeups.count, self.open_requests) != (subscriptions, open_requests):
                await asyncio.sleep(0.01)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """The API on a socket."""
    site = Site(tmp_path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(site.socket))
    config = uvicorn.Config(
        site.app(), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    http = uvicorn.Server(config)
    site.http = http
    serving = asyncio.create_task(http._serve(sockets=[listener]))
    yield site
    http.should_exit = True
    await asyncio.wait_for(serving, LIMIT_S)
    listener.close()
    site.database.close()


async def test_a_reader_that_hangs_up_is_forgotten(site: Site) -> None:
    """Also one that is only waiting: nothing more may come for hours."""
    readers = [await site.follow() for _ in range(3)]
    await site.until(3, 3)
    readers[0][1].close()
    await site.until(2, 2)
    readers[1][1].transport.abort()
    await site.until(1, 1)
    readers[2][1].close()
    await site.until(0, 0)


async def test_a_reader_that_reads_nothing_holds_nobody_up(site: Site) -> None:
    """A frozen terminal keeps its own connection, and no event from the others."""
    _, frozen = await site.follow()
    cast("asyncio.Transport", frozen.transport).pause_reading()
    reader, writer = await site.follow()
    big = "x" * 12_000
    for number in range(100):
        await site.say(f"{big}{number}")
    await asyncio.wait_for(_until_seen(reader, b"x99"), LIMIT_S)
    frozen.transport.abort()
    writer.close()
    await site.until(0, 0)


async def _until_seen(reader: asyncio.StreamReader, wanted: bytes) -> None:
    tail = b""
    while wanted not in tail:
        tail = tail[-100:] + await reader.read(65_536)


async def test_the_stream_of_a_task_ends_with_the_task(site: Site) -> None:
    """Readers need not know what an end looks like."""
    reader, writer = await site.follow()
    await site.records.set_state(site.task_id, TaskState.RUNNING)
    await site.records.set_state(site.task_id, TaskState.SUCCEEDED, reason="done")
    rest = await asyncio.wait_for(reader.readuntil(b"\r\n0\r\n\r\n"), LIMIT_S)
    assert b'"state":"succeeded"' in rest
    await site.until(0, 0)
    writer.close()


async def test_readers_do_not_keep_a_server_from_ending(site: Site) -> None:
    """They are cut off, and take up where they were at the next server."""
    reader, writer = await site.follow()
    await site.until(1, 1)
    site.http.should_exit = True
    await asyncio.wait_for(reader.read(), LIMIT_S)
    await site.until(0, 0)
    writer.close()
