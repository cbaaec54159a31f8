"""`AsyncClient` does what `Client` does, and lets others work meanwhile."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from service.client import AsyncClient, AsyncJob, AsyncModel, Client, Job, Model, Unreachable
from service.errors import ModelFailed, SeriesTooShort
from tests.client.data import ENDLESS, QUICK, daily
from tests.client.faulty_proxy import FaultyProxy
from tests.factories import seasonal

Answer = TypeVar("Answer")


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    return asyncio.run(work)


@pytest.mark.parametrize(("one", "other"), [(Client, AsyncClient), (Model, AsyncModel), (Job, AsyncJob)])
def test_both_have_the_same_verbs(one: type, other: type) -> None:
    def verbs(kind: type) -> dict[str, list[str]]:
        members = inspect.getmembers(kind, inspect.isfunction)
        return {name: list(inspect.signature(verb).parameters) for name, verb in members if name[0] != "_"}

    assert verbs(one) == verbs(other)


def test_the_main_job(server_url: str, model: Model, tmp_path: Path) -> None:
    async def work() -> None:
        async with AsyncClient(server_url) as client:
            trained = await client.train(daily(), target="units", name="awaited", **QUICK)
            frame = await trained.forecast(4)
            assert frame.equals(model.forecast(4))
            assert (await trained.backtest(daily(), start=60)).metrics["mae"] > 0
            path = await trained.download(tmp_path)
            copy = await client.upload(path, name="awaited copy")
            assert [one.id for one in await client.models(name="awaited copy")] == [copy.id]
            assert (await copy.rename("other")).name == "other"
            await copy.delete()
            assert (await (await client.model("awaited")).refresh()).id == trained.id
            with pytest.raises(SeriesTooShort):
                await client.train([1, 2])

    run(work())


def test_waiting_lets_others_work(server_url: str) -> None:
    async def work() -> None:
        async with AsyncClient(server_url) as client:
            job = await client.train(seasonal(2000), wait=False, **ENDLESS)
            waiting = asyncio.create_task(job.wait())
            quick = await client.train(daily(), target="units", **QUICK)
            assert quick.status == "ready"
            assert job.id in {one.id for one in await client.jobs()}
            assert not waiting.done()
            await (await client.job(job.id)).cancel()
            with pytest.raises(ModelFailed, match="cancelled"):
                await waiting

    run(work())


def test_retries(proxy: FaultyProxy) -> None:
    async def work() -> None:
        async with AsyncClient(proxy.url) as client:
            proxy.fail("busy", "cut")
            await client.models(limit=1)
            proxy.fail("cut")
            with pytest.raises(Unreachable):
                await client.upload(b"")

    run(work())
    assert [one.fault for one in proxy.seen] == ["busy", "cut", None, "cut"]


def test_a_stream_that_breaks_goes_on(proxy: FaultyProxy) -> None:
    async def work() -> None:
        async with AsyncClient(proxy.url) as client:
            job = await client.train(seasonal(2000), wait=False, **{**ENDLESS, "training": {"epochs": 100}})
            proxy.fail("cut-in-stream", "html", "busy", of=f"GET /jobs/{job.id}/events")
            assert (await job.wait()).status == "ready"

    run(work())
