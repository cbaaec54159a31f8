"""Series as shops, exchanges and sensors have them, through the whole service."""

from __future__ import annotations

from collections.abc import Callable
from csv import QUOTE_ALL
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from service.client.requests import train_call
from tests.api.contract import problem_of
from tests.api.series import csv_of
from tests.factories import QUICK, workbook

CSV = {"Content-Type": "text/csv"}
DAILY, MINUTES = "%Y-%m-%d", "%Y-%m-%d %H:%M"


def numbers(count: int) -> list[float]:
    return [float(10 + row % 6 + row % 5) for row in range(count)]


def series_of(times: pd.DatetimeIndex, form: str = DAILY) -> dict[str, Any]:
    return {"values": numbers(len(times)), "timestamps": list(times.strftime(form))}


def trained(client: httpx.Client, series: dict[str, Any], **options: Any) -> dict[str, Any]:
    answer = client.post("/train?wait=120", json={**QUICK, "series": series, **options})
    assert answer.status_code == 201, answer.text
    record: dict[str, Any] = answer.json()
    return record


def forecast(client: httpx.Client, model: dict[str, Any], **asked: Any) -> dict[str, Any]:
    answer = client.post("/forecast", json={"model_id": model["model_id"], **asked})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def times_of(answer: dict[str, Any]) -> list[str]:
    times: list[str] = answer["forecasts"][0]["timestamps"]
    return times


def test_a_shop_is_not_open_on_sundays(client: httpx.Client) -> None:
    days = pd.date_range("2024-01-01", periods=100, freq="D")
    open_days = days[days.day_of_week < 6]
    model = trained(client, series_of(open_days))
    assert model["series"]["calendar"] == {"weekdays": ["MON", "TUE", "WED", "THU", "FRI", "SAT"]}
    assert (model["series"]["gaps"], model["series"]["rows"]) == (0, len(open_days))
    assert times_of(forecast(client, model, horizon=5))[3:] == ["2024-04-13", "2024-04-15"]
    history = series_of(open_days[40:70])
    answer = forecast(client, model, horizon=2, history=history)
    assert times_of(answer) == ["2024-03-22", "2024-03-23"]
    assert not answer["warnings"]
    backtest = client.post("/backtest", json={"model_id": model["model_id"], "series": history, "horizon": 2})
    assert all(
        pd.Timestamp(time).day_of_week < 6 for row in backtest.json()["forecasts"][0]["timestamps"] for time in row
    )


def test_rows_that_are_missing_are_counted(client: httpx.Client) -> None:
    days = pd.date_range("2024-01-01", periods=60, freq="D").delete([10, 11, 30])
    model = trained(client, series_of(days))
    assert model["series"]["calendar"] is None
    assert any("3 of 60 rows were not sent" in one for one in model["warnings"])


def test_a_bill_on_the_15th(client: httpx.Client) -> None:
    model = trained(client, series_of(pd.date_range("2020-01-01", periods=48, freq="MS") + pd.Timedelta(days=14)))
    assert (model["series"]["freq"], model["series"]["calendar"]) == ("MS", {"day": 15})
    assert times_of(forecast(client, model, horizon=2)) == ["2024-01-15", "2024-02-15"]


def test_local_times_across_a_change_of_clocks(client: httpx.Client) -> None:
    hours = pd.date_range("2024-10-20", "2024-10-28 12:00", freq="h", tz="Europe/Berlin")
    series = series_of(hours, MINUTES)
    refused = client.post("/train", json={**QUICK, "series": series})
    assert "time_zone" in problem_of(refused, 422, "invalid-timestamps")["errors"][0]["detail"]
    model = trained(client, series, time_zone="Europe/Berlin")
    assert (model["series"]["time_zone"], model["series"]["gaps"]) == ("Europe/Berlin", 0)
    assert times_of(forecast(client, model, horizon=2)) == ["2024-10-28 13:00", "2024-10-28 14:00"]
    spring = series_of(pd.date_range("2025-03-27", "2025-03-30 01:00", freq="h", tz="Europe/Berlin"), MINUTES)
    assert times_of(forecast(client, model, horizon=2, history=spring)) == ["2025-03-30 03:00", "2025-03-30 04:00"]


def test_shifts_by_the_clock_across_a_change_of_clocks(client: httpx.Client) -> None:
    shifts = pd.date_range("2024-10-14", "2024-10-26 12:00", freq="6h")
    model = trained(client, series_of(shifts, MINUTES), time_zone="Europe/Berlin", season_length=4)
    assert (model["series"]["freq"], model["series"]["gaps"]) == ("6h", 0)
    ahead = ["2024-10-26 18:00", "2024-10-27 00:00", "2024-10-27 06:00"]
    assert times_of(forecast(client, model, horizon=3)) == ahead
    spring = series_of(pd.date_range("2025-03-20", "2025-03-30 00:00", freq="6h"), MINUTES)
    assert times_of(forecast(client, model, horizon=2, history=spring)) == ["2025-03-30 06:00", "2025-03-30 12:00"]
    utc = series_of(pd.date_range("2024-10-14", "2024-10-28", freq="6h", tz="UTC").tz_convert("Europe/Berlin"), MINUTES)
    model = trained(client, utc, time_zone="Europe/Berlin", season_length=4)
    assert (model["series"]["freq"], model["series"]["gaps"]) == ("6h", 0)
    assert times_of(forecast(client, model, horizon=1)) == ["2024-10-28 07:00"]


def test_local_days_of_times_with_offsets(client: httpx.Client) -> None:
    days = pd.date_range("2024-03-01", periods=60, freq="D", tz="Europe/Berlin")
    series = {"values": numbers(60), "timestamps": [day.isoformat() for day in days]}
    refused = client.post("/train", json={**QUICK, "series": series})
    assert "give time_zone" in problem_of(refused, 422, "invalid-timestamps")["errors"][0]["detail"]
    model = trained(client, series, time_zone="Europe/Berlin")
    assert times_of(forecast(client, model, horizon=1)) == ["2024-04-30T00:00:00+02:00"]


@pytest.mark.parametrize("name", ["Berlin", "../../etc/passwd", "Mars/Olympus", "x" * 70, 3])
def test_a_time_zone_exists(client: httpx.Client, name: Any) -> None:
    answer = client.post("/train", json={"series": series_of(pd.date_range("2024", periods=30)), "time_zone": name})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#/time_zone"


def test_readings_at_irregular_times(client: httpx.Client) -> None:
    steps = np.random.default_rng(0).integers(58, 64, 600)
    times = pd.Timestamp("2024-01-01 10:02:13") + pd.to_timedelta(np.cumsum(steps), unit="s")
    series = series_of(times, "%Y-%m-%dT%H:%M:%S")
    refused = client.post("/train", json={**QUICK, "series": series})
    detail = problem_of(refused, 422, "invalid-timestamps")["errors"][0]["detail"]
    assert 'give resample, such as {"freq": "5min", "how": "mean"}' in detail
    model = trained(client, series, resample={"freq": "5min", "how": "mean"})
    assert model["series"]["resample"] == {"freq": "5min", "how": "mean"}
    assert (model["series"]["freq"], model["series"]["gaps"]) == ("5min", 0)
    following = times_of(forecast(client, model, horizon=2))
    assert pd.Timestamp(following[1]) - pd.Timestamp(following[0]) == pd.Timedelta("5min")
    # The history is aggregated as the series was; the forecast of its end is that of the model's own end.
    history = {name: values[:500] for name, values in series.items()}
    answer = forecast(client, model, horizon=1, history=history)
    assert times_of(answer)[0] < following[0]
    assert (
        forecast(client, model, horizon=2, history=series)["forecasts"]
        == forecast(client, model, horizon=2)["forecasts"]
    )


def test_daily_sales_as_weekly_ones(client: httpx.Client) -> None:
    days = pd.date_range("2023-01-02", periods=7 * 40 + 3, freq="D")
    values = np.arange(len(days)) % 7 + 1.0
    series = {"values": values.tolist(), "timestamps": list(days.strftime(DAILY))}
    model = trained(client, series, resample={"freq": "W", "how": "sum"}, horizon=2)
    assert (model["series"]["freq"], model["series"]["rows"]) == ("W-SUN", 40)
    assert any("last step of W-SUN is incomplete" in one for one in model["warnings"])
    assert times_of(forecast(client, model))[0] == "2023-10-15"
    assert forecast(client, model)["forecasts"][0]["mean"] == pytest.approx([28, 28], rel=1e-6)


@pytest.mark.parametrize(
    ("resample", "pointer"),
    [
        ({"freq": "B", "how": "sum"}, "/resample/freq"),
        ({"freq": "fortnight", "how": "sum"}, "/resample/freq"),
        ({"freq": "h", "how": "sum"}, "/resample/freq"),
        ({"freq": "W", "how": "median"}, "/resample/how"),
        ({"freq": "W"}, "/resample/how"),
        ("W", "/resample"),
    ],
)
def test_a_resampling_aggregates(client: httpx.Client, resample: Any, pointer: str) -> None:
    series = series_of(pd.date_range("2024-01-01", periods=100, freq="D"))
    answer = client.post("/train", json={"series": series, "resample": resample})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == f"#{pointer}"


def test_how_rows_are_read_is_part_of_the_model(client: httpx.Client) -> None:
    model = trained(client, series_of(pd.date_range("2024-01-01", periods=60, freq="D")))
    for option in ({"time_zone": "UTC"}, {"resample": {"freq": "W", "how": "sum"}}):
        answer = client.post("/forecast", json={"model_id": model["model_id"], "horizon": 1, **option})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == f"#/{next(iter(option))}"


def test_resampling_needs_times(client: httpx.Client) -> None:
    answer = client.post("/train", json={"series": numbers(60), "resample": {"freq": "W", "how": "sum"}})
    assert "timestamps" in problem_of(answer, 422, "invalid-option")["errors"][0]["detail"]


CSV_DIALECTS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    "commas": lambda frame: frame.to_csv(index=False).encode(),
    "semicolons": lambda frame: frame.to_csv(index=False, sep=";", lineterminator="\r\n").encode(),
    "decimal commas": lambda frame: b"sep=;\r\n" + frame.to_csv(index=False, sep=";", decimal=",").encode(),
    "tabs": lambda frame: frame.to_csv(index=False, sep="\t", quoting=QUOTE_ALL).encode("utf-16"),
}
FORMATS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "json": lambda frame: {"columns": {"load": list(frame["load"])}, "timestamps": list(frame["date"])},
    **CSV_DIALECTS,
    "excel": lambda frame: workbook([list(frame), *frame.itertuples(index=False)]),
    "parquet": lambda frame: bytes(frame.to_parquet()),
    "data frame": lambda frame: frame,
}


@pytest.mark.parametrize("is_shuffled", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_all_formats_and_orders_of_rows_give_the_same_model(client: httpx.Client, name: str, is_shuffled: bool) -> None:
    # The order of rows says which one of the hour that occurs twice in autumn is the first.
    start = "2024-03-25" if is_shuffled else "2024-10-20"
    hours = pd.date_range(start, periods=600, freq="20min", tz="Europe/Berlin")
    loads = [1000 + row % 11 + round((row % 7) / 7, 2) for row in range(len(hours))]
    frame = pd.DataFrame({"date": hours.strftime(MINUTES), "load": loads})
    options = {"time_zone": "Europe/Berlin", "resample": {"freq": "h", "how": "mean"}, "target": "load"}
    sent = frame.sample(frac=1, random_state=1, ignore_index=True) if is_shuffled else frame
    models = [trained_by_client(client, one, options) for one in (FORMATS["json"](frame), FORMATS[name](sent))]
    assert models[1]["series"] == models[0]["series"]
    expected, found = (forecast(client, model, horizon=5)["forecasts"] for model in models)
    assert found == expected


@pytest.mark.parametrize("write", [lambda frame: frame, *CSV_DIALECTS.values()], ids=["data frame", *CSV_DIALECTS])
def test_any_order_of_rows_of_items_gives_the_same_model(
    client: httpx.Client, write: Callable[[pd.DataFrame], Any]
) -> None:
    days = pd.date_range("2024-01-01", periods=60, freq="D").strftime(DAILY)
    shops = [pd.DataFrame({"shop": f"shop {shop}", "day": days, "sold": numbers(60)}) for shop in (2, 10, 1)]
    frame = pd.concat([shop.assign(sold=shop["sold"] * place) for place, shop in enumerate(shops, 1)])
    options = {"target": "sold", "item": "shop"}
    orders = [write(one) for one in (frame, frame.sample(frac=1, random_state=2, ignore_index=True))]
    models = [trained_by_client(client, one, options) for one in orders]
    expected, found = (forecast(client, model, horizon=3)["forecasts"] for model in models)
    assert [one["item"] for one in found] == ["shop 1", "shop 2", "shop 10"]
    assert found == expected


def trained_by_client(client: httpx.Client, data: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Train as a `service.client.Client` does; JSON has its own targets."""
    options = {name: value for name, value in options.items() if name != "target" or not isinstance(data, dict)}
    call = train_call(data, 120, {**QUICK, **options}).call  # type: ignore[typeddict-item]
    answer = client.request(call.method, call.path, params=call.query, content=call.content, headers=call.headers)
    assert answer.status_code == 201, answer.text
    record: dict[str, Any] = answer.json()
    return record


def test_a_table_of_items_names_the_column_to_give(client: httpx.Client) -> None:
    days = [str(day.date()) for day in pd.date_range("2024-01-01", periods=30)] * 2
    shops = ["a"] * 30 + ["b"] * 30
    table = csv_of({"date": days, "shop": shops, "city": ["Rome"] * 60, "sold": numbers(60)})
    query = {"target": "sold", "dry_run": "true"}
    refused = client.post("/train", params=query, content=table, headers=CSV)
    assert "give item=shop" in problem_of(refused, 422, "invalid-timestamps")["errors"][0]["detail"]
    answer = client.post("/train", params={**query, "item": "shop"}, content=table, headers=CSV)
    assert answer.json()["series"]["items"] == 2


@pytest.mark.parametrize("order", [1, -1])
def test_items_with_other_calendars_keep_theirs_and_the_season_is_that_of_most(
    client: httpx.Client, order: int
) -> None:
    def shop(name: str, days: int) -> dict[str, Any]:
        rows = pd.date_range("2024-01-01", periods=140, freq="D")
        rows = rows[rows.day_of_week < days]
        return {"id": name, "values": (20.0 + rows.day_of_week**2).tolist(), "timestamps": list(rows.strftime(DAILY))}

    shops = [shop("six days", 6), shop("a", 4), shop("b", 4), shop("c", 4)][::order]
    model = trained(client, {"items": shops}, candidates=["seasonal_naive"], season_length=None)
    assert model["series"]["calendar"] == {"weekdays": ["MON", "TUE", "WED", "THU"]}
    assert any("2 different calendars: each keeps its own" in one for one in model["warnings"])
    assert model["configuration"]["season_length"] == 4
    assert "of most items, whose calendars differ" in model["configuration"]["chosen"]["season_length"]
    ahead = {one["item"]: one["timestamps"] for one in forecast(client, model, horizon=6)["forecasts"]}
    assert {pd.Timestamp(time).day_of_week for time in ahead["a"]} == {0, 1, 2, 3}
    assert 5 in {pd.Timestamp(time).day_of_week for time in ahead["six days"]}
