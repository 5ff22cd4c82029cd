"""A real database of each kind, with a log, records and tasks to put into it."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ai_orchestrator.base.errors import TemporaryError
from ai_orchestrator.model.events import AgentTextData, EventData, NewEvent
from ai_orchestrator.model.ids import new_task_id
from ai_orchestrator.model.states import SuccessRule
from ai_orchestrator.model.task import RepositorySource, StepView
from ai_orchestrator.model.workflow import WorkflowSpec
from ai_orchestrator.security.redaction import Redactor
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

SPEC = WorkflowSpec(
    name="default",
    description="Implement, review, refine",
    success=SuccessRule.APPROVED_VERIFIED,
    steps=(),
    agents={},
    accounts={},
    prompts={"implement": "Do {{ task }}"},
    verifiers=None,
)
START = datetime(2026, 1, 31, 9, 5, tzinfo=UTC)
SERVER_START_S = 30.0


@dataclass
class TickingClock:
    """Each question comes a millisecond after the one before."""

    at: datetime = START

    def now(self) -> datetime:
        """The next time."""
        self.at += timedelta(milliseconds=1)
        return self.at

    def monotonic_s(self) -> float:
        """Seconds since the start."""
        return (self.at - START).total_seconds()


@dataclass
class Store:
    """Everything of the package around one database."""

    database: Database
    directory: Path
    clock: TickingClock = field(default_factory=TickingClock)
    redactor: Redactor = field(default_factory=Redactor)
    wakeups: Wakeups = field(default_factory=Wakeups)

    def __post_init__(self) -> None:
        self.files = ArtefactFiles(self.directory / "artefacts")
        self.log = EventLog(Sink(self.redactor), self.files, self.clock)
        self.records = SqlRecords(self.database, self.log, self.wakeups)

    def new_task(self, **fields: Any) -> NewTask:
        """A task that was not accepted yet."""
        values: dict[str, Any] = {
            "id": new_task_id(self.clock.now()),
            "principal": "local:me",
            "title": "Add a button",
            "task": "Add a button to the page.",
            "workflow": "default",
            "repository": "/home/me/shop",
            "source": RepositorySource(path="/home/me/shop"),
            "spec": SPEC,
            "context": TaskContext(path_env="/usr/bin", home="/home/me"),
            "epoch": 1,
            "release": "0.1.0",
        }
        return NewTask(**(values | fields))

    def accept(self, **fields: Any) -> str:
        """The id of a task that was accepted."""
        new = self.new_task(**fields)
        return self.database.write(lambda connection: insert_task(connection, self.log, new))

    def count(self, table: str) -> int:
        """Rows of a table."""
        naming = (
            "orchestrator_" if self.database.engine.dialect.name == "sqlite" else "orchestrator."
        )
        return self.database.read(
            lambda connection: int(
                connection.exec_driver_sql(f"SELECT count(*) FROM {naming}{table}").scalar_one()
            )
        )


_numbers = itertools.count()


def an_event(task_id: str, id_: str = "", data: EventData | None = None) -> NewEvent:
    """An event of the first step; without an id it gets one of its own."""
    return NewEvent(
        id=id_ or f"event-{next(_numbers)}",
        task=task_id,
        task_attempt=1,
        data=data or AgentTextData("hello"),
        iteration=1,
        step="implement",
        attempt=1,
    )


def a_step(**fields: Any) -> StepView:
    """An execution of a step that runs."""
    values: dict[str, Any] = {
        "step": "implement",
        "iteration": 1,
        "attempt": 1,
        "kind": "agent",
        "outcome": "running",
        "started_at": START,
    }
    return StepView(**(values | fields))


@pytest.fixture
def event() -> Callable[..., NewEvent]:
    """Makes events."""
    return an_event


@pytest.fixture
def step() -> Callable[..., StepView]:
    """Makes executions of steps."""
    return a_step


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """A new database without tables."""
    if request.param == "sqlite":
        engine = open_database(tmp_path / "db.sqlite")
    else:
        engine = open_database(request.getfixturevalue("postgresql_url"))
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: sa.Engine, tmp_path: Path) -> Iterator[Store]:
    """A store on a new database of each kind."""
    upgrade(engine, tmp_path / "backups")
    store = Store(Database(engine), tmp_path)
    yield store
    store.database.close()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """A store on a new SQLite file."""
    engine = open_database(tmp_path / "db.sqlite")
    upgrade(engine, tmp_path / "backups")
    store = Store(Database(engine), tmp_path)
    yield store
    store.database.close()


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """A new database on the server, dropped afterwards."""
    name = f"test_{next(_numbers)}"
    admin = sa.create_engine(
        postgresql_server.format(name="postgres"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield postgresql_server.format(name=name)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL server on a Unix socket: its URL with a place for the database's name."""
    binaries = _server_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server binaries on this machine")
    user = _unprivileged_user()
    directory = Path(tempfile.mkdtemp(prefix="store-pg-", dir="/tmp"))
    if user is not None:
        shutil.chown(directory, user)
    try:
        yield from _serve(binaries, directory, user)
    finally:
        shutil.rmtree(directory)


def _serve(binaries: Path, directory: Path, user: str | None) -> Iterator[str]:
    data = directory / "data"
    init: list[str | Path] = [binaries / "initdb", "-D", data, "-A", "trust", "-U", "test"]
    init += ["--no-sync", "-E", "UTF8"]
    subprocess.run(init, user=user, check=True, capture_output=True, cwd=directory)
    settings = ("listen_addresses=", "fsync=off", f"unix_socket_directories={directory}")
    options = [argument for setting in settings for argument in ("-c", setting)]
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, *options],
            user=user,
            cwd=directory,
            stdout=log,
            stderr=log,
        )
    url = f"postgresql+psycopg://test@/{{name}}?host={directory}"
    try:
        _wait_until_ready(url.format(name="postgres"), server)
        yield url
    finally:
        server.terminate()
        server.wait(SERVER_START_S)


def _wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    engine = sa.create_engine(url)
    deadline = time.monotonic() + SERVER_START_S
    while True:
        try:
            with engine.connect():
                break
        except sa.exc.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise TemporaryError("PostgreSQL did not start", delay_s=0) from error
            time.sleep(0.05)
    engine.dispose()


def _server_binaries() -> Path | None:
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    if on_path is not None:
        found.append(Path(on_path).resolve().parent)
    return found[-1] if found else None


def _unprivileged_user() -> str | None:
    """The server refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
