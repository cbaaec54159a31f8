"""Train a forecaster on a panel and score it.

One specification is fitted three times, so that everything is evaluated on data it was not fitted on:

1. on [0, stopping); [stopping, test) is used for early stopping, the weights of candidates and interval errors;
2. on [0, test); scored on [test, end), with the weights and the intervals of the first fit;
3. on all data, unless ``refit`` is false; the result, with the interval errors of both.

The second and the third fit continue the first, or repeat it; see `refit_network`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.forecasting.config.options import TrainOptions
from service.forecasting.evaluation.blend_weights import CandidateScore, weigh
from service.forecasting.evaluation.error_scale import Calibration, calibrate
from service.forecasting.evaluation.metrics import skill
from service.forecasting.evaluation.rolling import (
    BaselineMethod,
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
from service.forecasting.networks.fitting import Fit, LossCurve
from service.forecasting.series.series import Panel
from service.forecasting.training.checkpoint import Checkpoints, ResumableTraining
from service.forecasting.training.covariate_selection import select_covariates
from service.forecasting.training.planning import Plan, plan_training
from service.forecasting.training.progress import Clock, Report, TrainingProgress
from service.forecasting.training.recipe_fitter import Fitter
from service.forecasting.training.warnings import score_warnings, skill_by_step


@dataclass(frozen=True)
class Trained:
    """A forecaster, and the scores of the same specification on the part after the split.

    curve, best_epochs: of the networks, None and empty where there is none. skill_by_step: (horizon,).
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
    """The results of the first fit."""

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
    """Train, score and refit a forecaster; see the module for the three fits. Raises what `plan_training` raises.

    device: torch's name of where networks are fitted and scored; None: this CPU, in compiled kernels. The returned
    forecaster runs on the CPU in either case. clock: for estimates of the time left. checkpoints: what to resume from,
    and to store; on the CPU a resumed training gives a bit-identical model.
    """
    plan = plan_training(panel, options)
    progress = TrainingProgress(plan, report, clock)
    plan = select_covariates(plan, progress)
    trained = _Training(plan, progress, device, ResumableTraining(plan, checkpoints)).run()
    progress.finish()
    return trained


class _Training:
    def __init__(
        self, plan: Plan, progress: TrainingProgress, device: str | None, resumable: ResumableTraining
    ) -> None:
        self.plan = plan
        self.panel = plan.panel
        self.specification = plan.choice.specification
        self.progress = progress
        self.fitter = Fitter(plan, progress, device, resumable)
        self.stopping = [split.stopping for split in plan.splits]
        self.test = [split.test for split in plan.splits]
        self.end = [split.length for split in plan.splits]

    def run(self) -> Trained:
        first = self._first()
        scored = self.fitter.refit("score", self.test, first.blend, first.fits)
        self.progress.begin("score", "rolling")
        later = self._evaluated(scored, self.test, self.end, partial=False)
        rolled = roll_model(scored, later, self.specification.horizon)
        before = first.calibration
        rescaled = before.rescaled(rolled)
        total = score(scored, rescaled, before.errors, self.test)
        naive, baseline, method = self._baseline(scored, first.evaluated, later)
        calibration = calibrate(first.rolled, rolled)
        fitted = self.fitter.refit("refit", self.end, first.blend, first.fits) if self.specification.refit else scored
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
            validation_forecast(scored.targets[0], rescaled, naive, before.errors),
            (
                *self.plan.warnings,
                *score_warnings(self.plan, total, baseline, first.rolled, rolled, calibration.errors),
            ),
        )

    def _first(self) -> _First:
        forecaster, fits = self.fitter.fit_first(self.stopping, self.test)
        self.progress.begin("weigh", "rolling")
        evaluated = self._evaluated(forecaster, self.stopping, self.test, partial=True)
        by_candidate = roll_candidates(forecaster, evaluated, self.specification.horizon)
        blend, candidates = weigh(evaluated, by_candidate, forecaster.blend, self.plan.trusted)
        forecasts = blended(by_candidate, blend.weights)
        rolled = [compared(one, ahead) for one, ahead in zip(evaluated, forecasts, strict=True)]
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
