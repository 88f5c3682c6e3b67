"""What an argument of a function is: a window, a value of a map, a kernel, a coordinate, or a number.

A bare array is a window and a bare number a number; the other meanings are asked for by name.  Arguments are frozen and hold the
caller's arrays as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernelscape.errors import ArgumentError, ArgumentTypeError, NotYetSupportedError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class WindowArgument:
    """An array seen through a window of its own; None means: as the call says."""

    array: Array
    size: Any = None
    footprint: Any = None
    mode: Any = None
    cval: Any = None
    origin: Any = None
    dilation: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class PixelArgument:
    """A map, of which the function gets the value at the anchor."""

    array: Array
    on: str = "input"


@dataclass(frozen=True, slots=True, eq=False)
class KernelArgument:
    """An array that every call of the function sees whole."""

    array: Array


@dataclass(frozen=True, slots=True, eq=False)
class IndexArgument:
    """The anchor's coordinate along an axis."""

    axis: int


def window(
    array: ArrayLike,
    *,
    size: int | tuple[int | None, ...] | None = None,
    footprint: ArrayLike | None = None,
    mode: str | tuple[str, ...] | None = None,
    cval: float | None = None,
    origin: int | tuple[int, ...] | None = None,
    dilation: int | tuple[int, ...] | None = None,
    where: ArrayLike | None = None,
) -> WindowArgument:
    """Give an input its own window.

    Parameters
    ----------
    array : array_like
        Its extents along the window axes must be those of the other inputs.
    size, footprint, mode, cval, origin, dilation
        As in `apply`; what is None is taken from the call. The windows of all inputs share the anchor.
    where : array_like of bool, optional
        Not supported yet.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> image = np.arange(9.0).reshape(3, 3)
    >>> ks.apply(lambda small, large: np.mean(small) - np.mean(large), image, ks.window(image, size=5), size=3)[1, 1]
    np.float64(0.0)
    """
    if where is not None:
        raise NotYetSupportedError("window(where=...) is not supported yet; expected where=None.")
    if size is not None and footprint is not None:
        raise ArgumentError("window() takes size= or footprint=, not both: a footprint has a shape of its own.")
    return WindowArgument(as_array(array), size, footprint, mode, cval, origin, dilation)


def pixel(map: ArrayLike, on: str = "input") -> PixelArgument:
    """Hand the function the value of a map at the anchor.

    Parameters
    ----------
    map : array_like
        Of the inputs' shape, or of the shape of their window axes only.
    on : {"input", "output"}
        Whether the map lies on the inputs' grid (read at the anchor) or on the outputs'.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> image, threshold = np.eye(3), np.full((3, 3), 0.5)
    >>> ks.apply(lambda w, t: np.sum(w > t), image, ks.pixel(threshold), size=3, mode="constant")[1, 1]
    np.int64(3)
    """
    if on not in ("input", "output"):
        raise ArgumentError(f"on must be 'input' or 'output'; got {on!r}.")
    return PixelArgument(as_array(map), on)


def kernel(weights: ArrayLike) -> KernelArgument:
    """Hand the function a whole array, for example weights of the window's shape.

    Parameters
    ----------
    weights : array_like
        Without `size` and `footprint`, its shape is also the size of the windows.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> ks.apply(lambda w, k: np.max(w * k), np.arange(4.0), ks.kernel([1.0, 10.0]))
    array([ 0., 10., 20., 30.])
    """
    return KernelArgument(as_array(weights))


def index(axis: int) -> IndexArgument:
    """Hand the function the anchor's coordinate along an axis of the first input, as int64.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> ks.apply(lambda w, x: w[1] * x, np.ones(4), ks.index(0), size=3)
    array([0., 1., 2., 3.])
    """
    if isinstance(axis, bool) or not hasattr(axis, "__index__"):
        raise ArgumentTypeError(f"axis must be an integer; got {axis!r}.")
    return IndexArgument(int(axis))


def as_array(value: Any) -> Array:
    """The array behind an argument; nothing that would lose a mask, a unit or a gradient is accepted."""
    if type(value) is np.ndarray:
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise NotYetSupportedError(
            "Masked arrays are not supported yet, since their mask would be lost; expected a plain array. Fill the "
            "masked samples first: array.filled(value)."
        )
    if isinstance(value, np.memmap):
        return value.view(np.ndarray)
    if isinstance(value, np.generic | list | tuple | bool | int | float):
        return np.asarray(value)
    if isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise NotYetSupportedError(
            f"Arrays of type {kind} are not supported yet, since what they carry beyond their numbers would be lost; "
            "expected a NumPy array. Convert it: numpy.asarray(array)."
        )
    raise ArgumentTypeError(f"Expected an array, or ks.window, ks.pixel, ks.kernel, ks.index or a number; got {value!r}.")


def check_dtype(array: Array, what: str) -> None:
    """Only numbers have windows."""
    if array.dtype.kind in "biuf" and array.dtype.itemsize <= 8:
        return
    if array.dtype.kind == "c" or array.dtype.kind == "f":
        raise NotYetSupportedError(
            f"{what} of dtype {array.dtype} is not supported here yet; expected bool, an integer, or a float of up to 64 bits."
        )
    raise ArgumentTypeError(f"{what} must be an array of bool, integers or floats; got dtype {array.dtype}.")
