"""Choose engines: by name, for a training, for the forecasts of a server. They are imported when they are needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Literal, NamedTuple

from service.forecasting.networks.architecture import NetworkShape
from service.forecasting.networks.engine import Engine, EngineName, ForecastEngine, warm_up

EngineSetting = Literal["auto", "numba", "torch"]

# The numbers in the recurrent matrix of a layer from which torch trains faster on the CPU: far more than fit into the
# cache of a core. Measured by benchmarks/engines.py, see docs/engines.md; rollouts are faster in numba at every size.
_WIDE = 2_000_000


class EngineChoice(NamedTuple):
    """What may train a network.

    engine: auto chooses by the shape of the network. device: torch's name of the device; numba knows the CPU only.
    """

    engine: EngineSetting = "auto"
    device: str = "cpu"

    def for_training(self, shape: NetworkShape) -> Engine:
        """Return the engine that trains a network of this shape. Raises ImportError if torch is required but absent."""
        if self.engine == "torch" or self.device != "cpu":
            return engine_for("torch", self.device)
        return engine_for("torch" if self.engine == "auto" and trains_faster_in_torch(shape) else "numba")


FASTEST = EngineChoice()
"""What trains fastest on this CPU."""


def trains_faster_in_torch(shape: NetworkShape) -> bool:
    """Return whether torch can be imported, and trains a network of this shape faster than numba, on the CPU."""
    if shape.gates * shape.hidden_size < _WIDE:
        return False
    try:
        importlib.import_module("torch")
    except (ImportError, OSError):  # OSError: a library that torch loads is missing
        return False
    return True


def engine_for(name: EngineName, device: str = "cpu") -> Engine:
    """Return an engine. device: torch's name. Raises ImportError if torch is asked for but absent."""
    if name == "torch":
        from service.forecasting.networks.torch_engine import TorchEngine

        return TorchEngine(device)
    from service.forecasting.networks.numba_engine import NumbaEngine

    return NumbaEngine()


def forecast_engine(
    setting: EngineSetting, gpu: str | None, only_gpu: bool, on_failure: Callable[[], None]
) -> ForecastEngine:
    """Return the engine of a server's forecasts.

    gpu: torch's name of its GPU, or None. only_gpu: use the GPU for small forecasts too. on_failure: called when
    the GPU fails and the CPU takes over. Raises ImportError if torch is required but absent.
    """
    cpu = engine_for("torch" if setting == "torch" else "numba")
    if setting == "torch":
        warm_up(cpu)
    if gpu is None:
        return cpu
    from service.forecasting.networks.gpu_forecasts import GpuForecasts

    return GpuForecasts(gpu, cpu, only_gpu, on_failure)
