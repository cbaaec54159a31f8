"""Categories as columns of 0 and 1, as scikit-learn's OneHotEncoder makes them; one that is unknown has 0 in each.

Until a series is in the terms of a model, the values of a column of text are places in its labels (`Panel.labels`).

Dimensions: N rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from service.errors import InvalidSeries, Path
from service.forecasting.config.specification import Specification
from service.forecasting.series.series import FloatArray, Panel
from service.tables.item_ids import text_of
from service.tables.labels import EMPTY, are_booleans, canonical, number_of, truth_of

Categories = Mapping[str, tuple[str, ...]]
UNKNOWN = -1.0
"""The place of a label that a model does not have."""


def with_indicators(values: FloatArray, names: Sequence[str], categories: Categories) -> FloatArray:
    """Return (N, column) with a column for each category in place of each column of categories; NaN stays NaN."""
    if not any(name in categories for name in names):
        return values
    parts = []
    for place, name in enumerate(names):
        column = values[:, [place]]
        if name in categories:
            found = column == np.arange(len(categories[name]))
            column = np.where(np.isnan(column), np.nan, found.astype(np.float64))
        parts.append(column)
    return np.concatenate(parts, axis=1)


def indicator_names(names: Sequence[str], categories: Categories) -> tuple[str, ...]:
    """Return the names of the columns that `with_indicators` returns."""
    return tuple(
        inner
        for name in names
        for inner in ([f"{name}={label}" for label in categories[name]] if name in categories else [name])
    )


def original_names(names: Sequence[str], categories: Categories) -> tuple[str, ...]:
    """Undo `indicator_names`."""
    encoded = {inner: name for name in categories for inner in indicator_names([name], categories)}
    return tuple(dict.fromkeys(encoded.get(name, name) for name in names))


def categories_of(panel: Panel, path: Path) -> dict[str, tuple[str, ...]]:
    """Return the categories of the columns that have them; booleans are numbers.

    Raises InvalidSeries if a category would be named like another column.
    """
    categories = {name: labels for name, labels in panel.labels.items() if not are_booleans(labels)}
    names = indicator_names(panel.columns, categories)
    for name in names:
        if names.count(name) > 1:
            raise InvalidSeries.at(path, f"{name[:60]!r} is the name of two columns, as one has categories: rename one")
    return categories


def constant_covariates(panel: Panel) -> dict[str, float | str | None]:
    """Return the covariates that change within no item, and their value, or its label; None if items differ in it."""
    found: dict[str, float | str | None] = {}
    targets = len(panel.targets)
    for place, name in enumerate(panel.columns[targets:], targets):
        columns = [one.values[:, place] for one in panel]
        if any(np.nanmin(column) != np.nanmax(column) for column in columns):
            continue
        first = float(np.nanmin(columns[0]))
        if any(np.nanmin(column) != first for column in columns):
            found[name] = None
        else:
            labels = panel.labels.get(name, ())
            found[name] = labels[int(first)] if labels and not are_booleans(labels) else first
    return found


def without_columns(panel: Panel, names: Sequence[str] | Mapping[str, object]) -> Panel:
    """Return the panel without these covariates."""
    if not names:
        return panel
    kept = [place for place, name in enumerate(panel.columns) if name not in names]
    return replace(
        panel,
        series=tuple(replace(one, values=one.values[:, kept]) for one in panel),
        covariates=tuple(name for name in panel.covariates if name not in names),
        future_covariates=tuple(name for name in panel.future_covariates if name not in names),
    )


def reader_of(name: str, panel: Panel, levels: Sequence[str] | None, path: Path) -> Callable[[FloatArray], FloatArray]:
    """Return what turns a column (N,) of a request's panel into the terms of a model: numbers, or places in levels.

    levels: the categories of the model; None: it has numbers. Raises InvalidSeries if the column has text instead.
    """
    labels = panel.labels.get(name)
    if labels is None:
        return (lambda values: values) if levels is None else (lambda values: _places(values, levels))
    if levels is None and are_booleans(labels):
        return lambda values: values
    table = [place_of(label, levels) if levels is not None else _number(name, label, path) for label in labels]
    return lambda values: np.where(np.isnan(values), np.nan, np.array(table)[np.nan_to_num(values).astype(np.intp)])


def place_of(label: str, levels: Sequence[str]) -> float:
    """Return the place of a label in the categories of a model, `UNKNOWN` if it has none; true and yes are the same."""
    if label in levels:
        return float(levels.index(label))
    word = canonical(label)
    return next((float(place) for place, level in enumerate(levels) if canonical(level) == word), UNKNOWN)


def changes(panel: Panel, specification: Specification) -> Iterator[tuple[str, str]]:
    """Yield the columns and values of a panel that the training data did not have.

    These are unknown categories, and values of covariates that were constant.
    """
    for place, name in enumerate(panel.columns):
        levels, constant = specification.categories.get(name), specification.constant_covariates.get(name)
        if levels is None and constant is None:
            continue
        values = np.unique(np.concatenate([one.values[:, place] for one in panel]))
        labels = panel.labels.get(name)
        for value in values[~np.isnan(values)].tolist():
            text = labels[int(value)] if labels else text_of(value)
            if is_change(text, levels, constant):
                yield name, text


def is_change(text: str, levels: Sequence[str] | None, constant: float | str | None) -> bool:
    """Return whether a value, as text, is none of the categories of a model, or not the constant one."""
    if levels is not None:
        return place_of(text, levels) == UNKNOWN
    if isinstance(constant, str):
        return place_of(text, (constant,)) == UNKNOWN
    try:
        return constant is not None and number_of(text) != constant
    except ValueError:
        return text != EMPTY


def _places(values: FloatArray, levels: Sequence[str]) -> FloatArray:
    """Return the places of numbers, which are categories as text."""
    different, codes = np.unique(values, return_inverse=True)
    table = [np.nan if np.isnan(one) else place_of(text_of(one), levels) for one in different.tolist()]
    return np.array(table)[codes.reshape(values.shape)]


def _number(name: str, label: str, path: Path) -> float:
    if label == EMPTY:
        return np.nan
    truth = truth_of(label)
    if truth is None:
        detail = f"column {name[:60]!r} has {label[:60]!r}; in the training data it had numbers or booleans: send these"
        raise InvalidSeries.at(path, detail)
    return float(truth)
