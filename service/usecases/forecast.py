"""Forecasting with a stored model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from service.errors import ModelFileCorrupt, ModelNotFound, Unavailable
from service.forecasting.config.options import Point
from service.forecasting.covariates.categories import changes
from service.forecasting.covariates.future_covariates import NONE_SENT, Change, FutureCovariates
from service.forecasting.covariates.incomplete_steps import incomplete_steps
from service.forecasting.preprocessing.missing import open_end_warnings
from service.forecasting.prior.zero_shot import ZERO_SHOT
from service.forecasting.series.series import Panel
from service.storage.identifiers import unknown_model
from service.usecases.limits import Limits
from service.usecases.model_series import ObservedSeries
from service.usecases.resources import Resources

if TYPE_CHECKING:
    from service.forecasting.forecaster.forecaster import Forecaster
    from service.forecasting.forecaster.series_ends import ObservedEnds
    from service.forecasting.intervals.forecast import Bands, Forecast
    from service.forecasting.intervals.sample_paths import Draw

# Each takes about half a millisecond on one core; a thread costs a tenth of that plus its wait for the interpreter.
_AT_ONCE = 5_000_000
_NUMBERS_AT_ONCE = 2_000
# Unknown values of a covariate that a warning lists.
_SHOWN = 5


class ForecastAnswer(NamedTuple):
    """The forecasts, one for each item and target, and warnings about them; point: what ``mean`` in them is."""

    model_id: str
    horizon: int
    point: Point
    forecasts: list[Forecast]
    warnings: tuple[str, ...]


class LoadedModel(NamedTuple):
    """A model that is ready to forecast, and its series as far as this server knows it."""

    id: str
    forecaster: Forecaster
    observed: ObservedSeries | None = None

    @property
    def ends(self) -> ObservedEnds | None:
        """The ends from which it forecasts; None: those of its training."""
        return self.observed and self.observed.ends

    @property
    def items(self) -> Collection[object]:
        """The items that it forecasts if none are chosen."""
        return self.forecaster.items if self.ends is None else self.ends.by_item


def load_model(resources: Resources, tenant: str, model_id: str | None, name: str | None) -> LoadedModel:
    """Return a tenant's ready model, from the cache if it was confirmed recently. Raises what `fetch_model` raises."""
    if model_id is not None:
        cached, is_due = resources.forecasters.confirmed(tenant, model_id)
        if cached is not None and not is_due:
            return LoadedModel(model_id, *cached)
    return fetch_model(resources, tenant, model_id, name)


def fetch_model(resources: Resources, tenant: str, model_id: str | None, name: str | None) -> LoadedModel:
    """Look up a tenant's ready model in the registry, and load it if it is not cached.

    Raises ModelNotFound, ModelNotReady, ModelFailed, and what the cache raises.
    """
    try:
        if model_id is None:
            return _load_named(resources, tenant, name or "")
        found = resources.registry.ready_state(tenant, model_id)
        if found is None:
            model = resources.registry.get_ready(tenant, model_id)
            found = model.attempt, model.series_revision
    except ModelNotFound as error:
        if model_id is not None:
            resources.forecasters.forget(tenant, model_id)
        if (model_id or name or "").strip().lower() != ZERO_SHOT:
            raise
        hint = f'The pre-trained forecaster is asked for with "model_id": "{ZERO_SHOT}".'
        raise ModelNotFound(f"{error.detail} {hint}") from None
    except Unavailable:
        # Keep serving loaded models while the registry is unavailable.
        remembered = resources.forecasters.remembered(tenant, model_id, name)
        if remembered is None:
            raise
        return LoadedModel(remembered[0], *remembered[1])
    return _load(resources, tenant, model_id, *found)


def _load(
    resources: Resources, tenant: str, model_id: str, attempt: int, revision: int, name: str | None = None
) -> LoadedModel:
    """Return a ready model whose series has this revision, or a later one."""
    cached = resources.forecasters.get(tenant, model_id, attempt, name, revision)
    known = 0 if cached.observed is None else cached.observed.revision
    if known < revision:
        return read_series(resources, tenant, LoadedModel(model_id, *cached))
    return LoadedModel(model_id, *cached)


def read_series(resources: Resources, tenant: str, model: LoadedModel) -> LoadedModel:
    """Return a model with its latest series. Raises ModelNotFound, ModelFileCorrupt, Conflict, Unavailable."""
    known, logs = model.observed, resources.registry.observations
    log = logs.log(tenant, model.id, known.revision if known else 0)
    if log is not None and known is not None and log.revision < known.revision:  # the database was restored
        resources.forecasters.forget(tenant, model.id)
        known, log = None, logs.log(tenant, model.id)
    if log is None:
        raise unknown_model(model.id)
    try:
        observed = resources.series.read(model.forecaster, log, known)
    except ModelFileCorrupt:
        if logs.log(tenant, model.id) is None:  # it was deleted meanwhile
            raise unknown_model(model.id) from None
        raise
    return LoadedModel(model.id, *resources.forecasters.observe(tenant, model.id, model.forecaster, observed))


def _load_named(resources: Resources, tenant: str, name: str) -> LoadedModel:
    """Return the model that a name means; retry if it is deleted between the lookup and the load."""
    gone = None
    while True:
        model = resources.registry.names.resolve(tenant, name)
        try:
            return _load(resources, tenant, model.id, model.attempt, model.series_revision, name)
        except ModelNotFound:
            if model.id == gone:
                raise
            gone = model.id


def takes_microseconds(model: LoadedModel, horizon: int | None, items: int | None) -> bool:
    """Return whether computing a forecast costs less than handing it to a thread.

    items: number of requested items; None: all of the model's.
    """
    rows = len(model.items) if items is None else items
    steps = horizon or model.forecaster.specification.horizon
    return model.forecaster.cost(rows, steps) <= _AT_ONCE and rows * steps <= _NUMBERS_AT_ONCE


def make_forecast(
    limits: Limits,
    model: LoadedModel,
    horizon: int | None,
    bands: Bands,
    history: Panel | None = None,
    items: Sequence[str] | None = None,
    future: FutureCovariates = NONE_SENT,
    draw: Draw | None = None,
) -> ForecastAnswer:
    """Forecast from the end of the model's own series, or from a history.

    horizon: steps ahead; None: the horizon the model was trained for; future: values of the future covariates;
    draw: the sample paths to draw; None: no sample paths. Raises InvalidInput.
    """
    forecaster = model.forecaster
    horizon = horizon or forecaster.specification.horizon
    limits.check_horizon(horizon)
    count = len(items or history or model.items)
    per_step = 1 + (len(bands.quantiles) or 2 * len(bands.levels)) + (draw.paths if draw else 0)
    limits.check_answer(count * len(forecaster.targets) * horizon * per_step)
    forecasts = forecaster.forecast(horizon, bands, history, items, future, draw, model.ends)
    series = history if history is not None else _observed(model, items)
    warnings = (
        *_far_outside(forecasts),
        *(one.shifted for one in forecasts if one.shifted),
        *change_warnings(forecaster, series),
        *_changes_ahead(forecaster, forecasts, future, horizon),
        *_incomplete_ahead(forecaster, forecasts, future),
        *_about_history(forecaster, series),
        *outside_bounds(forecaster, series),
        *band_warnings(forecaster, bands, horizon),
        *(_too_short(model.ends) if history is None and items is None else ()),
    )
    calibrated = forecaster.specification.horizon
    if draw is not None and horizon > calibrated:
        warnings = (*warnings, f"beyond {calibrated} steps ahead, sample paths continue as random walks")
    return ForecastAnswer(model.id, horizon, forecaster.specification.point_forecast, forecasts, warnings)


def _observed(model: LoadedModel, items: Sequence[str] | None) -> Panel | None:
    """Return the series from whose observed ends a model forecasts; None: nothing was observed."""
    if model.observed is None or model.ends is None:
        return None
    kept = model.observed.kept
    return kept.panel_of(model.ends.by_item if items is None else items)


def _too_short(ends: ObservedEnds | None) -> list[str]:
    """Return a warning for each item that arrived after the training and cannot be forecast yet."""
    return [f"item {item!r} is left out: it {why}" for item, why in (ends.too_short if ends else {}).items()]


def _far_outside(forecasts: Sequence[Forecast]) -> list[str]:
    far = dict.fromkeys(one.item for one in forecasts if one.far_outside)
    cure = "lies far outside the range of the training data: train a model on such values"
    return [f"{_named(item)} {cure}" for item in far]


def _changes_ahead(
    forecaster: Forecaster, forecasts: Sequence[Forecast], future: FutureCovariates, horizon: int
) -> list[str]:
    """Return a warning for each future covariate with values that the training data did not have."""
    constants = forecaster.specification.constant_covariates
    found = [change for one in forecasts for change in one.changes]
    if future and constants:
        found += future.changes(horizon, constants)
    return _changed("future_covariates", found)


def _incomplete_ahead(forecaster: Forecaster, forecasts: Sequence[Forecast], future: FutureCovariates) -> list[str]:
    """Return a warning for each step that has only some of the rows which the model aggregates."""
    if not future or not forecaster.specification.future_covariates:
        return []
    # Items usually have the same times.
    found: dict[object, list[str]] = {}
    for one in forecasts:
        sent = future.by_item.get(one.item or "", future.for_all)
        if one.times is not None and (key := (id(sent), one.times.index[0])) not in found:
            found[key] = incomplete_steps(sent, one.times)
    return list(dict.fromkeys(warning for warnings in found.values() for warning in warnings))


def change_warnings(forecaster: Forecaster, panel: Panel | None) -> list[str]:
    """Return a warning for each covariate in a submitted series with values that the training data did not have."""
    specification = forecaster.specification
    if panel is None or not (specification.categories or specification.constant_covariates):
        return []
    return _changed("the series", changes(panel, specification))


def _changed(where: str, found: Iterable[Change]) -> list[str]:
    by_name: dict[str, list[str]] = {}
    for name, value in dict.fromkeys(found):
        by_name.setdefault(name, []).append(repr(value[:60]))
    warnings = []
    for name, values in by_name.items():
        more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
        listed = " or ".join(values[:_SHOWN]) + more
        unknown = "which the training data did not have: its effect is unknown and left out"
        warnings.append(f"{where}: {name} is {listed}, {unknown}")
    return warnings


def _named(item: str | None) -> str:
    return "the series" if item is None else f"item {item!r}"


def _about_history(forecaster: Forecaster, history: Panel | None) -> list[str]:
    if history is None:
        return []
    warnings = open_end_warnings(history, _target_channels(forecaster, history))
    features = ", ".join(forecaster.specification.calendar)
    if features and any(one.times is None for one in history):
        warnings.append(f"the history has no timestamps: calendar features of the model are not used: {features}")
    for one in history:
        unseen = forecaster.unseen.peers.unseen(one.static) if one.static else ()
        warnings.extend(
            f"item {one.item!r}: no item of the model has {name} {one.static[name]!r}, so it is not used"
            for name in unseen
        )
    return warnings


def outside_bounds(forecaster: Forecaster, panel: Panel | None) -> list[str]:
    """Return a warning for each submitted series that leaves the model's bounds, and what this means for its forecasts.

    The panel has the columns that the model knows.
    """
    bounds = forecaster.specification.bounds
    if panel is None or not bounds:
        return []
    targets = _target_channels(forecaster, panel)
    warnings = []
    for one in panel:
        found = bounds.first_outside(one.values if one.values.shape[1] == 1 else one.values[:, targets])
        if found is None:
            continue
        where = f"{_named(one.item)} has {found[1]:.12g} in row {found[0]}"
        if bounds.soft and found[1] < 0:
            warnings.append(f"{where}, unlike the training data, which have nothing below 0: forecasts may be below 0")
        else:
            warnings.append(f"{where}, outside the model's bounds; its forecasts are still kept within them")
    return warnings


def _target_channels(forecaster: Forecaster, panel: Panel) -> list[int]:
    """Return the positions of the model's targets in a panel that has the columns the model knows."""
    names = panel.columns
    return [names.index(target) if target in names else 0 for target in forecaster.targets]


def band_warnings(forecaster: Forecaster, bands: Bands, horizon: int) -> tuple[str, ...]:
    """Return warnings about intervals that are based on few errors or on none; those of sporadic demand are on none."""
    if forecaster.specification.sporadic:
        return ()
    warnings = []
    unsupported = forecaster.errors.widths(bands.levels, horizon).unsupported
    if unsupported:
        warnings.append(
            f"{bands.named(unsupported)}: some of the steps ahead are based on too few errors; "
            "their largest error is extrapolated with a normal distribution"
        )
    calibrated = forecaster.specification.horizon
    if horizon > calibrated and bands.levels:
        warnings.append(
            f"intervals are calibrated up to {calibrated} steps ahead; "
            "beyond, they widen with the square root of the step"
        )
    return tuple(warnings)
