"""The runner with real child processes."""

from __future__ import annotations

import multiprocessing
import os
import queue
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from service.errors import SeriesTooShort, ServiceError, TrainingFailed, Unavailable
from service.queue.tickets import CPU, GPU, Outcome, Progress, Ticket, Train
from service.worker.runner import JobRunner, Slots
from service.worker.training_process import PRELOADED, DeviceProcess, FreshProcess
from tests.worker import trainings

PATIENCE = 60.0


class Recorder:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.events: queue.Queue[tuple[str, str, Any]] = queue.Queue()
        self.progress: list[Progress] = []
        self.refused: set[str] = set()

    def claim(self, ticket: Ticket) -> int | None:
        self.events.put(("claim", ticket.job_id, None))
        return None if ticket.job_id in self.refused else ticket.generation + 1

    def progressed(self, job_id: str, attempt: int, progress: Progress) -> None:
        self.progress.append(progress)

    def checkpointed(self, job_id: str, attempt: int, data: bytes) -> None:
        self.events.put(("checkpointed", job_id, (attempt, data)))

    def succeeded(self, job_id: str, attempt: int, outcome: Outcome) -> None:
        self.events.put(("succeeded", job_id, outcome))

    def failed(self, job_id: str, attempt: int, error: ServiceError) -> None:
        self.events.put(("failed", job_id, error))

    def died(self, job_id: str, attempt: int, error: ServiceError) -> Ticket | None:
        self.events.put(("died", job_id, error))
        return Ticket(job_id, attempt, CPU) if attempt < 3 else None

    def next(self) -> tuple[str, str, Any]:
        return self.events.get(timeout=PATIENCE)

    def end_of(self, job_id: str) -> tuple[str, Any]:
        while True:
            kind, job, content = self.next()
            if job == job_id and kind != "claim":
                return kind, content


class Jobs:
    """Runs jobs one after another, in a thread, as a queue would."""

    def __init__(
        self,
        train: Train,
        recorder: Recorder,
        seconds_limit: float = PATIENCE,
        memory: int | None = None,
        on_devices: Sequence[Train] = (),
        prepared: threading.Event | None = None,
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(PRELOADED))
        devices = [DeviceProcess(one) for one in on_devices]
        slots = Slots({CPU: [FreshProcess(train, context, memory, prepared)], GPU: devices})
        self.runner = JobRunner(slots, recorder, seconds_limit)
        sizes: dict[str, int] = {CPU: 1, GPU: len(devices) or 1}
        self._threads = {name: ThreadPoolExecutor(size) for name, size in sizes.items()}
        self.ended: list[Future[Ticket | None]] = []

    def submit(self, job_id: str, dispatch: int = 0, queue: str = CPU) -> Future[Ticket | None]:
        self.ended.append(self._threads[queue].submit(self.runner.run, Ticket(job_id, dispatch, queue)))
        return self.ended[-1]

    def stop(self) -> None:
        self.runner.stop()
        for thread in self._threads.values():
            thread.shutdown()


@contextmanager
def running(
    train: Train,
    seconds_limit: float = PATIENCE,
    recorder: Recorder | None = None,
    memory: int | None = None,
    prepared: threading.Event | None = None,
) -> Iterator[tuple[Jobs, Recorder]]:
    recorder = recorder or Recorder()
    jobs = Jobs(train, recorder, seconds_limit, memory, prepared=prepared)
    try:
        yield jobs, recorder
    finally:
        jobs.stop()


class Failing(Recorder):
    """Raises a given number of times before it records an event."""

    def __init__(self, **failures: int) -> None:
        super().__init__()
        self.failures = failures

    def fail(self, event: str) -> None:
        if self.failures.get(event, 0):
            self.failures[event] -= 1
            raise Unavailable(f"cannot hear that it {event}")

    def claim(self, ticket: Ticket) -> int | None:
        self.fail("claim")
        return super().claim(ticket)

    def progressed(self, job_id: str, attempt: int, progress: Progress) -> None:
        self.fail("progressed")
        super().progressed(job_id, attempt, progress)

    def checkpointed(self, job_id: str, attempt: int, data: bytes) -> None:
        self.fail("checkpointed")
        super().checkpointed(job_id, attempt, data)

    def succeeded(self, job_id: str, attempt: int, outcome: Outcome) -> None:
        self.fail("succeeded")
        super().succeeded(job_id, attempt, outcome)

    def failed(self, job_id: str, attempt: int, error: ServiceError) -> None:
        self.fail("failed")
        super().failed(job_id, attempt, error)

    def died(self, job_id: str, attempt: int, error: ServiceError) -> Ticket | None:
        self.fail("died")
        return super().died(job_id, attempt, error)


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
    assert [kind for kind, _, _ in events] == ["claim", "succeeded", "claim", "succeeded"]
    assert [job_id for _, job_id, _ in events] == ["a", "a", "b", "b"]
    assert events[1][2] == Outcome({"job": "a", "warm": True}, b"file of a")
    assert recorder.progress == [{"epoch": 1}, {"epoch": 1}]


def test_the_first_and_the_last_progress_are_reported() -> None:
    with running(trainings.staged) as (jobs, recorder):
        jobs.submit("a")
        recorder.end_of("a")
    assert len(recorder.progress) < 100
    told = [(one["stage"], one["epoch"]) for one in recorder.progress]
    assert (told[0], told[-1]) == (("select", 1), ("refit", 100))


def test_checkpoints_come_whole_and_in_their_order() -> None:
    with running(trainings.checkpointed) as (jobs, recorder):
        jobs.submit("job", dispatch=6)
        events = [recorder.next() for _ in range(4)]
    assert events[1:3] == [("checkpointed", "job", (7, data)) for data in (b"{}", b"job" * 1_000_000)]
    assert [kind for kind, _, _ in events] == ["claim", "checkpointed", "checkpointed", "succeeded"]
    assert recorder.progress == [{"epoch": 1}]


def test_a_checkpoint_that_cannot_be_kept_stops_no_training(caplog: pytest.LogCaptureFixture) -> None:
    with running(trainings.checkpointed, recorder=Failing(checkpointed=2)) as (jobs, recorder):
        jobs.submit("job")
        assert recorder.end_of("job")[0] == "succeeded"
    assert "a checkpoint of job job could not be stored" in caplog.text


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


def test_a_bug_fails_the_job_and_says_nothing_of_the_inside() -> None:
    with running(trainings.broken) as (jobs, recorder):
        jobs.submit("a")
        kind, error = recorder.end_of("a")
        jobs.submit("b")
        assert recorder.end_of("b")[0] == "failed"
    assert kind == "failed"
    assert isinstance(error, TrainingFailed)
    assert "secret" not in error.detail


def test_a_death_puts_the_job_back_as_long_as_it_may_come_back() -> None:
    with running(trainings.dying) as (jobs, recorder):
        back = jobs.submit("a").result(PATIENCE)
        assert back == Ticket("a", 1, CPU)
        assert jobs.submit("a", dispatch=2).result(PATIENCE) is None
        kind, error = recorder.end_of("a")
    assert kind == "died"
    assert "died (7)" in error.detail


def test_a_process_that_cannot_be_started_is_not_the_end_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    begin, errors = FreshProcess.begin, [BlockingIOError("no room for another process")]

    def unlucky(process: FreshProcess, job_id: str) -> Connection:
        if errors:
            raise errors.pop()
        return begin(process, job_id)

    monkeypatch.setattr(FreshProcess, "begin", unlucky)
    with running(trainings.quick) as (jobs, recorder):
        back = jobs.submit("a").result(PATIENCE)
        assert (back, recorder.end_of("a")[0]) == (Ticket("a", 1, CPU), "died")
        jobs.submit("a", dispatch=1)
        assert recorder.end_of("a")[0] == "succeeded"


def test_a_job_that_waits_for_kernels_says_so() -> None:
    prepared = threading.Event()
    with running(trainings.quick, prepared=prepared) as (jobs, recorder):
        jobs.submit("a")
        recorder.end_of("a")
        assert recorder.progress == [{"stage": "compile"}, {"epoch": 1}]
        prepared.set()
        jobs.submit("b")
        recorder.end_of("b")
        assert recorder.progress[2:] == [{"epoch": 1}]


def test_a_training_that_needs_too_much_memory_is_reported_so() -> None:
    with running(trainings.greedy, memory=2**30) as (jobs, recorder):
        jobs.submit("a")
        kind, error = recorder.end_of("a")
    assert kind == "failed"
    assert "out of memory" in error.detail


def test_what_a_process_starts_with_is_not_counted_as_its_memory() -> None:
    with running(trainings.threaded, memory=64 * 2**20) as (jobs, recorder):
        jobs.submit("a")
        kind, _ = recorder.end_of("a")
    assert kind == "succeeded"


def test_what_is_not_held_any_more_is_stopped(tmp_path: Path) -> None:
    with running(trainings.endless) as (jobs, recorder):
        job_id = str(tmp_path / "pid")
        ended = jobs.submit(job_id)
        pid = wait_for(lambda: pid_in(tmp_path / "pid"))
        before = jobs.runner.attempts()
        assert before == {job_id: 1}
        jobs.runner.stop_stale(before, {job_id: 1})
        assert alive(pid)
        jobs.runner.stop_stale({}, {})
        assert alive(pid), "what began after the look is not judged by it"
        jobs.runner.stop_stale(before, {job_id: 2})
        assert ended.result(PATIENCE) is None
        assert not alive(pid)
    assert [recorder.events.get_nowait()[0] for _ in range(recorder.events.qsize())] == ["claim"]


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
        jobs.runner.cancel(first)
        wait_for(lambda: not alive(pid))
        wait_for(lambda: pid_in(tmp_path / "second"))
        jobs.runner.cancel(second)
    events = [recorder.events.get_nowait()[:2] for _ in range(recorder.events.qsize())]
    assert events == [("claim", first), ("claim", second)]


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
    assert recorder.next()[0] == "claim"
    assert recorder.events.empty()


def test_a_call_of_a_listener_that_fails_for_a_while_is_retried(caplog: pytest.LogCaptureFixture) -> None:
    with running(trainings.staged, recorder=Failing(claim=2, progressed=1, succeeded=2)) as (jobs, recorder):
        jobs.submit("a")
        assert recorder.end_of("a")[0] == "succeeded"
    assert recorder.progress[-1] == {"stage": "refit", "epoch": 100}
    for event in ("claim", "progressed", "succeeded"):
        assert f"cannot hear that it {event}" in caplog.text


def test_a_failure_is_reported_again() -> None:
    with running(trainings.too_short, recorder=Failing(failed=2)) as (jobs, recorder):
        jobs.submit("a")
        kind, error = recorder.end_of("a")
    assert (kind, type(error)) == ("failed", SeriesTooShort)


def test_a_job_that_cannot_be_claimed_is_left_to_the_lease_keeper(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running(trainings.quick, recorder=Failing(claim=1)) as (jobs, recorder):
        monkeypatch.setattr(jobs.runner, "_listener", replace(jobs.runner._listener, seconds_limit=0.0))
        with pytest.raises(Unavailable):
            jobs.submit("a").result(PATIENCE)
        jobs.submit("a")
        assert recorder.end_of("a")[0] == "succeeded"


def test_stop_does_not_wait_for_a_listener_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    with running(trainings.quick, recorder=Failing(succeeded=10**6)) as (jobs, recorder):
        jobs.submit("a")
        wait_for(lambda: "cannot hear that it succeeded" in caplog.text)
    assert jobs.ended[0].done()
    assert recorder.next()[0] == "claim"
    assert recorder.events.empty(), "a job that was running is not reported as failed"
    assert "the model of job a could not be stored" in caplog.text


def test_cancel_does_not_wait_for_a_process_that_is_slow_to_start(tmp_path: Path) -> None:
    """The forkserver starts no process while it imports; this one imports until it is told to stop."""
    (tmp_path / "slow_module.py").write_text("open('gate').read()")
    os.mkfifo(tmp_path / "gate")
    script = textwrap.dedent("""
        import sys, threading, traceback
        from pathlib import Path
        from tests.worker import test_runner, trainings
        from tests.worker.test_runner import Jobs, Recorder, wait_for

        def is_starting():
            return any(frame.f_code.co_name == "read_signed" for top in sys._current_frames().values()
                       for frame, _ in traceback.walk_stack(top))

        if __name__ == "__main__":
            test_runner.PRELOADED = ("slow_module",)
            recorder = Recorder()
            jobs = Jobs(trainings.quick, recorder)
            jobs.submit("a")
            wait_for(is_starting)
            cancelling = threading.Thread(target=jobs.runner.cancel, args=("a",), daemon=True)
            cancelling.start()
            cancelling.join(20)
            was_slow = cancelling.is_alive()
            Path("gate").write_text("go on")
            assert not was_slow, "cancel waited for the start"
            jobs.submit("b")
            events = [recorder.next()[:2] for _ in range(3)]
            assert events == [("claim", "a"), ("claim", "b"), ("succeeded", "b")], events
            jobs.stop()
    """)
    check_script(script, tmp_path)


def test_a_child_whose_queue_is_gone_ends_quietly(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import multiprocessing
        from service.worker.training_process import work
        from tests.worker import trainings

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
        from tests.worker import trainings
        from tests.worker.test_runner import Jobs, Recorder

        if __name__ == "__main__":
            jobs = Jobs(trainings.endless, Recorder())
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
