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
from service.forecasting.evaluation.error_scale import calibrate
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
from service.forecasting.networks.fitting import LossCurve
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
    trained = _train(plan, progress, Fitter(plan, progress, device, ResumableTraining(plan, checkpoints)))
    progress.finish()
    return trained


def _train(plan: Plan, progress: TrainingProgress, fitter: Fitter) -> Trained:
    specification = plan.choice.specification
    horizon, season_length = specification.horizon, specification.season_length
    stopping = [split.stopping for split in plan.splits]
    test = [split.test for split in plan.splits]
    end = [split.length for split in plan.splits]

    selected, fits = fitter.fit_first(stopping, test)
    progress.begin("weigh", "rolling")
    earlier = _evaluated(plan, selected, stopping, test, partial=True)
    blend, candidates, before = _weighed(plan, selected, earlier)
    first = calibrate(before)

    scored = fitter.refit("score", test, blend, fits)
    progress.begin("score", "rolling")
    later = _evaluated(plan, scored, test, end, partial=False)
    after = roll_model(scored, later, horizon)
    rescaled = first.rescaled(after)
    total = score(scored, rescaled, first.errors, test)
    method: BaselineMethod = "mean" if plan.noise else "seasonal_naive"
    naive_errors = calibrate(roll_baseline(method, earlier, horizon, season_length, stopping))
    naive = roll_baseline(method, later, horizon, season_length, test)
    baseline = score(scored, naive_errors.rescaled(naive), naive_errors.errors, test)

    calibration = calibrate(before, after)
    fitted = fitter.refit("refit", end, blend, fits) if specification.refit else scored
    return Trained(
        fitter.served(fitted, calibration),
        plan,
        total,
        baseline,
        method,
        candidates,
        fits[0].curve if fits else None,
        tuple(fit.best_epoch for fit in fits),
        tuple(skill_by_step(after, naive)),
        validation_forecast(scored.targets[0], rescaled, naive, first.errors),
        (*plan.warnings, *score_warnings(plan, total, baseline, before, after, calibration.errors)),
    )


def _weighed(
    plan: Plan, selected: Forecaster, evaluated: Sequence[Evaluated]
) -> tuple[Blend, tuple[CandidateScore, ...], list[RollingForecasts]]:
    """Return the blend without unused candidates, the scores of all candidates, and the forecasts of the blend."""
    by_candidate = roll_candidates(selected, evaluated, plan.choice.specification.horizon)
    blend, candidates = weigh(evaluated, by_candidate, selected.blend, plan.trusted)
    forecasts = blended(by_candidate, blend.weights)
    rolled = [compared(one, ahead) for one, ahead in zip(evaluated, forecasts, strict=True)]
    return blend.pruned(), candidates, rolled


def _evaluated(
    plan: Plan, forecaster: Forecaster, firsts: Sequence[int], ends: Sequence[int], partial: bool
) -> list[Evaluated]:
    horizon, items = plan.choice.specification.horizon, len(plan.panel)
    return [
        evaluated_item(forecaster, item, one.head(end), rolling_origins(first, end, horizon, items, partial))
        for item, one, first, end in zip(forecaster.items, plan.panel, firsts, ends, strict=True)
    ]
