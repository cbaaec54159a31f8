"""Values that were observed since the training, in the chart of a model's page."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watched
from tests.factories import QUICK, seasonal

pytestmark = pytest.mark.browser

MONTHS = [f"{2020 + month // 12}-{month % 12 + 1:02}" for month in range(60)]
SALES = seasonal(60).round(1).tolist()


def test_the_forecast_follows_what_was_observed(seen: Watched) -> None:
    with httpx.Client(base_url=seen.url, timeout=120) as client:
        series = {"values": SALES[:54], "timestamps": MONTHS[:54]}
        model = client.post("/train?wait=120", json={**QUICK, "series": series}).json()
        place = f"/models/{model['model_id']}/observations"
        later = {"values": SALES[54:57], "timestamps": MONTHS[54:57]}
        assert client.post(place, json={"series": later}).status_code == 200
    page = seen.go(f"/#/models/{model['model_id']}")
    forecast = page.locator("section", has=page.get_by_role("heading", name="Forecast", exact=True))
    forecast.get_by_text("Numbers as a table").click()
    table = forecast.locator("table").inner_text()
    for month, value in zip(MONTHS[54:57], SALES[54:57], strict=True):
        assert f"{month}\t{value:g}" in table, table
    assert MONTHS[57] in table
    expect(page.locator("h1")).to_be_visible()


def test_forecasts_of_observed_values_are_judged_and_the_model_is_retrained(seen: Watched) -> None:
    with httpx.Client(base_url=seen.url, timeout=120) as client:
        model = client.post("/train?wait=120", json={**QUICK, "series": SALES[:30]}).json()
        place = f"/models/{model['model_id']}/observations"
        assert client.post(place, json={"series": SALES[30:], "start_index": 30}).status_code == 200
    page = seen.go(f"/#/models/{model['model_id']}")
    card = page.locator("section", has=page.get_by_role("heading", name="Forecasts of observed values"))
    expect(card.get_by_text("Newest 25", exact=True)).to_be_visible()
    expect(card.locator("canvas").first).to_be_visible()
    card.get_by_role("button", name="Retrain on what was observed").click()
    page.wait_for_url(lambda url: model["model_id"] not in url)
    expect(page.get_by_text("Retrained from", exact=False)).to_be_visible(timeout=120_000)
    page.get_by_role("link", name=f"model {model['model_id'][:8]}").first.click()
    page.wait_for_url(lambda url: model["model_id"] in url)
