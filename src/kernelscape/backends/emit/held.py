"""What does not depend on the samples is computed in front of the loops over taps, not in them.

A weight may be a function of the pixel (its maps, its coordinates) and of the offset along one axis: ``exp(-d**2 *
rate)``. Inside the loops over a window it would be evaluated for every sample. So before a fold is looped, the nodes
that reach no sample and have fewer elements than the fold has steps are evaluated for the whole register tile; arrays
of them are also written to memory of the frame, where a loop finds the element that its counter asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product

from kernelscape import expression as ex
from kernelscape.backends import operators
from kernelscape.backends.emit.values import Element, Emitter, Index, Lane, as_value
from kernelscape.backends.ir import Value
from kernelscape.semantics import register_dtype

LARGEST = 512
"""Elements of an array that is held."""


class Held:
    """The nodes that are held while a fold is looped, for one emitter."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter, self.builder = emitter, emitter.builder
        self._places: dict[tuple[int, Lane], Value] = {}
        emitter.held = self._element

    @contextmanager
    def during(self, bodies: Sequence[ex.Node], steps: int, lanes: Sequence[Lane]) -> Iterator[None]:
        """Hold what the bodies of a fold of so many steps have to hold."""
        added: list[tuple[int, Lane]] = []
        for node in self._worth_holding(bodies, steps):
            for lane in lanes:
                key = (id(node), self.emitter.canonical_lane(node, lane))
                if key in self._places:
                    continue
                elements = [self.emitter.element(node, index, lane) for index in product(*map(range, node.shape))]
                if len(elements) > 1 and node.dtype.kind != "b":
                    self._places[key] = self._stored(node, elements)
                    added.append(key)
        try:
            yield
        finally:
            for key in added:
                del self._places[key]

    def _worth_holding(self, bodies: Sequence[ex.Node], steps: int) -> list[ex.Node]:
        """The largest nodes without samples that have fewer elements than there are steps."""
        emitter = self.emitter
        nodes = list(ex.walk(bodies))
        small = {id(n) for n in nodes if id(n) in emitter.windowless and n.size < steps and n.size <= LARGEST}
        inner = {id(c) for n in nodes if id(n) in small for c in n.children}
        leaves = (ex.Argument, ex.Constant, ex.Index)
        return [
            n for n in nodes
            if id(n) in small and id(n) not in emitter.uniform and id(n) not in inner and not isinstance(n, leaves)
        ]  # fmt: skip

    def _stored(self, node: ex.Node, elements: Sequence[Element]) -> Value:
        held = register_dtype(node.dtype)
        base = self.builder.local(operators.memory_type(held, self.emitter.stage.lanes), len(elements))
        for number, element in enumerate(elements):
            raw = operators.to_memory(self.builder, self.emitter.target, element.value, held)
            self.builder.store(raw, self.builder.offset(base, number * _bytes(raw)))
        return base

    def _element(self, node: ex.Node, index: Index, lane: Lane) -> Element | None:
        """An element that a loop's counter asks for; None where the node is not held."""
        if not self._places or all(isinstance(i, int) for i in index):
            return None
        base = self._places.get((id(node), lane))
        if base is None:
            return None
        emitter, held = self.emitter, register_dtype(node.dtype)
        type_ = operators.memory_type(held, emitter.stage.lanes)
        place = as_value(emitter.flat(node.shape, index))
        bytes_ = emitter.affine(place, type_.lanes * (type_.bits // 8), 0)
        raw = self.builder.load(type_, self.builder.offset(base, as_value(bytes_)))
        return Element(operators.from_memory(self.builder, emitter.target, raw, held), None)


def _bytes(raw: Value) -> int:
    return raw.type.lanes * (raw.type.bits // 8)
