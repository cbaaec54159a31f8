"""A forecaster as plain JSON-able values and arrays, for a model file; and back, trusting nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.forecasting.fitted_item import FittedItem
from service.forecasting.forecaster import Forecaster
from service.forecasting.intervals import ConformalErrors
from service.forecasting.networks import Network, NetworkShape, network_of
from service.forecasting.panel_state import State, panel_state, restore_panel
from service.forecasting.preparation import min_history
from service.forecasting.scaling import Scaler
from service.forecasting.series import Panel
from service.forecasting.specification import Specification


def forecaster_state(forecaster: Forecaster) -> State:
    """Return the record and the arrays that `restore_forecaster` needs; the training data are not in it."""
    items = forecaster.items
    tails, arrays = panel_state(Panel(tuple(item.tail for item in items), forecaster.targets, forecaster.covariates))
    record = {"specification": forecaster.specification.to_record(), "tails": tails}
    arrays = {
        "tails": arrays["values"],
        "scaler.offset": np.stack([item.scaler.offset for item in items]),
        "scaler.scale": np.stack([item.scaler.scale for item in items]),
        "unit": np.stack([item.unit for item in items]),
        "constant": np.stack([item.constant for item in items]).astype(np.uint8),
        "errors": forecaster.errors.errors,
    }
    for member, network in enumerate(forecaster.networks):
        for name, weight in network.named_weights().items():
            arrays[f"network.{member}.{name}"] = weight
    return record, arrays


def restore_forecaster(record: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Forecaster:
    """Undo `forecaster_state`; raises ValueError, KeyError or TypeError where anything does not fit together."""
    specification = Specification.from_record(record["specification"])
    tails = restore_panel(record["tails"], arrays["tails"])
    items, channels, targets = len(tails), len(tails.columns), len(tails.targets)
    offset = _numbers(arrays, "scaler.offset", (items, channels))
    scale = _numbers(arrays, "scaler.scale", (items, channels))
    unit = _numbers(arrays, "unit", (items, targets))
    constant = _numbers(arrays, "constant", (items, channels)) != 0
    errors = arrays["errors"]
    if errors.ndim != 3 or errors.shape[1] < 1 or errors.shape[2] != targets:
        raise ValueError("errors must be (origin, horizon, target)")
    if errors.dtype.kind != "f" or np.isinf(errors).any():
        raise ValueError("errors must be floating-point numbers and not infinite")
    if min(len(tail) for tail in tails) < min_history(specification):
        raise ValueError("the tails are shorter than what a forecast reads")
    if not np.isfinite(arrays["tails"]).all() or (scale <= 0).any() or (unit <= 0).any():
        raise ValueError("the tails must be finite numbers and the scales and units above 0")
    fitted = tuple(
        FittedItem(tail.item, Scaler(offset[row], scale[row]), unit[row], constant[row], tail)
        for row, tail in enumerate(tails)
    )
    networks = tuple(
        _network(specification, channels, member, arrays) for member in range(specification.training.ensemble_size)
    )
    return Forecaster(specification, tails.targets, tails.covariates, fitted, networks, ConformalErrors(errors))


def _numbers(arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    array = arrays[name].astype(np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite numbers of shape {shape}, got {array.shape}")
    return array


def _network(specification: Specification, channels: int, member: int, arrays: Mapping[str, NDArray[Any]]) -> Network:
    prefix = f"network.{member}."
    weights = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    return network_of(NetworkShape.of(specification.network, channels, specification.output_chunk_length), weights)
