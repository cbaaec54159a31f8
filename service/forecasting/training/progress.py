"""Progress of a training: its stage, the share of its work that is done, and the estimated time left.

The shares are estimated from counts of operations before anything is fitted. A network may stop early, so that the
time left is an upper bound until it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypeVar

from service.forecasting.covariates.future_covariates import CovariateColumns
from service.forecasting.networks.architecture import NetworkShape
from service.forecasting.networks.fitting import CONTINUED_EPOCHS, EpochReport
from service.forecasting.training.defaults import scored_steps
from service.forecasting.training.planning import Plan

Report = Callable[[dict[str, Any]], None]
"""Called with the record that `JobAnswer.progress` documents."""
Clock = Callable[[], float]
"""Returns monotonic seconds."""
Stage = Literal["columns", "candidates", "select", "weigh", "score", "refit"]
Work = Literal["methods", "network", "rolling"]
One = TypeVar("One")

# Seconds on one core of fitting one simple method: for each item, and for each row.
_METHOD_SECONDS, _METHOD_ROW_SECONDS = 1.5e-3, 1.5e-6
# Seconds of an epoch of any size, and of each multiplication with a weight, forward and backward.
_EPOCH_SECONDS, _PRODUCT_SECONDS = 1e-4, 2.5e-10
# Seconds of forecasts from all origins, as a share of the methods' seconds.
_ROLLING_SHARE = 0.2
# Below this share, the time left is unknown.
_SMALLEST_SHARE = 0.01


class TrainingProgress:
    """Reports the progress of one training; ``fraction`` never falls. Without a clock, the time left is unknown."""

    def __init__(self, plan: Plan, report: Report | None = None, clock: Clock | None = None) -> None:
        self._report, self._clock = report or (lambda _: None), clock
        self._started = clock() if clock else 0.0
        self._members = plan.choice.specification.training.ensemble_size
        self._planned = _planned(plan)
        self._total = sum(self._planned.values())
        self._before = self._share = self._fraction = self._skipped = 0.0
        self._stage: Stage = "candidates"
        self._latest: dict[str, Any] = {}

    def begin(self, stage: Stage, work: Work) -> None:
        """Begin the next part of the work."""
        self._stage = stage
        self._before = sum(list(self._planned.values())[: list(self._planned).index((stage, work))])
        self._share = self._planned[stage, work]
        self._send(0.0, {})

    def track(self, items: Iterable[One], count: int) -> Iterator[One]:
        """Yield items, reporting each one when the next is requested."""
        for number, item in enumerate(items, 1):
            yield item
            if count > 1:
                self._send(number / count, {"item": number, "items": count})

    def epoch_report(self, member: int) -> EpochReport:
        """Return what reports the epochs of one network; member: from 0 on."""

        def report(epoch: int, epochs: int, training_loss: float, validation_loss: float | None) -> None:
            details = {
                "candidate": "network",
                "member": member + 1,
                "members": self._members,
                "epoch": epoch,
                "epochs": epochs,
                "training_loss": training_loss,
                "validation_loss": validation_loss,
            }
            self._send((member + epoch / epochs) / self._members, details)

        return report

    def skip(self, member: int, share: float) -> None:
        """Count a share of one network's epochs as done by an earlier run, which took none of this run's time."""
        if share > 0:
            self._skipped += share * self._share / self._members / self._total
            self._advance((member + share) / self._members)

    def finish(self) -> None:
        """Report that all is done, with the last details."""
        self._report({**self._latest, "fraction": 1.0, "eta_seconds": None if self._clock is None else 0.0})

    def _send(self, share: float, details: dict[str, Any]) -> None:
        self._advance(share)
        left = {"fraction": round(self._fraction, 4), "eta_seconds": self._seconds_left()}
        self._latest = {"stage": self._stage, **details, **left}
        self._report(self._latest)

    def _advance(self, share: float) -> None:
        """Raise the fraction to the given share of the current part."""
        self._fraction = min(1.0, max(self._fraction, (self._before + share * self._share) / self._total))

    def _seconds_left(self) -> float | None:
        done = self._fraction - self._skipped
        if self._clock is None or done < _SMALLEST_SHARE:
            return None
        return round((self._clock() - self._started) * (1 - self._fraction) / done, 1)


def _planned(plan: Plan) -> dict[tuple[Stage, Work], float]:
    """Return the seconds of each part of the work on one core, in its order; only their proportions matter."""
    specification = plan.choice.specification
    # Without any method, preparing an item takes about as long as one.
    fitted = max(1, sum(name != "network" for name in specification.candidates)) * len(plan.panel.targets)
    rows = sum(split.stopping for split in plan.splits)
    methods = fitted * (_METHOD_SECONDS * len(plan.splits) + _METHOD_ROW_SECONDS * rows)
    network = _network_seconds(plan) if "network" in specification.candidates else 0.0
    again = network if specification.training.objective == "windows" else CONTINUED_EPOCHS * network
    rolling = _ROLLING_SHARE * methods
    return {
        ("columns", "methods"): methods if CovariateColumns.of(specification).width else 0.0,
        ("candidates", "methods"): methods,
        ("select", "network"): network,
        ("weigh", "rolling"): rolling,
        ("score", "methods"): methods,
        ("score", "network"): again,
        ("score", "rolling"): rolling,
        ("refit", "methods"): methods if specification.refit else 0.0,
        ("refit", "network"): again if specification.refit else 0.0,
    }


def _network_seconds(plan: Plan) -> float:
    specification = plan.choice.specification
    lengths = [split.stopping for split, long in zip(plan.splits, plan.long, strict=True) if long]
    scored = scored_steps(specification.training.objective, specification.context_length, min(lengths))
    steps = sum(lengths) * (specification.context_length + scored) / scored
    channels = len(plan.panel.targets) + len(plan.panel.covariates)
    weights = NetworkShape.of(specification.network, channels, specification.output_chunk_length).size
    training = specification.training
    epoch = _EPOCH_SECONDS + _PRODUCT_SECONDS * steps * weights
    return training.ensemble_size * training.epochs * epoch
