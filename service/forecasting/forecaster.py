"""A fitted forecaster: history in, forecasts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from service.errors import Fault, Path, UnknownColumn
from service.forecasting.alignment import AlignedSeries, Columns
from service.forecasting.bands import Bands, Forecast, banded
from service.forecasting.blend import Blend
from service.forecasting.ends import Ends
from service.forecasting.ensemble import Ensemble
from service.forecasting.fitted_item import FittedItem, fit_item
from service.forecasting.intervals import ConformalErrors
from service.forecasting.missing import fill
from service.forecasting.networks import Network
from service.forecasting.options import Candidate
from service.forecasting.preparation import IntArray, PreparedSeries, min_history, preparation
from service.forecasting.series import FloatArray, Panel, Series
from service.forecasting.specification import Specification
from service.forecasting.transforms import TRANSFORMS, Transform

# A simple method's forecast from one end, in multiplications of a network.
_METHOD_COST = 20_000


@dataclass(frozen=True, eq=False)
class Forecaster:
    """Networks and simple methods, with everything that is needed to forecast from an end of a series.

    That is the end of the model's own series or of a history.
    device: torch's name of where rollouts run; None: this CPU. It belongs to this object, not to the model.
    """

    specification: Specification
    targets: tuple[str, ...]
    covariates: tuple[str, ...]
    items: tuple[FittedItem, ...]
    networks: tuple[Network, ...]
    blend: Blend
    errors: ConformalErrors
    device: str | None = None

    @property
    def min_history(self) -> int:
        """Fewest values that a history must have."""
        return min_history(self.specification) if self.networks else self._transform.lookback + 1

    @property
    def memory(self) -> int:
        """So many last values decide a forecast: simple methods have forgotten what lies before."""
        if self.blend.candidates == ("network",):
            return self.min_history
        return max(self.min_history, method_memory(self.specification.season_length))

    def forecast(
        self, horizon: int, bands: Bands, history: Panel | None = None, items: Sequence[str] | None = None
    ) -> list[Forecast]:
        """Forecast every item of the history, or every stored one, or those of them in ``items``.

        Returns one forecast for each item and target. Raises HistoryTooShort, UnknownColumn, InvalidSeries.
        """
        ends = self._stored(items) if history is None else self._ends_of(self.align(history, ("history",)))
        ahead = np.ascontiguousarray(self._ahead(ends, horizon).swapaxes(1, 2))  # JSON is written from whole rows
        widths = self.errors.widths(bands.levels, horizon)
        mean, intervals, quantiles = banded(bands, ahead, widths, ends.unit[:, :, None], self._transform)
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
                    )
                )
        return forecasts

    def cost(self, rows: int, horizon: int) -> int:
        """Estimate the multiplications of forecasting from so many origins."""
        specification = self.specification
        chunks = -(-horizon // specification.output_chunk_length)
        slides = specification.training.objective == "windows"
        steps = specification.context_length * (chunks if slides else 1) + horizon
        methods = len(self.blend.candidates) - bool(self.networks)
        return rows * (steps * sum(len(network.weights) for network in self.networks) + methods * _METHOD_COST)

    def align(self, panel: Panel, path: Path) -> list[AlignedSeries]:
        """Bring a panel from outside into this model's columns.

        Raises UnknownColumn, HistoryTooShort, MissingValues, InvalidSeries.
        """
        columns = Columns(self.targets, self.covariates, self.specification)
        return columns.align(panel, path, self._known, self.min_history)

    def prepare(self, item: FittedItem, series: Series) -> PreparedSeries:
        """Fill, transform and scale a series as this item's."""
        return preparation(self.specification, item.scaler, len(self.targets)).apply(series.values)

    def needed_rows(self, item: FittedItem) -> int:
        """Fewest values from which this item can be forecast: those that no network forecasts need few."""
        if "network" not in self.blend.candidates:
            return self.min_history
        weight = self.weights_of([item])[0, self.blend.candidates.index("network")]
        return self.min_history if weight > 0 else self._transform.lookback + 1

    def weights_of(self, items: Sequence[FittedItem]) -> FloatArray:
        """Return how much of each candidate is in the forecasts of each item: (item, candidate)."""
        return self.blend.of([self._rows.get(item.item) for item in items])

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
            return self._ensemble.levels_ahead(items, prepared, origins, horizon)
        season_length = self.specification.season_length
        levels = []
        for item, one, rows in zip(items, prepared, origins, strict=True):
            ahead = item.forecast(candidate, one.known, rows, horizon, season_length)
            levels.append(self._transform.to_levels_ahead(ahead, one.known.min(axis=0)))
        return levels

    @cached_property
    def _ensemble(self) -> Ensemble:
        return Ensemble(self.networks, self.specification, self.device)

    @cached_property
    def _transform(self) -> Transform:
        return TRANSFORMS[self.specification.transform]

    def _ahead(self, ends: Ends, horizon: int) -> FloatArray:
        """Forecast levels (item, horizon, target)."""
        if self.blend.candidates == ("network",):
            return ends.levels_ahead(self._ensemble.roll_out(ends.contexts, horizon), self._transform)
        weights = self.weights_of(ends.items)
        total = np.zeros((len(ends.items), horizon, len(self.targets)))
        for column, candidate in enumerate(self.blend.candidates):
            share = weights[:, column, None, None]
            if candidate == "network":
                total += share * ends.levels_ahead(self._ensemble.roll_out(ends.contexts, horizon), self._transform)
            else:
                total += share * ends.method_levels(candidate, horizon, self.specification)
        return total

    def _ends_of(self, history: Sequence[AlignedSeries]) -> Ends:
        rows = [self._rows[one.known.item] for one in history if one.known is not None]
        if len(rows) == len(history):
            return self._own_ends.chosen(rows).moved([self._tail(one.series) for one in history], self.specification)
        return Ends.of([self._item_at_end(one) for one in history], self.specification)

    def _item_at_end(self, aligned: AlignedSeries) -> FittedItem:
        item = fit_item(aligned.series, self.specification, len(self.targets), aligned.known)
        if aligned.known is not None:
            return item
        values = item.tail.values[:, : len(self.targets)]
        return item.with_methods(self.blend.candidates, values, self.specification.season_length)

    def _tail(self, series: Series) -> Series:
        """The end of a series, without holes; what lies before is read only where something needs it."""
        tail = series.tail(self.memory)
        if not np.isnan(tail.values).any():
            return tail
        return Series(fill(series.values, self.specification.missing).between, series.item, series.times)

    @cached_property
    def _rows(self) -> dict[str | None, int]:
        return {item.item: row for row, item in enumerate(self.items)}

    def _known(self, item: str | None) -> FittedItem | None:
        row = self._rows.get(item)
        return None if row is None else self.items[row]

    @cached_property
    def _own_ends(self) -> Ends:
        return Ends.of(self.items, self.specification)

    def _stored(self, items: Sequence[str] | None) -> Ends:
        if items is None:
            return self._own_ends
        for place, name in enumerate(items):
            if name not in self._rows:
                detail = f"the model has no item {name!r}; send its history to forecast an item it has not seen"
                raise UnknownColumn(detail, [Fault(("items", place), detail)])
        return self._own_ends.chosen([self._rows[name] for name in items])


def method_memory(season_length: int) -> int:
    """Return how many last values simple methods are given."""
    return max(300, 5 * season_length)


def blended(by_candidate: dict[Candidate, list[FloatArray]], weights: FloatArray) -> list[FloatArray]:
    """Return for each item the weighted mean of its candidates' levels; weights: (item, candidate)."""
    return [
        np.sum([share * levels for share, levels in zip(shares, candidates, strict=True) if share > 0], axis=0)
        for shares, *candidates in zip(weights, *by_candidate.values(), strict=True)
    ]
