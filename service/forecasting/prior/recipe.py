"""The recipe of the prior: its shape, what it reads, and the kinds of series that it is trained on.

A change of anything here is a new version: forecasts of stored models depend on it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from service.forecasting.networks.architecture import NetworkShape
from service.forecasting.networks.kernels.losses import QUANTILES
from service.forecasting.prior.kernels.inputs import INPUTS

VERSION = 1

BATCH_SIZE = 64

SHAPE = NetworkShape("gru", INPUTS, hidden_size=96, num_layers=1, output_chunk_length=1, head_size=len(QUANTILES))

_MOST_READ, _LEAST_READ = 96, 48
_SHORTEST_CONTEXT = 8
# Some batches ask for so many times the usual horizon.
_FAR, _SHARE_OF_FAR = 3, 0.12


class Seasonality(NamedTuple):
    """What is known of the seasons of a series.

    season_length: 1 where there is none. long: the length of a season of seasons (a week of days), 0 where there is
    none.
    """

    season_length: int
    long: int = 0

    @property
    def context_length(self) -> int:
        """The most last values that season and level are taken from."""
        m = self.season_length
        return 48 if m == 1 else max(60, min(20 * m, 140), 5 * m, 3 * self.long)

    @property
    def read_length(self) -> int:
        """The most last values that the network reads one by one."""
        return min(max(6 * self.season_length, _LEAST_READ), _MOST_READ)

    @property
    def usual_horizon(self) -> int:
        """The steps ahead that training asks for."""
        m = self.season_length
        return 8 if m == 1 else min(max(2 * m, 8), 48)

    @property
    def most_ahead(self) -> int:
        """The most steps ahead that the network forecasts itself."""
        return _FAR * self.usual_horizon


class Kind(NamedTuple):
    """Series of one seasonality, and their share of the training."""

    seasonality: Seasonality
    share: float


KINDS = (
    Kind(Seasonality(1), 0.23),
    Kind(Seasonality(4), 0.18),
    Kind(Seasonality(7), 0.08),
    Kind(Seasonality(12), 0.22),
    Kind(Seasonality(24, 168), 0.12),
    Kind(Seasonality(24), 0.03),
    Kind(Seasonality(52), 0.07),
)
"""Seasons of usual frequencies; the rest of the training is of any other length."""

_LONGEST_SEASON = 100
_HALF_HOURS = Seasonality(48, 336)
_SHARE_OF_HALF_HOURS = 0.3
_SHARE_OF_FULL = 0.25


class BatchPlan(NamedTuple):
    """What one batch of training asks for."""

    seasonality: Seasonality
    context: int
    read: int
    horizon: int


def draw_batch_plan(generator: np.random.Generator) -> BatchPlan:
    """Draw the seasonality of a batch, and how much of its series is known."""
    shares = np.cumsum([kind.share for kind in KINDS])
    kind = int(np.searchsorted(shares, generator.random()))
    if kind < len(KINDS):
        seasonality = KINDS[kind].seasonality
    elif generator.random() < _SHARE_OF_HALF_HOURS:
        seasonality = _HALF_HOURS
    else:
        seasonality = Seasonality(int(np.exp(generator.uniform(np.log(2), np.log(_LONGEST_SEASON)))))
    longest, m = seasonality.context_length, seasonality.season_length
    shortest = seasonality.long + m if seasonality.long else min(max(_SHORTEST_CONTEXT, 2 * m + 2), longest)
    context = longest
    if generator.random() >= _SHARE_OF_FULL:
        context = int(shortest + (longest - shortest) * generator.random() ** 0.8)
    horizon = seasonality.most_ahead if generator.random() < _SHARE_OF_FAR else seasonality.usual_horizon
    return BatchPlan(seasonality, context, min(seasonality.read_length, context), horizon)
