"""Where outputs are wanted: which blocks of them have some, and whether these are few in their blocks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kernelscape import expression as ex
from kernelscape.api.arguments import Array
from kernelscape.api.classes import Blocks
from kernelscape.methods.columns import LARGEST_SORT
from kernelscape.methods.direct import Tile, is_sum_of_products
from kernelscape.plan import Plan

if TYPE_CHECKING:
    from kernelscape.execute.points import PointPlan

ROWS = 16
"""Rows of a block of outputs, for windows that are not taller."""
POSITIONS = 64
"""Positions of a block along x, at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Wishes:
    """The blocks of outputs in which some is wanted; `at` has the job's axes."""

    at: Array
    among: Blocks | None = None
    """Only those that are among these."""

    def size(self, plan: Plan) -> tuple[int, int]:
        """Rows and positions of a block, interleaved channels counted."""
        if self.among is not None:
            return self.among.size(plan)
        flat = plan.arrangement.flat
        unit = math.lcm(plan.stage.chunk, 1 if flat is None else plan.counts[flat], 8)
        reach = max((max(i.y_taps) for i in plan.stage.inputs), default=0)
        rows = plan.stage.rows * plan.stage.spacing
        return -(-max(ROWS, reach) // rows) * rows, -(-POSITIONS // unit) * unit

    def wanted(
        self, plan: Plan, copies: Sequence[tuple[Array, Array]] = (), workers: int | None = None
    ) -> Array:  # fmt: skip
        """Which blocks these are, along the outer axes (uncut), y and x; on the way arrays are copied, (from, to)."""
        from kernelscape.execute.survey import can_copy, can_survey, survey

        size = self.size(plan)
        surveyed = can_survey(self.at, plan, size)
        quick = [surveyed and can_copy(origin, to, plan) for origin, to in copies]
        for (origin, to), is_quick in zip(copies, quick, strict=True):
            if not is_quick:
                to[...] = origin
        if surveyed:
            found = survey(plan, self.at, size, list(itertools.compress(copies, quick)), workers)
        else:
            found = any_in_blocks(self.at, plan, size)
        return found if self.among is None else found & self.among.wanted(plan)


def any_in_blocks(at: Array, plan: Plan, size: tuple[int, int]) -> Array:
    """Whether anything is wanted in each block of so many rows and positions, as the plan arranges axes."""
    arranged, rows, positions = _arranged(at, plan, size)
    arrangement, counts = plan.arrangement, plan.counts
    extents = [counts[a] for a in arrangement.outer]
    extents += [1 if arrangement.y is None else counts[arrangement.y], counts[arrangement.x]]
    cut = [*extents[:-2], math.ceil(extents[-2] / rows), math.ceil(extents[-1] / positions)]
    return np.broadcast_to(_reduced(arranged, rows, positions) != 0, cut)


def _arranged(at: Array, plan: Plan, size: tuple[int, int]) -> tuple[Array, int, int]:
    """What is wanted along the outer axes, y and x, and the rows and places of a block there."""
    arrangement, flat = plan.arrangement, plan.arrangement.flat
    order = [*arrangement.outer, *(() if arrangement.y is None else (arrangement.y,)), arrangement.x]
    # What is broadcast is looked at once.
    single = at[tuple(slice(0, 1) if step == 0 else slice(None) for step in at.strides)]
    if flat is not None:
        single = single.max(axis=flat, keepdims=True)
    moved = single.transpose(*order, *(() if flat is None else (flat,)))
    moved = moved[..., 0] if flat is not None else moved
    if arrangement.y is None:
        moved = moved[..., None, :]
    return moved, size[0], size[1] // (1 if flat is None else plan.counts[flat])


def _reduced(array: Array, rows: int, positions: int) -> Array:
    """The largest number of each block along the last two axes; of truth values any number that is 0 where all are."""
    if array.shape[-2] > 1:
        if _is_words(array, positions):
            array = np.ascontiguousarray(array).view(np.uint64)
            positions //= 8
        array = _along(array, rows, -2)
    return _along(array, positions, -1) if array.shape[-1] > 1 else array


def _is_words(array: Array, positions: int) -> bool:
    """Whether eight truth values can be looked at as one number."""
    return array.dtype == np.bool_ and array.shape[-1] % 8 == 0 and positions % 8 == 0 and array.strides[-1] == 1


def _along(array: Array, step: int, axis: int) -> Array:
    """The maximum (of words, all bits) over each `step` elements along one axis."""
    union = np.bitwise_or if array.dtype.kind in "bu" else np.maximum
    axis %= array.ndim
    count = array.shape[axis]
    whole = count - count % step
    lead = (slice(None),) * axis
    shape = (*array.shape[:axis], whole // step, step, *array.shape[axis + 1 :])
    parts = [union.reduce(array[(*lead, slice(whole))].reshape(shape), axis=axis + 1)] if whole else []
    if whole < count:
        parts.append(union.reduce(array[(*lead, slice(whole, None))], axis=axis, keepdims=True))
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis)


LOOKED_AT = 16
"""Rows of blocks that are looked at to see whether points are few in their blocks."""
CYCLES = (35.0, 0.45)
"""Of a point, and of each sample of its windows, until its function is computed."""


def is_sparse(plan: Plan, single: PointPlan, at: Array) -> bool:
    """Whether it is less work to gather the windows of the wanted outputs than to compute blocks of outputs.

    Found out from some rows of blocks; where nothing is wanted there, little is to be done in any case.
    """
    size = Wishes(at).size(plan)
    arranged, rows, positions = _arranged(at, plan, size)
    strips = arranged.shape[-2] // rows
    if strips > 1:
        lead, last = arranged.shape[:-2], arranged.shape[-1]
        shown = arranged[..., : strips * rows, :].reshape(*lead, strips, rows, last)
        arranged = shown[..., :: max(1, strips // LOOKED_AT), :, :].reshape(*lead, -1, last)
    points = int(np.count_nonzero(arranged))
    if not points:
        return False
    visited = int(np.count_nonzero(_reduced(arranged, rows, positions))) * rows * positions
    samples = sum(i.planes for i in single.stage.inputs)
    each = CYCLES[0] + CYCLES[1] * samples + _cycles(single.tile, plan.job.outputs)
    cycles = plan.tile.instructions / plan.tile.lanes
    return points * each < visited * (2 + (cycles if plan.stage.tile_ranks else _cycles(plan.tile, plan.job.outputs)))


def _cycles(tile: Tile, outputs: Sequence[ex.Node]) -> float:
    """About what one output takes: products are fused into sums, and networks take more than their comparisons."""
    nodes = list(ex.walk(outputs))
    sorts = [n for n in nodes if isinstance(n, ex.Sort)]
    if sorts:
        factor = 1.25 if any(n.shape[n.axis] > LARGEST_SORT for n in sorts) else 3.0
    else:
        folds = [n for n in nodes if isinstance(n, ex.Reduce)]
        factor = 0.45 if folds and all(map(is_sum_of_products, folds)) else 1.0
    return factor * tile.instructions / tile.lanes
