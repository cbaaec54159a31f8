"""The contexts of networks at forecast origins, and their forecasts as transformed values.

Legend: I items, N origins, B of them in a block, L context_length, C channels, T targets, H horizon.
"""

from __future__ import annotations

import math
from typing import Any

from service.forecasting.compilation import compiled, part

Array = Any


@compiled
def read_contexts(
    values: Array, known: Array, last_seen: Array, stops: Array, items: Array, rows: Array, offset: Array, scale: Array,
    logarithmic: bool, difference: bool, limit: float, contexts: Array, last: Array, farthest: Array,
) -> None:  # fmt: skip
    """Write scaled contexts (B, L, C), last transformed values (B, T) and the largest size in each context (B,).

    values, known: (row, C), of all items, concatenated; gaps are filled in ``values``, perhaps from later rows, and
    forward-filled in ``known``, which is read in a gap that is still open at the origin. last_seen: (row, C), the last
    row with a value up to each row; (0, C) if there are no gaps. stops: (I,), the row after the last one of each item.
    items, rows: (B,), the item of each origin and its row. offset, scale: (I, C). logarithmic: targets are transformed
    by logarithms. difference: networks read their changes. Sizes are clipped to the limit. Where there are fewer rows
    than a context has, the first row is repeated.
    """
    length, channels, targets = contexts.shape[1], contexts.shape[2], last.shape[1]
    for n in range(len(rows)):
        item, origin = items[n], rows[n]
        first = stops[item - 1] if item > 0 else 0
        largest = 0.0
        for channel in range(channels):
            shift, unit, is_target = offset[item, channel], scale[item, channel], channel < targets
            seen = last_seen[origin, channel] if len(last_seen) > 0 else origin
            before = 0.0
            for t in range(-1, length):
                row = max(origin + 1 - length + t, first)
                value = values[row, channel] if row <= seen else known[row, channel]
                level = _transformed(value, logarithmic and is_target)
                if t >= 0:
                    step = level - before if difference and is_target else level
                    scaled = min(max((step - shift) / unit, -limit), limit)
                    contexts[n, t, channel] = scaled
                    largest = max(largest, abs(scaled))
                before = level
        farthest[n] = largest
        for target in range(targets):
            last[n, target] = _transformed(known[origin, target], logarithmic)


@part
def _transformed(value: float, logarithmic: bool) -> float:
    return math.log(value) if logarithmic else value


@compiled
def add_network_forecasts(
    scaled: Array, origins: Array, items: Array, offset: Array, scale: Array, last: Array, constant: Array,
    weights: Array, difference: bool, total: Array,
) -> None:  # fmt: skip
    """Add scaled forecasts (B, H, C) as transformed values, weighted by (I,), to total (N, H, T).

    origins: (B,), the place of each in ``total``. items: (B,). last: (B, T), the last transformed values. constant:
    (I, T), True where the forecast is the last value. difference: forecasts are changes, which are added to it.
    """
    horizon, targets = total.shape[1:]
    for n in range(len(origins)):
        item = items[n]
        for target in range(targets):
            level = last[n, target]
            for step in range(horizon):
                if not constant[item, target]:
                    value = scaled[n, step, target] * scale[item, target] + offset[item, target]
                    level = level + value if difference else value
                total[origins[n], step, target] += weights[item] * level
