"""What a model knows of one item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.options import Candidate, MethodName
from service.forecasting.config.specification import Specification
from service.forecasting.covariates.effects import Effects, without_effects
from service.forecasting.forecaster.blend import Blend, MethodBlend
from service.forecasting.methods.catalogue import METHODS
from service.forecasting.methods.method import Parameters
from service.forecasting.preprocessing.missing import fill
from service.forecasting.preprocessing.pipeline import IntArray, PreparedSeries, model_steps, preparation
from service.forecasting.preprocessing.scaling import Scaler, constant_channels, error_unit, fit_scaler
from service.forecasting.preprocessing.transforms import TRANSFORMS
from service.forecasting.series.series import FloatArray, Series


@dataclass(frozen=True)
class FittedItem:
    """What is known of one item.

    unit: (target,), in which interval errors are counted: `error_unit` times the difficulty; difficulty: (target,), how
    much larger its errors are than those of all items in their units, 1 where nobody knows; constant: (channel,), True
    where the training part has one value only; tail: the end of the series, without holes;
    methods: the parameters of each simple method; effects: what columns known ahead add to the targets, which is taken
    out of the tail and of all that is fitted here; None: nothing.
    """

    item: str | None
    scaler: Scaler
    unit: FloatArray
    difficulty: FloatArray
    constant: NDArray[np.bool_]
    tail: Series
    methods: Mapping[MethodName, Parameters] = field(default_factory=dict)
    effects: Effects | None = None

    def of_difficulty(self, difficulty: FloatArray) -> FittedItem:
        """Return an item whose difficulty (target,) was not known yet, with it in its unit."""
        return replace(self, unit=self.unit * difficulty, difficulty=difficulty)

    def with_methods(self, candidates: Sequence[Candidate], values: FloatArray, season_length: int) -> FittedItem:
        """Fit the simple methods among the candidates on (time, target) without holes, in the series' own units."""
        fitted = {
            name: tuple(METHODS[name].fit(np.ascontiguousarray(column), season_length) for column in values.T)
            for name in candidates
            if name != "network"
        }
        return replace(self, methods=fitted)

    def forecast(
        self, name: MethodName, values: FloatArray, origins: IntArray, horizon: int, season_length: int
    ) -> FloatArray:
        """Forecast by a method from each origin of (time, target): (origin, horizon, target), in the same units."""
        columns = [
            METHODS[name].forecast(parameters, np.ascontiguousarray(column), origins, horizon, season_length)
            for parameters, column in zip(self.methods[name], values.T, strict=True)
        ]
        return np.stack(columns, axis=-1)


def fit_item(
    series: Series,
    specification: Specification,
    target_count: int,
    known: FittedItem | None = None,
    usual: FloatArray | None = None,
    effects: Effects | None = None,
) -> FittedItem:
    """Fit the scaler on the whole of ``series``, or take it from ``known``; keep the end for forecasts.

    effects: what is taken out of the series first; ``known`` has its own. usual: (target,), the usual change over a
    season, measured elsewhere. Simple methods are not fitted here.
    """
    transform = TRANSFORMS[specification.transform]
    rest = without_effects(series, known.effects if known else effects, transform)
    filled = fill(rest.values, specification.missing).between
    tail = Series(filled, series.item, series.times, static=series.static)
    if known is not None:
        return replace(known, tail=tail)
    modelled = model_steps(filled, transform, target_count)
    unit = error_unit(transform.to_levels(filled[:, :target_count]), specification.season_length, usual)
    scaler = fit_scaler(specification.scaling, modelled, specification.scaling_range)
    constant, difficulty = constant_channels(filled), np.ones(target_count)
    return FittedItem(series.item, scaler, unit, difficulty, constant, tail, effects=effects)


def prepare(item: FittedItem, series: Series, specification: Specification) -> PreparedSeries:
    """Fill, transform and scale what effects leave of a series of this item."""
    rest = without_effects(series, item.effects, TRANSFORMS[specification.transform])
    return preparation(specification, item.scaler, len(item.unit)).apply(rest.values)


class FittedItems(NamedTuple):
    """One row an item.

    offset, scale: (I, C), what scales values; unit: (I, T), in which errors are counted; still: (I, T), True where a
    target has one value only; network: (I,), the share of the network in the forecasts; methods: what else is in them.
    None: nothing.
    """

    items: tuple[FittedItem, ...]
    offset: FloatArray
    scale: FloatArray
    unit: FloatArray
    still: NDArray[np.bool_]
    network: FloatArray | None
    methods: MethodBlend | None

    @classmethod
    def of(cls, items: Sequence[FittedItem], blend: Blend) -> FittedItems:
        """Put items side by side; blend: with a row for each of these."""
        unit = np.array([item.unit for item in items])
        fitted = [item.methods for item in items]
        return cls(
            tuple(items),
            np.array([item.scaler.offset for item in items]),
            np.array([item.scaler.scale for item in items]),
            unit,
            np.array([item.constant[: unit.shape[1]] for item in items]),
            blend.network_shares,
            MethodBlend.of(fitted, blend.methods, blend.method_shares) if blend.methods else None,
        )

    def chosen(self, rows: Sequence[int]) -> FittedItems:
        """Return some of the items, in that order."""
        if len(rows) == len(self.items) and list(rows) == list(range(len(rows))):
            return self
        return FittedItems(
            tuple(self.items[row] for row in rows),
            self.offset[rows],
            self.scale[rows],
            self.unit[rows],
            self.still[rows],
            None if self.network is None else self.network[rows],
            None if self.methods is None else self.methods.chosen(rows),
        )
