"""Everything under /models."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from service.errors import Unavailable
from service.storage.files.model_file import read_model_file, write_model_file
from service.storage.files.store import ModelStore
from tests.api.application import ENDLESS, Application
from tests.api.contract import problem_of
from tests.api.series import DAYS, VALUES

Record = dict[str, Any]
FILE = {"Content-Type": "application/octet-stream"}
UNKNOWN = "0" * 32


def upload(client: httpx.Client, data: bytes, **query: Any) -> httpx.Response:
    return client.post("/models", content=data, headers=FILE, params=query)


def download(client: httpx.Client, model: Record) -> bytes:
    response = client.get(model["links"]["file"])
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/octet-stream")
    assert f'filename="{model["model_id"]}.safetensors"' in response.headers["Content-Disposition"]
    return response.content


def test_pages_hold_every_model_once_newest_first(application: Application) -> None:
    client = application.client
    data = download(client, application.train(VALUES, name="paged"))
    made = [upload(client, data, name="paged").json()["model_id"] for _ in range(6)]
    found: list[str] = []
    cursor = None
    while True:
        query: Record = {"name": "paged", "limit": 3, **({"cursor": cursor} if cursor else {})}
        page = client.get("/models", params=query).json()
        assert len(page["models"]) <= 3
        found += [one["model_id"] for one in page["models"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found[:6] == made[::-1]
    assert len(found) == len(set(found)) == 7


def test_lists_are_filtered(application: Application, plain_model: Record) -> None:
    client = application.client
    accepted = application.start({**ENDLESS, "name": "unready"})
    try:
        for status, wanted in (("training", True), ("ready", False), ("failed", False)):
            page = client.get("/models", params={"status": status, "limit": 500}).json()
            assert {one["status"] for one in page["models"]} <= {status}
            assert (accepted["model_id"] in {one["model_id"] for one in page["models"]}) is wanted
        assert [one["model_id"] for one in client.get("/models", params={"name": "unready"}).json()["models"]] == [
            accepted["model_id"]
        ]
        assert client.get("/models", params={"name": "nobody"}).json() == {"models": [], "next_cursor": None}
    finally:
        client.delete(f"/models/{accepted['model_id']}")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"limit": 0}, "#/limit"),
        ({"limit": 501}, "#/limit"),
        ({"limit": "all"}, "#/limit"),
        ({"limit": "+5.0"}, "#/limit"),
        ({"status": "happy"}, "#/status"),
        ({"cursor": "zzz"}, "#/cursor"),
        ({"cursor": "é"}, "#/cursor"),
        ({"cursor": "a" * 201}, "#/cursor"),
    ],
)
@pytest.mark.parametrize("path", ["/models", "/jobs"])
def test_a_list_cannot_be_asked_for_like_this(client: httpx.Client, path: str, query: Record, pointer: str) -> None:
    problem = client.get(path, params=query).json()
    assert (problem["status"], [fault["pointer"] for fault in problem["errors"]]) == (422, [pointer])


def test_a_model_is_renamed(application: Application) -> None:
    model = application.train(VALUES, name="before")
    client, path = application.client, model["links"]["self"]
    for name in ("after", "Überraschung 😀", None):
        renamed = client.patch(path, json={"name": name})
        assert (renamed.status_code, renamed.json()) == (200, {**model, "name": name})
        assert client.get(path).json()["name"] == name
    problem_of(client.post("/forecast", json={"name": "before"}), 404, "model-not-found")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#"),
        ({"name": ""}, "#/name"),
        ({"name": 3}, "#/name"),
        ({"name": "a\nb"}, "#/name"),
        ({"name": "a" * 201}, "#/name"),
        ({"name": "a", "status": "ready"}, "#/status"),
        ([], "#"),
    ],
)
def test_a_name_that_cannot_be(client: httpx.Client, plain_model: Record, body: Any, pointer: str) -> None:
    problem_of(client.patch(plain_model["links"]["self"], json=body), 422, "invalid-request", pointer)


def test_what_a_model_does_by_itself_is_changed_and_shown(client: httpx.Client, plain_model: Record) -> None:
    path, policy = plain_model["links"]["self"], {"when": "drift", "every": 500, "start": "scratch"}
    before = client.get(path).json()
    assert (before["adaptive"], before["retrain"]) == (False, None)
    assert client.patch(path, json={"retrain": policy, "adaptive": True}).json()["retrain"] == policy
    assert client.patch(path, json={"name": "a name"}).json()["retrain"] == policy
    shown = client.get(path).json()
    assert (shown["name"], shown["adaptive"], shown["retrain"]) == ("a name", True, policy)
    client.patch(path, json={"retrain": None, "adaptive": False, "name": before["name"]})
    assert client.get(path).json() == before


@pytest.mark.parametrize(
    ("body", "pointer", "cure"),
    [
        ({"retrain": {}}, "#/retrain", "every"),
        ({"retrain": {"when": "always"}}, "#/retrain/when", "drift"),
        ({"retrain": {"every": 0}}, "#/retrain/every", "1"),
        ({"retrain": {"every": 2.5}}, "#/retrain/every", "integer"),
        ({"retrain": {"schedule": "0 25 * * *"}}, "#/retrain/schedule", "Mondays"),
        ({"retrain": "drift"}, "#/retrain", "object"),
        ({"adaptive": None}, "#/adaptive", "boolean"),
        ({"adaptive": "yes"}, "#/adaptive", "boolean"),
    ],
)
def test_a_policy_that_cannot_be(client: httpx.Client, plain_model: Record, body: Any, pointer: str, cure: str) -> None:
    problem_of(client.patch(plain_model["links"]["self"], json=body), 422, "invalid-request", pointer, cure)


def test_an_unknown_model(client: httpx.Client) -> None:
    for model_id in (UNKNOWN, "x", "A" * 32, "a" * 500, "%00", "%2e%2e"):
        path = f"/models/{model_id}"
        problem_of(client.get(path), 404, "model-not-found", contains="GET /models")
        problem_of(client.delete(path), 404, "model-not-found")
        problem_of(client.patch(path, json={"name": "x"}), 404, "model-not-found")
        problem_of(client.get(f"{path}/file"), 404, "model-not-found")


def test_a_model_is_deleted_with_all_that_belongs_to_it(application: Application) -> None:
    model = application.train(VALUES)
    files = set(application.store.rglob(f"*{model['model_id']}*")) | set(
        application.store.rglob(f"*{model['job_id']}*")
    )
    assert len(files) == 2
    client = application.client
    application.forecast(model_id=model["model_id"])
    assert client.delete(model["links"]["self"]).status_code == 204
    assert not any(file.exists() for file in files)
    problem_of(client.get(model["links"]["self"]), 404, "model-not-found")
    problem_of(client.get(model["links"]["job"]), 404, "job-not-found")
    problem_of(client.post("/forecast", json={"model_id": model["model_id"]}), 404, "model-not-found")
    problem_of(client.delete(model["links"]["self"]), 404, "model-not-found")


def test_a_file_taken_out_and_in_again_forecasts_the_same_to_the_bit(application: Application) -> None:
    client = application.client
    items = [{"id": "a", "values": VALUES, "timestamps": DAYS}, {"id": "b", "values": VALUES[::-1], "start": DAYS[0]}]
    model = application.train({"items": items, "freq": "D"}, name="traveller", training={"epochs": 2})
    asked = {"horizon": 30, "level": [50, 99]}
    before = application.forecast(model_id=model["model_id"], **asked)
    data = download(client, model)
    client.delete(model["links"]["self"])
    response = upload(client, data)
    taken_in = response.json()
    assert response.status_code == 201
    assert response.headers["Location"] == f"/models/{taken_in['model_id']}"
    assert taken_in["model_id"] != model["model_id"]
    assert (taken_in["status"], taken_in["job_id"], taken_in["name"]) == ("ready", None, "traveller")
    for field in ("configuration", "metrics", "baseline", "skill", "targets", "min_history", "series", "warnings"):
        assert taken_in[field] == model[field], field
    assert taken_in["lineage"]["parent"]["model_id"] == model["model_id"]
    assert taken_in["lineage"]["parent"]["checksum"].startswith("sha256:")
    assert taken_in["lineage"]["data_hash"] == model["lineage"]["data_hash"]
    after = application.forecast(model_id=taken_in["model_id"], **asked)
    assert {**after, "model_id": None} == {**before, "model_id": None}
    assert download(client, taken_in) == data


def test_a_file_may_get_another_name(client: httpx.Client, plain_model: Record) -> None:
    data = download(client, plain_model)
    assert upload(client, data, name="given").json()["name"] == "given"
    problem_of(upload(client, data, name=""), 422, "invalid-request", "#/name")


def test_a_file_with_any_byte_changed_is_refused(client: httpx.Client, plain_model: Record) -> None:
    data = download(client, plain_model)
    count = len(client.get("/models", params={"limit": 500}).json()["models"])
    for place in [*range(0, 12), *range(12, len(data), len(data) // 40), len(data) - 1]:
        changed = bytearray(data)
        changed[place] ^= 1
        problem_of(upload(client, bytes(changed)), 422, "invalid-model-file", contains="Download it again")
    assert len(client.get("/models", params={"limit": 500}).json()["models"]) == count


SPOILINGS: dict[str, Callable[[Record], Any]] = {
    "a record of text": lambda record: record.update(model="boom"),
    "no record": lambda record: record.pop("model"),
    "no metrics": lambda record: record["model"].pop("metrics"),
    "metrics of text": lambda record: record["model"].update(metrics="good"),
    "a skill of text": lambda record: record["model"].update(skill="much"),
    "another baseline": lambda record: record["model"]["baseline"].update(method="guess"),
    "warnings of numbers": lambda record: record["model"].update(warnings=[1]),
    "a name of two lines": lambda record: record["model"].update(name="a\nb"),
    "a lineage of text": lambda record: record["model"].update(lineage="noble"),
    "facts without an end": lambda record: record["model"].update(series=deep(200)),
    "no forecaster": lambda record: record.pop("forecaster"),
    "an unknown cell": lambda record: record["forecaster"]["specification"]["network"].update(cell="os.system"),
}


def deep(levels: int) -> Record:
    return {"series": deep(levels - 1)} if levels else {}


@pytest.mark.parametrize("how", SPOILINGS)
def test_a_file_with_a_right_checksum_and_lies_inside_is_refused(
    client: httpx.Client, plain_model: Record, how: str
) -> None:
    file = read_model_file(download(client, plain_model))
    record = copy.deepcopy(file.record)
    SPOILINGS[how](record)
    problem_of(upload(client, write_model_file(record, file.tensors)), 422, "invalid-model-file", contains="whole but")
    assert client.get("/models").status_code == 200


def test_what_a_file_tells_beside_its_model_is_left_out(client: httpx.Client, plain_model: Record) -> None:
    file = read_model_file(download(client, plain_model))
    record = copy.deepcopy(file.record)
    record["model"] |= {"error": "boom", "status": "failed", "model_id": "x" * 32, "links": None, "size_bytes": -1}
    taken_in = upload(client, write_model_file(record, file.tensors)).json()
    assert (taken_in["status"], "error" in taken_in) == ("ready", False)
    assert taken_in["lineage"]["parent"]["model_id"] == "x" * 32
    assert client.get(taken_in["links"]["self"]).json() == taken_in
    assert client.delete(taken_in["links"]["self"]).status_code == 204


@pytest.mark.parametrize("cut", ["half", "last", "longer", "text", "length"])
def test_what_is_no_model_is_refused(client: httpx.Client, plain_model: Record, cut: str) -> None:
    data = download(client, plain_model)
    sent = {
        "half": data[: len(data) // 2],
        "last": data[:-1],
        "longer": data + b"\0",
        "text": b"hello",
        "length": (2**63).to_bytes(8, "little") + b"{}" * 500,
    }[cut]
    problem_of(upload(client, sent), 422, "invalid-model-file")


def test_an_upload_has_a_body_and_its_content_type(client: httpx.Client, plain_model: Record) -> None:
    problem_of(upload(client, b""), 400, "malformed-body", contains="empty")
    response = client.post("/models", content=b"x", headers={"Content-Type": "application/json"})
    problem_of(response, 415, "unsupported-content-type", contains="application/octet-stream")


def test_a_damaged_file_in_the_store_is_told_and_others_still_serve(
    application: Application, plain_model: dict[str, Any]
) -> None:
    client, damaged = application.client, application.train(VALUES)
    [file] = application.store.rglob(f"{damaged['model_id']}*.safetensors")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    for response in (
        client.post("/forecast", json={"model_id": damaged["model_id"]}),
        client.post("/backtest", json={"model_id": damaged["model_id"], "series": VALUES}),
        client.get(damaged["links"]["file"]),
    ):
        problem_of(response, 500, "model-file-corrupt", contains="train or import it again")
    # Its record is still there, so that one can see how it was made.
    assert client.get(damaged["links"]["self"]).json() == damaged
    assert application.forecast(model_id=plain_model["model_id"])["forecasts"]
    assert client.get("/readyz").status_code == 200
    assert client.delete(damaged["links"]["self"]).status_code == 204


def test_a_model_in_training_is_deleted(application: Application) -> None:
    client = application.client
    accepted = application.start(ENDLESS)
    application.job(accepted["job_id"], "running")
    # What is left where a trainer dies before it can publish.
    ModelStore.open(str(application.store)).put_model(accepted["model_id"], b"unpublished", 1)
    path = f"/models/{accepted['model_id']}"
    shown = client.get(path).json()
    assert (shown["status"], shown["ready_at"], shown["size_bytes"]) == ("training", None, None)
    assert shown["series"]["rows"] == len(ENDLESS["series"])
    problem_of(client.get(f"{path}/file"), 409, "model-not-ready")
    assert client.delete(path).status_code == 204
    problem_of(client.get(path), 404, "model-not-found")
    problem_of(client.get(f"/jobs/{accepted['job_id']}"), 404, "job-not-found")
    for name in ("job_id", "model_id"):
        assert not list(application.store.rglob(f"*{accepted[name]}*"))


def test_a_model_that_is_deleted_while_the_store_is_away_is_served_no_more(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = application.train(VALUES)
    application.forecast(model_id=model["model_id"])

    def away(*_: Any) -> None:
        raise Unavailable("S3 cannot be reached", retry_after=1)

    monkeypatch.setattr(application.app.state.resources.store, "delete_model", away)
    problem_of(application.client.delete(model["links"]["self"]), 503, "unavailable")
    forecast = application.client.post("/forecast", json={"model_id": model["model_id"]})
    problem_of(forecast, 404, "model-not-found")
