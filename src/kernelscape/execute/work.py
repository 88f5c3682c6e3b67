"""The work of a plan: the positions of its outputs along x, y and the outer axes, and about how long they take."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kernelscape.geometry import Job, OutputAxis, WindowAxis
from kernelscape.loops import Stage
from kernelscape.plan import Plan

INSTRUCTIONS_PER_SECOND = 3e9


@dataclass(frozen=True, slots=True)
class Work:
    """The positions that a plan computes, as the worker goes through them.

    Attributes
    ----------
    plan : Plan
        What runs.
    blocks : tuple of int, or None
        Positions along y and x of the blocks of which a call can choose some.
    batch : int
        Axes of the arrays in front of the window axes.
    flat : int
        Positions along x for one place of its axis (interleaved colours); 1 where no axis is flattened into x.
    x_count, y_count : int
        Positions along x and y.
    outer : tuple of int
        Positions along the outer axes.
    """

    plan: Plan
    blocks: tuple[int, int] | None
    batch: int
    flat: int
    x_count: int
    y_count: int
    outer: tuple[int, ...]

    @property
    def job(self) -> Job:
        """The job of the plan."""
        return self.plan.job

    @property
    def stage(self) -> Stage:
        """The stage of the plan."""
        return self.plan.stage

    @property
    def slabs(self) -> int:
        """Positions of the outer axes together."""
        return math.prod(self.outer)

    @property
    def positions(self) -> int:
        """Positions of all axes together."""
        return self.x_count * self.y_count * self.slabs

    @property
    def seconds(self) -> float:
        """How long one thread is expected to take."""
        per_position = self.plan.tile.instructions / self.stage.lanes + 2
        return self.positions * per_position / INSTRUCTIONS_PER_SECOND

    def along(self, number: int, axis: int) -> tuple[OutputAxis, WindowAxis]:
        """The outputs, and the windows of an input, along an axis that is no batch axis."""
        spec = self.job.inputs[number]
        return spec.along(self.job.grid[axis - self.batch]), spec.axes[axis - self.batch]

    def stride_along(self, number: int, axis: int) -> int:
        """Places of an input from one output position to the next."""
        return self.along(number, axis)[0].stride if axis >= self.batch else 1


def work_of(plan: Plan, blocks: tuple[int, int] | None) -> Work:
    """What there is to compute for a plan."""
    arrangement, counts = plan.arrangement, plan.counts
    flat = 1 if arrangement.flat is None else counts[arrangement.flat]
    return Work(
        plan=plan,
        blocks=blocks,
        batch=len(plan.job.batch),
        flat=flat,
        x_count=counts[arrangement.x] * flat,
        y_count=1 if arrangement.y is None else counts[arrangement.y],
        outer=tuple(counts[a] for a in arrangement.outer),
    )
