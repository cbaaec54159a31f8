"""Which GPUs are found: each case in a process of its own, with the torch that it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.worker.devices import usable_gpus

ROOT = Path(__file__).parent.parent.parent
TWO_GPUS = """
class cuda:
    is_available = staticmethod(lambda: True)
    device_count = staticmethod(lambda: 2)
"""
NO_GPU = TWO_GPUS.replace("True", "False")
CONFUSED = TWO_GPUS.replace("2", "'many'")
CHECK = """
import sys
from service.errors import Unavailable
from service.worker import devices
if {absent}:
    sys.modules["torch"] = None
devices._has_driver = lambda: {driver}
try:
    print(*devices.usable_gpus({engine!r}, {setting!r}))
except Unavailable as error:
    print("refused:", error)
assert sys.modules.get("torch") is None, "the server imported torch"
"""


def found(folder: Path, setting: str, torch: str | None, driver: bool = True, engine: str = "auto") -> str:
    """Return what is found; torch: its source, None for none."""
    if torch is not None:
        (folder / "torch.py").write_text(torch)
    asked = subprocess.run(
        [sys.executable, "-c", CHECK.format(absent=torch is None, driver=driver, engine=engine, setting=setting)],
        env={**os.environ, "PYTHONPATH": f"{folder}:{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return asked.stdout.strip()


@pytest.mark.parametrize("setting", ["auto", "cuda"])
def test_every_gpu_that_torch_sees(tmp_path: Path, setting: str) -> None:
    assert found(tmp_path, setting, TWO_GPUS) == "cuda:0 cuda:1"


@pytest.mark.parametrize(
    ("torch", "reason"),
    [
        (None, r"torch is not installed: install it \(README.md, Install\), or set it to cpu"),
        (NO_GPU, "torch sees no GPU: .*nvidia-smi.* or set it to cpu"),
        (
            "raise ImportError('libcudart.so is not there')",
            r"torch cannot be imported \(.*libcudart.*\): .*set it to cpu",
        ),
        (
            "class cuda:\n    is_available = staticmethod(lambda: print('hm') or False)",
            "torch could not count .*: repair its installation, or set it to cpu",
        ),
    ],
)
def test_auto_makes_do_without_and_cuda_does_not(tmp_path: Path, torch: str | None, reason: str) -> None:
    assert found(tmp_path, "auto", torch) == ""
    assert re.match(f"refused: {reason}", found(tmp_path, "cuda", torch))


def test_auto_does_not_ask_torch_where_there_is_no_driver(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    torch = f"open({str(asked)!r}, 'w')\n{TWO_GPUS}"
    assert found(tmp_path, "auto", torch, driver=False) == ""
    assert not asked.exists()
    assert found(tmp_path, "cuda", torch, driver=False) == "cuda:0 cuda:1"
    assert asked.exists()


@pytest.mark.parametrize("engine", ["auto", "numba", "torch"])
def test_cpu_is_the_cpu(engine: str) -> None:
    assert usable_gpus(engine, "cpu") == ()


def test_numba_leaves_gpus_alone(tmp_path: Path) -> None:
    assert found(tmp_path, "auto", TWO_GPUS, engine="numba") == ""


def test_one_gpu_of_several(tmp_path: Path) -> None:
    assert found(tmp_path, "cuda:1", TWO_GPUS) == "cuda:1"
    answer = found(tmp_path, "cuda:2", TWO_GPUS)
    assert answer == (
        "refused: torch sees only cuda:0, cuda:1: choose one of them, set it to cuda for all, or set it to cpu"
    )


@pytest.mark.parametrize("error", ["ImportError", "OSError"])
def test_an_engine_that_must_be_there_is_imported(tmp_path: Path, error: str) -> None:
    (tmp_path / "torch.py").write_text(f"raise {error}('libtorch.so is not there')")
    code = "import sys; from service.worker.devices import check_engine; check_engine(sys.argv[1])"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    ended = {
        engine: subprocess.run([sys.executable, "-c", code, engine], env=environment, capture_output=True, text=True)
        for engine in ("auto", "numba", "torch")
    }
    assert [one.returncode for one in ended.values()] == [0, 0, 1]
    expected = "torch cannot be imported (libtorch.so is not there): install it (README.md, Install), or set it to auto"
    assert expected in ended["torch"].stderr
