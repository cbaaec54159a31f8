"""The scores of both sides of the tutorial benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from benchmarks.tutorial_data import FloatArray, TutorialSeries
from benchmarks.tutorial_recipes import Case, Rollout

# The service is no worse than the reference if the ratio of their median RMSE is at most this.
LARGEST_RATIO = 1.05


@dataclass(frozen=True)
class RolloutScore:
    """The score of a recursive forecast.

    rmse: on the held-out values, None if there are none.
    naive_rmse: of the last value repeated, likewise.
    excursion: largest distance from the bounding box of the data, in its diagonals; None if not finite.
    """

    finite: bool
    excursion: float | None
    rmse: float | None = None
    naive_rmse: float | None = None


@dataclass(frozen=True)
class Run:
    """One trained model: one-step RMSE on the test set, and on the training set if the row shows it."""

    rmse: float
    seconds: float
    train_rmse: float | None = None
    rollout: RolloutScore | None = None
    skill: float | None = None
    warnings: tuple[str, ...] = ()


@dataclass
class Outcome:
    """One line of the table: a run for each seed and side; ``failures`` contains the refusals of the service."""

    row: int
    name: str
    judged: bool
    reported: float | None
    naive_rmse: float
    share_outside: float
    reference: list[Run] = field(default_factory=list)
    service: list[Run] = field(default_factory=list)
    own_choice: list[Run] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, case: Case, series: TutorialSeries, judged: bool) -> Outcome:
        """Create a line with what follows from the data alone."""
        return cls(case.row, case.name, judged, case.reported, series.naive_rmse, share_outside(series))

    @property
    def ratio(self) -> float | None:
        """Median RMSE of the service over that of the reference; None if a side did not run."""
        service, reference = median_rmse(self.service), median_rmse(self.reference)
        return service / reference if service is not None and reference else None

    @property
    def verdict(self) -> str:
        """Return whether the line is a hit or a miss; a refusal of the service is a miss."""
        if self.failures:
            return "MISS"
        if self.ratio is None or not self.judged:
            return "-"
        return "ok" if self.ratio <= LARGEST_RATIO else "MISS"


def median_rmse(runs: Sequence[Run]) -> float | None:
    """Median over seeds, None if there are none."""
    return median(run.rmse for run in runs) if runs else None


def median_seconds(runs: Sequence[Run]) -> float | None:
    """Median over seeds, None if there are none."""
    return median(run.seconds for run in runs) if runs else None


def share_outside(series: TutorialSeries) -> float:
    """Fraction of the test set's values outside the range of the training set."""
    low, high = series.train.min(axis=0), series.train.max(axis=0)
    return float(np.mean((series.test < low) | (series.test > high)))


def rollout_history(series: TutorialSeries, rollout: Rollout) -> FloatArray:
    """Return the rows from which a recursive forecast starts."""
    return series.values[: -rollout.steps] if rollout.held_out else series.values


def score_rollout(series: TutorialSeries, rollout: Rollout, forecast: FloatArray) -> RolloutScore:
    """Score a recursive forecast, (steps, target)."""
    if not np.isfinite(forecast).all():
        return RolloutScore(finite=False, excursion=None)
    excursion = distance_from_box(series.values, forecast)
    if not rollout.held_out:
        return RolloutScore(finite=True, excursion=excursion)
    actual, last = series.values[-rollout.steps :], series.values[-rollout.steps - 1]
    return RolloutScore(
        True, excursion, rmse_of(forecast, actual), rmse_of(np.broadcast_to(last, actual.shape), actual)
    )


def distance_from_box(values: FloatArray, forecast: FloatArray) -> float:
    """Largest distance of a forecast point from the values' bounding box, in diagonals of it; 0 inside."""
    low, high = values.min(axis=0), values.max(axis=0)
    beyond = np.maximum(np.maximum(low - forecast, forecast - high), 0)
    return float(np.linalg.norm(beyond, axis=1).max() / np.linalg.norm(high - low))


def rmse_of(forecast: FloatArray, actual: FloatArray) -> float:
    """Root of the mean squared error over all rows and targets."""
    return float(np.sqrt(np.mean((forecast - actual) ** 2)))
