"""Making and upgrading the schema."""

from __future__ import annotations

import re
import sqlite3
import textwrap
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.store.engine import begin_read, begin_write, open_database
from ai_orchestrator.store.schema import (
    MIGRATIONS,
    Migrations,
    SchemaChange,
    back_up,
    read_revision,
    run_migrations,
    upgrade,
)
from ai_orchestrator.store.tables import tables_of

ADD_A_COLUMN = """
    from alembic import op
    import sqlalchemy as sa
    from ai_orchestrator.store.tables import naming_of

    revision = "0002"
    down_revision = "0001"

    def upgrade():
        naming = naming_of(op.get_bind().dialect.name)
        column = sa.Column("colour", sa.Text(), nullable=False, server_default="green")
        op.add_column(naming.table("tasks"), column, schema=naming.schema)
"""
FAIL_IN_THE_MIDDLE = ADD_A_COLUMN + '        raise RuntimeError("the migration has a defect")\n'


def _next_release(directory: Path, second: str) -> Migrations:
    """This release's migrations and one more."""
    for source in MIGRATIONS.directory.rglob("*.py"):
        target = directory / source.relative_to(MIGRATIONS.directory)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    (directory / "versions" / "0002_second.py").write_text(textwrap.dedent(second))
    return Migrations(directory, (*MIGRATIONS.revisions, "0002"))


def _shape(engine: sa.Engine) -> dict[str, Any]:
    """Everything that reflection tells of our tables, in an order that does not matter."""
    inspector = sa.inspect(engine)
    schema = tables_of(engine).naming.schema
    shape: dict[str, Any] = {}
    for name in sorted(inspector.get_table_names(schema=schema)):
        columns = inspector.get_columns(name, schema=schema)
        shape[name] = {
            "columns": [(c["name"], repr(c["type"]), c["nullable"], c["default"]) for c in columns],
            "key": inspector.get_pk_constraint(name, schema=schema),
            "foreign": inspector.get_foreign_keys(name, schema=schema),
            "unique": inspector.get_unique_constraints(name, schema=schema),
            "indexes": inspector.get_indexes(name, schema=schema),
        }
    return shape


def test_new_database_is_made_and_recognised(engine: sa.Engine, tmp_path: Path) -> None:
    """The first start makes the tables, the next one finds them current; nothing is backed up."""
    newest = MIGRATIONS.newest
    assert upgrade(engine, tmp_path / "backups") == SchemaChange("created", None)
    assert upgrade(engine, tmp_path / "backups") == SchemaChange("current", newest)
    with begin_read(engine) as connection:
        assert read_revision(connection) == newest
    assert not (tmp_path / "backups").exists()


def test_tables_equal_all_migrations(
    engine: sa.Engine, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A database made at once and one that went through every migration cannot be told apart."""
    upgrade(engine, tmp_path)
    made = _shape(engine)
    with begin_write(engine) as connection:
        tables = tables_of(connection)
        tables.metadata.drop_all(connection)
        run_migrations(connection)
    migrated = _shape(engine)
    assert len(made) == 7
    assert made == migrated


def test_listed_revisions_are_those_of_the_directory() -> None:
    """The list that is read without Alembic is complete and in order."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS.directory))
    config.set_main_option("path_separator", "newline")
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    assert tuple(script.revision for script in reversed(scripts)) == MIGRATIONS.revisions


def test_starters_at_the_same_time_make_it_once(engine: sa.Engine, tmp_path: Path) -> None:
    """Of four processes that find no tables one makes them, the others wait and go on."""
    url = engine.url.render_as_string(hide_password=False)
    actions: list[str] = []
    barrier = threading.Barrier(4)

    def start() -> None:
        own = open_database(url)
        barrier.wait()
        actions.append(upgrade(own, tmp_path).action)
        own.dispose()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(actions) == ["created", "current", "current", "current"]


def test_older_schema_is_upgraded_after_a_backup(store: Any, tmp_path: Path) -> None:
    """Rows survive, the new column is there, and SQLite's file was copied as it was before."""
    engine = store.database.engine
    task_id = store.accept()
    change = upgrade(engine, tmp_path / "kept", _next_release(tmp_path / "next%", ADD_A_COLUMN))
    assert (change.action, change.from_revision) == ("upgraded", "0001")
    table = "orchestrator_tasks" if engine.dialect.name == "sqlite" else "orchestrator.tasks"
    with begin_read(engine) as connection:
        rows = connection.exec_driver_sql(f"SELECT id, colour FROM {table}").all()
        assert read_revision(connection) == "0002"
    assert [tuple(row) for row in rows] == [(task_id, "green")]
    if engine.dialect.name == "sqlite":
        assert change.backup == tmp_path / "kept" / "db-0001-before-0002.sqlite"
        assert _tasks_in(change.backup) == [task_id]
        assert change.backup.stat().st_mode & 0o777 == 0o600
    else:
        assert change.backup is None


def test_failed_upgrade_leaves_the_database_as_it_was(store: Any, tmp_path: Path) -> None:
    """A migration that breaks off in the middle is undone, so that the older release can go on."""
    engine = store.database.engine
    before = _shape(engine)
    task_id = store.accept()
    following = _next_release(tmp_path / "next", FAIL_IN_THE_MIDDLE)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="has a defect"):
            upgrade(engine, tmp_path / "kept", following)
    assert _shape(engine) == before
    assert upgrade(engine, tmp_path).action == "current"
    assert [task.id for task in store.database.read(_list)] == [task_id]
    if engine.dialect.name == "sqlite":
        assert len(list((tmp_path / "kept").iterdir())) == 1


def _list(connection: sa.Connection) -> Any:
    return connection.execute(sa.select(tables_of(connection).tasks.c.id)).all()


@pytest.mark.parametrize("revision", ["0002", "9999", "odd"])
def test_newer_schema_is_refused(store: Any, tmp_path: Path, revision: str) -> None:
    """Exit 3, the message says what to do, nothing is changed or copied."""
    engine = store.database.engine
    with begin_write(engine) as connection:
        connection.execute(tables_of(connection).version.update().values(version_num=revision))
    with pytest.raises(EnvironmentProblemError, match=f"has schema {revision}") as caught:
        upgrade(engine, tmp_path / "kept")
    assert caught.value.exit_code == 3
    assert "newer release" in caught.value.hint
    assert not (tmp_path / "kept").exists()
    with begin_read(engine) as connection:
        assert read_revision(connection) == revision


def test_tables_without_a_revision_are_refused(store: Any, tmp_path: Path) -> None:
    """A database whose schema cannot be told is not overwritten."""
    engine = store.database.engine
    with begin_write(engine) as connection:
        tables_of(connection).version.drop(connection)
    with pytest.raises(EnvironmentProblemError, match="cannot be told"):
        upgrade(engine, tmp_path)


def test_upgrade_without_a_backup_does_not_happen(sqlite_store: Any, tmp_path: Path) -> None:
    """Where the copy cannot be written, the database stays at its revision."""
    (tmp_path / "kept").write_text("a file in the folder's place")
    following = _next_release(tmp_path / "next", ADD_A_COLUMN)
    with pytest.raises(EnvironmentProblemError, match=re.escape("kept")):
        upgrade(sqlite_store.database.engine, tmp_path / "kept", following)
    with begin_read(sqlite_store.database.engine) as connection:
        assert read_revision(connection) == "0001"


def test_backup_is_whole_while_others_write(sqlite_store: Any, tmp_path: Path) -> None:
    """A copy made under load is a database of its own that passes SQLite's check."""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            sqlite_store.accept()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            target = tmp_path / "kept" / f"{number}.sqlite"
            back_up(sqlite_store.directory / "db.sqlite", target)
            with closing(sqlite3.connect(target)) as copy:
                assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                assert copy.execute(
                    "SELECT count(*) FROM orchestrator_schema_version"
                ).fetchone() == (1,)
    finally:
        stop.set()
        writer.join()
    assert sorted(path.suffix for path in (tmp_path / "kept").iterdir()) == [".sqlite"] * 3


def test_failed_backup_keeps_the_older_one(tmp_path: Path) -> None:
    """A copy of something unreadable replaces nothing and leaves no half file."""
    (tmp_path / "db").write_bytes(b"not a database" * 100)
    (tmp_path / "copy").write_bytes(b"older copy")
    with pytest.raises(EnvironmentProblemError, match="was not changed"):
        back_up(tmp_path / "db", tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "db"]
    assert (tmp_path / "copy").read_bytes() == b"older copy"


def _tasks_in(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as copy:
        return [row[0] for row in copy.execute("SELECT id FROM orchestrator_tasks")]
