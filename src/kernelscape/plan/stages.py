"""Drafts turned into stages: the register tile, and all that machine code depends on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from kernelscape import expression as ex
from kernelscape.expression import Shape
from kernelscape.loops import Stage, X
from kernelscape.methods.direct import BUDGET, Tile, choose_tile
from kernelscape.methods.tile_ranks import seconds
from kernelscape.plan.layout import Arrangement, stride_of, tap_offsets
from kernelscape.plan.methods import Draft
from kernelscape.plan.outputs import has_anchors
from kernelscape.plan.rows import column_taps, with_lanes
from kernelscape.plan.task import Task

INSTRUCTIONS_PER_SECOND = 3e9
"""In which a tile's work is counted, where it is seconds that are known."""
FEW_ROWS = 4
"""Output rows of a tile that are not too many, however they lie in memory."""
WAYS, WAY_BYTES = 8, 4096
"""Of a first-level cache of 32 KiB: so many lines that lie a multiple of so many bytes apart fit into it."""
MADE_ROWS = 8
"""Output rows of a tile where nearly all is computed in made rows."""


def stage_of(task: Task, draft: Draft) -> tuple[Stage, Tile, Tile]:
    """What is compiled for a draft; its tile, and that of a larger array, if this one is smaller than a tile."""
    job, arrangement, filled = task.job, task.arrangement, task.filled
    inputs = (*task.inputs, *draft.rows)
    whole = _tile_of(task, draft, [i.is_uniform for i in inputs])
    if not draft.rows and not draft.columns and draft.tiles is None:
        whole = _uncrowded(whole, task)
    tile = _fitted(whole, job.counts, arrangement, task.spacing)
    if draft.tiles is not None:
        tile = replace(tile, rows=_rows_in_code(tile.rows, whole.rows))
    inputs = tuple(i if i.body is None else with_lanes(i, tile, task.target) for i in inputs)
    stage = Stage(
        outputs=draft.outputs,
        output_dtypes=job.output_dtypes,
        inputs=inputs,
        roles=task.roles,
        strides=tuple(axis.stride for axis in job.grid),
        arguments=task.arguments,
        flatten=task.flatten,
        rows=tile.rows,
        vectors=tile.vectors,
        lanes=tile.lanes,
        min_count=0 if filled is not None or (job.min_count <= 1 and has_anchors(job)) else job.min_count,
        invalid=job.invalid,
        columns=draft.columns,
        column_taps=column_taps(job, arrangement, task.flatten) if draft.columns else (0,) * (draft.tiles is not None),
        at=job.at,
        spacing=task.spacing,
        tile_ranks=() if draft.tiles is None else draft.tiles.ranks,
        positions=0 if draft.tiles is None else draft.tiles.positions,
    )
    if draft.tiles is not None:
        tile = replace(tile, instructions=tile.instructions + tile.lanes * seconds(stage) * INSTRUCTIONS_PER_SECOND)
    return stage, tile, whole


def _rows_in_code(rows: int, most: int) -> int:
    """Rows of a tall tile for an array of so many: arrays of nearly the same height share their code."""
    return min(most, 1 << (rows - 1).bit_length())


def _tile_of(task: Task, draft: Draft, uniform: Sequence[bool]) -> Tile:
    every = (*ex.usual(draft.outputs), *draft.columns)
    varying = varying_nodes(every, task.roles, uniform, columns=draft.tiles is not None)
    packed = frozenset(n for n, i in enumerate(task.inputs) if i.is_packed)
    divided = any(i.phases > 1 for i in task.inputs)
    tile = choose_tile(every, varying, task.shares_rows, task.target, packed, divides_rows=divided)
    if draft.tiles is not None:
        return Tile(draft.tiles.rows, 1, min(tile.lanes, draft.tiles.unit), tile.instructions)
    if draft.columns:
        # What a row of columns holds is read into registers once; for three vectors there are too few.
        return replace(tile, vectors=min(tile.vectors, 2))
    if not draft.rows or task.arrangement.y is None:
        return tile
    # What is left to compute is little: more rows at once look up fewer pointers each.
    rows = MADE_ROWS if 2 * MADE_ROWS * tile.instructions <= BUDGET else tile.rows
    return replace(tile, rows=rows, vectors=min(tile.vectors, 2))


def varying_nodes(
    outputs: Sequence[ex.Node], roles: tuple[int, ...], uniform: Sequence[bool], *, columns: bool = False
) -> set[int]:
    """Ids of the nodes whose value differs along x; `uniform` says which inputs do not, `columns` whether those do."""
    found: set[int] = set()
    for node in ex.walk(outputs):
        own = isinstance(node, ex.Window | ex.Pixel) and not uniform[node.input]
        own = own or (isinstance(node, ex.Index) and roles[node.axis] == X)
        own = own or (columns and isinstance(node, ex.Column))
        if own or any(id(child) in found for child in node.children):
            found.add(id(node))
    return found


def _uncrowded(tile: Tile, task: Task) -> Tile:
    """A tall tile made less tall and wider, where rows lie so that they drive each other out of the first-level cache.

    3x3 medians of 8 bits: 0.54 ms by 4 rows x 2 vectors and 0.64 ms by 8 x 1 for 2048 x 2048 samples; 0.50 and 0.47
    where rows are 2112 samples long.
    """
    rows, vectors = tile.rows, tile.vectors
    while rows > 2 and tile.rows > FEW_ROWS and _rows_in_a_set(task, rows) > WAYS:
        rows, vectors = rows // 2, 2
    return replace(tile, rows=rows, vectors=vectors)


def _rows_in_a_set(task: Task, rows: int) -> float:
    """How many rows that a tile reads and writes share a set of the first-level cache."""
    y = task.arrangement.y
    if y is None:
        return 0
    read = [(rows - 1) * stride_of(task.job, y) + tap_offsets(i, y, task.job)[-1] + 1 for i in task.job.inputs]
    layouts = (*zip(task.layouts, read, strict=True), *((o, rows) for o in task.output_layouts))
    return sum(
        count * math.gcd(layout.strides[y], WAY_BYTES) / WAY_BYTES for layout, count in layouts if layout.strides[y]
    )


def _fitted(tile: Tile, counts: Shape, arrangement: Arrangement, spacing: int) -> Tile:
    """No more rows and vectors than there are outputs."""
    rows = 1 if arrangement.y is None else math.ceil(counts[arrangement.y] / spacing)
    width = counts[arrangement.x] * (1 if arrangement.flat is None else counts[arrangement.flat])
    vectors = min(tile.vectors, max(1, math.ceil(width / tile.lanes)))
    return Tile(max(1, min(tile.rows, rows)), vectors, tile.lanes, tile.instructions)
