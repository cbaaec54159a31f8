"""What a server finds again that is started on the folder of another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.application import ENDLESS, running
from tests.api.children import training_children
from tests.api.contract import problem_of
from tests.api.series import DAYS, VALUES
from tests.factories import QUICK

pytestmark = pytest.mark.slow


def test_models_and_jobs_survive_and_unfinished_jobs_are_taken_up_again(tmp_path: Path) -> None:
    series = {"values": VALUES, "timestamps": DAYS}
    with running(tmp_path, training_processes=1) as first:
        model = first.train(series, name="survivor")
        forecast = first.forecast(model_id=model["model_id"], horizon=12)
        key = {"Idempotency-Key": "over a restart"}
        body = {**QUICK, "series": VALUES}
        running_one = first.start(ENDLESS)
        first.job(running_one["job_id"], "running")
        waiting = first.client.post("/train", params={"wait": 0}, json=body, headers=key).json()
        cancelled = first.start(body)
        assert first.client.delete(f"/jobs/{cancelled['job_id']}").status_code == 204
        first.job(waiting["job_id"], "queued")
    assert not training_children()
    with running(tmp_path, training_processes=1) as second:
        assert second.client.get(model["links"]["self"]).json() == model
        assert second.forecast(name="survivor", horizon=12) == forecast
        again = second.job(running_one["job_id"], "running")
        assert again["attempt"] == 2
        answer = second.client.post("/train", params={"wait": 0}, json=body, headers=key)
        assert answer.json()["job_id"] == waiting["job_id"]
        assert second.client.delete(f"/jobs/{running_one['job_id']}").status_code == 204
        assert second.job(waiting["job_id"], "succeeded")["attempt"] == 1
        assert second.forecast(model_id=waiting["model_id"])["forecasts"]
        assert second.client.get(f"/jobs/{cancelled['job_id']}").json()["status"] == "cancelled"
    with running(tmp_path, training_processes=1) as third:
        # What was taken up once is finished for good.
        assert third.client.get(f"/jobs/{running_one['job_id']}").json()["status"] == "cancelled"
        assert third.client.delete(model["links"]["self"]).status_code == 204
        problem_of(third.client.post("/forecast", json={"name": "survivor"}), 404, "model-not-found")


def test_a_model_needs_neither_its_series_nor_its_job(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        model = first.train(VALUES)
        forecast = first.forecast(model_id=model["model_id"], horizon=9)
    for file in (tmp_path / "inputs").iterdir():
        file.unlink()
    with running(tmp_path) as second:
        assert second.forecast(model_id=model["model_id"], horizon=9) == forecast
