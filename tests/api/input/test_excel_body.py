"""POST /train with an Excel workbook."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import httpx
import pytest

from service.tables.excel import XLSX_TYPE
from tests.api.contract import problem_of
from tests.api.series import VALUES, csv_of
from tests.factories import QUICK

openpyxl = pytest.importorskip("openpyxl")

HEADERS = {"Content-Type": XLSX_TYPE}
DAYS = [date(2024, 1, 1) + timedelta(days=day) for day in range(len(VALUES))]


def workbook(rows: Sequence[Sequence[Any]], prepare: Callable[[Any], None] | None = None) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    if prepare:
        prepare(book)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def sheet(columns: dict[str, Sequence[Any]]) -> list[Sequence[Any]]:
    return [list(columns), *zip(*columns.values(), strict=True)]


def dry_run(client: httpx.Client, file: bytes, **query: str) -> httpx.Response:
    return client.post("/train", params={"dry_run": "true", **query}, content=file, headers=HEADERS)


def test_a_workbook_is_the_model_of_its_csv(client: httpx.Client) -> None:
    query = {"wait": "120", "horizon": "3", "training.epochs": "4", "network.hidden_size": "6"}
    sent: dict[str, Sequence[Any]] = {"date": DAYS, "sold": VALUES}
    bodies = [(workbook(sheet(sent)), HEADERS), (csv_of(sent).encode(), {"Content-Type": "text/csv"})]
    models = [client.post("/train", params=query, content=body, headers=headers).json() for body, headers in bodies]
    forecasts = [client.post("/forecast", json={"model_id": one["model_id"]}).json()["forecasts"] for one in models]
    assert models[0]["series"] == models[1]["series"]
    assert forecasts[0] == forecasts[1]


@pytest.mark.parametrize(
    ("times", "start"),
    [
        ([datetime(2024, 1, 1) + timedelta(hours=hour) for hour in range(60)], "2024-01-01 00:00:00"),
        ([datetime(2024, 1, 1) + timedelta(days=day) for day in range(60)], "2024-01-01"),
        ([f"2024-W{week:02}" for week in range(1, 41)], "2024-W01"),
        ([1960 + year for year in range(40)], "1960"),
    ],
)
def test_times_of_cells(client: httpx.Client, times: list[Any], start: str) -> None:
    rows = sheet({"year": times, "sold": [float(row % 7) for row in range(len(times))]})
    answer = dry_run(client, workbook(rows)).json()
    assert (answer["series"]["start"], answer["series"]["gaps"]) == (start, 0)


def test_titles_empty_cells_and_two_columns_of_times(client: httpx.Client) -> None:
    rows: list[Sequence[Any]] = [["Sales 2024"], []]
    rows += sheet({"Date": [DAYS[0]] * 24, "Time": [time(hour) for hour in range(24)], "sold": [None, *range(23)]})
    answer = dry_run(client, workbook(rows)).json()
    assert (answer["series"]["freq"], answer["series"]["missing"], answer["series"]["rows"]) == ("h", 1, 24)


def test_the_first_visible_sheet_is_read(client: httpx.Client) -> None:
    def hide(book: Any) -> None:
        shown = book.create_sheet("shown")
        for row in sheet({"sold": VALUES}):
            shown.append(list(row))
        book.worksheets[0].sheet_state = "hidden"

    assert dry_run(client, workbook([["nothing"]], hide)).json()["series"]["rows"] == len(VALUES)


def bomb() -> bytes:
    """Return a workbook whose sheet unpacks to 3 GiB of blanks."""
    file = io.BytesIO()
    source = zipfile.ZipFile(io.BytesIO(workbook(sheet({"sold": VALUES}))))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for one in source.infolist():
            if one.filename != "xl/worksheets/sheet1.xml":
                archive.writestr(one, source.read(one))
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet_file:
            for _ in range(3 * 2**10):
                sheet_file.write(b" " * 2**20)
    return file.getvalue()


@pytest.mark.parametrize(
    ("make", "status", "slug", "contains"),
    [
        (lambda: b"date,y\n2024-01-01,1\n", 400, "malformed-body", "Excel"),
        (lambda: b"PK\x03\x04" + bytes(100), 400, "malformed-body", "Excel"),
        (lambda: workbook(sheet({"sold": VALUES}))[:-200], 400, "malformed-body", "Excel"),
        (lambda: workbook([]), 422, "invalid-series", "no content"),
        (
            lambda: workbook([["sold"], *([f"x{row}"] for row in range(30))]),
            422,
            "invalid-series",
            "no column contains numbers",
        ),
        (bomb, 422, "invalid-series", "unpacks"),
    ],
)
def test_files_that_cannot_be_read(
    client: httpx.Client, make: Callable[[], bytes], status: int, slug: str, contains: str
) -> None:
    problem_of(dry_run(client, make()), status, slug, contains=contains)


def test_options_of_csv_files_have_no_effect(client: httpx.Client) -> None:
    answer = dry_run(client, workbook(sheet({"sold": VALUES})), decimal="comma")
    problem_of(answer, 422, "invalid-option", "#/decimal")


def test_a_training_from_a_workbook_without_openpyxl_names_the_extra(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.input.excel_body.has_reader", lambda: False)
    answer = client.post("/train", params={**dict.fromkeys(QUICK, "1")}, content=b"PK", headers=HEADERS)
    problem_of(answer, 415, "unsupported-content-type", contains=r"extra \[excel\]")
