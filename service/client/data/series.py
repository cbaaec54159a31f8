"""Convert a table to a series in the JSON of the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.client.data.columns import Names, Roles, find_roles, listed
from service.client.data.item_ids import ItemIds, Rows, find_items
from service.client.data.table import Table, read_table
from service.client.data.times import TimeStyle, Zone
from service.errors import InvalidSeries

_TIMES = "time"


@dataclass(frozen=True)
class SentSeries:
    """series: for the JSON, and may contain arrays; roles: None if the series was given as JSON.

    style: how the times were sent; None if they had no time zone. ids: of the items, if they come from columns.
    """

    series: Any
    roles: Roles | None = None
    style: TimeStyle | None = None
    ids: ItemIds | None = None

    @property
    def zone(self) -> Zone | None:
        """Time zone of the times."""
        return self.style.zone if self.style else None

    def moment(self, time: Any) -> Any:
        """Return a time given as an argument in the form in which the times of the series are sent."""
        if self.style is None or not self.style.by_the_clock or getattr(time, "tzinfo", None) is None:
            return time
        import pandas as pd

        return pd.Timestamp(time).tz_convert(self.zone).tz_localize(None)


def read_series(
    data: Any,
    *,
    target: Names = None,
    item: Names = None,
    time: Any = None,
    covariates: Names = None,
    future_covariates: Names = None,
    static: Names = None,
    start: Any = None,
    freq: str | None = None,
    date_format: str | None = None,
    known_as: str | None = None,
) -> SentSeries:
    """Read data of any supported type as a series.

    data: a frame or series of pandas, polars or pyarrow, an array (rows, or rows by columns), a list of numbers, or a
    mapping that is a series in the service's JSON already. time: a column, or times, one for each row. start, freq:
    alternatively the time of the first row, and the step. known_as: the model's name for its single target.

    Raises InvalidSeries, UnknownColumn and InvalidTimestamps, as the service does, for data that cannot be sent.
    """
    shared = {"start": start, "freq": freq, "date_format": date_format}
    shared = {name: value for name, value in shared.items() if value is not None}
    if isinstance(data, Mapping):
        return SentSeries({**data, **shared})
    table = read_table(data, listed(target) or None)
    if time is not None and not isinstance(time, str):
        table, time = table.with_times(_TIMES, time), _TIMES
    if start is not None and table.index is not None:
        raise InvalidSeries("give times or a start, not both")
    given = Roles(listed(target), listed(covariates), listed(future_covariates), listed(item), time, listed(static))
    roles = find_roles(table, given, start is not None, date_format)
    return _sent(table, roles, shared, {roles.targets[0]: known_as} if known_as and len(roles.targets) == 1 else {})


def write_json(content: Any) -> bytes:
    """Encode JSON: NaN becomes null, times become ISO 8601. Raises TypeError for values that JSON cannot represent."""
    try:
        return orjson.dumps(content, _plain, orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError as error:
        raise error.__cause__ or error from None


def _sent(table: Table, roles: Roles, shared: dict[str, Any], rename: Mapping[str, str]) -> SentSeries:
    columns = {
        rename.get(name, name): table.cells(name, may_be_categories=name not in roles.targets) for name in roles.columns
    }
    if not next(iter(columns.values())).size:
        raise InvalidSeries("the data has no rows")
    times = table.times(roles.time) if roles.time else None
    series: dict[str, Any] = {"targets": [rename.get(name, name) for name in roles.targets]}
    if roles.future_covariates:
        series["future_covariates"] = list(roles.future_covariates)
    ids = None
    if not roles.item:
        series |= {"columns": columns, **shared}
        if times is not None:
            series["timestamps"] = times.texts
    else:
        first = {"start": shared.pop("start")} if "start" in shared else {}
        series |= shared
        static = {name: np.array(list(table.column(name)), dtype=object) for name in roles.static}
        series["items"] = []
        ids, found = find_items(table, roles.item)
        for name, rows in found.items():
            item = {"id": name, **first, **rows_of(columns, times.texts if times else None, rows)}
            if static:
                item["static"] = {column: _category(values[rows], column) for column, values in static.items()}
            series["items"].append(item)
    return SentSeries(series, roles, times.style if times else None, ids)


def rows_of(columns: Mapping[str, Any], texts: Sequence[str | int] | None, rows: Rows) -> dict[str, Any]:
    """Return the given rows of columns, with their times if there are any."""
    # In most frames the rows of an item are contiguous.
    together = bool(rows[-1] - rows[0] == len(rows) - 1)
    chosen: Any = slice(rows[0], rows[-1] + 1) if together else rows
    picked: dict[str, Any] = {"columns": {name: values[chosen] for name, values in columns.items()}}
    if texts is not None:
        picked["timestamps"] = texts[chosen] if together else [texts[row] for row in rows]
    return picked


def _category(values: NDArray[Any], name: str) -> Any:
    """Return the value of a static column of an item. Raises InvalidSeries if its rows differ."""
    if not (values == values[0]).all():
        raise InvalidSeries.at((name,), f"static column {name!r} must be the same in all rows of an item")
    return values[0]


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, set | frozenset | range):
        return list(value)
    raise TypeError(f"a {type(value).__name__} cannot be sent as JSON: {value!r}"[:200])
