"""From a dropped CSV to a forecast, and all that can be done with the model, by mouse and by keyboard."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from service.tables.column_roles import PERIOD_NAMES, TIME_NAMES, UNSURE_NAMES, look_like_times, role_of_name
from tests.browser.conftest import PATIENCE, Watched, drop, example
from tests.factories import workbook
from tests.tables.csv_cases import CASES

pytestmark = pytest.mark.browser


def record_of(seen: Watched, page: Page) -> dict[str, Any]:
    link = page.get_by_role("link", name="Everything about this model").get_attribute("href")
    assert link is not None
    record: dict[str, Any] = httpx.get(seen.url + link.removeprefix("#"), timeout=30).json()
    return record


def drawn(page: Page, title: str) -> bool:
    """Tell whether a chart has more than one colour."""
    found: bool = (
        page.get_by_role("group", name=title)
        .locator("canvas")
        .evaluate(
            "(canvas) => new Set(new Uint32Array(canvas.getContext('2d')"
            ".getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size > 5"
        )
    )
    return found


def train(page: Page) -> None:
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator("#result")).to_be_focused(timeout=PATIENCE)


def test_from_a_dropped_file_to_a_forecast(seen: Watched, tmp_path: Path) -> None:
    page = seen.go()
    csv = example("museum_visitors.csv")
    drop(page, "visitors.csv", csv)
    expect(page.locator(".understood")).to_contain_text(
        "144 values from 2013-01 to 2024-12 · one each month · 12 steps ahead (one season) · a season of 12 steps"
    )
    assert drawn(page, "The series visitors")
    train(page)
    model = record_of(seen, page)
    skill = round(model["skill"] * 100)
    expect(page.locator("#result")).to_have_text(f"{skill} % better than repeating last year")
    assert drawn(page, "Forecast of visitors")
    assert drawn(page, "Forecast and actual values")
    asked = {"model_id": model["model_id"]}
    last = httpx.post(f"{seen.url}/forecast", json=asked, timeout=30).json()["forecasts"][0]["mean"][-1]
    caption = page.get_by_role("group", name="Forecast of visitors").locator("figcaption")
    expect(caption).to_contain_text(f"The forecast for 2025-12 is {float(f'{last:.4g}'):,.0f}")
    assert page.evaluate("document.querySelectorAll('progress').item(0).value") == 1
    seen.picture("trained")


def test_what_one_model_shows_and_lets_do(seen: Watched, tmp_path: Path) -> None:
    page = seen.go()
    csv = example("museum_visitors.csv")
    drop(page, "kept.csv", csv)
    page.get_by_label("Steps ahead").fill("6")
    expect(page.locator(".understood")).to_contain_text("6 steps ahead")
    train(page)
    model = record_of(seen, page)
    assert model["configuration"]["horizon"] == 6
    page.get_by_role("link", name="Everything about this model").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("kept")
    expect(page).to_have_title("kept · Forecast service")
    for title in ("Better by step ahead", "Loss by epoch", "Forecast of visitors"):
        assert drawn(page, title), title
    heaviest = max(model["candidates"], key=lambda one: one["weight"])
    share = f"{heaviest['weight'] * 100:.0f} %"
    expect(page.get_by_role("region", name="Candidates").locator("tbody tr").first).to_contain_text(share)
    page.get_by_label("Steps ahead").fill("30")
    page.get_by_role("button", name="Forecast", exact=True).click()
    expect(page.locator("figcaption").first).to_contain_text("The forecast for 2027-06 is")
    check_snippets(page, csv, model, tmp_path)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == f"{model['model_id']}.safetensors"
    file = httpx.get(f"{seen.url}/models/{model['model_id']}/file", timeout=30).content
    assert Path(download.value.path()).read_bytes() == file
    check_deleting(seen, page, model)


def check_snippets(page: Page, csv: str, model: dict[str, Any], place: Path) -> None:
    """The lines do what they say: both train the same model again, and forecast."""
    (place / "series.csv").write_text(csv)
    lines = page.get_by_role("region", name="Python lines").inner_text()
    ran = subprocess.run([sys.executable, "-c", lines], cwd=place, capture_output=True, text=True, check=True)
    mean = [float(one) for one in ran.stdout.strip("[]\n").split(", ")]
    assert len(mean) == 6
    if shutil.which("curl"):
        lines = page.get_by_role("region", name="curl lines").inner_text()
        ran = subprocess.run(["bash", "-ec", lines], cwd=place, capture_output=True, text=True, check=True)
        assert f'"skill":{model["skill"]}' in ran.stdout
        assert f'"mean":[{mean[0]}' in ran.stdout
    elif os.environ.get("CI"):
        pytest.fail("curl is not installed")


def check_deleting(seen: Watched, page: Page, model: dict[str, Any]) -> None:
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Models")
    assert httpx.get(f"{seen.url}/models/{model['model_id']}", timeout=30).status_code == 404
    expect(page.locator(f"a[href='#/models/{model['model_id']}']")).to_have_count(0)


def test_many_series_share_a_model(seen: Watched) -> None:
    page = seen.go()
    page.get_by_role("button", name="Three shops, daily").click()
    expect(page.locator(".understood")).to_contain_text("3 series, 720 values")
    page.get_by_label("Show").select_option("station")
    expect(page.get_by_role("group", name="The series").locator("figcaption")).to_contain_text("240 values")
    train(page)
    expect(page.get_by_label("Series", exact=True).locator("option:checked")).to_have_text("station · units")
    assert drawn(page, "Forecast of units of station")
    page.get_by_label("Series", exact=True).select_option(label="market · units")
    assert drawn(page, "Forecast of units of market")


def test_columns_that_help(seen: Watched) -> None:
    page = seen.go()
    days = [
        f"{date(2024, 1, 1) + timedelta(days=step)},{10 + step % 7},{20 - step % 7},{step * step % 11},"
        f"{('none', 'flyer', 'radio')[step * step % 3]},{step % 5 == 0},note {step}\n"
        for step in range(80)
    ]
    drop(page, "units.csv", "day,units,price,visits,kind,promo,note\n" + "".join(days))
    page.get_by_text("More options", exact=True).click()
    helping = page.get_by_role("group", name="Columns that help")
    expect(helping.get_by_label("units")).to_be_hidden()
    helping.get_by_label("price").check()
    helping.get_by_label("visits").check()
    helping.get_by_label("kind").check()
    helping.get_by_label("promo").check()
    expect(helping.get_by_label("note")).to_have_count(0)
    # What is forecast itself is no help, chosen or not.
    page.get_by_label("Forecast this column").select_option("visits")
    expect(helping.get_by_label("visits")).to_be_hidden()
    expect(page.locator(".understood")).to_contain_text(
        "columns not used: units, note; choose what helps under “Columns that help” in “More options”"
    )
    seen.picture("columns_that_help")
    train(page)
    assert record_of(seen, page)["covariates"] == ["price", "kind", "promo"]
    page.get_by_role("link", name="Everything about this model").click()
    assert drawn(page, "Forecast of visits")
    page.get_by_role("link", name="Train", exact=True).click()
    page.get_by_text("More options", exact=True).click()
    expect(helping.get_by_label("price")).to_be_checked()
    expect(helping.get_by_label("units")).not_to_be_checked()


def test_a_workbook_is_read_by_the_server(seen: Watched) -> None:
    page = seen.go()
    dated = [date(2024, 1, 1) + timedelta(days=step) for step in range(60)]
    rows: list[list[Any]] = [["day", "sold; in EUR", "note"]]
    rows += [[day, 1.005 + step % 7, f"{step % 3};x"] for step, day in enumerate(dated)]
    drop(page, "sales.xlsx", workbook(rows))
    expect(page.locator(".understood")).to_contain_text("60 values from 2024-01-01 to 2024-02-29 · one each day")
    expect(page.get_by_label("Forecast this column").locator("option")).to_have_text(["sold; in EUR"])
    expect(page.get_by_label("Name of the model")).to_have_value("sales")
    table = page.get_by_role("group", name="The series sold; in EUR")
    table.get_by_text("as a table").click()
    expect(table.locator("tbody tr").first).to_contain_text("1.005")
    train(page)
    assert drawn(page, "Forecast of sold; in EUR")
    drop(page, "formulas.xlsx", workbook([*rows[:30], [dated[30], "=B2+1"]]))
    expect(page.get_by_role("alert")).to_contain_text("cell B31 is a formula without a saved value")
    assert len(seen.answers) == 1


def test_irregular_readings_are_combined(seen: Watched) -> None:
    page = seen.go()
    start = datetime(2024, 1, 1, 10)
    times = [start + timedelta(seconds=61 * step + 7 * (step * step % 5)) for step in range(300)]
    drop(page, "readings.csv", "time,heat\n" + "".join(f"{time},{10 + row % 6}\n" for row, time in enumerate(times)))
    understood = page.locator(".understood")
    expect(understood).to_contain_text("It is “Combine rows” in “More options”")
    page.get_by_label("Combine rows").fill("5min")
    page.get_by_label("Combined to their").select_option("max")
    expect(understood).to_contain_text("values from 2024-01-01 10:00:00")
    train(page)
    assert record_of(seen, page)["series"]["resample"] == {"freq": "5min", "how": "max"}
    page.get_by_role("link", name="Models").click()
    page.get_by_role("link", name="Train", exact=True).click()
    expect(page.get_by_label("Combine rows")).to_have_value("5min")
    expect(page.get_by_label("Combined to their")).to_have_value("max")


def test_rows_of_several_items_are_told_by_the_control(seen: Watched) -> None:
    page = seen.go()
    rows = [f"2024-01-{day:02},{number},{10 + day % 7}\n" for number in (7, 8) for day in range(1, 31)]
    drop(page, "shops.csv", "date,number,sold\n" + "".join(rows))
    page.get_by_label("Forecast this column").select_option("sold")
    expect(page.get_by_role("alert")).to_contain_text("choose number under “Item column” in “More options”")
    page.get_by_text("More options", exact=True).click()
    page.get_by_label("Item column").select_option("number")
    expect(page.locator(".understood")).to_contain_text("2 series, 60 values")


def test_by_keyboard_alone(seen: Watched) -> None:
    page = seen.go()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    reach(page, "Museum visitors, monthly")
    page.keyboard.press("Enter")
    expect(page.locator("#setup")).to_be_focused()
    expect(page.locator(".understood")).to_contain_text("144 values")
    reach(page, "Train")
    page.keyboard.press("Space")
    expect(page.locator("#result")).to_be_focused(timeout=PATIENCE)
    reach(page, "Everything about this model")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page.get_by_role("heading", level=1)).to_have_text("museum_visitors")


def reach(page: Page, name: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == name:
            return
    pytest.fail(f"{name} cannot be reached by Tab")


def test_numbers_can_be_pasted(seen: Watched) -> None:
    page = seen.go()
    page.get_by_text("Or paste it").click()
    page.get_by_label("A CSV, or just numbers").fill("[" + ", ".join(str(10 + step % 4) for step in range(40)) + "]")
    page.get_by_role("button", name="Use these values").click()
    expect(page.locator(".understood")).to_contain_text("40 values")
    expect(page.locator(".understood")).to_contain_text("a season of 4 steps")


def paste(page: Page, text: str) -> None:
    page.get_by_text("Or paste it").click()
    page.get_by_label("A CSV, or just numbers").fill(text)
    page.get_by_role("button", name="Use these values").click()


def test_pasted_months_are_the_times_and_not_the_target(seen: Watched) -> None:
    page = seen.go()
    rows = [
        f"{month:02}.{year}\t{1010.5 + 7 * month + year % 7:.1f}"
        for year in range(2018, 2022)
        for month in range(1, 13)
    ]
    paste(page, "\n".join(["Monat\tUmsatz", *rows]).replace(".5", ",5"))
    expect(page.locator(".understood")).to_contain_text("48 values from 01.2018 to 12.2021 · one each month")
    expect(page.get_by_label("Forecast this column").locator("option")).to_have_text(["Umsatz"])
    expect(page.locator(".understood")).not_to_contain_text("not used")
    assert drawn(page, "The series Umsatz")
    train(page)
    assert record_of(seen, page)["targets"] == ["Umsatz"]
    caption = page.get_by_role("group", name="Forecast of Umsatz").locator("figcaption")
    expect(caption).to_contain_text(re.compile(r"The forecast for [01][0-9]\.2022 is 1,"))


def test_numbers_that_can_be_read_two_ways_are_asked_for(seen: Watched) -> None:
    page = seen.go()
    rows = [f"2024-01-{day:02};{2 + day % 3}.{day % 7}10" for day in range(1, 29)]
    drop(page, "wert.csv", "\n".join(["Datum;Wert", *rows]))
    notice = page.locator(".understood")
    expect(notice).to_contain_text("The numbers are ambiguous")
    expect(notice).to_contain_text("Decimal mark")
    seen.picture("decimal_mark")
    page.get_by_label("Decimal mark").select_option("comma: 1234,5")
    expect(page.get_by_label("Decimal mark")).to_be_focused()
    expect(notice).to_contain_text("28 values from 2024-01-01")
    table = page.get_by_role("group", name="The series Wert")
    table.get_by_text("as a table").click()
    expect(table.locator("tbody tr").first).to_contain_text("3,110")
    train(page)
    caption = page.get_by_role("group", name="Forecast of Wert").locator("figcaption")
    expect(caption).to_contain_text(re.compile(r"is [1-9],\d{3}"))
    page.get_by_role("link", name="Jobs").click()
    page.get_by_role("link", name="Train", exact=True).click()
    expect(page.get_by_label("Decimal mark")).to_have_value("comma")


def test_a_decimal_mark_that_fits_no_number_is_told(seen: Watched) -> None:
    page = seen.go()
    drop(page, "plain.csv", "date,value\n" + "".join(f"2024-01-{day:02},{day / 8}\n" for day in range(1, 29)))
    expect(page.locator(".understood")).to_contain_text("28 values")
    page.get_by_text("More options", exact=True).click()
    page.get_by_label("Decimal mark").select_option("comma: 1234,5")
    expect(page.locator(".understood").get_by_role("alert")).to_contain_text(
        re.compile("No column has only numbers|separates")
    )
    assert len(seen.answers) <= 1


def test_the_page_reads_files_as_the_server_does(seen: Watched) -> None:
    page = seen.go()
    read = page.evaluate(
        """async (texts) => {
            const { readCsv } = await import("/web/csv.js");
            const wert = (text) => readCsv(text).columns.find((column) => column.name === "Wert");
            const known = (one) => isNaN(one) ? null : one;
            return texts.map(wert).map(({ asked, numbers }) => asked ? null : Array.from(numbers, known));
        }""",
        [text for text, _ in CASES.values()],
    )
    assert dict(zip(CASES, read, strict=True)) == {name: numbers for name, (_, numbers) in CASES.items()}
    names = [*TIME_NAMES, *PERIOD_NAMES, *UNSURE_NAMES, "Année", "MÊS", "Date_Time", "Umsatz", "y", "daytime"]
    roles = "async (names) => names.map((await import('/web/column_roles.js')).roleOfName)"
    assert page.evaluate(roles, names) == [role_of_name(name) for name in names]
    cells = ["01.2020", "1.2020", "MÄRZ 2020", "2020Q1", "2024", "20240131", "15. Januar 2020", "1.5", "31.01.24", "x"]
    look = "const { lookLikeTimes } = await import('/web/column_roles.js');"
    times = f"async (cells) => {{ {look} return cells.map((one) => lookLikeTimes([one])); }}"
    assert page.evaluate(times, cells) == [look_like_times([cell]) for cell in cells]


def test_what_was_begun_is_there_on_coming_back(seen: Watched) -> None:
    page = seen.go()
    page.get_by_role("button", name="Museum visitors, monthly").click()
    page.get_by_label("Steps ahead").fill("5")
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_role("link", name="Jobs").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")
    page.get_by_role("link", name="Train", exact=True).click()
    expect(page.locator("#result")).to_be_focused(timeout=PATIENCE)
    expect(page.locator("input[type=number]").first).to_have_value("5")


def test_names_are_text_whatever_they_hold(seen: Watched) -> None:
    page = seen.go()
    name = '<img src=x onerror="document.title=1">'
    quoted = name.replace('"', '""')
    rows = "".join(f'2024-01-{day:02d},"{quoted}",{day % 7}\n' for day in range(1, 29))
    drop(page, f"{name}.csv", f"<b>when</b>,<i>who</i>,<u>{'x' * 40}</u>\n{rows}")
    expect(page.locator("#setup")).to_have_text(f"{name}.csv")
    page.get_by_text("More options", exact=True).click()
    assert page.locator("main img, main b, main i:not(.swatch), main u").count() == 0


def test_the_pages_load_with_nothing_but_the_server(seen: Watched) -> None:
    page = seen.page
    loaded: list[tuple[str, int]] = []
    page.on("response", lambda response: loaded.append((response.url, response.status)))
    seen.go()
    assert all(status == 200 for _, status in loaded)
    sizes = [len(httpx.get(url, timeout=30).content) for url, _ in loaded]
    assert sum(sizes) < 500_000
    page.goto(f"{seen.url}/docs")
    expect(page.get_by_text(re.compile("Train a model on a series")).first).to_be_visible()
