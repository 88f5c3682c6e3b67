"""Sums, moments and extrema, each said once as an expression of primitive folds.

All functions map a `Node` to a `Node` and follow NumPy's function of the same name in dtype, `axis` (None, an integer
or a tuple), `keepdims`, `where` (a bool node that broadcasts to the body) and `dtype`. `missing` says whether samples
may be invalid: divisors then are run-time counts of the valid elements, otherwise constants.

Where NumPy raises because nothing is selected (the minimum of no elements), floats give NaN here and integers are
invalid: what is selected is known only from data.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

import numpy as np

from kernelscape.expression import (
    BOOL,
    INT64,
    DType,
    Node,
    arg_reduce,
    broadcast,
    cast,
    concatenate,
    elementwise,
    pick,
    reshape,
    slice_,
)
from kernelscape.reductions.folds import (
    as_dtype,
    binary,
    both,
    choose,
    compare,
    count,
    counting,
    fold,
    is_nan,
    kept,
    negated,
    normalized_axes,
    number,
)
from kernelscape.semantics import result_dtypes

Axis = int | Iterable[int] | None
F16, F32, F64 = np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)


@cache
def sum_dtype(dtype: DType) -> DType:
    """The dtype of ``np.sum``: narrow integers and bool widen to 64 bits."""
    result: DType = np.add.reduce(np.zeros(1, dtype)).dtype
    return result


def sum_(
    body: Node,
    axis: Axis = None,
    *,
    dtype: DType | None = None,
    keepdims: bool = False,
    where: Node | None = None,
    initial: Node | None = None,
    missing: bool = False,
) -> Node:
    """``numpy.sum``."""
    return _folded("add", cast(body, dtype or sum_dtype(body.dtype)), axis, keepdims, where, initial)


def prod(
    body: Node,
    axis: Axis = None,
    *,
    dtype: DType | None = None,
    keepdims: bool = False,
    where: Node | None = None,
    initial: Node | None = None,
    missing: bool = False,
) -> Node:
    """``numpy.prod``."""
    return _folded("multiply", cast(body, dtype or sum_dtype(body.dtype)), axis, keepdims, where, initial)


def _folded(
    operation: str, body: Node, axis: Axis, keepdims: bool, where: Node | None, initial: Node | None = None
) -> Node:
    axes = normalized_axes(axis, body.ndim)
    return kept(fold(operation, body, axes, where, initial), body.shape, axes, keepdims)


def min_(
    body: Node,
    axis: Axis = None,
    *,
    keepdims: bool = False,
    where: Node | None = None,
    initial: Node | None = None,
    missing: bool = False,
) -> Node:
    """``numpy.min``; NaN when there is one."""
    return _extremum("minimum", body, axis, keepdims, where, initial)


def max_(
    body: Node,
    axis: Axis = None,
    *,
    keepdims: bool = False,
    where: Node | None = None,
    initial: Node | None = None,
    missing: bool = False,
) -> Node:
    """``numpy.max``; NaN when there is one."""
    return _extremum("maximum", body, axis, keepdims, where, initial)


def _extremum(operation: str, body: Node, axis: Axis, keepdims: bool, where: Node | None, initial: Node | None) -> Node:
    axes = normalized_axes(axis, body.ndim)
    if initial is None and not math.prod(body.shape[a] for a in axes):
        raise ValueError(f"zero-size array to reduction operation {operation} which has no identity")
    if where is not None and initial is not None:
        # What is not selected counts as the initial value, so that there is always something.
        body, where = choose(broadcast(where, body.shape), body, cast(initial, body.dtype)), None
    result = fold(operation, body, axes, where, initial)
    if where is not None and body.dtype.kind == "f":
        result = choose(fold("logical_or", broadcast(where, body.shape), axes), result, number(math.nan, body.dtype))
    return kept(result, body.shape, axes, keepdims)


def ptp(
    body: Node, axis: Axis = None, *, keepdims: bool = False, where: Node | None = None, missing: bool = False
) -> Node:
    """``numpy.ptp``: the maximum minus the minimum, wrapping for integers."""
    _, dtype = result_dtypes("subtract", (body.dtype, body.dtype))
    ends = [f(body, axis, keepdims=keepdims, where=where) for f in (max_, min_)]
    return elementwise("subtract", dtype, *ends)


def any_(
    body: Node, axis: Axis = None, *, keepdims: bool = False, where: Node | None = None, missing: bool = False
) -> Node:
    """``numpy.any``; NaN counts as true."""
    return _folded("logical_or", cast(body, BOOL), axis, keepdims, where)


def all_(
    body: Node, axis: Axis = None, *, keepdims: bool = False, where: Node | None = None, missing: bool = False
) -> Node:
    """``numpy.all``; NaN counts as true."""
    return _folded("logical_and", cast(body, BOOL), axis, keepdims, where)


def count_nonzero(
    body: Node, axis: Axis = None, *, keepdims: bool = False, where: Node | None = None, missing: bool = False
) -> Node:
    """``numpy.count_nonzero``."""
    return _folded("add", cast(cast(body, BOOL), INT64), axis, keepdims, where)


def argmin(
    body: Node, axis: int | None = None, *, keepdims: bool = False, where: Node | None = None, missing: bool = False
) -> Node:
    """``numpy.argmin``: the first minimum; the first NaN when there is one."""
    return _position("minimum", body, axis, keepdims, where)


def argmax(
    body: Node, axis: int | None = None, *, keepdims: bool = False, where: Node | None = None, missing: bool = False
) -> Node:
    """``numpy.argmax``: the first maximum; the first NaN when there is one."""
    return _position("maximum", body, axis, keepdims, where)


def _position(operation: str, body: Node, axis: int | None, keepdims: bool, where: Node | None) -> Node:
    axes = normalized_axes(axis, body.ndim)
    if not math.prod(body.shape[a] for a in axes):
        raise ValueError("attempt to get the position of the extremum of an empty sequence")
    return kept(arg_reduce(operation, body, axes, where), body.shape, axes, keepdims)


# -- moments ----------------------------------------------------------------------------------------------------------


def _mean_dtypes(body: Node, dtype: DType | None) -> tuple[DType, DType]:
    """The dtypes in which NumPy accumulates and returns means and variances."""
    if dtype is not None:
        return dtype, dtype
    if body.dtype.kind in "biu":
        return F64, F64
    return (F32, F16) if body.dtype == F16 else (body.dtype, body.dtype)


def _divided(total: Node, by: Node) -> Node:
    """``total / by`` in the dtype of `total`; integers (a `dtype=` of the user) divide as floats and truncate."""
    if total.dtype.kind == "f":
        return binary("divide", total, as_dtype(by, total.dtype))
    return cast(binary("divide", cast(total, F64), as_dtype(by, F64)), total.dtype)


def mean(
    body: Node,
    axis: Axis = None,
    *,
    dtype: DType | None = None,
    keepdims: bool = False,
    where: Node | None = None,
    missing: bool = False,
) -> Node:
    """``numpy.mean``; with missing samples, of the valid ones."""
    axes = normalized_axes(axis, body.ndim)
    working, result = _mean_dtypes(body, dtype)
    total = fold("add", cast(body, working), axes, where)
    divided = _divided(total, count(body, axes, where, missing))
    return kept(cast(divided, result), body.shape, axes, keepdims)


def var(
    body: Node,
    axis: Axis = None,
    *,
    dtype: DType | None = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Node | None = None,
    missing: bool = False,
) -> Node:
    """``numpy.var``: the mean squared deviation in two passes, which does not cancel."""
    axes = normalized_axes(axis, body.ndim)
    working, result = _mean_dtypes(body, dtype)
    elements = count(body, axes, where, missing)
    centre = _divided(fold("add", cast(body, working), axes, where), elements)
    common = np.result_type(body.dtype, working)
    deviation = binary("subtract", cast(body, common), cast(kept(centre, body.shape, axes, True), common))
    total = fold("add", cast(binary("multiply", deviation, deviation), working), axes, where)
    variance = _divided(total, _freedom(elements, ddof, body, axes, counting(body, where, missing) is None))
    return kept(cast(variance, result), body.shape, axes, keepdims)


def _freedom(elements: Node, ddof: float, body: Node, axes: tuple[int, ...], static: bool) -> Node:
    """``max(n - ddof, 0)``."""
    if static:
        return number(max(math.prod(body.shape[a] for a in axes) - ddof, 0), F64)
    if not ddof:
        return elements
    less = binary("subtract", cast(elements, F64), number(ddof, F64))
    return binary("maximum", less, number(0.0, F64))


def std(
    body: Node,
    axis: Axis = None,
    *,
    dtype: DType | None = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Node | None = None,
    missing: bool = False,
) -> Node:
    """``numpy.std``."""
    variance = var(body, axis, dtype=dtype, ddof=ddof, keepdims=keepdims, where=where, missing=missing)
    if variance.dtype.kind != "f":
        return cast(elementwise("sqrt", F64, cast(variance, F64)), variance.dtype)
    return elementwise("sqrt", variance.dtype, variance)


def average(
    body: Node,
    axis: Axis = None,
    *,
    weights: Node | None = None,
    keepdims: bool = False,
    where: Node | None = None,
    missing: bool = False,
) -> tuple[Node, Node]:
    """``numpy.average`` and the sum of the weights of the elements that count."""
    axes = normalized_axes(axis, body.ndim)
    if weights is None:
        result = mean(body, axis, keepdims=keepdims, where=where, missing=missing)
        total = kept(count(body, axes, where, missing, result.dtype), body.shape, axes, keepdims)
        return result, broadcast(total, result.shape)
    extra = (F64,) if body.dtype.kind in "biu" else ()
    dtype = np.result_type(body.dtype, weights.dtype, *extra)
    fitted = broadcast(cast(_weights(weights, body, axis, axes), dtype), body.shape)
    scale = fold("add", fitted, axes, counting(body, where, missing))
    total = fold("add", binary("multiply", cast(body, dtype), fitted), axes, where)
    return tuple(kept(n, body.shape, axes, keepdims) for n in (binary("divide", total, scale), scale))  # type: ignore[return-value]


def _weights(weights: Node, body: Node, axis: Axis, axes: tuple[int, ...]) -> Node:
    """Weights of the body's shape, or of the reduced axes' only."""
    if weights.shape == body.shape:
        return weights
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    if weights.shape != tuple(body.shape[a] for a in axes):
        raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
    return reshape(weights, tuple(n if i in axes else 1 for i, n in enumerate(body.shape)))


# -- running forms ----------------------------------------------------------------------------------------------------


def cumulative(operation: str, body: Node, axis: int | None, dtype: DType | None = None) -> Node:
    """``numpy.cumsum`` and ``cumprod``, unrolled: meant for axes of a window."""
    if axis is None:
        body, axis = reshape(body, (body.size,)), 0
    (axis,) = normalized_axes(axis, body.ndim)
    if dtype is None and operation in {"add", "multiply"}:
        dtype = sum_dtype(body.dtype)
    body = cast(body, dtype or body.dtype)
    one = tuple(1 if i == axis else n for i, n in enumerate(body.shape))
    parts: list[Node] = []
    for position in range(body.shape[axis]):
        element = reshape(pick(body, axis, position), one)
        parts.append(binary(operation, parts[-1], element) if parts else element)
    return concatenate(parts, axis) if parts else body


def diff(body: Node, n: int = 1, axis: int = -1) -> Node:
    """``numpy.diff``: differences of neighbours (inequality for bool)."""
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n!r}")
    if not body.ndim:
        raise ValueError("diff requires input that is at least one dimensional")
    (axis,) = normalized_axes(axis, body.ndim)
    for _ in range(n):
        shape = tuple(max(m - (i == axis), 0) for i, m in enumerate(body.shape))
        starts = [int(i == axis) for i in range(body.ndim)]
        ones = [1] * body.ndim
        ends = (
            slice_(body, starts if shape[axis] else [0] * body.ndim, ones, shape),
            slice_(body, [0] * body.ndim, ones, shape),
        )
        body = compare("not_equal", *ends) if body.dtype == BOOL else binary("subtract", *ends)
    return body


# -- forms that pass over NaN -----------------------------------------------------------------------------------------


def present(body: Node, where: Node | None) -> Node | None:
    """`where` without the NaN elements: what the nan- forms count."""
    return both(negated(is_nan(body)), where) if body.dtype.kind == "f" else where
