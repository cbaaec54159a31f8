"""What was found about models, in databases of both kinds."""

from __future__ import annotations

import pytest

from service.storage.identifiers import new_id
from service.storage.registry.maintenance.monitoring import Finding, MonitoringStatus
from service.storage.registry.registry import Registry
from tests.storage.conftest import Clock


@pytest.fixture
def model(registry: Registry) -> str:
    model = registry.add("acme", new_id(), None, {}, 10).id
    assert registry.observations.add("acme", model, 0, {}, 1)
    return model


def keep(registry: Registry, model: str, revision: int, status: MonitoringStatus) -> MonitoringStatus | str | None:
    with registry.writing() as connection:
        kept = registry.monitoring.keep(connection, model, Finding(revision, status, {"rows": revision}))
    return "not stored" if kept is None else kept.before


def test_models_are_due_until_their_latest_revision_is_monitored(registry: Registry, model: str) -> None:
    quiet = registry.add("acme", new_id(), None, {}, 10).id
    other = registry.add("other", new_id(), None, {}, 10).id
    assert registry.observations.add("other", other, 0, {}, 1)
    assert [one.id for one in registry.monitoring.due(10)] == sorted([model, other])
    assert [one.id for one in registry.monitoring.due(1)] == [min(model, other)]
    assert [one.id for one in registry.monitoring.due(10, min(model, other))] == [max(model, other)]
    assert keep(registry, model, 1, "too_few") is None
    assert [one.id for one in registry.monitoring.due(10)] == [other]
    assert registry.observations.add("acme", model, 1, {}, 1)
    assert {one.id for one in registry.monitoring.due(10)} == {model, other}
    registry.monitoring.skip(model, 2)
    assert [one.id for one in registry.monitoring.due(10)] == [other]
    assert quiet not in {one.id for one in registry.monitoring.due(10)}


def test_finding_of_an_earlier_revision_or_a_deleted_model_is_not_stored(registry: Registry, model: str) -> None:
    assert keep(registry, model, 2, "stable") is None
    assert keep(registry, model, 2, "drifting") == "not stored"
    assert keep(registry, model, 1, "drifting") == "not stored"
    assert registry.monitoring.last(model) == Finding(2, "stable", {"rows": 2})
    registry.delete("acme", model)
    assert keep(registry, model, 3, "drifting") == "not stored"
    assert registry.monitoring.last(model) is None


def test_changes_of_the_status_are_dated(registry: Registry, model: str, clock: Clock) -> None:
    statuses: tuple[MonitoringStatus, ...] = ("stable", "stable", "drifting", "drifting")
    times = []
    before = None
    for revision, status in enumerate(statuses, 1):
        assert keep(registry, model, revision, status) == before
        before = status
        times.append(registry.monitoring.latest(status, 5)[0].changed_at)
        clock.advance(minutes=1)
    assert times[0] == times[1] < times[2] == times[3]
    found = registry.monitoring.latest("drifting", 5)[0]
    assert (found.tenant, found.model_id, found.record) == ("acme", model, {"rows": 4})
    assert registry.monitoring.counts() == {"drifting": 1}
    assert registry.monitoring.latest("stable", 5) == []
