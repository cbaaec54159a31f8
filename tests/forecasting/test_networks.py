from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from service.forecasting.networks import RecurrentNetwork, State, build_network
from service.forecasting.options import Cell
from service.forecasting.specification import NetworkSpecification

CELLS = get_args(Cell)
Array = NDArray[np.float64]


def network(cell: Cell, layers: int = 2, dropout: float = 0.0, chunk: int = 3, channels: int = 2) -> RecurrentNetwork:
    return build_network(NetworkSpecification(cell, 5, layers, dropout), channels, chunk, seed=1)


def sigmoid(values: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-values)))


def step_by_hand(
    cell: Cell, weights: dict[str, Array], layer: int, step: Array, state: tuple[Array, ...]
) -> tuple[Array, ...]:
    """One step of one layer, from the equations in the papers."""
    into, back = weights[f"weight_ih_l{layer}"], weights[f"weight_hh_l{layer}"]
    a = into @ step + weights[f"bias_ih_l{layer}"]
    b = back @ state[0] + weights[f"bias_hh_l{layer}"]
    if cell == "rnn":
        return (np.tanh(a + b),)
    if cell == "gru":
        (ar, az, an), (br, bz, bn) = np.split(a, 3), np.split(b, 3)
        reset, update = sigmoid(ar + br), sigmoid(az + bz)
        return ((1 - update) * np.tanh(an + reset * bn) + update * state[0],)
    i, f, g, o = np.split(a + b, 4)
    memory = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(memory), memory


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 3])
def test_computes_what_the_papers_say(cell: Cell, layers: int) -> None:
    net = network(cell, layers)
    inputs = np.random.default_rng(0).normal(size=(7, 2))
    weights = {name: weight.detach().double().numpy() for name, weight in net.recurrent.named_parameters()}
    steps = inputs
    for layer in range(layers):
        state: tuple[Array, ...] = (np.zeros(5), np.zeros(5))[: 2 if cell == "lstm" else 1]
        outputs = []
        for step in steps:
            state = step_by_hand(cell, weights, layer, step, state)
            outputs.append(state[0])
        steps = np.array(outputs)
    head = net.head.weight.detach().double().numpy() @ steps[-1] + net.head.bias.detach().double().numpy()
    hidden, _ = net.eval().read(torch.tensor(inputs[None], dtype=torch.float32))
    np.testing.assert_allclose(net.emit(hidden)[0, -1].detach().numpy(), head.reshape(3, 2), atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_state_carries_on(cell: Cell) -> None:
    net = network(cell).eval()
    inputs = torch.randn(4, 9, 2)
    whole, _ = net.read(inputs)
    _, state = net.read(inputs[:, :5])
    torch.testing.assert_close(net.read(inputs[:, 5:], state)[0], whole[:, 5:])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("steps", [1, 4, 9, 20])
def test_truncation_changes_no_value(cell: Cell, steps: int) -> None:
    net = network(cell).eval()
    inputs = torch.randn(2, 9, 2)
    torch.testing.assert_close(net.read(inputs, truncate_bptt=steps)[0], net.read(inputs)[0])


@pytest.mark.parametrize("cell", CELLS)
def test_truncation_stops_gradients(cell: Cell) -> None:
    net = network(cell).eval()
    inputs = torch.randn(1, 9, 2, requires_grad=True)
    net.read(inputs, truncate_bptt=4)[0][:, -1].sum().backward()  # type: ignore[no-untyped-call]
    reached = inputs.grad.abs().sum(dim=2)[0] > 0  # type: ignore[union-attr]
    assert reached.tolist() == [False] * 5 + [True] * 4


def test_weights_depend_on_the_seed_alone() -> None:
    shape = NetworkSpecification("gru", 4, 1, 0.0)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = build_network(shape, 1, 1, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    second = build_network(shape, 1, 1, seed=3)
    other = build_network(shape, 1, 1, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.head.weight, other.head.weight)


@pytest.mark.parametrize("layers", [1, 2])
def test_dropout_acts_in_training_only(layers: int) -> None:
    net = network("lstm", layers, dropout=0.5)
    inputs = torch.randn(1, 5, 2)

    def out() -> torch.Tensor:
        return net.emit(net.read(inputs)[0])

    net.train()
    assert not torch.equal(out(), out())
    net.eval()
    assert torch.equal(out(), out())


@pytest.mark.parametrize("centred", [True, False])
def test_centring_takes_the_level_away(centred: bool) -> None:
    net = network("gru").eval()
    inputs = torch.randn(2, 9, 2)
    shifted = net.score_steps(inputs + 50, 4, centred) - 50
    assert torch.allclose(shifted, net.score_steps(inputs, 4, centred), atol=1e-4) is centred


def test_state_types() -> None:
    state: State = network("lstm").read(torch.zeros(1, 3, 2))[1]
    assert isinstance(state, tuple)
