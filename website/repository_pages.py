"""Pages and files of the repository outside docs/: in the site they are under project/, and links lead there."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent

PLACES = {
    "README.md": "index.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "benchmarks/README.md": "project/benchmarks.md",
    "LICENSE": "project/LICENSE.txt",
    "deploy/nginx.conf": "project/nginx.conf",
}
"""Where in the site a file of the repository is."""

_ORIGINS = {place: path for path, place in PLACES.items() if place != "index.md"}
_FENCED = re.compile(r"^(```.*?^```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add them to what mkdocs builds."""
    from mkdocs.structure.files import File

    for place, path in _ORIGINS.items():
        files.append(File.generated(config, place, content=(ROOT / path).read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Let a page's links lead to where the site has what they mean."""
    return with_links_of_the_site(markdown, page.file.src_uri)


def with_links_of_the_site(markdown: str, place: str) -> str:
    """Rewrite the links of the page at a place of the site; what is in no table stays, and mkdocs complains of it."""
    folder = posixpath.dirname(_ORIGINS.get(place, f"docs/{place}"))

    def rewritten(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link[1]))
        target = path.removeprefix("docs/") if path.startswith("docs/") else PLACES.get(path)
        if target is None:
            return link[0]
        return posixpath.relpath(target, posixpath.dirname(place) or ".") + (link[2] or "")

    parts = _FENCED.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(rewritten, part) for part in parts)
