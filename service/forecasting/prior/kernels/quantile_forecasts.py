"""Forecasts of the prior: quantiles of each step ahead, from many origins of many series in one call.

The state runs on over the future steps, whose inputs know season and earlier seasons but no value, and each of them
gives its quantiles: nothing that was forecast is read again.

Legend: N origins, H horizon, Q quantiles, T steps read and steps ahead, B origins computed together, C inputs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from service.forecasting.compilation import compiled, inlined, part, runtime
from service.forecasting.networks.kernels.packing import aligned, blocks_of, packed_size
from service.forecasting.networks.kernels.products import affine
from service.forecasting.networks.kernels.sequence import layer_forward
from service.forecasting.networks.kernels.tiles import LANES, advanced, pointer
from service.forecasting.prior.kernels.inputs import INPUTS, write_inputs

Array = Any
Pointer = Any

_TOGETHER = 8
# Logarithms are read where no value is below this share of the mean, and there are so many values, unless a straight
# line leaves so small a share of the squared errors of an exponential curve.
_SMALLEST_SHARE, _LEAST_LOGARITHMS, _CLEARLY_LESS = 0.02, 8, 0.1
_LARGEST_LOGARITHM = 600.0
# Of values that come closer to 0, as counts by the hour, roots are read: their noise grows with their level. Where more
# than this share are 0, it is demand, which is forecast by the mean of the values themselves.
_MOST_ZEROS = 0.2
_VALUES, _LOGARITHMS, _ROOTS = range(3)
_REACH, _REACH_PER_STEP = 3, 2


@compiled
def prior_quantiles(
    cell: int, packed: Array, size: int, gate_count: int, quantiles: int, values: Array, firsts: Array, origins: Array,
    m: int, long: int, context: int, read: int, most_ahead: int, out: Array,
) -> None:  # fmt: skip
    """Write the quantiles of each step ahead into (N, H, Q), in the units of the values, in ascending order.

    packed: a network of one layer, see `packed_networks`. values: (row,), of all series without gaps, concatenated.
    firsts, origins: (N,), the first row of an origin's series and its last known row. m, long, context, read: see
    `recipe.Seasonality`. Beyond ``most_ahead`` steps, the last season is repeated and quantiles spread with the square
    root of the step.
    """
    horizon = min(out.shape[1], most_ahead)
    units, columns = blocks_of(size) * LANES, blocks_of(quantiles) * LANES
    most = read + horizon
    inputs = np.empty((most, _TOGETHER, INPUTS), np.float32)
    around, scale, sizes = np.empty((_TOGETHER, horizon)), np.empty(_TOGETHER), np.empty(_TOGETHER)
    kinds = np.empty(_TOGETHER, np.int64)
    memory = aligned(_TOGETHER * ((most + 1) * units * 2 + most * units * (gate_count + 1) + horizon * columns), packed)
    n = 0
    while n < len(origins):
        steps = min(read, origins[n] - firsts[n] + 1)
        count = 1
        while (
            count < _TOGETHER and n + count < len(origins)
            and min(read, origins[n + count] - firsts[n + count] + 1) == steps
        ):  # fmt: skip
            count += 1
        batch = inputs.reshape(-1)[: (steps + horizon) * count * INPUTS].reshape(steps + horizon, count, INPUTS)
        for b in range(count):
            first, end = max(firsts[n + b], origins[n + b] + 1 - context), origins[n + b] + 1
            series = values[first:end].copy()
            is_constant = series.min() == series.max()
            kinds[b] = _VALUES if is_constant else _kind_read(series)
            # In units of their mean size: what the inputs add to a unit is not in proportion to the values.
            sizes[b] = 1.0 if is_constant or kinds[b] == _LOGARITHMS else np.abs(series).mean()
            series /= sizes[b]
            _transform(series, kinds[b])
            scale[b], _ = write_inputs(series, m, long, horizon, steps, b, batch, around[b])
            if is_constant:
                scale[b] = 0.0
        forecasts = _run(cell, packed, size, gate_count, columns, batch, horizon, memory)
        for b in range(count):
            _write(forecasts, b, count, columns, quantiles, around[b], scale[b], kinds[b], out[n + b])
            out[n + b, :horizon] *= sizes[b]
            _repeat(out[n + b], horizon, max(m, long))
            _clip(values[max(firsts[n + b], origins[n + b] + 1 - context) : origins[n + b] + 1], out[n + b])
        n += count


@part
def _kind_read(series: Array) -> int:
    """Return whether the values are read, their logarithms or their roots.

    A straight line is read as it is: from near 0, its logarithms would be taken for growth that slows down.
    """
    n, smallest, mean = len(series), series.min(), series.mean()
    if smallest < 0 or mean <= 0 or n < _LEAST_LOGARITHMS:
        return _VALUES
    kind = _LOGARITHMS if smallest > _SMALLEST_SHARE * mean else _ROOTS
    if kind == _ROOTS and (series == 0).mean() > _MOST_ZEROS:
        return _VALUES
    # In the same unit, as in the likelihood of Box & Cox (1964).
    curved, unit = np.empty(n), 4.0
    for t in range(n):
        curved[t] = math.log(series[t] / mean) if kind == _LOGARITHMS else math.sqrt(series[t] / mean)
    if kind == _LOGARITHMS:
        unit = math.exp(2 * curved.mean())
    if _squared_errors_of_line(series / mean) < _CLEARLY_LESS * _squared_errors_of_line(curved) * unit:
        return _VALUES
    return kind


@part
def _transform(series: Array, kind: int) -> None:
    """Take logarithms or roots, in place."""
    for t in range(len(series)):
        if kind == _LOGARITHMS:
            series[t] = math.log(series[t])
        elif kind == _ROOTS:
            series[t] = math.sqrt(series[t])


@part
def _squared_errors_of_line(values: Array) -> float:
    """Return the sum of the squared errors of the straight line that fits the values best."""
    n = len(values)
    middle, mean, spread, products, squares = (n - 1) / 2, values.mean(), 0.0, 0.0, 0.0
    for t in range(n):
        spread += (t - middle) ** 2
        products += (t - middle) * (values[t] - mean)
    for t in range(n):
        squares += (values[t] - mean - products / spread * (t - middle)) ** 2
    return squares


@inlined
def _run(
    cell: int, packed: Array, size: int, gate_count: int, columns: int, inputs: Array, horizon: int, memory: Array
) -> Pointer:
    """Run the network over (T, B, C); return the outputs of the steps ahead (H B, padded quantiles)."""
    steps, rows, channels = inputs.shape
    units = blocks_of(size) * LANES
    states = (steps + 1) * rows * units
    hidden = pointer(memory, 0)
    carried = advanced(hidden, states)
    gates = advanced(carried, states)
    seen = advanced(gates, steps * rows * units * gate_count)
    out = advanced(seen, steps * rows * units)
    for k in range(rows * units):
        hidden[k] = 0
        carried[k] = 0
    layer_forward(
        cell, runtime(0), steps, rows, channels, size, gate_count, pointer(inputs.reshape(-1), 0), channels,
        pointer(packed, 0), hidden, carried, gates, seen,
    )  # fmt: skip
    head = packed_size(channels, size, gate_count)
    affine(
        advanced(hidden, (steps - horizon + 1) * rows * units), units, horizon * rows, size, pointer(packed, head),
        columns // LANES, runtime(1), pointer(packed, head + size * columns), out, runtime(False),
    )  # fmt: skip
    return out


@inlined
def _write(
    forecasts: Pointer, b: int, rows: int, columns: int, quantiles: int, around: Array, scale: float,
    kind: int, out: Array,
) -> None:  # fmt: skip
    """Write the sorted quantiles of one origin in the units of the values."""
    for step in range(len(around)):
        place = (step * rows + b) * columns
        for q in range(quantiles):
            value = around[step] + scale * forecasts[place + q]
            if kind == _LOGARITHMS:
                value = math.exp(min(max(value, -_LARGEST_LOGARITHM), _LARGEST_LOGARITHM))
            elif kind == _ROOTS:
                value = max(value, 0.0) ** 2
            k = q
            while k > 0 and out[step, k - 1] > value:
                out[step, k] = out[step, k - 1]
                k -= 1
            out[step, k] = value


@part
def _repeat(out: Array, known: int, period: int) -> None:
    """Fill the steps from ``known`` on with the last period, spread with the square root of the step."""
    middle = out.shape[1] // 2
    for step in range(known, out.shape[0]):
        source = known - period + (step - known) % period if period <= known else known - 1
        spread = math.sqrt((step + 1.0) / (source + 1.0))
        for q in range(out.shape[1]):
            out[step, q] = out[source, middle] + spread * (out[source, q] - out[source, middle])


@part
def _clip(values: Array, out: Array) -> None:
    """Clip (H, Q) to what a straight line through the largest value could reach, as forecasts of methods are."""
    largest = 0.0
    for t in range(len(values)):
        largest = max(largest, abs(values[t]))
    for step in range(out.shape[0]):
        reach = largest * (_REACH + _REACH_PER_STEP * (step + 1))
        for q in range(out.shape[1]):
            out[step, q] = min(max(out[step, q], -reach), reach)
