"""The course of one training over its fits: where it goes on, and what it leaves for another run."""

from __future__ import annotations

import logging
from collections.abc import Callable

from service.forecasting.checkpoint import (
    Checkpoint,
    Checkpoints,
    NetworkStage,
    Place,
    Reached,
    fingerprint,
    read_checkpoint,
    write_checkpoint,
)
from service.forecasting.fit import Fit, FitState
from service.forecasting.planning import Plan

logger = logging.getLogger(__name__)


class Course:
    """Knows each fit of a training that is finished, and how far the one under way is.

    A checkpoint that does not belong to the plan, or is broken, is ignored and logged. checkpoints: None: nothing is
    kept.
    """

    def __init__(self, plan: Plan, checkpoints: Checkpoints | None) -> None:
        self._plan = plan
        self._checkpoints = checkpoints
        self._fingerprint: str | None = None
        reached = self._resumed()
        self._finished: dict[Place, Fit] = dict(reached.finished)
        self._underway = reached.underway

    def fit(self, place: Place, fit: Callable[[FitCourse], Fit]) -> Fit:
        """Return a finished fit; call ``fit`` for it where an earlier run did not come so far."""
        found = self._finished.get(place)
        if found is None:
            found = self._finished[place] = fit(FitCourse(self, place))
            self.keep(lambda: None)
        return found

    def underway(self, place: Place) -> FitState | None:
        """Return how far an earlier run came with a fit."""
        return self._underway[1] if self._underway is not None and self._underway[0] == place else None

    def share_of(self, stage: NetworkStage, member: int) -> float:
        """Return which share of a fit's epochs an earlier run has done, nearly: the later fits may have fewer."""
        if (stage, member) in self._finished:
            return 1.0
        state = self.underway((stage, member))
        return 0.0 if state is None else state.epoch / self._plan.choice.specification.training.epochs

    def keep(self, underway: Callable[[], tuple[Place, FitState] | None]) -> None:
        """Offer a checkpoint; ``underway`` is called only where it is wanted."""
        if self._checkpoints is not None:
            self._checkpoints.keep(lambda: self._checkpoint(underway()))

    def _checkpoint(self, underway: tuple[Place, FitState] | None) -> Checkpoint:
        if self._fingerprint is None:
            self._fingerprint = fingerprint(self._plan)
        return write_checkpoint(Reached(self._finished, underway), self._fingerprint)

    def _resumed(self) -> Reached:
        found = None if self._checkpoints is None else self._checkpoints.resume()
        if found is None:
            return Reached({})
        try:
            return read_checkpoint(found, self._plan)
        except (ValueError, KeyError, TypeError) as error:
            # Its words may quote what it holds.
            logger.warning("a checkpoint is ignored, the training starts anew: %s", type(error).__qualname__)
            return Reached({})


class FitCourse:
    """The part of a course that one fit sees; see `fit.FitStates`."""

    def __init__(self, course: Course, place: Place) -> None:
        self._course, self._place = course, place

    def resume(self) -> FitState | None:
        """Return where to go on."""
        return self._course.underway(self._place)

    def keep(self, make: Callable[[], FitState]) -> None:
        """Offer the state after an epoch."""
        self._course.keep(lambda: (self._place, make()))
