"""How often each of 256 levels is in a window: histograms that move with it (``methods/frequencies.py``).

Up to four output rows have their histograms side by side, the counts of one level in one word: a sample that is in the
windows of all of them is counted by one addition. With every sample that comes or goes there changes what the counts
say together; so at each position that is at hand. Lines that are in the windows of the same rows are gone through in
one loop, and what a line needs to be read lies in a table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from itertools import pairwise

from kernelscape.backends.emit.levels import Classes, Lines
from kernelscape.backends.ir import I8, I64, PTR, Builder, Type, Value, constant, vector_constant
from kernelscape.loops import TileShape
from kernelscape.methods.frequencies import together
from kernelscape.semantics import run_bits

ALL = 256
"""Levels."""
_FIELD = 16
"""Bits of one count; the highest is never set."""
_LANES = 32
"""Counts that are looked at together."""
_I16, _WIDE = Type("i16"), Type("i8", 64)

Found = Callable[[int, Value, Value, Value], None]
"""What is done with what is found: (which row, value, class, position in it)."""
Rows = tuple[int, ...]


def frequency_bytes(shape: TileShape, words: int) -> int:
    """Scratch memory for the histograms of a tile, and for its lines, of which each takes some 64-bit words."""
    lines = shape.all_lines + (together(shape.rows) - 1) * shape.moved
    return _block(together(shape.rows)) * (shape.step + 1) + 8 * words * lines


def _block(rows: int) -> int:
    """Bytes of the counts of some rows, and behind them of what they say together."""
    return 2 * ALL * rows + 64


class Frequencies:
    """Writes the code for one measure of ``expression.Runs``.

    `extents` are the numbers of output rows and positions of the tile; `words` says how many 64-bit words a line takes.
    """

    def __init__(
        self, builder: Builder, shape: TileShape, lines: Lines, memory: Value, extents: tuple[Value, Value],
        measure: str, words: int,
    ) -> None:  # fmt: skip
        self.builder, self.shape, self.lines, self.measure, self.words = builder, shape, lines, measure, words
        self.tile_rows, self.count = extents
        self.rows = together(shape.rows)
        self.word, self.block = Type(f"i{_FIELD * self.rows}"), _block(self.rows)
        self.classes = Classes(builder, shape)
        self.firsts = memory
        self.counts = builder.offset(memory, self.block * shape.step)
        self.places = builder.offset(self.counts, self.block)
        if measure == "bits":
            steps = tuple(after - before for before, after in pairwise(run_bits(shape.lines * shape.taps)))
            self.steps = builder.module.integer_table(steps)

    # -- lines ---------------------------------------------------------------------------------------------------------

    def _note_lines(self) -> None:
        """The words of all lines of a tile; rows that it lacks have the last line again and again."""
        builder, shape = self.builder, self.shape
        moved = builder.mul(builder.sub(self.tile_rows, constant(I64, 1)), constant(I64, shape.moved))
        last = builder.add(moved, constant(I64, shape.lines - 1))

        def one(number: Value, _: list[Value]) -> list[Value]:
            for place, word in enumerate(self.lines.line(builder.intrinsic("smin", I64, number, last))):
                builder.store(word, builder.offset(self._line_place(number), 8 * place))
            return []

        every = builder.add(last, constant(I64, 1 + (self.rows - 1) * shape.moved))
        builder.loop(constant(I64, 0), every, 1, [], one, never_empty=True)

    def _line_place(self, number: Value) -> Value:
        return self.builder.offset(self.places, self.builder.mul(number, constant(I64, 8 * self.words)))

    def _line(self, number: Value) -> tuple[Value, ...]:
        place, types = self._line_place(number), (PTR, *(I64,) * (self.words - 1))
        return tuple(self.builder.load(type_, self.builder.offset(place, 8 * n)) for n, type_ in enumerate(types))

    def _each_line(
        self, extent: int, state: list[Value], act: Callable[[Value, Rows, list[Value]], list[Value]]
    ) -> list[Value]:
        """For each line of which `extent` are in the window of one row, from that of the first row on.

        ``act`` is given its number and the rows that have it, and goes from state to state.
        """
        builder, moved = self.builder, self.shape.moved

        def turn(rows: Rows, number: Value, state: list[Value]) -> list[Value]:
            return act(number, rows, state)

        edges = sorted({edge for row in range(self.rows) for edge in (row * moved, row * moved + extent)})
        for start, stop in pairwise(edges):
            rows = tuple(row for row in range(self.rows) if row * moved <= start < row * moved + extent)
            if rows and stop - start == 1:
                state = act(constant(I64, start), rows, state)
            elif rows:
                ends = (constant(I64, start), constant(I64, stop))
                state = builder.loop(*ends, 1, state, partial(turn, rows), never_empty=True)
        return state

    # -- one sample ----------------------------------------------------------------------------------------------------

    def _changed(self, counts: Value, level: Value, rows: Rows, state: list[Value], *, comes: bool) -> list[Value]:
        """Counts a sample in the windows of some rows, or counts it no more there; returns what is then known."""
        builder = self.builder
        entry = builder.element_pointer(counts, self.word.text, level)
        before, ones = builder.load(self.word, entry), constant(self.word, sum(1 << _FIELD * row for row in rows))
        change = builder.add if comes else builder.sub
        after = change(before, ones)
        builder.store(after, entry)
        less = before if comes else after
        if self.measure == "bits":
            return [
                change(known, self._step(self._field(less, row))) if row in rows else known
                for row, known in enumerate(state)
            ]
        return [change(state[0], self._zeros(less, rows))] if self.measure == "number" else state

    def _field(self, word: Value, row: int) -> Value:
        """The number (i64) that a word has for a row."""
        builder = self.builder
        moved = builder.binary("lshr", word, constant(word.type, _FIELD * row)) if row else word
        if row < self.rows - 1:
            moved = builder.binary("and", moved, constant(word.type, (1 << _FIELD) - 1))
        return moved if moved.type == I64 else builder.convert("zext", moved, I64)

    def _step(self, count: Value) -> Value:
        """What a count adds to the sum when it grows by 1."""
        return self.builder.load(I64, self.builder.element_pointer(self.steps, "i64", count))

    def _zeros(self, word: Value, rows: Rows) -> Value:
        """A word with a 1 for each row for which another one has 0."""
        builder, fields = self.builder, [_FIELD * row for row in rows]
        most = constant(word.type, sum(((1 << (_FIELD - 1)) - 1) << field for field in fields))
        tops = constant(word.type, sum(1 << (field + _FIELD - 1) for field in fields))
        kept = constant(word.type, sum(((1 << _FIELD) - 1) << field for field in fields))
        carried = builder.binary("xor", builder.add(builder.binary("and", word, kept), most), tops)
        return builder.binary("lshr", builder.binary("and", carried, tops), constant(word.type, _FIELD - 1))

    def _exchanged(self, counts: Value, gone: Value, come: Value, rows: Rows, state: list[Value]) -> list[Value]:
        """In flat parts of an image most samples are followed by an equal one: nothing changes."""

        def both() -> list[Value]:
            less = self._changed(counts, gone, rows, state, comes=False)
            return self._changed(counts, come, rows, less, comes=True)

        return self.builder.fork(self.builder.icmp("ne", gone, come), both, lambda: state)

    # -- rows ----------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The histograms at the beginning of the first output rows."""
        builder, zero, taps = self.builder, constant(I64, 0), constant(I64, self.shape.taps)
        self._note_lines()

        def clear(place: Value, _: list[Value]) -> list[Value]:
            builder.store(constant(_WIDE, 0), builder.offset(self.firsts, place))
            return []

        builder.loop(zero, constant(I64, self.block * self.shape.step), _WIDE.lanes, [], clear, never_empty=True)

        def fill(kind: Value, counts: Value) -> None:
            def one(number: Value, rows: Rows, state: list[Value]) -> list[Value]:
                line = self._line(number)

                def tap(place: Value, carried: list[Value]) -> list[Value]:
                    return self._changed(counts, self.lines.level(line, kind, place, 0), rows, carried, comes=True)

                return builder.loop(zero, taps, 1, state, tap, never_empty=True)

            self._keep(counts, self._each_line(self.shape.lines, self._known(counts), one))

        self._each_first(fill)

    def _each_first(self, act: Callable[[Value, Value], None]) -> None:
        """For each class of positions that has any: its number, and the histograms of its first one."""
        builder = self.builder

        def one(kind: Value, _: Value) -> None:
            counts = builder.offset(self.firsts, builder.mul(kind, constant(I64, self.block)))
            builder.when(builder.icmp("slt", kind, self.count), lambda: act(kind, counts))

        self.classes.each(one)

    def _state_places(self, counts: Value) -> list[tuple[Type, Value]]:
        """Where what counts say together lies between rows."""
        behind = self.builder.offset(counts, 2 * ALL * self.rows)
        if self.measure == "bits":
            return [(I64, self.builder.offset(behind, 8 * row)) for row in range(self.rows)]
        return [(self.word, behind)] if self.measure == "number" else []

    def _keep(self, counts: Value, state: Sequence[Value]) -> None:
        for value, (_, place) in zip(state, self._state_places(counts), strict=True):
            self.builder.store(value, place)

    def _known(self, counts: Value) -> list[Value]:
        return [self.builder.load(type_, place) for type_, place in self._state_places(counts)]

    def move(self, row: Value) -> None:
        """From the beginning of the output rows that end before `row` to that of those that begin with it."""
        builder, shape, zero = self.builder, self.shape, constant(I64, 0)
        first = builder.mul(builder.sub(row, constant(I64, self.rows)), constant(I64, shape.moved))

        def exchange(kind: Value, counts: Value) -> None:
            def one(number: Value, rows: Rows, state: list[Value]) -> list[Value]:
                old = self._line(builder.add(first, number))
                new = self._line(builder.add(builder.add(first, number), constant(I64, shape.lines)))

                def tap(place: Value, carried: list[Value]) -> list[Value]:
                    gone, come = (self.lines.level(line, kind, place, 0) for line in (old, new))
                    return self._exchanged(counts, gone, come, rows, carried)

                return builder.loop(zero, constant(I64, shape.taps), 1, state, tap, never_empty=True)

            self._keep(counts, self._each_line(self.rows * shape.moved, self._known(counts), one))

        self._each_first(exchange)

    def sweep(self, row: Value, found: Found) -> None:
        """Moves the windows of the output rows from `row` on along them."""
        self._each_first(lambda kind, first: self._sweep_class(row, kind, first, found))

    def _sweep_class(self, row: Value, kind: Value, first: Value, found: Found) -> None:
        builder, shape, zero = self.builder, self.shape, constant(I64, 0)

        def copy(place: Value, _: list[Value]) -> list[Value]:
            builder.store(builder.load(_WIDE, builder.offset(first, place)), builder.offset(self.counts, place))
            return []

        builder.loop(zero, constant(I64, 2 * ALL * self.rows), _WIDE.lanes, [], copy, never_empty=True)
        begin = builder.mul(row, constant(I64, shape.moved))
        start = self._known(first)
        self._hand_on(start, kind, zero, found)

        def position(place: Value, carried: list[Value]) -> list[Value]:
            before = builder.sub(place, constant(I64, 1))

            def one(number: Value, rows: Rows, state: list[Value]) -> list[Value]:
                line = self._line(builder.add(begin, number))
                gone, come = (self.lines.level(line, kind, before, behind) for behind in (0, shape.taps))
                return self._exchanged(self.counts, gone, come, rows, state)

            state = self._each_line(shape.lines, carried, one)
            self._hand_on(state, kind, place, found)
            return state

        builder.loop(constant(I64, 1), self.classes.members(self.count, kind), 1, start, position)

    # -- what is found -------------------------------------------------------------------------------------------------

    def _hand_on(self, state: Sequence[Value], kind: Value, place: Value, found: Found) -> None:
        """What is found for each row at a position."""
        if self.measure == "bits":
            values = list(state)
        elif self.measure == "number":
            values = [self._field(state[0], row) for row in range(self.rows)]
        else:
            values = self._most_frequent()
        for row, value in enumerate(values):
            found(row, value, kind, place)

    def _most_frequent(self) -> list[Value]:
        """For each row the lowest of the levels that have the largest count.

        All rows at once: lane i of a vector of counts belongs to row ``i % rows``.
        """
        builder, wide, rows = self.builder, Type("i16", _LANES), self.rows
        parts = [builder.load(wide, builder.offset(self.counts, 2 * at)) for at in range(0, ALL * rows, _LANES)]
        largest = self._of_rows("umax", reduce(lambda a, b: builder.intrinsic("umax", wide, a, b), parts))
        none, lowest = constant(wide, ALL), constant(wide, ALL)
        for number, part in enumerate(parts):
            levels = vector_constant(wide, [(number * _LANES + lane) // rows for lane in range(_LANES)])
            here = builder.select(builder.icmp("eq", part, largest), levels, none)
            lowest = builder.intrinsic("umin", wide, lowest, here)
        lowest = self._of_rows("umin", lowest)
        scratch = builder.local(wide)
        builder.store(lowest, scratch)
        return [
            builder.convert("trunc", builder.load(_I16, builder.offset(scratch, 2 * row)), I8) for row in range(rows)
        ]

    def _of_rows(self, extremum: str, value: Value) -> Value:
        """In each lane the extremum of all lanes of its row."""
        builder, half = self.builder, _LANES // 2
        while half >= self.rows:
            others = tuple((lane + half) % _LANES for lane in range(_LANES))
            value = builder.intrinsic(extremum, value.type, value, builder.shuffle(value, value, others))
            half //= 2
        return value
