"""Rollout of networks: from contexts to forecasts in one call, without Python or allocations in a step.

Several rows are processed together, so that each loaded weight is used for all of them. A context is read layer by
layer, a block of steps at a time, so that the product with the inputs is one for the whole block.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from service.forecasting.compilation import compiled, inlined, part, runtime
from service.forecasting.networks.kernels.packing import (
    aligned,
    blocks_of,
    layer_size,
    pack_head,
    pack_layer,
    packed_size,
)
from service.forecasting.networks.kernels.products import affine
from service.forecasting.networks.kernels.sequence import layer_forward
from service.forecasting.networks.kernels.tiles import LANES, advanced, pointer

Array = Any
Pointer = Any

_BLOCK = 64
_TOGETHER = 16


class _Workspace(NamedTuple):
    """Pointers to the weights, packed layer by layer with the head last, and into one array for a block of steps.

    See `cells`. hidden, memory: (L, BLOCK + 1, B, P). gates: (BLOCK, B, Q). seen: (BLOCK, B, P). relative: (BLOCK, B,
    C), the inputs. out: (B, K C), padded. reference: (B, C), subtracted from the inputs.
    """

    packed: Pointer
    hidden: Pointer
    memory: Pointer
    gates: Pointer
    seen: Pointer
    relative: Pointer
    out: Pointer
    reference: Pointer


@inlined
def _sizes(
    layers: int, size: int, gate_count: int, channels: int, outputs: int, rows: int
) -> tuple[int, int, int, int, int, int, int, int]:
    """Return the sizes of the fields of the workspace."""
    units, columns = blocks_of(size) * LANES, blocks_of(outputs) * LANES
    weights = packed_size(channels, size, gate_count) + (layers - 1) * packed_size(size, size, gate_count)
    states = layers * (_BLOCK + 1) * rows * units
    read = _BLOCK * rows
    return (
        weights + (size + 1) * columns, states, states, read * units * gate_count, read * units,
        blocks_of(read * channels) * LANES, rows * columns, rows * channels,
    )  # fmt: skip


@inlined
def _workspace_in(
    packed: Array, at: int, memory: Array, sizes: tuple[int, int, int, int, int, int, int, int]
) -> _Workspace:
    _, b, c, d, e, f, g, _ = sizes
    p = pointer(memory, 0)
    q = advanced(p, b + c)
    r = advanced(q, d + e)
    return _Workspace(pointer(packed, at), p, advanced(p, b), q, advanced(q, d), r, advanced(r, f), advanced(r, f + g))


@inlined
def _pack(
    cell: int, flat: Array, layers: int, size: int, width: int, channels: int, outputs: int, packed: Array
) -> None:
    offset, to = runtime(0), runtime(0)
    for layer in range(layers):
        inputs = channels if layer == 0 else size
        pack_layer(cell, flat, offset, inputs, size, width, packed, to)
        offset += layer_size(inputs, size, width)
        to += packed_size(inputs, size, width // size)
    pack_head(flat, offset, size, outputs, packed, to)


@part
def _copy_states(layers: int, every: int, count: int, source: int, work: _Workspace) -> None:
    """Copy the state at ``source`` to the start of each layer; source < 0: zeros."""
    for layer in range(layers):
        first = layer * every
        for n in range(first, first + count):
            work.hidden[n] = work.hidden[n + source] if source >= 0 else 0
            work.memory[n] = work.memory[n + source] if source >= 0 else 0


@inlined
def _read(
    cell: int, layers: int, size: int, gate_count: int, channels: int, rows: int, total: int,
    steps: Pointer, begin: int, end: int, at: int, work: _Workspace,
) -> int:  # fmt: skip
    """Read steps (B, total, C) from begin to end, from the state at ``at``; return the position of the last state."""
    units = blocks_of(size) * LANES
    every = (_BLOCK + 1) * rows * units
    while begin < end:
        if at == _BLOCK:
            _copy_states(layers, every, rows * units, at * rows * units, work)
            at = runtime(0)
        count = min(end - begin, _BLOCK - at)
        for row in range(rows):
            for t in range(count):
                for c in range(channels):
                    value = steps[(row * total + begin + t) * channels + c] - work.reference[row * channels + c]
                    work.relative[(t * rows + row) * channels + c] = value
        packed = work.packed
        for layer in range(layers):
            inputs = channels if layer == 0 else size
            below = advanced(work.hidden, (layer - 1) * every + (at + 1) * rows * units)
            layer_forward(
                cell, at, count, rows, inputs, size, gate_count, work.relative if layer == 0 else below,
                channels if layer == 0 else units, packed, advanced(work.hidden, layer * every),
                advanced(work.memory, layer * every), work.gates, work.seen,
            )  # fmt: skip
            packed = advanced(packed, packed_size(inputs, size, gate_count))
        at += count
        begin += count
    return at


@part
def _emit(
    chunk: int, channels: int, rows: int, total: int, steps: Pointer, known: int, centred: bool, out: Pointer
) -> None:
    """Write a chunk after the known steps; out: (B, K C), padded."""
    columns = blocks_of(chunk * channels) * LANES
    for row in range(rows):
        last = (row * total + known - 1) * channels
        for k in range(min(chunk, total - known)):
            for c in range(channels):
                place = k * channels + c
                base = steps[last + c] if centred else 0
                steps[last + channels + place] = out[row * columns + place] + base


@inlined
def _roll(
    cell: int, layers: int, size: int, gate_count: int, chunk: int, channels: int, rows: int, total: int,
    steps: Pointer, context_length: int, slide: bool, centred: bool, head: int, work: _Workspace,
) -> None:  # fmt: skip
    """Fill steps (B, total, C) after the context; head: the offset of its packed weights."""
    units, columns = blocks_of(size) * LANES, blocks_of(chunk * channels) * LANES
    every = (_BLOCK + 1) * rows * units
    for n in range(rows * channels):
        work.reference[n] = 0
    head_weights, head_bias = advanced(work.packed, head), advanced(work.packed, head + size * columns)
    read, known, at = 0, context_length, runtime(0)
    while known < total:
        if slide or known == context_length:
            read, at = known - context_length, runtime(0)
            _copy_states(layers, every, rows * units, runtime(-1), work)
            if centred:
                for row in range(rows):
                    for c in range(channels):
                        work.reference[row * channels + c] = steps[(row * total + known - 1) * channels + c]
        at = _read(cell, layers, size, gate_count, channels, rows, total, steps, read, known, at, work)
        read = known
        last = advanced(work.hidden, (layers - 1) * every + at * rows * units)
        affine(last, units, rows, size, head_weights, columns // LANES, runtime(1), head_bias, work.out, runtime(False))
        _emit(chunk, channels, rows, total, steps, known, centred, work.out)
        known += chunk


@part
def _roll_all(
    cell: int, packed: Array, at: int, layers: int, size: int, width: int, chunk: int, channels: int, rows: int,
    total: int, steps: Array, context_length: int, slide: bool, centred: bool, memory: Array,
    sizes: tuple[int, int, int, int, int, int, int, int],
) -> None:  # fmt: skip
    head = sizes[0] - (size + 1) * blocks_of(chunk * channels) * LANES
    work = _workspace_in(packed, at, memory, sizes)
    for row in range(0, rows, _TOGETHER):
        _roll(
            cell, layers, size, width // size, chunk, channels, min(rows - row, _TOGETHER), total,
            pointer(steps, row * total * channels), context_length, slide, centred, head, work,
        )  # fmt: skip


@compiled
def packed_networks(cell: int, flat: Array, layers: int, size: int, width: int, outputs: int, channels: int) -> Array:
    """Return the packed weights of networks of one shape, one after another.

    flat: (N, W), all weights, those of the head (H, K C) and (K C,) last.
    """
    each = _sizes(layers, size, width // size, channels, outputs, runtime(1))[0]
    packed = aligned(len(flat) * each, flat[0])
    for n in range(len(flat)):
        _pack(cell, flat[n], layers, size, width, channels, outputs, packed[n * each : (n + 1) * each])
    return packed


@compiled
def roll_out(
    cell: int, packed: Array, members: int, layers: int, size: int, width: int, chunk: int, contexts: Array,
    horizon: int, slide: bool, centred: bool,
) -> Array:  # fmt: skip
    """Return the mean forecast of ``members`` networks after each context: (B, horizon, C) in float64.

    packed: their weights, see `packed_networks`. contexts: (B, c, C). slide: the window is read anew for each chunk;
    otherwise the state is carried on. centred: each window, or the context, is read relative to its last value, and a
    chunk is relative to the value before it.
    """
    rows, context_length, channels = contexts.shape
    total = context_length + horizon
    sizes = _sizes(layers, size, width // size, channels, chunk * channels, min(rows, _TOGETHER))
    memory = aligned(sum(sizes) - sizes[0], packed)
    steps = np.empty((rows, total, channels), contexts.dtype)
    for row in range(rows):
        for t in range(context_length):
            for c in range(channels):
                steps[row, t, c] = contexts[row, t, c]
    out = np.zeros((rows, horizon, channels), np.float64)
    for n in range(members):
        _roll_all(
            cell, packed, n * sizes[0], layers, size, width, chunk, channels, rows, total, steps.reshape(-1),
            context_length, slide, centred, memory, sizes,
        )  # fmt: skip
        for row in range(rows):
            for t in range(horizon):
                for c in range(channels):
                    out[row, t, c] += steps[row, context_length + t, c]
                    if n == members - 1:
                        out[row, t, c] /= members
    return out
