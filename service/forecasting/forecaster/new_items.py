"""Items that a model has not seen: fitted on their history, otherwise like the model's items of the same categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.specification import Specification
from service.forecasting.covariates.effects import Effects, effect_scale
from service.forecasting.forecaster.blend import Blend
from service.forecasting.forecaster.items import FittedItem, fit_item
from service.forecasting.preprocessing.missing import fill
from service.forecasting.preprocessing.transforms import Transform, transform_of
from service.forecasting.series.series import FloatArray, Series

# A single item says little about its categories.
_FEWEST_PEERS = 2


class UnseenItems:
    """Fits unseen items: what their history cannot show is taken from all items of the model, or from their peers.

    common: (column, target), the effects of future covariates in the unit of an item; None: there are none.
    """

    def __init__(
        self, specification: Specification, items: Sequence[FittedItem], blend: Blend, common: FloatArray | None
    ) -> None:
        self._specification = specification
        self._items = items
        self._blend = blend
        self._common = common
        self._targets = len(items[0].error_scale)
        self._transform = transform_of(specification)

    @cached_property
    def peers(self) -> Peers:
        """The model's items by their static categories."""
        return Peers([item.tail.static for item in self._items])

    def fit(self, series: Series) -> FittedItem:
        """Fit an item on its series, whose end is the forecast origin."""
        item = fit_item(series, self._specification, self._targets, effects=self._effects(series))
        values = item.tail.values[:, : self._targets]
        scale = self._scale_of_constants * _sizes(values, self._transform)
        guessed = item.constant[: self._targets] & (scale > 0)
        item = replace(item, error_scale=np.where(guessed, scale, item.error_scale))
        item = item.with_error_factor(self._error_factor(series))
        return item.with_methods(self._blend.candidates, values, self._specification)

    def weights(self, series: Series) -> FloatArray:
        """Return the weights of candidates (candidate,): the mean over the peers, or over all items."""
        if not series.static:
            return self._blend.mean_weights
        return np.asarray(self._blend.weights[self.peers.of(series.static)].mean(axis=0))

    @cached_property
    def _scale_of_constants(self) -> FloatArray:
        """The median error scale (target,) of items as a share of their size; 0 where all are constant."""
        shares = np.array(
            [
                one.error_scale / one.error_factor / _sizes(one.tail.values[:, : self._targets], self._transform)
                for one in self._items
            ]
        )  # (item, target)
        constant = np.array([one.constant[: self._targets] for one in self._items]) | ~np.isfinite(shares)
        return np.array(
            [np.median(one[~out]) if (~out).any() else 0.0 for one, out in zip(shares.T, constant.T, strict=True)]
        )

    def _effects(self, series: Series) -> Effects | None:
        if self._common is None or series.ahead is None:
            return None
        filled = fill(series.values[:, : self._targets], self._specification.missing).interpolated
        scale = effect_scale(self._transform.apply(filled), self._specification.season_length, self._transform)
        common = self._common
        if series.static:
            peers = [self._items[row].effects for row in self.peers.of(series.static)]
            common = np.mean([one.beta / one.scale for one in peers if one is not None], axis=0)
        return Effects(common * scale, series.ahead.mean(axis=0), scale)

    def _error_factor(self, series: Series) -> FloatArray:
        """Return the root mean square over peers: errors of an item of unknown factor have that variance."""
        rows = self.peers.of(series.static) if series.static else range(len(self._items))
        return np.asarray(np.sqrt(np.mean([self._items[row].error_factor ** 2 for row in rows], axis=0)))


class Peers:
    """The static categories of a model's items, which are identified by their row."""

    def __init__(self, categories: Sequence[Mapping[str, str]]) -> None:
        self._rows: dict[tuple[str, str], list[int]] = {}
        self._count = len(categories)
        for row, static in enumerate(categories):
            for pair in static.items():
                self._rows.setdefault(pair, []).append(row)

    def of(self, static: Mapping[str, str]) -> NDArray[np.int64]:
        """Return the rows that share most of these categories, or all rows where fewer than two share any."""
        shared = np.zeros(self._count, np.int64)
        for pair in static.items():
            shared[self._rows.get(pair, [])] += 1
        for most in range(int(shared.max(initial=0)), 0, -1):
            rows = np.flatnonzero(shared >= most)
            if len(rows) >= _FEWEST_PEERS:
                return rows
        return np.arange(self._count)

    def unseen(self, static: Mapping[str, str]) -> Sequence[str]:
        """Return the names whose category no item of the model has."""
        return [name for name, value in static.items() if (name, value) not in self._rows]


def _sizes(values: FloatArray, transform: Transform) -> FloatArray:
    """Return the mean size (target,) of (time, target), NaN where it is 0.

    With a logarithm it is 1, as changes of logarithms are relative already.
    """
    sizes = np.ones(values.shape[1]) if transform.log else np.abs(values).mean(axis=0)
    return np.where(sizes > 0, sizes, np.nan)
