"""Alembic's entry, run by `schema.run_migrations` with the open transaction it works in."""

from __future__ import annotations

from alembic import context

from ai_orchestrator.store.tables import tables_of


def run() -> None:
    connection = context.config.attributes["connection"]
    tables = tables_of(connection)
    context.configure(
        connection=connection,
        target_metadata=tables.metadata,
        version_table=tables.version.name,
        version_table_schema=tables.naming.schema,
        include_schemas=tables.naming.schema is not None,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
