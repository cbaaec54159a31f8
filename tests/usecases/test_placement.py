"""Which trainings are worth a GPU."""

from __future__ import annotations

import pytest

from service.forecasting.networks.architecture import NetworkShape
from service.forecasting.training.planning import plan_training
from service.storage.registry.entries import QueueName
from service.usecases.train import choose_queue, is_large, work
from tests.factories import items, noisy_sine, options, panel

LARGE = options(network={"cell": "lstm", "hidden_size": 1024})


def test_work_is_rows_times_weights() -> None:
    several = items(noisy_sine(90), noisy_sine(110))
    assert work(plan_training(several, options())) == 200 * NetworkShape("gru", 1, 6, 1, 3).size
    columns = panel(noisy_sine(), noisy_sine(seed=1), noisy_sine(seed=2), targets=2)
    assert work(plan_training(columns, options())) == 200 * NetworkShape("gru", 3, 6, 1, 3).size


def test_a_panel_or_a_wide_network_is_worth_a_gpu_and_a_single_series_is_not() -> None:
    assert not is_large(plan_training(panel(noisy_sine(1000)), options(network={"hidden_size": 64})))
    assert is_large(plan_training(panel(noisy_sine(1000)), LARGE))
    many = items(*[noisy_sine(200, seed=seed) for seed in range(500)])
    assert is_large(plan_training(many, options(network={"hidden_size": 64})))


@pytest.mark.parametrize(
    ("served", "large", "queue"),
    [
        ({"cpu", "gpu"}, True, "gpu"),
        ({"cpu", "gpu"}, False, "cpu"),
        ({"cpu"}, True, "cpu"),
        ({"gpu"}, False, "gpu"),
        (set(), True, "cpu"),
    ],
)
def test_large_trainings_wait_for_a_gpu_where_there_is_one(served: set[QueueName], large: bool, queue: str) -> None:
    plan = plan_training(panel(noisy_sine(1000)), LARGE if large else options())
    assert choose_queue(served, plan) == queue
