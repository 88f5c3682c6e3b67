"""Medians and quantiles: expressions of `Sort`.

When no element can be absent the rank is a *static* `Slice` of the sort of a flattened body, so that an engine may
prune its comparator network to that rank. With a selection or with missing samples the number of elements is data, and
the rank is a `Take` at a computed index.

NaN sorts last, and makes the result NaN. That is stated as ``logical_or`` of ``isnan`` over the body, for floats only:
an engine that sorts with an unordered flag has it for nothing, and the `Sort` is told that nobody looks at it then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from kernelscape.errors import unknown_name
from kernelscape.expression import (
    INT64,
    Constant,
    DType,
    Node,
    Shape,
    broadcast,
    cast,
    concatenate,
    elementwise,
    pick,
    reshape,
    sort,
    take,
    transpose,
)
from kernelscape.reductions.folds import (
    binary,
    choose,
    compare,
    count,
    fold,
    is_nan,
    kept,
    normalized_axes,
    number,
)
from kernelscape.reductions.statistics import F16, F32, F64, Axis

Rank = tuple[Node, Node, Node]
LARGEST_CLIMB = 256
"""Elements up to which a Sort says how the wanted rank depends on their number."""


def line_of(body: Node, axes: tuple[int, ...], where: Node | None) -> tuple[Node, Node | None]:
    """The reduced axes flattened into one, which comes last."""
    where = None if where is None else broadcast(where, body.shape)
    rest = tuple(i for i in range(body.ndim) if i not in axes)
    shape = (*(body.shape[i] for i in rest), math.prod(body.shape[i] for i in axes))

    def flat(node: Node) -> Node:
        return reshape(transpose(node, (*rest, *axes)), shape)

    return flat(body), None if where is None else flat(where)


def nan_checked(result: Node, line: Node, mask: Node | None, omits: bool = False) -> Node:
    """NaN where the line holds one, unless the mask `omits` them."""
    if line.dtype.kind != "f" or omits:
        return result
    unordered = fold("logical_or", is_nan(line), (line.ndim - 1,), mask)
    return choose(unordered, number(math.nan, result.dtype), result)


def nan_if_empty(result: Node, elements: Node, mask: Node | None) -> Node:
    """NaN where a selection is empty; where samples are missing the result is invalid already."""
    if mask is None or result.dtype.kind != "f":
        return result
    return choose(compare("equal", elements, number(0, elements.dtype)), number(math.nan, result.dtype), result)


def _index_dtype(extent: int) -> DType:
    """A narrow dtype for numbers of elements, for lanes as narrow."""
    return np.dtype(np.int16) if extent < 2**15 else INT64


def _climb(ranks: Sequence[int]) -> int | None:
    """The fact `climb` of a Sort: where the lower wanted rank among 1, 2, ... elements goes up; None where it jumps."""
    if not 0 < len(ranks) <= LARGEST_CLIMB or ranks[0] != 0:
        return None
    steps = [after - before for before, after in pairwise(ranks)]
    if not set(steps) <= {0, 1}:
        return None
    return sum(1 << n for n, step in enumerate(steps, 1) if step)


def sorted_(body: Node, axis: int | None = -1, where: Node | None = None) -> Node:
    """``numpy.sort``; None flattens first."""
    if axis is None:
        body, axis = reshape(body, (body.size,)), 0
        where = None if where is None else reshape(where, body.shape)
    (axis,) = normalized_axes(axis, body.ndim)
    return sort(body, axis, where)


def median(
    body: Node,
    axis: Axis = None,
    *,
    keepdims: bool = False,
    where: Node | None = None,
    missing: bool = False,
    omits: bool = False,
) -> Node:
    """``numpy.median``: the middle element, or the mean of the two middle ones.

    `omits` says that `where` leaves NaN out, so that there is none to look for.
    """
    axes = normalized_axes(axis, body.ndim)
    line, mask = line_of(body, axes, where)
    last = line.ndim - 1
    dtype = F64 if body.dtype.kind in "biu" else body.dtype
    extent, known = line.shape[last], mask is None and not missing
    climb = None if known else _climb([(n - 1) >> 1 for n in range(1, extent + 1)])
    ordered = sort(line, last, mask, numbers=mask is None, climb=climb)
    if not extent:
        result = broadcast(number(math.nan, dtype), line.shape[:-1])
    elif known:
        middle = [pick(ordered, last, rank) for rank in sorted({(extent - 1) // 2, extent // 2})]
        result = cast(middle[0], dtype) if extent % 2 else _halfway(middle[0], middle[1], dtype)
    else:
        elements = count(line, (last,), mask, missing, _index_dtype(extent))
        one = number(1, elements.dtype)
        index = binary("right_shift", binary("subtract", elements, one), one)
        lower, upper = take(ordered, last, index), take(ordered, last, binary("add", index, one))
        odd = compare("not_equal", binary("bitwise_and", elements, one), number(0, elements.dtype))
        result = nan_if_empty(choose(odd, cast(lower, dtype), _halfway(lower, upper, dtype)), elements, mask)
    return kept(nan_checked(result, line, mask, omits), body.shape, axes, keepdims)


def _halfway(lower: Node, upper: Node, dtype: DType) -> Node:
    working = F32 if dtype == F16 else dtype
    total = binary("add", cast(lower, working), cast(upper, working))
    return cast(binary("divide", total, number(2.0, working)), dtype)


# -- quantiles --------------------------------------------------------------------------------------------------------

# Parameters (alpha, beta) of the continuous methods: position n q + alpha + q (1 - alpha - beta) - 1.
# R. J. Hyndman and Y. Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50(4), 361-365 (1996).
_CONTINUOUS: dict[str, tuple[float, float]] = {
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
# Methods between the two neighbours of (n - 1) q, by the operator that rounds that position.
_DISCRETE: dict[str, str] = {"lower": "floor", "higher": "ceil", "nearest": "rint"}

_ROUNDING: dict[str, Callable[[float], float]] = {"floor": math.floor, "ceil": math.ceil, "rint": round}

METHODS: tuple[str, ...] = ("linear", "midpoint", *_DISCRETE, *_CONTINUOUS)


@cache
def quantile_dtype(dtype: DType, weak: bool, whole: bool, method: str) -> DType:
    """What ``numpy.quantile`` returns; `weak`: q is a Python number, `whole`: it is an integer."""
    q: Any = (0 if whole else 0.5) if weak else np.array([0 if whole else 0.5])
    result: Any = np.quantile(np.zeros(2, dtype), q, method=method)  # type: ignore[call-overload]
    return np.asarray(result).dtype


def quantile(
    body: Node,
    q: Any,
    axis: Axis = None,
    *,
    method: str = "linear",
    keepdims: bool = False,
    where: Node | None = None,
    missing: bool = False,
    omits: bool = False,
    scale: float = 1.0,
) -> Node:
    """``numpy.quantile``; `q` (a number or array) is part of the structure, because it decides ranks.

    `scale` is what `q` is divided by: 100 for percentiles. `omits` says that `where` leaves NaN out.
    """
    if method not in METHODS:
        raise unknown_name("quantile method", method, METHODS)
    weak = type(q) in {int, float}
    dtype = quantile_dtype(body.dtype, weak, weak and type(q) is int and scale == 1.0, method)
    fractions = np.asarray(q) if scale == 1.0 else np.true_divide(q, scale)
    if not np.all((fractions >= 0) & (fractions <= 1)):
        span = "[0, 1]" if scale == 1.0 else f"[0, {scale:g}]"
        raise ValueError(f"q must lie in {span}, got {q!r}")
    axes = normalized_axes(axis, body.ndim)
    line, mask = line_of(body, axes, where)
    elements, extent = None, line.shape[-1]
    if mask is not None or missing:
        elements = count(line, (line.ndim - 1,), mask, missing, _index_dtype(extent))
    parts = []
    for fraction in fractions.ravel():
        climb = None if elements is None else _climb(_ranks(extent, float(fraction), method))
        ordered = sort(line, line.ndim - 1, mask, numbers=mask is None, climb=climb)
        value = _quantile_of(ordered, float(fraction), method, dtype, elements)
        if elements is not None:
            value = nan_if_empty(value, elements, mask)
        parts.append(kept(nan_checked(value, line, mask, omits), body.shape, axes, keepdims))
    return _stacked(parts, fractions.shape)


def _stacked(parts: list[Node], leading: Shape) -> Node:
    if not leading:
        return parts[0]
    rows = [reshape(p, (1, *p.shape)) for p in parts]
    return reshape(concatenate(rows, 0), (*leading, *parts[0].shape))


def quantile_at(
    body: Node,
    fraction: Node,
    axis: Axis = None,
    *,
    method: str = "linear",
    where: Node | None = None,
    missing: bool = False,
    omits: bool = False,
) -> Node:
    """A quantile whose fraction in [0, 1] is data: a float64 node of shape ()."""
    axes = normalized_axes(axis, body.ndim)
    line, mask = line_of(body, axes, where)
    elements = count(line, (line.ndim - 1,), mask, missing)
    dtype = quantile_dtype(body.dtype, False, False, method)
    value = _between(
        sort(line, line.ndim - 1, mask, numbers=mask is None),
        *_computed_rank(elements, fraction, method),
        method,
        dtype,
    )
    return nan_checked(nan_if_empty(value, elements, mask), line, mask, omits)


def _quantile_of(ordered: Node, fraction: float, method: str, dtype: DType, elements: Node | None) -> Node:
    if elements is not None:
        return _between(ordered, *_computed_rank(elements, number(fraction, F64), method), method, dtype)
    extent = ordered.shape[-1]
    position = _position(extent, fraction, method)
    low = min(max(math.floor(position), 0), extent - 1)
    exact = position <= 0 or position >= extent - 1 or position == low
    lower = cast(pick(ordered, ordered.ndim - 1, low), dtype)
    if exact or method in _DISCRETE:
        return lower
    upper = cast(pick(ordered, ordered.ndim - 1, low + 1), dtype)
    weight = 0.5 if method == "midpoint" else position - low
    difference = binary("subtract", upper, lower)
    if weight >= 0.5:
        return binary("subtract", upper, binary("multiply", difference, _rounded(1 - weight, dtype)))
    return binary("add", lower, binary("multiply", difference, _rounded(weight, dtype)))


def _rounded(value: float, dtype: DType) -> Node:
    return number(float(dtype.type(value)), dtype)


def _position(extent: int, fraction: float, method: str) -> float:
    """Where the quantile lies among the elements 0..extent-1, as NumPy computes it."""
    if method in _CONTINUOUS:
        alpha, beta = _CONTINUOUS[method]
        return extent * fraction + (alpha + fraction * (1 - alpha - beta)) - 1
    position = (extent - 1) * fraction
    if method == "midpoint":
        return 0.5 * (math.floor(position) + math.ceil(position))
    return _ROUNDING[_DISCRETE[method]](position) if method in _DISCRETE else position


def _ranks(extent: int, fraction: float, method: str) -> list[int]:
    """The lower neighbour's rank among 1 to `extent` elements, as `_computed_rank` finds it."""
    if extent > LARGEST_CLIMB:
        return []
    found = []
    for n in range(1, extent + 1):
        if method in _CONTINUOUS:
            alpha, beta = _CONTINUOUS[method]
            position = n * fraction + (alpha + fraction * (1 - alpha - beta)) - 1
        else:
            position = (n - 1) * fraction
            if method in _DISCRETE:
                position = _ROUNDING[_DISCRETE[method]](position)
        found.append(math.floor(min(max(position, 0.0), n - 1.0)))
    return found


def _computed_rank(elements: Node, fraction: Node, method: str) -> Rank:
    """Indices of both neighbours (int64) and the weight of the upper one (float64), from a count that is data."""
    one, zero = number(1.0, F64), number(0.0, F64)
    before = binary("subtract", elements, number(1, elements.dtype))
    last = cast(binary("maximum", before, number(0, elements.dtype)), F64)
    if method in _CONTINUOUS:
        alpha, beta = _CONTINUOUS[method]
        slope = binary("multiply", fraction, number(1 - alpha - beta, F64))
        offset = binary("add", number(alpha, F64), slope)
        position = binary("add", binary("multiply", cast(elements, F64), fraction), offset)
        position = binary("subtract", position, one)
    else:
        position = binary("multiply", last, fraction)
        if method in _DISCRETE:
            position = elementwise(_DISCRETE[method], F64, position)
    if method in _CONTINUOUS or not isinstance(fraction, Constant):
        # A fraction that is known lies between 0 and 1.
        position = binary("minimum", binary("maximum", position, zero), last)
    low = elementwise("floor", F64, position)
    weight = binary("subtract", position, low)
    if method == "midpoint":
        weight = choose(compare("greater", weight, zero), number(0.5, F64), zero)
    # Behind the last one nothing is looked at, since the weight is 0 there.
    index = cast(low, INT64)
    return index, binary("add", index, number(1, INT64)), weight


def _between(ordered: Node, low: Node, high: Node, weight: Node, method: str, dtype: DType) -> Node:
    axis = ordered.ndim - 1
    index_shape = ordered.shape[:-1]
    lower = cast(take(ordered, axis, broadcast(low, index_shape)), dtype)
    if method in _DISCRETE:
        return lower
    upper = cast(take(ordered, axis, broadcast(high, index_shape)), dtype)
    difference = binary("subtract", upper, lower)
    one = number(1.0, F64)
    rest = cast(binary("subtract", one, weight), dtype)
    far = binary("subtract", upper, binary("multiply", difference, rest))
    near = binary("add", lower, binary("multiply", difference, cast(weight, dtype)))
    mixed = choose(compare("greater_equal", weight, number(0.5, F64)), far, near)
    return choose(compare("equal", weight, number(0.0, F64)), lower, mixed)


def fraction(q: Node, scale: float) -> Node:
    """A quantile's fraction that is data: `q` in float64, divided by `scale` (100 for percentiles)."""
    return q if scale == 1.0 else binary("divide", q, number(scale, F64))
