"""Choose the weights of a blend from the errors of its candidates on rolling origins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.options import Candidate
from service.forecasting.evaluation.rolling import Evaluated, compared, independent_origins, mean_known
from service.forecasting.forecaster.blend import Blend
from service.forecasting.forecaster.forecaster import blended
from service.forecasting.series.series import FloatArray

BoolArray = NDArray[np.bool_]

# Weights are proportional to error ** -power. The power grows with the number of independent origins, up to a bound:
# two equally good candidates with different errors are best averaged, however much is known about them.
_POWER, _POWER_PER_ORIGIN, _HIGHEST_POWER = 1.0, 0.25, 8.0
# A difference of this many standard errors is significant; with few independent origins it takes more.
_SIGNIFICANT, _FEW_ORIGINS = 2.0, 3.0
# A candidate whose error is within this factor of the best one still helps the mean, even if it is significantly worse.
_CLEARLY_WORSE = 1.25
# The factor of candidates outside the prior set, unless one is better than all of the set beyond chance: it rises to
# _OUTSIDER, half of it at so many origins.
_OUTSIDER, _OUTSIDER_ORIGINS = 0.5, 20.0
# An outsider counts like the prior set where the logarithm of its error is lower by this, on so many origins.
_STANDS_OUT, _NOT_FEW = 0.1, 5.0
# An item's own errors count as much as those of all items when it has this many independent origins.
_ITEM_ORIGINS = 8.0
_SMALLEST_WEIGHT = 0.02
# The independent origins whose errors count as much as the share that the prior has without any.
_PRIOR_ORIGINS = 6.0
_TINY = 1e-12


class Trusted(NamedTuple):
    """What is trusted where nothing is known of the errors of candidates.

    candidates: those whose mean is, apart from the prior. origins: weights by errors count as much as that mean at so
    many independent origins. prior_share: the weight of the prior beside the blend of all others.
    """

    candidates: tuple[Candidate, ...]
    origins: float = 1.25
    prior_share: float = 0.0


@dataclass(frozen=True)
class CandidateScore:
    """The score of one candidate.

    weight: its mean weight over items. mae: its mean absolute error on the rolling origins before the split, in the
    error scale of each item; None where it could not be used.
    """

    candidate: Candidate
    weight: float
    mae: float | None


def weigh(
    evaluated: Sequence[Evaluated],
    by_candidate: Mapping[Candidate, Sequence[FloatArray]],
    usable: Blend,
    trusted: Trusted,
    noise: float | None = None,
) -> tuple[Blend, tuple[CandidateScore, ...]]:
    """Choose the blend from the transformed forecasts (O, H, T) of each candidate and item.

    The prior is weighed against the blend of all others: it has seen more series than any item has origins, so that
    their errors move its weight slowly. usable: has a weight above 0 where a candidate can forecast an item; items with
    the same usable candidates are weighed together. noise: the variance, in the error scale, that is added to the
    squared errors that are compared; None: absolute errors are.
    """
    names = tuple(by_candidate)
    errors = _errors(evaluated, list(by_candidate.values()))
    others = [column for column, name in enumerate(names) if name != "prior"]
    known = (~np.isnan(errors)).any(axis=(0, 3)).sum(axis=1)
    origins = np.minimum(known, [independent_origins(one.origins, errors.shape[-1]) for one in evaluated])
    shares = np.array([float(name in trusted.candidates) for name in names])
    weights = np.zeros_like(usable.weights)
    for pattern in np.unique(usable.weights[:, others] > 0, axis=0):
        rows = np.flatnonzero(((usable.weights[:, others] > 0) == pattern).all(axis=1))
        columns = np.array(others)[pattern]
        if len(columns):
            weights[np.ix_(rows, columns)] = choose_weights(
                errors[np.ix_(columns, rows)], shares[columns], origins[rows], trusted.origins, noise
            )
    if "prior" in names:
        column, share = names.index("prior"), np.ones(len(evaluated))
        if others:
            both = _errors(evaluated, [blended(by_candidate, weights), by_candidate["prior"]])
            start = np.array([1 - trusted.prior_share, trusted.prior_share])
            share = choose_weights(both, start, origins, _PRIOR_ORIGINS, noise)[:, 1]
        weights *= 1 - share[:, None]
        weights[:, column] = share
    scores = tuple(
        CandidateScore(name, float(weights[:, column].mean()), _mean(errors[column]))
        for column, name in enumerate(names)
    )
    return Blend(names, weights), scores


def choose_weights(
    errors: FloatArray, shares: FloatArray, origins: FloatArray, prior_origins: float, noise: float | None = None
) -> FloatArray:
    """Return the weights (item, candidate), which sum to 1, from absolute errors (candidate, item, origin, horizon).

    Errors are in the error scale of each item, NaN where unknown, for all candidates alike. A candidate that diverged
    (not finite where others are) gets no weight while there are others. shares: (candidate,), the relative weights that
    are trusted where nothing is known, 0 for candidates that are not. origins: (item,), how many independent origins
    the errors are from. prior_origins: weights by errors count as much as the shares at so many independent origins.
    noise: see `weigh`.
    """
    losses = mean_known(errors if noise is None else errors**2 + noise)
    sound = _sound(losses)
    trusted = np.where(sound, shares if (shares[sound] > 0).any() else 1.0, 0.0)
    scored = np.asarray(~np.isnan(losses[sound]).all(axis=0))
    panel = _Evidence.of(losses[:, scored], sound, float(origins.sum()), noise)
    weights = np.empty((losses.shape[1], len(losses)))
    for item, known in enumerate(scored):
        own = _Evidence.of(losses[:, item][:, known], sound, float(origins[item]), noise)
        weights[item] = _weights(own.pooled_with(panel) if len(weights) > 1 else own, trusted, prior_origins)
    return weights


@dataclass(frozen=True)
class _Evidence:
    """What is known of candidates, from so many independent origins.

    logs: (candidate,), of mean errors. worse: significantly worse than the best one. out: without a weight.
    """

    logs: FloatArray
    worse: BoolArray
    out: BoolArray
    origins: float

    @classmethod
    def of(cls, losses: FloatArray, sound: BoolArray, origins: float, noise: float | None = None) -> _Evidence:
        """Compare each candidate with the best one; losses: (candidate, origin); noise: see `weigh`."""
        if not losses.shape[1]:
            return cls(np.zeros(len(losses)), ~sound, ~sound, 0.0)
        losses = np.where(sound[:, None], losses, 0)
        means = np.where(sound, losses.mean(axis=1), np.inf)
        best = int(np.argmin(means))
        differences = losses - losses[best]
        chance = (
            np.hypot(differences.std(axis=1, ddof=1), noise or 0.0) / np.sqrt(origins)
            if losses.shape[1] > 1
            else np.inf
        )
        worse = ~sound | (differences.mean(axis=1) > (_SIGNIFICANT + _FEW_ORIGINS / origins) * chance)
        means = means if noise is None else np.sqrt(means)
        out = ~sound | (worse & (means > _CLEARLY_WORSE * means[best]))
        return cls(np.log(np.where(sound, means, 1.0) + _TINY), worse, out, origins)

    @property
    def best(self) -> int:
        """The candidate with the smallest error among those that are not out."""
        return int(np.argmin(np.where(self.out, np.inf, self.logs)))

    def stands_out(self, prior: BoolArray) -> bool:
        """Return whether the best candidate is much better than all of the prior set, on enough origins."""
        rival = float(np.where(prior & ~self.out, self.logs, np.inf).min())
        return self.origins >= _NOT_FEW and rival - float(self.logs[self.best]) > _STANDS_OUT

    def pooled_with(self, panel: _Evidence) -> _Evidence:
        """Return the evidence for one item: its own, pooled with that of all items while it has few origins."""
        share = self.origins / (self.origins + _ITEM_ORIGINS)
        own, others = self.logs - self.logs.mean(), panel.logs - panel.logs.mean()
        logs = share * own + (1 - share) * others
        best = int(np.argmin(np.where(self.out, np.inf, logs)))
        known = [evidence.worse for evidence in (self, panel) if evidence.best == best]
        worse = np.any(known, axis=0) if known else np.zeros(len(logs), bool)
        # A candidate that is out for the panel may still be the best one here.
        out = self.out | (panel.out & (np.arange(len(logs)) != best))
        return _Evidence(logs, worse, out, self.origins + _ITEM_ORIGINS * (1 - share))


def _weights(evidence: _Evidence, shares: FloatArray, prior_origins: float) -> FloatArray:
    origins, prior = evidence.origins, shares > 0
    power = min(_POWER + _POWER_PER_ORIGIN * origins, _HIGHEST_POWER) if origins else 0.0
    trust = np.where(prior, shares / shares[prior].min(), _OUTSIDER * origins / (origins + _OUTSIDER_ORIGINS))
    if origins and (evidence.worse[prior].all() or evidence.stands_out(prior)):
        trust[evidence.best] = max(trust[evidence.best], 1.0)
    logs = np.where(evidence.out, 0.0, evidence.logs - evidence.logs[evidence.best])
    weights = np.where(evidence.out, 0.0, trust * np.exp(-power * logs))
    weights /= weights.sum()
    # On few origins even a candidate that is far better may be so by chance.
    share = origins**3 / (origins**3 + prior_origins**3)
    weights = share * weights + (1 - share) * shares / shares.sum()
    weights[weights < _SMALLEST_WEIGHT] = 0
    return np.asarray(weights / weights.sum())


def _sound(losses: FloatArray) -> BoolArray:
    """Return (candidate,), True for candidates that are finite wherever any is; all of them where none is."""
    finite = np.isfinite(losses)
    sound = np.asarray((finite | ~finite.any(axis=0)).all(axis=(1, 2)))
    return sound if sound.any() else np.ones(len(losses), bool)


def _errors(evaluated: Sequence[Evaluated], candidates: Sequence[Sequence[FloatArray]]) -> FloatArray:
    """Return absolute errors (candidate, item, origin, step ahead), the mean over targets; NaN where unknown."""
    most = max(len(one.origins) for one in evaluated)
    rows = []
    for forecasts in candidates:
        for one, ahead in zip(evaluated, forecasts, strict=True):
            errors = np.abs(compared(one, ahead).errors).mean(axis=-1)
            rows.append(np.pad(errors, ((0, most - len(errors)), (0, 0)), constant_values=np.nan))
    return np.array(rows).reshape(len(candidates), len(evaluated), most, -1)


def _mean(errors: FloatArray) -> float | None:
    known = errors[np.isfinite(errors)]
    return float(known.mean()) if len(known) else None
