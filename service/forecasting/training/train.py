"""Train a forecaster on a panel and score it.

One specification is fitted three times, so that everything is evaluated on data it was not fitted on:

1. on [0, stopping); [stopping, test) is used for early stopping, the weights of candidates and interval errors;
2. on [0, test); scored on [test, end), with the weights and the intervals of the first fit;
3. on all data, unless ``refit`` is false; the result, with the interval errors of both.

The second and the third fit continue the first, or repeat it; see `refit_network`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np

from service.forecasting.config.options import BaselineMethod, TrainOptions
from service.forecasting.evaluation.baseline import baseline_words, best_baseline, roll_baseline
from service.forecasting.evaluation.blend_weights import CandidateScore, weigh
from service.forecasting.evaluation.error_scale import calibrate
from service.forecasting.evaluation.metrics import skill
from service.forecasting.evaluation.regimes import of_one_regime
from service.forecasting.evaluation.rolling import (
    SCORED_LEVELS,
    Evaluated,
    RollingForecasts,
    Score,
    compared,
    evaluated_item,
    mean_known,
    roll_candidates,
    roll_model,
    rolling_origins,
    score,
)
from service.forecasting.evaluation.skill_interval import skill_interval
from service.forecasting.evaluation.validation_forecast import ValidationForecast, validation_forecast
from service.forecasting.forecaster.blend import Blend
from service.forecasting.forecaster.forecaster import Forecaster, blended
from service.forecasting.intervals.conformal import ConformalErrors, level_key
from service.forecasting.networks.architecture import Network
from service.forecasting.networks.engine import EngineName
from service.forecasting.networks.engine_choice import FASTEST, EngineChoice
from service.forecasting.networks.fitting import LossCurve
from service.forecasting.series.series import FloatArray, Panel
from service.forecasting.training.checkpoint import Checkpoints
from service.forecasting.training.comparison import Comparison, Parent, compare
from service.forecasting.training.covariate_selection import select_covariates
from service.forecasting.training.fitter import Fitter
from service.forecasting.training.planning import NOISE, WALK, Plan, plan_training
from service.forecasting.training.progress import Clock, Report, TrainingProgress
from service.forecasting.training.warm_start import warm_started

# A model that is worse than the baseline by less than this is as good as it.
_WORTH_WARNING = 0.01
# With this skill, the series was neither noise nor a random walk, whatever it looked like.
_MORE_THAN_CHANCE = 0.1
# Errors that are so many times as large as before the split, if there are enough.
_DIFFERENT, _ENOUGH = 2.0, 20
# A coverage of this probability is significant; fewer independent forecasts are not checked.
_UNLIKELY, _HANDFUL = 0.01, 10
# Errors below this share of the largest value are rounding.
_ROUNDING = 1e-12
# The fewest errors that support a 95 % interval.
_ERRORS_FOR_95 = 19


@dataclass(frozen=True)
class Trained:
    """A forecaster, and the scores of the same specification on the part after the split.

    curve, best_epochs: of the networks, None and empty where there is none. engine: its name and device; None without
    a network. skill_by_step: (horizon,). skill_interval: see the module of that name. comparison: with the parent, if
    there is one. is_warm: whether networks started from the parent's weights.
    """

    forecaster: Forecaster
    plan: Plan
    score: Score
    baseline: Score
    baseline_method: BaselineMethod
    candidates: tuple[CandidateScore, ...]
    curve: LossCurve | None
    best_epochs: tuple[int, ...]
    engine: tuple[EngineName, str] | None
    skill_interval: tuple[float, float] | None
    skill_by_step: tuple[float | None, ...]
    validation_forecast: ValidationForecast | None
    warnings: tuple[str, ...]
    comparison: Comparison | None = None
    is_warm: bool = False

    @property
    def skill(self) -> float | None:
        """1 - MAE / MAE of the baseline."""
        return skill(self.score.overall.mae, self.baseline.overall.mae)

    @property
    def baseline_words(self) -> str:
        """What the baseline does, in words."""
        return _words(self.plan, self.baseline_method)


def train(
    panel: Panel,
    options: TrainOptions,
    report: Report | None = None,
    engines: EngineChoice = FASTEST,
    clock: Clock | None = None,
    checkpoints: Checkpoints | None = None,
    parent: Parent | None = None,
) -> Trained:
    """Train, score and refit a forecaster; see the module for the three fits. Raises what `plan_training` raises.

    engines: what may fit and score networks; the returned forecaster runs in compiled kernels in either case. clock:
    for estimates of the time left. checkpoints: what to resume from, and to store; in compiled kernels a resumed
    training gives a bit-identical model. parent: the model that is retrained; see `warm_start` for when its weights are
    used.
    """
    plan = plan_training(panel, options)
    progress = TrainingProgress(plan, report, clock)
    plan = select_covariates(plan, progress)
    start: tuple[Network, ...] = ()
    if parent is not None and parent.warm:
        plan, start = warm_started(plan, parent, panel)
    trained, scored = _train(plan, progress, Fitter(plan, progress, engines, checkpoints, start))
    if parent is not None:
        # Rows in front may have been left out.
        firsts = [len(one) - split.length + split.test for one, split in zip(panel, plan.splits, strict=True)]
        compared = compare(scored, firsts, parent, panel, plan.choice.specification.horizon)
        trained = replace(trained, comparison=compared, is_warm=bool(start))
    progress.finish()
    return trained


def _train(plan: Plan, progress: TrainingProgress, fitter: Fitter) -> tuple[Trained, Forecaster]:
    """Return what was trained, and the forecaster that was fitted on the rows before the test part."""
    specification = plan.choice.specification
    horizon, season_length = specification.horizon, specification.season_length
    stopping, test, end = zip(*map(astuple, plan.splits), strict=True)

    selected, fits = fitter.fit_first(stopping, test)
    progress.begin("weigh", "rolling")
    most = [one.test - one.usual_stopping for one in plan.splits]
    earlier = _evaluated(plan, selected, stopping, test, partial=True, most=most)
    blend, candidates, before = _weighed(plan, selected, earlier)
    first = calibrate(before)

    scored = fitter.refit("score", test, blend, fits)
    progress.begin("score", "rolling")
    later = _evaluated(plan, scored, test, end, partial=False)
    after = roll_model(scored, later, horizon)
    rescaled = first.rescaled(after)
    total = score(scored, rescaled, first.errors, test)
    # Naive forecasts are not fitted, so errors of half of the values before the split compare them.
    half = _evaluated(plan, selected, [min(one // 2, two) for one, two in zip(test, stopping, strict=True)], test, True)
    method = plan.known_baseline or best_baseline(half, horizon, season_length)
    naive_errors = calibrate(roll_baseline(method, earlier, horizon, season_length))
    naive = roll_baseline(method, later, horizon, season_length)
    baseline = score(scored, naive_errors.rescaled(naive), naive_errors.errors, test)

    calibration = calibrate(*of_one_regime(before, after))
    fitted = fitter.refit("refit", end, blend, fits) if specification.refit else scored
    interval = skill_interval(after, naive)
    served = fitter.served(fitted, calibration, end if specification.refit else test)
    trained = Trained(
        replace(served, baseline=method),
        plan,
        total,
        baseline,
        method,
        candidates,
        fits[0].curve if fits else None,
        tuple(fit.best_epoch for fit in fits),
        fitter.engine.engines[0] if fits else None,
        interval,
        tuple(_skill_by_step(after, naive)),
        validation_forecast(scored.targets[0], rescaled, naive, first.errors),
        (
            *plan.warnings,
            *_score_warnings(plan, total, baseline, _words(plan, method), interval, before, after, calibration.errors),
        ),
    )
    return trained, scored


def _words(plan: Plan, method: BaselineMethod) -> str:
    times = plan.panel.series[0].times
    return baseline_words(method, plan.choice.specification.season_length, times.freq if times else None)


def _weighed(
    plan: Plan, selected: Forecaster, evaluated: Sequence[Evaluated]
) -> tuple[Blend, tuple[CandidateScore, ...], list[RollingForecasts]]:
    """Return the blend without unused candidates, the scores of all candidates, and the forecasts of the blend."""
    by_candidate = roll_candidates(selected, evaluated, plan.choice.specification.horizon)
    blend, candidates = weigh(evaluated, by_candidate, selected.blend, plan.trusted, plan.noise_variance)
    forecasts = blended(by_candidate, blend.weights)
    rolled = [compared(one, ahead) for one, ahead in zip(evaluated, forecasts, strict=True)]
    return blend.pruned(), candidates, rolled


def _evaluated(
    plan: Plan,
    forecaster: Forecaster,
    firsts: Sequence[int],
    ends: Sequence[int],
    partial: bool,
    most: Sequence[int] | None = None,
) -> list[Evaluated]:
    horizon, items = plan.choice.specification.horizon, len(plan.panel)
    origins = [
        rolling_origins(first, end, horizon, items, partial, limit)
        for first, end, limit in zip(firsts, ends, most or ends, strict=True)
    ]
    return [
        evaluated_item(forecaster, item, one.head(end), rows)
        for item, one, end, rows in zip(forecaster.items, plan.panel, ends, origins, strict=True)
    ]


def _score_warnings(
    plan: Plan,
    total: Score,
    baseline: Score,
    words: str,
    interval: tuple[float, float] | None,
    earlier: Sequence[RollingForecasts],
    later: Sequence[RollingForecasts],
    errors: ConformalErrors,
) -> list[str]:
    """Return warnings.

    total, baseline: scores after the split. words: what the baseline does. interval: of the skill. earlier, later:
    forecasts before and after the split, item by item. errors: of the intervals.
    """
    specification = plan.choice.specification
    # A forecast of the mean has larger absolute errors than one of the median.
    if specification.point_forecast == "mean":
        error, gain = "root mean squared error", skill(total.overall.rmse, baseline.overall.rmse)
    else:
        error, gain = "mean absolute error", skill(total.overall.mae, baseline.overall.mae)
    by_chance = gain is None or gain < _MORE_THAN_CHANCE
    loss = 0.0 if gain is None else -gain
    by_luck = interval is not None and interval[0] <= 0 <= interval[1]
    largest = max(float(np.nanmax(np.abs(one.actual), initial=0.0)) for one in later)
    naive_is_exact = gain is None and (total.overall.mae or 0.0) > _ROUNDING * largest
    times = _growth(earlier, later)
    differs = f"the part after the split differs from what is before it: errors are {times:.1f} times as large"
    few = f"the intervals are based on only {errors.count} errors; 95 % needs at least {_ERRORS_FOR_95}"
    found = [
        (total.overall.mae is None, "the part after the split has no values: nothing could be scored"),
        (plan.noise and by_chance, NOISE),
        (plan.walk and by_chance, WALK),
        (naive_is_exact, "the naive forecast makes no error here, the model does"),
        (
            loss >= _WORTH_WARNING and not plan.noise and not by_luck,
            f"the model loses to {words} by {loss:.0%} ({error})",
        ),
        (times >= _DIFFERENT, differs),
        *((True, warning) for warning in _missed(total, earlier, later)),
        (errors.count < _ERRORS_FOR_95 and not specification.sporadic, few),
    ]
    return [warning for applies, warning in found if applies]


def _growth(earlier: Sequence[RollingForecasts], later: Sequence[RollingForecasts]) -> float:
    """Return how many times as large errors are after the split, one step ahead; 1 where there are few."""
    before = np.concatenate([one.errors[:, 0] for one in earlier])
    scales = [
        two.evaluated.item.error_scale / one.evaluated.item.error_scale for one, two in zip(earlier, later, strict=True)
    ]
    after = np.concatenate([one.errors[:, 0] * scale for one, scale in zip(later, scales, strict=True)])
    if min(np.sum(~np.isnan(one[:, 0])) for one in (before, after)) < _ENOUGH:
        return 1.0
    usual = np.nanmedian(np.abs(before))
    return float(np.nanmedian(np.abs(after)) / usual) if usual > 0 else 1.0


def _missed(total: Score, earlier: Sequence[RollingForecasts], later: Sequence[RollingForecasts]) -> list[str]:
    """Return warnings of intervals whose coverage after the split is significantly too low (Chernoff's bound)."""
    # How many independent forecasts overlapping ones count as, see `parametric.effective_count`.
    known = [
        sum(float((~np.isnan(one.errors)).any(axis=(1, 2)).sum()) / math.sqrt(one.errors.shape[1]) for one in part)
        for part in (earlier, later)
    ]
    if min(known) < _HANDFUL:
        return []
    # The widths themselves are uncertain, as the coverage is.
    count = 1 / sum(1 / one for one in known)
    found = []
    for level in SCORED_LEVELS:
        held, promised = total.overall.coverage[level_key(level)], level / 100
        if held is None or held >= promised or count * _divergence(held, promised) < -math.log(_UNLIKELY):
            continue
        found.append(f"the intervals of {level_key(level)} % held only {held:.0%} of the values after the split")
    return found


def _divergence(held: float, promised: float) -> float:
    """Return the Kullback-Leibler divergence of two Bernoulli distributions."""
    sides = (held, promised), (1 - held, 1 - promised)
    return sum(one * math.log(one / other) for one, other in sides if one > 0)


def _skill_by_step(rolled: Sequence[RollingForecasts], baseline: Sequence[RollingForecasts]) -> list[float | None]:
    """Return the skill for each step ahead, from scaled errors; None where there are none."""
    ours, naive = _mean_by_step(rolled), _mean_by_step(baseline)
    return [
        None if np.isnan(one) or np.isnan(other) else skill(float(one), float(other))
        for one, other in zip(ours, naive, strict=True)
    ]


def _mean_by_step(rolled: Sequence[RollingForecasts]) -> FloatArray:
    """Return mean absolute scaled errors (horizon,), over items, origins and targets."""
    errors = np.concatenate([np.abs(one.clipped_errors) for one in rolled])
    return mean_known(errors.swapaxes(0, 1).reshape(errors.shape[1], -1))
