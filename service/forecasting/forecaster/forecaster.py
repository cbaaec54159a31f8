"""A fitted forecaster: history in, forecasts out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from service.errors import Fault, ForecastTooLarge, Path, UnknownColumn
from service.forecasting.config.options import Candidate
from service.forecasting.config.specification import Specification
from service.forecasting.covariates.columns import KnownAhead
from service.forecasting.covariates.effects import without_effects
from service.forecasting.covariates.future_covariates import NONE_SENT, FutureCovariates
from service.forecasting.covariates.row_matching import RowMatcher
from service.forecasting.forecaster.alignment import AlignedSeries, Columns
from service.forecasting.forecaster.blend import Blend
from service.forecasting.forecaster.items import FittedItem, FittedItems, fit_item, prepare
from service.forecasting.forecaster.new_items import UnseenItems
from service.forecasting.forecaster.origins import Ends
from service.forecasting.intervals.conformal import ConformalErrors
from service.forecasting.intervals.forecast import Bands, Forecast, banded
from service.forecasting.intervals.sample_paths import Draw, SamplePaths
from service.forecasting.methods.exponential_smoothing import fit_window
from service.forecasting.networks.architecture import Network
from service.forecasting.networks.ensemble import Ensemble
from service.forecasting.preprocessing.missing import fill
from service.forecasting.preprocessing.pipeline import IntArray, PreparedSeries, min_history
from service.forecasting.preprocessing.transforms import Transform, transform_of
from service.forecasting.series.series import FloatArray, Panel, Series

# Forecasts from the model's own end that are remembered, each of up to so many steps of all items.
_REMEMBERED, _REMEMBERED_STEPS = 4, 1000
# A simple method's forecast, in multiplications of a network, for each value that it reads, of which it takes so many.
_METHOD_COST, _FEWEST_READ = 67, 300
# The mean, the drift and cycles of any length are made of all values; older ones than these hardly change them.
_METHOD_MEMORY = 5000


@dataclass(frozen=True, eq=False)
class Forecaster:
    """Networks and simple methods, with everything that is needed to forecast from an end of a series.

    That is the end of the model's own series or of a history.
    device: torch's name of where rollouts run; None: this CPU. It belongs to this object, not to the model.
    future_covariates: columns named as known ahead; the specification has those that are used.
    common: (column, target), the effects of the columns known ahead in units of an item; None: there are none.
    """

    specification: Specification
    targets: tuple[str, ...]
    covariates: tuple[str, ...]
    items: tuple[FittedItem, ...]
    networks: tuple[Network, ...]
    blend: Blend
    errors: ConformalErrors
    device: str | None = None
    future_covariates: tuple[str, ...] = ()
    common: FloatArray | None = None

    @cached_property
    def min_history(self) -> int:
        """Fewest values that a history must have."""
        return min_history(self.specification) if self.networks else self._transform.lookback + 1

    @cached_property
    def memory(self) -> int:
        """So many last values are all that a forecast reads."""
        if self.blend.candidates == ("network",):
            return self.min_history
        return max(self.min_history, method_memory(self.specification.season_length))

    def forecast(
        self,
        horizon: int,
        bands: Bands,
        history: Panel | None = None,
        items: Sequence[str] | None = None,
        future: FutureCovariates = NONE_SENT,
        draw: Draw | None = None,
    ) -> list[Forecast]:
        """Forecast every item of the history, or every stored one, or those of them in ``items``.

        future: the columns known ahead, for the steps ahead; draw: the sample paths that are wanted too. Returns one
        forecast for each item and target.
        Raises HistoryTooShort, UnknownColumn, InvalidSeries, HorizonTooLong where ``future`` does not reach so far, and
        ForecastTooLarge where numbers of the model and of what was sent lead beyond all numbers.
        """
        if history is not None:
            return self._from(self._ends_of(self.align(history, ("history",))), horizon, bands, future, draw)
        if draw or future or horizon * len(items or self.items) > _REMEMBERED_STEPS:
            return self._from(self._stored(items), horizon, bands, future, draw)
        return self._remember(horizon, bands, None if items is None else tuple(items))

    @cached_property
    def _remember(self) -> Callable[[int, Bands, tuple[str, ...] | None], list[Forecast]]:
        """What the model forecasts from its own end never changes, and is asked again and again."""
        return lru_cache(_REMEMBERED)(lambda horizon, bands, items: self._from(self._stored(items), horizon, bands))

    def _from(
        self,
        ends: Ends,
        horizon: int,
        bands: Bands,
        future: FutureCovariates = NONE_SENT,
        draw: Draw | None = None,
    ) -> list[Forecast]:
        levels = self._ahead(ends, horizon)
        if future or self.common is not None:
            levels = levels + self._effects_ahead(ends, horizon, future)
        ahead = np.ascontiguousarray(levels.swapaxes(1, 2))  # JSON is written from whole rows
        widths = self.errors.widths(bands.levels, horizon)
        mean, intervals, quantiles = banded(bands, ahead, widths, ends.unit[:, :, None], self._transform)
        if not np.isfinite(mean).all():
            raise ForecastTooLarge("numbers of the model and of what was sent are too large for each other")
        samples = None if draw is None else self._samples(ends, ahead, draw)
        judged = self.networks and self.specification.scaling != "none"
        far_outside = ends.far_outside if judged else np.zeros(len(ends.tails), bool)
        forecasts = []
        for row, tail in enumerate(ends.tails):
            times = tail.times.future(horizon) if tail.times else None
            for column, target in enumerate(self.targets):
                place = row, column
                forecasts.append(
                    Forecast(
                        tail.item,
                        target,
                        times,
                        mean[place],
                        {level: (low[place], high[place]) for level, (low, high) in intervals.items()},
                        {quantile: values[place] for quantile, values in quantiles.items()},
                        bool(far_outside[row]),
                        None if samples is None else samples[place],
                    )
                )
        return forecasts

    def _samples(self, ends: Ends, ahead: FloatArray, draw: Draw) -> FloatArray:
        """Draw paths around levels (item, target, horizon): (item, target, path, horizon) in the series' own units."""
        errors = self._sample_paths.draw(draw, [tail.item for tail in ends.tails], ends.unit, ahead.shape[2])
        return np.ascontiguousarray(self._transform.from_levels(ahead[:, :, None, :] + errors))  # for JSON, as above

    @cached_property
    def _sample_paths(self) -> SamplePaths:
        return SamplePaths(self.errors)

    def cost(self, rows: int, horizon: int) -> int:
        """Estimate the multiplications of forecasting from so many origins."""
        specification = self.specification
        chunks = -(-horizon // specification.output_chunk_length)
        slides = specification.training.objective == "windows"
        steps = specification.context_length * (chunks if slides else 1) + horizon
        methods = (len(self.blend.candidates) - bool(self.networks)) * _METHOD_COST * self._longest
        return rows * (steps * sum(len(network.weights) for network in self.networks) + methods)

    @cached_property
    def _longest(self) -> int:
        return max(_FEWEST_READ, *(len(item.tail) for item in self.items))

    def align(self, panel: Panel, path: Path) -> list[AlignedSeries]:
        """Bring a panel from outside into this model's columns.

        Raises UnknownColumn, HistoryTooShort, MissingValues, InvalidSeries.
        """
        return self._columns.align(panel, path, self._known, self.min_history)

    def prepare(self, item: FittedItem, series: Series) -> PreparedSeries:
        """Fill, transform and scale a series as this item's."""
        return prepare(item, series, self.specification)

    def item_at_end(self, series: Series, known: FittedItem | None) -> FittedItem:
        """Return an item as it is at the end of a series; one that the model has not seen is fitted on the series."""
        if known is not None:
            return fit_item(series, self.specification, len(self.targets), known)
        return self.unseen.fit(series)

    @cached_property
    def unseen(self) -> UnseenItems:
        """What makes items of series that this model has not seen."""
        return UnseenItems(self.specification, self.items, self.blend, self.common)

    def needed_rows(self, item: FittedItem) -> int:
        """Fewest values from which this item can be forecast: those that no network forecasts need few."""
        if "network" not in self.blend.candidates:
            return self.min_history
        weight = self.weights_of([item])[0, self.blend.candidates.index("network")]
        return self.min_history if weight > 0 else self._transform.lookback + 1

    def weights_of(self, items: Sequence[FittedItem]) -> FloatArray:
        """Return how much of each candidate is in the forecasts of each item: (item, candidate)."""
        weights = self.blend.of([self._rows.get(item.item) for item in items])
        for row, item in enumerate(items):
            if item.item not in self._rows and (own := self.unseen.weights(item.tail)) is not None:
                weights[row] = own
        return weights

    def levels_ahead(
        self, items: Sequence[FittedItem], prepared: Sequence[PreparedSeries], origins: Sequence[IntArray], horizon: int
    ) -> list[FloatArray]:
        """Forecast from the origins of each item: one (origin, horizon, target) array of levels an item."""
        by_candidate = self.levels_by_candidate(items, prepared, origins, horizon)
        return blended(by_candidate, self.weights_of(items))

    def levels_by_candidate(
        self, items: Sequence[FittedItem], prepared: Sequence[PreparedSeries], origins: Sequence[IntArray], horizon: int
    ) -> dict[Candidate, list[FloatArray]]:
        """Forecast as `levels_ahead` does, by each candidate alone; NaN for items that do not use it."""
        weights = self.weights_of(items)
        targets = len(self.targets)
        found: dict[Candidate, list[FloatArray]] = {}
        for column, candidate in enumerate(self.blend.candidates):
            rows = [int(row) for row in np.flatnonzero(weights[:, column])]
            found[candidate] = [np.full((len(one), horizon, targets), np.nan) for one in origins]
            used = [items[row] for row in rows], [prepared[row] for row in rows], [origins[row] for row in rows]
            for row, levels in zip(rows, self._candidate_levels(candidate, *used, horizon=horizon), strict=True):
                found[candidate][row] = levels
        return found

    def _candidate_levels(
        self,
        candidate: Candidate,
        items: Sequence[FittedItem],
        prepared: Sequence[PreparedSeries],
        origins: Sequence[IntArray],
        horizon: int,
    ) -> list[FloatArray]:
        if candidate == "network":
            return self._ensemble.levels_ahead(prepared, [item.constant for item in items], origins, horizon)
        season_length = self.specification.season_length
        levels = []
        for item, one, rows in zip(items, prepared, origins, strict=True):
            ahead = item.forecast(candidate, one.known, rows, horizon, season_length)
            levels.append(self._transform.to_levels_ahead(ahead, one.known.min(axis=0)))
        return levels

    @cached_property
    def _columns(self) -> Columns:
        return Columns(self.targets, self.covariates, self.future_covariates, self.specification)

    @cached_property
    def _ensemble(self) -> Ensemble:
        return Ensemble(self.networks, self.specification, self.device)

    @cached_property
    def _transform(self) -> Transform:
        return transform_of(self.specification)

    def _ahead(self, ends: Ends, horizon: int) -> FloatArray:
        """Forecast levels (item, horizon, target): what `levels_ahead` forecasts from the last row of each item."""
        total = np.zeros((len(ends.tails), horizon, len(self.targets)))
        if self.networks:
            ends.add_network(self._ensemble.roll_out(ends.contexts, horizon), self._transform, total)
        ends.add_methods(self.specification.season_length, self._transform, total)
        return total

    def _ends_of(self, history: Sequence[AlignedSeries]) -> Ends:
        rows = [self._rows[one.known.item] for one in history if one.known is not None]
        if len(rows) < len(history):
            items = [self.item_at_end(one.series, one.known) for one in history]
            return self._at_end(self._side_by_side(items))
        fitted = self._fitted.chosen(rows)
        tails = [self._tail(item, one) for item, one in zip(fitted.items, history, strict=True)]
        return Ends.of(fitted, tails, self.specification)

    def _tail(self, item: FittedItem, aligned: AlignedSeries) -> Series:
        """The end of what effects leave, without holes; what lies before is read only where something needs it."""
        tail = without_effects(aligned.series.tail(self.memory), item.effects, self._transform)
        if aligned.whole or not np.isnan(tail.values).any():
            return tail
        rest = without_effects(aligned.series, item.effects, self._transform)
        return replace(rest, values=fill(rest.values, self.specification.missing).between)

    def _effects_ahead(self, ends: Ends, horizon: int, future: FutureCovariates) -> FloatArray:
        """Return what the columns known ahead add to levels: (item, horizon, target)."""
        names = [item.item for item in ends.items]
        known = KnownAhead.of(self.specification)
        matcher = RowMatcher()
        effects = np.zeros((len(names), horizon, len(self.targets)))
        for row, sent in enumerate(future.of(names)):
            ahead = known.future(horizon, ends.tails[row], sent, self.future_covariates, matcher)
            item_effects = ends.items[row].effects
            if item_effects is not None:
                effects[row] = item_effects.of(ahead, self._transform)
        return effects

    @cached_property
    def _rows(self) -> dict[str | None, int]:
        return {item.item: row for row, item in enumerate(self.items)}

    def _known(self, item: str | None) -> FittedItem | None:
        row = self._rows.get(item)
        return None if row is None else self.items[row]

    @cached_property
    def _fitted(self) -> FittedItems:
        return self._side_by_side(self.items)

    def _side_by_side(self, items: Sequence[FittedItem]) -> FittedItems:
        return FittedItems.of(items, Blend(self.blend.candidates, self.weights_of(items)))

    def _at_end(self, fitted: FittedItems) -> Ends:
        return Ends.of(fitted, [item.tail for item in fitted.items], self.specification)

    def _stored(self, items: Sequence[str] | None) -> Ends:
        if items is None:
            return self._at_end(self._fitted)
        for place, name in enumerate(items):
            if name not in self._rows:
                detail = f"the model has no item {name!r}; send its history to forecast an item it has not seen"
                raise UnknownColumn(detail, [Fault(("items", place), detail)])
        return self._at_end(self._fitted.chosen([self._rows[name] for name in items]))


def method_memory(season_length: int) -> int:
    """Return how many last values simple methods are given, so that they forecast what they did where they were scored.

    Exponential smoothing reads up to two of its windows.
    """
    return max(_METHOD_MEMORY, 2 * fit_window(season_length))


def blended(by_candidate: dict[Candidate, list[FloatArray]], weights: FloatArray) -> list[FloatArray]:
    """Return for each item the weighted mean of its candidates' levels; weights: (item, candidate)."""
    return [
        np.sum([share * levels for share, levels in zip(shares, candidates, strict=True) if share > 0], axis=0)
        for shares, *candidates in zip(weights, *by_candidate.values(), strict=True)
    ]
