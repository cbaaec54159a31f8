"""Join the labels of a panel's columns of text with those of another panel with the same columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from service.errors import InvalidSeries, Path
from service.forecasting.series.series import FloatArray
from service.tables.labels import MOST_LABELS, are_booleans, canonical, number_of, too_many

Labels = Mapping[str, tuple[str, ...]]
Reader = Callable[[FloatArray], FloatArray]


def merge_labels(kept: Labels, sent: Labels, columns: Sequence[str], path: Path) -> tuple[Labels, list[Reader]]:
    """Return the labels of both, and for each of the columns what turns values of the second into those of the first.

    Labels keep their places; new ones follow them. Raises InvalidSeries for text where there are numbers, and for too
    many labels.
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
        return kept, _of_numbers(name, sent, path)
    labels, places = list(kept), {canonical(label): float(place) for place, label in enumerate(kept)}

    def place_of(label: str) -> float:
        word = canonical(label)
        if word not in places:
            if len(labels) >= MOST_LABELS:
                raise InvalidSeries.at(path, too_many(name))
            places[word] = float(len(labels))
            labels.append(label)
        return places[word]

    if sent is not None:
        table = np.array([place_of(label) for label in sent])
        return tuple(labels), lambda values: np.where(
            np.isnan(values), np.nan, table[np.nan_to_num(values).astype(int)]
        )
    raise InvalidSeries.at(path, f"column {name[:60]!r} has text in the model's series: send text")


def _of_numbers(name: str, sent: tuple[str, ...] | None, path: Path) -> Reader:
    """Return the reader of a column that holds numbers or booleans."""
    if sent is None or are_booleans(sent):
        return lambda values: values
    try:
        table = np.array([number_of(label) for label in sent])
    except ValueError:
        found = next(label for label in sent if canonical(label) not in ("true", "false"))
        raise InvalidSeries.at(path, f"column {name[:60]!r} has numbers in the model's series, got {found!r}") from None
    return lambda values: np.where(np.isnan(values), np.nan, table[np.nan_to_num(values).astype(int)])
