"""Pieces of series that the network learns from; no value after a piece's end is ever touched.

Dimensions: B pieces in a batch, L steps read, S steps scored, K output_chunk_length, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from service.forecasting.preparation import IntArray
from service.forecasting.series import FloatArray


@dataclass(frozen=True)
class Batch:
    """What one optimizer step sees.

    inputs: (B, L, C); targets: (B, S, K, C), the chunk after each scored step; weights: like
    targets, 0 where a value is missing or past the end. The scored steps are the last S of the L.
    """

    inputs: Tensor
    targets: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Pieces:
    """All pieces of a panel, kept as positions in one flat array so that memory is that of the data.

    values, weights: (rows of all items, C); starts: first row of each piece; ends: row after the
    last one that the piece may use. A piece reads context_length steps before its first scored one.
    """

    values: Tensor
    weights: Tensor
    starts: IntArray
    ends: IntArray
    context_length: int
    scored_steps: int
    output_chunk_length: int

    def __len__(self) -> int:
        return len(self.starts)

    def batch(self, chosen: IntArray) -> Batch:
        """Gather the chosen pieces."""
        read = self.context_length + self.scored_steps - 1
        starts = torch.from_numpy(self.starts[chosen])[:, None]
        ends = torch.from_numpy(self.ends[chosen])[:, None]
        rows = starts + torch.arange(read + self.output_chunk_length)
        inside = (rows < ends).unsqueeze(2)
        rows = torch.minimum(rows, ends - 1)
        values, weights = self.values[rows], self.weights[rows] * inside
        return Batch(values[:, :read], self._chunks(values), self._chunks(weights))

    def _chunks(self, rows: Tensor) -> Tensor:
        return rows[:, self.context_length :].unfold(1, self.output_chunk_length, 1).transpose(2, 3)

    def batches(self, batch_size: int, limit: int, generator: np.random.Generator) -> Iterator[Batch]:
        """Yield up to ``limit`` pieces in random order, each at most once."""
        order = generator.permutation(len(self))[:limit]
        for first in range(0, len(order), batch_size):
            yield self.batch(np.sort(order[first : first + batch_size]))


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


def _flat(parts: Sequence[Part]) -> tuple[Tensor, Tensor, IntArray]:
    values = torch.from_numpy(np.concatenate([part.values for part in parts]).astype(np.float32))
    weights = torch.from_numpy(np.concatenate([part.observed for part in parts]).astype(np.float32))
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


def _cut(
    parts: Sequence[Part], context_length: int, scored_steps: int, output_chunk_length: int, whole_chunks: bool
) -> Pieces:
    values, weights, offsets = _flat(parts)
    starts, ends = [], []
    for part, offset in zip(parts, offsets, strict=True):
        first = max(part.first - context_length, 0)
        last = part.end - context_length - (output_chunk_length if whole_chunks else 1)
        rows = np.arange(first, last + 1, dtype=np.int64)
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
