"""The registry's tables, step by step (Alembic); ``Registry.open`` runs what is missing."""
