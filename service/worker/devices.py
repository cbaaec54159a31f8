"""Find the devices to train on, without creating a GPU context, or importing torch, in the server."""

from __future__ import annotations

import ctypes
import importlib.util
import subprocess
import sys
from typing import Literal

from service.errors import Unavailable

_QUESTION = "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)"
_ANSWER_SECONDS = 120.0
_CURE = "or set it to cpu"


def training_devices(setting: Literal["cpu", "cuda", "auto"]) -> tuple[str, ...]:
    """Return torch's names of the GPUs to train on; empty: train on this CPU.

    Raises Unavailable if the setting is ``cuda`` and there is no GPU.
    """
    if setting == "cpu" or (setting == "auto" and not _has_driver()):
        return ()
    try:
        return _find_gpus()
    except Unavailable:
        if setting == "cuda":
            raise
        return ()


def _has_driver() -> bool:
    """Return whether NVIDIA's driver is installed; without it, the slow import of torch is not needed."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _find_gpus() -> tuple[str, ...]:
    """Return the GPUs that torch finds, in a subprocess: that takes seconds and hundreds of megabytes.

    Raises Unavailable.
    """
    if importlib.util.find_spec("torch") is None:
        raise Unavailable(f"torch is not installed: install the service with its extra [gpu], {_CURE}")
    try:
        asked = subprocess.run(  # noqa: S603
            [sys.executable, "-c", _QUESTION], capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=True
        )
        count = int(asked.stdout)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Unavailable(
            f"torch cannot be imported ({last}): install the service with its extra [gpu] again, {_CURE}"
        ) from error
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise Unavailable(f"torch could not count the GPUs ({error}): repair its installation, {_CURE}") from error
    if count == 0:
        raise Unavailable(
            "torch sees no GPU: check that nvidia-smi lists one (in a container: that it was given one) and that torch "
            f"was built with CUDA, {_CURE}"
        )
    return tuple(f"cuda:{number}" for number in range(count))
