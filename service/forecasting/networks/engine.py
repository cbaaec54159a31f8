"""What trains a network: compiled kernels on the CPU, torch on any other device."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.options import Objective
from service.forecasting.config.specification import Specification
from service.forecasting.networks.architecture import Network, Weights, packed
from service.forecasting.networks.numba_engine import CompiledTrainer, roll_out_packed
from service.forecasting.networks.windows import Pieces
from service.forecasting.preprocessing.pipeline import IntArray
from service.forecasting.series.series import FloatArray


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
        from service.forecasting.networks.torch_engine import roll_out as roll_out_on

        return roll_out_on(network, contexts, horizon, objective, centred, device)
    return roll_out_packed(network.shape, packed([network]), 1, contexts, horizon, objective, centred).astype(
        np.float32
    )


class Trainer(Protocol):
    """Holds the weights and the optimizer's moments of one network in training."""

    def epoch(self, chosen: IntArray, rates: FloatArray) -> float:
        """Take a step on each batch of the chosen pieces, in their order; return the mean loss.

        rates: the learning rate of each batch. After divergence the loss is not finite.
        """

    def judge(self) -> float:
        """Return the loss on the pieces to judge by."""

    def weights(self) -> Weights:
        """Return a copy of the weights as they are now."""

    def state(self) -> Weights:
        """Return a copy of the weights and of the optimizer's first and second moments: (3, weights)."""

    def restore(self, state: Weights, steps: int) -> None:
        """Go on from a state, also of another kind of trainer, that was reached after so many batches."""


def trainer_on(
    device: str | None, specification: Specification, start: Network, pieces: Pieces, judged: Pieces | None, seed: int
) -> Trainer:
    """Return a trainer; device: torch's name for one, None for the compiled kernels on this CPU."""
    if device is None:
        return CompiledTrainer(specification, start, pieces, judged, seed)
    from service.forecasting.networks.torch_engine import TorchTrainer

    return TorchTrainer(specification, start, pieces, judged, seed, device)
