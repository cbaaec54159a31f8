"""The columns that forecast frames and backtest frames share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from service.client.table import FloatArray
    from service.client.times import Zone

Record = Mapping[str, Any]


def identities(forecasts: Sequence[Record], lengths: Sequence[int]) -> dict[str, Any]:
    """Return the columns that identify the series of each row; ``target`` only if there are several targets.

    A series without items is named after its target.
    """
    ids = [str(one["target"] if one["item"] is None else one["item"]) for one in forecasts]
    targets = [str(one["target"]) for one in forecasts]
    columns = {"unique_id": np.repeat(np.array(ids, dtype=object), lengths)}
    if len(set(targets)) > 1:
        columns["target"] = np.repeat(np.array(targets, dtype=object), lengths)
    return columns


def moments(texts: Sequence[str | int], zone: Zone | None) -> pd.Series[Any]:
    """Return times as the service wrote them as a column: dates if they are ISO 8601, else unchanged.

    zone: the time zone to convert times with an offset to, or to localize naive times in.
    """
    column = pd.Series(texts)
    if not texts or not isinstance(texts[0], str):
        return column
    try:
        times = pd.to_datetime(column, format="ISO8601")
    except ValueError:
        return column
    if times.dt.tz is None and zone:
        # Daylight saving time if an hour occurs twice; the next hour if it does not exist.
        return times.dt.tz_localize(zone, ambiguous=np.ones(len(times), dtype=bool), nonexistent="shift_forward")
    return times.dt.tz_convert(zone) if zone else times


def bounds(forecasts: Sequence[Record]) -> dict[str, FloatArray]:
    """Return ``lo-80`` and ``hi-80`` for each level, narrowest first, or ``q-0.1`` for each quantile."""
    columns: dict[str, FloatArray] = {}
    for level in sorted(forecasts[0].get("intervals") or (), key=float):
        columns[f"lo-{level}"] = joined([one["intervals"][level]["lower"] for one in forecasts])
        columns[f"hi-{level}"] = joined([one["intervals"][level]["upper"] for one in forecasts])
    for quantile in sorted(forecasts[0].get("quantiles") or (), key=float):
        columns[f"q-{quantile}"] = joined([one["quantiles"][quantile] for one in forecasts])
    return columns


def joined(values: Sequence[Any]) -> FloatArray:
    """Concatenate lists, or lists of lists, of numbers into one column."""
    return np.concatenate([np.asarray(one, dtype=np.float64).ravel() for one in values])
