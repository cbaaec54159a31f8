from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from service.forecasting.compilation import part
from tests.forecasting.part_calls import from_python

KERNELS = """
import sys
import numpy as np
from service.forecasting.compilation import compiled, inlined, part

@inlined
def square(x):
    return x * x

@part
def sum_of_squares(values):
    total = np.zeros(1)
    for value in values:
        total[0] += square(value)
    return total

@compiled
def norm(values):
    return np.sqrt(sum_of_squares(values)[0])

print(norm(np.array([3.0, 4.0])), sum(norm.stats.cache_hits.values()))
"""


@part
def twice(x: float) -> float:
    return 2 * x


def test_a_part_is_called_by_kernels_only() -> None:
    assert from_python(twice)(2.0) == 4.0
    with pytest.raises(TypeError):
        twice(2.0)


def test_a_kernel_is_loaded_with_its_parts(tmp_path: Path) -> None:
    script = tmp_path / "norm.py"
    script.write_text(KERNELS)

    def told() -> str:
        environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        return subprocess.check_output([sys.executable, script], env=environment, text=True)

    assert (told(), told()) == ("5.0 0\n", "5.0 1\n")
    assert len(list((tmp_path / "cache").rglob("*.nbi"))) == 1
