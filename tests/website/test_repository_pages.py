from __future__ import annotations

import pytest

from website.repository_pages import PLACES, ROOT, with_links_of_the_site


@pytest.mark.parametrize(
    ("place", "link", "wanted"),
    [
        ("licences.md", "../LICENSE", "project/LICENSE.txt"),
        ("intervals.md", "../benchmarks/README.md#what-it-printed", "project/benchmarks.md#what-it-printed"),
        ("scaling.md", "settings.md#s3", "settings.md#s3"),
        ("project/benchmarks.md", "../docs/performance.md", "../performance.md"),
        ("project/contributing.md", "CHANGELOG.md", "changelog.md"),
        ("project/contributing.md", "docs/settings.md", "../settings.md"),
        ("index.md", "images/forecast.png", "images/forecast.png"),
        ("index.md", "../service/app.py", "../service/app.py"),
        ("index.md", "https://example.org/a", "https://example.org/a"),
        ("index.md", "#next", "#next"),
    ],
)
def test_links(place: str, link: str, wanted: str) -> None:
    assert with_links_of_the_site(f"see [it]({link}), too", place) == f"see [it]({wanted}), too"


def test_code_stays() -> None:
    page = "```\n[it](../LICENSE)\n```\n"
    assert with_links_of_the_site(page, "licences.md") == page


def test_what_is_shown_is_there() -> None:
    assert all((ROOT / path).is_file() for path in PLACES)


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    for path in (ROOT / "docs").glob("*.md"):
        assert navigation.count(f": {path.name}\n") == 1, f"{path.name} is not in mkdocs.yml"
