"""Finite: what is quick to compute and exact where it is finite, and is computed again where it is not.

Whether some vector of the tile is not finite costs one instruction for each: x * 0 is NaN then, and 0 elsewhere. Only
the elements that are not finite are replaced, so that what an output is does not depend on those beside it.
"""

from __future__ import annotations

from kernelscape import expression as ex
from kernelscape.backends.emit.values import Element, Emitter, Index, Lane
from kernelscape.backends.ir import Value, constant
from kernelscape.backends.operators.masks import any_lane
from kernelscape.backends.vector_math import fused


class Finites:
    """The rule of Finite, for one emitter."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter, self.builder = emitter, emitter.builder
        emitter.add_rules({ex.Finite: self._finite})

    def _finite(self, node: ex.Finite, index: Index, lane: Lane) -> Element:
        lanes = self.emitter.lanes_of(node, lane)
        key = ("finite", id(node), index, lanes[0] if len(lanes) == 1 else None)
        found = self.builder.remember(key, lambda: self._settled(node, index, lanes))
        return Element(found[lane], None)

    def _settled(self, node: ex.Finite, index: Index, lanes: list[Lane]) -> dict[Lane, Value]:
        """The values for all vectors of the tile, with one branch for all of them."""
        builder, emitter = self.builder, self.emitter
        quick = {lane: emitter.operand(node, node.body, index, lane).value for lane in lanes}
        type_ = quick[lanes[0]].type
        doubt = zero = constant(type_, 0.0)
        for value in quick.values():
            doubt = fused(builder, emitter.target, value, zero, doubt)
        rooms = {lane: builder.local(type_) for lane in lanes}
        for lane, value in quick.items():
            builder.store(value, rooms[lane])

        def again() -> None:
            for lane, value in quick.items():
                exact = emitter.operand(node, node.exact, index, lane).value
                rest = builder.fsub(value, value)
                builder.store(builder.select(builder.fcmp("ord", rest, rest), value, exact), rooms[lane])

        builder.when(any_lane(builder, builder.fcmp("uno", doubt, doubt)), again)
        return {lane: builder.load(type_, room) for lane, room in rooms.items()}
