"""What a store in a folder needs beyond obstore, which (0.12, object_store 0.14) follows links, never calls fsync, and
leaves its half-written file when the process dies.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.store import LocalStore, ObjectStore

from service.errors import Unavailable

# object_store writes "name#1" (or #2, ... where that is taken) beside "name" and links it into place.
_LEFTOVER = re.compile(r".+#[0-9]+|probe-[0-9a-f]{32}")
_OS_ERROR = re.compile(r"\(os error (\d+)\)")


class Folder:
    """The folder under a store; it is made where it is missing."""

    def __init__(self, path: Path) -> None:
        self.objects: ObjectStore = LocalStore(path, mkdir=True)
        self._root = path.resolve(strict=True)

    def put(self, name: str, data: bytes, overwrite: bool = False) -> None:
        """Store a file, whole, and so that it survives a power cut, or not at all. Raises AlreadyExistsError.

        overwrite: it takes the place of one that is there.
        """
        obstore.put(self.objects, name, data, mode="overwrite" if overwrite else "create")
        try:
            self._make_durable(name)
        except OSError:
            obstore.delete(self.objects, name)
            raise

    def check_way(self, name: str) -> None:
        """Raise Unavailable where the store's folder is gone, or the way to a file goes through a symbolic link.

        A disk that is not mounted has lost no model, and nothing is to be written in its place; a link may lead out of
        the store.
        """
        if not self._root.is_dir():
            raise Unavailable("The model store cannot be used: its folder is gone. Mount or restore it.")
        file = self._root / name
        if file.resolve() != file:
            raise Unavailable(
                "The model store has a symbolic link inside, and links are not followed. "
                "Put the real file or folder in its place; the store's own folder may be a link."
            )

    def _make_durable(self, name: str) -> None:
        # The bytes, and the entries of the folders.
        file = self._root / name
        for path in (file, file.parent, self._root):
            _synchronise(path)

    def remove_leftovers(self, older_than: float) -> int:
        """Remove what an interrupted write left behind, ``older_than`` seconds ago; return how many files."""
        limit = time.time() - older_than
        removed = 0
        for folder in (path for path in self._root.iterdir() if path.is_dir() and not path.is_symlink()):
            for file in folder.iterdir():
                if not _LEFTOVER.fullmatch(file.name):
                    continue
                with suppress(FileNotFoundError):  # another server that starts removes them too
                    if file.is_file() and file.lstat().st_mtime < limit:
                        file.unlink()
                        removed += 1
        return removed

    @staticmethod
    def reason(error: Exception) -> str:
        """Say what is wrong without saying where: obstore's own texts name the path."""
        number = error.errno if isinstance(error, OSError) else None
        if number is None and (found := _OS_ERROR.search(str(error))):
            number = int(found[1])
        return type(error).__name__ if number is None else os.strerror(number)

    def confirm_missing(self, name: str, _error: FileNotFoundError) -> None:
        """Return where a file is missing; raise Unavailable where the store's folder is."""
        self.check_way(name)


def read_folder_url(url: str) -> Path:
    """Return the folder of a plain path or a ``file://`` URL. Raises ValueError for any other."""
    if not url:
        raise ValueError("The store needs a folder, models_store say, or a bucket, s3://bucket/prefix.")
    if "://" not in url:
        return Path(url).absolute()
    parts = urlsplit(url)
    if parts.scheme != "file":
        raise ValueError(f"The store must be a folder or an s3:// URL; {parts.scheme}:// is not supported.")
    if parts.netloc not in ("", "localhost"):
        raise ValueError("A file:// URL has three slashes and a full path (file:///srv/models), or give a plain path.")
    return Path(unquote(parts.path))


def _synchronise(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
