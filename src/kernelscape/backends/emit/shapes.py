"""Shape operators: they move indices and emit no data movement.

An index entry may be a value known at run time only (inside a loop over taps). Where a shape operator has to choose by
it, both candidates are read at clamped, legal places and one is selected.
"""

from __future__ import annotations

from typing import Any

from kernelscape import expression as ex
from kernelscape.backends.emit.values import Element, Emitter, Index, Lane, Position, as_value, project
from kernelscape.backends.ir import I64, Value, constant


class Shapes:
    """The rules of the shape operators, for one emitter."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter, self.builder = emitter, emitter.builder
        emitter.add_rules(
            {
                ex.Slice: self._slice,
                ex.Reshape: self._reshape,
                ex.Transpose: self._transpose,
                ex.Broadcast: lambda n, i, lane: emitter.element(n.body, project(i, n.body.shape, n.shape), lane),
                ex.Concatenate: self._concatenate,
                ex.Put: self._put,
                ex.Take: self._take,
            }
        )

    def _slice(self, node: ex.Slice, index: Index, lane: Lane) -> Element:
        return self.emitter.element(node.body, self._moved(index, node.starts, node.steps), lane)

    def _moved(self, index: Index, starts: tuple[int, ...], steps: tuple[int, ...]) -> Index:
        return tuple(self.emitter.affine(i, step, start) for i, start, step in zip(index, starts, steps, strict=True))

    def _reshape(self, node: ex.Reshape, index: Index, lane: Lane) -> Element:
        flat = self.emitter.flat(node.shape, index)
        return self.emitter.element(node.body, self._unravelled(flat, node.body.shape), lane)

    def _unravelled(self, flat: Position, shape: ex.Shape) -> Index:
        """The index in C order of element number `flat`."""
        places: list[Position] = []
        for extent in reversed(shape[1:]):
            if isinstance(flat, int):
                flat, place = divmod(flat, extent)
                places.append(place)
            else:
                divisor = constant(I64, extent)
                places.append(self.builder.binary("urem", flat, divisor))
                flat = self.builder.binary("udiv", flat, divisor)
        return tuple([flat, *reversed(places)][: len(shape)]) if shape else ()

    def _transpose(self, node: ex.Transpose, index: Index, lane: Lane) -> Element:
        inner: list[Position] = [0] * len(index)
        for place, axis in zip(index, node.axes, strict=True):
            inner[axis] = place
        return self.emitter.element(node.body, tuple(inner), lane)

    def _concatenate(self, node: ex.Concatenate, index: Index, lane: Lane) -> Element:
        place = index[node.axis]
        start, found = 0, None
        for part in node.parts:
            extent = part.shape[node.axis]
            local = self._part_place(place, start, extent)
            if extent and local is not None:
                inside = (*index[: node.axis], local, *index[node.axis + 1 :])
                element = self.emitter.operand(node, part, inside, lane)
                if isinstance(place, int):
                    return element
                found = element if found is None else self._choose(self._at_least(place, start), element, found)
            start += extent
        assert found is not None
        return found

    def _part_place(self, place: Position, start: int, extent: int) -> Position | None:
        """The place in a part that begins at `start`, clamped into it; None where a known place lies elsewhere."""
        if isinstance(place, int):
            return place - start if 0 <= place - start < extent else None
        return self._clamped(self.builder.sub(place, constant(I64, start)), extent)

    def _clamped(self, place: Value, extent: int) -> Value:
        low = self.builder.intrinsic("smax", I64, place, constant(I64, 0))
        return self.builder.intrinsic("smin", I64, low, constant(I64, extent - 1))

    def _at_least(self, place: Value, start: int) -> Value:
        return self.builder.icmp("sge", place, constant(I64, start))

    def _choose(self, condition: Value, a: Element, b: Element) -> Element:
        """`a` where a scalar condition holds, else `b`."""
        wide = self.builder.splat(condition, a.value.type.lanes)
        value = self.builder.select(wide, a.value, b.value)
        if a.flag is None and b.flag is None:
            return Element(value, None)
        true = constant(a.value.type.of("i1"), 1)
        return Element(value, self.builder.select(wide, a.flag or true, b.flag or true))

    def _put(self, node: ex.Put, index: Index, lane: Lane) -> Element:
        inside, places = self._region_place(node, index)
        if inside is False:
            return self.emitter.operand(node, node.body, index, lane)
        new = self.emitter.operand(node, node.value, project(places, node.value.shape, node.value.shape), lane)
        if inside is True:
            return new
        return self._choose(inside, new, self.emitter.operand(node, node.body, index, lane))

    def _region_place(self, node: ex.Put, index: Index) -> tuple[Any, Index]:
        """Whether an index lies in the region of a Put (True, False, or a scalar i1), and where in it."""
        inside: Any = True
        places: list[Position] = []
        for place, start, step, count in zip(index, node.starts, node.steps, node.value.shape, strict=True):
            if isinstance(place, int):
                quotient, rest = divmod(place - start, step)
                if rest or not 0 <= quotient < count:
                    return False, ()
                places.append(quotient)
                continue
            member = self._membership(place, start, step, count)
            inside = member if inside is True else self.builder.binary("and", inside, member)
            moved = self.builder.sub(place, constant(I64, start))
            # Nothing is read through this quotient outside the region: it is clamped.
            places.append(self._clamped(self.builder.binary("sdiv", moved, constant(I64, step)), count))
        return inside, tuple(places)

    def _membership(self, place: Value, start: int, step: int, count: int) -> Value:
        moved = self.builder.sub(place, constant(I64, start))
        divisor = constant(I64, step)
        quotient = self.builder.binary("sdiv", moved, divisor)
        exact = self.builder.icmp("eq", self.builder.mul(quotient, divisor), moved)
        low = self.builder.icmp("sge", quotient, constant(I64, 0))
        high = self.builder.icmp("slt", quotient, constant(I64, count))
        return self.builder.binary("and", exact, self.builder.binary("and", low, high))

    def _take(self, node: ex.Take, index: Index, lane: Lane) -> Element:
        """Goes through the axis and keeps the element whose position is asked for (clipped into the axis)."""
        emitter, builder = self.emitter, self.builder
        extent = node.body.shape[node.axis]
        wanted = self.emitter.operand(node, node.index, project(index, node.index.shape, node.shape), lane)

        def at(place: Position) -> Element:
            inner = (*index[: node.axis], place, *index[node.axis :])
            return self.emitter.operand(node, node.body, inner, lane)

        def step(place: Position, best: Element) -> Element:
            wide = builder.splat(as_value(place), wanted.value.type.lanes)
            this = at(place)
            hit = builder.icmp("sge", wanted.value, wide)
            true = constant(this.value.type.of("i1"), 1)
            flag = None
            if this.flag is not None or best.flag is not None:
                flag = builder.select(hit, this.flag or true, best.flag or true)
            return Element(builder.select(hit, this.value, best.value), flag)

        best = at(0)
        if extent <= 32:
            for place in range(1, extent):
                best = step(place, best)
        else:
            best = self._take_loop(best, extent, step)
        return Element(best.value, emitter.both(best.flag, wanted.flag))

    def _take_loop(self, first: Element, extent: int, step: Any) -> Element:
        true = constant(first.value.type.of("i1"), 1)

        def body(place: Value, carried: list[Value]) -> list[Value]:
            found = step(place, Element(carried[0], carried[1]))
            return [found.value, found.flag if found.flag is not None else true]

        one, last = constant(I64, 1), constant(I64, extent)
        value, flag = self.builder.loop(one, last, 1, [first.value, first.flag or true], body, never_empty=True)
        return Element(value, flag)
