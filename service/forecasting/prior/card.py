"""The card of the prior: what it was made from, how well it forecasts, and what it cannot do."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.forecasting.networks.architecture import Network
from service.forecasting.networks.kernels.losses import LOSSES, QUANTILES
from service.forecasting.networks.kernels.training import loss_and_gradient
from service.forecasting.prior.kernels.training_batches import training_batch
from service.forecasting.prior.recipe import BATCH_SIZE, KINDS, VERSION, Seasonality

_SCORED_SEED = 2**31
_SCORED = 512

_LIMITS = (
    "It reads one series at a time: no covariates, no other items.",
    "It knows one season, and a week where the season is a day.",
    "It was trained on at most 504 values and 144 steps ahead; beyond, the last season is repeated.",
    "It damps exponential growth: from about ten steps ahead on, or at once if it began below a fiftieth of the mean.",
    "Series that alternate between regimes, or whose future depends on events, are not in its data.",
)


def prior_card(network: Network, steps: int, seed: int) -> dict[str, Any]:
    """Return the card of a prior that was trained for so many batches, with its scores on synthetic series."""
    return {
        "version": VERSION,
        "data": "synthetic series only, made by service.forecasting.prior; no real series were used in training",
        "series": steps * BATCH_SIZE,
        "seed": seed,
        "command": f"python -m service prior train --steps {steps} --seed {seed}",
        "cell": network.shape.cell,
        "hidden_size": network.shape.hidden_size,
        "weights": network.shape.size,
        "quantiles": list(QUANTILES),
        "scores": synthetic_scores(network),
        "limits": list(_LIMITS),
    }


def synthetic_scores(network: Network) -> dict[str, float]:
    """Return the pinball loss on synthetic series that are in no training, by season length."""
    scores = {}
    for kind in KINDS:
        batch = _scored_batch(kind.seasonality)
        shape, weights = network.shape, network.weights
        loss = loss_and_gradient(
            shape.code, weights, np.empty_like(weights), shape.num_layers, shape.hidden_size, shape.gates, *batch,
            LOSSES["pinball"], 0, 0.0, False,
        )  # fmt: skip
        scores["/".join(str(length) for length in kind.seasonality if length)] = round(loss, 4)
    return scores


def _scored_batch(seasonality: Seasonality) -> tuple[Any, Any, Any]:
    """Return a fixed batch, see `training_batch`; its seed is beyond those that a training draws."""
    m, long = seasonality
    context = seasonality.context_length
    read = min(seasonality.read_length, context)
    return training_batch(_SCORED_SEED, m, long, context, read, seasonality.usual_horizon, _SCORED, len(QUANTILES))
