"""The engines that one suite of tests runs over; a GPU is one of them where torch sees one."""

from __future__ import annotations

import pytest
import torch

from service.forecasting.networks.engine import EngineName

Place = tuple[EngineName, str]
"""An engine and its device."""

NUMBA: Place = ("numba", "cpu")
TORCH: Place = ("torch", "cpu")
CUDA: Place = ("torch", "cuda:0")

ON_CUDA = pytest.param(CUDA, marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU"))
TORCHES = [TORCH, ON_CUDA]
ENGINES = [NUMBA, *TORCHES]
