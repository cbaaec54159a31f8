"""Late steps of a series that are larger than any before them."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.forecasting.compilation import compiled, inlined

Array = Any

# The exponent bits of a float64, all ones where it is not finite; with fastmath, comparisons would be optimised away.
_EXPONENT = 0x7FF0000000000000


@compiled
def larger_steps(values: Array, season_length: int, fewest: int, ratio: float, ago: Array) -> int:
    """Write how many rows ago, descending, a late step is larger than any before it; return how many are written.

    values: (N,); gaps are filled with the value before them, in place. season_length: from each value, the median of
    the last three values at the same phase is subtracted first; 1: nothing is. fewest: no step is found if fewer values
    are known. ratio: how many times as large it has to be. ago: (K,), for the last K steps, which are late.
    """
    known = _fill_forward(values)
    begin = 3 * season_length if season_length > 1 else 0
    count = len(values) - begin
    if known < fewest or count < 3 or (season_length > 1 and count <= season_length):
        return 0
    levels = np.empty(count)
    for t in range(count):
        level = values[begin + t]
        if begin > 0:
            one, two, three = values[t], values[t + season_length], values[t + 2 * season_length]
            level -= max(min(one, two), min(max(one, two), three))
        levels[t] = level
    first, largest, found = max(count - 1 - len(ago), 1), 0.0, 0
    for t in range(first):
        largest = max(largest, abs(levels[t + 1] - levels[t]))
    for t in range(first, count - 1):
        step = abs(levels[t + 1] - levels[t])
        if step > ratio * largest:
            ago[found] = count - 1 - t
            found += 1
        largest = max(largest, step)
    return found


@inlined
def _fill_forward(values: Array) -> int:
    """Fill gaps of (N,) with the value before them, or after them at the start; return how many values are known."""
    bits, known = values.view(np.int64), 0
    for t in range(len(values)):
        if bits[t] & _EXPONENT != _EXPONENT:
            for row in range(0 if known == 0 else t, t):
                values[row] = values[t]
            known += 1
        elif known > 0:
            values[t] = values[t - 1]
    return known
