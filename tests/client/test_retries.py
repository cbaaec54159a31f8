"""Requests are sent again where that helps, and only then."""

from __future__ import annotations

from email.utils import formatdate
from uuid import UUID

import pytest

from examples.server import free_port
from service.client import Client, Unreachable
from service.client import connection as policy
from service.client.problems import error_of
from service.errors import ModelNotFound, ServiceError
from tests.client.data import QUICK, daily
from tests.client.faulty_proxy import Fault, FaultyProxy


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "_FIRST", 0.01)


@pytest.mark.parametrize("fault", ["busy", "limited", "bad-gateway", "cut", "cut-after"])
def test_what_passes_is_tried_again(proxy: FaultyProxy, fault: Fault) -> None:
    proxy.fail(fault, fault)
    assert isinstance(Client(proxy.url).models(limit=1), list)
    assert [one.fault for one in proxy.seen] == [fault, fault, None]


def test_the_last_refusal_is_raised(proxy: FaultyProxy) -> None:
    proxy.fail("busy", "busy", "busy")
    with pytest.raises(ServiceError, match="answered 503") as caught:
        Client(proxy.url, retries=2).models()
    assert caught.value.status == 503
    assert len(proxy.seen) == 3


def test_what_is_wrong_is_not_tried_again(proxy: FaultyProxy) -> None:
    with pytest.raises(ModelNotFound):
        Client(proxy.url).model("no such model")
    assert all("no%20such" in one.path or "no+such" in one.path for one in proxy.seen)
    assert len(proxy.seen) == 2


def test_a_training_whose_answer_was_lost_is_one_job(proxy: FaultyProxy) -> None:
    client = Client(proxy.url)
    proxy.fail("cut-after", "busy", "cut-after", of="POST /train")
    model = client.train(daily(), target="units", name="sent thrice", **QUICK)
    keys = {one.headers["idempotency-key"] for one in proxy.seen if one.method == "POST"}
    assert len([one for one in proxy.seen if one.method == "POST"]) == 4
    assert len(keys) == 1
    assert UUID(keys.pop()).version == 4
    assert [one.id for one in client.models(name="sent thrice")] == [model.id]
    again = client.train(daily(), target="units", name="sent thrice", **QUICK)
    assert {one.id for one in client.models(name="sent thrice")} == {model.id, again.id}


def test_a_deletion_whose_answer_was_lost_is_done(proxy: FaultyProxy) -> None:
    client = Client(proxy.url)
    model = client.train(daily(), target="units", **QUICK)
    proxy.fail("cut-after", of="DELETE /")
    model.delete()
    with pytest.raises(ModelNotFound):
        model.delete()


def test_an_upload_is_not_sent_twice(proxy: FaultyProxy) -> None:
    proxy.fail("cut-after")
    with pytest.raises(Unreachable):
        Client(proxy.url).upload(b"no model")
    proxy.fail("busy")
    with pytest.raises(ServiceError, match="model"):
        Client(proxy.url).upload(b"no model")
    assert [one.fault for one in proxy.seen] == ["cut-after", "busy", None]


def test_nobody_there() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable, match=url) as caught:
        Client(url, retries=1).models()
    assert isinstance(caught.value, ConnectionError)


def test_as_long_as_the_server_asks(proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def note(_: policy.BlockingTransport, seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(policy.BlockingTransport, "sleep", note)
    proxy.retry_after = "7"
    proxy.fail("busy")
    Client(proxy.url).models(limit=1)
    assert pauses == [7]
    proxy.retry_after = formatdate(usegmt=True)
    proxy.fail("limited")
    Client(proxy.url).models(limit=1)
    assert pauses[1] < 1
    proxy.retry_after = "3600"
    proxy.fail("busy")
    with pytest.raises(ServiceError) as caught:
        Client(proxy.url).models(limit=1)
    assert caught.value.retry_after == 3600
    assert len(pauses) == 2


def test_pauses_grow_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "_FIRST", 0.5)
    pauses = [policy._backoff(attempt) for attempt in range(12)]
    assert all(0.25 * 2**attempt <= pause <= 0.5 * 2**attempt for attempt, pause in enumerate(pauses[:6]))
    assert max(pauses) <= 20


@pytest.mark.parametrize("fault", ["html", "bad-gateway"])
def test_another_server_is_told(proxy: FaultyProxy, fault: Fault) -> None:
    proxy.fail(fault)
    with pytest.raises(ServiceError, match="is the URL right"):
        Client(proxy.url, retries=0).models()


def test_error_of_is_what_the_server_raised(server_url: str) -> None:
    import httpx

    error = error_of(httpx.post(f"{server_url}/train", json={"series": [1, "x"]}))
    assert error.status == 422
    assert error.faults[0].path == ("series", 1)
    assert error.request_id
    assert error.title == type(error).title
