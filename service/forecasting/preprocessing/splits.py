"""Split each series: the part before the split is fitted on, the part after it is only scored.

The last fifth of the part before the split, or its last year where the series is long enough, is kept for validation.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from functools import partial

from service.errors import InvalidOption, Path, SeriesTooShort
from service.forecasting.config.options import Validation, ValidationFraction, ValidationStart
from service.forecasting.series.series import Series

# Share of the part before the split that is kept for early stopping and interval errors, except in long series.
STOPPING_SHARE = 0.2
# With fewer values, nothing is left to fit on once two parts are held out.
SHORTEST_SERIES = 5
_FEWEST_BEFORE = 2
# A year has so many rows at least where they are days or shorter, of days of trade too.
_WEEKS_OF_A_YEAR, _ROWS_OF_A_YEAR = 365.25 / 7, 200
# A validation part of a year leaves so many rows, and so many times the longest training window, to fit on at least.
_ENOUGH_TO_FIT, _WINDOWS = 365, 4


@dataclass(frozen=True)
class Split:
    """Row numbers of one series: fit [0, stopping), stop and calibrate [stopping, test), score [test, length)."""

    stopping: int
    test: int
    length: int

    @property
    def usual_stopping(self) -> int:
        """Where the validation part of a series that is not long starts: a year of validation costs no more."""
        return fit_length(self.test)


def split_series(series: Series, validation: Validation, path: Path, reach: int = 1) -> Split:
    """Split one series.

    reach: how many values the first fit needs at least for each of its training windows, as far as that is known.

    Raises SeriesTooShort with the number of values needed, and InvalidOption where nothing is left before or after the
    split.
    """
    require_shortest(series, path)
    length = len(series)
    test = _test_start(series, validation)
    stopping = min(fit_length(test), _year_start(series, test, reach))
    if stopping < 1 or test >= length:
        found = f"the split leaves {max(test, 0)} values before it and {max(length - test, 0)} after it"
        detail = f"{found}; at least {_FEWEST_BEFORE} before and 1 after are needed"
        raise InvalidOption.at(("validation",), detail)
    return Split(stopping, test, length)


def require_transformed(series: Series, split: Split, lookback: int) -> None:
    """Raise InvalidOption where a transform that reads ``lookback`` earlier values leaves nothing to fit on."""
    if split.stopping <= lookback:
        found = f"{series.prefix}the split leaves {split.test} values before it"
        detail = f"{found}; at least {_FEWEST_BEFORE + lookback} are needed for the differences of values"
        raise InvalidOption.at(("validation",), detail)


def require_shortest(series: Series, path: Path) -> None:
    """Raise SeriesTooShort where a series is too short under any options."""
    if len(series) < SHORTEST_SERIES:
        detail = f"{series.prefix}training needs at least {SHORTEST_SERIES} values, got {len(series)}"
        raise SeriesTooShort.at(path, detail)


def _year_start(series: Series, test: int, reach: int) -> int:
    """Return where the last year before ``test`` starts, or the second half of the rows before it if that is shorter.

    Errors of a whole year are those of all its times, of which the next may be any. It is ``test`` where rows are
    longer than days, where less than a year is known, and where too few rows would be left to fit on.
    """
    year = round(series.times.grid.rows_of_week * _WEEKS_OF_A_YEAR) if series.times else 0
    start = max(test - year, test // 2)
    is_long = year >= _ROWS_OF_A_YEAR and test > year and start >= max(_ENOUGH_TO_FIT, _WINDOWS * reach)
    return start if is_long else test


def fit_length(test: int) -> int:
    """Return how many of the ``test`` values before the split the first fit has."""
    return test - max(1, round(STOPPING_SHARE * test))


def fraction_start(length: int, fraction: float) -> int:
    """Return the first scored row; at least one row is scored."""
    return length - max(1, round(fraction * length))


def _test_start(series: Series, validation: Validation) -> int:
    if isinstance(validation, ValidationFraction):
        return fraction_start(len(series), validation.fraction)
    if isinstance(validation, ValidationStart):
        path: Path = ("validation", "start")
        if series.times is None:
            detail = "a split by time needs timestamps, or start and freq, in the series; or give steps or a fraction"
            raise InvalidOption.at(path, detail)
        return series.times.position(validation.start, path)
    return len(series) - validation.steps


def require_length(series: Series, split: Split, needed: int, validation: Validation, path: Path) -> None:
    """Raise SeriesTooShort, with the number of values needed, where fewer than ``needed`` are left to fit on."""
    if split.stopping >= needed:
        return
    before = bisect.bisect_left(range(2 * needed + 3), needed, key=fit_length)
    if isinstance(validation, ValidationFraction):
        starts = partial(fraction_start, fraction=validation.fraction)
        most = math.ceil((before + 1) / (1 - validation.fraction))
        length = bisect.bisect_left(range(most + 1), before, key=starts)
        detail = f"{series.prefix}needs {length} values with these options, got {split.length}"
    else:
        detail = f"{series.prefix}needs {before} values before the split with these options, got {split.test}"
    detail += "; send more, or use a smaller context_length or output_chunk_length"
    raise SeriesTooShort.at(path, detail)
