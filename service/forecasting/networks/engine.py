"""Train and run networks: compiled kernels on the CPU, torch on any other device."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.options import Objective
from service.forecasting.config.specification import Specification
from service.forecasting.networks.architecture import Network, Weights, packed
from service.forecasting.networks.numba_engine import CompiledTrainer, roll_out_packed
from service.forecasting.networks.windows import TrainingSequences
from service.forecasting.preprocessing.pipeline import IntArray
from service.forecasting.series.series import FloatArray


class Trainer(Protocol):
    """The optimisation loop of one network: its weights, its data and the optimizer's moments."""

    def epoch(self, chosen: IntArray, rates: FloatArray) -> float:
        """Take a step on each batch of the chosen sequences, in their order; return the mean loss.

        rates: the learning rate of each batch. After divergence the loss is not finite.
        """

    def validation_loss(self) -> float:
        """Return the loss on the validation set. Raises ValueError where there is none."""

    def weights(self) -> Weights:
        """Return a copy of the current weights."""

    def state(self) -> Weights:
        """Return a copy of the weights and of the optimizer's first and second moments: (3, weights)."""

    def restore(self, state: Weights, steps: int) -> None:
        """Continue from a state, of any kind of trainer, that was reached after so many batches."""


def trainer_on(
    device: str | None,
    specification: Specification,
    start: Network,
    sequences: TrainingSequences,
    validation: TrainingSequences | None,
    seed: int,
) -> Trainer:
    """Return a trainer; device: torch's name, None for the compiled kernels on this CPU."""
    if device is None:
        return CompiledTrainer(specification, start, sequences, validation, seed)
    from service.forecasting.networks.torch_engine import TorchTrainer

    return TorchTrainer(specification, start, sequences, validation, seed, device)


def roll_out(
    network: Network,
    contexts: NDArray[np.float32],
    horizon: int,
    objective: Objective,
    centred: bool,
    device: str | None = None,
) -> NDArray[np.float32]:
    """Forecast ``horizon`` steps after each context (origin, context_length, channel), in the same scale.

    Returns (origin, horizon, channel). device: torch's name; None: this CPU, in compiled code, which releases the GIL.
    """
    if device is not None:
        from service.forecasting.networks.torch_engine import roll_out as roll_out_on

        return roll_out_on(network, contexts, horizon, objective, centred, device)
    return roll_out_packed(network.shape, packed([network]), 1, contexts, horizon, objective, centred).astype(
        np.float32
    )
