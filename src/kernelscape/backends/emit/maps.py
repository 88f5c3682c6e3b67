"""Values of maps: a number or an array for each position, or for all positions of a cell."""

from __future__ import annotations

from kernelscape import expression as ex
from kernelscape.backends import operators
from kernelscape.backends.emit.transposition import inside_lanes
from kernelscape.backends.emit.values import Element, Emitter, Index, Lane, Position, as_value
from kernelscape.backends.ir import I64, Type, Value, constant
from kernelscape.loops import RowInput

AHEAD = 20 << 10
"""Bytes that memory is asked for before they are read: what was best on a Zen 4, for kernels of 5x5 and of 9x9."""
AHEAD_IN_PLANE = 8 << 10
"""The same where each element has a plane of its own."""


class Maps:
    """The rule of Pixel, for one emitter."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter, self.builder = emitter, emitter.builder
        emitter.add_rules({ex.Pixel: self._pixel})

    def _pixel(self, node: ex.Pixel, index: Index, lane: Lane) -> Element:
        """A map has a value everywhere: the windows' missing samples do not touch it."""
        emitter, spec = self.emitter, self.emitter.stage.inputs[node.input]
        here = (0,) * len(emitter.stage.roles)
        plane = emitter.flat(node.shape, index)
        if spec.is_packed:
            return Element(self._packed(node.input, plane, lane), None)
        if spec.is_uniform:
            return Element(self._uniform(node.input, plane, lane), None)
        found = emitter.sample(node.input, here, lane, plane).value
        if spec.planes > 1:
            self._ask_ahead(node.input, plane, lane)
        return Element(found, None)

    def _uniform(self, number: int, plane: Position, lane: Lane) -> Value:
        emitter, builder, dtype = self.emitter, self.builder, self.emitter.stage.inputs[number].dtype
        row, _ = emitter.place(number, (0,) * len(emitter.stage.roles), lane[0])
        type_ = operators.memory_type(dtype, 1)
        base = emitter.table_pointer(emitter.frame.rows, row)
        pointer = builder.element_pointer(base, type_.element, as_value(plane))
        raw = builder.load(type_, pointer, emitter.row_bounds(row))
        return operators.from_memory(builder, emitter.target, raw, dtype)

    def _ask_ahead(self, number: int, plane: Position, lane: Lane) -> None:
        """Ask for what the same plane has next: so many streams are more than machines follow by themselves."""
        emitter, builder, spec = self.emitter, self.builder, self.emitter.stage.inputs[number]
        row, _ = emitter.place(number, (0,) * len(emitter.stage.roles), lane[0], plane)
        type_ = operators.memory_type(spec.dtype, emitter.stage.lanes)
        builder.prefetch(builder.offset(emitter.sample_pointer(row, type_, 0, lane[1]), AHEAD_IN_PLANE))

    def _packed(self, number: int, plane: Position, lane: Lane) -> Value:
        """One element of each position, where those of a position lie together."""
        emitter, builder, spec = self.emitter, self.builder, self.emitter.stage.inputs[number]
        raw = operators.memory_type(spec.dtype, 1)
        width = 16 // (raw.bits // 8)
        row, _ = emitter.place(number, (0,) * len(emitter.stage.roles), lane[0])
        position = builder.add(emitter.frame.x, constant(I64, lane[1] * emitter.stage.lanes))
        base = emitter.table_pointer(emitter.frame.rows, row)
        first = builder.element_pointer(base, raw.element, builder.mul(position, constant(I64, spec.unit)))
        if isinstance(plane, int) and emitter.stage.lanes >= width:
            start = min(plane // width * width, spec.unit - width)
            key = ("packed", number, lane, start)
            columns = builder.remember(key, lambda: self._taken_apart(first, row, spec, raw, start, width))
            value = columns[plane - start]
        else:
            own = builder.element_pointer(first, raw.element, as_value(plane))
            value = self._gathered(own, row, spec, raw)
        return operators.from_memory(builder, emitter.target, value, spec.dtype)

    def _taken_apart(
        self, first: Value, row: Position, spec: RowInput, raw: Type, start: int, width: int
    ) -> list[Value]:
        """Elements `start` .. ``start + width - 1`` of all positions of a vector.

        Lane `l` (of 128 bits) of vector `c` gets the elements of position ``l * width + c``; transposed inside the
        lanes, that is one vector for each element.
        """
        builder, lanes, size = self.builder, self.emitter.stage.lanes, raw.bits // 8
        bounds = self.emitter.row_bounds(row)

        def part(position: int) -> Value:
            pointer = builder.offset(first, (position * spec.unit + start) * size)
            return builder.load_constant(Type(raw.element, width), pointer, bounds)

        if start == 0:
            # Read position by position, the memory is no stream that machines follow by themselves.
            bytes_ = lanes * spec.unit * size
            distance = max(1, round(AHEAD / bytes_)) * bytes_
            for line in range(0, bytes_, 64):
                builder.prefetch(builder.offset(first, distance + line))
        vectors = []
        for c in range(width):
            parts = [part(position) for position in range(c, lanes, width)]
            while len(parts) > 1:
                count = 2 * parts[0].type.lanes
                pairs = zip(parts[0::2], parts[1::2], strict=True)
                parts = [builder.shuffle(a, b, tuple(range(count))) for a, b in pairs]
            vectors.append(parts[0])
        return inside_lanes(builder, vectors)

    def _gathered(self, first: Value, row: Position, spec: RowInput, raw: Type) -> Value:
        """The same element of all positions, one by one: where the loop's counter says which."""
        builder, lanes = self.builder, self.emitter.stage.lanes
        bounds = self.emitter.row_bounds(row)
        elements = []
        for position in range(lanes):
            pointer = builder.offset(first, position * spec.unit * (raw.bits // 8))
            elements.append(builder.load_constant(raw, pointer, bounds))
        return builder.vector(elements)
