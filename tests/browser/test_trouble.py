"""What goes wrong: wrong files, wrong keys, a training that is not wanted any more, a server that is away."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.api.application import ENDLESS
from tests.browser.conftest import PATIENCE, Opens, Watched, drop, example, free_port, server_at

pytestmark = pytest.mark.browser

ADMIN, READER = "admin-key-0123456789", "reader-key-0123456789"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("picture.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "is not a text file"),
        ("empty.csv", b"", "has no rows"),
        ("header.csv", b"date,value\n", "has no rows"),
        ("ragged.csv", b"date,value\n2024-01-01,1\n2024-01-02\n", "Row 3 has 1 cells, the first line 2"),
        ("words.csv", b"name,town\nAda,London\nAlan,Wilmslow\n", "No column has only numbers"),
        ("wide.csv", b"store,2024-01,2024-02,2024-03\na,1,2,3\nb,4,5,6\n", "Transpose the table"),
    ],
)
def test_a_wrong_file_is_refused_by_the_page(seen: Watched, name: str, content: bytes, told: str) -> None:
    page = seen.go()
    drop(page, name, content)
    expect(page.get_by_role("alert").filter(has_text=f"{name} cannot be used")).to_contain_text(told)
    drop(page, "good.csv", example("museum_visitors.csv"))
    expect(page.locator(".understood")).to_contain_text("144 values")
    assert page.get_by_role("alert").filter(has_text=name).count() == 0


def test_what_the_server_refuses_is_told_in_its_words(seen: Watched) -> None:
    page = seen.go()
    drop(page, "dates.csv", "date,value\n" + "".join(f"0{day}-02-2021,{day}\n" for day in range(1, 9)))
    notice = page.locator(".understood").get_by_role("alert")
    expect(notice).to_contain_text("The dates are ambiguous")
    expect(notice).to_contain_text("date_format")
    expect(page.locator(".understood")).to_contain_text("Form of the dates")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="The dates are ambiguous")).to_have_count(2)
    assert len(seen.answers) == 2, "the two answers 422"
    page.get_by_label("Form of the dates").fill("%d-%m-%Y")
    expect(page.locator(".understood")).to_contain_text("8 values from 01-02-2021")


def test_names_that_are_markup_endless_or_blank(server: str, opened: Opens) -> None:
    values = [30, 21, 29, 38, 33, 24, 32, 41, 36, 26, 35, 45, 38, 29, 38, 48]
    seen = opened(server, viewport={"width": 360, "height": 900})
    for name in ("<img src=x onerror=alert(1)>", "L" * 200, " "):
        series = {"items": [{"id": name, "columns": {name: values}}], "targets": [name]}
        body = {"name": name, "series": series, "horizon": 1}
        answer = httpx.post(f"{server}/train", params={"wait": 240}, json=body, timeout=300)
        model_id = answer.json()["model_id"]
        page = seen.go("/#/models")
        told = name.strip() or f"Model {model_id[:8]}"
        expect(page.locator(f'a[href="#/models/{model_id}"]')).to_have_text(told)
        page = seen.go(f"/#/models/{model_id}")
        expect(page.get_by_role("heading", level=1)).to_have_text(told)
        expect(page.get_by_text("The forecast 1 step ahead is")).to_be_visible()
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 360, name
        page = seen.go("/#/jobs")
        expect(page.locator(f'.rows a[href="#/models/{model_id}"]')).to_have_text(told)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 360, name


def test_gaps_are_counted_and_a_fault_is_told_once(seen: Watched) -> None:
    page = seen.go()
    days = [f"2024-01-{day:02d},{day % 7}" for day in range(1, 31) if day not in (9, 10, 20)]
    drop(page, "gaps.csv", "date,visitors\n" + "\n".join(days))
    expect(page.locator(".understood")).to_contain_text("3 gaps between times")
    drop(page, "item.csv", "date,shop,sold\n" + "\n".join(f"2024-01-{day:02d},{'x' * 300},1" for day in range(1, 29)))
    expect(page.locator("#setup")).to_have_text("item.csv")
    page.get_by_text("More options", exact=True).click()
    page.get_by_label("Item column").select_option("shop")
    notice = page.locator(".understood").get_by_role("alert")
    expect(notice).to_contain_text("at most 200 are allowed")
    assert (notice.text_content() or "").count("at most 200 are allowed") == 1


def test_a_training_is_cancelled_where_it_was_begun(seen: Watched) -> None:
    page = seen.go()
    values = "\n".join(str(100 + step % 24 + (step * 7919 % 101) / 10) for step in range(40_000))
    drop(page, "long.csv", f"value\n{values}\n")
    expect(page.locator(".understood")).to_contain_text("40,000 values", timeout=PATIENCE)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator("#training")).to_be_focused(timeout=PATIENCE)
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator(".notice").filter(has_text="cancelled")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_have_count(0)
    assert httpx.get(f"{seen.url}/jobs", timeout=30).json()["jobs"][0]["status"] == "cancelled"


def test_a_job_is_watched_and_cancelled_in_the_list(seen: Watched) -> None:
    body = {**ENDLESS, "name": "endless"}
    job = httpx.post(f"{seen.url}/train", params={"wait": 0}, json=body, timeout=60).json()["job_id"]
    page = seen.go("/#/jobs")
    row = page.locator(".rows > li").filter(has=page.get_by_role("button", name=f"Cancel job {job[:8]}"))
    expect(row).to_contain_text(re.compile("epoch [0-9]+ of 10000"), timeout=PATIENCE)
    expect(row.get_by_role("link")).to_have_text("endless")
    seen.picture("jobs")
    row.get_by_role("button").click()
    expect(page.locator(".rows > li").first).to_contain_text("Cancelled", timeout=PATIENCE)
    model = httpx.get(f"{seen.url}/jobs/{job}", timeout=30).json()["model_id"]
    page.goto(f"{seen.url}/#/models/{model}")
    expect(page.get_by_role("alert").filter(has_text="The training was cancelled")).to_be_visible()


def test_losses_are_drawn_while_it_trains(seen: Watched) -> None:
    accepted = httpx.post(f"{seen.url}/train", params={"wait": 0}, json=ENDLESS, timeout=60).json()
    page = seen.go(f"/#/models/{accepted['model_id']}")
    try:
        live = page.get_by_role("group", name="Loss while it trains")
        expect(live).to_be_visible(timeout=PATIENCE)
        before = live.locator("figcaption").inner_text()
        expect(live.locator("figcaption")).not_to_have_text(before)
        expect(page.get_by_role("progressbar")).to_be_visible()
        seen.picture("training")
    finally:
        httpx.delete(f"{seen.url}/jobs/{accepted['job_id']}", timeout=30)
    expect(page.locator(".stage")).to_have_text("Cancelled", timeout=PATIENCE)


def test_a_key_is_asked_for_and_goes_no_further(opened: Opens, tmp_path: Path) -> None:
    port = free_port()
    with server_at(port, tmp_path, {"FORECAST_API_KEYS": f"acme:{ADMIN},acme:read:{READER}"}):
        seen = opened(f"http://127.0.0.1:{port}")
        page = seen.page
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{seen.url}/#/models")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        expect(page.get_by_label("Key", exact=True)).to_be_focused()
        seen.picture("key", full=False)
        page.get_by_label("Key", exact=True).fill("wrong-key-0123456789")
        page.get_by_role("button", name="Use it").click()
        expect(dialog.get_by_role("alert")).to_contain_text("this server does not know the key")
        page.get_by_label("Key", exact=True).fill(READER)
        page.keyboard.press("Enter")
        expect(page.get_by_text("No model yet.")).to_be_visible()
        page.reload()
        expect(page.get_by_text("No model yet.")).to_be_visible()
        check_role(seen)
        assert not any(key in url for key in (ADMIN, READER) for url in asked)
        assert READER not in str(page.evaluate("Object.values(localStorage)")) + page.content()
        page.get_by_role("button", name="API key: one is given").click()
        page.get_by_role("button", name="Forget it").click()
        page.get_by_role("link", name="Jobs").click()
        expect(dialog).to_be_visible()
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("alert").filter(has_text="A valid API key is needed")).to_be_visible()


def check_role(seen: Watched) -> None:
    page = seen.page
    page.get_by_role("link", name="Train", exact=True).click()
    page.get_by_role("button", name="Museum visitors, monthly").click()
    notice = page.locator(".understood").get_by_role("alert")
    expect(notice).to_contain_text("use a key with the role train")


def test_a_server_that_is_away_is_waited_for(opened: Opens, tmp_path: Path) -> None:
    port = free_port()
    seen = opened(f"http://127.0.0.1:{port}")
    with server_at(port, tmp_path):
        page = seen.go()
        page.get_by_role("button", name="Electric load, hourly").click()
        expect(page.locator(".understood")).to_contain_text("1,176 values")
        page.get_by_role("button", name="Train", exact=True).click()
        expect(page.locator(".stage")).to_be_visible()
    expect(page.locator("#banner")).to_contain_text("The server does not answer")
    seen.picture("away", full=False)
    with server_at(port, tmp_path):
        expect(page.locator("#banner")).to_have_text("The server is back.", timeout=PATIENCE)
        expect(page.locator("#result")).to_be_focused(timeout=PATIENCE)
        expect(page.locator("#banner")).to_be_hidden()
        page.get_by_role("link", name="Models").click()
        expect(page.locator(".tile")).to_have_count(1)
