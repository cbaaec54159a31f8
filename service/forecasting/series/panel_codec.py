"""Convert a panel to plain JSON values and arrays for a file, and back with full validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.forecasting.series.series import Panel, Series
from service.forecasting.series.time_index import TimeAxis

MOST_CATEGORIES = 20
State = tuple[dict[str, Any], dict[str, NDArray[Any]]]


def panel_state(panel: Panel) -> State:
    """Return the record and the arrays: ``values`` (rows of all items, channel)."""
    record = {
        "targets": list(panel.targets),
        "covariates": list(panel.covariates),
        "future_covariates": list(panel.future_covariates),
        "items": [
            {
                "item": one.item,
                "length": len(one),
                "times": one.times.to_record() if one.times else None,
                **({"static": dict(one.static)} if one.static else {}),
            }
            for one in panel
        ],
    }
    return record, {"values": np.concatenate([one.values for one in panel])}


def restore_panel(record: Mapping[str, Any], values: NDArray[Any]) -> Panel:
    """Restore a panel from `panel_state`; raises ValueError, KeyError or TypeError if the parts are inconsistent."""
    targets, covariates = _names(record["targets"]), _names(record["covariates"])
    future_covariates = _names(record.get("future_covariates", []))
    columns = len(targets) + len(covariates) + len(future_covariates)
    if not targets or values.ndim != 2 or values.shape[1] != columns:
        raise ValueError("the values do not have the columns of the record")
    lengths = [int(item["length"]) for item in record["items"]]
    if min(lengths, default=0) < 1 or sum(lengths) != len(values):
        raise ValueError("the values do not have the rows of the record")
    series = []
    end = np.cumsum(lengths)
    for item, last, length in zip(record["items"], end, lengths, strict=True):
        # Compared before the axis is built, so that a false length takes no time.
        if item["times"] and item["times"].get("length", length) != length:
            raise ValueError("the times do not have the rows of the record")
        times = TimeAxis.from_record(item["times"]) if item["times"] else None
        if times is not None and len(times.index) != length:
            raise ValueError("the times do not have the rows of the record")
        rows = np.asarray(values[last - length : last], dtype=np.float64)
        name = None if item["item"] is None else str(item["item"])
        series.append(Series(rows, name, times, static=_categories(item.get("static", {}))))
    return Panel(tuple(series), targets, covariates, future_covariates)


def _categories(static: object) -> dict[str, str]:
    if not isinstance(static, dict) or len(static) > MOST_CATEGORIES:
        raise ValueError(f"the categories of an item must be at most {MOST_CATEGORIES}, by name")
    if not all(isinstance(text, str) for pair in static.items() for text in pair):
        raise TypeError("the categories of an item must be texts")
    return static


def _names(names: object) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError("column names must be a list of strings")
    return tuple(names)
