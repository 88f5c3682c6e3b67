"""Runs plans: tables for the native worker, buffers, threads, cancellation.

An `Executable` belongs to one plan (one layout of arrays) and holds everything that does not change from call to call:
machine code, offset tables of all axes, segments along x, how tiles are cut. A call adds addresses only. The way of
cutting never changes a result: every tile computes each output in the same order of operations.
"""

from __future__ import annotations

import itertools
import math
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kernelscape import pool
from kernelscape.backends import compiled, cpu
from kernelscape.backends.words import AxisWord, Call, InputWord, Phase, Plane, Segment, SegmentInput, Sweep
from kernelscape.boundary import MODES, Outside, locate
from kernelscape.errors import ArgumentError, BoundsError, nan_in_integers
from kernelscape.loops import LOWEST_OFFSET, MISSING, OUTSIDE, X, Y
from kernelscape.plan import Plan
from kernelscape.semantics import register_dtype

Words = np.ndarray[Any, np.dtype[np.int64]]
Array = np.ndarray[Any, np.dtype[Any]]

INLINE_SECONDS = 150e-6
"""Work that is expected to take less runs in the calling thread: waking others would cost as much."""
INSTRUCTIONS_PER_SECOND = 3e9
# As plain numbers, since members of an enumeration are slow, and a call takes microseconds.
_ERROR, _NAN, _ARGUMENTS = int(Call.ERROR), int(Call.NAN), int(Call.ARGUMENTS)
_TILES, _CHOSEN = int(Call.TILES), int(Call.CHOSEN_TABLE)
_INPUT_BASES, _PLANE_BASES, _INPUT_LIMITS = int(Call.INPUT_BASES), int(Call.PLANE_BASES), int(Call.INPUT_LIMITS)
_NO_WORDS = bytes(8 * len(Call))
SEGMENT_LIMIT = 1 << 15
"""Positions of the longest segment: what bounds offset tables and scratch rows for very long rows."""
STEP_SECONDS = 10e-3
"""Work between two looks at the cancel word, as expected."""
COLUMN_BYTES = 1 << 15
"""Column rows of one tile that a segment may fill."""


class Executable:
    """A plan with its machine code and tables, ready to be called many times, from many threads."""

    def __init__(self, plan: Plan, *, checked: bool, blocks: tuple[int, int] | None = None) -> None:
        missing = cpu.missing_features(plan.target)
        if missing:
            raise ArgumentError(
                f"target must be one whose code this machine can run; got {plan.target.name!r} ({plan.target.cpu}), "
                f"which needs {', '.join(missing)}. Choose a lower level, or configure(target=None) for this machine."
            )
        self.plan, self.checked, self.blocks = plan, checked, blocks
        self.keep: list[Any] = []
        tables = _Tables(self)
        self.tables = tables
        self.scratch_bytes = tables.scratch_bytes
        self.sweep = tables.sweep
        self.tiles = int(tables.sweep[Sweep.TILES])
        self._sweep_at = int(tables.sweep.ctypes.data)
        self._worker = self._entry_point()
        self._free: list[tuple[int, Array]] = []
        self.serial = tables.seconds < INLINE_SECONDS or self.tiles == 1

    def _entry_point(self) -> Callable[[int, int, int], None]:
        import ctypes

        code = compiled.worker(self.plan.target, checked=self.checked)
        self.keep.append(code)
        prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
        return prototype(code.addresses["worker"])

    def run(
        self,
        arrays: Sequence[Array],
        arguments: Sequence[Array],
        outputs: Sequence[Array],
        workers: int | None = None,
        chosen: Words | None = None,
    ) -> None:
        """Computes `outputs` (shape ``batch + counts + element shape``) from arrays of the plan's layouts.

        Where `chosen` is given (see `tiles_in`), only these tiles of them.

        Raises
        ------
        ArgumentError
            An integer output would have to hold NaN, and `job.invalid` is not an integer.
        BoundsError
            In a checked build, when the generated code left a buffer.
        """
        tiles = self.tiles if chosen is None else len(chosen)
        if not tiles:
            return
        call = self._call_words(arrays, arguments, outputs)
        if chosen is not None:
            call[_TILES], call[_CHOSEN] = tiles, chosen.ctypes.data
        address, sweep, free = call.buffer_info()[0], self._sweep_at, self._free

        def share(number: int) -> None:
            try:
                scratch = free.pop()
            except IndexError:
                memory = self._scratch()
                scratch = _aligned(memory), memory
            self._worker(sweep, address, scratch[0])
            free.append(scratch)

        if self.serial:
            share(0)
        else:
            count = min(pool.resolve_workers(workers), tiles)
            pool.run(share, count, lambda: call.__setitem__(Call.CANCEL, 1))
        if call[_ERROR]:
            raise BoundsError(
                f"generated code reached address {call[_ERROR]:#x} outside its buffers; this is a defect of "
                f"Kernelscape, please report it with this plan:\n{self.plan.explain()}"
            )
        if call[_NAN]:
            raise nan_in_integers(next(o.dtype for o in outputs if o.dtype.kind in "iu"))

    def tiles_in(self, wanted: Array) -> Words:
        """The numbers of the tiles that lie in wanted blocks.

        `wanted` has an entry for each block of positions along the outer axes, y and x, as `blocks` cuts them; outer
        axes are not cut.
        """
        segments, strips = int(self.sweep[Sweep.SEGMENTS]), int(self.sweep[Sweep.STRIPS])
        assert self.blocks is not None
        columns = np.array([x0 // self.blocks[1] for x0, _ in self.tables.segments()])
        flat = wanted.reshape(-1, strips, wanted.shape[-1])[:, :, columns]
        assert flat.size == self.tiles == flat.shape[0] * strips * segments
        return np.flatnonzero(flat).astype(np.int64)

    def _scratch(self) -> Array:
        """Memory for one worker."""
        # Zeros: lanes beyond the array compute on what they find, which must not be slow denormals.
        return np.zeros(self.scratch_bytes + 64, np.uint8)

    def _call_words(self, arrays: Sequence[Array], arguments: Sequence[Array], outputs: Sequence[Array]) -> array[int]:
        """The words of `Call`, and behind them the tables that they point to."""
        starts = [_address(output) for output in outputs]
        tables = [
            (_INPUT_BASES, [_address(a) for a in arrays]),
            (_PLANE_BASES, [starts[n] + offset for n, offset in self.tables.plane_offsets]),
            (_ARGUMENTS, [word for a in arguments for word in _span(a)]),
        ]
        if self.checked:
            bounds = np.lib.array_utils.byte_bounds
            tables.append((Call.INPUT_LIMITS, [word for a in arrays for word in bounds(a)]))
            planes = [word for n, _ in self.tables.plane_offsets for word in bounds(outputs[n])]
            tables.append((Call.PLANE_LIMITS, planes))
        else:
            tables.append((_INPUT_LIMITS, tables[0][1]))
        words = array("q", _NO_WORDS)
        words[_TILES] = self.tiles
        for _, table in tables:
            words.extend(table)
        place = words.buffer_info()[0] + len(_NO_WORDS)
        for name, table in tables:
            words[name] = place
            place += 8 * len(table)
        return words


def _aligned(memory: Array) -> int:
    """The first address of a cache line."""
    return (_address(memory) + 63) & ~63


def _address(memory: Array) -> int:
    start: int = memory.__array_interface__["data"][0]
    return start


def _span(argument: Array) -> tuple[int, int, int]:
    """A run-time argument as code sees it: where it is, and its bounds."""
    start = _address(argument)
    return start, start, start + argument.nbytes


class _Tables:
    """Builds the words of ``backends/words.py`` for one executable."""

    def __init__(self, owner: Executable) -> None:
        self.owner, self.plan = owner, owner.plan
        self.stage, self.job = self.plan.stage, self.plan.job
        arrangement, counts = self.plan.arrangement, self.plan.counts
        self.batch = len(self.job.batch)
        self.flat = 1 if arrangement.flat is None else counts[arrangement.flat]
        self.x_count = counts[arrangement.x] * self.flat
        self.y_count = 1 if arrangement.y is None else counts[arrangement.y]
        self.outer = [counts[a] for a in arrangement.outer]
        self.scratch_bytes = 0
        most = max((math.prod(i.window_shape) for i in self.job.inputs), default=0)
        self.too_few = self.job.min_count > most
        self.missing = self.too_few
        self._present: dict[int, int] = {}
        self._phase_places: dict[int, Words] = {}
        self.sweep = self.words(len(Sweep))
        self.plane_offsets = self._plane_offsets()
        work = self.x_count * self.y_count * math.prod(self.outer)
        per_position = self.plan.tile.instructions / self.stage.lanes + 2
        self.seconds = work * per_position / INSTRUCTIONS_PER_SECOND
        if work:
            self._build()

    def words(self, *shape: int) -> Words:
        made = np.zeros(shape, np.int64)
        self.owner.keep.append(made)
        return made

    def address(self, values: Any, dtype: Any = np.int64) -> int:
        made = np.ascontiguousarray(values, dtype)
        self.owner.keep.append(made)
        return int(made.ctypes.data)

    def room(self, size: int) -> int:
        """A place in the worker's scratch memory."""
        at = self.scratch_bytes
        self.scratch_bytes = (at + size + 63) & ~63
        return at

    # -- what the worker is told -------------------------------------------------------------------------------------

    def _build(self) -> None:
        stage, sweep = self.stage, self.sweep
        segments = self.segments()
        longest = max(_rounded(n, stage.chunk) for _, n in segments)
        rows, planes = stage.row_base[-1], stage.plane_count
        inputs = self._inputs(longest)
        table = self.words(len(segments), len(Segment))
        for number, (x0, positions) in enumerate(segments):
            table[number] = self._segment(x0, positions)
        self._compile()
        self._cut(sweep, segments)
        sweep[Sweep.INPUTS], sweep[Sweep.PLANES], sweep[Sweep.OUTER] = len(stage.inputs), planes, len(self.outer)
        sweep[Sweep.ROWS], sweep[Sweep.Y_COUNT] = stage.rows, self.y_count
        sweep[Sweep.SEGMENT_TABLE] = table.ctypes.data
        sweep[Sweep.INPUT_TABLE] = inputs.ctypes.data
        sweep[Sweep.PLANE_TABLE] = self._planes(longest).ctypes.data
        sweep[Sweep.OUTER_EXTENTS] = self.address(self.outer)
        sweep[Sweep.AXES], sweep[Sweep.AXIS_TABLE] = len(stage.roles), self._axes().ctypes.data
        sweep[Sweep.TOTAL_ROWS] = rows
        if stage.columns:
            widest = max(register_dtype(node.dtype).itemsize for node in stage.columns)
            sweep[Sweep.COLUMN_BYTES] = _rounded((longest + max(stage.column_taps)) * widest, 64)
            sweep[Sweep.COLUMNS_AT] = self.room(stage.column_rows[-1] * stage.rows * int(sweep[Sweep.COLUMN_BYTES]))
        sizes = {
            Sweep.ROWS_AT: rows,
            Sweep.FLAGS_AT: rows,
            Sweep.OUTPUTS_AT: planes * stage.rows,
            Sweep.LIMITS_AT: 2 * (rows + planes * stage.rows),
            Sweep.COORDINATES_AT: len(stage.roles) + 3,
            Sweep.OUTER_AT: len(self.outer) + 1,
            Sweep.PLANE_BASE_AT: planes,
        }
        for name, count in sizes.items():
            sweep[name] = self.room(8 * count)

    def _compile(self) -> None:
        plan, checked = self.plan, self.owner.checked
        code = compiled.kernel(plan.stage, plan.target, masked=False, checked=checked)
        self.owner.keep.append(code)
        self.sweep[Sweep.KERNEL] = code.addresses["kernel"]
        if self.missing:
            masked = compiled.kernel(plan.masked_stage, plan.target, masked=True, checked=checked)
            self.owner.keep.append(masked)
            self.sweep[Sweep.MASKED_KERNEL] = masked.addresses["kernel"]

    def _cut(self, sweep: Words, segments: list[tuple[int, int]]) -> None:
        """Strips and slabs: enough tiles for all workers, few enough that filling rings stays cheap."""
        slabs = math.prod(self.outer)
        rows = self.stage.rows
        reach = max((max(i.y_taps) for i in self.stage.inputs), default=0)
        # A strip is worth about 60 microseconds of work, but never less than what its ring costs to fill.
        lines = max(1, self.y_count * slabs * len(segments))
        wanted = math.ceil(60e-6 / max(self.seconds / lines, 1e-12) / max(1, len(segments)))
        strip = max(rows, min(max(wanted, 2 * reach, 8), math.ceil(self.y_count / 16) if slabs == 1 else self.y_count))
        strip = min(_rounded(strip, rows), _rounded(self.y_count, rows))
        if self.owner.blocks is not None:
            strip = _rounded(self.owner.blocks[0], rows)
        strips = math.ceil(self.y_count / strip)
        per_tile = max(1, min(slabs, math.ceil(wanted / max(1, self.y_count)))) if strips == 1 else 1
        if self.owner.blocks is not None:
            per_tile = 1
        sweep[Sweep.STRIP], sweep[Sweep.STRIPS], sweep[Sweep.SEGMENTS] = strip, strips, len(segments)
        sweep[Sweep.SLABS], sweep[Sweep.SLABS_PER_TILE] = slabs, per_tile
        sweep[Sweep.TILES] = strips * len(segments) * math.ceil(slabs / per_tile)

    def _axes(self) -> Words:
        table = self.words(len(self.stage.roles), len(AxisWord))
        for number, (role, axis) in enumerate(zip(self.stage.roles, self.job.grid, strict=True)):
            kind = {X: -1, Y: -2}.get(role, role)
            table[number, [AxisWord.KIND, AxisWord.FIRST, AxisWord.STRIDE]] = kind, axis.first, axis.stride
        return table

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
        arrangement, stage = self.plan.arrangement, self.stage
        table = self.words(stage.plane_count, len(Plane))
        for row, (number, _) in zip(table, stage.planes(), strict=True):
            layout = self.plan.output_layouts[number]
            item = layout.dtype.itemsize
            x_axis = arrangement.x if arrangement.flat is None else arrangement.flat
            row[Plane.OUTER_STRIDES] = self.address([layout.strides[a] for a in arrangement.outer])
            row[Plane.Y_STEP] = 0 if arrangement.y is None else layout.strides[arrangement.y]
            row[Plane.X_STEP], row[Plane.ITEM] = layout.strides[x_axis], item
            row[Plane.ROW_BYTES] = _rounded(longest * item, 64)
            row[Plane.ROWS_AT] = self.room(stage.rows * int(row[Plane.ROW_BYTES]))
        return table

    # -- inputs ------------------------------------------------------------------------------------------------------

    def _inputs(self, longest: int) -> Words:
        table = self.words(len(self.stage.inputs), len(InputWord))
        for number, row in enumerate(table):
            self._rows_of_input(row, number)
            self._room_of_input(row, number, longest)
        return table

    def _rows_of_input(self, row: Words, number: int) -> None:
        """Where the rows of an input come from."""
        stage, arrangement, spec = self.stage, self.plan.arrangement, self.stage.inputs[number]
        offsets = stage.y_offsets[number]
        y_map = self.axis_map(number, arrangement.y)
        maps = [self.axis_map(number, axis) for axis in arrangement.outer]
        row[InputWord.COMBINATIONS], row[InputWord.PHASES] = len(spec.outer), spec.rows_each
        row[InputWord.Y_OFFSETS], row[InputWord.Y_OFFSET_TABLE] = len(offsets), self.address(offsets)
        row[InputWord.Y_STRIDE] = spec.y_stride
        row[InputWord.Y_MAP], row[InputWord.Y_LAST] = self.address(y_map), len(y_map) - 1
        row[InputWord.COMBINATION_TABLE] = self.address(np.array(spec.outer, np.int64).reshape(len(spec.outer), -1))
        row[InputWord.OUTER_MAPS] = self.address([self.address(m) for m in maps])
        row[InputWord.OUTER_STRIDES] = self.address([self._stride_along(a) for a in arrangement.outer])
        row[InputWord.FIRST_ROW] = stage.row_base[number]
        self.missing |= any((m == MISSING).any() for m in (y_map, *maps))

    def _room_of_input(self, row: Words, number: int, longest: int) -> None:
        """Rows of the worker's own, and what fills them."""
        spec, seen, layout = self.stage.inputs[number], self.job.inputs[number], self.plan.layouts[number]
        native, swapped = layout.dtype.newbyteorder("="), not layout.dtype.isnative
        code = compiled.fill(self.plan.target, native, swapped, seen.dtype, spec.dtype, checked=self.owner.checked)
        self.owner.keep.append(code)
        row[InputWord.FILL] = code.addresses["fill"]
        if self._is_block(number):
            size, target = layout.dtype.itemsize, self.plan.target
            blocks = compiled.planes(target, size, spec.planes, checked=self.owner.checked)
            self.owner.keep.append(blocks)
            row[InputWord.FILL_PLANES] = blocks.addresses["planes"]
        offsets = self.stage.y_offsets[number]
        ring_rows = offsets[-1] - offsets[0] + 1
        ring = ring_rows <= 4 * len(offsets) + 16
        slots = ring_rows if ring else len(offsets)
        length, rows = (longest + spec.span) * spec.unit, len(spec.outer) * slots
        row[InputWord.RING], row[InputWord.RING_SLOTS] = ring, slots
        row[InputWord.ROW_BYTES] = _rounded(length * spec.dtype.itemsize, 64)
        row[InputWord.RING_AT] = self.room(
            0 if spec.is_uniform else rows * spec.rows_each * int(row[InputWord.ROW_BYTES])
        )
        fixed = np.full(length, seen.cval, seen.dtype).astype(spec.dtype)
        row[InputWord.CONSTANT_ROW], row[InputWord.CONSTANT_BYTES] = self.address(fixed, spec.dtype), fixed.nbytes
        row[InputWord.NO_FLAGS] = self.address(np.zeros(length), np.uint8)
        row[InputWord.BASES_AT] = self.room(8 * len(spec.outer))
        row[InputWord.HELD_AT] = self.room(8 * rows)

    def _stride_along(self, axis: int) -> int:
        return self.job.grid[axis - self.batch].stride if axis >= self.batch else 1

    def axis_map(self, number: int, axis: int | None) -> Words:
        """Byte offset (or OUTSIDE, or MISSING) of every padded place along an axis."""
        if axis is None:
            return np.zeros(1, np.int64)
        layout = self.plan.layouts[number]
        if axis < self.batch:
            return np.arange(self.job.batch[axis], dtype=np.int64) * layout.strides[axis]
        grid, window = self.job.grid[axis - self.batch], self.job.inputs[number].axes[axis - self.batch]
        last = grid.stride * (grid.count - 1) + window.dilation * (window.size - 1)
        places = np.arange(last + 1, dtype=np.int64) + (grid.first - window.dilation * window.centre)
        index, inside = locate(window.mode, places, window.extent)
        held = self.job.inputs[number].held_index(axis - self.batch, index)
        return np.where(inside, held * layout.strides[axis], _outside_word(window.mode))

    # -- segments along x --------------------------------------------------------------------------------------------

    def segments(self) -> list[tuple[int, int]]:
        """(start, positions) of the pieces of a row: borders apart from an interior that reads arrays in place."""
        chunk = self.stage.chunk
        interior = self._interior()
        low, high = interior if interior is not None else (0, 0)
        high = low + (high - low) // chunk * chunk
        cuts = self._cuts()
        if high - low < chunk:
            return _split(_blocks(0, self.x_count, self._block()), cuts)
        pieces = [(0, low)] if low else []
        pieces += _blocks(low, high, self._block())
        return _split(pieces + ([(high, self.x_count - high)] if high < self.x_count else []), cuts)

    def _cuts(self) -> list[int]:
        """Positions along x at which a cell of some map, or a block that can be chosen, begins."""
        axis = self.plan.arrangement.x - self.batch
        found: set[int] = set()
        for number, spec in enumerate(self.stage.inputs):
            cells = self.job.inputs[number].cells
            if spec.is_uniform and cells is not None:
                grid = self.job.grid[axis]
                along = cells[axis]
                starts = () if along is None else along.starts[1:]
                found |= {-((grid.first - start) // grid.stride) * self.flat for start in starts}
        if self.owner.blocks is not None:
            found |= set(range(0, self.x_count, self.owner.blocks[1]))
        return sorted(found)

    def _block(self) -> int:
        """Positions of a segment: rows of all inputs stay in the second-level cache, and workers have enough pieces."""
        chunk = self.stage.chunk
        stage = self.stage
        sizes = (
            len(o) * len(i.outer) * i.planes * i.dtype.itemsize
            for o, i in zip(stage.y_offsets, stage.inputs, strict=True)
            if not i.is_uniform and not i.is_packed
        )
        fitting = self.plan.target.cache_bytes // 2 // max(1, sum(sizes))
        if stage.columns:
            # Column rows are written and read at once: they should stay in the first-level cache.
            widest = max(register_dtype(node.dtype).itemsize for node in stage.columns)
            fitting = min(fitting, COLUMN_BYTES // (stage.column_rows[-1] * stage.rows * widest))
        # A worker looks at the cancel word once for each tile of rows.
        each = self.seconds / (self.x_count * self.y_count * math.prod(self.outer))
        fitting = min(fitting, int(STEP_SECONDS / (each * stage.rows)))
        if self.y_count * math.prod(self.outer) < 16:
            fitting = min(fitting, math.ceil(self.x_count / 16))
        return max(chunk, min(fitting, SEGMENT_LIMIT) // chunk * chunk)

    def _interior(self) -> tuple[int, int] | None:
        """Positions whose samples all lie in the arrays, when some input can be read in place."""
        if not any(self._is_readable(n) for n in range(len(self.stage.inputs))):
            return None
        low, high = 0, self.x_count
        numbers = range(len(self.stage.inputs))
        # Where each position brings an array of its own, that is what has to be read in place, and in long runs; what
        # copying the rows of the other inputs takes is nothing beside it.
        several = [n for n in numbers if self.stage.inputs[n].elements and not self.stage.inputs[n].is_uniform]
        heavy = [n for n in several if self._is_readable(n)]
        for number in heavy or numbers:
            first, last = self._inside(number)
            low, high = max(low, first), min(high, last)
        return (low, high) if high > low else None

    def _inside(self, number: int) -> tuple[int, int]:
        axis = self.plan.arrangement.x
        if axis < self.batch:
            return 0, self.x_count
        grid, window = self.job.grid[axis - self.batch], self.job.inputs[number].axes[axis - self.batch]
        base = grid.first - window.dilation * window.centre
        last = window.extent - 1 - window.dilation * (window.size - 1) - base
        return max(0, -(base // grid.stride)) * self.flat, max(0, last // grid.stride + 1) * self.flat

    def _is_readable(self, number: int) -> bool:
        """Whether rows of an input can be pointers into the array."""
        spec, layout = self.stage.inputs[number], self.plan.layouts[number]
        if not layout.dtype == spec.dtype == self.job.inputs[number].dtype or spec.phases != 1 or spec.is_uniform:
            return False
        if spec.is_packed:
            return True
        arrangement, size = self.plan.arrangement, layout.dtype.itemsize
        if self._stride_along(arrangement.x) != 1:
            return False
        if arrangement.flat is None:
            return layout.strides[arrangement.x] == size
        return layout.strides[arrangement.flat] == size and layout.strides[arrangement.x] == size * self.flat

    def _segment(self, x0: int, positions: int) -> Words:
        row = np.zeros(len(Segment), np.int64)
        count = _rounded(positions, self.stage.chunk)
        table = self.words(len(self.stage.inputs), len(SegmentInput))
        missing = self.too_few
        for number in range(len(self.stage.inputs)):
            missing |= self._segment_input(table[number], number, x0, positions, count)
        self.missing |= missing
        row[Segment.X0], row[Segment.POSITIONS], row[Segment.COUNT] = x0, positions, count
        row[Segment.MISSING], row[Segment.INPUT_TABLE] = missing, table.ctypes.data
        return row

    def _segment_input(self, row: Words, number: int, x0: int, positions: int, count: int) -> bool:
        """How one input's rows are had in a segment; True when samples along x are missing."""
        spec = self.stage.inputs[number]
        first, last = self._inside(number)
        whole = positions == count and first <= x0 and x0 + positions <= last
        phases = self.words(spec.rows_each, len(Phase))
        row[SegmentInput.PHASE_TABLE] = phases.ctypes.data
        if spec.is_uniform:
            row[SegmentInput.DIRECT] = 1
            phases[0, Phase.START] = self._cell_offset(number, x0)
            return False
        row[SegmentInput.DIRECT] = whole and self._is_readable(number)
        run = self._run_inside(number, 0, x0, positions + spec.span)
        row[SegmentInput.BLOCK] = self._is_block(number) and run is not None
        missing = False
        for phase in range(spec.phases):
            missing |= self._phase(phases[phase], number, phase, x0, positions, count)
        if spec.planes > 1:
            self._planes_of(phases, number)
        return missing

    def _is_block(self, number: int) -> bool:
        """Whether the arrays at the positions of an input lie each in one piece."""
        spec, layout = self.stage.inputs[number], self.plan.layouts[number]
        if spec.planes == 1 or spec.phases != 1 or not layout.dtype == spec.dtype == self.job.inputs[number].dtype:
            return False
        expected = layout.dtype.itemsize
        for extent, stride in zip(spec.elements[::-1], layout.strides[: -len(spec.elements) - 1 : -1], strict=True):
            if extent > 1 and stride != expected:
                return False
            expected *= extent
        return layout.dtype.itemsize in (4, 8)

    def _cell_offset(self, number: int, x0: int) -> int:
        """Byte offset of the cell in which position `x0` lies."""
        axis = self.plan.arrangement.x
        grid, window = self.job.grid[axis - self.batch], self.job.inputs[number].axes[axis - self.batch]
        anchor = grid.first + grid.stride * (x0 // self.flat)
        index, _ = locate(window.mode, np.array([anchor]), window.extent)
        held = self.job.inputs[number].held_index(axis - self.batch, index)
        return int(held[0]) * self.plan.layouts[number].strides[axis]

    def _planes_of(self, phases: Words, number: int) -> None:
        """The phases of all planes, from those of the first: each element lies at its own distance."""
        spec, layout = self.stage.inputs[number], self.plan.layouts[number]
        strides = layout.strides[len(layout.strides) - len(spec.elements) :]
        for plane, index in enumerate(np.ndindex(*spec.elements)):
            shift = sum(i * s for i, s in zip(index, strides, strict=True))
            for phase in range(spec.phases if plane else 0):
                row = phases[plane * spec.phases + phase]
                row[:] = phases[phase]
                row[Phase.START] += shift
                if row[Phase.TABLE]:
                    places = self._phase_places[int(row[Phase.TABLE])]
                    row[Phase.TABLE] = self.address(np.where(places < LOWEST_OFFSET, places, places + shift))

    def _phase(self, row: Words, number: int, phase: int, x0: int, positions: int, count: int) -> bool:
        spec, layout = self.stage.inputs[number], self.plan.layouts[number]
        if spec.is_packed:
            return self._packed_phase(row, number, x0, positions)
        length = positions + spec.span
        row[Phase.COUNT] = length
        if run := self._run_inside(number, phase, x0, length):
            row[Phase.HIGH] = length
            row[Phase.START], row[Phase.STEP] = run
            if spec.may_miss:
                row[Phase.FLAGS] = self._all_present(count + spec.span)
            return False
        places, affine = self._places(number, phase, x0, length)
        low, high, start, step = _affine_run(places, affine, layout.dtype.itemsize)
        if not (low == 0 and high == length):
            row[Phase.TABLE] = self.address(places)
            if spec.planes > 1:
                self._phase_places[int(row[Phase.TABLE])] = places
        row[Phase.LOW], row[Phase.HIGH], row[Phase.START], row[Phase.STEP] = low, high, start, step
        missing = places == MISSING
        if spec.may_miss:
            flags = np.ones(count + spec.span, np.uint8)
            flags[:length] = ~missing
            row[Phase.FLAGS] = self.address(flags, np.uint8)
        return bool(missing.any())

    def _packed_phase(self, row: Words, number: int, x0: int, positions: int) -> bool:
        """A row that has some elements for each position."""
        spec, size = self.stage.inputs[number], self.plan.layouts[number].dtype.itemsize
        row[Phase.COUNT] = row[Phase.HIGH] = positions * spec.unit
        run = self._run_inside(number, 0, x0, positions)
        if run is not None:
            row[Phase.START], row[Phase.STEP] = run[0], size
            return False
        places, _ = self._places(number, 0, x0, positions)
        row[Phase.HIGH] = 0
        row[Phase.TABLE] = self.address((places[:, None] + size * np.arange(spec.unit)).reshape(-1))
        return False

    def _run_inside(self, number: int, phase: int, x0: int, length: int) -> tuple[int, int] | None:
        """First place and step of a row that lies in the array; None if it may not, or has no one step.

        So the time and memory that a plan takes do not grow with the length of the rows.
        """
        strides, axis, flat = self.plan.layouts[number].strides, self.plan.arrangement.x, self.plan.arrangement.flat
        first, last, step = x0 // self.flat, (x0 + length - 1) // self.flat, strides[axis]
        if axis >= self.batch:
            grid, window = self.job.grid[axis - self.batch], self.job.inputs[number].axes[axis - self.batch]
            base = grid.first - window.dilation * window.centre + phase
            first, last, step = first * grid.stride + base, last * grid.stride + base, step * grid.stride
            if first < 0 or last >= window.extent:
                return None
        start = first * strides[axis]
        if flat is None:
            return start, step
        return (start + x0 % self.flat * strides[flat], strides[flat]) if step == strides[flat] * self.flat else None

    def _all_present(self, length: int) -> int:
        """Address of flags of a row without missing samples; rows of one length share them."""
        if length not in self._present:
            self._present[length] = self.address(np.ones(length), np.uint8)
        return self._present[length]

    def _places(self, number: int, phase: int, x0: int, length: int) -> tuple[Words, Array]:
        """Byte offset of each element of a row (or OUTSIDE, MISSING), and where it lies in the array as it stands."""
        layout, arrangement = self.plan.layouts[number], self.plan.arrangement
        element = np.arange(x0, x0 + length, dtype=np.int64)
        position, colour = np.divmod(element, self.flat)
        axis = arrangement.x
        if axis < self.batch:
            return position * layout.strides[axis], np.ones(length, np.bool_)
        grid, window = self.job.grid[axis - self.batch], self.job.inputs[number].axes[axis - self.batch]
        source = position * grid.stride + phase + (grid.first - window.dilation * window.centre)
        index, inside = locate(window.mode, source, window.extent)
        offset = index * layout.strides[axis]
        if arrangement.flat is not None:
            offset = offset + colour * layout.strides[arrangement.flat]
        return np.where(inside, offset, _outside_word(window.mode)), inside & (index == source)


def _outside_word(mode: str) -> int:
    return MISSING if MODES[mode].outside is Outside.MISSING else OUTSIDE


def _affine_run(places: Words, affine: Array, item: int) -> tuple[int, int, int, int]:
    """The run (low, high) of the places marked in `affine`, its first place and its step; zeros if it is none."""
    if not affine.any():
        return 0, 0, 0, 0
    low, high = int(np.argmax(affine)), len(affine) - int(np.argmax(affine[::-1]))
    start = int(places[low])
    step = int(places[low + 1] - start) if high - low > 1 else item
    if not affine[low:high].all() or not (np.diff(places[low:high]) == step).all():
        return 0, 0, 0, 0
    return low, high, start, step


def _rounded(value: int, unit: int) -> int:
    return -(-value // unit) * unit


def _split(pieces: list[tuple[int, int]], cuts: list[int]) -> list[tuple[int, int]]:
    """The same pieces, cut at some positions."""
    found = []
    for start, count in pieces:
        inner = [start, *(c for c in cuts if start < c < start + count), start + count]
        found += [(a, b - a) for a, b in itertools.pairwise(inner)]
    return found


def _blocks(start: int, stop: int, size: int) -> list[tuple[int, int]]:
    return [(x, min(size, stop - x)) for x in range(start, stop, size)]
