"""The queue with real child processes."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.errors import SeriesTooShort, ServiceError, TrainingFailed
from service.jobs.process_queue import ProcessQueue
from service.jobs.queue import Outcome, Progress, Train
from tests.jobs import trainings

PATIENCE = 60.0


class Recorder:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.events: queue.Queue[tuple[str, str, Any]] = queue.Queue()
        self.progress: list[Progress] = []
        self.refused: set[str] = set()

    def started(self, job_id: str) -> bool:
        self.events.put(("started", job_id, None))
        return job_id not in self.refused

    def progressed(self, job_id: str, progress: Progress) -> None:
        self.progress.append(progress)

    def succeeded(self, job_id: str, outcome: Outcome) -> None:
        self.events.put(("succeeded", job_id, outcome))

    def failed(self, job_id: str, error: ServiceError) -> None:
        self.events.put(("failed", job_id, error))

    def next(self) -> tuple[str, str, Any]:
        return self.events.get(timeout=PATIENCE)

    def end_of(self, job_id: str) -> tuple[str, Any]:
        while True:
            kind, job, content = self.next()
            if job == job_id and kind != "started":
                return kind, content


@contextmanager
def running(train: Train, seconds_limit: float = PATIENCE) -> Iterator[tuple[ProcessQueue, Recorder]]:
    recorder = Recorder()
    jobs = ProcessQueue(train, recorder, processes=1, seconds_limit=seconds_limit)
    jobs.start()
    try:
        yield jobs, recorder
    finally:
        jobs.stop()


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it never happened")


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def pid_in(path: Path) -> int | None:
    return int(path.read_text()) if path.exists() and path.read_text() else None


def test_jobs_run_in_a_warm_child_in_their_order() -> None:
    with running(trainings.quick) as (jobs, recorder):
        for job_id in ("a", "b"):
            jobs.submit(job_id)
        events = [recorder.next() for _ in range(4)]
    assert [kind for kind, _, _ in events] == ["started", "succeeded", "started", "succeeded"]
    assert [job_id for _, job_id, _ in events] == ["a", "a", "b", "b"]
    assert events[1][2] == Outcome({"job": "a", "warm": True}, b"file of a")
    assert recorder.progress == [{"epoch": 1}, {"epoch": 1}]


def test_a_large_file_comes_whole() -> None:
    with running(trainings.large) as (jobs, recorder):
        jobs.submit("a")
        kind, outcome = recorder.end_of("a")
    assert kind == "succeeded"
    assert len(outcome.file) == 5_000_000


def test_an_error_of_ours_comes_over_whole() -> None:
    with running(trainings.too_short) as (jobs, recorder):
        jobs.submit("a")
        kind, error = recorder.end_of("a")
    assert kind == "failed"
    assert isinstance(error, SeriesTooShort)
    assert error.faults[0].path == ("series",)


@pytest.mark.parametrize("train", [trainings.broken, trainings.dying])
def test_a_bug_or_a_death_fails_the_job_and_says_nothing_of_the_inside(train: Train) -> None:
    with running(train) as (jobs, recorder):
        jobs.submit("a")
        kind, error = recorder.end_of("a")
        jobs.submit("b")
        assert recorder.end_of("b")[0] == "failed"
    assert kind == "failed"
    assert isinstance(error, TrainingFailed)
    assert "secret" not in error.detail


def test_a_job_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    job_id = str(tmp_path / "pid")
    with running(trainings.endless, seconds_limit=1.0) as (jobs, recorder):
        jobs.submit(job_id)
        kind, error = recorder.end_of(job_id)
        pid = pid_in(tmp_path / "pid")
    assert kind == "failed"
    assert "longer than 1 s" in error.detail
    assert pid
    assert not alive(pid)


def test_cancel_kills_the_child_and_the_next_job_runs(tmp_path: Path) -> None:
    with running(trainings.endless) as (jobs, recorder):
        first, second = str(tmp_path / "first"), str(tmp_path / "second")
        jobs.submit(first)
        jobs.submit(second)
        pid = wait_for(lambda: pid_in(tmp_path / "first"))
        jobs.cancel(first)
        wait_for(lambda: not alive(pid))
        wait_for(lambda: pid_in(tmp_path / "second"))
        jobs.cancel(second)
    events = [recorder.events.get_nowait()[:2] for _ in range(recorder.events.qsize())]
    assert events == [("started", first), ("started", second)]


def test_a_job_that_is_refused_does_not_run(tmp_path: Path) -> None:
    with running(trainings.quick) as (jobs, recorder):
        recorder.refused.add("a")
        jobs.submit("a")
        jobs.submit("b")
        assert recorder.end_of("b")[0] == "succeeded"
    assert recorder.progress == [{"epoch": 1}]


def test_stop_ends_children_without_failing_their_jobs(tmp_path: Path) -> None:
    job_id = str(tmp_path / "pid")
    with running(trainings.endless) as (jobs, recorder):
        jobs.submit(job_id)
        pid = wait_for(lambda: pid_in(tmp_path / "pid"))
    wait_for(lambda: not alive(pid))
    assert recorder.next()[0] == "started"
    assert recorder.events.empty()


def test_no_child_outlives_a_server_that_is_killed(tmp_path: Path) -> None:
    """The chain server, forkserver, child dies from the top, also by kill -9."""
    script = textwrap.dedent("""
        import sys, time
        from service.jobs.process_queue import ProcessQueue
        from tests.jobs import trainings
        from tests.jobs.test_process_queue import Recorder

        if __name__ == "__main__":
            jobs = ProcessQueue(trainings.endless, Recorder(), 1, 600)
            jobs.start()
            jobs.submit(sys.argv[1])
            time.sleep(600)
    """)
    path = tmp_path / "server.py"
    path.write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    server = subprocess.Popen([sys.executable, str(path), str(tmp_path / "pid")], env=environment)
    try:
        pid = wait_for(lambda: pid_in(tmp_path / "pid"))
        assert alive(pid)
    finally:
        server.kill()
        server.wait()
    wait_for(lambda: not alive(pid))
