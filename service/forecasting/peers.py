"""Items that a new one is like, by its static categories.

What a model has learnt of each item, it can only guess of one that it has not seen: as the mean over all items, or over
those of the same kind where some are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

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
