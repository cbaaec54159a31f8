"""The page's files: whole, small, ours alone, and sent with headers that keep strangers' code out."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import httpx
import pytest

from examples.sample_series import SERIES
from service.web.assets import ASSETS

MOST_BYTES = 500_000
OWN = [path for path in ASSETS if path.endswith((".js", ".css", ".html")) and "/vendor/" not in path]
# A namespace is no address that anybody asks; the other stands in the head of uPlot's file.
_NAMES = {"http://www.w3.org/2000/svg", "https://github.com/leeoniya/uPlot"}


class _Reader(HTMLParser):
    """Collects what a page loads, and what stands inline."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "img", "link"):
            self.loaded.append(given.get("src") or given.get("href") or "")
        if (tag == "script" and "src" not in given) or tag == "style":
            self.inline.append(tag)
        self.inline += [name for name, _ in attrs if name == "style" or name.startswith("on")]


@pytest.fixture(scope="module")
def page() -> _Reader:
    reader = _Reader()
    reader.feed(ASSETS["/"].body.decode())
    return reader


@pytest.mark.parametrize("path", sorted(ASSETS))
def test_a_file_is_sent_with_its_headers(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.content == ASSETS[path].body
    assert answer.headers["Content-Type"] == ASSETS[path].media_type
    policy = dict(rule.split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert {rule for name, rule in policy.items() if name.endswith("-src") and name != "default-src"} == {"'self'"}
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-cache"
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(answer.content))


def test_what_a_browser_has_already_is_not_sent_again(client: httpx.Client) -> None:
    tag = client.get("/").headers["ETag"]
    for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get("/", headers={"If-None-Match": sent})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert "Content-Security-Policy" in again.headers
    assert client.get("/", headers={"If-None-Match": '"other"'}).status_code == 200
    assert len({asset.etag for asset in ASSETS.values()}) == len(ASSETS)


@pytest.mark.parametrize(
    "path",
    [
        "/web/",
        "/web/index.html",
        "/web/assets",
        "/web/vendor/",
        "/web/vendor/README.md",
        "/web/../version.txt",
        "/web/%2e%2e/storage/registry/migrations/script.mako",
        "/web/..%2fstorage%2fmigrations%2fscript.mako",
        "/web//page.js",
        "/web/page.js/",
        "/web/PAGE.JS",
        "/web/vendor/..%2f..%2f..%2fpyproject.toml",
    ],
)
def test_what_is_no_file_of_the_page_is_not_there(client: httpx.Client, path: str) -> None:
    answer = client.get(path, follow_redirects=True)
    assert not [name for name in ASSETS if name.endswith((".py", ".md"))]
    assert answer.status_code == 404 or (path.endswith(".js/") and answer.content == ASSETS["/web/page.js"].body)


def test_the_page_and_all_that_it_loads_at_first_is_small(page: _Reader) -> None:
    needed = {"/", *page.loaded}
    while True:
        more = {f"/web/{name}" for path in needed for name in _imports(path)} - needed
        if not more:
            break
        needed |= more
    assert needed <= set(ASSETS), "everything that is loaded is there"
    assert needed == {"/", *page.loaded}, "every module is told of at once"
    assert sum(len(ASSETS[path].body) for path in needed) < MOST_BYTES
    unused = set(ASSETS) - needed - {f"/web/examples/{name}" for name in SERIES}
    assert unused == {"/web/csv_worker.js"}, "nothing lies there unused"


def _imports(path: str) -> list[str]:
    return re.findall(r'from "\./([a-z_]+\.js)"', ASSETS[path].body.decode()) if path.endswith(".js") else []


def test_nothing_is_inline_and_nothing_from_elsewhere(page: _Reader) -> None:
    assert page.inline == []
    assert all(address.startswith("/web/") for address in page.loaded)
    for path, asset in ASSETS.items():
        addresses = set(re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s\"'`<>)]*", asset.body.decode()))
        assert addresses <= _NAMES, path


@pytest.mark.parametrize("path", OWN)
def test_texts_never_become_markup_or_code(path: str) -> None:
    written = re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\balert\(|EventSource\(",
        ASSETS[path].body.decode(),
    )
    assert written == []


def test_the_page_leads_to_the_documentation() -> None:
    assert b'<a href="/docs">' in ASSETS["/"].body


def test_the_examples_are_what_their_seed_makes() -> None:
    assert {name: ASSETS[f"/web/examples/{name}"].body.decode() for name in SERIES} == {
        name: make() for name, make in SERIES.items()
    }
