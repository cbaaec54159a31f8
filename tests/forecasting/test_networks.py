from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from service.forecasting.networks import Network, NetworkShape, initial_network, network_of
from service.forecasting.options import Cell
from tests.forecasting.torch_reference import torch_network

CELLS = get_args(Cell)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 3])
def test_weights_have_torchs_names_and_shapes(cell: Cell, layers: int) -> None:
    network = initial_network(NetworkShape(cell, 2, 5, layers, 3), seed=0)
    expected = {name: tuple(weight.shape) for name, weight in torch_network(network).state_dict().items()}
    assert dict(network.shape.named()) == expected
    assert len(network.weights) == network.shape.size == sum(int(np.prod(shape)) for shape in expected.values())


def test_names_and_back_are_the_same() -> None:
    network = initial_network(NetworkShape("lstm", 2, 5, 2, 3), seed=0)
    np.testing.assert_array_equal(network_of(network.shape, network.named_weights()).weights, network.weights)


@pytest.mark.parametrize("spoiled", ["missing", "shape", "infinite", "more"])
def test_weights_that_do_not_fit_are_refused(spoiled: str) -> None:
    network = initial_network(NetworkShape("gru", 1, 4, 1, 1), seed=0)
    named = network.named_weights()
    if spoiled == "missing":
        del named["head.bias"]
    elif spoiled == "shape":
        named["head.weight"] = named["head.weight"].T
    elif spoiled == "infinite":
        named["head.bias"] = named["head.bias"] * np.inf
    else:
        named["more"] = named["head.bias"]
    with pytest.raises(ValueError, match=r"weights than|must be finite"):
        network_of(network.shape, named)


def test_weights_depend_on_the_seed_alone_and_are_spread_as_torchs() -> None:
    shape = NetworkShape("gru", 1, 64, 2, 8)
    first, second, other = initial_network(shape, 3), initial_network(shape, 3), initial_network(shape, 4)
    np.testing.assert_array_equal(first.weights, second.weights)
    assert not np.array_equal(first.weights, other.weights)
    assert np.abs(first.weights).max() <= 1 / 8
    fresh = torch_network(first)
    torch.manual_seed(0)
    fresh.recurrent.reset_parameters()
    fresh.head.reset_parameters()
    reference = torch.cat([weight.flatten() for weight in fresh.state_dict().values()])
    assert first.weights.std() == pytest.approx(float(reference.std()), rel=0.02)


@pytest.mark.parametrize("cell", CELLS)
def test_truncation_stops_gradients_in_the_reference_too(cell: Cell) -> None:
    """The reference that the kernels are held to is itself right about truncation."""
    module = torch_network(initial_network(NetworkShape(cell, 2, 5, 2, 1), 0))
    inputs = torch.randn(1, 9, 2, requires_grad=True)
    module.read(inputs, truncate_bptt=4)[0][:, -1].sum().backward()  # type: ignore[no-untyped-call]
    assert inputs.grad is not None
    assert (inputs.grad.abs().sum(dim=2)[0] > 0).tolist() == [False] * 5 + [True] * 4
    torch.testing.assert_close(module.read(inputs, truncate_bptt=4)[0], module.read(inputs)[0])


def test_networks_compare_by_identity() -> None:
    network = initial_network(NetworkShape("rnn", 1, 2, 1, 1), 0)
    assert network != Network(network.shape, network.weights)
