"""Observations sent by name while the name begins to mean another model: they are that model's, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.errors import ModelNotFound
from service.storage.identifiers import new_id
from service.usecases.forecast import LoadedModel
from service.usecases.observations import change_meant
from tests.api.application import Application
from tests.factories import seasonal

Record = dict[str, Any]
TRAINED = 60
SERIES = seasonal(TRAINED).tolist()
NAME = "sales by name"


@pytest.fixture
def model(application: Application) -> Record:
    """A model with a name that no other model has, and one observed row."""
    trained = application.train(SERIES, name=f"{NAME} {new_id()}")
    observe(application, trained["model_id"], TRAINED)
    return trained


def observe(application: Application, model_id: str, row: int) -> None:
    body = {"series": [float(row)], "start_index": row}
    assert application.client.post(f"/models/{model_id}/observations", json=body).status_code == 200


def observed(application: Application, model_id: str) -> list[float]:
    items = application.client.get(f"/models/{model_id}/observations", params={"start": TRAINED}).json()["items"]
    values: list[float] = items[0]["columns"]["value"]
    return values


def retrain(application: Application, model_id: str) -> str:
    response = application.client.post(f"/models/{model_id}/retrain", params={"wait": 120})
    assert response.status_code == 201, response.text
    child: str = response.json()["model_id"]
    application.app.state.resources.registry.change("default", child, beaten=False)
    return child


def observe_by_name(
    application: Application, model: Record, row: int, meanwhile: Callable[[], object], before: bool = False
) -> list[str]:
    """Observe a row by name, and have something happen right after, or before, the first change; return the models."""
    changed: list[str] = []

    def change(loaded: LoadedModel) -> None:
        if before and not changed:
            changed.append(loaded.id)
            meanwhile()
            raise ModelNotFound("as of a series that is read after the deletion of its model")
        observe(application, loaded.id, row)
        changed.append(loaded.id)
        if len(changed) == 1:
            meanwhile()

    change_meant(application.app.state.resources, "default", None, model["name"], change)
    return changed


def test_a_line_that_has_grown_by_two_models_has_the_value(application: Application, model: Record) -> None:
    children: list[str] = []

    def retrain_twice() -> None:
        children.append(retrain(application, model["model_id"]))
        observe(application, children[0], TRAINED + 2)
        children.append(retrain(application, children[0]))

    changed = observe_by_name(application, model, TRAINED + 1, retrain_twice)
    assert changed == [model["model_id"], children[1]]
    assert observed(application, children[1]) == [TRAINED, TRAINED + 1, TRAINED + 2]


def test_a_name_that_was_promoted_meanwhile_has_the_value(application: Application, model: Record) -> None:
    other = application.train(SERIES)["model_id"]
    observe(application, other, TRAINED)
    path = f"/names/{model['name']}/promote"
    changed = observe_by_name(
        application, model, TRAINED + 1, lambda: application.client.post(path, json={"model_id": other})
    )
    assert changed == [model["model_id"], other]
    assert observed(application, other) == [TRAINED, TRAINED + 1]


def test_a_name_whose_model_is_deleted_before_the_change_means_the_next_one(
    application: Application, model: Record
) -> None:
    child = retrain(application, model["model_id"])
    changed = observe_by_name(
        application, model, TRAINED + 1, lambda: application.client.delete(f"/models/{child}"), before=True
    )
    assert changed == [child, model["model_id"]]
    assert observed(application, model["model_id"]) == [TRAINED, TRAINED + 1]


def test_a_removal_by_name_follows_the_name(
    application: Application, model: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, registry = application.train(SERIES)["model_id"], application.app.state.resources.registry
    observe(application, other, TRAINED)
    add = registry.observations.add

    def add_before_the_name_is_moved(*arguments: Any) -> bool:
        added: bool = add(*arguments)
        monkeypatch.undo()
        bounds = application.app.state.resources.limits.names
        registry.names.promote("default", model["name"], other, None, bounds)
        return added

    monkeypatch.setattr(registry.observations, "add", add_before_the_name_is_moved)
    response = application.client.delete(f"/names/{model['name']}/observations", params={"start": TRAINED})
    assert response.status_code == 200, response.text
    assert response.json()["model_id"] == other
    for one in (model["model_id"], other):
        assert observed(application, one) == []
