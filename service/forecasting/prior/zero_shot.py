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
from service.forecasting.diagnostics.season_detection import find_seasons
from service.forecasting.intervals.demand import demand_quantiles, demand_sizes
from service.forecasting.intervals.error_correlation import probability
from service.forecasting.intervals.forecast import Bands, Forecast
from service.forecasting.intervals.sample_paths import Draw
from service.forecasting.methods.method import week_of
from service.forecasting.networks.kernels.losses import QUANTILES
from service.forecasting.preprocessing.missing import drop_leading, fill
from service.forecasting.preprocessing.transforms import SMALLEST_SHARE
from service.forecasting.prior.calibration import widened, widening
from service.forecasting.prior.forecasting import shows_season
from service.forecasting.prior.quantile_functions import at_probabilities, at_scores, mean, median, sample_scores
from service.forecasting.prior.recipe import Seasonality
from service.forecasting.prior.weights import load_prior
from service.forecasting.series.series import FloatArray, IntArray, Panel, Series

ZERO_SHOT = "zero-shot"
"""The reserved model ID of forecasts without a training."""

SHORTEST_HISTORY = 3
LONGEST_USUAL_HORIZON = 24
_LONG_SEASONS = 3
# The last values whose mean demand may reach; measured on demands of changing probability and season.
_RECENT = 20
_TINY = 1e-300


@dataclass(frozen=True, eq=False)
class ZeroShot:
    """The targets of a panel, ready to forecast.

    seasonalities: (S, 2), the fields of the `Seasonality` of each series. values: (row,), of all series without gaps,
    concatenated. firsts, stops: (S,), the first row of each series, and the row after its last one; those of an item's
    targets follow each other.
    """

    panel: Panel
    seasonalities: IntArray
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
        seasonalities = seasonalities_of(series, columns, season_length)
        targets = Panel(tuple(series), panel.targets)
        return cls(targets, seasonalities, np.concatenate(columns), np.append(0, stops[:-1]), stops)

    @property
    def seasonality(self) -> Seasonality:
        """The most frequent seasonality."""
        return Seasonality(*Counter(map(tuple, self.seasonalities.tolist())).most_common(1)[0][0])

    @cached_property
    def used(self) -> IntArray:
        """The seasonalities (S, 2) that the series are forecast with from their ends."""
        return known_seasonalities(self.seasonalities, self.stops - self.firsts)

    def quantiles(self, series: IntArray, rows: IntArray, horizon: int) -> FloatArray:
        """Return the quantiles (N, H, Q) from origins: the last known rows of some of the series; within bounds.

        They depend on no value after their origin, and on no other series.
        """
        firsts = self.firsts[series]
        known = known_seasonalities(self.seasonalities[series], rows + 1 - firsts)
        found = np.empty((len(rows), horizon, len(QUANTILES)))
        for seasonality in set(map(tuple, known.tolist())):
            chosen = (known == seasonality).all(axis=1)
            found[chosen] = load_prior().quantiles(
                self.values, firsts[chosen], rows[chosen], Seasonality(*seasonality), horizon
            )
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
        return [
            demand_sizes(self.values[first:stop], season_length) if zero else np.empty(0)
            for zero, first, stop, season_length in zip(
                zeros, self.firsts, self.stops, self.seasonalities[:, 0].tolist(), strict=True
            )
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
            self.values, self.firsts, self.stops, self.used[:, 0], horizon,
        )  # fmt: skip
        floors = self.floors(last)
        quantiles = widened(quantiles, factors)
        np.maximum(quantiles, floors[:, None, None], out=quantiles)
        rates = self.rates(every, last)
        points, bounds = self.points_and_bounds(quantiles, bands.probabilities, every, floors, rates)
        samples = self._samples(quantiles, rates, draw) if draw else None
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

    def rates(self, series: IntArray, rows: IntArray) -> FloatArray:
        """Return the highest rate (N,) of demand at origins: the mean of all values, or of the last ones."""
        sums, before = self._sums[rows], np.maximum(rows - _RECENT, 0)
        known = rows + 1 - self.firsts[series]
        recent = sums - np.where(known > _RECENT, self._sums[before], 0.0)
        return np.asarray(np.maximum(sums / known, recent / np.minimum(known, _RECENT)))

    @cached_property
    def _sums(self) -> FloatArray:
        """The sum of each series up to each row (row,)."""
        return np.concatenate([np.cumsum(self.values[a:b]) for a, b in zip(self.firsts, self.stops, strict=True)])

    def points_and_bounds(
        self,
        quantiles: FloatArray,
        probabilities: tuple[float, ...],
        series: IntArray,
        floors: FloatArray,
        rates: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """Return point forecasts (N, H), and the values (P, N, H) that are not exceeded with these probabilities.

        quantiles: (N, H, Q), of forecasts of some of the series. series, floors, rates: (N,), in ascending order, lower
        bounds, and the highest rates of demand.
        """
        points = mean(quantiles) if self.point == "mean" else median(quantiles).copy()
        bounds = at_probabilities(quantiles, probabilities)
        ends = np.searchsorted(series, np.arange(len(self.sizes) + 1))
        for sizes, begin, end in zip(self.sizes, ends, ends[1:], strict=False):
            if len(sizes):
                expected, shares = _demand(quantiles[begin:end], rates[begin:end]), np.array(probabilities)
                bounds[:, begin:end] = demand_quantiles(sizes, expected, shares[:, None, None])
                is_mean = self.point == "mean"
                points[begin:end] = expected if is_mean else demand_quantiles(sizes, expected, np.array(0.5))
        return points, np.ascontiguousarray(np.maximum(bounds, floors[:, None]))  # for JSON

    def usual_horizon(self) -> int:
        """Return the median of the horizons that each series alone would have."""
        lengths = zip(self.used[:, 0].tolist(), (self.stops - self.firsts).tolist(), strict=True)
        alone = [usual_horizon(season_length, length, length // 3) for season_length, length in lengths]
        return sorted(alone)[len(alone) // 2]

    def _samples(self, quantiles: FloatArray, rates: FloatArray, draw: Draw) -> FloatArray:
        """Draw sample paths (S, N, H)."""
        names = self.panel.targets if len(self.panel.targets) > 1 else ("",)
        scores = sample_scores(quantiles, draw, [f"{one.item or ''}{name}" for one in self.panel for name in names])
        samples = at_scores(quantiles, scores)
        for row, sizes in enumerate(self.sizes):
            if len(sizes):
                expected = _demand(quantiles[row], rates[row])
                samples[row] = demand_quantiles(sizes, expected, probability(scores[row]))
        return np.maximum(samples, self.floors(self.stops - 1)[:, None, None])


def _demand(quantiles: FloatArray, rates: FloatArray) -> FloatArray:
    """Return the expected demand (..., H), at most (...,) rates on average: one demand after zeros is no new level."""
    expected = mean(quantiles)
    level = expected.mean(axis=-1)
    return np.asarray(expected * np.minimum(1.0, rates / np.maximum(level, _TINY))[..., None])


def usual_horizon(season_length: int, length: int, longest: int) -> int:
    """Return one season, or a tenth of the series where that is too long or there is none."""
    longest = max(1, longest)
    if 1 < season_length <= longest:
        return season_length
    return min(max(1, length // 10), LONGEST_USUAL_HORIZON, longest)


def known_seasonalities(seasonalities: IntArray, known: IntArray) -> IntArray:
    """Return what of seasonalities (N, 2) is used where so many values (N,) are known: weeks from three on."""
    found = seasonalities.copy()
    found[~shows_season(known, found[:, 0]), 0] = 1
    found[known < _LONG_SEASONS * found[:, 1], 1] = 0
    return found


def seasonalities_of(series: list[Series], columns: list[FloatArray], season_length: int | None) -> IntArray:
    """Return the seasonality of each column: as asked, else that of its frequency, else the one that is found.

    Each is what it would be without the others. columns: of all series, as many of each. Returns (column, 2).
    """
    grids = [one.times.grid if one.times else None for one in series for _ in range(len(columns) // len(series))]
    lengths = [season_length or (grid.season_length if grid else None) for grid in grids]
    unknown = [row for row, length in enumerate(lengths) if length is None]
    for row, length in zip(unknown, find_seasons([columns[row] for row in unknown]), strict=True):
        lengths[row] = length
    weeks = [week_of([grid] if grid else [], length or 1) for length, grid in zip(lengths, grids, strict=True)]
    return np.array([(length or 1, week or 0) for length, week in zip(lengths, weeks, strict=True)], np.int64)


def natural_season(series: Iterable[Series]) -> int | None:
    """Return the season of most items' frequency, None where it has none."""
    naturals = Counter(one.times.grid.season_length if one.times else None for one in series)
    return max(naturals, key=naturals.__getitem__)
