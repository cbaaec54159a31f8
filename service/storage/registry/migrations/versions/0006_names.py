"""What names mean: which of them are pinned to a model, and their histories. A name without a row means what it did."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "names",
        sa.Column("tenant", sa.String(63), nullable=False, server_default="default"),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("model_id", sa.String(32)),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(80)),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_names_model_id"),
        sa.PrimaryKeyConstraint("tenant", "name", name="pk_names"),
    )
    op.create_index("ix_names_model_id", "names", ["model_id"])
    op.create_index("ix_names_changed_at", "names", ["changed_at"])
    op.create_table(
        "name_moves",
        sa.Column("tenant", sa.String(63), nullable=False, server_default="default"),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("model_id", sa.String(32)),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True)),
        sa.Column("moved_by", sa.String(80)),
        sa.Column("previous", sa.Integer()),
        sa.Column("following_since", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["tenant", "name"], ["names.tenant", "names.name"], name="fk_name_moves_tenant", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant", "name", "revision", name="pk_name_moves"),
    )


def downgrade() -> None:
    op.drop_table("name_moves")
    op.drop_table("names")
