"""An ensemble: networks of one recipe with different seeds, whose forecasts are averaged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.specification import Specification
from service.forecasting.networks.architecture import Network, Weights, packed
from service.forecasting.networks.engine import roll_out
from service.forecasting.networks.numba_engine import roll_out_packed
from service.forecasting.series.series import FloatArray


@dataclass(frozen=True, eq=False)
class Ensemble:
    """One or more networks of a specification. device: torch's name of where they run; None: this CPU."""

    networks: tuple[Network, ...]
    specification: Specification
    device: str | None

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
