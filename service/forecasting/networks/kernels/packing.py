"""Packing of weights for the matrix products: complete tiles, padded with zeros, each panel contiguous.

Flat, as in models: for each layer, the weights of the input (C or H, G), of the last hidden state (H, G), and a bias
(G,) for each of them, one gate after another; then the head (H, K C) and (K C,). Packed: a block is 16 units with all
their gates, contiguous: (blocks, C or H, gates 16). Units that pad a block have no weights: their states and gradients
stay 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from service.forecasting.compilation import inlined, part, runtime
from service.forecasting.networks.kernels.cells import GRU
from service.forecasting.networks.kernels.tiles import LANES, load, one_row, pointer, store

Array = Any


@inlined
def blocks_of(size: int) -> int:
    """Return the number of tiles that hold so many numbers."""
    return (size + LANES - 1) // LANES


@part
def aligned(count: int, like: Array) -> Array:
    """Return an uninitialised array of so many numbers that starts at a cache line."""
    buffer = np.empty(count + LANES, like.dtype)
    past = (buffer.ctypes.data // buffer.itemsize) % LANES
    start = (LANES - past) % LANES
    return buffer[start : start + count]


@inlined
def layer_size(inputs: int, hidden_size: int, gates: int) -> int:
    """Return the number of weights of one layer; gates: G."""
    return (inputs + hidden_size + 2) * gates


@inlined
def packed_size(inputs: int, hidden_size: int, gate_count: int) -> int:
    """Return the number of packed weights of one layer: two matrices, their bias, and the GRU's separate state bias."""
    units = blocks_of(hidden_size) * LANES
    return (inputs + hidden_size + 1) * units * gate_count + units


@part
def pack_matrix(flat: Array, offset: int, inner: int, size: int, gates: int, packed: Array, to: int) -> None:
    """Pack (inner, gates size) as (blocks, inner, gates 16)."""
    source, target = pointer(flat, offset), pointer(packed, to)
    one = one_row(source)
    to = 0
    for block in range(blocks_of(size)):
        count = min(LANES, size - block * LANES)
        for row in range(inner * gates):
            place = row * size + block * LANES
            if count == LANES:
                store(load(one, source, place, 0), target, to, 0)
            else:
                store(one, target, to, 0)
                for lane in range(count):
                    target[to + lane] = source[place + lane]
            to += LANES


@part
def unpack_rows(rows: Array, inner: int, size: int, gates: int, flat: Array, offset: int) -> None:
    """Add (inner, blocks gates 16), the gradient of a packed matrix, to (inner, gates size)."""
    place = 0
    for k in range(inner):
        for block in range(blocks_of(size)):
            count = min(LANES, size - block * LANES)
            for gate in range(gates):
                target = offset + (k * gates + gate) * size + block * LANES
                for lane in range(count):
                    flat[target + lane] += rows[place + lane]
                place += LANES


@part
def pack_transposed(
    flat: Array, offset: int, inner: int, size: int, gates: int, vectors: int, transposed: Array
) -> None:
    """Pack the transpose of (inner, gates size), for the backward pass, as (panels, blocks gates 16, vectors 16)."""
    width = vectors * LANES
    transposed[: blocks_of(inner) * blocks_of(size) * gates * LANES * LANES] = 0
    to = 0
    for panel in range(blocks_of(inner) // vectors):
        count = min(width, inner - panel * width)
        for block in range(blocks_of(size)):
            for gate in range(gates):
                source = offset + gate * size + block * LANES
                for lane in range(min(LANES, size - block * LANES)):
                    for n in range(count):
                        transposed[to + lane * width + n] = flat[source + lane + (panel * width + n) * gates * size]
                to += LANES * width


@part
def pack_head(flat: Array, offset: int, size: int, outputs: int, packed: Array, to: int) -> None:
    """Pack (size, outputs) and (outputs,) as (panels, size, 16) and (panels 16,)."""
    gates, once = runtime(1), runtime(1)
    pack_matrix(flat, offset, size, outputs, gates, packed, to)
    pack_matrix(flat, offset + size * outputs, once, outputs, gates, packed, to + size * blocks_of(outputs) * LANES)


@part
def pack_layer(cell: int, flat: Array, offset: int, inputs: int, size: int, width: int, packed: Array, to: int) -> None:
    """Pack one layer; width: G.

    Both biases are added up, except for the GRU's new gate, whose state term is scaled before it is added.
    """
    gates, units = width // size, blocks_of(size) * LANES
    pack_matrix(flat, offset, inputs, size, gates, packed, to)
    pack_matrix(flat, offset + inputs * width, size, size, gates, packed, to + inputs * gates * units)
    offset += (inputs + size) * width
    to += (inputs + size) * gates * units
    packed[to : to + (gates + 1) * units] = 0
    for block in range(blocks_of(size)):
        for gate in range(gates):
            for lane in range(min(LANES, size - block * LANES)):
                place = gate * size + block * LANES + lane
                here = to + (block * gates + gate) * LANES + lane
                packed[here] = flat[offset + place]
                if cell == GRU and gate == 2:
                    packed[to + gates * units + block * LANES + lane] = flat[offset + width + place]
                else:
                    packed[here] += flat[offset + width + place]
