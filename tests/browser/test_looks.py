"""How it looks, at three widths and in both themes, and what axe-core says of it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE, Opens, example

pytestmark = pytest.mark.browser

WIDTHS = {"phone": 360, "tablet": 800, "desk": 1440}
THEMES = ("light", "dark")


@pytest.fixture(scope="module")
def model_id(server: str) -> str:
    """A model to look at."""
    answer = httpx.post(
        f"{server}/train",
        params={"wait": 240, "name": "museum_visitors"},
        content=example("museum_visitors.csv"),
        headers={"Content-Type": "text/csv"},
        timeout=300,
    )
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["model_id"]
    return found


def views(page: Page, url: str, model_id: str) -> Any:
    """Go to each view in turn; yield its name when it is whole."""
    page.goto(f"{url}/")
    page.get_by_role("button", name="Museum visitors, monthly").click()
    expect(page.locator(".understood")).to_contain_text("144 values")
    yield "train"
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator("#result")).to_be_focused(timeout=PATIENCE)
    yield "result"
    page.goto(f"{url}/#/models")
    expect(page.locator(".tile").first).to_be_visible()
    yield "models"
    page.goto(f"{url}/#/models/{model_id}")
    expect(page.get_by_role("heading", name="Without this page")).to_be_visible()
    page.get_by_text("Numbers as a table").first.click()
    yield "model"
    page.goto(f"{url}/#/jobs")
    expect(page.locator(".rows > li").first).to_be_visible()
    yield "jobs"
    page.get_by_role("button", name="API key").click()
    yield "key"


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_view_fits_and_is_accessible(server: str, model_id: str, opened: Opens, width: str, theme: str) -> None:
    seen = opened(server, viewport={"width": WIDTHS[width], "height": 900}, color_scheme=theme)
    for name in views(seen.page, server, model_id):
        # The plots are drawn when they know their width.
        seen.page.wait_for_timeout(300)
        seen.page.evaluate("scrollTo(0, 0)")
        seen.picture(f"{name}-{width}-{theme}", full=name != "key")
        assert seen.page.evaluate("document.scrollingElement.scrollWidth") <= WIDTHS[width], name
        found = Axe().run(seen.page).response["violations"]
        serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
        assert serious == [], (name, serious)


def test_the_picture_for_the_documentation(server: str, model_id: str, opened: Opens) -> None:
    """docs/images/page.png is this one: what a model's page shows first."""
    seen = opened(server, viewport={"width": 1180, "height": 1130}, color_scheme="light")
    page = seen.go(f"/#/models/{model_id}")
    expect(page.get_by_role("heading", name="Without this page")).to_be_visible()
    expect(page.locator("canvas")).to_have_count(4)
    seen.picture("page", full=False)


def test_the_theme_can_be_chosen_and_stays(server: str, opened: Opens) -> None:
    page = opened(server, color_scheme="light").go()
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    toggle = page.get_by_role("button", name="Dark colours")
    expect(toggle).to_have_attribute("aria-pressed", "false")
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(ground) != light
    page.reload()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(ground) != light
