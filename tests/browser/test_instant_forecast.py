"""The forecast that is shown of a dropped file before anything is trained on it."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Request, Route, expect

from tests.browser.conftest import PATIENCE, Watched, drop, example

pytestmark = pytest.mark.browser

WORDS = "Instant forecast by the pre-trained forecaster: nothing was trained."


def test_a_forecast_is_shown_before_and_replaced_by_a_training(seen: Watched) -> None:
    page = seen.go()
    drop(page, "visitors.csv", example("museum_visitors.csv"))
    shown = page.get_by_role("group", name="Instant forecast of visitors")
    expect(shown.locator("figcaption")).to_contain_text("The forecast for 2025-12 is")
    expect(page.get_by_text(WORDS)).to_be_visible()
    seen.picture("instant_forecast")
    train = page.get_by_role("button", name="Train", exact=True).bounding_box()
    forecast = shown.bounding_box()
    assert train
    assert forecast
    assert train["y"] < forecast["y"]
    page.get_by_label("Steps ahead").fill("5")
    expect(shown.locator("figcaption")).to_contain_text("The forecast for 2025-05 is")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator("#result")).to_be_focused(timeout=PATIENCE)
    expect(page.get_by_role("group", name="Forecast of visitors")).to_have_count(1)
    expect(page.get_by_text(WORDS)).to_have_count(0)


def test_it_follows_the_chosen_columns_and_series(seen: Watched) -> None:
    page = seen.go()
    page.get_by_role("button", name="Three shops, daily").click()
    shown = page.get_by_role("group", name="Instant forecast of")
    expect(page.get_by_role("group", name="Instant forecast of units of")).to_be_visible()
    page.get_by_label("Show").select_option("station")
    expect(page.get_by_role("group", name="Instant forecast of units of station")).to_be_visible()
    expect(shown).to_have_count(1)


def test_without_an_answer_nothing_is_shown(seen: Watched) -> None:
    page = seen.go()
    asked: list[Request] = []

    def refuse(route: Route) -> None:
        asked.append(route.request)
        route.fulfill(status=422, content_type="application/problem+json", body=json.dumps({"title": "No"}))

    page.route("**/forecast", refuse)
    with page.expect_response("**/forecast"):
        drop(page, "visitors.csv", example("museum_visitors.csv"))
    expect(page.locator(".understood")).to_contain_text("144 values")
    assert json.loads(asked[0].post_data or "")["level"] == [80, 95]
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_text(WORDS)).to_have_count(0)


def test_a_long_series_is_not_sent(seen: Watched) -> None:
    page = seen.go()
    asked: list[Request] = []
    page.on("request", lambda one: asked.append(one) if one.url.endswith("/forecast") else None)
    drop(page, "long.csv", "value\n" + "1\n2\n" * 50_001)
    expect(page.locator(".understood")).to_contain_text("100,002 values", timeout=PATIENCE)
    expect(page.get_by_text(WORDS)).to_have_count(0)
    assert asked == []


def test_it_goes_when_the_series_is_refused(seen: Watched) -> None:
    page = seen.go()
    days = [f"{day:02d}-02-2021,{day % 7}\n" for day in range(1, 29)]
    drop(page, "days.csv", "date,value\n" + "".join(days))
    expect(page.get_by_text(WORDS)).to_be_visible()
    page.get_by_text("More options", exact=True).click()
    page.get_by_label("Form of the dates").fill("%Y-%m-%d")
    expect(page.locator(".understood").get_by_role("alert")).to_be_visible()
    expect(page.get_by_text(WORDS)).to_have_count(0)
    page.get_by_label("Form of the dates").fill("%d-%m-%Y")
    expect(page.get_by_text(WORDS)).to_be_visible()
