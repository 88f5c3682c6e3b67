"""What an argument of a function is: a window, a value of a map, a kernel, a coordinate, or a number.

A bare array is a window and a bare number a number; the other meanings are asked for by name. Arguments are frozen
and hold the caller's arrays as they are: nothing is copied, and nothing that would lose a mask, a unit or a gradient
is accepted.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernelscape.api.kept import Kept
from kernelscape.errors import ArgumentError, ArgumentTypeError, NotYetSupportedError, ShapeError
from kernelscape.geometry import CellAxis
from kernelscape.kernels.field import Field
from kernelscape.kernels.words import in_words
from kernelscape.methods.separable import factors
from kernelscape.methods.terms import Terms, terms

Array: TypeAlias = NDArray[Any]
LARGEST_FACTORED = 1 << 16
"""Weights up to which a kernel is looked at, whether it is separable."""
NUMBERS = (bool, int, float, complex, np.bool_, np.number)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WindowArgument:
    """An array seen through a window of its own; None means: as the call says."""

    array: Array
    size: Any = None
    footprint: Any = None
    mode: Any = None
    cval: Any = None
    origin: Any = None
    dilation: Any = None
    elements: int = 0
    """How many of the last axes hold what belongs to one position (see `geometry.Input`); of kernel fields only."""
    masks: tuple[Array, ...] = ()
    """Of bool: samples count where all are True."""
    omits_nan: bool | None = None
    """Whether NaN does not count; None: as the call says."""
    masked: bool = False
    """Whether the array came as a masked one: then results are masked, too."""

    def __repr__(self) -> str:
        return in_words(self)

    def words(self) -> Hashable:
        """What was said beside the array, to find it again."""
        footprint = self.footprint
        shown = None if footprint is None else (footprint.shape, footprint.tobytes())
        said = (self.size, self.mode, self.cval, self.origin, self.dilation, self.elements)
        return ("window", shown, repr(said), tuple((m.shape, m.strides) for m in self.masks), self.omits_nan)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PixelArgument:
    """A map, of which the function gets the value at the anchor."""

    array: Array
    on: str = "input"
    elements: int = 0
    cells: tuple[CellAxis | None, ...] | None = None
    """Of kernel fields only, as in `geometry.Input`."""

    def __repr__(self) -> str:
        return in_words(self)

    def words(self) -> Hashable:
        """What was said beside the array, to find it again."""
        return ("pixel", self.on, self.elements, self.cells)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KernelArgument:
    """An array that every call of the function sees whole.

    It may be the outer product of one vector for each axis, its `factors`, or else the sum of some, its `terms`.
    """

    array: Array
    factors: tuple[Array, ...] | None = None
    terms: Terms | None = None

    def __repr__(self) -> str:
        return in_words(self)

    def words(self) -> Hashable:
        """What was said beside the array, to find it again."""
        if self.terms is not None:
            return self.terms.words
        return "kernel" if self.factors is None else "separable kernel"


@dataclass(frozen=True, slots=True, eq=False)
class FieldArgument:
    """A kernel field, of which the function gets the kernel at the anchor."""

    field: Field


@dataclass(frozen=True, slots=True, eq=False)
class IndexArgument:
    """The anchor's coordinate along an axis."""

    axis: int


Marked: TypeAlias = WindowArgument | PixelArgument | KernelArgument
Argument: TypeAlias = Marked | FieldArgument | IndexArgument | Array | complex
"""What the friendly layer works with: a plain array is a window that says nothing of its own."""


def window(
    array: ArrayLike,
    *,
    size: int | tuple[int | None, ...] | None = None,
    footprint: ArrayLike | None = None,
    mode: str | tuple[str, ...] | None = None,
    cval: complex | None = None,
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
        Which samples of this window count, as in `apply`; with that of the call, those that both allow.

    Raises
    ------
    ArgumentError
        Both `size` and `footprint` are given.
    ArgumentTypeError
        `array` is no array, or `where` is not of bool.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> image = np.arange(9.0).reshape(3, 3)
    >>> ks.apply(lambda small, large: np.mean(small) - np.mean(large), image, ks.window(image, size=5), size=3)[1, 1]
    np.float64(0.0)
    """
    if size is not None and footprint is not None:
        raise ArgumentError("window() takes size or footprint, not both: a footprint has a shape of its own.")
    shape = None if footprint is None else np.array(footprint)
    own = array_with_masks(array)
    masks = own.masks if where is None else (*own.masks, as_mask(where))
    return WindowArgument(own.array, size, shape, mode, cval, origin, dilation, 0, masks, masked=own.masked)


def pixel(map: ArrayLike, on: str = "input") -> PixelArgument:
    """Hand the function the value of a map at the anchor.

    Parameters
    ----------
    map : array_like
        Of the inputs' shape, or of the shape of their window axes only.
    on : {"input", "output"}
        Whether the map lies on the inputs' grid (read at the anchor, and at the nearest edge where that is outside)
        or on the outputs'.

    Raises
    ------
    ArgumentError
        Another word for `on`.

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


def kernel(weights: ArrayLike | Field) -> KernelArgument | FieldArgument:
    """Hand the function a whole array, for example weights of the window's shape, or the kernel of a kernel field.

    Parameters
    ----------
    weights : array_like or Field
        Without `size` and `footprint`, its shape is also the size of the windows. Of a kernel field
        (`kernelscape.kernels`) the function gets the kernel that the field has at the anchor; weights of samples that
        are not in that pixel's own window are 0.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> ks.apply(lambda w, k: np.max(w * k), np.arange(4.0), ks.kernel([1.0, 10.0]))
    array([ 0., 10., 20., 30.])
    """
    return FieldArgument(weights) if isinstance(weights, Field) else kernel_argument(as_array(weights))


_products: Kept[tuple[tuple[Array, ...] | None, Terms | None]] = Kept(64)


def kernel_argument(array: Array) -> KernelArgument:
    """A kernel, with its factors where it is separable, or its terms where its rank is low."""
    if array.ndim < 2 or array.size > LARGEST_FACTORED or array.dtype.kind not in "iuf":
        return KernelArgument(array)
    key = (array.dtype, array.shape, array.tobytes())
    found = _products.get(key)
    if found is None:
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        vectors = factors(native)
        found = _products.put(key, (vectors, terms(native) if vectors is None else None))
    return KernelArgument(array, *found)


def refuse_kernel_per_pixel(shape: tuple[int, ...], extents: tuple[int, ...]) -> None:
    """Refuses an array with a kernel for every pixel of an image in place of one kernel, saying what it is called."""
    ndim = len(extents)
    if len(shape) != 2 * ndim:
        return
    for own, advice in ((shape[:ndim], ""), (shape[ndim:], f", {tuple(range(ndim, 2 * ndim))}, {tuple(range(ndim))}")):
        if own == extents:
            array = f"np.moveaxis(weights{advice})" if advice else "weights"
            raise ShapeError(
                f"Expected one kernel with {ndim} axes; got an array of shape {shape} for an image with {extents}. A "
                f"kernel for every pixel is a kernel field: ks.kernels.Dense({array})."
            )


def index(axis: int) -> IndexArgument:
    """Hand the function the anchor's coordinate along an axis of the first input, as int64.

    Parameters
    ----------
    axis : int
        A window axis; negative ones count from the last.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> ks.apply(lambda w, x: w[1] * x, np.ones(4), ks.index(0), size=3)
    array([0., 1., 2., 3.])
    """
    if isinstance(axis, bool | np.bool_) or not hasattr(axis, "__index__"):
        raise ArgumentTypeError(f"axis must be an integer; got {axis!r}.")
    return IndexArgument(axis.__index__())


# -- what was given ---------------------------------------------------------------------------------------------------


def canonical_argument(given: Any) -> Argument:
    """A marked argument or a number as it is, a masked array as a window with a mask, anything else as an array."""
    if isinstance(given, (WindowArgument, PixelArgument, KernelArgument, FieldArgument, IndexArgument, *NUMBERS)):
        return given  # type: ignore[return-value]  # np.number is a number
    if isinstance(given, np.ma.MaskedArray):
        return array_with_masks(given)
    return as_array(given)


def array_with_masks(given: Any) -> WindowArgument:
    """An array as a window that says nothing of its own; the mask of a masked array says which samples count."""
    if not isinstance(given, np.ma.MaskedArray):
        return WindowArgument(as_array(given))
    array = as_array(given.data)
    hidden = np.ma.getmask(given)
    masks = () if hidden is np.ma.nomask else (np.logical_not(np.asarray(hidden)),)
    return WindowArgument(array, masks=masks, masked=True)


def as_mask(where: Any) -> Array:
    """An array of bool that says which samples count.

    Raises
    ------
    ArgumentTypeError
        It is no array of bool.
    """
    expected = "where must be an array of bool, True where a sample counts"
    if isinstance(where, np.ma.MaskedArray):
        raise ArgumentTypeError(
            f"{expected}; got a masked array. Say what masked elements mean: where=mask.filled(False)."
        )
    if not isinstance(where, list | tuple | np.bool_ | bool) and not hasattr(where, "__array__"):
        raise ArgumentTypeError(f"{expected}; got {in_words(where)}.")
    array = as_array(where)
    if array.dtype.kind != "b":
        raise ArgumentTypeError(f"{expected}; got dtype {array.dtype}. Compare it: where=mask != 0.")
    return array


def array_of(argument: Any) -> Array:
    """The array of an argument that has one."""
    found: Array = argument if type(argument) is np.ndarray else argument.array
    return found


def arguments_key(arguments: Sequence[Argument]) -> Hashable:
    """What the canonical form of a call depends on, of its arguments."""
    masks = [mask for a in arguments if isinstance(a, WindowArgument) for mask in a.masks]
    # Windows may share a mask.
    same = tuple(next(i for i, m in enumerate(masks) if m is mask) for mask in masks)
    return (*map(argument_key, arguments), same)


def argument_key(argument: Argument) -> Hashable:
    """What the canonical form of a call depends on, of one argument."""
    if type(argument) is np.ndarray:
        return (argument.dtype, argument.shape, argument.strides)
    if isinstance(argument, WindowArgument | PixelArgument | KernelArgument):
        array = argument.array
        return (argument.words(), array.dtype, array.shape, array.strides)
    if isinstance(argument, IndexArgument):
        return ("index", argument.axis)
    return ("number", type(argument))


def as_array(value: Any) -> Array:
    """The array behind what the caller gave, of numbers."""
    array = _plain_array(value)
    check_numbers(array.dtype)
    return array


def _plain_array(value: Any) -> Array:
    if type(value) is np.ndarray:
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise NotYetSupportedError(
            "A masked array is taken as a window only, where its mask says which samples count; expected a plain array "
            "here. Fill the masked elements first: array.filled(value)."
        )
    if isinstance(value, np.memmap):
        return value.view(np.ndarray)
    if isinstance(value, (list, tuple, *NUMBERS)):
        return _from_sequence(value)
    if isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise NotYetSupportedError(
            f"Arrays of type {kind} are not supported yet, since what they carry beyond their numbers would be lost; "
            "expected a NumPy array. Convert it: numpy.asarray(array)."
        )
    if isinstance(value, type) and issubclass(value, Field):
        raise ArgumentTypeError(
            f"Expected an array or a kernel field; got the class {value.__name__}. Make an object of it: "
            f"ks.kernels.{value.__name__}(...)."
        )
    if isinstance(value, Field):
        raise ArgumentTypeError(
            f"Expected an array; got the kernel field {value!r}. A function of windows gets it as ks.kernel(field), "
            "correlate and convolve as their second argument; field.dense(shape) is the array of its kernels."
        )
    raise ArgumentTypeError(
        f"Expected an array, a number, or what ks.window, ks.pixel, ks.kernel and ks.index give; got {in_words(value)}."
    )


def _from_sequence(value: Any) -> Array:
    """Nested lists of numbers; the entries may be arrays that must not lose anything either."""
    entries = value if isinstance(value, list | tuple) else ()
    for entry in entries:
        if not isinstance(entry, NUMBERS) and hasattr(entry, "__array__"):
            _plain_array(entry)
    try:
        return np.array(value)
    except ValueError as error:
        raise ArgumentError(f"A nested list must have rows of equal lengths; got {value!r} ({error}).") from None


def check_numbers(dtype: np.dtype[Any]) -> None:
    """Only numbers have windows."""
    if dtype.kind not in "biufc":
        raise ArgumentTypeError(
            f"Arrays must hold bool, integers, floats or complex numbers; got dtype {dtype}. Convert it: "
            "array.astype(float)."
        )
