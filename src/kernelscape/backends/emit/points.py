"""The function that brings windows together which lie anywhere in an array: each of their samples gets a row.

``void gather(destination, source, offsets, count, runs, run_count, limits, error)``: the window of position `j`
begins at ``source + offsets[j]`` bytes. It consists of *runs* of samples that lie at fixed distances in memory; table
`runs` has two words for each, where it begins in the window and where its first row is in the destination, in bytes.
Sample `i` of a run becomes element `j` of the row that lies ``i * row_step`` bytes behind the run's first.

Of as many positions as a vector has lanes, pieces of 16 bytes of a run are loaded and transposed in registers. A piece
may reach beyond the last sample of a run, by `reach`; who calls sees to it that the array does not end there.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernelscape.backends import operators
from kernelscape.backends.cpu import function_attributes
from kernelscape.backends.emit.rows import Loading
from kernelscape.backends.emit.transposition import inside_lanes, transposed
from kernelscape.backends.emit.values import report
from kernelscape.backends.ir import I64, PTR, Bounds, Builder, Module, Value, constant
from kernelscape.machine import Target

ARGUMENTS = (
    ("destination", PTR),
    ("source", PTR),
    ("offsets", PTR),
    ("count", I64),
    ("runs", PTR),
    ("run_count", I64),
    ("limits", PTR),
    ("error", PTR),
)
MOST_LANES = 16
"""Positions that are brought together at once, at most; `count` is a multiple of it."""
TRANSPOSED_BYTES = 32
"""Bytes of the vectors that are transposed: wider ones would be of more positions than there are registers for their
addresses."""


@dataclass(frozen=True, slots=True)
class Run:
    """Samples that lie at fixed distances: so many, and elements of the array from one to the next.

    `row_step` is the distance of their rows in bytes: known when the code is written, it takes no registers.
    """

    length: int
    step: int
    row_step: int

    @property
    def extent(self) -> int:
        """Elements from the first to behind the last."""
        return (self.length - 1) * self.step + 1

    def width(self, itemsize: int) -> int:
        """Elements of a piece: so many that few are read in vain."""
        return (32 if self.extent * itemsize > 24 else 16) // itemsize

    def reach(self, itemsize: int) -> int:
        """Elements behind the last that are read."""
        return max(0, self.width(itemsize) - self.extent)

    def pieces(self, itemsize: int) -> list[tuple[int, list[tuple[int, int]]]]:
        """The first element of each piece, and of which samples it has which element."""
        width = self.width(itemsize)
        last = max(0, self.extent - width)
        found: list[tuple[int, list[tuple[int, int]]]] = []
        for sample in range(self.length):
            place = sample * self.step
            if not found or place >= found[-1][0] + width:
                found.append((min(place, last), []))
            found[-1][1].append((sample, place - found[-1][0]))
        return found


def gather_text(target: Target, loading: Loading, run: Run, *, checked: bool) -> str:
    """The module with ``gather``."""
    module = Module(function_attributes(target))
    builder = module.function("gather", ARGUMENTS)
    bounds = None
    if checked:
        limits, error = builder.arguments[6:]
        builder.offence = lambda address: report(builder, error, address)
        bounds = Bounds(builder.load(I64, limits), builder.load(I64, builder.offset(limits, 8)))
    _Gather(builder, target, loading, run, bounds).write()
    builder.finish()
    return module.text()


class _Gather:
    def __init__(self, builder: Builder, target: Target, loading: Loading, run: Run, bounds: Bounds | None) -> None:
        self.builder, self.target, self.loading, self.bounds = builder, target, loading, bounds
        self.destination, self.source, self.offsets, self.count, self.runs, self.run_count = builder.arguments[:6]
        self.row_step = run.row_step
        size = loading.source.itemsize
        self.width = run.width(size)
        self.lanes = max(self.width, min(MOST_LANES, TRANSPOSED_BYTES // size))
        self.pieces = run.pieces(size)

    def write(self) -> None:
        builder = self.builder

        def positions(j: Value, _: list[Value]) -> list[Value]:
            own = builder.element_pointer(self.offsets, "i64", j)
            starts = [
                builder.offset(self.source, builder.load(I64, builder.offset(own, 8 * n))) for n in range(self.lanes)
            ]
            row = builder.element_pointer(self.destination, operators.memory_type(self.loading.row, 1).element, j)
            builder.loop(constant(I64, 0), self.run_count, 1, [], lambda r, _: self._run(r, starts, row))
            return []

        builder.loop(constant(I64, 0), self.count, self.lanes, [], positions)

    def _run(self, number: Value, starts: list[Value], row: Value) -> list[Value]:
        builder = self.builder
        words = builder.offset(self.runs, builder.mul(number, constant(I64, 16)))
        begin, place = builder.load(I64, words), builder.load(I64, builder.offset(words, 8))
        first = builder.offset(row, place)
        for piece, samples in self.pieces:
            columns = self._columns(starts, begin, piece)
            for sample, column in samples:
                stored = self.loading.stored(builder, self.target, columns[column])
                builder.store(stored, builder.offset(first, sample * self.row_step))
        return []

    def _columns(self, starts: list[Value], begin: Value, piece: int) -> list[Value]:
        """A vector over the positions for each element of a piece.

        Lane `l` (of 128 bits) of vector `c` gets the piece of position ``l * width + c``; transposed inside the lanes,
        that is one vector for each element.
        """
        builder, width = self.builder, self.width
        raw = self.loading.raw(width)
        if width == self.lanes:
            places = [builder.offset(builder.offset(s, begin), piece * self.loading.source.itemsize) for s in starts]
            return transposed(builder, [builder.load(raw, place, self.bounds) for place in places])
        vectors = []
        for c in range(width):
            parts = []
            for start in starts[c::width]:
                pointer = builder.offset(builder.offset(start, begin), piece * self.loading.source.itemsize)
                parts.append(builder.load(raw, pointer, self.bounds))
            while len(parts) > 1:
                count = 2 * parts[0].type.lanes
                pairs = zip(parts[0::2], parts[1::2], strict=True)
                parts = [builder.shuffle(a, b, tuple(range(count))) for a, b in pairs]
            vectors.append(parts[0])
        return inside_lanes(builder, vectors)
