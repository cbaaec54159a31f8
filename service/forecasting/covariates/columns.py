"""The columns of future covariates: those that a client names, and calendar features.

Dimensions: H horizon, F columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.errors import MissingValues, UnknownColumn
from service.forecasting.config.options import CalendarFeature
from service.forecasting.config.specification import Specification
from service.forecasting.covariates.calendar import calendar_columns, calendar_widths
from service.forecasting.covariates.future_covariates import SentAhead
from service.forecasting.covariates.row_matching import RowMatcher, Rows, named
from service.forecasting.preprocessing.missing import fill
from service.forecasting.series.series import FloatArray, Series
from service.forecasting.series.time_index import TimeAxis


@dataclass(frozen=True)
class KnownAhead:
    """The future covariates that a model uses, in the order of its effects.

    covariates: those of the client; calendar: those computed from the times of rows.
    """

    covariates: tuple[str, ...] = ()
    calendar: tuple[CalendarFeature, ...] = ()

    @classmethod
    def of(cls, specification: Specification) -> KnownAhead:
        """Return the future covariates of a specification."""
        return cls(specification.future_covariates, specification.calendar)

    @property
    def width(self) -> int:
        """The number of columns, F."""
        return len(self.covariates) + sum(calendar_widths(self.calendar))

    def taken_out(self, series: Series) -> Series:
        """Split the future covariates, which are the last channels, off from the values of a series."""
        if not self.covariates and not self.calendar:
            return series
        first = series.values.shape[1] - len(self.covariates)
        covariates = fill(series.values[:, first:], "forward_fill").forward_filled
        ahead = self._with_calendar(covariates, series.times)
        return replace(series, values=series.values[:, :first], ahead=ahead)

    def future(
        self, horizon: int, tail: Series, sent: SentAhead, declared: Sequence[str], matcher: RowMatcher
    ) -> FloatArray:
        """Return the columns (H, F) for the horizon after the end of a series.

        declared: the columns that may be sent, whether used or not. Raises UnknownColumn, MissingValues, and the errors
        of `RowMatcher.rows`.
        """
        _refuse_unknown(sent, declared)
        _refuse_not_sent(sent, self.covariates, horizon)
        rows = matcher.rows(sent, tail, horizon, self.covariates)
        columns = [_column(name, sent, tail, rows) for name in self.covariates]
        covariates = np.array(columns, dtype=np.float64).reshape(len(columns), horizon).T
        return self._with_calendar(covariates, tail.times.future(horizon) if tail.times and self.calendar else None)

    def _with_calendar(self, covariates: FloatArray, times: TimeAxis | None) -> FloatArray:
        """Append the calendar features to (time, covariate), NaN if there are no times."""
        if not self.calendar:
            return covariates
        if times is None:
            unknown = np.full((len(covariates), sum(calendar_widths(self.calendar))), np.nan)
            return np.concatenate([covariates, unknown], axis=1)
        return np.concatenate([covariates, calendar_columns(times, self.calendar)], axis=1)


def _refuse_unknown(sent: SentAhead, declared: Sequence[str]) -> None:
    for name in sent.values:
        if name not in declared:
            known = f"those of this model are {', '.join(declared)}" if declared else "this model has none"
            raise UnknownColumn.at((*sent.columns_path, name), f"{name[:60]!r} is no future covariate: {known}")


def _refuse_not_sent(sent: SentAhead, needed: Sequence[str], horizon: int) -> None:
    for name in needed:
        if name not in sent.values:
            detail = f"the model needs {name[:60]!r} for the {horizon} steps ahead: send it in future_covariates"
            raise UnknownColumn.at(sent.columns_path, detail)


def _column(name: str, sent: SentAhead, tail: Series, rows: Rows) -> list[float | None]:
    values = [sent.values[name][row] for row in rows]
    if None in values:
        step = values.index(None)
        row = int(rows[step])
        when = f"step {step + 1}" if sent.timestamps is None else f"{sent.timestamps[row]!r}"
        detail = f"{name[:60]!r} has no value for {when} of {named(tail)}: what is known ahead has no holes: send it"
        raise MissingValues.at((*sent.columns_path, name, row), detail)
    return values
