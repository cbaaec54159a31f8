"""The site is to work where there is no internet, and to tell nobody who reads it: it loads nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

_LOADING = {"src", "srcset", "poster", "data", "action"}
_LOADING_LINKS = {
    "stylesheet",
    "icon",
    "preconnect",
    "dns-prefetch",
    "preload",
    "prefetch",
    "modulepreload",
    "manifest",
}
_ELSEWHERE = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_IN_CSS = re.compile(r"(?:url\(\s*|@import\s+)[\"']?((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)
# The theme's script fetches mermaid for diagrams, and figures of a repository's host: where a page has one.
_MARKS = ('class="mermaid"', 'data-md-component="source"')


class _Loaded(HTMLParser):
    """Collects what a page makes a browser load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag == "link" and _LOADING_LINKS & set(known.get("rel", "").lower().split()):
            self._note(known.get("href", ""))
        for name in _LOADING & known.keys():
            self._note(known[name])
        self.found += _IN_CSS.findall(known.get("style", ""))

    def _note(self, address: str) -> None:
        if _ELSEWHERE.match(address):
            self.found.append(address)


def loaded_from_elsewhere(page: str) -> list[str]:
    """Return the addresses of other hosts that an HTML page loads, and marks of what would make its script do so."""
    reader = _Loaded()
    reader.feed(page)
    styles = re.findall(r"<style.*?</style>", page, re.DOTALL)
    return [*reader.found, *_IN_CSS.findall(" ".join(styles)), *(mark for mark in _MARKS if mark in page)]


def loaded_by_styles(css: str) -> list[str]:
    """Return the addresses of other hosts that a stylesheet loads."""
    return list(_IN_CSS.findall(css))


def on_post_build(config: MkDocsConfig) -> None:
    """End the build where anything is. Raises mkdocs' PluginError."""
    from mkdocs.exceptions import PluginError

    site = Path(config.site_dir)
    found = [
        f"{path.relative_to(site)} loads {address}"
        for pattern, look in (("*.html", loaded_from_elsewhere), ("*.css", loaded_by_styles))
        for path in sorted(site.rglob(pattern))
        for address in look(path.read_text())
    ]
    if found:
        raise PluginError("\n".join(found))
