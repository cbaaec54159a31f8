"""POST /train with an Excel workbook."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import httpx
import pytest

from service.tables.excel import XLSX_TYPE
from tests.api.contract import problem_of
from tests.api.series import VALUES, csv_of
from tests.factories import QUICK, workbook

pytest.importorskip("openpyxl")

HEADERS = {"Content-Type": XLSX_TYPE}
DAYS = [date(2024, 1, 1) + timedelta(days=day) for day in range(len(VALUES))]


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
    # Sums depend on where in memory the numbers lie, in the last bits.
    one, other = ({**forecast[0], **forecast[0].pop("intervals")} for forecast in forecasts)
    assert one["timestamps"] == other["timestamps"]
    assert one["mean"] == pytest.approx(other["mean"], rel=1e-12)
    for level in ("80", "95"):
        for side in ("lower", "upper"):
            assert one[level][side] == pytest.approx(other[level][side], rel=1e-12)


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
    sold = [None, "#DIV/0!", *range(22)]
    rows += sheet({"Date": [DAYS[0]] * 24, "Time": [time(hour) for hour in range(24)], "sold": sold})
    answer = dry_run(client, workbook(rows)).json()
    assert (answer["series"]["freq"], answer["series"]["missing"], answer["series"]["rows"]) == ("h", 2, 24)


def test_the_first_visible_sheet_is_read(client: httpx.Client) -> None:
    def hide(book: Any) -> None:
        shown = book.create_sheet("shown")
        for row in sheet({"sold": VALUES}):
            shown.append(list(row))
        book.worksheets[0].sheet_state = "hidden"

    assert dry_run(client, workbook([["nothing"]], hide)).json()["series"]["rows"] == len(VALUES)


def replaced(file: bytes, old: bytes, new: bytes) -> bytes:
    """Return a workbook with other XML in its first sheet."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(file)) as source, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in source.infolist():
            content = source.read(one)
            assert not one.filename.endswith("sheet1.xml") or old in content
            archive.writestr(one, content.replace(old, new) if one.filename.endswith("sheet1.xml") else content)
    return made.getvalue()


def without_sheet(file: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(file)) as source, zipfile.ZipFile(made, "w") as archive:
        for one in source.infolist():
            if not one.filename.endswith("sheet1.xml"):
                archive.writestr(one, source.read(one))
    return made.getvalue()


def chart_alone(book: Any) -> None:
    book.create_chartsheet("chart")
    book.remove(book.worksheets[0])


def read_sheet(file: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        return archive.read("xl/worksheets/sheet1.xml")


def test_saved_values_of_formulas_are_read(client: httpx.Client) -> None:
    file = workbook([["sold", "note"], *(["=2+3", '=""'] for _ in range(40))])
    saved = replaced(file, b"<f>2+3</f><v />", b"<f>2+3</f><v>5</v>")
    # Excel saves an empty text in this form.
    saved = replaced(saved, b'><f>""</f><v />', b' t="str"><f>""</f><v></v>')
    series = dry_run(client, saved).json()["series"]
    assert (series["rows"], series["missing"]) == (40, 0)


def test_formats_beyond_the_values_do_not_count(client: httpx.Client) -> None:
    def format_all(book: Any) -> None:
        for row in book.active.iter_rows(min_row=1, max_row=60, min_col=2, max_col=300):
            for cell in row:
                cell.number_format = "0.00"

    file = workbook(sheet({"date": DAYS, "sold": VALUES}), format_all)
    wide = re.compile(rb'<dimension ref="[^"]*"').search(read_sheet(file))
    assert wide is not None
    answer = dry_run(client, replaced(file, wide[0], b'<dimension ref="A1:XFD1048576"')).json()
    assert answer["series"]["rows"] == len(VALUES)
    assert answer["warnings"] == []


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
        (lambda: without_sheet(workbook([["sold"], [1.0]])), 400, "malformed-body", "no visible sheet"),
        (lambda: workbook([["sold"]], chart_alone), 400, "malformed-body", "has no cells"),
        (
            lambda: replaced(workbook([["sold"], [1.0]]), b't="n"><v>1</v>', b't="s"><v>99</v>'),
            400,
            "malformed-body",
            "is damaged or has no cells",
        ),
        (
            lambda: replaced(workbook([["sold"], [1.0]]), b'<row r="2"', b'<row r="99999999999"'),
            422,
            "invalid-series",
            "more than 1048576 rows",
        ),
        (lambda: workbook([]), 422, "invalid-series", "no content"),
        (
            lambda: workbook([["sold"], *([f"x{row}"] for row in range(30))]),
            422,
            "invalid-series",
            "line 2, column 'sold': 'x0' is not a number",
        ),
        (bomb, 422, "invalid-series", "unpacks"),
        (
            lambda: workbook([["day", "sold"], ["", 1.5], *(["", "1,5"] for _ in range(30))]),
            422,
            "invalid-series",
            "and not as text",
        ),
        (
            lambda: workbook([["sold", "half"], *([n, f"=A{n}/2"] for n in range(2, 30))]),
            422,
            "invalid-series",
            "B2 is",
        ),
        (lambda: workbook([["store", *DAYS], ["a", *VALUES]]), 422, "invalid-series", "one row for each time"),
        (lambda: workbook([[f"c{n}" for n in range(16_000)], [1.0] * 16_000]), 422, "invalid-series", "16000 columns"),
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


def test_a_workbook_as_csv_trains_the_same_model(client: httpx.Client) -> None:
    rows = sheet({"date": DAYS, "in EUR; net": [1.005 + value for value in VALUES], "note": ["a;b", "c\td"] * 30})
    file = workbook(rows[: len(VALUES) + 1])
    answer = client.post("/csv", content=file, headers=HEADERS)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    read = client.post("/train?dry_run=true", content=answer.content, headers={"Content-Type": "text/csv"}).json()
    assert read == dry_run(client, file).json()


@pytest.mark.parametrize(
    ("body", "kind", "status", "slug"),
    [
        (b"date,y\n", "text/csv", 415, "unsupported-content-type"),
        (b"PK\x03\x04" + bytes(100), XLSX_TYPE, 400, "malformed-body"),
        (b"", XLSX_TYPE, 400, "malformed-body"),
        (bytes(40 * 2**20), XLSX_TYPE, 413, "body-too-large"),
    ],
)
def test_bodies_that_are_no_workbook(client: httpx.Client, body: bytes, kind: str, status: int, slug: str) -> None:
    problem_of(client.post("/csv", content=body, headers={"Content-Type": kind}), status, slug)


def test_a_workbook_without_openpyxl_names_the_extra(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.api.input.excel_body.has_reader", lambda: False)
    answer = client.post("/csv", content=b"PK", headers=HEADERS)
    problem_of(answer, 415, "unsupported-content-type", contains=r"save the sheet as CSV")
