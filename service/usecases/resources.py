"""What the use cases work with; wired once, in app.py."""

from __future__ import annotations

from dataclasses import dataclass

from service.jobs.queue import TrainingQueue
from service.storage.model_store import ModelStore
from service.storage.registry import Registry
from service.usecases.forecaster_cache import ForecasterCache
from service.usecases.job_ends import JobEnds
from service.usecases.job_watch import JobWatch
from service.usecases.limits import Limits
from service.usecases.measurements import Measurements


@dataclass(frozen=True)
class Resources:
    """The store holds what never changes, the registry what does, the queue what is being trained."""

    store: ModelStore
    registry: Registry
    queue: TrainingQueue
    forecasters: ForecasterCache
    limits: Limits
    ends: JobEnds
    watch: JobWatch
    measured: Measurements
