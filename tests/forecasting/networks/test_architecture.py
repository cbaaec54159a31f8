from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from service.forecasting.config.options import Cell
from service.forecasting.networks.architecture import Network, NetworkShape, initial_network, network_of
from service.forecasting.networks.torch_engine import flat_weights, module_of, scored_chunks

CELLS = get_args(Cell)
TORCH_CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 3])
def test_weights_have_torchs_names_and_shapes(cell: Cell, layers: int) -> None:
    network = initial_network(NetworkShape(cell, 2, 5, layers, 3), seed=0)
    parts = {"recurrent": TORCH_CELLS[cell](2, 5, layers), "head": nn.Linear(5, 6)}
    expected = {
        f"{part}.{name}": tuple(weight.shape)
        for part, module in parts.items()
        for name, weight in module.state_dict().items()
    }
    assert dict(network.shape.named()) == expected
    assert len(network.weights) == network.shape.size == sum(int(np.prod(shape)) for shape in expected.values())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_torchs_own_modules_read_the_weights_as_ours_do(cell: Cell, dropout: float) -> None:
    """Dropout splits the layers apart, and changes nothing where nothing is dropped."""
    network = initial_network(NetworkShape(cell, 2, 5, 3, 1), seed=0)
    named = {name: torch.from_numpy(weight) for name, weight in network.named_weights().items()}
    recurrent, head = TORCH_CELLS[cell](2, 5, 3), nn.Linear(5, 2)
    recurrent.load_state_dict({name.removeprefix("recurrent."): named[name] for name in named if "recurrent" in name})
    head.load_state_dict({name.removeprefix("head."): named[name] for name in named if "head" in name})
    inputs = torch.randn(7, 3, 2, generator=torch.Generator().manual_seed(0))
    module = module_of(network, "cpu", dropout).eval()
    torch.testing.assert_close(module(inputs)[0][:, :, 0], head(recurrent(inputs)[0]))
    np.testing.assert_array_equal(flat_weights(module.parameters()), network.weights)


def test_names_and_back_are_the_same() -> None:
    network = initial_network(NetworkShape("lstm", 2, 5, 2, 3), seed=0)
    np.testing.assert_array_equal(network_of(network.shape, network.named_weights()).weights, network.weights)


@pytest.mark.parametrize("spoiled", ["missing", "shape", "infinite", "infinite half", "huge", "more"])
def test_weights_that_do_not_fit_are_refused(spoiled: str) -> None:
    network = initial_network(NetworkShape("gru", 1, 4, 1, 1), seed=0)
    named = network.named_weights()
    if spoiled == "missing":
        del named["head.bias"]
    elif spoiled == "shape":
        named["head.weight"] = named["head.weight"].T
    elif spoiled == "infinite":
        named["head.bias"] = named["head.bias"] * np.inf
    elif spoiled == "infinite half":
        named["head.bias"] = np.full_like(named["head.bias"], np.inf, dtype=np.float16)
    elif spoiled == "huge":
        # Finite, but products with others are not.
        named["head.bias"] = np.full_like(named["head.bias"], -3e38)
    else:
        named["more"] = named["head.bias"]
    with pytest.raises(ValueError, match=r"weights than|must be numbers"):
        network_of(network.shape, named)


def test_weights_depend_on_the_seed_alone_and_are_spread_as_torchs() -> None:
    shape = NetworkShape("gru", 1, 64, 2, 8)
    first, second, other = initial_network(shape, 3), initial_network(shape, 3), initial_network(shape, 4)
    np.testing.assert_array_equal(first.weights, second.weights)
    assert not np.array_equal(first.weights, other.weights)
    assert np.abs(first.weights).max() <= 1 / 8
    torch.manual_seed(0)
    reference = torch.cat([weight.flatten() for weight in nn.GRU(1, 64, 2).state_dict().values()])
    assert first.weights.std() == pytest.approx(float(reference.std()), rel=0.02)


@pytest.mark.parametrize("cell", CELLS)
def test_truncation_stops_gradients_in_torch_too(cell: Cell) -> None:
    """What the kernels are held to is itself right about truncation."""
    module = module_of(initial_network(NetworkShape(cell, 2, 5, 2, 1), 0), "cpu")
    inputs = torch.randn(9, 1, 2, requires_grad=True)
    scored_chunks(module, inputs, 1, truncate_bptt=4).sum().backward()  # type: ignore[no-untyped-call]
    assert inputs.grad is not None
    assert (inputs.grad.abs().sum(dim=2)[:, 0] > 0).tolist() == [False] * 5 + [True] * 4
    torch.testing.assert_close(scored_chunks(module, inputs, 9, truncate_bptt=4), module(inputs)[0])


def test_networks_compare_by_identity() -> None:
    network = initial_network(NetworkShape("rnn", 1, 2, 1, 1), 0)
    assert network != Network(network.shape, network.weights)
