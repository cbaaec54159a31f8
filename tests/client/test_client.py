"""The verbs, against a running server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from service.client import Client, Model
from service.client.records import KnownModel, skill_words
from service.errors import HistoryTooShort, InvalidInput, InvalidOption, ModelNotFound, SeriesTooShort, ServiceError
from tests.client.data import QUICK, ROWS, daily, panel
from tests.factories import warm_months, workbook

LONG = ["unique_id", "ds", "mean", "lo-80", "hi-80", "lo-95", "hi-95"]


def test_the_main_job(client: Client, model: Model) -> None:
    assert model.status == "ready"
    assert model.metrics["mae"] > 0
    assert model.baseline["mae"] > 0
    assert model.configuration["horizon"] == 3
    frame = model.forecast(5, level=[80, 95])
    assert list(frame.columns) == LONG
    assert frame["ds"].dtype.kind == "M"
    assert list(frame["ds"]) == list(pd.date_range(daily()["day"].iloc[-1], periods=6, freq="D")[1:])
    assert set(frame["unique_id"]) == {"units"}
    assert (frame["lo-95"] <= frame["lo-80"]).all()
    assert (frame["lo-80"] <= frame["mean"]).all()
    assert any("calibrated" in one for one in frame.warnings)
    assert frame.model_id == model.id
    assert "daily" in repr(model)
    assert client.model("daily").forecast(5).equals(frame)


def test_levels_and_quantiles(model: Model) -> None:
    assert list(model.forecast(2, level=97.5).columns) == ["unique_id", "ds", "mean", "lo-97.5", "hi-97.5"]
    frame = model.forecast(2, quantiles=[0.9, 0.1, 0.5])
    assert list(frame.columns) == ["unique_id", "ds", "mean", "q-0.1", "q-0.5", "q-0.9"]
    assert len(model.forecast()) == 3


def test_a_history_in_the_frame_that_was_trained_on(model: Model) -> None:
    whole, half = model.forecast(2), model.forecast(2, history=daily().iloc[: ROWS // 2])
    assert half["ds"].iloc[0] == daily()["day"].iloc[ROWS // 2]
    assert not half["mean"].equals(whole["mean"])
    same = model.forecast(2, history=daily())
    np.testing.assert_allclose(same["mean"], whole["mean"])
    assert model.forecast(2, history=daily()["units"].tolist())["ds"].tolist() == [1, 2]
    with pytest.raises(HistoryTooShort):
        model.forecast(2, history=[1.0])


def test_a_zone_is_kept(client: Client) -> None:
    model = client.train(daily("Europe/Berlin"), target="units", **QUICK)
    ahead = model.forecast(3)["ds"]
    assert str(ahead.dt.tz) == "Europe/Berlin"
    assert (ahead.dt.hour == 0).all()
    later = client.model(model.id)
    assert later.forecast(3)["ds"].dt.tz is None
    later.time_zone = "Europe/Berlin"
    assert later.forecast(3)["ds"].equals(ahead)
    start = pd.Timestamp("2024-03-31", tz="Europe/Berlin")
    assert model.backtest(daily("Europe/Berlin"), start=start)["ds"].iloc[0] == start
    half = client.train(daily("Europe/Berlin"), target="units", validation={"start": start}, **QUICK)
    assert half.configuration["validation"]["start"] == "2024-03-31T00:00:00"
    hours = pd.date_range("2024-03-30", periods=ROWS, freq="h", tz="Europe/Berlin")
    series = pd.Series(np.arange(ROWS) % 24 + 1.0, hours, name="load")
    ahead = client.train(series, **QUICK).forecast(2)["ds"]
    assert list(ahead) == list(pd.date_range(hours[-1], periods=3, freq="h")[1:])


def test_opening_hours_are_those_of_the_zone(client: Client) -> None:
    hours = pd.date_range("2024-02-19", "2024-03-30", freq="h", tz="Europe/Berlin", inclusive="left")
    hours = hours[(hours.hour >= 8) & (hours.hour <= 20)]
    series = pd.Series(np.arange(len(hours)) % 13 + 1.0, hours, name="visitors")
    model = client.train(series, **QUICK)
    assert model.record["series"]["time_zone"] == "Europe/Berlin"
    assert all(ranges == ["08:00-20:00"] for ranges in model.record["series"]["calendar"]["hours"].values())
    ahead = model.forecast(26)["ds"]
    following = pd.date_range("2024-03-30", periods=48, freq="h", tz="Europe/Berlin")
    assert list(ahead) == [time for time in following if 8 <= time.hour <= 20]
    assert list(client.model(model.id).forecast(26)["ds"].dt.tz_convert("Europe/Berlin")) == list(ahead)


def test_future_covariates_of_days_for_a_model_of_weeks(client: Client) -> None:
    _, temp, y = warm_months()
    weeks = np.repeat(np.arange(len(temp)), 7)
    days = pd.date_range("2024-01-01", periods=len(weeks), freq="D")
    frame = pd.DataFrame({"ds": days, "temp": np.array(temp)[weeks] + days.day_of_week - 3.0, "y": np.array(y)[weeks]})
    options: dict[str, Any] = {"candidates": ["naive", "drift"], "transform": "none", "season_length": 1}
    resample = {"freq": "W", "how": "mean"}
    model = client.train(frame[: 48 * 7], target="y", future_covariates="temp", resample=resample, **options)
    for ahead in (frame[["ds", "temp"]], frame[48 * 7 :][["ds", "temp"]]):
        assert list(model.forecast(3, future_covariates=ahead)["mean"]) == pytest.approx([140, 180, 220], abs=2)


def test_a_panel_of_pandas_and_polars(client: Client) -> None:
    model = client.train(panel(), **QUICK)
    frame = model.forecast(2)
    assert list(frame.columns) == LONG
    assert list(frame["unique_id"]) == ["store-0"] * 2 + ["store-1"] * 2 + ["store-2"] * 2
    one = model.forecast(2, items=["store-1"])
    assert one["mean"].tolist() == frame["mean"].tolist()[2:4]
    for history in (pl.from_pandas(panel(1)), pl.from_pandas(panel(1)).lazy(), pa.Table.from_pandas(panel(1))):
        np.testing.assert_allclose(model.forecast(2, history=history)["mean"], frame["mean"].iloc[:2])
    of_polars = client.train(pl.from_pandas(panel()), **QUICK).forecast(2)
    assert of_polars.equals(frame)
    assert of_polars.to_polars().equals(pl.from_pandas(pd.DataFrame(frame)))


def test_several_targets_and_covariates(client: Client) -> None:
    frame = daily().assign(price=np.arange(ROWS) % 5.0, other=daily()["units"] * 2)
    model = client.train(frame, target=["units", "other"], covariates=["price"], **QUICK)
    ahead = model.forecast(2)
    assert list(ahead.columns)[:3] == ["unique_id", "target", "ds"]
    assert list(ahead["target"]) == ["units", "units", "other", "other"]
    assert len(model.forecast(1, history=frame)) == 2
    rows = frame[["units", "other", "price"]].to_numpy()
    np.testing.assert_allclose(model.forecast(1, history=rows)["mean"], model.forecast(1)["mean"])


def test_columns_known_ahead(client: Client) -> None:
    prices = np.random.default_rng(0).permutation(np.arange(ROWS) % 5.0)
    frame = daily().assign(price=prices, units=50 + 20 * prices)
    model = client.train(frame, target="units", future_covariates="price", **QUICK)
    by_name = model.forecast(2, future_covariates={"price": [1, 2]})
    days = pd.date_range("2024-04-04", periods=2)
    by_frame = model.forecast(2, future_covariates=pd.DataFrame({"day": days[::-1], "price": [2.0, 1.0]}))
    assert by_name.equals(by_frame)
    np.testing.assert_allclose(by_name["mean"], [70, 90], atol=5)
    with pytest.raises(ServiceError, match="price"):
        model.forecast(2)


def test_sample_paths(model: Model) -> None:
    frame = model.forecast(2, num_samples=3, seed=7)
    assert frame.samples is not None
    assert list(frame.samples.columns) == ["unique_id", "sample", "ds", "value"]
    assert list(frame.samples["sample"]) == [0, 0, 1, 1, 2, 2]
    assert list(frame.samples["ds"]) == list(frame["ds"]) * 3
    again = model.forecast(2, num_samples=3, seed=7)
    assert again.samples is not None
    assert again.samples.equals(frame.samples)
    assert model.forecast(2).samples is None


def test_a_backtest(model: Model) -> None:
    frame = model.backtest(daily(), horizon=2, stride=3, start=40)
    assert list(frame.columns[:6]) == ["unique_id", "origin", "step", "ds", "y", "mean"]
    assert frame["origin"].iloc[0] == 39
    assert frame["ds"].iloc[0] == daily()["day"].iloc[40]
    assert frame["y"].iloc[:2].tolist() == daily()["units"].iloc[40:42].tolist()
    assert set(frame["origin"].diff().dropna()) == {0.0, 3.0}
    assert frame.metrics["mae"] > 0
    assert frame.skill == pytest.approx(1 - frame.metrics["mae"] / frame.baseline["mae"])
    at = model.backtest(daily(), start=daily()["day"].iloc[50])
    assert at["ds"].iloc[0] == daily()["day"].iloc[50]
    numbers = model.backtest(daily()["units"].to_numpy(), start=50)
    assert numbers["ds"].iloc[0] == 50
    np.testing.assert_allclose(numbers["mean"], at["mean"])


def test_a_csv_file(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    daily().to_csv(path, index=False)
    model = client.train(path, target="units", time="day", **QUICK)
    assert model.forecast(2)["ds"].iloc[0] == pd.Timestamp("2024-04-04")
    assert any("note" in one for one in model.warnings)
    assert model.record["configuration"]["training"]["epochs"] == 3
    history = daily().drop(columns="note").rename(columns={"units": "sold"})
    assert model.forecast(2, history=history)["ds"].iloc[0] == pd.Timestamp("2024-04-04")
    same = client.train(path.read_bytes(), target=["units"], candidates=["naive", "drift"], horizon=2)
    assert {one["candidate"] for one in same.record["candidates"]} >= {"naive", "drift"}
    assert client.train(str(path), target="units", candidates=["naive"]).status == "ready"


def test_files_are_histories_and_future_covariates(client: Client, tmp_path: Path) -> None:
    known = pd.concat([daily().assign(store=store, sku=sku) for store, sku in (("N", 1), ("S", 2))])
    known["price"] = np.arange(len(known)) % 5.0
    known = known.assign(units=known["units"].round(2), day=known["day"].dt.strftime("%d.%m.%Y"))
    past, ahead = known.groupby("store").head(ROWS - 5), known.groupby("store").tail(5)
    columns: dict[str, Any] = {"target": "units", "item": ["store", "sku"], "future_covariates": "price"}
    model = client.train(past, **columns, **QUICK)
    files: dict[str, Any] = {}
    for name, frame in (("past", past), ("ahead", ahead)):
        csv = frame.to_csv(index=False, sep=";", decimal=",").encode()
        files[name] = (csv, tmp_path / f"{name}.xlsx", str(tmp_path / f"{name}.parquet"))
        files[name][1].write_bytes(workbook([list(frame), *frame.itertuples(index=False)]))
        frame.to_parquet(files[name][2], index=False)
    expected = model.forecast(history=past, future_covariates=ahead), model.backtest(past, start=ROWS - 10)
    for history, future in zip(files["past"], files["ahead"], strict=True):
        found = model.forecast(history=history, future_covariates=future)
        pd.testing.assert_frame_equal(found, expected[0])
        assert len(np.ravel(found.plot())) > 0
        pd.testing.assert_frame_equal(model.backtest(history, start=ROWS - 10), expected[1])


def test_a_parquet_file(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "sales.parquet"
    daily().to_parquet(path, index=False)
    model = client.train(path, target="units", time="day", **QUICK)
    assert model.forecast(2)["ds"].iloc[0] == pd.Timestamp("2024-04-04")


def test_files_go_out_and_in(client: Client, model: Model, tmp_path: Path) -> None:
    path = model.download(tmp_path)
    assert path == tmp_path / f"{model.id}.safetensors"
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    copy = client.upload(path, name="copy")
    assert copy.id != model.id
    assert copy.forecast(3)["mean"].equals(model.forecast(3)["mean"])
    assert copy.rename("renamed").name == "renamed"
    assert client.model("renamed").id == copy.id
    assert copy.download(tmp_path / "model").read_bytes() == path.read_bytes()
    copy.delete()
    with pytest.raises(ModelNotFound):
        copy.refresh()


def test_lists_are_whole(client: Client, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.client.connection._PAGE", 2)
    models = client.models()
    assert len({one.id for one in models}) == len(models) > 2
    assert model.id in {one.id for one in models}
    assert [one.id for one in client.models(limit=3)] == [one.id for one in models[:3]]
    jobs = client.jobs()
    assert {one.record["job_id"] for one in models} - {None} <= {one.id for one in jobs}
    assert client.job(jobs[0].id).status == jobs[0].status


def test_errors_are_typed(client: Client, model: Model) -> None:
    with pytest.raises(SeriesTooShort, match="at least") as caught:
        client.train([1, 2])
    error = caught.value
    assert (error.status, error.detail, error.title) == (422, str(error), "The series is too short")
    assert error.faults[0].path == ("series",)
    assert error.request_id
    with pytest.raises(InvalidInput) as invalid:
        client.train(list(range(30)), horizon=0, network={"cell": "none"})
    assert {fault.path for fault in invalid.value.faults} == {("horizon",), ("network", "cell")}
    with pytest.raises(InvalidInput, match="there is no field of this name"):
        client.train(list(range(30)), horizzon=2)  # type: ignore[call-overload]
    with pytest.raises((InvalidOption, InvalidInput)):
        model.forecast(2, level=[80], quantiles=[0.5])
    with pytest.raises(InvalidInput, match="percent is meant: 95"):
        model.forecast(2, level=0.95)
    with pytest.raises(InvalidInput, match="percent is meant: 80"):
        model.backtest(daily(), level=[0.8])
    with pytest.raises(TypeError, match="levels"):
        model.forecast(2, levels=[80])  # type: ignore[call-arg]
    for name in ("no such name", "0" * 32, "../jobs", "a/b?c=d#e"):
        with pytest.raises(ModelNotFound):
            client.model(name)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://here", "http://", ""])
def test_a_url_that_cannot_be_used(url: str) -> None:
    with pytest.raises(ValueError, match="looks like http"):
        Client(url)


def test_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECAST_URL", "https://forecast.example.org/prefix/")
    monkeypatch.setenv("FORECAST_API_KEY", "unseen-by-all")
    client = Client()
    assert client.url == "https://forecast.example.org/prefix"
    assert client._connection.transport.http.headers["Authorization"] == "Bearer unseen-by-all"
    assert "unseen-by-all" not in repr(client) + repr(client._connection)
    assert Client("http://a", api_key="").url == "http://a"
    with pytest.raises(ValueError, match="characters") as caught:
        Client(api_key="unseen\nby all")
    assert "unseen" not in str(caught.value)


def test_a_skill_that_may_be_chance_is_not_called_better() -> None:
    record = {
        "skill": 0.17,
        "skill_interval": [-0.1, 0.4],
        "baseline": {"method": "seasonal_naive", "words": "repeating last year"},
    }
    assert skill_words(record) == "about as good as repeating last year"
    assert skill_words({**record, "skill_interval": [0.1, 0.3]}) == "17% better than repeating last year"
    assert (
        skill_words({**record, "skill": -0.5, "skill_interval": [-0.7, -0.2]}) == "50% worse than repeating last year"
    )
    assert skill_words({"skill": 0.17, "baseline": {"method": "mean"}}) == "17% better than the naive forecast"
    assert skill_words({"skill": None}) is None
    model = {**record, "model_id": "abc", "status": "ready"}
    assert repr(KnownModel(model)) == "<KnownModel abc: ready, about as good as repeating last year>"
    assert KnownModel(model).skill_interval == (-0.1, 0.4)
