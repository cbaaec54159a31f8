"""What a store in a folder needs beyond obstore, which (0.12, object_store 0.14) follows links, never calls fsync, and
leaves its half-written file when the process dies.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from service.errors import Unavailable

# object_store writes "name#1" (or #2, ... where that is taken) beside "name" and links it into place.
_LEFTOVER = re.compile(r".+#[0-9]+|probe-[0-9a-f]{32}")


class Folder:
    """The folder under a store."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve(strict=True)

    def refuse_links(self, name: str) -> None:
        """Raise Unavailable where the way to a file goes through a symbolic link: it may lead out of the store."""
        file = self._root / name
        if file.resolve() != file:
            raise Unavailable(
                "The model store has a symbolic link inside, and links are not followed. "
                "Put the real file or folder in its place; the store's own folder may be a link."
            )

    def make_durable(self, name: str) -> None:
        """Wait until a new file would survive a power cut: its bytes, and the entries of its folders."""
        file = self._root / name
        for path in (file, file.parent, self._root):
            _synchronise(path)

    def remove_leftovers(self, older_than: float) -> int:
        """Remove what an interrupted write left behind, ``older_than`` seconds ago; return how many files."""
        limit = time.time() - older_than
        removed = 0
        for folder in (path for path in self._root.iterdir() if path.is_dir() and not path.is_symlink()):
            for file in folder.iterdir():
                if _LEFTOVER.fullmatch(file.name) and file.is_file() and file.lstat().st_mtime < limit:
                    file.unlink(missing_ok=True)
                    removed += 1
        return removed


def _synchronise(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
