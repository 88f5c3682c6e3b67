"""Moments: sums of products of deviations from means, of groups of samples that are merged.

A group of n samples is known by one of them, the pivot p (its first), by the sum S of its differences from the pivot,
and by the sum M of its squared deviations from its own mean. Of several groups together, with N samples,

    D_i = S_i + n_i (p_i - p),    S = sum(D_i),    M = sum(M_i) + sum((D_i - n_i S / N)**2 / n_i)

(Chan, Golub and LeVeque 1983, written for sums of differences). Nothing cancels: all terms of M are positive, and
differences between samples are as small as what is looked for. So a variance is never negative, that of a constant is
0, and the error does not grow with the mean of the data. For two values a and b the squares are products.

Integers need none of this (`integers.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kernelscape import expression as ex
from kernelscape.expression import DType, Node, Shape
from kernelscape.methods.columns import in_window_shape
from kernelscape.reductions.folds import number

PIVOT, SUM, PRODUCTS = "pivot", "sum", "products"
VALUES = ("a", "b")


@dataclass(frozen=True)
class Comoment:
    """The fold that carries the sum of differences of each value, and the sum of products of deviations.

    Of the samples themselves there are the values alone, as their own pivots.
    """

    dtype: DType

    @staticmethod
    def is_carried(name: str) -> bool:
        """Whether what has this name is made for groups; pivots are samples."""
        return not name.startswith(PIVOT)

    def combined(self, parts: Sequence[tuple[dict[str, Node], int]], axis: int, total: int) -> dict[str, Node]:
        """The fold along `axis` of some parts, each with the number of samples of its elements."""
        names = [n for n in VALUES if PIVOT + n in parts[0][0]]
        pivots = {n: _first(parts[0][0][PIVOT + n], axis) for n in names}
        away = [{n: self._differences(values, n, pivots[n], samples) for n in names} for values, samples in parts]
        sums = {n: self._total([ex.reduce("add", a[n], (axis,)) for a in away]) for n in names}
        means = {n: self._binary("divide", sums[n], number(total, self.dtype)) for n in names}
        terms = []
        for own, (values, samples) in zip(away, parts, strict=True):
            if PRODUCTS in values:
                terms.append(ex.reduce("add", values[PRODUCTS], (axis,)))
            rest = {n: self._less(own[n], means[n], samples, axis) for n in names}
            between = ex.reduce("add", self._binary("multiply", rest["a"], rest[names[-1]]), (axis,))
            terms.append(between if samples == 1 else self._times(between, 1 / samples))
        return {SUM + n: total_ for n, total_ in sums.items()} | {PRODUCTS: self._total(terms)}

    def result(self, values: dict[str, Node], like: Node) -> Node:
        return values[PRODUCTS]

    def _differences(self, values: dict[str, Node], name: str, pivot: Node, samples: int) -> Node:
        """Sums of differences from one pivot."""
        moved = self._binary("subtract", values[PIVOT + name], pivot)
        if samples == 1:
            return moved
        return self._binary("add", values[SUM + name], self._times(moved, samples))

    def _less(self, sums: Node, mean: Node, samples: int, axis: int) -> Node:
        """How far sums of so many samples are from what they would be at the mean."""
        wide = (*sums.shape[:axis], 1, *sums.shape[axis + 1 :])
        expected = mean if samples == 1 else self._times(mean, samples)
        return self._binary("subtract", sums, ex.reshape(expected, wide))

    def _times(self, node: Node, factor: float) -> Node:
        return self._binary("multiply", node, number(factor, self.dtype))

    def _total(self, terms: Sequence[Node]) -> Node:
        result = terms[0]
        for term in terms[1:]:
            result = self._binary("add", result, term)
        return result

    def _binary(self, operator: str, a: Node, b: Node) -> Node:
        return ex.elementwise(operator, self.dtype, a, b)


def _first(node: Node, axis: int) -> Node:
    """The first element along an axis, which stays."""
    shape = (*node.shape[:axis], 1, *node.shape[axis + 1 :])
    return ex.slice_(node, (0,) * node.ndim, (1,) * node.ndim, shape)


def deviations(node: ex.Reduce, shape: Shape) -> tuple[Node, Node] | None:
    """The values a and b of a sum of ``(a - mean(a)) * (b - mean(b))`` over whole windows; None where it is none."""
    if node.operation != "add" or node.where is not None or node.dtype.kind != "f":
        return None
    body = in_window_shape(node, shape)
    if not isinstance(body, ex.Elementwise) or body.operator not in ("multiply", "square"):
        return None
    found = [_value_of_deviation(o, shape) for o in (body.operands * 2)[:2]]
    return None if found[0] is None or found[1] is None else (found[0], found[1])


def _value_of_deviation(node: Node, shape: Shape) -> Node | None:
    """The value a of ``a - mean(a)``."""
    if not isinstance(node, ex.Elementwise) or node.operator != "subtract" or node.shape != shape:
        return None
    value, mean = node.operands
    while isinstance(mean, ex.Reshape | ex.Broadcast) and mean.body.size == 1:
        mean = mean.body
    if not isinstance(mean, ex.Elementwise) or mean.operator != "divide" or value.shape != shape:
        return None
    total, count = mean.operands
    while isinstance(total, ex.Reshape | ex.Broadcast) and total.body.size == 1:
        total = total.body
    if not isinstance(count, ex.Constant) or count.value != value.size or not isinstance(total, ex.Reduce):
        return None
    if isinstance(total, ex.ArgReduce) or total.operation != "add" or total.where is not None:
        return None
    summed = in_window_shape(total, shape)
    same = summed is not None and ex.structure([summed]) == ex.structure([value])
    return value if same else None
