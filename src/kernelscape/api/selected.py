"""The run of a traced function for some outputs only: all others are written beforehand, and never computed.

Where wanted outputs lie together, blocks in which none is wanted are not visited; in the others the machine code
computes all, and stores those that are wanted (`backends/emit/selected.py`). Where they are few and apart, the windows
of each of them are gathered (`execute/points.py`). Both give the bits of the whole filter.
"""

from __future__ import annotations

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
from kernelscape.api.wishes import Wishes, is_sparse
from kernelscape.errors import ArgumentTypeError

if TYPE_CHECKING:
    from kernelscape.execute import PointExecutable


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
    # Rows of what stands elsewhere are copied while the mask is looked at, which others do that compute then.
    rows = [_rows_of(v, t, frame) for v, t in zip(values, targets, strict=True)]
    rest = [None if row is not None else v for row, v in zip(rows, values, strict=True)]
    fill(rest, targets, results)
    if points is None:
        work.by_blocks(blocks, rows)
    else:
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


MOST_BLOCKS = 0.6
"""Up to this part of all blocks only those are computed in which something is wanted."""
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

        if not is_supported(plan) or not (
            WAY == "points" or is_sparse(plan, own.point_plan(given, self.views), self.at)
        ):
            return None
        return own.point_executable(given, self.views)

    def by_points(self, points: PointExecutable, rows: Sequence[Array | None]) -> None:
        """Gathers the windows of what is wanted."""
        mask_only = self.at.dtype == np.bool_
        given = self.arrays if mask_only else [*self.arrays, self.at]
        mask = np.ascontiguousarray(self.at if mask_only else self.at != 0)
        points.run_mask(given, self.read, self.views, mask, mask.size // 16, self.workers, rows)

    def by_blocks(self, blocks: Blocks | None, rows: Sequence[Array | None]) -> None:
        """Computes the blocks in which something is wanted, when `rows` are copied."""
        if not self.at.size:
            return
        wishes, given = Wishes(self.at, blocks), [*self.arrays, self.at]
        copies = [(row, view) for row, view in zip(rows, self.views, strict=True) if row is not None]
        wanted = wishes.wanted(self.chosen.kept_plan(given, self.views), copies, self.workers)
        visited = np.count_nonzero(wanted)
        if visited > MOST_BLOCKS * wanted.size:
            # Long rows are faster than blocks.
            self.chosen.executable(given, self.views).run(given, self.read, self.views, self.workers)
        elif visited:
            executable = self.chosen.executable(given, self.views, wishes.size)
            executable.run(given, self.read, self.views, self.workers, executable.tiles_in(wanted))


def refuse_weights_of_truth(dtypes: Sequence[np.dtype[Any]]) -> None:
    """There is nothing between True and False."""
    if any(dtype.kind == "b" for dtype in dtypes):
        raise ArgumentTypeError(
            "at has weights, and results that are truth values cannot be blended; expected at= of dtype bool, for "
            "example at > 0.5, or a floating output (output=np.float32)."
        )
