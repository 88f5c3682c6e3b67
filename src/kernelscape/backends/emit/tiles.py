"""The kernel of a stage that is computed row by row: what is found for a whole tile, then the outputs.

It has the arguments of any other kernel (``kernel.py``), for a tall tile. For each of its output rows it writes the
ranks of all positions into column rows, and calls the kernel of a single row, with a table of its own for the rows that
this one reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kernelscape.backends import operators
from kernelscape.backends.emit.frequencies import Frequencies, frequency_bytes
from kernelscape.backends.emit.levels import Levels, level_bytes
from kernelscape.backends.emit.ordinals import Ordinals, ordinal_bytes
from kernelscape.backends.emit.values import report
from kernelscape.backends.ir import I8, I64, PTR, Bounds, Builder, Module, Value, constant
from kernelscape.expression import DType
from kernelscape.loops import Stage, TileRanks, TileRuns, TileShape, Y, row_step, tile_shape
from kernelscape.machine import Target
from kernelscape.methods.frequencies import together

ARGUMENTS = (
    ("rows", PTR),
    ("flags", PTR),
    ("outputs", PTR),
    ("arguments", PTR),
    ("coordinates", PTR),
    ("limits", PTR),
    ("error", PTR),
    ("columns", PTR),
    ("column_bytes", I64),
    ("count", I64),
)
"""Of every kernel function."""


MOST_WORDS = 3
"""64-bit words of a line: its address, and in a checked build the bounds of its buffer."""


def tile_bytes(stage: Stage) -> int:
    """Scratch memory behind the column rows that a worker needs for `tile_ranks`."""
    return sum(_bytes_of(stage, found) for found in stage.tile_ranks)


def _shape_of(stage: Stage, found: TileRanks | TileRuns) -> TileShape:
    shape = tile_shape(stage.inputs[found.input], stage.rows, stage.positions)
    assert shape is not None
    return shape


def _bytes_of(stage: Stage, found: TileRanks | TileRuns) -> int:
    shape = _shape_of(stage, found)
    if isinstance(found, TileRuns):
        size = frequency_bytes(shape, MOST_WORDS) + kept_bytes(shape, found) * together(shape.rows)
    else:
        size = ordinal_bytes(shape, found) if found.per_level else level_bytes(shape, len(found.ranks))
    return -(-size // 64) * 64


def write_tiles(module: Module, stage: Stage, target: Target, *, masked: bool, checked: bool) -> None:
    """The function ``kernel``, which calls ``row``."""
    builder = module.function("kernel", ARGUMENTS)
    words = {name: value for (name, _), value in zip(ARGUMENTS, builder.arguments, strict=True)}
    if checked:
        builder.offence = lambda address: report(builder, words["error"], address)
    _Tile(builder, stage, target, words, masked).write()
    builder.finish()


class _Tile:
    def __init__(self, builder: Builder, stage: Stage, target: Target, words: dict[str, Value], masked: bool) -> None:
        self.builder, self.stage, self.target, self.words, self.masked = builder, stage, target, words, masked

    def write(self) -> None:
        builder, stage, zero = self.builder, self.stage, constant(I64, 0)
        place = builder.offset(self.words["coordinates"], 8 * (len(stage.roles) + 2))
        rows = builder.intrinsic("smin", I64, builder.load(I64, place), constant(I64, stage.rows))
        found = self._finders(rows)
        for finder in found:
            finder.begin()
        tables = self._tables()

        def one(row: Value, _: list[Value]) -> list[Value]:
            for finder in found:
                builder.when(builder.icmp("ne", row, zero), lambda finder=finder: finder.move(row))  # type: ignore[misc]
                finder.find(row)
            self._one_row(row, tables)
            return []

        builder.loop(zero, rows, 1, [], one, never_empty=True)

    def _finders(self, rows: Value) -> list[_Finder]:
        builder, stage, words = self.builder, self.stage, self.words
        sizes = words["column_bytes"]
        memory = builder.offset(words["columns"], builder.mul(sizes, constant(I64, stage.column_rows[-1])))
        found: list[_Finder] = []
        for number, ranks in enumerate(stage.tile_ranks):
            first = stage.column_rows[len(stage.columns) + number]
            targets = [
                builder.offset(words["columns"], builder.mul(sizes, constant(I64, first + q)))
                for q in range(ranks.row_count)
            ]
            shape = _shape_of(stage, ranks)
            length = builder.add(words["count"], constant(I64, shape.span))
            source = _Source(builder, stage, ranks.input, shape, words["rows"], words["limits"])
            if isinstance(ranks, TileRuns):
                extents = (rows, words["count"])
                found.append(_FrequencyRows(builder, stage, shape, ranks, source, memory, targets[0], extents))
            elif ranks.per_level:
                lanes = stage.lanes
                found.append(
                    Ordinals(
                        builder,
                        self.target,
                        shape,
                        ranks,
                        source,
                        memory,
                        targets,
                        (rows, words["count"], length),
                        lanes,
                    )
                )
            else:
                found.append(_LevelRows(builder, shape, ranks, source, memory, targets, words["count"], length))
            memory = builder.offset(memory, _bytes_of(stage, ranks))
        return found

    # -- one row -------------------------------------------------------------------------------------------------------

    def _tables(self) -> dict[str, Value]:
        """Tables for the kernel of one row."""
        builder, row = self.builder, self.stage.row
        sizes = {
            "rows": 2 * row.row_base[-1],
            **({"flags": row.row_base[-1]} if self.masked else {}),
            "outputs": row.plane_count,
            "coordinates": len(row.roles) + 3,
            "limits": 2 * (row.row_base[-1] + row.plane_count),
        }
        return {name: builder.local(I64, max(1, size)) for name, size in sizes.items()}

    def _one_row(self, row: Value, tables: dict[str, Value]) -> None:
        builder, stage, words = self.builder, self.stage, self.words
        for number in range(len(stage.inputs)):
            self._rows_of_input(number, row, tables)
        checked = builder.offence is not None
        for plane in range(stage.plane_count):
            entry = builder.add(row, constant(I64, plane * stage.rows))
            self._copy(words["outputs"], entry, tables["outputs"], constant(I64, plane))
            if checked:
                self._copy_limits(
                    builder.add(entry, constant(I64, stage.row_base[-1])),
                    constant(I64, stage.row.row_base[-1] + plane),
                    tables,
                )
        axes = len(stage.roles)
        for axis in range(axes + 2):
            value = builder.load(I64, builder.offset(words["coordinates"], 8 * axis))
            if axis < axes and stage.roles[axis] == Y:
                value = builder.add(value, builder.mul(row, constant(I64, stage.spacing * stage.strides[axis])))
            builder.store(value, builder.offset(tables["coordinates"], 8 * axis))
        builder.store(constant(I64, 1), builder.offset(tables["coordinates"], 8 * (axes + 2)))
        builder.call(Value("@row", PTR), *({**words, **tables}[name] for name, _ in ARGUMENTS))

    def _rows_of_input(self, number: int, row: Value, tables: dict[str, Value]) -> None:
        """The entries of an input in the table of one row: for each combination of outer taps those of its window."""
        builder, stage, spec = self.builder, self.stage, self.stage.inputs[number]
        step, each = row_step(spec), spec.rows_each
        assert step is not None
        own = len(spec.y_taps) * each
        moved = builder.mul(row, constant(I64, step * each))

        def combination(c: Value, _: list[Value]) -> list[Value]:
            tall = builder.mul(c, constant(I64, len(stage.y_offsets[number]) * each))
            first = builder.add(builder.add(tall, moved), constant(I64, stage.row_base[number]))
            to = builder.add(builder.mul(c, constant(I64, own)), constant(I64, stage.row.row_base[number]))

            def one(i: Value, _: list[Value]) -> list[Value]:
                source, target = builder.add(first, i), builder.add(to, i)
                for name in ("rows", "flags") if self.masked else ("rows",):
                    self._copy(self.words[name], source, tables[name], target)
                if builder.offence is not None:
                    self._copy_limits(source, target, tables)
                return []

            return builder.loop(constant(I64, 0), constant(I64, own), 1, [], one, never_empty=True)

        builder.loop(constant(I64, 0), constant(I64, len(spec.outer)), 1, [], combination, never_empty=True)

    def _copy(self, source: Value, entry: Value, target: Value, place: Value) -> None:
        builder = self.builder
        value = builder.load(I64, builder.element_pointer(source, "i64", entry))
        builder.store(value, builder.element_pointer(target, "i64", place))

    def _copy_limits(self, entry: Value, place: Value, tables: dict[str, Value]) -> None:
        builder = self.builder
        for n in (0, 1):
            pair = [builder.add(builder.mul(v, constant(I64, 2)), constant(I64, n)) for v in (entry, place)]
            self._copy(self.words["limits"], pair[0], tables["limits"], pair[1])


@dataclass(frozen=True)
class _Source:
    """The source rows of an input in a tall tile."""

    builder: Builder
    stage: Stage
    input: int
    shape: TileShape
    rows: Value
    limits: Value

    @property
    def dtype(self) -> DType:
        return self.stage.inputs[self.input].dtype

    def row(self, number: Value) -> tuple[Value, Bounds | None]:
        """A line: where it begins, and the bounds of its buffer."""
        builder, shape = self.builder, self.shape
        if shape.each > 1:
            y, c = (builder.binary(op, number, constant(I64, shape.each)) for op in ("udiv", "urem"))
            number = builder.add(y, builder.mul(c, constant(I64, len(self.stage.y_offsets[self.input]))))
        entry = builder.add(number, constant(I64, self.stage.row_base[self.input]))
        pointer = builder.load(PTR, builder.element_pointer(self.rows, "ptr", entry))
        if builder.offence is None:
            return pointer, None
        pair = builder.element_pointer(self.limits, "i64", builder.mul(entry, constant(I64, 2)))
        return pointer, Bounds(builder.load(I64, pair), builder.load(I64, builder.offset(pair, 8)))

    def element(self, kind: Value, place: Value) -> Value:
        """The element of a row that is sample `place` of a class."""
        return self.builder.add(kind, self.builder.mul(place, constant(I64, self.shape.step)))


class _Finder(Protocol):
    """What is found for all positions of a tile, row by row."""

    def begin(self) -> None:
        """Prepares the first output row."""

    def move(self, row: Value) -> None:
        """Goes on from the output row before `row` to that one."""

    def find(self, row: Value) -> None:
        """Writes what is found for all positions of a row."""


class _LevelLines:
    """Lines of elements of 8 bits, which are levels themselves: what `Levels` and `Frequencies` ask for."""

    def __init__(self, builder: Builder, source: _Source) -> None:
        self.builder, self.source = builder, source
        self.flip = 0x80 if source.dtype.kind == "i" else 0

    def line(self, number: Value) -> tuple[Value, ...]:
        pointer, bounds = self.source.row(number)
        return (pointer,) if bounds is None else (pointer, bounds.first, bounds.end)

    def level(self, line: tuple[Value, ...], kind: Value, place: Value, behind: int) -> Value:
        builder = self.builder
        bounds = Bounds(line[1], line[2]) if len(line) > 1 else None
        pointer = builder.offset(line[0], self.source.element(kind, place))
        value = builder.load(I8, builder.offset(pointer, behind * self.source.shape.step), bounds)
        return builder.convert("zext", self.flipped(value), I64)

    def flipped(self, value: Value) -> Value:
        """An element as a level, or a level as an element."""
        return self.builder.binary("xor", value, constant(I8, self.flip)) if self.flip else value


class _LevelRows:
    """Ranks of elements of 8 bits."""

    def __init__(
        self, builder: Builder, shape: TileShape, ranks: TileRanks, source: _Source, memory: Value,
        targets: list[Value], count: Value, length: Value,
    ) -> None:  # fmt: skip
        self.builder, self.source, self.targets, self.count = builder, source, targets, count
        self.lines = _LevelLines(builder, source)
        self.levels = Levels(builder, shape, self.lines, memory, length, ranks.ranks, needs_rest=False)

    def begin(self) -> None:
        self.levels.begin()

    def move(self, row: Value) -> None:
        self.levels.move(row)

    def find(self, row: Value) -> None:
        def found(number: int, level: Value, rest: Value, kind: Value, place: Value) -> None:
            value = self.lines.flipped(self.builder.convert("trunc", level, I8))
            self.builder.store(value, self.builder.offset(self.targets[number], self.source.element(kind, place)))

        self.levels.sweep(self.count, found)


class _FrequencyRows:
    """Runs of elements of 8 bits: found for some rows together, and kept until these are wanted."""

    def __init__(
        self, builder: Builder, stage: Stage, shape: TileShape, runs: TileRuns, source: _Source, memory: Value,
        target: Value, extents: tuple[Value, Value],
    ) -> None:  # fmt: skip
        self.builder, self.source, self.target, self.count = builder, source, target, extents[1]
        self.lines = _LevelLines(builder, source)
        self.held = operators.memory_type(runs.dtype, stage.lanes)
        self.together, self.kept, self.bytes = together(shape.rows), memory, kept_bytes(shape, runs)
        words = 1 if builder.offence is None else MOST_WORDS
        rest = builder.offset(memory, self.bytes * self.together)
        self.frequencies = Frequencies(builder, shape, self.lines, rest, extents, runs.measure, words)

    def begin(self) -> None:
        self.frequencies.begin()

    def move(self, row: Value) -> None:
        self.builder.when(self._is_first(row), lambda: self.frequencies.move(row))

    def _place(self, row: Value) -> Value:
        """Which one of the rows that are computed together."""
        return self.builder.binary("and", row, constant(I64, self.together - 1))

    def _is_first(self, row: Value) -> Value:
        return self.builder.icmp("eq", self._place(row), constant(I64, 0))

    def find(self, row: Value) -> None:
        builder = self.builder

        def found(number: int, value: Value, kind: Value, place: Value) -> None:
            value = self.lines.flipped(value) if value.type == I8 else value
            kept = builder.offset(self.kept, self.bytes * number)
            element = self.source.element(kind, place)
            builder.store(value, builder.element_pointer(kept, value.type.element, element))

        builder.when(self._is_first(row), lambda: self.frequencies.sweep(row, found))
        kept = builder.offset(self.kept, builder.mul(self._place(row), constant(I64, self.bytes)))

        def copy(x: Value, _: list[Value]) -> list[Value]:
            value = builder.load(self.held, builder.element_pointer(kept, self.held.element, x))
            builder.store(value, builder.element_pointer(self.target, self.held.element, x))
            return []

        builder.loop(constant(I64, 0), self.count, self.held.lanes, [], copy, never_empty=True)


def kept_bytes(shape: TileShape, runs: TileRuns) -> int:
    """Room for what is found for one row."""
    return -(-shape.positions * runs.dtype.itemsize // 64) * 64
