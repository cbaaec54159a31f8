"""The queue on a real Postgres, with a real process for each worker: DBOS is one instance a process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from examples.cluster import PostgresServer
from service.queue.remote_workers import RemoteWorkers
from service.queue.tickets import CPU, Ticket

PATIENCE = 60.0

# Takes tickets, prints each, and never comes back from one.
_EXECUTOR = """
import sys, time
from service.queue.dbos_queue import DurableQueue

def run(ticket):
    print(ticket.job_id, flush=True)
    time.sleep(3600)

url, worker, size = sys.argv[1:]
DurableQueue(url, worker, {"cpu": int(size)}, run, alone=False, poll_seconds=0.05).launch()
print("ready", flush=True)
time.sleep(3600)
"""


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    one = postgres.new_database()
    yield one
    postgres.drop_database(one)


@contextmanager
def worker(url: str, name: str, size: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", _EXECUTOR, url, name, str(size)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def places(postgres: PostgresServer, url: str) -> dict[str | None, int]:
    """Return how many tickets each worker has taken; None: those that wait."""
    import psycopg

    query = "SELECT executor_id, count(*) FROM dbos.workflow_status WHERE status IN ('PENDING', 'ENQUEUED') GROUP BY 1"
    with psycopg.connect(url) as connection:
        return dict(connection.execute(query).fetchall())


@pytest.mark.process
@pytest.mark.parametrize("sizes", [(3, 1), (1, 3)])
def test_each_worker_takes_as_many_as_it_can_run_whatever_the_others_can(
    postgres: PostgresServer, url: str, sizes: tuple[int, int]
) -> None:
    expected = {"one": sizes[0], "other": sizes[1], None: 2}
    with worker(url, "one", sizes[0]), worker(url, "other", sizes[1]):
        queue = RemoteWorkers(url)
        queue.submit([Ticket(f"job-{number}", 0, CPU) for number in range(sum(expected.values()))])
        queue.stop()
        deadline, same = time.monotonic() + PATIENCE, count(1)
        # Seen again and again, so that none is taken later.
        while places(postgres, url) != expected or next(same) < 10:
            assert time.monotonic() < deadline, places(postgres, url)
            time.sleep(0.1)


def test_what_cannot_be_queued_is_logged_in_a_line(url: str, caplog: pytest.LogCaptureFixture) -> None:
    queue = RemoteWorkers(url)
    queue.submit([Ticket("job", 0, CPU)])  # no worker has run, so there are no tables
    queue.stop()
    [record] = caplog.records
    assert "1 jobs could not be queued now, a worker will find them: " in record.getMessage()
    assert "\n" not in record.getMessage()
