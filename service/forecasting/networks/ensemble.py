"""Networks of one recipe and other seeds, whose forecasts are averaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.specification import Specification
from service.forecasting.networks.architecture import Network, Weights, packed
from service.forecasting.networks.engine import roll_out
from service.forecasting.networks.numba_engine import roll_out_packed
from service.forecasting.preprocessing.pipeline import IntArray, PreparedSeries
from service.forecasting.series.series import FloatArray

# Numbers of the contexts that are held at once, so that memory is bounded however many origins there are.
_BLOCK_NUMBERS = 2**21


@dataclass(frozen=True, eq=False)
class Ensemble:
    """One or more networks, the recipe that says how they are rolled out, and where; see `roll_out`."""

    networks: tuple[Network, ...]
    specification: Specification
    device: str | None

    def levels_ahead(
        self,
        prepared: Sequence[PreparedSeries],
        constant: Sequence[NDArray[np.bool_]],
        origins: Sequence[IntArray],
        horizon: int,
    ) -> list[FloatArray]:
        """Forecast from the origins of each item: one (origin, horizon, target) array of levels an item.

        constant: (channel,) by item, True where the training part has one value only; the last value is the forecast.
        """
        scaled = self._rolled(prepared, origins, horizon)
        bounds = np.cumsum([len(rows) for rows in origins])[:-1]
        results = []
        for one, known, rows, ahead in zip(prepared, constant, origins, np.split(scaled, bounds), strict=True):
            levels = one.levels_ahead(ahead, rows)
            still = known[: levels.shape[-1]]
            if still.any():
                levels[:, :, still] = one.levels_at(rows)[:, None, still]
            results.append(levels)
        return results

    def _rolled(self, prepared: Sequence[PreparedSeries], origins: Sequence[IntArray], horizon: int) -> FloatArray:
        """Forecast from all origins, a block at a time: (origin, horizon, channel)."""
        length = self.specification.context_length
        channels = self.networks[0].shape.channels
        blocks = [
            self.roll_out(np.concatenate([one.contexts(rows, length) for one, rows in block]), horizon)
            for block in _blocks(prepared, origins, max(1, _BLOCK_NUMBERS // (length * channels)))
        ]
        return np.concatenate(blocks) if blocks else np.zeros((0, horizon, channels))

    def roll_out(self, contexts: NDArray[Any], horizon: int) -> FloatArray:
        """Forecast after contexts (N, context_length, channel): (N, horizon, channel), the mean over the ensemble."""
        objective, centred = self.specification.training.objective, self.specification.centering == "last"
        inputs = contexts.astype(np.float32, copy=False)
        members = len(self.networks)
        if self.device is None:
            shape = self.networks[0].shape
            return roll_out_packed(shape, self._packed, members, inputs, horizon, objective, centred)
        each = [roll_out(network, inputs, horizon, objective, centred, self.device) for network in self.networks]
        return np.asarray(sum(one.astype(np.float64) for one in each) / members)

    @cached_property
    def _packed(self) -> Weights:
        return packed(self.networks)


def _blocks(
    prepared: Sequence[PreparedSeries], origins: Sequence[IntArray], most: int
) -> Iterator[list[tuple[PreparedSeries, IntArray]]]:
    """Yield up to ``most`` origins at a time, with the items that they belong to."""
    block: list[tuple[PreparedSeries, IntArray]] = []
    count = 0
    for one, rows in zip(prepared, origins, strict=True):
        for first in range(0, len(rows), most):
            part = rows[first : first + most]
            if count + len(part) > most:
                yield block
                block, count = [], 0
            block.append((one, part))
            count += len(part)
    if block:
        yield block
