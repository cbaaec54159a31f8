"""What the runner reports of each attempt, with real child processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from service.queue.tickets import CPU, Ticket, Train
from service.worker.runner import JobRunner, Slots
from service.worker.telemetry import WatchedAttempt
from service.worker.training_process import PRELOADED, FreshProcess
from tests.worker import trainings
from tests.worker.test_runner import PATIENCE, Recorder, wait_for


class Watching:
    """A watch that remembers."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int]] = []
        self.ended: list[str] = []

    @contextmanager
    def __call__(self, ticket: Ticket, attempt: int) -> Iterator[WatchedAttempt]:
        self.begun.append((ticket.job_id, attempt))
        watched = WatchedAttempt()
        yield watched
        self.ended.append(watched.outcome)


def runner_of(train: Train, watching: Watching, recorder: Recorder, seconds: float = PATIENCE) -> JobRunner:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return JobRunner(Slots({CPU: [FreshProcess(train, context)]}), recorder, seconds, watching)


@pytest.mark.parametrize(
    ("train", "seconds", "outcome"),
    [
        (trainings.quick, PATIENCE, "succeeded"),
        (trainings.too_short, PATIENCE, "failed"),
        (trainings.broken, PATIENCE, "failed"),
        (trainings.dying, PATIENCE, "died"),
        (trainings.quick, 0.0, "failed"),
    ],
)
def test_each_attempt_is_watched_to_its_end(train: Train, seconds: float, outcome: str) -> None:
    watching = Watching()
    runner = runner_of(train, watching, Recorder(), seconds)
    runner.run(Ticket("a", 4, CPU))
    runner.stop()
    assert (watching.begun, watching.ended) == ([("a", 5)], [outcome])


def test_what_is_cancelled_has_stopped_and_what_is_refused_was_no_attempt() -> None:
    watching, recorder = Watching(), Recorder()
    runner = runner_of(trainings.endless_anywhere, watching, recorder)
    recorder.refused.add("refused")
    runner.run(Ticket("refused", 0, CPU))
    assert watching.begun == []
    with ThreadPoolExecutor(1) as threads:
        ended = threads.submit(runner.run, Ticket("a", 0, CPU))
        wait_for(lambda: watching.begun)
        runner.cancel("a")
        ended.result(PATIENCE)
    runner.stop()
    assert watching.ended == ["stopped"]
