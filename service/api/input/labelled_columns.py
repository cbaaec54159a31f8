"""Columns of booleans and text: read as places in their labels, the same for all items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from service.api.input.items import SentColumn, SentItem
from service.errors import InvalidSeries, Path
from service.forecasting.series.series import FloatArray
from service.tables.labels import (
    EMPTY,
    MOST_LABELS,
    are_booleans,
    different_labels,
    label_of,
    labels_of,
    too_many,
    truth_of,
)

_CURE = "send numbers without quotes, or, for categories, text that is no number (k1 for 1)"


def has_text(values: Sequence[object]) -> bool:
    """Return whether a column holds text or booleans, and so no numbers."""
    if values and values[0].__class__ is float:  # the usual case
        return False
    return isinstance(next((one for one in values if one is not None), None), str | bool)


def labels_by_column(items: Sequence[SentItem], targets: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the labels of the columns that hold text or booleans.

    Raises InvalidSeries, with the location of a cell, for targets that are not numbers or booleans, for text that is
    neither boolean nor category, and for too many categories.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in items[0].columns:
        columns = [item.columns[name] for item in items]
        if not any(has_text(column.values) for column in columns):
            continue
        different = different_labels([column.values for column in columns])
        if different == {EMPTY}:
            continue  # missing values, refused where they are not allowed
        labels = labels_of(different)
        if labels is None:
            cell, path = _first(columns, truths=True)
            raise InvalidSeries.at(path, f"column {name[:60]!r} has {cell[:60]!r} among numbers or times: {_CURE}")
        if name in targets and not are_booleans(labels):
            # A column of one boolean and empty cells has no other text to name.
            only_truths = all(truth_of(label) is not None for label in different if label != EMPTY)
            cell, path = _first(columns, truths=only_truths)
            cure = "name the columns to forecast in targets, or send numbers"
            raise InvalidSeries.at(path, f"column {name[:60]!r} is to be forecast, and has {cell[:60]!r}: {cure}")
        if len(labels) > MOST_LABELS:
            raise InvalidSeries.at(columns[0].path, too_many(name))
        found[name] = labels
    return found


def read_labels(column: SentColumn, labels: Sequence[str]) -> FloatArray:
    """Return the places of cells in labels; NaN for empty cells of booleans."""
    if are_booleans(labels):
        places: Mapping[str, float] = {}
        empty = np.nan
    else:
        places = {label: float(place) for place, label in enumerate(labels)}
        empty = places.get(EMPTY, np.nan)
    read = {cell: _place(label_of(cell), places, empty) for cell in set(column.values)}
    return np.array([read[cell] for cell in column.values], dtype=np.float64)


def _place(label: str, places: Mapping[str, float], empty: float) -> float:
    if label == EMPTY:
        return empty
    truth = truth_of(label)
    # Where only one of true and false occurs, its label is canonical.
    return float(bool(truth)) if not places else places.get(label, places.get("true" if truth else "false", np.nan))


def _first(columns: Sequence[SentColumn], truths: bool) -> tuple[str, Path]:
    """Return the first cell that is not empty, and its path."""
    return next(
        (label, (*column.path, row))
        for column in columns
        for row, label in enumerate(map(label_of, column.values))
        if label != EMPTY and (truths or truth_of(label) is None)
    )
