"""A database that lost retrained models: adopted, they are of their line again, and it has one champion."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.forecasting.training.train import train
from service.keys import DEFAULT_TENANT
from service.storage.files.model_codec import model_file
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id
from service.storage.registry.entries import ModelEntry
from service.storage.registry.registry import Registry
from service.usecases.storage_repair import reconcile
from service.worker.train_job import trained_record
from tests.databases import copied
from tests.factories import noisy_sine, options, panel

ROOT, CHILD, BEATEN = sorted(new_id() for _ in range(3))
LINEAGES: dict[str, dict[str, Any]] = {
    ROOT: {"parent": None},
    CHILD: {"parent": ROOT, "verdict": {"champion": "child"}},
    BEATEN: {"parent": CHILD, "verdict": {"champion": "parent"}},
}


@pytest.fixture
def registry(tmp_path: Path, sqlite_tables: Path) -> Iterator[Registry]:
    one = Registry.open(copied(sqlite_tables, f"sqlite:///{tmp_path / 'registry.sqlite3'}"))
    yield one
    one.close()


@pytest.fixture(scope="module")
def files() -> Mapping[str, bytes]:
    trained = train(panel(noisy_sine(80)), options())
    return {
        model_id: model_file(
            trained.forecaster,
            {"model_id": model_id, "name": "sales", **trained_record(trained, {}, [], {"seed": 0, **lineage})},
        )
        for model_id, lineage in LINEAGES.items()
    }


def adopt(registry: Registry, folder: Path, files: Mapping[str, bytes]) -> None:
    """Reconcile with a store of these files, each after a run for those before."""
    store = ModelStore.open(str(folder))
    for model_id, file in files.items():
        store.put_model(model_id, file)
        found = reconcile(registry, store, True, False, datetime.now(UTC) + timedelta(minutes=5))
        assert [(one.id, one.action) for one in found.differences] == [(model_id, "adopt")]


def lines(registry: Registry) -> dict[str, tuple[str | None, str | None]]:
    entries: list[ModelEntry] = [registry.get_of_any_tenant(one) for one in LINEAGES]
    return {one.id: (one.parent_id, one.root_id) for one in entries}


def test_a_line_is_rebuilt_at_once(registry: Registry, tmp_path: Path, files: Mapping[str, bytes]) -> None:
    store = ModelStore.open(str(tmp_path))
    for model_id, file in files.items():
        store.put_model(model_id, file)
    reconcile(registry, store, True, False, datetime.now(UTC) + timedelta(minutes=5))
    assert lines(registry) == {ROOT: (None, None), CHILD: (ROOT, ROOT), BEATEN: (CHILD, ROOT)}
    assert {registry.get_of_any_tenant(one).champion for one in LINEAGES} == {CHILD}
    assert registry.names.resolve(DEFAULT_TENANT, "sales").id == CHILD


@pytest.mark.parametrize("order", list(itertools.permutations(LINEAGES)), ids=range(6))
def test_a_line_is_rebuilt_in_any_order(
    registry: Registry, tmp_path: Path, files: Mapping[str, bytes], order: tuple[str, ...]
) -> None:
    adopt(registry, tmp_path, {one: files[one] for one in order})
    assert lines(registry) == {ROOT: (None, None), CHILD: (ROOT, ROOT), BEATEN: (CHILD, ROOT)}
    assert len({registry.get_of_any_tenant(one).champion for one in LINEAGES}) == 1


def test_a_beaten_model_that_is_left_alone_is_the_champion(
    registry: Registry, tmp_path: Path, files: Mapping[str, bytes]
) -> None:
    adopt(registry, tmp_path, {BEATEN: files[BEATEN]})
    found = registry.get_of_any_tenant(BEATEN)
    assert (found.champion, found.parent_id, found.root_id, found.beaten) == (BEATEN, CHILD, CHILD, False)
