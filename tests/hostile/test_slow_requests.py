"""Clients that take their time, or send heads without end: nothing is held for them for ever."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from fastapi import FastAPI, Request

from service.api.input.body import read_body
from service.api.output.problems import install
from service.api.security.admission import BodyTally, Load
from service.api.server import HEAD_BYTES, GuardedProtocol, Server

pytestmark = pytest.mark.slow

PATIENCE = 60.0
POST = b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"


class Impatient(GuardedProtocol):
    """The same, for tests that do not want to wait."""

    head_seconds = 1.0
    body_seconds = 1.0
    bytes_per_second = 1000


async def body_of(request: Request) -> bytes:
    """Read a body as behind the layers that count it."""
    request.scope["body_tally"] = BodyTally(request.app.state.load)
    return await read_body(request)


def application() -> FastAPI:
    app = FastAPI()
    app.state.load = Load(max_requests=100, cores=1, max_waiting=10, max_bodies_bytes=10**9)
    app.state.max_body_bytes = 10_000_000
    app.state.ended = []
    install(app)

    @app.post("/read")
    async def read(request: Request) -> int:
        request.state.request_id = "x"
        try:
            return len(await body_of(request))
        finally:
            app.state.ended.append("read")

    @app.get("/unread")
    async def unread() -> str:
        return "answered"

    @app.post("/busy")
    async def busy(request: Request) -> int:
        await asyncio.sleep(3)
        return len(await body_of(request))

    return app


@contextmanager
def serving(app: FastAPI) -> Iterator[int]:
    """Run uvicorn with the impatient protocol in a thread; yield its port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=Impatient, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return application()


@pytest.fixture(scope="module")
def port(app: FastAPI) -> Iterator[int]:
    with serving(app) as one:
        yield one


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as one:
        yield one


def whole_answer(connection: socket.socket) -> bytes:
    """Read until the server closes, which is what it has to do."""
    answer = b""
    try:
        while part := connection.recv(65_536):
            answer += part
    except ConnectionResetError:
        pass
    return answer


def drip(connection: socket.socket, what: bytes, pause: float) -> None:
    """Send byte by byte until it is all sent or nobody takes it any more."""
    for place in range(len(what)):
        try:
            connection.sendall(what[place : place + 1])
        except OSError:
            return
        time.sleep(pause)


def test_the_service_serves_with_it() -> None:
    assert Server(application(), "info").config.http is GuardedProtocol


def test_who_says_nothing_is_let_go(port: int) -> None:
    with connected(port) as connection:
        assert whole_answer(connection) == b""


@pytest.mark.parametrize("sent", [b"P", b"POST /read HTTP/1.1\r\nHost: local"])
def test_a_head_that_does_not_come_is_refused(port: int, sent: bytes) -> None:
    with connected(port) as connection:
        connection.sendall(sent)
        answer = whole_answer(connection)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/problem+json\r\n")
    assert b"urn:forecast:problem:request-too-slow" in answer


def test_a_head_that_drips_is_refused(port: int) -> None:
    with connected(port) as connection:
        drip(connection, b"GET /unread HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 100, 0.05)
        assert b" 408 " in whole_answer(connection)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_drips_is_refused_and_its_request_ends(app: FastAPI, port: int, chunked: bool) -> None:
    app.state.ended.clear()
    head = POST % 1_000_000
    if chunked:
        head = head.replace(b"Content-Length: 1000000", b"Transfer-Encoding: chunked")
    with connected(port) as connection:
        connection.sendall(head)
        drip(connection, b"1\r\nx\r\n" * 10 if chunked else b"x" * 60, 0.05)
        answer = whole_answer(connection)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"HTTP/1.1 408 " in answer
    deadline = time.monotonic() + PATIENCE
    while not app.state.ended:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_body_that_comes_steadily_may_take_longer(port: int) -> None:
    size = 20_000
    with connected(port) as connection:
        connection.sendall(POST % size)
        for _ in range(10):
            connection.sendall(b"x" * (size // 10))
            time.sleep(0.3)
        answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"20000")


def test_a_body_that_nobody_reads_is_let_go(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"GET /unread HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx")
        answer = whole_answer(connection)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_it_is_no_fault_of_the_client_that_we_do_not_read(port: int) -> None:
    size = 5_000_000
    with connected(port) as connection:
        connection.sendall((POST % size).replace(b"/read", b"/busy"))
        connection.sendall(b"x" * size)
        answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_second_request_on_a_connection_is_held_to_the_same(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(POST % 3 + b"abc")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"POST /read HT")
        assert whole_answer(connection).startswith(b"HTTP/1.1 408 ")


def test_requests_that_come_together_are_all_answered(port: int) -> None:
    with connected(port) as connection:
        connection.sendall((POST % 3 + b"abc") * 5)
        answer = b""
        while answer.count(b"HTTP/1.1 200 ") < 5:
            part = connection.recv(65_536)
            assert part, answer
            answer += part


@pytest.mark.parametrize(
    "head",
    [
        b"GET /unread HTTP/1.1\r\nHost: localhost\r\nX-Long: ",
        b"GET /unread?long=",
        b"GET /unread HTTP/1.1\r\n" + b"X-Short: x\r\n" * 20_000 + b"X-Long: ",
    ],
    ids=["header", "query", "headers"],
)
def test_a_head_without_end_is_refused(port: int, head: bytes) -> None:
    with connected(port) as connection:
        try:
            connection.sendall(head)
            for _ in range(100):
                connection.sendall(b"x" * HEAD_BYTES)
        except OSError:
            return  # closed already, and the answer with it
        assert whole_answer(connection).startswith(b"HTTP/1.1 431 ")


def test_a_head_that_is_too_large_is_told_what_is(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"GET /unread HTTP/1.1\r\nX-Long: " + b"x" * (HEAD_BYTES + 1))
        answer = whole_answer(connection)
    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"urn:forecast:problem:head-too-large" in answer


def test_what_stands_after_a_body_is_not_kept(port: int) -> None:
    trailers = b"".join(b"X-Trailer-%d: x\r\n" % number for number in range(1000))
    head = (POST % 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    with connected(port) as connection:
        connection.sendall(head + b"3\r\nabc\r\n0\r\n" + trailers + b"\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
