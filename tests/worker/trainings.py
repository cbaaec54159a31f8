"""Trainings for the queue's tests: each shows one way in which a job may end."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from service.errors import SeriesTooShort
from service.queue.tickets import Keep, Outcome, Report


def quick(job_id: str, report: Report, keep: Keep) -> Outcome:
    report({"epoch": 1})
    return Outcome({"job": job_id, "warm": "service.worker.preload" in sys.modules}, b"file of " + job_id.encode())


def large(job_id: str, report: Report, keep: Keep) -> Outcome:
    return Outcome({}, os.urandom(1) * 5_000_000)


def too_short(job_id: str, report: Report, keep: Keep) -> Outcome:
    raise SeriesTooShort.at(("series",), "needs 96 values, got 40")


def broken(job_id: str, report: Report, keep: Keep) -> Outcome:
    raise ZeroDivisionError("a bug with a /secret/path")


def dying(job_id: str, report: Report, keep: Keep) -> Outcome:
    os._exit(7)


def greedy(job_id: str, report: Report, keep: Keep) -> Outcome:
    return Outcome({}, bytes(4 * 2**30))


def threaded(job_id: str, report: Report, keep: Keep) -> Outcome:
    """Need a thread, as a store does that is read."""
    thread = threading.Thread(target=bytes, args=(2**20,))
    thread.start()
    thread.join()
    return Outcome({}, b"file")


def whereabouts(job_id: str, report: Report, keep: Keep) -> Outcome:
    """Tell the process and its parent; the job's ID says how it ends."""
    if job_id == "too short":
        raise SeriesTooShort.at(("series",), "needs 96 values, got 40")
    if job_id == "broken":
        raise ZeroDivisionError("a bug with a /secret/path")
    if job_id == "dying":
        os._exit(7)
    if job_id.endswith("endless"):
        endless(job_id, report, keep)
    record = {"pid": os.getpid(), "parent": os.getppid(), "pytest": "pytest" in sys.modules}
    return Outcome(record, b"file of " + job_id.encode())


def endless(job_id: str, report: Report, keep: Keep) -> Outcome:
    """Write the process ID into a file named by the job, then never end."""
    Path(job_id).write_text(str(os.getpid()))
    while True:
        report({"alive": True})
        time.sleep(0.01)


def endless_anywhere(job_id: str, report: Report, keep: Keep) -> Outcome:
    while True:
        report({"alive": True})
        time.sleep(0.01)


def checkpointed(job_id: str, report: Report, keep: Keep) -> Outcome:
    report({"epoch": 1})
    keep(b"{}")
    keep(job_id.encode() * 1_000_000)
    return Outcome({}, b"model")


def staged(job_id: str, report: Report, keep: Keep) -> Outcome:
    for stage in ("select", "score", "refit"):
        for epoch in range(1, 101):
            report({"stage": stage, "epoch": epoch})
    return Outcome({}, b"")
