"""What trains a network: compiled kernels on the CPU, torch on any other device."""

from __future__ import annotations

from typing import Protocol

from service.forecasting.compiled_trainer import CompiledTrainer
from service.forecasting.networks import Network, Weights
from service.forecasting.preparation import IntArray
from service.forecasting.series import FloatArray
from service.forecasting.specification import Specification
from service.forecasting.windows import Pieces


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
    from service.forecasting.torch_trainer import TorchTrainer

    return TorchTrainer(specification, start, pieces, judged, seed, device)
