"""Training sequences: stretches of a series that the network learns from, or is validated on.

No value after the end of a sequence is ever read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.forecasting.preprocessing.subsampling import evenly_spaced
from service.forecasting.series.series import FloatArray, IntArray

_Rows = NDArray[np.float32]


@dataclass(frozen=True)
class TrainingSequences:
    """All sequences of a panel, as positions in one flat array, so that they take no memory beside the data.

    values, weights: (rows of all items, C). starts: the first row of each sequence. ends: the row after the last one
    that it may use. A sequence has context_length steps up to and with its first scored one.
    """

    values: _Rows
    weights: _Rows
    starts: IntArray
    ends: IntArray
    context_length: int
    scored_steps: int
    output_chunk_length: int

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def has_targets(self) -> bool:
        """Whether any value is observed after a scored step."""
        first = self.starts + self.context_length
        last = np.minimum(self.ends, first + self.scored_steps + self.output_chunk_length - 1)
        known = np.concatenate([[0.0], self.weights.sum(axis=1, dtype=np.float64).cumsum()])
        return bool((known[last] > known[first]).any())

    def thinned(self, most: int) -> TrainingSequences:
        """Return up to ``most`` of the sequences, evenly spaced."""
        chosen = evenly_spaced(len(self), most)
        return replace(self, starts=self.starts[chosen], ends=self.ends[chosen])


@dataclass(frozen=True)
class ItemRows:
    """The rows of one prepared item that sequences may be cut from.

    values: (time, C), scaled. observed: (time, C). Targets are taken from rows first..end-1 only; contexts may begin
    before ``first``.
    """

    values: FloatArray
    observed: NDArray[np.bool_]
    first: int
    end: int


def complete_windows(items: Sequence[ItemRows], context_length: int, output_chunk_length: int) -> TrainingSequences:
    """Return every window whose chunk lies completely among the target rows, with one scored step each.

    n target rows after a complete context give n - output_chunk_length + 1 windows.
    """
    return _cut(items, context_length, 1, output_chunk_length, complete_chunks=True)


def partial_windows(items: Sequence[ItemRows], context_length: int, output_chunk_length: int) -> TrainingSequences:
    """Return every window with at least one target row; rows of its chunk after the end have weight 0."""
    return _cut(items, context_length, 1, output_chunk_length)


def overlapping_sequences(
    items: Sequence[ItemRows], context_length: int, output_chunk_length: int, scored_steps: int
) -> TrainingSequences:
    """Return a sequence from every row that leaves a target row, with up to ``scored_steps`` scored steps."""
    return _cut(items, context_length, scored_steps, output_chunk_length)


def consecutive_sequences(
    items: Sequence[ItemRows], context_length: int, output_chunk_length: int, scored_steps: int
) -> TrainingSequences:
    """Return sequences whose scored steps follow one another: each target row comes first in a chunk once."""
    return _cut(items, context_length, scored_steps, output_chunk_length, stride=scored_steps)


def _cut(
    items: Sequence[ItemRows],
    context_length: int,
    scored_steps: int,
    output_chunk_length: int,
    complete_chunks: bool = False,
    stride: int = 1,
) -> TrainingSequences:
    starts, ends, offset = [], [], 0
    for item in items:
        first = max(item.first - context_length, 0)
        last = item.end - context_length - (output_chunk_length if complete_chunks else 1)
        rows = np.arange(first, last + 1, stride, dtype=np.int64)
        starts.append(rows + offset)
        ends.append(np.full(len(rows), item.end + offset, dtype=np.int64))
        offset += len(item.values)
    return TrainingSequences(
        np.concatenate([item.values for item in items]).astype(np.float32),
        np.concatenate([item.observed for item in items]).astype(np.float32),
        np.concatenate(starts),
        np.concatenate(ends),
        context_length,
        scored_steps,
        output_chunk_length,
    )
