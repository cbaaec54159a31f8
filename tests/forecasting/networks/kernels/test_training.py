"""Training in compiled code against the same in torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from service.forecasting.config.options import Cell, Loss
from service.forecasting.networks.architecture import Network, NetworkShape, initial_network
from service.forecasting.networks.kernels.losses import LOSSES
from service.forecasting.networks.kernels.training import gather, loss_and_gradient, seed_dropout
from service.forecasting.networks.torch_engine import DeviceSequences, module_of, scored_chunks, weighted_loss
from service.forecasting.networks.training_sequences import ItemRows, TrainingSequences, overlapping_sequences
from service.forecasting.series.series import FloatArray

CELLS, LOSS_NAMES = get_args(Cell), get_args(Loss)


def sequences_of(channels: int, context_length: int, chunk: int, scored: int) -> TrainingSequences:
    rng = np.random.default_rng(0)
    observed = rng.random((70, channels)) > 0.1
    parts = [
        ItemRows(rng.normal(size=(70, channels)), observed, 0, 70),
        ItemRows(rng.normal(size=(40, channels)), observed[:40], 0, 35),
    ]
    return overlapping_sequences(parts, context_length, chunk, scored)


def kernel_gradient(
    network: Network, sequences: TrainingSequences, chosen: Any, centred: bool, loss: Loss, truncate: int | None
) -> tuple[float, dict[str, FloatArray]]:
    """Loss and gradient in float64, under torch's names."""
    shape = network.shape
    flat = network.weights.astype(np.float64)
    gradient = np.zeros_like(flat)
    batch = gather(
        sequences.values.astype(float), sequences.weights.astype(float),
        sequences.starts[chosen], sequences.ends[chosen],
        sequences.context_length - 1, sequences.scored_steps, sequences.output_chunk_length, centred,
    )  # fmt: skip
    value = loss_and_gradient(
        shape.code, flat, gradient, shape.num_layers, shape.hidden_size, shape.gates,
        *batch, LOSSES[loss], truncate or 0, 0.0, True,
    )  # fmt: skip
    return value, {name: np.asarray(one) for name, one in Network(shape, gradient).named_weights().items()}  # type: ignore[arg-type]


@given(
    cell=st.sampled_from(CELLS),
    layers=st.integers(1, 3),
    size=st.integers(1, 9),
    channels=st.integers(1, 3),
    context_length=st.integers(1, 9),
    chunk=st.integers(1, 4),
    scored=st.integers(1, 12),
    centred=st.booleans(),
    loss=st.sampled_from(LOSS_NAMES),
    truncate=st.sampled_from([None, 1, 3, 50]),
)
def test_loss_and_gradients_are_torchs(
    cell: Cell, layers: int, size: int, channels: int, context_length: int, chunk: int, scored: int,
    centred: bool, loss: Loss, truncate: int | None,
) -> None:  # fmt: skip
    network = initial_network(NetworkShape(cell, channels, size, layers, chunk), seed=1)
    sequences = sequences_of(channels, context_length, chunk, scored)
    chosen = np.arange(0, len(sequences), 7)
    value, gradient = kernel_gradient(network, sequences, chosen, centred, loss, truncate)
    module = module_of(network, "cpu").double()
    exact: Any = {"values": sequences.values.astype(float), "weights": sequences.weights.astype(float)}
    batch = DeviceSequences(replace(sequences, **exact), "cpu", centred).gather(torch.from_numpy(chosen))
    reference = weighted_loss(loss, scored_chunks(module, batch.inputs, scored, truncate), batch)
    reference.backward()  # type: ignore[no-untyped-call]
    assert value == pytest.approx(float(reference.detach()), abs=1e-10)
    for (name, _), parameter in zip(network.shape.named(), module.parameters(), strict=True):
        assert parameter.grad is not None
        np.testing.assert_allclose(gradient[name], parameter.grad.numpy(), atol=1e-9)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_differences(cell: Cell) -> None:
    """A check that needs no other implementation: central differences in float64."""
    network = initial_network(NetworkShape(cell, 2, 3, 2, 2), seed=0)
    sequences = sequences_of(2, 4, 2, 5)
    chosen = np.arange(0, len(sequences), 9)
    _, gradient = kernel_gradient(network, sequences, chosen, True, "mse", None)
    slopes = np.concatenate([gradient[name].T.ravel() for name, _ in network.shape.named()])
    flat = network.weights.astype(np.float64)
    for place in range(0, len(flat), 5):
        moved = [flat.copy(), flat.copy()]
        moved[0][place] += 1e-5
        moved[1][place] -= 1e-5
        up, down = (
            kernel_gradient(Network(network.shape, one), sequences, chosen, True, "mse", None)[0]  # type: ignore[arg-type]
            for one in moved
        )
        assert slopes[place] == pytest.approx((up - down) / 2e-5, abs=1e-7)


@pytest.mark.parametrize("layers", [1, 2])
def test_dropout_drops_its_share_and_keeps_the_mean(layers: int) -> None:
    shape = NetworkShape("rnn", 1, 50, layers, 1)
    network = initial_network(shape, 0)
    sequences = replace(sequences_of(1, 8, 1, 6))
    batch = gather(sequences.values, sequences.weights, sequences.starts, sequences.ends, 7, 6, 1, False)

    def loss(dropout: float) -> float:
        value: float = loss_and_gradient(
            shape.code, network.weights, network.weights, layers, 50, 50, *batch, LOSSES["mse"], 0, dropout, False
        )
        return value

    seed_dropout(3)
    drawn = [loss(0.3) for _ in range(20)]
    seed_dropout(3)
    assert [loss(0.3) for _ in range(20)] == drawn
    assert len(set(drawn)) == 20
    assert np.mean(drawn) == pytest.approx(loss(0.0), rel=0.1)
