"""The tables of one executable: the words of ``backends/words.py`` by which the worker is driven.

Everything here is done once, when an executable is made. For each axis but x there is a table of byte offsets, one for
each padded place; x is cut into segments (`segments.py`), and the rest into strips and slabs.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from kernelscape.backends import compiled
from kernelscape.backends.emit import Loading, Phases, tile_bytes
from kernelscape.backends.words import AxisWord, InputWord, Plane, Segment, Sweep
from kernelscape.boundary import locate
from kernelscape.execute import segments as along_x
from kernelscape.execute.memory import LINE, Memory, Words, rounded
from kernelscape.execute.work import Work
from kernelscape.loops import MISSING, Stage, X, Y

ROWS_AHEAD = 8
"""Rows behind the one that is copied whose samples are asked for."""
TILE_SECONDS = 60e-6
"""Work of one strip, about."""


class Tables:
    """What the worker is told for some work: `sweep`, and what it points to."""

    def __init__(self, work: Work, *, checked: bool) -> None:
        self.work, self.checked = work, checked
        self.plan, self.stage, self.job = work.plan, work.stage, work.job
        self.memory = Memory()
        most = max((math.prod(i.window_shape) for i in self.job.inputs), default=0)
        # In any tile samples may be missing, or there are too few of them.
        self.always = self.plan.is_masked or self.job.min_count > most
        self.missing = self.always
        self.sweep = self.memory.words(len(Sweep))
        self.plane_offsets = self._plane_offsets()
        if work.positions:
            self._build()

    # -- the sweep ---------------------------------------------------------------------------------------------------

    def segments(self) -> list[tuple[int, int]]:
        """(start, positions) of the pieces of a row."""
        return along_x.pieces(self.work)

    def _build(self) -> None:
        stage, sweep, memory, work = self.stage, self.sweep, self.memory, self.work
        segments = self.segments()
        longest = max(rounded(n, stage.chunk) for _, n in segments)
        assert longest <= stage.positions or not stage.positions
        rows, planes = stage.row_base[-1], stage.plane_count
        inputs = self._inputs(longest)
        table = self._segments(segments)
        self._compile()
        self._cut(sweep, segments)
        sweep[Sweep.INPUTS], sweep[Sweep.PLANES], sweep[Sweep.OUTER] = len(stage.inputs), planes, len(work.outer)
        sweep[Sweep.ROWS], sweep[Sweep.SPACING], sweep[Sweep.Y_COUNT] = stage.rows, stage.spacing, work.y_count
        sweep[Sweep.SEGMENT_TABLE] = table.ctypes.data
        sweep[Sweep.INPUT_TABLE] = inputs.ctypes.data
        sweep[Sweep.PLANE_TABLE] = self._planes(longest).ctypes.data
        sweep[Sweep.OUTER_EXTENTS] = memory.address(work.outer)
        sweep[Sweep.AXES], sweep[Sweep.AXIS_TABLE] = len(stage.roles), self._axes().ctypes.data
        sweep[Sweep.TOTAL_ROWS], sweep[Sweep.KEEPS] = rows, stage.at is not None
        sources = int(inputs[:, InputWord.SOURCES].max(initial=0))
        sizes = {
            Sweep.ROWS_AT: 2 * rows,
            Sweep.FLAGS_AT: rows,
            Sweep.OUTPUTS_AT: planes * stage.rows,
            Sweep.LIMITS_AT: 2 * (rows + planes * stage.rows),
            Sweep.COORDINATES_AT: len(stage.roles) + 3,
            Sweep.OUTER_AT: len(work.outer) + 1,
            Sweep.PLANE_BASE_AT: planes,
            Sweep.SOURCE_ROWS_AT: sources,
            Sweep.SOURCE_FLAGS_AT: sources,
            Sweep.SOURCE_LIMITS_AT: 2 * sources + 2,
            Sweep.MADE_AT: 1,
        }
        for name, count in sizes.items():
            sweep[name] = memory.room(8 * count)
        if stage.column_rows[-1]:
            reach = max(stage.column_taps, default=0)
            sweep[Sweep.COLUMN_BYTES] = bytes_ = rounded((longest + reach) * stage.column_itemsize, LINE)
            rows_of_columns = stage.column_rows[-1] * stage.column_lines
            # Code may read the last whole vector of a row and the one behind it, of which it uses a part.
            sweep[Sweep.COLUMNS_AT] = memory.room(rows_of_columns * bytes_ + LINE + tile_bytes(stage))

    def _segments(self, segments: list[tuple[int, int]]) -> Words:
        table = self.memory.words(len(segments), len(Segment))
        for row, (x0, positions) in zip(table, segments, strict=True):
            along_x.write_segment(row, self.work, self.memory, x0, positions)
        table[:, Segment.MISSING] |= self.always
        self.missing |= bool(table[:, Segment.MISSING].any())
        return table

    def _compile(self) -> None:
        plan, checked = self.plan, self.checked
        if not plan.is_masked:
            code = compiled.kernel(plan.stage, plan.target, masked=False, checked=checked)
            self.memory.kept.append(code)
            self.sweep[Sweep.KERNEL] = self.sweep[Sweep.MASKED_KERNEL] = code.addresses["kernel"]
        if self.missing and (plan.is_masked or not plan.has_one_stage):
            masked = compiled.kernel(plan.masked_stage, plan.target, masked=True, checked=checked)
            self.memory.kept.append(masked)
            self.sweep[Sweep.MASKED_KERNEL] = masked.addresses["kernel"]

    def _cut(self, sweep: Words, segments: list[tuple[int, int]]) -> None:
        """Strips and slabs: enough tiles for all workers, few enough that filling rings stays cheap."""
        slabs, y_count, blocks = self.work.slabs, self.work.y_count, self.work.blocks
        rows = self.stage.rows * self.stage.spacing
        reach = max((max(i.y_taps) for i in self.stage.inputs), default=0)
        # Never less than what the ring of a strip costs to fill.
        lines = max(1, y_count * slabs * len(segments))
        wanted = math.ceil(TILE_SECONDS / max(self.work.seconds / lines, 1e-12) / max(1, len(segments)))
        strip = max(rows, min(max(wanted, 2 * reach, 8), math.ceil(y_count / 16) if slabs == 1 else y_count))
        if y_count > 4 * strip:  # as many strips for each of two or four workers
            strip = math.ceil(y_count / (math.ceil(y_count / strip) // 4 * 4))
        strip = min(rounded(strip, rows), rounded(y_count, rows))
        if blocks is not None:
            strip = rounded(blocks[0], self.stage.rows)
        strips = math.ceil(y_count / strip)
        per_tile = max(1, min(slabs, math.ceil(wanted / max(1, y_count)))) if strips == 1 else 1
        if blocks is not None:
            per_tile = 1
        sweep[Sweep.STRIP], sweep[Sweep.STRIPS], sweep[Sweep.SEGMENTS] = strip, strips, len(segments)
        sweep[Sweep.SLABS], sweep[Sweep.SLABS_PER_TILE] = slabs, per_tile
        sweep[Sweep.TILES] = strips * len(segments) * math.ceil(slabs / per_tile)

    # -- axes --------------------------------------------------------------------------------------------------------

    def _axes(self) -> Words:
        table = self.memory.words(len(self.stage.roles), len(AxisWord))
        for number, (role, axis) in enumerate(zip(self.stage.roles, self.job.grid, strict=True)):
            kind = {X: -1, Y: -2}.get(role, role)
            table[number, [AxisWord.KIND, AxisWord.FIRST, AxisWord.STRIDE]] = kind, axis.first, axis.stride
        return table

    def axis_map(self, number: int, axis: int | None) -> Words:
        """Byte offset (or OUTSIDE, or MISSING) of every padded place along an axis."""
        if axis is None:
            return np.zeros(1, np.int64)
        layout, batch = self.plan.layouts[number], self.work.batch
        if axis < batch:
            return np.arange(self.job.batch[axis], dtype=np.int64) * layout.strides[axis]
        grid, window = self.work.along(number, axis)
        last = grid.stride * (grid.count - 1) + window.dilation * (window.size - 1)
        places = np.arange(last + 1, dtype=np.int64) + (grid.first - window.dilation * window.centre)
        index, inside = locate(window.mode, places, window.extent)
        held = self.job.inputs[number].held_index(axis - batch, index)
        return np.where(inside, held * layout.strides[axis], along_x.outside_word(window.mode))

    # -- outputs -----------------------------------------------------------------------------------------------------

    def _plane_offsets(self) -> list[tuple[int, int]]:
        """(output, byte offset of its first position) of each plane."""
        ndim = len(self.plan.counts)
        found = []
        for number, index in self.stage.planes():
            strides = self.plan.output_layouts[number].strides[ndim:]
            found.append((number, sum(i * s for i, s in zip(index, strides, strict=True))))
        return found

    def _planes(self, longest: int) -> Words:
        arrangement, stage, memory = self.plan.arrangement, self.stage, self.memory
        table = memory.words(stage.plane_count, len(Plane))
        for row, (number, _) in zip(table, stage.planes(), strict=True):
            layout = self.plan.output_layouts[number]
            item = layout.dtype.itemsize
            x_axis = arrangement.x if arrangement.flat is None else arrangement.flat
            row[Plane.OUTER_STRIDES] = memory.address([layout.strides[a] for a in arrangement.outer])
            row[Plane.Y_STEP] = 0 if arrangement.y is None else layout.strides[arrangement.y]
            row[Plane.X_STEP], row[Plane.ITEM] = layout.strides[x_axis], item
            row[Plane.ROW_BYTES] = rounded(longest * item, LINE)
        held = self._held_rows(table)
        for row in table:
            row[Plane.ROWS_AT] = memory.room(held * int(row[Plane.ROW_BYTES]))
        self.sweep[Sweep.HELD_ROWS] = held
        return table

    def _held_rows(self, planes: Words) -> int:
        """Rows of the worker's own for each plane: some tiles of them where results are turned, so as to fill lines."""
        turned = (planes[:, Plane.X_STEP] != planes[:, Plane.ITEM]) & (planes[:, Plane.Y_STEP] == planes[:, Plane.ITEM])
        rows = self.stage.rows
        if not turned.any() or self.stage.spacing != 1 or self.stage.at is not None:
            return rows
        return max(1, LINE // (rows * int(planes[turned, Plane.ITEM].min()))) * rows

    # -- inputs ------------------------------------------------------------------------------------------------------

    def _inputs(self, longest: int) -> Words:
        table = self.memory.words(len(self.stage.inputs), len(InputWord))
        for number, row in enumerate(table):
            if self.stage.inputs[number].body is not None:
                self._made_rows(row, number, longest)
                continue
            self._rows_of_input(row, number)
            self._code_of_input(row, number)
            self._room_of_input(row, number, longest)
        return table

    def _made_rows(self, row: Words, number: int, longest: int) -> None:
        """Rows that are computed from those of other inputs."""
        stage, memory = self.stage, self.memory
        spec, made, offsets = stage.inputs[number], stage.made(number), stage.y_offsets[number]
        row[InputWord.COMBINATIONS], row[InputWord.PHASES] = len(spec.outer), spec.rows_each
        row[InputWord.Y_OFFSETS], row[InputWord.Y_OFFSET_TABLE] = len(offsets), memory.address(offsets)
        row[InputWord.Y_STRIDE] = spec.y_stride
        # The last row that an output row needs: behind it come only those of surplus rows of the last tile.
        beyond = offsets[-1] - (stage.rows - 1) * spec.y_step
        row[InputWord.Y_LAST] = spec.y_stride * (self.work.y_count - 1) + beyond
        masked = any(i.may_miss or i.has_gaps for i in made.inputs)
        code = compiled.kernel(made, self.plan.target, masked=masked, checked=self.checked)
        memory.kept.append(code)
        row[InputWord.MAKE], row[InputWord.LANES] = code.addresses["kernel"], made.lanes
        sources, items = self._sources(number, made)
        row[InputWord.SOURCES], row[InputWord.SOURCE_TABLE] = len(items), memory.address(sources)
        row[InputWord.ITEM_TABLE] = memory.address(items)
        row[InputWord.ITEM], row[InputWord.FIRST_ROW] = spec.dtype.itemsize, stage.row_base[number]
        row[InputWord.ROW_BYTES] = _staggered((longest + spec.span) * spec.dtype.itemsize)
        row[InputWord.RING], row[InputWord.RING_SLOTS] = _ring(offsets)
        slots = len(spec.outer) * int(row[InputWord.RING_SLOTS])
        row[InputWord.RING_AT] = memory.room(slots * spec.rows_each * int(row[InputWord.ROW_BYTES]))
        row[InputWord.HELD_AT] = memory.room(8 * slots)

    def _sources(self, number: int, made: Stage) -> tuple[list[list[int]], list[int]]:
        """For each made row the rows that it is made of, and for each of these the bytes of an element."""
        stage, spec = self.stage, self.stage.inputs[number]
        items = [i.dtype.itemsize for i, o in zip(made.inputs, made.y_offsets, strict=True) for _ in i.outer for _ in o]
        found = []
        for combination, place, phase in product(
            range(len(spec.outer)), stage.y_offsets[number], range(spec.rows_each)
        ):
            entries = []
            for reading, seen, taps in zip(spec.readings, made.inputs, made.y_offsets, strict=True):
                for c, tap in product(range(len(seen.outer)), taps):
                    which = c if reading.across else combination
                    entries.append(stage.row_number(reading.number, which, place + tap, phase))
            found.append(entries)
        return found, items

    def _rows_of_input(self, row: Words, number: int) -> None:
        """Where the rows of an input come from."""
        stage, arrangement, spec = self.stage, self.plan.arrangement, self.stage.inputs[number]
        address, offsets = self.memory.address, stage.y_offsets[number]
        y_map = self.axis_map(number, arrangement.y)
        maps = [self.axis_map(number, axis) for axis in arrangement.outer]
        row[InputWord.COMBINATIONS], row[InputWord.PHASES] = len(spec.outer), spec.rows_each
        row[InputWord.Y_OFFSETS], row[InputWord.Y_OFFSET_TABLE] = len(offsets), address(offsets)
        row[InputWord.Y_STRIDE] = spec.y_stride
        row[InputWord.Y_MAP], row[InputWord.Y_LAST] = address(y_map), len(y_map) - 1
        row[InputWord.Y_AHEAD] = rounded(ROWS_AHEAD, spec.y_stride)
        row[InputWord.Y_NEXT] = stage.rows * spec.y_step
        row[InputWord.COMBINATION_TABLE] = address(np.array(spec.outer, np.int64).reshape(len(spec.outer), -1))
        row[InputWord.OUTER_MAPS] = address([address(m) for m in maps])
        row[InputWord.OUTER_STRIDES] = address([self.work.stride_along(number, a) for a in arrangement.outer])
        row[InputWord.FIRST_ROW] = stage.row_base[number]
        self.missing |= any((m == MISSING).any() for m in (y_map, *maps))

    def _code_of_input(self, row: Words, number: int) -> None:
        """What fills the worker's own rows."""
        spec, seen, layout = self.stage.inputs[number], self.job.inputs[number], self.plan.layouts[number]
        target, checked = self.plan.target, self.checked
        native, swapped = layout.dtype.newbyteorder("="), not layout.dtype.isnative
        loading = Loading(native, swapped, seen.dtype, spec.dtype)
        code = compiled.fill(target, loading, along_x.step_of(self.work, number), checked=checked)
        self.memory.kept.append(code)
        row[InputWord.FILL] = code.addresses["fill"]
        if along_x.is_block(self.work, number):
            blocks = compiled.planes(target, layout.dtype.itemsize, spec.planes, checked=checked)
            self.memory.kept.append(blocks)
            row[InputWord.FILL_BLOCK] = blocks.addresses["planes"]
        elif along_x.is_divided(self.work, number):
            phases = Phases(spec.phases, spec.used_phases, self.work.flat)
            blocks = compiled.phases(target, loading, phases, checked=checked)
            self.memory.kept.append(blocks)
            row[InputWord.FILL_BLOCK] = blocks.addresses["phases"]

    def _room_of_input(self, row: Words, number: int, longest: int) -> None:
        """Rows of the worker's own, and those that stand for what lies outside."""
        spec, seen, memory = self.stage.inputs[number], self.job.inputs[number], self.memory
        ring, slots = _ring(self.stage.y_offsets[number])
        length, rows = (longest + spec.span) * spec.unit, len(spec.outer) * slots
        row[InputWord.RING], row[InputWord.RING_SLOTS] = ring, slots
        row[InputWord.ROW_BYTES] = rounded(length * spec.dtype.itemsize, LINE)
        row[InputWord.RING_AT] = memory.room(
            0 if spec.is_uniform else rows * spec.rows_each * int(row[InputWord.ROW_BYTES])
        )
        fixed = np.full(length, seen.cval, seen.dtype).astype(spec.dtype)
        row[InputWord.CONSTANT_ROW], row[InputWord.CONSTANT_BYTES] = memory.address(fixed, spec.dtype), fixed.nbytes
        row[InputWord.NO_FLAGS] = memory.address(np.zeros(length), np.uint8)
        row[InputWord.BASES_AT] = memory.room(8 * len(spec.outer))
        row[InputWord.HELD_AT] = memory.room(8 * rows)


def _ring(offsets: tuple[int, ...]) -> tuple[bool, int]:
    """Whether rows lie in a ring, which has a slot for each between the first and the last one; and the slots."""
    rows = offsets[-1] - offsets[0] + 1
    return (True, rows) if rows <= 4 * len(offsets) + 16 else (False, len(offsets))


def _staggered(size: int) -> int:
    """Bytes of rows that lie one behind the other and are read together: an odd number of cache lines.

    Rows a power of two apart would share a few sets of the first-level cache.
    """
    return rounded(size, LINE) // LINE * LINE + (LINE if rounded(size, LINE) // LINE % 2 == 0 else 0)
