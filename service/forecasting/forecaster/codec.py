"""Convert a forecaster to JSON-compatible values and arrays for a model file, and back, validating everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from service.forecasting.config.options import BaselineMethod, Candidate, MethodName
from service.forecasting.config.specification import Specification
from service.forecasting.covariates.categories import indicator_names, original_names
from service.forecasting.covariates.effects import Effects
from service.forecasting.covariates.future_covariates import CovariateColumns
from service.forecasting.forecaster.blend import Blend
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.forecaster.items import FittedItem
from service.forecasting.intervals.conformal import ConformalErrors
from service.forecasting.intervals.error_prior import ErrorPrior
from service.forecasting.methods.catalogue import METHODS
from service.forecasting.methods.method import Parameters
from service.forecasting.networks.architecture import Network, NetworkShape, network_of
from service.forecasting.preprocessing.scaling import Scaler, last_change
from service.forecasting.preprocessing.transforms import TRANSFORMS
from service.forecasting.prior.weights import load_prior
from service.forecasting.series.series import Panel, State, panel_state, restore_panel

# Far above what series of up to 1e100 lead to; the product of two of these is still finite.
_LARGEST = 1e150
_BASELINE: TypeAdapter[BaselineMethod] = TypeAdapter(BaselineMethod)
_PRIOR: TypeAdapter[ErrorPrior] = TypeAdapter(ErrorPrior)
_ROWS: TypeAdapter[list[Annotated[int, Field(ge=0)] | None]] = TypeAdapter(list[Annotated[int, Field(ge=0)] | None])
_CANDIDATES: TypeAdapter[tuple[Candidate, ...]] = TypeAdapter(Annotated[tuple[Candidate, ...], Field(min_length=1)])


def forecaster_state(forecaster: Forecaster) -> State:
    """Return the record and the arrays for `restore_forecaster`; the training data are not among them."""
    items = forecaster.items
    tails, arrays = panel_state(Panel(tuple(item.tail for item in items), forecaster.targets, forecaster.covariates))
    record = {
        "specification": forecaster.specification.to_record(),
        "tails": tails,
        "blend": list(forecaster.blend.candidates),
        "future_covariates": list(forecaster.future_covariates),
        "baseline": forecaster.baseline,
        "rows_after_fit": [item.rows_after_fit for item in items],
        "error_prior": _PRIOR.dump_python(forecaster.errors.prior, mode="json"),
    }
    arrays = {
        "tails": arrays["values"],
        "scaler.offset": np.stack([item.scaler.offset for item in items]),
        "scaler.scale": np.stack([item.scaler.scale for item in items]),
        "unit": np.stack([item.error_scale for item in items]),
        "difficulty": np.stack([item.error_factor for item in items]),
        "constant": np.stack([item.constant for item in items]).astype(np.uint8),
        "errors": forecaster.errors.errors,
        "blend": forecaster.blend.weights,
    }
    if any(len(vector) for item in items for vector in item.sizes):
        arrays |= _vectors_state("demand", [vector for item in items for vector in item.sizes])
    if forecaster.common is not None:
        effects = [item.effects for item in items if item.effects is not None]
        arrays["effects.beta"] = np.stack([one.beta for one in effects])
        arrays["effects.centre"] = np.stack([one.centre for one in effects])
        arrays["effects.unit"] = np.stack([one.scale for one in effects])
        arrays["effects.common"] = forecaster.common
    for name in forecaster.blend.methods:
        arrays |= _vectors_state(f"method.{name}", [one for item in items for one in item.methods[name]])
    for member, network in enumerate(forecaster.networks):
        for key, weight in network.named_weights().items():
            arrays[f"network.{member}.{key}"] = weight
    return record, arrays


def restore_forecaster(record: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Forecaster:
    """Undo `forecaster_state`. Raises ValueError, KeyError or TypeError where anything is inconsistent."""
    specification = Specification.from_record(record["specification"])
    tails = restore_panel(record["tails"], arrays["tails"])
    if tails.future_covariates:
        raise ValueError("the tails have future covariates")
    _check_tails(arrays["tails"], len(tails.targets), specification)
    names = original_names(tails.covariates, specification.categories)
    if indicator_names(names, specification.categories) != tails.covariates:
        raise ValueError("the past covariates do not have the categories of the specification")
    blend = _blend(record["blend"], arrays, len(tails))
    # Files of earlier versions have neither of these; a model that was refitted was fitted on all rows.
    rows_after_fit = _ROWS.validate_python(
        record.get("rows_after_fit", [0 if specification.refit else None] * len(tails)), strict=True
    )
    fitted, common = _fitted(tails, arrays, specification, blend, rows_after_fit)
    networks: tuple[Network, ...] = ()
    if "network" in blend.candidates:
        members = range(specification.training.ensemble_size)
        networks = tuple(_network(specification, len(tails.columns), member, arrays) for member in members)
    if "prior" in blend.candidates:
        if specification.prior is None:
            raise ValueError("the specification does not say which prior")
        load_prior(specification.prior.version)
    forecaster = Forecaster(
        specification,
        tails.targets,
        tails.covariates,
        fitted,
        networks,
        blend,
        ConformalErrors(
            _errors(arrays["errors"], len(tails.targets)),
            _error_prior(record.get("error_prior", {}), len(tails.targets)),
        ),
        future_covariates=_future_covariates(record.get("future_covariates", []), specification),
        common=common,
        baseline=_BASELINE.validate_python(record.get("baseline", "seasonal_naive")),
    )
    if any(len(item.tail) < forecaster.needed_rows(item) for item in fitted):
        raise ValueError("the tails are shorter than what a forecast reads")
    return forecaster


def _fitted(
    tails: Panel,
    arrays: Mapping[str, NDArray[Any]],
    specification: Specification,
    blend: Blend,
    rows_after_fit: Sequence[int | None],
) -> tuple[tuple[FittedItem, ...], NDArray[np.float64] | None]:
    """Return the items, and their common effects."""
    items, channels, targets = len(tails), len(tails.columns), len(tails.targets)
    offset = _numbers(arrays, "scaler.offset", (items, channels))
    scale = _numbers(arrays, "scaler.scale", (items, channels))
    error_scale = _numbers(arrays, "unit", (items, targets))
    # Files of earlier versions have no error factors.
    factor = _numbers(arrays, "difficulty", (items, targets)) if "difficulty" in arrays else np.ones_like(error_scale)
    constant = _numbers(arrays, "constant", (items, channels)) != 0
    if (scale <= 0).any() or min(error_scale.min(), factor.min()) <= 0:
        raise ValueError("the scales, error scales and error factors must be above 0")
    transform = TRANSFORMS[specification.transform]
    methods = {name: _parameters(name, arrays, items, targets) for name in blend.methods}
    effects, common = _effects(specification, arrays, items, targets)
    sizes = _sizes(arrays, items, targets)
    fitted = tuple(
        FittedItem(
            tail.item,
            Scaler(offset[row], scale[row]),
            error_scale[row],
            factor[row],
            last_change(transform.apply(tail.values[:, :targets]), specification.season_length),
            constant[row],
            tail,
            {name: parameters[row] for name, parameters in methods.items()},
            effects[row],
            sizes[row],
            rows,
        )
        for row, (tail, rows) in enumerate(zip(tails, rows_after_fit, strict=True))
    )
    return fitted, common


def _check_tails(values: NDArray[Any], targets: int, specification: Specification) -> None:
    """Check the tails of all items: (row, channel), the targets first."""
    if not (np.abs(values.astype(np.float64)) <= _LARGEST).all():
        raise ValueError(f"the tails must be numbers up to {_LARGEST:g}")
    if TRANSFORMS[specification.transform].log and (values[:, :targets] <= 0).any():
        raise ValueError("the tails must be above 0, for their logarithms are forecast")


def _errors(errors: NDArray[Any], targets: int) -> NDArray[Any]:
    if errors.ndim != 3 or errors.shape[1] < 1 or errors.shape[2] != targets:
        raise ValueError("errors must be (origin, horizon, target)")
    if errors.dtype.kind != "f" or (np.abs(errors.astype(np.float64)) > _LARGEST).any():
        raise ValueError(f"errors must be floating-point numbers up to {_LARGEST:g}")
    return errors


def _error_prior(record: object, targets: int) -> ErrorPrior:
    """Return the prior of a model; files of earlier versions have none."""
    prior = _PRIOR.validate_python(record)
    if {len(prior.level), len(prior.growth), len(prior.level_growth)} - {1, targets}:
        raise ValueError("the prior of errors must be for each target")
    return prior


def _blend(names: object, arrays: Mapping[str, NDArray[Any]], items: int) -> Blend:
    candidates = _CANDIDATES.validate_python(names)
    weights = _numbers(arrays, "blend", (items, len(candidates)))
    if len(set(candidates)) < len(candidates) or (weights < 0).any() or not np.allclose(weights.sum(axis=1), 1):
        raise ValueError("the blend must name each candidate once, with weights that sum to 1")
    return Blend(candidates, weights)


def _future_covariates(names: object, specification: Specification) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError("the names of future covariates must be a list of strings")
    used = specification.future_covariates
    if not set(used) <= set(names) or len(set(used)) < len(used):
        raise ValueError("the future covariates that are used must be among those that were named, once each")
    return tuple(names)


def _effects(
    specification: Specification, arrays: Mapping[str, NDArray[Any]], items: int, targets: int
) -> tuple[list[Effects | None], NDArray[np.float64] | None]:
    width = CovariateColumns.of(specification).width
    if not width:
        return [None] * items, None
    beta = _numbers(arrays, "effects.beta", (items, width, targets))
    centre = _numbers(arrays, "effects.centre", (items, width))
    unit = _numbers(arrays, "effects.unit", (items, targets))
    if (unit <= 0).any():
        raise ValueError("the units of effects must be above 0")
    effects: list[Effects | None] = [Effects(*one) for one in zip(beta, centre, unit, strict=True)]
    return effects, _numbers(arrays, "effects.common", (width, targets))


def _vectors_state(name: str, vectors: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return one flat vector of those of all items and targets, and how long each is."""
    lengths = np.array([len(vector) for vector in vectors], np.int64)
    return {name: np.concatenate(vectors), f"{name}.lengths": lengths}


def _vectors(name: str, arrays: Mapping[str, NDArray[Any]], items: int, targets: int) -> list[NDArray[np.float64]]:
    """Undo `_vectors_state`."""
    flat, lengths = arrays[name].astype(np.float64), arrays[f"{name}.lengths"]
    if (
        lengths.shape != (items * targets,)
        or (lengths < 0).any()
        or flat.shape != (int(lengths.sum()),)
        or not (np.abs(flat) <= _LARGEST).all()
    ):
        raise ValueError(f"the numbers of {name} do not have the items of the model")
    return np.split(flat, np.cumsum(lengths)[:-1])


def _sizes(arrays: Mapping[str, NDArray[Any]], items: int, targets: int) -> list[Parameters]:
    """Return the sizes of demands of each item."""
    if "demand" not in arrays:
        return [()] * items
    vectors = _vectors("demand", arrays, items, targets)
    if any((vector <= 0).any() or (np.diff(vector) < 0).any() for vector in vectors):
        raise ValueError("the sizes of demands must be above 0, in ascending order")
    return [tuple(vectors[row * targets : (row + 1) * targets]) for row in range(items)]


def _parameters(name: MethodName, arrays: Mapping[str, NDArray[Any]], items: int, targets: int) -> list[Parameters]:
    vectors = _vectors(f"method.{name}", arrays, items, targets)
    if not all(METHODS[name].are_parameters(vector) for vector in vectors):
        raise ValueError(f"the numbers of {name} are no parameters of this method")
    return [tuple(vectors[row * targets : (row + 1) * targets]) for row in range(items)]


def _numbers(arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    array = arrays[name].astype(np.float64)
    if array.shape != shape or not (np.abs(array) <= _LARGEST).all():
        raise ValueError(f"{name} must be numbers up to {_LARGEST:g} of shape {shape}, got {array.shape}")
    return array


def _network(specification: Specification, channels: int, member: int, arrays: Mapping[str, NDArray[Any]]) -> Network:
    prefix = f"network.{member}."
    weights = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    return network_of(NetworkShape.of(specification.network, channels, specification.output_chunk_length), weights)
