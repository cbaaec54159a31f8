"""Change a model's series: add actual values to it, or remove some of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, TypeVar

import numpy as np
import orjson

from service.errors import InvalidInput, ModelNotFound, ObservationConflict, Overloaded, ServiceError, Unavailable
from service.forecasting.observations.changes import Applied, Change
from service.forecasting.observations.kept_series import KeptSeries
from service.forecasting.series.series import Series
from service.storage.files.model_codec import StoredSeries, series_file
from service.storage.identifiers import new_id
from service.storage.registry.observations import RecordedAnswer
from service.telemetry.logs import reason
from service.usecases.forecast import LoadedModel, load_model, read_series
from service.usecases.model_series import ObservedSeries, adapted, ends_of
from service.usecases.resources import Resources

logger = logging.getLogger(__name__)

# A log of more changes, a larger change, or a series of so many times the values that are kept is folded into a file.
_LONGEST_LOG = 256
_LARGEST_CHANGE = 32_000
_OVERSIZE = 2
# A backup copies the store after the database: the files that a copy of the database names must still be there.
REPLACED_FILES_KEPT = timedelta(hours=6)
_MOST_ATTEMPTS = 100
_RETRY_SECONDS = 1

Answer = TypeVar("Answer")
MakeChange = Callable[[KeptSeries], Change]
"""Returns the change of a series as it is now; called again if another request was faster."""


class ObservationsAnswer(NamedTuple):
    """The effect of a change: numbers of values, rows that became missing values, and the last time or row count."""

    model_id: str
    appended: int
    ignored: int
    replaced: int
    removed: int
    gaps: int
    end: str | int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Idempotency:
    """The idempotency key of a request, and a hash of the whole request."""

    key: str
    request_hash: str


def change_series(
    resources: Resources, tenant: str, model: LoadedModel, make: MakeChange, idempotency: Idempotency | None = None
) -> ObservationsAnswer:
    """Apply a change to a model's series, as a whole or not at all; forecasts start from its new end at once.

    idempotency: the same request within 24 hours changes nothing and has the same answer. Raises what the change
    raises, InvalidInput for values from which the model cannot forecast, IdempotencyKeyReused, QuotaExceeded,
    Overloaded if other changes of the same series are always faster, and what `read_series` raises.
    """
    is_latest = model.observed is None
    for _ in range(_MOST_ATTEMPTS):
        if idempotency is not None and (found := _earlier(resources, model.id, idempotency)) is not None:
            return found
        if is_latest:
            model = read_series(resources, tenant, model)
        try:
            answer = _try(resources, tenant, model, make, idempotency, is_latest)
        except (InvalidInput, ObservationConflict):
            # Another server may have changed the series: what is refused is refused by its latest revision.
            if is_latest:
                raise
            answer = None
        if answer is not None:
            return answer
        is_latest = True
    raise Overloaded("the model's series changes too often at once; try again", retry_after=_RETRY_SECONDS)


def change_meant(
    resources: Resources, tenant: str, model_id: str | None, name: str | None, change: Callable[[LoadedModel], Answer]
) -> Answer:
    """Change the series of a model, or of the one that a name means; return the answer of ``change``.

    A model that the name means by the time of the answer is changed, too: a retrained one may have been published
    without the change. Values that it has already are ignored. Raises what ``change`` and `load_model` raise.
    """
    gone = None
    while True:
        model = load_model(resources, tenant, model_id, name)
        try:
            answer = change(model)
        except ModelNotFound:
            # It was deleted meanwhile; the name may mean another one.
            if name is None or model.id == gone:
                raise
            gone = model.id
            continue
        if name is None or resources.registry.names.resolve(tenant, name).id == model.id:
            return answer


def _try(
    resources: Resources,
    tenant: str,
    model: LoadedModel,
    make: MakeChange,
    idempotency: Idempotency | None,
    is_latest: bool,
) -> ObservationsAnswer | None:
    """Apply a change to a model's series as it is known.

    Return None if another change was faster, or may have been where this one would change nothing.
    """
    before = model.observed
    assert before is not None  # noqa: S101 - it was read
    change = make(before.kept)
    applied = resources.series.apply(before.kept, change)
    answer, recorded = _answer(model, applied), None
    if idempotency is not None:
        recorded = RecordedAnswer(idempotency.key, idempotency.request_hash, answer._asdict())
    if not applied.changes:
        if is_latest and recorded is not None:
            resources.registry.observations.keep_answer(model.id, recorded)
        return answer if is_latest else None
    after = _after(model, before, applied)
    stored = _store(resources, tenant, model.id, before, after, change, recorded)
    if stored is None:
        return None
    if stored.kept is not after.kept:  # without its oldest rows, as other servers read it
        stored = stored._replace(ends=ends_of(model.forecaster, stored.kept.panel))
    resources.forecasters.observe(tenant, model.id, model.forecaster, adapted(model.forecaster, stored))
    return answer


def _after(model: LoadedModel, before: ObservedSeries, applied: Applied) -> ObservedSeries:
    """Return the series after a change. Raises InvalidInput if the model cannot forecast from its end."""
    forecaster = model.forecaster
    if before.ends is None:
        ends_of(forecaster, applied.panel)  # first, so that errors name places in the request
        ends = ends_of(forecaster, applied.series.panel)
    else:
        ends = before.ends.updated(forecaster, applied.panel)
    gone = set(applied.items) - applied.series.places.keys()
    revisions = before.revision + 1, before.file_revision
    return ObservedSeries(*revisions, applied.series, ends.without(gone), before.adaptive)


def _store(
    resources: Resources,
    tenant: str,
    model_id: str,
    before: ObservedSeries,
    after: ObservedSeries,
    change: Change,
    recorded: RecordedAnswer | None,
) -> ObservedSeries | None:
    """Store a change; return the series as it is kept, None if another change was faster."""
    record = change.to_record()
    size, log = len(orjson.dumps(record)), resources.registry.observations
    settings = resources.limits.settings
    is_short = after.revision - before.file_revision <= _LONGEST_LOG and size <= _LARGEST_CHANGE
    if is_short and after.kept.panel.points <= _OVERSIZE * settings.max_points:
        return after if log.add(tenant, model_id, before.revision, record, size, recorded) else None
    kept = after.kept.limited(settings.max_kept_rows, settings.max_points)
    data, file = series_file(StoredSeries(model_id, after.revision, kept)), new_id()
    resources.store.put_series(file, data)
    try:
        folded = log.fold(tenant, model_id, before.revision, file, len(data), resources.limits.quota, recorded)
    except ServiceError as error:
        # After a lost connection, the change may be there: then the file is needed.
        if not isinstance(error, Unavailable):
            resources.store.delete_series(file)
        raise
    if not folded:
        resources.store.delete_series(file)
        return None
    _delete_replaced(resources)
    return after._replace(kept=kept, file_revision=after.revision)


def _delete_replaced(resources: Resources) -> None:
    """Delete files that were replaced long ago; errors are logged, as the next call tries again."""
    try:
        files = resources.registry.observations.replaced_files(REPLACED_FILES_KEPT)
        for file in files:
            resources.store.delete_series(file)
        if files:
            resources.registry.observations.forget_files(files)
    except ServiceError as error:
        logger.warning("replaced files of observations could not be deleted: %s", reason(error))


def _earlier(resources: Resources, model_id: str, idempotency: Idempotency) -> ObservationsAnswer | None:
    answer = resources.registry.observations.answer_of(model_id, idempotency.key, idempotency.request_hash)
    return None if answer is None else ObservationsAnswer(**{**answer, "warnings": tuple(answer["warnings"])})


def _answer(model: LoadedModel, applied: Applied) -> ObservationsAnswer:
    kept = applied.series
    latest = max((one for one in kept.panel if one.times), key=_end, default=None)
    end: str | int = max(kept.end(one.item) for one in kept.panel)
    if latest is not None and latest.times is not None:
        end = latest.times.slice(len(latest) - 1, len(latest)).written()[0]
    warnings = []
    if applied.gaps == 1:
        warnings.append("1 row has no value and counts as missing")
    elif applied.gaps:
        warnings.append(f"{applied.gaps} rows have no value and count as missing")
    needed = model.forecaster.min_history
    warnings += [
        f"{one.prefix}it is new; it is forecast once it has {needed} values, and has {len(one)}"
        for one in applied.panel
        if len(one) < needed and not model.forecaster.knows(one.item)
    ]
    return ObservationsAnswer(
        model.id, applied.appended, applied.ignored, applied.replaced, applied.removed, applied.gaps, end,
        tuple(warnings),
    )  # fmt: skip


def _end(series: Series) -> np.datetime64:
    assert series.times is not None  # noqa: S101 - the caller has checked
    last: np.datetime64 = series.times.index[-1]
    return last
