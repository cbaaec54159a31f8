"""Monitor models as values are observed, tell their tenants when the status changes, and retrain by policy.

Every server looks for models whose series has changed since they were last monitored. Several may monitor the same one
at once: the finding is a function of the model and its series, and one of them stores it, together with the message to
the webhook. Nothing is lost if a server is killed: the model is found again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from service.errors import ModelNotFound, ServiceError, Unavailable
from service.storage.files.model_codec import RetrainingReason, RetrainingStart
from service.storage.registry.entries import JSON, ModelEntry
from service.storage.registry.maintenance.monitoring import Finding
from service.telemetry.logs import reason
from service.usecases.forecast import load_model, read_series
from service.usecases.maintenance.retraining import submit_retraining
from service.usecases.resources import Resources
from service.usecases.retraining_policy import RetrainPolicy

logger = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
# Monitoring leaves most of a core to requests: after about half a second of work it rests four times as long, and a
# model is monitored again after a pause of so many times what it took.
_SLICE_SECONDS, _REST = 0.5, 4.0
_PAUSE_SECONDS, _PAUSE_TIMES = 2.0, 20.0
_AT_ONCE = 100
_RETRY_SECONDS = 60.0
_MOST_DOUBLINGS = 8

Monitor = Callable[[Resources, ModelEntry], Finding]
"""Returns what is found about a model. Raises ModelNotFound, Unavailable."""
Retrain = Callable[[Resources, ModelEntry, RetrainingStart, RetrainingReason], object]
"""Submits a retraining of a model. Raises what `submit_retraining` raises."""


def find(resources: Resources, model: ModelEntry) -> Finding:
    """Return how good a model's forecasts were since its training. Raises what `read_series` raises."""
    from service.forecasting.monitoring.monitoring import monitor

    loaded = read_series(resources, model.tenant, load_model(resources, model.tenant, model.id, None))
    observed = loaded.observed
    assert observed is not None  # noqa: S101 - it was read
    found, kept = monitor(loaded.forecaster, observed.kept), observed.kept
    rows = max(kept.end(one.item) - trained for one, trained in zip(kept.panel, kept.trained, strict=True))
    scores = {str(one.rows or "all"): asdict(one.overall) for one in found.windows}
    record = {"rows": rows, "since": found.since, "reason": found.reason, "scored": found.rows, "scores": scores}
    return Finding(observed.revision, found.status, record)


def retrain(resources: Resources, model: ModelEntry, start: RetrainingStart, why: RetrainingReason) -> None:
    """Submit a retraining of a model. Raises what `submit_retraining` raises."""
    submit_retraining(resources, model.tenant, model.id, None, start, why)


class MonitoringWatch:
    """Monitors and retrains the models of all tenants in the background of a server.

    told: the tenants that have a webhook.
    """

    def __init__(
        self, resources: Resources, told: Collection[str], monitor: Monitor = find, retrain: Retrain = retrain
    ) -> None:
        self._resources, self._told = resources, told
        self._monitor, self._retrain = monitor, retrain
        self._pauses: dict[str, float] = {}
        self._after = ""

    async def run(self) -> NoReturn:
        """Monitor what has changed, and retrain what is due, until cancelled."""
        while True:
            began = time.monotonic()
            try:
                # Not in the thread pool of the requests: neither must wait for the other.
                await asyncio.to_thread(self.step)
            except Unavailable:
                pass  # requests report it
            except Exception as error:
                logger.warning("models cannot be monitored: %s", reason(error), exc_info=True)
            await asyncio.sleep(max(_POLL_SECONDS, _REST * (time.monotonic() - began)))

    def step(self) -> None:
        """Monitor models that have changed for about half a second, and submit retrainings. Raises Unavailable."""
        began = time.monotonic()
        self._pauses = {model_id: until for model_id, until in self._pauses.items() if until > began}
        registry = self._resources.registry
        due = registry.monitoring.due(_AT_ONCE, self._after)
        for model in due:
            self._after = model.id
            if model.id not in self._pauses:
                self._monitor_one(model)
            if time.monotonic() - began > _SLICE_SECONDS:
                break
        else:
            self._after = due[-1].id if len(due) == _AT_ONCE else ""
        for model in registry.policies.due(_AT_ONCE):
            try:
                self._check_policy(model, registry.monitoring.last(model.id))
            except Unavailable:
                raise
            except Exception as error:
                # Of one model only; others must not wait for it.
                logger.warning("the policy of model %s cannot be followed: %s", model.id, reason(error), exc_info=True)
                later = registry.clock() + timedelta(seconds=_RETRY_SECONDS)
                registry.policies.set_due(model.id, model.retrain_due_at, later)

    def _monitor_one(self, model: ModelEntry) -> None:
        began = time.monotonic()
        try:
            finding = self._monitor(self._resources, model)
            self._keep(model, finding)
            if model.retrain is not None:
                self._check_policy(model, finding)
        except ModelNotFound:
            pass  # deleted meanwhile
        except Unavailable:
            raise
        except Exception as error:
            # Of one model only; it is tried again when its series changes.
            logger.warning("model %s cannot be monitored: %s", model.id, reason(error), exc_info=True)
            self._resources.registry.monitoring.skip(model.id, model.series_revision)
        now = time.monotonic()
        self._pauses[model.id] = now + max(_PAUSE_SECONDS, _PAUSE_TIMES * (now - began))

    def _keep(self, model: ModelEntry, finding: Finding) -> None:
        """Store a finding, with a message to the tenant if the model begins or ceases to drift."""
        registry = self._resources.registry
        with registry.writing() as connection:
            kept = registry.monitoring.keep(connection, model.id, finding)
            if kept is None or model.tenant not in self._told:
                return
            if (kept.before == "drifting") != (finding.status == "drifting"):
                registry.webhook_messages.add(connection, model.tenant, _message(model, finding))

    def _check_policy(self, model: ModelEntry, found: Finding | None) -> None:
        """Submit a retraining if the model's policy asks for it now, and set when to look again."""
        policies = self._resources.registry.policies
        policy = None if model.retrain is None else RetrainPolicy.model_validate(model.retrain)
        state, due_at = policies.state(model), model.retrain_due_at
        if policy is None or not state.is_champion:
            policies.set_due(model.id, due_at, None)
            return
        why = None if found is None else policy.reason(found.status, int(found.record["rows"]), state)
        if why is None:
            policies.set_due(model.id, due_at, policy.next_time(state.now))
            return
        pause = timedelta(seconds=self._resources.limits.settings.min_retrain_seconds)
        # A model that drifts and is still better than one retrained from it would be retrained for ever.
        times = 2 ** min(state.lost, _MOST_DOUBLINGS) if why == "drift" else 1
        if state.now < state.last + times * pause:
            policies.set_due(model.id, due_at, state.last + times * pause)
            return
        # First, so that of several servers one submits it; if this one is killed, it is tried again.
        retry_at = state.now + timedelta(seconds=_RETRY_SECONDS)
        if not policies.set_due(model.id, due_at, retry_at):
            return
        try:
            self._retrain(self._resources, model, policy.start, why)
            logger.info("model %s is retrained: %s", model.id, why)
        except Unavailable:
            raise
        except ServiceError as error:
            logger.warning("model %s cannot be retrained: %s", model.id, error.detail)
            policies.set_due(model.id, retry_at, state.now + max(pause, timedelta(seconds=_RETRY_SECONDS)))


def _message(model: ModelEntry, finding: Finding) -> dict[str, JSON]:
    return {
        "type": f"model.{finding.status}",
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "data": {
            "model_id": model.id,
            "name": model.name,
            "status": finding.status,
            **{name: finding.record.get(name) for name in ("since", "reason", "rows")},
        },
    }
