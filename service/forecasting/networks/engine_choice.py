"""The engine by its name, and that of a training; an engine is imported only if it is asked for."""

from __future__ import annotations

from typing import Literal

from service.forecasting.networks.engine import Engine

EngineName = Literal["numba", "torch"]


def engine_for(name: EngineName, device: str = "cpu") -> Engine:
    """Return an engine; torch is imported only if it is asked for. device: torch's name."""
    if name == "torch":
        from service.forecasting.networks.torch_engine import TorchEngine

        return TorchEngine(device)
    from service.forecasting.networks.numba_engine import NumbaEngine

    return NumbaEngine()


def training_engine(device: str | None) -> Engine:
    """Return the engine of trainings on a device of torch; None: the compiled kernels on this CPU."""
    return engine_for("numba") if device is None else engine_for("torch", device)
