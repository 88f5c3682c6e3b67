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
from kernelscape.plan.layout import Arrangement
from kernelscape.plan.methods import Draft
from kernelscape.plan.outputs import has_anchors
from kernelscape.plan.rows import column_taps, with_lanes
from kernelscape.plan.task import Task

INSTRUCTIONS_PER_SECOND = 3e9
"""In which a tile's work is counted, where it is seconds that are known."""
MADE_ROWS = 8
"""Output rows of a tile where nearly all is computed in made rows."""


def stage_of(task: Task, draft: Draft) -> tuple[Stage, Tile, Tile]:
    """What is compiled for a draft; its tile, and that of a larger array, if this one is smaller than a tile."""
    job, arrangement, filled = task.job, task.arrangement, task.filled
    inputs = (*task.inputs, *draft.rows)
    whole = _tile_of(task, draft, [i.is_uniform for i in inputs])
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
    if not draft.rows or draft.columns or task.arrangement.y is None:
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


def _fitted(tile: Tile, counts: Shape, arrangement: Arrangement, spacing: int) -> Tile:
    """No more rows and vectors than there are outputs."""
    rows = 1 if arrangement.y is None else math.ceil(counts[arrangement.y] / spacing)
    width = counts[arrangement.x] * (1 if arrangement.flat is None else counts[arrangement.flat])
    vectors = min(tile.vectors, max(1, math.ceil(width / tile.lanes)))
    return Tile(max(1, min(tile.rows, rows)), vectors, tile.lanes, tile.instructions)
