"""The part of the worker that makes rows of rows: their samples are computed from those of others.

Made rows lie in a ring of the worker's own, as copied rows do, and each is made once per strip, by a small kernel
(``loops.Stage.made``) that sees some rows of each of its sources.
"""

from __future__ import annotations

from kernelscape.backends.ir import I64, PTR, Value
from kernelscape.backends.source_rows import SourceRows
from kernelscape.backends.words import Call, InputWord, Phase, SegmentInput, Sweep


class MadeRows(SourceRows):
    """Writes the entries of the table of row pointers, those of made rows too."""

    def input_rows(self, number: Value, record: Value, part: Value, y: Value) -> None:
        """The rows of an input; those that it may be made of come before it."""
        b = self.b
        is_array = b.icmp("eq", self.word(record, InputWord.MAKE), self.number(0))
        b.when(
            is_array,
            lambda: super(MadeRows, self).input_rows(number, record, part, y),
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
                wanted = b.add(start, self.entry(offsets, r))
                place = b.intrinsic("smin", I64, wanted, last)
                home, held, own = self.slot(record, c, r, place)
                there = self.entry(held, own)
                # Rows that only surplus rows of a tile ask for may hold anything; theirs are other sources.
                new = b.binary("and", b.icmp("ne", there, place), b.icmp("eq", wanted, place))
                number = b.mul(b.add(b.mul(c, rows), r), phases)

                def phase(q: Value) -> None:
                    address = b.add(home, b.mul(q, bytes_))
                    which = b.add(number, q)
                    self.set_row(b.add(first, which), address, self.number(0), address, b.add(address, bytes_))
                    b.when(new, lambda: self.make_row(record, self.record(plan, q, Phase), which, address))

                self.count(phases, phase)
                self.put(held, own, b.select(new, place, there))

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
        items, mine = self.word(record, InputWord.ITEM_TABLE, PTR), b.mul(which, sources)
        rows, flags, limits = (
            self.room(name) for name in (Sweep.SOURCE_ROWS_AT, Sweep.SOURCE_FLAGS_AT, Sweep.SOURCE_LIMITS_AT)
        )
        every = self.room(Sweep.LIMITS_AT)

        def source(s: Value) -> None:
            pair = b.mul(s, self.number(2))
            entry = self.entry(table, b.add(mine, s))
            moved = b.mul(shift, self.entry(items, s))
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
