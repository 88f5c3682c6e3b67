"""What a stage costs: seconds and bytes, from counts of instructions and from facts about the machine.

The time of one worker is that of the instructions or that of the memory traffic, whichever is longer, a part of the
other, and what tiles and the call take besides. It is an estimate: it may be wrong by a factor of two, which is less
than methods differ by.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kernelscape import expression as ex
from kernelscape.expression import Shape
from kernelscape.geometry import Job
from kernelscape.loops import Stage, Y
from kernelscape.machine import Rates, Target
from kernelscape.methods import tile_ranks
from kernelscape.methods.direct import is_sum_of_products
from kernelscape.plan.counting import count
from kernelscape.plan.layout import Arrangement, Layout
from kernelscape.semantics import register_dtype

LONG = 1024
"""Positions of a row of a large image, for costs that must not depend on how large one is."""
LINE = 8192
"""The same of a long line, in one dimension."""
UNHIDDEN = 0.2
"""How much of the memory traffic is not hidden behind instructions, or the reverse."""
SEGMENT = 4096
"""Positions for which rows of the worker's own have room, at most; about."""
NARROW = {64: 1.0, 32: 1.7, 16: 2.9}
"""By the bytes of a register: what is estimated for networks, over what they were measured to take, about.

Medians of 9x9 and 11x11, uint8 to float32, by networks and by `tile_ranks`, on one machine with code for each width.
"""
COLUMN_BYTES = 1 << 15
"""Bytes that rows of columns may take."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is expected of a stage.

    Attributes
    ----------
    computing : float
        Seconds that the instructions take one worker.
    moving : float
        Seconds that reading inputs and writing outputs takes one worker.
    tiles : float
        Seconds between tiles, of one worker.
    call : float
        Seconds of the call itself.
    wake : float
        Seconds until other workers help.
    together : float
        Seconds that memory takes all workers together at least.
    bytes : int
        Read from inputs and written to outputs, each once.
    scratch : int
        Bytes of temporary memory of one worker.
    products : float
        Fused multiply-adds on whole registers, if this is a linear filter; else 0.
    """

    computing: float
    moving: float
    tiles: float
    call: float
    wake: float
    together: float
    bytes: int
    scratch: int
    products: float = 0.0

    @property
    def work(self) -> float:
        """Seconds of one worker, without the call."""
        return _together(self.computing, self.moving) + self.tiles

    @property
    def limit(self) -> str:
        """What takes longest."""
        return "memory" if self.moving > self.computing else "instructions"

    def seconds(self, workers: int = 1) -> float:
        """How long a call takes with so many workers."""
        alone = self.call + self.work
        if workers == 1:
            return alone
        moving = max(self.moving / workers, self.together)
        shared = _together(self.computing / workers, moving) + self.tiles / workers
        return min(alone, self.call + self.wake + shared)


def _together(computing: float, moving: float) -> float:
    """Seconds of what goes on at the same time, but for a part of the shorter one."""
    return max(computing, moving) + UNHIDDEN * min(computing, moving)


def estimate(
    stage: Stage, target: Target, job: Job, layouts: Sequence[Layout], outputs: Sequence[Layout], axes: Arrangement
) -> Estimate:
    """What a stage is expected to take for a job on arrays of some layouts."""
    rates, counts = target.rates, job.counts
    found = count(stage, target)
    width = counts[axes.x] * stage.flatten
    rows = 1 if axes.y is None else counts[axes.y]
    slabs = math.prod(counts) // max(1, counts[axes.x] * rows * (1 if axes.flat is None else counts[axes.flat]))
    vectors = math.ceil(width / stage.lanes) * rows * slabs
    moved = _moved(layouts) + _moved(outputs)
    near = moved <= target.cache_bytes
    moving = moved / (rates.near if near else rates.far)
    return Estimate(
        computing=vectors * (seconds_per_vector(found, target) + stage.lanes * seconds_in_tiles(stage, target)),
        moving=moving,
        tiles=slabs * (math.ceil(rows / stage.rows) * rates.tile + rows * made_rows(stage) * rates.row),
        call=rates.call,
        wake=rates.wake,
        together=0.0 if near else moved / rates.shared,
        bytes=moved,
        scratch=_scratch(stage, width),
        products=_products(stage, target) * math.prod(counts),
    )


def steady_seconds(stage: Stage, target: Target) -> float:
    """What one output costs in the midst of a large image.

    It depends on neither extents nor layouts, so that a choice by it is the same for all parts of an image.
    """
    rows = target.rates.tile / stage.rows + target.rates.row * made_rows(stage)
    found = seconds_per_vector(count(stage, target), target) / stage.lanes
    return found + seconds_in_tiles(stage, target) + rows / (LONG if Y in stage.roles else LINE)


def seconds_in_tiles(stage: Stage, target: Target) -> float:
    """What is found for whole tiles, for one output, in the time of a machine with these rates.

    Its parts were measured on the machine of the default rates, and hardly depend on the width of registers. Rates are
    those of wide registers; narrow ones take less time than these say, so that what is compared with them is raised.
    """
    if not stage.tile_ranks:
        return 0.0
    return tile_ranks.seconds(stage) * NARROW.get(target.vector_bytes, 1.0) * Rates().order / target.rates.order


def made_rows(stage: Stage) -> int:
    """Rows that are made for each row of outputs."""
    return sum(len(i.outer) * i.y_stride for i in stage.inputs if i.body is not None)


def seconds_per_vector(found: dict[str, float], target: Target) -> float:
    """What instructions take of which so many of each kind are needed."""
    return sum(number / float(getattr(target.rates, kind)) for kind, number in found.items())


def _moved(layouts: Sequence[Layout]) -> int:
    """Bytes of arrays of which each is read or written once; what is broadcast counts once."""
    return sum(layout.dtype.itemsize * math.prod(_distinct(layout)) for layout in layouts)


def _distinct(layout: Layout) -> Shape:
    return tuple(n if step else 1 for n, step in zip(layout.shape, layout.strides, strict=True))


def _products(stage: Stage, target: Target) -> float:
    """Multiply-adds of samples and weights for one output, as parts of registers; 0 where it is made of others."""
    folds = [n for n in ex.walk(stage.outputs) if isinstance(n, ex.Reduce)]
    linear = folds and all(map(is_sum_of_products, folds)) and not stage.columns
    weighed = any(isinstance(n, ex.Argument) and n.shape for n in ex.walk(stage.outputs))
    if not linear or not weighed:
        return 0.0
    return sum(fold.body.size * register_dtype(fold.dtype).itemsize for fold in folds) / target.vector_bytes


def _scratch(stage: Stage, width: int) -> int:
    """Rows of columns, and made rows, that a worker keeps; borders and pointers are little beside it."""
    columns, length = 0, min(width, SEGMENT)
    if stage.columns:
        widest = max(register_dtype(node.dtype).itemsize for node in stage.columns)
        columns = min(stage.column_rows[-1] * stage.column_lines * length * widest, COLUMN_BYTES)
    made = sum(
        len(offsets) * i.rows_each * len(i.outer) * length * i.dtype.itemsize
        for i, offsets in zip(stage.inputs, stage.y_offsets, strict=True)
        if i.body is not None
    )
    return columns + made + tile_ranks.scratch(stage)
