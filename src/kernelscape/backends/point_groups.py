"""Groups of points in the worker for single points: their windows are brought together, block by block, and computed.

The offsets of all points of a group are made at once. A block is as many of them as have room, with all samples of
their windows, in the first-level cache; so what one function has gathered the next one finds there.
"""

from __future__ import annotations

from collections.abc import Callable

from kernelscape.backends.emit.values import report
from kernelscape.backends.ir import I8, I64, PTR, Builder, Type, Value, constant
from kernelscape.backends.point_words import AT_BORDER, PointCall, PointInput, PointPlane, Points
from kernelscape.backends.words import Words
from kernelscape.loops import LOWEST_OFFSET, MISSING, OUTSIDE

WIDE = Type("i64", 8)
LINE = 64
"""Bytes of a cache line, and of `WIDE`."""


class Tables:
    """Reads and writes the words of tables, for one function that is being written."""

    def __init__(self, builder: Builder, checked: bool) -> None:
        self.b, self.checked = builder, checked
        self.sweep, self.call, self.scratch = builder.arguments

    def word(self, table: Value, name: int, type: Type = I64) -> Value:
        return self.b.load(type, self.b.offset(table, 8 * name))

    def entry(self, table: Value, index: Value, type: Type = I64) -> Value:
        return self.b.load(type, self.b.element_pointer(table, "i64", index))

    def put(self, table: Value, index: Value, value: Value) -> None:
        self.b.store(value, self.b.element_pointer(table, "i64", index))

    def record(self, table: Value, index: Value, words: type[Words]) -> Value:
        return self.b.offset(table, self.b.mul(index, self.number(8 * len(words))))

    def number(self, value: int) -> Value:
        return constant(I64, value)

    def room(self, name: Points) -> Value:
        """A table of the worker's own, in its scratch memory."""
        return self.b.offset(self.scratch, self.word(self.sweep, name))

    def place(self, record: Value, name: PointInput | PointPlane) -> Value:
        """The same for one input or output plane."""
        return self.b.offset(self.scratch, self.word(record, name))

    def address(self, pointer: Value) -> Value:
        return self.b.convert("ptrtoint", pointer, I64)

    def count(self, stop: Value, body: Callable[[Value], None], step: int = 1, start: Value | None = None) -> None:
        """Runs `body` for all numbers below `stop`."""

        def run(i: Value, _: list[Value]) -> list[Value]:
            body(i)
            return []

        self.b.loop(self.number(0) if start is None else start, stop, step, [], run)

    def input_record(self, number: Value) -> Value:
        return self.record(self.word(self.sweep, Points.INPUT_TABLE, PTR), number, PointInput)

    def plane_record(self, number: Value) -> Value:
        return self.record(self.word(self.sweep, Points.PLANE_TABLE, PTR), number, PointPlane)

    def limits(self, name: PointCall, number: Value) -> Value:
        return self.b.element_pointer(self.word(self.call, name, PTR), "i64", self.b.mul(number, self.number(2)))

    @property
    def error(self) -> Value:
        """Where a checked build notes an offence."""
        return self.b.offset(self.call, 8 * PointCall.ERROR)

    def wanted(self) -> Value:
        """Nobody has cancelled."""
        return self.b.icmp("eq", self.b.load_shared(self.b.offset(self.call, 8 * PointCall.CANCEL)), self.number(0))

    def copy_bytes(self, to: Value, origin: Value, size: Value) -> None:
        """Copies so many bytes from one address to another.

        Not with C's function: for some kilobytes it may take an instruction that copies strings, and these are slow on
        some machines where only a part of the data is in a cache.
        """
        b = self.b
        target, source = (b.convert("inttoptr", address, PTR) for address in (to, origin))
        line = self.number(LINE)

        def some(x: Value, type: Type, together: int = 1) -> None:
            places = [b.add(x, self.number(LINE * n)) for n in range(together)]
            values = [b.load(type, b.offset(source, place)) for place in places]
            for value, place in zip(values, places, strict=True):
                b.store(value, b.offset(target, place))

        def lines() -> None:
            # Stores across two lines take twice as long: only the first and the last one may do so.
            first = b.sub(line, b.binary("and", to, self.number(LINE - 1)))
            last = b.sub(size, line)
            left = b.intrinsic("smax", I64, b.sub(last, first), self.number(0))
            whole = b.mul(b.binary("udiv", left, self.number(4 * LINE)), self.number(4 * LINE))
            some(self.number(0), WIDE)
            self.count(b.add(first, whole), lambda x: some(x, WIDE, 4), 4 * LINE, start=first)
            self.count(last, lambda x: some(x, WIDE), LINE, start=b.add(first, whole))
            some(last, WIDE)

        def bytes_() -> None:
            words = b.binary("and", size, self.number(-8))
            self.count(words, lambda x: some(x, I64), 8)
            self.count(size, lambda x: some(x, I8), start=words)

        b.when(b.icmp("sge", size, line), lines, bytes_)


class Groups(Tables):
    """Writes what is done with a group of points of one kind."""

    def __init__(self, builder: Builder, checked: bool) -> None:
        super().__init__(builder, checked)
        self.kernel, self.done = builder.local(PTR), builder.local(I64)
        self.axes = self.word(self.sweep, Points.AXES)
        self.capacity = self.word(self.sweep, Points.CAPACITY)

    def prepare(self) -> None:
        """The tables of row pointers, which stay the same."""
        self.count(self.word(self.sweep, Points.INPUTS), self._input_rows)

    def process(self, kind: int, places: Value, count: Value) -> None:
        """Computes `count` points, whose places along each axis begin at `places`."""
        b = self.b
        pad, block = self.word(self.sweep, Points.PAD), self.word(self.sweep, Points.BLOCK)
        padded = b.mul(b.binary("udiv", b.sub(b.add(count, pad), self.number(1)), pad), pad)
        inputs, planes = self.word(self.sweep, Points.INPUTS), self.word(self.sweep, Points.PLANES)
        b.when(
            b.icmp("slt", count, padded),
            lambda: self.count(self.axes, lambda a: self._repeat(places, a, count, padded)),
        )
        self.count(inputs, lambda i: self._offsets_of_input(kind, i, places, padded))
        kept = b.icmp("ne", self.word(self.sweep, Points.KEEPS), self.number(0))
        b.when(kept, lambda: self.count(planes, lambda p: self._move(p, places, count, padded, inward=True)))
        b.store(self.number(0), self.done)

        def some() -> None:
            first = b.load(I64, self.done)
            size = b.intrinsic("smin", I64, block, b.sub(padded, first))
            own = b.element_pointer(places, "i64", first)
            self.count(inputs, lambda i: self._load(kind, i, own, first, size))
            self.count(planes, lambda p: self._output_row(p, first))
            self._run_kernel(kind, b.sub(count, first), size)
            b.store(b.add(first, block), self.done)

        b.repeat(lambda: b.icmp("slt", b.load(I64, self.done), count), some)
        self.count(planes, lambda p: self._move(p, places, count, padded, inward=False))

    def _repeat(self, places: Value, axis: Value, count: Value, padded: Value) -> None:
        """The last point stands for those that are not there."""
        line = self.b.element_pointer(places, "i64", self.b.mul(axis, self.capacity))
        last = self.entry(line, self.b.sub(count, self.number(1)))
        self.count(padded, lambda j: self.put(line, j, last), start=count)

    # -- offsets -----------------------------------------------------------------------------------------------------

    def _offsets_of_input(self, kind: int, number: Value, places: Value, padded: Value) -> None:
        """Where the windows of all points begin, if they lie in the array."""
        b = self.b
        record = self.input_record(number)
        needed = b.icmp("slt", self.word(record, PointInput.COORDINATE), self.number(0))
        if kind == AT_BORDER:
            apart = b.icmp("eq", self.word(record, PointInput.TAPS), self.number(0))
            needed = b.binary("and", needed, apart)

        def make() -> None:
            steps, tables = (self.word(record, name, PTR) for name in (PointInput.STEPS, PointInput.TABLES))
            offsets = self.place(record, PointInput.OFFSETS_AT)
            self._sum(offsets, self.word(record, PointInput.BASE), steps, tables, places, padded)

        b.when(needed, make)

    def _sum(
        self, offsets: Value, base: Value, steps: Value, tables: Value | None, places: Value, padded: Value
    ) -> None:
        """The byte offset of each point: a base, and for each axis a step or what a table has."""
        b = self.b
        start = b.splat(base, WIDE.lanes)
        self.count(padded, lambda j: b.store(start, b.element_pointer(offsets, "i64", j)), WIDE.lanes)

        def axis(a: Value) -> None:
            line, step = b.element_pointer(places, "i64", b.mul(a, self.capacity)), self.entry(steps, a)

            def affine() -> None:
                wide = b.splat(step, WIDE.lanes)

                def some(j: Value) -> None:
                    target = b.element_pointer(offsets, "i64", j)
                    moved = b.mul(b.load(WIDE, b.element_pointer(line, "i64", j)), wide)
                    b.store(b.add(b.load(WIDE, target), moved), target)

                b.when(b.icmp("ne", step, self.number(0)), lambda: self.count(padded, some, WIDE.lanes))

            if tables is None:
                affine()
                return
            table = self.entry(tables, a, PTR)

            def listed() -> None:
                def one(j: Value) -> None:
                    place = self.entry(table, self.entry(line, j))
                    self.put(offsets, j, b.add(self.entry(offsets, j), place))

                self.count(padded, one)

            b.when(b.icmp("eq", self.address(table), self.number(0)), affine, listed)

        self.count(self.axes, axis)

    # -- inputs ------------------------------------------------------------------------------------------------------

    def _input_rows(self, number: Value) -> None:
        b = self.b
        record = self.input_record(number)
        first, size = self.word(record, PointInput.FIRST_ROW), self.word(record, PointInput.ROW_BYTES)
        home = self.address(self.place(record, PointInput.ROWS_AT))
        flags, step = self.address(self.place(record, PointInput.FLAGS_AT)), self.word(record, PointInput.FLAG_BYTES)

        def row(plane: Value) -> None:
            address, entry = b.add(home, b.mul(plane, size)), b.add(first, plane)
            self.put(self.room(Points.ROWS_AT), entry, address)
            self.put(self.room(Points.FLAGS_AT), entry, b.add(flags, b.mul(plane, step)))
            self._set_limits(entry, address, b.add(address, size))

        self.count(self.word(record, PointInput.PLANES), row)

    def _set_limits(self, entry: Value, first: Value, end: Value) -> None:
        if self.checked:
            limits, twice = self.room(Points.LIMITS_AT), self.b.mul(entry, self.number(2))
            self.put(limits, twice, first)
            self.put(limits, self.b.add(twice, self.number(1)), end)

    def _load(self, kind: int, number: Value, places: Value, first: Value, size: Value) -> None:
        """The rows of an input for a block: `size` points from number `first` of the group on."""
        b = self.b
        record = self.input_record(number)
        coordinate = self.word(record, PointInput.COORDINATE)

        def gathered() -> None:
            offsets = b.element_pointer(self.place(record, PointInput.OFFSETS_AT), "i64", first)
            self._gather(number, record, offsets, size)

        def samples() -> None:
            if kind != AT_BORDER:
                gathered()
                return
            looked_up = b.icmp("ne", self.word(record, PointInput.TAPS), self.number(0))
            b.when(looked_up, lambda: self._look_up(number, record, places, size), gathered)

        is_coordinate = b.icmp("sge", coordinate, self.number(0))
        b.when(is_coordinate, lambda: self._coordinates(record, coordinate, places, size), samples)

    def _coordinates(self, record: Value, axis: Value, places: Value, size: Value) -> None:
        """The anchors' coordinates along an axis."""
        b = self.b
        line, row = b.element_pointer(places, "i64", b.mul(axis, self.capacity)), self.place(record, PointInput.ROWS_AT)
        base, step = self.word(record, PointInput.BASE), self.entry(self.word(record, PointInput.STEPS, PTR), axis)
        self.count(size, lambda j: self.put(row, j, b.add(base, b.mul(self.entry(line, j), step))))

    def _gather(self, number: Value, record: Value, offsets: Value, size: Value) -> None:
        """The samples of points whose windows lie in the array."""
        b = self.b
        source = self.entry(self.word(self.call, PointCall.INPUT_BASES, PTR), number)
        home = self.place(record, PointInput.ROWS_AT)
        runs, table = self.word(record, PointInput.RUNS), self.word(record, PointInput.RUN_TABLE, PTR)

        def together() -> None:
            b.call(
                self.word(record, PointInput.GATHER, PTR),
                home,
                b.convert("inttoptr", source, PTR),
                offsets,
                size,
                table,
                runs,
                self.limits(PointCall.INPUT_LIMITS, number),
                self.error,
            )

        def one_by_one() -> None:
            def run(r: Value) -> None:
                words = b.offset(table, b.mul(r, self.number(16)))
                begin, place = self.word(words, 0), self.word(words, 1)
                self._fill(number, record, b.offset(home, place), b.add(source, begin), offsets, size)

            self.count(runs, run)

        b.when(b.icmp("ne", self.word(record, PointInput.GATHER), self.number(0)), together, one_by_one)

    def _fill(self, number: Value, record: Value, row: Value, source: Value, offsets: Value, size: Value) -> None:
        """One row from offsets."""
        b, zero = self.b, self.number(0)
        b.call(
            self.word(record, PointInput.FILL, PTR),
            row,
            b.convert("inttoptr", source, PTR),
            offsets,
            size,
            size,
            size,
            zero,
            zero,
            zero,
            self.word(record, PointInput.CONSTANT_ROW, PTR),
            self.limits(PointCall.INPUT_LIMITS, number),
            self.error,
        )

    def _look_up(self, number: Value, record: Value, places: Value, size: Value) -> None:
        """The samples of points, each where the mode says.

        What the last axis has for each of its taps is looked up once, since all taps along the other axes share it.
        """
        b = self.b
        last, taps = b.sub(self.axes, self.number(2)), self.word(record, PointInput.TAPS)
        along, outer = self.place(record, PointInput.INNER_AT), self.place(record, PointInput.OUTER_AT)
        inner, block = self.word(record, PointInput.INNER_TAPS), self.word(self.sweep, Points.BLOCK)

        def line_of(k: Value) -> Value:
            return b.element_pointer(along, "i64", b.mul(k, block))

        self.count(inner, lambda k: self._places_along(record, places, k, last, line_of(k), size, add=False))

        def group(g: Value) -> None:
            first = b.mul(g, inner)
            self.count(size, lambda j: b.store(constant(WIDE, 0), b.element_pointer(outer, "i64", j)), WIDE.lanes)
            self.count(last, lambda a: self._places_along(record, places, first, a, outer, size, add=True))
            self.count(inner, lambda k: self._look_up_tap(number, record, b.add(first, k), outer, line_of(k), size))

        self.count(b.binary("udiv", taps, inner), group)

    def _places_along(
        self, record: Value, places: Value, tap: Value, axis: Value, target: Value, size: Value, *, add: bool
    ) -> None:
        """Where one tap of each point lies along one axis; or that in addition to what the target has."""
        b = self.b
        maps, strides = self.word(record, PointInput.BORDER_MAPS, PTR), self.word(record, PointInput.STRIDES, PTR)
        taps = b.element_pointer(self.word(record, PointInput.TAP_TABLE, PTR), "i64", b.mul(tap, self.axes))
        line, along = b.element_pointer(places, "i64", b.mul(axis, self.capacity)), self.entry(maps, axis, PTR)
        stride, own = self.entry(strides, axis), self.entry(taps, axis)

        def one(j: Value) -> None:
            found = self.entry(along, b.add(b.mul(self.entry(line, j), stride), own))
            self.put(target, j, self._together(found, self.entry(target, j)) if add else found)

        self.count(size, one)

    def _together(self, a: Value, b_: Value) -> Value:
        """The sum of two offsets; or the word for what lies outside, if one of them is such a word."""
        b = self.b
        # These words are below all offsets, and MISSING is the larger one.
        lowest, outside = constant(a.type, LOWEST_OFFSET), constant(a.type, OUTSIDE)
        words = [b.select(b.icmp("slt", word, lowest), word, outside) for word in (a, b_)]
        either = b.icmp("slt", b.intrinsic("smin", a.type, a, b_), lowest)
        return b.select(either, b.intrinsic("smax", a.type, *words), b.add(a, b_))

    def _look_up_tap(self, number: Value, record: Value, tap: Value, outer: Value, along: Value, size: Value) -> None:
        """The row of one sample of all windows, and its flags."""
        b = self.b
        source = self.entry(self.word(self.call, PointCall.INPUT_BASES, PTR), number)
        offsets = self.place(record, PointInput.OFFSETS_AT)

        def some(j: Value) -> None:
            parts = [b.load(WIDE, b.element_pointer(table, "i64", j)) for table in (outer, along)]
            b.store(self._together(*parts), b.element_pointer(offsets, "i64", j))

        self.count(size, some, WIDE.lanes)
        home = self.place(record, PointInput.ROWS_AT)
        row = b.offset(home, b.mul(tap, self.word(record, PointInput.ROW_BYTES)))
        self._fill(number, record, row, source, offsets, size)

        def note_flags() -> None:
            flags = self.place(record, PointInput.FLAGS_AT)
            line = b.offset(flags, b.mul(tap, self.word(record, PointInput.FLAG_BYTES)))

            def eight(j: Value) -> None:
                found = b.load(WIDE, b.element_pointer(offsets, "i64", j))
                there = b.icmp("ne", found, constant(WIDE, MISSING))
                b.store(b.convert("zext", there, Type("i8", WIDE.lanes)), b.offset(line, j))

            self.count(size, eight, WIDE.lanes)

        b.when(b.icmp("ne", self.word(record, PointInput.FLAG_BYTES), self.number(0)), note_flags)

    # -- outputs -----------------------------------------------------------------------------------------------------

    def _output_row(self, number: Value, first: Value) -> None:
        """Where the kernel writes the results of a block."""
        b = self.b
        record = self.plane_record(number)
        row = self.address(self.place(record, PointPlane.ROW_AT))
        address = b.add(row, b.mul(first, self.word(record, PointPlane.ITEM)))
        self.put(self.room(Points.OUTPUTS_AT), number, address)
        entry = b.add(self.word(self.sweep, Points.ROWS), number)
        self._set_limits(entry, row, b.add(row, self.word(record, PointPlane.ROW_BYTES)))

    def _move(self, number: Value, places: Value, count: Value, padded: Value, *, inward: bool) -> None:
        """Results to where they belong; or what stands there into our own row."""
        b = self.b
        record = self.plane_record(number)
        base = self.entry(self.word(self.call, PointCall.PLANE_BASES, PTR), number)
        offsets = self.room(Points.OFFSETS_AT)
        self._sum(offsets, base, self.word(record, PointPlane.STEPS, PTR), None, places, padded)
        row, item = self.place(record, PointPlane.ROW_AT), self.word(record, PointPlane.ITEM)
        for size in (1, 2, 4, 8):
            element = I8.of(f"i{8 * size}")

            def one(j: Value, element: Type = element, size: int = size) -> None:
                own, address = b.element_pointer(row, element.element, j), self.entry(offsets, j)
                there = b.convert("inttoptr", address, PTR)

                def move() -> None:
                    b.store(b.load(element, there if inward else own), own if inward else there)

                if not self.checked:
                    move()
                    return
                limits = self.limits(PointCall.PLANE_LIMITS, number)
                above = b.icmp("uge", address, self.word(limits, 0))
                below = b.icmp("ule", b.add(address, self.number(size)), self.word(limits, 1))
                b.when(b.binary("and", above, below), move, lambda: report(b, self.error, address))

            b.when(b.icmp("eq", item, self.number(size)), lambda one=one: self.count(count, one))  # type: ignore[misc]

    # -- the kernel --------------------------------------------------------------------------------------------------

    def _run_kernel(self, kind: int, left: Value, size: Value) -> None:
        """`left` points of the group are still to be computed, and `size` of them, or of what stands for them, now."""
        b = self.b
        axes, room = self.word(self.sweep, Points.STAGE_AXES), self.room(Points.COORDINATES_AT)
        self.put(room, axes, self.number(0))
        self.put(room, b.add(axes, self.number(1)), b.intrinsic("smin", I64, left, size))
        self.put(room, b.add(axes, self.number(2)), self.number(1))
        b.store(self.word(self.sweep, Points.KERNEL, PTR), self.kernel)
        if kind == AT_BORDER:
            missing = b.icmp("ne", self.word(self.sweep, Points.MAY_MISS), self.number(0))
            b.when(missing, lambda: b.store(self.word(self.sweep, Points.MASKED_KERNEL, PTR), self.kernel))
        b.call(
            b.load(PTR, self.kernel),
            self.room(Points.ROWS_AT),
            self.room(Points.FLAGS_AT),
            self.room(Points.OUTPUTS_AT),
            self.word(self.call, PointCall.ARGUMENTS, PTR),
            room,
            self.room(Points.LIMITS_AT),
            self.error,
            self.scratch,
            self.number(0),
            size,
        )
