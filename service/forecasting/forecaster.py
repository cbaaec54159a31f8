"""A fitted forecaster: history in, forecasts out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from service.errors import Fault, HistoryTooShort, Path, UnknownColumn
from service.forecasting.bands import Bands, Forecast, banded
from service.forecasting.intervals import ConformalErrors
from service.forecasting.missing import drop_leading, fill, refuse_missing
from service.forecasting.networks import Network
from service.forecasting.preparation import IntArray, PreparedSeries, min_history, model_steps, preparation
from service.forecasting.rollout import roll_out
from service.forecasting.scaling import Scaler, constant_channels, fit_scaler, usual_change
from service.forecasting.series import FloatArray, Panel, Series
from service.forecasting.specification import Specification
from service.forecasting.transforms import TRANSFORMS, require_positive

# Numbers of the contexts that are held at once, so that memory is bounded however many origins there are.
_BLOCK_NUMBERS = 2**21


# Scaled values beyond this are many deviations, or ranges, away from all that was trained on.
_FAR_OUTSIDE = 20.0


@dataclass(frozen=True)
class FittedItem:
    """What is known of one item.

    unit: (target,), the usual change over a season, in which interval errors are counted;
    constant: (channel,), True where the training part has one value only; tail: the end of the series, without holes.
    """

    item: str | None
    scaler: Scaler
    unit: FloatArray
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
        for item, one, ahead in zip(chosen, prepared, levels, strict=True):
            far = self._is_far_outside(one)
            times = item.tail.times.future(horizon) if item.tail.times else None
            for column, target in enumerate(self.targets):
                band = banded(bands, ahead[0, :, column], widths, item.unit[column], column, transform)
                forecasts.append(Forecast(item.item, target, times, *band, far_outside=far))
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

    def _is_far_outside(self, prepared: PreparedSeries) -> bool:
        if self.specification.scaling == "none":
            return False
        context = prepared.between[-self.specification.context_length :]
        return bool(np.abs(context).max() > _FAR_OUTSIDE)

    def prepare(self, item: FittedItem, series: Series) -> PreparedSeries:
        """Fill, transform and scale a series as this item's."""
        return preparation(self.specification, item.scaler, len(self.targets)).apply(series.values)

    def levels_ahead(
        self, items: Sequence[FittedItem], prepared: Sequence[PreparedSeries], origins: Sequence[IntArray], horizon: int
    ) -> list[FloatArray]:
        """Forecast from the origins of each item: one (origin, horizon, target) array of levels an item."""
        scaled = self._roll_out(prepared, origins, horizon)
        bounds = np.cumsum([len(rows) for rows in origins])[:-1]
        results = []
        for item, one, rows, ahead in zip(items, prepared, origins, np.split(scaled, bounds), strict=True):
            levels = one.levels_ahead(ahead, rows)
            still = item.constant[: len(self.targets)]
            if still.any():
                levels[:, :, still] = one.levels_at(rows)[:, None, still]
            results.append(levels)
        return results

    def _roll_out(self, prepared: Sequence[PreparedSeries], origins: Sequence[IntArray], horizon: int) -> FloatArray:
        """Forecast from all origins, a block at a time: (origin, horizon, channel), the mean over the ensemble."""
        training = self.specification.training
        centred = self.specification.centering == "last"
        length = self.specification.context_length
        channels = len(self.targets) + len(self.covariates)
        total = np.zeros((sum(len(rows) for rows in origins), horizon, channels))
        done = 0
        for block in _blocks(prepared, origins, max(1, _BLOCK_NUMBERS // (length * channels))):
            inputs = np.concatenate([one.contexts(rows, length) for one, rows in block]).astype(np.float32)
            for network in self.networks:
                rolled = roll_out(network, inputs, horizon, training.objective, centred, self.device)
                total[done : done + len(inputs)] += rolled
            done += len(inputs)
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


def fit_item(
    series: Series,
    specification: Specification,
    target_count: int,
    known: FittedItem | None = None,
    unit: FloatArray | None = None,
) -> FittedItem:
    """Fit the scaler on the whole of ``series``, or take it from ``known``; keep the end for forecasts.

    unit: in which errors are counted; by default measured on ``series``.
    """
    filled = fill(series.values, specification.missing).between
    tail = Series(filled, series.item, series.times)
    if known is not None:
        return FittedItem(known.item, known.scaler, known.unit, known.constant, tail)
    transform = TRANSFORMS[specification.transform]
    modelled = model_steps(filled, transform, target_count)
    if unit is None:
        unit = usual_change(transform.to_levels(filled[:, :target_count]), specification.season_length)
    scaler = fit_scaler(specification.scaling, modelled, specification.scaling_range)
    return FittedItem(series.item, scaler, unit, constant_channels(filled), tail)
