"""Pieces on a device: the data are moved there once, batches are cut there.

Dimensions: B pieces, T steps read, S scored steps, K output_chunk_length, C channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from service.forecasting.preparation import IntArray
from service.forecasting.windows import Pieces


class Batch(NamedTuple):
    """What is read, (T, B, C), and what comes after each scored step with its weight: both (S, B, K, C)."""

    inputs: Tensor
    targets: Tensor
    known: Tensor


class TorchPieces:
    """The pieces of a panel in the memory of a device.

    centred: inputs are taken relative to the value at the first scored step, targets to that of their own step.
    """

    def __init__(self, pieces: Pieces, device: str, centred: bool) -> None:
        self._device = device
        self._centred = centred
        self._first = pieces.context_length - 1
        self._read = pieces.context_length + pieces.scored_steps - 1
        self._chunk = pieces.output_chunk_length
        self._values, self._weights, self._starts, self._ends = (
            torch.from_numpy(one).to(device) for one in (pieces.values, pieces.weights, pieces.starts, pieces.ends)
        )
        self._offsets = torch.arange(self._read + self._chunk, device=device)[:, None]

    def chosen(self, rows: IntArray) -> Tensor:
        """Move the choice of pieces for a whole epoch."""
        return torch.from_numpy(rows).to(self._device)

    def all(self) -> Batch:
        """Cut every piece."""
        return self.gather(torch.arange(len(self._starts), device=self._device))

    def gather(self, chosen: Tensor) -> Batch:
        """Cut the chosen pieces, (B,) by number; what lies past a piece's end has weight 0."""
        rows, ends = self._starts[chosen] + self._offsets, self._ends[chosen]
        places = torch.minimum(rows, ends - 1)
        values = self._values[places]
        known = self._weights[places] * (rows < ends)[:, :, None]
        inputs, targets = values[: self._read], self._chunks(values)
        if self._centred:
            targets = targets - inputs[self._first :, :, None]
            inputs = inputs - inputs[self._first]
        return Batch(inputs, targets, self._chunks(known))

    def _chunks(self, rows: Tensor) -> Tensor:
        return rows[self._first + 1 :].unfold(0, self._chunk, 1).transpose(2, 3)
