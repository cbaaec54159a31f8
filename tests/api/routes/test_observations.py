"""POST, GET and DELETE of observations: a model forecasts as if it had been sent the whole history."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy import delete, update

from service.storage.files.model_file import read_model_file, write_model_file
from service.storage.registry.tables import models, observations
from tests.api.application import Application, running
from tests.api.contract import problem_of
from tests.api.series import CLOSE, DAYS, OPEN, VALUES
from tests.factories import QUICK, seasonal

TRAINED = 48
LEVELS = ("80", "95")
MONTHS = [f"{2018 + month // 12}-{month % 12 + 1:02}" for month in range(84)]
SALES: list[float] = seasonal(84).round(3).tolist()
Model = dict[str, Any]


def url(model: Model) -> str:
    return f"/models/{model['model_id']}/observations"


def observe(application: Application, model: Model, series: Any, **options: Any) -> Model:
    response = application.client.post(url(model), json={"series": series, **options})
    assert response.status_code == 200, response.text
    answer: Model = response.json()
    return answer


def assert_same_forecast(application: Application, model: Model, history: Any, **asked: Any) -> None:
    """Fail unless the model forecasts from its own end as from this history."""
    asked = {"model_id": model["model_id"], "horizon": 5, "level": [80, 95], **asked}
    own, sent = application.forecast(**asked), application.forecast(**asked, history=history)
    assert own["warnings"] == sent["warnings"]
    assert len(own["forecasts"]) == len(sent["forecasts"])
    for one, two in zip(own["forecasts"], sent["forecasts"], strict=True):
        assert (one["item"], one["target"], one["timestamps"]) == (two["item"], two["target"], two["timestamps"])
        np.testing.assert_allclose(one["mean"], two["mean"], rtol=1e-9)
        for level in LEVELS:
            for side in ("lower", "upper"):
                np.testing.assert_allclose(one["intervals"][level][side], two["intervals"][level][side], rtol=1e-9)


@pytest.mark.parametrize("options", [QUICK, {"horizon": 6}, {"horizon": 6, "transform": "log_difference"}])
@pytest.mark.parametrize("at_once", [True, False])
def test_it_forecasts_as_from_the_whole_history(application: Application, options: Model, at_once: bool) -> None:
    series = {"values": SALES[:TRAINED], "timestamps": MONTHS[:TRAINED]}
    model = application.client.post("/train", params={"wait": 120}, json={**options, "series": series}).json()
    for first, stop in [(TRAINED, 60)] if at_once else [(row, row + 1) for row in range(TRAINED, 60)]:
        answer = observe(application, model, {"values": SALES[first:stop], "timestamps": MONTHS[first:stop]})
        assert (answer["appended"], answer["end"]) == (stop - first, MONTHS[stop - 1])
    assert_same_forecast(application, model, {"values": SALES[:60], "timestamps": MONTHS[:60]})


def test_gaps_are_missing_values(application: Application) -> None:
    model = application.train({"values": SALES[:TRAINED], "timestamps": MONTHS[:TRAINED]})
    answer = observe(application, model, {"values": [SALES[50], SALES[53]], "timestamps": [MONTHS[50], MONTHS[53]]})
    assert (answer["appended"], answer["gaps"]) == (2, 4)
    assert answer["warnings"] == ["4 rows have no value and count as missing"]
    history = [*SALES[:TRAINED], None, None, SALES[50], None, None, SALES[53]]
    assert_same_forecast(application, model, {"values": history, "timestamps": MONTHS[:54]})
    assert observe(application, model, {"values": [SALES[51]], "timestamps": [MONTHS[51]]})["gaps"] == 0
    history[51] = SALES[51]
    assert_same_forecast(application, model, {"values": history, "timestamps": MONTHS[:54]})


def test_values_that_are_known_are_ignored_and_others_refused(application: Application) -> None:
    model = application.train({"values": SALES[:TRAINED], "timestamps": MONTHS[:TRAINED]})
    sent = {"values": SALES[46:50], "timestamps": MONTHS[46:50]}
    assert observe(application, model, sent)["ignored"] == 2
    assert observe(application, model, sent)["ignored"] == 4
    changed = {"values": [*SALES[46:49], -1.0, 5.0], "timestamps": MONTHS[46:51]}
    response = application.client.post(url(model), json={"series": changed})
    problem_of(response, 409, "observation-conflict", "#/series", rf"{SALES[49]:.12g} at {MONTHS[49]}, and -1 was sent")
    assert observe(application, model, sent)["end"] == MONTHS[49], "nothing of it was applied"
    answer = observe(application, model, changed, replace=True)
    assert (answer["replaced"], answer["appended"], answer["ignored"]) == (1, 1, 3)
    history = {"values": [*SALES[:49], -1.0, 5.0], "timestamps": MONTHS[:51]}
    assert_same_forecast(application, model, history)


def test_a_value_of_the_training_may_be_corrected(application: Application) -> None:
    model = application.train({"values": SALES[:TRAINED], "timestamps": MONTHS[:TRAINED]})
    observe(application, model, {"values": [200.0], "timestamps": [MONTHS[40]]}, replace=True)
    history = [*SALES[:40], 200.0, *SALES[41:TRAINED]]
    assert_same_forecast(application, model, {"values": history, "timestamps": MONTHS[:TRAINED]})


def test_values_without_times_need_a_start_index_or_a_key(application: Application) -> None:
    model = application.train(VALUES[:TRAINED])
    response = application.client.post(url(model), json={"series": [1.0]})
    problem_of(response, 422, "invalid-option", "#/start_index", "which is 48 for values that follow")
    assert observe(application, model, VALUES[48:50], start_index=48)["end"] == 50
    assert observe(application, model, VALUES[48:51], start_index=48)["appended"] == 1
    response = application.client.post(url(model), json={"series": [1.0], "start_index": 53})
    problem_of(response, 422, "invalid-option", "#/start_index", "the next one has start_index 51, got 53")
    for _ in range(3):
        answer = application.client.post(url(model), json={"series": [VALUES[51]]}, headers={"Idempotency-Key": "51"})
        assert (answer.json()["appended"], answer.json()["end"]) == (1, 52)
    response = application.client.post(url(model), json={"series": [7.0]}, headers={"Idempotency-Key": "51"})
    problem_of(response, 422, "idempotency-key-reused")
    assert_same_forecast(application, model, VALUES[:52])


def test_values_without_times_continue_a_series_with_times(application: Application) -> None:
    model = application.train({"values": SALES[:TRAINED], "timestamps": MONTHS[:TRAINED]})
    assert observe(application, model, SALES[48:50], start_index=48)["end"] == MONTHS[49]
    assert_same_forecast(application, model, {"values": SALES[:50], "timestamps": MONTHS[:50]})


def test_times_for_a_series_without_times_are_refused(application: Application, plain_model: Model) -> None:
    sent = {"values": [1.0, 2.0], "timestamps": ["2024-01-01", "2024-01-02"]}
    response = application.client.post(url(plain_model), json={"series": sent})
    problem_of(response, 422, "invalid-series", "#/series/timestamps", "leave them out, and send start_index")


def panel(rows: slice, names: tuple[str, ...] = ("a", "b")) -> Model:
    columns = {"a": OPEN, "b": CLOSE, "c": VALUES}
    return {"items": [{"id": name, "values": columns[name][rows], "timestamps": DAYS[rows]} for name in names]}


def test_items_are_observed_one_by_one_and_new_ones_arrive(application: Application) -> None:
    model = application.train(panel(slice(0, TRAINED)))
    observe(application, model, panel(slice(48, 50), ("b",)))
    history = {"items": [panel(slice(0, 48))["items"][0], panel(slice(0, 50))["items"][1]]}
    assert_same_forecast(application, model, history)
    answer = observe(application, model, panel(slice(0, 3), ("c",)))
    assert answer["warnings"][0].endswith(f"it is forecast once it has {model['min_history']} values, and has 3")
    told = application.forecast(model_id=model["model_id"])
    assert [one["item"] for one in told["forecasts"]] == ["a", "b"]
    assert told["warnings"] == [f"item 'c' is left out: it needs {model['min_history']} values, got 3"]
    response = application.client.post("/forecast", json={"model_id": model["model_id"], "items": ["c"]})
    problem_of(response, 422, "history-too-short", "#/items/0", "got 3")
    observe(application, model, panel(slice(3, 40), ("c",)))
    both = {"items": [*history["items"], *panel(slice(0, 40), ("c",))["items"]]}
    assert_same_forecast(application, model, both)


def test_columns_covariates_and_categories_are_observed(application: Application) -> None:
    weather = ["sun", "rain", "snow"] * 20
    columns: dict[str, list[Any]] = {"open": OPEN, "close": CLOSE, "volume": VALUES, "weather": weather}

    def part(rows: slice) -> Model:
        return {
            "columns": {name: values[rows] for name, values in columns.items()},
            "targets": ["open", "close"],
            "timestamps": DAYS[rows],
        }

    model = application.train(part(slice(0, TRAINED)))
    assert observe(application, model, part(slice(48, 50)))["appended"] == 8
    assert_same_forecast(application, model, part(slice(0, 50)))
    read = application.client.get(url(model)).json()["items"][0]
    assert read["columns"] == {name: values[48:50] for name, values in columns.items()}
    missing = {"columns": {"open": [1.0], "close": [2.0]}, "targets": ["open", "close"], "timestamps": [DAYS[50]]}
    response = application.client.post(url(model), json={"series": missing})
    problem_of(response, 422, "unknown-column", "#/series", "needs columns open, close, volume, weather")


def test_future_covariates_are_observed(application: Application) -> None:
    price = [1.0 + row % 3 for row in range(60)]
    sales = [100 + 10 * one + row for row, one in enumerate(price)]

    def part(rows: slice) -> Model:
        columns = {"sales": sales[rows], "price": price[rows]}
        return {"columns": columns, "targets": ["sales"], "future_covariates": ["price"], "timestamps": DAYS[rows]}

    model = application.train(part(slice(0, TRAINED)))
    observe(application, model, part(slice(48, 51)))
    assert_same_forecast(application, model, part(slice(0, 51)), future_covariates={"price": [1.0, 2.0, 3.0, 1.0, 2.0]})


@pytest.mark.parametrize("kind", ["text/csv", "application/vnd.apache.parquet"])
def test_tables_are_read(application: Application, kind: str) -> None:
    import pandas as pd

    model = application.train({"values": SALES[:TRAINED], "timestamps": MONTHS[:TRAINED]}, name="table")
    frame = pd.DataFrame({"month": MONTHS[48:50], "sales": SALES[48:50]})
    content = frame.to_csv(index=False).encode() if kind == "text/csv" else frame.to_parquet()
    for appended in (2, 0):
        response = application.client.post(url(model), content=content, headers={"Content-Type": kind})
        assert response.status_code == 200, response.text
        assert response.json()["appended"] == appended
    assert_same_forecast(application, model, {"values": SALES[:50], "timestamps": MONTHS[:50]})


def test_observations_are_read_back_and_removed(application: Application) -> None:
    model = application.train({"values": SALES[:TRAINED], "timestamps": MONTHS[:TRAINED]})
    client = application.client
    assert client.get(url(model)).json()["items"][0]["timestamps"] == []
    observe(application, model, {"values": SALES[48:54], "timestamps": MONTHS[48:54]})
    [read] = client.get(url(model)).json()["items"]
    assert read == {
        "item": None,
        "start_index": 48,
        "trained_rows": 48,
        "timestamps": MONTHS[48:54],
        "columns": {"value": SALES[48:54]},
    }
    [read] = client.get(url(model), params={"start": MONTHS[46], "end": MONTHS[49]}).json()["items"]
    assert read["timestamps"] == MONTHS[46:50]
    [read] = client.get(url(model), params={"limit": 2}).json()["items"]
    assert read["timestamps"] == MONTHS[52:54]
    removed = client.delete(url(model), params={"start": MONTHS[50], "end": MONTHS[51]})
    assert removed.json()["removed"] == 2
    history = [*SALES[:50], None, None, *SALES[52:54]]
    assert_same_forecast(application, model, {"values": history, "timestamps": MONTHS[:54]})
    assert client.delete(url(model), params={"start": MONTHS[50]}).json()["end"] == MONTHS[49]
    assert_same_forecast(application, model, {"values": SALES[:50], "timestamps": MONTHS[:50]})
    problem_of(client.delete(url(model)), 422, "invalid-option", "#/start")
    refused = client.delete(url(model), params={"start": MONTHS[40]})
    problem_of(refused, 422, "invalid-option", "#/start", "can only be corrected")
    problem_of(client.get(url(model), params={"item": "x"}), 422, "unknown-column", "#/item/0", "no item 'x'")
    problem_of(client.get(url(model), params={"start": "soon"}), 422, "invalid-timestamps", "#/start")


def test_a_value_that_the_model_cannot_take_is_refused(application: Application) -> None:
    model = application.train(SALES[:TRAINED], transform="log")
    response = application.client.post(url(model), json={"series": [-1.0], "start_index": TRAINED})
    problem_of(response, 422, "invalid-series", contains="needs values above 0")
    assert application.client.get(url(model)).json()["items"][0]["columns"] == {"value": []}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/series"),
        ({"series": []}, "#/series"),
        ({"series": [None], "start_index": -1}, "#/start_index"),
        ({"series": [1.0], "start_index": "5"}, "#/start_index"),
        ({"series": [1.0], "start_index": 60, "replace": "yes"}, "#/replace"),
        ({"series": [1.0], "start_index": {"a": 3}}, "#/start_index"),
        ({"series": [1.0], "start_index": 60, "horizon": 3}, "#/horizon"),
        ({"series": [1e101], "start_index": 60}, "#/series/0"),
    ],
)
def test_faults_of_a_request_are_located(
    application: Application, plain_model: Model, body: Model, pointer: str
) -> None:
    response = application.client.post(url(plain_model), json=body)
    assert response.status_code == 422, response.text
    assert pointer in [one["pointer"] for one in response.json()["errors"]]


def test_concurrent_appends_are_all_kept(application: Application) -> None:
    model = application.train(panel(slice(0, TRAINED), ("a", "b")))

    def send(row: int) -> httpx.Response:
        item = {"id": "a" if row % 2 else "b", "values": [float(row)], "timestamps": [DAYS[48 + row // 2]]}
        return application.client.post(url(model), json={"series": {"items": [item]}})

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(24)))
    assert {one.status_code for one in answers} == {200}
    read = {one["item"]: one["columns"]["value"] for one in application.client.get(url(model)).json()["items"]}
    assert read == {"a": [float(row) for row in range(1, 24, 2)], "b": [float(row) for row in range(0, 24, 2)]}


def test_it_is_kept_over_a_restart_and_in_files(tmp_path: Path) -> None:
    with running(tmp_path, training_processes=1) as application:
        model = application.train(VALUES[:TRAINED])
        for row in range(300):  # more than a log holds
            observe(application, model, [float(row % 12)], start_index=TRAINED + row)
        before = application.forecast(model_id=model["model_id"])
        assert len(list((tmp_path / "series").iterdir())) == 1
    with running(tmp_path, training_processes=1) as application:
        assert application.forecast(model_id=model["model_id"]) == before
        read = application.client.get(url(model)).json()["items"][0]
        assert read["columns"]["value"] == [float(row % 12) for row in range(300)]
        observe(application, model, [1.0], start_index=TRAINED + 300)
        application.client.delete(f"/models/{model['model_id']}")
        assert not list((tmp_path / "series").iterdir())


def test_a_large_change_is_kept_in_a_file(tmp_path: Path) -> None:
    with running(tmp_path, training_processes=1) as application:
        model = application.train(VALUES[:TRAINED])
        observe(application, model, [float(row % 12) for row in range(20_000)], start_index=TRAINED)
        assert len(list((tmp_path / "series").iterdir())) == 1
        assert_same_forecast(application, model, [*VALUES[:TRAINED], *[float(row % 12) for row in range(20_000)]])


def test_an_imported_model_continues_what_it_remembers(application: Application, plain_model: Model) -> None:
    file = application.client.get(plain_model["links"]["file"]).content
    response = application.client.post("/models", content=file, headers={"Content-Type": "application/octet-stream"})
    model = response.json()
    response = application.client.post(url(model), json={"series": [50.0, 60.0]}, headers={"Idempotency-Key": "50"})
    assert response.json()["appended"] == 2
    assert_same_forecast(application, model, [*VALUES, 50.0, 60.0])


def test_a_model_file_carries_the_observations_along(application: Application) -> None:
    model = application.train(panel(slice(0, TRAINED)))
    assert b"observations" not in application.client.get(model["links"]["file"]).content
    observe(application, model, panel(slice(48, 50)))
    observe(application, model, panel(slice(0, 3), ("c",)))
    copy = application.take(model, application)
    own, copied = (application.forecast(model_id=one["model_id"]) for one in (model, copy))
    assert own["forecasts"] == copied["forecasts"]
    assert own["warnings"] == copied["warnings"]
    read = [application.client.get(url(one)).json()["items"] for one in (model, copy)]
    assert read[0] == read[1]
    assert observe(application, copy, panel(slice(49, 51)))["appended"] == 2


def test_a_file_whose_observations_do_not_fit_is_refused(application: Application) -> None:
    model = application.train(VALUES[:TRAINED])
    observe(application, model, [1.0], start_index=TRAINED)
    file = read_model_file(application.client.get(model["links"]["file"]).content)
    endless = {**file.tensors, "observations.values": np.full((TRAINED + 1, 1), np.inf)}
    fewer = {**file.record, "observations": {**file.record["observations"], "dropped": []}}
    for damaged in (write_model_file(file.record, endless), write_model_file(fewer, file.tensors)):
        headers = {"Content-Type": "application/octet-stream"}
        problem_of(
            application.client.post("/models", content=damaged, headers=headers),
            422, "invalid-model-file", contains="observations cannot be used",
        )  # fmt: skip


def test_an_empty_table_names_the_fault(application: Application, plain_model: Model) -> None:
    response = application.client.post(
        url(plain_model), content=io.BytesIO(b"value\n").getvalue(), headers={"Content-Type": "text/csv"}
    )
    assert response.status_code == 422, response.text


def test_a_name_leads_to_the_model_that_it_means(application: Application) -> None:
    older, newer = (application.train(VALUES[:TRAINED], name="50% \u2600") for _ in range(2))
    place = "/names/50%25%20%E2%98%80/observations"
    body = {"series": [1.0], "start_index": TRAINED}
    assert application.client.post(place, json=body).json()["model_id"] == newer["model_id"]
    [read] = application.client.get(place).json()["items"]
    assert read["columns"] == {"value": [1.0]}
    assert application.client.delete(place, params={"start": str(TRAINED)}).json()["removed"] == 1
    assert application.client.get(url(older)).json()["items"][0]["columns"] == {"value": []}
    problem_of(application.client.post("/names/nobody/observations", json=body), 404, "model-not-found")


def test_one_key_serves_each_model_once(application: Application) -> None:
    for _ in range(2):
        model = application.train(VALUES[:TRAINED])
        for _ in range(2):
            response = application.client.post(url(model), json={"series": [5.0]}, headers={"Idempotency-Key": "day"})
            assert (response.json()["model_id"], response.json()["appended"]) == (model["model_id"], 1)
        assert application.client.get(url(model)).json()["items"][0]["columns"] == {"value": [5.0]}


def test_a_model_that_aggregates_takes_whole_steps(application: Application) -> None:
    hours = [f"2024-01-{1 + hour // 24:02}T{hour % 24:02}:00" for hour in range(24 * 30)]
    series = {"values": [float(hour % 24) for hour in range(24 * 30)], "timestamps": hours}
    model = application.train(series, resample={"freq": "D", "how": "sum"})
    response = application.client.post(
        url(model), json={"series": {"values": [1.0], "timestamps": ["2024-01-31T05:00"]}}
    )
    problem_of(response, 422, "invalid-timestamps", contains="'2024-01-31T05:00' is not a time of the model's series")
    observe(application, model, {"values": [300.0], "timestamps": ["2024-01-31"]})
    [read] = application.client.get(url(model)).json()["items"]
    assert read["columns"] == {"value": [300.0]}


def test_booleans_stay_booleans(application: Application) -> None:
    def part(rows: slice) -> Model:
        columns = {"y": VALUES[rows], "x": [row % 3 == 0 for row in range(60)][rows]}
        return {"columns": columns, "targets": ["y"], "timestamps": DAYS[rows]}

    model = application.train(part(slice(0, TRAINED)))
    wrong = {"columns": {"y": [1.0], "x": [7.0]}, "targets": ["y"], "timestamps": [DAYS[48]]}
    response = application.client.post(url(model), json={"series": wrong})
    problem_of(response, 422, "invalid-series", "#/series", "has true and false in the model's series, got 7")
    observe(application, model, part(slice(48, 50)))
    missing = {"columns": {"y": [1.0, 2.0], "x": [None, True]}, "targets": ["y"], "timestamps": DAYS[50:52]}
    assert observe(application, model, missing)["appended"] == 3
    assert application.client.get(url(model)).status_code == 200


def test_a_time_far_ahead_is_refused(application: Application) -> None:
    model = application.train({"values": SALES[:TRAINED], "timestamps": MONTHS[:TRAINED]})
    far = {"values": [1.0], "timestamps": ["2200-01"]}
    response = application.client.post(url(model), json={"series": far})
    problem_of(response, 422, "invalid-timestamps", "#/series/timestamps", "rows after the end of the model's series")


def test_days_of_a_month_that_is_known_are_that_month(application: Application) -> None:
    model = application.train({"values": SALES[:TRAINED], "timestamps": [f"{month}-01" for month in MONTHS[:TRAINED]]})
    for day in ("10", "11"):
        sent = {"values": [float(day)], "timestamps": [f"{MONTHS[TRAINED]}-{day}"]}
        answer = observe(application, model, sent, replace=True)
        assert answer["gaps"] == 0
        assert answer["end"].startswith(MONTHS[TRAINED])


def test_missing_rows_at_the_end_are_removed(application: Application) -> None:
    model = application.train(VALUES[:TRAINED])
    client = application.client
    response = client.post(url(model), json={"series": [5.0, None, None], "start_index": TRAINED})
    assert response.json()["end"] == TRAINED + 3
    assert client.delete(url(model), params={"start": str(TRAINED + 1)}).json()["end"] == TRAINED + 1
    assert client.get(url(model)).json()["items"][0]["columns"] == {"value": [5.0]}


def test_several_items_are_named(application: Application) -> None:
    model = application.train(panel(slice(0, TRAINED), ("a", "b", "c")))
    observe(application, model, panel(slice(48, 50), ("a", "b", "c")))
    params = {"item": ["a", "c"]}
    assert [one["item"] for one in application.client.get(url(model), params=params).json()["items"]] == ["a", "c"]
    removed = application.client.delete(url(model), params={**params, "start": DAYS[49]})
    assert removed.json()["removed"] == 2


def test_ambiguous_dates_are_those_of_the_model(application: Application) -> None:
    dates = [f"{day[8:]}.{day[5:7]}.{day[:4]}" for day in [*DAYS, "2024-03-01", "2024-03-02"]]
    model = application.train({"values": VALUES, "timestamps": dates[:60]})
    answer = observe(application, model, {"values": [1.0], "timestamps": [dates[60]]})
    assert (answer["appended"], answer["gaps"], answer["end"]) == (1, 0, "01.03.2024")


def test_a_lost_file_is_told_and_never_forecast_without(tmp_path: Path) -> None:
    with running(tmp_path, training_processes=1) as application:
        model = application.train(VALUES[:TRAINED])
        observe(application, model, [float(row) for row in range(9000)], start_index=TRAINED)
    for file in (tmp_path / "series").iterdir():
        file.unlink()
    with running(tmp_path, training_processes=1) as application:
        for _ in range(3):
            response = application.client.post("/forecast", json={"model_id": model["model_id"]})
            problem_of(response, 500, "model-file-corrupt", contains="observations")


def test_a_key_is_kept_where_nothing_changes(application: Application) -> None:
    model = application.train(VALUES[:TRAINED])
    observe(application, model, [5.0], start_index=TRAINED)
    sent: dict[str, Any] = {"json": {"series": [5.0], "start_index": TRAINED}, "headers": {"Idempotency-Key": "again"}}
    first = application.client.post(url(model), **sent).json()
    assert first["ignored"] == 1
    observe(application, model, [6.0], start_index=TRAINED, replace=True)
    assert application.client.post(url(model), **sent).json() == first
    other: dict[str, Any] = {"json": {"series": [7.0]}, "headers": {"Idempotency-Key": "again"}}
    problem_of(application.client.post(url(model), **other), 422, "idempotency-key-reused")


def test_a_series_keeps_at_most_so_many_values(limited: Application) -> None:
    model = limited.train(VALUES[:TRAINED], context_length=8)
    end = TRAINED
    for _ in range(4):
        answer = limited.client.post(url(model), json={"series": [1.0] * 3900, "start_index": end})
        assert answer.status_code == 200, answer.text
        end = answer.json()["end"]
    assert end == TRAINED + 4 * 3900
    [read] = limited.client.get(url(model), params={"start": str(end - 10)}).json()["items"]
    assert (read["start_index"], len(read["columns"]["value"])) == (end - 10, 10)
    old = limited.client.post(url(model), json={"series": [2.0], "start_index": TRAINED, "replace": True})
    problem_of(old, 422, "invalid-option", "#/start_index", "is kept from row")


def test_a_request_adds_at_most_so_many_values_with_missing_ones(limited: Application) -> None:
    def part(days: list[str]) -> Model:
        columns = {"a": VALUES[: len(days)], "b": OPEN[: len(days)]}
        return {"items": [{"id": str(item), "columns": columns, "timestamps": days} for item in range(3)]}

    model = limited.train(part(DAYS[:TRAINED]), context_length=8)
    answer = limited.client.post(url(model), json={"series": part(["2026-10-01"])})
    problem_of(answer, 422, "invalid-series", "#/series", "would grow by .* values, .* takes at most 4000")
    assert limited.client.post(url(model), json={"series": part(DAYS[48:50])}).json()["appended"] == 12


def test_an_older_database_is_read_again(application: Application) -> None:
    model = application.train(VALUES[:TRAINED])
    registry = application.app.state.resources.registry
    for row in range(3):
        observe(application, model, [float(row)], start_index=TRAINED + row)
    with registry.writing() as connection:  # as a restore under a running server leaves it
        connection.execute(delete(observations).where(observations.c.revision > 1))
        connection.execute(update(models).where(models.c.id == model["model_id"]).values(series_revision=1))
    [read] = application.client.get(url(model)).json()["items"]
    assert read["columns"] == {"value": [0.0]}
    assert observe(application, model, [7.0], start_index=TRAINED + 1)["appended"] == 1
    assert_same_forecast(application, model, [*VALUES[:TRAINED], 0.0, 7.0])
