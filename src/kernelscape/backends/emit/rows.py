"""Functions that fill a padded row: they convert dtype and byte order, and bring strided samples together.

``void fill(destination, source, table, count, low, high, start, step, ahead, constant, limits, error)``: element j of
the destination row comes from ``source + table[j]`` bytes, or, for ``low <= j < high``, from ``source + start + (j -
low) * step``. That run is vectorised where `step` is as many elements as the function was written for; a step of
`APART` says that another function fills it. A table entry below `LOWEST_OFFSET` stands for the element at `constant`.
Memory `ahead` bytes behind the run is asked for, for another call.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelscape.backends import operators
from kernelscape.backends.cpu import function_attributes
from kernelscape.backends.emit.shuffles import span_of, stepped
from kernelscape.backends.emit.values import report
from kernelscape.backends.ir import I64, PTR, Bounds, Builder, Module, Type, Value, constant
from kernelscape.backends.words import APART
from kernelscape.expression import DType
from kernelscape.loops import LOWEST_OFFSET
from kernelscape.machine import Target

LINE = 64
"""Bytes that come from memory together."""
LARGEST_STEP = 8
"""Elements from one sample to the next up to which samples are brought together in registers."""

ARGUMENTS = (
    ("destination", PTR),
    ("source", PTR),
    ("table", PTR),
    ("count", I64),
    ("low", I64),
    ("high", I64),
    ("start", I64),
    ("step", I64),
    ("ahead", I64),
    ("constant", PTR),
    ("limits", PTR),
    ("error", PTR),
)


@dataclass(frozen=True, slots=True)
class Loading:
    """How samples get from arrays into rows: of dtype `source`, `swapped` or not, seen as `seen`, in rows of `row`."""

    source: DType
    swapped: bool
    seen: DType
    row: DType

    @property
    def key(self) -> tuple[str | bool, ...]:
        """The same, as plain data that is the same in every process."""
        return (self.source.str, self.swapped, self.seen.str, self.row.str)

    def lanes(self, target: Target) -> int:
        """Samples that are moved at once."""
        return max(1, target.vector_bytes // max(self.source.itemsize, self.row.itemsize))

    def raw(self, lanes: int) -> Type:
        """Samples as they lie in the array."""
        return operators.memory_type(self.source, lanes)

    def stored(self, builder: Builder, target: Target, raw: Value) -> Value:
        """What the row holds of samples that were loaded."""
        if self.swapped:
            raw = _byte_swapped(builder, raw)
        if not self.source == self.seen == self.row:
            # A register of float16 is a float32 that the cast has rounded, which is what such rows hold.
            value = operators.from_memory(builder, target, raw, self.source)
            value = operators.cast(builder, target, value, self.source, self.seen)
            return operators.to_memory(builder, target, value, self.row)
        if self.source == np.bool_:
            # A view may hold bytes other than 0 and 1; rows never do.
            value = operators.from_memory(builder, target, raw, self.source)
            return operators.to_memory(builder, target, value, self.source)
        return raw


def fill_text(target: Target, loading: Loading, *, step: int = 1, checked: bool) -> str:
    """The module with ``fill``, for samples that lie `step` elements apart."""
    module = Module(function_attributes(target))
    builder = module.function("fill", ARGUMENTS)
    bounds = None
    if checked:
        builder.offence = lambda address: report(builder, builder.arguments[11], address)
        limits = builder.arguments[10]
        bounds = Bounds(builder.load(I64, limits), builder.load(I64, builder.offset(limits, 8)))
    _Filler(builder, target, loading, step, bounds).write()
    builder.finish()
    return module.text()


class _Filler:
    def __init__(self, builder: Builder, target: Target, loading: Loading, step: int, bounds: Bounds | None) -> None:
        self.builder, self.target, self.loading, self.step, self.bounds = builder, target, loading, step, bounds
        self.lanes = loading.lanes(target)

    def write(self) -> None:
        builder = self.builder
        destination, source, table, count, low, high, start, step, _, fixed, _, _ = builder.arguments
        zero = constant(I64, 0)

        def gathered(j: Value, _: list[Value]) -> list[Value]:
            place = builder.load(I64, builder.element_pointer(table, "i64", j))
            inside = builder.icmp("sge", place, constant(I64, LOWEST_OFFSET))
            builder.when(inside, lambda: self._move(j, builder.offset(source, place)), lambda: keep_constant(j))
            return []

        def keep_constant(j: Value) -> None:
            stored = operators.memory_type(self.loading.row, 1)
            builder.store(builder.load(stored, fixed), builder.element_pointer(destination, stored.element, j))

        builder.loop(zero, low, 1, [], gathered)
        builder.loop(high, count, 1, [], gathered)
        first = builder.offset(source, start)
        known = builder.icmp("eq", step, constant(I64, self.step * self.loading.source.itemsize))
        long = builder.icmp("sge", builder.sub(high, low), constant(I64, self.lanes))
        ours = builder.icmp("ne", step, constant(I64, APART))

        def one_by_one() -> None:
            builder.when(ours, lambda: self._strided(first, low, high, step))

        builder.when(builder.binary("and", known, long), lambda: self._vectors(first, low, high), one_by_one)

    def _vectors(self, first: Value, low: Value, high: Value) -> None:
        """Full vectors, the last one shifted back to end with the run (the copy may be done twice)."""
        builder, lanes, size = self.builder, self.lanes, self.loading.source.itemsize
        last = builder.sub(high, constant(I64, lanes))

        def body(j: Value, _: list[Value]) -> list[Value]:
            j = builder.intrinsic("smin", I64, j, last)
            number = builder.sub(j, low)
            self._store(j, self._samples(builder.offset(first, builder.mul(number, constant(I64, self.step * size)))))
            return []

        builder.loop(low, high, lanes, [], body)

    def _samples(self, pointer: Value) -> Value:
        """A vector of samples, the first one at `pointer`; nothing is read that lies before or behind them."""
        builder, lanes, size = self.builder, self.lanes, self.loading.source.itemsize
        span = span_of(self.step, lanes)
        pointer = builder.offset(pointer, min(0, self.step * (lanes - 1)) * size)
        soon = builder.offset(pointer, builder.arguments[8])
        for place in range(0, span * size, LINE):
            builder.prefetch(builder.offset(soon, place))
        starts = [min(start, span - lanes) for start in range(0, span, lanes)]
        type_ = self.loading.raw(lanes)
        blocks = [builder.load(type_, builder.offset(pointer, start * size), self.bounds) for start in starts]
        return stepped(builder, blocks, starts, self.step)

    def _strided(self, first: Value, low: Value, high: Value, step: Value) -> None:
        builder = self.builder
        # Short runs, at borders, lie in a line or two.
        last = builder.mul(builder.sub(builder.sub(high, low), constant(I64, 1)), step)
        for place in (first, builder.offset(first, last)):
            builder.prefetch(builder.offset(place, builder.arguments[8]))

        def body(j: Value, _: list[Value]) -> list[Value]:
            self._move(j, builder.offset(first, builder.mul(builder.sub(j, low), step)))
            return []

        builder.loop(low, high, 1, [], body)

    def _move(self, j: Value, pointer: Value) -> None:
        """Element j of the row from `pointer`."""
        self._store(j, self.builder.load(self.loading.raw(1), pointer, self.bounds))

    def _store(self, j: Value, raw: Value) -> None:
        builder = self.builder
        stored = self.loading.stored(builder, self.target, raw)
        builder.store(stored, builder.element_pointer(builder.arguments[0], stored.type.element, j))


def _byte_swapped(builder: Builder, raw: Value) -> Value:
    bits = raw.type.bits
    if bits == 8:
        return raw
    whole = builder.convert("bitcast", raw, raw.type.of(f"i{bits}"))
    return builder.convert("bitcast", builder.intrinsic("bswap", whole.type, whole), raw.type)
