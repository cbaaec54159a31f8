"""The ends of series from which a model forecasts: of a history, or of what was observed since the training."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from service.errors import Fault, HistoryTooShort, InvalidInput, Path, UnknownColumn
from service.forecasting.config.specification import Specification
from service.forecasting.covariates.effects import without_effects
from service.forecasting.forecaster.alignment import AlignedSeries
from service.forecasting.forecaster.items import FittedItem
from service.forecasting.forecaster.new_items import UnseenItems
from service.forecasting.intervals.adaptive import AdaptedWidths
from service.forecasting.preprocessing.level_shift import Levelled, without_shifts
from service.forecasting.preprocessing.missing import fill
from service.forecasting.preprocessing.transforms import Transform
from service.forecasting.series.series import Panel, Series


class TrainedModel(Protocol):
    """The part of a forecaster that reads series."""

    @property
    def specification(self) -> Specification:
        """How series are transformed, and gaps filled."""

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns that are forecast."""

    @property
    def future_covariates(self) -> tuple[str, ...]:
        """All that were declared."""

    @property
    def transform(self) -> Transform:
        """The transform of the targets."""

    @property
    def memory(self) -> int:
        """The number of last values that a forecast reads."""

    @property
    def unseen(self) -> UnseenItems:
        """Fits items that the model has not seen."""

    def align(self, panel: Panel, path: Path) -> list[AlignedSeries]:
        """Align a panel with the model's columns."""

    def knows(self, item: str | None) -> bool:
        """Return whether the model was trained on an item."""


class SeriesEnd(NamedTuple):
    """The end of one item's series.

    item: what is known of it; is_new: the model has not seen it. tail: its last rows, without gaps and effects of
    future covariates. transform: with the bounds of its forecasts. shifted: for each target, the warning about a late
    level shift, or None; empty: there is none. adapted: the factors of its intervals; None: they do not adapt.
    """

    item: FittedItem
    is_new: bool
    tail: Series
    transform: Transform
    shifted: tuple[str | None, ...] = ()
    adapted: AdaptedWidths | None = None


def read_ends(model: TrainedModel, panel: Panel, path: Path) -> list[SeriesEnd]:
    """Return the end of each item of a panel that lies at ``path`` of the request.

    Raises UnknownColumn, HistoryTooShort, MissingValues, InvalidSeries.
    """
    return [end_of(model, one) for one in model.align(panel, path)]


def end_of(model: TrainedModel, aligned: AlignedSeries) -> SeriesEnd:
    """Return the end of an aligned series."""
    levelled = _levelled(model, aligned.series)
    series, shifted = (levelled.series, levelled.warnings) if levelled else (aligned.series, ())
    transform = model.transform.for_values([series.values[:, : len(model.targets)]])
    if aligned.item is None:
        item = model.unseen.fit(series)
        return SeriesEnd(item, True, item.tail, transform, shifted)
    tail = _tail(model, aligned.item, series, aligned.complete)
    return SeriesEnd(aligned.item, False, tail, transform, shifted)


def _levelled(model: TrainedModel, series: Series) -> Levelled | None:
    """Remove late level shifts, as in the training."""
    if model.future_covariates:
        return None
    return without_shifts(series, model.targets, model.specification.season_length)


def _tail(model: TrainedModel, item: FittedItem, series: Series, complete: bool) -> Series:
    """Return the last rows of the residual, without gaps; the rows before are read only to fill gaps."""
    tail = without_effects(series.tail(model.memory), item.effects, model.transform)
    if complete or not np.isnan(tail.values).any():
        return tail
    residual = without_effects(series, item.effects, model.transform)
    return replace(residual, values=fill(residual.values, model.specification.missing).interpolated)


@dataclass(frozen=True, eq=False)
class ObservedEnds:
    """The ends of all items that a model has observed, by item.

    too_short: why an item that arrived after the training cannot be forecast yet.
    """

    by_item: Mapping[str | None, SeriesEnd]
    too_short: Mapping[str | None, str]

    @classmethod
    def of(cls, model: TrainedModel, panel: Panel) -> ObservedEnds:
        """Return the ends of all items. Raises what `read_ends` raises, but for new items that are too short."""
        return cls({}, {}).updated(model, panel)

    def updated(self, model: TrainedModel, panel: Panel, path: Path = ("series",)) -> ObservedEnds:
        """Return the ends with those of the items of ``panel``, which are read anew; raises what `of` raises."""
        by_item, too_short = dict(self.by_item), dict(self.too_short)
        for row, one in enumerate(panel):
            try:
                [by_item[one.item]] = read_ends(model, replace(panel, series=(one,)), path)
                too_short.pop(one.item, None)
            except InvalidInput as error:
                if isinstance(error, HistoryTooShort) and not model.knows(one.item):
                    by_item.pop(one.item, None)
                    too_short[one.item] = error.detail
                elif one.item is None:
                    raise
                else:
                    # The item was read as the first one of a panel.
                    inner = [
                        Fault((*path, "items", row, *fault.path[len(path) + 2 :]), fault.detail)
                        for fault in error.faults
                    ]
                    raise type(error)(error.detail, inner) from None
        return ObservedEnds(by_item, too_short)

    def without(self, items: Collection[str | None]) -> ObservedEnds:
        """Return the ends without those of some items."""
        if not items:
            return self
        by_item = {item: end for item, end in self.by_item.items() if item not in items}
        return ObservedEnds(by_item, {item: why for item, why in self.too_short.items() if item not in items})

    def chosen(self, items: Sequence[str] | None) -> list[SeriesEnd]:
        """Return the ends of some items; None: of all that can be forecast. Raises UnknownColumn, HistoryTooShort."""
        if items is None:
            return list(self.by_item.values())
        for position, name in enumerate(items):
            if name in self.too_short:
                raise HistoryTooShort.at(("items", position), f"item {name!r} {self.too_short[name]}")
            if name not in self.by_item:
                raise UnknownColumn.at(("items", position), unknown_item(name))
        return [self.by_item[name] for name in items]


def unknown_item(name: str) -> str:
    """Return the message about an item that a model does not have."""
    return f"the model has no item {name!r}; send its history to forecast an item it has not seen"
