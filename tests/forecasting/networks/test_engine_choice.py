"""The engine of a training, and of a server's forecasts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import pytest

from service.forecasting.config.options import Cell
from service.forecasting.networks.architecture import NetworkShape
from service.forecasting.networks.engine_choice import EngineChoice, forecast_engine
from service.forecasting.networks.gpu_forecasts import GpuForecasts
from tests.forecasting.networks.engines import NUMBA, TORCH

WIDE = NetworkShape("lstm", 1, 768, 1, 1)


@pytest.mark.parametrize("cell", get_args(Cell))
@pytest.mark.parametrize("size", [1, 32, 256, 512])
def test_usual_networks_train_in_numba(cell: Cell, size: int) -> None:
    assert EngineChoice().for_training(NetworkShape(cell, 1, size, 2, 1)).engines == (NUMBA,)


@pytest.mark.parametrize("shape", [WIDE, NetworkShape("gru", 3, 1024, 1, 1)])
def test_wide_networks_train_in_torch_where_it_is_installed(
    shape: NetworkShape, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert EngineChoice().for_training(shape).engines == (TORCH,)
    assert EngineChoice("numba").for_training(shape).engines == (NUMBA,)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert EngineChoice().for_training(shape).engines == (NUMBA,)


def test_wide_networks_train_in_numba_where_torch_lacks_a_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libcublas.so is not there')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch")
    assert EngineChoice().for_training(WIDE).engines == (NUMBA,)


def test_what_is_set_is_obeyed() -> None:
    small = NetworkShape("gru", 1, 8, 1, 1)
    assert EngineChoice("torch").for_training(small).engines == (TORCH,)
    assert EngineChoice("auto", "cuda:1").for_training(small).engines == (("torch", "cuda:1"),)


@pytest.mark.parametrize(("setting", "place"), [("auto", NUMBA), ("numba", NUMBA), ("torch", TORCH)])
def test_forecasts_without_a_gpu(setting: str, place: tuple[str, str]) -> None:
    assert forecast_engine(setting, None, False, lambda: None).engines == (place,)  # type: ignore[arg-type]


def test_forecasts_with_a_gpu() -> None:
    assert isinstance(forecast_engine("auto", "cuda:0", False, lambda: None), GpuForecasts)
