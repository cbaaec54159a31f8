"""Messages to webhooks, which wait in the database until they are delivered or given up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from service.storage.identifiers import new_id
from service.storage.registry.database import Database
from service.storage.registry.entries import JSON
from service.storage.registry.tables import webhook_messages


class WebhookMessage(NamedTuple):
    """A message to a tenant; attempts: how often its delivery was tried, this time included."""

    id: str
    tenant: str
    body: Mapping[str, Any]
    created_at: datetime
    attempts: int


class WebhookMessages:
    """Adds, claims and deletes messages; every method may raise Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, connection: Connection, tenant: str, body: Mapping[str, JSON]) -> None:
        """Add a message in the caller's transaction, so that it is sent if and only if that is committed."""
        now = self._database.shared_now(connection)
        row = {"id": new_id(), "tenant": tenant, "body": dict(body), "created_at": now, "due_at": now}
        connection.execute(insert(webhook_messages).values(row))

    def claim(self, seconds: float, most: int) -> list[WebhookMessage]:
        """Return messages that are due, oldest first, and keep other servers from sending them for some seconds."""
        row = webhook_messages.c
        with self._database.reading() as connection:
            now = self._database.shared_now(connection)
            due = select(row.id, row.tenant, row.body, row.created_at, row.attempts).where(row.due_at <= now)
            found = [WebhookMessage(*one) for one in connection.execute(due.order_by(row.due_at).limit(most))]
        if not found:
            return []
        claimed = []
        with self._database.writing() as connection:
            until = self._database.shared_now(connection) + timedelta(seconds=seconds)
            for one in found:
                is_mine = (row.id == one.id, row.attempts == one.attempts)
                change = update(webhook_messages).where(*is_mine).values(attempts=one.attempts + 1, due_at=until)
                if connection.execute(change).rowcount:
                    claimed.append(one._replace(attempts=one.attempts + 1))
        return claimed

    def postpone(self, message: WebhookMessage, seconds: float) -> None:
        """Try a claimed message again after some seconds."""
        is_mine = (webhook_messages.c.id == message.id, webhook_messages.c.attempts == message.attempts)
        with self._database.writing() as connection:
            due_at = self._database.shared_now(connection) + timedelta(seconds=seconds)
            connection.execute(update(webhook_messages).where(*is_mine).values(due_at=due_at))

    def delete(self, message: WebhookMessage) -> None:
        """Delete a message that was delivered or given up."""
        with self._database.writing() as connection:
            connection.execute(delete(webhook_messages).where(webhook_messages.c.id == message.id))

    def count(self) -> int:
        """Return the number of waiting messages."""
        with self._database.reading() as connection:
            return connection.execute(select(func.count()).select_from(webhook_messages)).scalar_one()
