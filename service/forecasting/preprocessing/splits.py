"""Split each series: the part before the split is fitted on, the part after it is only scored."""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from functools import partial

from service.errors import InvalidOption, Path, SeriesTooShort
from service.forecasting.config.options import Validation, ValidationFraction, ValidationStart
from service.forecasting.series.series import Series

# Share of the part before the split that is kept for early stopping and interval errors.
STOPPING_SHARE = 0.2
# With fewer values, nothing is left to fit on once two parts are held out.
SHORTEST_SERIES = 5
_FEWEST_BEFORE = 2


@dataclass(frozen=True)
class Split:
    """Row numbers of one series: fit [0, stopping), stop and calibrate [stopping, test), score [test, length)."""

    stopping: int
    test: int
    length: int


def split_series(series: Series, validation: Validation, path: Path) -> Split:
    """Split one series.

    Raises SeriesTooShort with the number of values needed, and InvalidOption where nothing is left before or after the
    split.
    """
    require_shortest(series, path)
    length = len(series)
    test = _test_start(series, validation)
    stopping = fit_length(test)
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
