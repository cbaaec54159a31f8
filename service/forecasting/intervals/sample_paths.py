"""Paths that the values ahead may take: for sums, maxima and whatever else looks at several steps or targets at once.

At each step the paths spread as the intervals of that step do; from step to step, and from target to target, they
move together as the errors of rolling-origin forecasts did. Items are independent of one another.

Dimensions: I items, T targets, H horizon, N paths, L levels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from service.forecasting.intervals.conformal import ConformalErrors
from service.forecasting.intervals.error_correlation import ErrorDependence, normal_score
from service.forecasting.series.series import FloatArray

# Between these, widths are taken on a straight line over normal scores.
_LEVELS = (*(float(level) for level in range(100)), 99.5, 99.9, 99.99)
_SCORES = normal_score(np.array(_LEVELS) / 100)
_GROWTH_LEVEL = 95.0


class Draw(NamedTuple):
    """What was asked for: so many paths; the same seed, the same paths."""

    paths: int
    seed: int


class SamplePaths:
    """Draws the errors of paths from those that a model has made."""

    def __init__(self, errors: ConformalErrors) -> None:
        self._errors = errors

    def draw(self, asked: Draw, items: Sequence[str | None], unit: FloatArray, horizon: int) -> FloatArray:
        """Return what is added to levels: (I, T, N, H).

        unit: (I, T), in which errors are counted. The paths of an item are the same whichever others are asked for,
        and their first steps the same however many.
        """
        shape = (horizon, 2, asked.paths, unit.shape[1])
        draws = [_numbers(asked.seed, item).standard_normal(shape) for item in items]
        scores = self._dependence.paths(np.concatenate(draws, axis=2)).transpose(2, 1, 0)
        scores = scores.reshape(unit.shape[1], len(items), asked.paths, horizon).swapaxes(0, 1)
        return self._errors_at(scores) * unit[:, :, None, None]

    @cached_property
    def _dependence(self) -> ErrorDependence:
        return ErrorDependence.of(self._errors.kept().errors)

    def _errors_at(self, scores: FloatArray) -> FloatArray:
        """Turn standard normal scores (I, T, N, H) to errors in units: a level's interval has as much inside."""
        items, targets, _, horizon = scores.shape
        widths, growth = self._widths(horizon)
        sizes = np.abs(scores)
        above = np.searchsorted(_SCORES, sizes, side="right").clip(1, len(_SCORES) - 1)
        share = (sizes - _SCORES[above - 1]) / (_SCORES[above] - _SCORES[above - 1])
        item = np.arange(items)[:, None, None, None] if widths.shape[1] > 1 else 0
        target, step = np.arange(targets)[:, None, None], np.arange(horizon).clip(max=widths.shape[3] - 1)
        low, high = widths[above - 1, item, target, step], widths[above, item, target, step]
        return np.asarray(np.sign(scores) * (low + share * (high - low)) * growth[0, :, :, None, :])

    def _widths(self, horizon: int) -> tuple[FloatArray, FloatArray]:
        """Half-widths of all levels at the steps that have errors, (L, I, T, H), and how they grow beyond.

        That is (1, I, T, H); I is 1 where all items have the same. All levels at a long horizon would be large.
        """
        calibrated = self._errors.errors.shape[1]
        widths = self._errors.widths(_LEVELS, calibrated).half
        reach = self._errors.widths((_GROWTH_LEVEL,), max(horizon, calibrated)).half
        last = reach[..., calibrated - 1 : calibrated]
        growth = np.divide(reach, last, out=np.ones_like(reach), where=last > 0)
        growth[..., :calibrated] = 1.0
        return widths, growth[..., :horizon]


def _numbers(seed: int, item: str | None) -> np.random.Generator:
    """A stream of random numbers of its own for each seed and item."""
    name = hashlib.blake2b((item or "").encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.random.default_rng([seed, int.from_bytes(name)])
