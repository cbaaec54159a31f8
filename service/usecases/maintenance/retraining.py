"""Retrain a model on what was observed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from service.errors import Conflict, InvalidInput
from service.forecasting.observations.kept_series import KeptSeries
from service.forecasting.series.series import Panel
from service.forecasting.training.planning import Plan
from service.storage.files.model_codec import Retraining, RetrainingReason, RetrainingStart, TrainingInput
from service.storage.files.series_reading import training_input
from service.storage.registry.entries import JobEntry, ModelEntry
from service.usecases.forecast import load_model, read_series
from service.usecases.resources import Resources
from service.usecases.retraining_policy import RetrainPolicy
from service.usecases.train import TrainingRequest, plan, submit_training


def submit_retraining(
    resources: Resources,
    tenant: str,
    model_id: str | None,
    name: str | None,
    start: RetrainingStart,
    reason: RetrainingReason,
    idempotency: tuple[str, str] | None = None,
) -> JobEntry:
    """Queue the training of a child: the same options and name, on everything that a model knows now.

    The model is given by its ID or by a name. Once it is trained, the child is compared with the model, and the better
    one is the champion. Raises what `submit_training` raises, and ModelNotFound, ModelNotReady, ModelFailed,
    RetrainingRunning, and Conflict if nothing was observed, the model is not the champion of its line, its training
    data is gone, or its options cannot be used with what was observed.
    """
    if idempotency is not None:
        earlier = resources.registry.jobs.find_idempotent(tenant, *idempotency)
        if earlier is not None:
            return earlier
    if model_id is None:
        model_id = resources.registry.names.resolve(tenant, name or "").id
    model = resources.registry.get_ready(tenant, model_id)
    content = _trained_on(resources, model)
    loaded = read_series(resources, tenant, load_model(resources, tenant, model_id, None))
    observed = loaded.observed
    if observed is None or not observed.revision:
        raise Conflict(
            f"nothing was observed since the training of model {model_id}: send values first "
            f"(POST /models/{model_id}/observations)"
        )
    policy = None if model.retrain is None else RetrainPolicy.model_validate(model.retrain)
    asked = TrainingRequest(
        content.panel, content.options, model.name, content.series, (), idempotency, model.adaptive, policy,
        Retraining(model_id, model.attempt, observed.revision, start, reason, (), ()),
    )  # fmt: skip
    return submit_training(resources, tenant, *_planned(resources, asked, observed.kept))


def _planned(resources: Resources, asked: TrainingRequest, kept: KeptSeries) -> tuple[TrainingRequest, Plan]:
    """Return the training on a series, without new items that are too short yet, and its plan. Raises Conflict."""
    left_out: set[str | None] = set()
    while True:
        places = [place for place, one in enumerate(kept.panel) if one.item not in left_out]
        panel = kept.panel_of([kept.panel.series[place].item for place in places])
        assert asked.retraining is not None  # noqa: S101 - the caller gives it
        retraining = replace(
            asked.retraining,
            seen=tuple(max(0, kept.trained[place] - kept.dropped[place]) for place in places),
            dropped=tuple(kept.dropped[place] for place in places),
        )
        warnings = (f"new items that are too short to be trained on: {len(left_out)}",) if left_out else ()
        series = {**asked.series, **_counts(panel)}
        request = replace(asked, panel=panel, series=series, warnings=warnings, retraining=retraining)
        try:
            return request, plan(resources, request)
        except InvalidInput as error:
            more = _short_ones(panel, error, kept)
            if not more:
                detail = f"the options of model {asked.retraining.parent} cannot be used with what was observed"
                raise Conflict(f"{detail}: {error.detail}; train a new model") from error
            left_out |= more


def _short_ones(panel: Panel, error: InvalidInput, kept: KeptSeries) -> set[str | None]:
    """Return the new items that are no longer than the new one that an error is about; none if it is about another."""
    new = {one.item for one, trained in zip(kept.panel, kept.trained, strict=True) if not trained}
    for fault in error.faults:
        if fault.path[:2] == ("series", "items") and len(fault.path) > 2:
            one = panel.series[int(fault.path[2])]
            if one.item in new:
                return {other.item for other in panel if other.item in new and len(other) <= len(one)}
    return set()


def _trained_on(resources: Resources, model: ModelEntry) -> TrainingInput:
    content = training_input(resources.store, model.job_id)
    if content is None:
        raise Conflict(
            f"the training data of model {model.id} is not here, as with models that were imported: train a model on "
            "this server to retrain it"
        )
    return content


def _counts(panel: Panel) -> dict[str, Any]:
    """Return how many rows a series has, and from when to when, as in the record of a training."""
    lengths = [len(one) for one in panel]
    axes = [one.times for one in panel if one.times is not None]
    found: dict[str, Any] = {"items": len(panel), "rows": sum(lengths), "points": panel.points}
    if len(lengths) > 1:
        found["rows_per_item"] = {"min": min(lengths), "max": max(lengths)}
    if axes:
        first, last = min(axes, key=lambda axis: axis.index[0]), max(axes, key=lambda axis: axis.index[-1])
        found |= {"start": first.slice(0, 1).written()[0], "end": last.slice(len(last) - 1, len(last)).written()[0]}
    return found
