"""Build the request of each operation from its arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict
from uuid import uuid4

import numpy as np

from service.client.columns import Names, Roles, listed
from service.client.future_covariates import ColumnsAhead, values_ahead
from service.client.records import KnownModel, Training
from service.client.series import SentSeries, read_series, write_json
from service.client.steps import Call, path_of
from service.client.table import read_table
from service.client.times import Zone


class DataArguments(TypedDict, total=False):
    """The roles of the data's columns, and the times of its rows."""

    target: Names
    item: str | None
    time: Any
    covariates: Names
    future_covariates: Names
    start: Any
    freq: str | None
    date_format: str | None


class TrainArguments(DataArguments, total=False):
    """The data, a name, and every option of POST /train. Options that are None are chosen from the data."""

    static: Names
    separator: str | None
    decimal: str | None
    thousands: str | None
    name: str | None
    horizon: int | None
    candidates: Sequence[str] | None
    network: Mapping[str, Any] | None
    context_length: int | None
    output_chunk_length: int | None
    season_length: int | None
    scaling: str | None
    scaling_range: Sequence[float] | None
    transform: str | None
    centering: str | None
    missing: str | None
    calendar: str | Sequence[str] | None
    nonnegative: bool | None
    minimum: float | None
    maximum: float | None
    training: Mapping[str, Any] | None
    validation: Mapping[str, Any] | None
    refit: bool | None


class ForecastArguments(TypedDict, total=False):
    """The arguments of a forecast, except its horizon."""

    level: float | Sequence[float] | None
    quantiles: Sequence[float] | None
    history: Any
    items: Names
    future_covariates: Any
    num_samples: int | None
    seed: int | None
    target: Names
    item: str | None
    time: Any
    covariates: Names
    freq: str | None
    date_format: str | None


class BacktestArguments(TypedDict, total=False):
    """The arguments of a backtest, except its series."""

    horizon: int
    stride: int
    start: Any
    level: float | Sequence[float] | None
    target: Names
    item: str | None
    time: Any
    covariates: Names
    future_covariates: Names
    freq: str | None
    date_format: str | None


def csv_query(arguments: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return arguments as query parameters: nested names dotted, lists repeated; None omitted at the top, else null."""
    pairs: list[tuple[str, str]] = []
    for name, value in arguments.items():
        if value is not None:
            pairs += _pairs(name, value)
    return tuple(pairs)


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [pair for key, inner in value.items() for pair in _pairs(f"{name}.{key}", inner)]
    if isinstance(value, list | tuple):
        return [(name, _text(one)) for one in value]
    return [(name, _text(value))]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else write_json(value).decode().strip('"')


_JSON = {"Content-Type": "application/json"}
_CSV = {"Content-Type": "text/csv"}
_FILE = {"Content-Type": "application/octet-stream"}
_OF_DATA = ("target", "item", "time", "covariates", "future_covariates", "static", "start", "freq", "date_format")
_PAGE = 500


def train_call(data: Any, seconds: float, arguments: TrainArguments) -> Training:
    """Build a training request that returns the model if it is ready within ``seconds``.

    data: anything `read_series` accepts, or a CSV: a path, or its bytes. The request has an idempotency key, so that it
    may be sent again.
    """
    key = {"Idempotency-Key": str(uuid4())}
    wait = ("wait", f"{seconds:g}")
    if isinstance(data, str | Path):
        data = Path(data).read_bytes()
    if isinstance(data, bytes):
        roles = Roles(listed(arguments.get("target")), item=arguments.get("item"), time=arguments.get("time"))
        return Training(Call("POST", "/train", (wait, *csv_query(arguments)), data, {**_CSV, **key}), roles)
    of_data: dict[str, Any] = {name: value for name, value in arguments.items() if name in _OF_DATA}
    sent = read_series(data, **of_data)
    body: dict[str, Any] = {
        name: value for name, value in arguments.items() if name not in _OF_DATA and value is not None
    }
    if sent.roles is None and listed(arguments.get("future_covariates")):
        body["future_covariates"] = listed(arguments.get("future_covariates"))
    if "start" in (body.get("validation") or ()):
        body["validation"] = {**body["validation"], "start": sent.moment(body["validation"]["start"])}
    content = write_json({**body, "series": sent.series})
    return Training(Call("POST", "/train", (wait,), content, {**_JSON, **key}), sent.roles, sent.zone)


def forecast_call(
    model: KnownModel,
    horizon: int | None,
    *,
    level: float | Sequence[float] | None = None,
    quantiles: Sequence[float] | None = None,
    history: Any = None,
    items: Names = None,
    future_covariates: Any = None,
    num_samples: int | None = None,
    seed: int | None = None,
    target: Names = None,
    item: str | None = None,
    time: Any = None,
    covariates: Names = None,
    freq: str | None = None,
    date_format: str | None = None,
) -> tuple[Call, Zone | None]:
    """Build a forecast request; return the call, and the time zone of the response's times.

    target and the following arguments: the roles of the columns of the history and of the future covariates, as
    `read_series` takes them.
    """
    zone, style = model.time_zone, model.time_style
    body: dict[str, Any] = {
        "model_id": model.id,
        "horizon": horizon,
        "level": _levels(level),
        "quantiles": quantiles,
        "items": listed(items) or None,
        "num_samples": num_samples,
        "seed": seed,
    }
    if history is not None:
        of_data = {"covariates": covariates, "freq": freq, "date_format": date_format}
        sent = series_for(model, history, target=target, item=item, time=time, **of_data)
        body["history"], zone = sent.series, sent.zone
        style = sent.time_style
    if future_covariates is not None:
        columns = ColumnsAhead(
            model.names("future_covariates"),
            tuple((model.record.get("series") or {}).get("future_covariates") or ()),
            item or model.item_column,
            time if isinstance(time, str) else model.time_column,
            style,
            date_format,
            listed(items) or None,
        )
        body["future_covariates"] = values_ahead(future_covariates, columns)
    return _post("/forecast", body), zone


def backtest_call(
    model: KnownModel,
    data: Any,
    *,
    horizon: int = 1,
    stride: int = 1,
    start: Any = None,
    level: float | Sequence[float] | None = None,
    **of_data: Any,
) -> tuple[Call, Zone | None]:
    """Build a backtest request; start: row or time of the first point to forecast."""
    sent = series_for(model, data, **of_data)
    body = {
        "model_id": model.id,
        "series": sent.series,
        "horizon": horizon,
        "stride": stride,
        "start": sent.moment(start),
    }
    return _post("/backtest", {**body, "level": _levels(level)}), sent.zone


def page_call(kind: str, cursor: str | None, **only: str | None) -> Call:
    """Build the request of one page of ``models`` or ``jobs``."""
    query = {**only, "cursor": cursor, "limit": str(_PAGE)}
    return Call("GET", path_of(kind), tuple((name, value) for name, value in query.items() if value is not None))


def upload_call(data: bytes, name: str | None) -> Call:
    """Build the upload of a model file. It is not repeatable: sending it twice would create two models."""
    query = () if name is None else (("name", name),)
    return Call("POST", "/models", query, data, _FILE, repeatable=False)


def rename_call(model_id: str, name: str | None) -> Call:
    """Build the request that renames a model."""
    return Call("PATCH", path_of("models", model_id), content=write_json({"name": name}), headers=_JSON)


def delete_call(kind: str, one: str) -> Call:
    """Build the request that deletes a model, or cancels a job."""
    return Call("DELETE", path_of(kind, one), done=(404, 409))


def _post(path: str, body: Mapping[str, Any]) -> Call:
    sent = {name: value for name, value in body.items() if value is not None}
    return Call("POST", path, content=write_json(sent), headers=_JSON)


def _levels(level: float | Sequence[float] | None) -> list[float] | None:
    return None if level is None else list(np.atleast_1d(level).tolist())


def series_for(model: KnownModel | None, data: Any, **of_data: Any) -> SentSeries:
    """Read data for a model; arguments that are not given default to those of its training."""
    said: dict[str, Any] = {name: value for name, value in of_data.items() if value is not None}
    if model is None or isinstance(data, Mapping):
        return read_series(data, **said)
    targets = model.names("targets")
    helping = {kind: model.names(kind) for kind in ("covariates", "future_covariates")}
    table = read_table(
        data, listed(said.get("target")) or (*targets, *helping["covariates"], *helping["future_covariates"])
    )
    for names in (targets, model.roles.targets if model.roles else ()):
        if names and all(name in table.columns for name in names):
            said.setdefault("target", names)
    for kind, names in helping.items():
        said.setdefault(kind, names or None)
    for name, column in (("item", model.item_column), ("time", model.time_column)):
        if column is not None and column in table.columns:
            said.setdefault(name, column)
    return read_series(table, known_as=targets[0] if len(targets) == 1 else None, **said)
