"""Brings the database to this release's schema at start; called by `wiring` and `db upgrade`.

Alembic costs 0.3 s to import, so it is imported only for a real upgrade: a current database is
recognised by one query, a new one is made from `tables` at once. A test holds that both ways lead
to the same schema.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from ai_orchestrator.base.errors import EnvironmentProblemError, shorten
from ai_orchestrator.store.engine import begin_write
from ai_orchestrator.store.tables import tables_of

_UPGRADE_LOCK = 7_310_552_118_001  # any number, the same in every release: one upgrade at a time


@dataclass(frozen=True, slots=True)
class Migrations:
    """The migrations that a release knows."""

    directory: Path
    revisions: tuple[str, ...]
    """All in the directory, oldest first; told here so that they are known without Alembic."""

    @property
    def newest(self) -> str:
        """The revision of this release's schema."""
        return self.revisions[-1]


MIGRATIONS = Migrations(Path(__file__).with_name("migrations"), ("0001",))


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """What `upgrade` found and did."""

    action: Literal["current", "created", "upgraded"]
    from_revision: str | None
    backup: Path | None = None
    """Where the SQLite file was copied before it was upgraded."""


def upgrade(
    engine: sa.Engine, backup_dir: Path, migrations: Migrations = MIGRATIONS
) -> SchemaChange:
    """The schema is this release's afterwards; several processes may call it at once.

    An existing SQLite file is copied to `backup_dir` first. Raises `EnvironmentProblemError` for a
    schema of a newer release, which is left as it is, and for a failed backup.
    """
    with engine.connect() as connection:
        revision = read_revision(connection)
    if revision == migrations.newest:
        return SchemaChange("current", revision)
    with begin_write(engine) as connection:
        _wait_for_others(connection)
        return _bring_up(connection, backup_dir, migrations)


def read_revision(connection: sa.Connection) -> str | None:
    """The revision of the schema; None where there is none of ours."""
    tables = tables_of(connection)
    if not sa.inspect(connection).has_table(tables.version.name, schema=tables.naming.schema):
        return None
    revision: str | None = connection.execute(sa.select(tables.version.c.version_num)).scalar()
    return revision


def back_up(source: Path, target: Path) -> None:
    """A consistent copy of a SQLite file that others may be writing to; replaces the target.

    Raises `EnvironmentProblemError`; then an older target is still whole.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            _copy(source, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        _sync(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise EnvironmentProblemError(
            f"backup of {source} to {target}: failed ({shorten(str(error))}).",
            hint="The database was not changed. Free some space and start again.",
        ) from error


def _copy(source: Path, part: Path) -> None:
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(part)) as new:
        old.backup(new)
    _sync(part)


def _bring_up(connection: sa.Connection, backup_dir: Path, migrations: Migrations) -> SchemaChange:
    revision = read_revision(connection)
    if revision is None:
        _create(connection)
        return SchemaChange("created", None)
    if revision == migrations.newest:  # another process was faster
        return SchemaChange("current", revision)
    if revision not in migrations.revisions:
        raise _newer(connection, revision, migrations)
    backup = _back_up_before(
        connection, backup_dir / f"db-{revision}-before-{migrations.newest}.sqlite"
    )
    run_migrations(connection, migrations)
    return SchemaChange("upgraded", revision, backup)


def _create(connection: sa.Connection) -> None:
    tables = tables_of(connection)
    if tables.naming.schema is not None:
        connection.execute(sa.schema.CreateSchema(tables.naming.schema, if_not_exists=True))
    if sa.inspect(connection).has_table(tables.tasks.name, schema=tables.naming.schema):
        raise EnvironmentProblemError(
            f"database {_place(connection)}: has tasks but no {tables.version.name}, so its "
            f"schema cannot be told.",
            hint="Restore it from a backup.",
        )
    tables.metadata.create_all(connection)
    connection.execute(tables.version.insert().values(version_num=MIGRATIONS.newest))


def run_migrations(connection: sa.Connection, migrations: Migrations = MIGRATIONS) -> None:
    """Runs Alembic's migrations, all that are missing, in the connection's transaction."""
    from alembic import command  # noqa: PLC0415 # 0.3 s, needed once per upgrade
    from alembic.config import Config  # noqa: PLC0415 # the same

    config = Config()
    config.set_main_option("script_location", str(migrations.directory).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _back_up_before(connection: sa.Connection, target: Path) -> Path | None:
    """The copy, None where the database is not a file of ours.

    One copy per pair of revisions: an upgrade that fails again and again fills no disk. The write
    lock is held meanwhile, so the copy is what is upgraded.
    """
    database = connection.engine.url.database
    if connection.dialect.name != "sqlite" or database is None:
        return None
    back_up(Path(database), target)
    return target


def _newer(
    connection: sa.Connection, revision: str, migrations: Migrations
) -> EnvironmentProblemError:
    return EnvironmentProblemError(
        f"database {_place(connection)}: has schema {revision}, this release knows "
        f"{migrations.revisions[0]} to {migrations.newest}. A newer release has upgraded it.",
        hint="Start the newer release, or restore the backup made before its upgrade.",
    )


def _place(connection: sa.Connection) -> str:
    url = connection.engine.url
    if connection.dialect.name == "sqlite":
        return str(url.database)
    return url.render_as_string(hide_password=True)


def _wait_for_others(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADE_LOCK)))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
