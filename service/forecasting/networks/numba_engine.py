"""Train and run networks on the CPU: whole epochs and rollouts in compiled kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.specification import Specification
from service.forecasting.networks.architecture import Network, NetworkShape, Weights, dropout_seed
from service.forecasting.networks.engine import EngineName, Recipe
from service.forecasting.networks.kernels.losses import LOSSES
from service.forecasting.networks.kernels.optimizers import OPTIMIZERS
from service.forecasting.networks.kernels.rollout import packed_networks, roll_out
from service.forecasting.networks.kernels.training import gather, loss_and_gradient, seed_dropout, train_epoch
from service.forecasting.networks.training_sequences import TrainingSequences
from service.forecasting.series.series import FloatArray, IntArray


class NumbaTrainer:
    """The optimisation loop of one network in compiled kernels; see `engine.Trainer` for the methods."""

    def __init__(
        self,
        specification: Specification,
        start: Network,
        sequences: TrainingSequences,
        validation: TrainingSequences | None,
        seed: int,
    ) -> None:
        self._training = specification.training
        self._dropout = specification.network.dropout
        self._centred = specification.centering == "last"
        self._shape: NetworkShape = start.shape
        self._sequences = sequences
        self._weights = start.weights.copy()
        self._first, self._second = np.zeros_like(self._weights), np.zeros_like(self._weights)
        self._steps = 0
        self._seed = seed
        self._validation = None if validation is None else self._gathered(validation)

    def epoch(self, chosen: IntArray, rates: FloatArray) -> float:
        """Take a step on each batch of the chosen sequences, in their order; return the mean loss."""
        training, sequences, shape = self._training, self._sequences, self._shape
        if self._dropout > 0:
            seed_dropout(dropout_seed(self._seed, self._steps))
        loss: float = train_epoch(
            shape.code, shape.num_layers, shape.hidden_size, shape.gates,
            self._weights, self._first, self._second,
            sequences.values, sequences.weights, sequences.starts[chosen], sequences.ends[chosen],
            training.batch_size, sequences.context_length - 1, sequences.scored_steps, sequences.output_chunk_length,
            self._centred, LOSSES[training.loss], training.truncate_bptt or 0, self._dropout,
            OPTIMIZERS[training.optimizer], rates, self._steps, training.clip_norm or 0.0, training.clip_value or 0.0,
        )  # fmt: skip
        self._steps += len(rates)
        return loss

    def validation_loss(self) -> float:
        """Return the loss on the validation set. Raises ValueError where there is none."""
        if self._validation is None:
            raise ValueError("there is no validation set")
        shape = self._shape
        inputs, targets, known = self._validation
        loss: float = loss_and_gradient(
            shape.code, self._weights, self._weights, shape.num_layers, shape.hidden_size, shape.gates,
            inputs, targets, known, LOSSES[self._training.loss], 0, 0.0, False,
        )  # fmt: skip
        return loss

    def weights(self) -> Weights:
        """Return a copy of the current weights."""
        return self._weights.copy()

    def state(self) -> Weights:
        """Return a copy of the weights and of both moments: (3, weights)."""
        return np.stack([self._weights, self._first, self._second])

    def restore(self, state: Weights, steps: int) -> None:
        """Continue from a state that was reached after so many batches."""
        self._weights[:], self._first[:], self._second[:] = state
        self._steps = steps

    def _gathered(self, sequences: TrainingSequences) -> tuple[Weights, Weights, Weights]:
        gathered: tuple[Weights, Weights, Weights] = gather(
            sequences.values, sequences.weights, sequences.starts, sequences.ends,
            sequences.context_length - 1, sequences.scored_steps, sequences.output_chunk_length, self._centred,
        )  # fmt: skip
        return gathered


class NumbaPredictor:
    """The networks of one model, their weights packed for the kernel; see `engine.Predictor`."""

    def __init__(self, members: Sequence[Network], recipe: Recipe) -> None:
        self._shape, self._recipe, self._members = members[0].shape, recipe, len(members)
        shape, flat = self._shape, np.stack([network.weights for network in members])
        self._packed: Weights = packed_networks(
            shape.code, flat, shape.num_layers, shape.hidden_size, shape.gates, shape.outputs, shape.channels
        )

    def predict(self, contexts: NDArray[np.float32], horizon: int) -> FloatArray:
        """Return the mean forecast after (origin, context_length, channel): (origin, horizon, channel)."""
        shape, recipe = self._shape, self._recipe
        forecasts: FloatArray = roll_out(
            shape.code, self._packed, self._members, shape.num_layers, shape.hidden_size, shape.gates,
            shape.output_chunk_length, np.ascontiguousarray(contexts, dtype=np.float32), horizon,
            recipe.slide, recipe.centred,
        )  # fmt: skip
        return forecasts


class NumbaEngine:
    """The compiled kernels; see `engine.Engine`."""

    step_overhead = 0
    failure = None
    engines: tuple[tuple[EngineName, str], ...] = (("numba", "cpu"),)
    trainer = NumbaTrainer
    predictor = NumbaPredictor
