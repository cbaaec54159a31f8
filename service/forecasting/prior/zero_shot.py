"""Zero-shot forecasts: of a panel that nothing was trained on, by the prior alone.

Legend: S series, one for each item and target, H horizon, Q quantiles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from service.errors import HistoryTooShort, Path
from service.forecasting.config.options import Missing, Point
from service.forecasting.diagnostics.season_detection import common_season, find_season
from service.forecasting.intervals.demand import demand_quantiles, demand_sizes
from service.forecasting.intervals.error_correlation import probability
from service.forecasting.intervals.forecast import Bands, Forecast
from service.forecasting.intervals.sample_paths import Draw
from service.forecasting.methods.method import week_of
from service.forecasting.networks.kernels.losses import QUANTILES
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
    def of(
        cls,
        panel: Panel,
        season_length: int | None = None,
        missing: Missing = "interpolate",
        path: Path = ("history",),
    ) -> ZeroShot:
        """Return the targets of a panel, which is at ``path`` of the request.

        season_length: None: that of its frequency, or that is found. missing: how gaps are filled. Raises
        HistoryTooShort, MissingValues.
        """
        columns = []
        series = []
        for row, one in enumerate(panel):
            place = path if one.item is None else (*path, "items", row)
            whole, _ = drop_leading(replace(one, values=one.values[:, : len(panel.targets)]), panel.targets, place)
            if len(whole) < SHORTEST_HISTORY:
                cure = "send earlier values too" + ("" if one.item is None else ", or leave the item out")
                found = f"{one.prefix}a forecast needs at least {SHORTEST_HISTORY} values, got {len(whole)}"
                raise HistoryTooShort.at(place, f"{found}; {cure}")
            series.append(whole)
            columns += [np.ascontiguousarray(one) for one in fill(whole.values, missing).interpolated.T]
        stops = np.cumsum([len(column) for column in columns])
        seasonality = seasonality_of(series, columns, season_length)
        targets = Panel(tuple(series), panel.targets)
        return cls(targets, seasonality, np.concatenate(columns), np.append(0, stops[:-1]), stops)

    def quantiles(self, series: IntArray, rows: IntArray, horizon: int) -> FloatArray:
        """Return the quantiles (N, H, Q) from origins: the last known rows of some of the series; within bounds.

        They depend on no value after their origin. The week is used from where three are known.
        """
        firsts = self.firsts[series]
        has_weeks = rows + 1 - firsts >= _LONG_SEASONS * self.seasonality.long
        found = np.empty((len(rows), horizon, len(QUANTILES)))
        for chosen, seasonality in ((has_weeks, self.seasonality), (~has_weeks, self.seasonality._replace(long=0))):
            if chosen.any():
                found[chosen] = load_prior().quantiles(self.values, firsts[chosen], rows[chosen], seasonality, horizon)
        return np.maximum(found, self.floors(rows)[:, None, None], out=found)

    def floors(self, rows: IntArray) -> FloatArray:
        """Return the lower bounds (N,) of forecasts from origins: none where a value up to there is below 0.

        They are those that `nonnegative` "auto" chooses.
        """
        lowest = self._lowest[rows]
        return np.where(lowest < 0, -np.inf, SMALLEST_SHARE * lowest)

    @cached_property
    def _lowest(self) -> FloatArray:
        """The smallest value of each series up to each row (row,)."""
        bounds = zip(self.firsts, self.stops, strict=True)
        return np.concatenate([np.minimum.accumulate(self.values[first:stop]) for first, stop in bounds])

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
        every, last = np.arange(len(self.firsts)), self.stops - 1
        quantiles = self.quantiles(every, last, horizon)
        factors = widening(
            lambda series, rows: self.quantiles(series, rows, horizon),
            self.values, self.firsts, self.stops, self.seasonality, horizon,
        )  # fmt: skip
        floors = self.floors(last)
        quantiles = widened(quantiles, factors)
        np.maximum(quantiles, floors[:, None, None], out=quantiles)
        points, bounds = self.points_and_bounds(quantiles, bands.probabilities, every, floors)
        samples = self._samples(quantiles, draw) if draw else None
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

    def points_and_bounds(
        self, quantiles: FloatArray, probabilities: tuple[float, ...], series: IntArray, floors: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return point forecasts (N, H), and the values (P, N, H) that are not exceeded with these probabilities.

        quantiles: (N, H, Q), of forecasts of some of the series. series, floors: (N,), in ascending order, and lower
        bounds.
        """
        points = mean(quantiles) if self.point == "mean" else median(quantiles).copy()
        bounds = at_probabilities(quantiles, probabilities)
        ends = np.searchsorted(series, np.arange(len(self.sizes) + 1))
        for sizes, begin, end in zip(self.sizes, ends, ends[1:], strict=False):
            if len(sizes):
                expected, shares = mean(quantiles[begin:end]), np.array(probabilities)[:, None, None]
                bounds[:, begin:end] = demand_quantiles(sizes, expected, shares)
                if self.point == "median":
                    points[begin:end] = demand_quantiles(sizes, expected, np.array(0.5))
        return points, np.ascontiguousarray(np.maximum(bounds, floors[:, None]))  # for JSON

    def usual_horizon(self) -> int:
        """Return the horizon that a training would choose."""
        lengths = [len(one) for one in self.panel]
        return usual_horizon(self.seasonality.season_length, min(lengths), min(lengths) // 3)

    def _samples(self, quantiles: FloatArray, draw: Draw) -> FloatArray:
        """Draw sample paths (S, N, H)."""
        names = self.panel.targets if len(self.panel.targets) > 1 else ("",)
        scores = sample_scores(quantiles, draw, [f"{one.item or ''}{name}" for one in self.panel for name in names])
        samples = at_scores(quantiles, scores)
        for row, sizes in enumerate(self.sizes):
            if len(sizes):
                samples[row] = demand_quantiles(sizes, mean(quantiles[row]), probability(scores[row]))
        return np.maximum(samples, self.floors(self.stops - 1)[:, None, None])


def usual_horizon(season_length: int, length: int, longest: int) -> int:
    """Return one season, or a tenth of the series where that is too long or there is none."""
    longest = max(1, longest)
    if 1 < season_length <= longest:
        return season_length
    return min(max(1, length // 10), LONGEST_USUAL_HORIZON, longest)


def seasonality_of(series: list[Series], columns: list[FloatArray], season_length: int | None) -> Seasonality:
    """Return the seasonality of a panel: as asked, else that of most items' frequency, else the one that is found."""
    if season_length is None:
        season_length = natural_season(series)
    if season_length is None:
        tested = [columns[row] for row in evenly_spaced(len(columns), _TESTED_ITEMS)]
        season_length = common_season([find_season(values, None) for values in tested])
    return Seasonality(season_length, week_of([one.times.grid for one in series if one.times], season_length) or 0)


def natural_season(series: Iterable[Series]) -> int | None:
    """Return the season of most items' frequency, None where it has none."""
    naturals = Counter(one.times.grid.season_length if one.times else None for one in series)
    return max(naturals, key=naturals.__getitem__)
