"""Tenants: what one owns, no other one sees, changes, or learns of."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.security.permissions import NEEDED
from service.errors import Unavailable
from service.storage.files.model_file import read_model_file, write_model_file
from service.storage.identifiers import new_id
from service.storage.registry.database import utc_now
from service.usecases.storage_repair import reconcile
from tests.api.application import ENDLESS, Application, running
from tests.api.contract import problem_of
from tests.api.series import OPEN, VALUES
from tests.factories import QUICK

BINARY = {"Content-Type": "application/octet-stream"}


class Tenant:
    """One who asks with a key."""

    def __init__(self, application: Application, name: str) -> None:
        self._client = application.client
        self._headers = {"Authorization": f"Bearer {name * 20}"}

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **request: Any) -> httpx.Response:
        return self._client.request(method, path, headers={**self._headers, **(headers or {})}, **request)

    def train(self, series: list[float] = VALUES, key: str | None = None, **options: Any) -> dict[str, Any]:
        headers = {} if key is None else {"Idempotency-Key": key}
        body = {**QUICK, "series": series, **options}
        answer = self.ask("POST", "/train", headers, params={"wait": 120}, json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def names(self, **query: Any) -> list[str]:
        """IDs of all models of a list."""
        return [one["model_id"] for one in self.ask("GET", "/models", params=query).json()["models"]]

    def forecast(self, **body: Any) -> httpx.Response:
        return self.ask("POST", "/forecast", json={"horizon": 3, **body})


@dataclass(frozen=True)
class House:
    """An application, two of its tenants, and what the first one has."""

    application: Application
    acme: Tenant
    other: Tenant
    model: dict[str, Any]
    job: str
    """Of a training that runs until it is stopped."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    keys = f"acme:{'a' * 20},other:{'o' * 20}"
    with running(tmp_path_factory.mktemp("house"), training_processes=2, api_keys=keys) as application:
        acme = Tenant(application, "a")
        model = acme.train(name="sales")
        started = acme.ask("POST", "/train", params={"wait": 0}, json={**ENDLESS, "name": "endless"})
        job = started.json()["job_id"]
        while acme.ask("GET", f"/jobs/{job}").json()["status"] == "queued":
            time.sleep(0.05)
        yield House(application, acme, Tenant(application, "o"), model, job)
        acme.ask("DELETE", f"/jobs/{job}")


def attempts(model_id: str, job_id: str) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Requests for one model and one job, by the rule of the table of permissions that they fall under."""
    asked = {"model_id": model_id, "horizon": 3}
    backtest = {"model_id": model_id, "series": VALUES}
    return {
        ("POST", "/forecast"): [
            {"json": asked},
            {"json": {**asked, "history": VALUES}},
            {"json": {**asked, "num_samples": 5}},
            {"json": asked, "params": {"model_id": model_id}},
        ],
        ("POST", "/backtest"): [{"json": backtest}, {"json": backtest, "params": {"model_id": model_id}}],
        ("GET", "/models/{model_id}"): [{}],
        ("GET", "/models/{model_id}/file"): [{}],
        ("PATCH", "/models/{model_id}"): [{"json": {"name": "taken"}}, {"json": {"name": None}}],
        ("DELETE", "/models/{model_id}"): [{}],
        ("GET", "/models/{model_id}/observations"): [{}, {"params": {"start": "0"}}],
        ("POST", "/models/{model_id}/observations"): [
            {"json": {"series": [1.0], "start_index": 0}},
            {"json": {"series": [1.0]}, "headers": {"Idempotency-Key": "k"}},
        ],
        ("DELETE", "/models/{model_id}/observations"): [{"params": {"start": "0"}}],
        ("POST", "/models/{model_id}/retrain"): [{}, {"headers": {"Idempotency-Key": "k"}}],
        ("POST", "/names/{name}/retrain"): [{}, {"json": {"start": "scratch"}}],
        ("GET", "/models/{model_id}/monitoring"): [{}, {"params": {"limit": 1}}],
        ("GET", "/names/{name}/monitoring"): [{}],
        ("GET", "/names/{name}/observations"): [{}],
        ("POST", "/names/{name}/observations"): [{"json": {"series": [1.0], "start_index": 0}}],
        ("DELETE", "/names/{name}/observations"): [{"params": {"start": "0"}}],
        ("GET", "/names/{name}"): [{}, {"params": {"limit": 1}}],
        ("POST", "/names/{name}/promote"): [{"json": {"model_id": model_id}}],
        ("POST", "/names/{name}/rollback"): [{}],
        ("POST", "/names/{name}/follow"): [{}],
        ("GET", "/jobs/{job_id}"): [{}],
        ("GET", "/jobs/{job_id}/events"): [{}, {"headers": {"Last-Event-ID": "0"}}, {"params": {"last_event_id": 1}}],
        ("DELETE", "/jobs/{job_id}"): [{}],
    }


NOT_BY_ID = {
    *(("GET", path) for path in ("/metrics", "/models", "/models/zero-shot", "/names", "/jobs")),
    *(("POST", path) for path in ("/train", "/csv", "/models", "/forecast/batch", "/observations/batch")),
}


def test_the_attempts_cover_every_route() -> None:
    assert set(attempts("", "")) | NOT_BY_ID == set(NEEDED)


@pytest.mark.parametrize(("method", "path"), sorted(attempts("", "")))
def test_what_is_anothers_is_answered_as_what_is_not_there(house: House, method: str, path: str) -> None:
    before = house.acme.ask("GET", f"/models/{house.model['model_id']}").json()
    # A model that is loaded and was confirmed a moment ago is no more at hand than any.
    assert house.acme.forecast(model_id=before["model_id"]).status_code == 200
    for job_id in (house.job, before["job_id"]):
        nothing = new_id()
        theirs = attempts(before["model_id"], job_id)[method, path]
        nobodys = attempts(nothing, nothing)[method, path]
        for one, none in zip(theirs, nobodys, strict=True):
            place = path.format(model_id=before["model_id"], job_id=job_id, name=before["name"])
            refused = house.other.ask(method, place, **one)
            absent = house.other.ask(method, path.format(model_id=nothing, job_id=nothing, name=nothing), **none)
            assert refused.status_code == absent.status_code == 404
            told, expected = refused.json(), absent.json()
            del told["request_id"], expected["request_id"]
            known = job_id if "{job_id}" in path else before["model_id"]
            known = before["name"] if "{name}" in path and "promote" not in path else known
            assert {name: str(value).replace(known, nothing) for name, value in told.items()} == {
                name: str(value) for name, value in expected.items()
            }
            assert set(refused.headers) == set(absent.headers)
    assert house.acme.ask("GET", f"/models/{before['model_id']}").json() == before
    assert house.acme.ask("GET", f"/jobs/{house.job}").json()["status"] == "running"
    assert house.acme.forecast(model_id=before["model_id"]).status_code == 200


def test_lists_have_only_what_is_ones_own(house: House) -> None:
    own = house.other.train(OPEN, name="own")
    assert own["model_id"] in house.other.names()
    assert house.model["model_id"] not in house.other.names()
    assert house.other.names(name="sales") == []
    assert house.other.names(status="training") == []
    assert house.model["model_id"] in house.acme.names(name="sales")
    assert own["model_id"] not in house.acme.names()
    jobs = {one["job_id"] for one in house.other.ask("GET", "/jobs").json()["jobs"]}
    assert own["job_id"] in jobs
    assert not jobs & {house.job, house.model["job_id"]}
    assert house.other.ask("GET", "/jobs", params={"status": "running"}).json()["jobs"] == []


def test_a_cursor_of_anothers_page_leads_to_nothing_of_theirs(house: House) -> None:
    for _ in range(2):
        house.acme.train(name="paged")
    own = house.other.train(OPEN)["model_id"]
    for place, field in (("/models", "models"), ("/jobs", "jobs")):
        page = house.acme.ask("GET", place, params={"limit": 1}).json()
        theirs = {one["model_id"] for one in house.acme.ask("GET", place, params={"limit": 500}).json()[field]}
        assert page["next_cursor"]
        seen = house.other.ask("GET", place, params={"cursor": page["next_cursor"], "limit": 500}).json()
        assert not theirs & {one["model_id"] for one in seen[field]}
        assert own not in theirs


def test_a_name_means_ones_own_model(house: House) -> None:
    problem_of(house.other.forecast(name="sales"), 404, "model-not-found")
    backtest = {"name": "sales", "series": VALUES}
    problem_of(house.other.ask("POST", "/backtest", json=backtest), 404, "model-not-found")
    own = house.other.train(OPEN, name="sales")["model_id"]
    assert house.other.forecast(name="sales").json()["model_id"] == own
    assert house.acme.forecast(name="sales").json()["model_id"] == house.model["model_id"]
    assert house.other.ask("DELETE", f"/models/{own}").status_code == 204
    problem_of(house.other.forecast(name="sales"), 404, "model-not-found")
    assert house.acme.forecast(name="sales").json()["model_id"] == house.model["model_id"]


def test_a_pinned_name_is_ones_own(house: House) -> None:
    own = house.other.train(OPEN, name="pinned")["model_id"]
    pinned = {"model_id": house.model["model_id"]}
    assert house.acme.ask("POST", "/names/pinned/promote", json=pinned).json()["by"] == "acme:admin"
    assert house.other.forecast(name="pinned").json()["model_id"] == own
    assert house.acme.forecast(name="pinned").json()["model_id"] == house.model["model_id"]
    assert house.other.ask("GET", "/names/pinned").json()["history"] == []
    listed = {tenant: tenant.ask("GET", "/names").json()["names"] for tenant in (house.acme, house.other)}
    assert {one["model_id"] for one in listed[house.other] if one["name"] == "pinned"} == {own}
    assert own not in {one["model_id"] for one in listed[house.acme]}
    problem = house.acme.ask("DELETE", f"/models/{house.model['model_id']}")
    problem_of(problem, 409, "model-pinned", contains="/names/pinned/follow")
    assert house.acme.ask("POST", "/names/pinned/follow").json()["model_id"] is None
    assert house.other.ask("DELETE", f"/models/{own}").status_code == 204


def test_an_idempotency_key_is_ones_own(house: House) -> None:
    first = house.acme.train(key="the same")
    second = house.other.train(key="the same")
    assert first["model_id"] != second["model_id"]
    assert house.acme.train(key="the same")["model_id"] == first["model_id"]
    assert house.other.train(key="the same")["model_id"] == second["model_id"]
    # Another request with the key of another tenant is no conflict; with one's own it is.
    house.acme.train(key="mine")
    house.other.train(OPEN, key="mine")
    conflict = house.acme.ask("POST", "/train", {"Idempotency-Key": "mine"}, json={**QUICK, "series": OPEN})
    problem_of(conflict, 422, "idempotency-key-reused")


def test_a_file_belongs_to_who_sends_it(house: House) -> None:
    data = house.acme.ask("GET", f"/models/{house.model['model_id']}/file").content
    assert read_model_file(data).record["model"]["tenant"] == "acme"
    taken = house.other.ask("POST", "/models", BINARY, content=data).json()
    assert taken["lineage"]["parent"]["model_id"] == house.model["model_id"]
    assert "tenant" not in taken
    assert house.other.forecast(model_id=taken["model_id"]).status_code == 200
    problem_of(house.acme.forecast(model_id=taken["model_id"]), 404, "model-not-found")
    stored = house.other.ask("GET", f"/models/{taken['model_id']}/file").content
    assert read_model_file(stored).record["model"]["tenant"] == "other"
    # One's own stays as it is, byte for byte.
    kept = house.acme.ask("POST", "/models", BINARY, content=data).json()
    assert house.acme.ask("GET", f"/models/{kept['model_id']}/file").content == data


def test_a_file_that_cannot_be_written_again_is_refused(house: House) -> None:
    data = house.acme.ask("GET", f"/models/{house.model['model_id']}/file").content
    file = read_model_file(data)
    deep = "[" * 600 + "]" * 600
    marked = write_model_file({**file.record, "more": "DEEP"}, file.tensors)
    # As a stranger would: by hand, with a checksum that fits.
    header_end = 8 + int.from_bytes(marked[:8], "little")
    header = marked[8:header_end].replace(b'\\"DEEP\\"', deep.encode()).rstrip(b" ")
    header = header.replace(file_checksum(marked), b"0" * 64)
    header += b" " * (-len(header) % 8)
    made = len(header).to_bytes(8, "little") + header + marked[header_end:]
    made = made.replace(b"0" * 64, hashlib.sha256(made).hexdigest().encode(), 1)
    assert read_model_file(made).record["more"]
    problem_of(house.other.ask("POST", "/models", BINARY, content=made), 422, "invalid-model-file", contains="deep")


def file_checksum(data: bytes) -> bytes:
    """The digits of the checksum in a model file."""
    return read_model_file(data).checksum.removeprefix("sha256:").encode()


def test_a_loaded_model_is_not_at_hand_for_others_while_the_database_is_away(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = house.application.app.state.resources
    assert house.acme.forecast(name="sales").status_code == 200

    def away(*_: object) -> object:
        raise Unavailable("away")

    for method in ("ready_state", "get"):
        monkeypatch.setattr(type(resources.registry), method, away)
    monkeypatch.setattr(type(resources.registry.names), "resolve", away)
    assert house.acme.forecast(name="sales").status_code == 200
    problem_of(house.other.forecast(name="sales"), 503, "unavailable")
    problem_of(house.other.forecast(model_id=house.model["model_id"]), 503, "unavailable")


def test_the_default_tenant_is_one_of_them(
    application: Application, plain_model: dict[str, Any], tmp_path: Path
) -> None:
    with running(tmp_path, training_processes=0, device="cpu") as before:
        model = before.take(plain_model, application)
        assert before.client.patch(model["links"]["self"], json={"name": "old"}).status_code == 200
    keys = f"default:{'d' * 20},acme:{'a' * 20}"
    with running(tmp_path, training_processes=0, device="cpu", api_keys=keys) as after:
        default, acme = Tenant(after, "d"), Tenant(after, "a")
        assert default.names() == [model["model_id"]]
        assert default.forecast(name="old").status_code == 200
        assert acme.names() == []
        problem_of(acme.forecast(name="old"), 404, "model-not-found")


def test_models_come_back_to_their_tenants_when_the_database_is_lost(tmp_path: Path) -> None:
    keys = f"acme:{'a' * 20},other:{'o' * 20}"
    with running(tmp_path, training_processes=1, api_keys=keys) as before:
        acme, other = Tenant(before, "a"), Tenant(before, "o")
        trained = acme.train(name="sales")["model_id"]
        data = acme.ask("GET", f"/models/{trained}/file").content
        taken = other.ask("POST", "/models", BINARY, content=data).json()["model_id"]
    for file in tmp_path.glob("registry.sqlite3*"):
        file.unlink()
    with running(tmp_path, training_processes=0, device="cpu", api_keys=keys) as after:
        acme, other = Tenant(after, "a"), Tenant(after, "o")
        assert acme.names() == other.names() == []
        resources = after.app.state.resources
        found = reconcile(resources.registry, resources.store, True, False, utc_now() + timedelta(hours=1))
        assert sorted(one.detail for one in found.differences if one.action == "adopt") == [
            "name 'sales', of tenant acme",
            "name 'sales', of tenant other",
        ]
        assert (acme.names(), other.names()) == ([trained], [taken])
        assert other.forecast(model_id=taken).status_code == 200
