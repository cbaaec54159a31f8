"""/docs, which is to work where there is no internet."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx


class _Addresses(HTMLParser):
    """Collects what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


def test_the_page_loads_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    reader = _Addresses()
    reader.feed(page.text)
    assert any("swagger-ui-bundle.js" in address for address in reader.found)
    assert any(address.endswith(".css") for address in reader.found)
    for address in [*reader.found, "/openapi.json"]:
        whole = urljoin(str(page.request.url), address)
        assert urlsplit(whole).netloc == page.request.url.netloc.decode(), address
        asset = client.get(whole)
        assert asset.status_code == 200, address
        assert len(asset.content) > 500
    hosts = {urlsplit(address).netloc for address in re.findall(r"https?://[^\s\"'<>]+", page.text)}
    assert hosts <= {page.request.url.netloc.decode()}


def test_the_stylesheet_loads_nothing_from_elsewhere(client: httpx.Client) -> None:
    style = client.get("/swagger/swagger-ui.css").text
    assert not re.findall(r"@import|url\(\s*[\"']?(?:https?:)?//", style)
