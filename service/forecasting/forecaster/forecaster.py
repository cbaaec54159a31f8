"""A fitted forecaster: forecasts from its own series or from a history."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np

from service.errors import ForecastTooLarge, Path, UnknownColumn
from service.forecasting.config.options import BaselineMethod, Candidate
from service.forecasting.config.specification import Specification
from service.forecasting.covariates.categories import original_names
from service.forecasting.covariates.future_covariates import NONE_SENT, Change, CovariateColumns, FutureCovariates
from service.forecasting.forecaster.alignment import AlignedSeries, Columns
from service.forecasting.forecaster.blend import Blend
from service.forecasting.forecaster.forecast_origins import ForecastOrigins
from service.forecasting.forecaster.items import FittedItem, FittedItems, filled_residual, fit_item
from service.forecasting.forecaster.new_items import UnseenItems
from service.forecasting.forecaster.series_ends import ObservedEnds, SeriesEnd, read_ends, unknown_item
from service.forecasting.intervals.conformal import ConformalErrors
from service.forecasting.intervals.demand import demand_quantiles, set_demand_bounds
from service.forecasting.intervals.error_correlation import probability
from service.forecasting.intervals.forecast import Bands, Forecast, banded
from service.forecasting.intervals.sample_paths import Draw, SamplePaths
from service.forecasting.methods.method import fit_window, long_season_of
from service.forecasting.networks.architecture import Network
from service.forecasting.networks.engine import ForecastEngine, Predictor, Recipe
from service.forecasting.networks.engine_choice import engine_for
from service.forecasting.preprocessing.missing import FilledValues
from service.forecasting.preprocessing.network_inputs import min_history
from service.forecasting.preprocessing.transforms import Transform, transform_of
from service.forecasting.prior.recipe import SHAPE, Seasonality
from service.forecasting.series.row_placement import Reading
from service.forecasting.series.series import FloatArray, IntArray, Panel, Series, largest, smallest

# Cached forecasts from the model's own series, and the most steps of one, over all items.
_CACHED, _CACHED_STEPS = 4, 1000
# Scaled values beyond this are many standard deviations, or ranges, away from the training data.
_FAR_OUTSIDE = 20.0
# Multiplications of a simple method's forecast for each value that it reads, and the fewest values that are counted.
_METHOD_COST, _FEWEST_READ = 67, 300
# The mean, the drift and long cycles depend on all values; older ones than these hardly change them.
_METHOD_MEMORY = 5000


@dataclass(frozen=True, eq=False)
class Forecaster:
    """Networks and simple methods, with all that is needed to forecast from the end of the model's series or a history.

    engine: what networks are rolled out with; a property of this object, not of the model. covariates: channels of the
    items, of which a past covariate with categories has one for each. future_covariates: all that were declared; the
    specification has those that are used. common: (column, target), the effects of future covariates in the unit of an
    item; None: there are none. baseline: the naive forecast that the model is compared with.
    """

    specification: Specification
    targets: tuple[str, ...]
    covariates: tuple[str, ...]
    items: tuple[FittedItem, ...]
    networks: tuple[Network, ...]
    blend: Blend
    errors: ConformalErrors
    engine: ForecastEngine = field(default_factory=lambda: engine_for("numba"))
    future_covariates: tuple[str, ...] = ()
    common: FloatArray | None = None
    baseline: BaselineMethod = "seasonal_naive"

    @cached_property
    def reading(self) -> Reading:
        """How rows become rows of a series: those of most items were placed on its grid."""
        grids = [item.tail.times.grid for item in self.items if item.tail.times]
        calendars = Counter(str(grid.calendar) for grid in grids)
        return Reading.of_model(max(grids, key=lambda grid: calendars[str(grid.calendar)], default=None))

    @cached_property
    def min_history(self) -> int:
        """The fewest values of a history."""
        return min_history(self.specification) if self.networks else self.transform.lookback + 1

    @cached_property
    def memory(self) -> int:
        """The number of last values that a forecast reads."""
        if self.blend.candidates == ("network",):
            return self.min_history
        # As many for simple methods that forecasts agree with those on rolling origins; smoothing reads two windows.
        season_length = self.specification.season_length
        return max(self.min_history, _METHOD_MEMORY, 2 * fit_window(season_length), 8 * long_season_of(season_length))

    def forecast(
        self,
        horizon: int,
        bands: Bands,
        history: Panel | None = None,
        items: Sequence[str] | None = None,
        future: FutureCovariates = NONE_SENT,
        draw: Draw | None = None,
        observed: ObservedEnds | None = None,
    ) -> list[Forecast]:
        """Return a forecast for each target of every item of the history, or of the model's items, or of ``items``.

        future: the future covariates of the steps ahead. draw: the sample paths to return as well. observed: the ends
        of the model's items since the training; None: as they were trained.
        Raises HistoryTooShort, UnknownColumn, InvalidSeries, HorizonTooLong where ``future`` has too few steps, and
        ForecastTooLarge where the forecast is not finite.
        """
        if history is not None:
            return self._forecast_from_ends(read_ends(self, history, ("history",)), horizon, bands, future, draw)
        count = len(items or (self.items if observed is None else observed.by_item))
        if draw or future or horizon * count > _CACHED_STEPS:
            return self._forecast_own(horizon, bands, items, observed, future, draw)
        return self._cached(horizon, bands, None if items is None else tuple(items), observed)

    @cached_property
    def _cached(
        self,
    ) -> Callable[[int, Bands, tuple[str, ...] | None, ObservedEnds | None], list[Forecast]]:
        """Forecasts from the model's own series, which change rarely and are requested repeatedly."""
        return lru_cache(_CACHED)(self._forecast_own)

    def _forecast_own(
        self,
        horizon: int,
        bands: Bands,
        items: Sequence[str] | None,
        observed: ObservedEnds | None,
        future: FutureCovariates = NONE_SENT,
        draw: Draw | None = None,
    ) -> list[Forecast]:
        if observed is None:
            return self._forecast_from(*self._stored_origins(items), horizon, bands, future, draw)
        return self._forecast_from_ends(observed.chosen(items), horizon, bands, future, draw)

    def _forecast_from_ends(
        self, ends: Sequence[SeriesEnd], horizon: int, bands: Bands, future: FutureCovariates, draw: Draw | None
    ) -> list[Forecast]:
        fitted = self._fitted_at(ends)
        # Soft bounds are those of all series of a request.
        transform = next((one.transform for one in ends if one.transform is not self.transform), self.transform)
        factors = self._factors(ends, horizon, bands.levels)
        tails = [one.tail for one in ends]
        forecasts = self._forecast_from(fitted, tails, horizon, bands, future, draw, transform, factors)
        if not any(one.shifted for one in ends):
            return forecasts
        none = (None,) * len(self.targets)
        shifted = [text for one in ends for text in one.shifted or none]
        return [one._replace(shifted=text) for one, text in zip(forecasts, shifted, strict=True)]

    def _fitted_at(self, ends: Sequence[SeriesEnd]) -> FittedItems:
        if any(one.is_new for one in ends):
            return self._stacked([one.item for one in ends])
        return self._fitted.chosen([self._rows[one.item.item] for one in ends])

    def around_ends(
        self, ends: Sequence[SeriesEnd], horizon: int, levels: Sequence[float], effects: FloatArray | None = None
    ) -> FloatArray:
        """Return transformed forecasts with the bounds around them (2 levels + 1, end, target, horizon), see `banded`.

        effects: those of future covariates on transformed forecasts (end, horizon, target); None: there are none.
        """
        fitted = self._fitted_at(ends)
        origins = ForecastOrigins.at_ends(fitted, [one.tail for one in ends])
        transformed, _ = origins.forecast(self.specification, self._predictor, horizon)
        if effects is not None:
            transformed += effects
        return self._around(fitted, np.ascontiguousarray(transformed.swapaxes(1, 2)), levels)

    def _forecast_from(
        self,
        fitted: FittedItems,
        tails: Sequence[Series],
        horizon: int,
        bands: Bands,
        future: FutureCovariates = NONE_SENT,
        draw: Draw | None = None,
        transform: Transform | None = None,
        factors: FloatArray | None = None,
    ) -> list[Forecast]:
        transform = transform or self.transform
        origins = ForecastOrigins.at_ends(fitted, tails)
        transformed, farthest = origins.forecast(self.specification, self._predictor, horizon)
        changes: Sequence[tuple[Change, ...]] = [()] * len(tails)
        if future or self.common is not None:
            effects, changes = self._effects_ahead(fitted, tails, horizon, future)
            transformed += effects
        ahead = np.ascontiguousarray(transformed.swapaxes(1, 2))  # JSON is written from contiguous rows
        mean, intervals, quantiles = banded(bands, self._around(fitted, ahead, bands.levels, factors), transform)
        if not math.isfinite(largest(mean)) or not math.isfinite(smallest(mean)):
            raise ForecastTooLarge("numbers of the model and of what was sent are too large for each other")
        samples = None if draw is None else self._samples(fitted, ahead, draw, transform)
        is_scaled = self.specification.scaling != "none"
        forecasts = []
        for row, tail in enumerate(tails):
            times = tail.times.future(horizon) if tail.times else None
            for column, target in enumerate(self.targets):
                at = row, column
                forecasts.append(
                    Forecast(
                        tail.item,
                        target,
                        times,
                        mean[at],
                        {level: (low[at], high[at]) for level, (low, high) in intervals.items()},
                        {quantile: values[at] for quantile, values in quantiles.items()},
                        bool(is_scaled and farthest[row] > _FAR_OUTSIDE),
                        None if samples is None else samples[at],
                        changes[row],
                    )
                )
        return forecasts

    def _factors(self, ends: Sequence[SeriesEnd], horizon: int, levels: Sequence[float]) -> FloatArray | None:
        """Return the factors (level, item, target, horizon) of half-widths; None: no interval adapts."""
        if not levels or all(one.adapted is None for one in ends):
            return None
        widths = self.errors.widths(levels, horizon)
        half = np.stack(list(widths.by_level.values()))
        factors = [np.ones(half.shape) if one.adapted is None else one.adapted.factors(levels, half) for one in ends]
        return np.stack(factors, axis=1).swapaxes(2, 3)

    def _around(
        self, fitted: FittedItems, ahead: FloatArray, levels: Sequence[float], factors: FloatArray | None = None
    ) -> FloatArray:
        """Return bounds around transformed forecasts (item, target, horizon), see `banded`; factors: see `_factors`."""
        if not levels:
            return ahead[None]
        widths = self.errors.widths(levels, ahead.shape[2])
        least_width = None if fitted.least_width is None else fitted.least_width[:, :, None]
        offsets = widths.offsets(fitted.error_scale[:, :, None], least_width)
        if factors is not None:
            offsets *= np.concatenate([factors, np.ones_like(factors[:1]), factors[::-1]])
        bounds = ahead + offsets
        for row, item in enumerate(fitted.items if self._is_mean else ()):
            set_demand_bounds(bounds[:, row], item.sizes, levels)
        return bounds

    @cached_property
    def _is_mean(self) -> bool:
        return self.specification.point_forecast == "mean"

    def _samples(self, fitted: FittedItems, ahead: FloatArray, draw: Draw, transform: Transform) -> FloatArray:
        """Draw paths around transformed forecasts (item, target, horizon): (item, target, path, horizon), inverted."""
        items = [item.item for item in fitted.items]
        scores = self._sample_paths.scores(draw, items, ahead.shape[2])
        paths = ahead[:, :, None, :] + self._sample_paths.errors(scores, fitted.error_scale, fitted.least_width)
        for row, item in enumerate(fitted.items if self._is_mean else ()):
            for target, sizes in enumerate(item.sizes):
                if len(sizes):
                    within = probability(scores[row, target])
                    paths[row, target] = demand_quantiles(sizes, ahead[row, target], within)
        return np.ascontiguousarray(transform.invert(paths))  # for JSON, as above

    @cached_property
    def _sample_paths(self) -> SamplePaths:
        return SamplePaths(self.errors)

    def cost(self, rows: int, horizon: int) -> int:
        """Return the estimated multiplications of forecasting from so many origins."""
        specification = self.specification
        chunks = -(-horizon // specification.output_chunk_length)
        slides = specification.training.objective == "windows"
        steps = specification.context_length * (chunks if slides else 1) + horizon
        methods = (len(self.blend.candidates) - bool(self.networks)) * _METHOD_COST * self._longest
        layers = len(self.networks) * specification.network.num_layers
        overhead = steps * layers * self.engine.step_overhead
        prior = 0
        if specification.prior is not None and "prior" in self.blend.candidates:
            seasonality = Seasonality(specification.prior.season_length)
            # Its kernel takes half of the time that so many multiplications of a rollout take.
            prior = (seasonality.read_length + min(horizon, seasonality.most_ahead)) * SHAPE.size // 2
        return rows * (steps * sum(len(network.weights) for network in self.networks) + methods + prior) + overhead

    @cached_property
    def _longest(self) -> int:
        return max(_FEWEST_READ, *(len(item.tail) for item in self.items))

    def align(self, panel: Panel, path: Path) -> list[AlignedSeries]:
        """Align the panel of a request with this model's columns.

        Raises UnknownColumn, HistoryTooShort, MissingValues, InvalidSeries.
        """
        return self._columns.align(panel, path, self._known, self.min_history)

    def filled(self, item: FittedItem, series: Series) -> FilledValues:
        """Remove the effects of future covariates from a series of this item, and fill its gaps."""
        return filled_residual(item, series, self.specification)

    def item_at_end(self, series: Series, known: FittedItem | None) -> FittedItem:
        """Return an item with a series as its tail; an item that the model has not seen is fitted on the series."""
        if known is not None:
            return fit_item(series, self.specification, len(self.targets), known)
        return self.unseen.fit(series)

    @cached_property
    def unseen(self) -> UnseenItems:
        """Fits items that this model has not seen."""
        return UnseenItems(self.specification, self.items, self.blend, self.common)

    def needed_rows(self, item: FittedItem) -> int:
        """Return the fewest values from which this item can be forecast; without a network, few are enough."""
        if "network" not in self.blend.candidates:
            return self.min_history
        weight = self.weights_of([item])[0, self.blend.candidates.index("network")]
        return self.min_history if weight > 0 else self.transform.lookback + 1

    def weights_of(self, items: Sequence[FittedItem]) -> FloatArray:
        """Return the weights of the candidates in the forecasts of each item: (item, candidate)."""
        rows = [self._rows.get(item.item) for item in items]
        return np.array(
            [
                self.unseen.weights(item.tail) if row is None else self.blend.weights[row]
                for item, row in zip(items, rows, strict=True)
            ]
        )

    def forecast_transformed(
        self, items: Sequence[FittedItem], series: Sequence[FilledValues], origins: Sequence[IntArray], horizon: int
    ) -> list[FloatArray]:
        """Return transformed forecasts from the origins of each item: one (origin, horizon, target) array an item."""
        rolling = ForecastOrigins.rolling(self._stacked(items), series, origins)
        return _by_item(rolling.forecast(self.specification, self._predictor, horizon)[0], origins)

    def forecasts_by_candidate(
        self, items: Sequence[FittedItem], series: Sequence[FilledValues], origins: Sequence[IntArray], horizon: int
    ) -> dict[Candidate, list[FloatArray]]:
        """Return what `forecast_transformed` does for each candidate alone; NaN for items that do not use it."""
        used = self.weights_of(items) > 0
        rolling = ForecastOrigins.rolling(self._stacked(items), series, origins)
        found: dict[Candidate, list[FloatArray]] = {}
        for column, candidate in enumerate(self.blend.candidates):
            alone = Blend(self.blend.candidates, np.where(np.arange(used.shape[1]) == column, used, 0.0))
            one = rolling._replace(fitted=rolling.fitted.weighted(alone))
            ahead, _ = one.forecast(self.specification, self._predictor, horizon)
            ahead[~used[rolling.items, column]] = np.nan
            found[candidate] = _by_item(ahead, origins)
        return found

    @cached_property
    def past_covariates(self) -> tuple[str, ...]:
        """The past covariates as they were sent; ``covariates`` has a column for each category."""
        return original_names(self.covariates, self.specification.categories)

    @cached_property
    def _columns(self) -> Columns:
        return Columns(self.targets, self.past_covariates, self.future_covariates, self.specification)

    @cached_property
    def _predictor(self) -> Predictor | None:
        return self.engine.predictor(self.networks, Recipe.of(self.specification)) if self.networks else None

    @cached_property
    def transform(self) -> Transform:
        """The transform of the targets, with the bounds of forecasts."""
        return transform_of(self.specification)

    def _effects_ahead(
        self, fitted: FittedItems, tails: Sequence[Series], horizon: int, future: FutureCovariates
    ) -> tuple[FloatArray, list[tuple[Change, ...]]]:
        """Return the effects of future covariates on transformed forecasts: (item, horizon, target).

        The second is what `ColumnsAhead` says about unknown categories, for each item.
        """
        names = [item.item for item in fitted.items]
        columns = CovariateColumns.of(self.specification)
        ahead = columns.future(horizon, tails, future.of(names), self.future_covariates)
        effects = np.zeros((len(names), horizon, len(self.targets)))
        for row, item in enumerate(fitted.items):
            if item.effects is not None:
                effects[row] = item.effects.of(ahead[row].columns, self.transform)
        return effects, [one.changes for one in ahead]

    @cached_property
    def _rows(self) -> dict[str | None, int]:
        return {item.item: row for row, item in enumerate(self.items)}

    def knows(self, item: str | None) -> bool:
        """Return whether the model was trained on an item."""
        return item in self._rows

    def _known(self, item: str | None) -> FittedItem | None:
        row = self._rows.get(item)
        return None if row is None else self.items[row]

    @cached_property
    def _fitted(self) -> FittedItems:
        return self._stacked(self.items)

    def _stacked(self, items: Sequence[FittedItem]) -> FittedItems:
        return FittedItems.of(items, Blend(self.blend.candidates, self.weights_of(items)))

    def _stored_origins(self, items: Sequence[str] | None) -> tuple[FittedItems, Sequence[Series]]:
        if items is None:
            return _with_tails(self._fitted)
        for position, name in enumerate(items):
            if name not in self._rows:
                raise UnknownColumn.at(("items", position), unknown_item(name))
        return _with_tails(self._fitted.chosen([self._rows[name] for name in items]))


def _with_tails(fitted: FittedItems) -> tuple[FittedItems, Sequence[Series]]:
    return fitted, [item.tail for item in fitted.items]


def _by_item(values: FloatArray, origins: Sequence[IntArray]) -> list[FloatArray]:
    """Split an array of the origins of all items."""
    return np.split(values, np.cumsum([len(rows) for rows in origins])[:-1])


def blended(by_candidate: Mapping[Candidate, Sequence[FloatArray]], weights: FloatArray) -> list[FloatArray]:
    """Return the weighted mean of the candidates' forecasts for each item; weights: (item, candidate)."""
    return [
        np.sum([weight * ahead for weight, ahead in zip(row, candidates, strict=True) if weight > 0], axis=0)
        for row, *candidates in zip(weights, *by_candidate.values(), strict=True)
    ]
