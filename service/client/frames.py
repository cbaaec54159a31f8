"""Forecasts as frames in the long format that forecasting libraries share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import getitem
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from service.client.data.columns import Names
from service.client.data.times import parse_times
from service.client.records import AnswerForm, KnownModel
from service.tables.column_roles import ITEM

if TYPE_CHECKING:
    import polars as pl

    from service.client.data.item_ids import ItemIds
    from service.client.data.table import FloatArray

Record = Mapping[str, Any]


class _Frame(pd.DataFrame):
    _item_columns: tuple[str, ...] = (ITEM,)

    @property
    def _constructor(self) -> type[Self]:
        return type(self)


class ForecastFrame(_Frame):
    """A row for each series and step: ``unique_id``, ``ds``, ``mean``, then ``lo-80``, ``hi-80``, ... or ``q-0.1``, ...

    ``unique_id`` has the type that it had in the data; items that several columns identify have these columns instead.
    A column ``target`` follows if there are several targets. ``ds`` is a time, or the step (from 1) if
    the series has no times. warnings: the warnings of the service about these numbers; model_id: the model that made
    them; samples: sample paths, if they were requested: ``unique_id``, ``sample``, ``ds``, ``value``.
    """

    _metadata: ClassVar[list[str]] = ["warnings", "model_id", "samples", "_history", "_model", "_item_columns"]

    # Defaults for frames that pandas builds from several others, which lack these attributes.
    warnings: Sequence[str] = ()
    model_id: str | None = None
    samples: pd.DataFrame | None = None
    _history: Any = None
    _model: KnownModel | None = None

    def plot(  # type: ignore[override]
        self,
        history: Any = None,
        *,
        target: Names = None,
        item: Names = None,
        time: Any = None,
        max_history: int | None = None,
        max_items: int = 12,
        ax: Any = None,
    ) -> Any:
        """Draw the forecast as a line with its intervals around it, after the end of ``history``; return the axes.

        history: the data before the forecast, such as the training data, read as `Model.forecast` reads it.
        max_history: the number of its values to draw; by default four times the horizon, and at least 40. Several
        series are drawn side by side, ``max_items`` at most, and an array of axes is returned. For the plots of pandas
        use `pd.DataFrame(frame).plot`.
        """
        from service.client.plotting import draw_forecast, read_history

        data = history if history is not None else self._history
        known = {} if data is None else read_history(data, self._model, target=target, item=item, time=time)
        return draw_forecast(self, known, max_history, max_items, ax)

    def to_polars(self) -> pl.DataFrame:
        """Return the same data as a polars frame."""
        import polars as pl

        return pl.DataFrame([_polars_column(name, self[name]) for name in self.columns])


def forecast_frame(
    answer: Record, form: AnswerForm, model: KnownModel | None = None, history: Any = None
) -> ForecastFrame:
    """Return the response of POST /forecast as a frame."""
    forecasts = answer["forecasts"]
    horizon = len(forecasts[0]["mean"])
    if forecasts[0]["timestamps"] is None:
        ds = pd.Series(np.tile(np.arange(1, horizon + 1), len(forecasts)))
    else:
        ds = parse_times([text for one in forecasts for text in one["timestamps"]], form.zone)
    items = _items(forecasts, form.ids)
    rows = {**_repeated(items, forecasts, horizon), "ds": ds}
    frame = ForecastFrame({**rows, "mean": _joined(forecasts, "mean"), **_bounds(forecasts)})
    frame.warnings = list(answer["warnings"])
    frame.model_id = answer["model_id"]
    if "samples" in forecasts[0]:
        # Path by path; the number of paths is the same for all series.
        shape = (len(forecasts), len(forecasts[0]["samples"]), horizon)
        series, path, step = np.indices(shape).reshape(len(shape), -1)
        samples = pd.DataFrame(rows).iloc[series * horizon + step].reset_index(drop=True)
        samples.insert(samples.columns.size - 1, "sample", path)
        frame.samples = samples.assign(value=_joined(forecasts, "samples"))
    frame._item_columns = tuple(items)
    frame._history = history
    # Keep only the record, not the client: a frame can be pickled.
    frame._model = KnownModel(model.record, model.roles, model.time_zone, model.ids) if model else None
    return frame


def _polars_column(name: str, column: pd.Series[Any]) -> pl.Series:
    import polars as pl

    if isinstance(column.dtype, pd.DatetimeTZDtype):
        moments = pl.Series(name, column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
        zone = str(column.dt.tz)
        in_utc = moments.dt.replace_time_zone("UTC")
        return in_utc if zone.startswith("UTC") else in_utc.dt.convert_time_zone(zone)
    if column.dtype == object or pd.api.types.is_extension_array_dtype(column.dtype):
        return pl.Series(name, column.to_list())
    return pl.Series(name, column.to_numpy())


class BacktestFrame(_Frame):
    """A row for each series, origin and step: ``unique_id``, ``origin``, ``step``, ``ds``, ``y``, ``mean``, intervals.

    ``origin`` is the row (from 0) of the last value that the forecast used; ``ds`` is the forecast row if the series
    has no times; ``y`` is the actual value. metrics, baseline: errors of the model, and of its baseline on the same
    points; skill: 1 - MAE / MAE of the baseline; skill_interval: its 90 % interval; warnings: caveats about
    these numbers.
    """

    _attributes: ClassVar[list[str]] = ["metrics", "baseline", "skill", "skill_interval", "warnings", "model_id"]
    _metadata: ClassVar[list[str]] = [*_attributes, "_item_columns"]

    metrics: Mapping[str, Any] = MappingProxyType({})
    baseline: Mapping[str, Any] = MappingProxyType({})
    skill: float | None = None
    skill_interval: Sequence[float] | None = None
    warnings: Sequence[str] = ()
    model_id: str | None = None

    def plot(self, *, max_items: int = 12, ax: Any = None) -> Any:  # type: ignore[override]
        """Draw the actual values and their forecasts, one line for each origin; return the axes."""
        from service.client.plotting import draw_backtest

        return draw_backtest(self, max_items=max_items, ax=ax)


def backtest_frame(answer: Mapping[str, Any], form: AnswerForm) -> BacktestFrame:
    """Return the response of POST /backtest as a frame."""
    forecasts = answer["forecasts"]
    horizon = int(answer["horizon"])
    lengths = [len(one["origins"]) * horizon for one in forecasts]
    origins = np.concatenate([np.repeat(np.asarray(one["origins"], dtype=np.int64), horizon) for one in forecasts])
    steps = np.tile(np.arange(1, horizon + 1), len(origins) // horizon)
    if forecasts[0]["timestamps"] is None:
        ds = pd.Series(origins + steps)
    else:
        ds = parse_times([text for one in forecasts for ahead in one["timestamps"] for text in ahead], form.zone)
    values = {"y": _joined(forecasts, "actual"), "mean": _joined(forecasts, "mean"), **_bounds(forecasts)}
    items = _items(forecasts, form.ids)
    identities = _repeated(items, forecasts, lengths)
    frame = BacktestFrame({**identities, "origin": origins, "step": steps, "ds": ds, **values})
    for name in BacktestFrame._attributes:
        object.__setattr__(frame, name, answer.get(name))
    frame._item_columns = tuple(items)
    return frame


class ObservationsFrame(_Frame):
    """A row for each series and time: ``unique_id``, ``ds``, then the columns of the training.

    ``ds`` is the row, counted from the first one of the training, if the series has no times. ``observed``: whether a
    row came after the training.
    """


def observations_frame(answer: Mapping[str, Any], form: AnswerForm) -> ObservationsFrame:
    """Return the observations of a model as a frame."""
    found = [{**one, "target": next(iter(one["columns"]))} for one in answer["items"]]
    lengths = [len(one["columns"][one["target"]]) for one in found]
    rows = [
        np.arange(one["start_index"], one["start_index"] + length) for one, length in zip(found, lengths, strict=True)
    ]
    if any(one["timestamps"] is None for one in found):
        ds = pd.Series(np.concatenate(rows))
    else:
        ds = parse_times([text for one in found for text in one["timestamps"]], form.zone)
    items = _items(found, form.ids)
    columns = {
        name: pd.Series([value for one in found for value in one["columns"][name]]) for name in found[0]["columns"]
    }
    observed = np.concatenate([one >= each["trained_rows"] for one, each in zip(rows, found, strict=True)])
    frame = ObservationsFrame({**_repeated(items, found, lengths), "ds": ds, **columns, "observed": observed})
    frame._item_columns = tuple(items)
    return frame


def _items(forecasts: Sequence[Record], ids: ItemIds | None) -> dict[str, pd.Series[Any]]:
    """Return the columns that identify the item of each forecast; a series without items is named after its target."""
    items = [one["item"] for one in forecasts]
    if ids is None or None in items:
        names = [str(one["target"] if one["item"] is None else one["item"]) for one in forecasts]
        return {ITEM: pd.Series(names, dtype=object)}
    return ids.columns(items)


def _repeated(
    items: Mapping[str, pd.Series[Any]], forecasts: Sequence[Record], lengths: int | Sequence[int]
) -> dict[str, Any]:
    """Return the columns that identify the series of each row; ``target`` only if there are several targets.

    items: of each forecast; lengths: rows of each forecast.
    """
    rows = np.repeat(np.arange(len(forecasts)), lengths)
    columns: dict[str, Any] = {name: values.iloc[rows].reset_index(drop=True) for name, values in items.items()}
    targets = [str(one["target"]) for one in forecasts]
    if len(set(targets)) > 1:
        columns["target"] = np.repeat(np.array(targets, dtype=object), lengths)
    return columns


def _bounds(forecasts: Sequence[Record]) -> dict[str, FloatArray]:
    """Return ``lo-80`` and ``hi-80`` for each level, narrowest first, or ``q-0.1`` for each quantile."""
    columns: dict[str, FloatArray] = {}
    for level in sorted(forecasts[0].get("intervals") or (), key=float):
        columns[f"lo-{level}"] = _joined(forecasts, "intervals", level, "lower")
        columns[f"hi-{level}"] = _joined(forecasts, "intervals", level, "upper")
    for quantile in sorted(forecasts[0].get("quantiles") or (), key=float):
        columns[f"q-{quantile}"] = _joined(forecasts, "quantiles", quantile)
    return columns


def _joined(forecasts: Sequence[Record], *path: str) -> FloatArray:
    """Concatenate the numbers at a path of each forecast into one column."""
    return np.concatenate([np.asarray(reduce(getitem, path, one), dtype=np.float64).ravel() for one in forecasts])
