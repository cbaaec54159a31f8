"""Files that an earlier version wrote (tests/fixtures) are read as they were: models, a store, a checkpoint."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from examples.server import running_server
from service.api.output.responses import name_answer
from service.keys import DEFAULT_TENANT
from service.storage.files.model_file import read_model_file
from service.storage.files.store import ModelStore
from service.storage.registry.names import NameBounds
from service.storage.registry.registry import Registry
from service.worker.train_job import run_training
from tests.fixtures.files import (
    KEPT_FOR_GOOD,
    MODELS,
    MOVED_NAMES,
    MOVED_NAMES_ANSWERS,
    OBSERVED,
    OBSERVED_ANSWERS,
    STORE,
    STORE_ANSWERS,
)
from tests.fixtures.old_models import CASES, Json

SAME = 1e-6
RETRAINED = 1e-3
"""Relative differences: of what one file forecasts, and of trainings, in which rounding adds up."""
PATIENCE = 120.0


def differences(found: Any, expected: Any, tolerance: float, place: str = "") -> list[str]:
    """Return where an answer is another; what is compared as numbers is relative to the largest of a list."""
    if isinstance(expected, dict) and isinstance(found, dict):
        told = [f"{place}/{key} is gone" for key in expected.keys() - found.keys()]
        common = sorted(expected.keys() & found.keys())
        return told + [
            one for key in common for one in differences(found[key], expected[key], tolerance, f"{place}/{key}")
        ]
    if isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected):
        scale = max((abs(one) for one in expected if is_number(one)), default=0.0)
        return [
            one
            for number, pair in enumerate(zip(found, expected, strict=True))
            for one in (
                near(*pair, tolerance * scale, f"{place}/{number}")
                if all(map(is_number, pair))
                else differences(*pair, tolerance, f"{place}/{number}")
            )
        ]
    if is_number(expected) and is_number(found):
        return near(found, expected, tolerance * abs(expected), place)
    return [] if found == expected else [f"{place} is {found!r}, was {expected!r}"]


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def near(found: float, expected: float, difference: float, place: str) -> list[str]:
    return (
        [] if math.isclose(found, expected, rel_tol=0, abs_tol=difference) else [f"{place} is {found}, was {expected}"]
    )


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def check_forecast(
    client: httpx.Client, model_id: str, old: Json, tolerance: float = SAME, intervals: bool = True
) -> None:
    """Ask a model what was asked before; warnings may be worded differently, and intervals be left out."""
    response = client.post("/forecast", json={"model_id": model_id, **old["request"]})
    assert response.status_code == 200, response.text
    expected = {**old["answer"], "model_id": model_id}
    del expected["warnings"]
    if not intervals:
        names = ("intervals", "quantiles", "samples")
        forecasts = [{name: one[name] for name in one if name not in names} for one in expected["forecasts"]]
        expected["forecasts"] = forecasts
    assert differences(response.json(), expected, tolerance) == []


# Model files.


def test_every_kind_of_model_is_kept() -> None:
    assert (
        {file.stem for file in MODELS.glob("*.safetensors")}
        == {file.stem for file in MODELS.glob("*.json")}
        == set(CASES)
    )


@pytest.mark.process
@pytest.mark.parametrize("name", sorted(CASES))
def test_a_model_file_is_taken_in_and_forecasts_the_same(server_url: str, name: str) -> None:
    with httpx.Client(base_url=server_url, timeout=PATIENCE) as client:
        data = (MODELS / f"{name}.safetensors").read_bytes()
        response = client.post("/models", content=data, headers={"Content-Type": "application/octet-stream"})
        assert response.status_code == 201, response.text
        model_id = response.json()["model_id"]
        for old in read(MODELS / f"{name}.json"):
            check_forecast(client, model_id, old)


# A store with its databases.


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Path]]:
    """A server on a copy of the store, and its log."""
    folder = tmp_path_factory.mktemp("old")
    store, log = folder / "store", folder / "server.log"
    shutil.copytree(STORE, store)
    settings = {**KEPT_FOR_GOOD, "FORECAST_TRAINING_PROCESSES": "1"}
    with running_server(store, settings, log) as url, httpx.Client(base_url=url, timeout=PATIENCE) as client:
        yield client, log


@pytest.fixture
def client(opened: tuple[httpx.Client, Path]) -> httpx.Client:
    return opened[0]


OLD: Json = read(STORE_ANSWERS)


@pytest.mark.process
def test_the_models_and_jobs_of_a_store_are_listed(client: httpx.Client) -> None:
    listed = {model["model_id"]: model for model in client.get("/models").json()["models"]}
    for one in OLD["models"]:
        model_id = one["answer"]["model_id"]
        assert differences(listed[model_id], one["answer"], SAME) == []
        assert differences(client.get(f"/models/{model_id}").json(), one["answer"], SAME) == []
    # Those of the jobs that failed or had not ended, too.
    assert len(listed) == len(OLD["models"]) + 1 + len(OLD["unfinished"])
    jobs = {job["job_id"]: job for job in client.get("/jobs").json()["jobs"]}
    assert {job["status"] for job in OLD["jobs"]} == {"failed", "succeeded"}
    for job in OLD["jobs"]:
        assert differences(jobs[job["job_id"]], job, SAME) == []
        assert differences(client.get(f"/jobs/{job['job_id']}").json(), job, SAME) == []


@pytest.mark.process
def test_the_models_of_a_store_forecast_the_same(client: httpx.Client) -> None:
    for one in OLD["models"]:
        check_forecast(client, one["answer"]["model_id"], one["forecast"])


@pytest.mark.process
def test_the_jobs_that_had_not_ended_do(opened: tuple[httpx.Client, Path]) -> None:
    client, log = opened
    for one in OLD["unfinished"]:
        job = ended(client, one["job_id"])
        assert job["status"] == "succeeded", job
        # Intervals are those of trainings of this version.
        check_forecast(client, job["model_id"], one["forecast"], RETRAINED, intervals=False)
    # Neither the checkpoint nor anything else was a reason to warn.
    assert log.read_text() == ""


def ended(client: httpx.Client, job_id: str) -> Json:
    deadline = time.monotonic() + PATIENCE
    while True:
        job: Json = client.get(f"/jobs/{job_id}").json()
        if job["finished_at"] is not None:
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.05)


# Names that were moved.


def test_what_names_mean_and_meant_is_kept(tmp_path: Path) -> None:
    shutil.copy(MOVED_NAMES, tmp_path / "registry.db")
    registry = Registry.open(f"sqlite:///{tmp_path / 'registry.db'}")
    try:
        expected = read(MOVED_NAMES_ANSWERS)
        assert [one.name for one in registry.names.list(DEFAULT_TENANT).entries] == sorted(expected)
        for name, answer in expected.items():
            assert differences(name_answer(*registry.names.get(DEFAULT_TENANT, name)), answer, SAME) == []
            if answer["model_id"] is not None:
                assert registry.names.resolve(DEFAULT_TENANT, name).id == answer["model_id"]
            if answer["rollback_to"] is not None:
                entry = registry.names.rollback(DEFAULT_TENANT, name, None, NameBounds(100, 100))
                assert (entry.model_id, entry.mode) == tuple(answer["rollback_to"][one] for one in ("model_id", "mode"))
    finally:
        registry.close()


# Observations.


@pytest.mark.process
def test_observations_are_kept_and_continued(tmp_path: Path) -> None:
    shutil.copytree(OBSERVED, tmp_path / "store")
    with (
        running_server(tmp_path / "store", KEPT_FOR_GOOD) as url,
        httpx.Client(base_url=url, timeout=PATIENCE) as client,
    ):
        for old in read(OBSERVED_ANSWERS):
            path = f"/models/{old['answer']['model_id']}/observations"
            kept = client.get(path).json()
            assert differences(kept, old["observations"], SAME) == []
            check_forecast(client, old["answer"]["model_id"], old)
            answer = client.post(path, json={"series": [1.0]}, headers={"Idempotency-Key": path})
            assert answer.json()["appended"] == 1, answer.text


# A checkpoint.


def test_a_training_goes_on_from_its_checkpoint_to_the_same_model(tmp_path: Path) -> None:
    shutil.copytree(STORE, tmp_path / "store")
    store = ModelStore.open(str(tmp_path / "store"))
    [checkpoint] = store.checkpoints()
    underway = read_model_file(store.get_checkpoint(checkpoint.id) or b"").record["underway"]
    assert (underway["stage"], underway["member"]) == ("select", 1)
    resumed, progress = trained(store, checkpoint.id)
    # Told are members from 1 on.
    assert (progress[0]["stage"], progress[0]["member"]) == ("select", 2)
    assert progress[0]["epoch"] > underway["epoch"]
    store.delete_checkpoint(checkpoint.id)
    anew, progress = trained(store, checkpoint.id)
    assert (progress[0]["member"], progress[0]["epoch"]) == (1, 1)
    assert differences(resumed.record, anew.record, RETRAINED) == []
    assert resumed.tensors.keys() == anew.tensors.keys()
    for name, numbers in anew.tensors.items():
        np.testing.assert_allclose(resumed.tensors[name], numbers, rtol=RETRAINED, atol=RETRAINED, err_msg=name)


def trained(store: ModelStore, job_id: str) -> tuple[Any, list[Json]]:
    """Train a job; return the file of its model, and what was told of each epoch."""
    progress: list[Json] = []
    outcome = run_training(store, job_id, lambda one: progress.append(dict(one)), lambda _: None)
    return read_model_file(outcome.file), [one for one in progress if one.get("epoch")]
