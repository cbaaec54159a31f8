"""A cluster of its own for each test, on the session's Postgres and S3, or on one folder."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.cluster import PostgresServer, S3Server
from service.storage.identifiers import new_id
from tests.chaos.cluster import Cluster, running_cluster

SEED = 20_260_101


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How often a server is killed."""
    found: int = request.config.getoption("--kills")
    return found


@pytest.fixture
def numbers() -> random.Random:
    """What decides about random moments: the same ones in each run, as far as processes keep time."""
    return random.Random(SEED)


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Cluster]:
    """One machine: SQLite and a folder; its server trains itself."""
    store = tmp_path / "store"
    with running_cluster({"FORECAST_STORE_URL": str(store), "FORECAST_TRAINING_PROCESSES": "1"}, tmp_path) as one:
        yield one


@pytest.fixture
def cluster(postgres: PostgresServer, s3: S3Server, tmp_path: Path) -> Iterator[Cluster]:
    """A database and a place in the bucket of its own; servers and trainers are started by the test."""
    url = postgres.new_database()
    with running_cluster(cluster_environment(url, s3), tmp_path) as one:
        yield one
    postgres.drop_database(url)


def cluster_environment(database_url: str, s3: S3Server) -> dict[str, str]:
    """Return the FORECAST_* variables that lead to a database, and to a new place in a bucket."""
    return {
        "FORECAST_DATABASE_URL": database_url,
        "FORECAST_STORE_URL": f"s3://{s3.bucket}/{new_id()}",
        "FORECAST_S3_ENDPOINT": s3.endpoint,
        "FORECAST_S3_REGION": s3.region,
        "FORECAST_S3_ACCESS_KEY_ID": s3.access_key_id,
        "FORECAST_S3_SECRET_ACCESS_KEY": s3.secret_access_key,
        "FORECAST_S3_ALLOW_HTTP": "true",
    }
