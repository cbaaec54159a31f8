"""Cells of text that are booleans or categories: the same rule for JSON, CSV, Parquet and data frames.

A column of text holds booleans if each cell is one of `TRUE` or `FALSE`; else it holds categories if most of its
different cells are not numbers: what is almost a column of numbers has a typing error, and times are no categories.
Empty cells are a category of their own, as scikit-learn's OneHotEncoder has it; a cell ``none`` is one as any other. In
a column of booleans they are missing, but where only one of the two occurs, they mean the other: such a column has
categories too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from service.tables.column_roles import look_like_times
from service.tables.item_ids import text_of
from service.tables.number_format import MISSING, is_number
from service.tables.number_units import UNIT_MARKS

TRUE = frozenset({"true", "yes", "y", "t"})
FALSE = frozenset({"false", "no", "n", "f"})
EMPTY = ""
"""The label of empty cells."""
MOST_LABELS = 50
"""The most categories of a column."""

_EMPTY = MISSING - {"none"}
# Far more labels than may be categories: the cells after these do not change what a column is.
_MOST_TRIED = 5_000
_CELLS_AT_ONCE = 5_000
_CANONICAL = {True: "true", False: "false"}


def label_of(cell: object) -> str:
    """Return a cell of any type as a label; `EMPTY` where it is None, empty or NA."""
    if cell is None:
        return EMPTY
    text = _CANONICAL[cell] if isinstance(cell, bool) else text_of(cell).strip()
    return EMPTY if text.lower() in _EMPTY else text


def different_labels(columns: Iterable[Sequence[object]]) -> set[str]:
    """Return the different labels of columns, up to some thousands."""
    found: set[str] = set()
    for cells in columns:
        for start in range(0, len(cells), _CELLS_AT_ONCE):
            found.update(map(label_of, set(cells[start : start + _CELLS_AT_ONCE])))
            if len(found) > _MOST_TRIED:
                return found
    return found


def truth_of(label: str) -> bool | None:
    """Return whether a label means true, or None if it is no boolean."""
    word = label.lower()
    return True if word in TRUE else False if word in FALSE else None


def canonical(label: str) -> str:
    """Return ``true`` or ``false`` for a boolean, any other label unchanged."""
    truth = truth_of(label)
    return label if truth is None else _CANONICAL[truth]


def are_booleans(labels: Sequence[str]) -> bool:
    """Return whether labels are those that `labels_of` returns for booleans."""
    return len(labels) == 2 and truth_of(labels[0]) is False and truth_of(labels[1]) is True


def labels_of(found: Collection[str]) -> tuple[str, ...] | None:
    """Return the labels of a column in their order, false and true for booleans; None if it should hold numbers.

    found: the different labels of its cells.
    """
    known = sorted(label for label in found if label != EMPTY)
    truths = {truth_of(label): label for label in reversed(known)}
    if known and None not in truths:
        if len(truths) == 2 or EMPTY not in found:
            return truths.get(False, "false"), truths.get(True, "true")
        return EMPTY, canonical(known[0])
    # 5 % and 5 EUR in signs are numbers, which are refused with the cure.
    numbers = sum(is_number(label.strip(UNIT_MARKS)) for label in known)
    if 2 * numbers >= len(known) or look_like_times(known):
        return None
    return tuple(sorted(found))


def are_labels(cells: Sequence[object], may_be_categories: bool = True) -> bool:
    """Return whether cells are booleans, or may be categories and are these."""
    labels = labels_of(different_labels([cells]))
    return labels is not None and (may_be_categories or are_booleans(labels))


def number_of(label: str) -> float:
    """Return a boolean or number as a number. Raises ValueError for other labels, and for `EMPTY`."""
    truth = truth_of(label)
    if truth is None and not is_number(label):
        raise ValueError(f"{label!r} is not a number")
    return float(label) if truth is None else float(truth)


def too_many(name: str) -> str:
    """Return the message about a column with too many categories."""
    cure = "write the rare ones as one, such as 'other', or send numbers, or leave the column out"
    return f"column {name[:60]!r} has more than {MOST_LABELS} different texts, too many for categories: {cure}"
