"""Recurrent layers over whole sequences, forward and backward; the arrays are those of `cells`, time first.

Only the product with the last state is computed step by step; those with the inputs, and the gradients of weights, are
one product for the whole sequence.
"""

from __future__ import annotations

from typing import Any

from service.forecasting.compilation import inlined, part, runtime
from service.forecasting.networks.kernels.cells import (
    GRU,
    LSTM,
    gru_back,
    gru_step,
    lstm_back,
    lstm_step,
    rnn_back,
    rnn_step,
)
from service.forecasting.networks.kernels.packing import blocks_of, pack_transposed, unpack_rows
from service.forecasting.networks.kernels.products import add_outer, add_rows, affine
from service.forecasting.networks.kernels.tiles import (
    LANES,
    advanced,
    four_rows,
    load,
    one_row,
    pointer,
    store,
)

Pointer = Any
Array = Any
Tile = Any


@inlined
def _step(
    like: Tile, cell: int, here: int, rows: int, block: int, units: int, size: int,
    packed: Pointer, w: int, bias: int, hidden: Pointer, memory: Pointer, gates: Pointer, seen: Pointer,
) -> None:  # fmt: skip
    if cell == GRU:
        gru_step(like, here, rows, block, units, size, gates, packed, w, bias + block * LANES, hidden, seen)
    elif cell == LSTM:
        lstm_step(like, here, rows, block, units, size, gates, packed, w, hidden, memory, seen)
    else:
        rnn_step(like, here, rows, block, units, size, gates, packed, w, hidden)


@part
def layer_forward(
    cell: int, first: int, steps: int, rows: int, inputs: int, size: int, gate_count: int,
    x: Pointer, stride: int, packed: Pointer,
    hidden: Pointer, memory: Pointer, gates: Pointer, seen: Pointer,
) -> None:  # fmt: skip
    """Run one layer from step ``first`` on.

    x: (steps, B, inputs), rows ``stride`` apart. packed: the layer's weights. hidden, memory: contain the state before
    ``first``, receive those after it. gates, seen: kept for the backward pass.
    """
    four, one = four_rows(hidden), one_row(hidden)
    blocks = blocks_of(size)
    units = blocks * LANES
    width = gate_count * units
    w = inputs * width
    bias = w + size * width
    affine(
        x, stride, steps * rows, inputs, packed, blocks, gate_count, advanced(packed, bias),
        advanced(gates, first * rows * width), runtime(False),
    )  # fmt: skip
    bias += width
    for t in range(first, first + steps):
        for block in range(blocks):
            here, last = t * rows, (t + 1) * rows
            while here + 4 <= last:
                _step(four, cell, here, rows, block, units, size, packed, w, bias, hidden, memory, gates, seen)
                here += 4
            while here < last:
                _step(one, cell, here, rows, block, units, size, packed, w, bias, hidden, memory, gates, seen)
                here += 1


@inlined
def _back(
    like: Tile, cell: int, here: int, row: int, rows: int, block: int, units: int, passes: bool,
    hidden: Pointer, memory: Pointer, gates: Pointer, seen: Pointer,
    d_hidden: Pointer, d_memory: Pointer, d_back: Pointer,
) -> None:  # fmt: skip
    if cell == GRU:
        past = gru_back(like, here, block, units, d_hidden, gates, seen, hidden, d_back)
        if passes:
            before = (here - rows) * units + block * LANES
            store(load(like, d_hidden, before, units) + past, d_hidden, before, units)
    elif cell == LSTM:
        lstm_back(like, here, row, block, units, d_hidden, d_memory, gates, seen, memory)
    else:
        rnn_back(like, here, rows, block, units, d_hidden, hidden, gates)


@part
def layer_gates_back(
    cell: int, steps: int, rows: int, size: int, gate_count: int, transposed: Pointer, vectors: int,
    hidden: Pointer, memory: Pointer, gates: Pointer, seen: Pointer,
    d_hidden: Pointer, d_memory: Pointer, d_back: Pointer, truncate: int,
) -> None:  # fmt: skip
    """Backpropagate through the steps: the gradients of the gates replace the gates.

    transposed: the weights of the state. d_hidden: (T, B, P), in: of the layer's outputs, out: of its states.
    d_memory: (B, P), zeros. truncate: the state is detached every so many steps, counted back from the end; 0: never.
    """
    four, one = four_rows(hidden), one_row(hidden)
    blocks = blocks_of(size)
    units = blocks * LANES
    width = gate_count * units
    for t in range(steps - 1, -1, -1):
        passes = t > 0 and not (truncate > 0 and (steps - t) % truncate == 0)
        for block in range(blocks):
            row = runtime(0)
            while row + 4 <= rows:
                _back(
                    four, cell, t * rows + row, row, rows, block, units, passes,
                    hidden, memory, gates, seen, d_hidden, d_memory, d_back,
                )  # fmt: skip
                row += 4
            while row < rows:
                _back(
                    one, cell, t * rows + row, row, rows, block, units, passes,
                    hidden, memory, gates, seen, d_hidden, d_memory, d_back,
                )  # fmt: skip
                row += 1
        if passes:
            affine(
                advanced(d_back if cell == GRU else gates, t * rows * width), width, rows, width,
                transposed, blocks // vectors, vectors, transposed, advanced(d_hidden, (t - 1) * rows * units),
                runtime(True),
            )  # fmt: skip
        elif cell == LSTM:
            for n in range(rows * units):
                d_memory[n] = 0


@part
def layer_weights_back(
    cell: int, steps: int, rows: int, inputs: int, size: int, gate_count: int,
    x: Pointer, stride: int, hidden: Pointer, gates: Pointer, d_back: Pointer,
    sums: Array, gradient: Array, offset: int,
) -> None:  # fmt: skip
    """Add the gradients of one layer's flat weights, from those of its gates; sums: workspace for the packed ones."""
    units = blocks_of(size) * LANES
    width, count = gate_count * units, steps * rows
    from_state = d_back if cell == GRU else gates
    sums[: (inputs + size + 2) * width] = 0
    into = pointer(sums, 0)
    add_outer(x, stride, inputs, gates, width, count, into)
    add_outer(hidden, units, size, from_state, width, count, advanced(into, inputs * width))
    add_rows(gates, width, count, advanced(into, (inputs + size) * width))
    if cell == GRU:
        add_rows(d_back, width, count, advanced(into, (inputs + size + 1) * width))
    else:
        for n in range(width):
            sums[(inputs + size + 1) * width + n] = sums[(inputs + size) * width + n]
    unpack_rows(sums, inputs + size + 2, size, gate_count, gradient, offset)


@part
def layer_backward(
    cell: int, steps: int, rows: int, inputs: int, size: int, gate_count: int,
    x: Pointer, stride: int, flat: Array, offset: int, transposed: Array,
    hidden: Pointer, memory: Pointer, gates: Pointer, seen: Pointer,
    d_hidden: Pointer, d_memory: Pointer, d_back: Pointer, d_x: Array, truncate: int, sums: Array, gradient: Array,
) -> None:  # fmt: skip
    """Add one layer's gradients to ``gradient``, which is laid out as the flat weights; see `layer_forward`.

    d_hidden: (T, B, P), in: of the layer's outputs, overwritten. d_x: (T, B, padded inputs), out, or empty where it is
    not needed. transposed, sums, d_memory (zeros), d_back: workspace.
    """
    width = gate_count * size
    blocks, below = blocks_of(size), blocks_of(inputs)
    vectors = 2 - blocks % 2
    pack_transposed(flat, offset + inputs * width, size, size, gate_count, vectors, transposed)
    layer_gates_back(
        cell, steps, rows, size, gate_count, pointer(transposed, 0), vectors,
        hidden, memory, gates, seen, d_hidden, d_memory, d_back, truncate,
    )  # fmt: skip
    layer_weights_back(
        cell, steps, rows, inputs, size, gate_count, x, stride, hidden, gates, d_back, sums, gradient, offset
    )
    if len(d_x) > 0:
        vectors = 2 - below % 2
        pack_transposed(flat, offset, inputs, size, gate_count, vectors, transposed)
        inner = gate_count * blocks * LANES
        d_x[: steps * rows * below * LANES] = 0
        affine(
            gates, inner, steps * rows, inner, pointer(transposed, 0), below // vectors, vectors,
            pointer(transposed, 0), pointer(d_x, 0), runtime(True),
        )  # fmt: skip
