"""Running folds: element after element, each made of the one before."""

from __future__ import annotations

from kernelscape import expression as ex
from kernelscape.backends.emit.values import Element, Emitter, Index, Lane, Position
from kernelscape.backends.ir import I64, Type, Value, constant


class Scans:
    """The rule of Scan, for one emitter."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter, self.builder = emitter, emitter.builder
        emitter.add_rules({ex.Scan: self._scan})

    def _scan(self, node: ex.Scan, index: Index, lane: Lane) -> Element:
        place = index[node.axis]
        step = _step(node)
        if step is not None:
            return Element(self._multiple(node, place, step), None)
        if not isinstance(place, int):
            return self._up_to(node, index, place, lane)
        # From the first on, and not from the last down, so that long lines need no deep recursion.
        found = self._input(node, index, 0, lane)
        for i in range(1, place + 1):
            found = self._following(node, found, index, i, lane)
        return found

    def _multiple(self, node: ex.Scan, place: Position, step: int) -> Value:
        """The sum of equal numbers."""
        type_ = self.emitter.type_of(node.dtype, self.emitter.width(node))
        if isinstance(place, int):
            return constant(type_, (place + 1) * step)
        builder = self.builder
        total = builder.mul(builder.add(place, constant(I64, 1)), constant(I64, step))
        return builder.splat(builder.convert("trunc", total, Type(type_.element)), type_.lanes)

    def _input(self, node: ex.Scan, index: Index, place: Position, lane: Lane) -> Element:
        return self.emitter.operand(node, node.body, (*index[: node.axis], place, *index[node.axis + 1 :]), lane)

    def _following(self, node: ex.Scan, before: Element, index: Index, place: int, lane: Lane) -> Element:
        key = ("scan", id(node), (*index[: node.axis], place, *index[node.axis + 1 :]), lane)
        return self.builder.remember(key, lambda: self._next(node, before, index, place, lane))

    def _next(self, node: ex.Scan, before: Element, index: Index, place: Position, lane: Lane) -> Element:
        this = self._input(node, index, place, lane)
        value = self.emitter.operate(node.operation, [before.value, this.value], [node.dtype] * 2, node.dtype)
        return Element(value, self.emitter.both(before.flag, this.flag))

    def _up_to(self, node: ex.Scan, index: Index, place: Value, lane: Lane) -> Element:
        """The element that a loop's counter asks for: all up to it are folded in a loop."""
        builder = self.builder
        flagged = self.emitter.may_be_invalid(node)
        first = self._input(node, index, 0, lane)
        true = constant(Type("i1", first.value.type.lanes), 1)
        start = [first.value, first.flag or true] if flagged else [first.value]

        def step(i: Value, carried: list[Value]) -> list[Value]:
            found = self._next(node, Element(carried[0], carried[1] if flagged else None), index, i, lane)
            return [found.value, found.flag or true] if flagged else [found.value]

        stop = builder.add(place, constant(I64, 1))
        carried = builder.loop(constant(I64, 1), stop, 1, start, step)
        return Element(carried[0], carried[1] if flagged else None)


def _step(node: ex.Scan) -> int | None:
    """What is added each time, where it is known and always the same."""
    body = node.body
    while isinstance(body, ex.Broadcast):
        body = body.body
    known = isinstance(body, ex.Constant) and node.operation == "add" and node.dtype.kind in "iu"
    return int(body.value) if known and isinstance(body, ex.Constant) else None
