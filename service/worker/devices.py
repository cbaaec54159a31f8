"""Find the GPUs that may be used, without importing torch in the server; check that torch is there if it must be."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import subprocess
import sys

from service.errors import Unavailable

_QUESTION = "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)"
_ANSWER_SECONDS = 120.0
_INSTALL = "install it (README.md, Install)"
_CURE = "or set it to cpu"


def usable_gpus(engine: str, device: str) -> tuple[str, ...]:
    """Return torch's names of the GPUs that FORECAST_ENGINE and FORECAST_DEVICE allow; empty: use this CPU only.

    Raises Unavailable if the device is a GPU and torch does not see it.
    """
    if device == "cpu" or (device == "auto" and (engine == "numba" or not _has_driver())):
        return ()
    try:
        found = _find_gpus()
    except Unavailable:
        if device == "auto":
            return ()
        raise
    if device in ("auto", "cuda"):
        return found
    if device not in found:
        raise Unavailable(f"torch sees only {', '.join(found)}: choose one of them, set it to cuda for all, {_CURE}")
    return (device,)


def check_engine(engine: str) -> None:
    """Import torch if FORECAST_ENGINE requires it. Raises Unavailable."""
    if engine == "torch":
        try:
            importlib.import_module("torch")
        except (ImportError, OSError) as error:  # OSError: a library that torch loads is missing
            raise Unavailable(f"torch cannot be imported ({error}): {_INSTALL}, or set it to auto") from error


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
        raise Unavailable(f"torch is not installed: {_INSTALL}, {_CURE}")
    try:
        asked = subprocess.run(  # noqa: S603
            [sys.executable, "-c", _QUESTION], capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=True
        )
        count = int(asked.stdout)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Unavailable(f"torch cannot be imported ({last}): {_INSTALL} again, {_CURE}") from error
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise Unavailable(f"torch could not count the GPUs ({error}): repair its installation, {_CURE}") from error
    if count == 0:
        raise Unavailable(
            "torch sees no GPU: check that nvidia-smi lists one (in a container: that it was given one) and that torch "
            f"was built with CUDA, {_CURE}"
        )
    return tuple(f"cuda:{number}" for number in range(count))
