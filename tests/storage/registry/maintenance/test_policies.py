"""When retrainings are due, in databases of both kinds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from service.storage.identifiers import new_id
from service.storage.registry.registry import Registry
from service.storage.registry.tables import models
from tests.storage.conftest import Clock


@pytest.fixture
def model(registry: Registry) -> str:
    return registry.add("acme", new_id(), None, {}, 10).id


def child(registry: Registry, parent: str, beaten: bool = False) -> str:
    child = registry.add("acme", new_id(), None, {}, 10).id
    with registry.writing() as connection:
        columns = {"parent_id": parent, "root_id": parent, "beaten": beaten}
        connection.execute(update(models).where(models.c.id == child).values(columns))
    return child


def test_model_is_due_from_its_time_on(registry: Registry, model: str, clock: Clock) -> None:
    due_at = clock.now + timedelta(hours=1)
    assert registry.policies.set_due(model, None, due_at)
    assert registry.policies.due(5) == []
    clock.advance(hours=1)
    assert [one.id for one in registry.policies.due(5)] == [model]
    assert registry.policies.set_due(model, due_at, None)
    assert registry.policies.due(5) == []


def test_of_two_servers_one_sets_when_it_is_due(registry: Registry, model: str, clock: Clock) -> None:
    assert registry.policies.set_due(model, None, clock.now)
    later = clock.now + timedelta(hours=1)
    assert not registry.policies.set_due(model, None, later)
    assert registry.policies.set_due(model, clock.now, later)
    assert not registry.policies.set_due(model, clock.now, later)
    assert registry.policies.set_due(model, later, later)


def test_champion_is_the_newest_model_of_the_line_that_was_not_beaten(
    registry: Registry, model: str, clock: Clock
) -> None:
    began = clock.now
    state = registry.policies.state(registry.get("acme", model))
    assert (state.is_champion, state.last, state.now) == (True, began, began)
    clock.advance(hours=1)
    beaten = child(registry, model, beaten=True)
    clock.advance(hours=1)
    champions = {one: registry.policies.state(registry.get("acme", one)).is_champion for one in (model, beaten)}
    assert champions == {model: True, beaten: False}
    state = registry.policies.state(registry.get("acme", model))
    assert (state.last, state.lost) == (began + timedelta(hours=1), 1)
    better = child(registry, model)
    champions = {one: registry.policies.state(registry.get("acme", one)).is_champion for one in (model, beaten, better)}
    assert champions == {model: False, beaten: False, better: True}
