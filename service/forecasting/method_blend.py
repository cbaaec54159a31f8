"""What simple methods add to the forecasts from the ends of series.

Dimensions: I items, T targets, K methods, H horizon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from service.forecasting.kernels.method_blend import add_method_forecasts
from service.forecasting.methods.exponential_smoothing import fit_window
from service.forecasting.methods.method import Parameters
from service.forecasting.methods.table import CODES
from service.forecasting.options import MethodName
from service.forecasting.preparation import IntArray
from service.forecasting.series import FloatArray
from service.forecasting.transforms import SMALLEST_SHARE, Transform


class MethodBlend(NamedTuple):
    """Simple methods of items, side by side, for one call of a kernel.

    codes: (K,); shares: (I, K), of each method in an item's forecast; numbers: all parameters, one after another;
    bounds: (I, T, K, 2), where those of a method begin and end.
    """

    codes: IntArray
    shares: FloatArray
    numbers: FloatArray
    bounds: IntArray

    @classmethod
    def of(
        cls, fitted: Sequence[Mapping[MethodName, Parameters]], names: Sequence[MethodName], shares: FloatArray
    ) -> MethodBlend:
        """Pack the methods of those names, in the order of ``shares``; fitted: the parameters of each item."""
        targets = len(fitted[0][names[0]])
        vectors = [methods[name][target] for methods in fitted for target in range(targets) for name in names]
        lengths = np.array([len(vector) for vector in vectors], np.int64)
        stops = np.cumsum(lengths)
        bounds = np.stack([stops - lengths, stops], axis=1).reshape(len(fitted), targets, len(names), 2)
        codes = np.array([CODES[name] for name in names], np.int64)
        return cls(codes, shares.copy(order="C"), np.concatenate([np.empty(0), *vectors]), bounds)

    def chosen(self, rows: Sequence[int]) -> MethodBlend:
        """Return some of the items."""
        return MethodBlend(self.codes, self.shares[rows], self.numbers, self.bounds[rows])

    def add_levels(
        self, values: FloatArray, stops: IntArray, season_length: int, transform: Transform, total: FloatArray
    ) -> None:
        """Add weighted forecasts, in levels, to total (I, H, T).

        values: (row, channel), the ends of all items, one after another; stops: (I,), the row after each one's last.
        """
        add_method_forecasts(
            values, stops, self.codes, self.shares, self.numbers, self.bounds, season_length,
            fit_window(season_length), transform.log, SMALLEST_SHARE, total,
        )  # fmt: skip
