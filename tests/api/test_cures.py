"""What an error or a warning about input says to do works."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import pytest

VALUES = [float(10 + row % 7) for row in range(40)]
DAYS = [str(date(2024, 1, 1) + timedelta(days=day)) for day in range(40)]
HOURS = [(datetime(2024, 1, 1) + timedelta(hours=hour)).isoformat() for hour in range(40)]
READINGS = [(datetime(2024, 1, 1) + timedelta(seconds=59 * row + row % 4)).isoformat() for row in range(400)]


@dataclass(frozen=True)
class Csv:
    """A file and its query."""

    text: str
    query: dict[str, str]


Request = dict[str, Any] | Csv


def table(names: str, *columns: list[Any], **query: str) -> Csv:
    rows = [",".join(str(cell) for cell in cells) for cells in zip(*columns, strict=True)]
    return Csv("\n".join([names, *rows, ""]), query)


def timed(times: list[Any], **more: Any) -> dict[str, Any]:
    options: dict[str, Any] = {name: more.pop(name) for name in ("time_zone", "resample") if name in more}
    return {"series": {"values": [float(row % 7) for row in range(len(times))], "timestamps": times, **more}, **options}


def columns(**named: list[Any]) -> dict[str, Any]:
    return {"columns": named}


CURES: dict[str, tuple[Request, str, Request]] = {
    "day or month": (
        timed(["01-02-2024", "02-02-2024", *(f"0{day}-02-2024" for day in range(3, 10))]),
        "give date_format (such as %d-%m-%Y or %m-%d-%Y)",
        timed([f"0{day}-02-2024" for day in range(1, 10)], date_format="%d-%m-%Y"),
    ),
    "years with two digits": (
        timed([f"{day:02}.01.24" for day in range(1, 30)]),
        "give date_format (such as %d.%m.%y)",
        timed([f"{day:02}.01.24" for day in range(1, 30)], date_format="%d.%m.%y"),
    ),
    "a month and a year or a day": (
        timed([f"Jan {year}" for year in range(10, 30)]),
        "give date_format (%b-%y for Jan-24)",
        timed([f"Jan {year}" for year in range(10, 30)], date_format="%b %y"),
    ),
    "times of day": (
        timed([f"{hour:02}:00" for hour in range(24)]),
        "write the date before it, as in 2024-01-31 07:30",
        timed([f"2024-01-31 {hour:02}:00" for hour in range(24)]),
    ),
    "row numbers": (timed(list(range(1, 41))), "leave the timestamps out", {"series": VALUES}),
    "a frequency that does not fit": (timed(DAYS, freq="h"), "they look like 'D'", timed(DAYS, freq="D")),
    "a frequency with too many rows": (
        timed([f"{2020 + month // 12}-{month % 12 + 1:02}-15" for month in range(30)], freq="D"),
        "leave freq out, they look like 'MS'",
        timed([f"{2020 + month // 12}-{month % 12 + 1:02}-15" for month in range(30)]),
    ),
    "irregular readings": (
        timed(READINGS),
        'give resample, such as {"freq": "min", "how": "mean"}',
        timed(READINGS, resample={"freq": "min", "how": "mean"}),
    ),
    "a step that is too short": (
        timed(DAYS, resample={"freq": "h", "how": "sum"}),
        'give resample, such as {"freq": "D", "how": "mean"}',
        timed(DAYS, resample={"freq": "D", "how": "mean"}),
    ),
    "a frequency next to resample": (
        timed(READINGS, freq="min", resample={"freq": "5min", "how": "mean"}),
        "leave freq out",
        timed(READINGS, resample={"freq": "5min", "how": "mean"}),
    ),
    "a time that clocks skip": (
        timed(
            [f"2024-03-{day}T{hour:02}:00" for day in (30, 31) for hour in range(0, 24, 2)], time_zone="Europe/Berlin"
        ),
        "leave this row out",
        timed(
            [f"2024-03-{day}T{hour:02}:00" for day in (30, 31) for hour in range(0, 24, 2) if (day, hour) != (31, 2)],
            time_zone="Europe/Berlin",
        ),
    ),
    "a repeated hour": (
        timed([f"2024-10-27T{hour:02}:00" for hour in (0, 1, 2, 2, *range(3, 24))]),
        "give time_zone (such as Europe/Berlin)",
        timed([f"2024-10-27T{hour:02}:00" for hour in (0, 1, 2, 2, *range(3, 24))], time_zone="Europe/Berlin"),
    ),
    "a repeated hour in rows without order": (
        timed([f"2024-10-27T{hour:02}:00" for hour in (5, 0, 1, 2, 2, 3, 4, *range(6, 24))], time_zone="Europe/Berlin"),
        "sort the rows by time",
        timed([f"2024-10-27T{hour:02}:00" for hour in (0, 1, 2, 2, *range(3, 24))], time_zone="Europe/Berlin"),
    ),
    "local midnights with offsets": (
        timed([f"{day}T00:00:00+0{1 if day < '2024-01-20' else 2}:00" for day in DAYS]),
        "give time_zone",
        timed([f"{day}T00:00:00+01:00" for day in DAYS], time_zone="Europe/Berlin"),
    ),
    "a city for its zone": (
        timed(DAYS, time_zone="Berlin"),
        "did you mean 'Europe/Berlin'?",
        timed(DAYS, time_zone="Europe/Berlin"),
    ),
    "an option of times without times": (
        {"series": VALUES, "resample": {"freq": "W", "how": "sum"}},
        "needs timestamps, or a start and freq",
        {"series": {"values": VALUES, "start": "2024-01-01", "freq": "D"}, "resample": {"freq": "W", "how": "sum"}},
    ),
    "only names of times": (
        {"series": columns(month=VALUES)},
        "name one in targets",
        {"series": {**columns(month=VALUES), "targets": ["month"]}},
    ),
    "one item without times": (
        {"series": {"items": [{"id": "a", "values": VALUES, "timestamps": DAYS}, {"id": "b", "values": VALUES}]}},
        "give all of them timestamps or a start, or none",
        {"series": {"items": [{"id": name, "values": VALUES, "timestamps": DAYS} for name in "ab"]}},
    ),
    "a file with thousands or decimals": (
        Csv("date;y\n" + "".join(f"{day};{row + 1}.{row + 100}\n" for row, day in enumerate(DAYS)), {}),
        "give decimal",
        Csv(
            "date;y\n" + "".join(f"{day};{row + 1}.{row + 100}\n" for row, day in enumerate(DAYS)), {"decimal": "point"}
        ),
    ),
    "a file of several items": (
        table("date,shop,sold", DAYS * 2, ["a"] * 40 + ["b"] * 40, VALUES * 2, target="sold"),
        "give item=shop",
        table("date,shop,sold", DAYS * 2, ["a"] * 40 + ["b"] * 40, VALUES * 2, target="sold", item="shop"),
    ),
    "a file with several columns of numbers": (
        table("date,sold,price", DAYS, VALUES, VALUES),
        "name it: target= one of 'sold', 'price'",
        table("date,sold,price", DAYS, VALUES, VALUES, target="sold"),
    ),
    "a file with numbers in months": (
        table("month", [row % 12 + 1 for row in range(40)]),
        "to forecast one, name it with target=",
        table("month", [row % 12 + 1 for row in range(40)], target="month"),
    ),
    "a file with a bound": (
        table("date,y", DAYS, ["<1", *VALUES[1:]]),
        "write a number, such as 0, or leave the cell empty",
        table("date,y", DAYS, ["", *VALUES[1:]]),
    ),
    "a file with one unit": (
        table("date,y", DAYS, ["5%", *VALUES[1:]]),
        "write '5' alone, without a unit",
        table("date,y", DAYS, ["5", *VALUES[1:]]),
    ),
    "a file with months in another form": (
        table("month,y", [f"{row % 12 + 1}/{20 + row // 12}" for row in range(40)], VALUES),
        "%m/%y",
        table("month,y", [f"{row % 12 + 1}/{20 + row // 12}" for row in range(40)], VALUES, date_format="%m/%y"),
    ),
}


def send(client: httpx.Client, request: Request) -> httpx.Response:
    if isinstance(request, Csv):
        query = {"dry_run": "true", **request.query}
        return client.post("/train", params=query, content=request.text, headers={"Content-Type": "text/csv"})
    return client.post("/train?dry_run=true", json=request)


@pytest.mark.parametrize(("refused", "cure", "cured"), CURES.values(), ids=CURES)
def test_the_cure_of_an_error_works(client: httpx.Client, refused: Request, cure: str, cured: Request) -> None:
    answer = send(client, refused)
    assert answer.status_code == 422, answer.text
    assert cure in answer.json()["errors"][0]["detail"]
    answer = send(client, cured)
    assert answer.status_code == 200, answer.text


WARNINGS: dict[str, tuple[Request, str, Request]] = {
    "a column that is not used": (
        table("date,y,price", DAYS, VALUES, VALUES[::-1], target="y"),
        "name them with covariates= or future_covariates= to use them",
        table("date,y,price", DAYS, VALUES, VALUES[::-1], target="y", covariates="price"),
    ),
    "a column of categories that is not used": (
        table("date,y,promo", DAYS, VALUES, ["a", "b"] * 20),
        "name them with covariates= or future_covariates= to use them",
        table("date,y,promo", DAYS, VALUES, ["a", "b"] * 20, future_covariates="promo"),
    ),
    "rows that were not sent": (
        timed([day for day in DAYS if not day.endswith("-13")]),
        "the option missing says how they are treated",
        {"series": {"values": [*VALUES[:12], None, *VALUES[13:]], "timestamps": DAYS}, "missing": "forward_fill"},
    ),
    "several offsets": (
        timed([f"{hour}+0{1 if hour < '2024-01-02' else 2}:00" for hour in HOURS[:24] + HOURS[25:]]),
        "give time_zone (such as Europe/Berlin) for local times",
        timed([f"{hour}+01:00" for hour in HOURS], time_zone="Europe/Berlin"),
    ),
}


@pytest.mark.parametrize(("warned", "cure", "cured"), WARNINGS.values(), ids=WARNINGS)
def test_the_cure_of_a_warning_works(client: httpx.Client, warned: Request, cure: str, cured: Request) -> None:
    answer = send(client, warned)
    assert answer.status_code == 200, answer.text
    assert any(cure in one for one in answer.json()["warnings"]), answer.json()["warnings"]
    answer = send(client, cured)
    assert answer.status_code == 200, answer.text
    assert not any(cure in one for one in answer.json()["warnings"])
