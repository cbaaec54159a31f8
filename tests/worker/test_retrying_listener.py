"""Events that a listener can never record."""

from __future__ import annotations

import threading

import pytest

from service.errors import ServiceError, TrainingFailed, Unavailable
from service.queue.tickets import CPU, Outcome, Ticket
from service.worker.job_recorder import RetryingListener
from tests.worker.test_runner import Failing


def listened(recorder: Failing) -> list[tuple[str, str, object]]:
    return [recorder.events.get_nowait() for _ in range(recorder.events.qsize())]


def test_a_success_that_cannot_be_recorded_is_run_again(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Failing(succeeded=10**6)
    listener = RetryingListener(recorder, threading.Event(), seconds_limit=0.0)
    assert listener.succeeded("a", 1, Outcome({}, b"")) == Ticket("a", 1, CPU)
    [(kind, job_id, error)] = listened(recorder)
    assert (kind, job_id, type(error)) == ("died", "a", TrainingFailed)
    assert "the model of job a could not be stored" in caplog.text


def test_a_job_whose_end_cannot_be_recorded_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Failing(succeeded=10**6, died=10**6, failed=10**6)
    listener = RetryingListener(recorder, threading.Event(), seconds_limit=0.0)
    listener.succeeded("a", 1, Outcome({}, b""))
    listener.failed("b", 1, ServiceError("a reason"))
    assert listened(recorder) == []
    for line in ("the end of job a could not be recorded", "the end of job b could not be recorded: internal-error"):
        assert line in caplog.text


def test_a_claim_that_cannot_be_made_raises() -> None:
    with pytest.raises(Unavailable):
        RetryingListener(Failing(claim=10**6), threading.Event(), seconds_limit=0.0).claim(Ticket("a", 0, CPU))


def test_a_death_that_cannot_be_recorded_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    listener = RetryingListener(Failing(died=10**6), threading.Event(), seconds_limit=0.0)
    assert listener.died("a", 1, ServiceError("a reason")) is None
    assert "the end of job a could not be recorded" in caplog.text


def test_nothing_is_retried_once_the_queue_stops() -> None:
    stopping = threading.Event()
    stopping.set()
    recorder = Failing(succeeded=1)
    RetryingListener(recorder, stopping, seconds_limit=10**6).succeeded("a", 1, Outcome({}, b""))
    assert listened(recorder) == []
