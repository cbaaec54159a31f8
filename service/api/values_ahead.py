"""Values of columns known ahead as sent for a forecast: beside the history, for all items or by item, or inside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from service.api.schemas.forecasting import ForecastRequest
from service.api.schemas.series import ColumnsItem, ItemsSeries
from service.api.sent_items import SentColumn, SentSeries, SentValues
from service.api.series_reading import read_numbers
from service.errors import InvalidSeries, Path
from service.forecasting.future_covariates import NONE_SENT, NOTHING_AHEAD, FutureCovariates, SentAhead


def read_future_covariates(asked: ForecastRequest) -> FutureCovariates:
    """Gather what was sent ahead. Raises InvalidSeries for a number beyond 1e100."""
    if asked.future_covariates is None and not isinstance(asked.history, ItemsSeries):
        return NONE_SENT
    sent, path = asked.future_covariates or {}, NOTHING_AHEAD.path
    for_all = _checked({name: values for name, values in sent.items() if isinstance(values, list)}, path)
    beside = ((name, _checked(values, (*path, name))) for name, values in sent.items() if isinstance(values, Mapping))
    inside = _inside_items(asked.history, ("history",)) if asked.history is not None else ()
    return FutureCovariates(for_all, dict(chain(inside, beside)))


def refuse_values_ahead(series: SentSeries, path: Path) -> None:
    """Raise InvalidSeries where values ahead stand in a series whose end nothing is forecast from."""
    for _, sent in _inside_items(series, path):
        raise InvalidSeries.at(sent.path, "name the columns that are known ahead, in a list; values are for /forecast")


def _inside_items(series: SentSeries, path: Path) -> Iterator[tuple[str, SentAhead]]:
    for index, item in enumerate(series.items if isinstance(series, ItemsSeries) else ()):
        if isinstance(item, ColumnsItem) and isinstance(item.future_covariates, dict):
            yield item.id, _checked(item.future_covariates, (*path, "items", index, "future_covariates"))


def _checked(columns: Mapping[str, SentValues], path: Path) -> SentAhead:
    for name, values in columns.items():
        read_numbers(SentColumn(values, (*path, name)))
    return SentAhead(columns, path)
