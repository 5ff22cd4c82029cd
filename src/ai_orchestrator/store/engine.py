"""Opens the database: ours and the durable engine's, one SQLAlchemy engine for both.

`wiring` opens it once per process and hands the same object to the durable engine's library, so
a connection has the properties that library gives its own (`dbos/_sys_db_sqlite.py`, 3.4): SQLite
transactions begin IMMEDIATE, a writer waits up to 30 s, foreign keys are kept. Beyond that we set
WAL (81-92 ms per three-step workflow without, 7-9 ms with) and `synchronous=FULL`: what was said
to be accepted or finished survives a power cut.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import sqlalchemy as sa

from ai_orchestrator.base.errors import BadInputError, EnvironmentProblemError, shorten

if TYPE_CHECKING:
    import psycopg  # not needed, and not imported, on SQLite

BUSY_TIMEOUT_MS = 30_000
POOL_TIMEOUT_S = 30.0
WAL_LIMIT_BYTES = 64 * 1024 * 1024
"""To this size the write-ahead log is cut back after a checkpoint."""
IDLE_IN_TRANSACTION_MS = 60_000
SQLITE_LEAST = (3, 35, 0)  # RETURNING
_POSTGRESQL_DRIVER = "postgresql+psycopg"


def open_database(url_or_path: str | Path) -> sa.Engine:
    """An engine for a SQLite file (made with mode 0600 where missing) or a PostgreSQL URL.

    The caller disposes of it. Raises `EnvironmentProblemError` for a file that cannot be used and
    `BadInputError` for a URL of another kind. A PostgreSQL server is not contacted here.
    """
    if isinstance(url_or_path, str) and "://" in url_or_path:
        url = sa.make_url(url_or_path)
        if url.get_backend_name() == "postgresql":
            return _open_postgresql(url)
        if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
            raise BadInputError(
                f"database URL {url.render_as_string(hide_password=True)}: not supported.",
                hint="Use postgresql://USER@HOST/NAME or the path of a SQLite file.",
            )
        return _open_sqlite(Path(url.database))
    return _open_sqlite(Path(url_or_path))


def open_read_only(path: Path) -> sa.Engine:
    """An engine that can only read an existing SQLite file, whoever else has it open."""
    if not path.is_file():
        raise EnvironmentProblemError(
            f"database {path}: does not exist, so there are no tasks to read."
        )
    url = sa.URL.create(
        "sqlite", database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"}
    )
    engine = sa.create_engine(url, pool_size=4, pool_timeout=POOL_TIMEOUT_S, hide_parameters=True)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: object) -> None:  # noqa: ARG001 # SQLAlchemy's signature
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA query_only=ON")

    return engine


@contextmanager
def begin_write(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that may read before it writes; committed at the end, undone by an error.

    On SQLite the write lock is taken at once. The driver by itself would begin only at the first
    change, and what was read before it could be outdated.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection


@contextmanager
def begin_read(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction whose queries all see the same state of the database."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def _open_sqlite(path: Path) -> sa.Engine:
    if sqlite3.sqlite_version_info < SQLITE_LEAST:
        raise EnvironmentProblemError(
            f"SQLite {sqlite3.sqlite_version} of this Python is too old: 3.35 or newer is needed.",
            hint="Use a newer Python, or PostgreSQL.",
        )
    _prepare_file(path)
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        pool_size=8,
        max_overflow=24,  # the durable engine runs each blocking call in a thread of its own
        pool_timeout=POOL_TIMEOUT_S,
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: object) -> None:  # noqa: ARG001 # SQLAlchemy's signature
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT_BYTES}")

    @sa.event.listens_for(engine, "checkout")
    def lend(connection: sqlite3.Connection, record: object, proxy: object) -> None:  # noqa: ARG001 # SQLAlchemy's signature
        # Set at each loan: SQLAlchemy leaves "" behind where a borrower had set AUTOCOMMIT.
        connection.isolation_level = "IMMEDIATE"

    return engine


def _prepare_file(path: Path) -> None:
    """Makes the file readable by its owner only, before SQLite would, and switches WAL on."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)) as connection:
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    except (OSError, sqlite3.Error) as error:
        raise EnvironmentProblemError(
            f"database {path}: cannot be opened ({shorten(str(error))}).",
            hint="Check the data directory, its mode and the free space.",
        ) from error
    if mode != "wal":
        raise EnvironmentProblemError(
            f"database {path}: its file system does not support SQLite's write-ahead log.",
            hint="Set AI_ORCHESTRATOR_HOME to a directory on a local disk.",
        )


def _open_postgresql(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(
        url.set(drivername=_POSTGRESQL_DRIVER),
        pool_size=5,
        max_overflow=5,
        pool_timeout=POOL_TIMEOUT_S,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"connect_timeout": 10, "application_name": "ai-orchestrator"},
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: psycopg.Connection, record: object) -> None:  # noqa: ARG001 # SQLAlchemy's signature
        # A session that stopped inside a transaction would hold a task's row lock for ever.
        with connection.cursor() as cursor:
            cursor.execute(f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS}")
        connection.commit()  # the pool's rollback would undo it

    return engine
