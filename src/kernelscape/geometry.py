"""Where the samples of a window lie: output grids, windows, and the canonical statement of one job.

Below the friendly layer a job is always this: every input is a view of shape ``batch + window axes``; the outputs form
a grid whose *anchors* are ``first + stride * o`` along each window axis; sample ``i`` of a window lies at
``anchor + dilation * (i - centre)``. `padding`, `origin` and the like are gone by then: the functions of this file
turn the user's words into these parts, once, and refuse what has no meaning.

Several windows share the anchor. Padding then refers to their *hull*, the smallest interval of offsets from the anchor
that holds all of them. So ``"valid"``, which is a padding of 0, keeps the outputs for which every window is inside;
``"full"`` has every output for which the hull touches the array; an explicit padding says how far the hull may reach
out; and the order of the inputs does not matter. For one window the hull is the window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError, unknown_name
from kernelscape.expression import DType, Node, Shape

Padding: TypeAlias = Literal["same", "valid", "full"] | tuple[int, int]
"""The padding along one axis: a word, or how far the windows may begin before and end behind the array."""

_PADDING_WORDS: dict[str, Literal["same", "valid", "full"]] = {"same": "same", "valid": "valid", "full": "full"}


@dataclass(frozen=True, slots=True)
class OutputAxis:
    """Anchors along one window axis: ``first + stride * o`` for ``o < count``, in input coordinates."""

    first: int
    stride: int
    count: int


@dataclass(frozen=True, slots=True)
class WindowAxis:
    """A window along one axis of `extent` samples; its sample i is at ``anchor + dilation * (i - centre)``."""

    extent: int
    size: int
    dilation: int
    centre: int
    mode: str


@dataclass(frozen=True, slots=True)
class CellAxis:
    """Cells along one axis of a map: cell `i` begins at position ``starts[i]`` and has the value at ``places[i]``.

    Attributes
    ----------
    starts : tuple of int
        Ascending; the first cell also has all positions before it.
    places : tuple of int
        Where the map's array holds the value of each cell.
    count : int
        The array's extent along the axis.
    """

    starts: tuple[int, ...]
    places: tuple[int, ...]
    count: int

    def held_at(self, positions: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Where the array holds what belongs to some positions."""
        cell = np.searchsorted(np.asarray(self.starts), positions, side="right") - 1
        return np.asarray(self.places)[np.maximum(cell, 0)]


@dataclass(frozen=True, slots=True)
class Input:
    """One array of the job.

    A ``pixel`` input (a map) is an input whose windows have size 1, centre 0 and mode ``nearest``.

    Attributes
    ----------
    dtype : dtype
        What the function sees; the array's own dtype is converted as it is loaded.
    axes : tuple of WindowAxis
        One for each window axis of the job.
    cval : float
        The sample outside the array under mode ``constant``, converted to `dtype`.
    taps : tuple of tuple of int, or None
        The positions of a footprint's samples in the box, in C order: the window is then 1-D. None is the whole box.
    elements : tuple of int
        The array has an array of this shape at each of its positions: its last axes. A map hands it over whole; of a
        window, sample i is element i of its position (element 0 along axes where there is only one).
    cells : tuple of (CellAxis or None), optional
        Of a map, for each window axis: its cells, if it has no value for each position.
    masks : tuple of int
        The numbers of inputs of bool with the same windows: a sample counts where all its masks are True.
    omits_nan : bool
        Whether samples that are NaN do not count.
    on_grid : bool
        Of a map: it lies on the grid of the outputs, one value for each, and not on that of the inputs.
    """

    dtype: DType
    axes: tuple[WindowAxis, ...]
    cval: float | int = 0.0
    taps: tuple[tuple[int, ...], ...] | None = None
    elements: Shape = ()
    cells: tuple[CellAxis | None, ...] | None = None
    masks: tuple[int, ...] = ()
    omits_nan: bool = False
    on_grid: bool = False

    @property
    def has_gaps(self) -> bool:
        """Whether data says which samples count."""
        return bool(self.masks) or self.omits_nan

    @property
    def window_shape(self) -> Shape:
        """The shape that the function sees."""
        return (len(self.taps),) if self.taps is not None else tuple(a.size for a in self.axes)

    @property
    def array_shape(self) -> Shape:
        """The shape of its array, batch axes aside."""
        cells = self.cells or (None,) * len(self.axes)
        held = tuple(a.extent if c is None else c.count for a, c in zip(self.axes, cells, strict=True))
        return (*held, *self.elements)

    def along(self, output: OutputAxis) -> OutputAxis:
        """Where outputs along a window axis are anchored on the input's own grid."""
        return OutputAxis(0, 1, output.count) if self.on_grid else output

    def held_index(self, axis: int, index: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Where the array holds what belongs to positions along a window axis."""
        cells = None if self.cells is None else self.cells[axis]
        return index if cells is None else cells.held_at(index)


@dataclass(frozen=True)
class KernelTerms:
    """A kernel that is a sum of outer products, up to rounding (see ``methods/terms.py``).

    Attributes
    ----------
    kernel : int
        Its run-time argument.
    vectors : tuple of tuple of int
        For each term those of its vectors, one for each window axis.
    dtype : dtype
        Of the vectors.
    sums : dtype
        Of the sums whose rounding covers that of the terms.
    """

    kernel: int
    vectors: tuple[tuple[int, ...], ...]
    dtype: DType
    sums: DType


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be computed, with nothing left to guess.

    Attributes
    ----------
    outputs : tuple of Node
        Expressions; the result of each has shape ``batch + counts + node.shape``.
    output_dtypes : tuple of dtype
        The result's dtypes; a conversion to integers rounds half to even and saturates.
    inputs : tuple of Input
    batch : tuple of int
        Extents of the batch axes, which come first in every array.
    grid : tuple of OutputAxis
    min_count : int
        An output is invalid when fewer samples of the largest window are valid.
    invalid : float or int
        What stands where an output is invalid.
    interior : tuple of Node, or None
        The outputs in a simpler form that holds where no sample is missing; None: the outputs themselves.
    at : int or None
        The input that says which outputs are wanted, a map on the output grid: of truth values, or of weights from 0 to
        1. Where it is 0 an output keeps what stands in its array beforehand; in between it is blended with that.
    factors : tuple of (int, tuple of int)
        The run-time arguments that are outer products of others, and these: a vector for each window axis.
    terms : tuple of KernelTerms
        The run-time arguments that are sums of outer products of others.
    """

    outputs: tuple[Node, ...]
    output_dtypes: tuple[DType, ...]
    inputs: tuple[Input, ...]
    batch: Shape
    grid: tuple[OutputAxis, ...]
    min_count: int = 1
    invalid: float | int = float("nan")
    interior: tuple[Node, ...] | None = None
    at: int | None = None
    factors: tuple[tuple[int, tuple[int, ...]], ...] = ()
    terms: tuple[KernelTerms, ...] = ()

    @property
    def counts(self) -> Shape:
        """Output extents along batch and window axes."""
        return (*self.batch, *(axis.count for axis in self.grid))


# -- the user's words made canonical -----------------------------------------------------------------------------------


def canonical_size(size: object, ndim: int, extents: Sequence[int] | None = None) -> tuple[int, ...]:
    """Give the window's size along each axis, from an integer or a sequence of one per axis.

    Parameters
    ----------
    size : int or sequence of int or None
        None stands for the whole axis.
    ndim : int
        Number of window axes.
    extents : sequence of int, optional
        Extents of the window axes; needed where a size is None.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError
        A size is below 1 or no integer, or there are too few or too many of them.
    """
    given = tuple(size) if isinstance(size, (tuple, list, np.ndarray)) else (size,) * ndim
    if len(given) != ndim:
        raise ShapeError(f"size must be one integer, or one for each of the {ndim} window axes; got {size!r}.")
    whole = [axis for axis, entry in enumerate(given) if entry is None]
    if whole and extents is None:
        raise ArgumentError(f"size must be an integer along each axis; got {size!r}.")
    sizes = [_integer("size", e, size) if e is not None else (extents or ())[axis] for axis, e in enumerate(given)]
    if any(s < 1 and axis not in whole for axis, s in enumerate(sizes)):
        raise ArgumentError(
            f"size must be at least 1 along each axis, as an empty window has no samples; got {size!r}."
        )
    return tuple(sizes)


def canonical_footprint(footprint: object, ndim: int) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Give the box around a footprint and the positions of its True samples in the box, in C order.

    Parameters
    ----------
    footprint : array_like
        True (or not zero) where the window has a sample; one axis for each of the `ndim` window axes.

    Returns
    -------
    sizes : tuple of int
        The shape of the box, which is that of `footprint`: the anchor follows from it, also where its margin is False.
    taps : tuple of tuple of int

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError
        It has another number of axes, is not made of truth values or numbers, or has no True sample.
    """
    array = np.asarray(footprint)
    if array.dtype.kind not in "biuf":
        raise ArgumentTypeError(f"footprint must be an array of bool; got {footprint!r}.")
    if array.ndim != ndim:
        raise ShapeError(
            f"footprint must have one axis for each of the {ndim} window axes; got an array of shape {array.shape}. "
            f"Give it more axes, or name the window axes with axes=."
        )
    if not array.any():
        raise ArgumentError(
            f"footprint must have at least one True sample; got an array of shape {array.shape} with none."
        )
    return array.shape, tuple(tuple(map(int, tap)) for tap in np.argwhere(array))


def canonical_centre(origin: object, sizes: Sequence[int]) -> tuple[int, ...]:
    """Give the index of the window's sample that lies on the anchor: ``size // 2 + origin`` along each axis.

    Parameters
    ----------
    origin : int or sequence of int
        With SciPy's sign: a positive origin moves the window to smaller coordinates.
    sizes : sequence of int

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError
        The anchor would be outside the window, an entry is no integer, or there are too few or too many of them.

    Examples
    --------
    >>> canonical_centre((0, -1), (3, 4))
    (1, 1)
    """
    centres = []
    for size, shift in zip(sizes, _integers("origin", origin, len(sizes)), strict=True):
        least, most = -(size // 2), (size - 1) // 2
        if not least <= shift <= most and size > 0:
            raise ArgumentError(
                f"origin must be in {least} .. {most} for a window of size {size}, so that the anchor is one of its "
                f"samples; got {origin!r}."
            )
        centres.append(size // 2 + shift)
    return tuple(centres)


def canonical_stride(stride: object, ndim: int) -> tuple[int, ...]:
    """Give the distance between outputs along each axis, from an integer or a sequence; at least 1."""
    return _positive_integers("stride", stride, ndim)


def canonical_dilation(dilation: object, ndim: int) -> tuple[int, ...]:
    """Give the distance between the samples of a window along each axis, from an integer or a sequence; at least 1."""
    return _positive_integers("dilation", dilation, ndim)


def canonical_padding(padding: object, ndim: int) -> tuple[Padding, ...]:
    """Give the padding along each axis.

    Parameters
    ----------
    padding : str, int, pair of int, or a sequence of one of these per axis
        ``"same"``, ``"valid"``, ``"full"``; how far the windows may begin before and end behind the array. Two
        integers are always such a pair, for all axes, and never one integer for each of two axes.

    Raises
    ------
    UnknownNameError, ArgumentError, ArgumentTypeError, ShapeError
        An unknown word, a negative number, no integer, or too few or too many entries.

    Examples
    --------
    >>> canonical_padding((1, 2), 3)
    ((1, 2), (1, 2), (1, 2))
    >>> canonical_padding([(0, 1), "same"], 2)
    ((0, 1), 'same')
    """
    if isinstance(padding, np.ndarray):
        padding = padding.tolist()
    if not isinstance(padding, (tuple, list)) or _is_pair(padding):
        return (_padding_of_axis(padding, padding),) * ndim
    if len(padding) != ndim:
        raise ShapeError(
            f"padding must be a word, an integer, a pair (before, after), or one of these for each of the {ndim} "
            f"window axes; got {padding!r}."
        )
    return tuple(_padding_of_axis(entry, padding) for entry in padding)


def _is_pair(entry: object) -> bool:
    return isinstance(entry, (tuple, list)) and len(entry) == 2 and all(hasattr(n, "__index__") for n in entry)


def _padding_of_axis(entry: object, given: object) -> Padding:
    if isinstance(entry, str):
        if entry not in _PADDING_WORDS:
            raise unknown_name("padding", entry, _PADDING_WORDS)
        return _PADDING_WORDS[entry]
    if isinstance(entry, (tuple, list)):
        if len(entry) != 2:
            raise ShapeError(
                f"padding along one axis must be a word, an integer or a pair (before, after); got {given!r}."
            )
        before, after = (_integer("padding", n, given) for n in entry)
    else:
        before = after = _integer("padding", entry, given)
    if before < 0 or after < 0:
        raise ArgumentError(f"padding must not be negative; got {given!r}. To leave out outputs, slice the result.")
    return before, after


def canonical_cval(cval: object, dtype: DType) -> float | int:
    """Give the sample outside the array under mode ``constant`` as a number that `dtype` holds.

    Raises
    ------
    ArgumentTypeError
        Not a real number.
    ArgumentError
        An integer or bool dtype that does not hold the number; converting it silently would hide a mistake.
    """
    if not isinstance(cval, (bool, int, float, np.bool_, np.integer, np.floating)):
        raise ArgumentTypeError(f"cval must be a real number; got {cval!r}.")
    number: float | int = int(cval) if isinstance(cval, (bool, int, np.bool_, np.integer)) else float(cval)
    if dtype.kind == "f":
        return number
    low, high = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    if not math.isfinite(number) or number != int(number) or not low <= number <= high:
        raise ArgumentError(
            f"cval must be a value of the window's dtype {dtype}; got {cval!r}. Convert the windows with dtype=, for "
            f"example dtype=np.float32."
        )
    return int(number)


def _positive_integers(name: str, value: object, ndim: int) -> tuple[int, ...]:
    numbers = _integers(name, value, ndim)
    if any(n < 1 for n in numbers):
        raise ArgumentError(f"{name} must be at least 1 along each axis; got {value!r}.")
    return numbers


def _integers(name: str, value: object, ndim: int) -> tuple[int, ...]:
    """One integer for all axes, or a sequence of one per axis."""
    if isinstance(value, np.ndarray) and value.ndim:
        value = value.tolist()
    if not isinstance(value, (tuple, list)):
        return (_integer(name, value, value),) * ndim
    if len(value) != ndim:
        raise ShapeError(f"{name} must be one integer, or one for each of the {ndim} window axes; got {value!r}.")
    return tuple(_integer(name, entry, value) for entry in value)


def _integer(name: str, entry: Any, given: object) -> int:
    # NumPy integers are welcome, True is not: it is far more often a mistake than a count.
    if isinstance(entry, (bool, np.bool_)) or not hasattr(entry, "__index__"):
        raise ArgumentTypeError(f"{name} must be made of integers; got {given!r}.")
    return int(entry.__index__())


# -- grids -------------------------------------------------------------------------------------------------------------


def output_axis(extent: int, windows: Sequence[tuple[int, int, int]], stride: int, padding: Padding) -> OutputAxis:
    """Lay out the anchors along one axis.

    With padding (b, a), output o sees the input positions ``o*stride - b + dilation*i`` for i < size, and there are
    ``(extent + b + a - dilation*(size - 1) - 1)//stride + 1`` outputs. ``"same"`` has its anchors at ``o*stride``, as
    many as are in the array; ``"valid"`` is (0, 0) and ``"full"`` is ``dilation*(size - 1)`` on both sides.

    Parameters
    ----------
    extent : int
        Number of samples of the inputs along the axis.
    windows : sequence of (size, dilation, centre)
        The windows of all inputs; padding refers to their hull (see the top of this module).
    stride : int
    padding : Padding

    Returns
    -------
    OutputAxis
        With a count of 0 where the input is empty.

    Raises
    ------
    ShapeError
        The input is not empty and too short for a single output.

    Examples
    --------
    >>> output_axis(5, [(2, 1, 1)], 2, "valid")
    OutputAxis(first=1, stride=2, count=2)
    >>> output_axis(5, [(3, 2, 1)], 1, "full")
    OutputAxis(first=-2, stride=1, count=9)
    """
    if padding == "same":
        return OutputAxis(0, stride, -(-extent // stride))
    # Offsets from the anchor of the first and the last sample of the hull; the anchor itself belongs to it.
    low = min((-dilation * centre for size, dilation, centre in windows), default=0)
    high = max((dilation * (size - 1 - centre) for size, dilation, centre in windows), default=0)
    if padding == "valid":
        before = after = 0
    elif padding == "full":
        before = after = high - low
    else:
        before, after = padding
    first = -low - before
    if extent == 0:
        return OutputAxis(first, stride, 0)
    room = extent + before + after - (high - low) - 1
    if room < 0:
        raise ShapeError(
            f"The windows reach over {high - low + 1} samples along an axis of {extent} with padding {padding!r}, so "
            f"that no output remains; expected at most {extent + before + after}. "
            f"Use a smaller window or padding='same'."
        )
    return OutputAxis(first, stride, room // stride + 1)


def anchors(axis: OutputAxis) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Give the coordinates of the anchors along one axis."""
    return axis.first + axis.stride * np.arange(axis.count, dtype=np.int64)


def positions(output: OutputAxis, window: WindowAxis) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Give the coordinates of all samples along one axis, in an array of shape ``(output.count, window.size)``."""
    offsets = window.dilation * (np.arange(window.size, dtype=np.int64) - window.centre)
    return anchors(output)[:, None] + offsets


def window_taps(source: Input) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Give the box positions of the samples that the function sees, in order: an array of shape ``(samples, axes)``."""
    box = [axis.size for axis in source.axes]
    taps = source.taps if source.taps is not None else tuple(np.ndindex(*box))
    return np.array(taps, np.int64).reshape(len(taps), len(box))


def window_offsets(source: Input) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Give the offsets of these samples from the anchor: an array of shape ``(samples, axes)``."""
    centre = np.array([axis.centre for axis in source.axes], np.int64)
    dilation = np.array([axis.dilation for axis in source.axes], np.int64)
    return (window_taps(source) - centre) * dilation
