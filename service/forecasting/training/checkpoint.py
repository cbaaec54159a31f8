"""Resumable training: which fits are finished and how far the current one is, and this state as a checkpoint.

A checkpoint is plain values and arrays, from which another process can resume the training.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from service.forecasting.networks.architecture import Network, NetworkShape, are_sound
from service.forecasting.networks.fitting import Fit, FitState, FitStates, LossCurve, set_generator_state
from service.forecasting.training.planning import Plan

logger = logging.getLogger(__name__)

# Increased with every change to trainings that gives earlier checkpoints another meaning.
FORMAT = 1

NetworkStage = Literal["select", "score", "refit"]
FitKey = tuple[NetworkStage, int]
"""Identifies a fit of a training: its stage, and the member of the ensemble from 0 on."""

_Arrays = dict[str, NDArray[Any]]
_CURVE: dict[str, type[np.generic]] = {"epochs": np.int64, "training": np.float64, "validation": np.float64}
_Number = Annotated[int, Field(ge=0, le=10_000_000)]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A JSON-compatible record and arrays by name, opaque to their store."""

    record: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]


class Checkpoints(Protocol):
    """Stores the checkpoints of one training, and decides how often."""

    def resume(self) -> Checkpoint | None:
        """Return the last checkpoint of an earlier run of the training, if any; it is validated by the caller."""

    def keep(self, make: Callable[[], Checkpoint]) -> None:
        """Store what ``make`` returns, or do not call it; called after every epoch."""


@dataclass(frozen=True, eq=False)
class TrainingState:
    """The finished fits, and the state of the one under way."""

    finished: dict[FitKey, Fit]
    underway: tuple[FitKey, FitState] | None = None


class ResumableTraining:
    """Skips the fits that an earlier run has finished, and resumes the one that was under way.

    A checkpoint of another plan, or an invalid one, is ignored and logged. checkpoints: None: nothing is stored. start:
    the networks that the training starts from, if any.
    """

    def __init__(self, plan: Plan, checkpoints: Checkpoints | None, start: Sequence[Network] = ()) -> None:
        self._plan, self._start = plan, start
        self._checkpoints = checkpoints
        self._resumed = self._resume()
        self._finished = dict(self._resumed.finished)

    def fit(self, key: FitKey, fit: Callable[[FitStates], Fit]) -> Fit:
        """Return a finished fit, or call ``fit`` for it."""
        if key not in self._finished:
            states = FitStates(self._underway(key), lambda make: self._keep(lambda: (key, make())))
            self._finished[key] = fit(states)
            self._keep(lambda: None)
        return self._finished[key]

    def _underway(self, key: FitKey) -> FitState | None:
        """Return the state in which an earlier run left a fit."""
        underway = self._resumed.underway
        return underway[1] if underway and underway[0] == key else None

    def share_of(self, key: FitKey) -> float:
        """Return the share of a fit's epochs that an earlier run has done; approximate, as later fits have fewer."""
        if key in self._finished:
            return 1.0
        state = self._underway(key)
        return 0.0 if state is None else state.epoch / self._plan.choice.specification.training.epochs

    def _keep(self, underway: Callable[[], tuple[FitKey, FitState] | None]) -> None:
        """Offer a checkpoint to the store; ``underway`` is called only where it is stored."""
        if self._checkpoints is not None:
            self._checkpoints.keep(
                lambda: write_checkpoint(TrainingState(self._finished, underway()), self._fingerprint)
            )

    @cached_property
    def _fingerprint(self) -> str:
        return fingerprint(self._plan, self._start)

    def _resume(self) -> TrainingState:
        found = None if self._checkpoints is None else self._checkpoints.resume()
        if found is None:
            return TrainingState({})
        try:
            return read_checkpoint(found, self._plan, self._start)
        except (ValueError, KeyError, TypeError) as error:
            # The error's message may quote the checkpoint.
            logger.warning("a checkpoint is ignored, the training starts anew: %s", type(error).__qualname__)
            return TrainingState({})


def fingerprint(plan: Plan, start: Sequence[Network] = ()) -> str:
    """Return 64 hex digits over all that a network's training depends on, and the format of checkpoints.

    start: the networks that the training starts from, if any.
    """
    splits = [(one.stopping, one.test, one.length) for one in plan.splits]
    recipe = {**plan.choice.specification.to_record()}
    del recipe["point"]  # it decides on the loss, which is here, and on what comes after the networks
    decided = [FORMAT, recipe, splits, plan.long]
    digest = hashlib.sha256(json.dumps(decided, sort_keys=True).encode())
    for one in plan.panel:
        for rows in (one.values, one.ahead):
            digest.update(json.dumps([one.item, None if rows is None else rows.shape]).encode())
            if rows is not None:
                digest.update(np.ascontiguousarray(rows).tobytes())
    for network in start:
        digest.update(network.weights.tobytes())
    return digest.hexdigest()


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


def write_checkpoint(state: TrainingState, identity: str) -> Checkpoint:
    """Return the checkpoint of a training; identity: its `fingerprint`."""
    finished: list[dict[str, Any]] = []
    arrays: _Arrays = {}
    for number, ((stage, member), fit) in enumerate(state.finished.items()):
        finished.append({"stage": stage, "member": member, "best_epoch": fit.best_epoch})
        arrays |= _named(f"finished.{number}", fit.curve, {"weights": fit.network.weights})
    underway = None
    if state.underway is not None:
        (stage, member), fit_state = state.underway
        underway = {"stage": stage, "member": member, "best_epoch": fit_state.best_epoch, "epoch": fit_state.epoch}
        # An array, as JSON has no infinity.
        others: _Arrays = {"best_loss": np.array([fit_state.best_loss])}
        others |= {"trainer": fit_state.trainer, "order": fit_state.order, "kept": fit_state.kept}
        arrays |= _named("underway", fit_state.curve, others)
    return Checkpoint({"fingerprint": identity, "finished": finished, "underway": underway}, arrays)


def _named(name: str, curve: LossCurve, others: _Arrays) -> _Arrays:
    """Return the arrays of one fit, under its name."""
    losses = {field: np.array(values, _CURVE[field]) for field, values in vars(curve).items()}
    return {f"{name}.{field}": array for field, array in (losses | others).items()}


def read_checkpoint(checkpoint: Checkpoint, plan: Plan, start: Sequence[Network] = ()) -> TrainingState:
    """Undo `write_checkpoint`. Raises ValueError or KeyError where the checkpoint is invalid or of another training."""
    record = _CheckpointRecord.model_validate(checkpoint.record)
    if record.fingerprint != fingerprint(plan, start):
        raise ValueError("it belongs to other data, options or another version")
    arrays = dict(checkpoint.arrays)
    specification = plan.choice.specification
    shape = NetworkShape.of(specification.network, len(plan.panel.columns), specification.output_chunk_length)
    most = specification.training.epochs
    finished: dict[FitKey, Fit] = {}
    for number, one in enumerate(record.finished):
        weights = _array(arrays, f"finished.{number}.weights", np.float32, (shape.size,))
        curve = _curve(arrays, f"finished.{number}", one, most)
        # The number of epochs of later fits is derived from the curve of the first.
        if not are_sound(weights) or not curve.epochs:
            raise ValueError("a finished fit has weights or epochs that no fit has")
        finished[one.stage, one.member] = Fit(Network(shape, weights), one.best_epoch, curve)
    if record.underway is None:
        return TrainingState(finished)
    return TrainingState(finished, _underway(record.underway, arrays, shape.size, most))


def _underway(record: _UnderwayRecord, arrays: _Arrays, size: int, most: int) -> tuple[FitKey, FitState]:
    state = FitState(
        record.epoch,
        _array(arrays, "underway.trainer", np.float32, (3, size)),
        _array(arrays, "underway.order", np.uint64, (6,)),
        _curve(arrays, "underway", record, most),
        record.best_epoch,
        float(_array(arrays, "underway.best_loss", np.float64, (1,))[0]),
        _array(arrays, "underway.kept", np.float64, (size,)),
    )
    if record.epoch > most or (record.epoch == most and not state.curve.epochs):
        raise ValueError("the fit under way has more epochs than it may have, or no losses of the last one")
    if not (np.isfinite(state.trainer[0]).all() and np.isfinite(state.kept).all()):
        raise ValueError("the fit under way has weights that no fit has")
    set_generator_state(np.random.default_rng(0), state.order)
    return (record.stage, record.member), state


def _curve(arrays: _Arrays, name: str, record: _FinishedRecord, most: int) -> LossCurve:
    """Return the losses of a fit with up to ``most`` epochs; the first fit, and no other, has validation losses."""
    count = arrays[f"{name}.epochs"].size
    counts = {"epochs": count, "training": count, "validation": count if record.stage == "select" else 0}
    losses = {field: _array(arrays, f"{name}.{field}", kind, (counts[field],)) for field, kind in _CURVE.items()}
    epochs = losses["epochs"].tolist()
    if sorted(set(epochs)) != epochs or any(not 0 < epoch <= most for epoch in epochs) or record.best_epoch > most:
        raise ValueError("the epochs of a fit must rise and end in time")
    return LossCurve(**{field: array.tolist() for field, array in losses.items()})


def _array(arrays: _Arrays, name: str, kind: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return a contiguous copy, as kernels need. Raises ValueError where dtype or shape differ."""
    found = arrays[name]
    if found.dtype != kind or found.shape != shape:
        raise ValueError(f"{name} must be {kind.__name__} of shape {shape}, got {found.dtype} of {found.shape}")
    return np.array(found, order="C")
