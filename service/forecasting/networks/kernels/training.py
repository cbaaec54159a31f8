"""Training epochs in one call: gather, forward, loss, backward, clip, update."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.forecasting.compilation import compiled
from service.forecasting.networks.kernels.batches import allocate_workspace, batch_loss
from service.forecasting.networks.kernels.optimizers import clip, update

Array = Any


@compiled
def gather(
    values: Array, weights: Array, starts: Array, ends: Array, first: int, scored: int, chunk: int, centred: bool
) -> tuple[Array, Array, Array]:
    """Gather sequences: inputs (T, B, C), then values and weights of the chunk after each scored step, (S B, K C).

    first: the first scored step. centred: inputs are relative to the value there, targets to that at their own step.
    """
    count, channels = len(starts), values.shape[1]
    read = first + scored
    inputs = np.empty((read, count, channels), values.dtype)
    targets = np.empty((scored * count, chunk * channels), values.dtype)
    known = np.empty((scored * count, chunk * channels), values.dtype)
    for sequence in range(count):
        start, last = starts[sequence], ends[sequence] - 1
        for c in range(channels):
            reference = values[min(start + first, last), c] if centred else values[start, c] * 0
            for t in range(read):
                inputs[t, sequence, c] = values[min(start + t, last), c] - reference
            for s in range(scored):
                here = values[min(start + first + s, last), c] if centred else reference
                for k in range(chunk):
                    row = start + first + s + 1 + k
                    place = min(row, last)
                    targets[s * count + sequence, k * channels + c] = values[place, c] - here
                    known[s * count + sequence, k * channels + c] = weights[place, c] if row <= last else 0
    return inputs, targets, known


@compiled
def seed_dropout(seed: int) -> None:
    """Seed the random generator of compiled code, which is separate from Python's."""
    np.random.seed(seed)


def loss_and_gradient(
    cell: int, flat: Array, gradient: Array, layers: int, size: int, width: int,
    inputs: Array, targets: Array, known: Array, loss: int, truncate: int, dropout: float, backward: bool,
) -> float:  # fmt: skip
    """Return the loss of a batch and, where ``backward``, add its gradient.

    inputs: (T, B, C). targets, known: (S B, K C), after the last S steps. Dropout scales the units that it keeps.
    """
    no_values, no_rows = np.empty((0, 0), flat.dtype), np.empty(0, np.int64)
    value: float = _run_batches(
        cell, layers, size, width, flat, gradient, flat, flat, inputs, targets, known,
        no_values, no_values, no_rows, no_rows, 1, 0, 0, 0, False, loss, truncate, dropout, backward,
        0, np.empty(0), 0, 0.0, 0.0,
    )  # fmt: skip
    return value


def train_epoch(
    cell: int, layers: int, size: int, width: int,
    flat: Array, first_moment: Array, second_moment: Array,
    values: Array, weights: Array, starts: Array, ends: Array,
    batch_size: int, first: int, scored: int, chunk: int, centred: bool,
    loss: int, truncate: int, dropout: float,
    optimizer: int, rates: Array, step: int, clip_norm: float, clip_value: float,
) -> float:  # fmt: skip
    """Train on sequences in the given order; return the mean loss of the batches, which is not finite after divergence.

    starts, ends: (P,), see `TrainingSequences`. rates: the learning rate of each batch. step: the optimizer steps taken
    before.
    """
    no_inputs, no_targets = np.empty((0, 0, 0), flat.dtype), np.empty((0, 0), flat.dtype)
    value: float = _run_batches(
        cell, layers, size, width, flat, np.empty_like(flat), first_moment, second_moment,
        no_inputs, no_targets, no_targets, values, weights, starts, ends, batch_size, first, scored, chunk, centred,
        loss, truncate, dropout, True, optimizer, rates, step, clip_norm, clip_value,
    )  # fmt: skip
    return value


@compiled
def _run_batches(
    cell: int, layers: int, size: int, width: int,
    flat: Array, gradient: Array, first_moment: Array, second_moment: Array,
    inputs: Array, targets: Array, known: Array,
    values: Array, weights: Array, starts: Array, ends: Array,
    batch_size: int, first: int, scored: int, chunk: int, centred: bool,
    loss: int, truncate: int, dropout: float, backward: bool,
    optimizer: int, rates: Array, step: int, clip_norm: float, clip_value: float,
) -> float:  # fmt: skip
    """Process one batch as `loss_and_gradient` does, or, without inputs, all sequences as `train_epoch` does.

    Two kernels would compile the layers twice.
    """
    if len(inputs) > 0:
        steps, rows, channels = inputs.shape
        work = allocate_workspace(
            cell, flat, layers, size, width, channels, targets.shape[1], steps, rows, len(targets) // rows, dropout,
            backward,
        )  # fmt: skip
        return batch_loss(
            cell, flat, gradient, layers, size, width, inputs, targets, known, loss, truncate, dropout, backward, work
        )
    total, batches = 0.0, 0
    channels = values.shape[1]
    work = allocate_workspace(
        cell, flat, layers, size, width, channels, chunk * channels, first + scored, min(batch_size, len(starts)),
        scored, dropout, backward,
    )  # fmt: skip
    for begin in range(0, len(starts), batch_size):
        end = min(begin + batch_size, len(starts))
        inputs, targets, known = gather(
            values, weights, starts[begin:end], ends[begin:end], first, scored, chunk, centred
        )
        gradient[:] = 0
        value = batch_loss(
            cell, flat, gradient, layers, size, width, inputs, targets, known, loss, truncate, dropout, backward, work
        )
        if not np.isfinite(value):
            return value
        clip(gradient, clip_norm, clip_value)
        update(optimizer, flat, gradient, first_moment, second_moment, step + batches + 1, rates[batches])
        total += value
        batches += 1
    return total / batches
