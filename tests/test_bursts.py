"""Many clients at once, each waiting for its answer, are not refused: that is a load which a server can carry."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from benchmarks.raw_client import Asked, RawClient, closed_loop
from examples.server import running_server
from tests.api.series import VALUES
from tests.factories import QUICK

pytestmark = [pytest.mark.process, pytest.mark.slow]

MODELS = 10


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bursts")


@pytest.fixture(scope="module")
def url(store: Path) -> Iterator[str]:
    with running_server(store) as one:
        for number in range(MODELS):
            train(one, f"model-{number}")
        yield one


def train(url: str, name: str) -> str:
    answer = httpx.post(f"{url}/train?wait=120", json={**QUICK, "series": VALUES, "name": name}, timeout=120)
    assert answer.status_code == 201, answer.text
    model_id: str = answer.json()["model_id"]
    return model_id


def by_id(url: str, number: int) -> list[dict[str, str]]:
    models = httpx.get(f"{url}/models", params={"limit": 100, "status": "ready"}).json()["models"]
    return [{"model_id": model["model_id"]} for model in models[:number]]


def by_name(number: int) -> list[dict[str, str]]:
    return [{"name": f"model-{one}"} for one in range(number)]


def statuses(url: str, bodies: list[dict[str, str]], clients: int, seconds: float) -> Counter[int]:
    """Return how often each status was answered to clients that each ask as soon as they have their answer."""
    requests = [Asked.make("forecast", "POST", "/forecast", json.dumps(body).encode()) for body in bodies]

    async def ask() -> Counter[int]:
        client = RawClient(urlsplit(url).port or 0)
        answers = await closed_loop(client, requests, clients, seconds)
        client.close()
        return Counter(one.status for one in answers)

    return asyncio.run(ask())


@pytest.mark.parametrize("clients", [32, 64])
@pytest.mark.parametrize("models", [1, MODELS])
@pytest.mark.parametrize("key", ["id", "name"])
def test_no_client_of_many_is_refused(url: str, key: str, models: int, clients: int) -> None:
    bodies = by_id(url, models) if key == "id" else by_name(models)
    assert statuses(url, bodies, clients, 1.5).keys() == {200}


@pytest.mark.parametrize("models", [1, MODELS])
def test_no_client_is_refused_while_confirmations_expire(url: str, models: int) -> None:
    assert statuses(url, by_id(url, models), 64, 12).keys() == {200}


def test_no_client_is_refused_right_after_the_name_was_trained_again(url: str) -> None:
    train(url, "model-0")
    assert statuses(url, by_name(1), 64, 1).keys() == {200}


@pytest.mark.parametrize("key", ["id", "name"])
def test_no_client_is_refused_right_after_the_start(url: str, store: Path, key: str) -> None:
    bodies = by_id(url, MODELS) if key == "id" else by_name(MODELS)
    with running_server(store, {"FORECAST_TRAINING_PROCESSES": "0", "FORECAST_DEVICE": "cpu"}) as other:
        assert statuses(other, bodies, 64, 1.5).keys() == {200}
