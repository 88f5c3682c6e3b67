"""The pieces of rows along x: where rows are cut, and how the rows of each input are had in a piece.

Borders are segments of their own, whose rows are copied and padded; in the interior rows are read in place where the
array allows it. A *phase* is every n-th sample of a row; the *places* of a phase are the byte offsets of its samples,
which are a table only where a first place and a step do not say them.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from kernelscape.backends.emit import LARGEST_STEP
from kernelscape.backends.words import Phase, Segment, SegmentInput
from kernelscape.boundary import MODES, Outside, locate
from kernelscape.execute.memory import Array, Memory, Words, rounded
from kernelscape.execute.work import Work
from kernelscape.loops import LOWEST_OFFSET, MISSING, OUTSIDE, RowInput

SEGMENT_LIMIT = 1 << 15
"""Positions of the longest segment: what bounds offset tables and scratch rows for very long rows."""
STEP_SECONDS = 10e-3
"""Work between two looks at the cancel word, as expected."""
WAYS, WAY_BYTES = 16, 4096
"""So many rows are too many where they lie a multiple of so many bytes apart: they share sets of the cache."""
MOST_DIVIDED = 16
"""Phases up to which all are filled at once from a row."""
COLUMN_BYTES = 1 << 15
"""Column rows of one tile that a segment may fill."""


@dataclass(frozen=True, slots=True)
class Run:
    """Elements ``low <= j < high`` of a row: the first at byte `start`, and `step` bytes from position to position."""

    low: int
    high: int
    start: int
    step: int


# -- where rows are cut ------------------------------------------------------------------------------------------------


def pieces(work: Work) -> list[tuple[int, int]]:
    """(start, positions) of the pieces of a row: borders apart from an interior that reads arrays in place."""
    chunk = work.stage.chunk
    found = interior(work)
    low, high = found if found is not None else (0, 0)
    high = low + (high - low) // chunk * chunk
    cuts = _cuts(work)
    if high - low < chunk:
        return _split(_blocks(0, work.x_count, block(work)), cuts)
    parts = [*_blocks(0, low, block(work)), *_blocks(low, high, block(work)), *_blocks(high, work.x_count, block(work))]
    return _split(parts, cuts)


def _cuts(work: Work) -> list[int]:
    """Positions along x at which a cell of some map, or a block that can be chosen, begins."""
    axis = work.plan.arrangement.x - work.batch
    found: set[int] = set()
    for number, spec in enumerate(work.stage.inputs[: len(work.job.inputs)]):
        cells = work.job.inputs[number].cells
        if spec.is_uniform and cells is not None:
            grid = work.job.grid[axis]
            along = cells[axis]
            starts = () if along is None else along.starts[1:]
            found |= {-((grid.first - start) // grid.stride) * work.flat for start in starts}
    if work.blocks is not None:
        found |= set(range(0, work.x_count, work.blocks[1]))
    return sorted(found)


def _split(parts: list[tuple[int, int]], cuts: list[int]) -> list[tuple[int, int]]:
    """The same pieces, cut at some positions."""
    found = []
    for start, count in parts:
        inner = [start, *(c for c in cuts if start < c < start + count), start + count]
        found += [(a, b - a) for a, b in itertools.pairwise(inner)]
    return found


def _blocks(start: int, stop: int, size: int) -> list[tuple[int, int]]:
    return [(x, min(size, stop - x)) for x in range(start, stop, size)]


def block(work: Work) -> int:
    """Positions of a segment: rows of all inputs stay in the second-level cache, and workers have enough pieces."""
    stage, chunk = work.stage, work.stage.chunk
    sizes = (
        len(o) * len(i.outer) * i.rows_each * i.dtype.itemsize
        for o, i in zip(stage.y_offsets, stage.inputs, strict=True)
        if not i.is_uniform and not i.is_packed
    )
    fitting = work.plan.target.cache_bytes // 2 // max(1, sum(sizes) * stage.spacing)
    # Made rows reach beyond a segment, and what they have there is made again for the next one.
    fitting = max(fitting, 2 * max((i.span for i in stage.inputs if i.body is not None), default=0))
    if stage.columns:
        # Column rows are written and read at once: they should stay in the first-level cache.
        fitting = min(fitting, COLUMN_BYTES // (stage.column_rows[-1] * stage.column_lines * stage.column_itemsize))
    if stage.positions:
        fitting = min(fitting, stage.positions)
    # A worker looks at the cancel word once for each tile of rows.
    each = work.seconds / work.positions
    fitting = min(fitting, int(STEP_SECONDS / (each * stage.rows)))
    if work.y_count * work.slabs < 16:
        fitting = min(fitting, math.ceil(work.x_count / 16))
    # A segment of strided colours begins with the first of them, since those of one position are moved together.
    unit = math.lcm(chunk, work.flat) if any(i.phases > 1 for i in stage.inputs) else chunk
    return max(unit, min(fitting, SEGMENT_LIMIT) // unit * unit)


# -- what can be read in place -----------------------------------------------------------------------------------------


def interior(work: Work) -> tuple[int, int] | None:
    """Positions whose samples all lie in the arrays, when some input can be read in place."""
    inputs = work.stage.inputs
    numbers = range(len(work.job.inputs))
    if not any(is_readable(work, n) for n in numbers):
        return None
    low, high = 0, work.x_count
    # Where each position brings an array of its own, that is what has to be read in place, and in long runs; what
    # copying the rows of the other inputs takes is nothing beside it.
    several = [n for n in numbers if inputs[n].elements and not inputs[n].is_uniform]
    heavy = [n for n in several if is_readable(work, n)]
    for number in heavy or numbers:
        first, last = _inside(work, number)
        low, high = max(low, first), min(high, last)
    return (low, high) if high > low else None


def _inside(work: Work, number: int) -> tuple[int, int]:
    """The run of positions whose samples of one input all lie in its array."""
    axis = work.plan.arrangement.x
    if axis < work.batch:
        return 0, work.x_count
    grid, window = work.along(number, axis)
    base = grid.first - window.dilation * window.centre
    last = window.extent - 1 - window.dilation * (window.size - 1) - base
    return max(0, -(base // grid.stride)) * work.flat, max(0, last // grid.stride + 1) * work.flat


def is_readable(work: Work, number: int) -> bool:
    """Whether rows of an input can be pointers into the array."""
    spec, layout = work.stage.inputs[number], work.plan.layouts[number]
    if not layout.dtype == spec.dtype == work.job.inputs[number].dtype or spec.phases != 1 or spec.is_uniform:
        return False
    if spec.is_packed:
        return True
    arrangement, size = work.plan.arrangement, layout.dtype.itemsize
    if work.stride_along(number, arrangement.x) != 1 or _share_sets(work, number):
        return False
    if arrangement.flat is None:
        return layout.strides[arrangement.x] == size
    return layout.strides[arrangement.flat] == size and layout.strides[arrangement.x] == size * work.flat


def _share_sets(work: Work, number: int) -> bool:
    """Whether rows lie so in memory that too many of them share a set of the first-level cache.

    They would drive each other out: once copied, they are a few lines more than a power of two apart.
    """
    y = work.plan.arrangement.y
    if y is None:
        return False
    spec, step = work.stage.inputs[number], abs(work.plan.layouts[number].strides[y])
    rows = len(work.stage.y_offsets[number]) * len(spec.outer)
    return step > 0 and rows > WAYS * (WAY_BYTES // math.gcd(step, WAY_BYTES))


def is_block(work: Work, number: int) -> bool:
    """Whether the arrays at the positions of an input lie each in one piece."""
    spec, layout = work.stage.inputs[number], work.plan.layouts[number]
    if spec.planes == 1 or spec.phases != 1 or not layout.dtype == spec.dtype == work.job.inputs[number].dtype:
        return False
    expected = layout.dtype.itemsize
    for extent, stride in zip(spec.elements[::-1], layout.strides[: -len(spec.elements) - 1 : -1], strict=True):
        if extent > 1 and stride != expected:
            return False
        expected *= extent
    return layout.dtype.itemsize in (4, 8)


def is_divided(work: Work, number: int) -> bool:
    """Whether the phases of a row lie side by side in the array, without gaps, and have rows of their own.

    And are few: code that divides many takes long to compile, and reads far apart from where it writes.
    """
    spec, layout, arrangement = work.stage.inputs[number], work.plan.layouts[number], work.plan.arrangement
    size, whole = (
        layout.dtype.itemsize,
        arrangement.flat is None or layout.strides[arrangement.flat] == layout.dtype.itemsize,
    )
    return (
        1 < spec.phases <= MOST_DIVIDED
        and spec.planes == 1
        and whole
        and layout.strides[arrangement.x] == size * work.flat
    )


def step_of(work: Work, number: int) -> int:
    """Elements from one sample of a row to the next, if they are so few that code is written for them; else 1."""
    layout, arrangement = work.plan.layouts[number], work.plan.arrangement
    if work.stage.inputs[number].is_packed:
        return 1
    if arrangement.flat is None:
        step = layout.strides[arrangement.x] * work.stride_along(number, arrangement.x)
    else:
        step = layout.strides[arrangement.flat]
    elements, rest = divmod(step, layout.dtype.itemsize)
    return elements if rest == 0 and 0 < abs(elements) <= LARGEST_STEP else 1


# -- the words of a segment --------------------------------------------------------------------------------------------


def write_segment(row: Words, work: Work, memory: Memory, x0: int, positions: int) -> None:
    """Fills in the words of the piece of `positions` positions from `x0` on, and those that they point to."""
    table = memory.words(len(work.stage.inputs), len(SegmentInput))
    missing = False
    for number, words in enumerate(table):
        if work.stage.inputs[number].body is not None:
            write_made(words, work, memory, number, positions)
        else:
            missing |= write_input(words, work, memory, number, x0, positions)
    row[Segment.X0], row[Segment.POSITIONS] = x0, positions
    row[Segment.COUNT] = rounded(positions, work.stage.chunk)
    row[Segment.MISSING], row[Segment.INPUT_TABLE] = missing, table.ctypes.data


def write_made(row: Words, work: Work, memory: Memory, number: int, positions: int) -> None:
    """How long the rows of an input are that are made of others."""
    spec = work.stage.inputs[number]
    phases = memory.words(spec.rows_each, len(Phase))
    row[SegmentInput.PHASE_TABLE] = phases.ctypes.data
    # The other phases of the rows that these are made of are not there either.
    phases[spec.used_phases, Phase.COUNT] = positions + spec.span


def write_input(row: Words, work: Work, memory: Memory, number: int, x0: int, positions: int) -> bool:
    """How one input's rows are had in a segment; True when samples along x are missing."""
    spec = work.stage.inputs[number]
    first, last = _inside(work, number)
    whole = positions % work.stage.chunk == 0 and first <= x0 and x0 + positions <= last
    phases = memory.words(spec.rows_each, len(Phase))
    row[SegmentInput.PHASE_TABLE] = phases.ctypes.data
    if spec.is_uniform:
        row[SegmentInput.DIRECT] = 1
        phases[0, Phase.START] = _cell_offset(work, number, x0)
        return False
    row[SegmentInput.DIRECT] = whole and is_readable(work, number)
    if spec.is_packed:
        _write_packed(phases[0], work, memory, number, x0, positions)
        return False
    run = _run_of_block(work, number, x0, positions + spec.span)
    if run is not None:
        _write_block(row, spec, run, positions + spec.span)
    used = range(spec.phases) if spec.planes > 1 else spec.used_phases
    tables = [_write_phase(phases[p], work, memory, number, p, x0, positions, run) for p in used]
    if spec.planes > 1:
        _write_other_planes(phases, work, memory, number, tables)
    return any(bool((table == MISSING).any()) for table in tables if table is not None)


def _write_block(row: Words, spec: RowInput, run: Run, length: int) -> None:
    """How all rows of a source row are filled at once."""
    row[SegmentInput.BLOCK] = 1 if (run.low, run.high) == (0, length) else 2
    row[SegmentInput.BLOCK_AT] = run.low * spec.dtype.itemsize
    row[SegmentInput.BLOCK_START], row[SegmentInput.BLOCK_STEP] = run.start, run.step
    row[SegmentInput.BLOCK_COUNT] = run.high - run.low


def _write_phase(
    row: Words, work: Work, memory: Memory, number: int, phase: int, x0: int, positions: int, block: Run | None
) -> Words | None:
    """How a phase of a row is filled, but for what a block fills; its places, if it needs a table of them."""
    spec, size = work.stage.inputs[number], work.plan.layouts[number].dtype.itemsize
    length, flags = positions + spec.span, rounded(positions, work.stage.chunk) + spec.span
    row[Phase.COUNT] = length
    inside = _run_inside(work, number, phase, x0, length)
    if inside is not None and (block is None or (block.low, block.high) == (0, length)):
        row[Phase.HIGH] = length
        row[Phase.START], row[Phase.STEP] = inside
        if spec.may_miss:
            row[Phase.FLAGS] = memory.all_present(flags)
        return None
    found, affine = places(work, number, phase, x0, length)
    low, high, start, step = _affine_run(found, affine, size)
    if block is not None:
        low, high = block.low, block.high
    row[Phase.LOW], row[Phase.HIGH], row[Phase.START], row[Phase.STEP] = low, high, start, step
    if spec.may_miss:
        present = np.ones(flags, np.uint8)
        present[:length] = found != MISSING
        row[Phase.FLAGS] = memory.address(present, np.uint8)
    if low == 0 and high == length:
        return None
    row[Phase.TABLE] = memory.address(found)
    return found


def _write_packed(row: Words, work: Work, memory: Memory, number: int, x0: int, positions: int) -> None:
    """A row that has some elements for each position."""
    spec, size = work.stage.inputs[number], work.plan.layouts[number].dtype.itemsize
    row[Phase.COUNT] = row[Phase.HIGH] = positions * spec.unit
    run = _run_inside(work, number, 0, x0, positions)
    if run is not None:
        row[Phase.START], row[Phase.STEP] = run[0], size
        return
    found, _ = places(work, number, 0, x0, positions)
    row[Phase.HIGH] = 0
    row[Phase.TABLE] = memory.address((found[:, None] + size * np.arange(spec.unit)).reshape(-1))


def _write_other_planes(phases: Words, work: Work, memory: Memory, number: int, tables: list[Words | None]) -> None:
    """The phases of all planes, from those of the first: each element lies at its own distance."""
    spec, layout = work.stage.inputs[number], work.plan.layouts[number]
    strides = layout.strides[len(layout.strides) - len(spec.elements) :]
    for plane, index in enumerate(np.ndindex(*spec.elements)):
        shift = sum(i * s for i, s in zip(index, strides, strict=True))
        for phase, table in enumerate(tables if plane else ()):
            row = phases[plane * spec.phases + phase]
            row[:] = phases[phase]
            row[Phase.START] += shift
            if table is not None:
                row[Phase.TABLE] = memory.address(np.where(table < LOWEST_OFFSET, table, table + shift))


# -- places ------------------------------------------------------------------------------------------------------------


def _cell_offset(work: Work, number: int, x0: int) -> int:
    """Byte offset of the cell in which position `x0` lies."""
    axis = work.plan.arrangement.x
    grid, window = work.along(number, axis)
    anchor = grid.first + grid.stride * (x0 // work.flat)
    index, _ = locate(window.mode, np.array([anchor]), window.extent)
    held = work.job.inputs[number].held_index(axis - work.batch, index)
    return int(held[0]) * work.plan.layouts[number].strides[axis]


def _run_of_block(work: Work, number: int, x0: int, length: int) -> Run | None:
    """The run of a row for which all its planes, or all its phases, lie in the array, one behind the other."""
    if is_block(work, number):
        inside = _run_inside(work, number, 0, x0, length)
        return None if inside is None else Run(0, length, *inside)
    if not is_divided(work, number):
        return None
    axis, flat = work.plan.arrangement.x, work.flat
    grid, window = work.along(number, axis)
    base, stride = grid.first - window.dilation * window.centre, work.plan.layouts[number].strides[axis]
    first = max(-(base // grid.stride), -(-x0 // flat))
    last = min((window.extent - base) // grid.stride, (x0 + length) // flat)
    if first >= last:
        return None
    start = (base + first * grid.stride) * stride
    return Run(first * flat - x0, last * flat - x0, start, grid.stride * stride)


def _run_inside(work: Work, number: int, phase: int, x0: int, length: int) -> tuple[int, int] | None:
    """First place and step of a row that lies in the array; None if it may not, or has no one step.

    So the time and memory that a plan takes do not grow with the length of the rows.
    """
    strides, axis, flat = work.plan.layouts[number].strides, work.plan.arrangement.x, work.plan.arrangement.flat
    first, last, step = x0 // work.flat, (x0 + length - 1) // work.flat, strides[axis]
    if axis >= work.batch:
        grid, window = work.along(number, axis)
        base = grid.first - window.dilation * window.centre + phase
        first, last, step = first * grid.stride + base, last * grid.stride + base, step * grid.stride
        if first < 0 or last >= window.extent:
            return None
    start = first * strides[axis]
    if flat is None:
        return start, step
    return (start + x0 % work.flat * strides[flat], strides[flat]) if step == strides[flat] * work.flat else None


def places(work: Work, number: int, phase: int, x0: int, length: int) -> tuple[Words, Array]:
    """Byte offset of each element of a row (or OUTSIDE, MISSING), and where it lies in the array as it stands."""
    layout, arrangement = work.plan.layouts[number], work.plan.arrangement
    element = np.arange(x0, x0 + length, dtype=np.int64)
    position, colour = np.divmod(element, work.flat)
    axis = arrangement.x
    if axis < work.batch:
        return position * layout.strides[axis], np.ones(length, np.bool_)
    grid, window = work.along(number, axis)
    source = position * grid.stride + phase + (grid.first - window.dilation * window.centre)
    index, inside = locate(window.mode, source, window.extent)
    offset = index * layout.strides[axis]
    if arrangement.flat is not None:
        offset = offset + colour * layout.strides[arrangement.flat]
    return np.where(inside, offset, outside_word(window.mode)), inside & (index == source)


def outside_word(mode: str) -> int:
    """What stands in a table for a place outside the array."""
    return MISSING if MODES[mode].outside is Outside.MISSING else OUTSIDE


def _affine_run(found: Words, affine: Array, item: int) -> tuple[int, int, int, int]:
    """The run (low, high) of the places marked in `affine`, its first place and its step; zeros if it is none."""
    if not affine.any():
        return 0, 0, 0, 0
    low, high = int(np.argmax(affine)), len(affine) - int(np.argmax(affine[::-1]))
    start = int(found[low])
    step = int(found[low + 1] - start) if high - low > 1 else item
    if not affine[low:high].all() or not (np.diff(found[low:high]) == step).all():
        return 0, 0, 0, 0
    return low, high, start, step
