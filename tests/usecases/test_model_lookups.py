"""Requests that ask for one model together share a lookup, and none gets what is older than itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.errors import ModelNotFound
from service.keys import DEFAULT_TENANT
from service.usecases.forecast import LoadedModel
from service.usecases.model_lookups import ModelLookups
from tests.api.application import Application, running
from tests.api.series import VALUES


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    with running(tmp_path_factory.mktemp("models"), training_processes=1) as one:
        yield one


class Threads:
    """Runs lookups in threads, once they may go on."""

    def __init__(self) -> None:
        self.begun = 0
        self.go = asyncio.Event()
        self.go.set()

    async def run(self, look_up: Callable[[], LoadedModel]) -> LoadedModel:
        self.begun += 1
        await self.go.wait()
        return await asyncio.to_thread(look_up)


async def started(lookups: ModelLookups, number: int, **key: str) -> list[asyncio.Task[LoadedModel]]:
    model = {"model_id": None, "name": None, **key}
    tasks = [asyncio.create_task(lookups.find(DEFAULT_TENANT, **model)) for _ in range(number)]
    for _ in range(10):
        await asyncio.sleep(0)
    return tasks


def lookups_of(application: Application, threads: Threads) -> ModelLookups:
    return ModelLookups(application.app.state.resources, threads.run)


@pytest.mark.parametrize("by", ["model_id", "name"])
def test_all_who_ask_together_share_one_lookup(application: Application, by: str) -> None:
    model = application.train(VALUES, name=f"together by {by}")

    async def test() -> None:
        threads = Threads()
        found = await asyncio.gather(*await started(lookups_of(application, threads), 64, **{by: model[by]}))
        assert {one.id for one in found} == {model["model_id"]}
        assert threads.begun == 1

    asyncio.run(test())


def test_a_request_does_not_join_a_lookup_that_began_before_it(application: Application) -> None:
    old = application.train(VALUES, name="trained again")

    async def test() -> None:
        threads = Threads()
        lookups = lookups_of(application, threads)
        threads.go.clear()
        first = await started(lookups, 3, name="trained again")
        later = await started(lookups, 5, name="trained again")
        assert threads.begun == 1, "one at a time"
        threads.go.set()
        assert {one.id for one in await asyncio.gather(*first)} == {old["model_id"]}
        assert {one.id for one in await asyncio.gather(*later)} == {old["model_id"]}
        assert threads.begun == 2
        new = await asyncio.to_thread(application.train, VALUES, name="trained again")
        found = await asyncio.gather(*await started(lookups, 3, name="trained again"))
        assert {one.id for one in found} == {new["model_id"]}

    asyncio.run(test())


def test_an_error_reaches_all_who_share_the_lookup_and_is_not_kept(application: Application) -> None:
    async def test() -> None:
        threads = Threads()
        lookups = lookups_of(application, threads)
        found = await asyncio.gather(*await started(lookups, 8, name="not yet"), return_exceptions=True)
        assert {type(one) for one in found} == {ModelNotFound}
        model = await asyncio.to_thread(application.train, VALUES, name="not yet")
        [task] = await started(lookups, 1, name="not yet")
        assert (await task).id == model["model_id"]

    asyncio.run(test())


def test_one_who_goes_away_takes_nothing_from_the_others(application: Application) -> None:
    model = application.train(VALUES, name="left")

    async def test() -> None:
        threads = Threads()
        threads.go.clear()
        tasks = await started(lookups_of(application, threads), 3, name="left")
        tasks[0].cancel()
        await asyncio.sleep(0)
        threads.go.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [getattr(one, "id", None) for one in found] == [None, model["model_id"], model["model_id"]]

    asyncio.run(test())


def test_a_model_is_served_while_it_is_confirmed_anew(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = application.train(VALUES)
    monkeypatch.setattr("service.usecases.model_cache._REFRESH_SECONDS", 0.0)

    async def test() -> None:
        threads = Threads()
        lookups = lookups_of(application, threads)
        await asyncio.gather(*await started(lookups, 1, model_id=model["model_id"]))
        threads.go.clear()
        tasks = await started(lookups, 32, model_id=model["model_id"])
        assert all(task.done() for task in tasks)
        assert threads.begun == 2, "loaded once, confirmed once"
        threads.go.set()

    asyncio.run(test())


def test_a_model_that_was_deleted_elsewhere_goes_with_its_confirmation(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = application.train(VALUES)
    monkeypatch.setattr("service.usecases.model_cache._REFRESH_SECONDS", 0.0)
    with (
        running(tmp_path, training_processes=0, device="cpu") as one,
        running(tmp_path, training_processes=0, device="cpu") as other,
    ):
        model_id = one.take(model, application)["model_id"]
        one.forecast(model_id=model_id)
        assert other.client.delete(f"/models/{model_id}").status_code == 204
        statuses = [one.client.post("/forecast", json={"model_id": model_id}).status_code for _ in range(100)]
        assert statuses[-1] == 404
