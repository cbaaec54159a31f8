"""Forecasts on a GPU; torch's CPU device plays the GPU, and its errors are raised where those of a GPU would be."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from service.forecasting.networks import gpu_forecasts, torch_engine
from service.forecasting.networks.architecture import NetworkShape, initial_network
from service.forecasting.networks.engine import Predictor, Recipe
from service.forecasting.networks.engine_choice import engine_for
from service.forecasting.networks.gpu_forecasts import GpuForecasts
from service.forecasting.networks.module import RecurrentForecaster
from service.forecasting.networks.torch_device import computing
from service.forecasting.training.train import train
from service.usecases.forecast import LoadedModel, takes_microseconds
from tests.factories import noisy_sine, options, panel
from tests.forecasting.networks.engines import NUMBA, TORCH

RECIPE = Recipe(slide=False, centred=True)
NETWORK = initial_network(NetworkShape("gru", 1, 6, 1, 3), seed=0)
CONTEXTS = np.random.default_rng(0).normal(size=(5, 7, 1)).astype(np.float32)
EXPECTED = engine_for("numba").predictor([NETWORK], RECIPE).predict(CONTEXTS, 4)


def started(only_gpu: bool, failures: list[int] | None = None, device: str = "cpu") -> GpuForecasts:
    """Return an engine whose GPU has started, or failed to."""
    noted = [] if failures is None else failures
    engine = GpuForecasts(device, engine_for("numba"), only_gpu, lambda: noted.append(1))
    while len(engine.engines) == 1 and engine.failure is None:
        time.sleep(0.01)
    return engine


@pytest.fixture
def rollouts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of contexts of each rollout in torch."""
    found: list[int] = []
    predict = torch_engine.TorchPredictor.predict

    def counted(self: torch_engine.TorchPredictor, contexts: np.ndarray, horizon: int) -> np.ndarray:
        found.append(len(contexts))
        return predict(self, contexts, horizon)

    monkeypatch.setattr(torch_engine.TorchPredictor, "predict", counted)
    return found


def check(predictor: Predictor) -> None:
    np.testing.assert_allclose(predictor.predict(CONTEXTS, 4), EXPECTED, atol=1e-5)


def test_a_gpu_that_must_be_used_makes_every_forecast(rollouts: list[int]) -> None:
    engine = started(only_gpu=True)
    assert engine.engines == (NUMBA, TORCH)
    rollouts.clear()
    check(engine.predictor([NETWORK], RECIPE))
    assert rollouts == [5]


def test_a_gpu_that_may_be_used_makes_large_forecasts(rollouts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = started(only_gpu=False).predictor([NETWORK], RECIPE)
    rollouts.clear()
    check(predictor)
    assert rollouts == []
    monkeypatch.setattr(gpu_forecasts, "_WORTH_A_GPU", 5 * (7 + 4) * NETWORK.shape.size)
    predictor = started(only_gpu=False).predictor([NETWORK], RECIPE)
    rollouts.clear()
    check(predictor)
    predictor.predict(CONTEXTS[:4], 4)
    assert rollouts == [5]


@pytest.mark.parametrize(
    ("error", "tried_again"),
    [(torch.OutOfMemoryError("CUDA out of memory"), True), (RuntimeError("CUDA error: device lost"), False)],
)
def test_the_cpu_makes_what_the_gpu_fails_at(
    error: Exception, tried_again: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures: list[int] = []
    engine = started(True, failures)
    predictor = engine.predictor([NETWORK], RECIPE)

    def failing(*_: object) -> torch.Tensor:
        raise error

    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
        patched.setattr(RecurrentForecaster, "forecast", failing)
        check(predictor)
    assert failures == [1]
    assert engine.failure is not None
    assert str(error) in engine.failure
    assert engine.failure in caplog.text
    assert (engine.engines == (NUMBA, TORCH)) is tried_again
    check(predictor)
    assert (engine.failure is None) is tried_again
    assert failures == [1]


def test_weights_that_do_not_fit_are_loaded_again_by_the_next_forecast(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = started(only_gpu=True)
    predictor = engine.predictor([NETWORK], RECIPE)

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(RecurrentForecaster, "to", full)
        check(predictor)
    assert engine.failure is not None
    assert engine.engines == (NUMBA, TORCH)


def test_a_gpu_that_does_not_start_leaves_the_cpu() -> None:
    failures: list[int] = []
    engine = started(True, failures, device="cuda:99")
    assert engine.engines == (NUMBA,)
    assert failures == [1]
    check(engine.predictor([NETWORK], RECIPE))


def test_a_gpu_without_memory_at_the_start_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(RecurrentForecaster, "to", full)
    engine = started(only_gpu=True)
    assert engine.failure is not None
    assert "until the server is restarted" in engine.failure


def test_the_event_loop_does_not_wait_for_a_gpu_that_must_be_used() -> None:
    forecaster = train(panel(noisy_sine()), options(training={"epochs": 1})).forecaster
    may, must = (replace(forecaster, engine=started(only_gpu)) for only_gpu in (False, True))
    assert takes_microseconds(LoadedModel("", may), 1, 1)
    assert not takes_microseconds(LoadedModel("", must), 1, 1)


def test_many_contexts_share_batches_of_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(torch_engine._ROLLOUT_NUMBERS, "cpu", 2 * 7 * 6)
    check(engine_for("torch").predictor([NETWORK], RECIPE))


def test_settings_of_torch_do_not_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    seen = []

    forecast = RecurrentForecaster.forecast

    def looking(self: RecurrentForecaster, *arguments: Any) -> torch.Tensor:
        seen.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
        return forecast(self, *arguments)

    monkeypatch.setattr(RecurrentForecaster, "forecast", looking)
    check(torch_engine.TorchPredictor([NETWORK], RECIPE, "cpu"))
    assert seen == [(False, False)]
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32) == before


@pytest.mark.parametrize("said", ["could not create a primitive", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED"])
def test_libraries_of_torch_that_get_no_memory_raise_a_memory_error(said: str) -> None:
    with pytest.raises(MemoryError, match=said), computing():
        raise RuntimeError(said)


def test_memory_that_torch_does_not_get_is_a_memory_error() -> None:
    with pytest.raises(MemoryError, match="allocate memory"), computing():
        torch.empty(10**15)
