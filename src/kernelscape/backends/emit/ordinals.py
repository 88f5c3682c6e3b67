"""Ranks among samples of any dtype: the samples of a tile are numbered in the order of their values.

Of these numbers the upper bits are levels, of which ``levels.py`` finds that of a rank. A level has no more than 64
samples, and where these lie is known: one comparison says which of them are in the window, and the rank among the
samples of the level says which one it is. Samples that are equal have numbers of their own; as they are equal, it does
not matter which.

The numbers come from a radix sort of keys (``keys.py``), from the last digit to the first: equal digits keep their
order. Each pass moves the first half of the samples from the first one on, behind those of smaller digits, and the
second half from the last one back, in front of those of larger digits; so two chains of additions run side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from kernelscape.backends import operators
from kernelscape.backends.emit.keys import from_key, key_type, to_key
from kernelscape.backends.emit.levels import Levels, level_bytes
from kernelscape.backends.ir import I8, I64, PTR, Bounds, Builder, Type, Value, constant, vector_constant
from kernelscape.loops import TILE_SIDE, TileRanks, TileShape
from kernelscape.machine import Target

I16, I32 = Type("i16"), Type("i32")
_DIGITS = {16: 8, 32: 11, 64: 11}
"""Bits of a digit, by the bits of a key."""


class Source(Protocol):
    """Where the samples of a tile are read."""

    def row(self, number: Value) -> tuple[Value, Bounds | None]:
        """A line: where it begins, and the bounds of its buffer."""

    def element(self, kind: Value, place: Value) -> Value:
        """The element of a row that is sample `place` of a class."""


def ordinal_bytes(shape: TileShape, ranks: TileRanks) -> int:
    """Scratch memory for the samples of a tile."""
    return _Rooms(shape, ranks).size


class _Rooms:
    """Where things lie in the scratch memory, in bytes from its beginning."""

    def __init__(self, shape: TileShape, ranks: TileRanks) -> None:
        self.size = 0
        self.key = key_type(ranks.dtype, 1)
        bits = self.key.bits
        self.digit = _DIGITS[bits]
        self.passes = -(-bits // self.digit)
        self.most = _up(shape.all_lines * shape.columns, ranks.per_level)
        cells = shape.all_lines * TILE_SIDE
        self.levels = self._room(level_bytes(shape, len(ranks.ranks)))
        self.keys = self._room(cells * bits // 8)
        self.orders = self._room(2 * self.most), self._room(2 * self.most)
        self.codes = self._room(cells)
        self.ys, self.xs = self._room(self.most), self._room(self.most)
        self.table = 4 << self.digit
        self.counts = self._room(2 * self.passes * self.table)
        self.nans = self._room(TILE_SIDE if ranks.meets_nan else 0)
        self.noted = self._room(3 * TILE_SIDE * len(ranks.ranks))

    def _room(self, size: int) -> int:
        at = self.size
        self.size += _up(size, 64)
        return at


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


class Ordinals:
    """Writes the code for some ranks of one sorted window.

    `extents` are the numbers of output rows and positions of the tile, and of samples in a line; `targets` are the rank
    rows.
    """

    def __init__(
        self, builder: Builder, target: Target, shape: TileShape, ranks: TileRanks, source: Source, memory: Value,
        targets: Sequence[Value], extents: tuple[Value, Value, Value], lanes: int,
    ) -> None:  # fmt: skip
        self.builder, self.target, self.shape, self.ranks, self.source = builder, target, shape, ranks, source
        self.targets, self.lanes = targets, lanes
        rows, self.count, self.length = extents
        self.rooms = rooms = _Rooms(shape, ranks)
        self.keys, self.codes, self.ys, self.xs, self.digits, self.nans, self.noted = (
            builder.offset(memory, at)
            for at in (rooms.keys, rooms.codes, rooms.ys, rooms.xs, rooms.counts, rooms.nans, rooms.noted)
        )
        self.orders = [builder.offset(memory, at) for at in rooms.orders]
        self.lines = builder.add(
            builder.mul(builder.sub(rows, constant(I64, 1)), constant(I64, shape.moved)), constant(I64, shape.lines)
        )
        self.samples = builder.mul(self.lines, self.length)
        # Where the order is, and where the next pass writes it.
        self.order, self.other = builder.local(PTR), builder.local(PTR)
        levels = builder.offset(memory, rooms.levels)
        self.levels = Levels(builder, shape, self, levels, self.length, ranks.ranks, needs_rest=True)

    # -- a tile --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Numbers all samples, and begins with the first output row."""
        builder = self.builder
        builder.store(self.orders[0], self.order)
        builder.store(self.orders[1], self.other)
        self._load()
        self._count_digits()
        for number in range(self.rooms.passes):
            self._pass(number)
        self._number()
        self.levels.begin()

    def move(self, row: Value) -> None:
        self.levels.move(row)

    def _load(self) -> None:
        """Keys of all samples, and the order in which they lie; a sample is 256 times its line plus its column."""
        builder = self.builder

        def line(number: Value, _: list[Value]) -> list[Value]:
            row, bounds = self.source.row(number)
            cells = builder.mul(number, constant(I64, TILE_SIDE))
            first = builder.mul(number, self.length)
            if self.shape.step == 1:
                self._load_vectors(row, bounds, cells, first)
            else:
                self._load_classes(row, bounds, cells, first)
            return []

        builder.loop(constant(I64, 0), self.lines, 1, [], line, never_empty=True)

    def _load_vectors(self, row: Value, bounds: Bounds | None, cells: Value, first: Value) -> None:
        """The last vector is shifted back to end with the line."""
        builder, lanes = self.builder, self.lanes
        last = builder.sub(self.length, constant(I64, lanes))
        wide = Type("i64", lanes)

        def some(x: Value, _: list[Value]) -> list[Value]:
            x = builder.intrinsic("smin", I64, x, last)
            self._load_key(
                builder.element_pointer(row, self._memory(1).element, x), bounds, builder.add(cells, x), lanes
            )
            numbers = builder.add(builder.splat(builder.add(cells, x), lanes), vector_constant(wide, range(lanes)))
            place = builder.element_pointer(self.orders[0], "i16", builder.add(first, x))
            builder.store(builder.convert("trunc", numbers, wide.of("i16")), place)
            return []

        builder.loop(constant(I64, 0), self.length, lanes, [], some, never_empty=True)

    def _load_classes(self, row: Value, bounds: Bounds | None, cells: Value, first: Value) -> None:
        builder, per_class = self.builder, self.shape.per_class

        def kind(number: Value, carried: list[Value]) -> list[Value]:
            begin = builder.add(cells, builder.mul(number, constant(I64, per_class)))

            def one(place: Value, carried: list[Value]) -> list[Value]:
                element = self.source.element(number, place)
                pointer = builder.element_pointer(row, self._memory(1).element, element)
                cell = builder.add(begin, place)
                self._load_key(pointer, bounds, cell, 1)
                builder.store(builder.convert("trunc", cell, I16), self._half(self.orders[0], carried[0]))
                return [builder.add(carried[0], constant(I64, 1))]

            return builder.loop(constant(I64, 0), self.levels.classes.members(self.length, number), 1, carried, one)

        builder.loop(constant(I64, 0), constant(I64, self.shape.step), 1, [first], kind, never_empty=True)

    def _memory(self, lanes: int) -> Type:
        return operators.memory_type(self.ranks.dtype, lanes)

    def _load_key(self, pointer: Value, bounds: Bounds | None, cell: Value, lanes: int) -> None:
        builder, dtype = self.builder, self.ranks.dtype
        value = operators.from_memory(builder, self.target, builder.load(self._memory(lanes), pointer, bounds), dtype)
        builder.store(to_key(builder, value, dtype), builder.element_pointer(self.keys, self.rooms.key.element, cell))

    # -- sorting -------------------------------------------------------------------------------------------------------

    def _half(self, table: Value, number: Value) -> Value:
        """An element of a table of 16 bits."""
        return self.builder.element_pointer(table, "i16", number)

    def _sample(self, order: Value, number: Value) -> Value:
        """The sample that comes in some place."""
        return self.builder.convert("zext", self.builder.load(I16, self._half(order, number)), I64)

    def _key_of(self, sample: Value) -> Value:
        return self.builder.load(
            self.rooms.key, self.builder.element_pointer(self.keys, self.rooms.key.element, sample)
        )

    def _digit(self, key: Value, number: int) -> Value:
        """A digit (i64) of a key, the lowest first."""
        builder, bits = self.builder, self.rooms.digit
        rest = builder.binary("lshr", key, constant(key.type, bits * number)) if number else key
        if bits * (number + 1) < key.type.bits:
            rest = builder.binary("and", rest, constant(key.type, (1 << bits) - 1))
        return builder.convert("zext", rest, I64)

    def _table(self, number: int, back: int) -> Value:
        """Counts of the digits of a pass, of the first or of the second half; then where these go."""
        return self.builder.offset(self.digits, (2 * number + back) * self.rooms.table)

    def _count_digits(self) -> None:
        builder, rooms = self.builder, self.rooms
        wide = Type("i8", 64)

        def clear(place: Value, _: list[Value]) -> list[Value]:
            builder.store(constant(wide, 0), builder.offset(self.digits, place))
            return []

        size = constant(I64, 2 * rooms.passes * rooms.table)
        builder.loop(constant(I64, 0), size, wide.lanes, [], clear, never_empty=True)

        def count(back: int, place: Value) -> None:
            key = self._key_of(self._sample(self.orders[0], place))
            for number in range(rooms.passes):
                entry = builder.element_pointer(self._table(number, back), "i32", self._digit(key, number))
                builder.store(builder.add(builder.load(I32, entry), constant(I32, 1)), entry)

        self._from_both_ends(count)

    def _from_both_ends(self, act: Callable[[int, Value], None]) -> None:
        """All places: one from the front (0) and one from the back (1) at a time."""
        builder = self.builder
        half = builder.binary("lshr", self.samples, constant(I64, 1))
        last = builder.sub(self.samples, constant(I64, 1))

        def two(place: Value, _: list[Value]) -> list[Value]:
            act(0, place)
            act(1, builder.sub(last, place))
            return []

        builder.loop(constant(I64, 0), half, 1, [], two)
        odd = builder.icmp("ne", builder.binary("and", self.samples, constant(I64, 1)), constant(I64, 0))
        builder.when(odd, lambda: act(0, half))

    def _pass(self, number: int) -> None:
        """Moves all samples by one digit; not where all have the same."""
        builder = self.builder
        front, back = (self._table(number, n) for n in (0, 1))
        first = self._digit(self._key_of(self._sample(self.orders[0], constant(I64, 0))), number)
        entries = [builder.load(I32, builder.element_pointer(table, "i32", first)) for table in (front, back)]
        same = builder.convert("zext", builder.add(*entries), I64)
        builder.when(builder.icmp("ne", same, self.samples), lambda: self._move(number, front, back))

    def _move(self, number: int, front: Value, back: Value) -> None:
        builder = self.builder

        def digit(place: Value, carried: list[Value]) -> list[Value]:
            start, end = (builder.element_pointer(table, "i32", place) for table in (front, back))
            behind = builder.add(builder.add(carried[0], builder.load(I32, start)), builder.load(I32, end))
            builder.store(carried[0], start)
            builder.store(behind, end)
            return [behind]

        builder.loop(
            constant(I64, 0), constant(I64, 1 << self.rooms.digit), 1, [constant(I32, 0)], digit, never_empty=True
        )
        source, target = builder.load(PTR, self.order), builder.load(PTR, self.other)

        def move(from_back: int, place: Value) -> None:
            sample = self._sample(source, place)
            table = back if from_back else front
            entry = builder.element_pointer(table, "i32", self._digit(self._key_of(sample), number))
            old = builder.load(I32, entry)
            new = builder.add(old, constant(I32, -1 if from_back else 1))
            builder.store(new, entry)
            to = builder.convert("zext", new if from_back else old, I64)
            builder.store(builder.convert("trunc", sample, I16), self._half(target, to))

        self._from_both_ends(move)
        builder.store(target, self.order)
        builder.store(source, self.other)

    def _number(self) -> None:
        """The level of each sample, and where the samples of each level lie."""
        builder = self.builder
        order = builder.load(PTR, self.order)
        lanes = 32
        wide = Type("i16", lanes)

        def places(start: Value, _: list[Value]) -> list[Value]:
            sample = builder.load(wide, self._half(order, start))
            for table, shift in ((self.xs, 0), (self.ys, 8)):
                part = builder.binary("lshr", sample, constant(wide, shift)) if shift else sample
                builder.store(builder.convert("trunc", part, wide.of("i8")), builder.offset(table, start))
            return []

        builder.loop(constant(I64, 0), self.samples, lanes, [], places, never_empty=True)

        def level(number: Value, _: list[Value]) -> list[Value]:
            value = builder.binary("lshr", number, constant(I64, self.ranks.per_level.bit_length() - 1))
            builder.store(builder.convert("trunc", value, I8), builder.offset(self.codes, self._sample(order, number)))
            return []

        builder.loop(constant(I64, 0), self.samples, 1, [], level, never_empty=True)

    # -- what `Levels` asks for ----------------------------------------------------------------------------------------

    def line(self, number: Value) -> tuple[Value, ...]:
        return (self.builder.offset(self.codes, self.builder.mul(number, constant(I64, TILE_SIDE))),)

    def level(self, line: tuple[Value, ...], kind: Value, place: Value, behind: int) -> Value:
        builder = self.builder
        pointer = builder.offset(line[0], self._column(kind, place))
        return builder.convert("zext", builder.load(I8, builder.offset(pointer, behind)), I64)

    # -- one output row ------------------------------------------------------------------------------------------------

    def find(self, row: Value) -> None:
        """Writes the ranks of all positions of a row."""
        builder = self.builder
        first = builder.mul(row, constant(I64, self.shape.moved))
        self.levels.sweep(self.count, self._note)
        for number, target in enumerate(self.targets[: len(self.ranks.ranks)]):
            self.levels.classes.each(partial(self._pick_class, number, builder.convert("trunc", first, I8)))
            self._to_values(target)
        if self.ranks.meets_nan:
            self._meet_nan(first, self.targets[-1])

    def _note(self, number: int, level: Value, rest: Value, kind: Value, place: Value) -> None:
        """The last step waits until the levels of the row are known: it is the same for all of them."""
        builder, column = self.builder, self._column(kind, place)
        noted = builder.offset(self.noted, number * 3 * TILE_SIDE)
        builder.store(builder.convert("trunc", rest, I16), self._half(noted, column))
        level_at = builder.offset(builder.offset(noted, 2 * TILE_SIDE), column)
        builder.store(builder.convert("trunc", level, I8), level_at)

    def _pick_class(self, number: int, line: Value, kind: Value, _: Value) -> None:
        builder = self.builder
        order = builder.load(PTR, self.order)
        noted = builder.offset(self.noted, number * 3 * TILE_SIDE)

        def one(place: Value, _: list[Value]) -> list[Value]:
            column = self._column(kind, place)
            rest = builder.load(I16, self._half(noted, column))
            level = builder.load(I8, builder.offset(builder.offset(noted, 2 * TILE_SIDE), column))
            level, rest = (builder.convert("zext", value, I64) for value in (level, rest))
            self._pick(line, order, number, level, rest, kind, place)
            return []

        builder.loop(constant(I64, 0), self.levels.classes.members(self.count, kind), 1, [], one)

    def _pick(
        self, line: Value, order: Value, number: int, level: Value, rest: Value, kind: Value, place: Value
    ) -> None:
        """The key of the sample that has a rank among those of its level that are in the window."""
        builder = self.builder
        first = builder.mul(level, constant(I64, self.ranks.per_level))
        column = self._column(kind, place)
        bits = [
            self._inside(builder.add(first, constant(I64, part)), line, builder.convert("trunc", column, I8))
            for part in range(0, self.ranks.per_level, 64)
        ]
        # Which 64 places have it, and how many of these come before it.
        chosen, ahead = bits[0], constant(I64, 0)
        reached: Value | None = None
        for part, earlier in enumerate(bits[:-1], 1):
            count = builder.intrinsic("ctpop", I64, earlier)
            behind = builder.icmp("uge", rest, count)
            reached = behind if reached is None else builder.binary("and", reached, behind)
            rest = builder.select(reached, builder.sub(rest, count), rest)
            chosen = builder.select(reached, bits[part], chosen)
            ahead = builder.select(reached, constant(I64, 64 * part), ahead)
        bit = builder.add(self._nth_bit(chosen, rest), ahead)
        key = self._key_of(self._sample(order, builder.add(first, bit)))
        place = self.source.element(kind, place)
        builder.store(key, builder.element_pointer(self.targets[number], key.type.element, place))

    def _inside(self, first: Value, line: Value, column: Value) -> Value:
        """Which of the samples from a number on lie in the window that begins at a line and a column: 64 bits."""
        builder, wide = self.builder, Type("i8", 64)
        parts = []
        for table, start, extent in ((self.ys, line, self.shape.lines), (self.xs, column, self.shape.taps)):
            places = builder.load(wide, builder.offset(table, first))
            near = builder.sub(places, builder.splat(start, wide.lanes))
            parts.append(builder.icmp("ult", near, constant(wide, extent)))
        return builder.convert("bitcast", builder.binary("and", *parts), I64)

    def _meet_nan(self, first: Value, target: Value) -> None:
        """Whether windows have a NaN; where the tile has none, which is known of its last sample, that is no work."""
        builder = self.builder
        last = self._sample(builder.load(PTR, self.order), builder.sub(self.samples, constant(I64, 1)))
        some = builder.icmp("ugt", self._key_of(last), self._largest_number())
        builder.when(some, lambda: self._look_for_nan(first, target), lambda: self._no_nan(target))

    def _largest_number(self) -> Value:
        """The key of infinity."""
        infinity = constant(operators.register_type(self.ranks.dtype, 1), float("inf"))
        return to_key(self.builder, infinity, self.ranks.dtype)

    def _no_nan(self, target: Value) -> None:
        builder = self.builder

        def one(x: Value, _: list[Value]) -> list[Value]:
            builder.store(constant(Type("i8", self.lanes), 0), builder.offset(target, x))
            return []

        builder.loop(constant(I64, 0), self.count, self.lanes, [], one, never_empty=True)

    def _look_for_nan(self, first: Value, target: Value) -> None:
        """Finds the columns that have one, then counts these along the row."""
        builder, shape, zero = self.builder, self.shape, constant(I64, 0)
        wide = Type(self.rooms.key.element, self.lanes)
        limit = builder.splat(self._largest_number(), self.lanes)

        def some(place: Value, _: list[Value]) -> list[Value]:
            def line(number: Value, carried: list[Value]) -> list[Value]:
                cell = builder.add(builder.mul(builder.add(first, number), constant(I64, TILE_SIDE)), place)
                keys = builder.load(wide, builder.element_pointer(self.keys, wide.element, cell))
                return [builder.intrinsic("umax", wide, carried[0], keys)]

            (found,) = builder.loop(zero, constant(I64, shape.lines), 1, [constant(wide, 0)], line, never_empty=True)
            flags = builder.convert("zext", builder.icmp("ugt", found, limit), wide.of("i8"))
            builder.store(flags, builder.offset(self.nans, place))
            return []

        builder.loop(zero, constant(I64, shape.columns), self.lanes, [], some, never_empty=True)

        def kind(number: Value, begin: Value) -> None:
            nans = builder.offset(self.nans, self._column(number, zero))

            def count(place: Value) -> Value:
                return builder.convert("zext", builder.load(I8, builder.offset(nans, place)), I64)

            start = builder.loop(
                zero, constant(I64, shape.taps - 1), 1, [zero], lambda at, c: [builder.add(c[0], count(at))]
            )

            def position(place: Value, carried: list[Value]) -> list[Value]:
                inside = builder.add(carried[0], count(builder.add(place, constant(I64, shape.taps - 1))))
                flag = builder.convert("zext", builder.icmp("ne", inside, zero), I8)
                builder.store(flag, builder.offset(target, self.source.element(number, place)))
                return [builder.sub(inside, count(place))]

            builder.loop(zero, self.levels.classes.members(self.count, number), 1, start, position)

        self.levels.classes.each(kind)

    def _column(self, kind: Value, place: Value) -> Value:
        """The column of a line's sample."""
        builder = self.builder
        return builder.add(builder.mul(kind, constant(I64, self.shape.per_class)), place)

    def _nth_bit(self, bits: Value, number: Value) -> Value:
        """Where the bit lies that has so many others set below it; it is below 64 in any case."""
        builder = self.builder
        if "bmi2" in self.target.needs:
            builder.module.declare("llvm.x86.bmi.pdep.64", "i64", ["i64", "i64"])
            one = builder.binary("shl", constant(I64, 1), builder.binary("and", number, constant(I64, 63)))
            found = builder.fresh(I64)
            builder.line(f"{found.name} = call i64 @llvm.x86.bmi.pdep.64(i64 {one.name}, i64 {bits.name})")
            place = builder.intrinsic("cttz", I64, found, constant(Type("i1"), 0))
            return builder.binary("and", place, constant(I64, 63))
        place = constant(I64, 0)
        for width in (32, 16, 8, 4, 2, 1):
            low = builder.binary("and", bits, constant(I64, (1 << width) - 1))
            below = builder.intrinsic("ctpop", I64, low)
            upper = builder.icmp("uge", number, below)
            number = builder.select(upper, builder.sub(number, below), number)
            bits = builder.select(upper, builder.binary("lshr", bits, constant(I64, width)), low)
            place = builder.select(upper, builder.add(place, constant(I64, width)), place)
        return place

    def _to_values(self, target: Value) -> None:
        """A rank row of keys becomes one of samples."""
        builder, lanes, dtype = self.builder, self.lanes, self.ranks.dtype
        wide = key_type(dtype, lanes)

        def some(x: Value, _: list[Value]) -> list[Value]:
            pointer = builder.element_pointer(target, wide.element, x)
            value = from_key(builder, builder.load(wide, pointer), dtype)
            builder.store(operators.to_memory(builder, self.target, value, dtype), pointer)
            return []

        builder.loop(constant(I64, 0), self.count, lanes, [], some, never_empty=True)
