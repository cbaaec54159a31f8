"""Future covariates: those that a client sends for a forecast, and the columns that a model makes of them.

The columns are those that a client names, and calendar features. Their rows are matched with the steps of the horizon,
by time if they have times.

Dimensions: H horizon, F columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.errors import HorizonTooLong, InvalidSeries, InvalidTimestamps, MissingValues, Path, UnknownColumn
from service.forecasting.config.options import CalendarFeature
from service.forecasting.config.specification import Specification
from service.forecasting.covariates.calendar_features import calendar_columns, calendar_widths
from service.forecasting.covariates.categories import UNKNOWN, Categories, is_change, place_of, with_indicators
from service.forecasting.preprocessing.missing import fill
from service.forecasting.series.resampling import How, aggregate, how_of, step_of_times
from service.forecasting.series.row_placement import refuse_duplicates
from service.forecasting.series.series import FloatArray, Series
from service.forecasting.series.time_axis import TimeAxis
from service.forecasting.series.time_format import RawTime, TimeArray
from service.tables.labels import EMPTY, label_of, truth_of

Rows = NDArray[np.intp]
Cell = float | bool | str | None
Change = tuple[str, str]
"""A column, and a value of it, as text, that the training data did not have."""


class SentCovariates(NamedTuple):
    """Values by column, None if missing, and their location in the request.

    timestamps: one for each row, in any order, and may include the past; None: the rows are the steps of the horizon,
    starting with the first. Where the model aggregates rows, they may be rows such as it was trained with.
    date_format: the format of the timestamps, if it was sent.
    """

    values: Mapping[str, Sequence[Cell]]
    path: Path
    timestamps: Sequence[RawTime] | None = None
    date_format: str | None = None

    @property
    def columns_path(self) -> Path:
        """The location of the columns in the request."""
        return self.path if self.timestamps is None else (*self.path, "columns")

    @property
    def timestamps_path(self) -> Path:
        """The location of the timestamps in the request."""
        return (*self.path, "timestamps")


NO_COLUMNS = SentCovariates({}, ("future_covariates",))


@dataclass(frozen=True)
class FutureCovariates:
    """The future covariates of a request. for_all: for items without values of their own; by_item: by item name."""

    for_all: SentCovariates = NO_COLUMNS
    by_item: Mapping[str, SentCovariates] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.for_all.values or self.for_all.timestamps is not None or self.by_item)

    def of(self, items: Sequence[str | None]) -> list[SentCovariates]:
        """Return the future covariates of each item. Raises UnknownColumn if the request contains other items."""
        for name, sent in self.by_item.items():
            if name not in items:
                raise UnknownColumn.at(sent.path, f"item {name[:60]!r} is not among those that are forecast")
        return [self.for_all if name is None else self.by_item.get(name, self.for_all) for name in items]

    def changes(self, horizon: int, constants: Mapping[str, float | str | None]) -> Iterator[Change]:
        """Yield the values of covariates that were constant in the training data and are not so here."""
        for sent in (self.for_all, *self.by_item.values()):
            for name in constants.keys() & sent.values.keys():
                cells = sent.values[name][:horizon] if sent.timestamps is None else sent.values[name]
                for label in dict.fromkeys(map(label_of, cells)):
                    if label != EMPTY and is_change(label, None, constants[name]):
                        yield name, label


NONE_SENT = FutureCovariates()


class ColumnsAhead(NamedTuple):
    """The columns (H, F) of an item for the horizon, and the categories among them that the training did not have."""

    columns: FloatArray
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class CovariateColumns:
    """The columns of future covariates that a model uses, in the order of its effects.

    covariates: those of the client; calendar: those computed from the times of rows; categories: of covariates.
    """

    covariates: tuple[str, ...] = ()
    calendar: tuple[CalendarFeature, ...] = ()
    categories: Categories = field(default_factory=dict)

    @classmethod
    def of(cls, specification: Specification) -> CovariateColumns:
        """Return the columns of a specification."""
        return cls(specification.future_covariates, specification.calendar, specification.categories)

    @property
    def covariate_width(self) -> int:
        """The number of columns of the client's covariates: one for each category, else one."""
        return sum(len(self.categories.get(name, "1")) for name in self.covariates)

    @property
    def width(self) -> int:
        """The number of columns, F."""
        return self.covariate_width + sum(calendar_widths(self.calendar))

    def split_off(self, series: Series) -> Series:
        """Split the future covariates, which are the last channels, off from the values of a series."""
        if not self.covariates and not self.calendar:
            return series
        first = series.values.shape[1] - len(self.covariates)
        covariates = fill(series.values[:, first:], "forward_fill").forward_filled
        ahead = self._with_calendar(with_indicators(covariates, self.covariates, self.categories), series.times)
        return replace(series, values=series.values[:, :first], ahead=ahead)

    def future(
        self, horizon: int, tails: Sequence[Series], sent: Sequence[SentCovariates], declared: Sequence[str]
    ) -> list[ColumnsAhead]:
        """Return the columns for the horizon after the end of each series.

        declared: the columns that may be sent, whether used or not. Raises UnknownColumn; MissingValues if a step has
        no row or no value; HorizonTooLong if, without times, there are too few values; InvalidTimestamps if times
        cannot be parsed, are duplicates, or the series has no times to match;
        InvalidSeries for text where the training data had numbers.
        """
        # Items usually have the same times.
        parsed: dict[object, tuple[TimeArray, Rows]] = {}
        found = []
        for tail, rows_sent in zip(tails, sent, strict=True):
            _require_columns(rows_sent, self.covariates, declared, horizon)
            one = _aggregated(rows_sent, tail.times, horizon)
            rows = _matching_rows(one, tail, horizon, self.covariates, parsed)
            columns = [self._column(name, one, tail, rows) for name in self.covariates]
            places = np.array([column for column, _ in columns], dtype=np.float64).reshape(len(columns), horizon).T
            covariates = with_indicators(places, self.covariates, self.categories)
            unknown = tuple(change for _, changes in columns for change in changes)
            times = tail.times.future(horizon) if tail.times and self.calendar else None
            found.append(ColumnsAhead(self._with_calendar(covariates, times), unknown))
        return found

    def _column(
        self, name: str, sent: SentCovariates, tail: Series, rows: Rows
    ) -> tuple[list[float], Sequence[Change]]:
        """Return a column as numbers, or as places in its categories, and those that the model does not have."""
        levels = self.categories.get(name)
        cells = _cells(name, sent, tail, rows, may_be_empty=levels is not None and EMPTY in levels)
        if levels is None:
            return [_number(name, cell, sent, int(row)) for cell, row in zip(cells, rows, strict=True)], ()
        places = {label: place_of(label, levels) for label in map(label_of, cells)}
        return [places[label_of(cell)] for cell in cells], [(name, one) for one in places if places[one] == UNKNOWN]

    def _with_calendar(self, covariates: FloatArray, times: TimeAxis | None) -> FloatArray:
        """Append the calendar features to (time, covariate), NaN if there are no times."""
        if not self.calendar:
            return covariates
        unknown = np.full((len(covariates), sum(calendar_widths(self.calendar))), np.nan)
        features = unknown if times is None else calendar_columns(times, self.calendar)
        return np.concatenate([covariates, features], axis=1)


def _require_columns(sent: SentCovariates, needed: Sequence[str], declared: Sequence[str], horizon: int) -> None:
    for name in sent.values:
        if name not in declared:
            known = f"those of this model are {', '.join(declared)}" if declared else "this model has none"
            raise UnknownColumn.at((*sent.columns_path, name), f"{name[:60]!r} is not a future covariate: {known}")
    for name in needed:
        if name not in sent.values:
            detail = f"the model needs {name[:60]!r} for the {horizon} steps ahead: send it in future_covariates"
            raise UnknownColumn.at(sent.columns_path, detail)
        count = len(sent.values[name])
        if sent.timestamps is None and count < horizon:
            detail = f"{name[:60]!r} has {count} values, horizon {horizon} needs as many: send more or ask for fewer"
            raise HorizonTooLong.at((*sent.columns_path, name), detail)


def _aggregated(sent: SentCovariates, axis: TimeAxis | None, horizon: int) -> SentCovariates:
    """Aggregate rows to the steps of a resampled model as its training data were, unless they are rows of steps.

    Raises what `TimeAxis.read` raises.
    """
    how = axis.grid.how if axis else None
    if axis is None or how is None or not sent.timestamps:
        return sent
    times = axis.read(sent.timestamps, sent.date_format, sent.timestamps_path)
    ahead, grid = axis.future(horizon + 1), axis.grid
    is_ahead = (times > axis.index[-1]) & (times <= ahead.index[-1])
    if np.isin(times[is_ahead], ahead.index).all():
        return sent
    order = np.argsort(times, kind="stable")
    steps = step_of_times(
        grid.steps_of(times), grid.steps_of(ahead.index), grid.steps_of(axis.index[-1:])[0], axis.freq
    )
    found, positions = np.unique(steps[order], return_inverse=True)
    is_before = int(found[0] < 0)
    positions, found = positions - is_before, found[is_before:]
    values = {
        name: _combined([cells[row] for row in order], positions, len(found), how)
        for name, cells in sent.values.items()
    }
    return sent._replace(values=values, timestamps=TimeAxis(ahead.index[found], grid).written(), date_format=None)


def _combined(cells: Sequence[Cell], positions: Rows, length: int, how: How) -> list[Cell]:
    """Return the values of steps from those of rows in order: of labels the last, of numbers as the option says.

    positions: (row,) the step of each; -1: none.
    """
    if any(isinstance(cell, str | bool) for cell in cells):
        last = {int(step): cell for step, cell in zip(positions, cells, strict=True) if cell is not None}
        return [last.get(step) for step in range(length)]
    own = how_of(how, is_target=False, is_label=False)
    numbers = aggregate(np.array(cells, dtype=np.float64)[:, None], positions, length, [own])[:, 0]
    return [None if np.isnan(number) else float(number) for number in numbers]


def _cells(name: str, sent: SentCovariates, tail: Series, rows: Rows, may_be_empty: bool) -> list[Cell]:
    values = [sent.values[name][row] for row in rows]
    if None in values and not may_be_empty:
        step = values.index(None)
        row = int(rows[step])
        when = f"step {step + 1}" if sent.timestamps is None else f"{sent.timestamps[row]!r}"
        detail = f"{name[:60]!r} has no value for {when} of {tail.name}: a forecast needs one for every step: send it"
        raise MissingValues.at((*sent.columns_path, name, row), detail)
    return values


def _number(name: str, cell: Cell, sent: SentCovariates, row: int) -> float:
    if not isinstance(cell, str):
        return float(cell or 0.0)
    truth = truth_of(cell)
    if truth is None:
        detail = f"{name[:60]!r} has {cell[:60]!r}; in the training data it had numbers or booleans: send these"
        raise InvalidSeries.at((*sent.columns_path, name, row), detail)
    return float(truth)


def _matching_rows(
    sent: SentCovariates,
    tail: Series,
    horizon: int,
    columns: Sequence[str],
    parsed: dict[object, tuple[TimeArray, Rows]],
) -> Rows:
    """Return the rows (H,) for the steps after the end of a series, none where no columns are needed.

    parsed: the times of items before, in order, and the row of each.
    """
    if sent.timestamps is None:
        return np.arange(horizon)
    if tail.times is None:
        cure = f"leave the timestamps out, and send for each column a list of its next {horizon} values in order"
        detail = f"{tail.name} has no timestamps that these could be matched with: {cure}"
        raise InvalidTimestamps.at(sent.timestamps_path, detail)
    timestamps = tuple(sent.timestamps)
    key = (timestamps, sent.date_format, tail.times.form, tail.times.freq, str(tail.times.calendar))
    if key not in parsed:
        times = tail.times.read(timestamps, sent.date_format, sent.timestamps_path)
        order = np.argsort(times, kind="stable")
        refuse_duplicates(times[order], order, timestamps, tail.times.form, sent.timestamps_path)
        parsed[key] = times[order], order
    times, order = parsed[key]
    if not columns:
        return np.empty(0, np.intp)
    wanted = tail.times.future(horizon)
    places = np.searchsorted(times, wanted.index)
    absent = places == np.searchsorted(times, wanted.index, side="right")
    if not absent.any():
        return order[places]
    step = int(np.argmax(absent))
    texts = wanted.written()
    nearest = timestamps[order[np.argmin(abs(times - wanted.index[step]))]] if timestamps else None
    closest = "" if nearest is None else f" (the nearest is {nearest!r})"
    which = ", ".join(repr(name[:60]) for name in columns[:12])
    span = f" of the {len(texts)} steps from {texts[0]!r} to {texts[-1]!r}" if len(texts) > 1 else ""
    fewer = f", or ask for a horizon of {step}" if step else ""
    detail = (
        f"there is no row for {texts[step]!r}{closest}, where {tail.name} needs {which}: send a row for each"
        f"{span} (frequency {wanted.freq}){fewer}"
    )
    raise MissingValues.at(sent.timestamps_path, detail)
