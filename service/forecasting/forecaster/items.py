"""Fitted items: what a model knows of one item, and the same of all items as arrays."""

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
from service.forecasting.intervals.demand import demand_sizes
from service.forecasting.methods.catalogue import fit_methods
from service.forecasting.methods.method import Parameters
from service.forecasting.preprocessing.missing import FilledValues, fill
from service.forecasting.preprocessing.network_inputs import model_steps
from service.forecasting.preprocessing.scaling import Scaler, constant_channels, error_scale, fit_scaler, last_change
from service.forecasting.preprocessing.transforms import TRANSFORMS
from service.forecasting.series.series import FloatArray, Series

RECOGNISED = 32
"""The number of last rows that an item was fitted on by which they are recognised in a series without times."""


@dataclass(frozen=True)
class FittedItem:
    """What is known of one item.

    error_scale: (target,), in which interval errors are measured: `scaling.error_scale` times error_factor.
    error_factor: (target,), how much larger the item's scaled errors are than those of all items, 1 where unknown.
    least_width: (target,), the smallest half-width of a 95 % interval, see `scaling.last_change`; 0: there is none.
    constant: (channel,), True where the training part has a single value. tail: the last rows of the series, without
    gaps. methods: the parameters of each simple method. effects: of the future covariates on the targets, which are
    removed from the tail and from all that is fitted here; None: there are none. sizes: of past demands of each target,
    see `intervals.demand`; empty where forecasts are not means. rows_after_fit: how many of the last rows nothing was
    fitted on; None: unknown.
    """

    item: str | None
    scaler: Scaler
    error_scale: FloatArray
    error_factor: FloatArray
    least_width: FloatArray
    constant: NDArray[np.bool_]
    tail: Series
    methods: Mapping[MethodName, Parameters] = field(default_factory=dict)
    effects: Effects | None = None
    sizes: tuple[FloatArray, ...] = ()
    rows_after_fit: int | None = None

    def with_error_factor(self, factor: FloatArray) -> FittedItem:
        """Return an item that had no error factor (target,) yet with one, and its error scale multiplied by it."""
        return replace(self, error_scale=self.error_scale * factor, error_factor=factor)

    def with_methods(
        self, candidates: Sequence[Candidate], values: FloatArray, specification: Specification
    ) -> FittedItem:
        """Fit the simple methods among the candidates on (time, target) without gaps, in the series' own units."""
        seasons = specification.season_length, specification.long_season_length
        return replace(self, methods=fit_methods(candidates, values, *seasons))


def fit_item(
    series: Series,
    specification: Specification,
    target_count: int,
    known: FittedItem | None = None,
    usual: FloatArray | None = None,
    effects: Effects | None = None,
) -> FittedItem:
    """Fit the scaler on all of ``series``, or take it from ``known``; keep the series as the tail.

    usual: (target,), the usual change over a season, measured elsewhere. effects: what is removed from the series
    first; ``known`` has its own. Simple methods are not fitted here.
    """
    transform = TRANSFORMS[specification.transform]
    residual = without_effects(series, known.effects if known else effects, transform)
    filled = fill(residual.values, specification.missing).interpolated
    tail = Series(filled, series.item, series.times, static=series.static)
    transformed = transform.apply(filled[:, :target_count])
    least_width = last_change(transformed, specification.season_length)
    if known is not None:
        return replace(known, tail=tail, least_width=least_width)
    modelled = model_steps(filled, transform, target_count)
    scale = error_scale(transformed, specification.season_length, usual)
    scaler = fit_scaler(specification.scaling, modelled, specification.scaling_range)
    constant = constant_channels(filled)
    sizes: tuple[FloatArray, ...] = ()
    if specification.point_forecast == "mean":
        sizes = tuple(demand_sizes(one, specification.season_length) for one in series.values[:, :target_count].T)
    return FittedItem(
        series.item, scaler, scale, np.ones(target_count), least_width, constant, tail, effects=effects, sizes=sizes
    )


def filled_residual(item: FittedItem, series: Series, specification: Specification) -> FilledValues:
    """Remove the effects of future covariates from a series of this item, and fill its gaps."""
    residual = without_effects(series, item.effects, TRANSFORMS[specification.transform])
    return fill(residual.values, specification.missing)


class FittedItems(NamedTuple):
    """Fitted items as arrays; I items, C channels, T targets.

    offset, scale: (I, C), of the scalers. error_scale, least_width, constant: (I, T); least_width is None where
    all are 0. network, prior: (I,), their weights in the forecasts; None: no item has it. methods: the simple methods
    in the forecasts; None: there are none.
    """

    items: tuple[FittedItem, ...]
    offset: FloatArray
    scale: FloatArray
    error_scale: FloatArray
    least_width: FloatArray | None
    constant: NDArray[np.bool_]
    network: FloatArray | None
    prior: FloatArray | None
    methods: MethodBlend | None

    @classmethod
    def of(cls, items: Sequence[FittedItem], blend: Blend) -> FittedItems:
        """Stack items; blend: with a row for each of them."""
        error_scale = np.array([item.error_scale for item in items])
        least_width = np.array([item.least_width for item in items])
        fitted = [item.methods for item in items]
        return cls(
            tuple(items),
            np.array([item.scaler.offset for item in items]),
            np.array([item.scaler.scale for item in items]),
            error_scale,
            least_width if least_width.any() else None,
            np.array([item.constant[: error_scale.shape[1]] for item in items]),
            blend.network_weights,
            blend.prior_weights,
            MethodBlend.of(fitted, blend.methods, blend.method_weights) if blend.methods else None,
        )

    def weighted(self, blend: Blend) -> FittedItems:
        """Return the same items with other weights of the same candidates."""
        methods = self.methods and self.methods._replace(weights=blend.method_weights.copy(order="C"))
        return self._replace(network=blend.network_weights, prior=blend.prior_weights, methods=methods)

    def chosen(self, rows: Sequence[int]) -> FittedItems:
        """Return some of the items, in that order."""
        if len(rows) == len(self.items) and list(rows) == list(range(len(rows))):
            return self
        return FittedItems(
            tuple(self.items[row] for row in rows),
            self.offset[rows],
            self.scale[rows],
            self.error_scale[rows],
            None if self.least_width is None else self.least_width[rows],
            self.constant[rows],
            None if self.network is None else self.network[rows],
            None if self.prior is None else self.prior[rows],
            None if self.methods is None else self.methods.chosen(rows),
        )
