"""Future covariates: those that a client sends for a forecast, and the columns that a model makes of them.

The columns are those that a client names, and calendar features. Their rows are matched with the steps of the horizon,
by time if they have times.

Dimensions: H horizon, F columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.errors import HorizonTooLong, InvalidTimestamps, MissingValues, Path, UnknownColumn
from service.forecasting.config.options import CalendarFeature
from service.forecasting.config.specification import Specification
from service.forecasting.covariates.calendar import calendar_columns, calendar_widths
from service.forecasting.preprocessing.missing import fill
from service.forecasting.series.row_placement import refuse_duplicates
from service.forecasting.series.series import FloatArray, Series
from service.forecasting.series.time_axis import TimeAxis
from service.forecasting.series.time_format import RawTime, TimeArray

Rows = NDArray[np.intp]


class SentCovariates(NamedTuple):
    """Values by column, None if missing, and their location in the request.

    timestamps: one for each row, in any order, and may include the past; None: the rows are the steps of the horizon,
    starting with the first. date_format: the format of the timestamps, if it was sent.
    """

    values: Mapping[str, Sequence[float | None]]
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


NONE_SENT = FutureCovariates()


@dataclass(frozen=True)
class CovariateColumns:
    """The columns of future covariates that a model uses, in the order of its effects.

    covariates: those of the client; calendar: those computed from the times of rows.
    """

    covariates: tuple[str, ...] = ()
    calendar: tuple[CalendarFeature, ...] = ()

    @classmethod
    def of(cls, specification: Specification) -> CovariateColumns:
        """Return the columns of a specification."""
        return cls(specification.future_covariates, specification.calendar)

    @property
    def width(self) -> int:
        """The number of columns, F."""
        return len(self.covariates) + sum(calendar_widths(self.calendar))

    def split_off(self, series: Series) -> Series:
        """Split the future covariates, which are the last channels, off from the values of a series."""
        if not self.covariates and not self.calendar:
            return series
        first = series.values.shape[1] - len(self.covariates)
        covariates = fill(series.values[:, first:], "forward_fill").forward_filled
        ahead = self._with_calendar(covariates, series.times)
        return replace(series, values=series.values[:, :first], ahead=ahead)

    def future(
        self, horizon: int, tails: Sequence[Series], sent: Sequence[SentCovariates], declared: Sequence[str]
    ) -> list[FloatArray]:
        """Return the columns (H, F) for the horizon after the end of each series.

        declared: the columns that may be sent, whether used or not. Raises UnknownColumn; MissingValues if a step has
        no row or no value; HorizonTooLong if, without times, there are too few values; InvalidTimestamps if times
        cannot be parsed, are duplicates, or the series has no times to match.
        """
        # Items usually have the same times.
        parsed: dict[object, tuple[TimeArray, Rows]] = {}
        found = []
        for tail, one in zip(tails, sent, strict=True):
            _require_columns(one, self.covariates, declared, horizon)
            rows = _matching_rows(one, tail, horizon, self.covariates, parsed)
            columns = [_column(name, one, tail, rows) for name in self.covariates]
            covariates = np.array(columns, dtype=np.float64).reshape(len(columns), horizon).T
            times = tail.times.future(horizon) if tail.times and self.calendar else None
            found.append(self._with_calendar(covariates, times))
        return found

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


def _column(name: str, sent: SentCovariates, tail: Series, rows: Rows) -> list[float | None]:
    values = [sent.values[name][row] for row in rows]
    if None in values:
        step = values.index(None)
        row = int(rows[step])
        when = f"step {step + 1}" if sent.timestamps is None else f"{sent.timestamps[row]!r}"
        detail = f"{name[:60]!r} has no value for {when} of {tail.name}: a forecast needs one for every step: send it"
        raise MissingValues.at((*sent.columns_path, name, row), detail)
    return values


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
