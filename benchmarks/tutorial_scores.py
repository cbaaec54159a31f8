"""What both sides of the tutorial benchmark are judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from benchmarks.tutorial_data import FloatArray, TutorialSeries
from benchmarks.tutorial_recipes import Case, Rollout

# The service is no worse than the reference where the ratio of their median RMSE is at most this.
LARGEST_RATIO = 1.05


@dataclass(frozen=True)
class RolloutScore:
    """A forecast on own predictions.

    rmse: against what was held out, None where nothing was.
    naive_rmse: of the last value repeated, likewise.
    excursion: largest distance from the bounding box of the data, in its diagonals; None where not finite.
    """

    finite: bool
    excursion: float | None
    rmse: float | None = None
    naive_rmse: float | None = None


@dataclass(frozen=True)
class Run:
    """One trained model: RMSE one step ahead on the test part, and on the training part where the row shows it."""

    rmse: float
    seconds: float
    train_rmse: float | None = None
    rollout: RolloutScore | None = None
    skill: float | None = None
    warnings: tuple[str, ...] = ()


@dataclass
class Outcome:
    """One line of the table: a run for each seed and side; ``failures`` holds what the service refused."""

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
        """Start a line with what the data alone tells."""
        return cls(case.row, case.name, judged, case.reported, series.naive_rmse, share_outside(series))

    @property
    def ratio(self) -> float | None:
        """Median RMSE of the service over that of the reference; None where a side did not run."""
        service, reference = median_rmse(self.service), median_rmse(self.reference)
        return service / reference if service is not None and reference else None

    @property
    def verdict(self) -> str:
        """Tell a hit from a miss; what the service refused is a miss."""
        if self.failures:
            return "MISS"
        if self.ratio is None or not self.judged:
            return "-"
        return "ok" if self.ratio <= LARGEST_RATIO else "MISS"


def median_rmse(runs: Sequence[Run]) -> float | None:
    """Median over seeds, None where there are none."""
    return median(run.rmse for run in runs) if runs else None


def median_seconds(runs: Sequence[Run]) -> float | None:
    """Median over seeds, None where there are none."""
    return median(run.seconds for run in runs) if runs else None


def share_outside(series: TutorialSeries) -> float:
    """Share of the test part's values that the training part's range does not cover."""
    low, high = series.train.min(axis=0), series.train.max(axis=0)
    return float(np.mean((series.test < low) | (series.test > high)))


def rollout_history(series: TutorialSeries, rollout: Rollout) -> FloatArray:
    """Rows that a forecast on own predictions starts from."""
    return series.values[: -rollout.steps] if rollout.held_out else series.values


def score_rollout(series: TutorialSeries, rollout: Rollout, forecast: FloatArray) -> RolloutScore:
    """Score a forecast, (steps, target), on own predictions."""
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
