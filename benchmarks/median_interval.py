"""A confidence interval for the median of a few measurements, for any distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class MedianInterval:
    """The interval, and the probability that it covers the true median."""

    lower: float
    upper: float
    confidence: float


def median_interval(values: Sequence[float], confidence: float = 0.95) -> MedianInterval:
    """Return the narrowest interval between order statistics that has at least this confidence, else the widest.

    The k-th smallest and the k-th largest of n independent values of a continuous distribution enclose its median with
    probability 1 - 2 P(B < k), B binomial(n, 1/2): Conover, Practical Nonparametric Statistics (3rd ed. 1999), 3.2. It
    is exact for any n, whereas a bootstrap of so few values has too little coverage. For 7 values it is the minimum and
    the maximum (0.984); fewer than 6 do not reach 0.95. Raises ValueError without values.
    """
    if not values:
        raise ValueError("an interval needs at least one value")
    ordered, count = sorted(values), len(values)
    place = 1
    while 2 * (place + 1) <= count and _coverage(count, place + 1) >= confidence:
        place += 1
    return MedianInterval(ordered[place - 1], ordered[-place], _coverage(count, place))


def _coverage(count: int, place: int) -> float:
    below: int = sum(math.comb(count, successes) for successes in range(place))
    return float(1 - 2 * below / 2**count)
