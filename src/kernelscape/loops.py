"""The loop level: one *stage* is one compiled sweep over rows, stated as data.

A stage computes its outputs for `rows` output rows at a time (along the axis y), in chunks of ``vectors * lanes``
positions along the innermost axis x. What it reads are *rows*: for every input a table of pointers, one for each
distinct source row that the tile of output rows needs (and, under a stride along x, one for each phase of it). Every
boundary mode, stride and dilation of the outer axes is an entry of that table, so the compiled code knows none of them;
along x a sample lies at a fixed offset in its row, and the borders are handed over as short padded rows.

`Stage` is all that the machine code depends on; extents, strides in memory and modes are not part of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields, replace
from functools import cached_property
from itertools import product
from typing import Any

from kernelscape.expression import DType, Node, Shape, Window, cast, reduce, structure, valid
from kernelscape.reductions import counter
from kernelscape.semantics import register_dtype

X, Y, POINT = -1, -2, -3
"""Roles of a window axis: innermost, rows of the tile; 0, 1, ... are outer axes.

The innermost axis may be no axis of the job, but points that lie anywhere: each tap of a window then has rows of its
own, one element for each point, and the window axes have the role POINT.
"""


OUTSIDE = -(1 << 63)
"""Entry of a table of byte offsets: not in the array, the constant stands for it."""
MISSING = OUTSIDE + 1
"""Entry of a table of byte offsets: not in the array, and nothing stands for it."""
LOWEST_OFFSET = OUTSIDE + 2


@dataclass(frozen=True)
class Reading:
    """What made rows read of another input.

    Attributes
    ----------
    number : int
        The input.
    y_taps, x_taps : tuple of int
        Padded offsets of the samples along y and x, seen from the place of the one that is made.
    across : bool
        Whether a sample is made of all combinations of taps along the outer axes, or each combination by itself.
    """

    number: int
    y_taps: tuple[int, ...] = (0,)
    x_taps: tuple[int, ...] = (0,)
    across: bool = False


@dataclass(frozen=True)
class RowInput:
    """How one input is laid out in rows.

    Attributes
    ----------
    dtype : dtype
        Elements of the rows, which the function sees without further conversion.
    shape : tuple of int
        Extents of the window box along the window axes of the job.
    outer : tuple of tuple of int
        For each combination of taps along the outer axes (C order): its padded offset along each outer axis.
    y_taps : tuple of int
        Padded offset of each tap along y, relative to the first sample of the output row.
    x_taps : tuple of int
        The same along x, in elements of the row (see `phases`).
    y_stride : int
        Padded rows from one output row to the next.
    y_step : int
        The same from one output row of a tile to the next (see `Stage.spacing`).
    phases : int
        A row under stride s along x comes as s rows: sample ``s * j + phase`` is element j of row `phase`. (One is
        enough where the window has one tap along x.)
    ahead_bytes : int
        Of rows that come in phases: bytes of the array from one element of a phase to the next, by which the code asks
        for the rows of the next tile while it computes. 0: it does not.
    x_unit : int
        Elements of a row from one position of the job's x axis to the next (interleaved colours).
    taps : tuple of tuple of int, or None
        Positions of a footprint's samples in the box.
    offsets : tuple of tuple of int
        Along each window axis of the job: where each tap lies, seen from the anchor.
    may_miss : bool
        Samples of this input may be missing, so rows of flags come with its rows.
    elements : tuple of int
        Every position holds an array of this shape (see `geometry.Input`).
    is_packed : bool
        The elements of a position stay together: a row has `planes` elements for each position, one behind the other.
    is_uniform : bool
        What the input holds is the same for all positions of a segment: its one row pointer for each output row points
        at the elements, which lie one behind the other.
    masks : tuple of int
        The numbers of inputs of bool with the same taps: a sample counts where all its masks are True.
    omits_nan : bool
        Whether samples that are NaN do not count.
    body : Node, optional
        Of *made rows*, which stand for no array: how a sample is computed from the samples of other inputs. Each row is
        made once for all windows that have it. Its windows are those of the `readings`, by place.
    readings : tuple of Reading
        What the body reads: of inputs with lower numbers.
    reach : int
        Positions along x, in padded offsets, that made rows have beyond those of the outputs.
    lanes : int
        Elements of made rows that are computed together.
    """

    dtype: DType
    shape: Shape
    outer: tuple[tuple[int, ...], ...]
    y_taps: tuple[int, ...]
    x_taps: tuple[int, ...]
    y_stride: int
    y_step: int
    phases: int
    x_unit: int = 1
    taps: tuple[tuple[int, ...], ...] | None = None
    offsets: tuple[tuple[int, ...], ...] = ()
    may_miss: bool = False
    elements: Shape = ()
    is_packed: bool = False
    is_uniform: bool = False
    masks: tuple[int, ...] = ()
    omits_nan: bool = False
    body: Node | None = None
    ahead_bytes: int = 0
    readings: tuple[Reading, ...] = ()
    reach: int = 0
    lanes: int = 0

    @property
    def has_gaps(self) -> bool:
        """Whether data says which samples count."""
        return bool(self.masks) or self.omits_nan

    @property
    def planes(self) -> int:
        """Rows that one source row comes as, because each element of its positions has a row of its own."""
        return 1 if self.is_uniform or self.is_packed else math.prod(self.elements)

    @property
    def unit(self) -> int:
        """Elements of a row that belong to one position along x."""
        return math.prod(self.elements) if self.is_packed else 1

    @property
    def rows_each(self) -> int:
        """Entries in the table of row pointers for one source row: for each plane its phases."""
        return self.phases * self.planes

    def y_offsets(self, rows: int) -> tuple[int, ...]:
        """The distinct padded rows that a tile of `rows` output rows reads, relative to its first."""
        return tuple(sorted({t * self.y_step + tap for t in range(rows) for tap in self.y_taps}))

    @property
    def row_shift(self) -> int | None:
        """Tap i of an output row is tap ``i + row_shift`` of the one before it in the tile; None: they share none."""
        first, *others = self.y_taps
        unit = others[0] - first if others else 0
        shift, rest = divmod(self.y_step, unit) if unit else (0, 1)
        return shift if rest == 0 and shift < len(self.y_taps) else None

    @property
    def used_phases(self) -> tuple[int, ...]:
        """The phases in which some tap along x lies."""
        return tuple(sorted({tap % self.phases for tap in self.x_taps}))

    def x_place(self, tap: int) -> tuple[int, int]:
        """Phase and element offset of a tap along x."""
        return tap % self.phases, tap // self.phases * self.x_unit

    @property
    def key(self) -> tuple[Any, ...]:
        """All that is said here, as plain data that is the same in every process."""
        body = None if self.body is None else structure([self.body])
        others = (getattr(self, f.name) for f in fields(self) if f.name not in ("dtype", "body", "readings"))
        return (self.dtype.str, body, tuple(map(astuple, self.readings)), *others)

    @cached_property
    def span(self) -> int:
        """Elements of a row that one output position reaches over, beyond its own."""
        return max([self.reach * self.x_unit, *(self.x_place(tap)[1] for tap in self.x_taps)])


@dataclass(frozen=True)
class TileRanks:
    """Sorted windows of one input, of which some elements are found for all positions of a tile together.

    Attributes
    ----------
    input : int
    ranks : tuple of int
        Which elements, in ascending order.
    dtype : dtype
        Of these, as they are held in rows.
    per_level : int
        Not 0: the samples of a tile are numbered in the order of their values first, and as many of them have the same
        level of 8 bits. 0: they are levels themselves.
    meets_nan : bool
        Whether, behind the elements, there is wanted if any sample is NaN.
    """

    input: int
    ranks: tuple[int, ...]
    dtype: DType
    per_level: int = 0
    meets_nan: bool = False

    @property
    def key(self) -> tuple[Any, ...]:
        """All that is said here, as plain data that is the same in every process."""
        return (self.input, self.ranks, self.dtype.str, self.per_level, self.meets_nan)

    @property
    def row_count(self) -> int:
        """Rank rows."""
        return len(self.ranks) + self.meets_nan


@dataclass(frozen=True)
class TileRuns:
    """A fact about the runs among all samples of one input's window, found for all positions of a tile together.

    Attributes
    ----------
    input : int
    measure : str
        As in ``expression.Runs``.
    dtype : dtype
        Of what is found, as it is held in rows.
    """

    input: int
    measure: str
    dtype: DType

    @property
    def key(self) -> tuple[Any, ...]:
        """All that is said here, as plain data that is the same in every process."""
        return (self.input, self.measure, self.dtype.str)

    @property
    def row_count(self) -> int:
        """Rows that hold it."""
        return 1

    @property
    def per_level(self) -> int:
        """Samples are levels themselves, as in `TileRanks`."""
        return 0


@dataclass(frozen=True)
class Stage:
    """What one compiled sweep computes.

    Attributes
    ----------
    outputs : tuple of Node
        Expressions; each element of each is one output plane.
    output_dtypes : tuple of dtype
        Elements in memory, one for each output.
    inputs : tuple of RowInput
    roles : tuple of int
        For each window axis of the job: X, Y or the number of its outer axis.
    strides : tuple of int
        Stride of the output grid along each window axis of the job.
    arguments : tuple of (dtype, shape)
        Run-time numbers and arrays.
    flatten : int
        Innermost elements that belong to one position of the job's x axis (interleaved colours).
    rows, vectors, lanes : int
        The register tile.
    spacing : int
        Output rows from one row of the tile to the next: under a dilation of d, rows that are d apart have source rows
        in common, and neighbours have none.
    min_count
        As in `geometry.Job`; 0 where every window is known to have as many valid samples.
    invalid
        As in `geometry.Job`; None: nothing is marked.
    columns : tuple of Node
        Expressions of the samples at the first tap along x, which every position along x computes once and its
        neighbours read: they are stored in rows of the worker's own, where ``Column`` nodes find them.
    column_taps : tuple of int
        Where they are read: padded offset of each tap along x, in elements.
    at
        As in `geometry.Job`.
    tile_ranks : tuple of TileRanks or TileRuns
        What is found for all rows and positions of a tile together, before its rows are computed. ``Column`` nodes
        numbered behind the columns, one for each of these, with one tap, hold what was found.
    positions : int
        Not 0: the kernel computes its tile row by row, and has at most so many positions along x.
    """

    outputs: tuple[Node, ...]
    output_dtypes: tuple[DType, ...]
    inputs: tuple[RowInput, ...]
    roles: tuple[int, ...]
    strides: tuple[int, ...]
    arguments: tuple[tuple[DType, Shape], ...]
    flatten: int
    rows: int
    vectors: int
    lanes: int
    min_count: int
    invalid: float | int | None
    columns: tuple[Node, ...] = ()
    column_taps: tuple[int, ...] = ()
    at: int | None = None
    spacing: int = 1
    tile_ranks: tuple[TileRanks | TileRuns, ...] = ()
    positions: int = 0

    @property
    def chunk(self) -> int:
        """Positions along x in one turn of the innermost loop."""
        return self.vectors * self.lanes

    @property
    def has_made_rows(self) -> bool:
        """Whether some rows are made of others; they know which samples count."""
        return any(i.body is not None for i in self.inputs)

    def made(self, number: int) -> Stage:
        """The stage that makes a row of input `number`, which is its only output row."""
        own = self.inputs[number]
        assert own.body is not None
        return replace(
            self, outputs=(own.body,), output_dtypes=(own.dtype,),
            inputs=tuple(self._read(r, own.readings) for r in own.readings), strides=(1,) * len(self.roles),
            rows=1, vectors=1, lanes=own.lanes, min_count=0, invalid=None, columns=(), column_taps=(), at=None,
            spacing=1, tile_ranks=(), positions=0,
        )  # fmt: skip

    def _read(self, reading: Reading, readings: tuple[Reading, ...]) -> RowInput:
        """An input as the body of made rows sees it."""
        spec = self.inputs[reading.number]
        extents = {X: len(reading.x_taps), Y: len(reading.y_taps)}
        outer = spec.shape if reading.across else (1,) * len(self.roles)
        shape = tuple(extents.get(role, outer[axis]) for axis, role in enumerate(self.roles))
        masks = tuple(n for mask in spec.masks for n, other in enumerate(readings) if other.number == mask)
        return replace(
            spec, shape=shape, outer=spec.outer if reading.across else spec.outer[:1], y_taps=reading.y_taps,
            x_taps=reading.x_taps, y_stride=1, y_step=1, phases=1, ahead_bytes=0, taps=None,
            offsets=tuple((0,) * n for n in shape), masks=masks, body=None, readings=(), reach=0, lanes=0,
        )  # fmt: skip

    def planes(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """(output, element index) of every output plane, in order."""
        for number, node in enumerate(self.outputs):
            for index in product(*map(range, node.shape)):
                yield number, index

    @cached_property
    def column_rows(self) -> tuple[int, ...]:
        """Which of the column rows each column expression begins with; the last entry is their number.

        Behind the columns come the rows of `tile_ranks`.
        """
        starts = [0]
        for size in (*(node.size for node in self.columns), *(found.row_count for found in self.tile_ranks)):
            starts.append(starts[-1] + size)
        return tuple(starts)

    @property
    def column_lines(self) -> int:
        """Output rows for which there are column rows at the same time."""
        return 1 if self.positions else self.rows

    @property
    def column_itemsize(self) -> int:
        """Bytes of the largest elements of column rows."""
        dtypes = (*(register_dtype(n.dtype) for n in self.columns), *(found.dtype for found in self.tile_ranks))
        return max((d.itemsize for d in dtypes), default=0)

    @cached_property
    def row(self) -> Stage:
        """The stage of one output row of a tile that is computed row by row."""
        return replace(self, rows=1, spacing=1)

    @cached_property
    def valid_samples(self) -> Node:
        """How many samples of the largest window are valid."""
        shapes = [(len(i.taps),) if i.taps is not None else i.shape for i in self.inputs]
        number = max(range(len(shapes)), key=lambda i: math.prod(shapes[i]))
        window = Window(shapes[number], self.inputs[number].dtype, number)
        body = cast(valid(window), counter(window.dtype, window.size))
        return reduce("add", body, range(len(shapes[number])))

    @cached_property
    def plane_count(self) -> int:
        return sum(math.prod(node.shape) for node in self.outputs)

    @cached_property
    def y_offsets(self) -> tuple[tuple[int, ...], ...]:
        """For each input the padded rows that a tile needs, relative to its first: for itself and for made rows."""
        found = [set(i.y_offsets(self.rows)) for i in self.inputs]
        for spec, own in zip(self.inputs[::-1], found[::-1], strict=True):
            for reading in spec.readings:
                found[reading.number] |= {place + tap for place in own for tap in reading.y_taps}
        return tuple(tuple(sorted(places)) for places in found)

    @cached_property
    def row_base(self) -> tuple[int, ...]:
        """Where each input's row pointers begin in the table; the last entry is their number.

        Behind them come as many again: where the rows of the next tile lie in the arrays.
        """
        base = [0]
        for spec, offsets in zip(self.inputs, self.y_offsets, strict=True):
            base.append(base[-1] + len(spec.outer) * len(offsets) * spec.rows_each)
        return tuple(base)

    def row_number(self, number: int, combination: int, y_offset: int, phase: int) -> int:
        """Place of a row in the table of row pointers."""
        spec, offsets = self.inputs[number], self.y_offsets[number]
        return self.row_base[number] + (combination * len(offsets) + offsets.index(y_offset)) * spec.rows_each + phase

    @cached_property
    def key(self) -> tuple[Any, ...]:
        """Equal for stages whose machine code is the same; stable between processes."""
        inputs = tuple(i.key for i in self.inputs)
        return (
            structure(self.outputs),
            tuple(d.str for d in self.output_dtypes),
            inputs,
            self.roles,
            self.strides,
            tuple((d.str, s) for d, s in self.arguments),
            (self.flatten, self.rows, self.vectors, self.lanes, self.spacing, self.min_count, repr(self.invalid)),
            structure(self.columns),
            self.column_taps,
            self.at,
            tuple(found.key for found in self.tile_ranks),
            self.positions,
        )


TILE_SIDE = 256
"""Lines and columns of a tile whose samples are numbered, at most: a place is two numbers of 8 bits."""


@dataclass(frozen=True)
class TileShape:
    """The samples of one input in a tile, for what is found in all its windows together.

    Along y and the outer axes the samples lie in *lines*: all combinations of outer taps for the first source row, then
    for the next one, so that the lines of a window lie one behind the other. Along x windows take every `step`-th
    sample, from one of `step` *classes*.

    Attributes
    ----------
    taps, step : int
        Samples of a window along x, and elements of a row from one to the next.
    lines, moved : int
        Lines of a window, and how many lines further on the window of the next output row begins.
    each : int
        Lines of one source row.
    rows, positions : int
        Most output rows and positions of a tile.
    """

    taps: int
    step: int
    lines: int
    moved: int
    each: int
    rows: int
    positions: int

    @property
    def all_lines(self) -> int:
        """Lines of a tile, at most."""
        return (self.rows - 1) * self.moved + self.lines

    @property
    def span(self) -> int:
        """Elements of a row that one window reaches over, beyond its first."""
        return (self.taps - 1) * self.step

    @property
    def per_class(self) -> int:
        """Samples of a line in one class, at most."""
        return -(-(self.positions + self.span) // self.step)

    @property
    def columns(self) -> int:
        """Samples of a line, at most, where each class has room for as many as the longest."""
        return self.per_class * self.step


def tile_shape(spec: RowInput, rows: int, positions: int) -> TileShape | None:
    """How samples of an input lie in a tile; None where they are no regular lines."""
    shift = row_step(spec)
    gaps = {b - a for a, b in zip(spec.x_taps, spec.x_taps[1:], strict=False)}
    if shift is None or spec.rows_each != 1 or spec.unit != 1 or spec.is_uniform or len(gaps) > 1 or spec.x_taps[0]:
        return None
    if spec.taps is not None or spec.elements or spec.has_gaps or spec.body is not None:
        return None
    each, step = len(spec.outer), max(gaps, default=1) * spec.x_unit
    return TileShape(len(spec.x_taps), step, len(spec.y_taps) * each, shift * each, each, rows, positions)


def row_step(spec: RowInput) -> int | None:
    """How many of the rows of a tile lie between the first rows of neighbouring windows; None: it is no one number."""
    return 1 if len(spec.y_taps) == 1 else spec.row_shift
