"""Sample paths of the forecast: for sums, maxima and other functions of several steps or targets.

At each step the paths are distributed as the intervals of that step say; across steps and targets they are correlated
as the errors of rolling-origin forecasts were. Items are independent of one another.

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
from service.forecasting.intervals.parametric import normal
from service.forecasting.series.series import FloatArray

# Between these levels, widths are interpolated linearly over normal scores.
_LEVELS = (*(float(level) for level in range(100)), 99.5, 99.9, 99.99)
_SCORES = normal_score(np.array(_LEVELS) / 100)
_GROWTH_LEVEL = 95.0


class Draw(NamedTuple):
    """The requested number of paths and their seed; the same seed gives the same paths."""

    paths: int
    seed: int


class SamplePaths:
    """Draws the errors of sample paths from those of a model."""

    def __init__(self, errors: ConformalErrors) -> None:
        self._errors = errors

    def scores(self, request: Draw, items: Sequence[str | None], horizon: int) -> FloatArray:
        """Return standard normal scores (I, T, N, H) that depend on one another as errors do.

        Those of an item do not depend on which other items are requested, nor their first steps on the horizon.
        """
        targets = self._errors.errors.shape[2]
        shape = (horizon, 2, request.paths, targets)
        draws = [generator_of(request.seed, item).standard_normal(shape) for item in items]
        scores = self._dependence.paths(np.concatenate(draws, axis=2)).transpose(2, 1, 0)
        return scores.reshape(targets, len(items), request.paths, horizon).swapaxes(0, 1)

    def errors(self, scores: FloatArray, error_scale: FloatArray, least_width: FloatArray | None) -> FloatArray:
        """Return the errors with these scores, to add to transformed forecasts: (I, T, N, H).

        error_scale: (I, T). least_width: (I, T), the smallest half-width of a 95 % interval; None: there is none.
        """
        errors = self._errors_at(scores) * error_scale[:, :, None, None]
        if least_width is None:
            return errors
        least = scores / normal(0.95) * least_width[:, :, None, None]
        return np.where(np.abs(errors) < np.abs(least), least, errors)

    @cached_property
    def _dependence(self) -> ErrorDependence:
        return ErrorDependence.of(self._errors.kept().errors)

    def _errors_at(self, scores: FloatArray) -> FloatArray:
        """Map standard normal scores (I, T, N, H) to scaled errors that are distributed as the intervals say."""
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
        """Return the half-widths of all levels at the steps with errors, (L, I, T, H), and their growth beyond.

        The growth is (1, I, T, H); I is 1 where all items have the same. All levels at a long horizon would be large.
        """
        calibrated = self._errors.errors.shape[1]
        widths = self._errors.widths(_LEVELS, calibrated).half
        reach = self._errors.widths((_GROWTH_LEVEL,), max(horizon, calibrated)).half
        last = reach[..., calibrated - 1 : calibrated]
        growth = np.divide(reach, last, out=np.ones_like(reach), where=last > 0)
        growth[..., :calibrated] = 1.0
        return widths, growth[..., :horizon]


def generator_of(seed: int, item: str | None) -> np.random.Generator:
    """Return an independent random generator for each seed and item."""
    name = hashlib.blake2b((item or "").encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.random.default_rng([seed, int.from_bytes(name)])
