"""How a job lies in memory, and which of its axes plays which part in the loops.

The innermost axis is the one with the smallest steps in memory; interleaved colours are one axis with x. Rows of a tile
run along an axis that windows reach over, if there is one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kernelscape.expression import DType, Shape
from kernelscape.geometry import Input, Job
from kernelscape.loops import X, Y

SHORT_ROW = 16
"""Positions below which an axis is not worth being the innermost one, when another is long."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How an array lies in memory, axes in the order ``batch + window axes``."""

    dtype: DType
    shape: Shape
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Which array axis (batch axes first, then window axes) plays which part.

    ``flat`` is the batch axis that lies interleaved inside `x`, or None; ``y`` is None for one-dimensional jobs.
    """

    x: int
    y: int | None
    outer: tuple[int, ...]
    flat: int | None


def arrange(job: Job, counts: Shape, layouts: Sequence[Layout], output_layouts: Sequence[Layout]) -> Arrangement:
    batch = len(job.batch)
    axes = list(range(len(counts)))
    main = layouts[0].strides
    order = sorted(axes, key=lambda a: (counts[a] <= 1, main[a] == 0, abs(main[a]), -a))
    x, flat = order[0], None
    if x < batch:
        window = [a for a in order if a >= batch]
        wide = next((w for w in window if _interleaved(x, w, counts, layouts[0], output_layouts)), None)
        if wide is not None:
            x, flat = wide, x
    longest = max(axes, key=lambda a: counts[a])
    if flat is None and counts[x] < SHORT_ROW and counts[longest] >= 16 * counts[x]:
        # Rows of a few samples would fill a vector to a small part: gathering samples that lie apart is cheaper.
        x = longest
    rest = [a for a in order if a not in (x, flat)]
    windows = [a for a in rest if a >= batch and any(i.axes[a - batch].size > 1 for i in job.inputs)]
    y = windows[0] if windows else rest[0] if rest else None
    return Arrangement(x, y, tuple(a for a in axes if a not in (x, y, flat)), flat)


def _interleaved(flat: int, wide: int, counts: Shape, layout: Layout, outputs: Sequence[Layout]) -> bool:
    """Whether a batch axis lies inside a window axis without gaps, in the first input and in all outputs."""
    size, count = layout.dtype.itemsize, counts[flat]
    inside = layout.strides[flat] == size and layout.strides[wide] == size * count
    steps = all(o.strides[wide] == o.strides[flat] * count for o in outputs)
    return inside and steps and count <= 64


def roles_of(job: Job, arrangement: Arrangement) -> tuple[int, ...]:
    batch = len(job.batch)
    roles = []
    for axis in range(batch, batch + len(job.grid)):
        if axis == arrangement.x:
            roles.append(X)
        elif axis == arrangement.y:
            roles.append(Y)
        else:
            roles.append(arrangement.outer.index(axis))
    return tuple(roles)


def tap_offsets(spec: Input, axis: int | None, job: Job) -> tuple[int, ...]:
    """Padded offset of every tap along one axis (batch axes have one tap)."""
    window = -1 if axis is None else axis - len(job.batch)
    if window < 0:
        return (0,)
    return tuple(spec.axes[window].dilation * i for i in range(spec.axes[window].size))


def stride_of(job: Job, axis: int | None) -> int:
    window = -1 if axis is None else axis - len(job.batch)
    return job.grid[window].stride if window >= 0 else 1


def spacing_of(job: Job, arrangement: Arrangement) -> int:
    """How far apart along y output rows lie that have source rows in common, if all windows agree on that."""
    if arrangement.y is None or arrangement.y < len(job.batch):
        return 1
    axis = arrangement.y - len(job.batch)
    dilations = {i.axes[axis].dilation for i in job.inputs if i.axes[axis].size > 1}
    grid = job.grid[axis]
    spacing = min(dilations, default=1) // math.gcd(min(dilations, default=1), grid.stride)
    # Tiles that lie in each other are not cut into strips: there should remain some strips for all workers.
    return spacing if len(dilations) == 1 and 16 * spacing <= grid.count else 1
