"""Items that a model has not seen: fitted on their history, and for the rest like the model's own items."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from service.forecasting.blend import Blend
from service.forecasting.effect_fitting import effect_unit
from service.forecasting.effects import Effects
from service.forecasting.fitted_item import FittedItem, fit_item
from service.forecasting.missing import fill
from service.forecasting.peers import Peers
from service.forecasting.series import FloatArray, Series
from service.forecasting.specification import Specification
from service.forecasting.still_history import usual_share, with_guessed_unit
from service.forecasting.transforms import transform_of


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
