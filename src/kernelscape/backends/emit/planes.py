"""The function that takes the arrays apart which an input has at each position, so that each element has a row.

``void planes(destination, source, count, planes, row_bytes, step, limits, error)``: element `e` of position `j`, which
lies at ``source + j * step`` bytes, becomes element `j` of the row at ``destination + e * row_bytes``. Elements lie one
behind the other, and blocks of as many positions as a vector has lanes are transposed in registers: so memory is read
in the order in which it lies, once. Blocks at the end are shifted back, and nothing is read behind an element that
exists.
"""

from __future__ import annotations

from kernelscape.backends.cpu import function_attributes
from kernelscape.backends.emit.values import report
from kernelscape.backends.ir import I64, PTR, Bounds, Builder, Module, Type, Value, constant
from kernelscape.machine import Target

ARGUMENTS = (
    ("destination", PTR),
    ("source", PTR),
    ("count", I64),
    ("planes", I64),
    ("row_bytes", I64),
    ("step", I64),
    ("limits", PTR),
    ("error", PTR),
)


def block_of(planes: int, itemsize: int, target: Target) -> int:
    """Positions and elements in a block: a vector's lanes, but no more than there are elements."""
    lanes = target.vector_bytes // itemsize
    while lanes > planes:
        lanes //= 2
    return lanes


def planes_text(target: Target, itemsize: int, lanes: int, *, checked: bool) -> str:
    """The module with ``planes`` for elements of some bytes, in blocks of `lanes` by `lanes`."""
    module = Module(function_attributes(target))
    builder = module.function("planes", ARGUMENTS)
    bounds = None
    if checked:
        limits, error = builder.arguments[6:]
        builder.offence = lambda address: report(builder, error, address)
        bounds = Bounds(builder.load(I64, limits), builder.load(I64, builder.offset(limits, 8)))
    _Planes(builder, Type(f"i{8 * itemsize}"), lanes, bounds).write()
    builder.finish()
    return module.text()


class _Planes:
    def __init__(self, builder: Builder, element: Type, lanes: int, bounds: Bounds | None) -> None:
        self.builder, self.element, self.lanes, self.bounds = builder, element, lanes, bounds
        self.destination, self.source, self.count, self.planes, self.row_bytes, self.step = builder.arguments[:6]

    def write(self) -> None:
        builder, lanes = self.builder, self.lanes
        last_position = builder.sub(self.count, constant(I64, lanes))
        last_plane = builder.sub(self.planes, constant(I64, lanes))

        def blocks(j: Value, _: list[Value]) -> list[Value]:
            first = builder.intrinsic("smin", I64, j, last_position)

            def block(e: Value, _: list[Value]) -> list[Value]:
                self._block(first, builder.intrinsic("smin", I64, e, last_plane))
                return []

            builder.loop(constant(I64, 0), self.planes, lanes, [], block)
            return []

        def one_by_one() -> None:
            builder.loop(constant(I64, 0), self.count, 1, [], lambda j, _: self._position(j))

        def in_blocks() -> None:
            builder.loop(constant(I64, 0), self.count, lanes, [], blocks)

        builder.when(builder.icmp("sge", self.count, constant(I64, lanes)), in_blocks, one_by_one)

    def _position(self, j: Value) -> list[Value]:
        builder = self.builder

        def one(e: Value, _: list[Value]) -> list[Value]:
            raw = builder.load(self.element, self._from(j, e), self.bounds)
            builder.store(raw, self._to(j, e))
            return []

        builder.loop(constant(I64, 0), self.planes, 1, [], one)
        return []

    def _from(self, j: Value, e: Value) -> Value:
        builder = self.builder
        place = builder.offset(self.source, builder.mul(j, self.step))
        return builder.element_pointer(place, self.element.element, e)

    def _to(self, j: Value, e: Value) -> Value:
        builder = self.builder
        row = builder.offset(self.destination, builder.mul(e, self.row_bytes))
        return builder.element_pointer(row, self.element.element, j)

    def _block(self, j: Value, e: Value) -> None:
        builder, lanes = self.builder, self.lanes
        vector = Type(self.element.element, lanes) if lanes > 1 else self.element
        at = [builder.add(j, constant(I64, i)) for i in range(lanes)]
        rows = [builder.load(vector, self._from(position, e), self.bounds) for position in at]
        for i, row in enumerate(_transposed(builder, rows)):
            builder.store(row, self._to(j, builder.add(e, constant(I64, i))))


def _transposed(builder: Builder, rows: list[Value]) -> list[Value]:
    """The columns of a square of vectors, by exchanging quadrants of ever smaller blocks."""
    lanes = len(rows)
    width = lanes // 2
    while width:
        numbers = range(lanes)
        low = tuple(i if not i & width else lanes + i - width for i in numbers)
        high = tuple(i + width if not i & width else lanes + i for i in numbers)
        new = list(rows)
        for i in numbers:
            if not i & width:
                new[i] = builder.shuffle(rows[i], rows[i + width], low)
                new[i + width] = builder.shuffle(rows[i], rows[i + width], high)
        rows, width = new, width // 2
    return rows
