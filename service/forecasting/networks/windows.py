"""Pieces of series that the network learns from; no value after a piece's end is ever touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.forecasting.preprocessing.pipeline import IntArray
from service.forecasting.series.series import FloatArray

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Pieces:
    """All pieces of a panel, kept as positions in one flat array so that memory is that of the data.

    values, weights: (rows of all items, C); starts: first row of each piece; ends: row after the
    last one that the piece may use. A piece reads context_length steps before its first scored one.
    """

    values: Rows
    weights: Rows
    starts: IntArray
    ends: IntArray
    context_length: int
    scored_steps: int
    output_chunk_length: int

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def has_targets(self) -> bool:
        """Tell whether any value is known after a scored step."""
        first = self.starts + self.context_length
        last = np.minimum(self.ends, first + self.scored_steps + self.output_chunk_length - 1)
        known = np.concatenate([[0.0], self.weights.sum(axis=1, dtype=np.float64).cumsum()])
        return bool((known[last] > known[first]).any())

    def spaced(self, most: int) -> Pieces:
        """Return up to ``most`` of the pieces, evenly spaced."""
        chosen = np.linspace(0, len(self) - 1, min(len(self), most)).round().astype(np.int64)
        return replace(self, starts=self.starts[chosen], ends=self.ends[chosen])


@dataclass(frozen=True)
class Part:
    """The rows of one prepared item that pieces may be cut from.

    values: (time, C) scaled; observed: (time, C); targets are taken from rows first..end-1 only,
    contexts may reach back before ``first``.
    """

    values: FloatArray
    observed: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    first: int
    end: int


def _flat(parts: Sequence[Part]) -> tuple[Rows, Rows, IntArray]:
    values = np.concatenate([part.values for part in parts]).astype(np.float32)
    weights = np.concatenate([part.observed for part in parts]).astype(np.float32)
    lengths = [len(part.values) for part in parts]
    return values, weights, np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)


def whole_windows(parts: Sequence[Part], context_length: int, output_chunk_length: int) -> Pieces:
    """Cut every window whose chunk lies wholly inside its part, one scored step each.

    A part of n target rows after a full context gives n - output_chunk_length + 1 windows.
    """
    return _cut(parts, context_length, 1, output_chunk_length, whole_chunks=True)


def open_windows(parts: Sequence[Part], context_length: int, output_chunk_length: int) -> Pieces:
    """Cut every window with at least one target row inside its part; the rest of its chunk has weight 0."""
    return _cut(parts, context_length, 1, output_chunk_length, whole_chunks=False)


def long_pieces(parts: Sequence[Part], context_length: int, output_chunk_length: int, scored_steps: int) -> Pieces:
    """Cut a piece at every row that leaves at least one target row; it is scored at up to ``scored_steps`` steps."""
    return _cut(parts, context_length, scored_steps, output_chunk_length, whole_chunks=False)


def tiled_pieces(parts: Sequence[Part], context_length: int, output_chunk_length: int, scored_steps: int) -> Pieces:
    """Cut pieces that score each target row about once as the first of a chunk, one piece after the other."""
    return _cut(parts, context_length, scored_steps, output_chunk_length, whole_chunks=False, stride=scored_steps)


def _cut(
    parts: Sequence[Part],
    context_length: int,
    scored_steps: int,
    output_chunk_length: int,
    whole_chunks: bool,
    stride: int = 1,
) -> Pieces:
    values, weights, offsets = _flat(parts)
    starts, ends = [], []
    for part, offset in zip(parts, offsets, strict=True):
        first = max(part.first - context_length, 0)
        last = part.end - context_length - (output_chunk_length if whole_chunks else 1)
        rows = np.arange(first, last + 1, stride, dtype=np.int64)
        starts.append(rows + offset)
        ends.append(np.full(len(rows), part.end + offset, dtype=np.int64))
    return Pieces(
        values,
        weights,
        np.concatenate(starts),
        np.concatenate(ends),
        context_length,
        scored_steps,
        output_chunk_length,
    )
