"""How the values of a window are distributed: the most frequent one, how many differ, their entropy, their skewness.

Values are equal as ``==`` says, so that -0 is 0. A NaN among the elements that count makes the most frequent value, the
entropy and the skewness NaN, as it does a median; among different values all NaN are one, as in ``numpy.unique``.

Two ways to find out which values are equal: along sorted values equal ones are neighbours, and comparing all pairs
needs no order. Elements that do not count are sorted as a value that comes last: so the network is the one of all
elements, whatever counts.
"""

from __future__ import annotations

import math

import numpy as np

from kernelscape.expression import INT64, DType, Node, broadcast, cast, elementwise, reduce, reshape, runs, slice_
from kernelscape.expression import sort as sorted_node
from kernelscape.reductions.folds import (
    Number,
    binary,
    both,
    choose,
    compare,
    count,
    counter,
    counting,
    fold,
    highest,
    is_nan,
    kept,
    negated,
    normalized_axes,
    number,
)
from kernelscape.reductions.ranks import line_of, nan_checked, nan_if_empty
from kernelscape.reductions.statistics import F16, F32, F64, Axis
from kernelscape.semantics import run_fraction

LARGEST_SCAN = 1024
"""Elements up to which runs of equal values are followed along the sorted ones."""
LARGEST_HISTOGRAM = 16384
"""The same of elements of 8 bits all of which count: these need not be sorted."""


def longest_scan(dtype: DType, selected: bool) -> int:
    """Elements of a dtype up to which runs are followed; `selected`: not all of them count."""
    return LARGEST_SCAN if selected or dtype.itemsize > 1 else LARGEST_HISTOGRAM


def majority(
    body: Node, axis: Axis = None, *, keepdims: bool = False, where: Node | None = None, missing: bool = False
) -> Node:
    """The most frequent value; of several the smallest."""
    axes = normalized_axes(axis, body.ndim)
    line, mask = line_of(body, axes, where)
    if not line.shape[-1]:
        raise ValueError("zero-size array has no most frequent value")
    counts = counting(line, mask, missing)
    most = longest_scan(line.dtype, counts is not None)
    if line.shape[-1] > most:
        raise ValueError(f"expected at most {most} elements, got {line.shape[-1]}")
    ordered = _ordered(body, axes, where, missing, highest(body.dtype), numbers=True)
    result = runs("longest", ordered, _number_of(counts))
    if line.dtype.kind == "f":
        result = binary("add", result, number(0.0, line.dtype))
        elements = count(line, (line.ndim - 1,), mask, missing)
        result = nan_checked(nan_if_empty(result, elements, mask), line, mask)
    elif counts is not None:
        # A maximum is invalid where nothing is left, and so is what depends on it.
        mark = fold("maximum", compare("not_equal", line, line), (line.ndim - 1,), mask)
        result = choose(mark, result, result)
    return kept(result, body.shape, axes, keepdims)


def variety(
    body: Node, axis: Axis = None, *, keepdims: bool = False, where: Node | None = None, missing: bool = False
) -> Node:
    """How many values are different, as int64."""
    axes = normalized_axes(axis, body.ndim)
    line, mask = line_of(body, axes, where)
    extent = line.shape[-1]
    counts = counting(line, mask, missing)
    if not extent:
        found = reduce("add", cast(line, INT64), (line.ndim - 1,))
    elif line.dtype.kind == "f":
        ordered = _ordered(body, axes, where, missing, math.nan)
        found = runs("number", ordered, _number_of(both(counts, negated(is_nan(line)))))
        found = binary("add", found, cast(_some(is_nan(line), mask), INT64))
    else:
        found = runs("number", _ordered(body, axes, where, missing, highest(body.dtype)), _number_of(counts))
        if counts is not None:
            # Where no element exists this is invalid, and so is what depends on it.
            found = choose(_some(compare("equal", line, line), mask), found, found)
    return kept(found, body.shape, axes, keepdims)


def _number_of(counts: Node | None) -> Node | None:
    """How many elements count; None: all."""
    return None if counts is None else _total(counts, counter(counts.dtype, counts.shape[-1]))


def entropy(
    body: Node, axis: Axis = None, *, keepdims: bool = False, where: Node | None = None, missing: bool = False
) -> Node:
    """Shannon's entropy of the values' frequencies, in bits.

    With runs of c equal elements among n sorted ones, it is ``log2(n) - sum(c * log2(c)) / n``. The sum is one of
    integers (`run_bits`), so that it does not matter in which order and how equal elements were found.
    """
    axes = normalized_axes(axis, body.ndim)
    line, mask = line_of(body, axes, where)
    last, extent = line.ndim - 1, line.shape[-1]
    result = body.dtype if body.dtype.kind == "f" else F64
    elements = count(line, (last,), mask, missing, F64)
    counts = counting(line, mask, missing)
    total: Node = number(0.0, F64)
    if 0 < extent <= longest_scan(line.dtype, counts is not None):
        ordered = _ordered(body, axes, where, missing, highest(body.dtype), numbers=True)
        bits = cast(runs("bits", ordered, _number_of(counts)), F64)
        total = binary("multiply", bits, number(2.0 ** -run_fraction(extent), F64))
    elif extent:
        total = _bits_of_pairs(line, mask)
    bits = elementwise("log2", F64, elements)
    found = binary("subtract", bits, binary("divide", total, elements))
    # Two values have at least log2(n)/n bits: what is near 0 is rounding.
    found = choose(compare("less", found, number(1e-9, F64)), number(0.0, F64), found)
    found = nan_if_empty(cast(found, result), cast(elements, INT64), mask)
    if missing or body.dtype.kind == "f":
        # No integer differs from itself; but what is known of none is invalid.
        unordered = _some(compare("not_equal", line, line), mask)
        found = choose(unordered, number(math.nan, result), found)
    return kept(found, body.shape, axes, keepdims)


def _bits_of_pairs(line: Node, mask: Node | None) -> Node:
    """The sum of ``log2(c)`` over elements that equal c of those that count: without sorting.

    Logarithms of products are taken, as many factors at a time as float64 holds.
    """
    last, extent = line.ndim - 1, line.shape[-1]
    together = int(1000 / math.log2(max(extent, 2)))
    factors = cast(_equals(line, mask), F64)
    total: Node = number(0.0, F64)
    for n in range(0, extent, together):
        chosen = None if mask is None else _part(mask, n, together)
        product = fold("multiply", _part(factors, n, together), (last,), chosen)
        total = binary("add", total, elementwise("log2", F64, product))
    return total


def skew(
    body: Node, axis: Axis = None, *, keepdims: bool = False, where: Node | None = None, missing: bool = False
) -> Node:
    """The third central moment in units of the standard deviation; NaN where all values are equal up to rounding."""
    axes = normalized_axes(axis, body.ndim)
    result = body.dtype if body.dtype.kind == "f" else F64
    working = F32 if result == F16 else result
    elements = count(body, axes, where, missing, working)
    wide = cast(body, working)

    def mean(values: Node) -> Node:
        return binary("divide", fold("add", values, axes, where), elements)

    centre = mean(wide)
    deviation = binary("subtract", wide, kept(centre, body.shape, axes, True))
    squares = binary("multiply", deviation, deviation)
    second, third = mean(squares), mean(binary("multiply", squares, deviation))
    ratio = binary("divide", third, binary("multiply", second, elementwise("sqrt", working, second)))
    rounding = binary("multiply", centre, number(float(np.finfo(working).eps), working))
    flat = compare("less_equal", second, binary("multiply", rounding, rounding))
    found = choose(flat, number(math.nan, working), ratio)
    return kept(cast(found, result), body.shape, axes, keepdims)


# -- words ------------------------------------------------------------------------------------------------------------


def _total(flags: Node, dtype: DType) -> Node:
    return reduce("add", cast(flags, dtype), (flags.ndim - 1,))


def _some(flags: Node, mask: Node | None) -> Node:
    return fold("logical_or", flags, (flags.ndim - 1,), mask)


def _part(line: Node, start: int, extent: int) -> Node:
    """Elements of the last axis from `start` on, `extent` of them at most."""
    zeros = (0,) * (line.ndim - 1)
    shape = (*line.shape[:-1], min(extent, line.shape[-1] - start))
    return slice_(line, (*zeros, start), (1,) * line.ndim, shape)


def _ordered(
    body: Node, axes: tuple[int, ...], where: Node | None, missing: bool, filling: Number, *, numbers: bool = False
) -> Node:
    """The sorted elements along some axes, which come last; a value stands for those that do not count."""
    counts = counting(body, where, missing)
    if counts is not None:
        body = choose(broadcast(counts, body.shape), body, number(filling, body.dtype))
    line, _ = line_of(body, axes, None)
    return sorted_node(line, line.ndim - 1, numbers=numbers)


def _equals(line: Node, mask: Node | None) -> Node:
    """For each element of the last axis, how many that count are equal to it."""
    *rest, extent = line.shape
    dtype = counter(line.dtype, extent)
    same = compare("equal", reshape(line, (*rest, extent, 1)), reshape(line, (*rest, 1, extent)))
    chosen = None if mask is None else broadcast(reshape(mask, (*rest, 1, extent)), (*rest, extent, extent))
    found: Node = fold("add", cast(same, dtype), (line.ndim,), chosen)
    return found
