"""Forward and backward pass of one batch: layers, dropout, head, loss."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from service.forecasting.compilation import inlined, part, runtime
from service.forecasting.networks.kernels.cells import GRU
from service.forecasting.networks.kernels.losses import weighted_loss
from service.forecasting.networks.kernels.packing import (
    aligned,
    blocks_of,
    layer_size,
    pack_head,
    pack_layer,
    packed_size,
)
from service.forecasting.networks.kernels.products import add_outer, affine
from service.forecasting.networks.kernels.sequence import layer_backward, layer_forward
from service.forecasting.networks.kernels.tiles import LANES, advanced, pointer

Array = Any
Pointer = Any


class Workspace(NamedTuple):
    """The arrays of one batch, allocated once: flat, with padded rows; by layer where there is an L.

    The arrays are those of `cells`. drawn, passed: (L, T B P), the factors of dropout and its outputs. packed,
    transposed, sums: packed weights and their gradients. out, d_out: (S B, K C), padded and not.
    """

    hidden: Array
    memory: Array
    gates: Array
    seen: Array
    drawn: Array
    passed: Array
    d_hidden: Array
    d_back: Array
    d_memory: Array
    packed: Array
    transposed: Array
    sums: Array
    out: Array
    d_out: Array


@part
def allocate_workspace(
    cell: int, flat: Array, layers: int, size: int, width: int, channels: int, outputs: int, steps: int, rows: int,
    scored: int, dropout: float, backward: bool,
) -> Workspace:  # fmt: skip
    """Allocate the workspace of batches of up to so many rows."""
    units, head = blocks_of(size) * LANES, blocks_of(outputs) * LANES
    wide, count = units * (width // size), steps * rows
    most = max(channels, size)
    back = 1 if backward else 0
    return Workspace(
        aligned(layers * (count + rows) * units, flat).reshape(layers, (count + rows) * units),
        aligned(layers * (count + rows) * units, flat).reshape(layers, (count + rows) * units),
        aligned(layers * count * wide, flat).reshape(layers, count * wide),
        aligned(layers * count * units, flat).reshape(layers, count * units),
        aligned(layers * count * units if dropout > 0 else 0, flat).reshape(
            layers, (count * units if dropout > 0 else 0)
        ),
        aligned(layers * count * units if dropout > 0 else 0, flat).reshape(
            layers, (count * units if dropout > 0 else 0)
        ),
        aligned(2 * back * count * units, flat).reshape(2, back * count * units),
        aligned(back * count * wide if cell == GRU else 0, flat),
        aligned(back * rows * units, flat),
        aligned(max(packed_size(most, size, width // size), (size + 1) * head), flat),
        aligned(back * max(wide * units, outputs * units), flat),
        aligned(back * max((most + size + 2) * wide, outputs * units), flat),
        aligned(scored * rows * head, flat),
        aligned(scored * rows * outputs, flat),
    )


@part
def batch_loss(
    cell: int, flat: Array, gradient: Array, layers: int, size: int, width: int,
    inputs: Array, targets: Array, known: Array, loss: int, truncate: int, dropout: float, backward: bool,
    work: Workspace,
) -> float:  # fmt: skip
    """Return the loss of a batch and, where ``backward``, add its gradient; see `training.loss_and_gradient`."""
    steps, rows, _ = inputs.shape
    outputs, scored = targets.shape[1], len(targets) // rows
    offset = _layers_forward(cell, flat, layers, size, width, inputs, dropout, work)
    units = blocks_of(size) * LANES
    last = advanced(_layer_input(layers, inputs, units, dropout, work), (steps - scored) * rows * units)
    forecasts = _head_forward(flat, offset, size, outputs, scored * rows, last, units, work)
    total = weighted_loss(loss, forecasts, targets, known)
    if backward:
        _head_backward(flat, gradient, offset, size, outputs, steps * rows, last, units, forecasts, work)
        _layers_backward(cell, flat, gradient, offset, layers, size, width, inputs, truncate, dropout, work)
    return total


@inlined
def _layer_input(layer: int, inputs: Array, units: int, dropout: float, work: Workspace) -> Pointer:
    """Return the input of a layer: the series, or the outputs of the layer below."""
    if layer == 0:
        return pointer(inputs.reshape(-1), 0)
    if dropout > 0:
        return pointer(work.passed[layer - 1], 0)
    return pointer(work.hidden[layer - 1], inputs.shape[1] * units)


@inlined
def _layers_forward(
    cell: int, flat: Array, layers: int, size: int, width: int, inputs: Array, dropout: float, work: Workspace
) -> int:
    """Run all layers; return the offset of the head's weights."""
    steps, rows, channels = inputs.shape
    units = blocks_of(size) * LANES
    offset: int = runtime(0)
    for layer in range(layers):
        count = channels if layer == 0 else size
        x = _layer_input(layer, inputs, units, dropout, work)
        work.hidden[layer, : rows * units] = 0
        work.memory[layer, : rows * units] = 0
        pack_layer(cell, flat, offset, count, size, width, work.packed, runtime(0))
        layer_forward(
            cell, runtime(0), steps, rows, count, size, width // size, x, channels if layer == 0 else units,
            pointer(work.packed, 0), pointer(work.hidden[layer], 0), pointer(work.memory[layer], 0),
            pointer(work.gates[layer], 0), pointer(work.seen[layer], 0),
        )  # fmt: skip
        if dropout > 0:
            _drop(
                work.hidden[layer, rows * units :], steps * rows, size, units, dropout,
                work.drawn[layer], work.passed[layer],
            )  # fmt: skip
        offset += layer_size(count, size, width)
    return offset


@inlined
def _head_forward(
    flat: Array, offset: int, size: int, outputs: int, rows: int, last: Pointer, units: int, work: Workspace
) -> Array:
    """Return the forecasts (S B, K C)."""
    columns, out = blocks_of(outputs) * LANES, work.out
    pack_head(flat, offset, size, outputs, work.packed, runtime(0))
    affine(
        last, units, rows, size, pointer(work.packed, 0), columns // LANES, runtime(1),
        pointer(work.packed, size * columns), pointer(out, 0), runtime(False),
    )  # fmt: skip
    forecasts = work.d_out[: rows * outputs]
    for row in range(rows):
        for n in range(outputs):
            forecasts[row * outputs + n] = out[row * columns + n]
    return forecasts.reshape(rows, outputs)


@inlined
def _head_backward(
    flat: Array, gradient: Array, offset: int, size: int, outputs: int, count: int,
    last: Pointer, units: int, d_forecasts: Array, work: Workspace,
) -> None:  # fmt: skip
    """Add the gradient of the head's weights, and set that of its inputs; count: T B."""
    rows, d_out, sums, d_hidden = len(d_forecasts), d_forecasts.reshape(-1), work.sums, work.d_hidden[0]
    sums[: outputs * units] = 0
    add_outer(pointer(d_out, 0), outputs, outputs, last, units, rows, pointer(sums, 0))
    for n in range(outputs):
        for k in range(size):
            gradient[offset + k * outputs + n] += sums[n * units + k]
    bias = offset + size * outputs
    for row in range(rows):
        for n in range(outputs):
            gradient[bias + n] += d_out[row * outputs + n]
    work.transposed[: outputs * units] = 0
    for k in range(size):
        for n in range(outputs):
            work.transposed[((k // LANES) * outputs + n) * LANES + k % LANES] = flat[offset + k * outputs + n]
    d_hidden[: count * units] = 0
    affine(
        pointer(d_out, 0), outputs, rows, outputs, pointer(work.transposed, 0), units // LANES, runtime(1),
        pointer(sums, 0), pointer(d_hidden, (count - rows) * units), runtime(True),
    )  # fmt: skip


@inlined
def _layers_backward(
    cell: int, flat: Array, gradient: Array, offset: int, layers: int, size: int, width: int,
    inputs: Array, truncate: int, dropout: float, work: Workspace,
) -> None:  # fmt: skip
    steps, rows, channels = inputs.shape
    units = blocks_of(size) * LANES
    for layer in range(layers - 1, -1, -1):
        count = channels if layer == 0 else size
        offset -= layer_size(count, size, width)
        here = (layers - 1 - layer) % 2
        d_hidden, d_below = work.d_hidden[here], work.d_hidden[1 - here]
        if dropout > 0:
            _undrop(d_hidden, steps * rows, size, units, work.drawn[layer])
        x = _layer_input(layer, inputs, units, dropout, work)
        work.d_memory[:] = 0
        layer_backward(
            cell, steps, rows, count, size, width // size, x, channels if layer == 0 else units,
            flat, offset, work.transposed, pointer(work.hidden[layer], 0), pointer(work.memory[layer], 0),
            pointer(work.gates[layer], 0), pointer(work.seen[layer], 0), pointer(d_hidden, 0),
            pointer(work.d_memory, 0), pointer(work.d_back, 0), d_below[:0] if layer == 0 else d_below,
            truncate, work.sums, gradient,
        )  # fmt: skip


@part
def _drop(values: Array, rows: int, size: int, units: int, dropout: float, drawn: Array, passed: Array) -> None:
    for row in range(rows):
        for n in range(row * units, row * units + size):
            drawn[n] = 0 if np.random.random() < dropout else 1 / (1 - dropout)
            passed[n] = values[n] * drawn[n]


@part
def _undrop(gradient: Array, rows: int, size: int, units: int, drawn: Array) -> None:
    for row in range(rows):
        for n in range(row * units, row * units + size):
            gradient[n] *= drawn[n]
