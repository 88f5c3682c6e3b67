"""Outputs at a list of points: where these are among the outputs, and the run of a traced function for them alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kernelscape.api.arguments import Argument, Array
from kernelscape.api.frame import Frame
from kernelscape.api.prepared import Prepared
from kernelscape.api.results import Result, allocate, is_writable
from kernelscape.api.selected import run_selected
from kernelscape.api.selection import Selection
from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError
from kernelscape.expression import Shape
from kernelscape.plan import Layout

if TYPE_CHECKING:
    from kernelscape.execute import PointExecutable


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Anchors in input coordinates, in the order of the results: one row for each, one column for each window axis."""

    array: Array

    @staticmethod
    def of(given: Any) -> Points:
        """What ``points=`` says.

        Raises
        ------
        ArgumentTypeError, ShapeError
            No integers, or no list of points.
        """
        array = np.asarray(given)
        if array.size == 0 and array.dtype.kind == "f" and not isinstance(given, np.ndarray):
            array = array.astype(np.int64)  # an empty list is one of floats for NumPy
        if array.dtype.kind not in "iu":
            raise ArgumentTypeError(
                f"points must be integers, the positions of anchors in the input; got dtype {array.dtype}. Round them: "
                "np.rint(points).astype(int)."
            )
        if array.ndim not in (1, 2):
            raise ShapeError(f"points must have shape (m, axes), one row for each point; got shape {array.shape}.")
        return Points(array)

    def along(self, frame: Frame) -> list[Array]:
        """The coordinates along each window axis of a frame whose anchors are all positions of the input.

        Raises
        ------
        ShapeError, ArgumentError
            Not as many columns as there are window axes, or a point outside.
        """
        batch, grid = len(frame.batch), frame.grid
        axes = [axis for axis in range(len(grid)) if batch + axis in frame.order]
        array = self.array
        if array.ndim == 1 and (len(axes) == 1 or array.size == 0):
            array = array.reshape(-1, len(axes))
        if array.ndim != 2 or array.shape[1] != len(axes):
            raise ShapeError(
                f"points must have a column for each of the {len(axes)} window axes, shape (m, {len(axes)}); got shape "
                f"{self.array.shape}."
            )
        extents = [grid[axis].count for axis in axes]
        outside = (array < 0) | (array >= np.array(extents, np.int64))
        if outside.any():
            first = int(np.argmax(outside.any(axis=1)))
            raise ArgumentError(
                f"points must lie inside the image, whose window axes have the extents {tuple(extents)}; got "
                f"{tuple(array[first].tolist())} as point {first} ({int(outside.any(axis=1).sum())} are outside)."
            )
        found = [np.zeros(len(array), np.int64)] * len(grid)
        for column, axis in enumerate(axes):
            found[axis] = array[:, column].astype(np.int64)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where the outputs for some points are: for each axis of the job their numbers, in the order of the results.

    `shape` is that of the results, appended axes aside: the points have the place of the first window axis, `axis`.
    """

    shape: Shape
    axis: int
    numbers: list[Array]

    @staticmethod
    def of(points: Points, frame: Frame) -> Places:
        """Those of a frame."""
        coordinates, batch = points.along(frame), len(frame.batch)
        count = len(coordinates[0])
        axes: list[int | None] = []
        for axis in frame.order:
            if axis < batch:
                axes.append(axis)
            elif None not in axes:
                axes.append(None)
        shape = tuple(count if axis is None else frame.batch[axis] for axis in axes)

        def spread(values: Array, place: int) -> Array:
            shown = values.reshape(tuple(-1 if n == place else 1 for n in range(len(shape))))
            return np.ascontiguousarray(np.broadcast_to(shown, shape)).reshape(-1)

        own = axes.index(None)
        batches = [spread(np.arange(n), axes.index(axis)) for axis, n in enumerate(frame.batch)]
        return Places(shape, own, [*batches, *(spread(c, own) for c in coordinates)])


def run_at_points(
    prepared: Prepared, arguments: Sequence[Argument], output: Any, workers: int | None, points: Points
) -> list[Array]:
    """The results of a traced function at some points."""
    shared, frame = prepared.shared, prepared.frame
    places = Places.of(points, frame)
    ndim = len(frame.result_shape)
    results = [replace(r, shape=(*places.shape, *r.shape[ndim:])) for r in shared.results]
    handed = allocate(results, output)
    arrays, read = frame.job_arrays(arguments), prepared.run_time_arguments(arguments)
    if not math.prod(places.shape):
        return handed
    targets = [
        h if h.flags.c_contiguous and is_writable(h, (*arrays, *read)) else np.empty(h.shape, _computed(h, r))
        for h, r in zip(handed, results, strict=True)
    ]
    # Laid out as the outputs of the whole filter would be: what the plan decides by that, it decides as for these.
    views = [frame.job_view(_unallocated(r, t)) for r, t in zip(shared.results, targets, strict=True)]
    elements = [t.shape[len(places.shape) :] for t in targets]
    lists = [t.reshape(-1, *e) for t, e in zip(targets, elements, strict=True)]
    executable = _executable(prepared, arrays, views, lists)
    if executable is None:
        _from_whole(prepared, arguments, workers, places, targets)
    else:
        executable.run_list(arrays, read, lists, places.numbers, workers)
    for given, computed in zip(handed, targets, strict=True):
        if computed is not given:
            given[...] = computed
    return handed


def _computed(output: Array, result: Result) -> np.dtype[Any]:
    """The dtype in which results are written that go to an output."""
    from kernelscape.semantics import DTYPES

    native = output.dtype.newbyteorder("=")
    return native if native in DTYPES else result.own_dtype


def _unallocated(result: Result, like: Array) -> Array:
    """An array of a result's shape that has no memory of its own: only its layout is looked at."""
    strides, step = [], like.dtype.itemsize
    for extent in reversed(result.shape):
        strides.append(step)
        step *= max(1, extent)
    return np.lib.stride_tricks.as_strided(np.zeros(1, like.dtype), result.shape, strides[::-1], writeable=False)


def _executable(
    prepared: Prepared, arrays: Sequence[Array], views: Sequence[Array], lists: Sequence[Array]
) -> PointExecutable | None:
    from kernelscape.execute.points import is_supported

    shared = prepared.shared
    if not is_supported(shared.kept_plan(arrays, views)):
        return None
    return shared.point_executable(arrays, views, [Layout(a.dtype, a.shape, a.strides) for a in lists])


def _from_whole(
    prepared: Prepared, arguments: Sequence[Argument], workers: int | None, places: Places, targets: Sequence[Array]
) -> None:
    """Through the outputs of the image, of which only these are computed."""
    frame = prepared.frame
    wanted = np.zeros(frame.counts, np.bool_)
    wanted[tuple(places.numbers)] = True
    selection = Selection(frame.result_view(wanted), 0)
    dtypes = tuple(t.dtype for t in targets)
    wholes = run_selected(prepared, arguments, dtypes, workers, None, selection)
    for whole, target in zip(wholes, targets, strict=True):
        target[...] = frame.job_view(whole)[tuple(places.numbers)].reshape(target.shape)
