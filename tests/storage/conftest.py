"""Registries on real databases with a clock that stands still, real buckets, and real trouble: full disks, rights."""

from __future__ import annotations

import os
import resource
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select

from examples.cluster import PostgresServer, S3Server
from service.storage.files.bucket import S3Access
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id
from service.storage.registry.registry import Registry
from tests.databases import copied, emptied

NOBODY = 65534


class Clock:
    """A clock that only moves on request."""

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
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'registry' / 'registry.db'}"


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    url = postgres.new_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(params=["sqlite", "postgres"])
def any_url(request: pytest.FixtureRequest) -> str:
    """A new database of each kind."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def s3_access(s3: S3Server) -> S3Access:
    return access_to(s3)


def access_to(s3: S3Server, **changes: Any) -> S3Access:
    access = S3Access(s3.endpoint, s3.region, s3.access_key_id, s3.secret_access_key, allow_http=True)
    return replace(access, **changes)


@pytest.fixture
def s3_url(s3: S3Server) -> str:
    """A prefix of its own in the bucket."""
    return f"s3://{s3.bucket}/tests/{new_id()}"


@pytest.fixture
def s3_store(s3_url: str, s3_access: S3Access) -> ModelStore:
    return ModelStore.open(s3_url, s3_access)


@pytest.fixture
def sqlite_registry(sqlite_url: str, sqlite_tables: Path, clock: Clock) -> Iterator[Registry]:
    registry = Registry.open(copied(sqlite_tables, sqlite_url), clock=clock)
    yield registry
    registry.close()


@pytest.fixture
def postgres_registry(postgres_tables: str, clock: Clock) -> Iterator[Registry]:
    with emptied(Registry.open(postgres_tables, clock=clock)) as registry:
        yield registry


@pytest.fixture(params=["sqlite", "postgres"])
def registry(request: pytest.FixtureRequest) -> Registry:
    """A registry of each kind, without entries; a test that changes its tables opens one of ``any_url``."""
    registry: Registry = request.getfixturevalue(f"{request.param}_registry")
    return registry


def statuses(registry: Registry, table: Table) -> Counter[str]:
    """Return the number of models or jobs by status."""
    with registry.reading() as connection:
        return Counter(connection.scalars(select(table.c.status)))


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
