"""A forecaster as plain JSON-able values and arrays, for a model file; and back, trusting nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from service.forecasting.forecaster import FittedItem, Forecaster
from service.forecasting.intervals import ConformalErrors
from service.forecasting.networks import RecurrentNetwork
from service.forecasting.panel_state import State, panel_state, restore_panel
from service.forecasting.preparation import min_history
from service.forecasting.scaling import Scaler
from service.forecasting.series import Panel
from service.forecasting.specification import Specification

_WEIGHTS_PER_LAYER = 4
_HEAD_WEIGHTS = 2


def forecaster_state(forecaster: Forecaster) -> State:
    """Return the record and the arrays that `restore_forecaster` needs; the training data are not in it."""
    items = forecaster.items
    tails, arrays = panel_state(Panel(tuple(item.tail for item in items), forecaster.targets, forecaster.covariates))
    record = {"specification": forecaster.specification.to_record(), "tails": tails}
    arrays = {
        "tails": arrays["values"],
        "scaler.offset": np.stack([item.scaler.offset for item in items]),
        "scaler.scale": np.stack([item.scaler.scale for item in items]),
        "spread": np.stack([item.spread for item in items]),
        "constant": np.stack([item.constant for item in items]).astype(np.uint8),
        "errors": forecaster.errors.errors.astype(np.float32),
    }
    for member, network in enumerate(forecaster.networks):
        for name, weight in network.state_dict().items():
            arrays[f"network.{member}.{name}"] = np.ascontiguousarray(weight.cpu().numpy())
    return record, arrays


def restore_forecaster(record: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Forecaster:
    """Undo `forecaster_state`; raises ValueError, KeyError or TypeError where anything does not fit together."""
    specification = Specification.from_record(record["specification"])
    tails = restore_panel(record["tails"], arrays["tails"])
    items, channels, targets = len(tails), len(tails.columns), len(tails.targets)
    offset = _numbers(arrays, "scaler.offset", (items, channels))
    scale = _numbers(arrays, "scaler.scale", (items, channels))
    spread = _numbers(arrays, "spread", (items, targets))
    constant = _numbers(arrays, "constant", (items, channels)) != 0
    errors = arrays["errors"].astype(np.float64)
    if errors.ndim != 3 or errors.shape[1] < 1 or errors.shape[2] != targets or np.isinf(errors).any():
        raise ValueError("errors must be (origin, horizon, target) and not infinite")
    if min(len(tail) for tail in tails) < min_history(specification):
        raise ValueError("the tails are shorter than what a forecast reads")
    if not np.isfinite(arrays["tails"]).all() or (scale <= 0).any():
        raise ValueError("the tails must be finite numbers and the scales above 0")
    fitted = tuple(
        FittedItem(tail.item, Scaler(offset[row], scale[row]), spread[row], constant[row], tail)
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


def _network(
    specification: Specification, channels: int, member: int, arrays: Mapping[str, NDArray[Any]]
) -> RecurrentNetwork:
    prefix = f"network.{member}."
    weights = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    shape = specification.network
    back = weights.get("recurrent.weight_hh_l0")
    if back is None or back.ndim != 2 or back.shape[1] != shape.hidden_size:
        raise ValueError(f"network {member} has no layers of {shape.hidden_size} units")
    if len(weights) != _WEIGHTS_PER_LAYER * shape.num_layers + _HEAD_WEIGHTS:
        raise ValueError(f"network {member} has {len(weights)} weights, which {shape.num_layers} layers do not have")
    # On the meta device a network has shapes but no memory, so a lying header costs nothing.
    with torch.device("meta"):
        network = RecurrentNetwork(shape, channels, specification.output_chunk_length)
    for name, expected in network.state_dict().items():
        array = weights.get(name)
        if array is None or array.shape != tuple(expected.shape) or not np.isfinite(array).all():
            raise ValueError(f"network {member} has no finite weight {name} of shape {tuple(expected.shape)}")
    state = {name: torch.from_numpy(np.array(array, dtype=np.float32)) for name, array in weights.items()}
    network.load_state_dict(state, assign=True)
    return network.eval()
