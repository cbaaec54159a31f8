"""How far a training is, as plain values, so that another process can go on from there."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from service.forecasting.networks.architecture import Network, NetworkShape, are_sound
from service.forecasting.networks.fitting import Fit, FitState, LossCurve, set_generator_state
from service.forecasting.training.planning import Plan

logger = logging.getLogger(__name__)


# Raised with every change to trainings after which what was kept before means something else.
FORMAT = 1

NetworkStage = Literal["select", "score", "refit"]
Place = tuple[NetworkStage, int]
"""Which fit of a training: its stage, and the member of the ensemble from 0 on."""

_Arrays = dict[str, NDArray[Any]]
_Number = Annotated[int, Field(ge=0, le=10_000_000)]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A JSON-able record and arrays by name; whoever keeps them need not understand them."""

    record: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]


class Checkpoints(Protocol):
    """Where checkpoints of one training are kept; it decides how often."""

    def resume(self) -> Checkpoint | None:
        """Return what an earlier run of the training kept last, if anything; it is not trusted."""

    def keep(self, make: Callable[[], Checkpoint]) -> None:
        """Keep what ``make`` returns, or leave it uncalled: this is asked after every epoch."""


@dataclass(frozen=True, eq=False)
class Reached:
    """The fits that are finished, and the one that is under way."""

    finished: Mapping[Place, Fit]
    underway: tuple[Place, FitState] | None = None


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _FinishedRecord(_Record):
    stage: NetworkStage
    member: _Number
    best_epoch: _Number


class _UnderwayRecord(_FinishedRecord):
    epoch: _Number


class _CheckpointRecord(_Record):
    fingerprint: str = Field(max_length=64)
    finished: list[_FinishedRecord] = Field(max_length=3 * 32)
    underway: _UnderwayRecord | None


def fingerprint(plan: Plan) -> str:
    """Return 64 hex digits over all that decides what a network's training comes to, and the format of checkpoints."""
    splits = [(one.stopping, one.test, one.length) for one in plan.splits]
    decided = [FORMAT, plan.choice.specification.to_record(), splits, plan.long]
    digest = hashlib.sha256(json.dumps(decided, sort_keys=True).encode())
    for one in plan.panel:
        for rows in (one.values, one.ahead):
            digest.update(json.dumps([one.item, None if rows is None else rows.shape]).encode())
            if rows is not None:
                digest.update(np.ascontiguousarray(rows).tobytes())
    return digest.hexdigest()


def write_checkpoint(reached: Reached, identity: str) -> Checkpoint:
    """Return the checkpoint of a training; identity: its `fingerprint`."""
    finished: list[dict[str, Any]] = []
    arrays: _Arrays = {}
    for number, ((stage, member), fit) in enumerate(reached.finished.items()):
        finished.append({"stage": stage, "member": member, "best_epoch": fit.best_epoch})
        arrays[f"finished.{number}.weights"] = fit.network.weights
        arrays |= _curve_arrays(fit.curve, f"finished.{number}")
    underway = None
    if reached.underway is not None:
        (stage, member), state = reached.underway
        underway = {"stage": stage, "member": member, "best_epoch": state.best_epoch, "epoch": state.epoch}
        arrays |= _curve_arrays(state.curve, "underway")
        arrays["underway.trainer"] = state.trainer
        arrays["underway.order"] = state.order
        arrays["underway.kept"] = state.kept
        # An array, as JSON knows no infinity.
        arrays["underway.best_loss"] = np.array([state.best_loss])
    return Checkpoint({"fingerprint": identity, "finished": finished, "underway": underway}, arrays)


def read_checkpoint(checkpoint: Checkpoint, plan: Plan) -> Reached:
    """Undo `write_checkpoint`, trusting nothing; raises ValueError or KeyError where it is not this training's."""
    record = _CheckpointRecord.model_validate(checkpoint.record)
    if record.fingerprint != fingerprint(plan):
        raise ValueError("it belongs to other data, options or another version")
    arrays = dict(checkpoint.arrays)
    specification = plan.choice.specification
    shape = NetworkShape.of(specification.network, len(plan.panel.columns), specification.output_chunk_length)
    most = specification.training.epochs
    finished: dict[Place, Fit] = {}
    for number, one in enumerate(record.finished):
        weights = _array(arrays, f"finished.{number}.weights", np.float32, (shape.size,))
        curve = _curve(arrays, f"finished.{number}", most)
        # The epochs of the later fits are found on the curve of the first.
        if not are_sound(weights) or one.best_epoch > most or not curve.epochs:
            raise ValueError("a finished fit has weights or epochs that no fit has")
        _check_judged(one.stage, curve)
        finished[one.stage, one.member] = Fit(Network(shape, weights), one.best_epoch, curve)
    if record.underway is None:
        return Reached(finished)
    return Reached(finished, _underway(record.underway, arrays, shape.size, most))


def _underway(record: _UnderwayRecord, arrays: _Arrays, size: int, most: int) -> tuple[Place, FitState]:
    if record.epoch > most or record.best_epoch > most:
        raise ValueError("the fit under way has more epochs than it may have")
    state = FitState(
        record.epoch,
        _array(arrays, "underway.trainer", np.float32, (3, size)),
        _array(arrays, "underway.order", np.uint64, (6,)),
        _curve(arrays, "underway", most),
        record.best_epoch,
        float(_array(arrays, "underway.best_loss", np.float64, (1,))[0]),
        _array(arrays, "underway.kept", np.float64, (size,)),
    )
    _check_judged(record.stage, state.curve)
    if record.epoch == most and not state.curve.epochs:
        raise ValueError("the last epoch of a fit is always noted")
    if not (np.isfinite(state.trainer[0]).all() and np.isfinite(state.kept).all()):
        raise ValueError("the fit under way has weights that no fit has")
    set_generator_state(np.random.default_rng(0), state.order)
    return (record.stage, record.member), state


def _check_judged(stage: NetworkStage, curve: LossCurve) -> None:
    """Refuse losses that the first fit lacks, or that another has: only the first has something to be judged by."""
    if len(curve.validation) != (len(curve.epochs) if stage == "select" else 0):
        raise ValueError("a fit was judged that is not, or the other way round")


def _curve_arrays(curve: LossCurve, name: str) -> _Arrays:
    return {
        f"{name}.epochs": np.array(curve.epochs, dtype=np.int64),
        f"{name}.training": np.array(curve.training, dtype=np.float64),
        f"{name}.validation": np.array(curve.validation, dtype=np.float64),
    }


def _curve(arrays: _Arrays, name: str, most: int) -> LossCurve:
    epochs = arrays[f"{name}.epochs"]
    count = (len(epochs),)
    epochs = _array(arrays, f"{name}.epochs", np.int64, count)
    training = _array(arrays, f"{name}.training", np.float64, count)
    validation = arrays[f"{name}.validation"]
    validation = _array(arrays, f"{name}.validation", np.float64, count if len(validation) else (0,))
    if len(epochs) and (epochs[0] < 1 or epochs[-1] > most or (np.diff(epochs) < 1).any()):
        raise ValueError("the epochs of a curve must rise and end in time")
    return LossCurve(epochs.tolist(), training.tolist(), validation.tolist())


def _array(arrays: _Arrays, name: str, kind: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array of our own, for kernels take no other; what they read must have the right size."""
    found = arrays[name]
    if found.dtype != kind or found.shape != shape:
        raise ValueError(f"{name} must be {kind.__name__} of shape {shape}, got {found.dtype} of {found.shape}")
    return np.array(found, order="C")


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
