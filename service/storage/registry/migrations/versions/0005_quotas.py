"""How many bytes each model's training input has in the store, for a tenant's quota."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("models", sa.Column("input_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index(
        "ix_models_tenant_size_bytes_input_bytes", "models", ["tenant", "size_bytes", "input_bytes"], unique=False
    )


def downgrade() -> None:
    op.drop_index("ix_models_tenant_size_bytes_input_bytes", table_name="models")
    op.drop_column("models", "input_bytes")
