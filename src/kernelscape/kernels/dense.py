"""Kernels that are there already: an array with a kernel for every pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelscape.errors import ShapeError
from kernelscape.expression import DType, Shape
from kernelscape.kernels import checks
from kernelscape.kernels.field import Array, Bound, Elements, Field, Offsets
from kernelscape.kernels.words import shown


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dense(Field):
    """The kernels themselves: an array that has a kernel for every pixel.

    Parameters
    ----------
    weights : array_like
        Of shape ``extents + size``: first the image's extents along the window axes, then as many axes of the window;
        ``(H, W, kh, kw)`` for an image of ``(H, W)``. Integers, float16, float32, float64, complex64 or complex128, in
        any memory order; views, broadcast ones too, are used as they are. Nothing is copied, and float16 stays float16
        in memory: do not change the array while the field is in use.

    Raises
    ------
    ShapeError
        The array has an odd number of axes, or a window axis of extent 0. An image whose extents are not those of the
        array is refused when the field is used with it.
    ArgumentTypeError, NotYetSupportedError
        It is no array of numbers, or one that carries more than numbers.

    Notes
    -----
    The centre of the kernel is sample ``k // 2`` along each axis, also for even sizes. Arrays that were made as
    ``(kh, kw, H, W)`` are given as ``numpy.moveaxis(weights, (2, 3), (0, 1))``. Complex kernels are conjugated by
    `correlate` and taken as they are by `convolve`.

    Examples
    --------
    >>> import numpy as np
    >>> from kernelscape.kernels import Dense
    >>> weights = np.zeros((4, 5, 3, 3))
    >>> weights[2, 3] = [[0, 1, 0], [1, 2, 1], [0, 1, 0]]
    >>> field = Dense(weights)
    >>> field
    Dense(<float64 4x5, kernels 3x3>)
    >>> field.at(2, 3)[1]
    array([1., 2., 1.])
    """

    weights: Array

    def __post_init__(self) -> None:
        array = checks.as_numbers("weights", self.weights, complex_too=True)
        if array.ndim % 2 or not array.ndim:
            raise ShapeError(
                "weights must have an axis of the window for each axis of the image, as (H, W, kh, kw); got an array "
                f"of shape {array.shape}."
            )
        if 0 in array.shape[array.ndim // 2 :]:
            raise ShapeError(f"weights must have windows of at least one sample; got an array of shape {array.shape}.")
        object.__setattr__(self, "weights", array)

    def __repr__(self) -> str:
        size = self.weights.shape[self.weights.ndim // 2 :]
        return f"Dense(<{self.weights.dtype} {shown(self.extents)}, kernels {shown(size)}>)"

    @property
    def extents(self) -> Shape:
        shape: Shape = self.weights.shape
        return shape[: len(shape) // 2]

    @property
    def real(self) -> Field:
        return Dense(self.weights.real) if self.weights.dtype.kind == "c" else self

    @property
    def imag(self) -> Field | None:
        return Dense(self.weights.imag) if self.weights.dtype.kind == "c" else None

    def bound(self, extents: Shape) -> Bound:
        shape, ndim = self.weights.shape, len(extents)
        if shape[:ndim] != tuple(extents) or len(shape) != 2 * ndim:
            advice = ""
            if len(shape) == 2 * ndim and shape[ndim:] == tuple(extents):
                window, image = tuple(range(ndim)), tuple(range(ndim, 2 * ndim))
                advice = f" Its last axes are the image's: give numpy.moveaxis(weights, {image}, {window})."
            raise ShapeError(
                f"Dense needs an array of shape {tuple(extents)} + (size of the window along each of these axes), for "
                f"an image with {tuple(extents)}; got one of shape {shape}.{advice}"
            )
        return Bound(shape[ndim:], own_dtype(self.weights), (Elements(self.weights),), given_weights)


def own_dtype(*arrays: Array) -> DType:
    """The dtype of weights that are given as they are: float64 for integers."""
    found = np.result_type(*arrays).newbyteorder("=")
    return found if found.kind in "fc" else np.dtype(np.float64)


def given_weights(offsets: Offsets, elements: Any) -> Any:
    return as_computed(elements, offsets)


def as_computed(value: Any, offsets: Offsets) -> Any:
    """Integers in the dtype that is computed in; floating numbers come in it."""
    return value.astype(offsets[0].dtype) if value.dtype.kind in "biu" else value
