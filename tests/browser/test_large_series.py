"""A series of 100,000 points is thinned for drawing, and no peak is lost; benchmarks/page.py tells how fast."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE, Watched, drop

pytestmark = pytest.mark.browser

POINTS = 100_000
PEAK = 61_803


def test_a_large_series_is_thinned_and_keeps_its_peak(seen: Watched) -> None:
    page = seen.go()
    rows = [f"{step % 97 + step // 1000}" for step in range(POINTS)]
    rows[PEAK], rows[PEAK + 1] = "5000", "NA"
    drop(page, "large.csv", "value\n" + "\n".join(rows) + "\n")
    figure = page.get_by_role("group", name="The series value")
    expect(figure.locator("figcaption")).to_contain_text("100,000 values; 1 missing", timeout=PATIENCE)
    # What the reader sees: the axis goes up to the peak, and closer looks lead to it.
    figure.get_by_text("Numbers as a table").click()
    expect(figure.locator("tbody tr")).to_have_count(400)
    expect(figure).to_contain_text("The last 400 of 100000 rows")
    canvas = figure.locator("canvas")
    for _ in range(6):
        figure.get_by_role("button", name="Closer").click()
    figure.get_by_role("button", name="Everything").click()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(figure.locator(".legend-step")).not_to_be_empty()


def test_thinning_keeps_the_lowest_and_highest_of_each_bucket(seen: Watched) -> None:
    page = seen.go()
    found = page.evaluate(
        """async ([points, peak]) => {
            const { thinned } = await import("/web/downsampling.js");
            const values = Float64Array.from({ length: points }, (_, row) => row % 97);
            values[peak] = 5000;
            values[peak + 500] = -70;
            values[peak + 1] = NaN;
            const x = Float64Array.from(values, (_, row) => row);
            const [rows, kept] = thinned(x, [values], 0, points, 800);
            const [near] = thinned(x, [values], peak - 10, peak + 11, 800);
            return { count: rows.length, rising: rows.every((row, place) => !place || row > rows[place - 1]),
                     first: rows[0], last: rows.at(-1), highest: rows[kept.indexOf(5000)],
                     lowest: rows[kept.indexOf(-70)], near };
        }""",
        [POINTS, PEAK],
    )
    assert found.pop("near") == list(range(PEAK - 10, PEAK + 11))
    assert found.pop("count") <= 1602
    assert found == {"rising": True, "first": 0, "last": POINTS - 1, "highest": PEAK, "lowest": PEAK + 500}
