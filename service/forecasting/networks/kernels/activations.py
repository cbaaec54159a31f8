"""tanh and sigmoid of tiles, without library calls or branches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types

from service.forecasting.networks.kernels.tiles import LANES, TileType, assembled, generated

# tanh(x) = x P(x^2) / Q(x^2) on [-9, 9], our own fit by iteratively reweighted least squares: within 4e-7 of tanh
# in float32, which is its precision.
_BOUND = 9.0
_P = (-2.03307326e-14, 9.06044645e-11, 1.62536712e-07, 4.95407006e-05, 4.68581271e-03, 1.42897973e-01, 1.0)
_Q = (5.26945945e-09, 3.33630054e-06, 5.52369846e-04, 3.00962483e-02, 4.76231307e-01, 1.0)

_Generator = Callable[[Any, Any, TileType, Any], Any]


def _elementwise(activation: _Generator, description: str) -> Any:
    """Return the intrinsic of a function that generates an activation of one row."""

    def typed(_: Any, tile: TileType) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            def row(n: int) -> Any:
                return activation(context, builder, tile, builder.extract_value(args[0], n))

            return assembled(context, builder, tile, row)

        return tile(tile), generate

    typed.__doc__ = description
    return generated(typed)


def _tanh(context: Any, builder: Any, tile: TileType, x: Any) -> Any:
    if tile.dtype != types.float32:
        return _library_tanh(context, builder, tile, x)
    for bound, beyond in ((_BOUND, ">"), (-_BOUND, "<")):
        limit = _same(x, bound)
        x = builder.select(builder.fcmp_ordered(beyond, x, limit), limit, x)
    y = _times(builder, x, x)
    return builder.fdiv(
        _times(builder, x, _polynomial(builder, _P, y)), _polynomial(builder, _Q, y), flags=("contract",)
    )


def _library_tanh(context: Any, builder: Any, tile: TileType, x: Any) -> Any:
    """Call the library's tanh for every number: exact and slow, for float64."""
    called = context.get_function(math.tanh, tile.dtype(tile.dtype))
    for lane in range(LANES):
        place = ir.Constant(ir.IntType(32), lane)
        x = builder.insert_element(x, called(builder, [builder.extract_element(x, place)]), place)
    return x


def _sigmoid(context: Any, builder: Any, tile: TileType, x: Any) -> Any:
    """Generate 1 / (1 + exp(-x))."""
    half = _same(x, 0.5)
    of_half = _tanh(context, builder, tile, _times(builder, half, x))
    return builder.fadd(_times(builder, half, of_half), half, flags=("contract",))


def _polynomial(builder: Any, coefficients: Sequence[float], y: Any) -> Any:
    total = _same(y, coefficients[0])
    for coefficient in coefficients[1:]:
        total = builder.fadd(_times(builder, total, y), _same(y, coefficient), flags=("contract",))
    return total


def _times(builder: Any, left: Any, right: Any) -> Any:
    return builder.fmul(left, right, flags=("contract",))


def _same(row: Any, number: float) -> Any:
    """Return a constant row of one number."""
    return ir.Constant(row.type, [ir.Constant(row.type.element, number)] * LANES)


tanh = _elementwise(_tanh, "Return the hyperbolic tangent of a tile.")
sigmoid = _elementwise(_sigmoid, "Return 1 / (1 + exp(-x)) of a tile.")
