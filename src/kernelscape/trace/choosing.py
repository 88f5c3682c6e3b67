"""NumPy's functions that choose between elements or make new ones element by element."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kernelscape.expression import BOOL, broadcast, cast, constant
from kernelscape.reductions import number
from kernelscape.trace.notation import UFUNC_METHODS, wrap
from kernelscape.trace.operators import WEAK, Value, elementwise, node_of, operate, plain, power
from kernelscape.trace.page import tracing_error
from kernelscape.trace.recorder import Recorder, supported
from kernelscape.trace.shaping import common, traced
from kernelscape.trace.statistics import implements

# -- choosing ---------------------------------------------------------------------------------------------------------


@implements(np.where)
def _where(r: Recorder, condition: Any, *branches: Any) -> Any:
    if len(branches) != 2:
        raise tracing_error(
            "np.where with a condition alone gives positions, and how many there are depends on the data.",
            "lambda w: w[np.where(w > 0)].mean()",
            "lambda w: w[w > 0].mean()",
        )
    return wrap(r, *operate(r, "select", (_condition(r, condition), *(_listed(r, b) for b in branches))))


def _condition(r: Recorder, condition: Any) -> Any:
    if isinstance(condition, Value):
        return wrap(r, cast(condition._node, BOOL), condition._mask)
    return np.asarray(_listed(r, condition)).astype(bool)


def _listed(r: Recorder, value: Any) -> Any:
    """A list that holds traced values, stacked."""
    return traced(r, value) if isinstance(value, (list, tuple)) else value


@implements(np.select)
def _select(r: Recorder, condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if not condlist:
        raise ValueError("select with an empty condition list is not possible")
    choices = common(r, [*choicelist, default], weak=True)
    conditions = [node_of(r, c) for c in condlist]
    if any(c.dtype != BOOL for c in conditions):
        raise TypeError("invalid entry in condlist: should be boolean ndarray")
    result = choices.pop()
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        result = elementwise("select", choice.dtype, condition, choice, result)
    return wrap(r, result)


def _clip(
    r: Recorder, a: Any, a_min: Any = np._NoValue, a_max: Any = np._NoValue, out: None = None, **named: Any
) -> Any:
    low, high = (None if x is np._NoValue else x for x in (named.pop("min", a_min), named.pop("max", a_max)))
    if named:
        raise TypeError(f"clip() got unexpected arguments {sorted(named)}")
    value = a if isinstance(a, Value) else traced(r, a)
    if value.dtype.kind in "iu":
        limits = np.iinfo(value.dtype)
        low = None if type(low) is int and low <= limits.min else low
        high = None if type(high) is int and high >= limits.max else high
    present = [x for x in (low, high) if x is not None]
    if not present:
        return wrap(r, value._node, value._mask)
    if len(present) == 2:
        specs = [
            type(x)(0) if type(x) in WEAK else x.dtype if isinstance(x, Value) else plain(x).dtype for x in present
        ]
        value = wrap(r, cast(value._node, supported(np.result_type(value.dtype, *specs))), value._mask)
    for bound, name in ((low, "maximum"), (high, "minimum")):
        if bound is not None:
            value = wrap(r, *operate(r, name, (value, bound)))
    return value


implements(np.clip)(_clip)
UFUNC_METHODS["clip", "__call__"] = _clip


@implements(np.round, np.around)
def _round(r: Recorder, a: Any, decimals: int = 0, out: None = None) -> Any:
    if a.dtype.kind in "iub":
        if a.dtype == BOOL and decimals:
            raise TypeError("numpy boolean cannot be rounded to decimals; use astype first")
        if decimals >= 0:
            return wrap(r, cast(a._node, np.dtype(np.float16)) if a.dtype == BOOL else a._node, a._mask)
        raise tracing_error("Integers rounded to tens are not traced.", "np.round(w, -1)", "np.round(w / 10) * 10")
    if not decimals:
        return wrap(r, *operate(r, "rint", (a,)))
    scale = 10.0 ** abs(decimals)
    first, last = ("multiply", "divide") if decimals > 0 else ("divide", "multiply")
    scaled = wrap(r, *operate(r, first, (a, scale)))
    rounded = wrap(r, *operate(r, "rint", (scaled,)))
    return wrap(r, *operate(r, last, (rounded, scale)))


@implements(np.nan_to_num)
def _nan_to_num(r: Recorder, x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    node = x._node
    if node.dtype.kind != "f":
        return wrap(r, node, x._mask)
    limits = np.finfo(node.dtype)
    highest, lowest = (
        (float(limits.max) if posinf is None else posinf),
        (float(limits.min) if neginf is None else neginf),
    )
    result = elementwise("select", node.dtype, elementwise("isnan", BOOL, node), r.scalar(nan, node.dtype), node)
    for bound, value in ((math.inf, highest), (-math.inf, lowest)):
        hit = elementwise("equal", BOOL, node, constant(bound, node.dtype))
        result = elementwise("select", node.dtype, hit, r.scalar(value, node.dtype), result)
    return wrap(r, result, x._mask)


@implements(np.isclose)
def _isclose(r: Recorder, a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    x, y = traced(r, a), traced(r, b)
    near = (abs(x - y) <= atol + rtol * abs(y)) & np.isfinite(y) | (x == y)
    return near | (np.isnan(x) & np.isnan(y)) if equal_nan else near


@implements(np.tril)
def _tril(r: Recorder, m: Any, k: int = 0) -> Any:
    return _triangle(r, m, np.tril, k)


@implements(np.triu)
def _triu(r: Recorder, m: Any, k: int = 0) -> Any:
    return _triangle(r, m, np.triu, k)


def _triangle(r: Recorder, m: Any, function: Callable[..., Any], k: int) -> Any:
    value = traced(r, m)
    mask = function(np.ones(value.shape[-2:], dtype=bool), k)
    return wrap(r, *operate(r, "select", (mask, value, np.zeros((), value.dtype)[()])))


# -- like another array -----------------------------------------------------------------------------------------------


def _define_like(function: Any, fill: Any) -> None:
    def implementation(r: Recorder, a: Any, *args: Any, dtype: Any = None, shape: Any = None, **_: Any) -> Any:
        value = traced(r, a)
        wanted = value.dtype if dtype is None else supported(np.dtype(dtype))
        extents = value.shape if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
        node = node_of(r, args[0], wanted) if function is np.full_like else number(fill, wanted)
        return wrap(r, broadcast(node, extents))

    implements(function)(implementation)


_define_like(np.zeros_like, 0)
_define_like(np.empty_like, 0)
_define_like(np.ones_like, 1)
_define_like(np.full_like, None)


# -- ufuncs that are combinations of others ---------------------------------------------------------------------------


def _logaddexp(r: Recorder, a: Any, b: Any, exp: str, log: str) -> Any:
    """``log(exp(a) + exp(b))`` from the larger operand, so that nothing overflows; inf - inf is taken as 0."""
    specs = [type(x) if type(x) in WEAK else x.dtype if isinstance(x, Value) else plain(x).dtype for x in (a, b)]
    dtype = supported(np.logaddexp.resolve_dtypes((*specs, None))[-1])
    a, b = (
        wrap(r, cast(x._node, dtype), x._mask) if isinstance(x, Value) else np.asarray(x, dtype)[()] for x in (a, b)
    )
    (high, mask), (low, _) = operate(r, "maximum", (a, b)), operate(r, "minimum", (a, b))
    same = elementwise("equal", BOOL, high, low)
    difference = elementwise("subtract", dtype, low, high)
    gap = elementwise("select", dtype, same, constant(0.0, dtype), difference)
    small = elementwise(exp, dtype, gap)
    tail = elementwise("log1p", dtype, small)
    if log == "log2":
        tail = elementwise("multiply", dtype, tail, constant(1 / math.log(2), dtype))
    return wrap(r, elementwise("add", dtype, high, tail), mask)


UFUNC_METHODS["logaddexp", "__call__"] = lambda r, a, b: _logaddexp(r, a, b, "exp", "log")
UFUNC_METHODS["logaddexp2", "__call__"] = lambda r, a, b: _logaddexp(r, a, b, "exp2", "log2")
UFUNC_METHODS["power", "__call__"] = lambda r, a, b: wrap(r, *power(r, a, b))
UFUNC_METHODS["divmod", "__call__"] = lambda r, a, b: (
    wrap(r, *operate(r, "floor_divide", (a, b))),
    wrap(r, *operate(r, "remainder", (a, b))),
)


def _modf(r: Recorder, a: Any) -> Any:
    whole, mask = operate(r, "trunc", (a.astype(np.float64) if a.dtype.kind in "iub" else a,))
    rest = elementwise("subtract", whole.dtype, cast(a._node, whole.dtype), whole)
    endless = elementwise("isinf", BOOL, whole)
    rest = elementwise("select", whole.dtype, endless, constant(0.0, whole.dtype), rest)
    return wrap(r, elementwise("copysign", whole.dtype, rest, whole), mask), wrap(r, whole, mask)


UFUNC_METHODS["modf", "__call__"] = _modf
