"""Alembic's entry: runs migrations on the connection, and inside the transaction, of whoever called."""

from alembic import context

from service.storage.registry.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter most of a table in place: Alembic then copies it.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
