"""A trainer that sleeps past its lease and wakes up: what it brings then is not heard."""

from __future__ import annotations

import os
import signal

import pytest

from tests.chaos.cluster import LONG, Cluster
from tests.chaos.process import Process, until

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize("child", ["sleeps too", "trains on"])
def test_a_trainer_that_sleeps_past_its_lease_is_not_heard(cluster: Cluster, child: str) -> None:
    """Its child sleeps too, and is killed or ends late; or trains on, and its result waits for the trainer to wake."""
    cluster.server()
    sleeper = cluster.trainer("sleeper")
    job = cluster.wait_for(cluster.submit(1, LONG)[0])
    until(lambda: bool(sleeper.training_children(job.id)), lambda: "the job has no child")
    if child == "sleeps too":
        sleeper.freeze()
    else:
        os.kill(sleeper.popen.pid, signal.SIGSTOP)
    other = cluster.trainer("other")
    done = cluster.wait_for(job.id, "succeeded", attempt=2)
    assert done.worker == other.name
    file = cluster.store.get_model(done.model_id, done.attempt)
    if child == "trains on":
        _wait_until_it_has_told_its_result(sleeper, job.id)
    sleeper.thaw()
    until(lambda: not sleeper.training_children(job.id), lambda: "the child of a void attempt is left")
    # The next job of the woken trainer comes after whatever it did with the last one.
    other.kill()
    after = cluster.wait_for(cluster.submit()[0], "succeeded")
    assert after.worker == sleeper.name
    assert cluster.job(job.id) == done
    assert cluster.store.get_model(done.model_id, done.attempt) == file
    report = cluster.check_all_ready([job.id, after.id])
    assert not report.cleared, "its file is left"
    refused = "is discarded" in sleeper.log.read_text()
    print(f"the child {child}: the result was {'refused' if refused else 'never told, its child was killed'}")
    assert sleeper.terminate() == 0


def _wait_until_it_has_told_its_result(sleeper: Process, job_id: str) -> None:
    """Return when the child waits, with all that it had to tell, for its parent to take note of its end."""
    until(lambda: not sleeper.training_children(job_id), lambda: "the child does not end")
