"""Which outputs are wanted (``at=``), and what stands elsewhere (``otherwise=``): the words made canonical.

A `Selection` holds what the caller said, checked as far as that needs no shapes. With the shape of the outputs it says
`wanted`: an array of truth values, or of weights, of just that shape. Regions (slices, bounding boxes) are truth values
by then, too: so one plan, made for the whole array, serves every region, and gives it the bits of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array, as_array
from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError
from kernelscape.expression import Shape

NUMBERS = (bool, int, float, complex, np.bool_, np.number)
Region = tuple[Any, ...]
"""Slices and at most one Ellipsis; or the lower and then the upper bounds of a box."""


@dataclass(frozen=True, slots=True, eq=False)
class AtAnchors:
    """For `otherwise`: the samples at the anchors of an array that has the axes of the first windowed input."""

    array: Array


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What ``at=`` and ``otherwise=`` say.

    Attributes
    ----------
    at : ndarray or tuple
        Truth values, or floats from 0 to 1; or a region.
    otherwise : "input", number, ndarray, AtAnchors, None, or a tuple of these for as many results
        None: what the outputs hold beforehand.
    asked : bool, optional
        Whether the caller gave the outputs, or their dtype; by default whether there is an output.
    """

    at: Array | Region
    otherwise: Any
    asked: bool | None = None

    def wanted(self, shape: Shape, windowed: Sequence[bool]) -> Array:
        """For each output whether, or with which weight, it is wanted.

        Parameters
        ----------
        shape : tuple of int
            Of the outputs, appended axes aside.
        windowed : sequence of bool
            Which of these axes are window axes.
        """
        if isinstance(self.at, tuple):
            return _of_region(self.at, shape, windowed)
        return on_outputs("at", self.at, shape, windowed)

    @property
    def arrays(self) -> list[Array]:
        """The arrays that are read."""
        given = self.otherwise if isinstance(self.otherwise, tuple) else (self.otherwise,)
        return [a for a in (self.at, *given) if isinstance(a, np.ndarray)]

    def otherwise_for(self, number: int, results: int) -> Any:
        """What stands elsewhere in one of some results.

        Raises
        ------
        ArgumentError
            Not as many were given as there are results.
        """
        if not isinstance(self.otherwise, tuple):
            return self.otherwise
        if len(self.otherwise) != results:
            raise ArgumentError(
                f"otherwise must be one entry, or a tuple of one for each of the {results} results; got "
                f"{len(self.otherwise)} of them."
            )
        return self.otherwise[number]

    def resolved(self, shape: Shape, windowed: Sequence[bool]) -> Selection:
        """The same with arrays that have all axes of the outputs."""

        def seen(given: Any) -> Any:
            if not isinstance(given, np.ndarray) or given.ndim > len(shape):
                return given
            return on_outputs("otherwise", given, shape, windowed)

        return replace(self, at=self.wanted(shape, windowed), otherwise=_each(seen, self.otherwise))

    def part(self, axis: int, first: int, stop: int) -> Selection:
        """The selection for some outputs along one axis, of a resolved one."""
        assert isinstance(self.at, np.ndarray)
        place = (slice(None),) * axis + (slice(first, stop),)
        cut = _each(lambda given: given[place] if isinstance(given, np.ndarray) else given, self.otherwise)
        return replace(self, at=self.at[place], otherwise=cut)

    @property
    def is_empty(self) -> bool:
        """Whether no output is wanted, of a resolved selection."""
        assert isinstance(self.at, np.ndarray)
        return not self.at.any()

    @property
    def has_weights(self) -> bool:
        """Whether outputs may be wanted in part."""
        return isinstance(self.at, np.ndarray) and self.at.dtype.kind == "f"

    def unweighted(self) -> Selection:
        """The same with all wanted wholly that are wanted in part."""
        if not isinstance(self.at, np.ndarray):
            return self
        return replace(self, at=np.not_equal(self.at, 0))

    def whole_only(self) -> Selection:
        """The same with all unwanted that are wanted in part, of a selection that is no region."""
        assert isinstance(self.at, np.ndarray)
        return replace(self, at=np.equal(self.at, 1))

    def of_nothing(self) -> Selection:
        """The same with no output wanted, of a selection that is no region."""
        assert isinstance(self.at, np.ndarray)
        return replace(self, at=np.zeros(self.at.shape, np.bool_))

    def kept(self) -> Selection:
        """The same with what the outputs hold beforehand elsewhere."""
        return replace(self, otherwise=None)

    def own_copy(self) -> Selection:
        """The same with arrays that nobody else can change."""

        def copied(given: Any) -> Any:
            return given.copy() if isinstance(given, np.ndarray) else given

        return replace(self, at=copied(self.at), otherwise=_each(copied, self.otherwise))


def _each(rule: Callable[[Any], Any], given: Any) -> Any:
    return tuple(map(rule, given)) if isinstance(given, tuple) else rule(given)


def selection_of(at: Any, otherwise: Any) -> Selection | None:
    """What ``at=`` and ``otherwise=`` say; None where all outputs are wanted.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError
        A weight outside 0 .. 1 or NaN, something that is no mask and no region, `otherwise` without `at`, or another
        word for it than "input".
    """
    if at is None:
        if not (isinstance(otherwise, str) and otherwise == "input"):
            raise ArgumentError(
                "otherwise= says what stands where at= wants no output; got otherwise without at. Give at= a mask, "
                "weights or a region, or leave otherwise out."
            )
        return None
    region = _region(at)
    return Selection(_checked_mask(at) if region is None else region, _otherwise(otherwise, several=True))


# -- at ----------------------------------------------------------------------------------------------------------------


def _region(at: Any) -> Region | None:
    """A region as a tuple; None where `at` is something else."""
    if isinstance(at, slice) or at is Ellipsis:
        return (at,)
    if not isinstance(at, tuple) or any(isinstance(entry, tuple | list | np.ndarray) for entry in at):
        return None
    integers = [not isinstance(e, bool | np.bool_) and hasattr(e, "__index__") for e in at]
    if at and all(integers):
        if len(at) % 2:
            raise ArgumentError(
                "at as a bounding box must have the least position along each axis and then the first behind it, as in "
                f"(min_row, min_col, max_row, max_col); got {at!r}. Slices are np.s_[10:50, 20:80]."
            )
        return tuple(int(e.__index__()) for e in at)
    known = [isinstance(e, slice) or e is Ellipsis or whole for e, whole in zip(at, integers, strict=True)]
    if at and all(known) and sum(e is Ellipsis for e in at) <= 1:
        return at
    raise ArgumentTypeError(
        "at must be an array of bool or of weights in [0, 1], a tuple of slices (np.s_[10:50, 20:80]), or a bounding "
        f"box (min_row, min_col, max_row, max_col); got {at!r}."
    )


def _checked_mask(at: Any) -> Array:
    array = as_array(at)
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind not in "iuf":
        raise ArgumentTypeError(f"at must be an array of bool or of weights in [0, 1]; got dtype {array.dtype}.")
    if array.size:
        low, high = array.min(), array.max()  # of NaN, where there is one
        if np.isnan(low):
            raise ArgumentError(
                "at has NaN among its weights; expected numbers in [0, 1]. np.nan_to_num(at) makes them 0."
            )
        if low < 0 or high > 1:
            raise ArgumentError(
                f"at must be an array of bool or of weights in [0, 1]; got numbers from {low} to {high}. A mask of "
                "other numbers is, for example, at > 0."
            )
    if array.dtype.kind in "iu":
        return array.astype(np.bool_)
    native = array.dtype.newbyteorder("=")
    return array.astype(native if native.itemsize <= 8 else np.float64, copy=False)


def on_outputs(name: str, array: Array, shape: Shape, windowed: Sequence[bool]) -> Array:
    """An array of the outputs' shape, or of their window axes' only, seen as one of just that shape.

    Raises
    ------
    ShapeError
        It has another shape.
    """
    inner = tuple(n for n, is_window in zip(shape, windowed, strict=True) if is_window)
    if array.shape == shape:
        return array
    if array.shape == inner:
        places: tuple[Any, ...] = tuple(slice(None) if is_window else None for is_window in windowed)
        return np.broadcast_to(array[places], shape)
    fits = array.ndim == len(shape) and all(n in (1, wanted) for n, wanted in zip(array.shape, shape, strict=True))
    if fits:
        return np.broadcast_to(array, shape)
    allowed = f"{shape}" if inner == shape else f"{shape}, or {inner} for all batch axes alike"
    raise ShapeError(f"{name} must have the shape of the outputs, {allowed}; got an array of shape {array.shape}.")


def _of_region(region: Region, shape: Shape, windowed: Sequence[bool]) -> Array:
    """Truth values for a region."""
    inner = tuple(n for n, is_window in zip(shape, windowed, strict=True) if is_window)
    is_box = all(isinstance(entry, int) for entry in region)
    slices = _box(region, shape, inner) if is_box else _slices(region, shape, inner)
    ours = inner if len(slices) == len(inner) else shape
    for axis, (entry, extent) in enumerate(zip(slices, ours, strict=True)):
        if not isinstance(entry, slice) and not -extent <= entry < extent:
            raise ArgumentError(f"at names {entry} along axis {axis} of the outputs, which has {extent} there.")
    mask = np.zeros(ours, np.bool_)
    mask[slices] = True
    return on_outputs("at", mask, shape, windowed)


def _box(box: Region, shape: Shape, inner: Shape) -> tuple[slice, ...]:
    extents = next((e for e in (inner, shape) if len(box) == 2 * len(e)), None)
    if extents is None:
        raise ShapeError(
            f"at as a bounding box must have {2 * len(inner)} integers, the least position along each of the "
            f"{len(inner)} window axes and then the first behind it; got {box!r}."
        )
    low, high = box[: len(extents)], box[len(extents) :]
    if not all(0 <= a <= b <= n for a, b, n in zip(low, high, extents, strict=True)):
        raise ArgumentError(
            f"at as a bounding box must lie inside the outputs, which have the shape {extents}; got {box!r}."
        )
    return tuple(map(slice, low, high))


def _slices(region: Region, shape: Shape, inner: Shape) -> tuple[Any, ...]:
    """One slice (or place) for each axis: for the window axes if as many, else as NumPy indexes outputs."""
    if len(region) == len(inner) and Ellipsis not in region:
        return region
    place = region.index(Ellipsis) if Ellipsis in region else len(region)
    given = [entry for entry in region if entry is not Ellipsis]
    if len(given) > len(shape):
        raise ShapeError(f"at has {len(given)} slices, and the outputs have {len(shape)} axes (shape {shape}).")
    whole = [slice(None)] * (len(shape) - len(given))
    return (*given[:place], *whole, *given[place:])


# -- otherwise ---------------------------------------------------------------------------------------------------------


def _otherwise(given: Any, *, several: bool = False) -> Any:
    if isinstance(given, str):
        if given == "input":
            return given
        raise ArgumentError(f"otherwise must be 'input', a number or an array; got {given!r}.")
    if isinstance(given, tuple) and several:
        return tuple(_otherwise(entry) for entry in given)
    if isinstance(given, NUMBERS):
        return given
    if given is None:
        raise ArgumentTypeError("otherwise must be 'input', a number or an array; got None.")
    array = as_array(given)
    return array if array.ndim else array[()]


def number_for(given: Any, dtype: np.dtype[Any]) -> Any:
    """A number as an output of some dtype can hold it.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        It cannot.
    """
    if isinstance(given, complex | np.complexfloating) and dtype.kind != "c":
        raise ArgumentTypeError(
            f"otherwise={given!r} is complex, and the output has dtype {dtype}; expected a real number."
        )
    if dtype.kind in "fc":
        return given
    number = given.item() if isinstance(given, np.generic) else given
    low, high = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    if not math.isfinite(number) or number != int(number) or not low <= number <= high:
        raise ArgumentError(
            f"otherwise={given!r} is no value of the output's dtype {dtype}; expected an integer in {low} .. {high}. A "
            "floating output holds any number: output=np.float64."
        )
    return int(number)
