"""A store in a folder, with what obstore lacks.

obstore (0.12, object_store 0.14) follows links, never calls fsync, and leaves a half-written file if the process dies.
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

# object_store writes "name#1" (or #2, ... if that exists) next to "name" and links it into place.
_LEFTOVER = re.compile(r".+#[0-9]+|probe-[0-9a-f]{32}")
_OS_ERROR = re.compile(r"\(os error (\d+)\)")


class Folder:
    """The folder of a store; it is created if it is missing."""

    def __init__(self, path: Path) -> None:
        self.objects: ObjectStore = LocalStore(path, mkdir=True)
        self._root = path.resolve(strict=True)

    def put(self, name: str, data: bytes, overwrite: bool = False) -> None:
        """Store a file atomically and durably, so that it survives a power failure. Raises AlreadyExistsError.

        overwrite: replace an existing file.
        """
        obstore.put(self.objects, name, data, mode="overwrite" if overwrite else "create")
        file = self._root / name
        try:
            # The contents of the file, and the directory entries.
            for path in (file, file.parent, self._root):
                _synchronise(path)
        except OSError:
            obstore.delete(self.objects, name)
            raise

    def check_path(self, name: str) -> None:
        """Raise Unavailable if the store's folder is missing, or the path of a file contains a symbolic link.

        A disk that is not mounted does not mean lost models, and nothing must be written to its mount point; a link
        may lead out of the store.
        """
        if not self._root.is_dir():
            raise Unavailable("The model store cannot be used: its folder is gone. Mount or restore it.")
        file = self._root / name
        if file.resolve() != file:
            raise Unavailable(
                "The model store has a symbolic link inside, and links are not followed. "
                "Put the real file or folder in its place; the store's own folder may be a link."
            )

    def remove_leftovers(self, older_than: float) -> int:
        """Remove files left by interrupted writes more than ``older_than`` seconds ago; return how many."""
        limit = time.time() - older_than
        removed = 0
        for folder in (path for path in self._root.iterdir() if path.is_dir() and not path.is_symlink()):
            for file in folder.iterdir():
                if not _LEFTOVER.fullmatch(file.name):
                    continue
                with suppress(FileNotFoundError):  # another starting server may remove it first
                    if file.is_file() and file.lstat().st_mtime < limit:
                        file.unlink()
                        removed += 1
        return removed

    @staticmethod
    def reason(error: Exception) -> str:
        """Return the reason of an error without the path, which obstore's own messages contain."""
        number = error.errno if isinstance(error, OSError) else None
        if number is None and (found := _OS_ERROR.search(str(error))):
            number = int(found[1])
        return type(error).__name__ if number is None else os.strerror(number)

    def confirm_missing(self, name: str, _error: FileNotFoundError) -> None:
        """Return if only the file is missing; raise Unavailable if the store's folder is missing."""
        self.check_path(name)


def read_folder_url(url: str) -> Path:
    """Return the folder of a plain path or a ``file://`` URL. Raises ValueError for any other URL."""
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
