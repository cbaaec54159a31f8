"""Values of columns known ahead as sent for a forecast: beside the history, for all items or by item, or inside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from service.api.schemas.forecasting import ForecastRequest
from service.api.schemas.series import ColumnsItem, ItemsSeries, TimedColumns
from service.api.sent_items import SentColumn, SentSeries, SentValues
from service.api.series_reading import read_numbers
from service.errors import InvalidSeries, Path
from service.forecasting.future_covariates import NONE_SENT, NOTHING_AHEAD, FutureCovariates, SentAhead


def read_future_covariates(asked: ForecastRequest) -> FutureCovariates:
    """Gather what was sent ahead.

    Raises InvalidSeries for a number beyond 1e100, and where a column has more or fewer values than there are
    timestamps.
    """
    if asked.future_covariates is None and not isinstance(asked.history, ItemsSeries):
        return NONE_SENT
    inside = _inside_items(asked.history, ("history",)) if asked.history is not None else ()
    sent, path = asked.future_covariates or {}, NOTHING_AHEAD.path
    if isinstance(sent, TimedColumns):
        return FutureCovariates(_timed(sent, path), dict(inside))
    for_all = _checked(SentAhead({name: values for name, values in sent.items() if isinstance(values, list)}, path))
    by_item = ((name, values) for name, values in sent.items() if not isinstance(values, list))
    beside = ((name, _read(values, (*path, name))) for name, values in by_item)
    return FutureCovariates(for_all, dict(chain(inside, beside)))


def refuse_values_ahead(series: SentSeries, path: Path) -> None:
    """Raise InvalidSeries where values ahead stand in a series whose end nothing is forecast from."""
    for _, sent in _inside_items(series, path):
        raise InvalidSeries.at(sent.path, "name the columns that are known ahead, in a list; values are for /forecast")


def _inside_items(series: SentSeries, path: Path) -> Iterator[tuple[str, SentAhead]]:
    for index, item in enumerate(series.items if isinstance(series, ItemsSeries) else ()):
        if isinstance(item, ColumnsItem) and isinstance(item.future_covariates, dict | TimedColumns):
            yield item.id, _read(item.future_covariates, (*path, "items", index, "future_covariates"))


def _read(sent: Mapping[str, SentValues] | TimedColumns, path: Path) -> SentAhead:
    return _timed(sent, path) if isinstance(sent, TimedColumns) else _checked(SentAhead(sent, path))


def _timed(sent: TimedColumns, path: Path) -> SentAhead:
    read = SentAhead(sent.columns, path, sent.timestamps, sent.date_format)
    for name, values in sent.columns.items():
        if len(values) != len(sent.timestamps):
            detail = f"{name[:60]!r} has {len(values)} values for {len(sent.timestamps)} timestamps: send one for each"
            raise InvalidSeries.at((*read.columns_path, name), detail)
    return _checked(read)


def _checked(sent: SentAhead) -> SentAhead:
    for name, values in sent.values.items():
        read_numbers(SentColumn(list(values), (*sent.columns_path, name)))
    return sent
