"""Reductions: unrolled where small, else loops over taps; the order of a fold is the C order of its axes, always.

A fold is computed for all vectors of the register tile together. Unrolled, and where its axes are the window's own,
source rows are gone through from top to bottom and each loaded row feeds every output row that needs it. A product
inside a sum of floating numbers is fused into it. Elements that do not count leave the sum as it is, so that the
masked code gives the same bits as the other wherever all samples are valid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np

from kernelscape import expression as ex
from kernelscape.backends.emit.ahead import ask_at_row
from kernelscape.backends.emit.doubts import Doubts
from kernelscape.backends.emit.held import Held
from kernelscape.backends.emit.values import Element, Emitter, Index, Lane, Position, as_value, project
from kernelscape.backends.ir import I64, Type, Value, constant
from kernelscape.backends.vector_math import fused
from kernelscape.loops import X, Y
from kernelscape.reductions import FOLDS

UNROLL_LIMIT = 900
"""Instructions up to which a fold is written out."""
UNPACK_LIMIT = 1200
"""The same where elements of arrays at each position have to be taken apart."""
LOOP_LIMIT = 120
"""Instructions of the unrolled part of a loop over taps."""
MOST_PHASES = 8
"""Phases of a row up to which such a loop is unrolled so that it knows the phase of each tap."""

Indices = tuple[Position, ...]
Slot = tuple[ex.Reduce, Lane]
"""One fold, for one vector of the tile."""


class Folds:
    """The rules of Reduce and ArgReduce, for one emitter."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter, self.builder, self.stage = emitter, emitter.builder, emitter.stage
        self._groups, self._held = _siblings(emitter), Held(emitter)
        phases = math.lcm(*(i.phases for i in self.stage.inputs))
        self._unit = phases if phases <= MOST_PHASES else 1
        emitter.add_rules({ex.Reduce: self._reduce, ex.ArgReduce: self._arg_reduce})

    # -- reductions --------------------------------------------------------------------------------------------------

    def _reduce(self, node: ex.Reduce, index: Index, lane: Lane) -> Element:
        lanes = self.emitter.lanes_of(node, lane)
        group = [node] if index else self._groups.get(id(node), [node])
        key = ("fold", id(group[0]), index, lanes[0] if len(lanes) == 1 else None)
        slots = [(member, one) for member in group for one in lanes]
        found = self.builder.remember(key, lambda: self._fold(slots, index))
        return found[id(node), lane]

    def _fold(self, slots: list[Slot], index: Index) -> dict[tuple[int, Lane], Element]:
        """Folds of one group, for all vectors of the tile, in one sweep over their common axes."""
        node = slots[0][0]
        extents = [node.body.shape[a] for a in node.axes]
        if 0 in extents:
            return {(id(n), lane): Element(self._identity(n), None) for n, lane in slots}
        if all(self._is_count(n) for n, _ in slots):
            counts = {id(n): constant(self._identity(n).type, math.prod(extents)) for n, _ in slots}
            return {(id(n), lane): Element(counts[id(n)], None) for n, lane in slots}
        for inner in ex.walk([n.body for n, _ in slots]):
            for _, lane in slots:
                self.emitter.prepare(inner, lane)
        if self._fits_unrolled(slots):
            found = self._unrolled(slots, index)
        else:
            bodies = [part for n, _ in slots for part in (n.body, n.where) if part is not None]
            with self._held.during(bodies, _all_steps(bodies), [lane for _, lane in slots]):
                doubts = Doubts(self.emitter) if all(self._may_doubt(n) for n, _ in slots) else None
                found = self._in_loops(slots, index, doubts)
                if doubts is not None:
                    # It hardly ever runs: rather short than shared.
                    found = self._cleared(slots, found, doubts, lambda: self._looped(slots, index, extents, None))
        return {(id(n), lane): self._settled(e) for (n, lane), e in zip(slots, found, strict=True)}

    def _is_count(self, node: ex.Reduce) -> bool:
        """A sum of flags where all samples are valid."""
        body = node.body
        while isinstance(body, ex.Elementwise) and body.operator == "cast":
            body = body.operands[0]
        if not isinstance(body, ex.Valid) or node.operation != "add" or node.where is not None:
            return False
        return not self.emitter.may_be_invalid(body.body)

    def _settled(self, element: Element) -> Element:
        """NaN where a fold of extrema has met one."""
        met = self._met(element)
        if met is None:
            return Element(element.value, element.flag)
        nan = constant(element.value.type, math.nan)
        return Element(self.builder.select(met, nan, element.value), element.flag)

    def _met(self, element: Element) -> Value | None:
        pending = element.pending
        if pending is None:
            return element.unordered
        now = self.builder.fcmp("uno", pending, pending)
        return now if element.unordered is None else self.builder.binary("or", element.unordered, now)

    def _fits_unrolled(self, slots: Sequence[Slot]) -> bool:
        node = slots[0][0]
        taps = node.body.size // max(node.size, 1)
        if any(isinstance(n, ex.Pixel) and self.stage.inputs[n.input].is_packed for n in ex.walk([node.body])):
            # Elements that lie together are taken apart by code that knows which they are.
            return taps * self._step_cost(slots) <= UNPACK_LIMIT
        return taps <= 4 or taps * self._step_cost(slots) <= UNROLL_LIMIT

    def _step_cost(self, slots: Sequence[Slot]) -> int:
        """Instructions of one step of all slots, roughly."""
        members = list({id(n): n for n, _ in slots}.values())
        body = [n for n in ex.walk([m.body for m in members]) if id(n) not in self.emitter.uniform]
        total = self.emitter.cost([n for n in body if not isinstance(n, ex.Reduce | ex.Sort) and n.size > 1])
        inner = sum(n.body.size for n in body if isinstance(n, ex.Reduce | ex.Sort) and n.size > 1)
        lanes = len(slots) // len(members)
        return lanes * (len(members) + (total + inner) // max(members[0].body.size, 1))

    def _place(self, node: ex.Reduce, index: Index, taps: Indices) -> Index:
        """The index into the body: `index` on the kept axes, `taps` on the folded ones."""
        kept, folded = iter(index), iter(taps)
        return tuple(next(folded) if axis in node.axes else next(kept) for axis in range(node.body.ndim))

    def _unrolled(self, slots: list[Slot], index: Index) -> list[Element]:
        results: list[Element | None] = [None] * len(slots)
        doubts = Doubts(self.emitter)
        source = None
        for row, taps, rows in self._schedule(slots):
            if row != source:
                self.builder.fence()
                source = row
            for number, (node, lane) in enumerate(slots):
                if lane[0] in rows:
                    place = self._place(node, index, taps)
                    results[number] = self._step(node, results[number], place, lane, doubts)
        found = [r for r in results if r is not None]
        if not doubts:
            return found
        extents = [slots[0][0].body.shape[a] for a in slots[0][0].axes]
        return self._cleared(slots, found, doubts, lambda: self._looped(slots, index, extents, None))

    def _in_loops(self, slots: list[Slot], index: Index, doubts: Doubts | None) -> list[Element]:
        """Loops over source rows where output rows have them in common, else over taps."""
        node = slots[0][0]
        axis = self._y_axis(node)
        shift = None if axis is None or self.stage.rows == 1 or len(slots) == 1 else self._row_shift(node)
        if axis is not None and shift is not None:
            return self._by_rows(slots, axis, shift, doubts)
        return self._looped(slots, index, [node.body.shape[a] for a in node.axes], doubts)

    def _step(
        self, node: ex.Reduce, so_far: Element | None, place: Index, lane: Lane, doubts: Doubts | None
    ) -> Element:
        """One step of a fold; extrema of whole windows may only suspect that a NaN was met, in `doubts`."""
        if doubts is None or not self._may_doubt(node):
            return self._accumulate(node, so_far, place, lane)
        value = self.emitter.operand(node, node.body, place, lane).value
        doubts.add(node, place, lane, value)
        return Element(value if so_far is None else self._combine(node, so_far.value, value), None)

    def _may_doubt(self, node: ex.Reduce) -> bool:
        known = node.where is None and not self.emitter.may_be_invalid(node.body)
        return self._is_extremum(node) and known and node.body.size > 4

    def _cleared(
        self, slots: list[Slot], found: list[Element], doubts: Doubts, again: Callable[[], list[Element]]
    ) -> list[Element]:
        """Folds again, looking at every sample, where a NaN may have been met."""
        builder = self.builder
        inner = any(isinstance(n, ex.Reduce | ex.Sort | ex.Scan) for n in ex.walk([node.body for node, _ in slots]))
        unknown = doubts.unknown()
        rooms = [builder.local(element.value.type) for element in found]
        for element, room in zip(found, rooms, strict=True):
            builder.store(element.value, room)

        def exactly() -> None:
            for element, room in zip(again() if inner else builder.anew(again), rooms, strict=True):
                builder.store(self._settled(element).value, room)

        builder.when(unknown, exactly)
        return [Element(builder.load(e.value.type, room), e.flag) for e, room in zip(found, rooms, strict=True)]

    def _schedule(self, slots: list[Slot]) -> list[tuple[int, tuple[int, ...], set[int]]]:
        """(source row, taps, output rows that take them then), in an order that meets each source row once."""
        node = slots[0][0]
        extents = [node.body.shape[a] for a in node.axes]
        rows = sorted({lane[0] for _, lane in slots})
        axis = self._y_axis(node)
        every = list(product(*map(range, extents)))
        if axis is None or len(rows) == 1:
            return [(0, taps, set(rows)) for taps in every]
        spec = next(i for i in self.stage.inputs if i.shape == node.body.shape)
        plan: dict[tuple[int, tuple[int, ...]], set[int]] = {}
        for taps in every:
            for t in rows:
                source = t * spec.y_step + spec.y_taps[taps[axis]]
                plan.setdefault((source, taps), set()).add(t)

        def order(entry: tuple[int, tuple[int, ...]]) -> tuple[Any, ...]:
            source, taps = entry
            return (taps[:axis], source, taps[axis + 1 :])

        # For one output row the source rows ascend as its taps do, so its own order stays the C order.
        return [(*entry, plan[entry]) for entry in sorted(plan, key=order)]

    def _y_axis(self, node: ex.Reduce) -> int | None:
        """The axis that the tile's rows run along, when the fold runs over a whole window."""
        roles = self.stage.roles
        if Y not in roles or node.axes != tuple(range(len(roles))):
            return None
        if not any(i.shape == node.body.shape and i.taps is None for i in self.stage.inputs):
            return None
        return roles.index(Y)

    def _row_shift(self, node: ex.Reduce) -> int | None:
        """By how many taps along y the output rows of the tile are apart; None where they share no source rows."""
        full = [i for i in self.stage.inputs if i.shape == node.body.shape]
        shifts = {i.row_shift for i in full}
        shift = shifts.pop() if len(shifts) == 1 else None
        # Rows that are written out one by one should not be more than those in a loop.
        return None if shift == 1 and len(full[0].y_taps) <= self.stage.rows else shift

    def _by_rows(self, slots: list[Slot], axis: int, shift: int, doubts: Doubts | None) -> list[Element]:
        """Loops over source rows: each is loaded once, and every output row of the tile takes what it needs of it.

        Output row t has its tap i in source row ``i + shift * t``. Source rows that concern the same output rows are a
        loop, or written out where there is one. Each output row still meets its taps in their own order. The first of a
        run of rows is `known`.
        """
        shape, rows = slots[0][0].body.shape, self.stage.rows
        before, behind = shape[:axis], shape[axis + 1 :]
        cost = self._step_cost(slots)

        def one_row(head: Indices, row: Position, known: int, active: set[int], state: list[Element]) -> list[Element]:
            taken = {t: self.emitter.affine(row, 1, -shift * t) for t in active}

            def step(tail: Indices, state: list[Element]) -> list[Element]:
                places = {t: (*head, start, *tail) for t, start in taken.items()}
                return self._stepped(slots, state, lambda _, lane: places.get(lane[0]), doubts)

            self.builder.fence()
            if known >= shape[axis] - shift and X in self.stage.roles[axis + 1 :]:
                t = max(active)
                ask_at_row(self.emitter, shape, (*head, taken[t], *(0 for _ in behind)), t)
            return self._nest(behind, state, step, cost)

        def all_rows(head: Indices, state: list[Element]) -> list[Element]:
            for start, stop, active in _row_runs(shape[axis], rows, shift):
                if stop == start + 1:
                    state = one_row(head, start, start, active, state)
                else:
                    state = many_rows(head, start, stop, active, state)
            return state

        def many_rows(head: Indices, start: int, stop: int, active: set[int], state: list[Element]) -> list[Element]:
            def body(row: Value, carried: list[Value]) -> list[Value]:
                return _pack(one_row(head, row, start, active, _unpack(carried, state)), state)

            first, end = constant(I64, start), constant(I64, stop)
            return _unpack(self.builder.loop(first, end, 1, _pack(state, state), body, never_empty=True), state)

        found = self._nest(before, self._start(slots, doubts), all_rows, LOOP_LIMIT + 1)
        return found if doubts is None else doubts.taken(found)

    def _stepped(
        self, slots: list[Slot], state: list[Element], place: Callable[[ex.Reduce, Lane], Index | None],
        doubts: Doubts | None,
    ) -> list[Element]:  # fmt: skip
        """One step in a loop, of the slots that have an element there; behind them it carries what is in doubt."""
        own = state if doubts is None else doubts.taken(state)
        made = []
        for so_far, (node, lane) in zip(own, slots, strict=True):
            at = place(node, lane)
            made.append(so_far if at is None else self._step(node, so_far, at, lane, doubts))
        return made if doubts is None else [*made, *doubts.carried()]

    def _start(self, slots: list[Slot], doubts: Doubts | None) -> list[Element]:
        """What a loop begins with, with all the flags that it will carry."""
        if doubts is not None:
            return [*(Element(self._identity(node), None) for node, _ in slots), *doubts.begun(slots)]
        found = []
        for node, _ in slots:
            first = self._identity(node)
            none = constant(first.type.of("i1"), 0)
            flagged = node.where is not None or self.emitter.may_be_invalid(node.body)
            found.append(Element(first, none if flagged else None, none if self._is_extremum(node) else None))
        return found

    def _accumulate(self, node: ex.Reduce, so_far: Element | None, place: Index, lane: Lane) -> Element:
        """One step of the fold."""
        first = so_far is None
        state = Element(self._identity(node), None) if so_far is None else so_far
        products, chosen_by = self._products(node)
        if products is not None:
            a, b = (
                self.emitter.operand(node, f, project(place, f.shape, products.shape), lane) for f in _factors(products)
            )
            new = fused(self.builder, self.emitter.target, a.value, b.value, state.value)
            valid = self.emitter.both(a.flag, b.flag)
        else:
            element = self.emitter.operand(node, node.body, place, lane)
            valid = element.flag
            # A sum of what is selected begins with +0, so that it is +0 of nothing but -0.
            new = element.value if first and node.where is None else self._combine(node, state.value, element.value)
        counts = valid
        if chosen_by is not None:
            condition = self.emitter.operand(node, chosen_by, project(place, chosen_by.shape, node.body.shape), lane)
            counts = self.emitter.both(counts, condition.value)
        if node.where is not None:
            chosen = self.emitter.operand(node, node.where, place, lane)
            counts = self.emitter.both(self.emitter.both(valid, chosen.value), chosen.flag)
        value = new if counts is None else self.builder.select(counts, new, state.value)
        flag = self._any_flag(node, first, state.flag, valid, counts)
        if not self._is_extremum(node):
            return Element(value, flag)
        met, pending = self._meet(state, element.value, counts, patient=first or state.pending is not None)
        return Element(value, flag, met, pending)

    @staticmethod
    def _is_extremum(node: ex.Reduce) -> bool:
        return node.operation in ("minimum", "maximum") and node.dtype.kind == "f"

    def _meet(
        self, state: Element, value: Value, counts: Value | None, *, patient: bool
    ) -> tuple[Value | None, Value | None]:
        """Looks for NaN in two values with one comparison where a value may wait for the next."""
        builder, met = self.builder, state.unordered
        if counts is None and state.pending is None and (patient or met is None):
            return met, value
        other = value if state.pending is None else state.pending
        now = builder.fcmp("uno", other, value)
        if counts is not None:
            now = builder.binary("and", builder.fcmp("uno", value, value), counts)
            if state.pending is not None:
                now = builder.binary("or", now, builder.fcmp("uno", other, other))
        return (now if met is None else builder.binary("or", met, now)), None

    def _any_flag(
        self, node: ex.Reduce, first: bool, so_far: Value | None, valid: Value | None, counts: Value | None
    ) -> Value | None:
        """Whether something was there to fold: over none selected a sum is 0, and a minimum is invalid."""
        this = valid if FOLDS[node.operation].empty_is_identity else counts
        if this is None or (not first and so_far is None):
            return None
        return this if so_far is None else self.builder.binary("or", so_far, this)

    def _products(self, node: ex.Reduce) -> tuple[ex.Elementwise | None, ex.Node | None]:
        """The products that a sum fuses, and the condition under which each is added; None: always."""
        body, condition = node.body, None
        if isinstance(body, ex.Elementwise) and body.operator == "select" and not self.emitter.masked:
            test, product, rest = body.operands
            # What is not chosen is the -0.0 that changes no sum.
            if _is_negative_zero(rest) and product.shape == body.shape:
                body, condition = product, test
        is_product = isinstance(body, ex.Elementwise) and body.operator in ("multiply", "square")
        if node.operation != "add" or not isinstance(body, ex.Elementwise) or not is_product or body.dtype.kind != "f":
            return None, None
        return body, condition

    def _combine(self, node: ex.Reduce, a: Value, b: Value) -> Value:
        if self._is_extremum(node):
            # One instruction: the sum of the fold is never NaN, and a NaN in `b` is met beside it.
            return self.builder.select(self.builder.fcmp("olt" if node.operation == "minimum" else "ogt", b, a), b, a)
        return self.emitter.operate(node.operation, [a, b], [node.body.dtype] * 2, node.body.dtype)

    def _identity(self, node: ex.Reduce) -> Value:
        type_ = self.emitter.type_of(node.dtype, self.emitter.width(node))
        value = FOLDS[node.operation].identity(node.dtype)
        # A sum over none selected is +0.0; otherwise -0.0, to which any number can be added without a change.
        return constant(type_, 0.0 if node.where is not None and value == 0 else value)

    def _looped(self, slots: list[Slot], index: Index, extents: Sequence[int], doubts: Doubts | None) -> list[Element]:
        """Loops over the folded axes; the innermost is unrolled in groups."""

        def step(taps: Indices, state: list[Element]) -> list[Element]:
            return self._stepped(slots, state, lambda node, _: self._place(node, index, taps), doubts)

        found = self._nest(extents, self._start(slots, doubts), step, self._step_cost(slots))
        return found if doubts is None else doubts.taken(found)

    def _nest(self, extents: Sequence[int], state: list[Element], step: Any, cost: int) -> list[Element]:
        """Runs `step` for all taps in C order, carrying a list of elements."""

        def run(taps: Indices, state: list[Element]) -> list[Element]:
            if len(taps) == len(extents):
                return list(step(taps, state))
            extent = extents[len(taps)]
            inner = len(taps) == len(extents) - 1
            group = self._group(extent, cost) if inner else 1
            whole = extent - extent % group
            # Under a stride along x groups are numbered, so that the phase of each tap in a group is known.
            step_by = 1 if inner and self._unit > 1 else group

            def body(number: Value, carried: list[Value]) -> list[Value]:
                now = _unpack(carried, state)
                place = number if step_by == group else self.emitter.multiple(number, group)
                for k in range(group):
                    now = run((*taps, self.emitter.affine(place, 1, k)), now)
                return _pack(now, state)

            if whole == group:
                for k in range(whole):
                    state = run((*taps, k), state)
            else:
                stop, initial = constant(I64, whole // group * step_by), _pack(state, state)
                carried = self.builder.loop(constant(I64, 0), stop, step_by, initial, body, never_empty=True)
                state = _unpack(carried, state)
            for k in range(whole, extent):
                state = run((*taps, k), state)
            return state

        return run((), state)

    def _group(self, extent: int, cost: int) -> int:
        """Taps of one turn of the innermost loop: under a stride along x as many as rows have phases, or more."""
        group = max(1, LOOP_LIMIT // max(cost, 1))
        return min(extent, group if self._unit == 1 else max(self._unit, group // self._unit * self._unit))

    # -- positions of extrema ----------------------------------------------------------------------------------------

    def _arg_reduce(self, node: ex.ArgReduce, index: Index, lane: Lane) -> Element:
        """The first best element; a NaN beats all numbers, as in NumPy."""
        extents = [node.body.shape[a] for a in node.axes]
        width = self.emitter.width(node)
        position = Type("i32", width)
        body_type = self.emitter.type_of(node.body.dtype, width)
        none = constant(Type("i1", width), 0)
        start = [Element(constant(body_type, 0), none), Element(constant(position, 0), None)]

        def step(taps: Indices, state: list[Element]) -> list[Element]:
            return self._arg_step(node, self._place(node, index, taps), taps, extents, state, lane)

        if node.body.size // max(node.size, 1) * 6 <= UNROLL_LIMIT:
            state = start
            for taps in product(*map(range, extents)):
                state = step(taps, state)
        else:
            state = self._nest(extents, start, step, 6)
        flagged = node.where is not None or self.emitter.may_be_invalid(node.body)
        place = self.builder.convert("sext", state[1].value, position.of("i64"))
        return Element(place, state[0].flag if flagged else None)

    def _arg_step(
        self, node: ex.ArgReduce, place: Index, taps: Indices, extents: Sequence[int], state: list[Element], lane: Lane
    ) -> list[Element]:
        builder, (best, at) = self.builder, state
        element = self.emitter.operand(node, node.body, place, lane)
        counts = element.flag
        if node.where is not None:
            counts = self.emitter.both(counts, self.emitter.operand(node, node.where, place, lane).value)
        assert best.flag is not None
        better = builder.binary("or", self._beats(node, element.value, best.value), self._not(best.flag))
        if counts is not None:
            better = builder.binary("and", better, counts)
        flat = self.emitter.flat(tuple(extents), taps)
        number = builder.splat(builder.convert("trunc", as_value(flat), Type("i32")), at.value.type.lanes)
        if isinstance(flat, int):
            number = constant(at.value.type, flat)
        there = constant(best.flag.type, 1) if counts is None else builder.binary("or", best.flag, counts)
        value = builder.select(better, element.value, best.value)
        return [Element(value, there), Element(builder.select(better, number, at.value), None)]

    def _beats(self, node: ex.ArgReduce, a: Value, b: Value) -> Value:
        dtype, bool_ = node.body.dtype, np.dtype(np.bool_)
        name = "less" if node.operation == "minimum" else "greater"
        better = self.emitter.operate(name, [a, b], [dtype, dtype], bool_)
        if not a.type.is_float:
            return better
        builder = self.builder
        nan_wins = builder.binary("and", builder.fcmp("uno", a, a), self._not(builder.fcmp("uno", b, b)))
        still = self._not(builder.fcmp("uno", b, b))
        return builder.binary("or", nan_wins, builder.binary("and", better, still))

    def _not(self, flag: Value) -> Value:
        return self.builder.binary("xor", flag, constant(flag.type, 1))


def _row_runs(extent: int, rows: int, shift: int) -> Iterator[tuple[int, int, set[int]]]:
    """Runs of source rows that concern the same output rows of a tile, which are `shift` source rows apart."""
    edges = sorted({edge for t in range(rows) for edge in (shift * t, shift * t + extent)})
    for start, stop in pairwise(edges):
        yield start, stop, {t for t in range(rows) if shift * t <= start < shift * t + extent}


def _siblings(emitter: Emitter) -> dict[int, list[ex.Reduce]]:
    """Folds over the same axes that do not need each other share one sweep, and what their bodies have in common."""
    level: dict[int, int] = {}
    groups: dict[tuple[Any, ...], list[ex.Reduce]] = {}
    found: dict[int, list[ex.Reduce]] = {}
    for node in ex.walk(emitter.stage.outputs):
        below = max((level[id(c)] for c in node.children), default=0)
        level[id(node)] = below + isinstance(node, ex.Reduce | ex.Sort)
        if isinstance(node, ex.Reduce) and not isinstance(node, ex.ArgReduce):
            alone = id(node) if node.size > 1 or id(node) in emitter.uniform else None
            key = (level[id(node)], node.axes, node.body.shape, alone)
            found[id(node)] = groups.setdefault(key, [])
            found[id(node)].append(node)
    return found


def _all_steps(bodies: Sequence[ex.Node]) -> int:
    """Steps of a fold and of those inside it together."""
    return max(n.size for n in ex.walk(bodies))


def _is_negative_zero(node: ex.Node) -> bool:
    return isinstance(node, ex.Constant) and node.value == 0 and math.copysign(1.0, node.value) < 0


def _factors(body: ex.Node) -> tuple[ex.Node, ex.Node]:
    first, second = (*body.children, *body.children)[:2]
    return first, second


def _pack(state: Sequence[Element], like: Sequence[Element]) -> list[Value]:
    """The values that a loop carries; `like` says which flags there are."""
    values: list[Value] = []
    for element, pattern in zip(state, like, strict=True):
        values.append(element.value)
        if pattern.flag is not None:
            values.append(element.flag if element.flag is not None else constant(pattern.flag.type, 1))
        if pattern.unordered is not None:
            values.append(element.unordered if element.unordered is not None else constant(pattern.unordered.type, 0))
    return values


def _unpack(values: Sequence[Value], like: Sequence[Element]) -> list[Element]:
    stream = iter(values)
    found = []
    for pattern in like:
        value = next(stream)
        flag = next(stream) if pattern.flag is not None else None
        found.append(Element(value, flag, next(stream) if pattern.unordered is not None else None))
    return found
