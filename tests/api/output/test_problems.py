"""Requests that go wrong before anybody looks at a series, and what all problems have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from service.api.input import body as body_reading
from service.api.output import problems
from service.api.output.problems import STATUS, TYPE_PREFIX, status_of
from service.api.routes import forecasts
from service.errors import ServiceError
from tests.api.application import Application, running
from tests.api.contract import problem_of
from tests.api.series import VALUES

JSON = {"Content-Type": "application/json"}
READ_JSON = [("POST", "/train"), ("POST", "/forecast"), ("POST", "/backtest"), ("PATCH", "/models/" + "0" * 32)]


@pytest.mark.parametrize(
    ("body", "contains"),
    [
        (b"", "empty"),
        (b'{"series": [1, 2', "line 1 column 16"),
        (b'{"series": [1, 2]} x', "trailing"),
        (b"{'series': [1]}", "not valid JSON"),
        (b'{"series": [01]}', "not valid JSON"),
        (b'{"series": [nan]}', "not valid JSON"),
        (b'{"name": "\xff"}', "not valid JSON"),
        (b'{"name": "\\ud800"}', "not valid JSON"),
        (b'{"name": "a\nb"}', "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        ("{}".encode("utf-16"), "not valid JSON"),
        (b"[" * 100_000, "recursion limit"),
        (b'{"horizon": ' + b"1" * 5000 + b"}", "not valid JSON"),
        (b"\0", "not valid JSON"),
    ],
)
@pytest.mark.parametrize(("method", "path"), READ_JSON)
def test_a_body_that_cannot_be_read(client: httpx.Client, method: str, path: str, body: bytes, contains: str) -> None:
    problem_of(client.request(method, path, content=body, headers=JSON), 400, "malformed-body", contains=contains)


@pytest.mark.parametrize("body", [b"[]", b"3", b"null", b'"text"', b"true"])
@pytest.mark.parametrize(("method", "path"), READ_JSON)
def test_a_body_that_is_no_object(client: httpx.Client, method: str, path: str, body: bytes) -> None:
    response = client.request(method, path, content=body, headers=JSON)
    problem_of(response, 422, "invalid-request", "#", "object")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/parquet", "application/x-www-form-urlencoded", "", "json", "*/*"]
)
@pytest.mark.parametrize(("method", "path"), READ_JSON)
def test_a_content_type_that_is_not_taken(client: httpx.Client, method: str, path: str, kind: str) -> None:
    response = client.request(method, path, content=b"{}", headers={"Content-Type": kind})
    problem_of(response, 415, "unsupported-content-type", contains="send Content-Type application/json")


@pytest.mark.parametrize("kind", ["application/json", "APPLICATION/JSON; charset=utf-8", None])
def test_a_content_type_that_is_taken(client: httpx.Client, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    content = f'{{"series": {VALUES}}}'.encode()
    response = client.post("/train", params={"dry_run": "true"}, content=content, headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        *((method, path, "application/json") for method, path in READ_JSON),
        ("POST", "/train", "text/csv"),
        ("POST", "/models", "application/octet-stream"),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit(limited: Application, method: str, path: str, kind: str, chunked: bool) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(16):
            yield b" " * 10_000

    content = chunks() if chunked else b" " * 150_001
    response = limited.client.request(method, path, content=content, headers={"Content-Type": kind})
    assert ("content-length" in response.request.headers) is not chunked
    problem_of(response, 413, "body-too-large", contains="up to 150000 bytes")


def test_a_body_at_the_limit_is_read(limited: Application) -> None:
    body = b'{"series": [1]}'.ljust(150_000)
    problem_of(limited.client.post("/train", content=body, headers=JSON), 422, "series-too-short")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/train", "POST"),
        ("PUT", "/train", "POST"),
        ("OPTIONS", "/forecast", "POST"),
        ("GET", "/backtest", "POST"),
        ("DELETE", "/models", "GET, POST"),
        ("POST", "/models/x", "GET, PATCH, DELETE"),
        ("PUT", "/models/x/file", "GET"),
        ("PATCH", "/jobs/x", "GET, DELETE"),
        ("POST", "/jobs", "GET"),
        ("POST", "/livez", "GET"),
        ("POST", "/openapi.json", "GET"),
        ("BREW", "/models", "GET, POST"),
    ],
)
def test_a_method_that_a_route_does_not_take(client: httpx.Client, method: str, path: str, allowed: str) -> None:
    response = client.request(method, path)
    problem_of(response, 405, "method-not-allowed", contains=method)
    assert response.headers["Allow"] == allowed


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/models/a/b/c",
        "/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/models/..%2f..%2f..%2fetc%2fpasswd/file",
        "/jobs/..%2f..",
        "/swagger/..%2fmain",
        "/%ff%fe",
        "/" + "a" * 5000,
    ],
)
def test_an_unknown_route(client: httpx.Client, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        response = client.request(method, path)
        problem_of(response, 404, "route-not-found", contains="GET /docs")
        assert len(response.content) < 1000


@pytest.mark.parametrize("path", ["/livez", "/nothing", "/train", "/forecast", "/models/x"])
def test_the_request_id_of_the_client_is_given_back(client: httpx.Client, path: str) -> None:
    for request_id in ("a", "My_request-1.2", "f" * 64):
        response = client.get(path, headers={"X-Request-ID": request_id})
        assert response.headers["X-Request-ID"] == request_id
        assert response.is_success or response.json()["request_id"] == request_id


@pytest.mark.parametrize("request_id", ["", "a b", "f" * 65, "<script>", "a\tb", "é"])
def test_a_request_id_that_is_not_sound_is_replaced(client: httpx.Client, request_id: str) -> None:
    response = client.get("/nothing", headers=[(b"X-Request-ID", request_id.encode())])
    given = response.headers["X-Request-ID"]
    assert given != request_id
    assert response.json()["request_id"] == given


def test_every_request_has_another_id(client: httpx.Client) -> None:
    assert len({client.get("/livez").headers["X-Request-ID"] for _ in range(20)}) == 20


def test_many_faults_are_told_together(client: httpx.Client) -> None:
    body = {"series": VALUES, "horizon": 0, "network": {"cell": "x", "dropout": 2}, "refit": 3}
    problem = problem_of(client.post("/train", json=body), 422, "invalid-request", contains="and 3 more")
    pointers = {fault["pointer"] for fault in problem["errors"]}
    assert pointers == {"#/horizon", "#/network/cell", "#/network/dropout", "#/refit"}
    [cell] = [fault for fault in problem["errors"] if fault["pointer"] == "#/network/cell"]
    assert all(name in cell["detail"] for name in ("auto", "rnn", "lstm", "gru"))


def test_many_faults_are_cut(client: httpx.Client) -> None:
    body = {f"option-{number}": number for number in range(900)}
    problem = problem_of(client.post("/train", json=body), 422, "invalid-request", contains="and 900 more")
    assert len(problem["errors"]) == 20


@pytest.mark.parametrize(
    "body",
    [
        {f"option-{number}": number for number in range(5000)},
        {"series": {"columns": {f"c{number}": "x" for number in range(5000)}}},
    ],
)
def test_a_flood_of_faults_is_counted_and_not_listed(
    client: httpx.Client, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problems, "from_validation", None)
    for path in ("/train", "/backtest"):
        problem = problem_of(client.post(path, json=body), 422, "invalid-request", "#", r"^[0-9]{4,6} values or names")
        assert len(problem["errors"]) == 1


@pytest.mark.parametrize(
    ("path", "length", "on_loop"),
    [
        ("/forecast", 100_000, True),
        ("/forecast", 100_001, False),
        ("/backtest", 2, False),
        ("/backtest", 100_001, False),
    ],
)
def test_a_large_body_is_read_off_the_event_loop(
    client: httpx.Client, path: str, length: int, on_loop: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    parse_json = body_reading.parse_json

    def watched(model: type[BaseModel], content: bytes) -> BaseModel:
        try:
            seen.append(bool(asyncio.get_running_loop()))
        except RuntimeError:
            seen.append(False)
        return parse_json(model, content)

    monkeypatch.setattr(forecasts, "parse_json", watched)
    problem_of(client.post(path, content=b"{}".ljust(length), headers=JSON), 422, "invalid-request")
    assert seen == [on_loop]


@pytest.mark.parametrize(("method", "path"), [("GET", "/models"), ("POST", "/forecast")])
def test_a_bug_of_ours_tells_nothing_but_the_request(tmp_path: Any, method: str, path: str) -> None:
    with running(tmp_path, raise_bugs=False, training_processes=0, device="cpu") as application:
        application.client.event_hooks = {"response": []}
        del application.app.state.resources
        body = {"model_id": "x", "horizon": 1} if method == "POST" else None
        response = application.client.request(method, path, json=body, headers={"X-Request-ID": "mine"})
        problem = problem_of(response, 500, "internal-error", contains="the server's log")
        assert (problem["request_id"], response.headers["X-Request-ID"]) == ("mine", "mine")
        assert "resources" not in response.text
        application.app.state.resources = None


def test_every_error_has_a_status_and_a_type_of_its_own() -> None:
    tree = list(ServiceError.tree())
    assert all(400 <= status_of(error("")) < 600 for error in tree)
    assert set(STATUS) <= set(tree)
    slugs = [error.slug for error in tree]
    assert len(set(slugs)) == len(slugs)
    assert TYPE_PREFIX == "urn:forecast:problem:"
