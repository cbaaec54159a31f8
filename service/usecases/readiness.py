"""Whether the service can do its work, and whether something trains."""

from __future__ import annotations

from dataclasses import dataclass

from service.usecases.resources import Resources

_NO_TRAINER = "no trainer is alive: trainings are accepted and wait until one is; forecasts are served"


@dataclass(frozen=True)
class Readiness:
    """What is worth knowing of a service that is ready.

    trainers: how many are alive, those of other servers included; warnings: what it lacks and does without.
    """

    trainers: int
    warnings: tuple[str, ...]


def check_readiness(resources: Resources) -> Readiness:
    """Raise Unavailable, with the reason, where the database or the store does not answer or cannot be written.

    Without a trainer the service is ready all the same: what it accepts is not lost, and models answer.
    """
    resources.registry.check()
    resources.store.check_writable()
    trainers = len(resources.registry.living_executors())
    return Readiness(trainers, _warnings(resources, trainers))


def training_warnings(resources: Resources) -> tuple[str, ...]:
    """Return why an accepted training may wait; empty where a trainer is alive. Raises Unavailable."""
    return _warnings(resources, len(resources.registry.living_executors()))


def own_trainer_warning(resources: Resources) -> str | None:
    """Return why this server's own trainer does not run; None where it runs, starts, or the server has none."""
    failure = resources.queue.failure()
    return failure and f"this server's trainer does not run: {failure}; it is started again, and the log says more"


def _warnings(resources: Resources, trainers: int) -> tuple[str, ...]:
    own = own_trainer_warning(resources)
    return (*([own] if own else []), *([] if trainers else [_NO_TRAINER]))
