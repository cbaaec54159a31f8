"""Names and their moves, against a running server."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from service.client import AsyncClient, Client, Model, NameRecord, Unreachable
from service.errors import Conflict, ModelNotFound, ModelPinned
from tests.client.data import daily
from tests.client.faulty_proxy import FaultyProxy

NAMES = ("plain", "x/promote", "..", ".", "50% off", "😀", "a?b#c")


@pytest.fixture
def two(client: Client) -> tuple[Model, Model]:
    """Two models without names."""
    first, second = (client.train(daily(), target="units", candidates=["naive"]) for _ in range(2))
    return first, second


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_moved(client: Client, two: tuple[Model, Model], name: str) -> None:
    first, second = two
    assert client.promote(name, first) == client.promote(name, first.id)
    assert client.model(name).id == first.id
    moved = client.promote(name, second)
    assert (moved.name, moved.mode, moved.model_id, moved.history) == (name, "pinned", second.id, [])
    assert client.model(name).id == second.id
    with pytest.raises(ModelPinned, match="follow"):
        second.delete()
    assert client.rollback(name).model_id == first.id
    shown = client.name(name)
    assert [one["reason"] for one in shown.history][:3] == ["rolled back", "promoted", "promoted"]
    assert {one.name: one.model_id for one in client.names()}[name] == first.id
    assert client.follow(name).mode == "newest"
    second.delete()
    with pytest.raises(ModelNotFound):
        client.promote(name, second)


def test_a_name_without_a_ready_model(client: Client) -> None:
    for ask in (client.name, client.rollback, client.follow, client.model):
        with pytest.raises(ModelNotFound):
            ask("nobody's")


def test_a_name_that_only_a_failed_model_has(client: Client) -> None:
    job = client.train(daily(), wait=False, target="units", name="cancelled", training={"epochs": 10_000})
    job.cancel()
    assert client.model("cancelled").status == "failed"


def test_all_pages_of_a_history(client: Client, two: tuple[Model, Model], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.client.connection._PAGE", 3)
    for number in range(7):
        client.promote("long", two[number % 2])
    assert [one["revision"] for one in client.name("long").history] == [7, 6, 5, 4, 3, 2, 1]
    names = [one.name for one in client.names()]
    assert len(names) == len(set(names)) > 3
    assert [one.name for one in client.names(limit=2)] == names[:2]


def test_the_same_with_an_event_loop(server_url: str, two: tuple[Model, Model]) -> None:
    async def work() -> list[NameRecord]:
        async with AsyncClient(server_url) as client:
            moved = [await client.promote("awaited name", one.id) for one in two]
            moved.append(await client.rollback("awaited name"))
            assert (await client.model("awaited name")).id == two[0].id
            moved.append(await client.name("awaited name"))
            moved.append(await client.follow("awaited name"))
            assert "awaited name" in {one.name for one in await client.names()}
            return moved

    moved = asyncio.run(work())
    assert [one.mode for one in moved] == ["pinned"] * 4 + ["newest"]
    assert [one.model_id for one in moved[:4]] == [two[0].id, two[1].id, two[0].id, two[0].id]


def test_a_rollback_whose_answer_was_lost_is_not_repeated(proxy: FaultyProxy, two: tuple[Model, Model]) -> None:
    client = Client(proxy.url)
    for one in (*two, two[0]):
        client.promote("lost answers", one)
    proxy.fail("cut-after", of="POST /names/lost%20answers/promote")
    client.promote("lost answers", two[1])
    proxy.fail("cut-after", of="POST /names/lost%20answers/rollback")
    with pytest.raises(Unreachable):
        client.rollback("lost answers")
    assert [one["reason"] for one in client.name("lost answers").history] == ["rolled back", *["promoted"] * 4]
    proxy.fail("busy", of="POST /names/lost%20answers/rollback")
    assert client.rollback("lost answers").model_id == two[1].id
    proxy.fail("cut", of=f"DELETE /models/{two[1].id}")
    with pytest.raises(ModelPinned):
        client.model("lost answers").delete()


def test_a_move_of_what_was_moved_meanwhile(client: Client, two: tuple[Model, Model]) -> None:
    assert client.promote("seen", two[0], revision=0).revision == 1
    seen = client.promote("seen", two[1], revision=1)
    assert client.rollback("seen", revision=seen.revision).model_id == two[0].id
    for move in (client.rollback, client.follow):
        with pytest.raises(Conflict, match="moved since"):
            move("seen", revision=seen.revision)
    with pytest.raises(Conflict, match="moved since"):
        client.promote("seen", two[1], revision=seen.revision)


def test_nothing_to_roll_back_to(client: Client, two: tuple[Model, Model]) -> None:
    client.promote("new name", two[0])
    assert client.name("new name").record["rollback_to"] is None
    with pytest.raises(Conflict, match="promote"):
        client.rollback("new name")


class _Earlier(BaseHTTPRequestHandler):
    """A server of the version before there were names to ask for, with one model."""

    def do_GET(self) -> None:
        known = self.path.startswith("/models?name=sales&status=ready")
        problem = {"type": "urn:forecast:problem:route-not-found", "detail": "there is nothing", "status": 404}
        page = {"models": [{"model_id": "0" * 32, "status": "ready", "name": "sales"}], "next_cursor": None}
        body = json.dumps(page if known else problem).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_server_of_the_version_before() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Earlier) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with Client(f"http://127.0.0.1:{server.server_port}") as client:
            assert client.model("sales").id == "0" * 32
        server.shutdown()
