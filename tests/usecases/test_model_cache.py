"""Loaded models: bounded by bytes, trusted for a moment, forgotten at once when deleted here."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import ModelFileCorrupt, ModelNotFound
from service.forecasting.training.train import train
from service.keys import DEFAULT_TENANT
from service.storage.files.model_codec import model_file
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id
from service.usecases import model_cache
from service.usecases.model_cache import ForecasterCache, room_of
from service.usecases.serving_engine import ServingEngine
from tests.factories import noisy_sine, options, panel

ENGINE = ServingEngine("auto", None, False, lambda: None)


@pytest.fixture(scope="module")
def data() -> bytes:
    return model_file(train(panel(noisy_sine(80)), options()).forecaster, {})


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore.open(str(tmp_path))


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [100.0]
    monkeypatch.setattr("service.usecases.model_cache.time.monotonic", lambda: clock[0])
    return clock


def confirmed(cache: ForecasterCache, model_id: str, tenant: str = DEFAULT_TENANT) -> bool:
    return cache.confirmed(tenant, model_id)[0] is not None


def stored(store: ModelStore, data: bytes) -> str:
    model_id = new_id()
    store.put_model(model_id, data)
    return model_id


def test_a_model_is_loaded_once(store: ModelStore, data: bytes) -> None:
    cache, model_id = ForecasterCache(store, 2**20, ENGINE), stored(store, data)
    first = cache.get(DEFAULT_TENANT, model_id, 0)
    store.delete_model(model_id)
    assert cache.get(DEFAULT_TENANT, model_id, 0) is first


def test_hits_and_misses_are_counted(store: ModelStore, data: bytes) -> None:
    cache, model_id = ForecasterCache(store, 2**20, ENGINE), stored(store, data)
    assert not confirmed(cache, model_id)
    cache.get(DEFAULT_TENANT, model_id, 0)
    cache.get(DEFAULT_TENANT, model_id, 0)
    cache.confirmed(DEFAULT_TENANT, model_id)
    cache.remembered(DEFAULT_TENANT, model_id, None)
    assert cache.metrics() == (3, 1, 1, room_of(data), 2**20)
    cache.forget(DEFAULT_TENANT, model_id)
    assert cache.metrics() == (3, 1, 0, 0, 2**20)


def test_the_least_recently_used_goes_when_the_bytes_are_full(store: ModelStore, data: bytes) -> None:
    cache = ForecasterCache(store, 2 * room_of(data), ENGINE)
    first, second, third = (stored(store, data) for _ in range(3))
    for model_id in (first, second, first, third):
        cache.get(DEFAULT_TENANT, model_id, 0)
    assert confirmed(cache, first)
    assert confirmed(cache, third)
    assert not confirmed(cache, second)


def test_one_model_larger_than_the_cache_still_serves(store: ModelStore, data: bytes) -> None:
    cache, model_id = ForecasterCache(store, 1, ENGINE), stored(store, data)
    assert cache.get(DEFAULT_TENANT, model_id, 0)
    assert confirmed(cache, model_id)


def test_what_the_registry_said_is_trusted_for_a_moment_only(store: ModelStore, data: bytes, now: list[float]) -> None:
    cache, model_id = ForecasterCache(store, 2**20, ENGINE), stored(store, data)
    assert not confirmed(cache, model_id)
    cache.get(DEFAULT_TENANT, model_id, 0)
    now[0] += model_cache.CONFIRMED_SECONDS
    assert confirmed(cache, model_id)
    now[0] += 0.1
    assert not confirmed(cache, model_id)
    cache.get(DEFAULT_TENANT, model_id, 0)
    assert confirmed(cache, model_id)


def test_one_caller_confirms_a_model_before_it_expires(store: ModelStore, data: bytes, now: list[float]) -> None:
    cache, model_id = ForecasterCache(store, 2**20, ENGINE), stored(store, data)
    cache.get(DEFAULT_TENANT, model_id, 0)
    for seconds, due in ((0.0, [False, False]), (3.5, [True, False]), (0.6, [True, False])):
        now[0] += seconds
        assert [cache.confirmed(DEFAULT_TENANT, model_id)[1] for _ in range(2)] == due
    cache.get(DEFAULT_TENANT, model_id, 0)
    now[0] += 2
    assert cache.confirmed(DEFAULT_TENANT, model_id)[1] is False


def test_a_deleted_model_is_gone_at_once(store: ModelStore, data: bytes) -> None:
    cache, model_id = ForecasterCache(store, 2**20, ENGINE), stored(store, data)
    cache.get(DEFAULT_TENANT, model_id, 0)
    store.delete_model(model_id)
    cache.forget(DEFAULT_TENANT, model_id)
    assert not confirmed(cache, model_id)
    with pytest.raises(ModelNotFound):
        cache.get(DEFAULT_TENANT, model_id, 0)


def test_a_damaged_file_is_named(store: ModelStore, data: bytes) -> None:
    model_id = stored(store, data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ModelFileCorrupt, match=model_id):
        ForecasterCache(store, 2**20, ENGINE).get(DEFAULT_TENANT, model_id, 0)


def test_what_one_tenant_has_loaded_no_other_finds(store: ModelStore, data: bytes) -> None:
    cache, model_id = ForecasterCache(store, 2**20, ENGINE), stored(store, data)
    cache.get("acme", model_id, 0, "sales")
    assert confirmed(cache, model_id, "acme")
    assert cache.remembered("acme", None, "sales")
    assert not confirmed(cache, model_id, "other")
    assert cache.remembered("other", model_id, None) is None
    assert cache.remembered("other", None, "sales") is None
    cache.forget("other", model_id)
    assert confirmed(cache, model_id, "acme")
