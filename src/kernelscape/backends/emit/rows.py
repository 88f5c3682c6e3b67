"""Functions that fill a padded row: they convert dtype and byte order, and bring strided samples together.

``void fill(destination, source, table, count, low, high, start, step, constant, limits, error)``: element j of the
destination row comes from ``source + table[j]`` bytes, or, for ``low <= j < high``, from ``source + start + (j - low) *
step``, which is vectorised where `step` is the size of an element. A table entry below `LOWEST_OFFSET` stands for the
element at `constant`.
"""

from __future__ import annotations

import numpy as np

from kernelscape.backends import operators
from kernelscape.backends.cpu import function_attributes
from kernelscape.backends.emit.values import report
from kernelscape.backends.ir import I64, PTR, Bounds, Builder, Module, Type, Value, constant
from kernelscape.expression import DType
from kernelscape.loops import LOWEST_OFFSET
from kernelscape.machine import Target

ARGUMENTS = (
    ("destination", PTR),
    ("source", PTR),
    ("table", PTR),
    ("count", I64),
    ("low", I64),
    ("high", I64),
    ("start", I64),
    ("step", I64),
    ("constant", PTR),
    ("limits", PTR),
    ("error", PTR),
)


def fill_text(target: Target, source: DType, swapped: bool, seen: DType, row: DType, *, checked: bool) -> str:
    """The module with ``fill``, which brings samples of dtype `source`, as `seen`, into rows of dtype `row`."""
    module = Module(function_attributes(target))
    builder = module.function("fill", ARGUMENTS)
    filler = _Filler(builder, target, source, swapped, seen, row)
    if checked:
        builder.offence = lambda address: report(builder, builder.arguments[10], address)
        limits = builder.arguments[9]
        filler.bounds = Bounds(builder.load(I64, limits), builder.load(I64, builder.offset(limits, 8)))
    filler.write()
    builder.finish()
    return module.text()


class _Filler:
    def __init__(self, builder: Builder, target: Target, source: DType, swapped: bool, seen: DType, row: DType) -> None:
        self.builder, self.target, self.swapped = builder, target, swapped
        self.source_dtype, self.seen_dtype, self.row_dtype = source, seen, row
        self.size = source.itemsize
        self.lanes = max(1, target.vector_bytes // max(source.itemsize, row.itemsize))
        self.bounds: Bounds | None = None

    def write(self) -> None:
        builder = self.builder
        destination, source, table, count, low, high, start, step, fixed, _, _ = builder.arguments
        zero = constant(I64, 0)

        def gathered(j: Value, _: list[Value]) -> list[Value]:
            place = builder.load(I64, builder.element_pointer(table, "i64", j))
            inside = builder.icmp("sge", place, constant(I64, LOWEST_OFFSET))
            builder.when(inside, lambda: self._move(j, builder.offset(source, place), 1), lambda: keep_constant(j))
            return []

        def keep_constant(j: Value) -> None:
            stored = operators.memory_type(self.row_dtype, 1)
            builder.store(builder.load(stored, fixed), builder.element_pointer(destination, stored.element, j))

        builder.loop(zero, low, 1, [], gathered)
        builder.loop(high, count, 1, [], gathered)
        first = builder.offset(source, start)
        contiguous = builder.icmp("eq", step, constant(I64, self.size))
        long = builder.icmp("sge", builder.sub(high, low), constant(I64, self.lanes))
        builder.when(
            builder.binary("and", contiguous, long),
            lambda: self._contiguous(first, low, high),
            lambda: self._strided(first, low, high, step),
        )

    def _contiguous(self, first: Value, low: Value, high: Value) -> None:
        """Full vectors, the last one shifted back to end with the run (the copy may be done twice)."""
        builder, lanes = self.builder, self.lanes
        last = builder.sub(high, constant(I64, lanes))

        def body(j: Value, _: list[Value]) -> list[Value]:
            j = builder.intrinsic("smin", I64, j, last)
            self._move(j, builder.element_pointer(first, self._raw(1).element, builder.sub(j, low)), lanes)
            return []

        builder.loop(low, high, lanes, [], body)

    def _strided(self, first: Value, low: Value, high: Value, step: Value) -> None:
        builder = self.builder

        def body(j: Value, _: list[Value]) -> list[Value]:
            self._move(j, builder.offset(first, builder.mul(builder.sub(j, low), step)), 1)
            return []

        builder.loop(low, high, 1, [], body)

    def _raw(self, lanes: int) -> Type:
        return operators.memory_type(self.source_dtype, lanes)

    def _move(self, j: Value, pointer: Value, lanes: int) -> None:
        """Element j of the row (and the following ones) from `pointer`."""
        builder = self.builder
        raw = builder.load(self._raw(lanes), pointer, self.bounds)
        if self.swapped:
            raw = _byte_swapped(builder, raw)
        stored = raw
        if not self.source_dtype == self.seen_dtype == self.row_dtype:
            # A register of float16 is a float32 that the cast has rounded, which is what such rows hold.
            value = operators.from_memory(builder, self.target, raw, self.source_dtype)
            value = operators.cast(builder, self.target, value, self.source_dtype, self.seen_dtype)
            stored = operators.to_memory(builder, self.target, value, self.row_dtype)
        elif self.source_dtype == np.bool_:
            # A view may hold bytes other than 0 and 1; rows never do.
            value = operators.from_memory(builder, self.target, raw, self.source_dtype)
            stored = operators.to_memory(builder, self.target, value, self.source_dtype)
        builder.store(stored, builder.element_pointer(builder.arguments[0], stored.type.element, j))


def _byte_swapped(builder: Builder, raw: Value) -> Value:
    bits = raw.type.bits
    if bits == 8:
        return raw
    whole = builder.convert("bitcast", raw, raw.type.of(f"i{bits}"))
    return builder.convert("bitcast", builder.intrinsic("bswap", whole.type, whole), raw.type)
