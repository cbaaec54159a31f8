"""Postgres killed, and killed again while it recovers."""

from __future__ import annotations

import random
import threading
import time

import httpx
import pytest

from examples.cluster import PostgresServer
from tests.api.contract import problem_of
from tests.chaos.cluster import LONG, SMALL, Cluster, Server

pytestmark = pytest.mark.chaos

_KILLS_IN_RECOVERY = 3


def test_postgres_is_killed_while_jobs_run_and_while_it_recovers(
    cluster: Cluster, postgres: PostgresServer, numbers: random.Random
) -> None:
    servers = [cluster.server(), cluster.server()]
    trainers = [cluster.trainer(), cluster.trainer()]
    first = cluster.submit()[0]
    model = cluster.wait_for(first, "succeeded").model_id
    for server in servers:
        assert _forecast(server, model).status_code == 200
    jobs = [first, *cluster.submit(20), *cluster.submit(2, LONG)]
    cluster.wait_for(jobs[-1])
    postgres.kill()
    try:
        for server in servers:
            _check_that_it_serves_on(server, model)
    finally:
        for _ in range(_KILLS_IN_RECOVERY):
            starting = threading.Thread(target=postgres.start)
            starting.start()
            time.sleep(numbers.uniform(0.02, 0.3))
            postgres.kill()
            starting.join()
            postgres.kill()
        postgres.start()
    for server in servers:
        server.wait_until_ready()
    jobs += cluster.submit(10)
    report = cluster.check_all_ready(jobs)
    assert all(one.lives for one in (*servers, *trainers))
    assert sum(report.attempts.values()) == len(jobs)
    print(f"{len(jobs)} jobs over {1 + _KILLS_IN_RECOVERY} kills of Postgres: {report}")
    for one in (*servers, *trainers):
        assert one.terminate() == 0
        one.wait_until_gone()


def test_a_claim_whose_answer_is_lost_does_not_strand_the_job(cluster: Cluster) -> None:
    cluster.server()
    trainer = cluster.trainer()
    trainer.freeze()
    job = cluster.job(cluster.submit()[0])
    # What a database that dies between commit and answer leaves: the executor holds a job and does not know.
    assert cluster.registry.leases.claim(job.id, job.generation, trainer.name, 1) == 1
    trainer.thaw()
    done = cluster.wait_for(job.id, "succeeded")
    assert (done.attempt, done.worker) == (2, trainer.name)
    cluster.check_all_ready([job.id])


def _forecast(server: Server, model_id: str) -> httpx.Response:
    return server.client.post("/forecast", json={"model_id": model_id, "horizon": 3})


def _check_that_it_serves_on(server: Server, model_id: str) -> None:
    for response in (
        server.client.get("/readyz"),
        server.client.get("/jobs"),
        server.client.post("/train", params={"wait": 0}, json=SMALL),
    ):
        problem_of(response, 503, "unavailable", contains="The database cannot be used")
        assert int(response.headers["Retry-After"]) > 0
    assert _forecast(server, model_id).status_code == 200
