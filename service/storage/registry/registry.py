"""The mutable state of models and jobs in one database: names, status, progress, leases, idempotency keys."""

from __future__ import annotations

from service.storage.registry.inventory import Inventory, QueueFigureRegistry
from service.storage.registry.jobs import JobRegistry
from service.storage.registry.leases import LeaseRegistry
from service.storage.registry.models import ModelRegistry


class Registry(ModelRegistry, JobRegistry, LeaseRegistry, QueueFigureRegistry, Inventory):
    """The registry of models, jobs and the workers that run them.

    ``Registry.open(url)`` connects and migrates, ``close()`` disconnects, ``check()`` is the readiness check. All
    methods are synchronous, thread-safe and one short transaction each; all may raise Unavailable.
    """
