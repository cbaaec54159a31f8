"""The network: recurrent layers and a linear head that emits a chunk of steps at once; one flat vector of weights.

Elman RNN (tanh), LSTM (Hochreiter & Schmidhuber 1997) or GRU (Cho et al. 2014) with a linear head.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.options import Cell
from service.forecasting.config.specification import NetworkSpecification
from service.forecasting.networks.kernels.cells import CODES, GATES


def dropout_seed(seed: int, steps: int) -> int:
    """Return the seed of dropout for the epoch that begins after so many optimizer steps: 32 mixed bits.

    So the generators of compiled code and of torch need no place in a checkpoint.
    """
    return int(np.random.SeedSequence((seed, steps)).generate_state(1)[0])


Weights = NDArray[np.float32]

LARGEST_WEIGHT = 1e9
"""Far above the weights of any good training; their products with inputs and states are still finite."""


@dataclass(frozen=True)
class NetworkShape:
    """The dimensions of a network, which determine the number of its weights and their meaning.

    head_size: the numbers that the head emits for each step of a chunk; None: one for each channel.
    """

    cell: Cell
    channels: int
    hidden_size: int
    num_layers: int
    output_chunk_length: int
    head_size: int | None = None

    @classmethod
    def of(cls, specification: NetworkSpecification, channels: int, output_chunk_length: int) -> NetworkShape:
        """Return the shape that a specification asks for."""
        return cls(
            specification.cell, channels, specification.hidden_size, specification.num_layers, output_chunk_length
        )

    @property
    def code(self) -> int:
        """The cell's number in the kernels."""
        return CODES[self.cell]

    @property
    def gates(self) -> int:
        """Gates times hidden_size."""
        return GATES[self.cell] * self.hidden_size

    @property
    def outputs(self) -> int:
        """Numbers that the head emits after a step."""
        return self.output_chunk_length * (self.head_size or self.channels)

    def named(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield torch's names and shapes of all weights, in their order in the vector."""
        for layer in range(self.num_layers):
            inputs = self.hidden_size if layer else self.channels
            yield f"recurrent.weight_ih_l{layer}", (self.gates, inputs)
            yield f"recurrent.weight_hh_l{layer}", (self.gates, self.hidden_size)
            yield f"recurrent.bias_ih_l{layer}", (self.gates,)
            yield f"recurrent.bias_hh_l{layer}", (self.gates,)
        yield "head.weight", (self.outputs, self.hidden_size)
        yield "head.bias", (self.outputs,)

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(int(np.prod(shape)) for _, shape in self.named())


@dataclass(frozen=True, eq=False)
class Network:
    """A shape and its weights: (shape.size,) float32, matrices transposed as the kernels read them."""

    shape: NetworkShape
    weights: Weights

    def named_weights(self) -> dict[str, Weights]:
        """Return the weights under torch's names and in torch's shapes."""
        found, offset = {}, 0
        for name, shape in self.shape.named():
            count = int(np.prod(shape))
            found[name] = np.ascontiguousarray(self.weights[offset : offset + count].reshape(shape[::-1]).T)
            offset += count
        return found


def are_sound(weights: NDArray[Any]) -> bool:
    """Return whether weights are finite and small enough that all a network computes from its inputs is finite."""
    # In float64: the bound is infinite in float16, and abs of the smallest int8 overflows.
    return bool((np.abs(weights.astype(np.float64)) <= LARGEST_WEIGHT).all())


def network_of(shape: NetworkShape, named: Mapping[str, NDArray[Any]]) -> Network:
    """Undo `named_weights`. Raises ValueError where a weight is missing, too large or of another shape."""
    expected = dict(shape.named())
    if set(named) != set(expected):
        raise ValueError(f"a network of {shape.num_layers} layers has other weights than {', '.join(sorted(named))}")
    for name, size in expected.items():
        if named[name].shape != size or not are_sound(named[name]):
            raise ValueError(
                f"the weight {name} must be numbers up to {LARGEST_WEIGHT:g} of shape {size}, got {named[name].shape}"
            )
    return Network(shape, np.concatenate([named[name].T.ravel() for name in expected]).astype(np.float32))


def initial_network(shape: NetworkShape, seed: int) -> Network:
    """Draw weights uniformly from ±1/sqrt(hidden_size), as torch does; they depend on shape and seed only."""
    bound = shape.hidden_size**-0.5
    drawn = np.random.default_rng(seed).uniform(-bound, bound, shape.size)
    return Network(shape, drawn.astype(np.float32))
