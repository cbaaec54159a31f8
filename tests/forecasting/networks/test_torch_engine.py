"""Training on a device of torch against training in compiled kernels; the device is the CPU here."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from service.forecasting.config.options import Cell, Centering, Loss, Objective, Optimizer
from service.forecasting.config.specification import Specification
from service.forecasting.networks.architecture import NetworkShape, initial_network
from service.forecasting.networks.engine import Trainer
from service.forecasting.networks.engine_choice import EngineChoice, engine_for
from service.forecasting.networks.module import RecurrentForecaster
from service.forecasting.networks.numba_engine import NumbaEngine
from service.forecasting.networks.torch_engine import TorchTrainer
from service.forecasting.training.planning import plan_training
from service.forecasting.training.train import train
from tests.factories import items, noisy_sine, options, panel, random_walk
from tests.forecasting.networks.engines import NUMBA, TORCH, TORCHES, Place
from tests.forecasting.networks.kernels.test_training import sequences_of

EPOCHS = 3


def specified(**changes: Any) -> Specification:
    return plan_training(panel(random_walk(120)), options(**changes)).choice.specification


def trainer(engine: Place, specification: Specification, layers: int = 1, seed: int = 0) -> Trainer:
    """Return a trainer whose validation sequences have another length than those that it trains on."""
    sequences, validation = sequences_of(2, 8, 3, 6), sequences_of(2, 8, 3, 9).thinned(20)
    network = initial_network(NetworkShape(specification.network.cell, 2, 6, layers, 3), seed=2)
    return engine_for(*engine).trainer(specification, network, sequences, validation, seed)


def epochs(one: Trainer, specification: Specification) -> list[tuple[float, float]]:
    """Return the training and the validation loss of a few epochs at a rate that rises."""
    order = np.random.default_rng(0)
    losses = []
    for epoch in range(1, EPOCHS + 1):
        chosen = order.permutation(60)[:23].astype(np.int64)
        batches = -(-len(chosen) // specification.training.batch_size)
        rates = specification.training.learning_rate * epoch * np.linspace(0.5, 1, batches)
        losses.append((one.epoch(chosen, rates), one.validation_loss()))
    return losses


@pytest.mark.parametrize("engine", TORCHES)
@settings(max_examples=100)
@given(
    cell=st.sampled_from(get_args(Cell)),
    layers=st.integers(1, 3),
    optimizer=st.sampled_from(get_args(Optimizer)),
    loss=st.sampled_from(get_args(Loss)),
    centering=st.sampled_from(get_args(Centering)),
    truncate=st.sampled_from([None, 1, 4, 50]),
    clipping=st.sampled_from([{"clip_norm": None}, {"clip_norm": 0.05}, {"clip_norm": None, "clip_value": 0.01}]),
    batch_size=st.sampled_from([5, 100]),
)
def test_epochs_are_those_of_the_compiled_trainer(
    cell: Cell, layers: int, optimizer: Optimizer, loss: Loss, centering: Centering, truncate: int | None,
    clipping: dict[str, Any], batch_size: int, engine: Place,
) -> None:  # fmt: skip
    training = {"optimizer": optimizer, "loss": loss, "truncate_bptt": truncate, "batch_size": batch_size, **clipping}
    specification = specified(network={"cell": cell}, training=training, centering=centering)
    compiled, torchs = (trainer(one, specification, layers) for one in (NUMBA, engine))
    np.testing.assert_array_equal(torchs.weights(), compiled.weights())
    check_same_epochs(compiled, torchs, specification)


def check_same_epochs(compiled: Trainer, torchs: Trainer, specification: Specification) -> None:
    """Rounding turns the sign of an error of 0, and with it a gradient of the absolute error; seldom, and not far.

    RMSprop divides a gradient by its own size, and so enlarges the rounding of small ones.
    """
    turning, dividing = specification.training.loss == "mae", specification.training.optimizer == "rmsprop"
    losses = epochs(compiled, specification)
    np.testing.assert_allclose(epochs(torchs, specification), losses, atol=5e-5 if turning else 1e-6)
    differences = np.abs(torchs.weights() - compiled.weights())
    assert differences.max() < (2e-3 if turning else 1e-4 if dividing else 1e-5)
    assert np.median(differences) < 1e-6


@pytest.mark.parametrize("optimizer", get_args(Optimizer))
@pytest.mark.parametrize("cell", get_args(Cell))
def test_every_optimizer_of_every_cell(cell: Cell, optimizer: Optimizer) -> None:
    specification = specified(network={"cell": cell}, training={"optimizer": optimizer, "batch_size": 5})
    compiled, torchs = trainer(NUMBA, specification, 2), trainer(TORCH, specification, 2)
    start = compiled.weights()
    check_same_epochs(compiled, torchs, specification)
    assert np.abs(compiled.weights() - start).max() > 1e-3


def test_validation_changes_nothing_with_dropout_either() -> None:
    specification = specified(network={"dropout": 0.5})
    compiled, torchs = trainer(NUMBA, specification, 2), trainer(TORCH, specification, 2)
    before = torchs.weights()
    assert torchs.validation_loss() == pytest.approx(compiled.validation_loss(), abs=1e-6)
    assert torchs.validation_loss() == torchs.validation_loss()
    np.testing.assert_array_equal(torchs.weights(), before)


@pytest.mark.parametrize("layers", [1, 2])
def test_dropout_follows_the_seed_alone(layers: int) -> None:
    specification = specified(network={"dropout": 0.5})
    runs = [epochs(trainer(TORCH, specification, layers, seed), specification) for seed in (1, 2, 1)]
    assert runs[0] == runs[2]
    assert runs[0] != runs[1]


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    """At a rate of 0 nothing is learnt, so the losses of many epochs are those of many masks."""
    rows = np.arange(60, dtype=np.int64)
    losses = {}
    for share in (0.0, 0.3):
        one = trainer(TORCH, specified(network={"dropout": share}, training={"loss": "mse", "batch_size": 60}), 2)
        losses[share] = [one.epoch(rows, np.zeros(1)) for _ in range(20)]
    assert len(set(losses[0.3])) == 20
    assert np.mean(losses[0.3]) == pytest.approx(losses[0.0][0], rel=0.1)


def test_what_diverges_says_so() -> None:
    specification = specified(training={"clip_norm": None, "optimizer": "sgd", "loss": "mse", "batch_size": 5})
    one = trainer(TORCH, specification)
    assert not np.isfinite(one.epoch(np.arange(60, dtype=np.int64), np.full(12, 1e30)))


def test_a_training_that_a_gpu_has_no_memory_for_is_a_memory_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(RecurrentForecaster, "to", full)
    with pytest.raises(MemoryError, match="out of memory"):
        trainer(TORCH, specified())


def test_a_validation_loss_needs_a_validation_set() -> None:
    specification = specified()
    network = initial_network(NetworkShape("gru", 2, 6, 1, 3), seed=2)
    one = TorchTrainer(specification, network, sequences_of(2, 8, 3, 6), None, 0, "cpu")
    with pytest.raises(ValueError, match="no validation set"):
        one.validation_loss()


@pytest.mark.parametrize("engine", TORCHES)
@pytest.mark.parametrize("objective", get_args(Objective))
def test_a_whole_training_is_the_same_on_both(objective: Objective, engine: Place) -> None:
    """The three fits, early stopping, scores, intervals, forecasts; served by the CPU either way."""
    several = items(noisy_sine(90), 5 + 3 * noisy_sine(120, seed=1))
    training = {"objective": objective, "loss": "mse", "epochs": 6, "ensemble_size": 2}
    asked = options(training=training, centering="last")
    compiled, torchs = (train(several, asked, engines=EngineChoice(*one)) for one in (NUMBA, engine))
    assert (compiled.engine, torchs.engine) == (NUMBA, engine)
    assert torchs.best_epochs == compiled.best_epochs
    assert isinstance(torchs.forecaster.engine, NumbaEngine)
    assert torchs.curve is not None
    assert compiled.curve is not None
    np.testing.assert_allclose(torchs.curve.validation, compiled.curve.validation, atol=1e-5)
    assert torchs.score.overall.mae == pytest.approx(compiled.score.overall.mae, rel=1e-4)
    np.testing.assert_allclose(torchs.forecaster.errors.errors, compiled.forecaster.errors.errors, atol=1e-4)
    for one, other in zip(torchs.forecaster.networks, compiled.forecaster.networks, strict=True):
        np.testing.assert_allclose(one.weights, other.weights, atol=1e-4)


def test_a_training_is_repeated_to_the_bit() -> None:
    asked = options(network={"dropout": 0.2, "num_layers": 2}, training={"ensemble_size": 2})
    once, again = (train(panel(noisy_sine()), asked, engines=EngineChoice(*TORCH)) for _ in range(2))
    assert once.curve == again.curve
    for one, other in zip(once.forecaster.networks, again.forecaster.networks, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
