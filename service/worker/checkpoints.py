"""Checkpoints of a long training: the child process makes and sends them, `keep_checkpoint` stores them."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from service.errors import JobNotFound, ServiceError
from service.forecasting.training.checkpoint import Checkpoint
from service.storage.files.model_file import read_model_file, write_model_file
from service.storage.files.store import ModelStore
from service.storage.registry.registry import Registry

logger = logging.getLogger(__name__)

# At most this much work is lost if a training dies; shorter trainings have no checkpoints and no overhead.
CHECKPOINT_SECONDS = 30.0
# Checkpoints may take at most this share of a training's time.
_SHARE = 0.05
# A training with larger checkpoints gets none and restarts from the beginning: sending one needs three times its size.
MOST_BYTES = 256 * 2**20


@dataclass(eq=False)
class StoredCheckpoints:
    """The checkpoints of one job; see `Checkpoints` in `forecasting.training.checkpoint` for the methods.

    send: sends the bytes of a checkpoint file to the process that stores it. seconds: minimum time before the first
    checkpoint and between two; longer if checkpoints take long to make.
    """

    store: ModelStore
    job_id: str
    send: Callable[[bytes], None]
    seconds: float = CHECKPOINT_SECONDS
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._due = self.clock() + self.seconds

    def resume(self) -> Checkpoint | None:
        """Return the stored checkpoint, or None; one that cannot be read is logged and ignored."""
        try:
            data = self.store.get_checkpoint(self.job_id)
            file = None if data is None else read_model_file(data)
        except ServiceError as error:
            logger.warning("the checkpoint of job %s cannot be read and is ignored: %s", self.job_id, error.slug)
            return None
        return None if file is None else Checkpoint(file.record, file.tensors)

    def keep(self, make: Callable[[], Checkpoint]) -> None:
        """Make and send a checkpoint if one is due."""
        started = self.clock()
        if started < self._due:
            return
        try:
            made = make()
            data = write_model_file(made.record, made.arrays)
        except MemoryError:
            # The memory that is left may just suffice for the training itself.
            self._give_up("there is no memory to make one")
            return
        if len(data) > MOST_BYTES:
            self._give_up(f"one would have {len(data)} bytes")
            return
        self.send(data)
        ended = self.clock()
        self._due = ended + max(self.seconds, (ended - started) / _SHARE)

    def _give_up(self, why: str) -> None:
        logger.warning("job %s has no more checkpoints: %s", self.job_id, why)
        self._due = math.inf


def keep_checkpoint(registry: Registry, store: ModelStore, job_id: str, attempt: int, data: bytes) -> None:
    """Store a checkpoint from an attempt's child process if the attempt still runs.

    A job's end is written to the registry first, and its checkpoint is deleted afterwards. The registry is therefore
    checked again after storing, so that no checkpoint is left behind.
    """
    with suppress(JobNotFound):
        job = registry.jobs.get_of_any_tenant(job_id)
        if job.status != "running" or job.attempt != attempt:
            return
        store.put_checkpoint(job_id, data)
        with suppress(JobNotFound):
            if not registry.jobs.get_of_any_tenant(job_id).has_ended:
                return
        store.delete_checkpoint(job_id)
