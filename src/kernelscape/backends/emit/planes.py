"""The function that takes the arrays apart which an input has at each position, so that each element has a row.

``void planes(destination, source, count, row_bytes, step, ahead, limits, error)``: element `e` of position `j`, at
``source + j * step`` bytes, becomes element `j` of the row at ``destination + e * row_bytes``. Elements lie one behind
the other, and blocks of as many positions as a vector has lanes are transposed in registers: so memory is read in the
order in which it lies, once. Blocks at the end are shifted back, and nothing is read behind an element that exists.
"""

from __future__ import annotations

from kernelscape.backends.cpu import function_attributes
from kernelscape.backends.emit.transposition import transposed
from kernelscape.backends.emit.values import report
from kernelscape.backends.ir import I64, PTR, Bounds, Builder, Module, Type, Value, constant
from kernelscape.machine import Target

ARGUMENTS = (
    ("destination", PTR),
    ("source", PTR),
    ("count", I64),
    ("row_bytes", I64),
    ("step", I64),
    ("ahead", I64),
    ("limits", PTR),
    ("error", PTR),
)


def block_of(planes: int, itemsize: int, target: Target) -> int:
    """Positions and elements in a block: a vector's lanes, but no more than there are elements."""
    lanes = target.vector_bytes // itemsize
    while lanes > planes:
        lanes //= 2
    return lanes


def planes_text(target: Target, itemsize: int, planes: int, *, checked: bool) -> str:
    """The module with ``planes`` for so many elements of some bytes at each position."""
    module = Module(function_attributes(target))
    builder = module.function("planes", ARGUMENTS)
    bounds = None
    if checked:
        limits, error = builder.arguments[6:]
        builder.offence = lambda address: report(builder, error, address)
        bounds = Bounds(builder.load(I64, limits), builder.load(I64, builder.offset(limits, 8)))
    _Planes(builder, Type(f"i{8 * itemsize}"), planes, block_of(planes, itemsize, target), bounds).write()
    builder.finish()
    return module.text()


class _Planes:
    def __init__(self, builder: Builder, element: Type, planes: int, lanes: int, bounds: Bounds | None) -> None:
        self.builder, self.element, self.planes, self.lanes, self.bounds = builder, element, planes, lanes, bounds
        self.destination, self.source, self.count, self.row_bytes, self.step = builder.arguments[:5]

    def write(self) -> None:
        builder, lanes = self.builder, self.lanes
        last = builder.sub(self.count, constant(I64, lanes))

        def blocks(j: Value, _: list[Value]) -> list[Value]:
            first = builder.intrinsic("smin", I64, j, last)
            source = builder.offset(self.source, builder.mul(first, self.step))
            destination = builder.element_pointer(self.destination, self.element.element, first)
            for e in range(0, self.planes, lanes):
                self._block(source, destination, min(e, self.planes - lanes))
            return []

        def in_blocks() -> None:
            builder.loop(constant(I64, 0), self.count, lanes, [], blocks)

        def one_by_one() -> None:
            builder.loop(constant(I64, 0), self.count, 1, [], lambda j, _: self._position(j))

        builder.when(builder.icmp("sge", self.count, constant(I64, lanes)), in_blocks, one_by_one)

    def _position(self, j: Value) -> list[Value]:
        builder = self.builder
        source = builder.offset(self.source, builder.mul(j, self.step))
        row = builder.element_pointer(self.destination, self.element.element, j)
        for e in range(self.planes):
            builder.store(builder.load(self.element, self._element(source, e), self.bounds), row)
            row = builder.offset(row, self.row_bytes)
        return []

    def _element(self, source: Value, e: int) -> Value:
        return self.builder.offset(source, e * (self.element.bits // 8))

    def _block(self, source: Value, destination: Value, e: int) -> None:
        """A square of positions and elements; rows are reached by steps, since their distance is not known here."""
        builder, lanes = self.builder, self.lanes
        vector = Type(self.element.element, lanes) if lanes > 1 else self.element
        rows = []
        for _ in range(lanes):
            rows.append(builder.load(vector, self._element(source, e), self.bounds))
            source = builder.offset(source, self.step)
        row = builder.offset(destination, builder.mul(self.row_bytes, constant(I64, e)))
        for column in transposed(builder, rows):
            builder.store(column, row)
            row = builder.offset(row, self.row_bytes)
