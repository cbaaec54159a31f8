"""Leases on jobs, who holds them, and the attempt that made a model."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("models", sa.Column("attempt", sa.Integer(), nullable=False, server_default="0"))
    for column in (
        sa.Column("queue", sa.String(8), nullable=False, server_default="cpu"),
        sa.Column("dispatch", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("executor", sa.String(200)),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("deaths", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("jobs", column)
    op.create_index("ix_jobs_finished_at", "jobs", ["finished_at"])
    op.create_table(
        "executors",
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("instance", sa.String(32), nullable=False),
        sa.Column("queues", sa.String(40), nullable=False),
        sa.Column("alive_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_executors"),
    )


def downgrade() -> None:
    op.drop_table("executors")
    op.drop_index("ix_jobs_finished_at", "jobs")
    for name in ("revision", "deaths", "lease_until", "executor", "dispatch", "queue"):
        op.drop_column("jobs", name)
    op.drop_column("models", "attempt")
