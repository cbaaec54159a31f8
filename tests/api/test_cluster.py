"""Servers on one Postgres and one bucket, and what they answer while either is gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from examples.cluster import PostgresServer, S3Server
from service.storage.identifiers import new_id
from tests.api.application import running
from tests.api.contract import problem_of
from tests.factories import seasonal

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(postgres: PostgresServer, s3: S3Server) -> Iterator[dict[str, Any]]:
    """The settings of a cluster of its own, whose servers train too."""
    url = postgres.new_database()
    yield {
        "store": f"s3://{s3.bucket}/{new_id()}",
        "database_url": url,
        "s3_endpoint": s3.endpoint,
        "s3_region": s3.region,
        "s3_access_key_id": s3.access_key_id,
        "s3_secret_access_key": s3.secret_access_key,
        "s3_allow_http": True,
        "training_processes": 1,
    }
    postgres.drop_database(url)


def test_what_one_server_trains_another_serves(cluster: dict[str, Any]) -> None:
    with running(**cluster) as one:
        model = one.train(seasonal(60).tolist(), name="sales")
        here = one.forecast(name="sales", horizon=3)
    with running(**cluster) as other:
        assert other.forecast(model_id=model["model_id"], horizon=3) == here
        assert other.client.get("/readyz").status_code == 200
        assert other.client.delete(f"/models/{model['model_id']}").status_code == 204
        problem_of(other.client.post("/forecast", json={"name": "sales", "horizon": 3}), 404, "model-not-found")


def test_without_its_database_the_service_answers_and_comes_back(
    cluster: dict[str, Any], postgres: PostgresServer
) -> None:
    with running(**cluster) as one:
        model = one.train(seasonal(60).tolist(), name="sales")
        postgres.kill()
        try:
            started = time.monotonic()
            for response in (
                one.client.get("/readyz"),
                one.client.get("/models"),
                one.client.post("/forecast", json={"name": "sales", "horizon": 3}),
                one.client.post("/train", json={"series": seasonal(60).tolist()}),
            ):
                problem_of(response, 503, "unavailable", contains="The database cannot be used")
                assert response.headers["Retry-After"]
            assert time.monotonic() - started < 30
            assert one.client.get("/livez").status_code == 200
        finally:
            postgres.start()
        assert one.client.get("/readyz").status_code == 200
        assert one.forecast(name="sales", horizon=3)["model_id"] == model["model_id"]


def test_without_its_bucket_the_service_answers(cluster: dict[str, Any]) -> None:
    with running(**{**cluster, "s3_secret_access_key": "wrong"}) as one:
        for response in (
            one.client.get("/readyz"),
            one.client.post("/train", json={"series": seasonal(60).tolist()}),
        ):
            problem_of(response, 503, "unavailable", contains="secret access key is wrong")
            assert response.headers["Retry-After"]
        assert one.client.get("/models").json()["models"] == []
