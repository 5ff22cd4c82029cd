"""Our rows and the durable engine's in one database, one transaction, one SQLAlchemy engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from dbos import DBOSClient

from ai_orchestrator.store.tables import tables_of
from ai_orchestrator.store.tasks import insert_task


class UndoError(Exception):
    """Ends a transaction without a commit."""


@pytest.fixture
def client(store: Any) -> Iterator[DBOSClient]:
    """A client of the engine's library on the store's own engine; its tables are made."""
    client = DBOSClient(system_database_engine=store.database.engine)
    client._sys_db.run_migrations()
    yield client
    client.destroy()


def _accept(store: Any, client: DBOSClient, connection: sa.Connection) -> str:
    """First our row, then the library's, then another of ours: its settings must not stick."""
    first = insert_task(connection, store.log, store.new_task())
    options: Any = {
        "workflow_name": "run_task",
        "queue_name": "tasks",
        "workflow_id": f"{first}-a1",
    }
    client.enqueue_in_transaction(connection, options, first, 1)
    insert_task(connection, store.log, store.new_task())
    return first


def _workflows(connection: sa.Connection) -> int:
    place = "" if connection.dialect.name == "sqlite" else "dbos."
    query = f"SELECT count(*) FROM {place}workflow_status WHERE status = 'ENQUEUED'"
    return int(connection.exec_driver_sql(query).scalar_one())


def test_acceptance_and_enqueue_are_committed_together(store: Any, client: DBOSClient) -> None:
    """Both of our rows and the library's are there."""
    store.database.write(lambda c: _accept(store, client, c))
    assert store.count("tasks") == 2
    assert store.database.read(_workflows) == 1


def test_acceptance_and_enqueue_are_undone_together(store: Any, client: DBOSClient) -> None:
    """Nothing is left of either."""

    def write(connection: sa.Connection) -> None:
        _accept(store, client, connection)
        raise UndoError

    with pytest.raises(UndoError):
        store.database.write(write)
    assert store.count("tasks") == 0
    assert store.database.read(_workflows) == 0


def test_tables_do_not_meet(store: Any, client: DBOSClient) -> None:
    """No name of ours is one of the library's."""
    names = {table.name for table in tables_of(store.database.engine).metadata.tables.values()}
    schema = None if store.database.engine.dialect.name == "sqlite" else "dbos"
    theirs = set(sa.inspect(store.database.engine).get_table_names(schema=schema))
    assert "workflow_status" in theirs
    if schema is None:
        assert all(name.startswith("orchestrator_") for name in names)
        assert not {name for name in theirs - names if name.startswith("orchestrator_")}
    else:
        assert tables_of(store.database.engine).naming.schema == "orchestrator"
