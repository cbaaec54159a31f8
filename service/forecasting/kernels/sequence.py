"""Recurrent layers over whole sequences, forward and backward.

Weights lie in one flat vector, layer by layer: from the input (C or H, G), from the last hidden state (H, G), and a
bias (G,) for each of the two. Time comes first: a step's rows lie together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from service.forecasting.kernels import compiled
from service.forecasting.kernels.cells import (
    GRU,
    LSTM,
    gru_back,
    gru_step,
    lstm_back,
    lstm_step,
    rnn_back,
    rnn_step,
)
from service.forecasting.kernels.products import add_outer, add_rows, affine, transpose

Array = Any


@compiled
def layer_size(inputs: int, hidden_size: int, gates: int) -> int:
    """Count the weights of one layer; gates: G."""
    return (inputs + hidden_size + 2) * gates


@compiled
def layer_weights(flat: Array, offset: int, inputs: int, hidden_size: int, gates: int) -> tuple[Array, ...]:
    """Return views of one layer's weights: (inputs, G), (H, G), (G,), (G,)."""
    a = offset + inputs * gates
    b = a + hidden_size * gates
    return (
        flat[offset:a].reshape(inputs, gates),
        flat[a:b].reshape(hidden_size, gates),
        flat[b : b + gates],
        flat[b + gates : b + 2 * gates],
    )


@compiled
def layer_forward(
    cell: int,
    inputs: Array,
    from_input: Array,
    from_hidden: Array,
    input_bias: Array,
    hidden_bias: Array,
    hidden: Array,
    memory: Array,
    gates: Array,
    seen: Array,
    before: Array,
    back: Array,
) -> None:
    """Run one layer over (T B, inputs).

    hidden, memory: (T + 1, B, H), the first step being the state before; gates: (T, B, G) and seen: (T, B, H) are
    kept for the way back; before: (T, B, G) and back: (B, G) are room to work in.
    """
    steps, rows, width = before.shape
    affine(inputs, from_input, input_bias, before.reshape(steps * rows, width))
    for t in range(steps):
        affine(hidden[t], from_hidden, hidden_bias, back)
        if cell == GRU:
            gru_step(before[t], back, hidden[t], hidden[t + 1], gates[t], seen[t])
        elif cell == LSTM:
            lstm_step(before[t], back, memory[t], hidden[t + 1], memory[t + 1], gates[t], seen[t])
        else:
            rnn_step(before[t], back, hidden[t + 1])


@compiled
def layer_backward(
    cell: int,
    inputs: Array,
    from_input: Array,
    from_hidden: Array,
    hidden: Array,
    memory: Array,
    gates: Array,
    seen: Array,
    d_hidden: Array,
    d_state: Array,
    d_memory: Array,
    d_from_input: Array,
    d_from_hidden: Array,
    d_input_bias: Array,
    d_hidden_bias: Array,
    d_inputs: Array,
    truncate: int,
) -> None:
    """Add one layer's gradients.

    d_hidden: (T, B, H), of the layer's outputs, changed in place; d_state, d_memory: (B, H), of the state after the
    last step in, of that before the first out; d_inputs: (T B, inputs), out, or no rows where nobody needs it;
    truncate: the state is cut off from its past every so many steps, counted back from the end; 0: never.
    """
    steps, rows, size = d_hidden.shape
    width = from_hidden.shape[1]
    d_gates = np.empty((steps, rows, width), d_hidden.dtype)
    d_back = np.empty((steps, rows, width), d_hidden.dtype) if cell == GRU else d_gates
    past = np.empty((rows, size), d_hidden.dtype)
    zeros = np.zeros(max(size, from_input.shape[0]), d_hidden.dtype)
    hidden_weights = np.empty((width, size), d_hidden.dtype)
    transpose(from_hidden, hidden_weights)
    for t in range(steps - 1, -1, -1):
        d = d_hidden[t]
        for row in range(rows):
            for j in range(size):
                d[row, j] += d_state[row, j]
        if cell == GRU:
            gru_back(d, gates[t], seen[t], hidden[t], d_gates[t], d_back[t], past)
        elif cell == LSTM:
            lstm_back(d, d_memory, gates[t], seen[t], memory[t], d_gates[t])
        else:
            rnn_back(d, hidden[t + 1], d_gates[t])
        affine(d_back[t], hidden_weights, zeros[:size], d_state)
        if cell == GRU:
            for row in range(rows):
                for j in range(size):
                    d_state[row, j] += past[row, j]
        if truncate > 0 and (steps - t) % truncate == 0:
            d_state[:] = 0
            d_memory[:] = 0
    gate_rows = d_gates.reshape(steps * rows, width)
    back_rows = d_back.reshape(steps * rows, width)
    add_outer(inputs, gate_rows, d_from_input)
    add_outer(hidden[:steps].reshape(steps * rows, size), back_rows, d_from_hidden)
    add_rows(gate_rows, d_input_bias)
    add_rows(back_rows, d_hidden_bias)
    if d_inputs.shape[0] > 0:
        input_weights = np.empty((width, from_input.shape[0]), d_hidden.dtype)
        transpose(from_input, input_weights)
        affine(gate_rows, input_weights, zeros[: from_input.shape[0]], d_inputs)
