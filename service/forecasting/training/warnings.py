"""What a user should know before trusting a model: found in how it did on the part after the split."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from service.forecasting.evaluation.metrics import skill
from service.forecasting.evaluation.rolling import SCORED_LEVELS, RollingForecasts, Score
from service.forecasting.intervals.conformal import ConformalErrors, level_key
from service.forecasting.series.series import FloatArray
from service.forecasting.training.planning import NOISE, WALK, Plan

# Losing by less than this is a draw.
_WORTH_TELLING = 0.01
# What is forecast so much better than by its mean or last value was no noise or walk, whatever it looked like.
_MORE_THAN_CHANCE = 0.1
# Errors so many times as large as before, with so many to tell by.
_DIFFERENT, _ENOUGH = 2.0, 20
# A coverage so unlikely is no chance, and so many independent forecasts make more than a handful.
_UNLIKELY, _HANDFUL = 0.01, 10
# An error of this share of the largest value is no error.
_ROUNDING = 1e-12
# A 95 % interval needs so many errors.
_ERRORS_FOR_95 = 19


def findings(
    plan: Plan,
    total: Score,
    baseline: Score,
    earlier: Sequence[RollingForecasts],
    later: Sequence[RollingForecasts],
    errors: ConformalErrors,
) -> list[str]:
    """Return warnings.

    total, baseline: scores after the split; earlier, later: forecasts before and after it, item by item; errors: those
    of the intervals.
    """
    found = []
    if total.overall.mae is None:
        found.append("the part after the split has no values: nothing could be scored")
    gain = skill(total.overall.mae, baseline.overall.mae)
    lucky = gain is not None and gain >= _MORE_THAN_CHANCE
    if plan.noise and not lucky:
        found.append(NOISE)
    if plan.walk and not lucky:
        found.append(WALK)
    if gain is None and (total.overall.mae or 0.0) > _ROUNDING * _largest(later):
        found.append("the naive forecast makes no error here, the model does")
    if gain is not None and gain <= -_WORTH_TELLING and not plan.noise:
        found.append(f"the model loses to the seasonal naive forecast by {-gain:.0%} (mean absolute error)")
    times = _growth(earlier, later)
    if times >= _DIFFERENT:
        found.append(f"the part after the split differs from what is before it: errors are {times:.1f} times as large")
    found += _missed(total, earlier, later)
    if errors.count < _ERRORS_FOR_95:
        found.append(f"only {errors.count} errors stand behind the intervals; 95 % needs at least {_ERRORS_FOR_95}")
    return found


def _largest(rolled: Sequence[RollingForecasts]) -> float:
    """The largest size of the values that were forecast."""
    return max(float(np.nanmax(np.abs(one.actual), initial=0.0)) for one in rolled)


def _growth(earlier: Sequence[RollingForecasts], later: Sequence[RollingForecasts]) -> float:
    """How many times as large errors are after the split, one step ahead; 1 where there are few."""
    before = np.concatenate([one.errors[:, 0] for one in earlier])
    units = [
        two.evaluated.item.error_scale / one.evaluated.item.error_scale for one, two in zip(earlier, later, strict=True)
    ]
    after = np.concatenate([one.errors[:, 0] * unit for one, unit in zip(later, units, strict=True)])
    if min(np.sum(~np.isnan(one[:, 0])) for one in (before, after)) < _ENOUGH:
        return 1.0
    usual = np.nanmedian(np.abs(before))
    return float(np.nanmedian(np.abs(after)) / usual) if usual > 0 else 1.0


def _missed(total: Score, earlier: Sequence[RollingForecasts], later: Sequence[RollingForecasts]) -> list[str]:
    """Tell which intervals held so few values after the split that it was no chance (Chernoff's bound)."""
    known = [_independent(part) for part in (earlier, later)]
    if min(known) < _HANDFUL:
        return []
    # Widths are as uncertain as what is measured with them.
    count = 1 / sum(1 / one for one in known)
    found = []
    for level in SCORED_LEVELS:
        held, promised = total.overall.coverage[level_key(level)], level / 100
        if held is None or held >= promised or count * _divergence(held, promised) < -math.log(_UNLIKELY):
            continue
        found.append(f"the intervals of {level_key(level)} % held only {held:.0%} of the values after the split")
    return found


def _independent(part: Sequence[RollingForecasts]) -> float:
    """Count forecasts as independent ones: n that overlap over h steps say as much as n / sqrt(h)."""
    return sum(float((~np.isnan(one.errors)).any(axis=(1, 2)).sum()) / math.sqrt(one.errors.shape[1]) for one in part)


def _divergence(held: float, promised: float) -> float:
    """Kullback-Leibler divergence of two coins."""
    sides = (held, promised), (1 - held, 1 - promised)
    return sum(one * math.log(one / other) for one, other in sides if one > 0)


def skill_by_step(rolled: Sequence[RollingForecasts], baseline: Sequence[RollingForecasts]) -> list[float | None]:
    """Return the skill for each step ahead, in units of each item; None where nothing is known."""
    ours, naive = _mean_by_step(rolled), _mean_by_step(baseline)
    return [
        None if np.isnan(one) or np.isnan(other) else skill(float(one), float(other))
        for one, other in zip(ours, naive, strict=True)
    ]


def _mean_by_step(rolled: Sequence[RollingForecasts]) -> FloatArray:
    """Mean absolute errors (horizon,), over items, origins and targets."""
    errors = np.concatenate([np.abs(one.clipped_errors) for one in rolled])
    known = ~np.isnan(errors)
    counts = known.sum(axis=(0, 2))
    sums = np.where(known, errors, 0).sum(axis=(0, 2))
    mean: FloatArray = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return mean
