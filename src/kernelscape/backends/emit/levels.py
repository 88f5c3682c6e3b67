"""Ranks among levels of 8 bits: histograms of columns, and of windows that move over them (``methods/levels.py``).

All counts are cumulative, 16 of them in one register: of the samples of a column (or of a window) as many as entry i
says have a high half of at most i; and for each high half, of the samples that have it, as many have a low half of at
most i. A sample comes or goes by one vector of ones and zeros, and the level of a rank is where the entries first
exceed the rank.

Counts of the low halves of a window are only brought up to date for the high half in which the rank lies: from where
they were last wanted, or from the columns of the window, whichever is nearer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from kernelscape.backends.ir import I64, Builder, Type, Value, constant
from kernelscape.loops import TileShape

LEVELS = 16
"""Entries of a histogram: the halves of a level have 4 bits."""
BLOCK = 2
"""Columns that are changed, and positions that are looked at, in one turn of a loop."""
SUMMED = 8
"""Columns that are added in one turn of a loop."""
ALL = 256
"""Levels."""
_COUNT, _COUNTS, _COLUMN = Type("i16"), Type("i16", LEVELS), Type("i8", LEVELS)
ONE, MANY = LEVELS, 2 * LEVELS
"""Bytes of the 16 counts of a column, and of those of a window."""
_LOW, _MOVED = 0, ALL * ONE
"""Bytes in front of the parts of the table."""
_PLACE = 64
"""Bytes for the counts of one position; in front of them there is a 0."""
_NEVER = -(1 << 40)
"""A position far in front of all others."""

Found = Callable[[int, Value, Value, Value, Value], None]
"""What is done with a level: (which rank, level, the rank among the samples of this level, class, position in it)."""


class Lines(Protocol):
    """Where the levels of a tile are read."""

    def line(self, number: Value) -> tuple[Value, ...]:
        """What is needed to read a line."""

    def level(self, line: tuple[Value, ...], kind: Value, place: Value, behind: int) -> Value:
        """A level (i64) of a line: of class `kind` the sample that comes `behind` places after a place."""


def level_bytes(shape: TileShape, ranks: int) -> int:
    """Scratch memory that the histograms of a tile take."""
    return _plane(shape) * (1 + LEVELS) + ranks * LEVELS * (MANY + 8) + 3 * _PLACE


def _plane(shape: TileShape) -> int:
    """Bytes of one histogram of all columns, and some that a block may look at behind the last one.

    The counts of neighbouring columns lie side by side, since they are changed one after the other.
    """
    columns = shape.step * (shape.per_class + BLOCK)
    return -(-(columns * ONE - 1088) // 4096) * 4096 + 1088


class Classes:
    """The classes of positions of a tile: a window has samples of its own class only."""

    def __init__(self, builder: Builder, shape: TileShape) -> None:
        self.builder, self.shape = builder, shape

    def each(self, act: Callable[[Value, Value], None]) -> None:
        """For every class: its number, and the number of its first column."""
        builder, shape, zero = self.builder, self.shape, constant(I64, 0)
        if shape.step == 1:
            act(zero, zero)
            return

        def one(kind: Value, _: list[Value]) -> list[Value]:
            act(kind, builder.mul(kind, constant(I64, shape.per_class + BLOCK)))
            return []

        builder.loop(zero, constant(I64, shape.step), 1, [], one, never_empty=True)

    def members(self, length: Value, kind: Value) -> Value:
        """How many of so many elements of a row are in a class."""
        builder, step = self.builder, self.shape.step
        if step == 1:
            return length
        rest = builder.sub(builder.add(length, constant(I64, step - 1)), kind)
        return builder.binary("udiv", rest, constant(I64, step))


class Levels:
    """Writes the code for some `ranks` of one sorted window; `length` is the number of samples of a line.

    Only where it `needs_rest` the rank among the samples of the same level is found, too.
    """

    def __init__(
        self, builder: Builder, shape: TileShape, lines: Lines, memory: Value, length: Value,
        ranks: Sequence[int], *, needs_rest: bool,
    ) -> None:  # fmt: skip
        self.builder, self.shape, self.lines, self.length = builder, shape, lines, length
        self.ranks, self.needs_rest = ranks, needs_rest
        self.classes = Classes(builder, shape)
        self.coarse = memory
        self.plane = _plane(shape)
        self.fine = builder.offset(self.coarse, self.plane)
        self.window = builder.offset(self.fine, self.plane * LEVELS)
        self.last = builder.offset(self.window, len(ranks) * LEVELS * MANY)
        self.counts = builder.offset(self.last, len(ranks) * LEVELS * 8 + _PLACE)
        self.inside = builder.offset(self.counts, _PLACE)
        self.ones = self._tables()

    def _tables(self) -> Value:
        """For each level the ones of its low half; for each two high halves what changes from the first to the second.

        One table, so that one register has the address of both.
        """
        ones = [[int(half <= entry) for entry in range(LEVELS)] for half in range(LEVELS)]
        low = [ones[level % LEVELS] for level in range(ALL)]
        moved = [[b - a for a, b in zip(gone, come, strict=True)] for gone in ones for come in ones]
        numbers = [number for entry in (*low, *moved) for number in entry]
        return self.builder.module.constant_table("levels", Type("i8"), numbers)

    # -- columns -------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Columns of the first output row."""
        builder, wide = self.builder, Type("i8", 64)
        size = constant(I64, self.plane * (1 + LEVELS))

        def clear(place: Value, _: list[Value]) -> list[Value]:
            builder.store(constant(wide, 0), builder.offset(self.coarse, place))
            return []

        builder.loop(constant(I64, 0), size, wide.lanes, [], clear, never_empty=True)
        for counts in (self.counts, self.inside):
            builder.store(constant(_COUNT, 0), builder.offset(counts, -2))

        def enter(number: Value, _: list[Value]) -> list[Value]:
            line = self.lines.line(number)
            self.each_column(partial(self._enter, line))
            return []

        builder.loop(constant(I64, 0), constant(I64, self.shape.lines), 1, [], enter, never_empty=True)

    def move(self, row: Value) -> None:
        """From the columns of the output row before `row` to those of it."""
        builder, shape = self.builder, self.shape
        first = builder.mul(builder.sub(row, constant(I64, 1)), constant(I64, shape.moved))

        def one(number: Value, _: list[Value]) -> list[Value]:
            old = self.lines.line(builder.add(first, number))
            new = self.lines.line(builder.add(builder.add(first, number), constant(I64, shape.lines)))
            self.each_column(partial(self._exchange, old, new))
            return []

        builder.loop(constant(I64, 0), constant(I64, shape.moved), 1, [], one, never_empty=True)

    def each_column(self, act: Callable[[Value, Value, Value, int], None]) -> None:
        """For every sample of a line: its class, a place there, the number of its column; some samples at a time."""

        def along(kind: Value, first: Value) -> None:
            count = self.classes.members(self.length, kind)
            self.in_blocks(count, lambda place, number: act(kind, place, self.builder.add(first, place), number))

        self.classes.each(along)

    def in_blocks(self, count: Value, act: Callable[[Value, int], None]) -> None:
        """Numbers below `count`: the first one of some, and how many these are."""
        builder, zero = self.builder, constant(I64, 0)
        rest = builder.binary("and", count, constant(I64, BLOCK - 1))
        whole = builder.sub(count, rest)

        def some(number: int, place: Value) -> list[Value]:
            act(place, number)
            return []

        builder.loop(zero, whole, BLOCK, [], lambda place, _: some(BLOCK, place))
        builder.loop(whole, count, 1, [], lambda place, _: some(1, place))

    def _enter(self, line: tuple[Value, ...], kind: Value, place: Value, column: Value, number: int) -> None:
        builder = self.builder
        for behind in range(number):
            level = self.lines.level(line, kind, place, behind)
            coarse, fine = self._coarse_at(column, behind), self._fine_at(level, column, behind)
            # The levels below 16 are their low halves.
            high = builder.binary("lshr", level, constant(I64, 4))
            for pointer, half in ((coarse, high), (fine, level)):
                builder.store(builder.add(builder.load(_COLUMN, pointer), self._entry(_LOW, half)), pointer)

    def _exchange(
        self, old: tuple[Value, ...], new: tuple[Value, ...], kind: Value, place: Value, column: Value, number: int
    ) -> None:
        """Reading and writing is what takes the time here; so what can be computed is not looked up."""
        builder = self.builder
        for behind in range(number):
            gone, come = (self.lines.level(line, kind, place, behind) for line in (old, new))
            coarse, high = self._coarse_at(column, behind), builder.binary("lshr", come, constant(I64, 4))
            both = builder.binary("or", builder.binary("and", gone, constant(I64, ALL - LEVELS)), high)
            builder.store(builder.add(builder.load(_COLUMN, coarse), self._entry(_MOVED, both)), coarse)
            for level, change in ((come, builder.add), (gone, builder.sub)):
                pointer = self._fine_at(level, column, behind)
                builder.store(change(builder.load(_COLUMN, pointer), self._entry(_LOW, level)), pointer)

    def _entry(self, table: int, number: Value) -> Value:
        return self.builder.load(_COLUMN, self.builder.offset(self._at(self.ones, number), table))

    def _at(self, first: Value, number: Value) -> Value:
        """Counts in a table of such."""
        return self.builder.offset(first, self.builder.mul(number, constant(I64, ONE)))

    def _coarse_at(self, column: Value, behind: int) -> Value:
        return self.builder.offset(self._at(self.coarse, column), behind * ONE)

    def _fine_at(self, level: Value, column: Value, behind: int) -> Value:
        builder = self.builder
        high = builder.binary("and", level, constant(I64, ALL - LEVELS))
        plane = builder.mul(high, constant(I64, self.plane // LEVELS))
        return builder.offset(builder.offset(self._at(self.fine, column), behind * ONE), plane)

    # -- windows -------------------------------------------------------------------------------------------------------

    def sweep(self, count: Value, found: Found) -> None:
        """Moves the window along one output row of `count` positions."""
        self.classes.each(lambda kind, first: self._sweep_class(count, kind, first, found))

    def _sweep_class(self, count: Value, kind: Value, first: Value, found: Found) -> None:
        """Between positions sums lack their last column: what they have then is part of the next window, too."""
        builder, zero = self.builder, constant(I64, 0)
        coarse, fine = self._at(self.coarse, first), self._at(self.fine, first)
        searches = [_Search(self, number, kind, fine, found) for number in range(len(self.ranks))]

        def position(place: Value, behind: int, carried: list[Value]) -> list[Value]:
            counts = builder.add(carried[0], self.column(coarse, place, behind + self.shape.taps - 1))
            builder.store(counts, self.counts)
            following = [builder.sub(counts, self.column(coarse, place, behind))]
            for search in searches:
                start = 1 + _HELD * search.number
                following += search.position(counts, place, behind, _Held(*carried[start : start + _HELD]))
            return following

        def block(place: Value, carried: list[Value]) -> list[Value]:
            for behind in range(BLOCK):
                carried = position(place, behind, carried)
            return carried

        state = [self.sum(coarse, zero)]
        for search in searches:
            for entry in range(LEVELS):
                builder.store(constant(I64, _NEVER), self.place_of(self.last, search.number, constant(I64, entry), 8))
            # No entries of a window are all at most its rank.
            state += _Held(constant(_COUNT, 0), zero, fine, self.sum(fine, zero))
        members = self.classes.members(count, kind)
        whole = builder.binary("and", members, constant(I64, -BLOCK))
        state = builder.loop(zero, whole, BLOCK, state, block)
        builder.loop(whole, members, 1, state, lambda place, carried: position(place, 0, carried))

    def column(self, plane: Value, place: Value, behind: int) -> Value:
        """The counts of a column that comes so many behind the first one of the window at a place."""
        pointer = self.builder.offset(self._at(plane, place), behind * ONE)
        return self.builder.convert("zext", self.builder.load(_COLUMN, pointer), _COUNTS)

    def fine_plane(self, fine: Value, high: Value) -> Value:
        """Where the counts of the low halves of those samples begin that have a high half."""
        return self.builder.offset(fine, self.builder.mul(high, constant(I64, self.plane)))

    def sum(self, plane: Value, place: Value) -> Value:
        """The sums of all columns of the window at a place but the last."""
        builder, taps = self.builder, self.shape.taps - 1
        first = self._at(plane, place)

        def block(at: Value, carried: list[Value]) -> list[Value]:
            found = carried[0]
            for behind in range(SUMMED):
                found = builder.add(found, self.column(first, at, behind))
            return [found]

        whole = constant(I64, taps // SUMMED * SUMMED)
        found = builder.loop(constant(I64, 0), whole, SUMMED, [constant(_COUNTS, 0)], block)[0]
        for at in range(taps // SUMMED * SUMMED, taps):
            found = builder.add(found, self.column(first, constant(I64, 0), at))
        return found

    def place_of(self, table: Value, number: int, high: Value, size: int) -> Value:
        """Where a table has the entry of a high half, for a rank."""
        builder = self.builder
        return builder.offset(builder.offset(table, number * LEVELS * size), builder.mul(high, constant(I64, size)))


class _Held(NamedTuple):
    """From position to position: which entries are above the rank, the high half, its columns, and their sums."""

    bits: Value
    high: Value
    plane: Value
    sums: Value


_HELD = len(_Held._fields)


class _Search:
    """Finds the levels of one rank.

    A high half and its sums are held; sums of others are in memory, as they were when they were last held.
    """

    def __init__(self, levels: Levels, number: int, kind: Value, fine: Value, found: Found) -> None:
        self.levels, self.builder, self.number, self.kind, self.fine = levels, levels.builder, number, kind, fine
        self.rank, self.found = constant(_COUNTS, levels.ranks[number]), found

    def position(self, counts: Value, place: Value, behind: int, held: _Held) -> _Held:
        """The level so many positions behind a place, where the window has these counts; returns what is held then.

        Mostly the high half is the one that is held: that takes one comparison, and nothing waits for what it gives.
        """
        builder = self.builder
        bits = self._above(counts)

        def other() -> _Held:
            high = self._first(bits)
            sums = self._changed(builder.add(place, constant(I64, behind)), held, high)
            return _Held(bits, high, self.levels.fine_plane(self.fine, high), sums)

        own = _Held(*builder.fork(builder.icmp("eq", bits, held.bits), lambda: held, other))
        return own._replace(sums=self._level(place, behind, own))

    def _level(self, place: Value, behind: int, held: _Held) -> Value:
        """Hands on the level at a position whose high half is known; returns the sums for the next one."""
        builder, levels, rank = self.builder, self.levels, self.levels.ranks[self.number]
        inside = builder.add(held.sums, levels.column(held.plane, place, behind + levels.shape.taps - 1))
        # Of all samples in the window, as many have a level of at most this high half and the low half of an entry.
        below = self._below(levels.counts, held.high)
        low = self._first(self._above(builder.add(inside, builder.splat(below, LEVELS))))
        level = builder.binary("or", builder.mul(held.high, constant(I64, LEVELS)), low)
        rest = constant(I64, 0)
        if levels.needs_rest:
            builder.store(inside, levels.inside)
            less = builder.add(below, self._below(levels.inside, low))
            rest = builder.convert("zext", builder.sub(constant(less.type, rank), less), I64)
        self.found(self.number, level, rest, self.kind, builder.add(place, constant(I64, behind)))
        return builder.sub(inside, levels.column(held.plane, place, behind))

    def _below(self, counts: Value, half: Value) -> Value:
        """The count in front of the entry of a half."""
        builder = self.builder
        return builder.load(_COUNT, builder.offset(builder.offset(counts, builder.mul(half, constant(I64, 2))), -2))

    def _above(self, counts: Value) -> Value:
        """Bits of the entries that are above the rank; the highest one is always set."""
        above = self.builder.icmp("ugt", counts, self.rank)
        return self.builder.convert("bitcast", above, _COUNT)

    def _first(self, bits: Value) -> Value:
        """The lowest bit that is set, as i64."""
        builder = self.builder
        wide = builder.convert("zext", bits, Type("i32"))
        return builder.convert("zext", builder.intrinsic("cttz", wide.type, wide, constant(Type("i1"), 0)), I64)

    def _changed(self, place: Value, held: _Held, high: Value) -> Value:
        """Puts the sums of one high half away; the sums of another one at the same place.

        They come from those of where it was last held, or from all columns, whichever is less work.
        """
        builder, levels, number, taps = self.builder, self.levels, self.number, self.levels.shape.taps
        builder.store(held.sums, levels.place_of(levels.window, number, held.high, MANY))
        builder.store(place, levels.place_of(levels.last, number, held.high, 8))
        known = builder.load(I64, levels.place_of(levels.last, number, high, 8))
        plane = levels.fine_plane(self.fine, high)

        def onwards() -> list[Value]:
            def one(at: Value, carried: list[Value]) -> list[Value]:
                inside = builder.add(carried[0], levels.column(plane, at, taps - 1))
                return [builder.sub(inside, levels.column(plane, at, 0))]

            sums = builder.load(_COUNTS, levels.place_of(levels.window, number, high, MANY))
            return builder.loop(known, place, 1, [sums], one)

        far = builder.icmp("sgt", builder.sub(place, known), constant(I64, taps // 2))
        return builder.fork(far, lambda: [levels.sum(plane, place)], onwards)[0]
