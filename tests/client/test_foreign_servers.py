"""What answers may be no forecast service, or a broken proxy: typed errors all the same, never a KeyError."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from service.client import Client, Unreachable
from service.errors import ServiceError

Answers = Callable[..., str]

PROBLEM = b'{"type": "urn:forecast:problem:invalid-option", "detail": "no", "errors": %s}'


@pytest.fixture
def answering() -> Iterator[Answers]:
    """Start a server that answers all requests alike; return its URL."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int, body: bytes, **headers: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 (the name that http.server looks for)

            def log_message(self, *_: Any) -> None:
                return

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}"

    yield start
    for one in servers:
        one.shutdown()
        one.server_close()


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.train([1, 2, 3]),
        lambda client: client.train([1, 2, 3], wait=False),
        lambda client: client.models(),
        lambda client: client.model("a name"),
        lambda client: client.job("0" * 32),
        lambda client: client.upload(b"a model"),
    ],
)
@pytest.mark.parametrize("status", [200, 201])
def test_json_of_something_else_is_told(answering: Answers, status: int, ask: Callable[[Client], object]) -> None:
    client = Client(answering(status, b'{"message": "hello"}'), retries=0)
    with pytest.raises(ServiceError, match="is the URL right"):
        ask(client)


@pytest.mark.parametrize("cursor", [b'"the same"', b'{"a": 1}', b"0"])
def test_a_list_that_leads_nowhere_ends(answering: Answers, cursor: bytes) -> None:
    with pytest.raises(ServiceError, match="has no end"):
        Client(answering(200, b'{"jobs": [], "next_cursor": %s}' % cursor), retries=0).jobs()


@pytest.mark.parametrize("errors", [b"[{}]", b'"no"', b'[{"pointer": "#/%s", "detail": ""}]' % (b"9" * 5000)])
def test_a_problem_that_is_none_is_told(answering: Answers, errors: bytes) -> None:
    with pytest.raises(ServiceError, match="is the URL right"):
        Client(answering(422, PROBLEM % errors), retries=0).models()


def test_a_pause_that_is_no_number_is_none(answering: Answers) -> None:
    with pytest.raises(ServiceError) as caught:
        Client(answering(503, PROBLEM % b"[]", Retry_After="9" * 5000), retries=0).models()
    assert caught.value.retry_after is None


def test_an_answer_that_cannot_be_unpacked_is_none(answering: Answers) -> None:
    with pytest.raises(Unreachable, match="decompress"):
        Client(answering(200, b"no gzip", Content_Encoding="gzip"), retries=0).models()
