"""Recurrent layers as an operation of torch's: against differences, and against torch's own layers."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from torch import nn

from service.forecasting.config.options import Cell
from service.forecasting.networks.kernels.cells import CODES, GATES, GRU
from service.forecasting.networks.kernels.packing import aligned, blocks_of, pack_layer, packed_size
from service.forecasting.networks.kernels.sequence import layer_backward, layer_forward
from service.forecasting.networks.kernels.tiles import LANES, pointer

Array = Any
jitted: Any = njit
CELLS = get_args(Cell)
MODULES = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


@jitted  # type: ignore[untyped-decorator]
def forward(cell: int, gate_count: int, size: int, x: Array, flat: Array) -> tuple[Array, ...]:
    """x: (T, B, C); returns what the way back needs, flat."""
    steps, rows, inputs = x.shape
    units = blocks_of(size) * LANES
    hidden, memory = np.zeros((steps + 1) * rows * units, x.dtype), np.zeros((steps + 1) * rows * units, x.dtype)
    gates, seen = np.empty(steps * rows * units * gate_count, x.dtype), np.empty(steps * rows * units, x.dtype)
    packed = aligned(packed_size(inputs, size, gate_count), flat)
    pack_layer(cell, flat, 0, inputs, size, gate_count * size, packed, 0)
    layer_forward(
        cell, 0, steps, rows, inputs, size, gate_count, pointer(x.reshape(-1), 0), inputs, pointer(packed, 0),
        pointer(hidden, 0), pointer(memory, 0), pointer(gates, 0), pointer(seen, 0),
    )  # fmt: skip
    return hidden, memory, gates, seen, packed


@jitted  # type: ignore[untyped-decorator]
def backward(
    cell: int, gate_count: int, size: int, x: Array, flat: Array, hidden: Array, memory: Array, gates: Array,
    seen: Array, d_hidden: Array,
) -> tuple[Array, ...]:  # fmt: skip
    """Return the gradients of inputs (T B, C filled up) and of the flat weights."""
    steps, rows, inputs = x.shape
    units, below = blocks_of(size) * LANES, blocks_of(inputs) * LANES
    width = units * gate_count
    d_x = np.empty(steps * rows * below, x.dtype)
    d_memory = np.zeros(rows * units, x.dtype)
    d_back = np.empty(steps * rows * width if cell == GRU else 0, x.dtype)
    transposed = np.empty(max(below, units) * width, x.dtype)
    sums, gradient = np.empty((inputs + size + 2) * width, x.dtype), np.zeros_like(flat)
    layer_backward(
        cell, steps, rows, inputs, size, gate_count, pointer(x.reshape(-1), 0), inputs, flat, 0, transposed,
        pointer(hidden, 0), pointer(memory, 0), pointer(gates, 0), pointer(seen, 0), pointer(d_hidden, 0),
        pointer(d_memory, 0), pointer(d_back, 0), d_x, 0, sums, gradient,
    )  # fmt: skip
    return d_x, gradient, d_memory, d_back


class Layer(torch.autograd.Function):
    """One layer of ours; x: (T, B, C), flat: its weights; returns (T, B, H)."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor, flat: torch.Tensor, cell: Cell, size: int) -> torch.Tensor:
        read, weights = np.ascontiguousarray(x.detach().numpy()), flat.detach().numpy()
        kept = forward(CODES[cell], GATES[cell], size, read, weights)
        context.kept = (CODES[cell], GATES[cell], size, read, weights, *kept[:4])
        steps, rows, _ = x.shape
        return torch.from_numpy(kept[0].reshape(steps + 1, rows, -1)[1:, :, :size].copy())

    @staticmethod
    def backward(context: Any, *d_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        cell, gate_count, size, x, flat, hidden, memory, gates, seen = context.kept
        steps, rows, inputs = x.shape
        units = len(hidden) // ((steps + 1) * rows)
        filled = np.zeros((steps, rows, units), x.dtype)
        filled[:, :, :size] = d_outputs[0].numpy()
        d_x, gradient, *_ = backward(
            cell, gate_count, size, x, flat, hidden, memory, gates.copy(), seen.copy(), filled.ravel()
        )
        return (
            torch.from_numpy(d_x.reshape(steps, rows, -1)[:, :, :inputs].copy()),
            torch.from_numpy(gradient),
            None,
            None,
        )


applied: Any = Layer.apply


def drawn(kind: torch.dtype, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return (0.5 * torch.randn(*shape, generator=generator, dtype=kind)).requires_grad_()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("steps", "rows", "inputs", "size"), [(3, 2, 2, 3), (2, 5, 1, 17), (4, 1, 3, 1)])
def test_gradients_are_differences(cell: Cell, steps: int, rows: int, inputs: int, size: int) -> None:
    x = drawn(torch.float64, steps, rows, inputs)
    flat = drawn(torch.float64, (inputs + size + 2) * GATES[cell] * size)
    assert torch.autograd.gradcheck(lambda a, b: applied(a, b, cell, size), (x, flat), fast_mode=size > 3)


@given(
    cell=st.sampled_from(CELLS),
    layers=st.integers(1, 3),
    steps=st.integers(1, 12),
    rows=st.integers(1, 9),
    inputs=st.integers(1, 20),
    size=st.one_of(st.integers(1, 40), st.sampled_from([48, 64, 100])),
)
def test_values_and_gradients_are_torchs_in_float32(
    cell: Cell, layers: int, steps: int, rows: int, inputs: int, size: int
) -> None:
    module = MODULES[cell](inputs, size, layers)
    x = drawn(torch.float32, steps, rows, inputs)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(drawn(torch.float32, *parameter.shape) / size**0.5)
    per_layer = [list(module.parameters())[4 * n : 4 * n + 4] for n in range(layers)]
    flats = [
        torch.cat([one.detach().T.contiguous().ravel() if one.ndim == 2 else one.detach() for one in four])
        .requires_grad_()
        for four in per_layer
    ]  # fmt: skip
    expected = module(x)[0]
    direction = drawn(torch.float32, *expected.shape).detach() / (steps * rows) ** 0.5
    references = torch.autograd.grad((expected * direction).sum(), [x, *module.parameters()])
    found = x
    for flat in flats:
        found = applied(found, flat, cell, size)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    d_x, *gradients = torch.autograd.grad((found * direction).sum(), [x, *flats])
    torch.testing.assert_close(d_x, references[0], atol=1e-5, rtol=1e-5)
    for n, gradient in enumerate(gradients):
        four = references[1 + 4 * n : 5 + 4 * n]
        joined = torch.cat([one.T.ravel() if one.ndim == 2 else one for one in four])
        torch.testing.assert_close(gradient, joined, atol=1e-5, rtol=1e-5)
