"""The training loop: one network, early stopping on later data, the best weights kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from service.errors import InvalidOption
from service.forecasting.losses import build_optimizer, rate_share, weighted_loss
from service.forecasting.networks import RecurrentNetwork, build_network
from service.forecasting.specification import Specification
from service.forecasting.windows import Batch, Pieces

# How often, at most, a training is judged: more tells little and costs as much as training.
_JUDGEMENTS = 100
_JUDGED_PIECES = 256
# With nothing to validate on, the weights are the best of this last part of the epochs: late enough to be
# trained, and not whichever phase of an oscillation the last epoch happens to be.
_LAST_PART = 0.2


@dataclass
class LossCurve:
    """Losses on scaled values at the epochs that were judged; validation is empty where there was none."""

    epochs: list[int] = field(default_factory=list)
    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)


EpochReport = Callable[[int, LossCurve], None]


@dataclass(frozen=True)
class Fit:
    """A trained network, the epoch its weights are from, and how it got there."""

    network: RecurrentNetwork
    best_epoch: int
    curve: LossCurve

    @property
    def epochs_to_repeat(self) -> int:
        """Epochs for another fit of the same recipe: all of them, where it was still good at the end."""
        last = self.curve.epochs[-1]
        return last if self.best_epoch > (1 - _LAST_PART) * last else self.best_epoch


def pieces_per_epoch(pieces: Pieces) -> int:
    """Count the pieces after which every target has been scored about once."""
    return max(1, math.ceil(len(pieces) / pieces.scored_steps))


def fit_network(
    specification: Specification,
    pieces: Pieces,
    validation: Pieces | None,
    seed: int,
    stop_after: int | None = None,
    report: EpochReport | None = None,
) -> Fit:
    """Train one network.

    validation: windows to stop early and to choose the weights by; None trains for ``stop_after`` epochs
    of the same schedule and chooses by the training pieces among the last of them. The result depends on
    the arguments alone.
    Raises InvalidOption where the loss is no longer a finite number.
    """
    with _repeatable(seed):
        loop = _Loop(specification, pieces, validation, seed, report)
        return loop.run(stop_after or specification.training.epochs)


@contextmanager
def _repeatable(seed: int) -> Iterator[None]:
    """One thread and a private random state: the same bits again, and no thread waits for a busy core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


class _Loop:
    def __init__(
        self,
        specification: Specification,
        pieces: Pieces,
        validation: Pieces | None,
        seed: int,
        report: EpochReport | None,
    ) -> None:
        self.training = specification.training
        self.centred = specification.centering == "last"
        self.pieces = pieces
        self.report = report
        self.order = np.random.default_rng(seed)
        channels = pieces.values.shape[1]
        self.network = build_network(specification.network, channels, specification.output_chunk_length, seed)
        self.optimizer = build_optimizer(self.training, self.network)
        self.limit = pieces_per_epoch(pieces)
        self.total_steps = self.training.epochs * math.ceil(self.limit / self.training.batch_size)
        self.step = 0
        self.curve = LossCurve()
        self.validated = validation is not None
        judged = pieces if validation is None else validation
        spaced = np.linspace(0, len(judged) - 1, min(len(judged), _JUDGED_PIECES)).round()
        self.judged = judged.batch(spaced.astype(np.int64))

    def run(self, epochs: int) -> Fit:
        best_loss, best_epoch, best_weights = math.inf, epochs, self.network.state_dict()
        interval = max(1, self.training.epochs // _JUDGEMENTS)
        first = 1 if self.validated else math.ceil((1 - _LAST_PART) * epochs)
        for epoch in range(1, epochs + 1):
            loss = self._epoch()
            if epoch % interval and epoch != epochs:
                continue
            judged = self._judge() if epoch >= first else math.inf
            self._note(epoch, loss, judged)
            if judged < best_loss:
                best_loss, best_epoch = judged, epoch
                best_weights = {name: weight.clone() for name, weight in self.network.state_dict().items()}
            if epoch - best_epoch >= self.training.patience:
                break
        self.network.load_state_dict(best_weights)
        return Fit(self.network.eval(), best_epoch, self.curve)

    def _note(self, epoch: int, training_loss: float, judged: float) -> None:
        self.curve.epochs.append(epoch)
        self.curve.training.append(training_loss)
        if self.validated:
            self.curve.validation.append(judged)
        if self.report:
            self.report(epoch, self.curve)

    def _epoch(self) -> float:
        self.network.train()
        losses = [
            self._optimize(batch) for batch in self.pieces.batches(self.training.batch_size, self.limit, self.order)
        ]
        return float(np.mean(losses))

    def _optimize(self, batch: Batch) -> float:
        share = rate_share(self.training.objective, self.step, self.total_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = self.training.learning_rate * share
        self.optimizer.zero_grad(set_to_none=True)
        forecasts = self.network.score_steps(
            batch.inputs, self.pieces.scored_steps, self.centred, self.training.truncate_bptt
        )
        loss = weighted_loss(self.training.loss, forecasts, batch.targets, batch.weights)
        value = float(loss.detach())
        if not math.isfinite(value):
            detail = "the training diverged: its loss is no longer finite; use a smaller learning_rate or a clip_norm"
            raise InvalidOption.at(("training", "learning_rate"), detail)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.training.clip_norm is not None:
            clip_grad_norm_(self.network.parameters(), self.training.clip_norm)
        if self.training.clip_value is not None:
            clip_grad_value_(self.network.parameters(), self.training.clip_value)
        self.optimizer.step()
        self.step += 1
        return value

    @torch.no_grad()
    def _judge(self) -> float:
        self.network.eval()
        forecasts = self.network.score_steps(self.judged.inputs, self.judged.targets.shape[1], self.centred)
        return float(weighted_loss(self.training.loss, forecasts, self.judged.targets, self.judged.weights))
