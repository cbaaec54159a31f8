"""Deliver messages to webhooks, signed as https://www.standardwebhooks.com specifies, at least once each.

A receiver checks the signature, and recognises a message that arrives twice by its ``webhook-id``.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import time
from collections.abc import Mapping
from typing import NoReturn

import httpx
import orjson
from prometheus_client import CollectorRegistry, Counter

from service.errors import Unavailable
from service.storage.registry.maintenance.webhook_messages import WebhookMessage, WebhookMessages
from service.telemetry.logs import reason
from service.webhooks.targets import WebhookTarget

logger = logging.getLogger(__name__)

_POLL_SECONDS = 2.0
_TIMEOUT_SECONDS = 10.0
# Another server may send a message again if this one has not reported it by then.
_CLAIM_SECONDS = 60.0
_AT_ONCE = 16
# Between the attempts: about a day in all.
_PAUSES = (5, 30, 120, 600, 3600, 6 * 3600, 14 * 3600)


def count_deliveries(registry: CollectorRegistry) -> Mapping[str, Counter]:
    """Return a counter of deliveries for each outcome, exposed by a registry."""
    meaning = "Attempts to deliver a message to a webhook, by outcome; given_up: none is left, or the webhook is gone."
    counter = Counter("forecast_webhook_deliveries", meaning, ("outcome",), registry=registry)
    return {name: counter.labels(name) for name in ("delivered", "failed", "given_up")}


class WebhookDelivery:
    """Sends waiting messages from this server; several servers share the work.

    targets: by tenant; counted: see `count_deliveries`.
    """

    def __init__(
        self, messages: WebhookMessages, targets: Mapping[str, WebhookTarget], counted: Mapping[str, Counter]
    ) -> None:
        self._messages, self._targets, self._counted = messages, targets, counted

    async def run(self) -> NoReturn:
        """Send what is due every two seconds, until cancelled."""
        # Redirects are not followed: they could lead into the operator's network.
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as client:
            while True:
                await asyncio.sleep(_POLL_SECONDS)
                try:
                    await self.send_due(client)
                except Unavailable:
                    continue
                except Exception as error:
                    logger.warning("webhooks cannot be served: %s", reason(error), exc_info=True)

    async def send_due(self, client: httpx.AsyncClient) -> None:
        """Send the messages that are due. Raises Unavailable."""
        claimed = await asyncio.to_thread(self._messages.claim, _CLAIM_SECONDS, _AT_ONCE)
        ended = await asyncio.gather(*(self._send(client, one) for one in claimed), return_exceptions=True)
        # After all have ended, so that none goes on unobserved.
        for error in ended:
            if error is not None:
                raise error

    async def _send(self, client: httpx.AsyncClient, message: WebhookMessage) -> None:
        target = self._targets.get(message.tenant)
        if target is None:
            self._counted["given_up"].inc()
            logger.warning("message %s is given up: tenant %s has no webhook any more", message.id, message.tenant)
            await asyncio.to_thread(self._messages.delete, message)
            return
        body = orjson.dumps(message.body)
        headers = {"content-type": "application/json", **signed(message.id, body, target.secret, int(time.time()))}
        try:
            # The client's own limit counts anew with each byte. Only the status is read: a long body must not fill
            # the memory.
            async with (
                asyncio.timeout(_TIMEOUT_SECONDS),
                client.stream("POST", target.url, content=body, headers=headers) as answer,
            ):
                failure = None if answer.is_success else f"status {answer.status_code}"
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            failure = type(error).__name__
        if failure is None:
            self._counted["delivered"].inc()
            await asyncio.to_thread(self._messages.delete, message)
            return
        await self._failed(message, failure)

    async def _failed(self, message: WebhookMessage, failure: str) -> None:
        if message.attempts > len(_PAUSES):
            self._counted["given_up"].inc()
            detail = "message %s to the webhook of tenant %s is given up after %d attempts: %s"
            logger.error(detail, message.id, message.tenant, message.attempts, failure)
            await asyncio.to_thread(self._messages.delete, message)
            return
        self._counted["failed"].inc()
        pause = _PAUSES[message.attempts - 1]
        detail = "message %s to the webhook of tenant %s failed (%s) and is tried again in %d s"
        logger.warning(detail, message.id, message.tenant, failure, pause)
        await asyncio.to_thread(self._messages.postpone, message, pause)


def signed(message_id: str, body: bytes, secret: bytes, timestamp: int) -> dict[str, str]:
    """Return the headers of a message: its ID, the time in Unix seconds, and the HMAC-SHA256 of these and the body."""
    signature = hmac.new(secret, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
