"""What stands where no output is wanted: the input at the anchor, a number, or an array, as an output can hold it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelscape.api.arguments import Argument, Array, array_of
from kernelscape.api.frame import Frame
from kernelscape.api.results import Result, store
from kernelscape.api.selection import AtAnchors, Selection, number_for, on_outputs
from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError
from kernelscape.expression import DType, Shape
from kernelscape.geometry import OutputAxis, anchors
from kernelscape.semantics import blend_dtype


@dataclass(frozen=True, slots=True, eq=False)
class Surrounds:
    """The outputs of a call, appended axes aside: their shape, which axes are window axes, and what lies under them.

    `image` gives the first windowed input at the anchors, or another array with its axes; it is told which axes are
    appended.
    """

    shape: Shape
    windowed: Sequence[bool]
    image: Callable[[Shape, Array | None], Array]

    @staticmethod
    def of(frame: Frame, arguments: Sequence[Argument]) -> Surrounds:
        """Those of a frame."""
        return Surrounds(
            frame.result_shape, frame.windowed,
            lambda element, shown: input_at_anchors(frame, arguments, element, shown),
        )  # fmt: skip


def elsewhere(
    selection: Selection, targets: Sequence[Array], results: Sequence[Result], around: Surrounds, *, given: bool
) -> list[Any]:
    """What stands elsewhere in each output; `given` says that the caller gave outputs, or a dtype for them.

    A number, or an array that broadcasts to the output; None: what is there.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError
        An output cannot hold it, or it does not have an output's shape.
    """
    asked = given if selection.asked is None else selection.asked
    return [_elsewhere(selection, n, results, t.dtype, around, asked=asked) for n, t in enumerate(targets)]


def fill(values: Sequence[Any], targets: Sequence[Array], results: Sequence[Result]) -> None:
    """Write what stands elsewhere to all outputs."""
    for value, target, result in zip(values, targets, results, strict=True):
        if isinstance(value, np.ndarray):
            _store(value, target, result.invalid)
        elif value is not None:
            target[...] = value


def _elsewhere(
    selection: Selection, number: int, results: Sequence[Result], dtype: DType, around: Surrounds, *, asked: bool
) -> Any:
    otherwise, shape = selection.otherwise_for(number, len(results)), results[number].shape
    if otherwise is None:
        return None
    element = shape[len(around.shape) :]
    if isinstance(otherwise, AtAnchors):
        return around.image(element, otherwise.array)
    if not isinstance(otherwise, str | np.ndarray):
        return number_for(otherwise, dtype)
    if isinstance(otherwise, str):
        array = around.image(element, None)
        _check_kinds("otherwise='input'", array.dtype, dtype, asked)
        return array
    _check_kinds("otherwise", otherwise.dtype, dtype, asked)
    if otherwise.shape == shape:
        return otherwise
    seen = on_outputs("otherwise", otherwise, around.shape, around.windowed)
    return _with_axes(seen, len(element))


def _check_kinds(what: str, given: DType, dtype: DType, asked: bool) -> None:
    """Refuse what would be changed beyond recognition: floats in truth values, or in integers that nobody asked for."""
    fits = (
        given.kind == "b"
        or dtype.kind == "c"
        or (dtype.kind == "f" and given.kind != "c")
        or (dtype.kind in "iu" and (given.kind in "iu" or (given.kind == "f" and asked)))
    )
    if not fits:
        advice = "a floating output (output=np.float64)" if given.kind == "f" else "an output that can hold it"
        raise ArgumentTypeError(
            f"{what} has dtype {given}, which an output of dtype {dtype} cannot hold; expected otherwise= a number or "
            f"an array that it can, or {advice}."
        )


def _store(value: Array, target: Array, invalid: float) -> None:
    if value.dtype == target.dtype or target.dtype.kind in "fc":
        with np.errstate(all="ignore"):
            target[...] = value
    else:
        store(np.broadcast_to(value, target.shape), target, invalid)


def blended(values: Array, valid: Array | None, weight: Array | None, kept: Array, invalid: float) -> Array:
    """What outputs hold after results were written to them by the definition, for some outputs along the first axis.

    Parameters
    ----------
    values : ndarray
        The results.
    valid : ndarray of bool, optional
        Which of these are valid; by default all.
    weight : ndarray, optional
        The weights with which they are wanted; by default wholly.
    kept : ndarray
        What the outputs hold beforehand.
    invalid : number
    """
    new = np.empty(kept.shape, kept.dtype)
    _store(values, new, invalid)
    if weight is not None:
        part = np.empty(kept.shape, kept.dtype)
        share = weight.reshape(-1, *(1,) * (kept.ndim - 1))
        if kept.dtype.kind == "c":
            _mix(values.real, share, kept.real, part.real, invalid)
            _mix(values.imag, share, kept.imag, part.imag, invalid)
        else:
            _mix(values, share, kept, part, invalid)
        new = np.where(share == 1, new, part)
    if valid is not None and not valid.all():
        new[~valid] = np.array(invalid).astype(kept.dtype)
    return new


def _mix(values: Array, share: Array, kept: Array, target: Array, invalid: float) -> None:
    """Write real numbers mixed by weights with what is there; nothing of one is multiplied with another's part."""
    mixed = blend_dtype(values.dtype, kept.dtype)
    share = share.astype(mixed)
    with np.errstate(all="ignore"):
        _store(share * values.astype(mixed) + (1 - share) * kept.astype(mixed), target, invalid)


def input_at_anchors(frame: Frame, arguments: Sequence[Argument], element: Shape, shown: Array | None = None) -> Array:
    """The first windowed input at the anchors, as the result has its axes; it broadcasts to appended axes.

    Or what is `shown` in its place, an array with its axes.
    """
    first = next(p.number for p in frame.parameters if p.kind == "window")
    view = frame.views[first]
    array = view.of(array_of(arguments[view.argument]) if shown is None else shown)
    batch, grid = len(frame.batch), frame.grid
    extents = array.shape[batch : batch + len(grid)]
    whole = [axis for axis in range(len(grid)) if batch + axis not in frame.order]
    for axis, (output, extent) in enumerate(zip(grid, extents, strict=True)):
        if axis not in whole:
            array = _along(array, batch + axis, output, extent)
    if not whole:
        return _with_axes(frame.result_view(array), len(element))
    # What the function gets whole has its axes behind those of the outputs.
    vector = tuple(extents[axis] for axis in whole)
    if element != vector:
        raise ShapeError(
            f"The function gets whole axes (size=None), of shape {vector}, and returns values of shape {element}, so "
            "that the input does not stand for a result; expected otherwise= a number or an array."
        )
    moved = np.moveaxis(array, [batch + axis for axis in whole], range(array.ndim - len(whole), array.ndim))
    kept = [a for a in range(batch + len(grid)) if a - batch not in whole]
    order = [kept.index(a) for a in frame.order]
    return moved.transpose(*order, *range(len(kept), moved.ndim))


def _with_axes(array: Array, count: int) -> Array:
    """An array with some more axes of one element behind its own."""
    found: Array = array[(..., *(None,) * count)]
    return found


def _along(array: Array, axis: int, output: OutputAxis, extent: int) -> Array:
    """The samples at the anchors, or nearest to them."""
    last = output.first + output.stride * (output.count - 1)
    if output.count and output.first >= 0 and last < extent:
        return array[(slice(None),) * axis + (slice(output.first, last + 1, output.stride),)]
    if not output.count:
        return array[(slice(None),) * axis + (slice(0, 0),)]
    if not extent:
        raise ArgumentError("An empty input has no sample for otherwise='input'; expected a number.")
    nearest: Array = np.take(array, np.clip(anchors(output), 0, extent - 1), axis)
    return nearest
