"""The plan of a filter, run for single points: its stage for windows that are gathered, and the tables of the worker.

What is computed is what the plan says, and so are the bits: sums that the plan makes column by column are made in that
order. The worker (``backends/point_driver.py``) gathers the windows; kernels are compiled from a stage in which every
sample of a window has a row of its own, with one element for each point.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from kernelscape import expression as ex
from kernelscape.backends import compiled
from kernelscape.backends.emit import Loading, Run
from kernelscape.backends.emit.points import MOST_LANES
from kernelscape.backends.point_words import Ahead, PointInput, PointPlane, Points
from kernelscape.boundary import MODES, Outside, locate
from kernelscape.execute.memory import LINE, Memory, Words, rounded
from kernelscape.execute.segments import outside_word
from kernelscape.expression import INT64, Shape
from kernelscape.geometry import Input, anchors
from kernelscape.loops import POINT, RowInput, Stage, X
from kernelscape.methods.columns import in_column_order
from kernelscape.methods.direct import Tile, choose_tile
from kernelscape.plan import Layout, Plan, column_window, interior_outputs, masked_outputs, may_miss
from kernelscape.semantics import register_dtype

BLOCK_BYTES = 16 << 10
"""Bytes of the samples of points that are gathered together: they should stay in the first-level cache."""
GROUP = 256
"""Points that are noted before they are computed, about."""
AHEAD_BYTES = 16
"""Bytes of a row of a window from which on it often reaches into a second line of memory."""
MOST_AHEAD = 8
PIECE = 2048
"""Outputs of a row of a mask that are looked at before some are computed."""


def is_supported(plan: Plan) -> bool:
    """Whether a plan can run for single points.

    Not where the elements of a window lie each at another position, not where no output is valid, and not where rows
    are made for many windows together, or data says which samples count.
    """
    inputs = plan.job.inputs
    if any(i.has_gaps for i in inputs) or plan.stage.has_made_rows or plan.method in ("separable", "terms"):
        return False
    most = max((math.prod(i.window_shape) for i in inputs), default=0)
    return not any(i.elements and is_windowed(i) for i in inputs) and plan.job.min_count <= most


def is_windowed(spec: Input) -> bool:
    """Whether samples of an input may lie anywhere outside of it; else it is read at the anchor, or nearest to it."""
    return any(axis.size > 1 or axis.mode != "nearest" for axis in spec.axes)


# -- the stage ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PointPlan:
    """A plan as it runs for single points.

    Attributes
    ----------
    plan : Plan
    coordinates : tuple of int
        Window axes whose coordinates are inputs behind those of the job.
    stage, masked_stage : Stage
    tile : Tile
    """

    plan: Plan
    coordinates: tuple[int, ...]
    stage: Stage
    masked_stage: Stage
    tile: Tile

    @cached_property
    def pad(self) -> int:
        """Points that are computed at once: what is there is filled up to a multiple."""
        return math.lcm(self.stage.chunk, MOST_LANES)

    @cached_property
    def block(self) -> int:
        """Points whose windows are gathered before they are computed."""
        each = sum(i.planes * i.dtype.itemsize for i in self.stage.inputs)
        return max(self.pad, min(BLOCK_BYTES // max(1, each), GROUP) // self.pad * self.pad)

    @cached_property
    def group(self) -> int:
        """Points that are noted before they are computed, block by block."""
        return rounded(GROUP, self.block)

    @cached_property
    def seconds(self) -> float:
        """How long one thread is expected to take for one point."""
        samples = sum(i.planes for i in self.stage.inputs)
        return (self.tile.instructions / self.stage.lanes + samples + 20) / 3e9


def point_plan(plan: Plan) -> PointPlan:
    """The plan as it runs for single points."""
    job, target, ndim = plan.job, plan.target, len(plan.job.grid)
    interior, masked = interior_outputs(job), masked_outputs(job)
    window = column_window(interior, job, plan.arrangement, plan.stage.roles)
    if window is not None and plan.stage.columns:
        x = plan.stage.roles.index(X)
        interior = in_column_order(interior, window, x, keep_order=may_miss(job))
    axes = tuple(sorted({n.axis for n in ex.walk([*interior, *masked]) if isinstance(n, ex.Index)}))
    inputs = [_row_input(spec) for spec in job.inputs]
    inputs += [_plain_input(INT64, ndim)] * len(axes)

    def with_maps(outputs: tuple[ex.Node, ...]) -> tuple[ex.Node, ...]:
        first = len(job.inputs)
        return ex.rebuild(
            outputs,
            lambda n: ex.Pixel((), INT64, first + axes.index(n.axis)) if isinstance(n, ex.Index) else None,
        )

    interior, masked = with_maps(interior), with_maps(masked)
    tile = choose_tile(interior, _varying(interior), False, target)
    stage = replace(
        plan.stage,
        outputs=interior,
        inputs=tuple(inputs),
        roles=(POINT,) * ndim,
        strides=(1,) * ndim,
        flatten=1,
        rows=1,
        vectors=tile.vectors,
        lanes=tile.lanes,
        columns=(),
        column_taps=(),
        spacing=1,
        tile_ranks=(),
        positions=0,
    )
    return PointPlan(plan, axes, stage, replace(stage, outputs=masked), tile)


def _varying(outputs: tuple[ex.Node, ...]) -> set[int]:
    """Ids of the nodes whose value differs between points."""
    found: set[int] = set()
    for node in ex.walk(outputs):
        if isinstance(node, ex.Window | ex.Pixel) or any(id(child) in found for child in node.children):
            found.add(id(node))
    return found


def _plain_input(dtype: ex.DType, ndim: int) -> RowInput:
    """A row with one number for each point."""
    return RowInput(
        dtype=dtype,
        shape=(1,) * ndim,
        outer=((),),
        y_taps=(0,),
        x_taps=(0,),
        y_stride=1,
        y_step=1,
        phases=1,
        offsets=((0,),) * ndim,
    )


def _row_input(spec: Input) -> RowInput:
    made = _plain_input(register_dtype(spec.dtype), len(spec.axes))
    if not is_windowed(spec):
        return replace(made, elements=spec.elements)
    sizes = tuple(axis.size for axis in spec.axes)
    return replace(
        made,
        shape=sizes,
        elements=sizes,
        taps=spec.taps,
        offsets=tuple(tuple(a.dilation * (i - a.centre) for i in range(a.size)) for a in spec.axes),
        may_miss=any(MODES[a.mode].outside is Outside.MISSING for a in spec.axes),
    )


# -- the tables --------------------------------------------------------------------------------------------------------


class PointTables:
    """What the worker is told: `sweep`, and what it points to.

    With `results`, points come as a list, and these are the layouts of the lists of their results.
    """

    def __init__(self, made: PointPlan, results: Sequence[Layout] | None, *, checked: bool) -> None:
        self.made, self.plan, self.job, self.stage = made, made.plan, made.plan.job, made.stage
        self.results, self.checked, self.memory = results, checked, Memory()
        self.batch, self.counts = len(self.job.batch), made.plan.counts
        self.low, self.high = [0] * len(self.counts), list(self.counts)
        self.last_run: list[int] = []
        self.sweep = self.memory.words(len(Points))
        self.plane_offsets = self._plane_offsets()
        self._build()

    @property
    def axes(self) -> int:
        """Of an output's place: those of the job, and the number in a list."""
        return len(self.counts) + 1

    @property
    def piece(self) -> int:
        """Outputs of a row that are looked at together."""
        return min(PIECE, rounded(self.counts[-1], 64))

    def _build(self) -> None:
        made, stage, sweep, memory, plan = self.made, self.stage, self.sweep, self.memory, self.plan
        inputs, planes = self._inputs(), self._planes()
        missing = any(i.may_miss for i in stage.inputs)
        for name, shown, masked in (
            (Points.KERNEL, stage, False),
            *(((Points.MASKED_KERNEL, made.masked_stage, True),) if missing else ()),
        ):
            code = compiled.kernel(shown, plan.target, masked=masked, checked=self.checked)
            memory.kept.append(code)
            sweep[name] = code.addresses["kernel"]
        sweep[Points.AXES], sweep[Points.INPUTS], sweep[Points.PLANES] = self.axes, len(inputs), len(planes)
        sweep[Points.INPUT_TABLE], sweep[Points.PLANE_TABLE] = inputs.ctypes.data, planes.ctypes.data
        sweep[Points.LOW_TABLE], sweep[Points.HIGH_TABLE] = memory.address(self.low), memory.address(self.high)
        sweep[Points.EXTENTS_TABLE] = memory.address(self.counts)
        sweep[Points.GROUP], sweep[Points.BLOCK], sweep[Points.PAD] = made.group, made.block, made.pad
        sweep[Points.CAPACITY] = capacity = made.group + rounded(self.piece, made.pad) + made.pad
        sweep[Points.KEEPS], sweep[Points.MAY_MISS] = stage.at is not None, missing
        sweep[Points.STAGE_AXES], sweep[Points.ROWS] = len(stage.roles), stage.row_base[-1]
        entries = stage.row_base[-1] + stage.plane_count
        sizes = {
            Points.ROWS_AT: stage.row_base[-1],
            Points.FLAGS_AT: stage.row_base[-1],
            Points.OUTPUTS_AT: stage.plane_count,
            Points.LIMITS_AT: 2 * entries,
            Points.COORDINATES_AT: len(stage.roles) + 3,
            Points.PLACES_AT: (2 * capacity + 1) * self.axes,
            Points.OFFSETS_AT: made.group,
        }
        for word, count in sizes.items():
            sweep[word] = memory.room(8 * count)
        if self.results is None:
            ahead = np.array(self._ahead(inputs, planes), np.int64).reshape(-1, len(Ahead))
            sweep[Points.AHEAD], sweep[Points.AHEAD_TABLE] = len(ahead), memory.address(ahead)

    def _ahead(self, inputs: Words, planes: Words) -> list[list[int]]:
        """What is asked for when points are known: the last row of each window, all maps, and the outputs.

        The rows above the last one have mostly been read for points above.
        """
        found = []
        for number, spec in enumerate(self.job.inputs):
            row, item = inputs[number], self.plan.layouts[number].dtype.itemsize
            base, steps = int(row[PointInput.BASE]), int(row[PointInput.STEPS])
            begin = self.last_run[number]
            length = item * (spec.axes[-1].size if int(row[PointInput.GATHER]) and is_windowed(spec) else 1)
            places = (0, length - item) if length > AHEAD_BYTES else (0,)
            found += [[0, number, base + begin + place, steps] for place in places]
        found += [[1, number, 0, int(row[PointPlane.STEPS])] for number, row in enumerate(planes)]
        return found[:MOST_AHEAD]

    # -- inputs ------------------------------------------------------------------------------------------------------

    def _inputs(self) -> Words:
        table = self.memory.words(len(self.stage.inputs), len(PointInput))
        for number, row in enumerate(table):
            spec = self.stage.inputs[number]
            # An odd number of lines, so that rows do not compete for the same places in the cache.
            row[PointInput.ROW_BYTES] = size = rounded(self.made.block * spec.dtype.itemsize, 2 * LINE) + LINE
            row[PointInput.PLANES], row[PointInput.FIRST_ROW] = spec.planes, self.stage.row_base[number]
            row[PointInput.ROWS_AT] = self.memory.room(spec.planes * size)
            if spec.may_miss:
                row[PointInput.FLAG_BYTES] = rounded(self.made.block, LINE)
                row[PointInput.FLAGS_AT] = self.memory.room(spec.planes * int(row[PointInput.FLAG_BYTES]))
            row[PointInput.COORDINATE], row[PointInput.OFFSETS_AT] = -1, self.memory.room(8 * self.made.group)
            if number >= len(self.job.inputs):
                self._coordinate(row, self.made.coordinates[number - len(self.job.inputs)])
            elif is_windowed(self.job.inputs[number]):
                self._window(row, number)
            else:
                self._map(row, number)
        return table

    def _coordinate(self, row: Words, axis: int) -> None:
        grid, place = self.job.grid[axis], self.batch + axis
        row[PointInput.COORDINATE], row[PointInput.BASE] = place, grid.first
        row[PointInput.STEPS] = self.memory.address([grid.stride if a == place else 0 for a in range(self.axes)])

    def _loading(self, row: Words, number: int, run: Run | None) -> None:
        """The code that brings samples into rows."""
        seen, layout, target = self.job.inputs[number], self.plan.layouts[number], self.plan.target
        native, swapped = layout.dtype.newbyteorder("="), not layout.dtype.isnative
        loading = Loading(native, swapped, seen.dtype, self.stage.inputs[number].dtype)
        code = compiled.fill(target, loading, 1, checked=self.checked)
        self.memory.kept.append(code)
        row[PointInput.FILL] = code.addresses["fill"]
        if run is not None:
            gather = compiled.gather(target, loading, run, checked=self.checked)
            self.memory.kept.append(gather)
            row[PointInput.GATHER] = gather.addresses["gather"]

    def _window(self, row: Words, number: int) -> None:
        seen, layout = self.job.inputs[number], self.plan.layouts[number]
        strides = layout.strides
        steps, base = [*strides[: self.batch]], 0
        for axis, (grid, window) in enumerate(zip(self.job.grid, seen.axes, strict=True)):
            own = strides[self.batch + axis]
            base += (grid.first - window.dilation * window.centre) * own
            steps.append(grid.stride * own)
        row[PointInput.BASE], row[PointInput.STEPS] = base, self.memory.address([*steps, 0])
        row[PointInput.TABLES] = self.memory.address([0] * self.axes)
        sizes = tuple(axis.size for axis in seen.axes)
        along = tuple(a.dilation * s for a, s in zip(seen.axes, strides[self.batch :], strict=True))
        inner = next((a for a in reversed(range(len(sizes))) if self._is_row(layout, a, sizes[a])), None)
        step = 0 if inner is None else math.prod(sizes[inner + 1 :]) * int(row[PointInput.ROW_BYTES])
        run = None if inner is None else Run(sizes[inner], seen.axes[inner].dilation, step)
        self._loading(row, number, run)
        self._runs(row, sizes, along, inner)
        for axis, window in enumerate(seen.axes):
            self._narrow(axis, window.extent, window.dilation, window.centre, window.size)
        if run is not None and inner is not None:
            reach = run.reach(layout.dtype.itemsize)
            window = seen.axes[inner]
            self._narrow(inner, window.extent - reach, window.dilation, window.centre, window.size)
        self._border(row, number)

    def _is_row(self, layout: object, axis: int, size: int) -> bool:
        """Whether samples along a window axis lie one behind the other."""
        strides, dtype = layout.strides, layout.dtype  # type: ignore[attr-defined]
        return size > 1 and strides[self.batch + axis] == dtype.itemsize <= 8

    def _runs(self, row: Words, sizes: Shape, along: tuple[int, ...], inner: int | None) -> None:
        """Where runs begin in the window, and their rows; without an inner axis each sample is a run."""
        size = int(row[PointInput.ROW_BYTES])
        planes = [math.prod(sizes[axis + 1 :]) for axis in range(len(sizes))]
        kept = [1 if axis == inner else n for axis, n in enumerate(sizes)]
        words = [
            (
                sum(i * s for i, s in zip(tap, along, strict=True)),
                sum(i * p for i, p in zip(tap, planes, strict=True)) * size,
            )
            for tap in itertools.product(*map(range, kept))
        ]
        row[PointInput.RUNS], row[PointInput.RUN_TABLE] = len(words), self.memory.address(words)
        self.last_run.append(words[-1][0])

    def _narrow(self, axis: int, extent: int, dilation: int, centre: int, size: int) -> None:
        """Keeps the places whose samples along an axis all lie in the array."""
        grid, place = self.job.grid[axis], self.batch + axis
        first = grid.first - dilation * centre
        last = extent - 1 - dilation * (size - 1) - first
        self.low[place] = max(self.low[place], -(first // grid.stride))
        self.high[place] = min(self.high[place], last // grid.stride + 1)

    def _border(self, row: Words, number: int) -> None:
        """How each sample is found on its own."""
        seen, layout, memory = self.job.inputs[number], self.plan.layouts[number], self.memory
        maps, places, strides = [], [], []
        for axis, extent in enumerate(self.job.batch):
            maps.append(memory.address(np.arange(extent) * layout.strides[axis]))
            places.append([0])
            strides.append(1)
        for axis, (grid, window) in enumerate(zip(self.job.grid, seen.axes, strict=True)):
            last = grid.stride * (grid.count - 1) + window.dilation * (window.size - 1)
            positions = np.arange(last + 1, dtype=np.int64) + (grid.first - window.dilation * window.centre)
            index, inside = locate(window.mode, positions, window.extent)
            offsets = np.where(inside, index * layout.strides[self.batch + axis], outside_word(window.mode))
            maps.append(memory.address(offsets))
            places.append([window.dilation * i for i in range(window.size)])
            strides.append(grid.stride)
        taps = [(*tap, 0) for tap in itertools.product(*places)]
        row[PointInput.TAPS], row[PointInput.TAP_TABLE] = len(taps), memory.address(taps)
        row[PointInput.INNER_TAPS] = inner = seen.axes[-1].size
        row[PointInput.INNER_AT] = memory.room(8 * inner * self.made.block)
        row[PointInput.OUTER_AT] = memory.room(8 * self.made.block)
        row[PointInput.BORDER_MAPS], row[PointInput.STRIDES] = memory.address(maps), memory.address(strides)
        row[PointInput.CONSTANT_ROW] = self._constants(number, self.made.block)

    def _constants(self, number: int, count: int) -> int:
        """A row of what stands for samples outside of an input."""
        seen = self.job.inputs[number]
        fixed = np.full(count, seen.cval, seen.dtype).astype(self.stage.inputs[number].dtype)
        return self.memory.address(fixed, fixed.dtype)

    def _map(self, row: Words, number: int) -> None:
        """A number or an array for each position, read at the anchor or nearest to it."""
        seen, layout, memory = self.job.inputs[number], self.plan.layouts[number], self.memory
        strides, ndim = layout.strides, len(self.counts)
        steps, tables, base = [*strides[: self.batch]], [0] * self.batch, 0
        for axis, (grid, window) in enumerate(zip(self.job.grid, seen.axes, strict=True)):
            own = strides[self.batch + axis]
            index, _ = locate(window.mode, anchors(seen.along(grid)), window.extent)
            held = seen.held_index(axis, index) * own
            gaps = np.diff(held)
            step = int(gaps[0]) if len(gaps) else 0
            affine = bool((gaps == step).all())
            base += int(held[0]) if affine and len(held) else 0
            steps.append(step if affine else 0)
            tables.append(0 if affine else memory.address(held))
        row[PointInput.BASE], row[PointInput.STEPS] = base, memory.address([*steps, 0])
        row[PointInput.TABLES] = memory.address([*tables, 0])
        row[PointInput.CONSTANT_ROW] = self._constants(number, 1)
        along, size, elements = strides[ndim:], layout.dtype.itemsize, seen.elements
        last = len(elements) - 1
        in_row = bool(elements) and elements[last] > 1 and along[last] == size
        # Nothing may be read behind the last element, which may be the last one of the array.
        run = Run(elements[last], 1, int(row[PointInput.ROW_BYTES])) if in_row else None
        run = None if run is not None and run.reach(size) else run
        self._loading(row, number, run)
        self._runs(row, elements, along, None if run is None else last)

    # -- outputs -----------------------------------------------------------------------------------------------------

    def _steps(self, number: int) -> tuple[list[int], Layout]:
        """Bytes from one output to the next along each axis of its place, and the layout of the results."""
        ndim = len(self.counts)
        if self.results is None:
            layout = self.plan.output_layouts[number]
            return [*layout.strides[:ndim], 0], layout
        layout = self.results[number]
        return [*(0,) * ndim, layout.strides[0]], layout

    def _plane_offsets(self) -> list[tuple[int, int]]:
        """(output, byte offset of its first position) of each plane."""
        found = []
        for number, index in self.stage.planes():
            layout = self._steps(number)[1]
            strides = layout.strides[len(layout.strides) - len(index) :]
            found.append((number, sum(i * s for i, s in zip(index, strides, strict=True))))
        return found

    def _planes(self) -> Words:
        table = self.memory.words(self.stage.plane_count, len(PointPlane))
        for row, (number, _) in zip(table, self.stage.planes(), strict=True):
            steps, layout = self._steps(number)
            row[PointPlane.STEPS], row[PointPlane.ITEM] = self.memory.address(steps), layout.dtype.itemsize
            row[PointPlane.ROW_BYTES] = rounded(self.made.group * layout.dtype.itemsize, LINE)
            row[PointPlane.ROW_AT] = self.memory.room(int(row[PointPlane.ROW_BYTES]))
        return table
