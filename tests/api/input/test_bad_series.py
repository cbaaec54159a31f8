"""Series in JSON that cannot be used: the place is pointed to, and the detail says what to do."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.contract import problem_of
from tests.api.series import CLOSE, DAYS, OPEN, VALUES

TEN, DATES = VALUES[:10], DAYS[:10]
HOURS = [f"{day}T00:00:00" for day in DATES]

Case = tuple[Any, str, str, str]
CASES: dict[str, Case] = {
    "empty": ([], "invalid-series", "#/series", "training needs at least 5"),
    "no values": ({"values": []}, "invalid-series", "#/series/values", "training needs at least 5"),
    "too short": ([1.0, 2.0, 3.0], "series-too-short", "#/series", "at least 5 values, got 3"),
    "nothing but null": ([None] * 20, "missing-values", "#/series", "no value at all"),
    "a string": ([*TEN, "11"], "invalid-request", "#/series/10", "valid number"),
    "a boolean": ([*TEN, True], "invalid-request", "#/series/10", "valid number"),
    "a list": ([*TEN, [1]], "invalid-request", "#/series/10", "valid number"),
    "too large": ([*TEN, 1e308], "invalid-series", "#/series/10", "between -1e.100 and 1e.100"),
    "too small": ([*TEN, -1e101], "invalid-series", "#/series/10", "too large"),
    "null": (None, "invalid-request", "#/series", "A series is a list of numbers"),
    "text": ("1,2,3", "invalid-request", "#/series", "A series is a list of numbers"),
    "number": (7, "invalid-request", "#/series", "A series is a list of numbers"),
    "no form": ({"start": "2024"}, "invalid-request", "#/series", "A series is a list of numbers"),
    "an unknown name": ({"values": TEN, "time": DATES}, "invalid-request", "#/series/time", "leave it out"),
    "two forms": ({"values": TEN, "columns": {"a": TEN}}, "invalid-request", "#/series/values", "leave it out"),
    "doubled times": (
        {"values": TEN, "timestamps": [*DATES[:9], DATES[8]]},
        "invalid-timestamps",
        "#/series/timestamps/9",
        "one row for each time",
    ),
    "irregular times": (
        {"values": TEN, "timestamps": [*HOURS[:8], "2024-01-09T05:13:11", "2024-01-31T23:59:58"]},
        "invalid-timestamps",
        "#/series/timestamps",
        "give resample",
    ),
    "times with and without an offset": (
        {"values": TEN, "timestamps": [*HOURS[:9], HOURS[9] + "Z"]},
        "invalid-timestamps",
        "#/series/timestamps/9",
        "all or none",
    ),
    "no times": (
        {"values": TEN, "timestamps": [*DATES[:9], "soon"]},
        "invalid-timestamps",
        "#/series/timestamps/9",
        "2024-01-31",
    ),
    "no day of the calendar": (
        {"values": TEN, "timestamps": [*DATES[:9], "2024-02-30"]},
        "invalid-timestamps",
        "#/series/timestamps/9",
        "calendar",
    ),
    "a time that is null": (
        {"values": TEN, "timestamps": [*DATES[:9], None]},
        "invalid-request",
        "#/series/timestamps/9",
        "string",
    ),
    "dates and numbers": (
        {"values": TEN, "timestamps": [*DATES[:9], 7]},
        "invalid-request",
        "#/series/timestamps/9",
        "string",
    ),
    "dates that can be read two ways": (
        {"values": TEN, "timestamps": [f"{day:02}-10-2021" for day in range(1, 11)]},
        "ambiguous-dates",
        "#/series/timestamps/0",
        "give date_format",
    ),
    "another format": (
        {"values": TEN, "timestamps": DATES, "date_format": "%d/%m/%Y"},
        "invalid-timestamps",
        "#/series/timestamps/0",
        "not of the form '%d/%m/%Y'",
    ),
    "a format that is none": (
        {"values": TEN, "timestamps": DATES, "date_format": "%Q"},
        "invalid-option",
        "#/series/date_format",
        "known are",
    ),
    "fewer times than values": (
        {"values": TEN, "timestamps": DATES[:9]},
        "invalid-series",
        "#/series/timestamps",
        "9 timestamps for 10",
    ),
    "an unknown frequency": (
        {"values": TEN, "start": "2024-01-01", "freq": "fortnight"},
        "unknown-frequency",
        "#/series/freq",
        "common ones are",
    ),
    "another frequency": (
        {"values": TEN, "timestamps": DATES, "freq": "MS"},
        "invalid-timestamps",
        "#/series/freq",
        "look like 'D'",
    ),
    "a frequency alone": (
        {"values": TEN, "freq": "D"},
        "invalid-series",
        "#/series/freq",
        "needs timestamps or a start",
    ),
    "a start alone": ({"values": TEN, "start": "2024-01-01"}, "invalid-series", "#/series/start", "needs a freq"),
    "a start off the grid": (
        {"values": TEN, "start": "2024-01-02", "freq": "W-MON"},
        "invalid-timestamps",
        "#/series/start",
        "2024-01-08",
    ),
    "a start and timestamps": (
        {"values": TEN, "start": DATES[0], "freq": "D", "timestamps": DATES},
        "invalid-series",
        "#/series/start",
        "not both",
    ),
    "unequal columns": (
        {"columns": {"a": TEN, "b": VALUES[:9]}},
        "invalid-series",
        "#/series/columns/b",
        "the same number",
    ),
    "no columns": ({"columns": {}}, "invalid-request", "#/series/columns", "at least 1"),
    "an unknown target": (
        {"columns": {"a": TEN, "b": TEN}, "targets": ["a", "c"]},
        "unknown-column",
        "#/series/targets/1",
        "the columns are 'a', 'b'",
    ),
    "a target twice": ({"columns": {"a": TEN}, "targets": ["a", "a"]}, "invalid-series", "#/series/targets/1", "twice"),
    "no targets": ({"columns": {"a": TEN}, "targets": []}, "invalid-request", "#/series/targets", "at least 1"),
    "a bad cell of a column": (
        {"columns": {"a/b": TEN, "c~d": [*TEN[:9], "x"]}},
        "invalid-request",
        "#/series/columns/c~0d/9",
        "number",
    ),
    "an empty column": (
        {"columns": {"a/b": [None] * 10, "c": TEN}},
        "missing-values",
        "#/series",
        "'a/b' has no value at all",
    ),
    "no items": ({"items": []}, "invalid-request", "#/series/items", "at least 1"),
    "an item twice": (
        {"items": [{"id": "a", "values": OPEN}, {"id": "a", "values": CLOSE}]},
        "invalid-series",
        "#/series/items/1/id",
        "two items 'a'",
    ),
    "an item without a name": ({"items": [{"values": OPEN}]}, "invalid-request", "#/series/items/0/id", "missing"),
    "an item that is too short": (
        {"items": [{"id": "a", "values": OPEN}, {"id": "b", "values": [1, 2]}]},
        "series-too-short",
        "#/series/items/1",
        "at least 5 values, got 2",
    ),
    "items of other columns": (
        {"items": [{"id": "a", "columns": {"x": OPEN}}, {"id": "b", "columns": {"y": OPEN}}]},
        "invalid-series",
        "#/series/items/1",
        "all items must have the same",
    ),
    "a bad value in an item": (
        {"items": [{"id": "a", "values": OPEN}, {"id": "b", "values": [*TEN, "x"]}]},
        "invalid-request",
        "#/series/items/1/values/10",
        "number",
    ),
    "an item with times, one without": (
        {"items": [{"id": "a", "values": TEN, "timestamps": DATES}, {"id": "b", "values": TEN}]},
        "invalid-series",
        "#/series/items/1",
        "give all of them",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_series_that_cannot_be_used(client: httpx.Client, name: str) -> None:
    series, slug, pointer, contains = CASES[name]
    problem_of(client.post("/train", json={"series": series}), 422, slug, pointer, contains)


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999", "-1e400"])
@pytest.mark.parametrize(
    ("form", "pointer"), [("[1, 2, {}]", "#/series/2"), ('{{"values": [{}]}}', "#/series/values/0")]
)
def test_numbers_that_are_not_finite(client: httpx.Client, token: str, form: str, pointer: str) -> None:
    body = f'{{"series": {form.format(token)}}}'
    response = client.post("/train", content=body, headers={"Content-Type": "application/json"})
    problem_of(response, 422, "invalid-request", pointer, "null where a value is missing")


def test_a_series_too_short_for_its_options_says_how_many_values_would_do(client: httpx.Client) -> None:
    body = {"series": VALUES[:20], "context_length": 20, "output_chunk_length": 4}
    problem = problem_of(client.post("/train", json=body), 422, "series-too-short", "#/series", r"needs \d+ values")
    needed = int(problem["detail"].split("needs ")[1].split()[0])
    for length, status in ((needed - 1, 422), (needed, 200)):
        answer = client.post("/train", params={"dry_run": "true"}, json={**body, "series": VALUES[:length]})
        assert answer.status_code == status, answer.text


def test_the_shortest_series_is_trained_on(client: httpx.Client) -> None:
    model = client.post("/train", params={"wait": 120}, json={"series": [3, 1, 4, 1, 5], "training": {"epochs": 2}})
    assert model.status_code == 201
    forecast = client.post("/forecast", json={"model_id": model.json()["model_id"], "horizon": 3})
    assert len(forecast.json()["forecasts"][0]["mean"]) == 3


def test_missing_values_are_refused_where_that_was_asked_for(client: httpx.Client) -> None:
    series = [*VALUES[:20], None, *VALUES[20:]]
    response = client.post("/train", json={"series": series, "missing": "error"})
    problem_of(response, 422, "missing-values", "#/series", "first is row 20.*interpolate")


def test_a_logarithm_of_what_is_not_positive(client: httpx.Client) -> None:
    response = client.post("/train", json={"series": [*VALUES, -1.0], "transform": "log"})
    problem_of(response, 422, "invalid-series", "#/series", "needs values above 0, row 60.*use transform")


@pytest.mark.parametrize(
    ("series", "contains"),
    [
        ({"values": TEN, "timestamps": DATES[::-1]}, "sorted by time"),
        ({"values": [None, None, *TEN], "timestamps": DAYS[:12]}, "2 leading rows"),
        (
            {
                "values": TEN,
                "timestamps": [f"{hour}+01:00" for hour in HOURS[:5]] + [f"{day}T01:00:00+02:00" for day in DATES[5:]],
            },
            "UTC",
        ),
    ],
)
def test_what_was_put_right_is_told(client: httpx.Client, series: Any, contains: str) -> None:
    told = client.post("/train", params={"dry_run": "true"}, json={"series": series}).json()
    assert any(contains in warning for warning in told["warnings"]), told["warnings"]


def test_a_million_faults_are_told_as_cheaply_as_one(client: httpx.Client) -> None:
    body = b'{"series": [' + b'"x",' * 1_000_000 + b"1]}"
    response = client.post("/train", content=body, headers={"Content-Type": "application/json"})
    assert len(response.content) < 1000
    problem_of(response, 422, "invalid-request", "#/series/0")
