"""How good the forecasts of a model were since its training, and whether its series has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from service.errors import ModelNotFound, UnknownColumn
from service.forecasting.prior.zero_shot import ZERO_SHOT
from service.usecases.forecast import LoadedModel, load_model, read_series
from service.usecases.resources import Resources

if TYPE_CHECKING:
    from service.forecasting.forecaster.forecaster import Forecaster
    from service.forecasting.monitoring.due_forecasts import DueForecasts
    from service.forecasting.monitoring.monitoring import Monitoring
    from service.forecasting.monitoring.observed_items import ObservedItem
    from service.forecasting.observations.kept_series import KeptSeries

MOST_CHART_ROWS = 200
"""The most rows of the answer's forecasts."""


class RecentForecasts(NamedTuple):
    """The newest rows of one item and target, with the forecasts one step ahead that were due."""

    item: ObservedItem
    target: int
    due: DueForecasts


class MonitoringAnswer(NamedTuple):
    """What the forecasts since the training were like.

    revision: of the series. validation: the metrics of the training, None where they are unknown. recent: None where no
    row of the item can be compared with a forecast.
    """

    model_id: str
    revision: int
    targets: tuple[str, ...]
    monitoring: Monitoring
    validation: dict[str, Any] | None
    recent: RecentForecasts | None


def monitor_model(
    resources: Resources,
    tenant: str,
    model_id: str | None,
    name: str | None,
    item: str | None,
    target: str | None,
    limit: int,
) -> MonitoringAnswer:
    """Monitor a tenant's ready model, by its ID or name; item, target, limit: of the recent forecasts.

    item: None: the first one that drifts, or else the first one. Raises UnknownColumn, and what `read_series` raises.
    """
    from service.forecasting.monitoring.monitoring import monitor

    if ZERO_SHOT in (model_id, name):
        raise ModelNotFound(
            f"{ZERO_SHOT} keeps no series that could be monitored: train a model, and send observations"
        )
    model = read_series(resources, tenant, load_model(resources, tenant, model_id, name))
    kept = _kept(model)
    column = _column(model.forecaster, target)
    if item is not None and item not in kept.places:
        raise UnknownColumn.at(("item",), f"the model has no item {item!r}; leave item out, or give one that it has")
    found = monitor(model.forecaster, kept)
    record = resources.registry.get(tenant, model.id).record
    return MonitoringAnswer(
        model.id,
        0 if model.observed is None else model.observed.revision,
        model.forecaster.targets,
        found,
        record.get("metrics") and {**record["metrics"], "skill": record.get("skill")},
        _recent(model.forecaster, kept, item if item is not None else _shown(found, kept), column, limit),
    )


def _kept(model: LoadedModel) -> KeptSeries:
    assert model.observed is not None  # noqa: S101 - it was read
    return model.observed.kept


def _column(forecaster: Forecaster, target: str | None) -> int:
    if target is None:
        return 0
    if target not in forecaster.targets:
        names = ", ".join(forecaster.targets)
        raise UnknownColumn.at(("target",), f"the model forecasts {names}, not {target!r}; give one of these")
    return forecaster.targets.index(target)


def _shown(found: Monitoring, kept: KeptSeries) -> str | None:
    """Return the item whose forecasts are shown if none was chosen."""
    changed = [one.item.series.item for one in found.items if one.alarm is not None]
    scored = [one.item.series.item for one in found.items]
    return next(iter((*changed, *scored, kept.panel.series[0].item)))


def _recent(
    forecaster: Forecaster, kept: KeptSeries, item: str | None, target: int, limit: int
) -> RecentForecasts | None:
    from service.forecasting.monitoring.due_forecasts import due_forecasts
    from service.forecasting.monitoring.observed_items import observed_items

    found = observed_items(forecaster, kept, [item])
    if not found:
        return None
    due = due_forecasts(forecaster, found[0].aligned, found[0].origins(forecaster, limit), 1)
    return RecentForecasts(found[0], target, due) if len(due.origins) else None
