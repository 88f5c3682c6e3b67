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

from kernelscape.expression import BOOL, INT64, DType, Node, broadcast, cast, elementwise, pick, reduce, reshape, slice_
from kernelscape.expression import sort as sorted_node
from kernelscape.reductions.folds import (
    Number,
    binary,
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

LARGEST_SCAN = 1024
"""Elements up to which runs of equal values are followed along the sorted ones, in code that is written out."""


def majority(
    body: Node, axis: Axis = None, *, keepdims: bool = False, where: Node | None = None, missing: bool = False
) -> Node:
    """The most frequent value; of several the smallest."""
    axes = normalized_axes(axis, body.ndim)
    line, mask = line_of(body, axes, where)
    if not line.shape[-1]:
        raise ValueError("zero-size array has no most frequent value")
    if line.shape[-1] > LARGEST_SCAN:
        raise ValueError(f"expected at most {LARGEST_SCAN} elements, got {line.shape[-1]}")
    counts = counting(line, mask, missing)
    ordered = _ordered(body, axes, where, missing, highest(body.dtype), numbers=True)
    result = _longest_run(ordered, counts)
    if line.dtype.kind == "f":
        result = binary("add", result, number(0.0, line.dtype))
        elements = count(line, (line.ndim - 1,), mask, missing)
        result = nan_checked(nan_if_empty(result, elements, mask), line, mask)
    elif counts is not None:
        # A maximum is invalid where nothing is left, and so is what depends on it.
        mark = fold("maximum", compare("not_equal", line, line), (line.ndim - 1,), mask)
        result = choose(mark, result, result)
    return kept(result, body.shape, axes, keepdims)


def _longest_run(ordered: Node, counts: Node | None) -> Node:
    """The value of the first longest run of equal values along the sorted ones."""
    dtype = counter(ordered.dtype, ordered.shape[-1])
    one = number(1, dtype)
    value, run, longest = pick(ordered, ordered.ndim - 1, 0), one, one
    for rank, equal in enumerate(_links(ordered, counts), 1):
        run = choose(equal, binary("add", run, one), one)
        value = choose(compare("greater", run, longest), pick(ordered, ordered.ndim - 1, rank), value)
        longest = binary("maximum", longest, run)
    return value


def _links(ordered: Node, counts: Node | None) -> list[Node]:
    """For each but the first of the sorted values, whether it equals the one before, if both count."""
    last, extent = ordered.ndim - 1, ordered.shape[-1]
    dtype = counter(ordered.dtype, extent)
    there = None if counts is None else _total(counts, dtype)
    found = []
    for rank in range(1, extent):
        equal = compare("equal", pick(ordered, last, rank), pick(ordered, last, rank - 1))
        if there is not None:
            # Behind the elements that count come values that stand for the others.
            equal = elementwise("logical_and", BOOL, equal, compare("greater", there, number(rank, dtype)))
        found.append(equal)
    return found


def variety(
    body: Node, axis: Axis = None, *, keepdims: bool = False, where: Node | None = None, missing: bool = False
) -> Node:
    """How many values are different, as int64."""
    axes = normalized_axes(axis, body.ndim)
    line, mask = line_of(body, axes, where)
    extent = line.shape[-1]
    counts = counting(line, mask, missing)
    ordered = _ordered(body, axes, where, missing, math.nan if body.dtype.kind == "f" else highest(body.dtype))
    dtype = counter(line.dtype, extent)
    steps = number(0, dtype)
    if extent > 1:
        ends = (_part(ordered, 0, extent - 1), _part(ordered, 1, extent - 1))
        # No number is less than a NaN: steps lead from number to number.
        steps = _total(compare("less", *ends), dtype)
    if line.dtype.kind == "f":
        kinds = [_some(negated(is_nan(line)), mask), _some(is_nan(line), mask)]
        found = binary("add", binary("add", steps, cast(kinds[0], dtype)), cast(kinds[1], dtype))
    else:
        found = binary("add", steps, number(int(extent > 0), dtype))
        if counts is not None:
            found = binary("subtract", found, cast(_stranger(line, counts, mask), dtype))
    return kept(cast(found, INT64), body.shape, axes, keepdims)


def _stranger(line: Node, counts: Node, mask: Node | None) -> Node:
    """Whether the value that stands for what does not count is none of those that do; invalid where nothing is left."""
    top = number(highest(line.dtype), line.dtype)
    gaps = fold("logical_or", negated(counts), (line.ndim - 1,))
    known = _some(compare("equal", line, top), mask)
    return elementwise("logical_and", BOOL, gaps, negated(known))


def entropy(
    body: Node, axis: Axis = None, *, keepdims: bool = False, where: Node | None = None, missing: bool = False
) -> Node:
    """Shannon's entropy of the values' frequencies, in bits.

    With c equal elements for each of n, it is ``log2(n) - sum(log2(c)) / n``; logarithms of products are taken, as
    many factors at a time as float64 holds.
    """
    axes = normalized_axes(axis, body.ndim)
    line, mask = line_of(body, axes, where)
    last, extent = line.ndim - 1, line.shape[-1]
    result = body.dtype if body.dtype.kind == "f" else F64
    elements = count(line, (last,), mask, missing, F64)
    together = int(1000 / math.log2(max(extent, 2)))
    if extent <= LARGEST_SCAN:
        counts = counting(line, mask, missing)
        ordered = _ordered(body, axes, where, missing, highest(body.dtype), numbers=True)
        products = _products_of_runs(ordered, counts, together)
    else:
        factors = cast(_equals(line, mask), F64)
        products = [
            fold("multiply", _part(factors, n, together), (last,), None if mask is None else _part(mask, n, together))
            for n in range(0, extent, together)
        ]
    total: Node = number(0.0, F64)
    for product in products:
        total = binary("add", total, elementwise("log2", F64, product))
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


def _products_of_runs(ordered: Node, counts: Node | None, together: int) -> list[Node]:
    """Products of as many factors: for each sorted value, how many that count are equal to it; 1 for the others."""
    if not ordered.shape[-1]:
        return []
    one = number(1, counter(ordered.dtype, ordered.shape[-1]))
    links = _links(ordered, counts)
    runs: list[Node] = [one]
    for equal in links:
        runs.append(choose(equal, binary("add", runs[-1], one), one))
    # A run's length is known at its end, and goes back to its beginning.
    lengths = [runs[-1]]
    for equal, run in zip(reversed(links), reversed(runs[:-1]), strict=True):
        lengths.append(choose(equal, lengths[-1], run))
    products = []
    for start in range(0, len(lengths), together):
        product: Node = number(1.0, F64)
        for length in lengths[start : start + together]:
            product = binary("multiply", product, cast(length, F64))
        products.append(product)
    return products


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
