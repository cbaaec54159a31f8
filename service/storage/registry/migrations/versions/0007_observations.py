"""Observations of models: changes of their series since the training, and the file that holds the earlier ones."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BYTES = "ix_models_tenant_size_bytes_input_bytes_series_bytes"


def upgrade() -> None:
    op.add_column("models", sa.Column("series_revision", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("models", sa.Column("series_file", sa.String(32), nullable=True))
    op.add_column("models", sa.Column("series_file_revision", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("models", sa.Column("series_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.drop_index("ix_models_tenant_size_bytes_input_bytes", table_name="models")
    op.create_index(_BYTES, "models", ["tenant", "size_bytes", "input_bytes", "series_bytes"])
    op.create_table(
        "observations",
        sa.Column("model_id", sa.String(32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("change", sa.JSON(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name="fk_observations_model_id_models", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("model_id", "revision", name="pk_observations"),
    )
    op.create_table(
        "observation_keys",
        sa.Column("model_id", sa.String(32), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request_hash", sa.String(128), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name="fk_observation_keys_model_id_models", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("model_id", "key", name="pk_observation_keys"),
    )
    op.create_index("ix_observation_keys_created_at", "observation_keys", ["created_at"])
    op.create_table(
        "replaced_series_files",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_replaced_series_files"),
    )
    op.create_index("ix_replaced_series_files_replaced_at", "replaced_series_files", ["replaced_at"])


def downgrade() -> None:
    op.drop_table("replaced_series_files")
    op.drop_table("observation_keys")
    op.drop_table("observations")
    op.drop_index(_BYTES, table_name="models")
    op.create_index("ix_models_tenant_size_bytes_input_bytes", "models", ["tenant", "size_bytes", "input_bytes"])
    for column in ("series_bytes", "series_file_revision", "series_file", "series_revision"):
        op.drop_column("models", column)
