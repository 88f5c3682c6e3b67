"""Whether a NaN may have been met, found out beside a fold of extrema instead of in it.

An instruction for the smaller or larger of two numbers forgets NaN, and a comparison for every sample would cost as
much as the fold itself. Additions have execution units of their own, so the samples are summed: the sum is NaN when a
sample is (or for infinities of both signs; then the fold is only done again in vain). Where the body is a function of
samples and weights that gives no NaN for finite numbers, the samples are summed instead of its values, each once for
all output rows that read it: if their sum and that of the weights are finite, no value is NaN.

Vectors that are read from a row at neighbouring places overlap. Each sample has to be in the sum once, so only those
vectors are added that have a sample which is in no other; and before a loop over taps, a sweep of its own adds up the
rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, Generic, NamedTuple, TypeVar

from kernelscape import expression as ex
from kernelscape.backends.emit.values import Element, Emitter, Index, Lane, project
from kernelscape.backends.ir import I1, I64, Value, constant
from kernelscape.backends.operators.masks import any_lane

WRITTEN_OUT = 64
"""Weights that are looked at without a loop."""

CHAINS = 4
"""Sums that are made side by side."""

T = TypeVar("T")
Key = tuple[int, str, bool]


class Watched(NamedTuple):
    """What is added up in place of the body of a fold: `samples`, which are suspected of being infinite, too.

    `is_sum`: it is finite samples and one weight, which may be infinite, that make no NaN.
    """

    samples: ex.Node
    weights: tuple[ex.Node, ...]
    is_sum: bool = False


class Doubts:
    """What one sweep over the samples of some folds adds up."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter, self.builder = emitter, emitter.builder
        self._sums: dict[Key, Value] = {}
        self._seen: set[tuple[str, bool]] = set()
        self._weights: dict[tuple[int, bool], ex.Node] = {}
        self._watched: dict[int, Watched] = {}
        self._rows: dict[Any, Cover[tuple[Value, Lane, bool]]] = {}
        self._swept = False

    def __bool__(self) -> bool:
        return bool(self._sums or self._rows)

    def add(self, fold: ex.Reduce, place: Index, lane: Lane, value: Value) -> None:
        """Suspects one element of the body of a fold, whose value is `value`."""
        body, (samples, weights, is_sum) = fold.body, self._watch(fold)
        if not weights:
            if not self._swept:
                self._suspect(value, lane, finite=False)
            return
        self._weights.update(((id(node), is_sum), node) for node in weights)
        if self._swept:
            return
        sample = self.emitter.operand(fold, samples, project(place, samples.shape, body.shape), lane)
        self._suspect(sample.value, lane, finite=True)

    # -- in loops ------------------------------------------------------------------------------------------------------

    def begun(self, slots: Sequence[tuple[ex.Reduce, Lane]]) -> list[Element]:
        """The sums that a loop over the elements of some folds carries, at its beginning."""
        if self._sweeps(slots):
            self._swept = True
            return []
        for fold, lane in slots:
            samples, weights, _ = self._watch(fold)
            type_ = self.emitter.type_of(samples.dtype, self.emitter.width(fold))
            self._sums[lane[1], type_.element, bool(weights)] = constant(type_, -0.0)
        return self.carried()

    def carried(self) -> list[Element]:
        """The sums, behind the folds that a loop carries."""
        return [] if self._swept else [Element(total, None) for total in self._sums.values()]

    def taken(self, state: Sequence[Element]) -> list[Element]:
        """The folds that a loop carries; what is behind them are the sums from here on."""
        if self._swept:
            return list(state)
        split = len(state) - len(self._sums)
        self._sums = dict(zip(self._sums, (element.value for element in state[split:]), strict=True))
        return list(state[:split])

    def _sweeps(self, slots: Sequence[tuple[ex.Reduce, Lane]]) -> bool:
        """Adds up all samples of the windows of the tile, if that can be done row by row."""
        inputs = dict.fromkeys((self._watch(fold).samples, bool(self._watch(fold).weights)) for fold, _ in slots)
        stage = self.emitter.stage
        for samples, _ in inputs:
            if not isinstance(samples, ex.Window) or id(samples) in self.emitter.uniform:
                return False
            spec, offsets = stage.inputs[samples.input], stage.y_offsets[samples.input]
            if spec.rows_each > 1 or spec.unit > 1 or spec.taps is not None or samples.shape != spec.shape:
                return False
            if spec.is_uniform or offsets != spec.y_offsets(stage.rows):
                return False
        for samples, finite in inputs:
            assert isinstance(samples, ex.Window)
            self._sweep(samples, finite=finite)
        return True

    def _sweep(self, samples: ex.Window, *, finite: bool) -> None:
        stage, builder = self.emitter.stage, self.builder
        spec, base = stage.inputs[samples.input], stage.row_base[samples.input]
        places = {spec.x_place(tap)[1] + u * stage.lanes for u in range(stage.vectors) for tap in spec.x_taps}
        cover: Cover[int] = Cover(stage.lanes)
        starts = [found for start in sorted(places) for found in cover.offered(start, start)] + cover.rest()
        type_ = self.emitter.type_of(samples.dtype, stage.lanes)
        sums = [constant(type_, -0.0)] * min(CHAINS, len(starts))

        def row(number: Value, carried: list[Value]) -> list[Value]:
            found = list(carried)
            for n, start in enumerate(starts):
                value = self.emitter.vector_at(samples.input, builder.add(number, constant(I64, base)), start)
                found[n % len(found)] = builder.fadd(found[n % len(found)], value)
            return found

        rows = constant(I64, len(spec.outer) * len(stage.y_offsets[samples.input]))
        totals = builder.loop(constant(I64, 0), rows, 1, sums, row, never_empty=True)
        for n, total in enumerate(totals):
            self._sums[n, f"{type_.element} of {samples.input}", finite] = total

    # -- what is added up ----------------------------------------------------------------------------------------------

    def _watch(self, fold: ex.Reduce) -> Watched:
        if id(fold) not in self._watched:
            self._watched[id(fold)] = watched(fold.body, self.emitter.uniform)
        return self._watched[id(fold)]

    def _suspect(self, value: Value, lane: Lane, *, finite: bool) -> None:
        """Adds a value, unless it was read from a row of which other vectors have the same samples."""
        load = self.emitter.loads.get(value.name)
        if load is None:
            self._sum(value, lane, finite=finite)
            return
        row = (load.row, finite, value.type)
        if row not in self._rows:
            # What waits is held in a register.
            for other in list(self._rows.values())[: -self.emitter.stage.rows]:
                self._sum_all(other.rest())
            self._rows[row] = Cover(value.type.lanes)
        self._sum_all(self._rows[row].offered(load.start, (value, lane, finite)))

    def _sum_all(self, vectors: Sequence[tuple[Value, Lane, bool]]) -> None:
        for value, lane, finite in vectors:
            self._sum(value, lane, finite=finite)

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
        for row in self._rows.values():
            self._sum_all(row.rest())
        flags = []
        for (_, _, finite), total in self._sums.items():
            # x - x is NaN for NaN and for infinities.
            shown = builder.fsub(total, total) if finite else total
            flags.append(builder.fcmp("uno", shown, shown))
        found = reduce(self._either, flags)
        result = any_lane(builder, found)
        for (_, is_sum), weights in self._weights.items():
            result = builder.binary("or", result, self._is_suspect(weights, infinite=not is_sum))
        return result

    def _either(self, a: Value, b: Value) -> Value:
        return self.builder.binary("or", a, b)

    def _is_suspect(self, weights: ex.Node, *, infinite: bool) -> Value:
        """Whether some weight is NaN (or infinite, where that counts), found once in front of the loop over x."""
        builder, emitter = self.builder, self.emitter

        def find() -> Value:
            found = constant(I1, 0)
            for row in range(emitter.stage.rows if id(weights) not in emitter.row_free else 1):
                found = self._any(found, weights, (), row, infinite)
            return found

        return builder.remember(("suspect", id(weights), infinite), lambda: builder.hoisted(find))

    def _any(self, found: Value, weights: ex.Node, index: Index, row: int, infinite: bool) -> Value:
        """Whether that was found already, or is so of an element of `weights` whose index begins like this."""
        builder, rest = self.builder, weights.shape[len(index) :]
        if not rest:
            value = self.emitter.element(weights, index, (row, 0)).value
            shown = builder.fsub(value, value) if infinite else value
            return builder.binary("or", found, builder.fcmp("uno", shown, shown))
        if weights.size <= WRITTEN_OUT or (len(rest) == 1 and rest[0] <= WRITTEN_OUT):
            for place in range(rest[0]):
                found = self._any(found, weights, (*index, place), row, infinite)
            return found

        def body(place: Value, carried: list[Value]) -> list[Value]:
            return [self._any(carried[0], weights, (*index, place), row, infinite)]

        return builder.loop(constant(I64, 0), constant(I64, rest[0]), 1, [found], body, never_empty=True)[0]


class Cover(Generic[T]):
    """Chooses vectors of a row that together have all its samples which any of them has."""

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        self._covered: set[int] = set()
        self._waiting: list[T] = []
        self._hoped: set[int] = set()
        self._last: set[int] = set()

    def offered(self, start: int, vector: T) -> list[T]:
        """Those that are taken now that there is this vector, too: it is taken when no later one serves better."""
        samples = set(range(start, start + self._lanes))
        if samples <= self._covered | self._last:
            return []
        taken = [] if self._hoped <= samples else self.rest()
        self._waiting, self._last, self._hoped = [vector], samples, samples - self._covered
        return taken

    def rest(self) -> list[T]:
        """The last ones to be taken."""
        taken, self._waiting = self._waiting, []
        self._covered |= self._last
        self._hoped = set()
        return taken


def watched(body: ex.Node, uniform: set[int]) -> Watched:
    """Of which part of a body it is enough to know that it is finite, if some weights are, too.

    Sums with finite numbers, and changes of sign, make no NaN of infinity, which a product with a finite number may
    have become; a product of infinity and 0 is one, so the numbers that are multiplied have to be finite. One number
    that is added may be infinite, as in structuring elements that are -inf where they have no samples.
    """
    weights: list[ex.Node] = []
    node, is_product = body, False
    while isinstance(node, ex.Elementwise):
        if node.operator in ("absolute", "negative"):
            node = node.operands[0]
            continue
        found = _parts(node, uniform) if node.operator in ("add", "subtract", "multiply") else None
        if found is None:
            break
        is_product, (node, weight) = node.operator == "multiply", found
        weights.append(weight)
        if is_product:
            break
    is_sum = len(weights) == 1 and not is_product
    return Watched(node, tuple(weights), is_sum) if weights else Watched(body, ())


def _parts(node: ex.Elementwise, uniform: set[int]) -> tuple[ex.Node, ex.Node] | None:
    """The operand that depends on samples, and the one that is the same for all positions."""
    for samples, weights in (node.operands, node.operands[::-1]):
        if id(samples) not in uniform and id(weights) in uniform:
            return samples, weights
    return None
