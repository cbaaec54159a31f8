"""Jobs that go back into the queue."""

from __future__ import annotations

from service.storage.registry.entries import JobEntry
from service.storage.registry.leases import LeaseHolder
from service.storage.registry.registry import Registry


def put_back(registry: Registry, worker: str) -> list[JobEntry]:
    """Put back what a worker runs, as it does when it stops; return those jobs."""
    holder = LeaseHolder(worker, ["cpu"], 60, sole=True)
    assert registry.leases.enrol(holder)
    return registry.leases.release(holder)
