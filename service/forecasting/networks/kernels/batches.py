"""One batch through the network and back: layers, dropout, head, loss."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from service.forecasting.compilation import compiled, inlined
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
from service.forecasting.networks.kernels.tiles import LANES, beyond, pointer, runtime

Array = Any
Pointer = Any


class Room(NamedTuple):
    """What one batch needs, allocated once: all flat, rows filled up, layers apart where there is an L.

    The arrays are those of `cells`; drawn, passed: (L, T B P), what dropout scales with and lets through; packed,
    turned, sums: weights as products read them; out, d_out: (S B, K C), filled up and not.
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
    turned: Array
    sums: Array
    out: Array
    d_out: Array


@compiled
def room_for(
    cell: int, flat: Array, layers: int, size: int, width: int, channels: int, outputs: int, steps: int, rows: int,
    scored: int, dropout: float, backward: bool,
) -> Room:  # fmt: skip
    """Allocate for batches of up to so many rows."""
    units, head = blocks_of(size) * LANES, blocks_of(outputs) * LANES
    wide, count = units * (width // size), steps * rows
    most = max(channels, size)
    back = 1 if backward else 0
    return Room(
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


@compiled
def loss_and_gradient(
    cell: int, flat: Array, gradient: Array, layers: int, size: int, width: int,
    inputs: Array, targets: Array, known: Array, loss: int, truncate: int, dropout: float, backward: bool,
) -> float:  # fmt: skip
    """Return the loss of a batch and, where ``backward``, add its gradient.

    inputs: (T, B, C); targets, known: (S B, K C), after the last S steps. Dropout scales what it keeps.
    """
    steps, rows, channels = inputs.shape
    room = room_for(
        cell, flat, layers, size, width, channels, targets.shape[1], steps, rows, len(targets) // rows, dropout,
        backward,
    )  # fmt: skip
    return batch_loss(
        cell, flat, gradient, layers, size, width, inputs, targets, known, loss, truncate, dropout, backward, room
    )


@compiled
def batch_loss(
    cell: int, flat: Array, gradient: Array, layers: int, size: int, width: int,
    inputs: Array, targets: Array, known: Array, loss: int, truncate: int, dropout: float, backward: bool, room: Room,
) -> float:  # fmt: skip
    """Do as `loss_and_gradient` does, in room allocated before."""
    steps, rows, _ = inputs.shape
    outputs, scored = targets.shape[1], len(targets) // rows
    offset = _layers_forward(cell, flat, layers, size, width, inputs, dropout, room)
    units = blocks_of(size) * LANES
    last = beyond(_layer_input(layers, inputs, units, dropout, room), (steps - scored) * rows * units)
    forecasts = _head_forward(flat, offset, size, outputs, scored * rows, last, units, room)
    total = weighted_loss(loss, forecasts, targets, known)
    if backward:
        _head_backward(flat, gradient, offset, size, outputs, steps * rows, last, units, forecasts, room)
        _layers_backward(cell, flat, gradient, offset, layers, size, width, inputs, truncate, dropout, room)
    return total


@inlined
def _layer_input(layer: int, inputs: Array, units: int, dropout: float, room: Room) -> Pointer:
    """What a layer reads: the series, or what the layer below lets through."""
    if layer == 0:
        return pointer(inputs.reshape(-1), 0)
    if dropout > 0:
        return pointer(room.passed[layer - 1], 0)
    return pointer(room.hidden[layer - 1], inputs.shape[1] * units)


@inlined
def _layers_forward(
    cell: int, flat: Array, layers: int, size: int, width: int, inputs: Array, dropout: float, room: Room
) -> int:
    """Run all layers; return the offset of the head's weights."""
    steps, rows, channels = inputs.shape
    units = blocks_of(size) * LANES
    offset: int = runtime(0)
    for layer in range(layers):
        count = channels if layer == 0 else size
        x = _layer_input(layer, inputs, units, dropout, room)
        room.hidden[layer, : rows * units] = 0
        room.memory[layer, : rows * units] = 0
        pack_layer(cell, flat, offset, count, size, width, room.packed, runtime(0))
        layer_forward(
            cell, runtime(0), steps, rows, count, size, width // size, x, channels if layer == 0 else units,
            pointer(room.packed, 0), pointer(room.hidden[layer], 0), pointer(room.memory[layer], 0),
            pointer(room.gates[layer], 0), pointer(room.seen[layer], 0),
        )  # fmt: skip
        if dropout > 0:
            _drop(
                room.hidden[layer, rows * units :], steps * rows, size, units, dropout,
                room.drawn[layer], room.passed[layer],
            )  # fmt: skip
        offset += layer_size(count, size, width)
    return offset


@inlined
def _head_forward(
    flat: Array, offset: int, size: int, outputs: int, rows: int, last: Pointer, units: int, room: Room
) -> Array:
    """Return (S B, K C)."""
    columns, out = blocks_of(outputs) * LANES, room.out
    pack_head(flat, offset, size, outputs, room.packed, runtime(0))
    affine(
        last, units, rows, size, pointer(room.packed, 0), columns // LANES, runtime(1),
        pointer(room.packed, size * columns), pointer(out, 0), runtime(False),
    )  # fmt: skip
    forecasts = room.d_out[: rows * outputs]
    for row in range(rows):
        for n in range(outputs):
            forecasts[row * outputs + n] = out[row * columns + n]
    return forecasts.reshape(rows, outputs)


@inlined
def _head_backward(
    flat: Array, gradient: Array, offset: int, size: int, outputs: int, count: int,
    last: Pointer, units: int, d_forecasts: Array, room: Room,
) -> None:  # fmt: skip
    """Add the head's gradient, and set that of what it read; count: T B."""
    rows, d_out, sums, d_hidden = len(d_forecasts), d_forecasts.reshape(-1), room.sums, room.d_hidden[0]
    sums[: outputs * units] = 0
    add_outer(pointer(d_out, 0), outputs, outputs, last, units, rows, pointer(sums, 0))
    for n in range(outputs):
        for k in range(size):
            gradient[offset + k * outputs + n] += sums[n * units + k]
    bias = offset + size * outputs
    for row in range(rows):
        for n in range(outputs):
            gradient[bias + n] += d_out[row * outputs + n]
    room.turned[: outputs * units] = 0
    for k in range(size):
        for n in range(outputs):
            room.turned[((k // LANES) * outputs + n) * LANES + k % LANES] = flat[offset + k * outputs + n]
    d_hidden[: count * units] = 0
    affine(
        pointer(d_out, 0), outputs, rows, outputs, pointer(room.turned, 0), units // LANES, runtime(1),
        pointer(sums, 0), pointer(d_hidden, (count - rows) * units), runtime(True),
    )  # fmt: skip


@inlined
def _layers_backward(
    cell: int, flat: Array, gradient: Array, offset: int, layers: int, size: int, width: int,
    inputs: Array, truncate: int, dropout: float, room: Room,
) -> None:  # fmt: skip
    steps, rows, channels = inputs.shape
    units = blocks_of(size) * LANES
    for layer in range(layers - 1, -1, -1):
        count = channels if layer == 0 else size
        offset -= layer_size(count, size, width)
        here = (layers - 1 - layer) % 2
        d_hidden, d_below = room.d_hidden[here], room.d_hidden[1 - here]
        if dropout > 0:
            _undrop(d_hidden, steps * rows, size, units, room.drawn[layer])
        x = _layer_input(layer, inputs, units, dropout, room)
        room.d_memory[:] = 0
        layer_backward(
            cell, steps, rows, count, size, width // size, x, channels if layer == 0 else units,
            flat, offset, room.turned, pointer(room.hidden[layer], 0), pointer(room.memory[layer], 0),
            pointer(room.gates[layer], 0), pointer(room.seen[layer], 0), pointer(d_hidden, 0),
            pointer(room.d_memory, 0), pointer(room.d_back, 0), d_below[:0] if layer == 0 else d_below,
            truncate, room.sums, gradient,
        )  # fmt: skip


@compiled
def _drop(values: Array, rows: int, size: int, units: int, dropout: float, drawn: Array, passed: Array) -> None:
    for row in range(rows):
        for n in range(row * units, row * units + size):
            drawn[n] = 0 if np.random.random() < dropout else 1 / (1 - dropout)
            passed[n] = values[n] * drawn[n]


@compiled
def _undrop(gradient: Array, rows: int, size: int, units: int, drawn: Array) -> None:
    for row in range(rows):
        for n in range(row * units, row * units + size):
            gradient[n] *= drawn[n]
