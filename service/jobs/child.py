"""What runs in the child process of one training."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any

import orjson

from service.errors import ServiceError, TrainingFailed
from service.jobs.queue import Progress, Train

# Each module that a training needs and that takes long to import, and the one that makes the kernels ready.
PRELOADED = (
    "sklearn.preprocessing",
    "pandas",
    "service.usecases.training_work",
    "service.usecases.training_preload",
)
_PROGRESS_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1


def work(train: Train, job_id: str, connection: Connection) -> None:
    """Train one job and send progress, then the outcome or the error, as JSON messages."""
    die_with_parent()

    def send(kind: str, content: dict[str, Any]) -> None:
        connection.send_bytes(orjson.dumps({"kind": kind, "content": content}, option=orjson.OPT_SERIALIZE_NUMPY))

    last_told = 0.0

    def tell(progress: Progress) -> None:
        nonlocal last_told
        if time.monotonic() - last_told >= _PROGRESS_SECONDS:
            last_told = time.monotonic()
            send("progress", progress)

    try:
        outcome = train(job_id, tell)
        send("outcome", outcome.record)
        connection.send_bytes(outcome.file)
    except ServiceError as error:
        send("error", error.to_record())
    except MemoryError:
        send(
            "error", TrainingFailed("the training ran out of memory; use fewer values or a smaller network").to_record()
        )
    except Exception:
        traceback.print_exc(file=sys.stderr)
        send("error", TrainingFailed("the training broke; the server's log says why").to_record())
    finally:
        connection.close()


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent, the forkserver, dies; it dies with the server."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:  # the parent died before the call
            os._exit(1)


def warm_up() -> None:
    """Nothing: starting a process once makes the forkserver import what trainings need."""
