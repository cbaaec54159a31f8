"""Idempotency keys: a request sent twice with the same key starts only one training.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from service.errors import IdempotencyKeyReused
from service.storage.registry.tables import idempotency_keys

KEY_LIFETIME = timedelta(hours=24)


def find_job_of_key(connection: Connection, tenant: str, key: str, request_hash: str, now: datetime) -> str | None:
    """Return the ID of the job that a tenant's key started in the last 24 hours, or None.

    Raises IdempotencyKeyReused if the key was used with another request.
    """
    query = select(idempotency_keys.c.request_hash, idempotency_keys.c.job_id).where(
        idempotency_keys.c.tenant == tenant,
        idempotency_keys.c.key == key,
        idempotency_keys.c.created_at > now - KEY_LIFETIME,
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    if row.request_hash != request_hash:
        raise IdempotencyKeyReused(
            "This idempotency key came with another request in the last 24 hours. "
            "Send a new key, or the same request again."
        )
    return str(row.job_id)


def remember_key(connection: Connection, tenant: str, key: str, request_hash: str, job_id: str, now: datetime) -> None:
    """Store a key with the job it started. Raises IntegrityError if a concurrent request has stored the key."""
    connection.execute(
        insert(idempotency_keys).values(
            tenant=tenant, key=key, request_hash=request_hash, job_id=job_id, created_at=now
        )
    )


def forget_old_keys(connection: Connection, now: datetime) -> None:
    """Delete keys older than 24 hours."""
    connection.execute(delete(idempotency_keys).where(idempotency_keys.c.created_at <= now - KEY_LIFETIME))
