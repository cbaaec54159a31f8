"""Killing what runs: nothing that was accepted is lost, nothing is there twice."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest

from service.storage.identifiers import new_id
from service.storage.registry.database import utc_now
from tests.chaos.cluster import LONG, MIDDLING, SMALL, Cluster, Server, job_id_of
from tests.chaos.process import PATIENCE, Process, until

pytestmark = pytest.mark.chaos

_JOBS = 100
_EARLY, _WITHIN_A_SUBMISSION, _WITHIN_A_TRAINING = 1.5, 0.06, 0.3
_BETWEEN_SUBMISSIONS = 0.1
# Of a lease and three looks; a bound on the logic, not on this machine.
_TAKEOVER = timedelta(seconds=20)


class Clients:
    """One thread that submits trainings to a server, each with a key, until the server is gone.

    accepted: job IDs by key; unanswered: keys of those of which nothing is known.
    """

    def __init__(self) -> None:
        self.accepted: dict[str, str] = {}
        self.unanswered: list[str] = []
        self.submitting = threading.Event()

    def submit_until_it_dies(self, server: Server) -> threading.Thread:
        """Begin to submit."""
        thread = threading.Thread(target=self._submit_on, args=(server,))
        thread.start()
        return thread

    def submit(self, server: Server, key: str, body: Mapping[str, Any] = SMALL) -> str:
        """Submit a training under a key; return the job's ID. Raises httpx.TransportError where there is no answer."""
        response = server.client.post("/train", params={"wait": 0}, json=body, headers={"Idempotency-Key": key})
        assert response.status_code in (201, 202), response.text
        self.accepted[key] = job_id_of(response)
        return self.accepted[key]

    def sleep_into_a_submission(self, numbers: random.Random) -> None:
        """Return at some moment between a submission and a little after its answer."""
        self.submitting.clear()
        assert self.submitting.wait(PATIENCE)
        time.sleep(numbers.uniform(0, _WITHIN_A_SUBMISSION))

    def _submit_on(self, server: Server) -> None:
        while True:
            key = new_id()
            self.submitting.set()
            try:
                self.submit(server, key)
            except httpx.TransportError:
                self.unanswered.append(key)
                return
            time.sleep(_BETWEEN_SUBMISSIONS)


def test_a_server_that_is_killed_again_and_again_loses_nothing(
    single: Cluster, kills: int, numbers: random.Random
) -> None:
    clients = Clients()
    known: set[str] = set()
    for number in range(kills):
        server = single.server(wait=False)
        server.wait_until_it_answers()
        if number % 2:
            _sleep_into_a_training(single, numbers, clients.submit(server, new_id(), MIDDLING))
            server.kill()
        else:
            submitting = clients.submit_until_it_dies(server)
            time.sleep(numbers.uniform(0, _EARLY))
            clients.sleep_into_a_submission(numbers)
            server.kill()
            submitting.join()
        # Its trainer, its forkserver and the trainings die with it.
        server.wait_until_gone()
        known |= set(single.registry.inventory.job_statuses())
    server = single.server()
    assert set(clients.accepted.values()) <= known
    for key in clients.unanswered:
        clients.submit(server, key)
    assert len(set(clients.accepted.values())) == len(clients.accepted)
    report = single.check_all_ready(clients.accepted.values())
    assert sum(report.attempts.values()) == len(clients.accepted), "a job that nobody asked for"
    assert max(report.attempts) > 1, "no training was cut short"
    assert set(report.cleared) <= {"input without job"}
    print(f"{kills} kills, {len(clients.accepted)} jobs, {len(clients.unanswered)} unanswered: {report}")
    assert server.terminate() == 0
    server.wait_until_gone()


def _sleep_into_a_training(single: Cluster, numbers: random.Random, job_id: str) -> None:
    until(lambda: single.job(job_id).status != "queued", lambda: "nothing trains", pause=0.01)
    time.sleep(numbers.uniform(0, _WITHIN_A_TRAINING))


@pytest.mark.parametrize("generation", [0, 1, 2], ids=["its child", "the forkserver", "the trainer"])
def test_a_server_outlives_all_that_trains_for_it(single: Cluster, generation: int) -> None:
    server = single.server()
    job = single.wait_for(single.submit(1, LONG)[0])
    until(lambda: bool(server.training_children(job.id)), lambda: "the job has no child")
    family = server.family()
    [victim] = server.training_children(job.id)
    for _ in range(generation):
        victim = family[victim].parent
    assert victim != server.popen.pid
    os.kill(victim, signal.SIGKILL)
    again = single.wait_for(job.id, "succeeded", attempt=2)
    jobs = [job.id, *single.submit(3)]
    single.check_all_ready(jobs)
    print(f"attempt {again.attempt} succeeded, {again.deaths} deaths counted")
    assert server.terminate() == 0
    server.wait_until_gone()


def test_killed_children_trainers_and_servers_lose_nothing(cluster: Cluster) -> None:
    first, second = cluster.server(), cluster.server()
    names = ("north", "south")
    trainers = {name: cluster.trainer(name) for name in names}
    jobs = cluster.submit(_JOBS // 4)
    _kill_a_training_child(cluster)
    jobs += cluster.submit(_JOBS // 4)
    victim = _kill_who_trains(cluster, trainers)
    trainers[victim] = cluster.trainer(victim, wait=False)
    first.kill()
    jobs += cluster.submit(_JOBS // 4)
    for one in trainers.values():
        one.kill()
    jobs += cluster.submit(_JOBS - len(jobs))
    for one in trainers.values():
        one.wait_until_gone()
    assert not cluster.trainers
    trainers = {name: cluster.trainer(name, wait=False) for name in names}
    assert second.lives
    report = cluster.check_all_ready(jobs)
    # What the three kills cut short, and a child's death, are among them.
    assert max(report.attempts) >= 2
    print(f"{len(jobs)} jobs and {len(cluster.registry.inventory.job_statuses()) - len(jobs)} long ones: {report}")


def _kill_a_training_child(cluster: Cluster) -> None:
    job = cluster.wait_for(cluster.submit(1, LONG)[0])
    trainer = next(one for one in cluster.trainers if one.name == job.worker)
    until(lambda: bool(trainer.training_children(job.id)), lambda: "the job has no child")
    for child in trainer.training_children(job.id):
        os.kill(child, signal.SIGKILL)
    again = cluster.wait_for(job.id, attempt=2)
    assert again.deaths == 1


def _kill_who_trains(cluster: Cluster, trainers: dict[str, Process]) -> str:
    """Kill a trainer while it trains; return its name, once another has taken its job over."""
    job = cluster.wait_for(cluster.submit(1, LONG)[0])
    killed, at = trainers[job.worker or ""], utc_now()
    killed.kill()
    again = cluster.wait_for(job.id, attempt=2)
    assert again.worker != killed.name
    assert again.started_at is not None
    took = again.started_at - at
    print(f"the job of a killed trainer was taken over after {took.total_seconds():.1f} s")
    assert took < _TAKEOVER
    return killed.name
