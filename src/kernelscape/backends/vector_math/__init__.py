"""Elementary functions of vectors, inline: LLVM would call the C library lane by lane.

Rules: every function is right for NaN, infinities, both ends of its range, subnormal arguments and results, huge
arguments and the sign of zero, as NumPy and C99 have them; the same lanes give the same bits for any number of lanes;
nothing but instructions comes out, so that code for a target that lacks FMA or rounding can be loaded too.
`ERROR_ULP` is the largest error that is allowed on any target, in units in the last place; tests hold each function to
it.
"""

from __future__ import annotations

from collections.abc import Callable

from kernelscape.backends.ir import Builder, Value
from kernelscape.backends.vector_math import (
    exponential,
    inverse_trigonometric,
    logarithmic,
    power,
    trigonometric,
)
from kernelscape.backends.vector_math.lanes import Lanes
from kernelscape.backends.vector_math.rounding import ceil, floor, fused, round_even, trunc
from kernelscape.machine import Target

__all__ = ["ERROR_ULP", "FUNCTIONS", "ceil", "floor", "fused", "round_even", "trunc"]


def _on_values(function: Callable[..., Lanes]) -> Callable[..., Value]:
    def emit(builder: Builder, target: Target, *arguments: Value) -> Value:
        # Numbered as a whole, because the branch for huge arguments of sin keeps its parts from being.
        key = ("vector_math", function.__name__, *arguments)
        return builder.remember(key, lambda: function(*(Lanes(builder, target, a) for a in arguments)).value)

    emit.__doc__ = function.__doc__
    emit.__name__ = function.__name__
    return emit


FUNCTIONS: dict[str, Callable[..., Value]] = {
    function.__name__: _on_values(function)
    for function in (
        exponential.exp,
        exponential.exp2,
        exponential.expm1,
        exponential.sinh,
        exponential.cosh,
        exponential.tanh,
        logarithmic.log,
        logarithmic.log2,
        logarithmic.log10,
        logarithmic.log1p,
        logarithmic.arcsinh,
        logarithmic.arccosh,
        logarithmic.arctanh,
        trigonometric.sin,
        trigonometric.cos,
        trigonometric.tan,
        inverse_trigonometric.arcsin,
        inverse_trigonometric.arccos,
        inverse_trigonometric.arctan,
        inverse_trigonometric.arctan2,
        power.power,
        power.cbrt,
        power.hypot,
        power.sqrt,
    )
}
"""``FUNCTIONS[name](builder, target, *arguments)`` emits the function NumPy calls `name`, for float or double."""

ERROR_ULP: dict[str, dict[str, float]] = {
    "exp": {"float": 1.0, "double": 1.0},
    "exp2": {"float": 1.25, "double": 1.25},
    "expm1": {"float": 1.5, "double": 1.5},
    "sinh": {"float": 1.5, "double": 1.5},
    "cosh": {"float": 1.25, "double": 1.25},
    "tanh": {"float": 1.75, "double": 1.75},
    "log": {"float": 1.0, "double": 1.0},
    "log2": {"float": 1.0, "double": 1.0},
    "log10": {"float": 1.0, "double": 1.0},
    "log1p": {"float": 1.0, "double": 1.0},
    "arcsinh": {"float": 1.5, "double": 1.5},
    "arccosh": {"float": 2.0, "double": 2.0},
    "arctanh": {"float": 1.0, "double": 1.0},
    "sin": {"float": 1.0, "double": 1.0},
    "cos": {"float": 1.0, "double": 1.0},
    "tan": {"float": 1.5, "double": 1.25},
    "arcsin": {"float": 1.0, "double": 1.0},
    "arccos": {"float": 1.0, "double": 1.0},
    "arctan": {"float": 1.75, "double": 2.0},
    "arctan2": {"float": 1.75, "double": 2.0},
    "power": {"float": 0.55, "double": 1.0},
    "cbrt": {"float": 0.51, "double": 0.51},
    "hypot": {"float": 0.51, "double": 1.25},
    "sqrt": {"float": 0.5, "double": 0.5},
}
"""The largest error of each function and element in units in the last place, on any target."""
