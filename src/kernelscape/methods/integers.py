"""Integers: sums of them in the narrowest dtype that holds them, and their moments without rounding.

NumPy widens integers before it sums them, to 64 bits, and to float64 for means and variances. The sum of a window of
narrow integers needs far fewer bits, and a register has room for more of them; converted when it is complete, it is the
same number, since floats hold integers of up to 53 bits exactly. For the same reason a sum of products of deviations is
exact as N sum(a b) - sum(a) sum(b), but for one division: nothing is lost where it cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kernelscape import expression as ex
from kernelscape.expression import DType, Node, Shape
from kernelscape.methods.moments import deviations
from kernelscape.reductions.folds import number

EXACT = {np.dtype(np.float64): 2**53, np.dtype(np.float32): 2**24}
"""Integers below this are exact in a float."""


def with_narrow_sums(outputs: Sequence[Node]) -> tuple[Node, ...]:
    """The outputs with sums of integers in as few bits as hold them, and moments of integers as exact sums."""
    # Deviations first, since they are known by the means in them, which are sums, too.
    for change in (_exact_moment, _narrow_sum):

        def rule(node: Node, change: Callable[[ex.Reduce], Node | None] = change) -> Node | None:
            is_sum = isinstance(node, ex.Reduce) and not isinstance(node, ex.ArgReduce) and node.operation == "add"
            return change(node) if is_sum else None  # type: ignore[arg-type]

        outputs = ex.rebuild(outputs, rule)
    return tuple(outputs)


def narrow_quotient(node: Node, output: DType) -> Node:
    """A mean of integers that is stored as an integer, by the cheapest arithmetic that rounds to the same one.

    A quotient s / n is a half integer for even n only. Where n is odd, rounding is ``(s + n // 2) // n``; and s / n
    differs from every half integer by 1 / 2n at least, so that s times 1 / n in float32, which is off by less than
    ``2**-23 * s / n`` and a little, is rounded to the same integer where ``|s| < 2**21``. Where n is even, a division
    in float32 is, where ``|s| < 2**23``: it gives half integers as they are, and moves others by less.
    """
    known = _mean_of_integers(node)
    if output.kind not in "iu" or known is None:
        return node
    fold, count, limit = known
    is_odd, dtype = count % 2 == 1, fold.dtype
    if is_odd and dtype.kind == "u" and dtype.itemsize <= 2 and limit + count // 2 <= np.iinfo(dtype).max:
        moved = ex.elementwise("add", dtype, fold, number(count // 2, dtype))
        return ex.elementwise("floor_divide", dtype, moved, number(count, dtype))
    if limit >= 2**23:
        return node
    real: DType = np.dtype(np.float32)
    if is_odd and limit < 2**21:
        return ex.elementwise("multiply", real, ex.cast(fold, real), number(float(np.float32(1 / count)), real))
    return ex.elementwise("divide", real, ex.cast(fold, real), number(count, real))


def _mean_of_integers(node: Node) -> tuple[ex.Reduce, int, int] | None:
    """A sum of integers, the whole number by which it is divided, and what it cannot exceed by magnitude."""
    if not isinstance(node, ex.Elementwise) or node.operator != "divide" or node.dtype != np.float64:
        return None
    total, count = node.operands
    if not isinstance(count, ex.Constant) or count.value != int(count.value) or count.value < 1:
        return None
    if not isinstance(total, ex.Elementwise) or total.operator != "cast":
        return None
    fold = total.operands[0]
    if not isinstance(fold, ex.Reduce) or fold.operation != "add":
        return None
    body = fold.body
    if isinstance(body, ex.Elementwise) and body.operator == "cast":
        body = body.operands[0]
    if body.dtype.kind not in "biu" or fold.dtype.kind not in "iu":
        return None
    return fold, int(count.value), fold.body.size * spread(body.dtype)


def spread(dtype: DType) -> int:
    """The largest magnitude of integers."""
    limits = np.iinfo(np.uint8 if dtype.kind == "b" else dtype)
    return 1 if dtype.kind == "b" else max(int(limits.max), -int(limits.min))


def narrowest(limit: int, *, signed: bool) -> DType | None:
    """The narrowest dtype of integers that holds all magnitudes up to a limit."""
    names = (f"{'int' if signed else 'uint'}{bits}" for bits in (8, 16, 32, 64))
    return next((np.dtype(name) for name in names if limit <= np.iinfo(name).max), None)


def _narrow_sum(node: ex.Reduce) -> Node | None:
    body = node.body
    if not isinstance(body, ex.Elementwise) or body.operator != "cast":
        return None
    inner = body.operands[0]
    if inner.dtype.kind not in "biu" or inner.dtype.itemsize > 4 or isinstance(inner, ex.Valid):
        return None
    taps = int(np.prod([node.body.shape[a] for a in node.axes]))
    limit = taps * spread(inner.dtype)
    if node.dtype.kind == "f" and limit > EXACT.get(node.dtype, 0):
        return None
    if node.dtype.kind in "iu" and limit > np.iinfo(node.dtype).max:
        return None
    if inner.dtype.kind == "i" and node.dtype.kind == "u":
        return None
    narrow = narrowest(limit, signed=inner.dtype.kind == "i")
    if narrow is None or narrow.itemsize >= node.dtype.itemsize or node.dtype.kind == "b":
        return None
    return ex.cast(ex.reduce("add", ex.cast(inner, narrow), node.axes, node.where), node.dtype)


def _exact_moment(node: ex.Reduce) -> Node | None:
    pair = deviations(node, node.body.shape)
    if pair is None or node.dtype != np.float64:
        return None
    a, b = (_integers(p) for p in pair)
    return None if a is None or b is None else _exact(a, b, node.dtype, node.body.shape)


def _integers(node: Node) -> Node | None:
    """What was converted to floats, if that were narrow integers."""
    if not isinstance(node, ex.Elementwise) or node.operator != "cast":
        return None
    inner = node.operands[0]
    if inner.dtype.kind == "b":
        return ex.cast(inner, np.dtype(np.uint8))
    return inner if inner.dtype.kind in "iu" and inner.dtype.itemsize <= 2 else None


def _exact(a: Node, b: Node, dtype: DType, shape: Shape) -> Node | None:
    samples, axes = a.size, range(len(shape))
    if samples**2 * spread(a.dtype) * spread(b.dtype) >= EXACT[dtype]:
        return None
    signed = "i" in (a.dtype.kind, b.dtype.kind)
    each = spread(a.dtype) * spread(b.dtype)
    one, all_of_them = narrowest(each, signed=signed), narrowest(each * samples, signed=signed)
    assert one is not None
    assert all_of_them is not None
    product = ex.elementwise("multiply", one, ex.cast(a, one), ex.cast(b, one))
    sums = []
    for value in (a, b):
        kind = narrowest(samples * spread(value.dtype), signed=value.dtype.kind == "i")
        assert kind is not None
        sums.append(ex.cast(ex.reduce("add", ex.cast(value, kind), axes), dtype))
    total = ex.cast(ex.reduce("add", ex.cast(product, all_of_them), axes), dtype)
    scaled = ex.elementwise("multiply", dtype, total, number(samples, dtype))
    difference = ex.elementwise("subtract", dtype, scaled, ex.elementwise("multiply", dtype, *sums))
    return ex.elementwise("divide", dtype, difference, number(samples, dtype))
