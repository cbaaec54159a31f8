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

from service.errors import SeriesTooShort, ServiceError, TrainingFailed, Unavailable
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
def running(
    train: Train, seconds_limit: float = PATIENCE, recorder: Recorder | None = None
) -> Iterator[tuple[ProcessQueue, Recorder]]:
    recorder = recorder or Recorder()
    jobs = ProcessQueue(train, recorder, processes=1, seconds_limit=seconds_limit)
    jobs.start()
    try:
        yield jobs, recorder
    finally:
        jobs.stop()


class Failing(Recorder):
    """Raises as often as it is told to before it listens."""

    def __init__(self, **failures: int) -> None:
        super().__init__()
        self.failures = failures

    def fail(self, event: str) -> None:
        if self.failures.get(event, 0):
            self.failures[event] -= 1
            raise Unavailable(f"cannot hear that it {event}")

    def started(self, job_id: str) -> bool:
        self.fail("started")
        return super().started(job_id)

    def progressed(self, job_id: str, progress: Progress) -> None:
        self.fail("progressed")
        super().progressed(job_id, progress)

    def succeeded(self, job_id: str, outcome: Outcome) -> None:
        self.fail("succeeded")
        super().succeeded(job_id, outcome)

    def failed(self, job_id: str, error: ServiceError) -> None:
        self.fail("failed")
        super().failed(job_id, error)


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


def test_the_last_progress_of_each_stage_is_told() -> None:
    with running(trainings.staged) as (jobs, recorder):
        jobs.submit("a")
        recorder.end_of("a")
    assert len(recorder.progress) < 100
    told = [(one["stage"], one["epoch"]) for one in recorder.progress]
    assert {("select", 1), ("select", 100), ("score", 100)} < set(told)
    assert told[-1] == ("refit", 100)


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


def test_a_listener_that_fails_for_a_while_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    with running(trainings.staged, recorder=Failing(started=2, progressed=3, succeeded=2)) as (jobs, recorder):
        jobs.submit("a")
        assert recorder.end_of("a")[0] == "succeeded"
    assert recorder.progress[-1] == {"stage": "refit", "epoch": 100}
    for event in ("started", "progressed", "succeeded"):
        assert f"cannot hear that it {event}" in caplog.text


def test_a_failure_is_told_again() -> None:
    with running(trainings.too_short, recorder=Failing(failed=2)) as (jobs, recorder):
        jobs.submit("a")
        kind, error = recorder.end_of("a")
    assert (kind, type(error)) == ("failed", SeriesTooShort)


def test_a_job_that_cannot_be_started_goes_back_to_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(trainings.quick, recorder=Failing(started=3)) as (jobs, recorder):
        monkeypatch.setattr(jobs._listener, "_patience", 0.0)
        for job_id in ("a", "b"):
            jobs.submit(job_id)
        assert {recorder.next()[1] for _ in range(4)} == {"a", "b"}


def test_stop_does_not_wait_for_a_listener_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    with running(trainings.quick, recorder=Failing(succeeded=10**6)) as (jobs, recorder):
        jobs.submit("a")
        wait_for(lambda: "cannot hear that it succeeded" in caplog.text)
    assert not any(thread.is_alive() for thread in jobs._threads)
    assert recorder.next()[0] == "started"
    assert recorder.events.empty(), "a job that was running is not reported as failed"
    assert "the model of job a could not be kept" in caplog.text


def test_cancel_does_not_wait_for_a_process_that_is_slow_to_start(tmp_path: Path) -> None:
    """The forkserver starts no process while it imports; this one imports until it is told to stop."""
    (tmp_path / "slow_module.py").write_text("open('gate').read()")
    os.mkfifo(tmp_path / "gate")
    script = textwrap.dedent("""
        import sys, threading, traceback
        from pathlib import Path
        from service.jobs import process_queue
        from tests.jobs import trainings
        from tests.jobs.test_process_queue import Recorder, wait_for

        def is_starting():
            return any(frame.f_code.co_name == "read_signed" for thread in jobs._threads
                       for frame, _ in traceback.walk_stack(sys._current_frames()[thread.ident]))

        if __name__ == "__main__":
            process_queue.PRELOADED = ("slow_module",)
            recorder = Recorder()
            jobs = process_queue.ProcessQueue(trainings.quick, recorder, 1, 600)
            jobs.start()
            jobs.submit("a")
            wait_for(is_starting)
            cancelling = threading.Thread(target=jobs.cancel, args=("a",), daemon=True)
            cancelling.start()
            cancelling.join(20)
            was_slow = cancelling.is_alive()
            Path("gate").write_text("go on")
            assert not was_slow, "cancel waited for the start"
            jobs.submit("b")
            events = [recorder.next()[:2] for _ in range(3)]
            assert events == [("started", "a"), ("started", "b"), ("succeeded", "b")], events
            jobs.stop()
    """)
    check_script(script, tmp_path)


def test_a_child_whose_queue_is_gone_ends_quietly(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import multiprocessing
        from service.jobs.child import work
        from tests.jobs import trainings

        if __name__ == "__main__":
            context = multiprocessing.get_context("forkserver")
            receiving, sending = context.Pipe(duplex=False)
            receiving.close()
            for train in (trainings.quick, trainings.large, trainings.too_short):
                child = context.Process(target=work, args=(train, "a", sending))
                child.start()
                child.join()
                assert child.exitcode == 1, child.exitcode
    """)
    assert check_script(script, tmp_path) == ""


def check_script(script: str, folder: Path) -> str:
    """Run a script in a process of its own; return what it wrote to stderr. Fails where it fails."""
    path = folder / "script.py"
    path.write_text(script)
    environment = {**os.environ, "PYTHONPATH": f"{Path(__file__).parent.parent.parent}:{folder}"}
    ended = subprocess.run(
        [sys.executable, str(path)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


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
