"""The training loop: one network; the best weights where there is something to judge them by, else an average."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidOption, ServiceError
from service.forecasting.config.options import Objective
from service.forecasting.config.specification import Specification
from service.forecasting.networks.architecture import Network, NetworkShape, Weights, are_sound, initial_network
from service.forecasting.networks.engine import trainer_on
from service.forecasting.networks.windows import Pieces
from service.forecasting.series.series import FloatArray

Words = NDArray[np.uint64]


_WORDS = 6


_WORD_BITS = 64


_WORD = 2**_WORD_BITS - 1


def generator_state(generator: np.random.Generator) -> Words:
    """Return the state of a generator of `numpy.random.default_rng` (PCG64): (6,)."""
    state: Any = generator.bit_generator.state
    numbers = [state["state"]["state"], state["state"]["inc"]]
    halves = [part for number in numbers for part in (number >> _WORD_BITS, number & _WORD)]
    return np.array([*halves, state["has_uint32"], state["uinteger"]], dtype=np.uint64)


def set_generator_state(generator: np.random.Generator, words: Words) -> None:
    """Undo `generator_state`; raises ValueError where the words are no such state."""
    if words.shape != (_WORDS,) or words.dtype != np.uint64 or words[4] > 1 or words[5] >= 2**32:
        raise ValueError("the words are no state of a generator")
    high, low, increment_high, increment_low, has_half, half = (int(word) for word in words)
    generator.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": high << _WORD_BITS | low, "inc": increment_high << _WORD_BITS | increment_low},
        "has_uint32": has_half,
        "uinteger": half,
    }


# One-cycle (Smith & Topin 2018): a quarter of the steps up from a 25th of the rate, then down to nothing.
_WARM_UP = 0.25


_FIRST_SHARE = 0.04


def rate_share(objective: Objective, step: int, steps: int) -> float:
    """Return the share of the learning rate for a step of so many: one-cycle for chunks, constant for windows."""
    if objective == "windows":
        return 1.0
    rising = max(1, round(_WARM_UP * steps))
    if step < rising:
        return _FIRST_SHARE + (1 - _FIRST_SHARE) * (step + 1) / rising
    falling = (step - rising + 1) / max(1, steps - rising)
    return max(0.5 * (1 + math.cos(math.pi * falling)), 1e-3)


# How often, at most, a training is judged: more tells little and costs as much as training.
_JUDGEMENTS = 40
_JUDGED_PIECES = 256
# A validation loss that ends within this of its best had not begun to learn by heart; both are medians of
# neighbours, for the least of many noisy numbers is mere luck.
_STILL_GOOD = 1.1
_NEIGHBOURS = 5
# With nothing to judge by, the weights are the mean over the last epochs, not those of whichever phase of an
# oscillation comes last (stochastic weight averaging, Izmailov et al. 2018); over more, they lag behind.
_AVERAGED_EPOCHS = 5
_AVERAGED_SHARE = 0.1
# Shares of the first fit's epochs and rate for going on with it on more data.
CONTINUED_EPOCHS = 0.3
_CONTINUED_RATE = 0.5


@dataclass
class LossCurve:
    """Losses on scaled values at the epochs that were judged; validation is empty where there was none."""

    epochs: list[int] = field(default_factory=list)
    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)


EpochReport = Callable[[int, int, float, float | None], None]
"""Told each epoch, of how many at most, its training loss, and the last validation loss, where there is one."""


@dataclass(frozen=True)
class Fit:
    """A trained network, the epoch its weights are from, and how it got there."""

    network: Network
    best_epoch: int
    curve: LossCurve

    @property
    def epochs_to_repeat(self) -> int:
        """Epochs for another fit of the same recipe: all, where it was good until the end or nobody knows."""
        losses = np.array(self.curve.validation)
        if not len(losses):
            return self.curve.epochs[-1]
        if len(losses) >= _NEIGHBOURS:
            losses = np.median(np.lib.stride_tricks.sliding_window_view(losses, _NEIGHBOURS), axis=1)
        return self.curve.epochs[-1] if losses[-1] <= _STILL_GOOD * losses.min() else self.best_epoch


@dataclass(frozen=True, eq=False)
class FitState:
    """How far a fit is after an epoch.

    trainer: (3, weights), see `Trainer.state`; order: (6,), of the generator of the pieces' order. best_epoch,
    best_loss: so far, where there is something to judge by; kept: (weights,), those of the best epoch so far, or the
    sum over the last epochs.
    """

    epoch: int
    trainer: Weights
    order: Words
    curve: LossCurve
    best_epoch: int
    best_loss: float
    kept: FloatArray


class FitStates(Protocol):
    """Where the states of one fit are kept."""

    def resume(self) -> FitState | None:
        """Return where to go on; None: at the start."""

    def keep(self, make: Callable[[], FitState]) -> None:
        """Keep what ``make`` returns, or leave it uncalled; asked after every epoch."""


def pieces_per_epoch(pieces: Pieces) -> int:
    """Count the pieces after which every target has been scored about once."""
    return max(1, math.ceil(len(pieces) / pieces.scored_steps))


def fit_network(
    specification: Specification,
    pieces: Pieces,
    validation: Pieces,
    seed: int,
    report: EpochReport | None = None,
    device: str | None = None,
    states: FitStates | None = None,
) -> Fit:
    """Train one network; ``validation``: what to stop early and to choose the weights by, where it has any value.

    device: of torch; None: this CPU, in compiled kernels. states: where to go on; the result is the same to the bit on
    the CPU. It depends on the other arguments alone.
    Raises InvalidOption where the loss is no longer a finite number.
    """
    judged = validation.spaced(_JUDGED_PIECES)
    if not judged.has_targets:
        return _Loop(specification, pieces, None, seed, None, report, device, states).averaged(
            specification.training.epochs
        )
    return _Loop(specification, pieces, judged, seed, None, report, device, states).best()


def fit_again(
    specification: Specification,
    pieces: Pieces,
    first: Fit,
    seed: int,
    report: EpochReport | None = None,
    device: str | None = None,
    states: FitStates | None = None,
) -> Fit:
    """Fit the recipe on more data than ``first`` had, with nothing to judge by: the mean weights of the last epochs.

    Windows are trained anew, for as long as the first fit was good. Pieces go on from its weights, at a part of its
    rate and epochs: as accurate in our trials as training anew, for a third of the time.
    """
    if specification.training.objective == "windows":
        return _Loop(specification, pieces, None, seed, None, report, device, states).averaged(first.epochs_to_repeat)
    training = specification.training
    training = replace(
        training,
        epochs=max(1, round(first.epochs_to_repeat * CONTINUED_EPOCHS)),
        learning_rate=training.learning_rate * _CONTINUED_RATE,
    )
    loop = _Loop(replace(specification, training=training), pieces, None, seed, first.network, report, device, states)
    return loop.averaged(training.epochs)


class _Loop:
    def __init__(
        self,
        specification: Specification,
        pieces: Pieces,
        judged: Pieces | None,
        seed: int,
        start: Network | None,
        report: EpochReport | None,
        device: str | None,
        states: FitStates | None,
    ) -> None:
        self.training = specification.training
        self.pieces = pieces
        self.report = report
        self.order = np.random.default_rng(seed)
        channels = pieces.values.shape[1]
        shape = NetworkShape.of(specification.network, channels, specification.output_chunk_length)
        self.shape = shape
        first = start or initial_network(shape, seed)
        self.trainer = trainer_on(device, specification, first, pieces, judged, seed)
        self.limit = pieces_per_epoch(pieces)
        self.batches = math.ceil(self.limit / self.training.batch_size)
        self.interval = max(1, min(self.training.epochs // _JUDGEMENTS, self.training.patience))
        self.curve = LossCurve()
        self.states = states
        self.reached = states.resume() if states else None
        if self.reached is not None:
            self.trainer.restore(self.reached.trainer, self.reached.epoch * self.batches)
            set_generator_state(self.order, self.reached.order)
            self.curve = self.reached.curve

    def best(self) -> Fit:
        """Train until nothing gets better or the epochs are over; keep the weights of the best epoch."""
        best_loss, best_epoch, best_weights = math.inf, self.training.epochs, self.trainer.weights()
        if (reached := self.reached) is not None:
            best_loss, best_epoch, best_weights = reached.best_loss, reached.best_epoch, reached.kept.astype(np.float32)
        for epoch in range(reached.epoch + 1 if reached else 1, self.training.epochs + 1):
            loss = self._epoch(epoch)
            if epoch % self.interval and epoch != self.training.epochs:
                self._tell(epoch, self.training.epochs, loss)
            else:
                judged = self.trainer.judge()
                self._note(epoch, loss, judged)
                self._tell(epoch, self.training.epochs, loss)
                if judged < best_loss:
                    best_loss, best_epoch, best_weights = judged, epoch, self.trainer.weights()
                if epoch - best_epoch >= self.training.patience:
                    break
            self._keep(epoch, best_weights, best_epoch, best_loss)
        return Fit(self._network(best_weights), best_epoch, self.curve)

    def averaged(self, epochs: int) -> Fit:
        """Train for so many epochs; keep the mean weights of the last of them."""
        last = max(1, min(_AVERAGED_EPOCHS, int(_AVERAGED_SHARE * epochs)))
        reached = self.reached
        total = np.zeros(self.shape.size) if reached is None else reached.kept
        for epoch in range(reached.epoch + 1 if reached else 1, epochs + 1):
            loss = self._epoch(epoch)
            if epoch > epochs - last:
                total += self.trainer.weights()
            if epoch % self.interval == 0 or epoch == epochs:
                self._note(epoch, loss, None)
            self._tell(epoch, epochs, loss)
            self._keep(epoch, total, epoch, math.inf)
        return Fit(self._network((total / last).astype(np.float32)), epochs, self.curve)

    def _keep(self, epoch: int, kept: Weights | FloatArray, best_epoch: int, best_loss: float) -> None:
        if self.states is not None:
            self.states.keep(
                lambda: FitState(
                    epoch,
                    self.trainer.state(),
                    generator_state(self.order),
                    self.curve,
                    best_epoch,
                    best_loss,
                    kept.astype(np.float64),
                )
            )

    def _network(self, weights: Weights) -> Network:
        if not are_sound(weights):
            raise _diverged()
        return Network(self.shape, weights)

    def _note(self, epoch: int, training_loss: float, judged: float | None) -> None:
        self.curve.epochs.append(epoch)
        self.curve.training.append(training_loss)
        if judged is not None:
            self.curve.validation.append(judged)

    def _tell(self, epoch: int, epochs: int, training_loss: float) -> None:
        if self.report:
            self.report(epoch, epochs, training_loss, self.curve.validation[-1] if self.curve.validation else None)

    def _epoch(self, epoch: int) -> float:
        first, total = (epoch - 1) * self.batches, self.training.epochs * self.batches
        rates = self.training.learning_rate * np.array(
            [rate_share(self.training.objective, first + batch, total) for batch in range(self.batches)]
        )
        loss = self.trainer.epoch(self.order.permutation(len(self.pieces))[: self.limit], rates)
        if not math.isfinite(loss):
            raise _diverged()
        return loss


def _diverged() -> ServiceError:
    detail = "the training diverged: its numbers are far too large or none; use a smaller learning_rate or a clip_norm"
    return InvalidOption.at(("training", "learning_rate"), detail)
