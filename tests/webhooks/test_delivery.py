"""Messages are delivered to a real HTTP server, signed, and at least once."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import orjson
import pytest
from prometheus_client import CollectorRegistry, Counter

from service.storage.registry.entries import JSON
from service.storage.registry.registry import Registry
from service.webhooks import delivery as deliveries
from service.webhooks.delivery import WebhookDelivery, count_deliveries, signed
from service.webhooks.targets import WebhookTarget
from tests.answering_server import AnsweringServer, answering_server
from tests.storage.conftest import Clock

KEY = b"k" * 32
BODY: dict[str, JSON] = {"type": "model.drifting", "data": {"model_id": "a", "name": "größe"}}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(tmp_path: Path, clock: Clock) -> Iterator[Registry]:
    registry = Registry.open(f"sqlite:///{tmp_path}/registry.db", clock=clock)
    with registry.writing() as connection:
        registry.webhook_messages.add(connection, "acme", BODY)
    yield registry
    registry.close()


@pytest.fixture
def receiver() -> Iterator[AnsweringServer]:
    with answering_server(200, b"ok") as server:
        yield server


def send(registry: Registry, url: str, counted: Mapping[str, Counter] | None = None, tenant: str = "acme") -> None:
    targets = {tenant: WebhookTarget(url, KEY)}
    counted = counted or count_deliveries(CollectorRegistry())
    delivery = WebhookDelivery(registry.webhook_messages, targets, counted)

    async def once() -> None:
        async with httpx.AsyncClient() as client:
            await delivery.send_due(client)

    asyncio.run(once())


def test_message_is_sent_once_and_signed(registry: Registry, receiver: AnsweringServer) -> None:
    send(registry, receiver.url + "/hook")
    send(registry, receiver.url + "/hook")
    assert receiver.requests == [("POST", "/hook")]
    headers, body = receiver.received[0]
    assert orjson.loads(body) == BODY
    message_id, sent_at = headers["webhook-id"], headers["webhook-timestamp"]
    assert abs(int(sent_at) - datetime.now(UTC).timestamp()) < 60
    digest = hmac.new(KEY, f"{message_id}.{sent_at}.".encode() + body, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    assert headers["content-type"] == "application/json"
    assert registry.webhook_messages.count() == 0


def test_signature_is_that_of_the_specification() -> None:
    # The example of https://github.com/standard-webhooks/standard-webhooks: its libraries verify it.
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', secret, 1614265330)
    assert found["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_failures_are_tried_again_later_and_given_up_after_a_day(
    registry: Registry, receiver: AnsweringServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status, metrics, sent, began = 500, CollectorRegistry(), 0, clock.now
    counted = count_deliveries(metrics)
    with caplog.at_level(logging.WARNING):
        while registry.webhook_messages.count():
            send(registry, receiver.url, counted)
            clock.now += timedelta(seconds=1)
            send(registry, receiver.url, counted)  # too early
            sent += 1
            assert len(receiver.requests) == sent
            clock.now += timedelta(hours=15)
    assert sent == 8
    assert clock.now - began > timedelta(days=1)
    assert metrics.get_sample_value("forecast_webhook_deliveries_total", {"outcome": "failed"}) == 7
    assert metrics.get_sample_value("forecast_webhook_deliveries_total", {"outcome": "given_up"}) == 1
    assert "is given up after 8 attempts: status 500" in caplog.text
    assert receiver.url not in caplog.text


def test_server_that_comes_back_gets_the_message(registry: Registry, receiver: AnsweringServer, clock: Clock) -> None:
    send(registry, "http://127.0.0.1:9")
    clock.now += timedelta(seconds=6)
    send(registry, receiver.url)
    assert [method for method, _ in receiver.requests] == ["POST"]


def test_message_of_a_killed_server_is_sent_by_another(
    registry: Registry, receiver: AnsweringServer, clock: Clock
) -> None:
    assert len(registry.webhook_messages.claim(60, 10)) == 1  # killed before it was sent
    send(registry, receiver.url)
    assert receiver.requests == []
    clock.now += timedelta(seconds=61)
    send(registry, receiver.url)
    assert len(receiver.requests) == 1


def test_redirects_are_failures(registry: Registry, receiver: AnsweringServer) -> None:
    receiver.status = 302
    send(registry, receiver.url)
    assert registry.webhook_messages.count() == 1


def test_message_of_a_tenant_whose_webhook_is_gone_is_deleted(registry: Registry, receiver: AnsweringServer) -> None:
    metrics = CollectorRegistry()
    send(registry, receiver.url, count_deliveries(metrics), tenant="other")
    assert (receiver.requests, registry.webhook_messages.count()) == ([], 0)
    assert metrics.get_sample_value("forecast_webhook_deliveries_total", {"outcome": "given_up"}) == 1


def test_answer_that_comes_byte_by_byte_is_not_awaited(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte would renew a limit on reading, and the messages of all tenants would wait for this one."""
    monkeypatch.setattr(deliveries, "_TIMEOUT_SECONDS", 0.3)
    ended = threading.Event()

    def trickle(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            # Ten seconds in all, so that the test ends in any case.
            for byte in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 80 + b"\r\n\r\n":
                try:
                    connection.sendall(bytes([byte]))
                except OSError:
                    return
                if ended.wait(0.1):
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver = threading.Thread(target=trickle, args=(listener,))
        receiver.start()
        send(registry, f"http://127.0.0.1:{listener.getsockname()[1]}/")
        ended.set()
        receiver.join()
    assert registry.webhook_messages.count() == 1
