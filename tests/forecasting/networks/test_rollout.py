"""Rollouts, compiled and on a device of torch, against plain loops over the network in torch."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from service.forecasting.config.options import Cell, Objective
from service.forecasting.networks.architecture import LARGEST_WEIGHT, Network, NetworkShape, initial_network
from service.forecasting.networks.engine import Recipe
from service.forecasting.networks.engine_choice import engine_for
from service.forecasting.networks.module import RecurrentForecaster
from service.forecasting.networks.torch_engine import module_of
from service.forecasting.preprocessing.network_inputs import FARTHEST
from service.forecasting.series.series import FloatArray
from tests.forecasting.networks.engines import ENGINES, NUMBA, Place

CELLS = get_args(Cell)


@torch.no_grad()
def slide(module: RecurrentForecaster, contexts: torch.Tensor, horizon: int, centred: bool) -> torch.Tensor:
    known, length = contexts, contexts.shape[1]
    while known.shape[1] < length + horizon:
        window = known[:, -length:]
        reference = window[:, -1:] if centred else 0
        known = torch.cat([known, next_chunk(module, window - reference) + reference], dim=1)
    return known[:, length : length + horizon]


@torch.no_grad()
def carry(module: RecurrentForecaster, contexts: torch.Tensor, horizon: int, centred: bool) -> torch.Tensor:
    reference = contexts[:, -1:] if centred else torch.zeros_like(contexts[:, -1:])
    read, length = contexts - reference, contexts.shape[1]
    while read.shape[1] < length + horizon:
        last = next_chunk(module, read)  # all of it again from the start: the same as carrying on
        read = torch.cat([read, last + read[:, -1:] if centred else last], dim=1)
    return (read + reference)[:, length : length + horizon]


def next_chunk(module: RecurrentForecaster, steps: torch.Tensor) -> torch.Tensor:
    chunks, _ = module(steps.transpose(0, 1))
    last: torch.Tensor = chunks[-1]
    return last


def roll_out(
    network: Network,
    contexts: np.ndarray,
    horizon: int,
    objective: Objective,
    centred: bool,
    engine: Place = NUMBA,
) -> FloatArray:
    """Return the forecast of one network by an engine."""
    return engine_for(*engine).predictor([network], Recipe(objective == "windows", centred)).predict(contexts, horizon)


@pytest.mark.parametrize("engine", ENGINES)
@given(
    cell=st.sampled_from(CELLS),
    layers=st.integers(1, 3),
    size=st.integers(1, 20),
    channels=st.integers(1, 3),
    chunk=st.integers(1, 5),
    rows=st.integers(1, 40),
    context_length=st.integers(1, 12),
    horizon=st.integers(1, 14),
    objective=st.sampled_from(get_args(Objective)),
    centred=st.booleans(),
)
def test_against_torch(
    cell: Cell, layers: int, size: int, channels: int, chunk: int, rows: int, context_length: int, horizon: int,
    objective: Objective, centred: bool, engine: Place,
) -> None:  # fmt: skip
    network = initial_network(NetworkShape(cell, channels, size, layers, chunk), seed=0)
    contexts = np.random.default_rng(0).normal(size=(rows, context_length, channels)).astype(np.float32)
    expected = (slide if objective == "windows" else carry)(
        module_of(network, "cpu"), torch.from_numpy(contexts), horizon, centred
    )
    rolled = roll_out(network, contexts, horizon, objective, centred, engine)
    assert rolled.shape == (rows, horizon, channels)
    np.testing.assert_allclose(rolled, expected.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_many_long_series(cell: Cell) -> None:
    """Longer than what is read in one stretch, more rows than go together, more units than a block has."""
    network = initial_network(NetworkShape(cell, 2, 33, 2, 3), seed=0)
    contexts = np.random.default_rng(0).normal(size=(18, 70, 2)).astype(np.float32)
    expected = carry(module_of(network, "cpu"), torch.from_numpy(contexts), 65, True)
    np.testing.assert_allclose(roll_out(network, contexts, 65, "chunks", True), expected.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("objective", get_args(Objective))
def test_the_rollout_scores_what_was_trained(objective: Objective, engine: Place) -> None:
    """The first chunk of a rollout is the chunk that training scores after the same context."""
    network = initial_network(NetworkShape("gru", 2, 6, 2, 3), seed=0)
    contexts = np.random.default_rng(0).normal(size=(2, 7, 2)).astype(np.float32)
    level = contexts[:, -1:]
    trained = next_chunk(module_of(network, "cpu"), torch.from_numpy(contexts - level))
    rolled = roll_out(network, contexts, 3, objective, True, engine)
    np.testing.assert_allclose(rolled, trained.detach().numpy() + level, atol=1e-5)


@pytest.mark.parametrize("horizon", [1, 2, 3, 4, 7])
def test_a_longer_horizon_begins_like_a_shorter_one(horizon: int) -> None:
    network = initial_network(NetworkShape("lstm", 2, 6, 2, 3), seed=0)
    contexts = np.random.default_rng(0).normal(size=(2, 7, 2)).astype(np.float32)
    longest = roll_out(network, contexts, 9, "chunks", True)
    assert np.array_equal(roll_out(network, contexts, horizon, "chunks", True), longest[:, :horizon])


def test_what_is_centred_takes_the_level_away() -> None:
    network = initial_network(NetworkShape("gru", 1, 6, 1, 2), seed=0)
    contexts = np.random.default_rng(0).normal(size=(3, 7, 1)).astype(np.float32)
    for objective in get_args(Objective):
        shifted = roll_out(network, contexts + 50, 6, objective, True) - 50
        np.testing.assert_allclose(shifted, roll_out(network, contexts, 6, objective, True), atol=1e-4)
        plain = roll_out(network, contexts + 50, 6, objective, False) - 50
        assert not np.allclose(plain, roll_out(network, contexts, 6, objective, False), atol=1)


@pytest.mark.parametrize("objective", get_args(Objective))
@pytest.mark.parametrize("cell", CELLS)
def test_the_largest_weights_forecast_numbers(cell: Cell, objective: Objective) -> None:
    random = np.random.default_rng(0)
    shape = NetworkShape(cell, 3, 64, 2, 5)
    for shares in ((-1, 1), (1,), (-1,), (-1, 0, 1)):
        largest = random.choice(shares, shape.size).astype(np.float32) * np.float32(LARGEST_WEIGHT)
        contexts = (random.choice((-1, 1), (8, 30, 3)) * FARTHEST).astype(np.float32)
        for centred in (False, True):
            assert np.isfinite(roll_out(Network(shape, largest), contexts, 200, objective, centred)).all()
