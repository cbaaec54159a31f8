"""The queue's long-lived child of a device."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.errors import SeriesTooShort, TrainingFailed
from service.queue.tickets import CPU, GPU
from tests.worker import trainings
from tests.worker.test_runner import PATIENCE, Jobs, Recorder, alive, pid_in, wait_for


@contextmanager
def running(devices: int = 1, seconds_limit: float = PATIENCE) -> Iterator[tuple[Jobs, Recorder]]:
    recorder = Recorder()
    on_devices = [trainings.whereabouts] * devices
    jobs = Jobs(trainings.whereabouts, recorder, seconds_limit, on_devices=on_devices)
    try:
        yield jobs, recorder
    finally:
        jobs.stop()


def done(jobs: Jobs, recorder: Recorder, job_id: str, queue: str = GPU) -> dict[str, Any]:
    """Run a job that succeeds; return where it ran."""
    jobs.submit(job_id, queue=queue)
    kind, outcome = recorder.end_of(job_id)
    assert kind == "succeeded"
    assert outcome.file == b"file of " + job_id.encode()
    record: dict[str, Any] = outcome.record
    return record


def test_many_jobs_run_in_one_process_of_its_own() -> None:
    with running() as (jobs, recorder):
        records = [done(jobs, recorder, job_id) for job_id in ("a", "b", "c")]
        assert len({one["pid"] for one in records}) == 1
        assert alive(records[0]["pid"])
    assert records[0]["parent"] == os.getpid()
    assert not records[0]["pytest"], "it was forked, not spawned"
    assert not alive(records[0]["pid"])


def test_an_error_of_the_data_leaves_the_process_as_it_is() -> None:
    with running() as (jobs, recorder):
        before = done(jobs, recorder, "a")
        jobs.submit("too short", queue=GPU)
        kind, error = recorder.end_of("too short")
        assert (kind, type(error)) == ("failed", SeriesTooShort)
        assert done(jobs, recorder, "b") == before


@pytest.mark.parametrize("job_id", ["broken", "dying"])
def test_after_a_bug_or_a_death_the_next_job_gets_a_new_process(job_id: str) -> None:
    with running() as (jobs, recorder):
        before = done(jobs, recorder, "a")
        jobs.submit(job_id, queue=GPU)
        jobs.submit("b", queue=GPU)
        kind, error = recorder.end_of(job_id)
        assert (kind, type(error)) == ("died" if job_id == "dying" else "failed", TrainingFailed)
        assert "secret" not in error.detail
        _, after = recorder.end_of("b")
        assert not alive(before["pid"])
    assert after.record["pid"] != before["pid"]


def test_a_process_that_was_killed_while_it_waited_is_replaced() -> None:
    with running() as (jobs, recorder):
        before = done(jobs, recorder, "a")
        os.kill(before["pid"], signal.SIGKILL)
        wait_for(lambda: not alive(before["pid"]))
        assert done(jobs, recorder, "b")["pid"] != before["pid"]


def test_cancel_kills_the_process_and_the_next_job_gets_a_new_one(tmp_path: Path) -> None:
    job_id = str(tmp_path / "endless")
    with running() as (jobs, recorder):
        before = done(jobs, recorder, "a")
        jobs.submit(job_id, queue=GPU)
        assert wait_for(lambda: pid_in(tmp_path / "endless")) == before["pid"]
        jobs.runner.cancel(job_id)
        wait_for(lambda: not alive(before["pid"]))
        assert done(jobs, recorder, "b")["pid"] != before["pid"]
    assert recorder.events.empty(), "nothing is reported of what was cancelled"


def test_a_job_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    job_id = str(tmp_path / "endless")
    with running(seconds_limit=3.0) as (jobs, recorder):
        jobs.submit(job_id, queue=GPU)
        kind, error = recorder.end_of(job_id)
        pid = pid_in(tmp_path / "endless")
        assert kind == "failed"
        assert "longer than 3 s" in error.detail
        assert pid
        assert not alive(pid)
        assert done(jobs, recorder, "b")["pid"] != pid


def test_each_queue_has_its_processes() -> None:
    with running() as (jobs, recorder):
        large = [done(jobs, recorder, job_id)["pid"] for job_id in ("a", "b")]
        small = [done(jobs, recorder, job_id, queue=CPU)["pid"] for job_id in ("c", "d")]
    assert large[0] == large[1]
    assert len({*large, *small}) == 3


def test_each_device_has_its_process(tmp_path: Path) -> None:
    with running(devices=2) as (jobs, _):
        names = ["1-endless", "2-endless"]
        for name in names:
            jobs.submit(str(tmp_path / name), queue=GPU)
        wait_for(lambda: all(pid_in(tmp_path / name) for name in names))
    pids = {int((tmp_path / name).read_text()) for name in names}
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)


@pytest.mark.parametrize("busy", [True, False])
def test_the_process_dies_with_a_server_that_is_killed(tmp_path: Path, busy: bool) -> None:
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from tests.worker import trainings
        from tests.worker.test_runner import Jobs, Recorder

        if __name__ == "__main__":
            recorder = Recorder()
            jobs = Jobs(trainings.whereabouts, recorder, on_devices=[trainings.whereabouts])
            jobs.submit("a", queue="gpu")
            pid = recorder.end_of("a")[1].record["pid"]
            if sys.argv[2] == "True":
                jobs.submit(sys.argv[1], queue="gpu")
            else:
                Path(sys.argv[1]).write_text(str(pid))
            time.sleep(600)
    """)
    path = tmp_path / "server.py"
    path.write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    server = subprocess.Popen([sys.executable, str(path), str(tmp_path / "endless"), str(busy)], env=environment)
    try:
        pid = wait_for(lambda: pid_in(tmp_path / "endless"))
        assert alive(pid)
    finally:
        server.kill()
        server.wait()
    wait_for(lambda: not alive(pid))
