"""How often each of 256 levels is in a window: one histogram for each, which moves along (``methods/frequencies.py``).

With every sample that comes or goes one count is changed, and beside it the sum of what the counts say; so at each
position that sum is at hand. What is the same for many changes is done once: the addresses of lines lie in a table.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import pairwise

from kernelscape.backends.emit.levels import Classes, Lines
from kernelscape.backends.ir import I8, I64, PTR, Builder, Type, Value, constant
from kernelscape.loops import TileShape
from kernelscape.semantics import run_bits

I16, I32 = Type("i16"), Type("i32")
ALL = 256
"""Levels."""
_TOTAL = 2 * ALL
"""Where, behind the counts, the sum lies between rows."""
_BLOCK = _TOTAL + 64
_LANES = 32
"""Counts that are looked at together."""

Found = Callable[[Value, Value, Value], None]
"""What is done with what is found: (value, class, position in it)."""


def frequency_bytes(shape: TileShape, words: int) -> int:
    """Scratch memory for the histograms of a tile, and for its lines, of which each takes some 64-bit words."""
    return _BLOCK * (shape.step + 1) + 8 * words * shape.all_lines


class Frequencies:
    """Writes the code for one measure of ``expression.Runs``.

    `extents` are the numbers of output rows and positions of the tile; `words` says how many 64-bit words a line takes.
    """

    def __init__(
        self, builder: Builder, shape: TileShape, lines: Lines, memory: Value, extents: tuple[Value, Value],
        measure: str, words: int,
    ) -> None:  # fmt: skip
        self.builder, self.shape, self.lines, self.measure, self.words = builder, shape, lines, measure, words
        self.rows, self.count = extents
        self.classes = Classes(builder, shape)
        self.firsts = memory
        self.counts = builder.offset(memory, _BLOCK * shape.step)
        self.places = builder.offset(self.counts, _BLOCK)
        if measure == "bits":
            bits = run_bits(shape.lines * shape.taps)
            steps = tuple(after - before for before, after in pairwise(bits))
            self.steps = builder.module.integer_table(steps)

    # -- lines ---------------------------------------------------------------------------------------------------------

    def _note_lines(self) -> None:
        """The words of all lines of a tile."""
        builder, shape = self.builder, self.shape
        moved = builder.mul(builder.sub(self.rows, constant(I64, 1)), constant(I64, shape.moved))

        def one(number: Value, _: list[Value]) -> list[Value]:
            for place, word in enumerate(self.lines.line(number)):
                builder.store(word, builder.offset(self._line_place(number), 8 * place))
            return []

        every = builder.add(moved, constant(I64, shape.lines))
        builder.loop(constant(I64, 0), every, 1, [], one, never_empty=True)

    def _line_place(self, number: Value) -> Value:
        return self.builder.offset(self.places, self.builder.mul(number, constant(I64, 8 * self.words)))

    def _line(self, number: Value) -> tuple[Value, ...]:
        place, types = self._line_place(number), (PTR, *(I64,) * (self.words - 1))
        return tuple(self.builder.load(type_, self.builder.offset(place, 8 * n)) for n, type_ in enumerate(types))

    # -- one sample ----------------------------------------------------------------------------------------------------

    def _entry(self, counts: Value, level: Value) -> Value:
        return self.builder.element_pointer(counts, "i16", level)

    def _step(self, count: Value) -> Value:
        """What the sum gains when a count grows by 1."""
        return self.builder.load(I64, self.builder.element_pointer(self.steps, "i64", count))

    def _come(self, counts: Value, level: Value, total: Value) -> Value:
        """Counts a sample; returns the sum."""
        builder, entry = self.builder, self._entry(counts, level)
        count = builder.load(I16, entry)
        builder.store(builder.add(count, constant(I16, 1)), entry)
        if self.measure == "bits":
            return builder.add(total, self._step(builder.convert("zext", count, I64)))
        if self.measure == "number":
            is_first = builder.icmp("eq", count, constant(I16, 0))
            return builder.add(total, builder.convert("zext", is_first, I64))
        return total

    def _go(self, counts: Value, level: Value, total: Value) -> Value:
        """Counts a sample no more; returns the sum."""
        builder, entry = self.builder, self._entry(counts, level)
        count = builder.sub(builder.load(I16, entry), constant(I16, 1))
        builder.store(count, entry)
        if self.measure == "bits":
            return builder.sub(total, self._step(builder.convert("zext", count, I64)))
        if self.measure == "number":
            was_last = builder.icmp("eq", count, constant(I16, 0))
            return builder.sub(total, builder.convert("zext", was_last, I64))
        return total

    def _exchange(self, counts: Value, gone: Value, come: Value, total: Value) -> Value:
        """In flat parts of an image most samples are followed by an equal one: nothing changes."""
        return self.builder.fork(
            self.builder.icmp("ne", gone, come),
            lambda: [self._come(counts, come, self._go(counts, gone, total))],
            lambda: [total],
        )[0]

    # -- rows ----------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The histograms at the beginning of the first output row."""
        builder, wide, zero = self.builder, Type("i8", 64), constant(I64, 0)
        self._note_lines()

        def clear(place: Value, _: list[Value]) -> list[Value]:
            builder.store(constant(wide, 0), builder.offset(self.firsts, place))
            return []

        builder.loop(zero, constant(I64, _BLOCK * self.shape.step), wide.lanes, [], clear, never_empty=True)

        def fill(kind: Value, counts: Value) -> None:
            def one(number: Value, carried: list[Value]) -> list[Value]:
                line = self._line(number)

                def tap(place: Value, total: list[Value]) -> list[Value]:
                    return [self._come(counts, self.lines.level(line, kind, place, 0), total[0])]

                return builder.loop(zero, constant(I64, self.shape.taps), 1, carried, tap, never_empty=True)

            self._store_total(counts, builder.loop(zero, constant(I64, self.shape.lines), 1, [zero], one)[0])

        self._each_first(fill)

    def _each_first(self, act: Callable[[Value, Value], None]) -> None:
        """For each class of positions that has any: its number, and the histogram of its first one."""
        builder = self.builder

        def one(kind: Value, _: Value) -> None:
            counts = builder.offset(self.firsts, builder.mul(kind, constant(I64, _BLOCK)))
            builder.when(builder.icmp("slt", kind, self.count), lambda: act(kind, counts))

        self.classes.each(one)

    def _store_total(self, counts: Value, total: Value) -> None:
        self.builder.store(total, self.builder.offset(counts, _TOTAL))

    def _load_total(self, counts: Value) -> Value:
        return self.builder.load(I64, self.builder.offset(counts, _TOTAL))

    def move(self, row: Value) -> None:
        """From the beginning of the output row before `row` to that of it."""
        builder, shape, zero = self.builder, self.shape, constant(I64, 0)
        first = builder.mul(builder.sub(row, constant(I64, 1)), constant(I64, shape.moved))

        def exchange(kind: Value, counts: Value) -> None:
            def one(number: Value, carried: list[Value]) -> list[Value]:
                old = self._line(builder.add(first, number))
                new = self._line(builder.add(builder.add(first, number), constant(I64, shape.lines)))

                def tap(place: Value, total: list[Value]) -> list[Value]:
                    gone, come = (self.lines.level(line, kind, place, 0) for line in (old, new))
                    return [self._exchange(counts, gone, come, total[0])]

                return builder.loop(zero, constant(I64, shape.taps), 1, carried, tap, never_empty=True)

            total = builder.loop(zero, constant(I64, shape.moved), 1, [self._load_total(counts)], one)[0]
            self._store_total(counts, total)

        self._each_first(exchange)

    def sweep(self, row: Value, found: Found) -> None:
        """Moves the window along an output row."""
        self._each_first(lambda kind, first: self._sweep_class(row, kind, first, found))

    def _sweep_class(self, row: Value, kind: Value, first: Value, found: Found) -> None:
        builder, shape, zero = self.builder, self.shape, constant(I64, 0)
        wide = Type("i8", 64)

        def copy(place: Value, _: list[Value]) -> list[Value]:
            builder.store(builder.load(wide, builder.offset(first, place)), builder.offset(self.counts, place))
            return []

        builder.loop(zero, constant(I64, 2 * ALL), wide.lanes, [], copy, never_empty=True)
        begin = builder.mul(row, constant(I64, shape.moved))
        start = self._load_total(first)
        found(self._result(start), kind, zero)

        def position(place: Value, carried: list[Value]) -> list[Value]:
            before = builder.sub(place, constant(I64, 1))

            def one(number: Value, total: list[Value]) -> list[Value]:
                line = self._line(builder.add(begin, number))
                gone, come = (self.lines.level(line, kind, before, behind) for behind in (0, shape.taps))
                return [self._exchange(self.counts, gone, come, total[0])]

            carried = builder.loop(zero, constant(I64, shape.lines), 1, carried, one, never_empty=True)
            found(self._result(carried[0]), kind, place)
            return carried

        builder.loop(constant(I64, 1), self.classes.members(self.count, kind), 1, [start], position)

    # -- what is found -------------------------------------------------------------------------------------------------

    def _result(self, total: Value) -> Value:
        return self._most_frequent() if self.measure == "longest" else total

    def _most_frequent(self) -> Value:
        """The lowest of the levels that have the largest count."""
        builder, wide = self.builder, Type("i16", _LANES)
        parts = [builder.load(wide, builder.offset(self.counts, at * 2)) for at in range(0, ALL, _LANES)]
        largest = reduce(lambda a, b: builder.intrinsic("umax", wide, a, b), parts)
        for half in (16, 8, 4, 2, 1):
            others = tuple((lane + half) % _LANES for lane in range(_LANES))
            largest = builder.intrinsic("umax", wide, largest, builder.shuffle(largest, largest, others))
        level = constant(I64, 0)
        for number in reversed(range(len(parts))):
            bits = builder.convert("bitcast", builder.icmp("eq", parts[number], largest), I32)
            place = builder.intrinsic("cttz", I32, bits, constant(Type("i1"), 0))
            this = builder.add(builder.convert("zext", place, I64), constant(I64, number * _LANES))
            level = builder.select(builder.icmp("ne", bits, constant(I32, 0)), this, level)
        return builder.convert("trunc", level, I8)
