"""The watch stores findings, tells tenants and submits retrainings: on real databases, with given findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from service.errors import Conflict, ModelNotFound, Unavailable
from service.settings import Settings
from service.storage.identifiers import new_id
from service.storage.registry.entries import ModelEntry
from service.storage.registry.maintenance.monitoring import Finding, MonitoringStatus
from service.storage.registry.registry import Registry
from service.usecases.limits import Limits
from service.usecases.maintenance.monitoring_watch import MonitoringWatch
from service.usecases.resources import Resources
from service.usecases.retraining_policy import RetrainPolicy, policy_columns
from tests.storage.conftest import Clock

HOUR = 3600.0


class Model:
    """A model of tenant acme whose findings are given, and what the watch does with it."""

    def __init__(self, registry: Registry, **policy: Any) -> None:
        self.registry = registry
        self.id = registry.add("acme", new_id(), "sales", {}, 10).id
        self.status: MonitoringStatus = "stable"
        self.rows = 1
        self.submitted: list[tuple[str, str]] = []
        self.error: Exception | None = None
        if policy:
            columns = policy_columns(RetrainPolicy.model_validate(policy), registry.clock())
            registry.change("acme", self.id, **columns)

    def observe(self) -> None:
        entry = self.registry.get("acme", self.id)
        assert self.registry.observations.add("acme", self.id, entry.series_revision, {}, 1)

    def found(self, _resources: Resources, entry: ModelEntry) -> Finding:
        if self.error is not None:
            raise self.error
        record = {"rows": self.rows, "since": "2026-01-01", "reason": "why"}
        return Finding(entry.series_revision, self.status, record)

    def retrain(self, _resources: Resources, entry: ModelEntry, start: str, why: str) -> None:
        if self.error is not None:
            raise self.error
        self.submitted.append((start, why))
        child = self.registry.add("acme", new_id(), None, {}, 1).id
        self.registry.change("acme", child, parent_id=entry.id, root_id=entry.id, beaten=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(tmp_path: Path, clock: Clock) -> Iterator[Registry]:
    registry = Registry.open(f"sqlite:///{tmp_path}/registry.db", clock=clock)
    yield registry
    registry.close()


Look = Callable[[Model], None]


@pytest.fixture
def look(registry: Registry) -> Look:
    """Returns a function that lets a new server look once."""

    def look(model: Model) -> None:
        limits = Limits(Settings(min_retrain_seconds=HOUR))
        resources = cast(Resources, _Resources(registry, limits))
        MonitoringWatch(resources, ("acme",), model.found, model.retrain).step()

    return look


class _Resources:
    def __init__(self, registry: Registry, limits: Limits) -> None:
        self.registry, self.limits = registry, limits


def messages(registry: Registry, clock: Clock) -> list[str]:
    clock.advance(days=1)
    return [one.body["type"] for one in registry.webhook_messages.claim(1, 100)]


def test_tenants_are_told_when_a_model_begins_and_ceases_to_drift(registry: Registry, clock: Clock, look: Look) -> None:
    model = Model(registry)
    statuses: tuple[MonitoringStatus, ...] = ("too_few", "stable", "drifting", "drifting", "stable", "too_few")
    for status in statuses:
        model.status = status
        model.observe()
        look(model)
    found = registry.monitoring.last(model.id)
    assert found is not None
    assert (found.revision, found.status) == (6, "too_few")
    clock.advance(days=1)
    sent = registry.webhook_messages.claim(1, 100)
    assert [one.body["type"] for one in sent] == ["model.drifting", "model.stable"]
    expected = {"model_id": model.id, "name": "sales", "status": "drifting", "since": "2026-01-01", "reason": "why"}
    assert sent[0].body["data"] == {**expected, "rows": 1}


def test_a_model_without_new_observations_is_left_alone(registry: Registry, look: Look) -> None:
    model = Model(registry)
    model.error = AssertionError("it was monitored")
    look(model)
    assert registry.monitoring.last(model.id) is None


def test_tenants_without_a_webhook_get_no_message(registry: Registry, clock: Clock) -> None:
    model = Model(registry)
    model.status = "drifting"
    model.observe()
    resources = cast(Resources, _Resources(registry, Limits(Settings())))
    MonitoringWatch(resources, ("other",), model.found, model.retrain).step()
    assert registry.monitoring.counts() == {"drifting": 1}
    assert messages(registry, clock) == []


def test_of_servers_that_find_the_same_one_tells_it(registry: Registry, clock: Clock, look: Look) -> None:
    model = Model(registry)
    model.status = "drifting"
    model.observe()
    with ThreadPoolExecutor(8) as servers:
        list(servers.map(lambda _: look(model), range(8)))
    assert messages(registry, clock) == ["model.drifting"]


def test_a_model_that_cannot_be_monitored_does_not_stop_others(registry: Registry, look: Look) -> None:
    model = Model(registry)
    model.observe()
    model.error = ValueError("broken")
    look(model)
    assert registry.monitoring.due(5) == []
    model.error = ModelNotFound("deleted")
    model.observe()
    look(model)
    model.error = Unavailable("the store is away")
    with pytest.raises(Unavailable):
        look(model)
    assert len(registry.monitoring.due(5)) == 1


def test_drift_retrains_after_the_shortest_pause(registry: Registry, clock: Clock, look: Look) -> None:
    model = Model(registry, when="drift", start="scratch")
    clock.advance(minutes=1)
    model.status = "drifting"
    model.observe()
    look(model)
    assert model.submitted == []
    clock.advance(minutes=58)
    look(model)
    assert model.submitted == []
    clock.advance(minutes=1)
    look(model)
    assert model.submitted == [("scratch", "drift")]


def test_pauses_of_a_model_that_drifts_and_is_never_beaten_double(registry: Registry, clock: Clock, look: Look) -> None:
    model = Model(registry, when="drift")
    model.status = "drifting"
    model.observe()
    hours = []
    for hour in range(1, 33):
        clock.advance(hours=1)
        before = len(model.submitted)
        look(model)
        if len(model.submitted) > before:
            hours.append(hour)
    assert hours == [1, 3, 7, 15, 31]


def test_rows_retrain(registry: Registry, clock: Clock, look: Look) -> None:
    model = Model(registry, every=10)
    clock.advance(hours=2)
    for model.rows in (9, 10):
        model.observe()
        look(model)
    assert model.submitted == [("warm", "observations")]


def test_schedules_retrain_once_if_something_was_observed(registry: Registry, clock: Clock, look: Look) -> None:
    clock.now = clock.now.replace(hour=12)
    model = Model(registry, schedule="0 3 * * *")
    look(model)
    clock.advance(hours=20)
    look(model)
    assert model.submitted == []
    model.observe()
    look(model)
    assert model.submitted == [("warm", "schedule")]
    for _ in range(20):
        clock.advance(hours=1)
        look(model)
    assert len(model.submitted) == 2


def test_of_servers_that_see_it_due_one_retrains(registry: Registry, clock: Clock, look: Look) -> None:
    model = Model(registry, every=1)
    clock.advance(hours=2)
    model.observe()
    with ThreadPoolExecutor(8) as servers:
        list(servers.map(lambda _: look(model), range(8)))
    assert model.submitted == [("warm", "observations")]


def test_what_is_refused_is_tried_again_after_the_pause(registry: Registry, clock: Clock, look: Look) -> None:
    model = Model(registry, every=1)
    model.rows = 2
    clock.advance(hours=2)
    model.observe()
    look(model)
    model.submitted.clear()
    model.observe()
    clock.advance(hours=1)
    model.error = Conflict("no data")
    registry.monitoring.skip(model.id, 2)
    look(model)
    model.error = None
    for minutes, tries in ((58, 0), (2, 1)):
        clock.advance(minutes=minutes)
        look(model)
        assert len(model.submitted) == tries


def test_a_policy_that_was_removed_is_forgotten(registry: Registry, clock: Clock, look: Look) -> None:
    model = Model(registry, every=1)
    registry.change("acme", model.id, **policy_columns(None, clock.now))
    clock.advance(hours=2)
    model.observe()
    look(model)
    assert model.submitted == []
    assert registry.get("acme", model.id).retrain_due_at is None


def test_a_policy_that_cannot_be_followed_does_not_stop_others(registry: Registry, clock: Clock, look: Look) -> None:
    broken, other = Model(registry, every=1), Model(registry, schedule="0 * * * *")
    registry.change("acme", broken.id, retrain={"every": "often"})
    clock.advance(hours=2)
    registry.observations.add("acme", other.id, 0, {}, 1)
    look(other)
    assert other.submitted == [("warm", "schedule")]
    assert broken.id not in [one.id for one in registry.policies.due(5)]
    clock.advance(minutes=2)
    assert broken.id in [one.id for one in registry.policies.due(5)]
