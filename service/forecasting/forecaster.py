"""A fitted forecaster: history in, forecasts out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.errors import Fault, HistoryTooShort, Path, UnknownColumn
from service.forecasting.bands import Bands, Forecast, banded
from service.forecasting.ends import Ends
from service.forecasting.fitted_item import FittedItem, fit_item
from service.forecasting.intervals import ConformalErrors
from service.forecasting.missing import drop_leading, fill, refuse_missing
from service.forecasting.networks import Network
from service.forecasting.preparation import IntArray, PreparedSeries, min_history, preparation
from service.forecasting.rollout import roll_out
from service.forecasting.series import FloatArray, Panel, Series
from service.forecasting.specification import Specification
from service.forecasting.transforms import TRANSFORMS, Transform, require_positive

# Numbers of the contexts that are held at once, so that memory is bounded however many origins there are.
_BLOCK_NUMBERS = 2**21


class AlignedSeries(NamedTuple):
    """A series from outside in the model's columns.

    dropped: leading rows left out because a column had no value yet; known: the item of the model that it belongs to,
    None for one that the model has not seen, which is scaled by its own values.
    """

    series: Series
    dropped: int
    known: FittedItem | None


@dataclass(frozen=True, eq=False)
class Forecaster:
    """Networks with everything that is needed to forecast from the end of their own series or from a history.

    device: torch's name of where rollouts run; None: this CPU. It belongs to this object, not to the model.
    """

    specification: Specification
    targets: tuple[str, ...]
    covariates: tuple[str, ...]
    items: tuple[FittedItem, ...]
    networks: tuple[Network, ...]
    errors: ConformalErrors
    device: str | None = None

    @property
    def min_history(self) -> int:
        """Fewest values that a history must have."""
        return min_history(self.specification)

    def forecast(
        self, horizon: int, bands: Bands, history: Panel | None = None, items: Sequence[str] | None = None
    ) -> list[Forecast]:
        """Forecast every item of the history, or every stored one, or those of them in ``items``.

        Returns one forecast for each item and target. Raises HistoryTooShort, UnknownColumn, InvalidSeries.
        """
        ends = self._stored(items) if history is None else self._ends_of(self.align(history, ("history",)))
        ahead = ends.levels_ahead(self._roll_out(ends.contexts, horizon), self._transform)
        by_step = np.ascontiguousarray(ahead.swapaxes(1, 2))  # (item, target, horizon): JSON is written from whole rows
        widths = self.errors.widths(bands.levels, horizon)
        mean, intervals, quantiles = banded(bands, by_step, widths, ends.unit[:, :, None], self._transform)
        far_outside = ends.far_outside if self.specification.scaling != "none" else np.zeros(len(ends.tails), bool)
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
        return rows * steps * sum(len(network.weights) for network in self.networks)

    @cached_property
    def _transform(self) -> Transform:
        return TRANSFORMS[self.specification.transform]

    def _ends_of(self, history: Sequence[AlignedSeries]) -> Ends:
        rows = [self._rows[one.known.item] for one in history if one.known is not None]
        if len(rows) == len(history):
            return self._own_ends.chosen(rows).moved([self._tail(one.series) for one in history], self.specification)
        targets = len(self.targets)
        items = [fit_item(one.series, self.specification, targets, one.known) for one in history]
        return Ends.of(items, self.specification)

    def _tail(self, series: Series) -> Series:
        """The end of a series, without holes; what lies before is read only where something needs it."""
        tail = series.tail(self.min_history)
        if not np.isnan(tail.values).any():
            return tail
        return Series(fill(series.values, self.specification.missing).between, series.item, series.times)

    def prepare(self, item: FittedItem, series: Series) -> PreparedSeries:
        """Fill, transform and scale a series as this item's."""
        return preparation(self.specification, item.scaler, len(self.targets)).apply(series.values)

    def levels_ahead(
        self, items: Sequence[FittedItem], prepared: Sequence[PreparedSeries], origins: Sequence[IntArray], horizon: int
    ) -> list[FloatArray]:
        """Forecast from the origins of each item: one (origin, horizon, target) array of levels an item."""
        scaled = self._rolled(prepared, origins, horizon)
        bounds = np.cumsum([len(rows) for rows in origins])[:-1]
        results = []
        for item, one, rows, ahead in zip(items, prepared, origins, np.split(scaled, bounds), strict=True):
            levels = one.levels_ahead(ahead, rows)
            still = item.constant[: len(self.targets)]
            if still.any():
                levels[:, :, still] = one.levels_at(rows)[:, None, still]
            results.append(levels)
        return results

    def _rolled(self, prepared: Sequence[PreparedSeries], origins: Sequence[IntArray], horizon: int) -> FloatArray:
        """Forecast from all origins, a block at a time: (origin, horizon, channel)."""
        length = self.specification.context_length
        channels = len(self.targets) + len(self.covariates)
        blocks = [
            self._roll_out(np.concatenate([one.contexts(rows, length) for one, rows in block]), horizon)
            for block in _blocks(prepared, origins, max(1, _BLOCK_NUMBERS // (length * channels)))
        ]
        return np.concatenate(blocks) if blocks else np.zeros((0, horizon, channels))

    def _roll_out(self, contexts: NDArray[Any], horizon: int) -> FloatArray:
        """Forecast after contexts (N, context_length, channel): (N, horizon, channel), the mean over the ensemble."""
        objective, centred = self.specification.training.objective, self.specification.centering == "last"
        inputs = contexts.astype(np.float32, copy=False)
        total = roll_out(self.networks[0], inputs, horizon, objective, centred, self.device).astype(np.float64)
        for network in self.networks[1:]:
            total += roll_out(network, inputs, horizon, objective, centred, self.device)
        return total if len(self.networks) == 1 else total / len(self.networks)

    def align(self, panel: Panel, path: Path) -> list[AlignedSeries]:
        """Bring a panel from outside into this model's columns.

        Raises UnknownColumn, HistoryTooShort, MissingValues, InvalidSeries.
        """
        order = self._column_order(panel, path)
        aligned = []
        for row, series in enumerate(panel):
            place = path if series.item is None else (*path, "items", row)
            ordered = series if order is None else replace(series, values=series.values[:, order])
            usable, dropped = self._usable(ordered, place)
            aligned.append(AlignedSeries(usable, dropped, self._known(series.item)))
        return aligned

    def _usable(self, series: Series, path: Path) -> tuple[Series, int]:
        if self.specification.missing == "error":
            refuse_missing(series, path)
        series, dropped = drop_leading(series, self.targets + self.covariates, path)
        if len(series) < self.min_history:
            detail = f"needs {self.min_history} values, got {len(series)}"
            raise HistoryTooShort(detail, [Fault(path, detail)])
        require_positive(series.values[:, : len(self.targets)], self.specification.transform, path)
        return series, dropped

    def _column_order(self, panel: Panel, path: Path) -> list[int] | None:
        """Where the panel has the model's columns; None: in the same order."""
        wanted = self.targets + self.covariates
        if wanted == panel.columns or (len(wanted) == 1 and panel.columns == ("value",)):
            return None
        if set(wanted) != set(panel.columns):
            detail = f"the model was trained on columns {', '.join(wanted)}, got {', '.join(panel.columns)}"
            raise UnknownColumn(detail, [Fault(path, detail)])
        return [panel.columns.index(column) for column in wanted]

    @cached_property
    def _rows(self) -> dict[str | None, int]:
        return {item.item: row for row, item in enumerate(self.items)}

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

    def _known(self, item: str | None) -> FittedItem | None:
        row = self._rows.get(item)
        return None if row is None else self.items[row]


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
