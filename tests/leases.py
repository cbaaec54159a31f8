"""Jobs that go back into the queue."""

from __future__ import annotations

from service.storage.registry.entries import JobEntry
from service.storage.registry.registry import Registry

_INSTANCE = "instance"


def put_back(registry: Registry, executor: str) -> list[JobEntry]:
    """Put back what an executor runs, as it does when it stops; return those jobs."""
    assert registry.enrol(executor, _INSTANCE, ["cpu"], 60, sole=True)
    return registry.release_leases(executor, _INSTANCE)
