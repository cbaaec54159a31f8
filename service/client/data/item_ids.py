"""IDs of items: written as text for the service, and read back as the columns that they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from service.client.data.table import Table
from service.errors import InvalidSeries, UnknownColumn
from service.tables.column_roles import ITEM
from service.tables.item_ids import IdType, in_order, joined_id, split_id, text_of, too_long

if TYPE_CHECKING:
    import pandas as pd

Rows = NDArray[np.intp]

RESERVED = ("target", "ds", "mean", "origin", "step", "y", "sample", "value")
"""Names of other columns of forecasts and backtests."""

_TYPES: dict[str, IdType] = {
    "integer": "integer",
    "floating": "number",
    "mixed-integer-float": "number",
    "boolean": "boolean",
    "date": "datetime",
    "datetime": "datetime",
    "datetime64": "datetime",
}
"""What pandas calls the type of values."""


@dataclass(frozen=True)
class ItemIds:
    """The columns that identify items.

    types: of their values; known: their values by ID, with the types that the data had; None if only the record of the
    model is known.
    """

    names: tuple[str, ...]
    types: tuple[IdType, ...]
    known: pd.DataFrame | None = None

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> ItemIds | None:
        """Return the columns that the record of a model names; None if it names none."""
        sent = (record.get("series") or {}).get("item_columns")
        return cls(tuple(one["name"] for one in sent), tuple(one["type"] for one in sent)) if sent else None

    def to_record(self) -> list[dict[str, str]] | None:
        """Return the columns for the record of a model; None for a column of text, which needs none."""
        if self.types == ("string",):
            return None
        return [{"name": name, "type": kind} for name, kind in zip(self.names, self.types, strict=True)]

    def columns(self, ids: Sequence[str]) -> dict[str, pd.Series[Any]]:
        """Return the values of items by column: one column is called ``unique_id``, several have their own names."""
        import pandas as pd

        names = self.names if len(self.names) > 1 else (ITEM,)
        if self.known is not None and all(one in self.known.index for one in set(ids)):
            found = self.known.loc[list(ids)].reset_index(drop=True)
            return {name: found.iloc[:, place] for place, name in enumerate(names)}
        try:
            parts = zip(*(split_id(one, len(names)) for one in ids), strict=True)
            return {name: _values_of(texts, kind) for name, kind, texts in zip(names, self.types, parts, strict=True)}
        except (ValueError, OverflowError):  # IDs that were not made from these columns
            return {ITEM: pd.Series(list(ids), dtype=object)}

    def encoded(self, items: Any) -> tuple[str, ...]:
        """Return the IDs of items that were given as values, as tuples of values, as IDs, or as a frame of columns."""
        native = nw.from_native(items, pass_through=True)
        if isinstance(native, nw.DataFrame):
            return tuple(dict.fromkeys(map(id_of, native.select(self.names).iter_rows())))
        if isinstance(items, tuple) and len(items) == len(self.names) > 1 and not isinstance(items[0], tuple | list):
            return (id_of(items),)
        return encoded_items(items)


def encoded_items(items: Any) -> tuple[str, ...]:
    """Return the IDs of one item or several; none for None."""
    if items is None:
        return ()
    return tuple(map(id_of, items)) if isinstance(items, Iterable) and not isinstance(items, str) else (id_of(items),)


def id_of(value: Any) -> str:
    """Return the ID of an item: of a value, or of a tuple or list with the value of each column."""
    return joined_id([text_of(one) for one in value]) if isinstance(value, tuple | list) else text_of(value)


def item_columns_in(table: Table, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the item columns if a table has them, none if it has none. Raises UnknownColumn if it has only some."""
    present = [name for name in names if name in table.columns]
    if present and len(present) < len(names):
        lacking = next(name for name in names if name not in present)
        detail = f"items are identified by {', '.join(map(repr, names))}, but there is no column {lacking!r}: send it"
        raise UnknownColumn.at((lacking,), detail)
    return tuple(present)


def find_items(table: Table, names: Sequence[str]) -> tuple[ItemIds, dict[str, Rows]]:
    """Return the items of a table, and the rows of each ID: in the order of IDs, the rows in their original order.

    Raises UnknownColumn, and InvalidSeries at a row without an ID, for an ID that is too long, or for different values
    that are the same as text.
    """
    import pandas as pd

    if len(names) > 1 and (taken := next((name for name in names if name in RESERVED), None)):
        raise InvalidSeries.at((taken,), f"forecasts have a column {taken!r} of their own: rename the item column")
    places: NDArray[np.intp] = np.zeros(0, np.intp)
    found: list[tuple[pd.Series[Any], list[str], Rows]] = []
    for name in names:
        codes, values = _factorized(table, name)
        texts = [text_of(value) for value in values]
        _refuse_same_texts(name, values, texts)
        found.append((values, texts, codes))
        # Numbered anew after each column, so that the numbers stay small.
        places, _ = pd.factorize(codes if len(found) == 1 else places * len(values) + codes)
    first = np.unique(places, return_index=True)[1]
    ids = [joined_id([texts[codes[row]] for _, texts, codes in found]) for row in first]
    for row, text in zip(first, ids, strict=True):
        if fault := too_long(text):
            raise InvalidSeries.at((names[0], int(row)), fault)
    index = pd.Index(ids, dtype=object)
    known = pd.DataFrame(
        {
            name: values.iloc[codes[first]].set_axis(index)
            for name, (values, _, codes) in zip(names, found, strict=True)
        },
        index=index,
    )
    rows = np.split(np.argsort(places, kind="stable"), np.cumsum(np.bincount(places))[:-1])
    types = tuple(_type_of(values) for values, _, _ in found)
    found_rows = dict(zip(ids, rows, strict=True))
    return ItemIds(tuple(names), types, known), {name: found_rows[name] for name in in_order(ids)}


def _factorized(table: Table, name: str) -> tuple[Rows, pd.Series[Any]]:
    """Return the place of each row's value among the different values of a column, and these."""
    import pandas as pd

    column = table.column(name)
    native: Any = column.to_native() if isinstance(column, nw.Series) else column
    if isinstance(column, nw.Series) and not nw.dependencies.is_pandas_series(native):
        native = column.to_list()
    series = pd.Series(native)
    codes, _ = pd.factorize(series)
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise InvalidSeries.at((name, row), f"column {name!r} is empty in row {row}: each row needs its item")
    # Not what factorize returns, whose type may differ.
    return codes, series.iloc[np.unique(codes, return_index=True)[1]]


def _refuse_same_texts(name: str, values: pd.Series[Any], texts: Sequence[str]) -> None:
    if len(set(texts)) == len(texts):
        return
    first: dict[str, Any] = {}
    for value, text in zip(values, texts, strict=True):
        if text in first:
            detail = f"column {name!r} has {first[text]!r} and {value!r}, which are the same ID: give them one type"
            raise InvalidSeries.at((name,), detail)
        first[text] = value


def _type_of(values: pd.Series[Any]) -> IdType:
    import pandas as pd

    return _TYPES.get(pd.api.types.infer_dtype(list(values)), "string")


def _values_of(texts: Sequence[str], kind: IdType) -> pd.Series[Any]:
    """Return a column of this type. Raises ValueError and OverflowError if a text is none of its values."""
    import pandas as pd

    if kind == "integer":
        return pd.Series([int(text) for text in texts], dtype=np.int64)
    if kind == "number":
        return pd.Series([float(text) for text in texts], dtype=np.float64)
    if kind == "boolean":
        if not {"True", "False"}.issuperset(texts):
            raise ValueError("neither True nor False")
        return pd.Series([text == "True" for text in texts])
    if kind == "datetime":
        return pd.Series(pd.to_datetime(pd.Series(texts), format="ISO8601"))
    return pd.Series(list(texts), dtype=object)
