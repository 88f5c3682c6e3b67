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
from kernelscape.backends.point_groups import WIDE, Groups, Tables
from kernelscape.backends.point_words import AT_BORDER, IN_INTERIOR, Ahead, Kept, PointCall, PointPlane, Points
from kernelscape.machine import Target

TOGETHER = 64
"""Bytes of a mask that are looked at together."""
AT_ONCE = 6
"""Places that are noted of these at least; there is room for so many more than there are."""


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


class _Points(Tables):
    """Writes the body of the function."""

    def __init__(self, builder: Builder, checked: bool) -> None:
        super().__init__(builder, checked)
        self.groups = Groups(builder, checked)
        self.tile, self.left, self.x = builder.local(I64), builder.local(I64), builder.local(I64)
        self.bits, self.inside, self.sum, self.kind = (builder.local(I64) for _ in range(4))
        self.filled = [builder.local(I64) for _ in range(2)]
        self.settled = [builder.local(I64) for _ in range(2)]
        self.axes = self.word(self.sweep, Points.AXES)
        self.last_axis = builder.local(I64)
        places = builder.offset(self.scratch, self.word(self.sweep, Points.PLACES_AT))
        size = builder.mul(self.word(self.sweep, Points.CAPACITY), builder.mul(self.axes, self.number(8)))
        self.places = [places, builder.offset(places, size)]
        self.row = builder.offset(places, builder.mul(size, self.number(2)))

    # -- tiles -------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        b = self.b
        for local in (*self.filled, *self.settled):
            b.store(self.number(0), local)
        b.store(b.sub(self.axes, self.number(2)), self.last_axis)
        self.groups.prepare()
        tiles = self.word(self.call, PointCall.TILES)

        def more() -> Value:
            tile = b.fetch_add(b.offset(self.call, 8 * PointCall.COUNTER), self.number(1))
            b.store(tile, self.tile)
            return b.binary("and", b.icmp("slt", tile, tiles), self.wanted())

        masked = b.icmp("ne", self.word(self.call, PointCall.MASK_TABLE), self.number(0))
        b.repeat(more, lambda: b.when(masked, self.mask_tile, self.list_tile))
        for kind in (IN_INTERIOR, AT_BORDER):
            self.flush(kind)

    def tile_range(self, total: Value, body: Callable[[Value], None]) -> None:
        """Runs `body` for all numbers of the tile."""
        b = self.b
        per_tile = self.word(self.call, PointCall.PER_TILE)
        first = b.mul(b.load(I64, self.tile), per_tile)
        last = b.intrinsic("smin", I64, b.add(first, per_tile), total)

        self.count(last, body, start=first)

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

        def copy() -> None:
            own = self.entry(self.word(self.call, PointCall.PLANE_BASES, PTR), plane)
            to = self.row_address(own, self.word(record, PointPlane.STEPS, PTR), start)
            origin = self.row_address(base, self.word(kept, Kept.STEPS, PTR), start)

            def move() -> None:
                self.copy_bytes(to, origin, size)

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
            above = b.icmp("sge", x, low)
            inside = b.binary("and", above, b.icmp("sle", b.add(x, self.number(TOGETHER)), high))
            b.when(
                b.icmp("ne", bits, self.number(0)),
                lambda: b.when(inside, lambda: self.note(IN_INTERIOR, bits, x), lambda: self.part(bits, x, low, high)),
            )
            b.store(b.add(x, self.number(TOGETHER)), self.x)

        b.repeat(going, some)

    def part(self, bits: Value, x: Value, low: Value, high: Value) -> None:
        """Notes bits of which some are at the border."""
        b = self.b
        between = b.binary("and", self.ones_below(b.sub(high, x)), self.negated(self.ones_below(b.sub(low, x))))
        self.note(IN_INTERIOR, b.binary("and", bits, between), x)
        self.note(AT_BORDER, b.binary("and", bits, self.negated(between)), x)

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

        # Some are written whether they are there or not: a loop that ends anywhere is mostly foreseen wrongly.
        left = [bits]
        for number in range(AT_ONCE):
            left = one(b.add(filled, self.number(number)), left)
        b.loop(b.add(filled, self.number(AT_ONCE)), stop, 1, left, one)
        b.store(stop, self.filled[kind])

    def lowest(self, bits: Value) -> Value:
        """The number of the lowest bit that is set; any number where there is none."""
        b = self.b
        b.module.declare("llvm.cttz.i64", "i64", ["i64", "i1"])
        result = b.fresh(I64)
        b.line(f"{result.name} = call i64 @llvm.cttz.i64(i64 {bits.name}, i1 false)")
        return result

    def settle(self, kind: int) -> None:
        """The places of new points along the other axes."""
        b = self.b
        first, stop = b.load(I64, self.settled[kind]), b.load(I64, self.filled[kind])
        capacity = self.word(self.sweep, Points.CAPACITY)

        def axis(a: Value) -> None:
            target = b.element_pointer(self.places[kind], "i64", b.mul(a, capacity))
            place = b.splat(self.entry(self.row, a), WIDE.lanes)
            self.count(stop, lambda j: self.put(target, j, place), WIDE.lanes, start=first)

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
                def point(j: Value) -> None:
                    address = b.add(base, b.mul(self.entry(line, j), step))
                    b.prefetch(b.convert("inttoptr", address, PTR), for_writing=for_writing)

                self.count(stop, point, start=first)

            # What has just been copied is in the cache.
            kept = self.record(
                self.word(self.call, PointCall.KEPT_TABLE, PTR), b.select(is_output, which, self.number(0)), Kept
            )
            copied = b.icmp("ne", self.word(kept, Kept.BASE), self.number(0))
            b.when(
                is_output,
                lambda: b.when(copied, lambda: None, lambda: ask(for_writing=True)),
                lambda: ask(for_writing=False),
            )

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
                self.groups.process(kind, b.element_pointer(self.places[kind], "i64", first), group)

            b.repeat(going, one)
            rest = b.sub(filled, whole)
            capacity = self.word(self.sweep, Points.CAPACITY)

            def axis(a: Value) -> None:
                line = b.element_pointer(self.places[kind], "i64", b.mul(a, capacity))
                # Whole groups are more than what is left: nothing is overwritten that is still to be moved.
                self.count(rest, lambda j: self.put(line, j, self.entry(line, b.add(whole, j), WIDE)), WIDE.lanes)

            self.count(self.axes, axis)
            b.store(rest, self.filled[kind])
            b.store(rest, self.settled[kind])

        b.when(b.icmp("sge", b.load(I64, self.filled[kind]), group), groups)

    def flush(self, kind: int) -> None:
        """Computes the points that are left."""
        b = self.b
        filled = b.load(I64, self.filled[kind])
        some = b.binary("and", b.icmp("sgt", filled, self.number(0)), self.wanted())
        b.when(some, lambda: self.groups.process(kind, self.places[kind], filled))
