"""Prediction intervals by split conformal prediction, one width for each step ahead.

The errors are those of rolling-origin forecasts on data that the network was not trained on (Vovk et al. 2005; Lei et
al. 2018; per step ahead as in Stankeviciute et al. 2021). Where few are known, widths are shrunk towards those of a
parametric distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.forecasting.intervals.error_prior import EARLIER, ErrorPrior
from service.forecasting.intervals.parametric import UsualErrors, effective_count, normal, robust_mean, student
from service.forecasting.preprocessing.subsampling import evenly_spaced
from service.forecasting.series.series import FloatArray


@lru_cache(1000)
def level_key(level: float) -> str:
    """Return a level as the shortest decimal: "80", "97.5", "0.1"."""
    return np.format_float_positional(level, trim="-")


@dataclass(frozen=True)
class Widths:
    """Half-widths (horizon, target) by level; unsupported: the levels that are based on too few errors."""

    by_level: dict[float, FloatArray]
    unsupported: tuple[float, ...]

    @cached_property
    def half(self) -> FloatArray:
        """The half-widths of all levels: (level, 1, target, horizon)."""
        return np.array([width.T[None] for width in self.by_level.values()])

    def offsets(self, error_scale: FloatArray, least_width: FloatArray | None) -> FloatArray:
        """Return `around` in the scale of transformed forecasts: (2 levels + 1, ..., target, horizon).

        error_scale: (..., target, 1). least_width: (..., target, 1), the smallest half-width of a 95 % interval; those
        of other levels are in proportion to a normal distribution's; None: there is none.
        """
        offsets = np.asarray(self.around * error_scale)
        if least_width is None:
            return offsets
        least = self._normal * least_width
        return np.where(np.abs(offsets) < np.abs(least), least, offsets)

    @cached_property
    def _normal(self) -> FloatArray:
        """What `around` is for a normal distribution whose 95 % interval has half-width 1: (2 levels + 1, 1, 1, 1)."""
        half = np.array([normal(level / 100) for level in self.by_level]) / normal(0.95)
        return np.concatenate([-half, [0.0], half[::-1]])[:, None, None, None]

    @cached_property
    def around(self) -> FloatArray:
        """Offsets of the lower bounds of all levels, of the forecast, and of the upper bounds in reversed order.

        (2 levels + 1, 1, target, horizon)
        """
        return np.concatenate([-self.half, np.zeros_like(self.half[:1]), self.half[::-1]])


# Enough for a level of 99.5; more only make a model's file larger.
_KEPT_ORIGINS = 500

# With so many independent errors, the conformal and the parametric width have the same weight.
_FEW_ERRORS = 5.0

# The number of cached requests (levels and horizon): clients repeat a few.
_CACHED = 32


@dataclass(frozen=True, eq=False)
class ConformalErrors:
    """Out-of-sample errors (origin, step ahead, target), in the error scale of each item, NaN where unknown.

    prior: what is expected of errors where few are known.
    """

    errors: NDArray[np.floating[Any]]
    prior: ErrorPrior = EARLIER

    def kept(self) -> ConformalErrors:
        """Return the errors that a model stores: of evenly spaced origins, as float32 where their size allows it."""
        errors = self.errors[evenly_spaced(len(self.errors), _KEPT_ORIGINS)]
        fits = np.nanmax(np.abs(errors), initial=0.0) < np.finfo(np.float32).max
        return replace(self, errors=errors.astype(np.float32) if fits else errors)

    @property
    def count(self) -> int:
        """The number of errors of the first step ahead."""
        return int(np.sum(~np.isnan(self.errors[:, 0, 0])))

    def widths(self, levels: Sequence[float], horizon: int) -> Widths:
        """Return the half-width for each level (0 <= level < 100).

        The conformal width at level p is the ceil((n + 1) p)-th smallest of n absolute errors: the finite-sample
        correction. Where n is too small for that, the largest error is multiplied by the ratio of a normal
        distribution's widths at p and at the highest level that n errors support, and the level is unsupported. A step
        without errors has the width of the last one with errors, growing as `UsualErrors` do. The result is the
        geometric mean of that width, with weight n' / (n' + 5) for n' independent errors (see `effective_count`), and
        of the parametric width. Beyond the last step with errors, widths grow with the square root of the step, as
        those of a random walk do.
        """
        return self._cached(tuple(levels), horizon)

    @cached_property
    def _cached(self) -> Callable[[tuple[float, ...], int], Widths]:
        return lru_cache(_CACHED)(self._widths)

    @cached_property
    def _sorted(self) -> tuple[FloatArray, NDArray[np.intp]]:
        """Absolute errors in ascending order, unknown ones last, and how many are known."""
        sizes = np.sort(np.abs(self.errors), axis=0)
        return sizes, np.sum(~np.isnan(sizes), axis=0)

    @cached_property
    def _usual(self) -> tuple[UsualErrors, FloatArray]:
        """The usual errors, and how many independent ones are known (step ahead, target)."""
        sizes, counts = self._sorted
        effective = effective_count(counts)
        return UsualErrors.of(robust_mean(sizes.astype(np.float64)), effective, self.prior), effective

    def _widths(self, levels: tuple[float, ...], horizon: int) -> Widths:
        ahead = np.arange(horizon)
        steps = np.minimum(ahead, self.errors.shape[1] - 1)
        growth = np.sqrt((ahead + 1) / (steps + 1))[:, None]
        by_level, unsupported = {}, []
        for level in levels:
            widths, supported = self._width(level / 100)
            by_level[level] = widths[steps] * growth
            if not supported[steps].all():
                unsupported.append(level)
        return Widths(by_level, tuple(sorted(unsupported)))

    def _width(self, probability: float) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Return half-widths (step ahead, target) at one level, and where they are based on enough errors."""
        counts = self._sorted[1]
        if probability <= 0:
            return np.zeros(counts.shape), np.ones(counts.shape, dtype=bool)
        usual, effective = self._usual
        widths, supported = self._conformal(probability)
        share = effective / (effective + _FEW_ERRORS)
        if not counts.all():
            sources = np.stack([_known_steps(known) for known in (counts > 0).T], axis=1)
            share = np.take_along_axis(share, sources, axis=0)
            supported = np.take_along_axis(supported, sources, axis=0)
            widths = np.take_along_axis(widths / usual.sizes, sources, axis=0) * usual.sizes
        parametric = usual.widths(probability)
        return np.where(share > 0, widths**share * parametric ** (1 - share), parametric), supported

    def _conformal(self, probability: float) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Return half-widths (step ahead, target) from the errors alone, and where these are enough; 0 without any."""
        sizes, counts = self._sorted
        # Rounded first: 0.8 of 5 must be rank 4, not 5 because of a rounding error.
        ranks = np.ceil(np.round((counts + 1) * probability, 9)).astype(np.intp)
        supported = ranks <= counts
        if not len(sizes):
            return np.zeros(counts.shape), supported
        stretch = np.ones(counts.shape)
        for place in zip(*np.nonzero(~supported & (counts > 0)), strict=True):
            n = int(counts[place])
            stretch[place] = normal(probability) / normal(n / (n + 1))
        places = np.clip(np.minimum(ranks, counts) - 1, 0, None)
        ranked = np.take_along_axis(sizes, places[None], axis=0)[0]
        return np.where(counts > 0, ranked * stretch * _overlap(probability, counts), 0.0), supported


def _known_steps(known: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return for each step ahead the step whose errors are used; known: (step ahead,).

    That is the step itself, else the last one before it with errors, else the first one with errors.
    """
    steps = np.flatnonzero(known)
    if not len(steps):
        return np.arange(len(known))
    return np.asarray(steps[np.clip(np.searchsorted(steps, np.arange(len(known)), side="right") - 1, 0, None)])


def _overlap(probability: float, counts: NDArray[np.intp]) -> FloatArray:
    """Return the factor (step ahead, target) by which intervals widen as forecasts from neighbouring origins overlap.

    It is the ratio of Student's t with the degrees of freedom of the effective count and of the count.
    """
    known = np.maximum(counts, 1)
    return np.asarray(student(probability, 1 + effective_count(known)) / student(probability, 1.0 + known))
