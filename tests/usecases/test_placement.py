"""Which trainings are worth a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.forecasting.networks import NetworkShape
from service.forecasting.planning import plan_training
from service.forecasting.series import Panel
from service.storage.model_store import ModelStore
from service.usecases.model_files import TrainingInput, training_input_file
from service.usecases.placement import is_large, was_large, work
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


@pytest.mark.parametrize("large", [True, False])
def test_a_stored_job_is_as_large_as_it_was(tmp_path: Path, large: bool) -> None:
    store = ModelStore.open(str(tmp_path))
    asked = LARGE if large else options()
    one: Panel = panel(noisy_sine(1000))
    content = TrainingInput("0" * 32, None, one, asked, {}, ())
    store.put_training_input("1" * 32, training_input_file(content))
    assert was_large(store, "1" * 32) == large


def test_what_cannot_be_read_is_left_to_the_cpu(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = ModelStore.open(str(tmp_path))
    store.put_training_input("1" * 32, b"nonsense")
    assert not was_large(store, "1" * 32)
    assert not was_large(store, "2" * 32)
    assert caplog.text.count("cannot tell how large it is") == 2
