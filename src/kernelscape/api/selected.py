"""The run of a traced function for some outputs only: all others are written beforehand, and never computed.

Blocks of outputs in which none is wanted are not visited. In the others the machine code computes all, and stores
those that are wanted (`backends/emit/selected.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kernelscape.api.arguments import Argument, Array
from kernelscape.api.classes import Blocks
from kernelscape.api.frame import Frame
from kernelscape.api.prepared import Prepared, Shared
from kernelscape.api.results import allocate, written
from kernelscape.api.selection import Selection
from kernelscape.api.untouched import Surrounds, elsewhere, fill
from kernelscape.errors import ArgumentTypeError
from kernelscape.execute.memory import rounded
from kernelscape.plan import Plan

if TYPE_CHECKING:
    from kernelscape.execute import PointExecutable

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
        return rounded(max(ROWS, reach), plan.stage.rows), rounded(POSITIONS, unit)

    def wanted(self, plan: Plan) -> Array:
        """Which blocks these are, along the outer axes (uncut), y and x."""
        found = any_in_blocks(self.at, plan, self.size(plan))
        return found if self.among is None else found & self.among.wanted(plan)


def any_in_blocks(at: Array, plan: Plan, size: tuple[int, int]) -> Array:
    """Whether anything is wanted in each block of so many rows and positions, as the plan arranges axes."""
    arrangement, counts = plan.arrangement, plan.counts
    flat = arrangement.flat
    order = [*arrangement.outer, *(() if arrangement.y is None else (arrangement.y,)), arrangement.x]
    # What is broadcast is looked at once.
    single = at[tuple(slice(0, 1) if step == 0 else slice(None) for step in at.strides)]
    if flat is not None:
        single = single.max(axis=flat, keepdims=True)
    moved = single.transpose(*order, *(() if flat is None else (flat,)))
    moved = moved[..., 0] if flat is not None else moved
    if arrangement.y is None:
        moved = moved[..., None, :]
    rows, positions = size[0], size[1] // (1 if flat is None else counts[flat])
    extents = [counts[a] for a in arrangement.outer]
    extents += [1 if arrangement.y is None else counts[arrangement.y], counts[arrangement.x]]
    cut = [*extents[:-2], math.ceil(extents[-2] / rows), math.ceil(extents[-1] / positions)]
    return np.broadcast_to(_reduced(moved, rows, positions) != 0, cut)


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


def run_selected(
    prepared: Prepared, arguments: Sequence[Argument], output: Any, workers: int | None, blocks: Blocks | None,
    selection: Selection,
) -> list[Array]:  # fmt: skip
    """The results of a traced function where they are wanted, and elsewhere what the selection says."""
    shared, frame = prepared.shared, prepared.frame
    results = shared.results
    handed = allocate(results, output)
    at = frame.job_view(selection.wanted(frame.result_shape, frame.windowed))
    arrays, read = frame.job_arrays(arguments), prepared.run_time_arguments(arguments)
    targets = handed if output is None else written(handed, results, (*arrays, *read, *selection.arrays))
    if at.dtype.kind == "f":
        refuse_weights_of_truth([t.dtype for t in targets])
    around = Surrounds.of(frame, arguments)
    values = elsewhere(selection, targets, results, around, given=output is not None)
    for given, computed in zip(handed, targets, strict=True):
        if selection.otherwise is None and computed is not given:
            computed[...] = given
    work = _Work(shared, arrays, read, [frame.job_view(t) for t in targets], at, workers)
    points = work.points(blocks) if at.size else None
    if points is None:
        fill(values, targets, results)
        work.by_blocks(blocks)
    else:
        # Rows of what stands elsewhere are copied on the way, while they are read anyhow.
        rows = [_rows_of(v, t, frame) for v, t in zip(values, targets, strict=True)]
        rest = [None if row is not None else v for row, v in zip(rows, values, strict=True)]
        fill(rest, targets, results)
        work.by_points(points, rows)
    for given, computed in zip(handed, targets, strict=True):
        if computed is not given:
            given[...] = computed
    return handed


def _rows_of(value: Any, target: Array, frame: Frame) -> Array | None:
    """What stands elsewhere in an output as rows that can be copied, axes as the job has them; None: they cannot."""
    view = frame.job_view(target)
    if value is None or view.ndim != len(frame.counts):
        return None
    if isinstance(value, np.ndarray):
        row = frame.job_view(np.broadcast_to(value, target.shape))
    else:
        row = np.broadcast_to(np.full(view.shape[-1:], value, target.dtype), view.shape)
    from kernelscape.execute.pointwise import can_be_copied

    return row if can_be_copied(row, view) else None


WAY: str | None = None
"""For tests: "points" or "blocks", whatever is less work."""


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """What is to be computed: all in the order of the job's axes."""

    shared: Shared
    arrays: list[Array]
    read: list[Array]
    views: list[Array]
    at: Array
    workers: int | None

    @property
    def chosen(self) -> Shared:
        """The job that reads the map of what is wanted."""
        return self.shared.selected(self.at.dtype)

    def points(self, blocks: Blocks | None) -> PointExecutable | None:
        """What computes single points, where that is less work than to compute blocks."""
        if blocks is not None or WAY == "blocks":
            return None
        mask_only = self.at.dtype == np.bool_
        own, given = (self.shared, self.arrays) if mask_only else (self.chosen, [*self.arrays, self.at])
        plan = own.kept_plan(given, self.views)
        from kernelscape.execute.points import is_supported

        if not is_supported(plan) or not (WAY == "points" or _is_sparse(plan, self.at)):
            return None
        return own.point_executable(given, self.views)

    def by_points(self, points: PointExecutable, rows: Sequence[Array | None]) -> None:
        """Gathers the windows of what is wanted."""
        mask_only = self.at.dtype == np.bool_
        given = self.arrays if mask_only else [*self.arrays, self.at]
        mask = np.ascontiguousarray(self.at if mask_only else self.at != 0)
        points.run_mask(given, self.read, self.views, mask, mask.size // 16, self.workers, rows)

    def by_blocks(self, blocks: Blocks | None) -> None:
        """Computes the blocks in which something is wanted."""
        if not self.at.size:
            return
        wishes, given = Wishes(self.at, blocks), [*self.arrays, self.at]
        wanted = wishes.wanted(self.chosen.kept_plan(given, self.views))
        if wanted.any():
            executable = self.chosen.executable(given, self.views, wishes.size)
            executable.run(given, self.read, self.views, self.workers, executable.tiles_in(wanted))


def _is_sparse(plan: Plan, at: Array) -> bool:
    """Whether it is less work to gather the windows of the wanted outputs than to compute blocks of outputs."""
    return False


def refuse_weights_of_truth(dtypes: Sequence[np.dtype[Any]]) -> None:
    """There is nothing between True and False."""
    if any(dtype.kind == "b" for dtype in dtypes):
        raise ArgumentTypeError(
            "at has weights, and results that are truth values cannot be blended; expected at= of dtype bool, for "
            "example at > 0.5, or a floating output (output=np.float32)."
        )
