"""Names of a model on its page: what they mean, their history, and the way back."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watched
from tests.factories import QUICK, seasonal

pytestmark = pytest.mark.browser

NAME = 'deployed/<b>50 % off</b> & "more"?'


def trained(url: str, name: str) -> str:
    body = {**QUICK, "series": seasonal(60).tolist(), "name": name}
    answer: dict[str, Any] = httpx.post(f"{url}/train", params={"wait": 200}, json=body, timeout=300).json()
    return str(answer["model_id"])


def test_a_name_is_rolled_back_promoted_and_follows(seen: Watched) -> None:
    old, new = trained(seen.url, NAME), trained(seen.url, NAME)
    page = seen.go(f"/#/models/{new}")
    block = page.get_by_role("group", name=f"Name {NAME}")
    expect(block).to_contain_text("Means this model, the newest with this name since")
    expect(block.get_by_text("History")).to_have_count(0)
    expect(block.get_by_role("button", name="Follow the newest")).to_have_count(0)
    block.get_by_role("button", name="Roll back").click()
    expect(block).to_contain_text(f"Pinned to model {old[:8]} since")
    expect(block.get_by_role("heading")).to_be_focused()
    block.get_by_role("button", name="Promote this model").click()
    expect(block).to_contain_text("Pinned to this model since")
    expect(block.get_by_role("button", name="Promote this model")).to_have_count(0)
    block.get_by_text("History").click()
    rows = block.get_by_role("region", name="Moves of the name").locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("rolled back")
    seen.picture("names")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("header.lead")).to_contain_text("A name is pinned to the model")
    block.get_by_role("button", name="Follow the newest").click()
    expect(block).to_contain_text("Means this model")
    page.goto(f"{seen.url}/#/models/{old}")
    expect(page.get_by_role("group", name=f"Name {NAME}")).to_contain_text(f"Means model {new[:8]}, the newest")


def test_a_model_without_a_name_has_no_card_until_a_name_is_pinned_to_it(seen: Watched) -> None:
    body = {**QUICK, "series": seasonal(60).tolist()}
    model_id = httpx.post(f"{seen.url}/train", params={"wait": 200}, json=body, timeout=300).json()["model_id"]
    page = seen.go(f"/#/models/{model_id}")
    expect(page.get_by_role("heading", name="Configuration")).to_be_visible()
    expect(page.get_by_role("heading", name="Names")).to_have_count(0)
    httpx.post(f"{seen.url}/names/alias/promote", json={"model_id": model_id}, timeout=30).raise_for_status()
    page.reload()
    block = page.get_by_role("group", name="Name alias")
    expect(block).to_contain_text("Pinned to this model since")
    expect(block.get_by_role("button", name="Roll back")).to_have_count(0)
    block.get_by_role("button", name="Follow the newest").click()
    expect(block).to_contain_text("No ready model has this name.")
