"""A job that takes its process along ends, and takes nobody else along."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

import pytest

from tests.chaos.cluster import LONG, Cluster, Server
from tests.chaos.process import Process, until
from tests.factories import QUICK, seasonal

pytestmark = pytest.mark.chaos

_DEATHS = 3
_KILLS = 5

HUNGRY = {
    **QUICK,
    "series": seasonal(200).tolist(),
    "network": {"cell": "lstm", "hidden_size": 4096, "num_layers": 2},
    "training": {"epochs": 1, "batch_size": 256},
}
"""A training that takes more than a quarter of a gigabyte."""


class Poison:
    """Kills the child of one job, as soon as it appears, as a kernel does that has no memory left."""

    def __init__(self, process: Process, job_id: str) -> None:
        self.kills = 0
        self._process, self._job_id = process, job_id
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._kill_on)

    def __enter__(self) -> Poison:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _kill_on(self) -> None:
        killed: set[int] = set()
        while not self._ended.wait(0.005):
            for child in self._process.training_children(self._job_id) - killed:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                killed.add(child)
                self.kills += 1


def check_unharmed(cluster: Cluster, job_ids: list[str]) -> None:
    """Fail unless these jobs succeeded, each at once."""
    cluster.wait_until_ended(job_ids)
    assert {(cluster.job(one).status, cluster.job(one).attempt) for one in job_ids} == {("succeeded", 1)}


def test_a_job_whose_child_is_killed_each_time_fails_alone(single: Cluster) -> None:
    server = single.server()
    neighbours = single.submit(3)
    poison = single.submit(1, LONG)[0]
    with Poison(server, poison) as killer:
        neighbours += single.submit(5)
        single.wait_until_ended([poison])
    job = single.job(poison)
    assert (job.status, job.attempt, job.deaths, killer.kills) == ("failed", _DEATHS, _DEATHS, _DEATHS)
    told = server.client.get(f"/jobs/{poison}").json()["error"]
    assert "the training process died (-9), perhaps for lack of memory" in told["detail"]
    check_unharmed(single, neighbours)
    print(f"failed after {killer.kills} deaths: {told['detail']}")


def test_a_job_that_wants_more_memory_than_it_may_have_fails_at_once(single: Cluster) -> None:
    server = single.server(training_memory=str(256 * 2**20), max_hidden_size="4096")
    hungry, neighbours = single.submit(1, HUNGRY)[0], single.submit(3)
    single.wait_until_ended([hungry])
    job = single.job(hungry)
    assert (job.status, job.attempt, job.deaths) == ("failed", 1, 0)
    assert "ran out of memory" in server.client.get(f"/jobs/{hungry}").json()["error"]["detail"]
    check_unharmed(single, neighbours)


def test_a_trainer_that_is_killed_with_its_job_does_not_count(single: Cluster) -> None:
    server = single.server()
    job_id = single.submit(1, LONG)[0]
    for attempt in range(1, _KILLS + 1):
        single.wait_for(job_id, attempt=attempt)
        os.kill(local_trainer(server), signal.SIGKILL)
    killed = time.monotonic()
    single.wait_for(job_id, attempt=_KILLS + 1)
    print(f"taken up {time.monotonic() - killed:.1f} s after the last kill")
    single.wait_until_ended([job_id])
    job = single.job(job_id)
    assert (job.status, job.attempt, job.deaths) == ("succeeded", _KILLS + 1, 0)


def test_a_forkserver_that_is_killed_is_started_again(single: Cluster) -> None:
    server = single.server()
    job_id = single.submit(1, LONG)[0]
    single.wait_for(job_id)
    until(lambda: bool(server.training_children(job_id)), lambda: "it has no child")
    family = server.family()
    [child] = server.training_children(job_id)
    os.kill(family[child].parent, signal.SIGKILL)
    neighbours = single.submit(3)
    single.wait_until_ended([job_id, *neighbours])
    job = single.job(job_id)
    assert (job.status, job.attempt, job.deaths) == ("succeeded", 2, 1)
    assert local_trainer(server) in family, "the trainer did not survive"
    check_unharmed(single, neighbours)


def local_trainer(server: Server) -> int:
    """Wait for the server's own trainer, of its children the one that has children; return its process ID."""
    found: set[int] = set()

    def has_one() -> bool:
        family = server.family()
        parents = {one.parent for one in family.values()}
        found.update(number for number, one in family.items() if one.parent == server.popen.pid and number in parents)
        return bool(found)

    until(has_one, lambda: "the server has no trainer")
    return found.pop()
