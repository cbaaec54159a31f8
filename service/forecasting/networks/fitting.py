"""Fit one network: the training loop with its learning-rate schedule, early stopping and weight averaging.

With a validation set a fit keeps the weights of the best epoch; without one, the mean weights of its last epochs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidOption, ServiceError
from service.forecasting.config.options import Objective
from service.forecasting.config.specification import Specification
from service.forecasting.networks.architecture import Network, NetworkShape, Weights, are_sound, initial_network
from service.forecasting.networks.engine import Engine
from service.forecasting.networks.engine_choice import engine_for
from service.forecasting.networks.training_sequences import TrainingSequences
from service.forecasting.series.series import FloatArray

# The most validations of one fit: more say little and cost as much as training.
_MOST_VALIDATIONS = 40
_VALIDATION_SEQUENCES = 256
# Where the last validation loss is within this factor of the best one, the fit has not overfitted. Both are medians
# over neighbouring epochs, as the minimum of many noisy numbers is mostly luck.
_STILL_GOOD = 1.1
_NEIGHBOURS = 5
# Without a validation set, the weights are averaged over the last epochs (stochastic weight averaging, Izmailov et al.
# 2018), so that they do not depend on the phase of an oscillation; averaged over more epochs, they lag behind.
_AVERAGED_EPOCHS = 5
_AVERAGED_SHARE = 0.1
# Shares of the first fit's epochs and learning rate with which `refit_network` continues it.
CONTINUED_EPOCHS = 0.3
_CONTINUED_RATE = 0.5
# The share of the epochs with which a retrained model continues its parent's networks, at the full rate: at a lower one
# they do not learn a new season in time.
WARM_EPOCHS = 0.2
# One-cycle (Smith & Topin 2018): the rate rises from a 25th over a quarter of the steps, then falls to nothing.
_WARM_UP = 0.25
_FIRST_RATE = 0.04


@dataclass
class LossCurve:
    """Losses on scaled values at the epochs that were recorded; ``validation`` is empty without a validation set."""

    epochs: list[int] = field(default_factory=list)
    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)


EpochReport = Callable[[int, int, float, float | None], None]
"""Called with the epoch, the most epochs there may be, the training loss, and the last validation loss, if any."""


@dataclass(frozen=True)
class Fit:
    """A trained network, the epoch that its weights are from, and its losses."""

    network: Network
    best_epoch: int
    curve: LossCurve

    @property
    def epochs_to_repeat(self) -> int:
        """Epochs for another fit of the same recipe: all of them, unless the validation loss shows overfitting."""
        losses = np.array(self.curve.validation)
        if not len(losses):
            return self.curve.epochs[-1]
        if len(losses) >= _NEIGHBOURS:
            losses = np.median(np.lib.stride_tricks.sliding_window_view(losses, _NEIGHBOURS), axis=1)
        return self.curve.epochs[-1] if losses[-1] <= _STILL_GOOD * losses.min() else self.best_epoch


GeneratorState = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class FitState:
    """The state of a fit after an epoch, from which it can be resumed.

    trainer: (3, weights), see `Trainer.state`. order: (6,), the state of the generator that shuffles the sequences.
    best_epoch, best_loss: so far, with a validation set. kept: (weights,), those of the best epoch so far, or the sum
    over the last epochs.
    """

    epoch: int
    trainer: Weights
    order: GeneratorState
    curve: LossCurve
    best_epoch: int
    best_loss: float
    kept: FloatArray


@dataclass(frozen=True)
class FitStates:
    """The states of one fit.

    resumed: the state to resume from; None: start from the beginning. keep: stores what its argument returns, or does
    not call it; called after every epoch.
    """

    resumed: FitState | None
    keep: Callable[[Callable[[], FitState]], None]


@dataclass(frozen=True)
class FitRun:
    """How one fit runs.

    states: stores what the fit is resumed from; with compiled kernels the result is bit-identical with and without.
    """

    seed: int
    report: EpochReport | None = None
    engine: Engine = field(default_factory=lambda: engine_for("numba"))
    states: FitStates | None = None


def fit_network(
    specification: Specification,
    sequences: TrainingSequences,
    validation: TrainingSequences,
    run: FitRun,
    start: Network | None = None,
) -> Fit:
    """Train one network, with early stopping where the validation set has any value.

    start: a network that is trained already, to continue for a share of the epochs; None: random weights.
    Raises InvalidOption where the loss is not finite.
    """
    validation = validation.thinned(_VALIDATION_SEQUENCES)
    if start is not None:
        specification = _continued(specification, specification.training.epochs, WARM_EPOCHS, rate=1.0)
    if not validation.has_targets:
        return _ResumableFit(specification, sequences, run, start=start).averaged(specification.training.epochs)
    return _ResumableFit(specification, sequences, run, validation, start).best()


def refit_network(
    specification: Specification, sequences: TrainingSequences, first: Fit, run: FitRun, is_warm: bool = False
) -> Fit:
    """Fit the recipe on more data than ``first`` had, without a validation set: the mean weights of the last epochs.

    With the objective "windows" the network is trained anew, for as many epochs as the first fit needed. With "chunks"
    training continues from the first fit's weights, at a share of its rate and epochs: as accurate in our trials as
    training anew, in a third of the time. So it does where the first fit continued another network (``is_warm``): from
    random weights, its few epochs would not do. Raises what `fit_network` raises.
    """
    start = None
    epochs = first.epochs_to_repeat
    if is_warm or specification.training.objective != "windows":
        specification, start = _continued(specification, epochs, CONTINUED_EPOCHS, _CONTINUED_RATE), first.network
        epochs = specification.training.epochs
    return _ResumableFit(specification, sequences, run, start=start).averaged(epochs)


def _continued(specification: Specification, epochs: int, share: float, rate: float) -> Specification:
    """Return a recipe to continue a trained network with, for a share of the epochs, at a share of the rate."""
    training, fewer = specification.training, max(1, round(epochs * share))
    continued = replace(training, epochs=fewer, learning_rate=training.learning_rate * rate)
    return replace(specification, training=continued)


class _ResumableFit:
    def __init__(
        self,
        specification: Specification,
        sequences: TrainingSequences,
        run: FitRun,
        validation: TrainingSequences | None = None,
        start: Network | None = None,
    ) -> None:
        self._training = specification.training
        self._sequences = sequences
        self._run = run
        self._order = np.random.default_rng(run.seed)
        channels = sequences.values.shape[1]
        self._shape = NetworkShape.of(specification.network, channels, specification.output_chunk_length)
        first = start or initial_network(self._shape, run.seed)
        self._trainer = run.engine.trainer(specification, first, sequences, validation, run.seed)
        # So many sequences that every target is scored about once.
        self._per_epoch = max(1, math.ceil(len(sequences) / sequences.scored_steps))
        self._batches = math.ceil(self._per_epoch / self._training.batch_size)
        self._interval = max(1, min(self._training.epochs // _MOST_VALIDATIONS, self._training.patience))
        self._curve = LossCurve()
        self._resumed = run.states.resumed if run.states else None
        if self._resumed is not None:
            self._trainer.restore(self._resumed.trainer, self._resumed.epoch * self._batches)
            set_generator_state(self._order, self._resumed.order)
            self._curve = self._resumed.curve

    def best(self) -> Fit:
        """Train until the validation loss stops improving or all epochs are done; keep the best epoch's weights."""
        epochs = self._training.epochs
        best_loss, best_epoch, best_weights = math.inf, epochs, self._trainer.weights()
        if (state := self._resumed) is not None:
            best_loss, best_epoch, best_weights = state.best_loss, state.best_epoch, state.kept.astype(np.float32)
        for epoch in self._remaining(epochs):
            loss = self._run_epoch(epoch)
            if epoch % self._interval and epoch != epochs:
                self._report_epoch(epoch, epochs, loss)
            else:
                validation_loss = self._trainer.validation_loss()
                self._record(epoch, loss, validation_loss)
                self._report_epoch(epoch, epochs, loss)
                if validation_loss < best_loss:
                    best_loss, best_epoch, best_weights = validation_loss, epoch, self._trainer.weights()
                if epoch - best_epoch >= self._training.patience:
                    break
            self._keep(epoch, best_weights, best_epoch, best_loss)
        return Fit(self._network(best_weights), best_epoch, self._curve)

    def averaged(self, epochs: int) -> Fit:
        """Train for so many epochs; keep the mean weights of the last of them."""
        last = max(1, min(_AVERAGED_EPOCHS, int(_AVERAGED_SHARE * epochs)))
        total = np.zeros(self._shape.size) if self._resumed is None else self._resumed.kept
        for epoch in self._remaining(epochs):
            loss = self._run_epoch(epoch)
            if epoch > epochs - last:
                total += self._trainer.weights()
            if epoch % self._interval == 0 or epoch == epochs:
                self._record(epoch, loss, None)
            self._report_epoch(epoch, epochs, loss)
            self._keep(epoch, total, epoch, math.inf)
        return Fit(self._network((total / last).astype(np.float32)), epochs, self._curve)

    def _remaining(self, epochs: int) -> range:
        return range(self._resumed.epoch + 1 if self._resumed else 1, epochs + 1)

    def _run_epoch(self, epoch: int) -> float:
        first, total = (epoch - 1) * self._batches, self._training.epochs * self._batches
        rates = self._training.learning_rate * np.array(
            [_rate_factor(self._training.objective, first + batch, total) for batch in range(self._batches)]
        )
        loss = self._trainer.epoch(self._order.permutation(len(self._sequences))[: self._per_epoch], rates)
        if not math.isfinite(loss):
            raise _diverged()
        return loss

    def _record(self, epoch: int, training_loss: float, validation_loss: float | None) -> None:
        self._curve.epochs.append(epoch)
        self._curve.training.append(training_loss)
        if validation_loss is not None:
            self._curve.validation.append(validation_loss)

    def _report_epoch(self, epoch: int, epochs: int, training_loss: float) -> None:
        if self._run.report:
            self._run.report(
                epoch, epochs, training_loss, self._curve.validation[-1] if self._curve.validation else None
            )

    def _keep(self, epoch: int, kept: Weights | FloatArray, best_epoch: int, best_loss: float) -> None:
        if self._run.states is not None:
            self._run.states.keep(
                lambda: FitState(
                    epoch,
                    self._trainer.state(),
                    generator_state(self._order),
                    self._curve,
                    best_epoch,
                    best_loss,
                    kept.astype(np.float64),
                )
            )

    def _network(self, weights: Weights) -> Network:
        if not are_sound(weights):
            raise _diverged()
        return Network(self._shape, weights)


def _diverged() -> ServiceError:
    detail = "the training diverged: its numbers are far too large or none; use a smaller learning_rate or a clip_norm"
    return InvalidOption.at(("training", "learning_rate"), detail)


def _rate_factor(objective: Objective, step: int, steps: int) -> float:
    """Return the factor of the learning rate at one of ``steps``: one-cycle for "chunks", constant for "windows"."""
    if objective == "windows":
        return 1.0
    rising = max(1, round(_WARM_UP * steps))
    if step < rising:
        return _FIRST_RATE + (1 - _FIRST_RATE) * (step + 1) / rising
    falling = (step - rising + 1) / max(1, steps - rising)
    return max(0.5 * (1 + math.cos(math.pi * falling)), 1e-3)


_WORDS = 6
_WORD_BITS = 64
_WORD = 2**_WORD_BITS - 1


def generator_state(generator: np.random.Generator) -> GeneratorState:
    """Return the state of a generator of `numpy.random.default_rng` (PCG64): (6,)."""
    state: Any = generator.bit_generator.state
    numbers = [state["state"]["state"], state["state"]["inc"]]
    halves = [part for number in numbers for part in (number >> _WORD_BITS, number & _WORD)]
    return np.array([*halves, state["has_uint32"], state["uinteger"]], dtype=np.uint64)


def set_generator_state(generator: np.random.Generator, words: GeneratorState) -> None:
    """Restore what `generator_state` returned. Raises ValueError where the words are not such a state."""
    if words.shape != (_WORDS,) or words.dtype != np.uint64 or words[4] > 1 or words[5] >= 2**32:
        raise ValueError("the words are no state of a generator")
    high, low, increment_high, increment_low, has_half, half = (int(word) for word in words)
    generator.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": high << _WORD_BITS | low, "inc": increment_high << _WORD_BITS | increment_low},
        "has_uint32": has_half,
        "uinteger": half,
    }
