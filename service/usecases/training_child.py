"""What a training child calls first: a module so light that the child can import it in no time.

The child finds its function by the module's name. Everything else that it needs, its forkserver has imported before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.jobs.queue import Outcome, Tell
    from service.storage.bucket import S3Access


def train_in_child(
    store_url: str, job_id: str, tell: Tell, device: str | None = None, access: S3Access | None = None
) -> Outcome:
    """Train the job from its stored input; return the model's record and its file.

    device: torch's name of where; None: this CPU, in compiled kernels. access: how to reach a store on S3; it comes
    through the pipe that calls this function, never on a command line.
    """
    from service.storage.model_store import ModelStore
    from service.usecases.training_work import run_training, stored_input

    return run_training(stored_input(ModelStore.open(store_url, access), job_id), tell, device)
