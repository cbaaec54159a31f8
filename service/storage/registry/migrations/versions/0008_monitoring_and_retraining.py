"""Monitoring and retraining of models: lines of descent, policies, what was found, and messages to be delivered."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("models", sa.Column("parent_id", sa.String(32), nullable=True))
    op.add_column("models", sa.Column("root_id", sa.String(32), nullable=True))
    op.add_column("models", sa.Column("beaten", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("models", sa.Column("adaptive", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("models", sa.Column("retrain", sa.JSON(), nullable=True))
    op.add_column("models", sa.Column("retrain_due_at", _TIME, nullable=True))
    op.add_column("models", sa.Column("monitored_revision", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_models_root_id_created_at_id", "models", ["root_id", "created_at", "id"])
    op.create_index("ix_models_retrain_due_at", "models", ["retrain_due_at"])
    unmonitored = sa.text("series_revision > monitored_revision AND status = 'ready'")
    op.create_index("ix_models_unmonitored", "models", ["id"], sqlite_where=unmonitored, postgresql_where=unmonitored)
    op.create_table(
        "monitoring",
        sa.Column("model_id", sa.String(32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_monitoring_model_id_models", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", name="pk_monitoring"),
    )
    op.create_index("ix_monitoring_status_changed_at", "monitoring", ["status", "changed_at"])
    op.create_table(
        "webhook_messages",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("tenant", sa.String(63), nullable=False, server_default="default"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_messages"),
    )
    op.create_index("ix_webhook_messages_due_at", "webhook_messages", ["due_at"])


def downgrade() -> None:
    op.drop_table("webhook_messages")
    op.drop_table("monitoring")
    op.drop_index("ix_models_unmonitored", "models")
    op.drop_index("ix_models_retrain_due_at", "models")
    op.drop_index("ix_models_root_id_created_at_id", "models")
    for column in (
        "monitored_revision",
        "retrain_due_at",
        "retrain",
        "adaptive",
        "beaten",
        "root_id",
        "parent_id",
    ):
        op.drop_column("models", column)
