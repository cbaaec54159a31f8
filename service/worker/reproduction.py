"""Train a stored model again from the data that it was trained on, and compare the numbers of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import JobNotFound, ModelNotReady
from service.forecasting.networks.engine_choice import FASTEST, EngineChoice
from service.storage.files.model_file import read_model_file
from service.storage.files.store import ModelStore
from service.storage.registry.registry import Registry
from service.worker.train_job import run_training

# Sums of floating-point numbers depend on the alignment of arrays in memory.
_ROUNDING = 1e-9


class DataNotKept(Exception):
    """The data that a model was trained on is not in the store; the message says why."""


@dataclass(frozen=True)
class Reproduction:
    """The comparison of a model with one that was trained again.

    differences: the largest relative difference of each array whose numbers are not the same to the bit; infinite for
    an array that only one of them has. versions: of libraries that differ, as (then, now).
    """

    model_id: str
    arrays: int
    differences: Mapping[str, float]
    versions: Mapping[str, tuple[str | None, str | None]]

    @property
    def is_equal(self) -> bool:
        """Whether the numbers are equal, but for rounding."""
        return all(one <= _ROUNDING for one in self.differences.values())

    def to_text(self) -> str:
        """Return the result in words."""
        lines = [f"{name}: {then} then, {now} now" for name, (then, now) in self.versions.items()]
        if not self.differences:
            return "\n".join([*lines, f"model {self.model_id}: all {self.arrays} arrays are the same to the bit"])
        lines += [f"{name}: differs by up to {most:.1e}" for name, most in sorted(self.differences.items())]
        verdict = "the same but for rounding" if self.is_equal else "different"
        return "\n".join([*lines, f"model {self.model_id}: {len(self.differences)} of {self.arrays} arrays: {verdict}"])


def reproduce(registry: Registry, store: ModelStore, model_id: str, engines: EngineChoice = FASTEST) -> Reproduction:
    """Train a ready model of any tenant again, and compare.

    Raises ModelNotFound, ModelNotReady, DataNotKept, and Unavailable.
    """
    model = registry.get_of_any_tenant(model_id)
    if model.status != "ready":
        raise ModelNotReady(f"model {model_id} is not ready: there is nothing to compare with")
    kept = read_model_file(store.get_model(model_id, model.attempt))
    if model.job_id is None:
        raise DataNotKept(f"model {model_id} was imported: its training data is where it was trained")
    try:
        outcome = run_training(store, model.job_id, lambda _progress: None, lambda _data: None, engines)
    except JobNotFound as error:
        raise DataNotKept(f"the data that model {model_id} was trained on is not in the store any more") from error
    if _start(model.record) == "warm" != _start(outcome.record):
        raise DataNotKept(f"the model from whose weights model {model_id} started is not in the store any more")
    again = read_model_file(outcome.file)
    names = {**kept.tensors, **again.tensors}
    differences = {name: _difference(kept.tensors.get(name), again.tensors.get(name)) for name in names}
    versions = _versions(model.record, outcome.record)
    return Reproduction(model_id, len(names), {name: one for name, one in differences.items() if one}, versions)


def _start(record: Mapping[str, Any]) -> Any:
    return (record.get("lineage") or {}).get("start")


def _difference(one: NDArray[Any] | None, two: NDArray[Any] | None) -> float:
    """Return the largest difference of two arrays relative to the largest number; 0 only if all bits are the same."""
    if one is None or two is None or one.shape != two.shape or one.dtype != two.dtype:
        return float("inf")
    if one.tobytes() == two.tobytes():
        return 0.0
    first, second = one.astype(np.float64), two.astype(np.float64)
    scale = max(float(np.abs(first).max()), np.finfo(np.float64).tiny)
    return max(float(np.abs(first - second).max()) / scale, np.finfo(np.float64).tiny)


def _versions(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[str | None, str | None]]:
    then, now = ((one.get("lineage") or {}).get("libraries") or {} for one in (before, after))
    return {name: (then.get(name), now.get(name)) for name in {**then, **now} if then.get(name) != now.get(name)}
