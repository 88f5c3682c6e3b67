"""The expressions of a job as stages compute them: converted as they are stored, ranks and gaps written out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernelscape import expression as ex
from kernelscape.boundary import MODES, Outside
from kernelscape.expression import DType, Shape
from kernelscape.geometry import Job
from kernelscape.loops import X
from kernelscape.methods.gaps import Filled
from kernelscape.methods.integers import narrow_quotient, with_narrow_sums
from kernelscape.methods.ranks import fill_ranks
from kernelscape.plan.layout import Arrangement, stride_of
from kernelscape.rewrite import with_explicit_selections


def has_gaps(job: Job) -> bool:
    return any(i.has_gaps for i in job.inputs)


def interior_outputs(job: Job, x: int | None = None) -> tuple[ex.Node, ...]:
    """The outputs where no sample is missing; `x` is the window axis along which windows are neighbours, if they are.

    Ranks among samples of which some do not count come by way of columns that windows share, where they do.
    """
    outputs = with_explicit_selections(_all_stored(job, job.interior or job.outputs), missing=False)
    windows = {i.window_shape for n, i in enumerate(job.inputs) if is_windowed(n, outputs)}
    if x is None or len(windows) != 1:
        return fill_ranks(outputs, missing=False)
    return fill_ranks(outputs, missing=False, window=windows.pop(), x=x)


def masked_outputs(job: Job) -> tuple[ex.Node, ...]:
    """The outputs where samples may be missing."""
    return fill_ranks(with_flags(job), missing=True)


def with_flags(job: Job) -> tuple[ex.Node, ...]:
    return with_explicit_selections(_all_stored(job, job.outputs), missing=True)


def column_window(
    outputs: Sequence[ex.Node],
    job: Job,
    arrangement: Arrangement,
    roles: tuple[int, ...],
    filled: Filled | None = None,
) -> Shape | None:
    """The windows whose columns are shared, where rows along x are window rows of stride 1 and all are the same."""
    windows = [i for n, i in enumerate(job.inputs) if is_windowed(n, outputs)]
    if filled is not None:
        windows = [job.inputs[filled.like]]
    same = {(tuple((a.size, a.dilation, a.centre) for a in i.axes), i.taps) for i in windows}
    if X not in roles or len(same) != 1 or windows[0].taps is not None or any(i.elements for i in windows):
        return None
    return windows[0].window_shape if stride_of(job, arrangement.x) == 1 else None


def may_miss(job: Job) -> bool:
    """Whether some sample may not exist."""
    return any(MODES[a.mode].outside is Outside.MISSING for i in job.inputs for a in i.axes)


def is_windowed(number: int, outputs: Sequence[ex.Node]) -> bool:
    return any(isinstance(n, ex.Window) and n.input == number for n in ex.walk(outputs))


def has_anchors(job: Job) -> bool:
    """Whether every anchor is in the arrays and a sample of the largest window: then one sample at least is valid."""
    if not job.inputs:
        return True
    if has_gaps(job):
        return False
    largest = max(job.inputs, key=lambda i: math.prod(i.window_shape))
    centre = tuple(axis.centre for axis in largest.axes)
    inside = all(
        grid.first >= 0 and grid.first + grid.stride * (grid.count - 1) < axis.extent and axis.centre < axis.size
        for grid, axis in zip(job.grid, largest.axes, strict=True)
    )
    return inside and (largest.taps is None or centre in largest.taps)


def _all_stored(job: Job, outputs: Sequence[ex.Node]) -> tuple[ex.Node, ...]:
    made = with_narrow_sums(outputs)
    if job.at is None or job.inputs[job.at].dtype.kind == "b":  # what is blended is rounded after that
        made = tuple(narrow_quotient(node, dtype) for node, dtype in zip(made, job.output_dtypes, strict=True))
    return tuple(stored(node, dtype) for node, dtype in zip(made, job.output_dtypes, strict=True))


def stored(node: ex.Node, dtype: DType) -> ex.Node:
    """A result without a detour: a sample that was cast exactly and comes back to its own dtype at the store."""
    while isinstance(node, ex.Elementwise) and node.operator == "cast" and node.operands[0].dtype == dtype:
        if not np.can_cast(dtype, node.dtype, "safe"):
            break
        node = node.operands[0]
    return node
