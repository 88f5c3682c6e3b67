"""Rows of the inputs, in the native worker: where they come from, copied or made of others, each once per strip.

For every input there is a table of pointers to the rows that a tile of output rows reads. In a *direct* segment they
point into the caller's array; elsewhere rows are copied, converted and padded into a ring that belongs to the worker.
*Made* rows are computed from rows of other inputs at the same place.
"""

from __future__ import annotations

from collections.abc import Callable

from kernelscape.backends.ir import I64, PTR, Builder, Type, Value, constant
from kernelscape.backends.words import APART, Call, InputWord, Phase, SegmentInput, Sweep, Words
from kernelscape.loops import LOWEST_OFFSET, MISSING, OUTSIDE


class Tables:
    """Reads and writes tables of 64-bit words."""

    def __init__(self, builder: Builder, checked: bool) -> None:
        self.b, self.checked = builder, checked
        self.sweep, self.call, self.scratch = builder.arguments

    def word(self, table: Value, name: int, type: Type = I64) -> Value:
        return self.b.load(type, self.b.offset(table, 8 * name))

    def entry(self, table: Value, index: Value, type: Type = I64) -> Value:
        return self.b.load(type, self.b.element_pointer(table, "i64", index))

    def record(self, table: Value, index: Value, words: type[Words]) -> Value:
        return self.b.offset(table, self.b.mul(index, constant(I64, 8 * len(words))))

    def room(self, name: Sweep) -> Value:
        """A table of the worker's own, in its scratch memory."""
        return self.b.offset(self.scratch, self.word(self.sweep, name))

    def count(self, stop: Value, body: Callable[[Value], None]) -> None:
        def run(i: Value, _: list[Value]) -> list[Value]:
            body(i)
            return []

        self.b.loop(constant(I64, 0), stop, 1, [], run)

    def put(self, table: Value, index: Value, value: Value) -> None:
        self.b.store(value, self.b.element_pointer(table, "i64", index))

    def number(self, value: int) -> Value:
        return constant(I64, value)


class Rows(Tables):
    """Writes the code that finds, copies and makes the rows of inputs."""

    def __init__(self, builder: Builder, checked: bool) -> None:
        super().__init__(builder, checked)
        self.masked, self.sum, self.outside = (builder.local(I64) for _ in range(3))

    def input_bases(self, number: Value) -> None:
        """For each combination of outer taps: the address of its slab, or OUTSIDE."""
        b = self.b
        record = self.record(self.word(self.sweep, Sweep.INPUT_TABLE, PTR), number, InputWord)
        is_array = b.icmp("eq", self.word(record, InputWord.MAKE), self.number(0))
        b.when(is_array, lambda: self.bases_of_array(number, record))
        held = b.offset(self.scratch, self.word(record, InputWord.HELD_AT))
        slots = b.mul(self.word(record, InputWord.COMBINATIONS), self.word(record, InputWord.RING_SLOTS))
        self.count(slots, lambda slot: self.put(held, slot, self.number(OUTSIDE)))

    def bases_of_array(self, number: Value, record: Value) -> None:
        b = self.b
        outer = self.word(self.sweep, Sweep.OUTER)
        base = self.entry(self.word(self.call, Call.INPUT_BASES, PTR), number)
        taps, maps = self.word(record, InputWord.COMBINATION_TABLE, PTR), self.word(record, InputWord.OUTER_MAPS, PTR)
        strides, bases = self.word(record, InputWord.OUTER_STRIDES, PTR), self.word(record, InputWord.BASES_AT)
        places = self.room(Sweep.OUTER_AT)

        def combination(c: Value) -> None:
            b.store(base, self.sum)
            b.store(self.number(0), self.outside)

            def axis(a: Value) -> None:
                tap = self.entry(taps, b.add(b.mul(c, outer), a))
                place = b.add(b.mul(self.entry(places, a), self.entry(strides, a)), tap)
                found = self.entry(self.entry(maps, a, PTR), place)
                outside = b.convert("zext", b.icmp("slt", found, self.number(LOWEST_OFFSET)), I64)
                missing = b.convert("zext", b.icmp("eq", found, self.number(MISSING)), I64)
                kind = b.add(outside, missing)
                b.store(b.binary("or", b.load(I64, self.outside), kind), self.outside)
                b.store(b.add(b.load(I64, self.sum), found), self.sum)

            self.count(outer, axis)
            kind = b.load(I64, self.outside)
            missing = b.icmp("uge", kind, self.number(2))
            value = b.select(missing, self.number(MISSING), self.number(OUTSIDE))
            value = b.select(b.icmp("eq", kind, self.number(0)), b.load(I64, self.sum), value)
            self.put(b.offset(self.scratch, bases), c, value)

        self.count(self.word(record, InputWord.COMBINATIONS), combination)

    def input_rows(self, number: Value, record: Value, part: Value, y: Value) -> None:
        b = self.b
        is_array = b.icmp("eq", self.word(record, InputWord.MAKE), self.number(0))
        b.when(
            is_array,
            lambda: self.rows_of_array(number, record, part, y),
            lambda: self.made_rows(record, self.word(part, SegmentInput.PHASE_TABLE, PTR), y),
        )

    def made_rows(self, record: Value, plan: Value, y: Value) -> None:
        """Rows that are made of those of other inputs, which have theirs by now; each is made once per strip."""
        b = self.b
        start, rows = b.mul(y, self.word(record, InputWord.Y_STRIDE)), self.word(record, InputWord.Y_OFFSETS)
        offsets, last = self.word(record, InputWord.Y_OFFSET_TABLE, PTR), self.word(record, InputWord.Y_LAST)
        first, phases = self.word(record, InputWord.FIRST_ROW), self.word(record, InputWord.PHASES)
        bytes_ = self.word(record, InputWord.ROW_BYTES)

        def combination(c: Value) -> None:
            def row(r: Value) -> None:
                place = b.intrinsic("smin", I64, b.add(start, self.entry(offsets, r)), last)
                home, held, own = self.slot(record, c, r, place)
                new = b.icmp("ne", self.entry(held, own), place)
                number = b.mul(b.add(b.mul(c, rows), r), phases)

                def phase(q: Value) -> None:
                    address = b.add(home, b.mul(q, bytes_))
                    which = b.add(number, q)
                    self.set_row(b.add(first, which), address, self.number(0), address, b.add(address, bytes_))
                    b.when(new, lambda: self.make_row(record, self.record(plan, q, Phase), which, address))

                self.count(phases, phase)
                self.put(held, own, place)

            self.count(rows, row)

        self.count(self.word(record, InputWord.COMBINATIONS), combination)

    def make_row(self, record: Value, plan: Value, which: Value, address: Value) -> None:
        """In full vectors; where the length is none of these, the last one is shifted back to end with the row."""
        b = self.b
        length, lanes = self.word(plan, Phase.COUNT), self.word(record, InputWord.LANES)
        rest = b.binary("urem", length, lanes)
        whole = b.sub(length, rest)
        some = b.icmp("ne", whole, self.number(0))
        b.when(some, lambda: self.make_part(record, which, address, self.number(0), whole))
        # All rows have room for a vector.
        shift = b.intrinsic("smax", I64, b.sub(length, lanes), self.number(0))
        b.when(b.icmp("ne", rest, self.number(0)), lambda: self.make_part(record, which, address, shift, lanes))

    def make_part(self, record: Value, which: Value, address: Value, shift: Value, count: Value) -> None:
        b = self.b
        sources, table = self.word(record, InputWord.SOURCES), self.word(record, InputWord.SOURCE_TABLE, PTR)
        rows, flags, limits = (
            self.room(name) for name in (Sweep.SOURCE_ROWS_AT, Sweep.SOURCE_FLAGS_AT, Sweep.SOURCE_LIMITS_AT)
        )
        every = self.room(Sweep.LIMITS_AT)

        def source(s: Value) -> None:
            pair = b.mul(s, self.number(2))
            entry = b.add(self.entry(table, pair), which)
            moved = b.mul(shift, self.entry(table, b.add(pair, self.number(1))))
            self.put(rows, s, b.add(self.entry(self.room(Sweep.ROWS_AT), entry), moved))
            self.put(flags, s, b.add(self.entry(self.room(Sweep.FLAGS_AT), entry), shift))
            if self.checked:
                for n in (0, 1):
                    limit = self.entry(every, b.add(b.mul(entry, self.number(2)), self.number(n)))
                    self.put(limits, b.add(pair, self.number(n)), limit)

        self.count(sources, source)
        made = self.room(Sweep.MADE_AT)
        self.put(made, self.number(0), b.add(address, b.mul(shift, self.word(record, InputWord.ITEM))))
        if self.checked:
            behind = b.mul(sources, self.number(2))
            self.put(limits, behind, address)
            self.put(limits, b.add(behind, self.number(1)), b.add(address, self.word(record, InputWord.ROW_BYTES)))
        b.call(
            self.word(record, InputWord.MAKE, PTR),
            rows,
            flags,
            made,
            self.word(self.call, Call.ARGUMENTS, PTR),
            self.room(Sweep.COORDINATES_AT),
            limits,
            b.offset(self.call, 8 * Call.ERROR),
            self.room(Sweep.COLUMNS_AT),
            self.number(0),
            count,
        )

    def slot(self, record: Value, c: Value, r: Value, place: Value) -> tuple[Value, Value, Value]:
        """Where the worker's own row for a place is, and the table that says which place each slot holds."""
        b = self.b
        slots, count = self.word(record, InputWord.RING_SLOTS), self.word(record, InputWord.PHASES)
        ring = b.icmp("ne", self.word(record, InputWord.RING), self.number(0))
        own = b.add(b.mul(c, slots), b.select(ring, b.binary("urem", place, slots), r))
        at = b.mul(b.mul(own, count), self.word(record, InputWord.ROW_BYTES))
        home = b.add(b.convert("ptrtoint", b.offset(self.scratch, self.word(record, InputWord.RING_AT)), I64), at)
        return home, b.offset(self.scratch, self.word(record, InputWord.HELD_AT)), own

    def rows_of_array(self, number: Value, record: Value, part: Value, y: Value) -> None:
        b = self.b
        start = b.mul(y, self.word(record, InputWord.Y_STRIDE))
        offsets, ymap = self.word(record, InputWord.Y_OFFSET_TABLE, PTR), self.word(record, InputWord.Y_MAP, PTR)
        rows, last = self.word(record, InputWord.Y_OFFSETS), self.word(record, InputWord.Y_LAST)
        bases = b.offset(self.scratch, self.word(record, InputWord.BASES_AT))
        first_row, phases = self.word(record, InputWord.FIRST_ROW), self.word(record, InputWord.PHASES)

        def combination(c: Value) -> None:
            base = self.entry(bases, c)

            def row(r: Value) -> None:
                place = b.intrinsic("smin", I64, b.add(start, self.entry(offsets, r)), last)
                found = self.entry(ymap, place)
                lowest = self.number(LOWEST_OFFSET)
                inside = b.binary("and", b.icmp("sge", found, lowest), b.icmp("sge", base, lowest))
                missing = b.binary(
                    "or", b.icmp("eq", found, self.number(MISSING)), b.icmp("eq", base, self.number(MISSING))
                )
                entry = b.add(first_row, b.mul(b.add(b.mul(c, rows), r), phases))
                source = b.add(base, found)
                b.when(
                    inside,
                    lambda: self.inside_row(number, record, part, entry, source, (c, r, place)),
                    lambda: self.outside_row(record, part, entry, missing),
                )

            self.count(rows, row)

        self.count(self.word(record, InputWord.COMBINATIONS), combination)

    def set_row(self, entry: Value, address: Value, flags: Value, first: Value, end: Value) -> None:
        self.put(self.room(Sweep.ROWS_AT), entry, address)
        self.put(self.room(Sweep.FLAGS_AT), entry, flags)
        if self.checked:
            self.set_limits(entry, first, end)

    def set_limits(self, entry: Value, first: Value, end: Value) -> None:
        limits, twice = self.room(Sweep.LIMITS_AT), self.b.mul(entry, self.number(2))
        self.put(limits, twice, first)
        self.put(limits, self.b.add(twice, self.number(1)), end)

    def outside_row(self, record: Value, part: Value, entry: Value, is_missing: Value) -> None:
        """A row outside the array: the constant row, with no flag set where it is missing."""
        b = self.b
        b.store(b.binary("or", b.load(I64, self.masked), b.convert("zext", is_missing, I64)), self.masked)
        address = self.word(record, InputWord.CONSTANT_ROW)
        end = b.add(address, self.word(record, InputWord.CONSTANT_BYTES))
        phases = self.word(part, SegmentInput.PHASE_TABLE, PTR)

        def phase(q: Value) -> None:
            own = self.word(self.record(phases, q, Phase), Phase.FLAGS)
            flags = b.select(is_missing, self.word(record, InputWord.NO_FLAGS), own)
            self.set_row(b.add(entry, q), address, flags, address, end)

        self.count(self.word(record, InputWord.PHASES), phase)

    def inside_row(
        self, number: Value, record: Value, part: Value, entry: Value, source: Value, where: tuple[Value, ...]
    ) -> None:
        b = self.b
        phases = self.word(part, SegmentInput.PHASE_TABLE, PTR)
        direct = b.icmp("ne", self.word(part, SegmentInput.DIRECT), self.number(0))

        def point() -> None:
            table = self.word(self.call, Call.INPUT_LIMITS, PTR)
            limits = b.element_pointer(table, "i64", b.mul(number, self.number(2)))
            first, end = self.word(limits, 0), self.word(limits, 1)

            def phase(q: Value) -> None:
                plan = self.record(phases, q, Phase)
                address = b.add(source, self.word(plan, Phase.START))
                self.set_row(b.add(entry, q), address, self.word(plan, Phase.FLAGS), first, end)

            self.count(self.word(record, InputWord.PHASES), phase)

        b.when(direct, point, lambda: self.ring_row(number, record, part, entry, source, where))

    def ring_row(
        self, number: Value, record: Value, part: Value, entry: Value, source: Value, where: tuple[Value, ...]
    ) -> None:
        """A padded row in the worker's memory; filled when its slot does not hold it yet.

        Dilation leaves gaps between the rows of a tile, so what a slot holds is written down for each of them.
        """
        b, (c, r, place) = self.b, where
        count, bytes_ = self.word(record, InputWord.PHASES), self.word(record, InputWord.ROW_BYTES)
        home, held, own = self.slot(record, c, r, place)
        new = b.icmp("ne", self.entry(held, own), place)
        phases = self.word(part, SegmentInput.PHASE_TABLE, PTR)
        block = self.word(part, SegmentInput.BLOCK)
        at_once = b.icmp("ne", block, self.number(0))
        apart = b.binary("and", new, b.icmp("ne", block, self.number(1)))

        def phase(q: Value) -> None:
            address = b.add(home, b.mul(q, bytes_))
            plan = self.record(phases, q, Phase)
            self.set_row(b.add(entry, q), address, self.word(plan, Phase.FLAGS), address, b.add(address, bytes_))
            b.when(apart, lambda: self.fill(number, record, plan, address, source, at_once))

        self.count(count, phase)
        together = b.binary("and", new, at_once)
        b.when(together, lambda: self.fill_block(number, record, part, home, source))
        self.put(held, own, place)

    def fill_block(self, number: Value, record: Value, part: Value, home: Value, source: Value) -> None:
        """The rows of all planes, or of all phases, of one source row."""
        b = self.b
        limits = b.element_pointer(self.word(self.call, Call.INPUT_LIMITS, PTR), "i64", b.mul(number, self.number(2)))
        b.call(
            self.word(record, InputWord.FILL_BLOCK, PTR),
            b.convert("inttoptr", b.add(home, self.word(part, SegmentInput.BLOCK_AT)), PTR),
            b.convert("inttoptr", b.add(source, self.word(part, SegmentInput.BLOCK_START)), PTR),
            self.word(part, SegmentInput.BLOCK_COUNT),
            self.word(record, InputWord.ROW_BYTES),
            self.word(part, SegmentInput.BLOCK_STEP),
            limits,
            b.offset(self.call, 8 * Call.ERROR),
        )

    def fill(
        self, number: Value, record: Value, plan: Value, address: Value, source: Value, run_is_filled: Value
    ) -> None:
        b = self.b
        step = b.select(run_is_filled, self.number(APART), self.word(plan, Phase.STEP))
        limits = b.element_pointer(self.word(self.call, Call.INPUT_LIMITS, PTR), "i64", b.mul(number, self.number(2)))
        b.call(
            self.word(record, InputWord.FILL, PTR),
            b.convert("inttoptr", address, PTR),
            b.convert("inttoptr", source, PTR),
            self.word(plan, Phase.TABLE, PTR),
            *(self.word(plan, w) for w in (Phase.COUNT, Phase.LOW, Phase.HIGH, Phase.START)),
            step,
            self.word(record, InputWord.CONSTANT_ROW, PTR),
            limits,
            b.offset(self.call, 8 * Call.ERROR),
        )
