"""How the database is opened, and what its transactions promise."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ai_orchestrator.base.errors import (
    BadInputError,
    EnvironmentProblemError,
    InternalError,
    TemporaryError,
)
from ai_orchestrator.store.database import Database
from ai_orchestrator.store.engine import begin_read, begin_write, open_database, open_read_only
from ai_orchestrator.store.events import read_events
from ai_orchestrator.store.views import list_tasks


def test_file_is_made_for_its_owner_only(tmp_path: Path) -> None:
    """The database and its companions can be read by nobody else, whatever the umask."""
    before = os.umask(0)
    engine = open_database(tmp_path / "db.sqlite")
    try:
        with begin_write(engine) as connection:
            connection.exec_driver_sql("CREATE TABLE t (a)")
            names = {path.name for path in tmp_path.iterdir()}
            modes = {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
        engine.dispose()
    assert names == {"db.sqlite", "db.sqlite-wal", "db.sqlite-shm"}
    assert modes == {0o600}


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 30_000)],
)
def test_every_connection_has_its_properties(tmp_path: Path, pragma: str, value: object) -> None:
    """What the durable engine's library sets on its own connections, WAL and FULL (2) beside."""
    engine = open_database(str(tmp_path / "db.sqlite"))
    with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
    engine.dispose()


def test_connections_begin_immediate_after_any_borrower(tmp_path: Path) -> None:
    """A borrower that asked for AUTOCOMMIT leaves nothing behind for the next one."""
    engine = open_database(f"sqlite:///{tmp_path / 'db.sqlite'}")
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql("SELECT 1")
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        assert driver.isolation_level == "IMMEDIATE"
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://u:pw-hidden@h/d", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused(url: str) -> None:
    """The message names what is supported and shows no password."""
    with pytest.raises(BadInputError, match="postgresql://") as caught:
        open_database(url)
    assert "pw-hidden" not in str(caught.value)


@pytest.mark.parametrize("place", ["missing/db.sqlite", "directory", "garbage"])
def test_file_that_cannot_be_used_is_refused(tmp_path: Path, place: str) -> None:
    """A missing folder, a folder in its place, another file: exit 3, the file untouched."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "garbage").write_bytes(b"something else" * 100)
    with pytest.raises(EnvironmentProblemError, match="cannot be opened"):
        open_database(tmp_path / place)
    assert (tmp_path / "garbage").read_bytes() == b"something else" * 100


def test_read_then_write_loses_no_update(engine: sa.Engine, tmp_path: Path) -> None:
    """Transactions that read first and write then follow each other."""
    with begin_write(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE counter (n INTEGER)")
        connection.exec_driver_sql("INSERT INTO counter VALUES (0)")
    suffix = "" if engine.dialect.name == "sqlite" else " FOR UPDATE"

    def count() -> None:
        for _ in range(10):
            with begin_write(engine) as connection:
                n = connection.exec_driver_sql(f"SELECT n FROM counter{suffix}").scalar_one()
                connection.exec_driver_sql(f"UPDATE counter SET n = {n + 1}")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with begin_read(engine) as connection:
        assert connection.exec_driver_sql("SELECT n FROM counter").scalar() == 40


def test_queries_of_one_read_see_one_state(engine: sa.Engine) -> None:
    """What is committed between two queries is not seen by the second."""
    with begin_write(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE t (a INTEGER)")
    with begin_read(engine) as reader:
        assert reader.exec_driver_sql("SELECT count(*) FROM t").scalar() == 0
        with begin_write(engine) as writer:
            writer.exec_driver_sql("INSERT INTO t VALUES (1)")
        assert reader.exec_driver_sql("SELECT count(*) FROM t").scalar() == 0
    with begin_read(engine) as reader:
        assert reader.exec_driver_sql("SELECT count(*) FROM t").scalar() == 1


def test_read_only_sees_what_a_writer_commits_and_cannot_write(sqlite_store: Any) -> None:
    """The fallback of a client reads beside a live runner."""
    engine = open_read_only(sqlite_store.directory / "db.sqlite")
    database = Database(engine)
    task_id = sqlite_store.accept()
    assert [task.id for task in database.read(list_tasks)] == [task_id]
    with pytest.raises(EnvironmentProblemError):
        database.write(lambda c: c.exec_driver_sql("DELETE FROM orchestrator_tasks"))
    database.close()
    assert sqlite_store.count("tasks") == 1


def test_read_only_finds_odd_paths_and_makes_no_file(tmp_path: Path) -> None:
    """A path with URL characters is opened; a missing file is an error and stays missing."""
    folder = tmp_path / "a b?c#d%41"
    folder.mkdir()
    open_database(folder / "db.sqlite").dispose()
    engine = open_read_only(folder / "db.sqlite")
    with begin_read(engine) as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    engine.dispose()
    with pytest.raises(EnvironmentProblemError, match="does not exist"):
        open_read_only(folder / "other.sqlite")
    assert not (folder / "other.sqlite").exists()


def test_killed_writer_leaves_nothing(sqlite_store: Any) -> None:
    """SIGKILL between the changes of a transaction: the next reader sees none of them."""
    task_id = sqlite_store.accept()
    path = sqlite_store.directory / "db.sqlite"
    program = f"""
        import sys, time
        from ai_orchestrator.store.engine import begin_write, open_database
        engine = open_database({str(path)!r})
        with begin_write(engine) as connection:
            connection.exec_driver_sql("UPDATE orchestrator_tasks SET state = 'failed'")
            connection.exec_driver_sql("DELETE FROM orchestrator_events")
            print("changed", flush=True)
            sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"changed\n"
        writer.send_signal(signal.SIGKILL)
    assert sqlite_store.database.read(list_tasks)[0].state == "queued"
    assert len(sqlite_store.database.read(lambda c: read_events(c, task_id))) == 1
    sqlite_store.accept()


def test_busy_database_is_a_temporary_error(tmp_path: Path) -> None:
    """A lock that another process holds too long: trying again may work."""
    engine = open_database(tmp_path / "db.sqlite")
    database = Database(engine)

    def write(connection: sa.Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE t (a)")

    with engine.connect() as connection:  # the same pooled connection is lent again below
        connection.exec_driver_sql("PRAGMA busy_timeout=1")
    with closing(sqlite3.connect(tmp_path / "db.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TemporaryError, match="locked"):
            database.write(write)
    database.write(write)
    database.close()


def test_full_disk_is_a_problem_of_the_environment(tmp_path: Path) -> None:
    """The message says to look at the disk; the transaction is undone."""
    engine = open_database(tmp_path / "db.sqlite")
    database = Database(engine)
    database.write(lambda c: c.exec_driver_sql("CREATE TABLE t (a)"))

    def fill(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count=3")
        connection.exec_driver_sql("INSERT INTO t VALUES (zeroblob(100000))")

    with pytest.raises(EnvironmentProblemError, match="free space"):
        database.write(fill)
    assert database.read(lambda c: c.exec_driver_sql("SELECT count(*) FROM t").scalar()) == 0
    database.close()


def test_defect_shows_no_values(sqlite_store: Any) -> None:
    """An error from the database repeats neither the statement nor what it was given."""

    def write(connection: sa.Connection) -> None:
        statement = sa.text("INSERT INTO orchestrator_tasks (id) VALUES (:id)")
        connection.execute(statement, {"id": "a-secret-value"})

    with pytest.raises(InternalError) as caught:
        sqlite_store.database.write(write)
    assert "a-secret-value" not in f"{caught.value}{caught.value.__cause__}"


async def test_loop_goes_on_while_the_database_waits(tmp_path: Path) -> None:
    """A transaction that waits for a lock does not stop the event loop."""
    engine = open_database(tmp_path / "db.sqlite")
    database = Database(engine)
    go_on = threading.Event()
    waiting = asyncio.create_task(database.write_async(lambda _: go_on.wait(30)))
    others = [asyncio.create_task(database.read_async(_one)) for _ in range(3)]
    assert await asyncio.gather(*others) == [1, 1, 1]
    assert not waiting.done()
    go_on.set()
    assert await waiting
    database.close()


def _one(connection: sa.Connection) -> int:
    return int(connection.exec_driver_sql("SELECT 1").scalar_one())


@pytest.mark.parametrize("module", ["alembic", "dbos", "psycopg"])
def test_sqlite_needs_no_heavy_imports(tmp_path: Path, module: str) -> None:
    """A start on a new and on a current file imports neither Alembic nor PostgreSQL's driver."""
    program = f"""
        import pathlib, sys
        from ai_orchestrator.store.engine import open_database
        from ai_orchestrator.store.schema import upgrade
        for _ in range(2):
            engine = open_database({str(tmp_path / "db.sqlite")!r})
            print(upgrade(engine, pathlib.Path({str(tmp_path)!r})).action)
            engine.dispose()
        sys.exit({module!r} in sys.modules)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "created\ncurrent\n", "")
