"""A fitted forecaster: history in, forecasts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from service.errors import Fault, HistoryTooShort, Path, UnknownColumn
from service.forecasting.bands import Bands, Forecast, banded
from service.forecasting.intervals import ConformalErrors
from service.forecasting.missing import drop_leading, refuse_missing
from service.forecasting.networks import Network
from service.forecasting.preparation import IntArray, PreparedSeries, min_history, model_steps, preparation
from service.forecasting.rollout import roll_out
from service.forecasting.scaling import Scaler, constant_channels, fit_scaler, spread
from service.forecasting.series import FloatArray, Panel, Series
from service.forecasting.specification import Specification
from service.forecasting.transforms import TRANSFORMS, require_positive


@dataclass(frozen=True)
class FittedItem:
    """What is known of one item.

    spread: (target,), the standard deviation of what is modelled, the unit of interval errors;
    constant: (channel,), True where the training part has one value only; tail: the end of the series, without holes.
    """

    item: str | None
    scaler: Scaler
    spread: FloatArray
    constant: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    tail: Series


@dataclass(frozen=True)
class AlignedSeries:
    """A series from outside in the model's columns.

    dropped: leading rows left out because a column had no value yet; known: the item of the model that it belongs to,
    None for one that the model has not seen, which is scaled by its own values.
    """

    series: Series
    dropped: int
    known: FittedItem | None


@dataclass(frozen=True, eq=False)
class Forecaster:
    """Networks with everything that is needed to forecast from the end of their own series or from a history."""

    specification: Specification
    targets: tuple[str, ...]
    covariates: tuple[str, ...]
    items: tuple[FittedItem, ...]
    networks: tuple[Network, ...]
    errors: ConformalErrors

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
        if history is None:
            chosen = self._stored(items)
            prepared = [self._prepared_tails[item.item] for item in chosen]
        else:
            aligned = self.align(history, ("history",))
            chosen = [self._end_of(one) for one in aligned]
            prepared = [self.prepare(item, item.tail) for item in chosen]
        origins = [np.array([len(item.tail) - 1]) for item in chosen]
        levels = self.levels_ahead(chosen, prepared, origins, horizon)
        widths = self.errors.widths(bands.levels, horizon)
        transform = TRANSFORMS[self.specification.transform]
        forecasts = []
        for item, ahead in zip(chosen, levels, strict=True):
            times = item.tail.times.future(horizon) if item.tail.times else None
            for column, target in enumerate(self.targets):
                band = banded(bands, ahead[0, :, column], widths, item.spread[column], column, transform)
                forecasts.append(Forecast(item.item, target, times, *band))
        return forecasts

    def cost(self, rows: int, horizon: int) -> int:
        """Estimate the multiplications of forecasting from so many origins."""
        specification = self.specification
        chunks = -(-horizon // specification.output_chunk_length)
        slides = specification.training.objective == "windows"
        steps = specification.context_length * (chunks if slides else 1) + horizon
        return rows * steps * sum(len(network.weights) for network in self.networks)

    def _end_of(self, aligned: AlignedSeries) -> FittedItem:
        """The item as it is at the end of a history; what lies before is read only where something needs it."""
        series, known = aligned.series, aligned.known
        if known is not None:
            tail = series.tail(self.min_history)
            series = series if np.isnan(tail.values).any() else tail
        return fit_item(series, self.specification, len(self.targets), known)

    def prepare(self, item: FittedItem, series: Series) -> PreparedSeries:
        """Fill, transform and scale a series as this item's."""
        return preparation(self.specification, item.scaler, len(self.targets)).apply(series.values)

    def levels_ahead(
        self, items: Sequence[FittedItem], prepared: Sequence[PreparedSeries], origins: Sequence[IntArray], horizon: int
    ) -> list[FloatArray]:
        """Forecast from the origins of each item: one (origin, horizon, target) array of levels an item."""
        contexts = [
            one.contexts(rows, self.specification.context_length) for one, rows in zip(prepared, origins, strict=True)
        ]
        scaled = self._roll_out(np.concatenate(contexts), horizon)
        bounds = np.cumsum([len(rows) for rows in origins])[:-1]
        results = []
        for item, one, rows, ahead in zip(items, prepared, origins, np.split(scaled, bounds), strict=True):
            levels = one.levels_ahead(ahead, rows)
            still = item.constant[: len(self.targets)]
            if still.any():
                levels[:, :, still] = one.levels_at(rows)[:, None, still]
            results.append(levels)
        return results

    def _roll_out(self, contexts: FloatArray, horizon: int) -> FloatArray:
        """(origin, context_length, channel) to (origin, horizon, channel), the mean over the ensemble."""
        training = self.specification.training
        centred = self.specification.centering == "last"
        inputs = contexts.astype(np.float32)
        total = np.zeros((len(contexts), horizon, contexts.shape[2]))
        for network in self.networks:
            total += roll_out(network, inputs, horizon, training.objective, centred)
        return total / len(self.networks)

    def align(self, panel: Panel, path: Path) -> list[AlignedSeries]:
        """Bring a panel from outside into this model's columns.

        Raises UnknownColumn, HistoryTooShort, MissingValues, InvalidSeries.
        """
        order = self._column_order(panel, path)
        known = {item.item: item for item in self.items}
        aligned = []
        for row, series in enumerate(panel):
            place = path if series.item is None else (*path, "items", row)
            ordered = Series(series.values[:, order], series.item, series.times)
            usable, dropped = self._usable(ordered, place)
            aligned.append(AlignedSeries(usable, dropped, known.get(series.item)))
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

    def _column_order(self, panel: Panel, path: Path) -> list[int]:
        wanted = self.targets + self.covariates
        if len(wanted) == 1 and panel.columns == ("value",):
            return [0]
        if set(wanted) != set(panel.columns):
            detail = f"the model was trained on columns {', '.join(wanted)}, got {', '.join(panel.columns)}"
            raise UnknownColumn(detail, [Fault(path, detail)])
        return [panel.columns.index(column) for column in wanted]

    @cached_property
    def _prepared_tails(self) -> dict[str | None, PreparedSeries]:
        return {item.item: self.prepare(item, item.tail) for item in self.items}

    def _stored(self, items: Sequence[str] | None) -> list[FittedItem]:
        if items is None:
            return list(self.items)
        known = {item.item: item for item in self.items}
        for row, name in enumerate(items):
            if name not in known:
                detail = f"the model has no item {name!r}; send its history to forecast an item it has not seen"
                raise UnknownColumn(detail, [Fault(("items", row), detail)])
        return [known[name] for name in items]


def fit_item(
    series: Series, specification: Specification, target_count: int, known: FittedItem | None = None
) -> FittedItem:
    """Fit the scaler on the whole of ``series``, or take it from ``known``; keep the end for forecasts."""
    filled = preparation(specification, _IDENTITY, target_count).apply(series.values).filled
    tail = Series(filled.between, series.item, series.times)
    if known is not None:
        return FittedItem(known.item, known.scaler, known.spread, known.constant, tail)
    modelled = model_steps(filled.between, TRANSFORMS[specification.transform], target_count)
    return FittedItem(
        series.item,
        fit_scaler(specification.scaling, modelled, specification.scaling_range),
        spread(modelled[:, :target_count]),
        constant_channels(filled.between),
        tail,
    )


_IDENTITY = Scaler(np.zeros(1), np.ones(1))
