"""The primitive folds: the operations that a `Reduce` node may carry, with the facts that passes rely on.

A fold is an operator of ``semantics.py`` applied again and again, starting from its identity. Every other reduction
(mean, median, norm, ...) is an expression made of these, so planner and backends need to know six rows and no more.
Facts hold for every dtype unless they say for which kinds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from kernelscape.expression import (
    BOOL,
    INT64,
    Constant,
    DType,
    Node,
    Shape,
    broadcast,
    cast,
    constant,
    elementwise,
    reduce,
    reshape,
    valid,
)

Number = bool | int | float


@dataclass(frozen=True, slots=True)
class Fold:
    """What is known of one fold.

    Attributes
    ----------
    operator : str
        Its element-wise operator.
    identity : callable
        dtype -> the value that changes nothing, with which absent elements may be filled.
    idempotent : bool
        An element may be counted twice, so overlapping blocks can be combined.
    inverse : str or None
        The operator that takes an element out again.
    exact : str
        Dtype kinds for which any order of evaluation gives the same bits.
    empty_is_identity : bool
        A fold over no selected element is the identity; otherwise there is no such value, and the result is invalid.
    """

    operator: str
    identity: Callable[[DType], Number]
    idempotent: bool
    inverse: str | None
    exact: str
    commutative: bool = True
    empty_is_identity: bool = True


def highest(dtype: DType) -> Number:
    """The largest value of a dtype; infinity for floats."""
    if dtype.kind == "f":
        return math.inf
    return True if dtype.kind == "b" else int(np.iinfo(dtype).max)


def lowest(dtype: DType) -> Number:
    """The smallest value of a dtype; minus infinity for floats."""
    if dtype.kind == "f":
        return -math.inf
    return False if dtype.kind == "b" else int(np.iinfo(dtype).min)


def _number(value: int) -> Callable[[DType], Number]:
    def identity(dtype: DType) -> Number:
        # -0.0 + x is x for every x, 0.0 + -0.0 is not.
        return float(value or -0.0) if dtype.kind == "f" else bool(value) if dtype.kind == "b" else value

    return identity


FOLDS: dict[str, Fold] = {
    fold.operator: fold
    for fold in (
        Fold("add", _number(0), idempotent=False, inverse="subtract", exact="biu"),
        Fold("multiply", _number(1), idempotent=False, inverse=None, exact="biu"),
        Fold("minimum", highest, idempotent=True, inverse=None, exact="biuf", empty_is_identity=False),
        Fold("maximum", lowest, idempotent=True, inverse=None, exact="biuf", empty_is_identity=False),
        Fold("logical_and", _number(1), idempotent=True, inverse=None, exact="b"),
        Fold("logical_or", _number(0), idempotent=True, inverse=None, exact="b"),
    )
}


# -- the words in which reductions are written ------------------------------------------------------------------------


def normalized_axes(axis: int | Iterable[int] | None, ndim: int) -> tuple[int, ...]:
    """NumPy's `axis` argument as sorted non-negative axes; None is all of them.

    Raises
    ------
    numpy.exceptions.AxisError, ValueError
        As NumPy does for an axis out of range or given twice.
    """
    if axis is None:
        return tuple(range(ndim))
    given = tuple(axis) if isinstance(axis, Iterable) else (axis,)
    axes = []
    for a in given:
        if not -ndim <= a < ndim:
            raise np.exceptions.AxisError(a, ndim)
        axes.append(int(a) % ndim)
    if len(set(axes)) != len(axes):
        raise ValueError("duplicate value in 'axis'")
    return tuple(sorted(axes))


def kept(result: Node, shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Node:
    """`result` with the reduced axes as axes of extent 1, when asked."""
    if not keepdims:
        return result
    return reshape(result, tuple(1 if i in axes else n for i, n in enumerate(shape)))


def number(value: Number, dtype: DType) -> Node:
    """A constant of the dtype's kind."""
    kind = dtype.kind
    return constant(float(value) if kind == "f" else bool(value) if kind == "b" else int(value), dtype)


def as_dtype(body: Node, dtype: DType) -> Node:
    """A cast that a constant number takes at once."""
    if isinstance(body, Constant) and dtype.kind == "f" and body.dtype != dtype:
        return number(float(dtype.type(body.value)), dtype)
    return cast(body, dtype)


def binary(operator: str, a: Node, b: Node) -> Node:
    """An operator whose operands and result have one dtype."""
    return elementwise(operator, a.dtype, a, b)


def compare(operator: str, a: Node, b: Node) -> Node:
    return elementwise(operator, BOOL, a, b)


def choose(condition: Node, yes: Node, no: Node) -> Node:
    return elementwise("select", yes.dtype, condition, yes, no)


def is_nan(body: Node) -> Node:
    return elementwise("isnan", BOOL, body)


def negated(mask: Node) -> Node:
    return elementwise("logical_not", BOOL, mask)


def both(a: Node | None, b: Node | None) -> Node | None:
    """The conjunction of two masks, either of which may be absent."""
    if a is None or b is None:
        return b if a is None else a
    return elementwise("logical_and", BOOL, a, b)


def counting(body: Node, where: Node | None, missing: bool) -> Node | None:
    """Which elements a reduction of `body` counts, as a mask without invalid elements; None when that is all of them.

    The flags of `where` itself are its own: a condition that is invalid makes the element not count.
    """
    if not missing:
        return where
    mask = valid(body)
    if where is None:
        return mask
    known = elementwise("logical_and", BOOL, mask, valid(where))
    return choose(known, where, number(False, BOOL))


def count(body: Node, axes: tuple[int, ...], where: Node | None, missing: bool, dtype: DType = INT64) -> Node:
    """How many elements along `axes` count, in a `dtype` that holds it: a constant when that is known beforehand."""
    mask = counting(body, where, missing)
    if mask is None:
        return number(math.prod(body.shape[a] for a in axes), dtype)
    small = counter(body.dtype, math.prod(body.shape[a] for a in axes))
    total = reduce("add", cast(broadcast(mask, body.shape), small), axes)
    return cast(total, dtype)


def counter(dtype: DType, most: int) -> DType:
    """A dtype in which to count up to `most` elements: as wide as these, so that as many fit into a vector, if it can.

    Only what is a truth value may be counted in it: sums of data have the dtypes of NumPy.
    """
    width = 4 if dtype == np.float16 else dtype.itemsize
    return next(np.dtype(f"i{n}") for n in (1, 2, 4, 8) if width <= n and most < 1 << (8 * n - 1))


def fold(
    operation: str, body: Node, axes: tuple[int, ...], where: Node | None = None, initial: Node | None = None
) -> Node:
    """One primitive fold; float16 is accumulated in float32 and rounded once."""
    if body.dtype == np.float16 and operation in {"add", "multiply"}:
        wide = np.dtype(np.float32)
        first = None if initial is None else cast(initial, wide)
        return cast(fold(operation, cast(body, wide), axes, where, first), body.dtype)
    result: Node = reduce(operation, body, axes, where)
    return result if initial is None else binary(operation, result, cast(initial, body.dtype))
