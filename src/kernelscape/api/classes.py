"""Kernels whose windows differ in size from pixel to pixel: a block of pixels runs with a window that holds its own.

The field's window is as large as the largest of all pixels. Samples outside a pixel's own window do not take part, so
any window that holds the pixel's own gives the same bits; a block of pixels is computed with the smallest one of a few
sizes. In an image with a few large kernels the small ones stay cheap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from kernelscape.api.arguments import Array
from kernelscape.kernels.field import Bound
from kernelscape.plan import Arrangement, Plan

BLOCK = (32, 128)
"""Rows and pixels of a block."""
RATIO = 1.5
"""From one radius to the next larger one for which code is made."""
LEAST = 3
"""Radius up to which one window is used for all pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Reaches:
    """For each output along the window axes, how far its own window reaches."""

    reach: Array
    _of_blocks: dict[Arrangement, Array] = field(default_factory=dict)

    def of_blocks(self, plan: Plan) -> Array:
        """The largest in each block, along the outer axes (uncut), y and x, as the plan arranges them."""
        arrangement = plan.arrangement
        found = self._of_blocks.get(arrangement)
        if found is None:
            found = self._of_blocks[arrangement] = self._reduced(plan)
        return found

    def _reduced(self, plan: Plan) -> Array:
        arrangement, batch = plan.arrangement, len(plan.job.batch)
        order = [*arrangement.outer, *((arrangement.y,) if arrangement.y is not None else ()), arrangement.x]
        reach = self.reach.reshape((1,) * batch + self.reach.shape)
        reach = np.broadcast_to(reach, (*plan.job.batch, *self.reach.shape)).transpose(
            *order, *(() if arrangement.flat is None else (arrangement.flat,))
        )
        if arrangement.flat is not None:
            reach = reach[..., 0]
        if arrangement.y is None:
            reach = reach[..., None, :]
        for axis, step in ((-1, BLOCK[1]), (-2, BLOCK[0])):
            reach = np.maximum.reduceat(reach, np.arange(0, reach.shape[axis], step), axis)
        return reach


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """The blocks whose largest own window has a radius above `low` and up to `high`."""

    reaches: Reaches
    low: int
    high: int

    def size(self, plan: Plan) -> tuple[int, int]:
        """Rows and positions of a block, interleaved channels counted."""
        flat = plan.arrangement.flat
        return BLOCK[0], BLOCK[1] * (1 if flat is None else plan.counts[flat])

    def wanted(self, plan: Plan) -> Array:
        """Which blocks these are."""
        largest = self.reaches.of_blocks(plan)
        found: Array = (largest > self.low) & (largest <= self.high)
        return found


def radii(largest: int) -> list[int]:
    """The radii for which code is made, ascending."""
    found = [largest]
    while found[-1] > LEAST:
        found.append(math.ceil(found[-1] / RATIO))
    return found[::-1]


def occurring(reaches: Reaches, largest: int) -> list[int]:
    """Those of them that some pixel needs."""
    present = np.unique(reaches.reach)
    every = radii(largest)
    return [r for low, r in zip([-1, *every], every, strict=False) if ((present > low) & (present <= r)).any()]


def with_radius(bound: Bound, radius: int) -> Bound:
    """The field with a smaller window around the same centre."""
    return replace(bound, size=tuple(min(k, 2 * radius + 1) for k in bound.size))
