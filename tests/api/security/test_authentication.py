"""Who may ask for what: every route and method, with every kind of key and without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from service.api.security.permissions import NEEDED, OPEN
from service.keys import ROLES, Role
from service.storage.identifiers import new_id
from tests.api.application import Application, running
from tests.api.contract import problem_of
from tests.api.series import VALUES

KEYS: dict[Role, str] = {"read": "r" * 20, "train": "t" * 20, "admin": "a" * 20}
SETTING = ",".join(f"acme:{role}:{key}" for role, key in KEYS.items())
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW")
UNKNOWN = ("/nothing", "/models/x/y", "/swagger/", "/swagger/other.js", "/docs/", "/Docs", "/readyz/")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """An application with a key of each role, of one tenant."""
    with running(tmp_path_factory.mktemp("locked"), training_processes=1, api_keys=SETTING) as one:

        @one.app.get("/forgotten", response_model=None)
        async def forgotten(request: Request) -> Response:
            return Response("told")

        yield one


def paths_of(routes: list[BaseRoute]) -> Iterator[tuple[str, set[str]]]:
    for route in routes:
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        if inner:
            yield from paths_of(inner)
        else:
            yield str(getattr(route, "path", "")), set(getattr(route, "methods", None) or ())


def all_paths(application: Application) -> dict[str, set[str]]:
    """Every path of the application, by its template, with the methods that it takes."""
    found: dict[str, set[str]] = {}
    for path, methods in paths_of(application.app.routes):
        found.setdefault(path, set()).update(methods)
    return found


def ask(application: Application, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    place = path.replace("{model_id}", "0" * 32).replace("{job_id}", "0" * 32)
    return application.client.request(method, place, headers=headers)


def test_the_table_has_every_route_and_no_other(application: Application) -> None:
    paths = all_paths(application)
    assert {(method, path) for path, methods in paths.items() for method in methods if path not in OPEN} == set(NEEDED)
    assert set(paths) >= OPEN
    assert set(NEEDED.values()) == set(ROLES)


@pytest.mark.parametrize("headers", [{}, bearer("w" * 20), {"X-API-Key": "w" * 20}], ids=["none", "bearer", "header"])
@pytest.mark.parametrize("method", METHODS)
def test_without_a_key_only_the_open_list_is_answered(
    locked: Application, method: str, headers: dict[str, str]
) -> None:
    for path in (*all_paths(locked), *UNKNOWN):
        answer = ask(locked, method, path, headers)
        if path in OPEN and method in ("GET", "HEAD"):
            assert answer.status_code == (200 if method in all_paths(locked)[path] else 405), (method, path)
            continue
        assert answer.status_code == 401, (method, path)
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge == ('Bearer realm="forecast", error="invalid_token"' if headers else 'Bearer realm="forecast"')
        if method != "HEAD":
            problem_of(answer, 401, "unauthenticated", contains="X-API-Key: KEY")
            assert "w" * 20 not in answer.text


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("method", METHODS)
def test_each_role_is_let_through_to_what_it_may_ask_for(locked: Application, method: str, role: Role) -> None:
    paths = all_paths(locked)
    for path in paths:
        answer = ask(locked, method, path, bearer(KEYS[role]))
        is_prior = path == "/models/zero-shot" and method not in paths[path]
        template = "/models/{model_id}" if is_prior else path
        methods = paths[template]
        needed = NEEDED.get(("GET" if method == "HEAD" else method, template))
        if path == "/forgotten" and method in methods:
            problem_of(answer, 403, "not-permitted", contains="no permission rule")
        elif needed is not None and ROLES.index(role) < ROLES.index(needed):
            assert answer.status_code == 403, (method, path)
            if method != "HEAD":
                problem = problem_of(answer, 403, "not-permitted", contains=f"role {role}, and this needs {needed}")
                assert KEYS[role] not in str(problem)
        elif method not in methods:
            assert answer.status_code == 405, (method, path)
        else:
            assert answer.status_code in (200, 307, 400, 404, 422), (method, path)


@pytest.mark.parametrize("method", ["GET", "POST", "BREW"])
def test_what_is_not_there_is_told_to_those_with_a_key(locked: Application, method: str) -> None:
    for path in UNKNOWN:
        answer = ask(locked, method, path, bearer(KEYS["read"]))
        assert answer.status_code in (307, 404), path


def test_a_forgotten_route_is_refused_without_keys_too(tmp_path: Path) -> None:
    with running(tmp_path, training_processes=0, device="cpu") as one:

        @one.app.get("/forgotten", response_model=None)
        async def forgotten(request: Request) -> Response:
            return Response("told")

        problem_of(one.client.get("/forgotten"), 403, "not-permitted", contains="no permission rule")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("Authorization", f"Bearer {KEYS['read']}")], 200),
        ([("authorization", f"bearer  {KEYS['read']}")], 200),
        ([("X-API-Key", KEYS["read"])], 200),
        ([("X-API-Key", KEYS["read"]), ("Authorization", f"Bearer {KEYS['read']}")], 200),
        ([("X-API-Key", KEYS["read"]), ("Authorization", f"Bearer {KEYS['train']}")], 401),
        ([("X-API-Key", KEYS["read"]), ("Authorization", "Bearer wrong")], 401),
        ([("X-API-Key", KEYS["read"]), ("X-API-Key", KEYS["train"])], 401),
        ([("X-API-Key", KEYS["read"]), ("Authorization", "Basic YTpi")], 401),
        ([("Authorization", f"Basic {KEYS['read']}")], 401),
        ([("Authorization", KEYS["read"])], 401),
        ([("Authorization", "Bearer")], 401),
        ([("Authorization", "Bearer ")], 401),
        ([("X-API-Key", "")], 401),
        ([("Authorization", f"Bearer {KEYS['read']}x")], 401),
        ([("Authorization", f"Bearer {KEYS['read'][:-1]}")], 401),
        ([("Cookie", f"X-API-Key={KEYS['read']}")], 401),
    ],
)
def test_ways_to_send_a_key(locked: Application, headers: list[tuple[str, str]], status: int) -> None:
    assert locked.client.get("/models", headers=headers).status_code == status
    # The direct routes too, which no router is asked for.
    answer = locked.client.post("/forecast", headers=headers, json={"model_id": new_id()})
    assert answer.status_code == (404 if status == 200 else 401)


def test_a_key_in_the_query_is_none(locked: Application) -> None:
    assert locked.client.get("/models", params={"api_key": KEYS["admin"]}).status_code == 401


def test_with_keys_a_page_or_another_name_does_not_matter(locked: Application) -> None:
    headers = {**bearer(KEYS["read"]), "Host": "forecast.example.org", "Origin": "https://app.example.org"}
    assert locked.client.get("/models", headers=headers).status_code == 200
    del headers["Authorization"]
    assert locked.client.get("/models", headers=headers).status_code == 401


def test_a_body_is_not_read_before_its_key(locked: Application) -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError("the body was asked for")
        yield b""

    answer = locked.client.post("/train", content=never(), headers={"Content-Type": "application/json"})
    problem_of(answer, 401, "unauthenticated")


def test_no_cache_on_the_way_may_keep_what_a_caller_is_told(locked: Application) -> None:
    key = {"X-API-Key": KEYS["admin"]}
    asked = [("GET", "/models"), ("GET", "/models/x"), ("GET", "/nothing"), ("PUT", "/jobs"), ("GET", "/metrics")]
    for method, path in (*asked, ("POST", "/forecast")):
        answer = locked.client.request(method, path, headers=key)
        assert answer.headers.get_list("Cache-Control") == ["no-store"], path
    assert "Cache-Control" not in locked.client.get("/openapi.json").headers


def test_who_may_train_may_not_delete_models(locked: Application) -> None:
    as_trainer, as_admin = bearer(KEYS["train"]), bearer(KEYS["admin"])
    body = {"series": VALUES, "horizon": 2, "context_length": 8, "training": {"epochs": 2}}
    trained = locked.client.post("/train", params={"wait": 120}, json=body, headers=as_trainer)
    assert trained.status_code == 201, trained.text
    place = trained.json()["links"]["self"]
    assert locked.client.patch(place, json={"name": "x"}, headers=as_trainer).status_code == 200
    problem_of(locked.client.delete(place, headers=as_trainer), 403, "not-permitted", contains="needs admin")
    assert locked.client.get(place, headers=bearer(KEYS["read"])).json()["name"] == "x"
    assert locked.client.delete(place, headers=as_admin).status_code == 204


def test_nothing_but_http_is_answered(locked: Application) -> None:
    sent: list[dict[str, object]] = []

    async def ask_for_a_websocket() -> None:
        async def send(message: object) -> None:
            assert isinstance(message, dict)
            sent.append(message)

        async def receive() -> dict[str, object]:
            return {"type": "websocket.connect"}

        await locked.app({"type": "websocket", "path": "/models", "headers": []}, receive, send)

    import asyncio

    asyncio.run(ask_for_a_websocket())
    assert [one["type"] for one in sent] == ["websocket.close"]


def test_routes_are_of_the_kind_that_the_walk_knows(application: Application) -> None:
    assert sum(len(methods) for methods in all_paths(application).values()) >= 20
    assert APIRoute in {type(route) for route in application.app.routes}
