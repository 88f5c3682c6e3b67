"""The native worker: pulls tiles from a shared counter, prepares tables of row pointers and calls the kernel.

It is the same code for every stage (compiled once, kept on disk), so it is driven by tables of 64-bit words that
``execute/`` builds with NumPy; ``words.py`` has the names of the words. One call of ``worker`` is one thread's share
of a sweep; nothing here knows a mode: a table of byte offsets says where the rows of an axis come from, and the entry
`OUTSIDE` that a row is the constant row (or missing).

A *tile* is a strip of output rows of one segment along x, over a few slabs (positions of the outer axes). In a
*direct* segment row pointers point into the caller's array; elsewhere rows are copied (``source_rows.py``). A segment
whose positions are not a multiple of the kernel's chunk writes into rows of its own, from which the outputs are copied:
so the kernel has no tails.
"""

from __future__ import annotations

from collections.abc import Callable

from kernelscape.backends.cpu import function_attributes
from kernelscape.backends.emit.transposition import inside_lanes
from kernelscape.backends.emit.values import report
from kernelscape.backends.ir import I1, I8, I64, PTR, Builder, Module, Type, Value, constant
from kernelscape.backends.made_rows import MadeRows
from kernelscape.backends.words import AxisWord, Call, InputWord, Plane, Segment, SegmentInput, Sweep
from kernelscape.loops import LOWEST_OFFSET, MISSING, OUTSIDE
from kernelscape.machine import Target


def worker_text(target: Target, *, checked: bool) -> str:
    """The module with ``void worker(ptr sweep, ptr call, ptr scratch)``."""
    module = Module(function_attributes(target))
    builder = module.function("worker", [("sweep", PTR), ("call", PTR), ("scratch", PTR)])
    control = FloatingControl.of(target, module, builder)
    _Worker(builder, checked).write()
    if control is not None:
        control.restore()
    builder.finish()
    return module.text()


class FloatingControl:
    """The default control word of SSE arithmetic while a worker runs (round to nearest, denormals kept, no traps)."""

    @classmethod
    def of(cls, target: Target, module: Module, builder: Builder) -> FloatingControl | None:
        """That of the machines that have one."""
        is_x86 = target.cpu.startswith(("x86", "znver", "sky", "ice", "cascade")) or "+sse2" in target.features
        return cls(module, builder) if is_x86 else None

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


class _Worker(MadeRows):
    """Writes the body of the worker function."""

    def __init__(self, builder: Builder, checked: bool) -> None:
        super().__init__(builder, checked)
        self.y, self.group, self.tile, self.rest = (builder.local(I64) for _ in range(4))
        self.held = builder.local(I64)
        builder.store(self.number(0), self.held)
        self.sum, self.outside = builder.local(I64), builder.local(I64)
        self.kernel = builder.local(PTR)

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
        b.store(first, self.group)

        def going() -> Value:
            return b.binary("and", b.icmp("slt", b.load(I64, self.y), last), self.wanted())

        def rows() -> None:
            self.one_step(b.load(I64, self.y), segment, last)
            self.next_tile()

        b.repeat(going, rows)

    def next_tile(self) -> None:
        """Tiles whose rows are some rows apart lie in each other; behind as many of them comes the next group."""
        b = self.b
        spacing, group = self.word(self.sweep, Sweep.SPACING), b.load(I64, self.group)
        after = b.add(group, b.mul(self.word(self.sweep, Sweep.ROWS), spacing))
        y = b.add(b.load(I64, self.y), self.number(1))
        ended = b.icmp("eq", y, b.add(group, spacing))
        b.store(b.select(ended, after, y), self.y)
        b.store(b.select(ended, after, group), self.group)

    def rows_left(self, y: Value, last: Value) -> Value:
        """How many rows of the tile that begins at `y`, at least 1, lie before `last`; it may have fewer."""
        b = self.b
        spacing = self.word(self.sweep, Sweep.SPACING)
        return b.add(b.binary("udiv", b.sub(b.sub(last, y), self.number(1)), spacing), self.number(1))

    def line(self, y: Value, t: Value) -> Value:
        """Row `t` of the tile that begins at `y`."""
        return self.b.add(y, self.b.mul(t, self.word(self.sweep, Sweep.SPACING)))

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
        planes = self.word(self.sweep, Sweep.PLANES)
        held = b.load(I64, self.held)
        self.count(planes, lambda p: self.output_rows(p, y, held, segment, last))
        self.coordinates(y, segment, last)
        whole = b.icmp("eq", self.word(segment, Segment.POSITIONS), self.word(segment, Segment.COUNT))
        kept = b.icmp("ne", self.word(self.sweep, Sweep.KEEPS), self.number(0))
        b.when(kept, lambda: self.count(planes, lambda p: self.copy_rows(p, y, segment, last, whole, inward=True)))
        self.run_kernel(segment)
        self.write_out(y, held, segment, last, whole)

    def write_out(self, y: Value, held: Value, segment: Value, last: Value, whole: Value) -> None:
        """Our own rows go to the results when they are as many as may be held, and at the end of a strip.

        So results whose rows lie along the other axis are written in lines of memory.
        """
        b, planes = self.b, self.word(self.sweep, Sweep.PLANES)
        more = b.add(held, self.word(self.sweep, Sweep.ROWS))
        full = b.icmp("sge", more, self.word(self.sweep, Sweep.HELD_ROWS))
        ended = b.icmp("sge", b.add(y, self.word(self.sweep, Sweep.ROWS)), last)
        b.store(more, self.held)

        def write() -> None:
            first = b.sub(y, held)
            self.count(planes, lambda p: self.copy_rows(p, first, segment, last, whole, inward=False))
            b.store(self.number(0), self.held)

        b.when(b.binary("or", full, ended), write)

    def output_rows(self, plane: Value, y: Value, held: Value, segment: Value, last: Value) -> None:
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
            line = self.line(y, t)
            final = b.add(base, b.mul(line, self.word(record, Plane.Y_STEP)))
            own = self.own_row(record, b.add(held, t))
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
        self.put(room, b.add(axes, self.number(2)), self.rows_left(y, last))

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

    def copy_rows(self, plane: Value, y: Value, segment: Value, last: Value, whole: Value, *, inward: bool) -> None:
        """Copies our own rows of outputs, where there are some, to the result; or what that holds to them."""
        b = self.b
        record = self.record(self.word(self.sweep, Sweep.PLANE_TABLE, PTR), plane, Plane)
        step, item = self.word(record, Plane.X_STEP), self.word(record, Plane.ITEM)
        straight = b.binary("and", whole, b.icmp("eq", step, item))
        base = self.entry(self.room(Sweep.PLANE_BASE_AT), plane)
        base = b.add(base, b.mul(self.word(segment, Segment.X0), step))
        rows = b.intrinsic("smin", I64, self.word(self.sweep, Sweep.HELD_ROWS), self.rows_left(y, last))
        positions = self.word(segment, Segment.POSITIONS)

        def one(t: Value) -> None:
            result = b.add(base, b.mul(self.line(y, t), self.word(record, Plane.Y_STEP)))
            own = self.own_row(record, t)
            places = ((own, item), (result, step)) if inward else ((result, step), (own, item))

            def copy() -> None:
                for size in (1, 2, 4, 8):
                    fits = b.icmp("eq", item, self.number(size))
                    b.when(fits, lambda size=size: self.copy_elements(*places, positions, step, size))  # type: ignore[misc]

            if self.checked:
                reach = b.mul(b.sub(positions, self.number(1)), step)
                self.inside_plane(plane, result, reach, item, copy)
            else:
                copy()

        def by_rows() -> None:
            self.count(rows, one)

        def by_columns() -> None:
            first, own = b.add(base, b.mul(y, item)), self.own_row(record, self.number(0))
            for size in (1, 2, 4, 8):
                fits = b.icmp("eq", item, self.number(size))
                b.when(fits, lambda size=size: self.copy_columns(record, first, own, rows, positions, size))  # type: ignore[misc]

        def copy() -> None:
            # Without the bounds of a checked build, and where rows are held, which they are not to be read again.
            turned = b.icmp("sgt", self.word(self.sweep, Sweep.HELD_ROWS), self.word(self.sweep, Sweep.ROWS))
            beside = b.icmp("eq", self.word(record, Plane.Y_STEP), item)
            b.when(b.binary("and", turned, beside), by_columns, by_rows)

        apart = b.binary("xor", straight, constant(I1, 1))
        b.when(apart, by_rows if self.checked or inward else copy)

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

    def copy_columns(
        self, record: Value, target: Value, source: Value, rows: Value, positions: Value, size: int
    ) -> None:
        """Our own rows into a result in which they lie side by side: squares are turned over in registers."""
        b, width = self.b, 16 // size
        element = I8.of(f"i{8 * size}")
        step, bytes_ = self.word(record, Plane.X_STEP), self.word(record, Plane.ROW_BYTES)
        whole = b.sub(rows, b.binary("urem", rows, self.number(width)))
        last = b.sub(positions, self.number(width))

        def place(i: Value, t: Value) -> tuple[Value, Value]:
            """Where an element lies in our rows, and in the result."""
            own = b.add(b.add(source, b.mul(i, self.number(size))), b.mul(t, bytes_))
            there = b.add(b.add(target, b.mul(i, step)), b.mul(t, self.number(size)))
            return b.convert("inttoptr", own, PTR), b.convert("inttoptr", there, PTR)

        def square(i: Value, t: Value) -> list[Value]:
            own, there = place(b.intrinsic("smin", I64, i, last), t)
            vectors = []
            for _ in range(width):
                vectors.append(b.load(Type(element.element, width), own))
                own = b.offset(own, bytes_)
            for column in inside_lanes(b, vectors):
                b.store(column, there)
                there = b.offset(there, step)
            return []

        def single(i: Value, t: Value) -> list[Value]:
            own, there = place(i, t)
            b.store(b.load(element, own), there)
            return []

        def loops(first: Value, end: Value, act: Callable[[Value, Value], list[Value]], width: int) -> None:
            def position(i: Value, _: list[Value]) -> list[Value]:
                return b.loop(first, end, width, [], lambda t, _: act(i, t))

            b.loop(self.number(0), positions, width, [], position)

        wide = b.icmp("sge", last, self.number(0))
        squares = b.select(wide, whole, self.number(0))
        loops(self.number(0), squares, square, width)
        loops(squares, rows, single, 1)

    def copy_elements(
        self, to: tuple[Value, Value], origin: tuple[Value, Value], positions: Value, step: Value, size: int
    ) -> None:
        """Elements from one row to another, each an address and a step; `step` is the one that may not be `size`."""
        b = self.b
        target, source = (b.convert("inttoptr", address, PTR) for address, _ in (to, origin))
        bytes_ = b.mul(positions, self.number(size))
        b.module.declare("llvm.memcpy.p0.p0.i64", "void", ["ptr", "ptr", "i64", "i1"])

        def block() -> None:
            b.line(
                f"call void @llvm.memcpy.p0.p0.i64(ptr {target.name}, ptr {source.name}, i64 {bytes_.name}, i1 false)"
            )

        def one_by_one() -> None:
            element = I8.of(f"i{8 * size}")

            def one(i: Value) -> None:
                value = b.load(element, b.offset(source, b.mul(i, origin[1])))
                b.store(value, b.offset(target, b.mul(i, to[1])))

            self.count(positions, one)

        b.when(b.icmp("eq", step, self.number(size)), block, one_by_one)
