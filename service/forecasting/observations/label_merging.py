"""Join the labels of a panel's columns of text with those of another panel with the same columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from service.errors import InvalidSeries, Path
from service.forecasting.series.series import FloatArray
from service.tables.labels import EMPTY, are_booleans, canonical, number_of

Labels = Mapping[str, tuple[str, ...]]
Reader = Callable[[FloatArray], FloatArray]


def merge_labels(kept: Labels, sent: Labels, columns: Sequence[str], path: Path) -> tuple[Labels, list[Reader]]:
    """Return the labels of both, and for each of the columns what turns values of the second into those of the first.

    Labels keep their places; new ones follow them. Raises InvalidSeries for text where there are numbers or booleans,
    and for numbers where there is text.
    """
    merged, readers = dict(kept), []
    for name in columns:
        if name in kept:
            merged[name], reader = _joined(name, kept[name], sent.get(name), path)
        else:
            reader = _of_numbers(name, sent.get(name), path)
        readers.append(reader)
    return merged, readers


def _joined(
    name: str, kept: tuple[str, ...], sent: tuple[str, ...] | None, path: Path
) -> tuple[tuple[str, ...], Reader]:
    if are_booleans(kept):
        reader = _of_numbers(name, sent, path)
        return kept, lambda values: _require_booleans(name, reader(values), path)
    labels, places = list(kept), {canonical(label): float(place) for place, label in enumerate(kept)}

    def place_of(label: str) -> float:
        word = canonical(label)
        if word not in places:
            places[word] = float(len(labels))
            labels.append(label)
        return places[word]

    if sent is not None:
        table = np.array([place_of(label) for label in sent])
        return tuple(labels), lambda values: np.where(
            np.isnan(values), np.nan, table[np.nan_to_num(values).astype(int)]
        )
    return kept, lambda values: _require_missing(name, values, path)


def _is_number(label: str) -> bool:
    try:
        number_of(label)
    except ValueError:
        return False
    return True


def _require_booleans(name: str, values: FloatArray, path: Path) -> FloatArray:
    wrong = values[~(np.isnan(values) | (values == 0) | (values == 1))]
    if len(wrong):
        raise InvalidSeries.at(path, f"column {name[:60]!r} has true and false in the model's series, got {wrong[0]:g}")
    return values


def _require_missing(name: str, values: FloatArray, path: Path) -> FloatArray:
    if not np.isnan(values).all():
        raise InvalidSeries.at(path, f"column {name[:60]!r} has text in the model's series: send text")
    return values


def _of_numbers(name: str, sent: tuple[str, ...] | None, path: Path) -> Reader:
    """Return the reader of a column that holds numbers or booleans."""
    if sent is None or are_booleans(sent):
        return lambda values: values
    try:
        table = np.array([np.nan if label == EMPTY else number_of(label) for label in sent])
    except ValueError:
        found = next(label for label in sent if label != EMPTY and not _is_number(label))
        raise InvalidSeries.at(path, f"column {name[:60]!r} has numbers in the model's series, got {found!r}") from None
    return lambda values: np.where(np.isnan(values), np.nan, table[np.nan_to_num(values).astype(int)])
