"""The part of the worker that finds the source rows of a tile, and copies those that cannot be read in place.

For each row there is an entry in the table of row pointers. It points into the caller's array, to the constant row
where there is none, or to a row in a ring of the worker's own, into which rows are copied, converted and padded, each
once per strip. What is copied soon is asked for ahead: while a row is copied (some rows ahead), and by kernels that
compute for long; for them the second half of the table says where the rows of the next tile lie in the arrays.
"""

from __future__ import annotations

from kernelscape.backends.ir import I64, PTR, Builder, Value
from kernelscape.backends.records import Records
from kernelscape.backends.words import APART, Call, InputWord, Phase, SegmentInput, Sweep
from kernelscape.loops import LOWEST_OFFSET, MISSING


class SourceRows(Records):
    """Writes the entries of the table of row pointers."""

    def __init__(self, builder: Builder, checked: bool) -> None:
        super().__init__(builder, checked)
        self.masked = builder.local(I64)

    def input_rows(self, number: Value, record: Value, part: Value, y: Value) -> None:
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
        slots, count = self.word(record, InputWord.RING_SLOTS), self.word(record, InputWord.PHASES)
        ring = b.icmp("ne", self.word(record, InputWord.RING), self.number(0))
        slot = b.select(ring, b.binary("urem", place, slots), r)
        bytes_ = self.word(record, InputWord.ROW_BYTES)
        own = b.add(b.mul(c, slots), slot)
        at = b.mul(b.mul(own, count), bytes_)
        home = b.add(b.convert("ptrtoint", b.offset(self.scratch, self.word(record, InputWord.RING_AT)), I64), at)
        held = b.offset(self.scratch, self.word(record, InputWord.HELD_AT))
        phases = self.word(part, SegmentInput.PHASE_TABLE, PTR)

        def phase(q: Value) -> None:
            start = b.add(home, b.mul(q, bytes_))
            flags = self.word(self.record(phases, q, Phase), Phase.FLAGS)
            self.set_row(b.add(entry, q), start, flags, start, b.add(start, bytes_))

        self.count(count, phase)
        soon = b.add(
            b.add(source, self.ahead(record, place, InputWord.Y_NEXT)), self.word(part, SegmentInput.BLOCK_START)
        )
        self.put(self.room(Sweep.ROWS_AT), b.add(self.word(self.sweep, Sweep.TOTAL_ROWS), entry), soon)
        new = b.icmp("ne", self.entry(held, own), place)
        b.when(new, lambda: self.fill_rows(number, record, part, home, source, place))
        self.put(held, own, place)

    def fill_rows(self, number: Value, record: Value, part: Value, home: Value, source: Value, place: Value) -> None:
        """All rows of one source row: their ends last, since what they need lies beside what the others have read."""
        b = self.b
        block, ahead = self.word(part, SegmentInput.BLOCK), self.ahead(record, place, InputWord.Y_AHEAD)
        at_once = b.icmp("ne", block, self.number(0))
        b.when(at_once, lambda: self.fill_block(number, record, part, home, source, ahead))

        def phase(q: Value) -> None:
            plan = self.record(self.word(part, SegmentInput.PHASE_TABLE, PTR), q, Phase)
            address = b.add(home, b.mul(q, self.word(record, InputWord.ROW_BYTES)))
            self.fill(number, record, plan, address, source, ahead, at_once)

        apart = b.icmp("ne", block, self.number(1))
        b.when(apart, lambda: self.count(self.word(record, InputWord.PHASES), phase))

    def ahead(self, record: Value, place: Value, rows: InputWord) -> Value:
        """How many bytes behind a row another one lies that is needed soon; 0 where that is none of the array's."""
        b, ymap = self.b, self.word(record, InputWord.Y_MAP, PTR)
        there = b.add(place, self.word(record, rows))
        found = self.entry(ymap, b.intrinsic("smin", I64, there, self.word(record, InputWord.Y_LAST)))
        distance = b.sub(found, self.entry(ymap, place))
        return b.select(b.icmp("sge", found, self.number(LOWEST_OFFSET)), distance, self.number(0))

    def fill_block(self, number: Value, record: Value, part: Value, home: Value, source: Value, ahead: Value) -> None:
        """The rows of all planes, or of all phases, of one source row."""
        b = self.b
        b.call(
            self.word(record, InputWord.FILL_BLOCK, PTR),
            b.convert("inttoptr", b.add(home, self.word(part, SegmentInput.BLOCK_AT)), PTR),
            b.convert("inttoptr", b.add(source, self.word(part, SegmentInput.BLOCK_START)), PTR),
            self.word(part, SegmentInput.BLOCK_COUNT),
            self.word(record, InputWord.ROW_BYTES),
            self.word(part, SegmentInput.BLOCK_STEP),
            ahead,
            *self.limits_and_error(number),
        )

    def fill(
        self, number: Value, record: Value, plan: Value, address: Value, source: Value, ahead: Value, filled: Value
    ) -> None:
        """One row, or its ends where its run is `filled` already."""
        b = self.b
        step = b.select(filled, self.number(APART), self.word(plan, Phase.STEP))
        b.call(
            self.word(record, InputWord.FILL, PTR),
            b.convert("inttoptr", address, PTR),
            b.convert("inttoptr", source, PTR),
            self.word(plan, Phase.TABLE, PTR),
            *(self.word(plan, w) for w in (Phase.COUNT, Phase.LOW, Phase.HIGH, Phase.START)),
            step,
            ahead,
            self.word(record, InputWord.CONSTANT_ROW, PTR),
            *self.limits_and_error(number),
        )

    def limits_and_error(self, number: Value) -> tuple[Value, Value]:
        b, table = self.b, self.word(self.call, Call.INPUT_LIMITS, PTR)
        return b.element_pointer(table, "i64", b.mul(number, self.number(2))), b.offset(self.call, 8 * Call.ERROR)
