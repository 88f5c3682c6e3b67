"""Moments: sums of products of deviations from means, of groups of samples that are merged.

For a group of n samples the sum S of its values and the sum M of its squared deviations from its own mean are kept. The
deviations of several groups together, of N samples, are those inside of the groups and those of the groups' means::

    M = sum(M_i) + sum((S_i - n_i S / N)**2 / n_i)

(Chan, Golub and LeVeque 1983, written for sums instead of means). Nothing cancels: all terms are positive, so that a
variance is never negative, and its error does not grow with the mean of the data more than that of the definition.
For two values a and b the squares are products of their deviations.

Integers need none of this (`integers.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kernelscape import expression as ex
from kernelscape.expression import DType, Node, Shape
from kernelscape.methods.columns import in_window_shape
from kernelscape.reductions.folds import number


@dataclass(frozen=True)
class Comoment:
    """The fold that carries ``a`` (and ``b``, where it is another value), the sums, and ``m``, as above."""

    dtype: DType

    def combined(self, parts: Sequence[tuple[dict[str, Node], int]], axis: int, total: int) -> dict[str, Node]:
        """The fold along `axis` of some parts, each with the number of samples of its elements."""
        names = [n for n in ("a", "b") if n in parts[0][0]]
        sums: dict[str, Node] = {
            n: self._total([ex.reduce("add", values[n], (axis,)) for values, _ in parts]) for n in names
        }
        means = {n: self._binary("divide", total_, number(total, self.dtype)) for n, total_ in sums.items()}
        terms = []
        for values, samples in parts:
            if "m" in values:
                terms.append(ex.reduce("add", values["m"], (axis,)))
            away = {n: self._away(values[n], means[n], samples, axis) for n in names}
            product = self._binary("multiply", away["a"], away[names[-1]])
            between = ex.reduce("add", product, (axis,))
            terms.append(
                between if samples == 1 else self._binary("multiply", between, number(1 / samples, self.dtype))
            )
        return sums | {"m": self._total(terms)}

    def result(self, values: dict[str, Node], like: Node) -> Node:
        return values["m"]

    def _away(self, sums: Node, mean: Node, samples: int, axis: int) -> Node:
        """How far sums of so many samples are from what they would be at the mean."""
        expected = mean if samples == 1 else self._binary("multiply", mean, number(samples, self.dtype))
        wide = (*sums.shape[:axis], 1, *sums.shape[axis + 1 :])
        return self._binary("subtract", sums, ex.reshape(expected, wide))

    def _total(self, terms: Sequence[Node]) -> Node:
        result = terms[0]
        for term in terms[1:]:
            result = self._binary("add", result, term)
        return result

    def _binary(self, operator: str, a: Node, b: Node) -> Node:
        return ex.elementwise(operator, self.dtype, a, b)


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
