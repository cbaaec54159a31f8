"""Whether the service can do its work."""

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
    return Readiness(trainers, () if trainers else (_NO_TRAINER,))
