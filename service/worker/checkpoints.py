"""Checkpoints of a long training as its child sees them; `checkpoint_keeping` is the server's end."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

from service.errors import JobNotFound, ServiceError
from service.forecasting.training.checkpoint import Checkpoint
from service.storage.files.model_file import read_model_file, write_model_file
from service.storage.files.store import ModelStore
from service.storage.registry.registry import Registry
from service.telemetry.logs import reason

logger = logging.getLogger(__name__)

# What is lost at most where a training dies; a shorter one costs nothing.
CHECKPOINT_SECONDS = 30.0
# Checkpoints may take this share of a training's time.
_SHARE = 0.05
# A training with larger ones has none and is run again from its start: memory holds three of one while it is sent.
MOST_BYTES = 256 * 2**20


class StoredCheckpoints:
    """The checkpoints of one job; see `forecasting.checkpoint.Checkpoints` for the methods.

    send: hands a file to who stores it. seconds: the least time between two, and before the first; more where they take
    long.
    """

    def __init__(
        self,
        store: ModelStore,
        job_id: str,
        send: Callable[[bytes], None],
        seconds: float = CHECKPOINT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._job_id, self._send = store, job_id, send
        self._seconds, self._clock = seconds, clock
        self._due = clock() + seconds

    def resume(self) -> Checkpoint | None:
        """Return what the store has; None, and a line in the log, where it cannot be read."""
        try:
            data = self._store.get_checkpoint(self._job_id)
            file = None if data is None else read_model_file(data)
        except ServiceError as error:
            logger.warning("the checkpoint of job %s cannot be read and is ignored: %s", self._job_id, error.slug)
            return None
        return None if file is None else Checkpoint(file.record, file.tensors)

    def keep(self, make: Callable[[], Checkpoint]) -> None:
        """Send a checkpoint, if it is time for one."""
        started = self._clock()
        if started < self._due:
            return
        try:
            made = make()
            data = write_model_file(made.record, made.arrays)
        except MemoryError:
            # What a training needs besides may be little more than what is left.
            self._give_up("there is no memory to make one")
            return
        if len(data) > MOST_BYTES:
            self._give_up(f"one would have {len(data)} bytes")
            return
        self._send(data)
        ended = self._clock()
        self._due = ended + max(self._seconds, (ended - started) / _SHARE)

    def _give_up(self, reason: str) -> None:
        logger.warning("job %s has no more checkpoints: %s", self._job_id, reason)
        self._due = math.inf


def keep_checkpoint(registry: Registry, store: ModelStore, job_id: str, attempt: int, data: bytes) -> None:
    """Store what the child of an attempt sent, where the attempt still runs; what fails is logged, never raised.

    Whoever ends a job writes that into the registry first, and then removes the checkpoint: so it is looked at again
    after storing, and none is left behind.
    """
    try:
        if not _runs(registry, job_id, attempt):
            return
        store.put_checkpoint(job_id, data)
        if not _runs(registry, job_id):
            store.delete_checkpoint(job_id)
    except Exception as error:
        logger.warning("a checkpoint of job %s could not be kept: %s", job_id, reason(error))


def _runs(registry: Registry, job_id: str, attempt: int | None = None) -> bool:
    """Tell whether an attempt at a job runs; None: whether one does or will."""
    try:
        job = registry.job(job_id)
    except JobNotFound:
        return False
    if attempt is None:
        return not job.has_ended
    return job.status == "running" and job.attempt == attempt
