"""Convert a panel to plain JSON values and arrays for a file, and back with full validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, PositiveInt

from service.forecasting.series.series import Panel, Series
from service.forecasting.series.time_axis import TimeAxis

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
    """Restore a panel from `panel_state`; raises ValueError if the parts are inconsistent."""
    parsed = _PanelRecord.model_validate(record)
    targets, covariates, future_covariates = parsed.targets, parsed.covariates, parsed.future_covariates
    lengths = [item.length for item in parsed.items]
    if values.shape != (sum(lengths), len(targets) + len(covariates) + len(future_covariates)):
        raise ValueError("the values do not have the rows or columns of the record")
    series = []
    for item, end in zip(parsed.items, np.cumsum(lengths), strict=True):
        # Compared before the axis is built, so that a false length takes no time.
        if item.times and item.times.get("length", item.length) != item.length:
            raise ValueError("the times do not have the rows of the record")
        times = TimeAxis.from_record(item.times) if item.times else None
        if times is not None and len(times) != item.length:
            raise ValueError("the times do not have the rows of the record")
        rows = np.asarray(values[end - item.length : end], dtype=np.float64)
        series.append(Series(rows, item.item, times, static=item.static))
    return Panel(tuple(series), targets, covariates, future_covariates)


class _ItemRecord(BaseModel):
    item: str | None
    length: PositiveInt
    times: dict[str, Any] | None
    static: Annotated[dict[str, str], Field(max_length=MOST_CATEGORIES)] = {}


class _PanelRecord(BaseModel):
    targets: Annotated[tuple[str, ...], Field(min_length=1)]
    covariates: tuple[str, ...]
    future_covariates: tuple[str, ...] = ()
    items: Annotated[list[_ItemRecord], Field(min_length=1)]
