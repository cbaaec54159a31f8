"""GET of monitoring: what the forecasts of observed values were like, and whether the series has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from service.storage.registry.tables import models
from tests.api.application import Application, running
from tests.api.contract import problem_of

TRAINED = 120
OPTIONS = {"horizon": 4, "candidates": ["mean", "exponential_smoothing"]}
VALUES: list[float] = (50 + np.random.default_rng(0).normal(size=200)).round(3).tolist()
DAYS = np.arange("2025-01-01", "2025-07-20", dtype="datetime64[D]").astype(str).tolist()
Record = dict[str, Any]


def trained(application: Application, series: Any, **asked: Any) -> Record:
    answer = application.client.post("/train", params={"wait": 120}, json={**OPTIONS, "series": series, **asked})
    assert answer.status_code == 201, answer.text
    model: Record = answer.json()
    return model


def observed(application: Application, values: list[float], **asked: Any) -> Record:
    model = trained(application, {"values": values[:TRAINED], "timestamps": DAYS[:TRAINED]}, **asked)
    series = {"values": values[TRAINED:], "timestamps": DAYS[TRAINED : len(values)]}
    answer = application.client.post(f"/models/{model['model_id']}/observations", json={"series": series})
    assert answer.status_code == 200, answer.text
    return model


def monitoring(application: Application, path: str, **query: Any) -> Record:
    answer = application.client.get(f"{path}/monitoring", params=query)
    assert answer.status_code == 200, answer.text
    found: Record = answer.json()
    return found


def test_a_model_without_observations_has_too_few(application: Application) -> None:
    model = trained(application, VALUES[:TRAINED])
    found = monitoring(application, f"/models/{model['model_id']}")
    assert (found["status"], found["windows"], found["recent"], found["items"]) == ("too_few", [], None, [])
    assert found["training"]["mae"] == model["metrics"]["mae"]
    assert found["training"]["skill"] == model["skill"]


def test_observed_values_are_scored_and_shown_with_their_forecasts(application: Application) -> None:
    model = observed(application, VALUES, name="watched")
    found = monitoring(application, "/names/watched", limit=5)
    assert found["model_id"] == model["model_id"]
    assert (found["status"], found["since"], found["rows"], found["series_revision"]) == ("stable", None, 80, 1)
    assert [one["rows"] for one in found["windows"]] == [25, 100, None]
    assert [one["count"] for one in found["windows"][1]["by_step"]] == [80, 79, 78, 77]
    recent = found["recent"]
    assert recent["timestamps"] == DAYS[195:200]
    assert recent["actual"] == VALUES[195:]
    assert recent["start_index"] == 195
    past = {"timestamps": DAYS[:199], "values": VALUES[:199]}
    due = application.forecast(model_id=model["model_id"], history=past, horizon=1, level=[80, 95])["forecasts"][0]
    assert recent["mean"][-1] == pytest.approx(due["mean"][0], rel=1e-9)
    for level, bounds in due["intervals"].items():
        assert recent["intervals"][level]["lower"][-1] == pytest.approx(bounds["lower"][0], rel=1e-9)


def test_a_changed_series_is_drift(application: Application) -> None:
    values = [one + 4 * (row >= 150) for row, one in enumerate(VALUES)]
    model = observed(application, values)
    found = monitoring(application, f"/models/{model['model_id']}")
    assert found["status"] == "drifting"
    assert DAYS[145] <= found["since"] <= DAYS[155]
    assert found["since"] in found["reason"]
    assert found["items_changed"] == 1
    assert found["items"][0]["since"] == found["since"]


def test_a_correction_is_followed(application: Application) -> None:
    values = [one + 4 * (row >= 150) for row, one in enumerate(VALUES)]
    model = observed(application, values)
    path = f"/models/{model['model_id']}"
    series = {"values": VALUES[150:], "timestamps": DAYS[150:200]}
    application.client.post(f"{path}/observations", json={"series": series, "replace": True})
    found = monitoring(application, path)
    assert (found["status"], found["series_revision"]) == ("stable", 2)


def test_an_item_and_a_target_can_be_chosen(application: Application) -> None:
    items = [
        {"id": name, "columns": {"a": VALUES[first : first + TRAINED], "b": VALUES[first + 10 : first + 10 + TRAINED]}}
        for name, first in (("x", 0), ("y", 40))
    ]
    model = trained(application, {"items": items})
    path = f"/models/{model['model_id']}"
    later = {"items": [{"id": one, "columns": {"a": [50.0, 51.0], "b": [52.0, 53.0]}} for one in ("x", "y")]}
    answer = application.client.post(f"{path}/observations", json={"series": later, "start_index": TRAINED})
    assert answer.status_code == 200, answer.text
    recent = monitoring(application, path, item="y", target="b")["recent"]
    assert (recent["item"], recent["target"], recent["actual"]) == ("y", "b", [52.0, 53.0])
    assert recent["start_index"] == TRAINED
    wrong = application.client.get(f"{path}/monitoring", params={"item": "z"})
    problem_of(wrong, 422, "unknown-column", "#/item", "has no item 'z'")
    wrong = application.client.get(f"{path}/monitoring", params={"target": "c"})
    problem_of(wrong, 422, "unknown-column", "#/target", "forecasts a, b")


def test_an_uploaded_model_is_monitored(application: Application) -> None:
    model = observed(application, VALUES)
    file = application.client.get(f"/models/{model['model_id']}/file").content
    copy = application.client.post("/models", content=file).json()
    own, other = (monitoring(application, f"/models/{one['model_id']}") for one in (model, copy))
    assert own["windows"] == other["windows"]
    assert own["reason"] == other["reason"]


@pytest.mark.parametrize("path", ["/models/zero-shot", "/names/zero-shot"])
def test_the_pre_trained_forecaster_keeps_no_series(application: Application, path: str) -> None:
    answer = application.client.get(f"{path}/monitoring")
    problem = problem_of(answer, 404, "model-not-found")
    assert "train a model, and send observations" in problem["detail"]


def test_an_unknown_model_or_name(application: Application) -> None:
    for path in ("/models/nothing", "/names/nothing"):
        assert application.client.get(f"{path}/monitoring").status_code == 404


def test_intervals_of_an_adaptive_model_adapt_also_after_a_restart(tmp_path: Path) -> None:
    values = [50 + (one - 50) * (3 if row >= TRAINED else 1) for row, one in enumerate(VALUES)]
    with running(tmp_path, training_processes=1) as application:
        model = trained(application, {"values": values[:TRAINED], "timestamps": DAYS[:TRAINED]})
        with application.app.state.resources.registry.writing() as connection:
            connection.execute(update(models).where(models.c.id == model["model_id"]).values(adaptive=True))
        series = {"values": values[TRAINED:], "timestamps": DAYS[TRAINED:200]}
        answer = application.client.post(f"/models/{model['model_id']}/observations", json={"series": series})
        assert answer.status_code == 200, answer.text
        asked = {"model_id": model["model_id"], "horizon": 4, "level": [80]}
        own = application.forecast(**asked)["forecasts"][0]
        sent = application.forecast(**asked, history={"values": values, "timestamps": DAYS[:200]})["forecasts"][0]
    assert own["mean"] == pytest.approx(sent["mean"], rel=1e-9)
    width, plain = (
        np.subtract(one["intervals"]["80"]["upper"], one["intervals"]["80"]["lower"]) for one in (own, sent)
    )
    assert (width > 1.5 * plain).all()
    with running(tmp_path, training_processes=1) as application:
        assert application.forecast(**asked)["forecasts"][0]["intervals"] == own["intervals"]
