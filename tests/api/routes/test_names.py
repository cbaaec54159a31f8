"""Everything under /names."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from service.api.name_paths import decoded_name, keep_names_encoded
from service.errors import InvalidOption, Unavailable
from tests.api.application import ENDLESS, Application, running
from tests.api.contract import check_answer, problem_of
from tests.api.series import OPEN, VALUES

Record = dict[str, Any]
AWKWARD = (
    "x/promote", "x", "promote", "/", "//", "a/../b", "..", ".", "%", "%2F", "%252F", "a b", " ", "+", "a+b", "a?b=c",
    "a#b", "a;b", "a&b=c", "😀", "é", "e\u0301", "'", '"', "\\", "{name}", "null", "zero", "a" * 200,
    "😀" * 200, "0" * 32,
)  # fmt: skip


def place(name: str, *move: str) -> str:
    """Return the path of a name; letters and digits are all that stays, dots do not either."""
    encoded = quote(name, safe="").replace(".", "%2E")
    return "/".join(("/names", encoded, *move))


def promote(client: httpx.Client, name: str, model: Record) -> Record:
    response = client.post(place(name, "promote"), json={"model_id": model["model_id"]})
    assert response.status_code == 200, response.text
    answer: Record = response.json()
    assert (answer["name"], answer["model_id"], answer["mode"]) == (name, model["model_id"], "pinned")
    return answer


@pytest.fixture(scope="module")
def models(application: Application) -> list[Record]:
    """Three models without names."""
    first = application.train(VALUES)
    return [first, application.take(first, application), application.train(OPEN)]


def test_a_name_is_moved_and_everything_obeys(application: Application) -> None:
    client = application.client
    old, new = application.train(VALUES, name="sales/eu"), application.train(OPEN, name="sales/eu")

    def used() -> set[str]:
        asked = {"name": "sales/eu", "series": VALUES}
        backtest = client.post("/backtest", json=asked).json()["model_id"]
        return {application.forecast(name="sales/eu")["model_id"], backtest}

    before = client.get(place("sales/eu")).json()
    assert (before["model_id"], before["mode"], before["since"]) == (new["model_id"], "newest", new["ready_at"])
    assert (before["revision"], before["by"], before["history"]) == (0, None, [])
    assert before["rollback_to"] == {"model_id": old["model_id"], "mode": "pinned"}
    assert before["links"] == {"self": place("sales/eu"), "model": new["links"]["self"]}
    moved = promote(client, "sales/eu", old)
    assert (moved["revision"], moved["by"]) == (1, None)
    assert used() == {old["model_id"]}
    application.train(VALUES, name="sales/eu")
    assert used() == {old["model_id"]}
    rolled_back = client.post(place("sales/eu", "rollback")).json()
    assert rolled_back["mode"] == "newest"
    assert used() == {rolled_back["model_id"]}
    promote(client, "sales/eu", new)
    followed = client.post(place("sales/eu", "follow")).json()
    assert (followed["mode"], followed["model_id"]) == ("newest", rolled_back["model_id"])
    shown = client.get(place("sales/eu")).json()
    assert [one["reason"] for one in shown["history"]] == ["followed", "promoted", "rolled back", "promoted", "trained"]
    assert shown["rollback_to"] == {"model_id": new["model_id"], "mode": "pinned"}
    assert {name: shown[name] for name in followed} == followed
    page = client.get(place("sales/eu"), params={"limit": 2}).json()
    rest = client.get(place("sales/eu"), params={"cursor": page["next_cursor"]}).json()
    assert page["history"] + rest["history"] == shown["history"]
    assert rest["next_cursor"] is None


def test_a_record_of_a_model_says_nothing_of_names_that_are_pinned_to_it(application: Application) -> None:
    model = application.train(VALUES, name="own name")
    promote(application.client, "other name", model)
    assert application.client.get(model["links"]["self"]).json() == model
    problem = application.client.delete(model["links"]["self"])
    problem_of(problem, 409, "model-pinned", contains="POST /names/other%20name/follow")
    assert application.forecast(model_id=model["model_id"])["forecasts"]
    application.client.post(place("other name", "follow"))
    assert application.client.delete(model["links"]["self"]).status_code == 204
    problem = application.client.post(place("other name", "rollback"))
    problem_of(problem, 409, "conflict", contains=f"meant model {model['model_id']}, which was deleted")


def test_what_cannot_be_promoted(application: Application, models: list[Record]) -> None:
    client = application.client
    accepted = application.start({**ENDLESS, "name": "unready"})
    promotion = place("unready", "promote")
    try:
        application.job(accepted["job_id"], "running")
        unready = {"model_id": accepted["model_id"]}
        assert "Retry-After" in client.post(promotion, json=unready).headers
        problem_of(client.post(promotion, json=unready), 409, "model-not-ready")
    finally:
        client.delete(f"/jobs/{accepted['job_id']}")
    problem_of(client.post(promotion, json=unready), 409, "model-failed")
    client.delete(f"/models/{accepted['model_id']}")
    for unknown in ("0" * 32, "x", "zero-shot", ""):
        problem_of(client.post(promotion, json={"model_id": unknown}), 404, "model-not-found")
    for body, pointer in (({}, "#/model_id"), ({"model_id": 1}, "#/model_id"), ({"model_id": "a" * 65}, "#/model_id")):
        problem_of(client.post(promotion, json=body), 422, "invalid-request", pointer)
    problem_of(client.post(promotion, content=b"{"), 400, "malformed-body")
    csv = client.post(promotion, content=b"{", headers={"Content-Type": "text/csv"})
    problem_of(csv, 415, "unsupported-content-type")
    problem_of(client.get(place("unready")), 404, "model-not-found", contains="No ready model has the name 'unready'")
    for move in ("rollback", "follow"):
        problem_of(client.post(place("unready", move)), 404, "model-not-found")


@pytest.mark.parametrize("name", ["a\nb", "\0", "\x7f", "a" * 201])
def test_names_that_no_model_may_have_are_not_made(client: httpx.Client, models: list[Record], name: str) -> None:
    body = {"model_id": models[0]["model_id"]}
    problem_of(client.post(place(name, "promote"), json=body), 422, "invalid-request", "#/name")
    problem_of(client.get(place(name)), 404, "model-not-found")
    for move in ("rollback", "follow"):
        problem_of(client.post(place(name, move)), 404, "model-not-found")


def test_a_name_in_another_encoding(client: httpx.Client, models: list[Record]) -> None:
    for path, method in (("/names/%FF", "GET"), ("/names/%C3/rollback", "POST"), ("/names/a%ED%A0%80/follow", "POST")):
        problem_of(client.request(method, path), 422, "invalid-option", "#/name", "UTF-8")
    body = {"model_id": models[0]["model_id"]}
    problem_of(client.post("/names/%FF/promote", json=body), 422, "invalid-option", "#/name")


def test_a_move_of_what_was_moved_meanwhile(client: httpx.Client, models: list[Record]) -> None:
    body = {"model_id": models[0]["model_id"]}
    for number in (0, 1, 1):
        body = {"model_id": models[number]["model_id"]}
        response = client.post(place("seen", "promote"), params={"revision": number}, json=body)
    problem_of(response, 409, "conflict", contains="has revision 2, not 1")
    for move in ("rollback", "follow"):
        problem_of(client.post(place("seen", move), params={"revision": 1}), 409, "conflict", contains="read it again")
        problem_of(client.post(place("seen", move), params={"revision": -1}), 422, "invalid-request", "#/revision")
    assert client.post(place("seen", "rollback"), params={"revision": 2}).json()["revision"] == 3


def test_paths_that_are_no_names(client: httpx.Client) -> None:
    for path in ("/names/a/b", "/names/a%2Fb/promote/x", "/names%2Fa", "/names/a/promote%2F"):
        problem_of(client.get(path), 404, "route-not-found")
    problem_of(client.get("/names/a/promote"), 405, "method-not-allowed", contains="POST")
    problem_of(client.delete("/names/a"), 405, "method-not-allowed", contains="GET")


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 501}, {"cursor": "zzz"}, {"cursor": "é"}])
@pytest.mark.parametrize("path", ["/names", "/names/paged"])
def test_pages_that_cannot_be_asked_for(
    client: httpx.Client, models: list[Record], path: str, query: dict[str, Any]
) -> None:
    promote(client, "paged", models[0])
    [pointer] = query
    problem = client.get(path, params=query).json()
    assert (problem["status"], [fault["pointer"] for fault in problem["errors"]]) == (422, [f"#/{pointer}"])


def test_pages_have_every_name(tmp_path: Path, application: Application, models: list[Record]) -> None:
    with running(tmp_path, training_processes=0, device="cpu") as one:
        model = one.take(models[0], application)
        for name in AWKWARD:
            promote(one.client, name, model)
        found: list[str] = []
        query: Record = {"limit": 7}
        while True:
            page = one.client.get("/names", params=query).json()
            found += [name["name"] for name in page["names"]]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        assert len(found) == len(set(found))
        assert set(found) == set(AWKWARD)
        other = one.take(models[0], application)
        promote(one.client, "%", other)
        page = one.client.get("/names", params={"model_id": other["model_id"]}).json()
        assert [(name["name"], name["model_id"]) for name in page["names"]] == [("%", other["model_id"])]
        assert page["next_cursor"] is None


def test_limits_of_names(tmp_path: Path, application: Application, models: list[Record]) -> None:
    settings: dict[str, Any] = {"max_names_per_tenant": 2, "max_moves_per_name": 2}
    with running(tmp_path, training_processes=0, device="cpu", **settings) as one:
        first, second = (one.take(models[0], application) for _ in range(2))
        for number in range(4):
            promote(one.client, "a", (first, second)[number % 2])
        assert len(one.client.get(place("a")).json()["history"]) == 2
        promote(one.client, "b", first)
        response = one.client.post(place("c", "promote"), json={"model_id": first["model_id"]})
        problem_of(response, 422, "quota-exceeded", contains="FORECAST_MAX_NAMES_PER_TENANT")
        assert one.client.post(place("b", "follow")).status_code == 200
        promote(one.client, "c", first)


def test_concurrent_promotions_are_all_in_the_history(client: httpx.Client, models: list[Record]) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: promote(client, "contended", models[number % 3]), range(30)))
    shown = client.get(place("contended"), params={"limit": 500}).json()
    moves = shown["history"]
    assert [one["revision"] for one in moves] == list(range(shown["revision"], 0, -1))
    assert shown["model_id"] == moves[0]["model_id"]
    assert {one["model_id"] for one in moves} == {one["model_id"] for one in models}


@contextlib.contextmanager
def away(application: Application, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the registry not find models."""

    def refuse(*_: object) -> object:
        raise Unavailable("away")

    registry = application.app.state.resources.registry
    with monkeypatch.context() as patched:
        for method in ("ready_state", "get"):
            patched.setattr(type(registry), method, refuse)
        patched.setattr(type(registry.names), "resolve", refuse)
        yield


def test_a_move_on_another_server_counts_even_while_the_database_is_away(
    tmp_path: Path, application: Application, models: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"training_processes": 0, "device": "cpu"}
    with running(tmp_path, **settings) as here, running(tmp_path, **settings) as there:
        first, second = (here.take(models[0], application) for _ in range(2))
        for model in (first, second):
            promote(here.client, "shared", model)
            assert here.forecast(name="shared")["model_id"] == model["model_id"]
        promote(there.client, "shared", first)
        assert here.client.get(place("shared")).json()["model_id"] == first["model_id"]

        def asked() -> httpx.Response:
            with away(here, monkeypatch):
                return here.client.post("/forecast", json={"name": "shared"})

        # From memory; the move is read every two seconds.
        deadline = time.monotonic() + 60
        while (answer := asked()).json()["model_id"] != first["model_id"]:
            assert answer.json()["model_id"] == second["model_id"]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        there.client.post(place("shared", "follow"))
        while (answer := asked()).status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        problem_of(answer, 503, "unavailable")


def test_every_form_of_a_path_is_one(models: list[Record]) -> None:
    def kept(raw: bytes, path: str = "/names/") -> str:
        scope = {"path": path, "raw_path": raw}
        keep_names_encoded(scope)
        return str(scope["path"])

    assert kept(b"/names/a%2fb/%70romote") == "/names/a%2Fb/promote"
    assert kept(b"/names/%2E%2e") == kept(b"/names/..") == "/names/.."
    assert kept(b"/names/~%7E") == "/names/~~"
    assert kept(b"/names/%25") == "/names/%25"
    assert kept(b"/names/%zz") == "/names/%25zz"
    assert kept(b"/n%61mes/a") == "/names/a"
    assert kept(b"/names%2Fa") == "/names%2Fa"
    assert kept(b"/models/%2F", "/models//") == "/models//"
    for name in AWKWARD:
        assert decoded_name(kept(f"/names/{quote(name, safe='')}".encode()).removeprefix("/names/")) == name
    with pytest.raises(InvalidOption):
        decoded_name("%FF")


@pytest.mark.process
@pytest.mark.parametrize("name", AWKWARD)
def test_any_name_over_http(server_url: str, http_models: list[str], name: str) -> None:
    first, second = http_models
    with httpx.Client(base_url=server_url, event_hooks={"response": [check_answer]}, timeout=120) as client:
        for model_id in (first, second):
            response = client.post(place(name, "promote"), json={"model_id": model_id})
            assert (response.status_code, response.json()["name"]) == (200, name), response.text
        assert client.get(place(name)).json()["name"] == name
        assert client.get(response.json()["links"]["self"]).json()["name"] == name
        rolled_back = client.post(place(name, "rollback")).json()
        assert (rolled_back["name"], rolled_back["model_id"]) == (name, first)
        assert client.post("/forecast", json={"name": name}).json()["model_id"] == first
        assert client.post(place(name, "follow")).json()["mode"] == "newest"


@pytest.fixture(scope="module")
def http_models(server_url: str) -> list[str]:
    body = {"series": VALUES, "candidates": ["naive"]}
    with httpx.Client(base_url=server_url, timeout=120) as client:
        return [client.post("/train", params={"wait": 100}, json=body).json()["model_id"] for _ in range(2)]
