"""Context in, horizon out, in one call: no Python and no allocation a step.

Rows go through in blocks, so that each weight that is loaded is used for all of them and the states stay in the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from service.forecasting.kernels import compiled
from service.forecasting.kernels.cells import GRU, LSTM, gru_step, lstm_step, rnn_step
from service.forecasting.kernels.products import affine
from service.forecasting.kernels.sequence import layer_size, layer_weights

Array = Any

_BLOCK = 16


@compiled
def _advance(
    cell: int,
    flat: Array,
    step: Array,
    old: Array,
    new: Array,
    before: Array,
    back: Array,
    gates: Array,
    seen: Array,
) -> None:
    """Take all layers one step on; step: (B, C); old, new: (2, L, B, H), hidden state and memory."""
    layers, size = old.shape[1], old.shape[3]
    width = before.shape[1]
    offset = 0
    for layer in range(layers):
        inputs = step if layer == 0 else new[0, layer - 1]
        count = inputs.shape[1]
        from_input, from_hidden, input_bias, hidden_bias = layer_weights(flat, offset, count, size, width)
        offset += layer_size(count, size, width)
        affine(inputs, from_input, input_bias, before)
        affine(old[0, layer], from_hidden, hidden_bias, back)
        if cell == GRU:
            gru_step(before, back, old[0, layer], new[0, layer], gates, seen)
        elif cell == LSTM:
            lstm_step(before, back, old[1, layer], new[0, layer], new[1, layer], gates, seen)
        else:
            rnn_step(before, back, new[0, layer])


@compiled
def _roll_block(
    cell: int,
    flat: Array,
    layers: int,
    size: int,
    width: int,
    chunk: int,
    steps: Array,
    context_length: int,
    slide: bool,
    centred: bool,
) -> None:
    """Fill steps (c + horizon, B, C) from its first c rows on."""
    total, rows, channels = steps.shape
    state = np.zeros((2, 2, layers, rows, size), steps.dtype)
    before, back = np.empty((rows, width), steps.dtype), np.empty((rows, width), steps.dtype)
    gates, seen = np.empty((rows, width), steps.dtype), np.empty((rows, size), steps.dtype)
    step, reference = np.empty((rows, channels), steps.dtype), np.zeros((rows, channels), steps.dtype)
    out = np.empty((rows, chunk * channels), steps.dtype)
    head = len(flat) - (size + 1) * chunk * channels
    head_weights = flat[head : head + size * chunk * channels].reshape(size, chunk * channels)
    head_bias = flat[head + size * chunk * channels :]
    turn, read, known = 0, 0, context_length
    while known < total:
        if slide:
            read = known - context_length
            state[turn] = 0
        if centred and (slide or known == context_length):
            reference[:] = steps[known - 1]
        while read < known:
            for row in range(rows):
                for channel in range(channels):
                    step[row, channel] = steps[read, row, channel] - reference[row, channel]
            _advance(cell, flat, step, state[turn], state[1 - turn], before, back, gates, seen)
            turn = 1 - turn
            read += 1
        affine(state[turn, 0, layers - 1], head_weights, head_bias, out)
        for k in range(min(chunk, total - known)):
            for row in range(rows):
                for channel in range(channels):
                    value = out[row, k * channels + channel]
                    if centred:
                        value += steps[known - 1, row, channel]
                    steps[known + k, row, channel] = value
        known += chunk


@compiled
def roll_out(
    cell: int,
    flat: Array,
    layers: int,
    size: int,
    width: int,
    chunk: int,
    contexts: Array,
    horizon: int,
    slide: bool,
    centred: bool,
) -> Array:
    """Forecast after each context.

    flat: all weights, those of the head (H, K C) and (K C,) last; contexts: (B, c, C); returns (B, horizon, C).
    slide: a window is read anew for each chunk; else the state is carried on. centred: each window, or the whole
    context, is read relative to its last value, and a chunk is added to the value before it.
    """
    rows, context_length, channels = contexts.shape
    result = np.empty((rows, horizon, channels), contexts.dtype)
    for first in range(0, rows, _BLOCK):
        count = min(_BLOCK, rows - first)
        steps = np.empty((context_length + horizon, count, channels), contexts.dtype)
        for t in range(context_length):
            for row in range(count):
                for channel in range(channels):
                    steps[t, row, channel] = contexts[first + row, t, channel]
        _roll_block(cell, flat, layers, size, width, chunk, steps, context_length, slide, centred)
        for t in range(horizon):
            for row in range(count):
                for channel in range(channels):
                    result[first + row, t, channel] = steps[context_length + t, row, channel]
    return result
