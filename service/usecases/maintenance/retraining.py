"""Retrain a model on what was observed."""

from __future__ import annotations

from typing import Any

from service.errors import Conflict, InvalidInput, JobNotFound
from service.forecasting.observations.kept_series import KeptSeries
from service.storage.files.model_codec import (
    Retraining,
    RetrainingReason,
    RetrainingStart,
    TrainingInput,
    read_training_input,
)
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
    kept = observed.kept
    seen = tuple(max(0, trained - dropped) for trained, dropped in zip(kept.trained, kept.dropped, strict=True))
    retraining = Retraining(model_id, model.attempt, observed.revision, start, reason, seen, kept.dropped)
    policy = None if model.retrain is None else RetrainPolicy.model_validate(model.retrain)
    asked = TrainingRequest(
        kept.panel, content.options, model.name, _described(content, kept), (), idempotency, model.adaptive, policy,
        retraining,
    )  # fmt: skip
    try:
        planned = plan(resources, asked)
    except InvalidInput as error:
        detail = f"the options of model {model_id} cannot be used with what was observed: {error.detail}"
        raise Conflict(f"{detail}; train a new model") from error
    return submit_training(resources, tenant, asked, planned)


def _trained_on(resources: Resources, model: ModelEntry) -> TrainingInput:
    try:
        if model.job_id is not None:
            return read_training_input(resources.store.get_training_input(model.job_id))
    except JobNotFound:
        pass
    raise Conflict(
        f"the training data of model {model.id} is not here, as with models that were imported: train a model on this "
        "server to retrain it"
    )


def _described(content: TrainingInput, kept: KeptSeries) -> dict[str, Any]:
    """Return how the series was interpreted, with the numbers of what is kept of it now."""
    lengths = [len(one) for one in kept.panel]
    longest = [one.times for one in kept.panel if one.times is not None]
    found: dict[str, Any] = {"items": len(kept.panel), "rows": sum(lengths), "points": kept.panel.points}
    if len(lengths) > 1:
        found["rows_per_item"] = {"min": min(lengths), "max": max(lengths)}
    if longest:
        first, last = min(longest, key=lambda axis: axis.index[0]), max(longest, key=lambda axis: axis.index[-1])
        found |= {"start": first.slice(0, 1).written()[0], "end": last.slice(len(last) - 1, len(last)).written()[0]}
    return {**content.series, **found}
