"""Training epochs in one call: gather, forward, loss, backward, clip, update."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.forecasting.compilation import compiled
from service.forecasting.networks.kernels.batches import allocate_workspace, batch_loss
from service.forecasting.networks.kernels.optimizers import clip, update
from service.forecasting.networks.kernels.tiles import runtime

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


@compiled
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
    total, batches = 0.0, 0
    gradient = np.empty_like(flat)
    channels = values.shape[1]
    work = allocate_workspace(
        cell, flat, layers, size, width, channels, chunk * channels, first + scored, min(batch_size, len(starts)),
        scored, dropout, runtime(True),
    )  # fmt: skip
    for begin in range(0, len(starts), batch_size):
        end = min(begin + batch_size, len(starts))
        inputs, targets, known = gather(
            values, weights, starts[begin:end], ends[begin:end], first, scored, chunk, centred
        )
        gradient[:] = 0
        value = batch_loss(
            cell, flat, gradient, layers, size, width, inputs, targets, known, loss, truncate, dropout, runtime(True),
            work,
        )  # fmt: skip
        if not np.isfinite(value):
            return value
        clip(gradient, clip_norm, clip_value)
        update(optimizer, flat, gradient, first_moment, second_moment, step + batches + 1, rates[batches])
        total += value
        batches += 1
    return total / batches
