"""A job as the methods see it: its expressions and the rows that it reads, all that is decided before a method is.

What every method would find out in the same way is found out once, here; a method only says what it makes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kernelscape.expression import DType, Node, Shape
from kernelscape.geometry import Job
from kernelscape.loops import RowInput, X
from kernelscape.machine import Target
from kernelscape.methods.chords import Footprint
from kernelscape.methods.gaps import Filled, fill_gaps, geometry_of
from kernelscape.methods.passes import Lattice
from kernelscape.plan.layout import (
    Arrangement,
    Layout,
    arrange,
    roles_of,
    spacing_of,
    stride_of,
    tap_offsets,
)
from kernelscape.plan.outputs import (
    column_window,
    has_gaps,
    interior_outputs,
    is_windowed,
    masked_outputs,
    may_miss,
    with_flags,
)
from kernelscape.plan.rows import filled_rows, row_input

Slots = Sequence[tuple[DType, Shape]]


@dataclass(frozen=True)
class Task:
    """What a method is given.

    Attributes
    ----------
    job : Job
    layouts, output_layouts : tuple of Layout
    arguments : tuple of (dtype, shape)
        Run-time numbers and arrays.
    target : Target
    arrangement : Arrangement
    roles : tuple of int
        As in `loops.Stage`.
    flatten, spacing : int
        As in `loops.Stage`.
    outputs : tuple of Node
        What is to be computed where no sample is missing.
    inputs : tuple of RowInput
        The rows that `outputs` read: those of the job's inputs, and made rows that fill gaps.
    filled : Filled or None
        How gaps are filled, where data says which samples count and they can be.
    window : tuple of int or None
        The shape of the windows, where rows along x are window rows of stride 1 and all are the same.
    """

    job: Job
    layouts: tuple[Layout, ...]
    output_layouts: tuple[Layout, ...]
    arguments: tuple[tuple[DType, Shape], ...]
    target: Target
    arrangement: Arrangement
    roles: tuple[int, ...]
    flatten: int
    spacing: int
    outputs: tuple[Node, ...]
    inputs: tuple[RowInput, ...]
    filled: Filled | None
    window: Shape | None

    @property
    def x(self) -> int | None:
        """The window axis along x, if it is one."""
        return self.roles.index(X) if X in self.roles else None

    @property
    def has_flags(self) -> bool:
        """Whether the expressions work with implicit flags, since data says which samples count."""
        return has_gaps(self.job) and self.filled is None

    @property
    def keeps_order(self) -> bool:
        """Whether floating sums must keep their order: code with flags, for the border, gives the same bits."""
        return self.filled is None and may_miss(self.job)

    @property
    def like(self) -> int:
        """The number of the input whose windows are those of all, where they are (`window`)."""
        if self.filled is not None:
            return self.filled.like
        return next(n for n in range(len(self.job.inputs)) if is_windowed(n, self.outputs))

    @property
    def lattice(self) -> Lattice | None:
        """The windows whose folds can be made in passes."""
        if self.window is None or self.keeps_order:
            return None
        return Lattice(self.window, tuple(a.dilation for a in self.job.inputs[self.like].axes), self.roles)

    @property
    def footprint(self) -> Footprint | None:
        """The footprint whose folds can be made of chords: windows of one kind, of which no sample is missing."""
        if self.filled is not None or may_miss(self.job) or has_gaps(self.job) or self.x is None:
            return None
        windows = [i for n, i in enumerate(self.job.inputs) if is_windowed(n, self.outputs)]
        kinds = {(i.taps, tuple((a.size, a.dilation, a.centre) for a in i.axes)) for i in windows}
        if len(kinds) != 1 or any(i.elements for i in windows) or stride_of(self.job, self.arrangement.x) != 1:
            return None
        taps, axes = windows[0].taps, windows[0].axes
        if taps is None:
            return None
        lattice = Lattice(tuple(a.size for a in axes), tuple(a.dilation for a in axes), self.roles)
        return Footprint(lattice, taps)

    @property
    def shares_rows(self) -> bool:
        """Whether output rows that are neighbours have source rows in common."""
        return any(len(set(tap_offsets(i, self.arrangement.y, self.job))) > 1 for i in self.job.inputs)


def task_of(
    job: Job, layouts: Sequence[Layout], output_layouts: Sequence[Layout], arguments: Slots, target: Target
) -> Task:
    """What is decided for a job before a method is."""
    counts = job.counts
    arrangement = arrange(job, counts, layouts, output_layouts)
    roles = roles_of(job, arrangement)
    x = roles.index(X) if X in roles else None
    gaps = has_gaps(job)
    filled = fill_gaps(with_flags(job), job, x) if gaps else None
    outputs = interior_outputs(job, x) if not gaps else masked_outputs(job) if filled is None else filled.outputs
    flatten = 1 if arrangement.flat is None else counts[arrangement.flat]
    spacing = spacing_of(job, arrangement)
    inputs = tuple(
        row_input(i, layout, job, arrangement, flatten, spacing) for i, layout in zip(job.inputs, layouts, strict=True)
    )
    if filled is not None:
        alike = geometry_of(job, filled.like)
        inputs += tuple(filled_rows(body, alike, inputs[filled.like]) for body in filled.bodies)
    flagged = gaps and filled is None
    return Task(
        job=job,
        layouts=tuple(layouts),
        output_layouts=tuple(output_layouts),
        arguments=tuple(arguments),
        target=target,
        arrangement=arrangement,
        roles=roles,
        flatten=flatten,
        spacing=spacing,
        outputs=outputs,
        inputs=inputs,
        filled=filled,
        window=None if flagged else column_window(outputs, job, arrangement, roles, filled),
    )
