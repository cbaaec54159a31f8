"""Match the rows of future covariates with the steps of the horizon, by time if they have times.

Dimensions: H horizon.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.errors import HorizonTooLong, InvalidTimestamps, MissingValues
from service.forecasting.covariates.future_covariates import SentAhead
from service.forecasting.series.series import Series
from service.forecasting.series.time_alignment import refuse_doubled
from service.forecasting.series.time_format import TimeArray
from service.forecasting.series.time_index import TimeAxis

Rows = NDArray[np.intp]


class RowMatcher:
    """Match rows for one item after the other; times that items share are parsed once."""

    def __init__(self) -> None:
        self._read: dict[object, tuple[TimeArray, Rows]] = {}

    def rows(self, sent: SentAhead, tail: Series, horizon: int, columns: Sequence[str]) -> Rows:
        """Return the rows (H,) for the steps after the end of a series.

        columns: the required columns; if there are none, rows may be missing. Raises InvalidTimestamps if times cannot
        be parsed, are duplicates, or the series has no times to match; MissingValues if a step has no row;
        HorizonTooLong if, without times, there are too few values.
        """
        if sent.timestamps is None:
            _refuse_too_few(sent, horizon, columns)
            return np.arange(horizon)
        if tail.times is None:
            detail = (
                f"{named(tail)} has no timestamps that these could be matched with: leave the timestamps out, and send "
                f"for each column a list of its next {horizon} values alone, in their order"
            )
            raise InvalidTimestamps.at(sent.timestamps_path, detail)
        times, order = self._sorted(sent, tail.times)
        if not columns:
            return np.empty(0, np.intp)
        wanted = tail.times.future(horizon)
        places = np.searchsorted(times, wanted.index)
        absent = places == np.searchsorted(times, wanted.index, side="right")
        if absent.any():
            step = int(np.argmax(absent))
            nearest = int(order[np.argmin(abs(times - wanted.index[step]))]) if len(times) else None
            _refuse_absent(sent, tail, wanted, step, columns, nearest)
        return order[places]

    def _sorted(self, sent: SentAhead, axis: TimeAxis) -> tuple[TimeArray, Rows]:
        """Return the times in order, and the row of each."""
        timestamps = tuple(sent.timestamps or ())
        key = (timestamps, sent.date_format, axis.form, axis.freq)
        if key not in self._read:
            times = axis.read(timestamps, sent.date_format, sent.timestamps_path)
            order = np.argsort(times, kind="stable")
            refuse_doubled(times[order], order, timestamps, sent.timestamps_path)
            self._read[key] = times[order], order
        return self._read[key]


def _refuse_too_few(sent: SentAhead, horizon: int, columns: Sequence[str]) -> None:
    for name in columns:
        count = len(sent.values[name])
        if count < horizon:
            detail = f"{name[:60]!r} has {count} values, horizon {horizon} needs as many: send more or ask for fewer"
            raise HorizonTooLong.at((*sent.columns_path, name), detail)


def _refuse_absent(
    sent: SentAhead, tail: Series, wanted: TimeAxis, step: int, columns: Sequence[str], nearest: int | None
) -> None:
    """Raise MissingValues for the first step without a row; nearest: the row with the closest time."""
    texts = wanted.written()
    closest = "" if sent.timestamps is None or nearest is None else f" (the nearest is {sent.timestamps[nearest]!r})"
    which = ", ".join(repr(name[:60]) for name in columns[:12])
    span = f" of the {len(texts)} steps from {texts[0]!r} to {texts[-1]!r}" if len(texts) > 1 else ""
    fewer = f", or ask for a horizon of {step}" if step else ""
    detail = (
        f"there is no row for {texts[step]!r}{closest}, where {named(tail)} needs {which}: send a row for each"
        f"{span} (frequency {wanted.freq}){fewer}"
    )
    raise MissingValues.at(sent.timestamps_path, detail)


def named(tail: Series) -> str:
    """Return the name of a series for error messages."""
    return "the series" if tail.item is None else f"item {tail.item[:60]!r}"
