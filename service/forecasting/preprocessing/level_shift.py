"""Find a level shift shortly before the end of a series, and move the values before it to the new level.

Each value after a supposed shift is compared with the median of the last values before it at the same phase of the
season. A shift is permanent, over at least three values, and larger than anything that the same comparison gave at any
earlier time, and so is its first step: the steps of a random walk, a trend or noise are no shifts. Where all values are
above 0, it has to be one in logarithms too.

Dimensions: N rows, K rows after the shift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from service.forecasting.preprocessing.kernels.late_steps import larger_steps
from service.forecasting.series.series import FloatArray, Series

# The fewest rows after a shift; the most are two seasons, or so many.
_FEWEST, _MOST = 3, 14
# How many earlier values, or values of earlier seasons, a value is compared with.
_VALUES, _SEASONS = 5, 3
# Differences of all rows are at least this share of the usual one.
_PERMANENT = 0.5
# A shift, and its first step, are so many times as large as any earlier ones, of which there have to be some.
_LARGER, _JUMP, _FEWEST_EARLIER = 1.5, 1.2, 16
# Rows before the end that are compared; older ones are another time.
_ROWS, _ROWS_IN_SEASONS = 400, 12
# Demand that is often zero has no level that could shift.
_ZEROS = 0.2


class LevelShift(NamedTuple):
    """A shift of one target: its first row, the median before and after it, and how to move earlier values there."""

    row: int
    before: float
    after: float
    factor: float
    offset: float

    def moved(self, values: FloatArray) -> FloatArray:
        """Return (N,) with the rows before the shift at the new level."""
        return np.concatenate([values[: self.row] * self.factor + self.offset, values[self.row :]])


class Levelled(NamedTuple):
    """A series without late level shifts.

    warnings: for each target, None where it did not shift. widening: (target,), how much wider intervals are since
    the new level is estimated from few rows.
    """

    series: Series
    warnings: tuple[str | None, ...]
    widening: FloatArray


def without_shifts(series: Series, targets: Sequence[str], season_length: int) -> Levelled | None:
    """Move the rows before late level shifts of the targets, the first columns of a series, to the new level.

    None: no target shifted.
    """
    shifts = [find_shift(series.values[:, column], season_length) for column in range(len(targets))]
    if not any(shifts):
        return None
    values = series.values.copy()
    for column, shift in enumerate(shifts):
        if shift is not None:
            values[:, column] = shift.moved(values[:, column])
    counts = np.array([np.inf if one is None else len(series) - one.row for one in shifts])
    warnings = tuple(
        one and _warning(series, target, len(targets), one) for target, one in zip(targets, shifts, strict=True)
    )
    return Levelled(replace(series, values=values), warnings, np.sqrt(1 + 1 / counts))


def _warning(series: Series, target: str, targets: int, shift: LevelShift) -> str:
    """Say when a target shifted, and from what level to what."""
    rows = len(series) - shift.row
    where = f"at {series.times.written()[shift.row]}" if series.times else f"{rows} values before the end"
    name = target if targets > 1 else "the level"
    return (
        f"{series.prefix}{name} shifted from about {shift.before:.4g} to about {shift.after:.4g} {where}: "
        "earlier values are moved to the new level, for fits and scores alike"
    )


def find_shift(values: FloatArray, season_length: int) -> LevelShift | None:
    """Return the late level shift of (N,), which may have NaN; None where there is none."""
    length = len(values)
    # A gap continues the value before it: it neither makes nor hides a shift.
    filled = values[-max(_ROWS, _ROWS_IN_SEASONS * season_length) :].copy()
    counts = _larger_steps(filled, season_length)
    if not counts or np.mean(filled == 0) > _ZEROS:
        return None
    if filled.min() > 0:
        relative = np.log(filled)
        counts = [one for one in counts if one in _larger_steps(relative, season_length)]
        counts = [one for one in counts if _is_shift(relative, season_length, one)]
    for count in counts:
        if _is_shift(filled, season_length, count):
            return _shift(filled, season_length, count)._replace(row=length - count)
    return None


def _larger_steps(values: FloatArray, season_length: int) -> list[int]:
    """Return how many rows ago, descending, (N,) without its season changed more than in any step before.

    Gaps of the values, which have to be contiguous, are filled forward. Most series have no such step.
    """
    most = min(max(_MOST, 2 * season_length), len(values) // 4)
    ago = np.empty(most, np.int64)
    count = larger_steps(values, season_length, _FEWEST_EARLIER + _FEWEST, _JUMP, ago)
    return [one for one in ago[:count].tolist() if one >= _FEWEST] if count else []


def _is_shift(values: FloatArray, season_length: int, count: int) -> bool:
    """Return whether the last ``count`` of (N,) are at another level, which nothing before them was as far from."""
    differences = _differences(values, season_length, count)
    if len(differences) < _FEWEST_EARLIER + count or not _is_permanent(differences[-1]):
        return False
    usual = np.median(differences, axis=1)
    centre = np.median(usual[:-count])
    return bool(abs(usual[-1] - centre) > _LARGER * np.abs(usual[:-count] - centre).max())


def _differences(values: FloatArray, season_length: int, count: int) -> FloatArray:
    """Return what values differ from earlier ones, for each supposed shift: (shift, K), the last ``count`` rows ago.

    Each is compared with the same phase of the last seasons before the shift, or else with the last values before it.
    """
    if season_length == 1:
        if len(values) <= count + _VALUES:
            return np.empty((0, count))
        before = np.median(sliding_window_view(values[:-count], _VALUES), axis=1)
        return np.asarray(sliding_window_view(values[_VALUES:], count) - before[:, None])
    back = season_length * (1 + np.arange(count) // season_length)  # to the last season before the shift
    first = int(back[-1]) + (_SEASONS - 1) * season_length
    starts = np.arange(first, len(values) - count + 1)
    if not len(starts):
        return np.empty((0, count))
    rows = starts[:, None] + np.arange(count)
    before = np.median([values[rows - back - one * season_length] for one in range(_SEASONS)], axis=0)
    return np.asarray(values[rows] - before)


def _is_permanent(differences: FloatArray) -> bool:
    usual = float(np.median(differences))
    return usual != 0 and bool((differences / usual >= _PERMANENT).all())


def _shift(values: FloatArray, season_length: int, count: int) -> LevelShift:
    """Return a shift as a factor where all values are above 0 and that leaves less of it, else as an offset."""
    levels = float(np.median(values[:-count][-max(_VALUES, season_length) :])), float(np.median(values[-count:]))
    differences = _differences(values, season_length, count)[-1]
    offset = float(differences.mean())
    if values.min() > 0:
        logs = _differences(np.log(values), season_length, count)[-1]
        clearer = logs.std() * abs(offset) < differences.std() * abs(logs.mean())
        if clearer or values[:-count].min() + offset <= 0:
            return LevelShift(0, *levels, float(np.exp(logs.mean())), 0.0)
    return LevelShift(0, *levels, 1.0, offset)
