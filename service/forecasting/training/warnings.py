"""Warnings about a trained model, from its scores on the part after the split; skill by step ahead."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from service.forecasting.evaluation.metrics import skill
from service.forecasting.evaluation.rolling import SCORED_LEVELS, RollingForecasts, Score, mean_known
from service.forecasting.intervals.conformal import ConformalErrors, level_key
from service.forecasting.series.series import FloatArray
from service.forecasting.training.planning import NOISE, WALK, Plan

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


def score_warnings(
    plan: Plan,
    total: Score,
    baseline: Score,
    earlier: Sequence[RollingForecasts],
    later: Sequence[RollingForecasts],
    errors: ConformalErrors,
) -> list[str]:
    """Return warnings.

    total, baseline: scores after the split. earlier, later: forecasts before and after it, item by item. errors: of the
    intervals.
    """
    gain = skill(total.overall.mae, baseline.overall.mae)
    by_chance = gain is None or gain < _MORE_THAN_CHANCE
    loss = 0.0 if gain is None else -gain
    naive_is_exact = gain is None and (total.overall.mae or 0.0) > _ROUNDING * _largest(later)
    times = _growth(earlier, later)
    differs = f"the part after the split differs from what is before it: errors are {times:.1f} times as large"
    few = f"the intervals are based on only {errors.count} errors; 95 % needs at least {_ERRORS_FOR_95}"
    found = [
        (total.overall.mae is None, "the part after the split has no values: nothing could be scored"),
        (plan.noise and by_chance, NOISE),
        (plan.walk and by_chance, WALK),
        (naive_is_exact, "the naive forecast makes no error here, the model does"),
        (
            loss >= _WORTH_WARNING and not plan.noise,
            f"the model loses to the seasonal naive forecast by {loss:.0%} (mean absolute error)",
        ),
        (times >= _DIFFERENT, differs),
        *((True, warning) for warning in _missed(total, earlier, later)),
        (errors.count < _ERRORS_FOR_95, few),
    ]
    return [warning for applies, warning in found if applies]


def _largest(rolled: Sequence[RollingForecasts]) -> float:
    """Return the largest absolute actual value."""
    return max(float(np.nanmax(np.abs(one.actual), initial=0.0)) for one in rolled)


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
    known = [_effective_count(part) for part in (earlier, later)]
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


def _effective_count(part: Sequence[RollingForecasts]) -> float:
    """Return how many independent forecasts overlapping ones count as, see `parametric.effective_count`."""
    return sum(float((~np.isnan(one.errors)).any(axis=(1, 2)).sum()) / math.sqrt(one.errors.shape[1]) for one in part)


def _divergence(held: float, promised: float) -> float:
    """Return the Kullback-Leibler divergence of two Bernoulli distributions."""
    sides = (held, promised), (1 - held, 1 - promised)
    return sum(one * math.log(one / other) for one, other in sides if one > 0)


def skill_by_step(rolled: Sequence[RollingForecasts], baseline: Sequence[RollingForecasts]) -> list[float | None]:
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
