"""Forecasts of any horizon from chunks: the way of feeding back follows the way of training.

A network trained on windows has only ever seen windows, so its window is slid; one trained on
pieces has learnt to carry its state on, so it carries it. The wrong one doubles the error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.forecasting.kernels.rollout import roll_out as compiled
from service.forecasting.networks import Network, NetworkShape, Weights, packed
from service.forecasting.options import Objective
from service.forecasting.series import FloatArray


def roll_out(
    network: Network,
    contexts: NDArray[np.float32],
    horizon: int,
    objective: Objective,
    centred: bool,
    device: str | None = None,
) -> NDArray[np.float32]:
    """Forecast ``horizon`` steps after each context (origin, context_length, channel), in the same scale.

    Returns (origin, horizon, channel). device: of torch; None: this CPU, in compiled code, which lets other threads run
    meanwhile.
    """
    if device is not None:
        from service.forecasting.torch_rollout import roll_out as roll_out_on

        return roll_out_on(network, contexts, horizon, objective, centred, device)
    return roll_out_packed(network.shape, packed([network]), 1, contexts, horizon, objective, centred).astype(
        np.float32
    )


def roll_out_packed(
    shape: NetworkShape,
    weights: Weights,
    members: int,
    contexts: NDArray[np.float32],
    horizon: int,
    objective: Objective,
    centred: bool,
) -> FloatArray:
    """Return the mean over so many networks of one shape; weights: packed."""
    forecasts: FloatArray = compiled(
        shape.code,
        weights,
        members,
        shape.num_layers,
        shape.hidden_size,
        shape.gates,
        shape.output_chunk_length,
        np.ascontiguousarray(contexts, dtype=np.float32),
        horizon,
        objective == "windows",
        centred,
    )
    return forecasts
