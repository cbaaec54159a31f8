"""Whole training epochs in one call: gather, forward, loss, backward, clip, update; no Python in between."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.forecasting.kernels import compiled
from service.forecasting.kernels.optimizers import clip, update
from service.forecasting.kernels.products import add_outer, add_rows, affine, transpose
from service.forecasting.kernels.sequence import layer_backward, layer_forward, layer_size, layer_weights

Array = Any

MAE, MSE, HUBER = 0, 1, 2
LOSSES = {"mae": MAE, "mse": MSE, "huber": HUBER}


@compiled
def gather(
    values: Array, weights: Array, starts: Array, ends: Array, first: int, scored: int, chunk: int, centred: bool
) -> tuple[Array, Array, Array]:
    """Cut pieces: inputs (T, B, C), then values and weights of the chunk after each scored step, (S B, K C).

    first: the first scored step; what is centred is relative to the value there, targets to that of their own step.
    """
    count, channels = len(starts), values.shape[1]
    read = first + scored
    inputs = np.empty((read, count, channels), values.dtype)
    targets = np.empty((scored * count, chunk * channels), values.dtype)
    known = np.empty((scored * count, chunk * channels), values.dtype)
    for piece in range(count):
        start, last = starts[piece], ends[piece] - 1
        for c in range(channels):
            reference = values[min(start + first, last), c] if centred else values[start, c] * 0
            for t in range(read):
                inputs[t, piece, c] = values[min(start + t, last), c] - reference
            for s in range(scored):
                here = values[min(start + first + s, last), c] if centred else reference
                for k in range(chunk):
                    row = start + first + s + 1 + k
                    place = min(row, last)
                    targets[s * count + piece, k * channels + c] = values[place, c] - here
                    known[s * count + piece, k * channels + c] = weights[place, c] if row <= last else 0
    return inputs, targets, known


@compiled
def weighted_loss(loss: int, forecasts: Array, targets: Array, known: Array) -> float:
    """Mean penalty over the values with weight; its gradient replaces ``forecasts``. All (R, K C)."""
    weight, total = 0.0, 0.0
    f, y, w = forecasts.reshape(-1), targets.reshape(-1), known.reshape(-1)
    for n in range(len(f)):
        weight += w[n]
    scale = f.dtype.type(1.0 / max(weight, 1.0))
    if loss == MAE:
        for n in range(len(f)):
            error = f[n] - y[n]
            total += w[n] * scale * abs(error)
            f[n] = w[n] * scale * np.sign(error)
    elif loss == MSE:
        for n in range(len(f)):
            error = f[n] - y[n]
            total += w[n] * scale * error * error
            f[n] = w[n] * scale * 2 * error
    else:
        for n in range(len(f)):
            error = f[n] - y[n]
            inner = min(max(error, -1), 1)
            total += w[n] * scale * inner * (error - inner / 2)
            f[n] = w[n] * scale * inner
    return total


@compiled
def loss_and_gradient(
    cell: int,
    flat: Array,
    gradient: Array,
    layers: int,
    size: int,
    width: int,
    inputs: Array,
    targets: Array,
    known: Array,
    loss: int,
    truncate: int,
    dropout: float,
    backward: bool,
) -> float:
    """Return the loss of a batch and, where ``backward``, add its gradient.

    inputs: (T, B, C); targets, known: (S B, K C), after the last S steps. Dropout scales what it keeps.
    """
    steps, rows, channels = inputs.shape
    scored, outputs = len(targets) // rows, targets.shape[1]
    kind = inputs.dtype
    hidden = np.zeros((layers, steps + 1, rows, size), kind)
    memory = np.zeros((layers, steps + 1, rows, size), kind)
    gates = np.empty((layers, steps, rows, width), kind)
    seen = np.empty((layers, steps, rows, size), kind)
    before, back = np.empty((steps, rows, width), kind), np.empty((rows, width), kind)
    kept = np.ones((layers if dropout > 0 else 0, steps * rows, size), kind)
    passed = np.empty((layers if dropout > 0 else 0, steps * rows, size), kind)
    offset = 0
    for layer in range(layers):
        count = channels if layer == 0 else size
        into = _layer_input(layer, inputs, hidden, passed)
        from_input, from_hidden, input_bias, hidden_bias = layer_weights(flat, offset, count, size, width)
        layer_forward(
            cell, into, from_input, from_hidden, input_bias, hidden_bias,
            hidden[layer], memory[layer], gates[layer], seen[layer], before, back,
        )  # fmt: skip
        if dropout > 0:
            _drop(hidden[layer][1:].reshape(steps * rows, size), dropout, kept[layer], passed[layer])
        offset += layer_size(count, size, width)
    last = _layer_input(layers, inputs, hidden, passed)[(steps - scored) * rows :]
    head = flat[offset : offset + size * outputs].reshape(size, outputs)
    out = np.empty((scored * rows, outputs), kind)
    affine(last, head, flat[offset + size * outputs :], out)
    total = weighted_loss(loss, out, targets, known)
    if not backward:
        return total
    add_outer(last, out, gradient[offset : offset + size * outputs].reshape(size, outputs))
    add_rows(out, gradient[offset + size * outputs :])
    d_hidden = np.zeros((steps, rows, size), kind)
    head_back, zeros = np.empty((outputs, size), kind), np.zeros(max(size, channels), kind)
    transpose(head, head_back)
    d_last = d_hidden[steps - scored :].reshape(scored * rows, size)
    affine(out, head_back, zeros[:size], d_last)
    nobody = np.empty((0, channels), kind)
    for layer in range(layers - 1, -1, -1):
        count = channels if layer == 0 else size
        offset -= layer_size(count, size, width)
        if dropout > 0:
            _undrop(d_hidden.reshape(steps * rows, size), kept[layer])
        into = _layer_input(layer, inputs, hidden, passed)
        from_input, from_hidden, _, _ = layer_weights(flat, offset, count, size, width)
        d_from_input, d_from_hidden, d_bias, d_hidden_bias = layer_weights(gradient, offset, count, size, width)
        d_into = nobody if layer == 0 else np.empty((steps * rows, count), kind)
        layer_backward(
            cell, into, from_input, from_hidden, hidden[layer], memory[layer], gates[layer], seen[layer], d_hidden,
            np.zeros((rows, size), kind), np.zeros((rows, size), kind),
            d_from_input, d_from_hidden, d_bias, d_hidden_bias, d_into, truncate,
        )  # fmt: skip
        if layer > 0:
            d_hidden = d_into.reshape(steps, rows, size)
    return total


@compiled
def _layer_input(layer: int, inputs: Array, hidden: Array, passed: Array) -> Array:
    """What a layer reads, (T B, inputs): the series, or what the layer below lets through."""
    steps, rows, channels = inputs.shape
    if layer == 0:
        return inputs.reshape(steps * rows, channels)
    if len(passed) > 0:
        return passed[layer - 1]
    return hidden[layer - 1].reshape((steps + 1) * rows, hidden.shape[3])[rows:]


@compiled
def _drop(values: Array, dropout: float, kept: Array, passed: Array) -> None:
    for row in range(values.shape[0]):
        for n in range(values.shape[1]):
            kept[row, n] = 0 if np.random.random() < dropout else 1 / (1 - dropout)
            passed[row, n] = values[row, n] * kept[row, n]


@compiled
def _undrop(gradient: Array, kept: Array) -> None:
    for row in range(gradient.shape[0]):
        for n in range(gradient.shape[1]):
            gradient[row, n] *= kept[row, n]


@compiled
def seed_dropout(seed: int) -> None:
    """Set the compiled code's own random state, which Python's generators do not share."""
    np.random.seed(seed)


@compiled
def train_epoch(
    cell: int, layers: int, size: int, width: int,
    flat: Array, first_moment: Array, second_moment: Array,
    values: Array, weights: Array, starts: Array, ends: Array,
    batch_size: int, first: int, scored: int, chunk: int, centred: bool,
    loss: int, truncate: int, dropout: float,
    optimizer: int, rates: Array, step: int, clip_norm: float, clip_value: float,
) -> float:  # fmt: skip
    """Train on pieces in the order given; return the mean loss of the batches, which is not finite after divergence.

    starts, ends: (P,), see `Pieces`; rates: the learning rate of each batch; step: optimizer steps taken before.
    """
    total, batches = 0.0, 0
    gradient = np.empty_like(flat)
    for begin in range(0, len(starts), batch_size):
        end = min(begin + batch_size, len(starts))
        inputs, targets, known = gather(
            values, weights, starts[begin:end], ends[begin:end], first, scored, chunk, centred
        )
        gradient[:] = 0
        value = loss_and_gradient(
            cell, flat, gradient, layers, size, width, inputs, targets, known, loss, truncate, dropout, True
        )
        if not np.isfinite(value):
            return value
        clip(gradient, clip_norm, clip_value)
        update(optimizer, flat, gradient, first_moment, second_moment, step + batches + 1, rates[batches])
        total += value
        batches += 1
    return total / batches
