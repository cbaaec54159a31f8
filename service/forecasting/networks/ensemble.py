"""An ensemble: networks of one recipe with different seeds, whose forecasts are averaged."""

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

# The numbers in the contexts of one rollout; bounds the memory however many origins there are.
_BLOCK_NUMBERS = 2**21


@dataclass(frozen=True, eq=False)
class Ensemble:
    """One or more networks of a specification. device: torch's name of where they run; None: this CPU."""

    networks: tuple[Network, ...]
    specification: Specification
    device: str | None

    def forecast(
        self,
        prepared: Sequence[PreparedSeries],
        constant: Sequence[NDArray[np.bool_]],
        origins: Sequence[IntArray],
        horizon: int,
    ) -> list[FloatArray]:
        """Forecast transformed values from the origins of each item: one (origin, horizon, target) array an item.

        constant: (channel,) by item, True where the training part has a single value; the forecast is the last value.
        """
        scaled = self._roll_out_blocks(prepared, origins, horizon)
        bounds = np.cumsum([len(rows) for rows in origins])[:-1]
        results = []
        for one, channels, rows, ahead in zip(prepared, constant, origins, np.split(scaled, bounds), strict=True):
            forecasts = one.unscaled(ahead, rows)
            targets = channels[: forecasts.shape[-1]]
            if targets.any():
                forecasts[:, :, targets] = one.transformed_at(rows)[:, None, targets]
            results.append(forecasts)
        return results

    def _roll_out_blocks(
        self, prepared: Sequence[PreparedSeries], origins: Sequence[IntArray], horizon: int
    ) -> FloatArray:
        """Forecast scaled values from all origins, a block at a time: (origin, horizon, channel)."""
        length = self.specification.context_length
        channels = self.networks[0].shape.channels
        blocks = [
            self.roll_out(np.concatenate([one.contexts(rows, length) for one, rows in block]), horizon)
            for block in _blocks(prepared, origins, max(1, _BLOCK_NUMBERS // (length * channels)))
        ]
        return np.concatenate(blocks) if blocks else np.zeros((0, horizon, channels))

    def roll_out(self, contexts: NDArray[Any], horizon: int) -> FloatArray:
        """Return the mean forecast after scaled contexts (N, context_length, channel): (N, horizon, channel)."""
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
    """Yield up to ``most`` origins at a time, with their items."""
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
