"""Our tables, once per database kind; every query of this package starts from `tables_of`.

On SQLite they stand beside the durable engine's tables in one file and carry a prefix; on
PostgreSQL they have a schema of their own. `naming_of` is the only place that knows. A switch by
`schema_translate_map` would not do: the engine's library sets that map on connections we share.

A change here needs a migration; a test compares both by reflection.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.review import LedgerEntry, VerifierResult
from ai_orchestrator.model.states import OutcomeCode, TaskState
from ai_orchestrator.model.task import RepositorySource
from ai_orchestrator.model.workflow import WorkflowSpec
from ai_orchestrator.store.columns import JsonText, UtcTimestamp, WordText


class TaskContext(msgspec.Struct, frozen=True):
    """What the client sent of its surroundings; never a secret."""

    path_env: str
    home: str


@dataclass(frozen=True, slots=True)
class Naming:
    """How our tables are told from others in the same database."""

    schema: str | None
    prefix: str

    def table(self, name: str) -> str:
        """The table's name, without the schema."""
        return self.prefix + name

    def column(self, table: str, column: str) -> str:
        """A column as the target of a foreign key."""
        qualified = f"{self.table(table)}.{column}"
        return f"{self.schema}.{qualified}" if self.schema else qualified


def naming_of(dialect_name: str) -> Naming:
    """The naming for a SQLAlchemy dialect."""
    if dialect_name == "sqlite":
        return Naming(schema=None, prefix="orchestrator_")
    if dialect_name == "postgresql":
        return Naming(schema="orchestrator", prefix="")
    raise ValueError(f"no tables for the database kind {dialect_name!r}: sqlite or postgresql")


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one database kind."""

    naming: Naming
    metadata: sa.MetaData
    tasks: sa.Table
    attempts: sa.Table
    events: sa.Table
    findings: sa.Table
    credentials: sa.Table
    artefacts: sa.Table
    version: sa.Table
    """Alembic's table: one row with the revision of the schema."""


def tables_of(database: sa.Connection | sa.Engine) -> Tables:
    """The tables as this database names them."""
    return _build(database.dialect.name)


def insert_if_absent(connection: sa.Connection, table: sa.Table, values: dict[str, Any]) -> bool:
    """Inserts one row unless a unique key of it is taken; whether it was inserted."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table).values(values).on_conflict_do_nothing()
    return connection.execute(statement.returning(sa.literal(1))).first() is not None


@cache
def _build(dialect_name: str) -> Tables:
    naming = naming_of(dialect_name)
    metadata = sa.MetaData(
        schema=naming.schema,
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ix": "ix_%(table_name)s_%(column_0_name)s",
        },
    )
    return Tables(
        naming=naming,
        metadata=metadata,
        tasks=_tasks(metadata, naming),
        attempts=_attempts(metadata, naming),
        events=_events(metadata, naming),
        findings=_findings(metadata, naming),
        credentials=_credentials(metadata, naming),
        artefacts=_artefacts(metadata, naming),
        version=_version(metadata, naming),
    )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _text_or_null(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=True)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


def _owner() -> tuple[sa.Column[str], sa.Column[str]]:
    return _text("project_id"), _text("principal")


def _task_id(naming: Naming, *, is_key: bool) -> sa.Column[str]:
    target = sa.ForeignKey(naming.column("tasks", "id"), ondelete="CASCADE")
    return sa.Column("task_id", sa.Text, target, primary_key=is_key, nullable=False)


def _tasks(metadata: sa.MetaData, naming: Naming) -> sa.Table:
    return sa.Table(
        naming.table("tasks"),
        metadata,
        sa.Column("id", sa.Text, primary_key=True),
        *_owner(),
        _text("title"),
        _text("task"),
        sa.Column("state", WordText(TaskState), nullable=False),
        sa.Column("outcome", WordText(OutcomeCode)),
        _text("reason"),
        _text("workflow"),
        _text("repository"),
        sa.Column("source", JsonText(RepositorySource), nullable=False),
        sa.Column("spec", JsonText(WorkflowSpec), nullable=False),
        sa.Column("context", JsonText(TaskContext), nullable=False),
        _number("task_attempt"),
        _text_or_null("base_commit"),
        _text_or_null("final_commit"),
        _text_or_null("verified_tree"),
        _text("branch"),
        sa.Column("notes", JsonText(tuple[str, ...]), nullable=False),
        sa.Column("usage", JsonText(Usage), nullable=False),
        sa.Column("next_seq", sa.BigInteger, nullable=False),
        _number("epoch"),
        _text("release"),
        _text_or_null("idempotency_key"),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Column("updated_at", UtcTimestamp, nullable=False),
        sa.Column("finished_at", UtcTimestamp),
        sa.Column("applied_at", UtcTimestamp),
        _text_or_null("applied_how"),
        sa.UniqueConstraint("project_id", "principal", "idempotency_key"),
        sa.Index(None, "state"),
    )


def _attempts(metadata: sa.MetaData, naming: Naming) -> sa.Table:
    return sa.Table(
        naming.table("attempts"),
        metadata,
        _task_id(naming, is_key=True),
        sa.Column("task_attempt", sa.Integer, primary_key=True),
        sa.Column("step", sa.Text, primary_key=True),
        sa.Column("iteration", sa.Integer, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        *_owner(),
        _text("kind"),
        _text_or_null("agent"),
        _text_or_null("account_id"),
        _text_or_null("model"),
        _text_or_null("session"),
        _text("how"),
        _text("outcome"),
        _text_or_null("commit"),
        _text_or_null("tree"),
        sa.Column("is_changed", sa.Boolean, nullable=False),
        sa.Column("usage", JsonText(Usage), nullable=False),
        _text("reason"),
        sa.Column("verifiers", JsonText(tuple[VerifierResult, ...]), nullable=False),
        _text_or_null("result"),
        sa.Column("started_at", UtcTimestamp, nullable=False),
        sa.Column("finished_at", UtcTimestamp),
    )


def _events(metadata: sa.MetaData, naming: Naming) -> sa.Table:
    return sa.Table(
        naming.table("events"),
        metadata,
        _task_id(naming, is_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        _text("id"),
        *_owner(),
        sa.Column("ts", UtcTimestamp, nullable=False),
        _number("task_attempt"),
        sa.Column("iteration", sa.Integer),
        _text_or_null("step"),
        sa.Column("attempt", sa.Integer),
        _text("type"),
        _text("data"),
        sa.UniqueConstraint("task_id", "id"),
    )


def _findings(metadata: sa.MetaData, naming: Naming) -> sa.Table:
    return sa.Table(
        naming.table("findings"),
        metadata,
        _task_id(naming, is_key=True),
        sa.Column("task_attempt", sa.Integer, primary_key=True),
        sa.Column("fingerprint", sa.Text, primary_key=True),
        *_owner(),
        _number("position"),
        sa.Column("entry", JsonText(LedgerEntry), nullable=False),
        sa.Column("updated_at", UtcTimestamp, nullable=False),
    )


def _credentials(metadata: sa.MetaData, naming: Naming) -> sa.Table:
    return sa.Table(
        naming.table("credentials"),
        metadata,
        _task_id(naming, is_key=True),
        *_owner(),
        sa.Column("ciphertext", sa.LargeBinary, nullable=False),
    )


def _artefacts(metadata: sa.MetaData, naming: Naming) -> sa.Table:
    return sa.Table(
        naming.table("artefacts"),
        metadata,
        _task_id(naming, is_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        *_owner(),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Index(None, "digest"),
    )


def _version(metadata: sa.MetaData, naming: Naming) -> sa.Table:
    name = naming.table("schema_version")
    return sa.Table(
        name,
        metadata,
        # Name, type and constraint as Alembic makes them itself.
        sa.Column("version_num", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("version_num", name=f"{name}_pkc"),
    )
