"""The function that takes a row apart into its phases, every n-th sample into a row of its own.

``void phases(destination, source, count, row_bytes, step, ahead, limits, error)``: element `j` of phase `p`, which lies
at ``source + j * step`` and `p` units, becomes element `j` of the row at ``destination + p * row_bytes``. A *unit* is
what belongs to one position: one element, or some interleaved colours, which stay together. Whole vectors are loaded
one behind the other and taken apart in registers: so memory is read in the order in which it lies, once. The last
vectors are shifted back to end with the run; all phases of the last position must lie in the array. Memory `ahead`
bytes behind is asked for, for another call.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernelscape.backends.cpu import function_attributes
from kernelscape.backends.emit.planes import ARGUMENTS
from kernelscape.backends.emit.rows import LINE, Loading
from kernelscape.backends.emit.shuffles import phase, picked
from kernelscape.backends.emit.values import report
from kernelscape.backends.ir import I64, Bounds, Builder, Module, Value, constant
from kernelscape.machine import Target


@dataclass(frozen=True, slots=True)
class Phases:
    """Which rows are made: `used` among ``range(count)``, of units of some elements."""

    count: int
    used: tuple[int, ...]
    unit: int = 1


def phases_text(target: Target, loading: Loading, phases: Phases, *, checked: bool) -> str:
    """The module with ``phases``."""
    module = Module(function_attributes(target))
    builder = module.function("phases", ARGUMENTS)
    bounds = None
    if checked:
        limits, error = builder.arguments[6:]
        builder.offence = lambda address: report(builder, error, address)
        bounds = Bounds(builder.load(I64, limits), builder.load(I64, builder.offset(limits, 8)))
    _Divider(builder, target, loading, phases, bounds).write()
    builder.finish()
    return module.text()


class _Divider:
    def __init__(
        self, builder: Builder, target: Target, loading: Loading, phases: Phases, bounds: Bounds | None
    ) -> None:
        self.builder, self.target, self.loading, self.phases, self.bounds = builder, target, loading, phases, bounds
        self.lanes = loading.lanes(target)

    def write(self) -> None:
        """Positions in groups that fill vectors; one by one where there are too few of them."""
        builder, group = self.builder, constant(I64, self.lanes)
        count, unit = self.builder.arguments[2], constant(I64, self.phases.unit)
        positions = builder.binary("sdiv", count, unit)
        last = builder.sub(positions, group)
        zero = constant(I64, 0)

        def together(j: Value, _: list[Value]) -> list[Value]:
            self._group(builder.intrinsic("smin", I64, j, last))
            return []

        def in_groups() -> None:
            builder.loop(zero, positions, self.lanes, [], together)

        def one_by_one() -> None:
            builder.loop(zero, positions, 1, [], lambda j, _: self._position(j))

        builder.when(builder.icmp("sge", positions, group), in_groups, one_by_one)

    def _group(self, position: Value) -> None:
        """As many positions as a vector has lanes."""
        builder, unit, count = self.builder, self.phases.unit, self.phases.count
        source = self._source(position)
        type_ = self.loading.raw(self.lanes)
        size = type_.lanes * self.loading.source.itemsize
        soon = builder.offset(source, builder.arguments[5])
        for place in range(0, count * unit * size, LINE):
            builder.prefetch(builder.offset(soon, place))
        blocks = [builder.load(type_, builder.offset(source, n * size), self.bounds) for n in range(count * unit)]
        for number in self.phases.used:
            for part in range(unit):
                self._store(number, position, part * self.lanes, self._part(blocks, number, part))

    def _part(self, blocks: list[Value], number: int, part: int) -> Value:
        """A vector of the row of a phase."""
        unit, count = self.phases.unit, self.phases.count
        if unit == 1:
            return phase(self.builder, blocks, number)
        places = []
        for element in range(part * self.lanes, (part + 1) * self.lanes):
            position, colour = divmod(element, unit)
            places.append(divmod((position * count + number) * unit + colour, self.lanes))
        return picked(self.builder, blocks, places)

    def _position(self, position: Value) -> list[Value]:
        source, unit, size = self._source(position), self.phases.unit, self.loading.source.itemsize
        for number in self.phases.used:
            for colour in range(unit):
                place = self.builder.offset(source, (number * unit + colour) * size)
                raw = self.builder.load(self.loading.raw(1), place, self.bounds)
                self._store(number, position, colour, raw)
        return []

    def _source(self, position: Value) -> Value:
        return self.builder.offset(self.builder.arguments[1], self.builder.mul(position, self.builder.arguments[4]))

    def _store(self, number: int, position: Value, ahead: int, raw: Value) -> None:
        """Into the row of a phase, some elements behind those of a position."""
        builder = self.builder
        destination, _, _, row_bytes = builder.arguments[:4]
        stored = self.loading.stored(builder, self.target, raw)
        row = builder.offset(destination, builder.mul(row_bytes, constant(I64, number)))
        element = builder.mul(position, constant(I64, self.phases.unit))
        place = builder.element_pointer(row, stored.type.element, element)
        builder.store(stored, builder.offset(place, ahead * (stored.type.bits // 8)))
