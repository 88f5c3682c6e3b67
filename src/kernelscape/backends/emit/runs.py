"""Runs of equal elements along sorted ones: followed from the first to the last, in a loop where they are many.

Each lane has a window of its own. What is added up for a run is looked up in a table, lane by lane: for the element
that makes a run longer stands the difference to what the shorter one would have added. So the sum is complete wherever
the last run ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from kernelscape import expression as ex
from kernelscape.backends import operators
from kernelscape.backends.emit.values import Element, Emitter, Index, Lane, Position, as_value
from kernelscape.backends.ir import I64, Builder, Type, Value, constant
from kernelscape.reductions import counter
from kernelscape.semantics import run_bits

UNROLLED = 16
"""Elements up to which no loop is written."""
NETWORK = 64
"""Elements up to which sorted ones come from a network, all at once."""
SORTED = 1024
"""Elements of 8 bits up to which they are sorted; above, each level is counted."""


class _Run(NamedTuple):
    """What is known when some of the elements have been seen."""

    before: Value
    length: Value
    longest: Value
    value: Value
    number: Value


class Runs:
    """The rule of Runs, for one emitter."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter, self.builder = emitter, emitter.builder
        emitter.add_rules({ex.Runs: self._runs})

    def _runs(self, node: ex.Runs, index: Index, lane: Lane) -> Element:
        lane = self.emitter.canonical_lane(node, lane)
        levels = node.body.dtype.itemsize == 1 and node.body.dtype.kind != "b"
        if levels and node.count is None and isinstance(node.body, ex.Sort) and node.body.shape[-1] > SORTED:
            return self._by_levels(node, node.body, index, lane)
        return _Line(self.emitter, node, index, lane).followed()

    # -- many elements of few values ---------------------------------------------------------------------------------

    def _by_levels(self, node: ex.Runs, body: ex.Sort, index: Index, lane: Lane) -> Element:
        """Counts the elements of each of 256 values, in ascending order."""
        builder, emitter, extent = self.builder, self.emitter, body.shape[-1]
        lanes, sample = emitter.width(node), emitter.type_of(body.dtype, emitter.width(node))
        count = _counts(body.dtype, extent, lanes)
        total = _Sums(emitter, extent, lanes) if node.measure == "bits" else None
        scratch = builder.local(sample, extent)

        def fill(place: Value, _: list[Value]) -> list[Value]:
            element = emitter.operand(node, body.body, (*index, place), lane)
            builder.store(element.value, builder.element_pointer(scratch, sample.text, place))
            return []

        builder.loop(constant(I64, 0), constant(I64, extent), 1, [], fill, never_empty=True)

        def level(number: Value, carried: list[Value]) -> list[Value]:
            this = builder.splat(builder.convert("trunc", number, Type(sample.element)), lanes)

            def one(place: Value, found: list[Value]) -> list[Value]:
                same = builder.icmp(
                    "eq", builder.load(sample, builder.element_pointer(scratch, sample.text, place)), this
                )
                return [builder.add(found[0], builder.convert("zext", same, count))]

            (found,) = builder.loop(
                constant(I64, 0), constant(I64, extent), 1, [constant(count, 0)], one, never_empty=True
            )
            if total is not None:
                total.add(found)
            more = builder.icmp("sgt", found, carried[0])
            some = builder.convert("zext", builder.icmp("ne", found, constant(count, 0)), count)
            longest = builder.select(more, found, carried[0])
            return [longest, builder.select(more, this, carried[1]), builder.add(carried[2], some)]

        first = -128 if body.dtype.kind == "i" else 0
        state = [constant(count, 0), constant(sample, 0), constant(count, 0)]
        _, value, number = builder.loop(
            constant(I64, first), constant(I64, first + 256), 1, state, level, never_empty=True
        )
        if total is not None:
            return Element(total.value(), None)
        return Element(value if node.measure == "longest" else _as_int64(builder, number), None)


class _Line:
    """Follows the runs of one line of sorted elements."""

    def __init__(self, emitter: Emitter, node: ex.Runs, index: Index, lane: Lane) -> None:
        self.emitter, self.builder, self.node, self.index, self.lane = emitter, emitter.builder, node, index, lane
        self.extent, self.lanes = node.body.shape[-1], emitter.width(node)
        self.counts = _counts(node.body.dtype, self.extent, self.lanes)
        self.flagged = emitter.may_be_invalid(node)
        self.there = None if node.count is None else emitter.operand(node, node.count, index, lane)
        self.total = _Sums(emitter, self.extent, self.lanes) if node.measure == "bits" else None

    def followed(self) -> Element:
        """What is asked for."""
        builder, one = self.builder, constant(self.counts, 1)
        read = self._reader()
        first = read(0)
        some = one if self.there is None else builder.convert("zext", self._counting(constant(I64, 0)), self.counts)
        run = _Run(first.value, one, one, first.value, some)
        flag = first.flag
        if self.extent <= UNROLLED:
            for place in range(1, self.extent):
                run, flag = self._step(place, run, flag, read)
        else:
            run, flag = self._loop(run, flag, read)
        if self.there is not None:
            flag = self.emitter.both(flag, self.there.flag)
        return Element(self._found(run), flag)

    def _found(self, run: _Run) -> Value:
        if self.total is not None:
            return self.total.of_steps()
        return run.value if self.node.measure == "longest" else _as_int64(self.builder, run.number)

    def _reader(self) -> Callable[[Position], Element]:
        """Reads a sorted element."""
        emitter, builder, node = self.emitter, self.builder, self.node

        def plain(place: Position) -> Element:
            return emitter.operand(node, node.body, (*self.index, place), self.lane)

        if self.extent <= UNROLLED or self.extent > NETWORK or (self.flagged and self._is_counted()):
            emitter.prepare(node.body, self.lane)
            return plain
        # All elements come from one network: they are put where a loop can read them.
        every = [plain(place) for place in range(self.extent)]
        held = operators.to_memory(builder, emitter.target, every[0].value, node.body.dtype).type
        scratch = builder.local(held, self.extent)
        flag = None
        for place, element in enumerate(every):
            stored = operators.to_memory(builder, emitter.target, element.value, node.body.dtype)
            builder.store(stored, builder.offset(scratch, place * max(1, held.bits // 8) * held.lanes))
            flag = emitter.both(flag, element.flag)

        def stored_element(place: Position) -> Element:
            raw = builder.load(held, builder.element_pointer(scratch, held.text, as_value(place)))
            return Element(operators.from_memory(builder, emitter.target, raw, node.body.dtype), flag)

        return stored_element

    def _is_counted(self) -> bool:
        """Whether which elements were sorted is known at run time only, so that each is looked for by itself."""
        body = self.node.body
        return isinstance(body, ex.Sort) and (body.where is not None or self.emitter.may_be_invalid(body.body))

    def _counting(self, place: Value) -> Value:
        """Whether an element is among those that count."""
        assert self.there is not None
        type_ = self.there.value.type
        number = self.builder.convert("trunc", place, Type(type_.element)) if type_.bits < 64 else place
        return self.builder.icmp("sgt", self.there.value, self.builder.splat(number, type_.lanes))

    def _step(
        self, place: Position, run: _Run, flag: Value | None, read: Callable[[Position], Element]
    ) -> tuple[_Run, Value | None]:
        builder, one, number = self.builder, constant(self.counts, 1), as_value(place)
        this, dtype = read(place), self.node.body.dtype
        equal = self.emitter.operate("equal", [this.value, run.before], [dtype, dtype], ex.BOOL)
        counting = None if self.there is None else self._counting(number)
        linked = equal if counting is None else builder.binary("and", equal, counting)
        length = builder.select(linked, builder.add(run.length, one), one)
        following = run._replace(before=this.value, length=length)
        if self.total is not None:
            self.total.note(number, length)
        elif self.node.measure == "longest":
            more = builder.icmp("sgt", length, run.longest)
            following = following._replace(
                longest=builder.select(more, length, run.longest), value=builder.select(more, this.value, run.value)
            )
        else:
            begins = builder.binary("xor", equal, constant(equal.type, 1))
            begins = begins if counting is None else builder.binary("and", begins, counting)
            following = following._replace(number=builder.add(run.number, builder.convert("zext", begins, self.counts)))
        return following, self.emitter.both(flag, this.flag)

    def _loop(self, first: _Run, flag: Value | None, read: Callable[[Position], Element]) -> tuple[_Run, Value | None]:
        true = constant(Type("i1", self.lanes), 1)

        def body(place: Value, carried: list[Value]) -> Sequence[Value]:
            run, own = self._step(place, _Run(*carried[:5]), carried[5] if self.flagged else None, read)
            return [*run, own or true] if self.flagged else [*run]

        state = [*first, flag or true] if self.flagged else [*first]
        carried = self.builder.loop(constant(I64, 1), constant(I64, self.extent), 1, state, body, never_empty=True)
        return _Run(*carried[:5]), carried[5] if self.flagged else None


class _Sums:
    """Sums of `run_bits`, in each lane."""

    def __init__(self, emitter: Emitter, extent: int, lanes: int) -> None:
        self.builder, self.extent, self.lanes = emitter.builder, extent, lanes
        self.lengths = _counts(ex.BOOL, extent, lanes)
        bits = run_bits(extent)
        steps = (0, 0, *(after - before for before, after in pairwise(bits[1:])))
        self.whole, self.steps = (emitter.module.integer_table(numbers) for numbers in (bits, steps))
        self.noted = emitter.builder.local(self.lengths, extent)
        self.sums = emitter.builder.local(I64, lanes)
        self._each_lane(lambda lane: self.builder.store(constant(I64, 0), self._sum(lane)))

    def _each_lane(self, act: Callable[[Value], None]) -> None:
        def one(lane: Value, _: list[Value]) -> list[Value]:
            act(lane)
            return []

        self.builder.loop(constant(I64, 0), constant(I64, self.lanes), 1, [], one, never_empty=True)

    def _sum(self, lane: Value) -> Value:
        return self.builder.element_pointer(self.sums, "i64", lane)

    def note(self, place: Value, lengths: Value) -> None:
        """At some place runs have these lengths."""
        builder, bits = self.builder, self.lengths.bits
        if lengths.type.bits != bits:
            lengths = builder.convert("trunc" if lengths.type.bits > bits else "zext", lengths, self.lengths)
        builder.store(lengths, builder.element_pointer(self.noted, self.lengths.text, place))

    def _looked_up(self, table: Value, place: Value, lane: Value) -> Value:
        """The entry of a table for what was noted at a place."""
        builder, single = self.builder, Type(self.lengths.element)
        row = builder.element_pointer(self.noted, self.lengths.text, place)
        length = builder.load(single, builder.element_pointer(row, single.element, lane))
        return builder.load(I64, builder.element_pointer(table, "i64", _as_int64(builder, length)))

    def add(self, lengths: Value) -> None:
        """Adds what belongs to whole runs."""
        builder, first = self.builder, constant(I64, 0)
        self.note(first, lengths)

        def one(lane: Value) -> None:
            known = builder.load(I64, self._sum(lane))
            builder.store(builder.add(known, self._looked_up(self.whole, first, lane)), self._sum(lane))

        self._each_lane(one)

    def value(self) -> Value:
        """What has been added."""
        return self.builder.load(Type("i64", self.lanes), self.sums)

    def of_steps(self) -> Value:
        """The sums of what was noted behind the first place, where each says how long its run is up to there."""
        builder = self.builder
        whole = 1 + (self.extent - 1) // UNROLLED * UNROLLED

        def one(lane: Value) -> None:
            def some(place: Value, carried: list[Value]) -> list[Value]:
                return [self._added(carried[0], place, UNROLLED, lane)]

            (found,) = builder.loop(constant(I64, 1), constant(I64, whole), UNROLLED, [constant(I64, 0)], some)
            builder.store(self._added(found, constant(I64, whole), self.extent - whole, lane), self._sum(lane))

        self._each_lane(one)
        return self.value()

    def _added(self, known: Value, place: Value, number: int, lane: Value) -> Value:
        """A sum with so many entries more, from a place on."""
        for behind in range(number):
            known = self.builder.add(
                known, self._looked_up(self.steps, self.builder.add(place, constant(I64, behind)), lane)
            )
        return known


def _counts(dtype: ex.DType, extent: int, lanes: int) -> Type:
    """The type of numbers of elements, in some lanes."""
    return Type(f"i{8 * counter(dtype, extent).itemsize}", lanes)


def _as_int64(builder: Builder, number: Value) -> Value:
    return number if number.type.bits == 64 else builder.convert("zext", number, number.type.of("i64"))
