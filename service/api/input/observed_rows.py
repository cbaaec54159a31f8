"""The rows of a model's series that a request names: values to add, and ranges to read or remove."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from service.errors import InvalidOption, Path, UnknownColumn
from service.forecasting.observations.changes import Addition
from service.forecasting.observations.kept_series import KeptSeries
from service.forecasting.series.series import Panel, Series
from service.tables.column_roles import role_of_name

if TYPE_CHECKING:
    from service.forecasting.forecaster.forecaster import Forecaster

_ROW_NUMBER = re.compile("[0-9]{1,12}")


def addition_of(
    forecaster: Forecaster,
    kept: KeptSeries,
    sent: Panel,
    start_index: int | Mapping[str, int] | None,
    correct: bool,
    has_key: bool | None,
) -> Addition:
    """Return the change that adds a panel to a series, as its columns are named there.

    start_index: the row of the first value of items without times, the same for all or by item; None: the values follow
    the last ones, which needs a key. has_key: whether there is one; None: there cannot be. Raises UnknownColumn,
    InvalidOption.
    """
    panel = _in_columns(forecaster, kept, sent)
    starts: dict[str | None, int] = {}
    for one in panel:
        if one.times is not None:
            continue
        end = kept.end(one.item)
        if isinstance(start_index, int):
            starts[one.item] = start_index
        elif start_index is not None:
            if one.item is None or one.item not in start_index:
                detail = f"{one.name} has no start_index: send {end} to follow its last value"
                raise InvalidOption.at(("start_index",), detail)
            starts[one.item] = start_index[one.item]
        elif has_key:
            starts[one.item] = end
        else:
            detail = f"values without times need start_index, which is {end} for values that follow the last ones of "
            cure = "" if has_key is None else ", or an Idempotency-Key header"
            detail += f"{one.name}{cure}: else a retry would add them twice"
            raise InvalidOption.at(("start_index",), detail)
    return Addition(panel, starts, correct)


def _in_columns(forecaster: Forecaster, kept: KeptSeries, sent: Panel) -> Panel:
    needed = (*forecaster.targets, *forecaster.past_covariates, *forecaster.specification.future_covariates)
    names = sent.columns
    if len(needed) == len(names) == 1 and "value" in (*needed, *names):
        names = needed  # a list of numbers has no name
    unknown = [
        name for name in names if name not in kept.panel.columns and role_of_name(name) not in ("time", "period")
    ]
    missing = [name for name in needed if name not in names]
    if unknown or missing:
        detail = f"the model needs columns {', '.join(needed)}, got {', '.join(sent.columns)}"
        raise UnknownColumn.at(("series",), detail)
    places = [place for place, name in enumerate(names) if name in kept.panel.columns]
    series = tuple(replace(one, values=one.values[:, places], ahead=None) for one in sent)
    columns = tuple(names[place] for place in places)
    return Panel(series, columns, labels={name: sent.labels[name] for name in columns if name in sent.labels})


class Rows(NamedTuple):
    """Rows of one item: from ``first`` up to, but without, ``stop``, counted from the first row of the training.

    series: all rows that are kept, after ``dropped`` ones; trained: how many the training had.
    """

    series: Series
    dropped: int
    first: int
    stop: int
    trained: int

    @property
    def part(self) -> Series:
        """The rows themselves."""
        return self.series.head(self.stop - self.dropped).tail(self.stop - self.first)


def rows_between(kept: KeptSeries, items: Sequence[str] | None, start: str | None, end: str | None) -> list[Rows]:
    """Return the rows of items from ``start`` to ``end``, both included: times, or row numbers without times.

    start: None: the first row after the training; end: None: the last one. Raises
    UnknownColumn, InvalidTimestamps, InvalidOption.
    """
    chosen: Sequence[str | None] = list(kept.places) if items is None else items
    found = []
    for position, item in enumerate(chosen):
        if item not in kept.places:
            raise UnknownColumn.at(("item", position), f"the model has no item {str(item)[:60]!r}")
        place = kept.places[item]
        series, dropped, trained = kept.panel.series[place], kept.dropped[place], kept.trained[place]
        first = max(trained - dropped, 0)
        if start is not None:
            first = _row_at(series, dropped, start, "left", ("start",))
        stop = len(series) if end is None else _row_at(series, dropped, end, "right", ("end",))
        found.append(Rows(series, dropped, first + dropped, max(first, stop) + dropped, trained))
    return found


def _row_at(series: Series, dropped: int, sent: str, side: Literal["left", "right"], path: Path) -> int:
    """Return the first row at, or after, a time or the number of a row."""
    if series.times is not None:
        is_number = sent.isdigit() and series.times.form.numeric
        return series.times.position(int(sent) if is_number else sent, path, side)
    if not _ROW_NUMBER.fullmatch(sent):
        raise InvalidOption.at(path, f"the model's series has no times: give the number of a row, got {sent[:60]!r}")
    return min(max(int(sent) - dropped + (side == "right"), 0), len(series))
