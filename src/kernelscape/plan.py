"""A plan: what will run, decided once for the whole array, as picklable data that a person can read.

From a job and the layout of its arrays in memory the plan decides which axis is innermost (the one with the smallest
steps in memory; interleaved colours are one axis with x), which axis the rows of a tile run along, and the stage's
register tile. Nothing here depends on the number of workers or on how the work is cut into tiles, and no result does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from kernelscape import expression as ex
from kernelscape.boundary import MODES, Outside
from kernelscape.expression import DType, Shape
from kernelscape.geometry import Input, Job
from kernelscape.loops import RowInput, Stage, X, Y
from kernelscape.machine import Target
from kernelscape.methods.columns import Columns, use_columns
from kernelscape.methods.direct import Tile, choose_tile
from kernelscape.methods.gaps import Filled, fill_gaps, geometry_of
from kernelscape.methods.ranks import fill_ranks
from kernelscape.methods.tile_ranks import find_tile_ranks
from kernelscape.rewrite import with_explicit_selections
from kernelscape.semantics import register_dtype

LARGEST_PACKED = 256
"""Elements at each position up to which they are taken apart in the code that uses them, which grows with them."""
PER_NANOSECOND = 3.0
"""Instructions in which time is counted, where it is no instructions that are known."""
SHORT_ROW = 16
"""Positions below which an axis is not worth being the innermost one, when another is long."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How an array lies in memory, axes in the order ``batch + window axes``."""

    dtype: DType
    shape: Shape
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Which array axis (batch axes first, then window axes) plays which part.

    ``flat`` is the batch axis that lies interleaved inside `x`, or None; ``y`` is None for one-dimensional jobs.
    """

    x: int
    y: int | None
    outer: tuple[int, ...]
    flat: int | None


@dataclass(frozen=True)
class Plan:
    """What runs for one job on arrays of one layout."""

    job: Job
    layouts: tuple[Layout, ...]
    output_layouts: tuple[Layout, ...]
    arrangement: Arrangement
    stage: Stage
    tile: Tile
    target: Target
    method: str = "direct"

    @property
    def has_one_stage(self) -> bool:
        """Whether tiles in which samples are missing run the same code as others."""
        return self.is_masked or bool(self.stage.alike)

    @property
    def is_masked(self) -> bool:
        """Whether data says which samples count, and the code of the stage has flags."""
        return _has_gaps(self.job) and not self.stage.alike

    @property
    def masked_stage(self) -> Stage:
        """The stage of the tiles in which samples are missing."""
        if self.has_one_stage:
            return self.stage
        return replace(self.stage, outputs=masked_outputs(self.job), columns=(), column_taps=())

    @property
    def counts(self) -> Shape:
        """Output extents along batch and window axes."""
        return self.job.counts

    def explain(self) -> str:
        """The plan in words; one line per fact, stable between versions up to the numbers."""
        return "\n".join(_explain(self))


def make_plan(
    job: Job,
    layouts: Sequence[Layout],
    output_layouts: Sequence[Layout],
    arguments: Sequence[tuple[DType, Shape]],
    target: Target,
) -> Plan:
    """Decides how a job runs."""
    counts = job.counts
    arrangement = _arrange(job, counts, layouts, output_layouts)
    roles = _roles(job, arrangement)
    shares = any(len(set(_tap_offsets(i, arrangement.y, job))) > 1 for i in job.inputs)
    gaps = _has_gaps(job)
    x = roles.index(X) if X in roles else None
    filled = fill_gaps(_with_flags(job), job, x) if gaps else None
    plain = interior_outputs(job, x) if not gaps else masked_outputs(job) if filled is None else filled.outputs
    columns = Columns(plain, ()) if gaps and filled is None else _columns(plain, job, arrangement, roles, filled)
    every = (*columns.outputs, *columns.columns)
    flatten = 1 if arrangement.flat is None else counts[arrangement.flat]
    spacing = _spacing(job, arrangement)
    inputs = tuple(
        _row_input(i, layout, job, arrangement, flatten, spacing) for i, layout in zip(job.inputs, layouts, strict=True)
    )
    if filled is not None:
        inputs += tuple(_made_rows(body, inputs[filled.like]) for body in filled.bodies)
    varying = _varying(every, roles, [i.is_uniform for i in inputs])
    packed = frozenset(n for n, i in enumerate(inputs) if i.is_packed)
    divided = any(i.phases > 1 for i in inputs)
    tile = choose_tile(every, varying, shares, target, packed, divides_rows=divided)
    tile = _fitted(tile, counts, arrangement, spacing)
    stage = Stage(
        outputs=columns.outputs,
        output_dtypes=job.output_dtypes,
        inputs=inputs,
        roles=roles,
        strides=tuple(axis.stride for axis in job.grid),
        arguments=tuple(arguments),
        flatten=flatten,
        rows=tile.rows,
        vectors=tile.vectors,
        lanes=tile.lanes,
        min_count=0 if filled is not None or (job.min_count <= 1 and _has_anchors(job)) else job.min_count,
        invalid=job.invalid,
        columns=columns.columns,
        column_taps=_column_taps(job, arrangement, flatten) if columns.columns else (),
        alike=() if filled is None else geometry_of(job, filled.like),
        at=job.at,
        spacing=spacing,
    )
    plan = Plan(job, tuple(layouts), tuple(output_layouts), arrangement, stage, tile, target)
    return _with_tile_ranks(plan, plain) or plan


def _with_tile_ranks(direct: Plan, outputs: Sequence[ex.Node]) -> Plan | None:
    """The plan that finds ranks for whole tiles, where it is expected to take less time."""
    job, stage, arrangement = direct.job, direct.stage, direct.arrangement
    if (
        _has_gaps(job)
        or may_miss(job)
        or job.min_count > 1
        or not any(isinstance(n, ex.Sort) for n in ex.walk(outputs))
    ):
        return None
    lines = 1 if arrangement.y is None else math.ceil(direct.counts[arrangement.y] / stage.spacing)
    # Rows of a tile are part of the code: images of nearly the same height share it.
    found = find_tile_ranks(outputs, stage.inputs, 1 << (lines - 1).bit_length(), direct.target)
    if found is None or not found.is_faster(direct.tile.instructions / direct.tile.lanes):
        return None
    columns = _columns(found.outputs, job, arrangement, stage.roles, None)
    every = found.numbered((*columns.outputs, *columns.columns), len(columns.columns))
    varying = _varying(every, stage.roles, [i.is_uniform for i in stage.inputs])
    tile = choose_tile(every, varying, False, direct.target)
    lanes = min(tile.lanes, found.unit)
    tile = Tile(found.rows, 1, lanes, lanes * found.nanoseconds * PER_NANOSECOND + tile.instructions)
    stage = replace(
        stage,
        outputs=every[: len(columns.outputs)],
        columns=every[len(columns.outputs) :],
        column_taps=_column_taps(job, arrangement, stage.flatten) if columns.columns else (0,),
        rows=tile.rows,
        vectors=1,
        lanes=lanes,
        tile_ranks=found.ranks,
        positions=found.positions,
    )
    return replace(direct, stage=stage, tile=tile, method=found.method)


def _has_gaps(job: Job) -> bool:
    return any(i.has_gaps for i in job.inputs)


def interior_outputs(job: Job, x: int | None = None) -> tuple[ex.Node, ...]:
    """The outputs where no sample is missing; `x` is the window axis along which windows are neighbours, if they are.

    Ranks among samples of which some do not count come by way of columns that windows share, where they do.
    """
    outputs = with_explicit_selections(_all_stored(job, job.interior or job.outputs), missing=False)
    windows = {i.window_shape for n, i in enumerate(job.inputs) if _is_windowed(n, outputs)}
    if x is None or len(windows) != 1:
        return fill_ranks(outputs, missing=False)
    return fill_ranks(outputs, missing=False, window=windows.pop(), x=x)


def masked_outputs(job: Job) -> tuple[ex.Node, ...]:
    """The outputs where samples may be missing."""
    return fill_ranks(_with_flags(job), missing=True)


def _with_flags(job: Job) -> tuple[ex.Node, ...]:
    return with_explicit_selections(_all_stored(job, job.outputs), missing=True)


def _columns(
    outputs: Sequence[ex.Node], job: Job, arrangement: Arrangement, roles: tuple[int, ...], filled: Filled | None
) -> Columns:
    """What positions along x share."""
    shape = column_window(outputs, job, arrangement, roles, filled)
    if shape is None:
        return Columns(tuple(outputs), ())
    return use_columns(outputs, shape, roles.index(X), keep_order=filled is None and may_miss(job))


def column_window(
    outputs: Sequence[ex.Node],
    job: Job,
    arrangement: Arrangement,
    roles: tuple[int, ...],
    filled: Filled | None = None,
) -> Shape | None:
    """The windows whose columns are shared, where rows along x are window rows of stride 1 and all are the same."""
    windows = [i for n, i in enumerate(job.inputs) if _is_windowed(n, outputs)]
    if filled is not None:
        windows = [job.inputs[filled.like]]
    same = {(tuple((a.size, a.dilation, a.centre) for a in i.axes), i.taps) for i in windows}
    if X not in roles or len(same) != 1 or windows[0].taps is not None or any(i.elements for i in windows):
        return None
    return windows[0].window_shape if _stride(job, arrangement.x) == 1 else None


def may_miss(job: Job) -> bool:
    """Whether some sample may not exist."""
    return any(MODES[a.mode].outside is Outside.MISSING for i in job.inputs for a in i.axes)


def _is_windowed(number: int, outputs: Sequence[ex.Node]) -> bool:
    return any(isinstance(n, ex.Window) and n.input == number for n in ex.walk(outputs))


def _column_taps(job: Job, arrangement: Arrangement, flatten: int) -> tuple[int, ...]:
    spec = max(job.inputs, key=lambda i: math.prod(a.size for a in i.axes))
    return tuple(offset * flatten for offset in _tap_offsets(spec, arrangement.x, job))


def _has_anchors(job: Job) -> bool:
    """Whether every anchor is in the arrays and a sample of the largest window: then one sample at least is valid."""
    if not job.inputs:
        return True
    if _has_gaps(job):
        return False
    largest = max(job.inputs, key=lambda i: math.prod(i.window_shape))
    centre = tuple(axis.centre for axis in largest.axes)
    inside = all(
        grid.first >= 0 and grid.first + grid.stride * (grid.count - 1) < axis.extent and axis.centre < axis.size
        for grid, axis in zip(job.grid, largest.axes, strict=True)
    )
    return inside and (largest.taps is None or centre in largest.taps)


def _all_stored(job: Job, outputs: Sequence[ex.Node]) -> tuple[ex.Node, ...]:
    return tuple(stored(node, dtype) for node, dtype in zip(outputs, job.output_dtypes, strict=True))


def stored(node: ex.Node, dtype: DType) -> ex.Node:
    """A result without a detour: a sample that was cast exactly and comes back to its own dtype at the store."""
    while isinstance(node, ex.Elementwise) and node.operator == "cast" and node.operands[0].dtype == dtype:
        if not np.can_cast(dtype, node.dtype, "safe"):
            break
        node = node.operands[0]
    return node


def _arrange(job: Job, counts: Shape, layouts: Sequence[Layout], output_layouts: Sequence[Layout]) -> Arrangement:
    batch = len(job.batch)
    axes = list(range(len(counts)))
    main = layouts[0].strides
    order = sorted(axes, key=lambda a: (counts[a] <= 1, main[a] == 0, abs(main[a]), -a))
    x, flat = order[0], None
    if x < batch:
        window = [a for a in order if a >= batch]
        wide = next((w for w in window if _interleaved(x, w, counts, layouts[0], output_layouts)), None)
        if wide is not None:
            x, flat = wide, x
    longest = max(axes, key=lambda a: counts[a])
    if flat is None and counts[x] < SHORT_ROW and counts[longest] >= 16 * counts[x]:
        # Rows of a few samples would fill a vector to a small part: gathering samples that lie apart is cheaper.
        x = longest
    rest = [a for a in order if a not in (x, flat)]
    windows = [a for a in rest if a >= batch and any(i.axes[a - batch].size > 1 for i in job.inputs)]
    y = windows[0] if windows else rest[0] if rest else None
    return Arrangement(x, y, tuple(a for a in axes if a not in (x, y, flat)), flat)


def _interleaved(flat: int, wide: int, counts: Shape, layout: Layout, outputs: Sequence[Layout]) -> bool:
    """Whether a batch axis lies inside a window axis without gaps, in the first input and in all outputs."""
    size, count = layout.dtype.itemsize, counts[flat]
    inside = layout.strides[flat] == size and layout.strides[wide] == size * count
    steps = all(o.strides[wide] == o.strides[flat] * count for o in outputs)
    return inside and steps and count <= 64


def _roles(job: Job, arrangement: Arrangement) -> tuple[int, ...]:
    batch = len(job.batch)
    roles = []
    for axis in range(batch, batch + len(job.grid)):
        if axis == arrangement.x:
            roles.append(X)
        elif axis == arrangement.y:
            roles.append(Y)
        else:
            roles.append(arrangement.outer.index(axis))
    return tuple(roles)


def _varying(outputs: Sequence[ex.Node], roles: tuple[int, ...], uniform: Sequence[bool]) -> set[int]:
    """Ids of the nodes whose value differs along x; `uniform` says which inputs do not."""
    found: set[int] = set()
    for node in ex.walk(outputs):
        own = isinstance(node, ex.Window | ex.Pixel) and not uniform[node.input]
        own = own or (isinstance(node, ex.Index) and roles[node.axis] == X)
        if own or any(id(child) in found for child in node.children):
            found.add(id(node))
    return found


def _tap_offsets(spec: Input, axis: int | None, job: Job) -> tuple[int, ...]:
    """Padded offset of every tap along one axis (batch axes have one tap)."""
    window = -1 if axis is None else axis - len(job.batch)
    if window < 0:
        return (0,)
    return tuple(spec.axes[window].dilation * i for i in range(spec.axes[window].size))


def _stride(job: Job, axis: int | None) -> int:
    window = -1 if axis is None else axis - len(job.batch)
    return job.grid[window].stride if window >= 0 else 1


def _spacing(job: Job, arrangement: Arrangement) -> int:
    """How far apart along y output rows lie that have source rows in common, if all windows agree on that."""
    if arrangement.y is None or arrangement.y < len(job.batch):
        return 1
    axis = arrangement.y - len(job.batch)
    dilations = {i.axes[axis].dilation for i in job.inputs if i.axes[axis].size > 1}
    grid = job.grid[axis]
    spacing = min(dilations, default=1) // math.gcd(min(dilations, default=1), grid.stride)
    # Tiles that lie in each other are not cut into strips: there should remain some strips for all workers.
    return spacing if len(dilations) == 1 and 16 * spacing <= grid.count else 1


def _row_input(spec: Input, layout: Layout, job: Job, arrangement: Arrangement, flatten: int, spacing: int) -> RowInput:
    outer_taps = [_tap_offsets(spec, axis, job) for axis in arrangement.outer]
    y_stride, x_stride = (1 if spec.on_grid else _stride(job, axis) for axis in (arrangement.y, arrangement.x))
    packed = _is_packed(spec, layout, job, arrangement)
    phases = x_stride if len(_tap_offsets(spec, arrangement.x, job)) > 1 else 1
    return RowInput(
        # Rows that are taken apart as they lie hold what the array does.
        dtype=spec.dtype if packed else register_dtype(spec.dtype),
        shape=tuple(a.size for a in spec.axes),
        outer=tuple(product(*outer_taps)),
        y_taps=_tap_offsets(spec, arrangement.y, job),
        x_taps=_tap_offsets(spec, arrangement.x, job),
        y_stride=y_stride,
        y_step=y_stride * spacing,
        phases=phases,
        x_unit=flatten,
        taps=spec.taps,
        offsets=tuple(tuple(a.dilation * (i - a.centre) for i in range(a.size)) for a in spec.axes),
        may_miss=any(MODES[a.mode].outside is Outside.MISSING for a in spec.axes),
        elements=spec.elements,
        is_packed=packed,
        is_uniform=_has_cells(spec, arrangement.x - len(job.batch)),
        masks=spec.masks,
        omits_nan=spec.omits_nan,
        ahead_bytes=phases * layout.dtype.itemsize if phases > 1 else 0,
    )


def _made_rows(body: ex.Node, like: RowInput) -> RowInput:
    """Rows that are computed from those of inputs with the same windows."""
    dtype = register_dtype(body.dtype)
    return replace(like, dtype=dtype, may_miss=False, masks=(), omits_nan=False, ahead_bytes=0, body=body)


def _is_packed(spec: Input, layout: Layout, job: Job, arrangement: Arrangement) -> bool:
    """Whether the arrays at the positions of a map lie one behind the other, ready to be read as they lie."""
    item, count = layout.dtype.itemsize, math.prod(spec.elements)
    if not (spec.elements and spec.cells is None and arrangement.flat is None and arrangement.x >= len(job.batch)):
        return False
    if layout.dtype != spec.dtype or not layout.dtype.isnative or any(a.size > 1 for a in spec.axes):
        return False
    lanes = 16 // item
    if not lanes <= count <= LARGEST_PACKED or _stride(job, arrangement.x) != 1:
        return False
    expected = item
    for extent, stride in zip(spec.elements[::-1], layout.strides[: -len(spec.elements) - 1 : -1], strict=True):
        if extent > 1 and stride != expected:
            return False
        expected *= extent
    return layout.strides[arrangement.x] == expected


def _has_cells(spec: Input, axis: int) -> bool:
    return spec.cells is not None and axis >= 0 and spec.cells[axis] is not None


def _fitted(tile: Tile, counts: Shape, arrangement: Arrangement, spacing: int) -> Tile:
    """No more rows and vectors than there are outputs."""
    rows = 1 if arrangement.y is None else math.ceil(counts[arrangement.y] / spacing)
    width = counts[arrangement.x] * (1 if arrangement.flat is None else counts[arrangement.flat])
    vectors = min(tile.vectors, max(1, math.ceil(width / tile.lanes)))
    return Tile(max(1, min(tile.rows, rows)), vectors, tile.lanes, tile.instructions)


def _explain(plan: Plan) -> list[str]:
    job, stage = plan.job, plan.stage
    names = _axis_names(plan)
    lines = [
        f"plan: {plan.method}, 1 stage, target {plan.target.name} ({plan.target.cpu})",
        f"output: {' x '.join(map(str, plan.counts))} positions, " + ", ".join(str(d) for d in job.output_dtypes),
    ]
    for number, (spec, layout) in enumerate(zip(job.inputs, plan.layouts, strict=True)):
        window = "x".join(map(str, spec.window_shape)) if spec.taps is None else f"footprint of {len(spec.taps)}"
        modes = ", ".join(dict.fromkeys(a.mode for a in spec.axes))
        loaded = "" if layout.dtype == spec.dtype else f", loaded as {spec.dtype}"
        lines.append(f"input {number}: {layout.dtype}{loaded}, window {window}, mode {modes}")
    flat = "" if plan.arrangement.flat is None else f" (with {stage.flatten} interleaved channels)"
    lines.append(
        f"loops: outer {[names[a] for a in plan.arrangement.outer]}, rows along "
        f"{'-' if plan.arrangement.y is None else names[plan.arrangement.y]}, "
        f"vectors along {names[plan.arrangement.x]}{flat}"
    )
    apart = f" ({stage.spacing} apart)" if stage.spacing > 1 else ""
    lines.append(
        f"register tile: {stage.rows} rows{apart} x {stage.vectors} vectors x {stage.lanes} lanes, "
        f"about {plan.tile.instructions:.0f} instructions per vector of outputs"
    )
    lines.extend(_wrap_warnings(job))
    if stage.columns:
        lines.append(f"columns: {stage.column_rows[-1]} values per position along x are computed once and shared")
        lines.extend("  " + line for line in ex.to_text(stage.columns).splitlines())
    lines.append("expression:")
    lines.extend("  " + line for line in ex.to_text(stage.outputs).splitlines())
    return lines


def _axis_names(plan: Plan) -> list[str]:
    batch = len(plan.job.batch)
    return [f"batch {i}" for i in range(batch)] + [f"window {i}" for i in range(len(plan.job.grid))]


def _wrap_warnings(job: Job) -> list[str]:
    """Arithmetic in 8- or 16-bit integers wraps, as in NumPy; people rarely want that. Small counters do not."""
    nodes = list(ex.walk(job.outputs))
    truth = np.dtype(np.bool_)
    made_of_numbers: set[int] = set()
    for node in nodes:
        leaf = isinstance(node, ex.Window | ex.Pixel | ex.Argument)
        if node.dtype != truth and (leaf or any(id(child) in made_of_numbers for child in node.children)):
            made_of_numbers.add(id(node))
    narrow = {
        node.dtype.name
        for node in nodes
        if isinstance(node, ex.Elementwise)
        and id(node) in made_of_numbers
        and node.operator in ("add", "subtract", "multiply", "square", "power", "left_shift", "negative")
        and node.dtype.kind in "iu"
        and node.dtype.itemsize <= 2
    }
    return [f"note: arithmetic in {name} wraps around (pass dtype= to compute wider)" for name in sorted(narrow)]
