"""What changes about models and jobs, in one database: names, status, progress, who started what."""

from __future__ import annotations

from service.storage.inventory import Inventory
from service.storage.job_registry import JobRegistry
from service.storage.lease_registry import LeaseRegistry
from service.storage.model_registry import ModelRegistry
from service.storage.queue_figures import QueueFigureRegistry


class Registry(ModelRegistry, JobRegistry, LeaseRegistry, QueueFigureRegistry, Inventory):
    """The registry of models, jobs and who runs them.

    ``Registry.open(url)`` connects and migrates, ``close()`` ends, ``check()`` is for readiness. All methods are
    synchronous, thread-safe and one short transaction each; all may raise Unavailable.
    """
