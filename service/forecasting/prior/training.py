"""Train the prior on synthetic series; the same seed gives the same weights on one machine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from service.forecasting.networks.architecture import Network, NetworkShape, Weights, initial_network
from service.forecasting.networks.kernels.losses import LOSSES, QUANTILES
from service.forecasting.networks.kernels.training import loss_and_gradient
from service.forecasting.prior.card import prior_card
from service.forecasting.prior.kernels.training_batches import training_batch
from service.forecasting.prior.recipe import BATCH_SIZE, SHAPE, BatchPlan, draw_batch_plan
from service.forecasting.prior.weights import rounded, save_prior

_PARTS = 2
_RATE, _DECAY, _WARM_UP = 3e-3, 0.02, 200
_FINAL_SHARE = 0.01
_BETA1, _BETA2, _EPSILON = 0.9, 0.98, 1e-8
_CLIP_NORM = 1.0
_AVERAGED = 0.998


def train_prior(
    steps: int, seed: int = 0, shape: NetworkShape = SHAPE, report: Callable[[int, float], None] | None = None
) -> Network:
    """Return the exponential moving average of the weights after so many batches of synthetic series.

    report: is called with the number of each batch and its loss. AdamW (Loshchilov & Hutter 2019) on the pinball loss,
    with a cosine schedule. The halves of a batch are made and differentiated in two threads and added in their order.
    Raises FloatingPointError where the training diverges.
    """
    generator = np.random.default_rng(seed)
    weights = initial_network(shape, seed).weights
    first, second, averaged = np.zeros_like(weights), np.zeros_like(weights), weights.copy()
    with ThreadPoolExecutor(_PARTS) as pool:
        for step in range(1, steps + 1):
            plan = draw_batch_plan(generator)
            seeds = generator.integers(2**31, size=_PARTS)
            parts = [pool.submit(_part_gradient, shape, weights, plan, int(one)) for one in seeds]
            loss = sum(part.result()[0] for part in parts) / _PARTS
            gradient = np.sum([part.result()[1] for part in parts], axis=0) / _PARTS
            if not np.isfinite(loss):
                raise FloatingPointError(f"the training diverged at step {step}")
            gradient *= min(1.0, _CLIP_NORM / (float(np.linalg.norm(gradient)) + _EPSILON))
            rate = _rate(step, steps)
            first += (1 - _BETA1) * (gradient - first)
            second += (1 - _BETA2) * (gradient * gradient - second)
            spread = np.sqrt(second / (1 - _BETA2**step)) + _EPSILON
            weights -= np.float32(rate) * (first / np.float32(1 - _BETA1**step) / spread + np.float32(_DECAY) * weights)
            kept = min(_AVERAGED, step / (step + 20))
            averaged += np.float32(1 - kept) * (weights - averaged)
            if report:
                report(step, loss)
    return Network(shape, averaged)


def write_prior(path: Path, steps: int, seed: int, report: Callable[[int, float], None]) -> None:
    """Train the prior, and write its file with its card; see `train_prior`."""
    network = rounded(train_prior(steps, seed, report=report))
    save_prior(network, prior_card(network, steps, seed), path)


def _rate(step: int, steps: int) -> float:
    """Return the learning rate: a linear warm-up, then half a cosine."""
    cosine = 0.5 * (1 + np.cos(np.pi * step / steps))
    return float(_RATE * min(1.0, step / _WARM_UP) * (cosine * (1 - _FINAL_SHARE) + _FINAL_SHARE))


def _part_gradient(shape: NetworkShape, weights: Weights, plan: BatchPlan, seed: int) -> tuple[float, Weights]:
    """Return the loss of a part of a batch, and its gradient."""
    m, long = plan.seasonality
    batch = training_batch(seed, m, long, plan.context, plan.read, plan.horizon, BATCH_SIZE // _PARTS, len(QUANTILES))
    gradient = np.zeros_like(weights)
    loss = loss_and_gradient(
        shape.code, weights, gradient, shape.num_layers, shape.hidden_size, shape.gates, *batch,
        LOSSES["pinball"], 0, 0.0, True,
    )  # fmt: skip
    return loss, gradient
