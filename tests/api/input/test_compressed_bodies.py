"""Bodies with a Content-Encoding: read as if they had none, within the same limits."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import tracemalloc
import zlib
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.types import Message

from service.api.input.body import content_coding, decompressed, read_body
from service.api.security.admission import Load
from service.errors import BodyTooLarge, MalformedBody, Overloaded, UnsupportedContentType
from tests.api.application import Application
from tests.api.series import VALUES

TEXT = json.dumps(list(range(200_000))).encode()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:])),
        ("x-gzip", gzip.compress(TEXT, 0)),
        ("deflate", zlib.compress(TEXT)),
    ],
)
def test_a_body_is_what_was_compressed(coding: str, body: bytes) -> None:
    assert decompressed(body, coding, len(TEXT)) == TEXT
    with pytest.raises(BodyTooLarge):
        decompressed(body, coding, len(TEXT) - 1)
    for cut in (body[:-1], body[: len(body) // 2], body[:5]):
        with pytest.raises(MalformedBody):
            decompressed(cut, coding, len(TEXT))


def test_nothing_is_nothing() -> None:
    assert decompressed(gzip.compress(b""), "gzip", 1) == b""
    with pytest.raises(MalformedBody):
        decompressed(b"", "gzip", 1)


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(TEXT) + b"more", zlib.compress(TEXT), b"\x1f\x8b" * 50])
def test_what_is_not_compressed_so_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        decompressed(body, "gzip", len(TEXT))


def test_a_bomb_takes_no_more_memory_than_a_body() -> None:
    bomb = gzip.compress(bytes(200 * 2**20))
    assert len(bomb) < 250_000
    tracemalloc.start()
    with pytest.raises(BodyTooLarge):
        decompressed(bomb, "gzip", 2**20)
    assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    tracemalloc.stop()


def test_a_million_members_are_refused() -> None:
    with pytest.raises(MalformedBody, match="compress it as one"):
        decompressed(gzip.compress(b"") * 1_000_000, "gzip", 10**9)


@pytest.mark.parametrize(("sent", "coding"), [(None, None), (b"identity", None), (b" GZip ", "gzip"), (b"", None)])
def test_the_coding_is_read(sent: bytes | None, coding: str | None) -> None:
    assert content_coding(sent) == coding


@pytest.mark.parametrize("sent", [b"br", b"zstd", b"gzip, gzip", b"\xff"])
def test_other_codings_are_named(sent: bytes) -> None:
    with pytest.raises(UnsupportedContentType, match="gzip or deflate"):
        content_coding(sent)


def post(application: Application, path: str, body: Any, coding: str = "gzip") -> Any:
    data = body if isinstance(body, bytes) else gzip.compress(json.dumps(body).encode())
    headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
    return application.client.post(path, content=data, headers=headers)


def test_a_route_reads_it(application: Application, plain_model: dict[str, Any]) -> None:
    asked = {"model_id": plain_model["model_id"], "horizon": 3, "history": VALUES}
    plain = application.forecast(**asked)
    assert post(application, "/forecast", asked).json() == plain


def test_limits_hold_for_what_it_expands_to(limited: Application) -> None:
    response = post(limited, "/train", {"series": [1.5] * 60_000})
    assert (response.status_code, response.json()["type"]) == (413, "urn:forecast:problem:body-too-large")


def test_what_is_no_gzip_is_400_and_what_is_unknown_415(application: Application) -> None:
    assert post(application, "/train", b"{}").status_code == 400
    assert post(application, "/train", b"{}", "br").status_code == 415


async def read(load: Load, body: bytes, most: int = 10**6) -> bytes:
    """Read one request's compressed body, as a route does."""
    app = FastAPI()
    app.state.load, app.state.max_body_bytes = load, most

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    with load.request() as tally:
        headers = [(b"content-encoding", b"gzip")]
        scope = {"type": "http", "app": app, "headers": headers, "body_tally": tally}
        return await read_body(Request(scope, receive))


def test_a_body_counts_as_it_came_or_as_it_expanded_and_not_as_both() -> None:
    stored = gzip.compress(TEXT, 0)
    load = Load(max_requests=3, cores=1, max_waiting=0, max_bodies_bytes=len(stored))
    assert asyncio.run(read(load, stored, len(stored))) == TEXT
    assert load.bodies_bytes == 0
    load = Load(max_requests=3, cores=1, max_waiting=0, max_bodies_bytes=len(TEXT) - 1)
    with pytest.raises(Overloaded):
        asyncio.run(read(load, gzip.compress(TEXT), len(TEXT)))


def test_bodies_are_expanded_in_turn() -> None:
    async def test() -> None:
        load, go = Load(max_requests=3, cores=1, max_waiting=0, max_bodies_bytes=10**7), threading.Event()
        working = asyncio.create_task(load.work(lambda: go.wait(30)))
        await asyncio.sleep(0)
        try:
            with pytest.raises(Overloaded):
                await read(load, gzip.compress(TEXT), len(TEXT))
        finally:
            go.set()
            await working
        assert await read(load, gzip.compress(TEXT), len(TEXT)) == TEXT

    asyncio.run(test())
