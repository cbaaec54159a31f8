"""Whether a method's OWA on a group differs from a peer's by more than chance: a paired bootstrap over the series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy_metrics import Score
from benchmarks.accuracy_table import Result
from benchmarks.tutorial_data import FloatArray

IntArray = NDArray[np.int64]

LEVEL = 95
# Resamples of the series, and the generator's seed: the same series for all methods.
_RESAMPLES, _SEED = 5000, 1


@dataclass(frozen=True)
class Difference:
    """The difference in OWA of a method and a peer on a group: negative where the method is better.

    lower, upper: the percentile interval of the bootstrap at `LEVEL`.
    """

    group: str
    method: str
    peer: str
    owa: float
    lower: float
    upper: float

    @property
    def is_worse(self) -> bool:
        """Whether the method is worse beyond chance: the whole interval is above 0."""
        return self.lower > 0

    def __str__(self) -> str:
        mark = "   WORSE" if self.is_worse else "   better" if self.upper < 0 else ""
        interval = f"{LEVEL} % {self.lower:+.3f} to {self.upper:+.3f}"
        return f"{self.group}: {self.method} - {self.peer}, OWA {self.owa:+.3f}, {interval}{mark}"


def difference(method: Result, peers: Sequence[Result], naive2: Result) -> Difference:
    """Compare a method with the best of the peers on the same series.

    The series are resampled in pairs, with the scores of both methods and of Naive2, because the OWA of a group is that
    of its means (Efron & Tibshirani, An Introduction to the Bootstrap (1993), 13.3). The peer is the best one on the
    whole group, which favours the peers. Raises ValueError without peers.
    """
    numbers = np.random.default_rng(_SEED).integers(len(method.scores), size=(_RESAMPLES, len(method.scores)))
    observed = np.arange(len(method.scores))[None, :]
    best = min(peers, key=lambda peer: _owa(peer, naive2, observed)[0])
    samples = _owa(method, naive2, numbers) - _owa(best, naive2, numbers)
    lower, upper = np.quantile(samples, [0.5 - LEVEL / 200, 0.5 + LEVEL / 200])
    owa = float((_owa(method, naive2, observed) - _owa(best, naive2, observed))[0])
    return Difference(method.group, method.method, best.method, owa, float(lower), float(upper))


def _owa(result: Result, naive2: Result, numbers: IntArray) -> FloatArray:
    """Return the OWA of each resample, a row of series numbers (resample, series)."""
    owa: FloatArray = (_means(result.scores, numbers) / _means(naive2.scores, numbers)).mean(axis=0)
    return owa


def _means(scores: Sequence[Score], numbers: IntArray) -> FloatArray:
    """Return the means of sMAPE and MASE (2, resample)."""
    errors = np.array([[one.smape for one in scores], [one.mase for one in scores]])
    means: FloatArray = errors[:, numbers].mean(axis=2)
    return means
