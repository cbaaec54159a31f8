"""A registry on a real file with a clock that stands still, and real trouble: a full disk, missing rights."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.storage.registry import Registry

NOBODY = 65534


class Clock:
    """A clock that only moves when told."""

    def __init__(self) -> None:
        self.now = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'registry' / 'registry.db'}"


@pytest.fixture
def registry(database_url: str, clock: Clock) -> Iterator[Registry]:
    registry = Registry.open(database_url, clock=clock)
    yield registry
    registry.close()


@contextmanager
def _file_size_limit(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def _no_rights(folder: Path) -> Iterator[None]:
    mode = folder.stat().st_mode
    user = os.geteuid()
    folder.chmod(0o500)
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(mode)


@pytest.fixture
def file_size_limit() -> Callable[[int], AbstractContextManager[None]]:
    """No file of this process may grow beyond a size: a full disk, nearly."""
    return _file_size_limit


@pytest.fixture
def no_rights() -> Callable[[Path], AbstractContextManager[None]]:
    """This process may not write into a folder, even where it is root."""
    return _no_rights
