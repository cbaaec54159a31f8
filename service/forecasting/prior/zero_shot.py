"""Zero-shot forecasts: of a panel that nothing was trained on, by the prior alone.

Legend: S series, one for each item and target, H horizon, Q quantiles.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from service.errors import HistoryTooShort
from service.forecasting.config.options import Point
from service.forecasting.diagnostics.season_detection import common_season, find_season
from service.forecasting.intervals.demand import demand_quantiles, demand_sizes
from service.forecasting.intervals.error_correlation import probability
from service.forecasting.intervals.forecast import Bands, Forecast
from service.forecasting.intervals.sample_paths import Draw
from service.forecasting.methods.method import week_of
from service.forecasting.preprocessing.missing import drop_leading, fill
from service.forecasting.preprocessing.subsampling import evenly_spaced
from service.forecasting.preprocessing.transforms import SMALLEST_SHARE
from service.forecasting.prior.calibration import widened, widening
from service.forecasting.prior.quantile_functions import at_probabilities, at_scores, mean, median, sample_scores
from service.forecasting.prior.recipe import Seasonality
from service.forecasting.prior.weights import load_prior
from service.forecasting.series.series import FloatArray, IntArray, Panel, Series

ZERO_SHOT = "zero-shot"
"""The reserved model ID of forecasts without a training."""

SHORTEST_HISTORY = 3
LONGEST_USUAL_HORIZON = 24
_TESTED_ITEMS = 50
_LONG_SEASONS = 3


@dataclass(frozen=True, eq=False)
class ZeroShot:
    """The targets of a panel, ready to forecast.

    values: (row,), of all series without gaps, concatenated. firsts, stops: (S,), the first row of each series, and the
    row after its last one; those of an item's targets follow each other.
    """

    panel: Panel
    seasonality: Seasonality
    values: FloatArray
    firsts: IntArray
    stops: IntArray

    @classmethod
    def of(cls, panel: Panel, season_length: int | None = None) -> ZeroShot:
        """Return the targets of a panel; season_length: None: that of its frequency, or that is found.

        Raises HistoryTooShort, MissingValues.
        """
        columns = []
        series = []
        for row, one in enumerate(panel):
            path = ("history",) if one.item is None else ("history", "items", row)
            whole, _ = drop_leading(replace(one, values=one.values[:, : len(panel.targets)]), panel.targets, path)
            if len(whole) < SHORTEST_HISTORY:
                found = f"{one.prefix}a forecast needs at least {SHORTEST_HISTORY} values, got {len(whole)}"
                raise HistoryTooShort.at(path, found)
            series.append(whole)
            columns += [np.ascontiguousarray(one) for one in fill(whole.values, "interpolate").interpolated.T]
        stops = np.cumsum([len(column) for column in columns])
        seasonality = seasonality_of(series, columns, season_length)
        targets = Panel(tuple(series), panel.targets)
        return cls(targets, seasonality, np.concatenate(columns), np.append(0, stops[:-1]), stops)

    def quantiles(self, series: IntArray, rows: IntArray, horizon: int) -> FloatArray:
        """Return the quantiles (N, H, Q) from origins: the last known rows of some of the series; within bounds."""
        found = load_prior().quantiles(self.values, self.firsts[series], rows, self.seasonality, horizon)
        return np.maximum(found, self.floors[series][:, None, None])

    @cached_property
    def floors(self) -> FloatArray:
        """The lower bounds (S,) of forecasts, as `nonnegative` "auto" chooses them: none where a value is below 0."""
        smallest = np.minimum.reduceat(self.values, self.firsts)
        return np.where(smallest < 0, -np.inf, SMALLEST_SHARE * smallest)

    @cached_property
    def sizes(self) -> list[FloatArray]:
        """The sizes of past demands of each series, empty where demand is not sporadic."""
        zeros = np.minimum.reduceat(np.abs(self.values), self.firsts) == 0
        season_length = self.seasonality.season_length
        return [
            demand_sizes(self.values[first:stop], season_length) if zero else np.empty(0)
            for zero, first, stop in zip(zeros, self.firsts, self.stops, strict=True)
        ]

    @cached_property
    def point(self) -> Point:
        """What a point forecast is: the mean where most series are demand that is often 0, else the median."""
        return "mean" if 2 * sum(len(sizes) > 0 for sizes in self.sizes) > len(self.sizes) else "median"

    def forecast(self, horizon: int, bands: Bands, draw: Draw | None = None) -> list[Forecast]:
        """Return a forecast for each target of every item."""
        every = np.arange(len(self.firsts))
        quantiles = self.quantiles(every, self.stops - 1, horizon)
        factors = widening(
            lambda series, rows: self.quantiles(series, rows, horizon),
            self.values, self.firsts, self.stops, self.seasonality, horizon,
        )  # fmt: skip
        quantiles = np.maximum(widened(quantiles, factors), self.floors[:, None, None])
        points = mean(quantiles) if self.point == "mean" else median(quantiles)
        probabilities = bands.probabilities
        bounds = at_probabilities(quantiles, probabilities)
        samples = self._samples(quantiles, points, draw) if draw else None
        for row, sizes in enumerate(self.sizes):
            if len(sizes):
                bounds[:, row] = demand_quantiles(sizes, points[row], np.array(probabilities)[:, None])
        bounds = np.ascontiguousarray(np.maximum(bounds, self.floors[:, None]))  # for JSON
        forecasts = []
        row = 0
        for one in self.panel:
            times = one.times.future(horizon) if one.times else None
            for target in self.panel.targets:
                intervals, asked = bands.arranged(bounds[:, row])
                paths = None if samples is None else samples[row]
                forecasts.append(
                    Forecast(
                        one.item, target, times, np.ascontiguousarray(points[row]), intervals, asked, samples=paths
                    )
                )
                row += 1
        return forecasts

    def usual_horizon(self) -> int:
        """Return the horizon that a training would choose."""
        lengths = [len(one) for one in self.panel]
        return usual_horizon(self.seasonality.season_length, min(lengths), min(lengths) // 3)

    def _samples(self, quantiles: FloatArray, points: FloatArray, draw: Draw) -> FloatArray:
        """Draw sample paths (S, N, H)."""
        names = self.panel.targets if len(self.panel.targets) > 1 else ("",)
        scores = sample_scores(quantiles, draw, [f"{one.item or ''}{name}" for one in self.panel for name in names])
        samples = at_scores(quantiles, scores)
        for row, sizes in enumerate(self.sizes):
            if len(sizes):
                samples[row] = demand_quantiles(sizes, points[row], probability(scores[row]))
        return np.maximum(samples, self.floors[:, None, None])


def usual_horizon(season_length: int, length: int, longest: int) -> int:
    """Return one season, or a tenth of the series where that is too long or there is none."""
    longest = max(1, longest)
    if 1 < season_length <= longest:
        return season_length
    return min(max(1, length // 10), LONGEST_USUAL_HORIZON, longest)


def seasonality_of(series: list[Series], columns: list[FloatArray], season_length: int | None) -> Seasonality:
    """Return the seasonality of a panel: as asked, else that of most items' frequency, else the one that is found."""
    naturals = Counter(one.times.grid.season_length if one.times else None for one in series)
    if season_length is None:
        season_length = max(naturals, key=naturals.__getitem__)
    if season_length is None:
        tested = [columns[row] for row in evenly_spaced(len(columns), _TESTED_ITEMS)]
        season_length = common_season([find_season(values, None) for values in tested])
    week = week_of([one.times.grid for one in series if one.times], season_length) or 0
    return Seasonality(season_length, week if min(map(len, series)) >= _LONG_SEASONS * week else 0)
