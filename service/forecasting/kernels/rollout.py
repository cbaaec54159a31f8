"""Context in, horizon out, in one call: no Python and no allocation a step.

One row at a time, every state in place: the weights of a small network stay in the nearest cache between steps, so that
rows side by side would gain little and cost the views that this does without.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from service.forecasting.kernels import compiled
from service.forecasting.kernels.activations import sigmoid, tanh
from service.forecasting.kernels.cells import GRU, LSTM
from service.forecasting.kernels.products import add_product
from service.forecasting.kernels.sequence import layer_size, layer_weights

Array = Any


@compiled
def _activate(cell: int, before: Array, back: Array, hidden: Array, memory: Array) -> None:
    """Take one row's state a step on, in place, as the steps of `cells` do for many.

    before, back: (G,), what input and state add to the gates; both are used up.
    """
    size = len(hidden)
    if cell == GRU:
        for j in range(2 * size):
            before[j] = sigmoid(before[j] + back[j])
        for j in range(size):
            back[j] = tanh(before[2 * size + j] + before[j] * back[2 * size + j])
        for j in range(size):
            hidden[j] = back[j] + before[size + j] * (hidden[j] - back[j])
    elif cell == LSTM:
        for j in range(2 * size):
            before[j] = sigmoid(before[j] + back[j])
        for j in range(2 * size, 3 * size):
            before[j] = tanh(before[j] + back[j])
        for j in range(3 * size, 4 * size):
            before[j] = sigmoid(before[j] + back[j])
        for j in range(size):
            memory[j] = before[size + j] * memory[j] + before[j] * before[2 * size + j]
            hidden[j] = before[3 * size + j] * tanh(memory[j])
    else:
        for j in range(size):
            hidden[j] = tanh(before[j] + back[j])


@compiled
def _read(
    cell: int, flat: Array, steps: Array, hidden: Array, memory: Array, before: Array, back: Array, between: Array
) -> None:
    """Read steps (T, C), all of one layer before the next; hidden, memory: (L, H), in place; between: (T, H), room."""
    layers, size = hidden.shape
    count, channels = steps.shape
    width, offset = len(before), 0
    for layer in range(layers):
        inputs = channels if layer == 0 else size
        from_input, from_hidden, input_bias, hidden_bias = layer_weights(flat, offset, inputs, size, width)
        offset += layer_size(inputs, size, width)
        state, kept = hidden[layer], memory[layer]
        for t in range(count):
            for n in range(width):
                before[n] = input_bias[n]
                back[n] = hidden_bias[n]
            add_product(steps[t] if layer == 0 else between[t], from_input, before)
            add_product(state, from_hidden, back)
            _activate(cell, before, back, state, kept)
            if layer + 1 < layers:
                between[t] = state


@compiled
def _roll_row(
    cell: int, flat: Array, layers: int, size: int, width: int, chunk: int, steps: Array, context_length: int,
    slide: bool, centred: bool,
) -> None:  # fmt: skip
    """Fill steps (c + horizon, C) from its first c rows on."""
    total, channels = steps.shape
    outputs, kind = chunk * channels, steps.dtype
    hidden, memory = np.zeros((layers, size), kind), np.zeros((layers, size), kind)
    before, back, out = np.empty(width, kind), np.empty(width, kind), np.empty(outputs, kind)
    longest = max(context_length, chunk)
    relative, between = np.empty((longest, channels), kind), np.empty((longest if layers > 1 else 0, size), kind)
    reference = np.zeros(channels, kind)
    head = len(flat) - (size + 1) * outputs
    head_weights = flat[head : head + size * outputs].reshape(size, outputs)
    head_bias = flat[head + size * outputs :]
    read, known = 0, context_length
    while known < total:
        if slide:
            read = known - context_length
            hidden[:] = 0
            memory[:] = 0
        if centred and (slide or known == context_length):
            reference[:] = steps[known - 1]
        for t in range(read, known):
            for channel in range(channels):
                relative[t - read, channel] = steps[t, channel] - reference[channel]
        _read(cell, flat, relative[: known - read], hidden, memory, before, back, between)
        read = known
        out[:] = head_bias
        add_product(hidden[layers - 1], head_weights, out)
        for k in range(min(chunk, total - known)):
            for channel in range(channels):
                level = steps[known - 1, channel] if centred else kind.type(0)
                steps[known + k, channel] = level + out[k * channels + channel]
        known += chunk


@compiled
def roll_out(
    cell: int, flat: Array, layers: int, size: int, width: int, chunk: int, contexts: Array, horizon: int,
    slide: bool, centred: bool,
) -> Array:  # fmt: skip
    """Forecast after each context.

    flat: all weights, those of the head (H, K C) and (K C,) last; contexts: (B, c, C); returns (B, horizon, C).
    slide: a window is read anew for each chunk; else the state is carried on. centred: each window, or the whole
    context, is read relative to its last value, and a chunk is added to the value before it.
    """
    rows, context_length, channels = contexts.shape
    result = np.empty((rows, horizon, channels), contexts.dtype)
    steps = np.empty((context_length + horizon, channels), contexts.dtype)
    for row in range(rows):
        steps[:context_length] = contexts[row]
        _roll_row(cell, flat, layers, size, width, chunk, steps, context_length, slide, centred)
        result[row] = steps[context_length:]
    return result
