"""The data of users as columns by name: frames of pandas, polars and pyarrow, series, arrays and lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from service.client.data.times import TimeStyle, WrittenTimes, is_dated, write_times
from service.errors import InvalidSeries, InvalidTimestamps, UnknownColumn
from service.tables.column_roles import CELLS_TRIED
from service.tables.labels import are_labels, label_of
from service.tables.number_format import is_number

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]

UNNAMED = "value"
"""The column name of unnamed data, as in the service."""

_CURE = ": send numbers, or, for categories, text that is no number (k1 for 1)"
_NUMBERS = (int, float, np.number, np.bool_)


@dataclass(frozen=True)
class Table:
    """columns: of equal length; index: the column that was a pandas index, if it contains times."""

    columns: Mapping[str, nw.Series[Any] | NDArray[Any]]
    index: str | None = None

    def numbers(self, name: str) -> FloatArray:
        """Return a column as numbers, NaN if missing.

        Raises UnknownColumn, and InvalidSeries at the first row that is not a finite number.
        """
        values = _floats(self.column(name), name)
        infinite = np.isinf(values)
        if infinite.any():
            row = int(np.argmax(infinite))
            cure = "send a number, or None where one is missing"
            raise InvalidSeries.at((name, row), f"column {name!r} has {values[row]} in row {row}: {cure}")
        return values

    def cells(self, name: str, may_be_categories: bool = True) -> FloatArray | NDArray[np.object_]:
        """Return a column as `numbers` does, or as booleans or text, None if missing, if it holds such labels.

        Raises what `numbers` raises, and InvalidSeries for categories that are numbers.
        """
        column = self.column(name)
        if column.dtype.is_numeric() if isinstance(column, nw.Series) else column.dtype.kind in "fiu":
            return self.numbers(name)
        cells = [
            None if _is_missing(one) or one != one else one
            for one in (column.to_list() if isinstance(column, nw.Series) else column.tolist())
        ]
        if any(isinstance(one, str) for one in cells):
            cells = [None if one is None else label_of(one) for one in cells]
        elif not all(isinstance(one, bool | None) for one in cells):
            _refuse_numbers_as_categories(column, name)
            return self.numbers(name)
        return np.array(cells, dtype=object) if are_labels(cells, may_be_categories) else self.numbers(name)

    def first_cells(self, name: str) -> list[str]:
        """Return the first cells of a column as strings, to detect its content; an empty list for dates."""
        column = self.columns[name]
        if is_dated(column):
            return []
        first = column.head(CELLS_TRIED).to_list() if isinstance(column, nw.Series) else column[:CELLS_TRIED].tolist()
        return [_text(value) for value in first]

    def times(self, name: str, style: TimeStyle | None = None) -> WrittenTimes:
        """Return a column of times as strings. Raises UnknownColumn, InvalidTimestamps."""
        column = self.column(name)
        if isinstance(column, np.ndarray) or column.dtype == nw.Object:
            column = _times(column.to_list() if isinstance(column, nw.Series) else column)
        return write_times(column, name, style)

    def column(self, name: str) -> nw.Series[Any] | NDArray[Any]:
        """Return a column. Raises UnknownColumn."""
        if name not in self.columns:
            known = ", ".join(repr(one) for one in list(self.columns)[:12])
            raise UnknownColumn.at((name,), f"there is no column {name!r}; the columns are {known}")
        return self.columns[name]

    def with_times(self, name: str, times: Any) -> Table:
        """Return the table with an additional column of times. Raises InvalidSeries if the lengths differ."""
        column = _times(times)
        length = len(next(iter(self.columns.values())))
        if len(column) != length:
            raise InvalidSeries.at((name,), f"{len(column)} times for {length} rows: there must be one for each")
        return Table({**self.columns, name: column}, name)


def read_table(data: Any, names: Sequence[str] | None = None) -> Table:
    """Read data of any supported type.

    names: the column names of an array; those of a frame are its own. Raises InvalidSeries for unsupported data.
    """
    if isinstance(data, Table):
        return data
    if nw.dependencies.is_pandas_dataframe(data) or nw.dependencies.is_pandas_series(data):
        return _from_pandas(data)
    read = nw.from_native(data, allow_series=True, pass_through=True)
    if isinstance(read, nw.LazyFrame):
        read = read.collect()
    if isinstance(read, nw.Series):
        return Table({read.name or UNNAMED: read})
    if isinstance(read, nw.DataFrame):
        return Table({name: read[name] for name in read.columns})
    return _from_array(data, names)


def _from_pandas(data: Any) -> Table:
    """Read a frame or series; the index becomes a column if it has a name, or contains times."""
    import pandas as pd

    frame: pd.DataFrame = data.to_frame(UNNAMED if data.name is None else data.name) if data.ndim == 1 else data
    columns = {str(name): _without_periods(frame.iloc[:, place]) for place, name in enumerate(frame.columns)}
    if len(columns) < len(frame.columns):
        raise InvalidSeries("two columns have the same name")
    index = None
    for level in map(frame.index.get_level_values, range(frame.index.nlevels)):
        is_timed = isinstance(level, pd.DatetimeIndex | pd.PeriodIndex)
        name = str(level.name) if level.name is not None else "index"
        if name in columns or not (is_timed or level.name is not None):
            continue
        columns[name] = _without_periods(level.to_series(index=frame.index))
        index = name if is_timed else index
    return Table({name: nw.from_native(column, series_only=True) for name, column in columns.items()}, index)


def _without_periods(column: pd.Series[Any]) -> pd.Series[Any]:
    """Convert periods to their start times."""
    import pandas as pd

    return column.dt.to_timestamp() if isinstance(column.dtype, pd.PeriodDtype) else column


def _from_array(data: Any, names: Sequence[str] | None) -> Table:
    if isinstance(data, np.ma.MaskedArray):
        data = np.ma.filled(data.astype(np.float64), np.nan)
    try:
        array = np.asarray(data if isinstance(data, np.ndarray) else list(data))
    except (TypeError, ValueError) as error:
        raise InvalidSeries(
            f"a {type(data).__name__} cannot be read as a series ({error}): give a frame of pandas or polars, an "
            "array, a list of numbers, or the path of a file"
        ) from None
    if array.ndim == 1:
        return Table({names[0] if names and len(names) == 1 else UNNAMED: array})
    if array.ndim != 2:
        raise InvalidSeries(f"an array must have rows, or rows and columns, got {array.ndim} dimensions")
    if names is None or len(names) != array.shape[1]:
        names = [UNNAMED] if array.shape[1] == 1 else [str(place) for place in range(array.shape[1])]
    return Table({name: array[:, place] for place, name in enumerate(names)})


def _times(times: Any) -> nw.Series[Any]:
    """Return times of any supported type as a column."""
    if nw.dependencies.is_into_series(times):
        series: nw.Series[Any] = nw.from_native(times, series_only=True)
        if not nw.dependencies.is_pandas_series(times) or series.dtype not in (nw.Unknown, nw.Object):
            return series
    import pandas as pd

    column = pd.Series(times)
    if column.dtype == object and not isinstance(column.iloc[0] if len(column) else "", str):
        try:
            column = pd.Series(pd.to_datetime(column))
        except (TypeError, ValueError) as error:
            raise InvalidTimestamps(f"the times cannot be read: {error}") from None
    return nw.from_native(_without_periods(column), series_only=True)


def _refuse_numbers_as_categories(column: nw.Series[Any] | NDArray[Any], name: str) -> None:
    """Raise InvalidSeries for a categorical column of numbers, which would be taken as numbers."""
    if isinstance(column, nw.Series) and column.dtype in (nw.Categorical, nw.Enum):
        raise InvalidSeries.at((name,), f"column {name!r} has categories that are numbers{_CURE}")


def _floats(column: nw.Series[Any] | NDArray[Any], name: str) -> FloatArray:
    if isinstance(column, nw.Series):
        if column.dtype.is_numeric() or column.dtype == nw.Boolean:
            return np.asarray(column.cast(nw.Float64).to_numpy(), dtype=np.float64)
        column = np.asarray(column.to_list(), dtype=object)
    if column.dtype.kind in "fiub":
        return column.astype(np.float64)
    row = next((row for row, value in enumerate(column) if not _is_number(value)), None)
    if row is not None:
        shown = str(column[row])[:60]
        cure = _CURE if isinstance(column[row], str) and is_number(column[row].strip()) else ""
        raise InvalidSeries.at((name, row), f"column {name!r} has {shown!r} in row {row}, which is not a number{cure}")
    return np.array([None if _is_missing(value) else value for value in column], dtype=np.float64)


def _text(value: Any) -> str:
    if _is_missing(value) or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, _NUMBERS) or _is_missing(value) or type(value).__name__ == "Decimal"


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType")
