"""Tiles: a numba type for a few rows of 16 numbers that stay in vector registers.

Numba compiles a loop such that each sum is loaded and stored at every step; a tile is a local variable, so that a
product reads only its factors from memory. LLVM splits tiles into the registers of the machine. Memory is addressed by
pointers and offsets, as array views and their reference counts cost more than the step of a small layer.
"""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

Tile = Any
Array = Any
Pointer = Any

LANES = 16
"""Numbers in a row of a tile: a vector of AVX-512 in float32, two of AVX2."""


class TileType(types.Type):
    """Some rows of LANES numbers of one float type."""

    def __init__(self, rows: int, dtype: types.Float) -> None:
        self.rows, self.dtype = rows, dtype
        super().__init__(name=f"Tile({rows}, {dtype})")


@register_model(TileType)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: TileType) -> None:
        row = ir.VectorType(manager.lookup(kind.dtype).get_value_type(), LANES)
        super().__init__(manager, kind, ir.ArrayType(row, kind.rows))


def generated(typed: Callable[..., Any]) -> Callable[..., Any]:
    """Return an intrinsic from a function that returns its signature and its code generator."""
    operation: Callable[..., Any] = intrinsic(typed)
    return operation


def _spread(builder: Any, value: Any) -> Any:
    vector = ir.VectorType(value.type, LANES)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)


def assembled(context: Any, builder: Any, kind: TileType, row: Callable[[int], Any]) -> Any:
    """Generate a tile from what generates each of its rows."""
    tile = ir.Constant(context.get_value_type(kind), ir.Undefined)
    for n in range(kind.rows):
        tile = builder.insert_value(tile, row(n), n)
    return tile


def _row_pointer(builder: Any, data: Any, place: Any, stride: Any, n: int) -> Any:
    away = builder.add(place, builder.mul(stride, ir.Constant(stride.type, n)))
    return builder.gep(data, [away], inbounds=True)


def _vector_load(builder: Any, pointer: Any) -> Any:
    vector = ir.VectorType(pointer.type.pointee, LANES)
    return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=4)


@generated
def pointer(_: Any, array: types.Array, place: types.Integer) -> Any:
    """Return a pointer into a flat array; the caller must hold a reference to the array while the pointer is used."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.gep(data, [args[1]], inbounds=True)

    return types.CPointer(array.dtype)(array, types.intp), generate


@generated
def advanced(_: Any, memory: types.CPointer, count: types.Integer) -> Any:
    """Return the pointer advanced by so many numbers."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]], inbounds=True)

    return memory(memory, types.intp), generate


def _rows_of(rows: int) -> Any:
    """Return the intrinsic for a tile of zeros, whose type sets the number of rows that a kernel processes at once."""

    def zeros(_: Any, memory: types.CPointer) -> Any:
        kind = TileType(rows, memory.dtype)

        def generate(context: Any, _builder: Any, _signature: Any, _args: Any) -> Any:
            return ir.Constant(context.get_value_type(kind), None)

        return kind(memory), generate

    zeros.__doc__ = f"Return a tile of {rows} rows of zeros, of the memory's float type."
    return generated(zeros)


one_row: Callable[[Pointer], Tile] = _rows_of(1)
four_rows: Callable[[Pointer], Tile] = _rows_of(4)


@generated
def load(_: Any, like: TileType, memory: types.CPointer, place: types.Integer, stride: types.Integer) -> Any:
    """Load as many rows as ``like`` has, ``stride`` numbers apart."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        def row(n: int) -> Any:
            return _vector_load(builder, _row_pointer(builder, args[1], args[2], args[3], n))

        return assembled(context, builder, like, row)

    return like(like, memory, types.intp, types.intp), generate


@generated
def repeat(_: Any, like: TileType, memory: types.CPointer, place: types.Integer) -> Any:
    """Load one row of numbers for all rows of the tile: weights, biases."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        vector = _vector_load(builder, builder.gep(args[1], [args[2]], inbounds=True))
        return assembled(context, builder, like, lambda _: vector)

    return like(like, memory, types.intp), generate


@generated
def spread(_: Any, like: TileType, memory: types.CPointer, place: types.Integer, stride: types.Integer) -> Any:
    """Load one number for each row of the tile, ``stride`` numbers apart."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        def row(n: int) -> Any:
            pointer = _row_pointer(builder, args[1], args[2], args[3], n)
            return _spread(builder, builder.load(pointer))

        return assembled(context, builder, like, row)

    return like(like, memory, types.intp, types.intp), generate


@generated
def store(_: Any, tile: TileType, memory: types.CPointer, place: types.Integer, stride: types.Integer) -> Any:
    """Store the rows of a tile, ``stride`` numbers apart."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        for n in range(tile.rows):
            pointer = _row_pointer(builder, args[1], args[2], args[3], n)
            vector = builder.extract_value(args[0], n)
            builder.store(vector, builder.bitcast(pointer, vector.type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(tile, memory, types.intp, types.intp), generate


@generated
def row_sum(_: Any, like: TileType, tile: TileType) -> Any:
    """Return the sum of the tile's rows, in each row of a tile like ``like``."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        total = builder.extract_value(args[1], 0)
        for n in range(1, tile.rows):
            total = builder.fadd(total, builder.extract_value(args[1], n))
        return assembled(context, builder, like, lambda _: total)

    return like(like, tile), generate


@generated
def multiply_add(
    _: Any, tiles: types.UniTuple, x: types.CPointer, place: types.Integer, stride: types.Integer,
    weights: types.CPointer, w: types.Integer, inner: types.Integer,
) -> Any:  # fmt: skip
    """Return tiles + x @ weights, for rows of x from ``place`` on, ``stride`` apart.

    weights: a panel (inner, 16 for each tile) from ``w`` on. A single row is split into four sums, as one would be
    bound by latency.
    """
    count, kind, width = tiles.count, tiles.dtype, tiles.count * LANES

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        sums, x, place, stride, weights, w, inner = args
        size = inner.type

        def number(value: int) -> Any:
            return ir.Constant(size, value)

        def added(rows: int, starts: list[Any], begin: Any, end: Any, step: int, strides: tuple[Any, Any]) -> list[Any]:
            """Add the products of [begin, end); rows of x and of weights are apart by the strides."""
            slots = [[cgutils.alloca_once_value(builder, start) for start in starts[n]] for n in range(count)]
            # A loop-carried offset is faster than a product with k.
            offset = cgutils.alloca_once_value(builder, builder.add(w, builder.mul(begin, number(width))))
            with cgutils.for_range_slice(builder, begin, end, number(step), size) as (k, _):
                row, panel = builder.add(place, k), builder.load(offset)
                builder.store(builder.add(panel, number(step * width)), offset)
                factors = [
                    _spread(builder, builder.load(_row_pointer(builder, x, row, strides[0], r))) for r in range(rows)
                ]
                for n, r in itertools.product(range(count), range(rows)):
                    pointer = _row_pointer(builder, weights, builder.add(panel, number(n * LANES)), strides[1], r)
                    product = builder.fmul(factors[r], _vector_load(builder, pointer), flags=("contract",))
                    slot = slots[n][r]
                    builder.store(builder.fadd(builder.load(slot), product, flags=("contract",)), slot)
            return [[builder.load(slot) for slot in slots[n]] for n in range(count)]

        totals = [
            [builder.extract_value(builder.extract_value(sums, n), row) for row in range(kind.rows)]
            for n in range(count)
        ]
        begin = number(0)
        if kind.rows == 1:
            zero = ir.Constant(totals[0][0].type, None)
            whole = builder.and_(inner, number(-4))
            parts = added(4, [[zero] * 4] * count, begin, whole, 4, (number(1), number(width)))
            for n in range(count):
                part = functools.reduce(builder.fadd, parts[n])
                totals[n][0] = builder.fadd(totals[n][0], part, flags=("contract",))
            begin = whole
        totals = added(kind.rows, totals, begin, inner, 1, (stride, number(0)))
        out = ir.Constant(context.get_value_type(tiles), ir.Undefined)
        for n in range(count):
            out = builder.insert_value(out, assembled(context, builder, kind, totals[n].__getitem__), n)
        return out

    return tiles(tiles, x, types.intp, types.intp, weights, types.intp, types.intp), generate


def _operator(function: Any, instruction: str) -> None:
    """Define an operator for two tiles, or a tile and a number; a product and a sum may be fused."""

    @type_callable(function)
    def typer(_: Any) -> Any:
        def result(left: types.Type, right: types.Type) -> TileType | None:
            for one, other in ((left, right), (right, left)):
                if isinstance(one, TileType) and other in (one, one.dtype):
                    return one
            return None

        return result

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def row(side: int, n: int) -> Any:
            value = args[side]
            return builder.extract_value(value, n) if isinstance(sig.args[side], TileType) else _spread(builder, value)

        def result(n: int) -> Any:
            return getattr(builder, instruction)(row(0, n), row(1, n), flags=("contract",))

        return assembled(context, builder, sig.return_type, result)

    lower_builtin(function, TileType, TileType)(lower)
    lower_builtin(function, TileType, types.Float)(lower)
    lower_builtin(function, types.Float, TileType)(lower)


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")
