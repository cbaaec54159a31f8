"""The page's files: a closed table, read once. What is not in it cannot be asked for, whatever a path says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

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


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    return Asset(body, _MEDIA_TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _path_of(path: Path) -> str:
    name = path.relative_to(_FOLDER).as_posix()
    return "/" if name == _FIRST_PAGE else f"/web/{name}"


ASSETS: MappingProxyType[str, Asset] = MappingProxyType(
    {_path_of(path): _read(path) for path in sorted(_FOLDER.rglob("*")) if path.suffix in _MEDIA_TYPES}
)
"""By the path that each is asked for under."""
