"""Which devices are found: each case in a process of its own, with the torch that it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.worker.devices import training_devices

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
    print(*devices.training_devices({setting!r}))
except Unavailable as error:
    print("refused:", error)
assert sys.modules.get("torch") is None, "the server imported torch"
"""


def found(folder: Path, setting: str, torch: str | None, driver: bool = True) -> str:
    """Return what is found; torch: its source, None for none."""
    if torch is not None:
        (folder / "torch.py").write_text(torch)
    asked = subprocess.run(
        [sys.executable, "-c", CHECK.format(absent=torch is None, driver=driver, setting=setting)],
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
        (None, r"torch is not installed: install the service with its extra \[gpu\], or set it to cpu"),
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


def test_cpu_is_the_cpu() -> None:
    assert training_devices("cpu") == ()
