"""Plots of forecasts and backtests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from service.client.data.item_ids import id_of
from service.client.data.times import parse_times
from service.client.requests import series_for
from service.errors import InvalidSeries
from service.tables.column_roles import ITEM

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from service.client.records import KnownModel

Name = tuple[str, ...]
"""The key of a series: the ID of its item, and its target if there are several."""

_INK, _FORECAST, _BACKTEST = "#333333", "#1b6ca8", "#d95f02"
_LIGHTEST, _ONLY, _DARKEST = 0.15, 0.25, 0.4
_SIZE, _SMALL = (10.0, 4.5), (5.0, 3.0)
_FEWEST_BEFORE = 40


def draw_forecast(
    frame: pd.DataFrame,
    history: Mapping[Name, pd.Series[Any]],
    max_history: int | None,
    max_items: int,
    ax: Any,
) -> Any:
    """Draw each series of a `ForecastFrame` after its history; return the axes, an array for several series."""

    def draw(axes: Axes, one: pd.DataFrame, name: Name) -> None:
        if name in history:
            before = history[name].iloc[-(max_history or max(_FEWEST_BEFORE, 4 * len(one))) :]
            times = _in_zone_of(one["ds"], before.index)
            axes.plot(times, before.to_numpy(), color=_INK, linewidth=1.2, label="history")
        _draw_bands(axes, one, _FORECAST)
        marker = "o" if len(one) == 1 else None
        axes.plot(one["ds"], one["mean"], color=_FORECAST, linewidth=1.6, marker=marker, label="forecast")

    return _draw_each(frame, draw, max_items, ax)


def draw_backtest(frame: pd.DataFrame, max_items: int, ax: Any) -> Any:
    """Draw each series of a `BacktestFrame`; return the axes, an array for several series."""

    def draw(axes: Axes, one: pd.DataFrame, _: Name) -> None:
        actual = one.drop_duplicates("ds").sort_values("ds")
        axes.plot(actual["ds"], actual["y"], color=_INK, linewidth=1.2, label="actual")
        steps = one["step"].max()
        if steps == 1:
            _draw_bands(axes, one, _BACKTEST)
            axes.plot(one["ds"], one["mean"], color=_BACKTEST, linewidth=1.1, label="one step ahead")
            return
        for place, (_origin, ahead) in enumerate(one.groupby("origin")):
            label = None if place else f"{steps} steps ahead"
            axes.plot(ahead["ds"], ahead["mean"], color=_BACKTEST, linewidth=0.9, alpha=0.7, label=label)

    return _draw_each(frame, draw, max_items, ax)


def read_history(data: Any, model: KnownModel | None, **of_data: Any) -> dict[Name, pd.Series[Any]]:
    """Read data as `Model.forecast` does; return the values of each series, indexed by time or row number."""
    sent = series_for(model, data, **of_data)
    if sent.roles is None:
        raise InvalidSeries("to plot, give the history as a frame, a series, an array or a list")
    found: dict[Name, pd.Series[Any]] = {}
    for one in sent.series.get("items", [sent.series]):
        targets = sent.series["targets"]
        texts = one.get("timestamps")
        for target in targets:
            values = np.asarray(one["columns"][target])
            index = np.arange(1 - len(values), 1) if texts is None else pd.Index(parse_times(texts, sent.zone))
            name = str(one.get("id", target))
            found[(name, target) if len(targets) > 1 else (name,)] = pd.Series(values, index).sort_index()
    return found


def _draw_bands(axes: Axes, one: pd.DataFrame, colour: str) -> None:
    """Draw the intervals, the widest first and lightest; pair each quantile with its opposite."""
    levels = [name.removeprefix("lo-") for name in one.columns if name.startswith("lo-")]
    bands = [(f"lo-{level}", f"hi-{level}", f"{level} % interval") for level in reversed(levels)]
    quantiles = [name.removeprefix("q-") for name in one.columns if name.startswith("q-")]
    pairs = list(zip(quantiles, reversed(quantiles), strict=True))[: len(quantiles) // 2]
    bands += [(f"q-{low}", f"q-{high}", f"quantiles {low} to {high}") for low, high in pairs]
    shades = np.linspace(_LIGHTEST, _DARKEST, len(bands)).tolist() if len(bands) > 1 else [_ONLY]
    for (low, high, label), shade in zip(bands, shades, strict=False):
        if len(one) == 1:
            axes.vlines(one["ds"], one[low], one[high], color=colour, alpha=shade, linewidth=6, label=label)
        else:
            axes.fill_between(one["ds"], one[low], one[high], color=colour, alpha=shade, linewidth=0, label=label)


def _draw_each(frame: pd.DataFrame, draw: Callable[[Axes, pd.DataFrame, Name], None], max_items: int, ax: Any) -> Any:
    items = list(getattr(frame, "_item_columns", (ITEM,)))
    lacking = [name for name in (*items, "ds", "mean") if name not in frame.columns]
    if lacking or not len(frame):
        raise InvalidSeries(f"to plot, a frame needs {f'its column {lacking[0]!r}' if lacking else 'rows'}")
    frame = pd.DataFrame(frame)
    by = [*items, "target"] if "target" in frame else items
    groups = [
        ((id_of(name[: len(items)]), *map(str, name[len(items) :])), one)
        for name, one in frame.groupby(by, sort=False, observed=True)
    ][:max_items]
    axes = _new_axes(len(groups)) if ax is None else np.array([ax]).ravel()
    if len(axes) < len(groups):
        raise ValueError(f"{len(groups)} series need as many axes, got {len(axes)}")
    for place, (name, one) in enumerate(groups):
        draw(axes[place], one, name)
        _finish(axes[place], name, one["ds"], with_legend=place == 0)
    return axes[0] if len(groups) == 1 else axes[: len(groups)]


def _new_axes(count: int) -> Any:
    from matplotlib import pyplot

    columns = min(3, count)
    rows = -(-count // columns)
    size = (columns * _SMALL[0], rows * _SMALL[1]) if count > 1 else _SIZE
    axes = pyplot.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")[1].ravel()
    for empty in axes[count:]:
        empty.set_visible(False)
    return axes


def _finish(axes: Axes, name: Name, ds: pd.Series[Any], with_legend: bool) -> None:
    from matplotlib import dates

    axes.set_title(", ".join(dict.fromkeys(name)), fontsize="medium")
    axes.grid(alpha=0.25)
    axes.margins(x=0.02)
    if ds.dtype.kind == "M":
        zone = ds.dt.tz
        locator: Any = dates.AutoDateLocator(tz=zone)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=zone))  # type: ignore[no-untyped-call]
    if with_legend:
        axes.legend(frameon=False, fontsize="small")


def _in_zone_of(ds: pd.Series[Any], index: pd.Index[Any]) -> Any:
    """Convert times to the time zone of the forecast, so that both fit on one axis."""
    is_zoned = isinstance(ds.dtype, pd.DatetimeTZDtype) and isinstance(index, pd.DatetimeIndex) and index.tz is not None
    return index.tz_convert(ds.dt.tz) if is_zoned else index  # type: ignore[attr-defined]
