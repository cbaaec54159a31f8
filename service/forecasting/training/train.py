"""The whole way from a panel to a forecaster that says how good it is.

Three fits of one recipe, so that nothing is judged on what it has seen:

1. on [0, stopping): stops early by, weighs candidates by, and makes interval errors on, [stopping, test);
2. on [0, test): scored on [test, end), with the weights and the intervals of the first;
3. on everything, unless ``refit`` is false: served, with the errors of both.

The second and the third go on from the first, or repeat it; see `refit_network`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.forecasting.config.options import TrainOptions
from service.forecasting.evaluation.blend_weights import CandidateScore, weigh
from service.forecasting.evaluation.error_scale import Calibration, calibrate
from service.forecasting.evaluation.metrics import skill
from service.forecasting.evaluation.rolling import (
    Evaluated,
    RollingForecasts,
    Score,
    compared,
    evaluated_item,
    roll_baseline,
    roll_candidates,
    roll_model,
    rolling_origins,
    score,
)
from service.forecasting.evaluation.validation_forecast import ValidationForecast, validation_forecast
from service.forecasting.forecaster.blend import Blend
from service.forecasting.forecaster.forecaster import Forecaster, blended
from service.forecasting.methods.naive import BaselineMethod
from service.forecasting.networks.fitting import Fit, LossCurve
from service.forecasting.series.series import Panel
from service.forecasting.training.checkpoint import Checkpoints, Course
from service.forecasting.training.covariate_selection import with_useful_columns
from service.forecasting.training.planning import Plan, plan_training
from service.forecasting.training.progress import Clock, Report, TrainingProgress
from service.forecasting.training.recipe_fitter import Fitter
from service.forecasting.training.warnings import findings, skill_by_step


@dataclass(frozen=True)
class Trained:
    """A forecaster, and how the same recipe did on the part after the split.

    curve, best_epochs: of the networks, None and empty where there is none; skill_by_step: (horizon,).
    """

    forecaster: Forecaster
    plan: Plan
    score: Score
    baseline: Score
    baseline_method: BaselineMethod
    candidates: tuple[CandidateScore, ...]
    curve: LossCurve | None
    best_epochs: tuple[int, ...]
    skill_by_step: tuple[float | None, ...]
    validation_forecast: ValidationForecast | None
    warnings: tuple[str, ...]

    @property
    def skill(self) -> float | None:
        """1 - MAE / MAE of the baseline."""
        return skill(self.score.overall.mae, self.baseline.overall.mae)


@dataclass(frozen=True)
class _First:
    """What the first fit found."""

    fits: list[Fit]
    evaluated: list[Evaluated]
    blend: Blend
    candidates: tuple[CandidateScore, ...]
    rolled: list[RollingForecasts]
    calibration: Calibration


def train(
    panel: Panel,
    options: TrainOptions,
    report: Report | None = None,
    device: str | None = None,
    clock: Clock | None = None,
    checkpoints: Checkpoints | None = None,
) -> Trained:
    """Train, score and refit; see the module for the three fits. Raises what `plan_training` raises.

    device: torch's name of where networks are fitted and scored; None: this CPU, in compiled kernels. The forecaster
    that is returned forecasts on the CPU either way. clock: by which the report tells how long the rest will take.
    checkpoints: where to go on, and to leave what another run goes on from: on the CPU to the same model to the bit.
    """
    plan = plan_training(panel, options)
    progress = TrainingProgress(plan, report, clock)
    plan = with_useful_columns(plan, progress)
    trained = _Training(plan, progress, device, Course(plan, checkpoints)).run()
    progress.finish()
    return trained


class _Training:
    def __init__(self, plan: Plan, progress: TrainingProgress, device: str | None, course: Course) -> None:
        self.plan = plan
        self.panel = plan.panel
        self.specification = plan.choice.specification
        self.progress = progress
        self.fitter = Fitter(plan, progress, device, course)
        self.stopping = [split.stopping for split in plan.splits]
        self.test = [split.test for split in plan.splits]
        self.end = [split.length for split in plan.splits]

    def run(self) -> Trained:
        first = self._first()
        scored = self.fitter.again("score", self.test, first.blend, first.fits)
        self.progress.begin("score", "rolling")
        later = self._evaluated(scored, self.test, self.end, partial=False)
        rolled = roll_model(scored, later, self.specification.horizon)
        before = first.calibration
        told = before.rescaled(rolled)
        total = score(scored, told, before.errors, self.test)
        naive, baseline, method = self._baseline(scored, first.evaluated, later)
        calibration = calibrate(first.rolled, rolled)
        fitted = self.fitter.again("refit", self.end, first.blend, first.fits) if self.specification.refit else scored
        return Trained(
            self.fitter.served(fitted, calibration),
            self.plan,
            total,
            baseline,
            method,
            first.candidates,
            first.fits[0].curve if first.fits else None,
            tuple(fit.best_epoch for fit in first.fits),
            tuple(skill_by_step(rolled, naive)),
            validation_forecast(scored.targets[0], told, naive, before.errors),
            (*self.plan.warnings, *findings(self.plan, total, baseline, first.rolled, rolled, calibration.errors)),
        )

    def _first(self) -> _First:
        forecaster, fits = self.fitter.first(self.stopping, self.test)
        self.progress.begin("weigh", "rolling")
        evaluated = self._evaluated(forecaster, self.stopping, self.test, partial=True)
        by_candidate = roll_candidates(forecaster, evaluated, self.specification.horizon)
        blend, candidates = weigh(evaluated, by_candidate, forecaster.blend, self.plan.trusted)
        levels = blended(by_candidate, blend.weights)
        rolled = [compared(one, ahead) for one, ahead in zip(evaluated, levels, strict=True)]
        return _First(fits, evaluated, blend.pruned(), candidates, rolled, calibrate(rolled))

    def _evaluated(
        self, forecaster: Forecaster, firsts: Sequence[int], ends: Sequence[int], partial: bool
    ) -> list[Evaluated]:
        return [
            evaluated_item(
                forecaster,
                item,
                one.head(end),
                rolling_origins(first, end, self.specification.horizon, len(self.panel), partial),
            )
            for item, one, first, end in zip(forecaster.items, self.panel, firsts, ends, strict=True)
        ]

    def _baseline(
        self, scored: Forecaster, earlier: Sequence[Evaluated], later: Sequence[Evaluated]
    ) -> tuple[list[RollingForecasts], Score, BaselineMethod]:
        method: BaselineMethod = "mean" if self.plan.noise else "seasonal_naive"
        horizon, season_length = self.specification.horizon, self.specification.season_length
        before = roll_baseline(method, earlier, horizon, season_length, self.stopping)
        rolled = roll_baseline(method, later, horizon, season_length, self.test)
        calibration = calibrate(before)
        return rolled, score(scored, calibration.rescaled(rolled), calibration.errors, self.test), method
