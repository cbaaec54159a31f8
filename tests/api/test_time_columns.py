"""A column whose name or cells say time is never forecast unless it is named: CSV, Parquet and JSON."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest

from service.errors import InvalidSeries, InvalidTimestamps
from tests.api.series import read_csv

MONTHS = [f"{month:02}.{year}" for year in (2020, 2021, 2022) for month in range(1, 13)]
SALES = [f"{1010.5 + 7 * (row % 12) + row:.1f}".replace(".", ",") for row in range(36)]


def tried(client: httpx.Client, body: str | bytes, kind: str = "text/csv", **query: Any) -> httpx.Response:
    return client.post("/train", params={"dry_run": "true", **query}, content=body, headers={"Content-Type": kind})


@pytest.mark.parametrize("separator", ["\t", ";"])
def test_pasted_months_are_times(client: httpx.Client, separator: str) -> None:
    rows = [f"{month}{separator}{value}" for month, value in zip(MONTHS, SALES, strict=True)]
    answer = tried(client, "\n".join([f"Monat{separator}Umsatz", *rows])).json()
    series = answer["series"]
    assert (series["targets"], series["covariates"], series["freq"]) == (["Umsatz"], [], "MS")
    assert (series["start"], series["end"], series["missing"]) == ("01.2020", "12.2022", 0)
    assert not [one for one in answer["warnings"] if "columns not used" in one]
    assert read_csv("\n".join([f"Monat{separator}Umsatz", *rows]).encode()).series["columns"]["Umsatz"][:2] == [
        1010.5,
        1018.5,
    ]


@pytest.mark.parametrize(
    ("header", "cells", "time", "target"),
    [
        ("Monat,Umsatz", ["01.2020,5", "02.2020,6"], "Monat", "Umsatz"),
        ("x,Umsatz", ["01.2020,5", "02.2020,6"], "x", "Umsatz"),
        ("when,n", ["Januar 2020,5", "Februar 2020,6"], "when", "n"),
        ("when,n", ["2020M01,5", "2020M02,6"], "when", "n"),
        ("period,n", ["202001,5", "202002,6"], "period", "n"),
        ("Jahr,n", ["2020,5", "2021,6"], "Jahr", "n"),
        ("n,Año", ["5,2020", "6,2021"], "Año", "n"),
        ("date,month,n", ["2020-01-01,1,5", "2020-02-01,2,6"], "date", "n"),
        ("month,date,n", ["1,2020-01-01,5", "2,2020-02-01,6"], "date", "n"),
        ("date,key,n", ["2020-01-01,20200101,5", "2020-02-01,20200201,6"], "date", "n"),
        ("year,month,n", ["2020,2020-01,5", "2020,2020-02,6"], "month", "n"),
        ("time,date,n", ["12:00,2020-01-01,5", "12:00,2020-01-02,6"], "date", "n"),
        ("date,data", ["2020-01-01,5", "2020-01-02,6"], "date", "data"),
        ("data,n", ["2020-01-01,5", "2020-01-02,6"], "data", "n"),
        ("month,index", ["2020-01,1120", "2020-02,1130"], "month", "index"),
        ("price,n", ["10.1995,5", "1.2020,6"], None, None),
        ("index,n", ["2020,5", "2021,6"], "index", "n"),
        ("data", ["2020", "2021"], None, "data"),
        ("ds,x,y", ["2020-01-01,5,1", "2020-01-02,6,2"], "ds", "y"),
    ],
)
def test_time_and_target(header: str, cells: list[str], time: str | None, target: str | None) -> None:
    text = "\n".join([header, *cells])
    if target is None:
        with pytest.raises(InvalidSeries, match="which column is to be forecast"):
            read_csv(text.encode())
        return
    read = read_csv(text.encode())
    assert (read.time, read.series["targets"]) == (time, [target])


def test_a_unique_id_tells_items_apart() -> None:
    text = "unique_id,ds,y\na,2020-01-01,1\na,2020-01-02,2\nb,2020-01-01,3\nb,2020-01-02,4\n"
    assert [item["id"] for item in read_csv(text.encode()).series["items"]] == ["a", "b"]
    assert "columns" in read_csv(text.replace("\nb", "\na").encode()).series


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Monat;Umsatz\n01.20;5\n02.20;6\n", ["'Monat'", "01.20", "date_format", "%m/%y"]),
        ("Monat;Umsatz\nFrühling 2020;5\nSommer 2020;6\n", ["'Monat'", "date_format"]),
        ("year,day,n\n2020,1,5\n2020,2,6\n2021,1,7\n", ["'year'", "'day'", "2024-01"]),
    ],
)
def test_times_that_cannot_be_read_are_an_error_with_a_cure(text: str, says: list[str]) -> None:
    with pytest.raises(InvalidTimestamps) as caught:
        read_csv(text.encode())
    assert all(one in caught.value.detail for one in says), caught.value.detail


def test_the_cures_work(client: httpx.Client) -> None:
    rows = [f"{month[:3]}{month[5:]};{row % 12 + 1}" for row, month in enumerate(MONTHS)]
    text = "\n".join(["Monat;Umsatz", *rows])
    problem = tried(client, text).json()
    assert problem["type"] == "urn:forecast:problem:invalid-timestamps"
    answer = tried(client, text, date_format="%m.%y").json()["series"]
    assert (answer["start"], answer["freq"], answer["targets"]) == ("01.20", "MS", ["Umsatz"])
    named = tried(client, text, target="Umsatz").json()
    assert named["series"]["freq"] is None
    assert "column 'Monat' is not used as times" in named["warnings"][0]


def test_parts_of_times_are_left_out_with_a_warning() -> None:
    read = read_csv(b"month,n\n1,5\n2,6\n")
    assert (read.series["targets"], read.ignored) == (["n"], ())
    assert "column 'month' is not used as times" in read.warnings[0]


@pytest.mark.parametrize("text", ["year\n112\n118\n", "date,month\n2020-01-01,1\n2020-02-01,2\n"])
def test_a_column_that_says_time_is_forecast_where_it_is_named(text: str) -> None:
    name = text.split("\n")[0].split(",")[-1]
    with pytest.raises(InvalidSeries, match=f"no column is left to forecast: '{name}'"):
        read_csv(text.encode())
    assert read_csv(text.encode(), targets=[name]).series["targets"] == [name]


def test_an_unreadable_time_is_told_with_its_column(client: httpx.Client) -> None:
    rows = [f"2020-01-{day:02},{day}" for day in range(1, 29)]
    problem = tried(client, "\n".join(["when,n", *rows, "yesterday,3"])).json()
    assert problem["detail"].startswith("column 'when': 'yesterday' cannot be used as a time")


def test_thousands_of_german_files(client: httpx.Client) -> None:
    text = "Datum;Wert\n01.01.2024;998\n02.01.2024;1.005\n13.01.2024;1.020\n"
    assert read_csv(text.encode()).series["columns"] == {"Wert": [998, 1005, 1020]}
    rows = [f"{day:02}.01.2024;{2 + day % 3}.210" for day in range(1, 29)]
    text = "\n".join(["Datum;Wert", *rows])
    answer = tried(client, text)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:forecast:problem:ambiguous-numbers")
    assert answer.json()["errors"][0]["pointer"] == "#/decimal"
    for options in ({"decimal": "comma"}, {"thousands": "."}, {"decimal": "."}):
        assert tried(client, text, **options).status_code == 200
    assert tried(client, text, decimal=";").json()["errors"][0]["pointer"] == "#/decimal"


def test_parquet(client: httpx.Client) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    sink = io.BytesIO()
    years = list(range(1990, 2020))
    parquet.write_table(pa.table({"Jahr": years, "n": [float(year % 7) for year in years]}), sink)
    kind = "application/vnd.apache.parquet"
    series = tried(client, sink.getvalue(), kind).json()["series"]
    assert (series["targets"], series["start"], series["freq"]) == (["n"], "1990", "YS-JAN")
    assert tried(client, sink.getvalue(), kind, decimal="comma").json()["errors"][0]["pointer"] == "#/decimal"


def test_json_columns(client: httpx.Client) -> None:
    values = [float(step % 7) for step in range(40)]
    columns = {"Monat": [step % 12 + 1 for step in range(40)], "Umsatz": values}

    def asked(**more: Any) -> dict[str, Any]:
        return client.post("/train?dry_run=true", json={"series": {"columns": columns, **more}}).json()  # type: ignore[no-any-return]

    answer = asked()
    assert (answer["series"]["targets"], answer["series"]["covariates"]) == (["Umsatz"], [])
    assert "columns not used, as their names denote times: 'Monat'" in answer["warnings"][0]
    named = asked(targets=["Umsatz"])["series"]
    assert (named["targets"], named["covariates"]) == (["Umsatz"], ["Monat"])
    assert asked(targets=["Monat"])["series"]["targets"] == ["Monat"]
    alone = client.post("/train?dry_run=true", json={"series": {"columns": {"year": values}}}).json()
    assert alone["errors"][0]["pointer"] == "#/series/targets"


def test_a_history_may_have_the_columns_that_training_left_out(client: httpx.Client) -> None:
    columns = {"Jahr": list(range(40)), "Umsatz": [float(step % 7) for step in range(40)]}
    body = {"series": {"columns": columns}, "candidates": ["naive", "drift"]}
    model = client.post("/train?wait=120", json=body).json()
    assert model["targets"] == ["Umsatz"]
    asked = {"model_id": model["model_id"], "horizon": 2, "history": {"columns": columns}}
    assert client.post("/forecast", json=asked).status_code == 200
    told = client.post(
        "/train?wait=120", json={**body, "series": {"columns": columns, "targets": ["Jahr", "Umsatz"]}}
    ).json()
    answer = client.post("/forecast", json={**asked, "model_id": told["model_id"]}).json()
    assert {one["target"] for one in answer["forecasts"]} == {"Jahr", "Umsatz"}
