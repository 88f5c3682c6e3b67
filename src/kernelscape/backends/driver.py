"""The native worker: pulls tiles from a shared counter, prepares tables of row pointers and calls the kernel.

It is the same code for every stage (compiled once, kept on disk), so it is driven by tables of 64-bit words that
``execute/`` builds with NumPy; ``words.py`` has the names of the words. One call of ``worker`` is one thread's share
of a sweep; nothing here knows a mode: a table of byte offsets says where the rows of an axis come from, and the entry
`OUTSIDE` that a row is the constant row (or missing).

A *tile* is a strip of output rows of one segment along x, over a few slabs (positions of the outer axes). In a
*direct* segment row pointers point into the caller's array; elsewhere rows are copied, converted and padded into a ring
that belongs to the worker, each row once per strip. A segment whose positions are not a multiple of the kernel's chunk
writes into rows of its own, from which the outputs are copied: so the kernel has no tails.
"""

from __future__ import annotations

from collections.abc import Callable

from kernelscape.backends.cpu import function_attributes
from kernelscape.backends.emit.values import report
from kernelscape.backends.ir import I1, I8, I64, PTR, Builder, Module, Type, Value, constant
from kernelscape.backends.words import (
    APART,
    AxisWord,
    Call,
    InputWord,
    Phase,
    Plane,
    Segment,
    SegmentInput,
    Sweep,
    Words,
)
from kernelscape.loops import LOWEST_OFFSET, MISSING, OUTSIDE
from kernelscape.machine import Target


def worker_text(target: Target, *, checked: bool) -> str:
    """The module with ``void worker(ptr sweep, ptr call, ptr scratch)``."""
    module = Module(function_attributes(target))
    builder = module.function("worker", [("sweep", PTR), ("call", PTR), ("scratch", PTR)])
    is_x86 = target.cpu.startswith(("x86", "znver", "sky", "ice", "cascade")) or "+sse2" in target.features
    control = _FloatingControl(module, builder) if is_x86 else None
    _Worker(builder, checked).write()
    if control is not None:
        control.restore()
    builder.finish()
    return module.text()


class _FloatingControl:
    """The default control word of SSE arithmetic while the worker runs (round to nearest, denormals kept, no traps)."""

    def __init__(self, module: Module, builder: Builder) -> None:
        self.builder = builder
        for name in ("stmxcsr", "ldmxcsr"):
            module.declare(f"llvm.x86.sse.{name}", "void", ["ptr"])
        self.kept, ours = builder.local(Type("i32")), builder.local(Type("i32"))
        builder.store(constant(Type("i32"), 0x1F80), ours)
        builder.line(f"call void @llvm.x86.sse.stmxcsr(ptr {self.kept.name})")
        builder.line(f"call void @llvm.x86.sse.ldmxcsr(ptr {ours.name})")

    def restore(self) -> None:
        self.builder.line(f"call void @llvm.x86.sse.ldmxcsr(ptr {self.kept.name})")


class _Worker:
    """Writes the body of the worker function."""

    def __init__(self, builder: Builder, checked: bool) -> None:
        self.b, self.checked = builder, checked
        self.sweep, self.call, self.scratch = builder.arguments
        self.y, self.masked = builder.local(I64), builder.local(I64)
        self.tile, self.rest = builder.local(I64), builder.local(I64)
        self.sum, self.outside = builder.local(I64), builder.local(I64)
        self.kernel = builder.local(PTR)

    # -- words -------------------------------------------------------------------------------------------------------

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

    # -- tiles -------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        b = self.b
        tiles, chosen = self.word(self.call, Call.TILES), self.word(self.call, Call.CHOSEN_TABLE, PTR)
        all_of_them = b.icmp("eq", self.word(self.call, Call.CHOSEN_TABLE), self.number(0))

        def more() -> Value:
            tile = b.fetch_add(b.offset(self.call, 8 * Call.COUNTER), self.number(1))
            b.store(tile, self.tile)
            left = b.icmp("slt", tile, tiles)
            listed = b.binary("and", left, b.binary("xor", all_of_them, constant(I1, 1)))
            b.when(listed, lambda: b.store(self.entry(chosen, tile), self.tile))
            return b.binary("and", left, self.wanted())

        b.repeat(more, self.one_tile)

    def wanted(self) -> Value:
        """Nobody has cancelled."""
        return self.b.icmp("eq", self.b.load_shared(self.b.offset(self.call, 8 * Call.CANCEL)), self.number(0))

    def one_tile(self) -> None:
        b = self.b
        tile = b.load(I64, self.tile)
        segments, strips = self.word(self.sweep, Sweep.SEGMENTS), self.word(self.sweep, Sweep.STRIPS)
        table = self.word(self.sweep, Sweep.SEGMENT_TABLE, PTR)
        segment = self.record(table, b.binary("urem", tile, segments), Segment)
        above = b.binary("udiv", tile, segments)
        strip, group = b.binary("urem", above, strips), b.binary("udiv", above, strips)
        height, per_tile = self.word(self.sweep, Sweep.STRIP), self.word(self.sweep, Sweep.SLABS_PER_TILE)
        first = b.mul(strip, height)
        last = b.intrinsic("smin", I64, b.add(first, height), self.word(self.sweep, Sweep.Y_COUNT))
        slab = b.mul(group, per_tile)
        end = b.intrinsic("smin", I64, b.add(slab, per_tile), self.word(self.sweep, Sweep.SLABS))

        def one(number: Value, _: list[Value]) -> list[Value]:
            self.one_slab(number, segment, first, last)
            return []

        b.loop(slab, end, 1, [], one)

    def one_slab(self, slab: Value, segment: Value, first: Value, last: Value) -> None:
        b = self.b
        self.outer_index(slab)
        self.count(self.word(self.sweep, Sweep.INPUTS), self.input_bases)
        self.count(self.word(self.sweep, Sweep.PLANES), self.plane_base)
        b.store(first, self.y)

        def going() -> Value:
            return b.binary("and", b.icmp("slt", b.load(I64, self.y), last), self.wanted())

        def rows() -> None:
            self.one_step(b.load(I64, self.y), segment, last)
            b.store(b.add(b.load(I64, self.y), self.word(self.sweep, Sweep.ROWS)), self.y)

        b.repeat(going, rows)

    def outer_index(self, slab: Value) -> None:
        """Position along each outer axis, the last one running fastest."""
        b = self.b
        outer, extents = self.word(self.sweep, Sweep.OUTER), self.word(self.sweep, Sweep.OUTER_EXTENTS, PTR)
        places = self.room(Sweep.OUTER_AT)
        b.store(slab, self.rest)

        def one(i: Value) -> None:
            axis = b.sub(b.sub(outer, self.number(1)), i)
            extent, rest = self.entry(extents, axis), b.load(I64, self.rest)
            self.put(places, axis, b.binary("urem", rest, extent))
            b.store(b.binary("udiv", rest, extent), self.rest)

        self.count(outer, one)

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

    def plane_base(self, number: Value) -> None:
        b = self.b
        record = self.record(self.word(self.sweep, Sweep.PLANE_TABLE, PTR), number, Plane)
        strides, places = self.word(record, Plane.OUTER_STRIDES, PTR), self.room(Sweep.OUTER_AT)
        b.store(self.entry(self.word(self.call, Call.PLANE_BASES, PTR), number), self.sum)

        def axis(a: Value) -> None:
            moved = b.mul(self.entry(places, a), self.entry(strides, a))
            b.store(b.add(b.load(I64, self.sum), moved), self.sum)

        self.count(self.word(self.sweep, Sweep.OUTER), axis)
        self.put(self.room(Sweep.PLANE_BASE_AT), number, b.load(I64, self.sum))

    # -- one tile of output rows ---------------------------------------------------------------------------------------

    def one_step(self, y: Value, segment: Value, last: Value) -> None:
        b = self.b
        b.store(self.word(segment, Segment.MISSING), self.masked)
        inputs = self.word(segment, Segment.INPUT_TABLE, PTR)

        def one(number: Value) -> None:
            record = self.record(self.word(self.sweep, Sweep.INPUT_TABLE, PTR), number, InputWord)
            self.input_rows(number, record, self.record(inputs, number, SegmentInput), y)

        self.count(self.word(self.sweep, Sweep.INPUTS), one)
        self.count(self.word(self.sweep, Sweep.PLANES), lambda p: self.output_rows(p, y, segment, last))
        self.coordinates(y, segment, last)
        self.run_kernel(segment)
        whole = b.icmp("eq", self.word(segment, Segment.POSITIONS), self.word(segment, Segment.COUNT))
        self.count(self.word(self.sweep, Sweep.PLANES), lambda p: self.copy_out(p, y, segment, last, whole))

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

    def output_rows(self, plane: Value, y: Value, segment: Value, last: Value) -> None:
        """Pointers to the output rows: into the result, or into rows of our own (ragged segments, surplus rows)."""
        b = self.b
        record = self.record(self.word(self.sweep, Sweep.PLANE_TABLE, PTR), plane, Plane)
        rows, item = self.word(self.sweep, Sweep.ROWS), self.word(record, Plane.ITEM)
        step = self.word(record, Plane.X_STEP)
        whole = b.icmp("eq", self.word(segment, Segment.POSITIONS), self.word(segment, Segment.COUNT))
        direct = b.binary("and", whole, b.icmp("eq", step, item))
        base = self.entry(self.room(Sweep.PLANE_BASE_AT), plane)
        base = b.add(base, b.mul(self.word(segment, Segment.X0), step))
        limits = b.element_pointer(self.word(self.call, Call.PLANE_LIMITS, PTR), "i64", b.mul(plane, self.number(2)))

        def one(t: Value) -> None:
            line = b.add(y, t)
            final = b.add(base, b.mul(line, self.word(record, Plane.Y_STEP)))
            own = self.own_row(record, t)
            straight = b.binary("and", direct, b.icmp("slt", line, last))
            entry = b.add(b.mul(plane, rows), t)
            self.put(self.room(Sweep.OUTPUTS_AT), entry, b.select(straight, final, own))
            if self.checked:
                first = b.select(straight, self.word(limits, 0), own)
                end = b.select(straight, self.word(limits, 1), b.add(own, self.word(record, Plane.ROW_BYTES)))
                self.set_limits(b.add(self.word(self.sweep, Sweep.TOTAL_ROWS), entry), first, end)

        self.count(rows, one)

    def own_row(self, record: Value, t: Value) -> Value:
        b = self.b
        first = b.convert("ptrtoint", b.offset(self.scratch, self.word(record, Plane.ROWS_AT)), I64)
        return b.add(first, b.mul(t, self.word(record, Plane.ROW_BYTES)))

    def coordinates(self, y: Value, segment: Value, last: Value) -> None:
        """The anchors of the tile's first position along every window axis, and how many outputs follow in x and y."""
        b = self.b
        axes, room = self.word(self.sweep, Sweep.AXES), self.room(Sweep.COORDINATES_AT)

        def one(axis: Value) -> None:
            record = self.record(self.word(self.sweep, Sweep.AXIS_TABLE, PTR), axis, AxisWord)
            kind, first = self.word(record, AxisWord.KIND), self.word(record, AxisWord.FIRST)
            stride = self.word(record, AxisWord.STRIDE)
            is_outer = b.icmp("sge", kind, self.number(0))
            place = self.entry(self.room(Sweep.OUTER_AT), b.select(is_outer, kind, self.number(0)))
            position = b.select(is_outer, place, b.select(b.icmp("eq", kind, self.number(-2)), y, self.number(0)))
            self.put(room, axis, b.add(first, b.mul(position, stride)))

        self.count(axes, one)
        self.put(room, axes, self.word(segment, Segment.X0))
        self.put(room, b.add(axes, self.number(1)), self.word(segment, Segment.POSITIONS))
        self.put(room, b.add(axes, self.number(2)), b.sub(last, y))

    def run_kernel(self, segment: Value) -> None:
        b = self.b
        b.store(self.word(self.sweep, Sweep.KERNEL, PTR), self.kernel)
        masked = b.icmp("ne", b.load(I64, self.masked), self.number(0))
        b.when(masked, lambda: b.store(self.word(self.sweep, Sweep.MASKED_KERNEL, PTR), self.kernel))
        rooms = (Sweep.ROWS_AT, Sweep.FLAGS_AT, Sweep.OUTPUTS_AT)
        b.call(
            b.load(PTR, self.kernel),
            *(self.room(name) for name in rooms),
            self.word(self.call, Call.ARGUMENTS, PTR),
            self.room(Sweep.COORDINATES_AT),
            self.room(Sweep.LIMITS_AT),
            b.offset(self.call, 8 * Call.ERROR),
            self.room(Sweep.COLUMNS_AT),
            self.word(self.sweep, Sweep.COLUMN_BYTES),
            self.word(segment, Segment.COUNT),
        )

    def copy_out(self, plane: Value, y: Value, segment: Value, last: Value, whole: Value) -> None:
        b = self.b
        record = self.record(self.word(self.sweep, Sweep.PLANE_TABLE, PTR), plane, Plane)
        step, item = self.word(record, Plane.X_STEP), self.word(record, Plane.ITEM)
        straight = b.binary("and", whole, b.icmp("eq", step, item))
        base = self.entry(self.room(Sweep.PLANE_BASE_AT), plane)
        base = b.add(base, b.mul(self.word(segment, Segment.X0), step))
        rows = b.intrinsic("smin", I64, self.word(self.sweep, Sweep.ROWS), b.sub(last, y))
        positions = self.word(segment, Segment.POSITIONS)

        def one(t: Value) -> None:
            target = b.add(base, b.mul(b.add(y, t), self.word(record, Plane.Y_STEP)))
            source = self.own_row(record, t)

            def copy() -> None:
                for size in (1, 2, 4, 8):
                    fits = b.icmp("eq", item, self.number(size))
                    b.when(fits, lambda size=size: self.copy_elements(target, source, positions, step, size))  # type: ignore[misc]

            if self.checked:
                reach = b.mul(b.sub(positions, self.number(1)), step)
                self.inside_plane(plane, target, reach, item, copy)
            else:
                copy()

        b.when(b.binary("xor", straight, constant(I1, 1)), lambda: self.count(rows, one))

    def inside_plane(self, plane: Value, target: Value, reach: Value, item: Value, copy: Callable[[], None]) -> None:
        """Copies a row only if it lies in the caller's array; else notes its address (checked builds)."""
        b = self.b
        limits = b.element_pointer(self.word(self.call, Call.PLANE_LIMITS, PTR), "i64", b.mul(plane, self.number(2)))
        far = b.add(target, reach)
        low, high = b.intrinsic("smin", I64, target, far), b.intrinsic("smax", I64, target, far)
        above = b.icmp("uge", low, self.word(limits, 0))
        below = b.icmp("ule", b.add(high, item), self.word(limits, 1))
        error = b.offset(self.call, 8 * Call.ERROR)
        b.when(b.binary("and", above, below), copy, lambda: report(b, error, target))

    def copy_elements(self, target: Value, source: Value, positions: Value, step: Value, size: int) -> None:
        b = self.b
        target, source = b.convert("inttoptr", target, PTR), b.convert("inttoptr", source, PTR)
        bytes_ = b.mul(positions, self.number(size))
        b.module.declare("llvm.memcpy.p0.p0.i64", "void", ["ptr", "ptr", "i64", "i1"])

        def block() -> None:
            b.line(
                f"call void @llvm.memcpy.p0.p0.i64(ptr {target.name}, ptr {source.name}, i64 {bytes_.name}, i1 false)"
            )

        def scatter() -> None:
            element = I8.of(f"i{8 * size}")

            def one(i: Value) -> None:
                value = b.load(element, b.element_pointer(source, element.element, i))
                b.store(value, b.offset(target, b.mul(i, step)))

            self.count(positions, one)

        b.when(b.icmp("eq", step, self.number(size)), block, scatter)
