"""The native worker that goes over a mask once: it says which blocks of outputs have some that are wanted, and on the
way writes what stands where none is wanted.

A tile is one row of blocks. Its rows of the mask are united, byte by byte, in memory of the worker; then the bytes of
each block are looked at together.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from enum import auto

from kernelscape.backends.cpu import function_attributes
from kernelscape.backends.emit.values import report
from kernelscape.backends.ir import I8, I64, PTR, Builder, Module, Type, Value, constant
from kernelscape.backends.point_groups import LINE, WIDE, Tables
from kernelscape.backends.words import Words
from kernelscape.machine import Target

WORD_BYTES = 8


class Survey(Words):
    """What is looked at: ROWS rows of LENGTH bytes, in blocks of HEIGHT rows and WIDTH bytes (a multiple of 8).

    OUTER axes of EXTENTS lie around them, and are not cut; STEPS tables have bytes for each of them, and for the rows.
    FOUND has a byte for each of BLOCKS blocks of STRIPS rows of blocks. LIMITS are the bounds of the mask, for checked
    builds.
    """

    TILES = auto()
    OUTER = auto()
    EXTENTS_TABLE = auto()
    STRIPS = auto()
    HEIGHT = auto()
    ROWS = auto()
    LENGTH = auto()
    WIDTH = auto()
    BLOCKS = auto()
    MASK = auto()
    MASK_STEPS = auto()
    MASK_LIMITS = auto()
    FOUND_TABLE = auto()
    COPIES = auto()
    COPY_TABLE = auto()


class SurveyCall(Words):
    """What is written while it runs, as in ``words.Call``."""

    COUNTER = auto()
    CANCEL = auto()
    ERROR = auto()


class Copy(Words):
    """Rows of SIZE bytes that are copied; LIMITS are the bounds of where to, and of where from."""

    TO = auto()
    TO_STEPS = auto()
    FROM = auto()
    FROM_STEPS = auto()
    SIZE = auto()
    LIMITS = auto()


def survey_text(target: Target, *, checked: bool) -> str:
    """The module with ``void survey(ptr sweep, ptr call, ptr scratch)``; `scratch` has room for a row of blocks."""
    module = Module(function_attributes(target))
    builder = module.function("survey", [("sweep", PTR), ("call", PTR), ("scratch", PTR)])
    _Survey(builder, checked).write()
    builder.finish()
    return module.text()


class _Survey(Tables):
    """Writes the body of the function."""

    def __init__(self, builder: Builder, checked: bool) -> None:
        super().__init__(builder, checked)
        self.tile, self.sum, self.rest = (builder.local(I64) for _ in range(3))

    def write(self) -> None:
        b = self.b
        tiles = self.word(self.sweep, Survey.TILES)

        def more() -> Value:
            tile = b.fetch_add(b.offset(self.call, 8 * SurveyCall.COUNTER), self.number(1))
            b.store(tile, self.tile)
            return b.binary("and", b.icmp("slt", tile, tiles), self.wanted())

        b.repeat(more, self.one_tile)

    def one_tile(self) -> None:
        b = self.b
        tile, strips = b.load(I64, self.tile), self.word(self.sweep, Survey.STRIPS)
        outer = b.binary("udiv", tile, strips)
        first = b.mul(b.sub(tile, b.mul(outer, strips)), self.word(self.sweep, Survey.HEIGHT))
        stop = b.add(first, self.word(self.sweep, Survey.HEIGHT))
        last = b.intrinsic("smin", I64, stop, self.word(self.sweep, Survey.ROWS))
        copies = self.word(self.sweep, Survey.COPY_TABLE, PTR)
        self.count(
            self.word(self.sweep, Survey.COPIES),
            lambda number: self.copy(self.record(copies, number, Copy), outer, first, last),
        )
        self.unite(outer, first, last)
        self.judge(tile)

    def start(self, base: Value, steps: Value, outer: Value, row: Value) -> Value:
        """The address of a row."""
        b = self.b
        axes, extents = self.word(self.sweep, Survey.OUTER), self.word(self.sweep, Survey.EXTENTS_TABLE, PTR)
        b.store(b.add(base, b.mul(row, self.entry(steps, axes))), self.sum)
        b.store(outer, self.rest)

        def axis(i: Value) -> None:
            a = b.sub(b.sub(axes, self.number(1)), i)
            extent, rest = self.entry(extents, a), b.load(I64, self.rest)
            moved = b.mul(b.binary("urem", rest, extent), self.entry(steps, a))
            b.store(b.add(b.load(I64, self.sum), moved), self.sum)
            b.store(b.binary("udiv", rest, extent), self.rest)

        self.count(axes, axis)
        return b.load(I64, self.sum)

    # -- what stands elsewhere ---------------------------------------------------------------------------------------

    def copy(self, record: Value, outer: Value, first: Value, last: Value) -> None:
        """Copies rows, all at once where they lie one behind the other on both sides."""
        b = self.b
        size, axes = self.word(record, Copy.SIZE), self.word(self.sweep, Survey.OUTER)
        ends = []
        for base, steps in ((Copy.TO, Copy.TO_STEPS), (Copy.FROM, Copy.FROM_STEPS)):
            table = self.word(record, steps, PTR)
            ends.append((self.start(self.word(record, base), table, outer, first), self.entry(table, axes)))
        (to, to_step), (origin, step) = ends
        together = b.binary("and", b.icmp("eq", to_step, size), b.icmp("eq", step, size))

        def one(row: Value) -> None:
            self.move(record, b.add(to, b.mul(row, to_step)), b.add(origin, b.mul(row, step)), size)

        rows = b.sub(last, first)
        b.when(
            together, lambda: self.move(record, to, origin, b.mul(rows, size)), lambda: self.count(rows, one)
        )  # fmt: skip

    def move(self, record: Value, to: Value, origin: Value, size: Value) -> None:
        limits = self.word(record, Copy.LIMITS, PTR)
        self.inside([(to, 0), (origin, 2)], size, limits, lambda: self.copy_bytes(to, origin, size))

    def inside(self, starts: list[tuple[Value, int]], size: Value, limits: Value, work: Callable[[], None]) -> None:
        """Does some work; in a checked build only where `size` bytes from each start on lie within its limits."""
        b = self.b
        if not self.checked:
            work()
            return
        tests = [b.icmp("uge", start, self.word(limits, place)) for start, place in starts]
        tests += [b.icmp("ule", b.add(start, size), self.word(limits, place + 1)) for start, place in starts]
        fits = functools.reduce(lambda x, y: b.binary("and", x, y), tests)
        error = b.offset(self.call, 8 * SurveyCall.ERROR)
        b.when(fits, work, lambda: report(b, error, starts[0][0]))

    # -- the mask ----------------------------------------------------------------------------------------------------

    def unite(self, outer: Value, first: Value, last: Value) -> None:
        """The union of the rows of a tile, in memory of the worker."""
        b = self.b
        length = self.word(self.sweep, Survey.LENGTH)
        room = b.mul(self.word(self.sweep, Survey.WIDTH), self.word(self.sweep, Survey.BLOCKS))
        zero = constant(I64, 0)
        self.count(room, lambda x: b.store(zero, b.offset(self.scratch, x)), WORD_BYTES)
        steps, limits = self.word(self.sweep, Survey.MASK_STEPS, PTR), self.word(self.sweep, Survey.MASK_LIMITS, PTR)
        start = self.start(self.word(self.sweep, Survey.MASK), steps, outer, first)
        step = self.entry(steps, self.word(self.sweep, Survey.OUTER))
        many, lines = (b.binary("and", length, self.number(-unit)) for unit in (4 * LINE, LINE))

        def row(number: Value) -> None:
            address = b.add(start, b.mul(number, step))
            mask = b.convert("inttoptr", address, PTR)

            def some(x: Value, type: Type, together: int = 1) -> None:
                places = [b.add(x, self.number(LINE * n)) for n in range(together)]
                owns = [b.offset(self.scratch, place) for place in places]
                seen = [b.load(type, b.offset(mask, place)) for place in places]
                united = [b.binary("or", b.load(type, own), new) for own, new in zip(owns, seen, strict=True)]
                for own, value in zip(owns, united, strict=True):
                    b.store(value, own)

            def work() -> None:
                self.count(many, lambda x: some(x, WIDE, 4), 4 * LINE)
                self.count(lines, lambda x: some(x, WIDE), LINE, start=many)
                self.count(length, lambda x: some(x, I8), start=lines)

            self.inside([(address, 0)], length, limits, work)

        self.count(b.sub(last, first), row)

    def judge(self, tile: Value) -> None:
        """Which blocks have something."""
        b = self.b
        blocks, width = self.word(self.sweep, Survey.BLOCKS), self.word(self.sweep, Survey.WIDTH)
        found = b.offset(self.word(self.sweep, Survey.FOUND_TABLE, PTR), b.mul(tile, blocks))

        def block(number: Value) -> None:
            own = b.offset(self.scratch, b.mul(number, width))

            def word(x: Value, carried: list[Value]) -> list[Value]:
                return [b.binary("or", carried[0], b.load(I64, b.offset(own, x)))]

            (union,) = b.loop(self.number(0), width, WORD_BYTES, [self.number(0)], word)
            some = b.icmp("ne", union, self.number(0))
            b.store(b.convert("zext", some, I8), b.offset(found, number))

        self.count(blocks, block)
