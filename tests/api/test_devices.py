"""Engines and devices through the whole service; torch's CPU device plays the GPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.forecasting.networks.module import RecurrentForecaster
from tests.api.application import ENDLESS, Application, running
from tests.factories import QUICK, noisy_sine
from tests.worker.test_runner import wait_for

pytestmark = pytest.mark.slow

LARGE = {"network": {"cell": "lstm", "hidden_size": 1024}, "training": {"epochs": 1}, "refit": False}


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """A server that has all trainings on the device."""
    with running(tmp_path_factory.mktemp("models"), device="cuda", devices=["cpu"]) as one:
        yield one


def trained_on(model: dict[str, Any]) -> str:
    lineage = model["lineage"]
    assert ("torch" in lineage["libraries"]) is (lineage["engine"] == "torch")
    assert lineage["device"] == "cpu"
    engine: str = lineage["engine"]
    return engine


def values_of(application: Application, model_id: str) -> np.ndarray[Any, Any]:
    answer = application.forecast(model_id=model_id, horizon=8)
    return np.array(answer["forecasts"][0]["mean"])


def moved(model: dict[str, Any], one: Application, other: Application) -> str:
    """Carry a model's file to another server; return its ID there."""
    data = one.client.get(model["links"]["file"]).content
    answer = other.client.post("/models", content=data, headers={"Content-Type": "application/octet-stream"})
    return str(answer.json()["model_id"])


def test_either_side_serves_what_the_other_trained(application: Application, tmp_path: Path) -> None:
    series = noisy_sine().tolist()
    asked = {"training": {**QUICK["training"], "loss": "mse"}}
    with running(tmp_path, device="cpu") as other:
        on_device, on_cpu = application.train(series, **asked), other.train(series, **asked)
        assert [trained_on(model) for model in (on_device, on_cpu)] == ["torch", "numba"]
        here, there = values_of(application, on_device["model_id"]), values_of(other, on_cpu["model_id"])
        np.testing.assert_allclose(values_of(other, moved(on_device, application, other)), here, rtol=1e-5)
        np.testing.assert_allclose(values_of(application, moved(on_cpu, other, application)), there, rtol=1e-5)
    np.testing.assert_allclose(here, there, atol=1e-3)


def test_torch_trains_and_serves_where_it_is_set(tmp_path: Path) -> None:
    with running(tmp_path, engine="torch", device="cpu") as one:
        model = one.train(noisy_sine().tolist())
        assert trained_on(model) == "torch"
        assert one.client.get("/readyz").json()["engines"] == [{"engine": "torch", "device": "cpu"}]
        assert 'forecast_engine_info{device="cpu",engine="torch"} 1.0' in one.client.get("/metrics").text
        served = values_of(one, model["model_id"])
    with running(tmp_path, device="cpu") as other:
        np.testing.assert_allclose(values_of(other, model["model_id"]), served, rtol=1e-5)


def engines_of(application: Application) -> list[str]:
    return [one["engine"] for one in application.client.get("/readyz").json()["engines"]]


def test_a_gpu_that_fails_is_reported_and_the_cpu_forecasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path, device="cuda", devices=["cpu"]) as one:
        model = one.train(noisy_sine().tolist())
        wait_for(lambda: engines_of(one) == ["numba", "torch"])
        expected = values_of(one, model["model_id"])

        def failing(*_: object) -> None:
            raise RuntimeError("CUDA error: the device was lost")

        monkeypatch.setattr(RecurrentForecaster, "forecast", failing)
        np.testing.assert_allclose(values_of(one, moved(model, one, one)), expected, rtol=1e-5)
        assert engines_of(one) == ["numba"]
        assert [text for text in one.client.get("/readyz").json()["warnings"] if "the device was lost" in text]
        assert "forecast_gpu_failures_total 1.0" in one.client.get("/metrics").text


def test_an_error_of_the_data_comes_over(application: Application) -> None:
    asked = {"training": {"learning_rate": 10, "optimizer": "sgd", "loss": "mse", "clip_norm": None, "epochs": 20}}
    body = {**QUICK, "series": (1e6 * noisy_sine()).tolist(), "scaling": "none", **asked}
    response = application.client.post("/train", params={"wait": 120}, json=body)
    assert response.status_code == 422
    assert "diverged" in response.text


def test_a_training_on_a_device_is_cancelled_and_the_next_one_runs(application: Application) -> None:
    endless = application.start(ENDLESS)
    application.job(endless["job_id"], "running")
    assert application.client.delete(f"/jobs/{endless['job_id']}").status_code == 204
    assert trained_on(application.train(noisy_sine().tolist())) == "torch"
    assert application.job(endless["job_id"], "cancelled")


def test_only_large_trainings_go_to_the_device(tmp_path: Path) -> None:
    with running(tmp_path, devices=["cpu"]) as divided:
        small = divided.train(noisy_sine().tolist())
        large = divided.train(noisy_sine(300).tolist(), **LARGE)
    assert [trained_on(model) for model in (small, large)] == ["numba", "torch"]


def test_jobs_that_a_stopped_server_left_go_to_a_queue_that_is_served(tmp_path: Path) -> None:
    waiting_one = {**QUICK, "series": noisy_sine(300).tolist()}
    with running(tmp_path, training_processes=1, device="cpu") as first:
        endless = first.start(ENDLESS)
        first.job(endless["job_id"], "running")
        waiting = first.start(waiting_one)
    with running(tmp_path, device="cuda", devices=["cpu"]) as second:
        assert second.job(endless["job_id"], "running")["attempt"] == 2
        assert second.client.delete(f"/jobs/{endless['job_id']}").status_code == 204
        second.job(waiting["job_id"], "succeeded")
        assert trained_on(second.client.get(f"/models/{waiting['model_id']}").json()) == "torch"
