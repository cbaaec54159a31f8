"""Align series of a request with the columns of a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from service.errors import HistoryTooShort, Path, UnknownColumn
from service.forecasting.config.specification import Specification
from service.forecasting.covariates.categories import reader_of, with_indicators
from service.forecasting.covariates.future_covariates import CovariateColumns
from service.forecasting.forecaster.items import FittedItem
from service.forecasting.preprocessing.missing import drop_leading, refuse_missing
from service.forecasting.preprocessing.transforms import require_positive
from service.forecasting.series.series import FloatArray, Panel, Series, smallest
from service.tables.column_roles import role_of_name


class AlignedSeries(NamedTuple):
    """A series of a request in the model's columns.

    dropped: the number of leading rows left out because a column had no value yet. item: the model's item that the
    series belongs to; None: the model has not seen it, and fits it on its own values. complete: no value is missing.
    """

    series: Series
    dropped: int
    item: FittedItem | None
    complete: bool


@dataclass(frozen=True)
class Columns:
    """The columns that a model needs, in their order, and how it treats missing values.

    future_covariates: all that were declared; the specification has those that are used.
    """

    targets: tuple[str, ...]
    covariates: tuple[str, ...]
    future_covariates: tuple[str, ...]
    specification: Specification

    def align(
        self, panel: Panel, path: Path, known: Callable[[str | None], FittedItem | None], needed: int
    ) -> list[AlignedSeries]:
        """Return each series in these columns.

        known: returns the model's item of a name. needed: the fewest rows of a series.
        Raises UnknownColumn, HistoryTooShort, MissingValues, InvalidSeries.
        """
        order = self._order(panel, path)
        readers = self._readers(panel, order, path)
        aligned = []
        for row, series in enumerate(panel):
            place = path if series.item is None else (*path, "items", row)
            ordered = series if order is None else replace(series, values=series.values[:, order])
            if readers:
                ordered = replace(ordered, values=_read(ordered.values, readers))
            complete = len(series) > 0 and not math.isnan(smallest(ordered.values))
            usable, dropped = (ordered, 0) if complete else self._usable(ordered, place)
            self._require(usable, place, needed)
            if self._past_categories:
                usable = replace(usable, values=with_indicators(usable.values, self._wanted, self._past_categories))
            aligned.append(AlignedSeries(self._ahead.split_off(usable), dropped, known(series.item), complete))
        return aligned

    def _usable(self, series: Series, path: Path) -> tuple[Series, int]:
        if self.specification.missing == "error":
            refuse_missing(series, path)
        return drop_leading(series, self._wanted, path)

    def _require(self, series: Series, path: Path, needed: int) -> None:
        if len(series) < needed:
            detail = f"needs {needed} values, got {len(series)}"
            raise HistoryTooShort.at(path, detail)
        require_positive(series.values[:, : len(self.targets)], self.specification.transform, path)

    @cached_property
    def _wanted(self) -> tuple[str, ...]:
        return self.targets + self.covariates + self.specification.future_covariates

    @cached_property
    def _ahead(self) -> CovariateColumns:
        return CovariateColumns.of(self.specification)

    @cached_property
    def _past_categories(self) -> dict[str, tuple[str, ...]]:
        return {
            name: self.specification.categories[name]
            for name in self.covariates
            if name in self.specification.categories
        }

    def _readers(
        self, panel: Panel, order: list[int] | None, path: Path
    ) -> dict[int, Callable[[FloatArray], FloatArray]]:
        """Return what turns columns into the terms of the model, by their place; none where there is nothing to do."""
        categories = self.specification.categories
        if not categories and not panel.labels:
            return {}
        names = panel.columns if order is None else [panel.columns[place] for place in order]
        return {
            place: reader_of(name, panel, categories.get(name), path)
            for place, name in enumerate(names)
            if name in categories or name in panel.labels
        }

    def _order(self, panel: Panel, path: Path) -> list[int] | None:
        """Return the positions of the columns in the panel; None: they are in the same order."""
        wanted = self._wanted
        if wanted == panel.columns or (len(wanted) == 1 and panel.columns == ("value",)):
            return None
        # Unused covariates and time columns are not needed, but may be sent.
        timed = {name for name in panel.columns if role_of_name(name) in ("time", "period")}
        unused = {*self.future_covariates, *self.specification.constant_covariates, *timed} - set(wanted)
        if set(wanted) != set(panel.columns) - unused:
            detail = f"the model was trained on columns {', '.join(wanted)}, got {', '.join(panel.columns)}"
            raise UnknownColumn.at(path, detail)
        return [panel.columns.index(column) for column in wanted]


def _read(values: FloatArray, readers: Mapping[int, Callable[[FloatArray], FloatArray]]) -> FloatArray:
    read = values.copy()
    for place, reader in readers.items():
        read[:, place] = reader(values[:, place])
    return read
