"""Cells: one step of a block of 16 units, forward and backward, for the rows of a tile; gates in torch's order.

All arrays are flat and padded to complete blocks (see `packing`); P: padded hidden_size, Q: gates times P.
gates: (T, B, Q); in: the inputs' terms with biases; out: the activated gates; after the backward pass: their gradients.
hidden, memory: (T + 1, B, P), with the state before the first step first. seen: (T, B, P), kept for the backward pass.
A row of a step is at ``here`` = t B + row, and ``block``.
"""

from __future__ import annotations

from typing import Any

from service.forecasting.compilation import inlined
from service.forecasting.networks.kernels.activations import sigmoid, tanh
from service.forecasting.networks.kernels.tiles import LANES, load, multiply_add, repeat, store

Pointer = Any
Tile = Any

RNN, LSTM, GRU = 0, 1, 2
CODES = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
GATES = {"rnn": 1, "lstm": 4, "gru": 3}

_TWO, _THREE, _FOUR = 2 * LANES, 3 * LANES, 4 * LANES


@inlined
def rnn_step(
    like: Tile, here: int, rows: int, block: int, units: int, size: int,
    gates: Pointer, weights: Pointer, w: int, hidden: Pointer,
) -> None:  # fmt: skip
    """Compute a step of Elman's cell with tanh."""
    total = load(like, gates, here * units + block * LANES, units)
    (total,) = multiply_add((total,), hidden, here * units, units, weights, w + block * size * LANES, size)
    store(tanh(total), hidden, (here + rows) * units + block * LANES, units)


@inlined
def rnn_back(
    like: Tile, here: int, rows: int, block: int, units: int, d_hidden: Pointer, hidden: Pointer, gates: Pointer
) -> None:
    """Compute the gradient of the gates from that of the hidden state."""
    place = here * units + block * LANES
    d, h = load(like, d_hidden, place, units), load(like, hidden, place + rows * units, units)
    store(d - d * h * h, gates, place, units)


@inlined
def lstm_step(
    like: Tile, here: int, rows: int, block: int, units: int, size: int,
    gates: Pointer, weights: Pointer, w: int, hidden: Pointer, memory: Pointer, seen: Pointer,
) -> None:  # fmt: skip
    """Compute a step of the LSTM with gates input, forget, new, output; seen: tanh of the new memory."""
    width, place = 4 * units, here * units + block * LANES
    g = here * width + block * _FOUR
    i, f = load(like, gates, g, width), load(like, gates, g + LANES, width)
    n, o = load(like, gates, g + _TWO, width), load(like, gates, g + _THREE, width)
    i, f, n, o = multiply_add((i, f, n, o), hidden, here * units, units, weights, w + block * size * _FOUR, size)
    i, f, n, o = sigmoid(i), sigmoid(f), tanh(n), sigmoid(o)
    m = f * load(like, memory, place, units) + i * n
    s = tanh(m)
    store(i, gates, g, width)
    store(f, gates, g + LANES, width)
    store(n, gates, g + _TWO, width)
    store(o, gates, g + _THREE, width)
    store(s, seen, place, units)
    store(m, memory, place + rows * units, units)
    store(o * s, hidden, place + rows * units, units)


@inlined
def lstm_back(
    like: Tile, here: int, row: int, block: int, units: int,
    d_hidden: Pointer, d_memory: Pointer, gates: Pointer, seen: Pointer, memory: Pointer,
) -> None:  # fmt: skip
    """Compute the gradient of the gates; d_memory: (B, P), in: of the new memory, out: of the old one."""
    width, place = 4 * units, here * units + block * LANES
    g, e = here * width + block * _FOUR, row * units + block * LANES
    i, f = load(like, gates, g, width), load(like, gates, g + LANES, width)
    n, o = load(like, gates, g + _TWO, width), load(like, gates, g + _THREE, width)
    d, t = load(like, d_hidden, place, units), load(like, seen, place, units)
    d_o = d * o
    total = load(like, d_memory, e, units) + (d_o - d_o * t * t)
    d_input, d_forget = total * i, total * f
    d_n = d_input * n
    d_f = d_forget * load(like, memory, place, units)
    store(d_n - d_n * i, gates, g, width)
    store(d_f - d_f * f, gates, g + LANES, width)
    store(d_input - d_input * n * n, gates, g + _TWO, width)
    store(d_o * t - d_o * t * o, gates, g + _THREE, width)
    store(d_forget, d_memory, e, units)


@inlined
def gru_step(
    like: Tile, here: int, rows: int, block: int, units: int, size: int,
    gates: Pointer, weights: Pointer, w: int, bias: int, hidden: Pointer, seen: Pointer,
) -> None:  # fmt: skip
    """Compute a step of the GRU as cuDNN and torch do: reset, update, new; seen: the last state's term of new."""
    width, place = 3 * units, here * units + block * LANES
    g = here * width + block * _THREE
    r, z, s = load(like, gates, g, width), load(like, gates, g + LANES, width), repeat(like, weights, bias)
    r, z, s = multiply_add((r, z, s), hidden, here * units, units, weights, w + block * size * _THREE, size)
    r, z = sigmoid(r), sigmoid(z)
    n = tanh(load(like, gates, g + _TWO, width) + r * s)
    store(r, gates, g, width)
    store(z, gates, g + LANES, width)
    store(n, gates, g + _TWO, width)
    store(s, seen, place, units)
    store(n + z * (load(like, hidden, place, units) - n), hidden, place + rows * units, units)


@inlined
def gru_back(
    like: Tile, here: int, block: int, units: int,
    d_hidden: Pointer, gates: Pointer, seen: Pointer, hidden: Pointer, d_back: Pointer,
) -> Tile:  # fmt: skip
    """Compute the gradients of the gates: with respect to the inputs' terms in gates, to the last state's in d_back.

    Returns the part of the state's gradient that bypasses the gates.
    """
    width, place = 3 * units, here * units + block * LANES
    g = here * width + block * _THREE
    r, z, n = load(like, gates, g, width), load(like, gates, g + LANES, width), load(like, gates, g + _TWO, width)
    d, s, v = load(like, d_hidden, place, units), load(like, seen, place, units), load(like, hidden, place, units)
    past = d * z
    d_n = d - past
    d_new = d_n - d_n * n * n
    d_r = d_new * r
    d_reset = d_r * s - d_r * s * r
    d_z = past * (v - n)
    d_update = d_z - d_z * z
    store(d_reset, gates, g, width)
    store(d_update, gates, g + LANES, width)
    store(d_new, gates, g + _TWO, width)
    store(d_reset, d_back, g, width)
    store(d_update, d_back, g + LANES, width)
    store(d_r, d_back, g + _TWO, width)
    return past
