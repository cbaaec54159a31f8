"""The files of the web page, read once into a fixed table, so that no path can reach any other file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from service.tables import column_roles, extra_rows

_FOLDER = Path(__file__).parent
_FIRST_PAGE = "index.html"
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".csv": "text/csv; charset=utf-8",
}


@dataclass(frozen=True)
class Asset:
    """One file: its bytes, its media type, and its entity tag in quotes (RFC 9110, 8.8.3)."""

    body: bytes
    media_type: str
    etag: str


_FILES = [path for path in sorted(_FOLDER.rglob("*")) if path.suffix in _MEDIA_TYPES]


def _asset(body: bytes, suffix: str) -> Asset:
    return Asset(body, _MEDIA_TYPES[suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _path_of(path: Path) -> str:
    name = path.relative_to(_FOLDER).as_posix()
    return "/" if name == _FIRST_PAGE else f"/web/{name}"


def _column_names() -> bytes:
    """Return a JavaScript module with the names and shapes of `column_roles` and `extra_rows` of `service.tables`."""
    names = ("CELLS_TRIED", "ITEM", "PERIOD_NAMES", "TARGET", "TIME_NAMES", "TIME_SHAPES", "UNSURE_NAMES", "YEAR_SHAPE")
    values = {name: getattr(column_roles, name) for name in names}
    values |= {"UNIT_SHAPE": extra_rows.UNIT_SHAPE, "TOTAL_SHAPE": extra_rows.TOTAL_SHAPE}
    lines = [f"export const {name} = {json.dumps(value)};" for name, value in values.items()]
    return "\n".join([*lines, ""]).encode()


ASSETS: MappingProxyType[str, Asset] = MappingProxyType(
    {_path_of(path): _asset(path.read_bytes(), path.suffix) for path in _FILES}
    | {"/web/column_names.js": _asset(_column_names(), ".js")}
)
"""Assets by URL path."""
