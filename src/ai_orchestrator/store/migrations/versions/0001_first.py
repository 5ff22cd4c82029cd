"""The first schema. Frozen: it repeats `tables` as it was, and imports only the naming."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ai_orchestrator.store.tables import Naming, naming_of

revision = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None

Time = sa.TIMESTAMP | sa.Text


def upgrade() -> None:
    bind = op.get_bind()
    naming = naming_of(bind.dialect.name)
    is_postgresql = bind.dialect.name == "postgresql"
    time: Time = sa.TIMESTAMP(timezone=True) if is_postgresql else sa.Text()
    _tasks(naming, time)
    _attempts(naming, time)
    _events(naming, time)
    _findings(naming, time)
    _credentials(naming)
    _artefacts(naming, time)


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")


def _owner() -> tuple[sa.Column[str], sa.Column[str]]:
    return (
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
    )


def _of_task(naming: Naming, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["task_id"],
        [naming.column("tasks", "id")],
        name=f"fk_{naming.table(table)}_task_id",
        ondelete="CASCADE",
    )


def _key(naming: Naming, table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{naming.table(table)}")


def _tasks(naming: Naming, time: Time) -> None:
    name = naming.table("tasks")
    op.create_table(
        name,
        sa.Column("id", sa.Text(), nullable=False),
        *_owner(),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("task_attempt", sa.Integer(), nullable=False),
        sa.Column("base_commit", sa.Text()),
        sa.Column("final_commit", sa.Text()),
        sa.Column("verified_tree", sa.Text()),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("usage", sa.Text(), nullable=False),
        sa.Column("next_seq", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text()),
        sa.Column("created_at", time, nullable=False),
        sa.Column("updated_at", time, nullable=False),
        sa.Column("finished_at", time),
        sa.Column("applied_at", time),
        sa.Column("applied_how", sa.Text()),
        _key(naming, "tasks", "id"),
        sa.UniqueConstraint(
            "project_id", "principal", "idempotency_key", name=f"uq_{name}_project_id"
        ),
        schema=naming.schema,
    )
    op.create_index(f"ix_{name}_state", name, ["state"], schema=naming.schema)


def _attempts(naming: Naming, time: Time) -> None:
    op.create_table(
        naming.table("attempts"),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("task_attempt", sa.Integer(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        *_owner(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text()),
        sa.Column("account_id", sa.Text()),
        sa.Column("model", sa.Text()),
        sa.Column("session", sa.Text()),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("commit", sa.Text()),
        sa.Column("tree", sa.Text()),
        sa.Column("is_changed", sa.Boolean(), nullable=False),
        sa.Column("usage", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("verifiers", sa.Text(), nullable=False),
        sa.Column("result", sa.Text()),
        sa.Column("started_at", time, nullable=False),
        sa.Column("finished_at", time),
        _key(naming, "attempts", "task_id", "task_attempt", "step", "iteration", "attempt"),
        _of_task(naming, "attempts"),
        schema=naming.schema,
    )


def _events(naming: Naming, time: Time) -> None:
    name = naming.table("events")
    op.create_table(
        name,
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        *_owner(),
        sa.Column("ts", time, nullable=False),
        sa.Column("task_attempt", sa.Integer(), nullable=False),
        sa.Column("iteration", sa.Integer()),
        sa.Column("step", sa.Text()),
        sa.Column("attempt", sa.Integer()),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        _key(naming, "events", "task_id", "seq"),
        _of_task(naming, "events"),
        sa.UniqueConstraint("task_id", "id", name=f"uq_{name}_task_id"),
        schema=naming.schema,
    )


def _findings(naming: Naming, time: Time) -> None:
    op.create_table(
        naming.table("findings"),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("task_attempt", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        *_owner(),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("updated_at", time, nullable=False),
        _key(naming, "findings", "task_id", "task_attempt", "fingerprint"),
        _of_task(naming, "findings"),
        schema=naming.schema,
    )


def _credentials(naming: Naming) -> None:
    op.create_table(
        naming.table("credentials"),
        sa.Column("task_id", sa.Text(), nullable=False),
        *_owner(),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        _key(naming, "credentials", "task_id"),
        _of_task(naming, "credentials"),
        schema=naming.schema,
    )


def _artefacts(naming: Naming, time: Time) -> None:
    name = naming.table("artefacts")
    op.create_table(
        name,
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        *_owner(),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", time, nullable=False),
        _key(naming, "artefacts", "task_id", "digest"),
        _of_task(naming, "artefacts"),
        schema=naming.schema,
    )
    op.create_index(f"ix_{name}_digest", name, ["digest"], schema=naming.schema)
