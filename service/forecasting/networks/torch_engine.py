"""Train and run networks with torch, on any of its devices; equal to the compiled kernels within float32."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from service.forecasting.config.options import Loss, Optimizer
from service.forecasting.config.specification import Specification, TrainingSpecification
from service.forecasting.networks.architecture import Network, Weights, dropout_seed
from service.forecasting.networks.engine import EngineName, Recipe
from service.forecasting.networks.module import RecurrentForecaster, detached
from service.forecasting.networks.torch_device import computing
from service.forecasting.networks.training_sequences import TrainingSequences
from service.forecasting.series.series import FloatArray, IntArray

_PENALTIES: dict[Loss, Callable[..., Tensor]] = {
    "mae": functional.l1_loss,
    "mse": functional.mse_loss,
    "huber": functional.huber_loss,
}
_FUSED: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
# Names in the state of torch's optimizers of the first (1) and second (2) moments of `kernels.optimizers`.
_MOMENTS: dict[Optimizer, dict[int, str]] = {
    "adam": {1: "exp_avg", 2: "exp_avg_sq"},
    "adamw": {1: "exp_avg", 2: "exp_avg_sq"},
    "rmsprop": {2: "square_avg"},
    "sgd": {},
}

# The outputs of a layer in one rollout: 4 MiB, which stay in a CPU's cache, or 1 GiB of a GPU's memory.
_ROLLOUT_NUMBERS = {"cpu": 2**20, "cuda": 2**28}


class TorchTrainer:
    """The optimisation loop of one network on a device; see `engine.Trainer` for the methods."""

    def __init__(
        self,
        specification: Specification,
        start: Network,
        sequences: TrainingSequences,
        validation: TrainingSequences | None,
        seed: int,
        device: str,
    ) -> None:
        centred = specification.centering == "last"
        self._training = specification.training
        self._shape, self._device = start.shape, device
        self._network = module_of(start, device, specification.network.dropout)
        self._optimizer = optimizer_of(self._training, self._network)
        self._scored_steps = sequences.scored_steps
        self._sequences = DeviceSequences(sequences, device, centred)
        self._validation = None if validation is None else DeviceSequences(validation, device, centred).all()
        self._validation_steps = 0 if validation is None else validation.scored_steps
        self._seed, self._steps = seed, 0

    @computing()
    def epoch(self, chosen: IntArray, rates: FloatArray) -> float:
        """Take a step on each batch of the chosen sequences, in their order; return the mean loss.

        The device is synchronised once, at the end.
        """
        self._network.train()
        if self._network.dropout.p > 0:
            torch.manual_seed(dropout_seed(self._seed, self._steps))
        places = torch.split(self._sequences.chosen(chosen), self._training.batch_size)
        losses = [self._step(self._sequences.gather(batch), rate) for batch, rate in zip(places, rates, strict=True)]
        self._steps += len(rates)
        return float(torch.stack(losses).mean())

    @computing()
    @torch.no_grad()
    def validation_loss(self) -> float:
        """Return the loss on the validation set. Raises ValueError where there is none."""
        if self._validation is None:
            raise ValueError("there is no validation set")
        self._network.eval()
        forecasts = scored_chunks(self._network, self._validation.inputs, self._validation_steps)
        return float(weighted_loss(self._training.loss, forecasts, self._validation))

    def weights(self) -> Weights:
        """Return a copy of the current weights."""
        return flat_weights(self._network.parameters())

    def state(self) -> Weights:
        """Return a copy of the weights and of both moments: (3, weights); zeros where the optimizer has none."""
        weights = self.weights()
        state = np.stack([weights, np.zeros_like(weights), np.zeros_like(weights)])
        moments = [self._optimizer.state[parameter] for parameter in self._network.parameters()]
        for row, name in _MOMENTS[self._training.optimizer].items():
            if self._steps:
                state[row] = flat_weights(one[name] for one in moments)
        return state

    @computing()
    def restore(self, state: Weights, steps: int) -> None:
        """Continue from a state, of any kind of trainer, that was reached after so many batches."""
        self._network.load_state_dict(self._named(state[0]))
        self._steps = steps
        for row, name in _MOMENTS[self._training.optimizer].items():
            moments = self._named(state[row])
            for key, parameter in self._network.named_parameters():
                # A fused optimizer counts its steps on the device.
                device = parameter.device if self._optimizer.defaults.get("fused") else "cpu"
                self._optimizer.state[parameter]["step"] = torch.tensor(float(steps), device=device)
                self._optimizer.state[parameter][name] = moments[key].to(self._device)

    def _named(self, flat: Weights) -> dict[str, Tensor]:
        """Return weights, or anything of their shapes, by the names of parameters."""
        named = Network(self._shape, flat).named_weights()
        return {name: torch.tensor(one) for name, one in named.items()}

    def _step(self, batch: Batch, rate: float) -> Tensor:
        training = self._training
        for group in self._optimizer.param_groups:
            group["lr"] = float(rate)
        self._optimizer.zero_grad()
        forecasts = scored_chunks(self._network, batch.inputs, self._scored_steps, training.truncate_bptt)
        loss = weighted_loss(training.loss, forecasts, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        if training.clip_norm is not None:
            clip_grad_norm_(self._network.parameters(), training.clip_norm)
        if training.clip_value is not None:
            clip_grad_value_(self._network.parameters(), training.clip_value)
        self._optimizer.step()
        return loss.detach()


class Batch(NamedTuple):
    """Inputs (T, B, C), and the targets after each scored step with their weights ``known``: both (S, B, K, C)."""

    inputs: Tensor
    targets: Tensor
    known: Tensor


class DeviceSequences:
    """The training sequences of a panel in the memory of a device.

    centred: inputs are relative to the value at the first scored step, targets to the value at their own step.
    """

    def __init__(self, sequences: TrainingSequences, device: str, centred: bool) -> None:
        self._device = device
        self._centred = centred
        self._first = sequences.context_length - 1
        self._read = sequences.context_length + sequences.scored_steps - 1
        self._chunk = sequences.output_chunk_length
        self._values, self._weights, self._starts, self._ends = (
            torch.from_numpy(one).to(device)
            for one in (sequences.values, sequences.weights, sequences.starts, sequences.ends)
        )
        self._offsets = torch.arange(self._read + self._chunk, device=device)[:, None]

    def chosen(self, rows: IntArray) -> Tensor:
        """Move the indices of a whole epoch to the device, in one transfer."""
        return torch.from_numpy(rows).to(self._device)

    def all(self) -> Batch:
        """Gather every sequence."""
        return self.gather(torch.arange(len(self._starts), device=self._device))

    def gather(self, chosen: Tensor) -> Batch:
        """Gather the sequences with these indices (B,); values past the end of a sequence have weight 0."""
        rows, ends = self._starts[chosen] + self._offsets, self._ends[chosen]
        places = torch.minimum(rows, ends - 1)
        values = self._values[places]
        known = self._weights[places] * (rows < ends)[:, :, None]
        inputs, targets = values[: self._read], self._chunks(values)
        if self._centred:
            targets = targets - inputs[self._first :, :, None]
            inputs = inputs - inputs[self._first]
        return Batch(inputs, targets, self._chunks(known))

    def _chunks(self, rows: Tensor) -> Tensor:
        return rows[self._first + 1 :].unfold(0, self._chunk, 1).transpose(2, 3)


def scored_chunks(
    module: RecurrentForecaster, inputs: Tensor, scored_steps: int, truncate_bptt: int | None = None
) -> Tensor:
    """Return the chunks after the last ``scored_steps`` of (T, B, C): (S, B, K, C).

    With ``truncate_bptt`` the state is detached every so many steps, counted back from the end (Williams & Peng 1990),
    so that gradients flow back at most that far.
    """
    steps = len(inputs)
    length = truncate_bptt or steps
    state, segments = None, []
    for segment in torch.tensor_split(inputs, list(range(steps % length or length, steps, length))):
        hidden, state = module.read(segment, state)
        state = detached(state)
        segments.append(hidden)
    return module.emit(torch.cat(segments)[steps - scored_steps :])


def weighted_loss(loss: Loss, forecasts: Tensor, batch: Batch) -> Tensor:
    """Return the weighted mean of the loss."""
    penalties = _PENALTIES[loss](forecasts, batch.targets, reduction="none")
    return (penalties * batch.known).sum() / batch.known.sum().clamp(min=1.0)


def optimizer_of(training: TrainingSpecification, network: RecurrentForecaster) -> torch.optim.Optimizer:
    """Return torch's optimizer with the constants of `kernels.optimizers`, fused where possible."""
    rate = training.learning_rate
    if training.optimizer == "rmsprop":
        return torch.optim.RMSprop(network.parameters(), lr=rate, alpha=0.9)
    return _FUSED[training.optimizer](network.parameters(), lr=rate, fused=True)


class TorchPredictor:
    """The networks of one model in the memory of a device; see `engine.Predictor`."""

    def __init__(self, members: Sequence[Network], recipe: Recipe, device: str) -> None:
        self._recipe, self._device, self._hidden_size = recipe, device, members[0].shape.hidden_size
        self._modules = [module_of(network, device).eval() for network in members]

    @computing()
    @torch.inference_mode()
    def predict(self, contexts: NDArray[np.float32], horizon: int) -> FloatArray:
        """Return the mean forecast after (origin, context_length, channel): (origin, horizon, channel)."""
        given = torch.from_numpy(np.ascontiguousarray(contexts, dtype=np.float32))
        rows = self._rows(given.shape[1])
        if len(given) <= rows:
            return self._mean(given, horizon)
        return np.concatenate([self._mean(block, horizon) for block in torch.split(given, rows)])

    def _mean(self, contexts: Tensor, horizon: int) -> FloatArray:
        contexts = contexts.to(self._device)
        each = [module.forecast(contexts, horizon, *self._recipe) for module in self._modules]
        mean = each[0].double() if len(each) == 1 else torch.stack(each).double().mean(dim=0)
        forecasts: FloatArray = mean.cpu().numpy()
        return forecasts

    def _rows(self, context_length: int) -> int:
        """Return the number of contexts of one rollout: torch keeps the output of a layer after every step."""
        numbers = _ROLLOUT_NUMBERS["cpu" if self._device == "cpu" else "cuda"]
        return max(1, numbers // (context_length * self._hidden_size))


@dataclass(frozen=True)
class TorchEngine:
    """Torch on one of its devices; see `engine.Engine`."""

    device: str
    step_overhead: ClassVar[int] = 100_000
    failure: ClassVar[None] = None

    @property
    def engines(self) -> tuple[tuple[EngineName, str], ...]:
        """This engine and its device."""
        return (("torch", self.device),)

    @computing()
    def trainer(
        self,
        specification: Specification,
        start: Network,
        sequences: TrainingSequences,
        validation: TrainingSequences | None,
        seed: int,
    ) -> TorchTrainer:
        """Return a trainer that begins with the weights of ``start``."""
        return TorchTrainer(specification, start, sequences, validation, seed, self.device)

    @computing()
    def predictor(self, members: Sequence[Network], recipe: Recipe) -> TorchPredictor:
        """Return a predictor whose weights stay on the device."""
        return TorchPredictor(members, recipe, self.device)


def module_of(network: Network, device: str, dropout: float = 0.0) -> RecurrentForecaster:
    """Return a network as a module on a device."""
    shape = network.shape
    module = RecurrentForecaster(
        shape.cell, shape.channels, shape.hidden_size, shape.num_layers, shape.output_chunk_length, dropout,
        shape.head_size,
    )  # fmt: skip
    module.load_state_dict({name: torch.from_numpy(weight) for name, weight in network.named_weights().items()})
    module.to(device)
    for layer in module.single_layers:
        layer.flatten_parameters()  # cuDNN wants the weights of each module in one piece of memory
    return module


def flat_weights(tensors: Iterable[Tensor]) -> Weights:
    """Return a copy of a module's parameters as a `Network` has them: (shape.size,), in one transfer."""
    flat = torch.cat([tensor.detach().t().reshape(-1) for tensor in tensors])
    weights: Weights = flat.cpu().numpy()
    return weights
