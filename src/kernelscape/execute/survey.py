"""One look at a mask: which blocks of outputs have some that are wanted; what stands elsewhere is written meanwhile."""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable, Sequence

import numpy as np

from kernelscape import pool
from kernelscape.backends import compiled
from kernelscape.backends.cpu import LoadedCode
from kernelscape.backends.survey import WORD_BYTES, Copy, Survey, SurveyCall
from kernelscape.config import settings
from kernelscape.errors import BoundsError
from kernelscape.execute.executable import aligned
from kernelscape.execute.memory import LINE, Array, address_of
from kernelscape.machine import Target
from kernelscape.plan import Plan

INLINE_BYTES = 1 << 19
"""Bytes that are read and written in the calling thread: waking others would cost as much."""


def can_survey(at: Array, plan: Plan, size: tuple[int, int]) -> bool:
    """Whether a mask, axes in the order of the job, is one of truth values whose rows lie in one piece.

    Blocks of `size` (rows, positions) are looked at eight positions at a time.
    """
    whole = plan.arrangement.flat is None and at.size > 0 and size[1] % WORD_BYTES == 0
    return whole and at.dtype == np.bool_ and at.strides[plan.arrangement.x] == 1


def can_copy(origin: Array, to: Array, plan: Plan) -> bool:
    """Whether rows of an array, axes in the order of the job, are copied as they are."""
    x = plan.arrangement.x
    return origin.strides[x] == to.strides[x] == to.itemsize and origin.dtype == to.dtype


def survey(
    plan: Plan, at: Array, size: tuple[int, int], copies: Sequence[tuple[Array, Array]], workers: int | None
) -> Array:
    """Copies arrays, and says which blocks of a mask have something.

    Parameters
    ----------
    plan : Plan
        Its arrangement says which axes are rows and which are not cut.
    at : ndarray of bool
        See `can_survey`.
    size : tuple of int
        Rows and positions of a block; the positions are a multiple of 8.
    copies : sequence of pairs of ndarray
        What is copied, and where to; both have the mask's shape. See `can_copy`.
    workers : int, optional

    Returns
    -------
    ndarray of bool
        Along the outer axes (uncut), y and x.

    Raises
    ------
    BoundsError
        In a checked build, when the generated code left a buffer.
    """
    axes, extents = _axes(plan)
    outer, rows, length = extents[:-2], extents[-2], extents[-1]
    height, width = size
    strips, blocks = math.ceil(rows / height), math.ceil(length / width)
    found = np.empty((*outer, strips, blocks), np.bool_)
    tiles = math.prod(outer) * strips
    limits = np.lib.array_utils.byte_bounds
    kept = [np.array(outer, np.int64), np.array(_steps(at, axes), np.int64), np.array(limits(at), np.int64)]
    table = np.zeros((max(1, len(copies)), len(Copy)), np.int64)
    for row, (origin, to) in zip(table, copies, strict=False):
        steps = [np.array(_steps(array, axes), np.int64) for array in (to, origin)]
        bounds = np.array([*limits(to), *limits(origin)], np.int64)
        kept += [*steps, bounds]
        row[:] = (
            address_of(to), address_of(steps[0]), address_of(origin), address_of(steps[1]), length * to.itemsize,
            address_of(bounds),
        )  # fmt: skip
    sweep = np.zeros(len(Survey), np.int64)
    for name, value in (
        (Survey.TILES, tiles), (Survey.OUTER, len(outer)), (Survey.EXTENTS_TABLE, address_of(kept[0])),
        (Survey.STRIPS, strips), (Survey.HEIGHT, height), (Survey.ROWS, rows), (Survey.LENGTH, length),
        (Survey.WIDTH, width), (Survey.BLOCKS, blocks), (Survey.MASK, address_of(at)),
        (Survey.MASK_STEPS, address_of(kept[1])), (Survey.MASK_LIMITS, address_of(kept[2])),
        (Survey.FOUND_TABLE, address_of(found)), (Survey.COPIES, len(copies)), (Survey.COPY_TABLE, address_of(table)),
    ):  # fmt: skip
        sweep[name] = value
    _run(plan, sweep, blocks * width, at.nbytes + sum(2 * to.nbytes for _, to in copies), workers)
    return found


def _run(plan: Plan, sweep: Array, scratch_bytes: int, moved: int, workers: int | None) -> None:
    work, _ = _entry_point(plan.target, settings().checked)
    call = np.zeros(len(SurveyCall), np.int64)

    def share(number: int) -> None:
        scratch = np.empty(scratch_bytes + LINE, np.uint8)
        work(address_of(sweep), address_of(call), aligned(scratch))

    if moved < INLINE_BYTES:
        share(0)
    else:
        used = min(pool.resolve_workers(workers), int(sweep[Survey.TILES]))
        pool.run(share, used, lambda: call.__setitem__(SurveyCall.CANCEL, 1))
    if call[SurveyCall.ERROR]:
        raise BoundsError(
            f"generated code reached address {call[SurveyCall.ERROR]:#x} outside its buffers; this is a defect of "
            f"Kernelscape, please report it with this plan:\n{plan.explain()}"
        )


@functools.lru_cache(maxsize=8)
def _entry_point(target: Target, checked: bool) -> tuple[Callable[[int, int, int], None], LoadedCode]:
    """The function, and the code that it is in."""
    code = compiled.survey(target, checked=checked)
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    return prototype(code.addresses["survey"]), code


def _axes(plan: Plan) -> tuple[list[int | None], list[int]]:
    """The outer axes, y (which there may not be) and x; and their extents."""
    arrangement = plan.arrangement
    axes = [*arrangement.outer, arrangement.y, arrangement.x]
    return axes, [1 if axis is None else plan.counts[axis] for axis in axes]


def _steps(array: Array, axes: Sequence[int | None]) -> list[int]:
    """Bytes along the outer axes and y."""
    return [0 if axis is None else array.strides[axis] for axis in axes[:-1]]
