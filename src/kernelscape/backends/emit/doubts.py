"""Whether a NaN may have been met, found out beside a fold of extrema instead of in it.

An instruction for the smaller or larger of two numbers forgets NaN, and a comparison for every sample would cost as
much as the fold itself. Additions have execution units of their own, so the samples are summed: the sum is NaN when a
sample is (or for infinities of both signs; then the fold is only done again in vain). Where the body is a product of
samples and weights, the samples are summed instead of the products, each once for all output rows that read it: if
their sum and that of the weights are finite, no product is NaN.
"""

from __future__ import annotations

from functools import reduce
from itertools import product

from kernelscape import expression as ex
from kernelscape.backends.emit.values import Emitter, Index, Lane, project
from kernelscape.backends.ir import I1, Value, constant
from kernelscape.backends.operators.masks import any_lane


class Doubts:
    """What one sweep over the samples of some folds adds up."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter, self.builder = emitter, emitter.builder
        self._sums: dict[tuple[int, str, bool], Value] = {}
        self._seen: set[tuple[str, bool]] = set()
        self._weights: dict[int, ex.Node] = {}

    def __bool__(self) -> bool:
        return bool(self._sums)

    def add(self, fold: ex.Reduce, place: Index, lane: Lane, value: Value) -> None:
        """Suspects one element of the body of a fold, whose value is `value`."""
        body = fold.body
        factors = self._factors(body)
        if factors is None:
            self._sum(value, lane, finite=False)
            return
        samples, weights = factors
        self._weights[id(weights)] = weights
        sample = self.emitter.operand(fold, samples, project(place, samples.shape, body.shape), lane)
        self._sum(sample.value, lane, finite=True)

    def _factors(self, body: ex.Node) -> tuple[ex.Node, ex.Node] | None:
        """Samples and weights of a product, in this order."""
        if not isinstance(body, ex.Elementwise) or body.operator != "multiply":
            return None
        uniform = self.emitter.uniform
        for samples, weights in (body.operands, body.operands[::-1]):
            if isinstance(samples, ex.Window) and id(weights) in uniform:
                return samples, weights
        return None

    def _sum(self, value: Value, lane: Lane, *, finite: bool) -> None:
        if (value.name, finite) in self._seen:
            return
        self._seen.add((value.name, finite))
        key = (lane[1], value.type.element, finite)
        known = self._sums.get(key)
        self._sums[key] = value if known is None else self.builder.fadd(known, value)

    def unknown(self) -> Value:
        """Whether the fold has to be done again with an eye on NaN: a scalar i1."""
        builder = self.builder
        flags = []
        for (_, _, finite), total in self._sums.items():
            # x - x is NaN for NaN and for infinities.
            shown = builder.fsub(total, total) if finite else total
            flags.append(builder.fcmp("uno", shown, shown))
        found = reduce(self._either, flags)
        result = any_lane(builder, found)
        for weights in self._weights.values():
            result = builder.binary("or", result, self._is_not_finite(weights))
        return result

    def _either(self, a: Value, b: Value) -> Value:
        return self.builder.binary("or", a, b)

    def _is_not_finite(self, weights: ex.Node) -> Value:
        """Whether the sum of some weights is NaN or infinite, found once in front of the loop over x."""
        builder, emitter = self.builder, self.emitter

        def find() -> Value:
            total = None
            for row in range(emitter.stage.rows if id(weights) not in emitter.row_free else 1):
                for index in product(*map(range, weights.shape)):
                    value = emitter.element(weights, index, (row, 0)).value
                    total = value if total is None else builder.fadd(total, value)
            if total is None:
                return constant(I1, 0)
            rest = builder.fsub(total, total)
            return builder.fcmp("uno", rest, rest)

        return builder.remember(("not finite", id(weights)), lambda: builder.hoisted(find))
