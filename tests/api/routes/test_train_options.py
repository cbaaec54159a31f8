"""Every option of POST /train is taken, told, used, and refused where it cannot work."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from service.forecasting.config.options import TrainOptions
from tests.api.application import Application
from tests.api.contract import problem_of
from tests.api.routes.test_train import csv_query
from tests.api.series import VALUES, csv_of
from tests.factories import QUICK, seasonal

ALL_OPTIONS: dict[str, Any] = {
    "horizon": 4,
    "candidates": ["network"],
    "network": {"cell": "rnn", "hidden_size": 5, "num_layers": 2, "dropout": 0.1},
    "context_length": 7,
    "output_chunk_length": 2,
    "season_length": 6,
    "scaling": "minmax",
    "scaling_range": [-1, 1],
    "transform": "difference",
    "centering": "none",
    "missing": "forward_fill",
    "training": {
        "objective": "windows",
        "epochs": 3,
        "batch_size": 9,
        "learning_rate": 0.02,
        "optimizer": "rmsprop",
        "loss": "huber",
        "clip_norm": 0.5,
        "clip_value": 0.25,
        "truncate_bptt": 5,
        "patience": 2,
        "ensemble_size": 2,
        "seed": 11,
    },
    "validation": {"steps": 10},
    "refit": False,
    "calendar": "none",
    "future_covariates": [],
    "point": "mean",
    "nonnegative": True,
    "minimum": -2.5,
    "maximum": 500.0,
}

HUGE = 10**30
BAD: dict[str, list[Any]] = {
    "horizon": [0, -1, 1.5, "3", True, 10_001, HUGE],
    "candidates": [[], ["arima"], "network", [3]],
    "network": [3, []],
    "network.cell": ["transformer", 3],
    "network.hidden_size": [0, 1.5, 1025, HUGE],
    "network.num_layers": [0, 17],
    "network.dropout": [-0.1, 1, "0.1"],
    "context_length": [0, 10_001, HUGE],
    "output_chunk_length": [0, 10_001, HUGE],
    "season_length": [0, 10_001, HUGE],
    "scaling": ["max", 3],
    "scaling_range": [[1, -1], [0, 0], [0], [0, 1, 2], [-101, 0], [0, "1"], "0,1", 1],
    "transform": ["sqrt"],
    "centering": ["first"],
    "missing": ["drop"],
    "training": ["fast"],
    "training.objective": ["pieces", 3],
    "training.epochs": [0, 10_001, HUGE],
    "training.batch_size": [0, HUGE],
    "training.learning_rate": [0, -1, 11],
    "training.optimizer": ["lion"],
    "training.loss": ["mape"],
    "training.clip_norm": [0, -1, 1e300],
    "training.clip_value": [0, -1, 1e300],
    "training.truncate_bptt": [0, HUGE],
    "training.patience": [0, HUGE],
    "training.ensemble_size": [0, 33],
    "training.seed": [-1, 2**31, 0.5],
    "validation": ["last", 0.2],
    "validation.fraction": [0, 1, -0.5],
    "validation.steps": [0, HUGE, 60],
    "validation.start": ["soon", 1.5, True],
    "refit": ["perhaps", 3],
    "calendar": ["moon", 3, ["moon"]],
    "point": ["mode", 3],
    "nonnegative": ["perhaps", 3, []],
    "minimum": ["low", "0", True],
    "maximum": ["high", "0", [3]],
}
TIMED = {"values": VALUES, "start": "2024-01-01", "freq": "D"}


def leaves(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Name every option below a schema, with dots."""
    names: set[str] = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        nested = isinstance(inner, type) and issubclass(inner, BaseModel)
        names |= leaves(inner, f"{prefix}{name}.") if nested else {prefix + name}  # type: ignore[arg-type]
    return names


def nested(name: str, value: Any) -> dict[str, Any]:
    """Put a value at a dotted name."""
    for part in reversed(name.split(".")):
        value = {part: value}
    return value  # type: ignore[no-any-return]


def test_these_tables_know_every_option() -> None:
    options = leaves(TrainOptions) - {"validation"}
    assert options <= set(csv_query(ALL_OPTIONS))
    assert options | {"validation.fraction", "validation.steps", "validation.start"} <= set(BAD)


def test_every_option_is_told_as_it_was_asked_for(client: httpx.Client) -> None:
    model = client.post("/train", params={"wait": 120}, json={**ALL_OPTIONS, "series": VALUES}).json()
    assert model["configuration"] == {**ALL_OPTIONS, "chosen": {}}


def test_every_option_is_taken_as_a_dotted_query_parameter(client: httpx.Client) -> None:
    response = client.post(
        "/train",
        params={"dry_run": "true", **csv_query(ALL_OPTIONS)},
        content=csv_of({"n": VALUES}),
        headers={"Content-Type": "text/csv"},
    )
    assert response.json()["configuration"] == {**ALL_OPTIONS, "chosen": {}}


def test_null_in_a_query_is_null(client: httpx.Client) -> None:
    query = {"horizon": "null", "training.clip_norm": "null", "scaling_range": "null", "dry_run": "true"}
    table, kind = csv_of({"n": VALUES}), {"Content-Type": "text/csv"}
    told = client.post("/train", params=query, content=table, headers=kind).json()["configuration"]
    assert (told["horizon"], told["training"]["clip_norm"]) == (12, None)
    assert "horizon" in told["chosen"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("network.cell", ["rnn", "lstm", "gru"]),
        ("scaling", ["minmax", "standard", "robust", "none"]),
        ("transform", ["none", "log", "difference", "log_difference"]),
        ("centering", ["last", "none"]),
        ("missing", ["error", "interpolate", "forward_fill"]),
        ("training.objective", ["chunks", "windows"]),
        ("training.optimizer", ["adam", "adamw", "rmsprop", "sgd"]),
        ("training.loss", ["mae", "mse", "huber"]),
        ("validation", [{"fraction": 0.3}, {"steps": 24}, {"start": "2024-02-10"}]),
        ("refit", [True, False]),
    ],
)
def test_every_choice_is_taken(client: httpx.Client, name: str, values: list[Any]) -> None:
    for value in values:
        body = {"series": TIMED, **nested(name, value)}
        told = client.post("/train", params={"dry_run": "true"}, json=body).json()["configuration"]
        for part in name.split("."):
            told = told[part]
        assert told == value


# Options that the others need in order to show, or to be quick.
CHANGED: dict[str, Any] = {
    "scaling": "minmax",
    "missing": "interpolate",
    "refit": False,
    "training": {"epochs": 12, "learning_rate": 0.5},
}
OTHER_VALUES: dict[str, Any] = {
    "point": "mean",
    "candidates": ["network", "theta"],
    "horizon": 5,
    "network.cell": "lstm",
    "network.hidden_size": 7,
    "network.num_layers": 2,
    "network.dropout": 0.5,
    "context_length": 9,
    "output_chunk_length": 1,
    "season_length": 12,
    "scaling": "robust",
    "scaling_range": [-3, 5],
    "transform": "log",
    "centering": "none",
    "missing": "forward_fill",
    "training.objective": "windows",
    "training.epochs": 7,
    "training.batch_size": 1,
    "training.learning_rate": 0.02,
    "training.optimizer": "sgd",
    "training.loss": "mse",
    "training.clip_norm": 0.01,
    "training.clip_value": 0.01,
    "training.truncate_bptt": 2,
    "training.patience": 1,
    "training.ensemble_size": 2,
    "training.seed": 1,
    "validation": {"steps": 20},
    "refit": True,
}


def test_every_option_is_really_used(application: Application) -> None:
    """Another value leads to another model: to other forecasts, other scores, or an earlier end."""
    base = merged(QUICK, CHANGED)
    series = [None if row in (14, 30, 31, 110, 129) else number for row, number in enumerate(seasonal(130).tolist())]
    bodies = [base, *(merged(base, nested(name, value)) for name, value in OTHER_VALUES.items())]
    accepted = [application.start({**body, "series": series}) for body in bodies]
    unchanged, *others = [outcome(application, one) for one in accepted]
    # The calendar needs timestamps, bounds a series that comes near them; see their own tests.
    assert leaves(TrainOptions) == {*OTHER_VALUES, "calendar", "nonnegative", "minimum", "maximum"}
    assert [name for name, other in zip(OTHER_VALUES, others, strict=True) if other == unchanged] == []


def merged(options: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Change options, nested ones within."""
    within: dict[str, Any] = {
        name: {**options[name], **changes[name]} for name in ("network", "training") if name in changes
    }
    return {**options, **changes, **within}


def outcome(application: Application, accepted: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a training led to."""
    application.job(accepted["job_id"], "succeeded")
    model = application.client.get(accepted["links"]["model"]).json()
    forecast = application.forecast(model_id=model["model_id"], horizon=6)["forecasts"][0]
    return forecast["mean"], model["metrics"], model["loss_curve"]["epochs"]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_an_option_out_of_range_is_refused_where_it_stands(client: httpx.Client, name: str, value: Any) -> None:
    response = client.post("/train", json={"series": TIMED, **nested(name, value)})
    problem = response.json()
    assert response.status_code == 422, problem
    assert problem["type"].rpartition(":")[2] in {
        "invalid-request",
        "invalid-option",
        "horizon-too-long",
        "invalid-timestamps",
    }
    pointer = "#/" + name.replace(".", "/")
    # A split that leaves nothing is the fault of the whole validation.
    pointers = {fault["pointer"] for fault in problem["errors"]}
    assert pointers == {"#/validation"} or all(one.startswith(pointer) for one in pointers), problem
    assert all(len(fault["detail"]) > 10 for fault in problem["errors"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("horizon", "three"),
        ("minimum", "nan"),
        ("maximum", "1e999"),
        ("nonnegative", "perhaps"),
        ("horizon", "0"),
        ("network.cell", "transformer"),
        ("network.dropout", "nan"),
        ("training.epochs", "1e3"),
        ("training.learning_rate", "nan"),
        ("training.clip_norm", "inf"),
        ("training.clip_value", "1e999"),
        ("training.patience", "9" * 40),
        ("refit", "perhaps"),
        ("validation.fraction", "half"),
    ],
)
def test_an_option_of_a_csv_is_refused_where_it_stands(client: httpx.Client, name: str, value: str) -> None:
    response = client.post(
        "/train", params={name: value}, content=csv_of({"n": VALUES}), headers={"Content-Type": "text/csv"}
    )
    pointers = {fault["pointer"] for fault in response.json()["errors"]}
    assert (response.status_code, pointers) == (422, {"#/" + name.replace(".", "/")})


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("name", ["learning_rate", "clip_norm", "clip_value"])
def test_options_that_are_no_finite_number_are_refused(client: httpx.Client, name: str, token: str) -> None:
    body = f'{{"series": {VALUES}, "training": {{"{name}": {token}}}}}'
    response = client.post("/train", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == f"#/training/{name}"


@pytest.mark.parametrize("name", ["horison", "network.cells", "training.epoch", "validation.last", "validation.step"])
def test_unknown_options_are_refused(client: httpx.Client, name: str) -> None:
    pointer = "#/" + name.replace(".", "/")
    response = client.post("/train", json={"series": VALUES, **nested(name, 3)})
    problem_of(response, 422, "invalid-request", pointer, "leave it out")
    table, kind = csv_of({"n": VALUES}), {"Content-Type": "text/csv"}
    response = client.post("/train", params={name: 3}, content=table, headers=kind)
    problem_of(response, 422, "invalid-request", pointer, "leave it out")


@pytest.mark.parametrize(
    ("query", "pointer", "contains"),
    [
        ({"horizon": ["1", "2"]}, "#/horizon", "2 times"),
        ({"series": "3"}, "#/series", "the body"),
        ({"series.values": "3"}, "#/series.values", "the body"),
        ({"network": "x", "network.cell": "gru"}, "#/network", "both"),
        ({"network.cell": "gru", "network": "x"}, "#/network", "object"),
        ({"": "3"}, "#/", "leave it out"),
        ({"..": "3"}, "#/", "leave it out"),
        ({"wait": "soon"}, "#/wait", "number"),
        ({"wait": "-1"}, "#/wait", "0"),
        ({"wait": "301"}, "#/wait", "300"),
        ({"wait": "nan"}, "#/wait", "300"),
        ({"dry_run": "perhaps"}, "#/dry_run", "boolean"),
    ],
)
def test_a_query_that_means_nothing_is_refused(
    client: httpx.Client, query: dict[str, Any], pointer: str, contains: str
) -> None:
    response = client.post("/train", params=query, content=csv_of({"n": VALUES}), headers={"Content-Type": "text/csv"})
    problem_of(response, 422, "invalid-request", pointer, contains)


def test_options_in_the_query_of_a_json_body_are_refused(client: httpx.Client) -> None:
    response = client.post("/train", params={"training.epochs": 3}, json={"series": VALUES})
    problem_of(response, 422, "invalid-request", "#/training.epochs", "in the body, not in the query")


@pytest.mark.parametrize(
    ("validation", "contains"),
    [
        ({"start": "2023-01-01"}, "0 values before it"),
        ({"start": "2031-01-01"}, "0 after it"),
        ({"steps": 59}, "at least 2 before"),
    ],
)
def test_a_split_that_leaves_nothing_is_refused(
    client: httpx.Client, validation: dict[str, Any], contains: str
) -> None:
    response = client.post("/train", json={"series": TIMED, "validation": validation})
    problem_of(response, 422, "invalid-option", "#/validation", contains)


@pytest.mark.parametrize("transform", ["difference", "log_difference"])
def test_a_split_that_leaves_no_difference_is_refused(client: httpx.Client, transform: str) -> None:
    body = {**QUICK, "series": VALUES, "transform": transform, "candidates": ["naive"]}
    response = client.post("/train", json={**body, "validation": {"steps": len(VALUES) - 2}})
    problem_of(response, 422, "invalid-option", "#/validation", "at least 3 are needed for the differences of values")
    response = client.post("/train?wait=60", json={**body, "validation": {"steps": len(VALUES) - 3}})
    assert response.status_code == 201, response.text


def test_a_split_by_time_needs_times(client: httpx.Client) -> None:
    response = client.post("/train", json={"series": VALUES, "validation": {"start": "2024-02-01"}})
    problem_of(response, 422, "invalid-option", "#/validation/start", "needs timestamps")


def test_the_limits_of_the_server_are_named(limited: Application) -> None:
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"horizon": 41}, "horizon-too-long", "#/horizon"),
        ({"context_length": 51}, "invalid-option", "#/context_length"),
        ({"network": {"hidden_size": 65}}, "invalid-option", "#/network/hidden_size"),
        ({"series": [1.0, 2.0] * 2001}, "invalid-series", "#/series"),
        ({"series": {"columns": dict.fromkeys("abc", VALUES)}}, "invalid-series", "#/series"),
        ({"series": {"items": [{"id": name, "values": VALUES} for name in "abcd"]}}, "invalid-series", "#/series"),
    ]
    for options, slug, pointer in cases:
        response = limited.client.post("/train", json={"series": VALUES, **options})
        problem_of(response, 422, slug, pointer, r"at most \d+|limit of \d+")


def test_limits_come_before_the_times(limited: Application) -> None:
    unreadable = ["no time"] * len(VALUES)
    many: dict[str, Any] = {"values": VALUES, "timestamps": unreadable}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"items": [{"id": name, **many} for name in "abcd"]}, "4 items"),
        ({"columns": dict.fromkeys("abc", VALUES), "timestamps": unreadable}, "3 columns"),
        ({"values": [1.0] * 4001, "timestamps": ["no time"] * 4001}, "4001 values"),
    ]
    for series, size in cases:
        response = limited.client.post("/train", json={"series": series})
        problem_of(response, 422, "invalid-series", "#/series", f"{size}; this server takes at most")
