"""Build the request of each operation from its arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict
from uuid import uuid4

import numpy as np

from service.client.connection import Call, path_of
from service.client.data.columns import Names, Roles, listed
from service.client.data.files import is_file, is_parquet, read_bytes, read_file
from service.client.data.future_covariates import ColumnsAhead, values_ahead
from service.client.data.item_ids import encoded_items, item_columns_in
from service.client.data.series import SentSeries, read_series, write_json
from service.client.data.table import read_table
from service.client.data.times import name_of_zone
from service.client.records import AnswerForm, KnownModel
from service.errors import InvalidOption
from service.tables.excel import XLSX_TYPE, is_excel

ZERO_SHOT = "zero-shot"
"""The model ID of the pre-trained forecaster."""


class ColumnArguments(TypedDict, total=False):
    """The roles of the data's columns, and the form of its times."""

    target: Names
    item: Names
    time: Any
    covariates: Names
    freq: str | None
    date_format: str | None


class DataArguments(ColumnArguments, total=False):
    """The roles of the columns of training data, and the times of its rows."""

    future_covariates: Names
    start: Any


class TrainArguments(DataArguments, total=False):
    """The data, a name, and every option of POST /train. Options that are None are chosen from the data."""

    static: Names
    separator: str | None
    decimal: str | None
    thousands: str | None
    time_zone: str | None
    resample: Mapping[str, str] | None
    adaptive: bool
    retrain: Mapping[str, Any] | None
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
    point: str | None
    nonnegative: bool | str | None
    minimum: float | None
    maximum: float | None
    training: Mapping[str, Any] | None
    validation: Mapping[str, Any] | None
    refit: bool | None


class ForecastArguments(ColumnArguments, total=False):
    """The arguments of a forecast, except its horizon."""

    level: float | Sequence[float] | None
    quantiles: Sequence[float] | None
    history: Any
    season_length: int | None
    time_zone: str | None
    resample: Mapping[str, str] | None
    items: Any
    future_covariates: Any
    num_samples: int | None
    seed: int | None


class BacktestArguments(ColumnArguments, total=False):
    """The arguments of a backtest, except its series."""

    horizon: int
    stride: int
    start: Any
    level: float | Sequence[float] | None
    season_length: int | None
    time_zone: str | None
    resample: Mapping[str, str] | None
    future_covariates: Names


@dataclass(frozen=True)
class Training:
    """A training request, and what must be remembered about its data."""

    call: Call
    roles: Roles | None = None
    form: AnswerForm = field(default_factory=AnswerForm)


def csv_query(arguments: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return arguments as query parameters: nested names dotted, lists repeated; None omitted at the top, else null."""
    pairs: list[tuple[str, str]] = []
    for name, value in arguments.items():
        if isinstance(value, Mapping):
            pairs += csv_query(value, f"{prefix}{name}.")
        elif value is not None or prefix:
            values = value if isinstance(value, list | tuple) else [value]
            pairs += [(prefix + name, _text(one)) for one in values]
    return pairs


def _text(value: Any) -> str:
    return value if isinstance(value, str) else write_json(value).decode().strip('"')


_JSON = {"Content-Type": "application/json"}
_CSV = {"Content-Type": "text/csv"}
_EXCEL = {"Content-Type": XLSX_TYPE}
_PARQUET = {"Content-Type": "application/vnd.apache.parquet"}
FILE = {"Content-Type": "application/octet-stream"}
_OF_DATA = {*DataArguments.__annotations__, "static"}
_OF_FORECAST = ("level", "quantiles", "season_length", "time_zone", "resample", "items", "num_samples", "seed")


def train_call(data: Any, seconds: float, arguments: TrainArguments) -> Training:
    """Build a training request that returns the model if it is ready within ``seconds``.

    data: anything `read_series` accepts, or the path or bytes of a CSV, Excel or Parquet file. The request has an
    idempotency key, so that it may be sent again.
    """
    key = {"Idempotency-Key": str(uuid4())}
    wait = ("wait", f"{seconds:g}")
    if is_file(data):
        data = read_bytes(data)
        roles = Roles(listed(arguments.get("target")), item=listed(arguments.get("item")), time=arguments.get("time"))
        kind = _PARQUET if is_parquet(data) else _EXCEL if is_excel(data) else _CSV
        return Training(Call("POST", "/train", (wait, *csv_query(arguments)), data, {**kind, **key}), roles)
    of_data: dict[str, Any] = {name: value for name, value in arguments.items() if name in _OF_DATA}
    sent = read_series(data, **of_data)
    body = {name: value for name, value in arguments.items() if name not in _OF_DATA}
    if sent.roles is None:
        body["future_covariates"] = listed(arguments.get("future_covariates")) or None
    body["time_zone"] = _time_zone(arguments.get("time_zone"), sent)
    validation = arguments.get("validation")
    if validation and "start" in validation:
        body["validation"] = {**validation, "start": sent.moment(validation["start"])}
    columns = sent.ids.to_record() if sent.ids else None
    series = sent.series if columns is None else {**sent.series, "item_columns": columns}
    call = json_call("POST", "/train", _given({**body, "series": series}), query=(wait,), headers={**_JSON, **key})
    return Training(call, sent.roles, AnswerForm(sent.zone, sent.ids))


def forecast_call(model: KnownModel, horizon: int | None, asked: Mapping[str, Any]) -> tuple[Call, AnswerForm]:
    """Build a forecast request; return the call, and the form of the response.

    asked: with the roles of the columns of the history and of the future covariates, as `read_series` takes them.
    Raises TypeError for an argument that does not exist.
    """
    unknown = next((name for name in asked if name not in ForecastArguments.__annotations__), None)
    if unknown is not None:
        raise TypeError(f"forecast() got an unexpected keyword argument {unknown!r}")
    form, style = AnswerForm(model.time_zone, model.ids), model.time_style
    body: dict[str, Any] = {name: asked.get(name) for name in _OF_FORECAST}
    body |= {"model_id": model.id, "horizon": horizon, "level": _levels(asked.get("level"))}
    items = body["items"] = (model.ids.encoded if model.ids else encoded_items)(asked.get("items")) or None
    if asked.get("history") is not None:
        of_data = {name: asked.get(name) for name in ColumnArguments.__annotations__}
        sent = series_for(model, asked["history"], **of_data)
        body["history"], style = sent.series, sent.style
        if model.id == ZERO_SHOT:
            body["time_zone"] = _time_zone(asked.get("time_zone"), sent)
        form = AnswerForm(sent.zone, sent.ids or model.ids)
    if asked.get("future_covariates") is not None:
        time = asked.get("time")
        columns = ColumnsAhead(
            model.names("future_covariates"),
            tuple((model.record.get("series") or {}).get("future_covariates") or ()),
            listed(asked.get("item")) or model.item_columns,
            time if isinstance(time, str) else model.time_column,
            style,
            asked.get("date_format"),
            items,
        )
        body["future_covariates"] = values_ahead(_of_file(asked["future_covariates"], model, asked), columns)
    return json_call("POST", "/forecast", _given(body)), form


def backtest_call(
    model: KnownModel,
    data: Any,
    *,
    horizon: int = 1,
    stride: int = 1,
    start: Any = None,
    level: float | Sequence[float] | None = None,
    season_length: int | None = None,
    time_zone: str | None = None,
    resample: Mapping[str, str] | None = None,
    **of_data: Any,
) -> tuple[Call, AnswerForm]:
    """Build a backtest request; start: row or time of the first point to forecast."""
    sent = series_for(model, data, **of_data)
    body = {"model_id": model.id, "series": sent.series, "horizon": horizon, "stride": stride}
    body |= {"start": sent.moment(start), "level": _levels(level), "season_length": season_length}
    zone = _time_zone(time_zone, sent) if model.id == ZERO_SHOT else time_zone
    body |= {"time_zone": zone, "resample": resample}
    return json_call("POST", "/backtest", _given(body)), AnswerForm(sent.zone, sent.ids or model.ids)


def observe_call(
    model: KnownModel, data: Any, start_index: int | Mapping[str, int] | None, correct: bool, **of_data: Any
) -> Call:
    """Build the request that adds values to a model's series; its idempotency key lets it be sent again."""
    sent = series_for(model, data, **of_data)
    body = {"series": sent.series, "start_index": start_index, "replace": correct}
    headers = {**_JSON, "Idempotency-Key": str(uuid4())}
    return json_call("POST", path_of("models", model.id, "observations"), _given(body), headers=headers)


def json_call(method: str, path: str, body: Any, **options: Any) -> Call:
    """Build a request with a JSON body."""
    return Call(method, path, content=write_json(body), **{"headers": _JSON, **options})


def retrain_call(model_id: str, start: str, seconds: float) -> Call:
    """Build a request that retrains a model, and returns the child if it is ready within ``seconds``."""
    headers = {**_JSON, "Idempotency-Key": str(uuid4())}
    path, wait = path_of("models", model_id, "retrain"), ("wait", f"{seconds:g}")
    return json_call("POST", path, {"start": start}, query=(wait,), headers=headers)


def delete_call(kind: str, one: str) -> Call:
    """Build the request that deletes a model, or cancels a job."""
    # A model that cannot be deleted is 409 as well.
    return Call("DELETE", path_of(kind, one), done=(404,) if kind == "models" else (404, 409))


def move_call(name: str, move: str, revision: int | None, body: Any = None) -> Call:
    """Build the request that moves a name, only if it still has a revision unless that is None."""
    path, query = path_of("names", name, move), () if revision is None else (("revision", str(revision)),)
    if body is not None:
        return json_call("POST", path, body, query=query)
    # A rollback that is sent twice undoes two moves.
    return Call("POST", path, query, repeatable=move != "rollback")


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}


def _time_zone(asked: str | None, sent: SentSeries) -> str | None:
    """Return the time zone of data that no model has seen: as asked, else their own."""
    if asked is not None and sent.zone is not None and str(sent.zone) != asked:
        cure = f"convert them with tz_convert({asked!r}), or leave time_zone out"
        raise InvalidOption.at(("time_zone",), f"the times of the data are in time zone {str(sent.zone)!r}: {cure}")
    return asked or name_of_zone(sent.zone)


def _levels(level: float | Sequence[float] | None) -> list[float] | None:
    return None if level is None else list(np.atleast_1d(level).tolist())


def series_for(model: KnownModel | None, data: Any, **of_data: Any) -> SentSeries:
    """Read data for a model; arguments that are not given default to those of its training."""
    given = _given(of_data)
    data = _of_file(data, model, given)
    if model is None or isinstance(data, Mapping):
        return read_series(data, **given)
    targets = model.names("targets")
    helping = {kind: model.names(kind) for kind in ("covariates", "future_covariates")}
    names = (*targets, *helping["covariates"], *helping["future_covariates"])
    table = read_table(data, listed(given.get("target")) or names)
    for names in (targets, model.roles.targets if model.roles else ()):
        if names and all(name in table.columns for name in names):
            given.setdefault("target", names)
    for kind, names in helping.items():
        given.setdefault(kind, names or None)
    if "item" not in given:
        given["item"] = item_columns_in(table, model.item_columns)
    if model.time_column is not None and model.time_column in table.columns:
        given.setdefault("time", model.time_column)
    return read_series(table, known_as=targets[0] if len(targets) == 1 else None, **given)


def _of_file(data: Any, model: KnownModel | None, of_data: Mapping[str, Any]) -> Any:
    """Return a file as a frame, other data unchanged; of_data: the roles of its columns."""
    if not is_file(data):
        return data
    time, item = of_data.get("time"), listed(of_data.get("item"))
    known: tuple[str, ...] = ()
    needed = listed(of_data.get("target"))
    if model is not None:
        known, needed = model.item_columns, needed_columns(model, needed)
    return read_file(data, needed, (*known, *item), time if isinstance(time, str) else None)


def needed_columns(model: KnownModel, target: Names) -> tuple[str, ...]:
    """Return the columns that a model requires, and those named as its targets."""
    kinds = ("targets", "covariates", "future_covariates")
    return (*listed(target), *(name for kind in kinds for name in model.names(kind)))
