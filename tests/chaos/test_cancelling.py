"""A job that is cancelled, whatever it does just then and whichever server is told, ends at once and leaves nothing."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.api.application import ENDLESS, running
from tests.api.children import check_gone, descendants
from tests.api.contract import problem_of
from tests.chaos.cluster import Cluster, Server, is_training
from tests.chaos.process import until

pytestmark = pytest.mark.chaos

_ANY_MOMENT = 12
# The promise is one second; a bound on the logic, not on this machine.
_SECONDS = 10.0


@dataclass(frozen=True)
class Place:
    """Where jobs are cancelled: the processes, and the server that is told."""

    cluster: Cluster
    server: Server

    def cancel(self, job_id: str) -> float:
        """Cancel a job; return after how many seconds its child was gone."""
        assert self.server.client.delete(f"/jobs/{job_id}").status_code == 204
        answered = time.monotonic()
        until(lambda: not self.children(job_id), lambda: f"children still train: {self.children(job_id)}", pause=0.01)
        took = time.monotonic() - answered
        assert took < _SECONDS
        return took

    def children(self, job_id: str) -> set[int]:
        """Return the children that train a job."""
        return {child for one in self.cluster.processes for child in one.training_children(job_id)}

    def check_nothing_is_left(self, job_ids: list[str]) -> None:
        """Fail unless these jobs are cancelled, their models failed, and no other file than of an input is there."""
        for job_id in job_ids:
            job = self.server.client.get(f"/jobs/{job_id}").json()
            assert (job["status"], job["error"]) == ("cancelled", None)
            asked = {"model_id": job["model_id"], "horizon": 3}
            problem_of(self.server.client.post("/forecast", json=asked), 409, "model-failed", contains="cancelled")
            problem_of(self.server.client.delete(f"/jobs/{job_id}"), 409, "job-finished")
        models = {self.cluster.job(job_id).model_id for job_id in job_ids}
        assert not [one for one in self.cluster.store.models() if one.id in models]
        # What comes next finds its place free.
        self.cluster.wait_until_ended(ready := self.cluster.submit(2))
        assert {self.cluster.job(one).status for one in ready} == {"succeeded"}


@pytest.fixture(params=["single", "cluster"])
def place(request: pytest.FixtureRequest) -> Place:
    """One machine; or a cluster, of which a server is told that neither accepted the job nor trains it."""
    cluster: Cluster = request.getfixturevalue(request.param)
    server = cluster.server()
    if request.param == "cluster":
        cluster.trainer()
        server = cluster.server()
    return Place(cluster, server)


def test_a_job_is_cancelled_while_it_waits_and_while_it_trains(place: Place) -> None:
    [trained, waits] = place.cluster.submit(2, ENDLESS)
    place.cluster.wait_for(trained)
    until(lambda: place.cluster.trains(trained), lambda: "it does not train")
    assert place.children(trained)
    assert not place.children(waits)
    print(f"waiting: {place.cancel(waits):.2f} s", end=", ")
    print(f"training: {place.cancel(trained):.2f} s")
    place.check_nothing_is_left([trained, waits])


def test_a_job_is_cancelled_at_any_moment_of_its_start(place: Place, numbers: random.Random) -> None:
    took, jobs = [], []
    # The first ones while the forkserver still imports.
    for _ in range(_ANY_MOMENT):
        job_id = place.cluster.submit(1, ENDLESS)[0]
        place.cluster.wait_for(job_id)
        time.sleep(numbers.choice([0.0, numbers.uniform(0, 0.1)]))
        took.append(place.cancel(job_id))
        jobs.append(job_id)
    time.sleep(1.0)
    assert not [child for one in jobs for child in place.children(one)], "a child that came later"
    assert {place.cluster.job(one).attempt for one in jobs} == {1}
    print(f"children gone after {min(took):.2f} to {max(took):.2f} s")
    place.check_nothing_is_left(jobs)


def test_a_job_on_a_device_is_cancelled(tmp_path: Path) -> None:
    with running(tmp_path, device="cuda", devices=["cpu"]) as one:
        accepted = one.start(ENDLESS)
        until(
            lambda: is_training(one.client.get(f"/jobs/{accepted['job_id']}").json()["progress"]),
            lambda: "it does not train",
        )
        [child] = [number for number in descendants(os.getpid()) if _has_torch(number)]
        assert one.client.delete(f"/jobs/{accepted['job_id']}").status_code == 204
        answered = time.monotonic()
        check_gone(child, _SECONDS)
        print(f"the device's child was gone after {time.monotonic() - answered:.2f} s")
        problem_of(one.client.delete(f"/jobs/{accepted['job_id']}"), 409, "job-finished")
        assert not list((tmp_path / "models").glob("*.safetensors"))


def _has_torch(process_id: int) -> bool:
    return "libtorch" in Path(f"/proc/{process_id}/maps").read_text()
