"""The native worker for single points: gathers the windows of wanted outputs, and calls the kernel on many at once.

Beside ``driver.py``, which goes through rows. Here a tile is a piece of a mask, or of a list; its points are sorted
into those whose windows lie in the arrays and those at the border. When there are enough of a kind, the samples of all
their windows are brought together, one row for each sample, in memory of the worker; the kernel takes these rows as it
takes any; and what it gives goes to where the points' outputs are.

The words are those of ``point_words.py``. Nothing here knows a mode, a dtype or a function.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from kernelscape.backends.cpu import function_attributes
from kernelscape.backends.driver import FloatingControl
from kernelscape.backends.emit.values import report
from kernelscape.backends.ir import I8, I64, PTR, Builder, Module, Type, Value, constant
from kernelscape.backends.point_words import (
    AT_BORDER,
    IN_INTERIOR,
    Ahead,
    Kept,
    PointCall,
    PointInput,
    PointPlane,
    Points,
)
from kernelscape.backends.words import Words
from kernelscape.loops import LOWEST_OFFSET, MISSING, OUTSIDE
from kernelscape.machine import Target

TOGETHER = 64
"""Bytes of a mask that are looked at together."""
WIDE = Type("i64", 8)


def points_text(target: Target, *, checked: bool) -> str:
    """The module with ``void points(ptr sweep, ptr call, ptr scratch)``."""
    module = Module(function_attributes(target))
    builder = module.function("points", [("sweep", PTR), ("call", PTR), ("scratch", PTR)])
    control = FloatingControl.of(target, module, builder)
    _Points(builder, checked).write()
    if control is not None:
        control.restore()
    builder.finish()
    return module.text()


class _Points:
    """Writes the body of the function."""

    def __init__(self, builder: Builder, checked: bool) -> None:
        self.b, self.checked = builder, checked
        self.sweep, self.call, self.scratch = builder.arguments
        self.tile, self.left, self.x = builder.local(I64), builder.local(I64), builder.local(I64)
        self.bits, self.inside, self.sum, self.kind = (builder.local(I64) for _ in range(4))
        self.filled = [builder.local(I64) for _ in range(2)]
        self.settled = [builder.local(I64) for _ in range(2)]
        self.kernel = builder.local(PTR)
        self.axes = self.word(self.sweep, Points.AXES)
        self.last_axis = builder.local(I64)
        places = builder.offset(self.scratch, self.word(self.sweep, Points.PLACES_AT))
        size = builder.mul(self.word(self.sweep, Points.CAPACITY), builder.mul(self.axes, self.number(8)))
        self.places = [places, builder.offset(places, size)]
        self.row = builder.offset(places, builder.mul(size, self.number(2)))
        self.offsets = builder.offset(self.scratch, self.word(self.sweep, Points.OFFSETS_AT))

    # -- words -------------------------------------------------------------------------------------------------------

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
        return self.b.offset(self.scratch, self.word(self.sweep, name))

    def address(self, pointer: Value) -> Value:
        return self.b.convert("ptrtoint", pointer, I64)

    def count(self, stop: Value, body: Callable[[Value], None], step: int = 1) -> None:
        def run(i: Value, _: list[Value]) -> list[Value]:
            body(i)
            return []

        self.b.loop(self.number(0), stop, step, [], run)

    def input_record(self, number: Value) -> Value:
        return self.record(self.word(self.sweep, Points.INPUT_TABLE, PTR), number, PointInput)

    def plane_record(self, number: Value) -> Value:
        return self.record(self.word(self.sweep, Points.PLANE_TABLE, PTR), number, PointPlane)

    def limits(self, name: PointCall, number: Value) -> Value:
        return self.b.element_pointer(self.word(self.call, name, PTR), "i64", self.b.mul(number, self.number(2)))

    # -- tiles -------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        b = self.b
        for local in (*self.filled, *self.settled):
            b.store(self.number(0), local)
        b.store(b.sub(self.axes, self.number(2)), self.last_axis)
        self.count(self.word(self.sweep, Points.INPUTS), self.input_rows)
        self.count(self.word(self.sweep, Points.PLANES), self.output_row)
        tiles = self.word(self.call, PointCall.TILES)

        def more() -> Value:
            tile = b.fetch_add(b.offset(self.call, 8 * PointCall.COUNTER), self.number(1))
            b.store(tile, self.tile)
            return b.binary("and", b.icmp("slt", tile, tiles), self.wanted())

        masked = b.icmp("ne", self.word(self.call, PointCall.MASK_TABLE), self.number(0))
        b.repeat(more, lambda: b.when(masked, self.mask_tile, self.list_tile))
        for kind in (IN_INTERIOR, AT_BORDER):
            self.flush(kind)

    def wanted(self) -> Value:
        """Nobody has cancelled."""
        return self.b.icmp("eq", self.b.load_shared(self.b.offset(self.call, 8 * PointCall.CANCEL)), self.number(0))

    def tile_range(self, total: Value, body: Callable[[Value], None]) -> None:
        """Runs `body` for all numbers of the tile."""
        b = self.b
        per_tile = self.word(self.call, PointCall.PER_TILE)
        first = b.mul(b.load(I64, self.tile), per_tile)
        last = b.intrinsic("smin", I64, b.add(first, per_tile), total)

        def run(i: Value, _: list[Value]) -> list[Value]:
            body(i)
            return []

        b.loop(first, last, 1, [], run)

    # -- points of a list --------------------------------------------------------------------------------------------

    def list_tile(self) -> None:
        b = self.b
        tables = self.word(self.call, PointCall.PLACE_TABLES, PTR)
        lows, highs = (self.word(self.sweep, name, PTR) for name in (Points.LOW_TABLE, Points.HIGH_TABLE))

        def point(number: Value) -> None:
            b.store(self.number(0), self.kind)

            def look(axis: Value) -> None:
                place = self.entry(self.entry(tables, axis, PTR), number)
                self.put(self.row, axis, place)
                below = b.icmp("slt", place, self.entry(lows, axis))
                outside = b.binary("or", below, b.icmp("sge", place, self.entry(highs, axis)))
                b.store(b.binary("or", b.load(I64, self.kind), b.convert("zext", outside, I64)), self.kind)

            self.count(b.sub(self.axes, self.number(1)), look)
            self.put(self.row, b.sub(self.axes, self.number(1)), number)
            at_border = b.icmp("ne", b.load(I64, self.kind), self.number(0))
            b.when(at_border, lambda: self.append_row(AT_BORDER), lambda: self.append_row(IN_INTERIOR))

        self.tile_range(self.word(self.call, PointCall.COUNT), point)

    def append_row(self, kind: int) -> None:
        b = self.b
        capacity, filled = self.word(self.sweep, Points.CAPACITY), b.load(I64, self.filled[kind])
        self.count(
            self.axes,
            lambda axis: self.put(self.places[kind], b.add(b.mul(axis, capacity), filled), self.entry(self.row, axis)),
        )
        b.store(b.add(filled, self.number(1)), self.filled[kind])
        self.process_full(kind)

    # -- points of a mask --------------------------------------------------------------------------------------------

    def mask_tile(self) -> None:
        """Pieces of rows: what is wanted in one has the same place along all axes but the last."""
        b = self.b
        pieces, piece = self.word(self.call, PointCall.PIECES), self.word(self.call, PointCall.PIECE)
        extents = self.word(self.sweep, Points.EXTENTS_TABLE, PTR)
        last = b.load(I64, self.last_axis)
        length = self.entry(extents, last)
        lows, highs = (self.word(self.sweep, name, PTR) for name in (Points.LOW_TABLE, Points.HIGH_TABLE))
        mask = self.word(self.call, PointCall.MASK_TABLE, PTR)

        def one(number: Value) -> None:
            line = b.binary("udiv", number, pieces)
            start = b.mul(b.sub(number, b.mul(line, pieces)), piece)
            stop = b.intrinsic("smin", I64, b.add(start, piece), length)
            b.store(line, self.left)
            b.store(self.number(1), self.inside)

            def axis(i: Value) -> None:
                a = b.sub(b.sub(last, self.number(1)), i)
                extent, rest = self.entry(extents, a), b.load(I64, self.left)
                place = b.binary("urem", rest, extent)
                self.put(self.row, a, place)
                b.store(b.binary("udiv", rest, extent), self.left)
                fits = b.binary(
                    "and", b.icmp("sge", place, self.entry(lows, a)), b.icmp("slt", place, self.entry(highs, a))
                )
                b.store(b.binary("and", b.load(I64, self.inside), b.convert("zext", fits, I64)), self.inside)

            self.count(last, axis)
            self.count(self.word(self.sweep, Points.PLANES), lambda p: self.copy_kept(p, start, stop))
            inside = b.icmp("ne", b.load(I64, self.inside), self.number(0))
            low = b.select(inside, self.entry(lows, last), length)
            high = b.select(inside, self.entry(highs, last), length)
            self.scan(b.offset(mask, b.mul(line, length)), start, stop, low, high)
            for kind in (IN_INTERIOR, AT_BORDER):
                self.settle(kind)
                self.process_full(kind)

        total = b.mul(self.word(self.call, PointCall.COUNT), pieces)
        self.tile_range(total, one)

    def copy_kept(self, plane: Value, start: Value, stop: Value) -> None:
        """A piece of a row of what stands where nothing is wanted."""
        b = self.b
        kept = self.record(self.word(self.call, PointCall.KEPT_TABLE, PTR), plane, Kept)
        record = self.plane_record(plane)
        item, base = self.word(record, PointPlane.ITEM), self.word(kept, Kept.BASE)
        size = b.mul(b.sub(stop, start), item)
        b.module.declare("llvm.memcpy.p0.p0.i64", "void", ["ptr", "ptr", "i64", "i1"])

        def copy() -> None:
            own = self.entry(self.word(self.call, PointCall.PLANE_BASES, PTR), plane)
            to = self.row_address(own, self.word(record, PointPlane.STEPS, PTR), start)
            origin = self.row_address(base, self.word(kept, Kept.STEPS, PTR), start)

            def move() -> None:
                target, source = (b.convert("inttoptr", address, PTR) for address in (to, origin))
                b.line(
                    f"call void @llvm.memcpy.p0.p0.i64(ptr {target.name}, ptr {source.name}, i64 {size.name}, i1 false)"
                )

            if not self.checked:
                move()
                return
            limits = self.limits(PointCall.PLANE_LIMITS, plane)
            inside = [
                b.icmp("uge", to, self.word(limits, 0)),
                b.icmp("ule", b.add(to, size), self.word(limits, 1)),
                b.icmp("uge", origin, self.word(kept, Kept.FIRST)),
                b.icmp("ule", b.add(origin, size), self.word(kept, Kept.END)),
            ]
            error = b.offset(self.call, 8 * PointCall.ERROR)
            b.when(functools.reduce(lambda x, y: b.binary("and", x, y), inside), move, lambda: report(b, error, to))

        b.when(b.icmp("ne", base, self.number(0)), copy)

    def row_address(self, base: Value, steps: Value, x: Value) -> Value:
        """Where the place `x` of the row of the mask lies that is looked at."""
        b = self.b
        last = b.load(I64, self.last_axis)
        b.store(b.add(base, b.mul(x, self.entry(steps, last))), self.sum)

        def axis(a: Value) -> None:
            b.store(b.add(b.load(I64, self.sum), b.mul(self.entry(self.row, a), self.entry(steps, a))), self.sum)

        self.count(last, axis)
        return b.load(I64, self.sum)

    def scan(self, mask: Value, start: Value, stop: Value, low: Value, high: Value) -> None:
        """Notes where a row of the mask is set, in ``low <= x < high`` and elsewhere apart."""
        b = self.b
        whole = b.sub(stop, self.number(TOGETHER - 1))
        b.store(start, self.x)

        def going() -> Value:
            return b.icmp("slt", b.load(I64, self.x), stop)

        def some() -> None:
            x = b.load(I64, self.x)
            pointer = b.offset(mask, x)

            def many() -> None:
                raw = b.load(Type("i8", TOGETHER), pointer)
                b.store(b.convert("bitcast", b.icmp("ne", raw, constant(raw.type, 0)), I64), self.bits)

            def few() -> None:
                b.store(self.number(0), self.bits)

                def one(i: Value) -> None:
                    is_set = b.convert("zext", b.icmp("ne", b.load(I8, b.offset(pointer, i)), constant(I8, 0)), I64)
                    b.store(b.binary("or", b.load(I64, self.bits), b.binary("shl", is_set, i)), self.bits)

                self.count(b.sub(stop, x), one)

            b.when(b.icmp("slt", x, whole), many, few)
            bits = b.load(I64, self.bits)
            between = b.binary("and", self.ones_below(b.sub(high, x)), self.negated(self.ones_below(b.sub(low, x))))
            self.note(IN_INTERIOR, b.binary("and", bits, between), x)
            self.note(AT_BORDER, b.binary("and", bits, self.negated(between)), x)
            b.store(b.add(x, self.number(TOGETHER)), self.x)

        b.repeat(going, some)

    def ones_below(self, count: Value) -> Value:
        """So many bits from the lowest on."""
        b = self.b
        limited = b.intrinsic("smax", I64, b.intrinsic("smin", I64, count, self.number(64)), self.number(0))
        # A shift by the width has no value: the last bit is shifted apart.
        part = b.intrinsic("smin", I64, limited, self.number(63))
        ones = b.sub(b.binary("shl", self.number(1), part), self.number(1))
        return b.select(b.icmp("eq", limited, self.number(64)), self.number(-1), ones)

    def negated(self, bits: Value) -> Value:
        return self.b.binary("xor", bits, self.number(-1))

    def note(self, kind: int, bits: Value, x: Value) -> None:
        """Appends the places of bits along the last axis."""
        b = self.b
        capacity = self.word(self.sweep, Points.CAPACITY)
        target = b.element_pointer(self.places[kind], "i64", b.mul(b.load(I64, self.last_axis), capacity))
        filled = b.load(I64, self.filled[kind])
        stop = b.add(filled, b.intrinsic("ctpop", I64, bits))

        def one(j: Value, carried: list[Value]) -> list[Value]:
            (left,) = carried
            self.put(target, j, b.add(x, self.lowest(left)))
            return [b.binary("and", left, b.sub(left, self.number(1)))]

        b.loop(filled, stop, 1, [bits], one)
        b.store(stop, self.filled[kind])

    def lowest(self, bits: Value) -> Value:
        """The number of the lowest bit that is set; there is one."""
        b = self.b
        b.module.declare("llvm.cttz.i64", "i64", ["i64", "i1"])
        result = b.fresh(I64)
        b.line(f"{result.name} = call i64 @llvm.cttz.i64(i64 {bits.name}, i1 true)")
        return result

    def settle(self, kind: int) -> None:
        """The places of new points along the other axes."""
        b = self.b
        first, stop = b.load(I64, self.settled[kind]), b.load(I64, self.filled[kind])
        capacity = self.word(self.sweep, Points.CAPACITY)

        def axis(a: Value) -> None:
            target, place = b.element_pointer(self.places[kind], "i64", b.mul(a, capacity)), self.entry(self.row, a)

            def one(j: Value, _: list[Value]) -> list[Value]:
                self.put(target, j, place)
                return []

            b.loop(first, stop, 1, [], one)

        self.count(b.load(I64, self.last_axis), axis)
        self.ask_ahead(kind, first, stop)
        b.store(stop, self.settled[kind])

    def ask_ahead(self, kind: int, first: Value, stop: Value) -> None:
        """Asks for what new points of a row read and write: single lines are no stream that machines follow."""
        b = self.b
        table, last = self.word(self.sweep, Points.AHEAD_TABLE, PTR), b.load(I64, self.last_axis)
        line = b.element_pointer(self.places[kind], "i64", b.mul(last, self.word(self.sweep, Points.CAPACITY)))
        inputs, planes = (self.word(self.call, n, PTR) for n in (PointCall.INPUT_BASES, PointCall.PLANE_BASES))

        def one(number: Value) -> None:
            record = self.record(table, number, Ahead)
            steps, which = self.word(record, Ahead.STEPS, PTR), self.word(record, Ahead.NUMBER)
            is_output = b.icmp("ne", self.word(record, Ahead.IS_OUTPUT), self.number(0))
            start = b.select(is_output, self.entry(planes, which), self.entry(inputs, which))
            base = self.row_address(b.add(start, self.word(record, Ahead.OFFSET)), steps, self.number(0))
            step = self.entry(steps, last)

            def ask(*, for_writing: bool) -> None:
                def point(j: Value, _: list[Value]) -> list[Value]:
                    address = b.add(base, b.mul(self.entry(line, j), step))
                    b.prefetch(b.convert("inttoptr", address, PTR), for_writing=for_writing)
                    return []

                b.loop(first, stop, 1, [], point)

            b.when(is_output, lambda: ask(for_writing=True), lambda: ask(for_writing=False))

        self.count(self.word(self.sweep, Points.AHEAD), one)

    # -- groups of points --------------------------------------------------------------------------------------------

    def process_full(self, kind: int) -> None:
        """Computes whole groups, and moves what is left to the front."""
        b = self.b
        group = self.word(self.sweep, Points.GROUP)

        def groups() -> None:
            filled = b.load(I64, self.filled[kind])
            whole = b.mul(b.binary("udiv", filled, group), group)

            b.store(self.number(0), self.left)

            def going() -> Value:
                return b.binary("and", b.icmp("slt", b.load(I64, self.left), whole), self.wanted())

            def one() -> None:
                first = b.load(I64, self.left)
                b.store(b.add(first, group), self.left)
                self.process(kind, first, group)

            b.repeat(going, one)
            rest = b.sub(filled, whole)
            capacity = self.word(self.sweep, Points.CAPACITY)

            def axis(a: Value) -> None:
                line = b.element_pointer(self.places[kind], "i64", b.mul(a, capacity))
                self.count(rest, lambda j: self.put(line, j, self.entry(line, b.add(whole, j))))

            self.count(self.axes, axis)
            b.store(rest, self.filled[kind])
            b.store(rest, self.settled[kind])

        b.when(b.icmp("sge", b.load(I64, self.filled[kind]), group), groups)

    def flush(self, kind: int) -> None:
        """Computes the points that are left."""
        b = self.b
        filled = b.load(I64, self.filled[kind])
        some = b.binary("and", b.icmp("sgt", filled, self.number(0)), self.wanted())
        b.when(some, lambda: self.process(kind, self.number(0), filled))

    def process(self, kind: int, first: Value, count: Value) -> None:
        b = self.b
        pad, capacity = self.word(self.sweep, Points.PAD), self.word(self.sweep, Points.CAPACITY)
        padded = b.mul(b.binary("udiv", b.sub(b.add(count, pad), self.number(1)), pad), pad)
        places = b.element_pointer(self.places[kind], "i64", first)

        def repeat_last(a: Value) -> None:
            line = b.element_pointer(places, "i64", b.mul(a, capacity))
            last = self.entry(line, b.sub(count, self.number(1)))

            def one(j: Value, _: list[Value]) -> list[Value]:
                self.put(line, j, last)
                return []

            b.loop(count, padded, 1, [], one)

        b.when(b.icmp("slt", count, padded), lambda: self.count(self.axes, repeat_last))
        self.count(self.word(self.sweep, Points.INPUTS), lambda i: self.load_input(kind, i, places, padded))
        kept = b.icmp("ne", self.word(self.sweep, Points.KEEPS), self.number(0))
        planes = self.word(self.sweep, Points.PLANES)
        b.when(kept, lambda: self.count(planes, lambda p: self.move_plane(p, places, count, padded, inward=True)))
        self.run_kernel(kind, count, padded)
        self.count(planes, lambda p: self.move_plane(p, places, count, padded, inward=False))

    # -- inputs ------------------------------------------------------------------------------------------------------

    def input_rows(self, number: Value) -> None:
        """The table of row pointers, which stays the same."""
        b = self.b
        record = self.input_record(number)
        first, size = self.word(record, PointInput.FIRST_ROW), self.word(record, PointInput.ROW_BYTES)
        home = self.address(b.offset(self.scratch, self.word(record, PointInput.ROWS_AT)))
        flags = self.address(b.offset(self.scratch, self.word(record, PointInput.FLAGS_AT)))

        def row(plane: Value) -> None:
            address = b.add(home, b.mul(plane, size))
            entry = b.add(first, plane)
            self.put(self.room(Points.ROWS_AT), entry, address)
            self.put(
                self.room(Points.FLAGS_AT), entry, b.add(flags, b.mul(plane, self.word(record, PointInput.FLAG_BYTES)))
            )
            self.set_limits(entry, address, b.add(address, size))

        self.count(self.word(record, PointInput.PLANES), row)

    def set_limits(self, entry: Value, first: Value, end: Value) -> None:
        if self.checked:
            limits, twice = self.room(Points.LIMITS_AT), self.b.mul(entry, self.number(2))
            self.put(limits, twice, first)
            self.put(limits, self.b.add(twice, self.number(1)), end)

    def load_input(self, kind: int, number: Value, places: Value, padded: Value) -> None:
        b = self.b
        record = self.input_record(number)
        coordinate = self.word(record, PointInput.COORDINATE)
        is_coordinate = b.icmp("sge", coordinate, self.number(0))

        def samples() -> None:
            if kind == AT_BORDER:
                looked_up = b.icmp("ne", self.word(record, PointInput.TAPS), self.number(0))
                b.when(
                    looked_up,
                    lambda: self.look_up(number, record, places, padded),
                    lambda: self.gather(number, record, places, padded),
                )
            else:
                self.gather(number, record, places, padded)

        b.when(is_coordinate, lambda: self.coordinates(record, coordinate, places, padded), samples)

    def coordinates(self, record: Value, axis: Value, places: Value, padded: Value) -> None:
        """The anchors' coordinates along an axis."""
        b = self.b
        line = b.element_pointer(places, "i64", b.mul(axis, self.word(self.sweep, Points.CAPACITY)))
        row = b.offset(self.scratch, self.word(record, PointInput.ROWS_AT))
        base, step = self.word(record, PointInput.BASE), self.entry(self.word(record, PointInput.STEPS, PTR), axis)
        self.count(padded, lambda j: self.put(row, j, b.add(base, b.mul(self.entry(line, j), step))))

    def sum_offsets(self, base: Value, steps: Value, tables: Value | None, places: Value, padded: Value) -> None:
        """The byte offset of each point: a base, and for each axis a step or what a table has."""
        b = self.b
        capacity = self.word(self.sweep, Points.CAPACITY)
        start = b.splat(base, WIDE.lanes)
        self.count(padded, lambda j: b.store(start, b.element_pointer(self.offsets, "i64", j)), WIDE.lanes)

        def axis(a: Value) -> None:
            line, step = b.element_pointer(places, "i64", b.mul(a, capacity)), self.entry(steps, a)

            def affine() -> None:
                wide = b.splat(step, WIDE.lanes)

                def some(j: Value) -> None:
                    target = b.element_pointer(self.offsets, "i64", j)
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
                    self.put(self.offsets, j, b.add(self.entry(self.offsets, j), place))

                self.count(padded, one)

            b.when(b.icmp("eq", self.address(table), self.number(0)), affine, listed)

        self.count(self.axes, axis)

    def gather(self, number: Value, record: Value, places: Value, padded: Value) -> None:
        """The samples of all points, whose windows lie in the array."""
        b = self.b
        self.sum_offsets(
            self.word(record, PointInput.BASE), self.word(record, PointInput.STEPS, PTR),
            self.word(record, PointInput.TABLES, PTR), places, padded,
        )  # fmt: skip
        source = self.entry(self.word(self.call, PointCall.INPUT_BASES, PTR), number)
        home = b.offset(self.scratch, self.word(record, PointInput.ROWS_AT))
        runs, table = self.word(record, PointInput.RUNS), self.word(record, PointInput.RUN_TABLE, PTR)
        by_runs = b.icmp("ne", self.word(record, PointInput.GATHER), self.number(0))

        def together() -> None:
            b.call(
                self.word(record, PointInput.GATHER, PTR),
                home,
                b.convert("inttoptr", source, PTR),
                self.offsets,
                padded,
                table,
                runs,
                self.word(record, PointInput.ROW_STEP),
                self.limits(PointCall.INPUT_LIMITS, number),
                b.offset(self.call, 8 * PointCall.ERROR),
            )

        def one_by_one() -> None:
            def run(r: Value) -> None:
                words = b.offset(table, b.mul(r, self.number(16)))
                begin, place = self.word(words, 0), self.word(words, 1)
                self.fill(number, record, b.offset(home, place), b.add(source, begin), padded)

            self.count(runs, run)

        b.when(by_runs, together, one_by_one)

    def fill(self, number: Value, record: Value, row: Value, source: Value, padded: Value) -> None:
        """One row from the offsets."""
        b = self.b
        zero = self.number(0)
        b.call(
            self.word(record, PointInput.FILL, PTR),
            row,
            b.convert("inttoptr", source, PTR),
            self.offsets,
            padded,
            padded,
            padded,
            zero,
            zero,
            self.word(record, PointInput.CONSTANT_ROW, PTR),
            self.limits(PointCall.INPUT_LIMITS, number),
            b.offset(self.call, 8 * PointCall.ERROR),
        )

    def look_up(self, number: Value, record: Value, places: Value, padded: Value) -> None:
        """The samples of all points, each where the mode says."""
        b = self.b
        source = self.entry(self.word(self.call, PointCall.INPUT_BASES, PTR), number)
        home = b.offset(self.scratch, self.word(record, PointInput.ROWS_AT))
        flags = b.offset(self.scratch, self.word(record, PointInput.FLAGS_AT))
        capacity = self.word(self.sweep, Points.CAPACITY)
        maps, strides = self.word(record, PointInput.BORDER_MAPS, PTR), self.word(record, PointInput.STRIDES, PTR)
        flagged = b.icmp("ne", self.word(record, PointInput.FLAG_BYTES), self.number(0))
        inner = b.sub(self.axes, self.number(1))

        def tap(t: Value) -> None:
            taps = b.element_pointer(self.word(record, PointInput.TAP_TABLE, PTR), "i64", b.mul(t, self.axes))
            self.count(padded, lambda j: self.put(self.offsets, j, self.number(0)))

            def axis(a: Value) -> None:
                line, along = b.element_pointer(places, "i64", b.mul(a, capacity)), self.entry(maps, a, PTR)
                stride, own = self.entry(strides, a), self.entry(taps, a)

                def one(j: Value) -> None:
                    found = self.entry(along, b.add(b.mul(self.entry(line, j), stride), own))
                    so_far = self.entry(self.offsets, j)
                    # The words for what lies outside are below all offsets, and MISSING is the larger one.
                    lowest, outside = self.number(LOWEST_OFFSET), self.number(OUTSIDE)
                    words = [b.select(b.icmp("slt", word, lowest), word, outside) for word in (found, so_far)]
                    either = b.icmp("slt", b.intrinsic("smin", I64, found, so_far), lowest)
                    value = b.select(either, b.intrinsic("smax", I64, *words), b.add(so_far, found))
                    self.put(self.offsets, j, value)

                self.count(padded, one)

            self.count(inner, axis)
            row = b.offset(home, b.mul(t, self.word(record, PointInput.ROW_BYTES)))
            self.fill(number, record, row, source, padded)

            def note_flags() -> None:
                line = b.offset(flags, b.mul(t, self.word(record, PointInput.FLAG_BYTES)))

                def one(j: Value) -> None:
                    there = b.icmp("ne", self.entry(self.offsets, j), self.number(MISSING))
                    b.store(b.convert("zext", there, I8), b.offset(line, j))

                self.count(padded, one)

            b.when(flagged, note_flags)

        self.count(self.word(record, PointInput.TAPS), tap)

    # -- outputs -----------------------------------------------------------------------------------------------------

    def output_row(self, number: Value) -> None:
        b = self.b
        record = self.plane_record(number)
        address = self.address(b.offset(self.scratch, self.word(record, PointPlane.ROW_AT)))
        self.put(self.room(Points.OUTPUTS_AT), number, address)
        entry = b.add(self.word(self.sweep, Points.ROWS), number)
        self.set_limits(entry, address, b.add(address, self.word(record, PointPlane.ROW_BYTES)))

    def move_plane(self, number: Value, places: Value, count: Value, padded: Value, *, inward: bool) -> None:
        """Results to where they belong; or what stands there into our own row."""
        b = self.b
        record = self.plane_record(number)
        base = self.entry(self.word(self.call, PointCall.PLANE_BASES, PTR), number)
        self.sum_offsets(base, self.word(record, PointPlane.STEPS, PTR), None, places, padded)
        row = b.offset(self.scratch, self.word(record, PointPlane.ROW_AT))
        item = self.word(record, PointPlane.ITEM)
        for size in (1, 2, 4, 8):
            element = I8.of(f"i{8 * size}")

            def one(j: Value, element: Type = element, size: int = size) -> None:
                own = b.element_pointer(row, element.element, j)
                address = self.entry(self.offsets, j)
                there = b.convert("inttoptr", address, PTR)

                def move() -> None:
                    b.store(b.load(element, there if inward else own), own if inward else there)

                if not self.checked:
                    move()
                    return
                limits = self.limits(PointCall.PLANE_LIMITS, number)
                above = b.icmp("uge", address, self.word(limits, 0))
                below = b.icmp("ule", b.add(address, self.number(size)), self.word(limits, 1))
                error = b.offset(self.call, 8 * PointCall.ERROR)
                b.when(b.binary("and", above, below), move, lambda: report(b, error, address))

            b.when(b.icmp("eq", item, self.number(size)), lambda one=one: self.count(count, one))  # type: ignore[misc]

    # -- the kernel --------------------------------------------------------------------------------------------------

    def run_kernel(self, kind: int, count: Value, padded: Value) -> None:
        b = self.b
        axes, room = self.word(self.sweep, Points.STAGE_AXES), self.room(Points.COORDINATES_AT)
        self.put(room, axes, self.number(0))
        self.put(room, b.add(axes, self.number(1)), count)
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
            b.offset(self.call, 8 * PointCall.ERROR),
            self.scratch,
            self.number(0),
            padded,
        )
