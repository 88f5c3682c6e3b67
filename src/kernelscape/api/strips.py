"""Some rows of outputs at a time, where what they read is made beforehand and must not fill the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array
from kernelscape.api.options import Options, changed
from kernelscape.api.selection import Selection
from kernelscape.errors import ShapeError
from kernelscape.expression import Shape
from kernelscape.geometry import (
    OutputAxis,
    canonical_centre,
    canonical_dilation,
    canonical_padding,
    canonical_stride,
    output_axis,
)

BLEND_BYTES = 1 << 26
"""Memory for kernels that are made beforehand, for some rows of the image."""

Run = Callable[..., Any]
"""``run(options, low, high, output)``: outputs that read their kernels at ``low <= p < high`` along the first axis.

With a selection it gets that of these outputs, too.
"""


def output_grid(options: Options, extents: Shape, size: Shape) -> list[OutputAxis]:
    """The anchors along the window axes, for windows of one size."""
    ndim = len(extents)
    centres, strides = canonical_centre(options.origin, size), canonical_stride(options.stride, ndim)
    dilations = canonical_dilation(options.dilation, ndim)
    paddings = canonical_padding("valid" if options.mode == "valid" else options.padding, ndim)
    return [
        output_axis(n, [(k, d, c)], s, p)
        for n, k, d, c, s, p in zip(extents, size, dilations, centres, strides, paddings, strict=True)
    ]


def in_strips(
    run: Run, options: Options, grid: Sequence[OutputAxis], extents: Shape, at_once: int, *, axis: int, output: Any,
    read: Sequence[Array], selection: Selection | None = None,
) -> Any:  # fmt: skip
    """The result, or the tuple of results, of `run` for as many rows at once as reach over `at_once` positions.

    Parameters
    ----------
    run : callable
    options : Options
    grid : sequence of OutputAxis
    extents : tuple of int
    at_once : int
    axis : int
        Which axis of the results the first window axis is.
    output : as in `apply`
    read : sequence of ndarray
        What must not change before all is computed.
    selection : Selection, optional
        Which outputs are wanted, resolved.

    Raises
    ------
    ShapeError
        An output has not as many rows as there are.
    """
    along, extent = grid[0], extents[0]
    parts = list(_parts(along, extent, at_once))
    if len(parts) == 1:
        chosen = () if selection is None else (selection,)
        return run(options, *_anchors_between(along, *parts[0], extent), output, *chosen)
    several = isinstance(output, tuple | list)
    given: list[Any] = list(output) if several else [output]
    wholes = [_target(one, axis, along.count, read) for one in given]
    for first, stop in parts:
        anchors = ((along.first + along.stride * first, stop - first), *((a.first, a.count) for a in grid[1:]))
        place = (slice(None),) * axis + (slice(first, stop),)
        targets = [one[place] if isinstance(one, np.ndarray) else one for one in wholes]
        bounds = _anchors_between(along, first, stop, extent)
        chosen = () if selection is None else (selection.part(axis, first, stop),)
        found = run(changed(options, anchors=anchors), *bounds, tuple(targets) if several else targets[0], *chosen)
        if first == 0:
            # One dtype may stand for several results.
            several, pieces = isinstance(found, tuple), found if isinstance(found, tuple) else (found,)
            given = given * len(pieces) if len(given) == 1 else given
            wholes = wholes * len(pieces) if len(wholes) == 1 else wholes
            wholes = [_whole(one, piece, axis, along.count) for one, piece in zip(wholes, pieces, strict=True)]
    for number, one in enumerate(given):
        if isinstance(one, np.ndarray) and one is not wholes[number]:
            one[...] = wholes[number]
            wholes[number] = one
    return tuple(wholes) if several else wholes[0]


def _target(output: Any, axis: int, count: int, read: Sequence[Array]) -> Any:
    """What rows are written to: an output that is read as well is written when all is computed."""
    if not isinstance(output, np.ndarray):
        return output
    if output.shape[axis : axis + 1] != (count,):
        raise ShapeError(
            f"output must have the result's shape, with {count} along axis {axis}; got an array of shape "
            f"{output.shape}."
        )
    return np.empty_like(output) if any(np.may_share_memory(output, array) for array in read) else output


def _whole(target: Any, piece: Array, axis: int, count: int) -> Array:
    """The array for all rows, of which the first ones are computed."""
    if isinstance(target, np.ndarray):
        return target
    whole = np.empty((*piece.shape[:axis], count, *piece.shape[axis + 1 :]), piece.dtype)
    whole[(slice(None),) * axis + (slice(piece.shape[axis]),)] = piece
    return whole


def _parts(axis: OutputAxis, extent: int, at_once: int) -> Iterator[tuple[int, int]]:
    """Outputs (first, stop) whose anchors reach over so many positions."""
    outputs = max(1, at_once // axis.stride)
    if extent <= at_once or axis.count == 0:
        outputs = max(1, axis.count)
    for first in range(0, max(1, axis.count), outputs):
        yield first, min(first + outputs, axis.count)


def _anchors_between(axis: OutputAxis, first: int, stop: int, extent: int) -> tuple[int, int]:
    """The positions (first, stop) in the array from which outputs read their kernels."""
    low = min(max(axis.first + axis.stride * first, 0), max(extent - 1, 0))
    high = min(max(axis.first + axis.stride * (max(stop, first + 1) - 1), 0), max(extent - 1, 0))
    return low, min(high + 1, extent)
