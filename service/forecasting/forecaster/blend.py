"""Blends: the weights of candidates in the forecasts of each item, and the simple methods packed for one kernel call.

Dimensions: I items, K candidates, H horizon, T targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from service.forecasting.config.options import Candidate, MethodName, is_method
from service.forecasting.methods.catalogue import METHODS
from service.forecasting.methods.method import Parameters
from service.forecasting.series.series import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Blend:
    """Weights (I, K) of candidates; each row sums to 1."""

    candidates: tuple[Candidate, ...]
    weights: FloatArray

    @cached_property
    def mean_weights(self) -> FloatArray:
        """The mean weights (K,) over all items, for an item that the model has not seen."""
        return np.asarray(self.weights.mean(axis=0))

    @property
    def methods(self) -> tuple[MethodName, ...]:
        """The candidates that are simple methods."""
        return tuple(name for name in self.candidates if is_method(name))

    @property
    def network_weights(self) -> FloatArray | None:
        """The weights (I,) of the network; None where it is no candidate."""
        return self._weights_of("network")

    @property
    def prior_weights(self) -> FloatArray | None:
        """The weights (I,) of the prior; None where it is no candidate."""
        return self._weights_of("prior")

    @property
    def method_weights(self) -> FloatArray:
        """The weights (I, K) of the simple methods."""
        return self.weights[:, [column for column, name in enumerate(self.candidates) if is_method(name)]]

    def _weights_of(self, name: Candidate) -> FloatArray | None:
        return self.weights[:, self.candidates.index(name)].copy() if name in self.candidates else None

    def pruned(self) -> Blend:
        """Return the same blend without candidates that no item uses."""
        used = np.flatnonzero(self.weights.max(axis=0) > 0)
        return Blend(tuple(self.candidates[column] for column in used), self.weights[:, used])


class MethodBlend(NamedTuple):
    """The simple methods of all items, packed for one call of a kernel.

    codes: (K,). weights: (I, K), of each method in an item's forecast. numbers: the parameters of all methods,
    concatenated. bounds: (I, T, K, 2), the first and the last index plus one of a method's parameters.
    """

    codes: IntArray
    weights: FloatArray
    numbers: FloatArray
    bounds: IntArray

    @classmethod
    def of(
        cls, fitted: Sequence[Mapping[MethodName, Parameters]], names: Sequence[MethodName], weights: FloatArray
    ) -> MethodBlend:
        """Pack the methods ``names``, in the order of ``weights``; fitted: the parameters of each item."""
        targets = len(fitted[0][names[0]])
        vectors = [methods[name][target] for methods in fitted for target in range(targets) for name in names]
        lengths = np.array([len(vector) for vector in vectors], np.int64)
        stops = np.cumsum(lengths)
        bounds = np.stack([stops - lengths, stops], axis=1).reshape(len(fitted), targets, len(names), 2)
        codes = np.array([METHODS[name].code for name in names], np.int64)
        return cls(codes, weights.copy(order="C"), np.concatenate([np.empty(0), *vectors]), bounds)

    def chosen(self, rows: Sequence[int]) -> MethodBlend:
        """Return some of the items."""
        return MethodBlend(self.codes, self.weights[rows], self.numbers, self.bounds[rows])
