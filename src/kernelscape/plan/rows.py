"""Inputs as the rows that a stage reads: which rows and elements the taps of a window are, and how they are had."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from kernelscape import expression as ex
from kernelscape.boundary import MODES, Outside
from kernelscape.geometry import Input, Job
from kernelscape.loops import Reading, RowInput, X, Y
from kernelscape.machine import Target
from kernelscape.methods.direct import Tile
from kernelscape.methods.passes import Lattice, MadeRow
from kernelscape.plan.layout import Arrangement, Layout, stride_of, tap_offsets
from kernelscape.semantics import register_dtype

LARGEST_PACKED = 256
"""Elements at each position up to which they are taken apart in the code that uses them, which grows with them."""


def row_input(spec: Input, layout: Layout, job: Job, arrangement: Arrangement, flatten: int, spacing: int) -> RowInput:
    outer_taps = [tap_offsets(spec, axis, job) for axis in arrangement.outer]
    y_stride, x_stride = (1 if spec.on_grid else stride_of(job, axis) for axis in (arrangement.y, arrangement.x))
    packed = _is_packed(spec, layout, job, arrangement)
    phases = x_stride if len(tap_offsets(spec, arrangement.x, job)) > 1 else 1
    return RowInput(
        # Rows that are taken apart as they lie hold what the array does.
        dtype=spec.dtype if packed else register_dtype(spec.dtype),
        shape=tuple(a.size for a in spec.axes),
        outer=tuple(product(*outer_taps)),
        y_taps=tap_offsets(spec, arrangement.y, job),
        x_taps=tap_offsets(spec, arrangement.x, job),
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


def filled_rows(body: ex.Node, alike: tuple[int, ...], like: RowInput) -> RowInput:
    """Rows that are computed from those of inputs with the same windows, sample by sample."""
    place = {number: n for n, number in enumerate(alike)}

    def renumbered(node: ex.Node) -> ex.Node | None:
        return replace(node, input=place[node.input]) if isinstance(node, ex.Window) else None

    return replace(
        like, dtype=register_dtype(body.dtype), may_miss=False, masks=(), omits_nan=False, ahead_bytes=0,
        body=ex.rebuild([body], renumbered)[0], readings=tuple(map(Reading, alike)),
    )  # fmt: skip


def pass_rows(row: MadeRow, like: RowInput, lattice: Lattice) -> RowInput:
    """Rows of groups of samples."""
    read = row.taps or ((0,),) * len(lattice.shape)
    taps = tuple(tuple(d * t for t in own) for d, own in zip(lattice.dilations, read, strict=True))
    along = dict(zip(lattice.roles, taps, strict=True))
    extents = enumerate(zip(lattice.shape, taps, strict=True))
    return RowInput(
        dtype=register_dtype(row.body.dtype),
        # Along outer axes all that there is a row for, which other rows may read.
        shape=tuple(n if a in lattice.outer and row.combinations else len(t) for a, (n, t) in extents),
        outer=like.outer if row.combinations else like.outer[:1],
        y_taps=along.get(Y, (0,)),
        x_taps=along[X],
        y_stride=like.y_stride,
        y_step=like.y_step,
        phases=1,
        x_unit=like.x_unit,
        taps=None if row.places is None else positions_in(read, row.places),
        offsets=taps,
        body=row.body,
        readings=row.readings,
        reach=row.reach,
    )


def positions_in(box: Sequence[Sequence[int]], places: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Places in window coordinates as numbers of taps along each axis."""
    return tuple(tuple(own.index(n) for own, n in zip(box, place, strict=True)) for place in places)


def with_lanes(spec: RowInput, tile: Tile, target: Target) -> RowInput:
    """Made rows with as many lanes as fill a register, and no more than a chunk has: no row is shorter than that."""
    assert spec.body is not None
    widest = max(register_dtype(n.dtype).itemsize for n in ex.walk([spec.body]))
    chunk = tile.vectors * tile.lanes
    return replace(spec, lanes=min(target.vector_bytes // widest, 1 << (chunk.bit_length() - 1)))


def _is_packed(spec: Input, layout: Layout, job: Job, arrangement: Arrangement) -> bool:
    """Whether the arrays at the positions of a map lie one behind the other, ready to be read as they lie."""
    item, count = layout.dtype.itemsize, math.prod(spec.elements)
    if not (spec.elements and spec.cells is None and arrangement.flat is None and arrangement.x >= len(job.batch)):
        return False
    if layout.dtype != spec.dtype or not layout.dtype.isnative or any(a.size > 1 for a in spec.axes):
        return False
    lanes = 16 // item
    if not lanes <= count <= LARGEST_PACKED or stride_of(job, arrangement.x) != 1:
        return False
    expected = item
    for extent, stride in zip(spec.elements[::-1], layout.strides[: -len(spec.elements) - 1 : -1], strict=True):
        if extent > 1 and stride != expected:
            return False
        expected *= extent
    return layout.strides[arrangement.x] == expected


def _has_cells(spec: Input, axis: int) -> bool:
    return spec.cells is not None and axis >= 0 and spec.cells[axis] is not None


def column_taps(job: Job, arrangement: Arrangement, flatten: int) -> tuple[int, ...]:
    spec = max(job.inputs, key=lambda i: math.prod(a.size for a in i.axes))
    return tuple(offset * flatten for offset in tap_offsets(spec, arrangement.x, job))
