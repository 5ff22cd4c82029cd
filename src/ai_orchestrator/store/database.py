"""Runs transactions in threads, so that no event loop waits for a disk; turns faults into errors.

One `Database` per process, made by `wiring` around the engine. `write` and `read` block and are
for threads; `write_async` and `read_async` may be awaited in any event loop.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import TypeVar

import sqlalchemy as sa

from ai_orchestrator.base.errors import (
    EnvironmentProblemError,
    InternalError,
    OrchestratorError,
    TemporaryError,
    shorten,
)
from ai_orchestrator.store.engine import begin_read, begin_write

T = TypeVar("T")
Action = Callable[[sa.Connection], T]

_RETRY_S = 1.0
_SQLITE_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_SQLITE_MACHINE = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
    }
)
# Classes of SQLSTATE: connection, serialization and deadlock, operator intervention.
_POSTGRESQL_TEMPORARY = ("08", "40", "57")
_POSTGRESQL_MACHINE = ("53", "58")  # out of disk or memory, system error


class Database:
    """The one database of a process. A failed transaction leaves nothing behind."""

    def __init__(self, engine: sa.Engine, *, workers: int = 4) -> None:
        self.engine = engine
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="store")
        # SQLite has one writer. Threads of ours queue up here, in memory, since its own waiting is
        # sleeping in steps of up to 100 ms.
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else nullcontext()

    def write(self, action: Action[T]) -> T:
        """The action's value; its changes are committed when this returns."""
        with self._turn, _faults_as_errors(), begin_write(self.engine) as connection:
            return action(connection)

    def read(self, action: Action[T]) -> T:
        """The action's value; all its queries see one state of the database."""
        with _faults_as_errors(), begin_read(self.engine) as connection:
            return action(connection)

    async def write_async(self, action: Action[T]) -> T:
        """`write` in a thread. Cancelling does not stop a transaction that has begun."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.write, action)

    async def read_async(self, action: Action[T]) -> T:
        """`read` in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.read, action)

    def close(self) -> None:
        """Waits for running transactions, then closes the connections."""
        self._pool.shutdown(wait=True)
        self.engine.dispose()


@contextmanager
def _faults_as_errors() -> Iterator[None]:
    try:
        yield
    except sa.exc.TimeoutError as error:
        raise TemporaryError(
            "database: no connection became free in time.",
            delay_s=_RETRY_S,
            hint="Too much runs at once; try again.",
        ) from error
    except sa.exc.DBAPIError as error:
        raise _as_error(error) from error


def _as_error(error: sa.exc.DBAPIError) -> OrchestratorError:
    # Only the driver's own text: SQLAlchemy's would repeat the statement.
    text = f"database: {shorten(str(error.orig))}."
    code = getattr(error.orig, "sqlite_errorcode", None)
    state = getattr(error.orig, "sqlstate", None) or ""
    primary = None if code is None else code & 0xFF
    if primary in _SQLITE_BUSY or state.startswith(_POSTGRESQL_TEMPORARY):
        return TemporaryError(text, delay_s=_RETRY_S)
    if error.connection_invalidated:
        return TemporaryError(text, delay_s=_RETRY_S)
    if primary in _SQLITE_MACHINE or state.startswith(_POSTGRESQL_MACHINE):
        return EnvironmentProblemError(
            text, hint="Check the disk of the database: free space, mode, health."
        )
    if isinstance(error, sa.exc.OperationalError) and code is None and not state:
        return TemporaryError(text, delay_s=_RETRY_S, hint="Is the database server up?")
    return InternalError(text)
