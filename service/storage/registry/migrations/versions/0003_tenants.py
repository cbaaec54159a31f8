"""Whose models, jobs and idempotency keys are; what there was is the default tenant's."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Lists, each of one tenant from here on.
_LISTS = {
    "models": (
        ("created_at", "id"),
        ("name", "created_at", "id"),
        ("status", "created_at", "id"),
        ("name", "status", "created_at", "id"),
    ),
    "jobs": (("created_at", "id"),),
}
_BY_STATUS = ("tenant", "status", "created_at", "id")


def upgrade() -> None:
    for table, lists in _LISTS.items():
        op.add_column(table, _tenant())
        for columns in lists:
            op.drop_index(_index(table, columns), table)
            _create_index(table, ("tenant", *columns))
    _create_index("jobs", _BY_STATUS)
    with op.batch_alter_table("idempotency_keys") as keys:
        keys.drop_constraint("pk_idempotency_keys", type_="primary")
        keys.add_column(_tenant())
        keys.create_primary_key("pk_idempotency_keys", ["tenant", "key"])


def downgrade() -> None:
    # A key that several tenants use cannot stay; it is good for a day at most.
    op.execute(sa.text("DELETE FROM idempotency_keys WHERE tenant <> 'default'"))
    with op.batch_alter_table("idempotency_keys") as keys:
        keys.drop_constraint("pk_idempotency_keys", type_="primary")
        keys.drop_column("tenant")
        keys.create_primary_key("pk_idempotency_keys", ["key"])
    op.drop_index(_index("jobs", _BY_STATUS), "jobs")
    for table, lists in _LISTS.items():
        for columns in lists:
            op.drop_index(_index(table, ("tenant", *columns)), table)
            _create_index(table, columns)
        op.drop_column(table, "tenant")


def _tenant() -> sa.Column[str]:
    return sa.Column("tenant", sa.String(63), nullable=False, server_default="default")


def _index(table: str, columns: tuple[str, ...]) -> str:
    return "_".join(("ix", table, *columns))


def _create_index(table: str, columns: tuple[str, ...]) -> None:
    op.create_index(_index(table, columns), table, list(columns))
