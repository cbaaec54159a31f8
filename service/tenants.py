"""Tenants: whose models, jobs, names and idempotency keys are kept apart."""

from __future__ import annotations

DEFAULT_TENANT = "default"
"""Owns what there was before there were tenants, and what comes in where no keys are configured."""

TENANT_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""What the name of a tenant looks like."""

LONGEST_TENANT = 63
"""Most characters of such a name."""
