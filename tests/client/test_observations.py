"""Observations through the client: data of every type continue what a model was trained on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from service.client import AsyncClient, Client
from service.errors import InvalidInput, ObservationConflict
from tests.client.data import QUICK, daily, panel
from tests.client.faulty_proxy import FaultyProxy

TRAINED = 70


def test_a_frame_continues_the_series(client: Client, tmp_path: Path) -> None:
    frame = daily()
    model = client.train(frame[:TRAINED], target="units", **QUICK)
    done = model.observe(frame[TRAINED : TRAINED + 4])
    assert (done["appended"], done["ignored"], done["gaps"]) == (4, 0, 0)
    frame[TRAINED:].to_csv(tmp_path / "new.csv", index=False)
    assert model.observe(tmp_path / "new.csv")["appended"] == len(frame) - TRAINED - 4
    own, sent = model.forecast(3), model.forecast(3, history=frame)
    np.testing.assert_allclose(own["mean"], sent["mean"], rtol=1e-9)
    assert own["ds"].tolist() == sent["ds"].tolist()
    read = model.observations()
    assert read["ds"].tolist() == frame["day"][TRAINED:].tolist()
    np.testing.assert_array_equal(read["units"], frame["units"][TRAINED:])
    assert read["observed"].all()
    part = model.observations(frame["day"][TRAINED - 2], frame["day"][TRAINED + 1])
    assert part["observed"].tolist() == [False, False, True, True]
    assert model.observations(limit=2)["ds"].tolist() == frame["day"][-2:].tolist()


def test_corrections_and_removals(client: Client) -> None:
    frame = daily()
    model = client.train(frame[:TRAINED], target="units", **QUICK)
    model.observe(frame[TRAINED:])
    wrong = frame[-2:].assign(units=1.0)
    with pytest.raises(ObservationConflict, match="send replace: true"):
        model.observe(wrong)
    assert model.observe(wrong, replace=True)["replaced"] == 2
    assert model.remove_observations(frame["day"].iloc[-2])["removed"] == 2
    assert model.observe(frame[-2:])["appended"] == 2


def test_items_are_observed_as_they_were_trained(client: Client) -> None:
    frame = panel().rename(columns={"unique_id": "store"})
    start = frame["ds"].sort_values().unique()[TRAINED]
    model = client.train(frame[frame["ds"] < start], item="store", target="y", **QUICK)
    done = model.observe(frame[(frame["ds"] >= start) & (frame["store"] != "store-1")])
    assert done["appended"] == 20
    read = model.observations(items="store-2")
    assert set(read["unique_id"]) == {"store-2"}
    assert len(read) == 10


def test_lists_follow_the_last_value_and_may_be_sent_again(client: Client, proxy: FaultyProxy) -> None:
    values = daily()["units"].tolist()
    model = client.train(values[:TRAINED], **QUICK)
    assert model.observe(values[TRAINED : TRAINED + 2])["end"] == TRAINED + 2
    assert model.observe(values[TRAINED : TRAINED + 3], start_index=TRAINED)["appended"] == 1
    with Client(proxy.url, timeout=20) as faulty:
        behind = faulty.model(model.id)
        proxy.fail("cut-after", of="POST")
        assert behind.observe([values[TRAINED + 3]])["end"] == TRAINED + 4
    assert len(model.observations()) == 4
    with pytest.raises(InvalidInput, match="start_index"):
        model.observe([1.0], start_index=1000)


def test_the_asynchronous_client_observes(server_url: str) -> None:
    async def observe() -> pd.DataFrame:
        async with AsyncClient(server_url, timeout=120) as client:
            model = await client.train(daily()[:TRAINED], target="units", **QUICK)
            await model.observe(daily()[TRAINED:])
            await model.remove_observations(daily()["day"][TRAINED], daily()["day"][TRAINED])
            found: pd.DataFrame = await model.observations()
            return found

    read = asyncio.run(observe())
    assert len(read) == len(daily()) - TRAINED
    assert np.isnan(read["units"].iloc[0])


def test_observations_are_monitored(client: Client) -> None:
    frame = daily()
    model = client.train(frame[:TRAINED], target="units", **QUICK)
    assert model.monitoring()["status"] == "too_few"
    model.observe(frame[TRAINED:])
    found = model.monitoring(target="units", limit=3)
    assert found["rows"] == len(frame) - TRAINED
    assert found["recent"]["actual"] == frame["units"][-3:].tolist()


def test_an_item_of_a_panel_is_monitored(client: Client) -> None:
    frame = panel().rename(columns={"unique_id": "store"})
    start = frame["ds"].sort_values().unique()[TRAINED]
    model = client.train(frame[frame["ds"] < start], item="store", target="y", **QUICK)
    model.observe(frame[frame["ds"] >= start])
    assert model.monitoring(item="store-2")["recent"]["item"] == "store-2"


def test_monitoring_without_blocking(client: Client) -> None:
    frame = daily()
    model = client.train(frame[:TRAINED], target="units", **QUICK)

    async def status() -> str:
        async with AsyncClient(client.url) as other:
            found = await (await other.model(model.id)).monitoring()
            return str(found["status"])

    assert asyncio.run(status()) == "too_few"


def test_a_model_is_retrained(client: Client) -> None:
    frame = daily()
    model = client.train(frame[:TRAINED], target="units", **QUICK)
    model.observe(frame[TRAINED:])
    child = model.retrain("scratch")
    assert child.record["lineage"]["parent"] == model.id
    assert child.record["series"]["rows"] == len(frame)
    assert child.record["champion"] in (child.id, model.id)
    assert child.forecast(2)["mean"].notna().all()

    async def again() -> str:
        async with AsyncClient(client.url) as other:
            best = await other.model(child.record["champion"])
            later = frame[-1:].assign(day=frame["day"].iloc[-1:] + pd.Timedelta(days=1))
            await best.observe(later)
            return str((await best.retrain()).record["lineage"]["parent"])

    assert asyncio.run(again()) == child.record["champion"]
