"""Scores of the forecasts of observed rows, over windows of the newest rows.

Dimensions: I items, W windows, O origins of one item, H horizon, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.forecasting.evaluation.metrics import skill
from service.forecasting.evaluation.rolling import SCORED_LEVELS
from service.forecasting.intervals.conformal import level_key
from service.forecasting.monitoring.due_forecasts import DueForecasts
from service.forecasting.series.series import FloatArray

WINDOWS: tuple[int | None, ...] = (25, 100, None)
"""How many of the newest rows of each item a window has; None: all that are scored."""

# What is summed up: errors, their sizes and squares, sizes of the baseline's errors, and values inside each interval.
_COUNT, _ERROR, _SIZE, _SQUARE, _NAIVE, _INSIDE = range(6)


@dataclass(frozen=True)
class ObservedScores:
    """Means over items and targets of what their forecasts were like; None where nothing was scored.

    count: the number of values that were compared with a forecast, one for each step ahead. bias: the mean error,
    actual value minus forecast. mase, skill, coverage: as in the record of a training.
    """

    count: int
    mae: float | None
    rmse: float | None
    mase: float | None
    skill: float | None
    bias: float | None
    coverage: dict[str, float | None]


@dataclass(frozen=True)
class WindowScores:
    """Scores over a window. rows: how many rows it has; None: all. by_step: the first is one step ahead."""

    rows: int | None
    overall: ObservedScores
    by_step: tuple[ObservedScores, ...]
    by_target: dict[str, ObservedScores]


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over the origins of all items.

    sums: (I, W, H, T, number). naive_errors: (I, T), the mean absolute change over a season in the training, 0 where
    unknown, by which errors are divided for MASE.
    """

    sums: FloatArray
    naive_errors: FloatArray

    @classmethod
    def of(cls, due: Sequence[DueForecasts], naive: Sequence[FloatArray], naive_errors: FloatArray) -> Sums:
        """Sum up forecasts of items; naive: the baseline's forecasts (O, H, T) of each; naive_errors: see `Sums`."""
        return cls(np.array([_sums(one, two) for one, two in zip(due, naive, strict=True)]), naive_errors)

    def windows(self, targets: Sequence[str]) -> tuple[WindowScores, ...]:
        """Return the scores over each window."""
        return tuple(
            WindowScores(
                rows,
                self._scores(self.sums[:, window].sum(axis=1)),
                tuple(self._scores(self.sums[:, window, step]) for step in range(self.sums.shape[2])),
                {
                    target: self._scores(self.sums[:, window, :, place : place + 1].sum(axis=1), place)
                    for place, target in enumerate(targets)
                },
            )
            for window, rows in enumerate(WINDOWS)
        )

    def items(self) -> list[ObservedScores]:
        """Return the scores of each item over all rows."""
        sums = self.sums[:, -1].sum(axis=1)
        return [
            Sums(self.sums[row : row + 1], self.naive_errors[row : row + 1])._scores(sums[row : row + 1])
            for row in range(len(sums))
        ]

    def _scores(self, sums: FloatArray, target: int | None = None) -> ObservedScores:
        """Average over items and targets; sums: (I, T, number), or of one target only."""
        counts = sums[..., _COUNT]
        known = counts > 0
        if not known.any():
            return ObservedScores(0, None, None, None, None, None, {level_key(one): None for one in SCORED_LEVELS})
        means = sums[known] / counts[known][:, None]
        scale = (self.naive_errors if target is None else self.naive_errors[:, target : target + 1])[known]
        mae, scaled = float(means[:, _SIZE].mean()), scale > 0
        return ObservedScores(
            int(counts.sum()),
            mae,
            float(np.sqrt(means[:, _SQUARE]).mean()),
            float((means[scaled, _SIZE] / scale[scaled]).mean()) if scaled.any() else None,
            skill(mae, float(means[:, _NAIVE].mean())),
            float(means[:, _ERROR].mean()),
            {level_key(one): float(means[:, _INSIDE + place].mean()) for place, one in enumerate(SCORED_LEVELS)},
        )


def _sums(due: DueForecasts, naive: FloatArray) -> FloatArray:
    """Return the sums of one item: (W, H, T, number)."""
    errors = due.actual - due.mean
    numbers = np.stack(
        [
            np.ones_like(errors),
            errors,
            np.abs(errors),
            errors**2,
            np.abs(due.actual - naive),
            *((due.actual >= low) & (due.actual <= high) for low, high in (due.bounds[one] for one in SCORED_LEVELS)),
        ],
        axis=-1,
    )  # fmt: skip
    numbers[np.isnan(errors)] = 0.0
    rows = due.origins[:, None] + np.arange(1, errors.shape[1] + 1)
    newest = [np.ones_like(rows, bool) if one is None else rows >= len(due.series) - one for one in WINDOWS]
    return np.stack([(numbers * inside[:, :, None, None]).sum(axis=0) for inside in newest])
