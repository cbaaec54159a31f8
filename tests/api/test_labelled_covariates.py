"""Booleans, categories, and covariates that do not change: in JSON, CSV, Parquet and data frames alike."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pandas as pd
import polars as pl
import pytest

from service.client.requests import train_call
from tests.api.application import Application
from tests.api.contract import problem_of
from tests.api.series import csv_of

Record = dict[str, Any]
Cells = list[Any]

ROWS = 120
DAYS = [str(day)[:10] for day in np.datetime64("2024-01-01") + np.arange(ROWS)]
ON = np.random.default_rng(5).random(ROWS) < 0.3
KINDS = np.random.default_rng(6).choice(["none", "flyer", "radio"], ROWS, p=[0.6, 0.2, 0.2])
NOISE = np.random.default_rng(7).normal(0, 1, ROWS)
BY_KIND = {"none": 0.0, "flyer": 20.0, "radio": 40.0}
OPTIONS: Record = {"horizon": 3, "season_length": 1, "transform": "none", "candidates": ["mean", "naive"]}


def sales(by: Cells) -> list[float]:
    effects: dict[Any, float] = {True: 20.0, False: 0.0, **BY_KIND}
    return [round(50 + effects[one] + float(noise), 3) for one, noise in zip(by, NOISE, strict=True)]


ON_SALES, KIND_SALES = sales(ON.tolist()), sales(KINDS.tolist())
NUMBERS = ON.astype(float).tolist()


def of_words(no: Any, yes: Any) -> Cells:
    return [yes if one else no for one in ON]


def series(cells: Cells, values: list[float], **more: Any) -> Record:
    return {"timestamps": DAYS, "columns": {"y": values, "x": cells}, "targets": ["y"], **more}


def train(application: Application, sent: Record, **options: Any) -> Record:
    answer = application.client.post("/train", params={"wait": 120}, json={**OPTIONS, **options, "series": sent})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def dry_run(client: httpx.Client, content: bytes, kind: str, **query: Any) -> httpx.Response:
    params = {**query, "dry_run": "true"}
    return client.post("/train", params=params, content=content, headers={"Content-Type": kind})


def ahead(application: Application, model: Record, cells: Cells, **more: Any) -> Record:
    return application.forecast(model_id=model["model_id"], future_covariates={"x": cells}, **more)


def mean(answer: Record) -> list[float]:
    return list(answer["forecasts"][0]["mean"])


@pytest.fixture(scope="module")
def numeric(application: Application) -> Record:
    return train(application, series(NUMBERS, ON_SALES, future_covariates=["x"]))


@pytest.fixture(scope="module")
def categorical(application: Application) -> Record:
    return train(application, series(KINDS.tolist(), KIND_SALES, future_covariates=["x"]))


BOOLEANS: dict[str, Cells] = {
    "booleans": [bool(one) for one in ON],
    "true": of_words("false", "true"),
    "True": of_words("False", "True"),
    "TRUE": of_words("FALSE", "TRUE"),
    "yes": of_words("no", "yes"),
    "y": of_words("n", "y"),
    "T": of_words("F", "T"),
}


@pytest.mark.parametrize("cells", BOOLEANS.values(), ids=BOOLEANS)
def test_booleans_are_the_numbers_0_and_1_in_every_format(
    application: Application, cells: Cells, numeric: Record
) -> None:
    """The same data, to the bit, whatever it is sent as."""
    assert numeric["future_covariates"] == ["x"]
    query = {"target": "y", "future_covariates": "x", "season_length": 1, "horizon": 3, "transform": "none"}
    query |= {"candidates": ["mean", "naive"]}
    frame = pd.DataFrame({"date": DAYS, "y": ON_SALES, "x": cells})
    parquet = io.BytesIO()
    frame.to_parquet(parquet)
    found = [
        dry_run(application.client, csv_of({"date": DAYS, "y": ON_SALES, "x": cells}).encode(), "text/csv", **query),
        dry_run(application.client, parquet.getvalue(), "application/vnd.apache.parquet", **query),
    ]
    arguments: Any = {**OPTIONS, "target": "y", "future_covariates": "x"}
    for data in (frame, pl.from_pandas(frame), frame.astype({"x": "category"})):
        content = train_call(data, 0, arguments).call.content or b""
        found.append(dry_run(application.client, content, "application/json"))
    for answer in found:
        assert answer.status_code == 200, answer.text
        assert answer.json()["configuration"] == numeric["configuration"]
        assert answer.json()["series"] == numeric["series"]


def test_a_model_of_booleans(application: Application, numeric: Record) -> None:
    model = train(application, series(of_words("no", "yes"), ON_SALES, future_covariates=["x"]))
    assert model["lineage"]["data_hash"] == numeric["lineage"]["data_hash"]
    assert "categories" not in model["configuration"]
    expected = mean(ahead(application, numeric, [1, 0, 1]))
    assert expected[0] - expected[1] == pytest.approx(20, abs=1)
    for cells in ([True, False, True], ["yes", "no", "yes"], ["T", "f", "t"], [1, 0, 1]):
        assert mean(ahead(application, model, cells)) == expected
    answer = application.client.post(
        "/forecast", json={"model_id": model["model_id"], "future_covariates": {"x": ["yes", "maybe", "no"]}}
    )
    problem_of(answer, 422, "invalid-series", "#/future_covariates/x/1", "'maybe'; .* send these")


def test_booleans_among_categories(application: Application) -> None:
    kinds = [{"none": "no", "flyer": "maybe", "radio": "yes"}[kind] for kind in KINDS]
    mixed = [{"no": False, "yes": True}.get(kind, kind) for kind in kinds]
    sent = [train(application, series(cells, KIND_SALES, future_covariates=["x"])) for cells in (kinds, mixed)]
    assert sent[0]["configuration"]["categories"] == {"x": ["maybe", "no", "yes"]}
    assert sent[1]["configuration"]["categories"] == {"x": ["false", "maybe", "true"]}
    no, maybe, yes = mean(ahead(application, sent[0], ["no", "maybe", "yes"]))
    assert [maybe - no, yes - no] == pytest.approx([20, 40], abs=1.5)
    for model in sent:
        found = ahead(application, model, [False, "maybe", True])
        assert mean(found) == pytest.approx([no, maybe, yes], abs=0.2)
        assert found["warnings"] == []
        found = ahead(application, model, [False, True, False], history=series(mixed, KIND_SALES))
        assert mean(found) == pytest.approx([no, yes, no], abs=0.2)
        assert found["warnings"] == []


@pytest.mark.parametrize("cells", [[True, None], [None, False], [None, "yes"]])
def test_one_boolean_and_empty_cells_are_no_target(application: Application, cells: Cells) -> None:
    refused = application.client.post("/train", json={"series": {"columns": {"x": cells * 10}}})
    assert refused.status_code == 422
    assert "is to be forecast, and has" in refused.text


@pytest.mark.parametrize("cells", [["k", 1, True], [True, 1.5, None], [1, "k"]])
def test_numbers_among_categories_are_refused(application: Application, cells: Cells) -> None:
    answer = application.client.post("/train", json={"series": series((cells * ROWS)[:ROWS], ON_SALES)})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("#/series/columns/x/")


def test_categories_have_effects_of_their_own(application: Application, categorical: Record) -> None:
    assert categorical["future_covariates"] == ["x"]
    assert categorical["configuration"]["categories"] == {"x": ["flyer", "none", "radio"]}
    assert categorical["series"]["missing"] == 0
    answer = ahead(application, categorical, ["none", "flyer", "radio"])
    none, flyer, radio = mean(answer)
    assert [flyer - none, radio - none] == pytest.approx([20, 40], abs=1.5)
    assert answer["warnings"] == []
    timed = {"timestamps": ["2024-04-30", "2024-05-01", "2024-05-02"], "columns": {"x": ["none", "flyer", "radio"]}}
    asked = application.forecast(model_id=categorical["model_id"], future_covariates=timed)
    assert mean(asked) == [none, flyer, radio]
    # A history in which one category is all there is, in another order, and with one that is new.
    history = series(["none"] * 40 + ["flyer"] * 10 + ["tv"], [*KIND_SALES[:50], 50], future_covariates=["x"])
    history["timestamps"] = DAYS[:51]
    asked = ahead(application, categorical, ["none", "flyer", "radio"], history=history)
    assert np.ptp(np.subtract(mean(asked), [none, flyer, radio])) < 1e-6
    [warning] = asked["warnings"]
    assert "the series: x is 'tv', which the training data did not have" in warning
    backtest = {"model_id": categorical["model_id"], "series": history}
    assert application.client.post("/backtest", json=backtest).json()["warnings"][0] == warning
    # The model knows which column it forecasts.
    history = {name: value for name, value in history.items() if name not in ("targets", "future_covariates")}
    assert mean(ahead(application, categorical, ["none", "flyer", "radio"], history=history)) == mean(asked)
    backtest = {"model_id": categorical["model_id"], "series": history}
    assert application.client.post("/backtest", json=backtest).json()["warnings"][0] == warning


def test_a_category_that_only_comes_ahead(application: Application, categorical: Record) -> None:
    answer = ahead(application, categorical, ["tv", "none", "tv"])
    [warning] = answer["warnings"]
    assert "future_covariates: x is 'tv', which the training data did not have" in warning
    tv, none, _ = mean(answer)
    flyer, radio = mean(ahead(application, categorical, ["flyer", "radio", "none"]))[:2]
    assert none < tv < radio  # 0 in each column: none of them
    assert flyer < radio
    late = ahead(application, categorical, ["none", "none", "none", "tv"])
    assert late["warnings"] == []  # beyond the horizon


@pytest.mark.parametrize("made", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_categories_of_every_format(application: Application, categorical: Record, made: Callable[[Any], Any]) -> None:
    query = {"target": "y", "future_covariates": "x", "season_length": 1, "horizon": 3, "transform": "none"}
    query |= {"candidates": ["mean", "naive"]}
    table = {"date": DAYS, "y": KIND_SALES, "x": KINDS.tolist()}
    parquet = io.BytesIO()
    pd.DataFrame(table).astype({"x": "category"}).to_parquet(parquet)
    arguments: Any = {**OPTIONS, "target": "y", "future_covariates": "x"}
    content = train_call(made(table), 0, arguments).call.content or b""
    for answer in (
        dry_run(application.client, csv_of(table).encode(), "text/csv", **query),
        dry_run(application.client, parquet.getvalue(), "application/vnd.apache.parquet", **query),
        dry_run(application.client, content, "application/json"),
    ):
        assert answer.status_code == 200, answer.text
        assert answer.json()["configuration"] == categorical["configuration"]


def test_past_covariates_have_categories_too(application: Application) -> None:
    options = {"candidates": ["network"], "context_length": 8, "training": {"epochs": 2}, "missing": "forward_fill"}
    model = train(application, series(KINDS.tolist(), KIND_SALES), **options)
    assert (model["covariates"], model["series"]["covariates"]) == (["x"], ["x"])
    own = application.forecast(model_id=model["model_id"])
    # The same rows as a history, whose categories come in another order, or one that is unknown.
    last = series(KINDS.tolist()[-60:], KIND_SALES[-60:])
    last["timestamps"] = DAYS[-60:]
    asked = application.forecast(model_id=model["model_id"], history=last)
    assert mean(asked) == pytest.approx(mean(own))
    last["columns"]["x"] = ["tv"] * 60
    assert "x is 'tv'" in application.forecast(model_id=model["model_id"], history=last)["warnings"][0]
    file = application.client.get(model["links"]["file"]).content
    kind = {"Content-Type": "application/octet-stream"}
    again = application.client.post("/models", content=file, headers=kind).json()
    assert again["covariates"] == ["x"]
    assert mean(application.forecast(model_id=again["model_id"])) == mean(own)


def test_empty_cells_are_a_category(application: Application) -> None:
    """As scikit-learn has it: an event stands in few rows, and is over in the next one."""
    events = ["fair" if one else "" for one in ON]
    model = train(application, series(events, ON_SALES, future_covariates=["x"]))
    assert model["configuration"]["categories"] == {"x": ["", "fair"]}
    fair, empty, _ = mean(ahead(application, model, ["fair", None, "NA"]))
    assert fair - empty == pytest.approx(20, abs=1)
    # So do booleans of which only one is written.
    ticked: Cells = [True if one else None for one in ON]
    model = train(application, series(ticked, ON_SALES, future_covariates=["x"]))
    assert model["configuration"]["categories"] == {"x": ["", "true"]}
    assert mean(ahead(application, model, ["yes", "", None])) == [fair, empty, empty]


@pytest.mark.parametrize(
    ("cells", "value", "other"),
    [([0] * ROWS, "0", 1), ([False] * ROWS, "0", True), (["no"] * ROWS, "0", "yes"), (["a"] * ROWS, "'a'", "b")],
    ids=["number", "boolean", "text", "category"],
)
def test_a_covariate_that_never_changes_is_not_used(
    application: Application, cells: Cells, value: str, other: Any
) -> None:
    sent = series(cells, ON_SALES, future_covariates=["x", "on"])
    sent["columns"]["on"] = NUMBERS
    model = train(application, sent)
    assert (model["future_covariates"], model["series"]["future_covariates"]) == (["on"], ["x", "on"])
    assert f"x is {value} in all rows, so it is not used" in model["warnings"]
    assert list(model["configuration"]["constant_covariates"]) == ["x"]
    on = {"on": [0, 1, 0]}
    plain = application.forecast(model_id=model["model_id"], future_covariates=on)
    assert plain["warnings"] == []
    same = application.forecast(model_id=model["model_id"], future_covariates={**on, "x": cells[:3]})
    assert same == plain
    changed = application.forecast(model_id=model["model_id"], future_covariates={**on, "x": [cells[0], other, None]})
    assert changed["forecasts"] == plain["forecasts"]
    assert "future_covariates: x is" in changed["warnings"][0]
    assert "the training data did not have" in changed["warnings"][0]


def test_a_past_covariate_that_never_changes(application: Application) -> None:
    model = train(application, series([3.0] * ROWS, ON_SALES))
    assert model["covariates"] == []
    assert "x is 3 in all rows, so it is not used" in model["warnings"]
    own = mean(application.forecast(model_id=model["model_id"]))
    for cells, warnings in (([3.0] * ROWS, 0), ([3.0] * (ROWS - 1) + [4.0], 1)):
        asked = application.forecast(model_id=model["model_id"], history=series(cells, ON_SALES))
        assert mean(asked) == own
        assert len(asked["warnings"]) == warnings
    alone = {"timestamps": DAYS, "values": ON_SALES}
    assert mean(application.forecast(model_id=model["model_id"], history=alone)) == own


def test_a_covariate_that_only_differs_between_items(client: httpx.Client) -> None:
    items = [
        {"id": name, "columns": {"y": ON_SALES, "size": [size] * ROWS, "on": NUMBERS}}
        for name, size in (("a", 10), ("b", 20))
    ]
    sent = {"items": items, "targets": ["y"], "future_covariates": ["size", "on"]}
    answer = client.post("/train", params={"dry_run": "true"}, json={**OPTIONS, "series": sent}).json()
    assert answer["configuration"]["future_covariates"] == ["on"]
    assert answer["configuration"]["constant_covariates"] == {"size": None}
    assert "size changes within no item, so it is not used: send it as a static category" in answer["warnings"][0]


def test_labels_are_those_of_all_items(client: httpx.Client) -> None:
    """An item may have only some of the categories, or none but empty cells, in any order of items."""
    rows = {"a": ["x", "y"] * 30, "b": ["z"] * 30 + [None] * 30, "c": [None] * 60}
    found = []
    for names in ("abc", "cba"):
        items = [{"id": name, "columns": {"y": ON_SALES[:60], "kind": rows[name]}} for name in names]
        sent = {"items": items, "targets": ["y"]}
        answer = client.post("/train", params={"dry_run": "true"}, json={**OPTIONS, "series": sent}).json()
        found.append(answer["configuration"]["categories"])
    assert found == [{"kind": ["", "x", "y", "z"]}] * 2


@pytest.mark.parametrize(
    ("columns", "slug", "pointer", "says"),
    [
        ({"y": ["a"] * 60}, "invalid-series", "y/0", "is to be forecast, and has 'a': name the columns"),
        ({"x": ["9.5", "8"] * 30}, "invalid-series", "x/0", "'9.5' among numbers or times: send numbers without"),
        ({"x": ["9.5", "8", "oops"] * 20}, "invalid-series", "x/0", "or, for categories, text that is no number"),
        ({"x": DAYS[:60]}, "invalid-series", "x/0", "among numbers or times"),
        ({"x": [f"name {row}" for row in range(60)]}, "invalid-series", "x", "more than 50 different texts.*'other'"),
        ({"x": ["a", 1] * 30}, "invalid-request", "x/0", "number"),
    ],
)
def test_text_that_cannot_be_used(client: httpx.Client, columns: Record, slug: str, pointer: str, says: str) -> None:
    sent = {"columns": {"y": ON_SALES[:60], **columns}, "targets": ["y"]}
    answer = client.post("/train", params={"dry_run": "true"}, json={"series": sent})
    problem_of(answer, 422, slug, f"#/series/columns/{pointer}", says)


def test_a_csv_column_of_numbers_with_a_typing_error(client: httpx.Client) -> None:
    prices = [f"{9 + row % 7 / 10}" for row in range(ROWS)]
    prices[40] = "12x"
    query = {"target": "y", "future_covariates": "x"}
    text = csv_of({"date": DAYS, "y": ON_SALES, "x": prices})
    answer = dry_run(client, text.encode(), "text/csv", **query)
    problem_of(answer, 422, "invalid-series", None, "line 42, column 'x': '12x' is not a number")
    # A holiday column as of Rossmann's sales: 0 is a category among others.
    holidays = ["0"] * ROWS
    holidays[5:50:7] = ["a", "b", "c"] * 2 + ["a"]
    values = [one + (30 if holiday != "0" else 0) for one, holiday in zip(ON_SALES, holidays, strict=True)]
    text = csv_of({"date": DAYS, "y": values, "x": holidays})
    answer = dry_run(client, text.encode(), "text/csv", **query)
    assert answer.status_code == 200, answer.text
    mixed = pd.DataFrame({"date": DAYS, "y": values, "x": [0 if one == "0" else one for one in holidays]})
    content = train_call(mixed, 0, {"target": "y", "future_covariates": "x"}).call.content or b""
    for found in (answer, dry_run(client, content, "application/json")):
        assert found.status_code == 200, found.text
        assert found.json()["configuration"]["categories"] == {"x": ["0", "a", "b", "c"]}
