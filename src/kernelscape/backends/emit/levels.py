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
from functools import reduce
from typing import Protocol

from kernelscape.backends.ir import I64, Builder, Type, Value, constant
from kernelscape.loops import TileShape

LEVELS = 16
"""Entries of a histogram: the halves of a level have 4 bits."""
BLOCK = 4
"""Positions that are looked at together."""
_COUNTS = Type("i16", LEVELS)
ONE = 2 * LEVELS
"""Bytes of 16 counts."""
_PLACE = 64
"""Bytes from the counts of one position of a block to those of the next; in front of them there is a 0."""
_NEVER = -(1 << 40)
"""A position far in front of all others."""

Found = Callable[[int, Value, Value, Value, Value], None]
"""What is done with a level: (which rank, level, the rank among the samples of this level, class, position in it)."""


class Lines(Protocol):
    """Where the levels of a tile are read."""

    def line(self, number: Value) -> tuple[Value, ...]:
        """What is needed to read a line."""

    def level(self, line: tuple[Value, ...], kind: Value, place: Value) -> Value:
        """A level (i64) of a line: sample `place` of class `kind`."""


def level_bytes(shape: TileShape, ranks: int) -> int:
    """Scratch memory that the histograms of a tile take."""
    return _plane(shape) * (1 + LEVELS) + ranks * LEVELS * (ONE + 8) + (2 * BLOCK + 1) * _PLACE


def _plane(shape: TileShape) -> int:
    """Bytes of one histogram of all columns, and some that a block may look at behind the last one.

    The counts of neighbouring columns lie side by side, since they are changed one after the other.
    """
    columns = shape.step * (shape.per_class + BLOCK)
    return (-(-columns * ONE // 64) | 1) * 64


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
        self.coarse = memory
        self.plane = _plane(shape)
        self.fine = builder.offset(self.coarse, self.plane)
        self.window = builder.offset(self.fine, self.plane * LEVELS)
        self.last = builder.offset(self.window, len(ranks) * LEVELS * ONE)
        self.counts = builder.offset(self.last, len(ranks) * LEVELS * 8 + _PLACE)
        self.inside = builder.offset(self.counts, BLOCK * _PLACE)
        ones = [int(level <= entry) for level in range(LEVELS) for entry in range(LEVELS)]
        self.ones = builder.module.constant_table("levels", Type("i16"), ones)

    # -- columns -------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Columns of the first output row."""
        builder = self.builder
        size = constant(I64, self.plane * (1 + LEVELS))

        def clear(place: Value, _: list[Value]) -> list[Value]:
            builder.store(constant(_COUNTS, 0), builder.offset(self.coarse, place))
            return []

        builder.loop(constant(I64, 0), size, ONE, [], clear, never_empty=True)
        for place in range(2 * BLOCK):
            builder.store(constant(Type("i16"), 0), builder.offset(self.counts, place * _PLACE - 2))

        def enter(number: Value, _: list[Value]) -> list[Value]:
            line = self.lines.line(number)
            self.each_column(lambda kind, place, column: self._enter(line, kind, place, column))
            return []

        builder.loop(constant(I64, 0), constant(I64, self.shape.lines), 1, [], enter, never_empty=True)

    def move(self, row: Value) -> None:
        """From the columns of the output row before `row` to those of it."""
        builder, shape = self.builder, self.shape
        first = builder.mul(builder.sub(row, constant(I64, 1)), constant(I64, shape.moved))

        def one(number: Value, _: list[Value]) -> list[Value]:
            old = self.lines.line(builder.add(first, number))
            new = self.lines.line(builder.add(builder.add(first, number), constant(I64, shape.lines)))
            self.each_column(lambda kind, place, column: self._exchange(old, new, kind, place, column))
            return []

        builder.loop(constant(I64, 0), constant(I64, shape.moved), 1, [], one, never_empty=True)

    def each_column(self, act: Callable[[Value, Value, Value], None]) -> None:
        """For every sample of a line: its class, its place there, and the number of its column."""

        def along(kind: Value, first: Value) -> None:
            def one(place: Value, _: list[Value]) -> list[Value]:
                act(kind, place, self.builder.add(first, place))
                return []

            self.builder.loop(constant(I64, 0), self.members(self.length, kind), 1, [], one)

        self.each_class(along)

    def each_class(self, act: Callable[[Value, Value], None]) -> None:
        """For every class of positions: its number, and the number of its first column."""
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

    def _enter(self, line: tuple[Value, ...], kind: Value, place: Value, column: Value) -> None:
        builder = self.builder
        high, low = self._halves(self.lines.level(line, kind, place))
        for pointer, half in ((self._at(self.coarse, column), high), (self._fine_at(high, column), low)):
            builder.store(builder.add(builder.load(_COUNTS, pointer), self._ones_of(half)), pointer)

    def _exchange(
        self, old: tuple[Value, ...], new: tuple[Value, ...], kind: Value, place: Value, column: Value
    ) -> None:
        builder = self.builder
        (gone, gone_low), (come, come_low) = (self._halves(self.lines.level(o, kind, place)) for o in (old, new))
        coarse = self._at(self.coarse, column)
        held = builder.load(_COUNTS, coarse)
        builder.store(builder.add(held, builder.sub(self._ones_of(come), self._ones_of(gone))), coarse)
        for high, low, change in ((come, come_low, builder.add), (gone, gone_low, builder.sub)):
            pointer = self._fine_at(high, column)
            builder.store(change(builder.load(_COUNTS, pointer), self._ones_of(low)), pointer)

    def _halves(self, level: Value) -> tuple[Value, Value]:
        builder = self.builder
        return builder.binary("lshr", level, constant(I64, 4)), builder.binary("and", level, constant(I64, LEVELS - 1))

    def _ones_of(self, half: Value) -> Value:
        return self.builder.load(_COUNTS, self._at(self.ones, half))

    def _at(self, first: Value, number: Value) -> Value:
        """Counts in a table of such."""
        return self.builder.offset(first, self.builder.mul(number, constant(I64, ONE)))

    def _fine_at(self, high: Value, column: Value) -> Value:
        plane = self.builder.offset(self.fine, self.builder.mul(high, constant(I64, self.plane)))
        return self._at(plane, column)

    # -- windows -------------------------------------------------------------------------------------------------------

    def sweep(self, count: Value, found: Found) -> None:
        """Moves the window along one output row of `count` positions."""
        self.each_class(lambda kind, first: self._sweep_class(count, kind, first, found))

    def _sweep_class(self, count: Value, kind: Value, first: Value, found: Found) -> None:
        """Between positions sums lack their last column: what they have then is part of the next window, too."""
        builder, zero = self.builder, constant(I64, 0)
        members = self.members(count, kind)
        coarse, fine = self._at(self.coarse, first), self._at(self.fine, first)

        def block(place: Value, carried: list[Value]) -> list[Value]:
            sums, counts = carried[0], []
            for u in range(BLOCK):
                at = builder.add(place, constant(I64, u))
                counts.append(builder.add(sums, self._coarse_counts(coarse, self._last_of(at))))
                builder.store(counts[-1], builder.offset(self.counts, u * _PLACE))
                sums = builder.sub(counts[-1], self._coarse_counts(coarse, at))
            following = [sums]
            left = builder.intrinsic("smin", I64, builder.sub(members, place), constant(I64, BLOCK))
            for number in range(len(self.ranks)):
                search = _Search(self, number, kind, fine, found)
                held = (carried[1 + 2 * number], carried[2 + 2 * number])
                following += search.block(counts, place, left, held)
            return following

        state = [self._sum(lambda at: self._coarse_counts(coarse, at), zero)]
        for number in range(len(self.ranks)):
            for entry in range(LEVELS):
                builder.store(constant(I64, _NEVER), self.place_of(self.last, number, constant(I64, entry), 8))
            state += [zero, self.fine_sum(fine, zero, zero)]
        builder.loop(zero, members, BLOCK, state, block)

    def _last_of(self, place: Value) -> Value:
        """The last column of the window at a place."""
        return self.builder.add(place, constant(I64, self.shape.taps - 1))

    def _coarse_counts(self, coarse: Value, column: Value) -> Value:
        return self.builder.load(_COUNTS, self._at(coarse, column))

    def fine_counts(self, fine: Value, high: Value, column: Value) -> Value:
        """The counts of the low halves of those samples of a column that have a high half."""
        builder = self.builder
        plane = builder.offset(fine, builder.mul(high, constant(I64, self.plane)))
        return builder.load(_COUNTS, self._at(plane, column))

    def with_last(self, sums: Value, fine: Value, high: Value, place: Value) -> Value:
        """The sums of all columns of a window, from those of all but the last."""
        return self.builder.add(sums, self.fine_counts(fine, high, self._last_of(place)))

    def fine_sum(self, fine: Value, high: Value, place: Value) -> Value:
        """The sums of all columns of the window at a place but the last."""
        return self._sum(lambda at: self.fine_counts(fine, high, at), place)

    def _sum(self, column: Callable[[Value], Value], place: Value) -> Value:
        builder = self.builder

        def one(at: Value, carried: list[Value]) -> list[Value]:
            return [builder.add(carried[0], column(builder.add(place, at)))]

        taps = constant(I64, self.shape.taps - 1)
        return builder.loop(constant(I64, 0), taps, 1, [constant(_COUNTS, 0)], one)[0]

    def place_of(self, table: Value, number: int, high: Value, size: int) -> Value:
        """Where a table has the entry of a high half, for a rank."""
        builder = self.builder
        return builder.offset(builder.offset(table, number * LEVELS * size), builder.mul(high, constant(I64, size)))


class _Search:
    """Finds the levels of one rank.

    From block to block a high half and its sums are held; sums of others are in memory, as they were when they were
    last held.
    """

    def __init__(self, levels: Levels, number: int, kind: Value, fine: Value, found: Found) -> None:
        self.levels, self.builder, self.number, self.kind, self.fine = levels, levels.builder, number, kind, fine
        self.rank, self.found = constant(_COUNTS, levels.ranks[number]), found

    def block(self, counts: Sequence[Value], place: Value, left: Value, held: tuple[Value, Value]) -> list[Value]:
        """The levels at all positions of a block of which `left` are there; returns what is held then.

        Where all windows of the block have their rank in the same high half there is little to do.
        """
        builder = self.builder
        lowest = reduce(lambda a, b: builder.intrinsic("umin", _COUNTS, a, b), counts)
        highest = reduce(lambda a, b: builder.intrinsic("umax", _COUNTS, a, b), counts)
        bits, same = (self._above(c) for c in (lowest, highest))
        whole = builder.icmp("eq", left, constant(I64, BLOCK))
        alike = builder.binary("and", builder.icmp("eq", bits, same), whole)

        def together() -> list[Value]:
            high = self._first(bits)
            (sums,) = builder.fork(
                builder.icmp("eq", high, held[0]), lambda: [held[1]], lambda: [self._changed(place, held, high)]
            )
            for u in range(BLOCK):
                sums = self._position(constant(I64, u), builder.add(place, constant(I64, u)), high, sums)
            return [high, sums]

        def apart() -> list[Value]:
            def one(u: Value, state: list[Value]) -> list[Value]:
                at = builder.add(place, u)
                counts = builder.load(_COUNTS, self._counts_at(self.levels.counts, u))
                high = self._first(self._above(counts))
                (sums,) = builder.fork(
                    builder.icmp("eq", high, state[0]),
                    lambda: [state[1]],
                    lambda: [self._changed(at, (state[0], state[1]), high)],
                )
                return [high, self._position(u, at, high, sums)]

            return builder.loop(constant(I64, 0), left, 1, held, one)

        return builder.fork(alike, together, apart)

    def _position(self, u: Value, place: Value, high: Value, sums: Value) -> Value:
        """The level at a position whose high half is known; returns the sums for the next one."""
        builder, levels = self.builder, self.levels
        inside = levels.with_last(sums, self.fine, high, place)
        # Of all samples in the window, as many have a level of at most this high half and the low half of an entry.
        all_below = builder.add(inside, builder.splat(self._below(levels.counts, u, high), LEVELS))
        low = self._first(self._above(all_below))
        level = builder.binary("or", builder.mul(high, constant(I64, LEVELS)), low)
        rest = constant(I64, 0)
        if levels.needs_rest:
            builder.store(inside, self._counts_at(levels.inside, u))
            below = builder.add(self._below(levels.counts, u, high), self._below(levels.inside, u, low))
            rest = builder.convert("zext", builder.sub(constant(below.type, levels.ranks[self.number]), below), I64)
        self.found(self.number, level, rest, self.kind, place)
        return builder.sub(inside, levels.fine_counts(self.fine, high, place))

    def _counts_at(self, table: Value, u: Value) -> Value:
        return self.builder.offset(table, self.builder.mul(u, constant(I64, _PLACE)))

    def _below(self, table: Value, u: Value, half: Value) -> Value:
        """The count in front of the entry of a half, at a position of the block."""
        builder = self.builder
        entry = builder.offset(self._counts_at(table, u), builder.mul(half, constant(I64, 2)))
        return builder.load(Type("i16"), builder.offset(entry, -2))

    def _above(self, counts: Value) -> Value:
        """Bits of the entries that are above the rank; the highest one is always set."""
        above = self.builder.icmp("ugt", counts, self.rank)
        return self.builder.convert("bitcast", above, Type("i16"))

    def _first(self, bits: Value) -> Value:
        """The lowest bit that is set, as i64."""
        builder = self.builder
        wide = builder.convert("zext", bits, Type("i32"))
        return builder.convert("zext", builder.intrinsic("cttz", wide.type, wide, constant(Type("i1"), 1)), I64)

    def _changed(self, place: Value, held: tuple[Value, Value], high: Value) -> Value:
        """Puts the sums of one high half away; the sums of another one at the same place.

        They come from those of where it was last held, or from all columns, whichever is less work.
        """
        builder, levels, number, taps = self.builder, self.levels, self.number, self.levels.shape.taps
        builder.store(held[1], levels.place_of(levels.window, number, held[0], ONE))
        builder.store(place, levels.place_of(levels.last, number, held[0], 8))
        known = builder.load(I64, levels.place_of(levels.last, number, high, 8))

        def onwards() -> list[Value]:
            def one(at: Value, carried: list[Value]) -> list[Value]:
                inside = levels.with_last(carried[0], self.fine, high, at)
                return [builder.sub(inside, levels.fine_counts(self.fine, high, at))]

            sums = builder.load(_COUNTS, levels.place_of(levels.window, number, high, ONE))
            return builder.loop(known, place, 1, [sums], one)

        far = builder.icmp("sgt", builder.sub(place, known), constant(I64, taps // 2))
        return builder.fork(far, lambda: [levels.fine_sum(self.fine, high, place)], onwards)[0]
