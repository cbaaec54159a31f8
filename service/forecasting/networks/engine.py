"""Engines: what trains networks and forecasts with them. Both compute the same, see docs/engines.md.

numba: compiled kernels on this CPU, which release the GIL. torch: `module.RecurrentForecaster` on any device of torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.specification import Specification
from service.forecasting.networks.architecture import Network, NetworkShape, Weights, initial_network
from service.forecasting.networks.training_sequences import TrainingSequences
from service.forecasting.series.series import FloatArray, IntArray

EngineName = Literal["numba", "torch"]

_SMALL = 2


class Recipe(NamedTuple):
    """How a network is rolled out.

    slide: the window of the last steps is read anew for each chunk; otherwise the state is carried on. centred: windows
    are read relative to their last step.
    """

    slide: bool
    centred: bool

    @classmethod
    def of(cls, specification: Specification) -> Recipe:
        """Return the rollout that the training of a specification prepares for."""
        return cls(specification.training.objective == "windows", specification.centering == "last")


class Trainer(Protocol):
    """The optimisation loop of one network: its weights, its data and the optimizer's moments."""

    def epoch(self, chosen: IntArray, rates: FloatArray) -> float:
        """Take a step on each batch of the chosen sequences, in their order; return the mean loss.

        rates: the learning rate of each batch. After divergence the loss is not finite.
        """

    def validation_loss(self) -> float:
        """Return the loss on the validation set. Raises ValueError if there is none."""

    def weights(self) -> Weights:
        """Return a copy of the current weights."""

    def state(self) -> Weights:
        """Return a copy of the weights and of the optimizer's first and second moments: (3, weights)."""

    def restore(self, state: Weights, steps: int) -> None:
        """Continue from a state, of either engine, that was reached after so many batches."""


class Predictor(Protocol):
    """The networks of one model, ready to forecast on their device."""

    def predict(self, contexts: NDArray[np.float32], horizon: int) -> FloatArray:
        """Return the mean forecast of the networks after scaled contexts, in the same scale.

        contexts: (origin, context_length, channel). Returns (origin, horizon, channel).
        """


class ForecastEngine(Protocol):
    """Forecasts with networks."""

    @property
    def step_overhead(self) -> int:
        """What a step of a network costs apart from its multiplications, in multiplications."""

    @property
    def failure(self) -> str | None:
        """The reason for the last failure of the GPU; None without a failure or a GPU."""

    @property
    def engines(self) -> tuple[tuple[EngineName, str], ...]:
        """The engines that make the forecasts, each with its device."""

    def predictor(self, members: Sequence[Network], recipe: Recipe) -> Predictor:
        """Return a predictor of networks of one shape, whose forecasts are averaged."""


class Engine(ForecastEngine, Protocol):
    """Trains networks on one device, and forecasts with them."""

    def trainer(
        self,
        specification: Specification,
        start: Network,
        sequences: TrainingSequences,
        validation: TrainingSequences | None,
        seed: int,
    ) -> Trainer:
        """Return a trainer that begins with the weights of ``start``."""


def warm_up(engine: ForecastEngine) -> None:
    """Make a small forecast: the first one starts the device and the libraries of an engine."""
    network = initial_network(NetworkShape("gru", 1, _SMALL, 1, 1), seed=0)
    engine.predictor([network], Recipe(False, True)).predict(np.zeros((1, _SMALL, 1), np.float32), _SMALL)
