"""The entry point of a training child process, in a module that is cheap to import.

The child looks the function up by the name of its module. The forkserver has already imported everything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.forecasting.networks.engine_choice import EngineSetting
    from service.queue.tickets import Keep, Outcome, Report
    from service.storage.files.bucket import S3Access
    from service.telemetry.logs import LogFormat


def train_in_child(
    store_url: str,
    job_id: str,
    report: Report,
    keep: Keep,
    engine: EngineSetting = "auto",
    device: str = "cpu",
    access: S3Access | None = None,
    log: tuple[str, LogFormat] | None = None,
) -> Outcome:
    """Train the job from its stored input; return the model's record and its file.

    keep: sends a checkpoint to the process that stores it. engine, device: what may train, see `EngineChoice`.
    access: how to reach a store on S3; passed through the pipe that calls this function, never on a command line. log:
    level and format of the log; None: leave logging as it is.
    """
    from service.forecasting.networks.engine_choice import EngineChoice
    from service.storage.files.store import ModelStore
    from service.telemetry.logs import configure_logging
    from service.worker.train_job import run_training

    if log is not None:
        configure_logging(*log)
    return run_training(ModelStore.open(store_url, access), job_id, report, keep, EngineChoice(engine, device))
