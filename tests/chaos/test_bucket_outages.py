"""A bucket that refuses, is slow, or goes away in the middle of a put."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from examples.cluster import PostgresServer, S3Server
from service.keys import DEFAULT_TENANT
from service.storage.registry.entries import JobEntry
from tests.api.application import ENDLESS
from tests.api.contract import problem_of
from tests.chaos.cluster import LONG, SMALL, Cluster, running_cluster
from tests.chaos.conftest import cluster_environment
from tests.chaos.process import until
from tests.chaos.s3_proxy import S3Proxy

pytestmark = pytest.mark.chaos

UNREACHABLE = "S3 cannot be reached|the connection to S3 was lost"

BULKY = {**LONG, "network": {"cell": "gru", "hidden_size": 128, "num_layers": 1}, "training": {"epochs": 30}}
"""A training of seconds, whose model and input are larger than a chunk of the proxy."""


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[S3Proxy]:
    one = S3Proxy(s3.port)
    yield one
    one.close()


@pytest.fixture
def behind(postgres: PostgresServer, s3: S3Server, proxy: S3Proxy, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster, with a server and a trainer, whose processes reach S3 through the proxy; the test itself does not."""
    url = postgres.new_database()
    environment = cluster_environment(url, s3)
    with running_cluster(environment, tmp_path) as one:
        for start in (one.server, one.trainer):
            start(s3_endpoint=proxy.endpoint)
        yield one
    postgres.drop_database(url)


@contextmanager
def read_only(s3: S3Server) -> Iterator[None]:
    """Let the service read and list only; the server takes up such a change when it starts."""
    whole = s3.identities.read_text()
    told = json.loads(whole)
    for one in told["identities"]:
        if one["name"] == s3.access_key_id:
            one["actions"] = ["Read", "List"]
    try:
        s3.kill()
        s3.identities.write_text(json.dumps(told))
        s3.start()
        yield
    finally:
        s3.kill()
        s3.identities.write_text(whole)
        s3.start()


def training(cluster: Cluster, body: Mapping[str, Any]) -> str:
    """Have a training accepted; return the job's ID once it trains, and has read its input."""
    [job_id] = cluster.submit(1, body)
    until(lambda: cluster.trains(job_id), lambda: f"it does not train: {cluster.job(job_id)}", pause=0.01)
    return job_id


def check_fails(cluster: Cluster, job_id: str, reason: str) -> JobEntry:
    """Fail unless the job ends failed, for a reason that matches, with a model that says so and no file."""
    cluster.wait_until_ended([job_id])
    job = cluster.job(job_id)
    assert job.status == "failed"
    assert re.search(reason, str(job.error)), job.error
    problem_of(cluster.ask("POST", "/forecast", json={"model_id": job.model_id, "horizon": 3}), 409, "model-failed")
    assert [one for one in cluster.store.models() if one.id == job.model_id] == []
    return job


def test_a_bucket_that_comes_back_in_time_gets_the_model(behind: Cluster, proxy: S3Proxy) -> None:
    job_id = training(behind, BULKY)
    proxy.refuses = True
    away = time.monotonic()
    [server], [trainer] = behind.servers, behind.trainers
    problem_of(server.client.get("/readyz"), 503, "unavailable", contains=UNREACHABLE)
    until(lambda: "could not be recorded and is retried" in trainer.log.read_text(), lambda: "nothing was to be stored")
    assert behind.job(job_id).status == "running"
    time.sleep(5)
    proxy.refuses = False
    back = time.monotonic()
    report = behind.check_all_ready([job_id])
    assert set(report.attempts) == {1}
    print(f"away for {back - away:.1f} s, ready {time.monotonic() - back:.1f} s after it was back")


def test_an_input_that_cannot_be_read_is_waited_for(behind: Cluster, proxy: S3Proxy) -> None:
    [trainer] = behind.trainers
    endless, waiting = training(behind, ENDLESS), behind.submit(1)[0]
    proxy.refuses = True
    # Cancelled in the database, which is there: the next one begins without its bucket.
    behind.registry.jobs.cancel(DEFAULT_TENANT, endless)
    behind.wait_for(waiting)
    until(lambda: "could not be read and will be retried" in trainer.log.read_text(), lambda: "it does not try again")
    assert behind.job(waiting).status == "running"
    proxy.refuses = False
    behind.wait_for(waiting, "succeeded")
    assert behind.job(waiting).attempt == 1


def test_a_put_that_is_cut_in_the_middle_is_sent_again(behind: Cluster, proxy: S3Proxy) -> None:
    job_id = training(behind, BULKY)
    proxy.cut_after = 40_000
    until(lambda: proxy.cuts >= 5, lambda: f"{proxy.cuts} cuts")
    model_id = behind.job(job_id).model_id
    assert [one for one in behind.store.models() if one.id == model_id] == [], "half a model"
    assert behind.job(job_id).status == "running"
    proxy.cut_after = None
    report = behind.check_all_ready([job_id])
    assert set(report.attempts) == {1}
    print(f"stored after {proxy.cuts} puts that were cut")


def test_a_bucket_that_stays_away_fails_the_job(behind: Cluster, proxy: S3Proxy) -> None:
    job_id = training(behind, BULKY)
    proxy.refuses = True
    began = time.monotonic()
    behind.wait_until_ended([job_id])
    proxy.refuses = False
    job = check_fails(behind, job_id, f"The model store cannot be (read|written): ({UNREACHABLE})")
    print(f"failed after {time.monotonic() - began:.0f} s: {job.error}")
    # And the trainer is as good as before.
    ready = behind.submit(2)
    behind.wait_until_ended(ready)
    assert {behind.job(one).status for one in ready} == {"succeeded"}


def test_a_slow_bucket_is_only_slow(behind: Cluster, proxy: S3Proxy) -> None:
    proxy.delay = 0.3
    jobs = behind.submit(1, BULKY) + behind.submit(2)
    report = behind.check_all_ready(jobs)
    assert set(report.attempts) == {1}


def test_a_bucket_that_denies_puts(behind: Cluster, s3: S3Server) -> None:
    job_id = training(behind, BULKY)
    with read_only(s3):
        [server] = behind.servers
        problem_of(server.client.get("/readyz"), 503, "unavailable", contains="access is denied")
        problem_of(
            server.client.post("/train", params={"wait": 0}, json=SMALL),
            503,
            "unavailable",
            contains="access is denied",
        )
        behind.wait_until_ended([job_id])
    check_fails(behind, job_id, "access is denied")
    ready = behind.submit(2)
    behind.wait_until_ended(ready)
    assert {behind.job(one).status for one in ready} == {"succeeded"}


def test_what_is_cancelled_while_it_is_stored_leaves_no_file(behind: Cluster, proxy: S3Proxy) -> None:
    job_id = training(behind, BULKY)
    proxy.delay = 1.0
    until(lambda: behind.job(job_id).progress.get("fraction") == 1.0, lambda: "it does not train on", pause=0.01)
    other = behind.server()
    time.sleep(1.0)  # some pieces of the file are on their way
    assert other.client.delete(f"/jobs/{job_id}").status_code == 204
    answered = time.monotonic()
    [trainer] = behind.trainers
    until(lambda: not trainer.training_children(job_id), lambda: "its child is still there", pause=0.01)
    print(f"its child was gone after {time.monotonic() - answered:.2f} s")
    behind.wait_until_ended(ready := behind.submit(1))
    assert behind.job(ready[0]).status == "succeeded"
    assert behind.job(job_id).status == "cancelled"
    assert [one.id for one in behind.store.models()] == [behind.job(ready[0]).model_id]


def test_a_trainer_that_is_told_to_stop_while_it_stores_puts_the_job_back(behind: Cluster, proxy: S3Proxy) -> None:
    job_id = training(behind, BULKY)
    proxy.silent = True
    until(lambda: behind.job(job_id).progress.get("fraction") == 1.0, lambda: "it does not train on", pause=0.01)
    time.sleep(1.0)
    [trainer] = behind.trainers
    began = time.monotonic()
    assert trainer.terminate() == 0
    print(f"it ended after {time.monotonic() - began:.1f} s")
    assert behind.job(job_id).status == "queued"
    proxy.silent = False
    behind.trainer()
    report = behind.check_all_ready([job_id])
    assert set(report.attempts) == {2}
