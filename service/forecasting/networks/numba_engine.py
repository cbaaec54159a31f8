"""Training on the CPU: whole epochs in compiled code."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.options import Objective
from service.forecasting.config.specification import Specification
from service.forecasting.networks.architecture import Network, NetworkShape, Weights, dropout_seed
from service.forecasting.networks.kernels.batches import loss_and_gradient
from service.forecasting.networks.kernels.cells import CODES
from service.forecasting.networks.kernels.losses import LOSSES
from service.forecasting.networks.kernels.optimizers import OPTIMIZERS
from service.forecasting.networks.kernels.rollout import roll_out as compiled
from service.forecasting.networks.kernels.training import gather, seed_dropout, train_epoch
from service.forecasting.networks.windows import Pieces
from service.forecasting.preprocessing.pipeline import IntArray
from service.forecasting.series.series import FloatArray


class CompiledTrainer:
    """Holds the weights and the optimizer's moments of one network in training."""

    def __init__(
        self, specification: Specification, start: Network, pieces: Pieces, judged: Pieces | None, seed: int
    ) -> None:
        self._training = specification.training
        self._dropout = specification.network.dropout
        self._centred = specification.centering == "last"
        self._shape: NetworkShape = start.shape
        self._pieces = pieces
        self._weights = start.weights.copy()
        self._first, self._second = np.zeros_like(self._weights), np.zeros_like(self._weights)
        self._steps = 0
        self._seed = seed
        self._judged = None if judged is None else self._gathered(judged)

    def epoch(self, chosen: IntArray, rates: FloatArray) -> float:
        """Take a step on each batch of the chosen pieces, in their order; return the mean loss."""
        training, pieces, shape = self._training, self._pieces, self._shape
        if self._dropout > 0:
            seed_dropout(dropout_seed(self._seed, self._steps))
        loss: float = train_epoch(
            CODES[shape.cell], shape.num_layers, shape.hidden_size, shape.gates,
            self._weights, self._first, self._second,
            pieces.values, pieces.weights, pieces.starts[chosen], pieces.ends[chosen],
            training.batch_size, pieces.context_length - 1, pieces.scored_steps, pieces.output_chunk_length,
            self._centred, LOSSES[training.loss], training.truncate_bptt or 0, self._dropout,
            OPTIMIZERS[training.optimizer], rates, self._steps, training.clip_norm or 0.0, training.clip_value or 0.0,
        )  # fmt: skip
        self._steps += len(rates)
        return loss

    def judge(self) -> float:
        """Return the loss on the pieces to judge by."""
        if self._judged is None:
            raise ValueError("there is nothing to judge by")
        shape = self._shape
        inputs, targets, known = self._judged
        loss: float = loss_and_gradient(
            CODES[shape.cell], self._weights, self._weights, shape.num_layers, shape.hidden_size, shape.gates,
            inputs, targets, known, LOSSES[self._training.loss], 0, 0.0, False,
        )  # fmt: skip
        return loss

    def weights(self) -> Weights:
        """Return a copy of the weights as they are now."""
        return self._weights.copy()

    def state(self) -> Weights:
        """Return a copy of the weights and of both moments: (3, weights)."""
        return np.stack([self._weights, self._first, self._second])

    def restore(self, state: Weights, steps: int) -> None:
        """Go on from a state that was reached after so many batches."""
        self._weights[:], self._first[:], self._second[:] = state
        self._steps = steps

    def _gathered(self, pieces: Pieces) -> tuple[Weights, Weights, Weights]:
        gathered: tuple[Weights, Weights, Weights] = gather(
            pieces.values, pieces.weights, pieces.starts, pieces.ends,
            pieces.context_length - 1, pieces.scored_steps, pieces.output_chunk_length, self._centred,
        )  # fmt: skip
        return gathered


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
