"""A worker like the service's own, except that its trainings return at once, to measure the overhead of a job.

Run by `benchmarks.scale`, with the settings of the service in the environment; prints ``ready``, and stops at the end
of its input. Imports are local: every child imports the main module again, as with `service.__main__`, which is light
as well.
"""

from __future__ import annotations

import sys

from benchmarks.noop_training import train

_LEASE_SECONDS = 5.0


def main() -> None:
    """Process jobs; each line of input is a job that only the registry knows, submitted as a server does."""
    from datetime import timedelta

    from service.queue.database import queue_url
    from service.queue.tickets import CPU, Ticket
    from service.settings import Settings
    from service.storage.registry.leases import LeaseHolder
    from service.storage.registry.postgres import SILENCE_OPTIONS
    from service.storage.registry.registry import Registry
    from service.worker.job_recorder import JobRecorder
    from service.worker.worker import Worker
    from service.worker_app import open_store

    settings = Settings()
    registry = Registry.open(settings.registry_url)
    holder = LeaseHolder(settings.executor_id or "local-1", [CPU], _LEASE_SECONDS, sole=not settings.is_cluster)
    queue = queue_url(settings.registry_url, SILENCE_OPTIONS)
    recorder = JobRecorder(registry, open_store(settings), holder, lambda _: None)
    worker = Worker(registry, holder, recorder, train, 1, 60, None, queue, timedelta(days=1))
    worker.start()
    print("ready", flush=True)
    for line in sys.stdin:
        worker.submit([Ticket(line.strip(), 0, CPU)])
    worker.stop()


if __name__ == "__main__":
    main()
