"""Training of the prior: its batches, its gradient beside torch's, and that it repeats itself and learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.__main__ import main
from service.forecasting.networks.architecture import Network, initial_network
from service.forecasting.networks.kernels.losses import LOSSES, QUANTILES
from service.forecasting.networks.kernels.training import loss_and_gradient
from service.forecasting.prior.card import synthetic_scores
from service.forecasting.prior.kernels.training_batches import training_batch
from service.forecasting.prior.recipe import KINDS, SHAPE, Seasonality, draw_batch_plan
from service.forecasting.prior.training import train_prior
from service.forecasting.prior.weights import read_network

SMALL = replace(SHAPE, hidden_size=16)
KIND = pytest.mark.parametrize("seasonality", [kind.seasonality for kind in KINDS], ids=str)


def batch(seasonality: Seasonality, seed: int, count: int = 8) -> tuple[Any, Any, Any]:
    m, long = seasonality
    context, read = seasonality.context_length, seasonality.read_length
    read = min(read, context)
    return training_batch(seed, m, long, context, read, seasonality.usual_horizon, count, len(QUANTILES))


@KIND
def test_batches_are_finite_and_repeat_themselves(seasonality: Seasonality) -> None:
    first, again, other = batch(seasonality, 3), batch(seasonality, 3), batch(seasonality, 4)
    for one, two in zip(first, again, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, two)
    assert (first[0] != other[0]).any()
    assert (first[2] > 0).mean() > 0.9  # nearly all targets are learnt from


@KIND
def test_future_steps_have_no_values(seasonality: Seasonality) -> None:
    inputs, _, _ = batch(seasonality, 5)
    ahead = inputs[:, :, 2] == 1
    assert ahead.sum(axis=0).tolist() == [seasonality.usual_horizon] * inputs.shape[1]
    assert (inputs[ahead][:, :2] == 0).all()
    assert (inputs[~ahead][:, 0] != 0).any()


def test_plans_of_batches_stay_within_the_recipe() -> None:
    generator = np.random.default_rng(0)
    plans = [draw_batch_plan(generator) for _ in range(2000)]
    for plan in plans:
        assert 3 <= plan.read <= plan.context <= plan.seasonality.context_length
        assert 1 <= plan.horizon <= plan.seasonality.most_ahead
    for kind in KINDS:
        share = np.mean([plan.seasonality == kind.seasonality for plan in plans])
        assert share == pytest.approx(kind.share, abs=0.04)


def test_the_gradient_is_that_of_the_definition_in_torch() -> None:
    torch = pytest.importorskip("torch")
    from service.forecasting.networks.torch_engine import module_of

    network = initial_network(SMALL, 1)
    inputs, targets, weights = batch(Seasonality(12), 7)
    gradient = np.zeros_like(network.weights)
    loss = loss_and_gradient(
        SMALL.code, network.weights, gradient, 1, 16, SMALL.gates, inputs, targets, weights, LOSSES["pinball"], 0, 0.0,
        True,
    )  # fmt: skip
    module = module_of(network, "cpu")
    emitted, _ = module(torch.from_numpy(inputs))  # (T, B, 1, Q)
    horizon = len(targets) // inputs.shape[1]
    errors = torch.from_numpy(targets) - emitted[-horizon:].reshape(targets.shape)
    levels = torch.tensor(QUANTILES)
    known = torch.from_numpy(weights)
    pinball = (torch.maximum(levels * errors, (levels - 1) * errors) * known).sum() / known.sum()
    pinball.backward()
    assert loss == pytest.approx(pinball.item(), rel=1e-5)
    ours = Network(SMALL, gradient).named_weights()
    for name, parameter in module.named_parameters():
        np.testing.assert_allclose(ours[name], np.asarray(parameter.grad), rtol=2e-3, atol=2e-5, err_msg=name)


def test_training_repeats_itself_and_learns() -> None:
    losses: list[float] = []
    first = train_prior(60, seed=2, shape=SMALL, report=lambda _, loss: losses.append(loss))
    again = train_prior(60, seed=2, shape=SMALL)
    np.testing.assert_array_equal(first.weights, again.weights)
    assert (train_prior(1, seed=3, shape=SMALL).weights != train_prior(1, seed=2, shape=SMALL).weights).any()
    assert len(losses) == 60
    untrained, trained = synthetic_scores(initial_network(SMALL, 2)), synthetic_scores(first)
    assert all(trained[kind] < untrained[kind] for kind in untrained)


def test_the_command_writes_a_file_with_its_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "prior.safetensors"
    assert main(["prior", "train", str(file), "--steps", "2", "--seed", "4"]) == 0
    assert "2 of 2 batches, loss" in capsys.readouterr().out
    assert read_network(file).weights.size == SHAPE.size
    assert main(["prior", "train", str(file), "--steps", "0"]) == 2
    assert main(["prior", "train", str(tmp_path / "absent" / "file"), "--steps", "1"]) == 2


def test_the_first_steps_are_those_of_the_recipe() -> None:
    # Of the machine that the shipped weights are from; others round sums in another order.
    weights = train_prior(5, seed=1, shape=SMALL).weights
    assert [round(float(one), 4) for one in weights[:3]] == pytest.approx([0.0059, 0.2253, -0.178], abs=2e-3)
    assert float(np.abs(weights).mean()) == pytest.approx(0.12392, rel=1e-3)
