"""Items that a model has not seen: fitted on their history, and for the rest like the model's own items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.specification import Specification
from service.forecasting.covariates.effect_regression import effect_unit
from service.forecasting.covariates.effects import Effects
from service.forecasting.forecaster.blend import Blend
from service.forecasting.forecaster.items import FittedItem, fit_item
from service.forecasting.preprocessing.missing import fill
from service.forecasting.preprocessing.transforms import Transform, transform_of
from service.forecasting.series.series import FloatArray, Series

# One item alone says little about its kind.
_FEWEST_PEERS = 2


class Peers:
    """Of a model: the categories of its items, which are known by their row."""

    def __init__(self, categories: Iterable[Mapping[str, str]]) -> None:
        self._rows: dict[tuple[str, str], list[int]] = {}
        self._count = 0
        for row, static in enumerate(categories):
            self._count += 1
            for pair in static.items():
                self._rows.setdefault(pair, []).append(row)

    def of(self, static: Mapping[str, str]) -> NDArray[np.int64]:
        """Return the rows that have most of these categories, or all rows where fewer than two have any."""
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


def usual_share(items: Sequence[FittedItem], transform: Transform) -> FloatArray:
    """Return the median usual change (target,) of items that move as a share of their size; 0 where none does."""
    targets = len(items[0].unit)
    shares = np.array(
        [one.unit / one.difficulty / _sizes(one.tail.values[:, :targets], transform) for one in items]
    )  # (item, target)
    still = np.array([one.constant[:targets] for one in items]) | ~np.isfinite(shares)
    return np.array(
        [np.median(column[~out]) if (~out).any() else 0.0 for column, out in zip(shares.T, still.T, strict=True)]
    )


def with_guessed_unit(item: FittedItem, share: FloatArray, transform: Transform) -> FittedItem:
    """Return an item whose difficulty is not known yet, with such a unit for the targets that do not move."""
    guessed = share * _sizes(item.tail.values[:, : len(share)], transform)
    return replace(item, unit=np.where(item.constant[: len(share)] & (guessed > 0), guessed, item.unit))


def _sizes(values: FloatArray, transform: Transform) -> FloatArray:
    """Return what changes are a share of (target,): the mean size; under a logarithm 1, for they are shares already."""
    sizes = np.ones(values.shape[1]) if transform.log else np.abs(values).mean(axis=0)
    return np.where(sizes > 0, sizes, np.nan)


class UnseenItems:
    """What cannot be learnt from a history is taken from all items of the model, or those of the same kind.

    common: (column, target), the effects of the columns known ahead in units of an item; None: there are none.
    """

    def __init__(
        self, specification: Specification, items: Sequence[FittedItem], blend: Blend, common: FloatArray | None
    ) -> None:
        self._specification = specification
        self._items = items
        self._blend = blend
        self._common = common
        self._targets = len(items[0].unit)
        self._transform = transform_of(specification)

    @cached_property
    def peers(self) -> Peers:
        """The items by their static categories."""
        return Peers(item.tail.static for item in self._items)

    def fit(self, series: Series) -> FittedItem:
        """Return the item of a series as it is at its end."""
        item = fit_item(series, self._specification, self._targets, effects=self._effects(series))
        item = with_guessed_unit(item, self._usual_share, self._transform)
        item = item.of_difficulty(self._difficulty(series))
        values = item.tail.values[:, : self._targets]
        return item.with_methods(self._blend.candidates, values, self._specification.season_length)

    def weights(self, series: Series) -> FloatArray | None:
        """Return how much of each candidate is in its forecasts (candidate,); None: as in all items' together."""
        return self._blend.weights[self.peers.of(series.static)].mean(axis=0) if series.static else None

    @cached_property
    def _usual_share(self) -> FloatArray:
        return usual_share(self._items, self._transform)

    def _effects(self, series: Series) -> Effects | None:
        if self._common is None or series.ahead is None:
            return None
        filled = fill(series.values[:, : self._targets], self._specification.missing).between
        unit = effect_unit(self._transform.to_levels(filled), self._specification.season_length, self._transform)
        common = self._common
        if series.static:
            peers = [self._items[row].effects for row in self.peers.of(series.static)]
            common = np.mean([one.beta / one.unit for one in peers if one is not None], axis=0)
        return Effects(common * unit, series.ahead.mean(axis=0), unit)

    def _difficulty(self, series: Series) -> FloatArray:
        """Return the root mean square over items.

        It has the variance of errors of which nobody knows how difficult their item is.
        """
        rows = self.peers.of(series.static) if series.static else range(len(self._items))
        return np.asarray(np.sqrt(np.mean([self._items[row].difficulty ** 2 for row in rows], axis=0)))
