"""Retraining of models of each kind that takes observations, and values that arrive meanwhile."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from service.storage.identifiers import new_id
from tests.api.application import Application
from tests.api.contract import problem_of
from tests.api.routes.test_observations import MONTHS, SALES, TRAINED, observe
from tests.api.series import CLOSE, DAYS, OPEN, VALUES
from tests.factories import QUICK, seasonal

pytestmark = pytest.mark.slow

Model = dict[str, Any]
MORE = {"values": SALES[TRAINED:60], "timestamps": MONTHS[TRAINED:60]}


def retrain(application: Application, model: Model, **asked: Any) -> Model:
    response = application.client.post(f"/models/{model['model_id']}/retrain", params={"wait": 120}, json=asked)
    assert response.status_code == 201, response.text
    child: Model = response.json()
    return child


def monthly(application: Application, **options: Any) -> Model:
    return application.train({"values": SALES[:TRAINED], "timestamps": MONTHS[:TRAINED]}, **options)


def rows_of(application: Application, model: Model, start: int | str = 0) -> list[Model]:
    answer = application.client.get(f"/models/{model['model_id']}/observations", params={"start": start, "limit": 9999})
    assert answer.status_code == 200, answer.text
    items: list[Model] = answer.json()["items"]
    return items


def test_the_child_is_trained_on_everything_with_the_options_of_its_parent(application: Application) -> None:
    model = monthly(application, horizon=7, name="retrained")
    observe(application, model, MORE)
    child = retrain(application, model)
    assert child["model_id"] != model["model_id"]
    assert (child["name"], child["configuration"]["horizon"]) == ("retrained", 7)
    assert (child["series"]["rows"], child["series"]["end"]) == (60, MONTHS[59])
    assert child["series"].keys() == model["series"].keys()
    assert rows_of(application, child, MONTHS[0])[0]["trained_rows"] == 60
    answer = application.forecast(model_id=child["model_id"])
    assert answer["forecasts"][0]["timestamps"][0] == MONTHS[60]


def test_without_times(application: Application) -> None:
    model = application.train(SALES[:TRAINED])
    observe(application, model, SALES[TRAINED:60], start_index=TRAINED)
    child = retrain(application, model, start="scratch")
    assert child["series"]["rows"] == 60
    observe(application, child, [1.0], start_index=60)
    assert rows_of(application, child, 60)[0]["columns"]["value"] == [1.0]
    grandchild = retrain(application, child)
    assert grandchild["champion"] in (child["model_id"], grandchild["model_id"])


@pytest.mark.parametrize("sporadic", [False, True])
def test_items_that_are_long_enough_join(application: Application, sporadic: bool) -> None:
    series = {name: seasonal(40, seed=place).tolist() for place, name in enumerate("abc")}
    if sporadic:
        series = {name: [one if row % 3 == 0 else 0 for row, one in enumerate(of)] for name, of in series.items()}
    model = application.train({"items": [{"id": name, "values": series[name]} for name in "ab"]})
    new = [{"id": "c", "values": series["c"]}, {"id": "short", "values": [1.0, 2.0]}]
    observe(application, model, {"items": new}, start_index=0)
    observe(application, model, {"items": [{"id": "a", "values": [5.0]}]}, start_index=40)
    child = retrain(application, model)
    assert child["series"]["items"] == 3
    assert any("too short to be trained on: 1" in one for one in child["warnings"])
    items = {one["item"]: one for one in rows_of(application, child)}
    assert {name: one["trained_rows"] for name, one in items.items()} == {"a": 41, "b": 40, "c": 40, "short": 0}
    assert items["short"]["columns"]["value"] == [1.0, 2.0]
    assert len(application.forecast(model_id=child["model_id"], items=["a", "b", "c"])["forecasts"]) == 3


def test_several_targets_and_past_covariates(application: Application) -> None:
    columns = {"volume": VALUES, "open": OPEN, "close": CLOSE}
    first = {name: of[:-10] for name, of in columns.items()}
    targets = ["open", "close"]
    model = application.train({"columns": first, "targets": targets, "start": DAYS[0], "freq": "D"})
    later = {name: of[-10:] for name, of in columns.items()}
    observe(application, model, {"columns": later, "targets": targets, "timestamps": DAYS[-10:]})
    child = retrain(application, model)
    assert (child["targets"], child["covariates"]) == (targets, ["volume"])
    assert child["series"]["rows"] == len(VALUES)


def test_future_covariates_and_categories(application: Application) -> None:
    rows = 90
    price = [float(1 + (row * 7) % 5) for row in range(rows)]
    day = ["holiday" if row % 9 == 0 else "work" for row in range(rows)]
    sales = [30 - 3 * price[row] + (8 if day[row] == "holiday" else 0) + row % 4 for row in range(rows)]
    columns: dict[str, list[Any]] = {"sales": sales, "price": price, "day": day}

    def part(first: int, stop: int) -> Model:
        sent = {name: of[first:stop] for name, of in columns.items()}
        return {"columns": sent, "targets": ["sales"], "future_covariates": ["price", "day"]}

    model = application.train(part(0, 70))
    observe(application, model, part(70, rows), start_index=70)
    child = retrain(application, model)
    assert child["future_covariates"] == model["future_covariates"] != []
    assert child["series"]["rows"] == rows


def test_aggregated_rows(application: Application) -> None:
    hours = [f"2024-01-{1 + row // 24:02}T{row % 24:02}:00" for row in range(24 * 30)]
    values = [float(row % 24 + row // 24 % 7) for row in range(24 * 30)]
    body = {**QUICK, "series": {"values": values, "timestamps": hours}, "resample": {"freq": "D", "how": "sum"}}
    model = application.client.post("/train", params={"wait": 120}, json=body).json()
    observe(application, model, {"values": [300.0, 310.0], "timestamps": ["2024-01-31", "2024-02-01"]})
    child = retrain(application, model)
    assert (child["series"]["resample"], child["series"]["rows"]) == (model["series"]["resample"], 32)
    history = {"values": values, "timestamps": hours}
    assert (
        application.forecast(model_id=child["model_id"], history=history)["forecasts"][0]["timestamps"][0][:10]
        == "2024-01-31"
    )


def test_nothing_observed(application: Application) -> None:
    model = monthly(application)
    url = f"/models/{model['model_id']}/retrain"
    assert "nothing was observed" in problem_of(application.client.post(url), 409, "conflict")["detail"]
    observe(application, model, MORE)
    child = retrain(application, model)
    best = child["champion"]
    other = ({model["model_id"], child["model_id"]} - {best}).pop()
    refused = application.client.post(f"/models/{other}/retrain")
    assert best in problem_of(refused, 409, "conflict")["detail"]


def test_uploaded_models_say_what_to_do(application: Application) -> None:
    taken = application.take(monthly(application), application)
    observe(application, taken, MORE)
    refused = application.client.post(f"/models/{taken['model_id']}/retrain")
    assert "train a model on this server" in problem_of(refused, 409, "conflict")["detail"]


def test_the_same_key_gets_the_same_job(application: Application) -> None:
    name = f"keyed {new_id()}"
    model = monthly(application, name=name)
    observe(application, model, MORE)
    key = {"Idempotency-Key": new_id()}
    for path in (f"/models/{model['model_id']}/retrain", f"/names/{quote(name, safe='')}/retrain"):
        key = {"Idempotency-Key": new_id()}
        answers = [application.client.post(path, params={"wait": wait}, headers=key) for wait in (0, 100)]
        assert {one.json()["job_id"] for one in answers} == {answers[0].json()["job_id"]}
        assert answers[1].status_code == 201
        other = application.client.post(f"/models/{new_id()}/retrain", headers=key)
        problem_of(other, 422, "idempotency-key-reused")
        best = answers[1].json()["champion"]
        assert application.forecast(name=name)["model_id"] == best
        observe(application, {"model_id": best}, {"values": [30.0], "timestamps": [MONTHS[60]]})


def test_values_of_a_name_that_arrive_during_the_training_are_those_of_the_child(application: Application) -> None:
    name = new_id()
    model = application.train(SALES[:TRAINED], name=name)
    observe(application, model, SALES[TRAINED:50], start_index=TRAINED)
    url = f"/names/{name}/observations"
    started = application.client.post(f"/names/{name}/retrain", params={"wait": 0}, json={"start": "scratch"}).json()
    sent: list[float] = []
    while application.client.get(f"/jobs/{started['job_id']}").json()["status"] in ("queued", "running"):
        answer = application.client.post(
            url, json={"series": [float(len(sent))]}, headers={"Idempotency-Key": str(len(sent))}
        )
        assert answer.status_code == 200, answer.text
        sent.append(float(len(sent)))
    child = application.client.get(f"/models/{started['model_id']}").json()
    found = rows_of(application, {"model_id": child["champion"]}, 0)[0]
    assert found["columns"]["value"][:50] == SALES[:50]
    assert found["columns"]["value"][50:] == sent
    again = application.client.post(url, json={"series": [0.0]}, headers={"Idempotency-Key": "0"})
    assert again.json()["appended"] == 1
    assert rows_of(application, {"model_id": child["champion"]}, 0)[0]["columns"]["value"][50:] == sent
    assert np.isfinite(application.forecast(name=name)["forecasts"][0]["mean"]).all()
