"""Which candidates a model's forecasts are made of, and how much of each.

Dimensions: I items, K candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from service.forecasting.options import Candidate, MethodName
from service.forecasting.series import FloatArray


@dataclass(frozen=True, eq=False)
class Blend:
    """Weights (I, K) of candidates; each row sums to 1."""

    candidates: tuple[Candidate, ...]
    weights: FloatArray

    @classmethod
    def evenly(cls, candidates: Sequence[Candidate], items: int) -> Blend:
        """Weigh all candidates alike."""
        return cls(tuple(candidates), np.full((items, len(candidates)), 1 / len(candidates)))

    @cached_property
    def usual(self) -> FloatArray:
        """Weights (K,) for an item that the model has not seen: the mean over those it has."""
        return np.asarray(self.weights.mean(axis=0))

    def of(self, rows: Sequence[int | None]) -> FloatArray:
        """Return the weights (I, K) of items by their rows; None: an item that the model has not seen."""
        return np.array([self.usual if row is None else self.weights[row] for row in rows])

    @property
    def methods(self) -> tuple[MethodName, ...]:
        """The candidates that are simple methods."""
        return tuple(name for name in self.candidates if name != "network")

    @property
    def network_shares(self) -> FloatArray | None:
        """Weights (I,) of the network; None where it is no candidate."""
        return self.weights[:, self.candidates.index("network")].copy() if "network" in self.candidates else None

    @property
    def method_shares(self) -> FloatArray:
        """Weights (I, K) of the simple methods."""
        return self.weights[:, [column for column, name in enumerate(self.candidates) if name != "network"]]

    def pruned(self) -> Blend:
        """Return the same blend without candidates that no item uses."""
        used = np.flatnonzero(self.weights.max(axis=0) > 0)
        return Blend(tuple(self.candidates[column] for column in used), self.weights[:, used])
