"""CSV uploads that cannot be used: line and column are named, and what to do."""

from __future__ import annotations

import httpx
import pytest

from tests.api.contract import problem_of
from tests.api.series import CLOSE, DAYS, OPEN, VALUES, csv_of

TABLE = csv_of({"date": DAYS, "units": VALUES})
TWO = csv_of({"date": DAYS, "open": OPEN, "close": CLOSE})
# Twelve days of January, or the first days of twelve months.
UNTOLD = [f"{number:02}-01-2021" for number in range(1, 13)]

# The hours of the day before clocks are set back, and of the day with 25 hours.
LONG_DAY = "date,hour,n\n" + "".join(
    f"2024-10-{day},{hour},{hour}\n" for day, hours in ((26, 24), (27, 25)) for hour in range(1, hours + 1)
)
WEEKDAYS = "date,weekday,day,n\n" + "".join(f"2024-01-0{1 + row % 2},x,{row},1\n" for row in range(12))


def send(client: httpx.Client, table: str | bytes, **query: str) -> httpx.Response:
    return client.post("/train", params=query, content=table, headers={"Content-Type": "text/csv"})


@pytest.mark.parametrize(
    ("table", "query", "slug", "pointer", "contains"),
    [
        ("date,units\n", {}, "invalid-series", "#/series", "a header but no rows"),
        ("\n\n", {}, "invalid-series", "#/series", "no content"),
        (TABLE.replace(",", "|"), {}, "invalid-series", "#/series", "comma, semicolon or tab"),
        (TABLE.replace(",", " "), {}, "invalid-series", "#/series", "comma, semicolon or tab"),
        (TABLE, {"separator": ";"}, "invalid-series", "#/series", "comma, semicolon or tab"),
        (TABLE, {"separator": "|"}, "invalid-option", "#/separator", "comma, semicolon or tab"),
        (TABLE + "2024-03-01,many\n", {}, "invalid-series", "#/series", "line 62, column 'units': 'many'"),
        (TABLE + "2024-03-01,1,2\n", {}, "invalid-series", "#/series", "line 62 has 3 cells, the header has 2"),
        (TABLE + "2024-03-01\n", {}, "invalid-series", "#/series", "line 62 has 1 cells"),
        (TABLE + "2024-02-29,1\n", {}, "invalid-timestamps", "#/series/timestamps/60", "one row for each time"),
        (TABLE + "2024-03-01,1e999\n", {}, "invalid-request", "#/series/columns/units/60", "infinity"),
        (TABLE + "2024-03-01,inf\n", {}, "invalid-series", "#/series", "'inf' is not a number"),
        (TABLE + "2024-03-01,1e308\n", {}, "invalid-series", "#/series/columns/units/60", "too large"),
        (TABLE.partition("\n")[2], {}, "invalid-series", "#/series", "the first line must name the columns"),
        (csv_of({"n": VALUES}).partition("\n")[2], {}, "invalid-series", "#/series", "must name the columns"),
        ("date,n,n\n2024-01-01,1,2\n", {}, "invalid-series", "#/series", "two columns of the CSV are named 'n'"),
        (csv_of({"date": DAYS[:3], "n": VALUES[:3]}), {}, "series-too-short", "#/series", "at least 5 values, got 3"),
        (TWO, {}, "invalid-series", "#/target", "one of 'open', 'close'"),
        (TWO, {"target": "shut"}, "unknown-column", "#/target", "'date', 'open', 'close'"),
        (TWO, {"target": "open", "covariates": "shut"}, "unknown-column", "#/covariates", "'close'"),
        (TWO, {"target": "open", "covariates": "open"}, "invalid-series", "#/series", "cannot be two of"),
        (TABLE, {"time": "when"}, "unknown-column", "#/time", "'date', 'units'"),
        (TABLE, {"item": "store"}, "unknown-column", "#/item", "'date', 'units'"),
        (f"date,id,n\n2024-01-01,{'9' * 5000},1\n", {"item": "id"}, "invalid-series", "#/series", "5000 characters"),
        (
            LONG_DAY,
            {"target": "n"},
            "invalid-timestamps",
            "#/series/timestamps/1",
            "'hour' has '25', and hours are 0 to 24",
        ),
        (
            WEEKDAYS,
            {"target": "n"},
            "invalid-timestamps",
            "#/series/timestamps/2",
            "each item where there are several$",
        ),
        (TABLE, {"freq": "fortnight"}, "unknown-frequency", "#/series/freq", "common ones are"),
        (TABLE, {"freq": "W"}, "invalid-timestamps", "#/series/freq", "look like 'D'"),
        (TABLE, {"date_format": "%d.%m.%Y"}, "invalid-timestamps", "#/series/timestamps/0", "not of the form"),
        (TABLE, {"date_format": "%Q"}, "invalid-option", "#/series/date_format", "known are"),
        (csv_of({"date": UNTOLD, "n": VALUES[:12]}), {}, "ambiguous-dates", "#/series/timestamps/0", "date_format"),
    ],
)
def test_a_table_that_cannot_be_used(
    client: httpx.Client, table: str, query: dict[str, str], slug: str, pointer: str, contains: str
) -> None:
    problem_of(send(client, table, **query), 422, slug, pointer, contains)


def test_dates_that_can_be_read_two_ways_are_read_by_their_format(client: httpx.Client) -> None:
    table = csv_of({"date": UNTOLD, "n": VALUES[:12]})
    for pattern, freq in (("%d-%m-%Y", "D"), ("%m-%d-%Y", "MS")):
        told = send(client, table, date_format=pattern, dry_run="true").json()
        assert (told["series"]["freq"], told["series"]["start"]) == (freq, "01-01-2021")


@pytest.mark.parametrize(
    ("table", "contains"),
    [
        (b"", "empty"),
        (b"date,n\n2024-01-01,\x81\n", "not in UTF-8"),
        (TABLE.encode("utf-16")[:-1], "not in UTF-8"),
        (b"date,n\n2024-01-01,\0\n", "NUL"),
        (b'date,n\n"2024-01-01,1\n', "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_read(client: httpx.Client, table: bytes, contains: str) -> None:
    problem_of(send(client, table), 400, "malformed-body", contains=contains)
