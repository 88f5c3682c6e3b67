"""Kernel fields in the friendly layer: from the parts of a field to arguments, and from its weights to functions.

A field is one more way to say a function of windows. Its maps become pixels (gather) or windows (scatter), and its
weights are traced with the values that these have; so windows, boundaries, padding, strides and all that follows are
the same for fields as for everything else.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from kernelscape.api.arguments import Argument, Array, IndexArgument, KernelArgument, PixelArgument, WindowArgument
from kernelscape.api.kept import Kept
from kernelscape.api.options import nan_found
from kernelscape.api.weighing import Finish, Rule, finished, weighed
from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError
from kernelscape.expression import DType, Shape
from kernelscape.kernels.checks import holds_nan
from kernelscape.kernels.field import (
    ArrayPart,
    Blend,
    Bound,
    Cells,
    Coordinate,
    Elements,
    Field,
    Map,
    Offsets,
    Table,
    offsets_of,
)
from kernelscape.trace import own_arrays


class Way(NamedTuple):
    """In which of the four ways windows and kernels meet.

    With i counted from the centre, a window sample lies at ``+i`` from the anchor, or at ``-i`` where the kernel is
    `flipped`; and the kernel is the anchor's, or the sample's where `scattered`.
    """

    flipped: bool
    scattered: bool


# -- arguments ---------------------------------------------------------------------------------------------------------


def arguments_of(bound: Bound, axes: Sequence[int], way: Way, dtype: DType) -> list[Argument]:
    """What the parts of a field are for the function; `axes` are the window axes, kernels are computed in `dtype`."""
    return [_argument(part, axes, way, dtype) for part in bound.parts]


def _argument(part: Any, axes: Sequence[int], way: Way, dtype: DType) -> Argument:
    ndim = len(axes)
    if isinstance(part, Coordinate):
        return IndexArgument(axes[part.axis])
    if isinstance(part, Table):
        # Converted once, and not by every output.
        return KernelArgument(part.array.astype(dtype) if part.array.dtype.kind == "f" else part.array)
    # Arrays have their axes in the order of the image's, whatever the order in which these are named.
    array = part.array.transpose(*np.argsort(axes), *range(ndim, part.array.ndim))
    if isinstance(part, Cells):
        if way.scattered:
            raise ArgumentTypeError("Kernels that are shared by cells cannot be read at the samples of a window.")
        return PixelArgument(array, "input", array.ndim - ndim, part.axes)
    if not way.scattered:
        return PixelArgument(array, "input", ndim if isinstance(part, Elements) else 0)
    if isinstance(part, Map):
        return WindowArgument(array, mode="nearest", omits_nan=False)
    # The window's sample at +i is the source that sees the anchor at -i: its element is the flipped kernel's.
    own = np.flip(array, tuple(range(array.ndim - ndim, array.ndim))) if way.flipped else array
    return WindowArgument(own, mode="nearest", elements=ndim)


@functools.lru_cache(256)
def offsets_for(size: Shape, dtype: DType) -> Offsets:
    """The offsets of the taps; the same objects for equal kernels, by which compiled functions are found again."""
    offsets = offsets_of(size, tuple(k // 2 for k in size), dtype)
    for array in offsets:
        array.flags.writeable = False
    return offsets


def arrays_of(bound: Bound | Blend) -> list[Array]:
    """The arrays that a field reads."""
    if isinstance(bound, Blend):
        return [bound.kernels]
    return [part.array for part in bound.parts if isinstance(part, ArrayPart)]


def refuse_nan_in_field(field: Field, bound: Bound | Blend) -> None:
    """What ``nan_policy="raise"`` does; `bound` is the field on its image."""
    if any(map(holds_nan, arrays_of(bound))):
        raise nan_found(f"The kernel field {field!r}")


# -- axes --------------------------------------------------------------------------------------------------------------


def field_axes(field: Field, shape: Shape, axes: Any) -> tuple[int, ...]:
    """The window axes of an array for a kernel field, named by the caller or all of them.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError
        They are no axes of the array, or not as many as the field is for.
    """
    if axes is not None:
        found = named_axes(axes, shape)
        if field.ndim not in (None, len(found)):
            raise ShapeError(f"{field!r} is for images with {field.ndim} window axes; got axes={axes!r}.")
        return found
    if field.ndim not in (None, len(shape)):
        advice = f" Name the window axes: axes={_likely_axes(field, shape)}." if field.ndim < len(shape) else ""
        raise ShapeError(
            f"{field!r} is for images with {field.ndim} axes; got an array with {len(shape)} (shape {shape}).{advice}"
        )
    return tuple(range(len(shape)))


def _likely_axes(field: Field, shape: Shape) -> tuple[int, ...]:
    """The axes that have the extents of the field's maps, if neighbours do; else the first ones."""
    assert field.ndim is not None
    for first in range(len(shape) - field.ndim + 1):
        if shape[first : first + field.ndim] == field.extents:
            return tuple(range(first, first + field.ndim))
    return tuple(range(field.ndim))


def named_axes(axes: Any, shape: Shape) -> tuple[int, ...]:
    """Axes of an array of some shape, none negative."""
    try:
        return np.lib.array_utils.normalize_axis_tuple(axes, len(shape), "axes")
    except np.exceptions.AxisError:
        raise ShapeError(f"axes must be axes of the array of shape {shape}; got {axes!r}.") from None
    except TypeError:
        raise ArgumentTypeError(f"axes must be integers; got {axes!r}.") from None
    except ValueError:
        raise ArgumentError(f"axes must be different from each other; got {axes!r}.") from None


# -- functions ---------------------------------------------------------------------------------------------------------


class Described(NamedTuple):
    """What a field is, as plain data and functions: what a function of its values has to know."""

    offsets: Offsets
    kinds: tuple[tuple[type, int, int], ...]
    """Of each part what it is, and the axis and its extent where it is a coordinate."""
    weights: Callable[..., Any]
    scale: Callable[..., Any] | None
    takes_part: Callable[..., Any] | None
    factors: Callable[..., Any] | None
    own_factors: Callable[..., Any] | None
    terms: Callable[..., Any] | None
    sparse: bool
    is_even: bool

    @staticmethod
    def of(bound: Bound, dtype: DType) -> Described:
        """The description of a field whose kernels are computed in some dtype."""
        kinds = tuple((type(part), getattr(part, "axis", 0), getattr(part, "extent", 0)) for part in bound.parts)
        functions = (bound.weights, bound.scale, bound.takes_part, bound.factors, bound.own_factors, bound.terms)
        return Described(offsets_for(bound.size, dtype), kinds, *functions, bound.sparse, bound.is_even)


def kept_function(head: Callable[..., Any], *held: Any, **words: Any) -> Callable[..., Any]:
    """``partial(head, *held, **words)``: the same object for equal words, by which machine code is found again.

    Users' functions among the words, and so what these hold, are not kept alive at their first use.
    """
    users: list[Any] = []
    key = (head, _key_of(held, users), *((name, _key_of(word, users)) for name, word in sorted(words.items())))
    found = _functions.get(key)
    if isinstance(found, functools.partial):
        return found
    made = functools.partial(head, *held, **words)
    if not users or (found is not None and all(f() is u for f, u in zip(found, users, strict=True))):
        return _functions.put(key, made)  # type: ignore[return-value]  # it is what was put
    with suppress(TypeError):  # an object without weak references is not kept
        _functions.put(key, tuple(map(weakref.ref, users)))
    return made


_functions: Kept[functools.partial[Any] | tuple[weakref.ref[Any], ...]] = Kept(256)


def _key_of(word: Any, users: list[Any]) -> Hashable:
    """Equal for words of equal meaning; users' functions are collected."""
    if isinstance(word, tuple):
        return (type(word), *(_key_of(part, users) for part in word))
    if isinstance(word, np.ndarray):
        return (word.shape, word.dtype, word.tobytes())
    if isinstance(word, functools.partial):
        return ("partial", *(_key_of(part, users) for part in (word.func, word.args, *sorted(word.keywords.items()))))
    if callable(word) and not isinstance(word, type) and not _is_own(word):
        users.append(word)
        return id(word)
    return (type(word), word)


def _is_own(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).partition(".")[0] == __name__.partition(".")[0]


class Weights:
    """The weights of a field for the values of one call, as the functions below use them."""

    def __init__(self, field: Described, values: Sequence[Any], way: Way, displacements: tuple[Any, ...] = ()) -> None:
        self.field, self.offsets, self.way, self.displacements = field, field.offsets, way, displacements
        self.ndim = len(self.offsets)
        self.size = tuple(offset.shape[axis] for axis, offset in enumerate(self.offsets))
        self.dtype = self.offsets[0].dtype
        self.values = [self._value(kind, value) for kind, value in zip(field.kinds, values, strict=True)]

    def _value(self, part: tuple[type, int, int], value: Any) -> Any:
        """Floats in the dtype that is computed in; what belongs to the samples of a window, in the kernel's order."""
        if value.dtype.kind == "f" and value.dtype != self.dtype:
            value = value.astype(self.dtype)
        kind, axis, extent = part
        if kind is Coordinate:
            # A field is read at the nearest edge, its coordinates too.
            at = np.broadcast_to(value + self.displacements[axis], self.size) if self.way.scattered else value
            return np.minimum(np.maximum(at, 0), extent - 1)
        return value if not self.way.scattered or kind is Table else self._turned(value)

    def _turned(self, kernel: Any) -> Any:
        """From the kernel's order to the window's, and back."""
        return kernel[(..., *(slice(None, None, -1),) * self.ndim)] if self.way.flipped else kernel

    def _full(self, found: Any) -> Any:
        """An array of weights in the window's order and of its shape."""
        return self._turned(np.broadcast_to(found, self.size))

    @property
    def weights(self) -> Any:
        """The weights, `scale` left out, in the window's order."""
        return self._full(self.field.weights(self.offsets, *self.values))

    @property
    def part(self) -> Any:
        """Which samples take part; None for all."""
        asked = self.field.takes_part
        return None if asked is None else self._full(asked(self.offsets, *self.values))

    @property
    def scale(self) -> Any:
        """What all weights of the kernel share; None for 1."""
        return None if self.field.scale is None else self.field.scale(self.offsets, *self.values)

    @property
    def whole(self) -> Any:
        """Weights with everything in them: scaled, and 0 where samples do not take part."""
        found, part, scale = self.weights, self.part, self.scale
        found = found if scale is None else found * scale
        return found if part is None else np.where(part, found, np.zeros((), found.dtype))

    def dot(self, window: Any, *, whole: bool = False) -> Any:
        """The sum of products with a window, in the form that takes least.

        `whole` says that no sample of any window can be missing.
        """
        total, scale = self._sum_with(window, whole), self.scale
        return total if scale is None else total * scale

    def _sum_with(self, window: Any, whole: bool) -> Any:
        if self.field.terms is not None:
            return self._sum_of_terms(window)
        if self.field.factors is not None and self.ndim > 1:
            return self._sum_by_axes(window, whole)
        return _sum(window * self.weights, None, self.part)

    def _sum_of_terms(self, window: Any) -> Any:
        total = None
        assert self.field.terms is not None
        for coefficient, kernel in self.field.terms(self.offsets, *self.values):
            product = coefficient * np.sum(window * self._full(kernel))
            if self.field.sparse:
                zero = np.zeros((), self.dtype)
                product = np.where(coefficient == zero, zero, product)
            total = product if total is None else total + product
        return total

    def _sum_by_axes(self, window: Any, whole: bool) -> Any:
        """Along the last axis first; each sum is over one axis and its weights are of one axis."""
        assert self.field.factors is not None
        factors, asked = self.field.factors(self.offsets, *self.values), self.field.own_factors
        own = (None,) * self.ndim if asked is None else asked(self.offsets, *self.values)
        for axis in reversed(range(self.ndim)):
            factor = self._along(axis, factors[axis])
            inside = None if own[axis] is None else self._along(axis, own[axis])
            if whole and self.field.is_even and axis == self.ndim - 1 and self.size[axis] % 2:
                window, factor, inside = _halved(window, factor, inside)
            window = _sum(window * factor, axis, inside)
        return window

    def _along(self, axis: int, found: Any) -> Any:
        line = np.broadcast_to(found, self.offsets[axis].shape).reshape(self.size[axis])
        return line[::-1] if self.way.flipped else line


def _halved(window: Any, factor: Any, inside: Any) -> tuple[Any, Any, Any]:
    """Samples at the same distance along the last axis have the same weight: they are added first, centre to edge."""
    middle = factor.shape[-1] // 2
    pairs = window[..., middle + 1 :] + window[..., middle - 1 :: -1] if middle else window[..., :0]
    window = np.concatenate([window[..., middle : middle + 1], pairs], axis=-1)
    return window, factor[middle:], None if inside is None else inside[middle:]


def _sum(products: Any, axis: int | None, where: Any) -> Any:
    if where is None:
        return np.sum(products, axis=axis)
    return np.sum(products, axis=axis, where=np.broadcast_to(where, products.shape))


def _own(head: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a window and the values of fields, in which all arrays are the library's."""

    @functools.wraps(head)
    def called(window: Any, *values: Any, **words: Any) -> Any:
        with own_arrays(window):
            return head(window, *values, **words)

    return called


@_own
def gathered(*arguments: Any, field: Described, windows: int, way: Way, finish: Finish, whole: bool) -> Any:
    """The sum of products of a window and the anchor's kernel; of several windows a sum for each."""
    weights, x = Weights(field, arguments[windows:], way), arguments[:windows]
    rule = finish.rule
    kernel, part = (weights.weights, weights.part) if rule.weighs else (None, None)
    if rule.normalize is True:  # what all weights share is in both sums
        totals = [_sum(window * kernel, None, part) for window in x]
    else:
        totals = [weights.dot(window, whole=whole) for window in x]
    return finished(totals, x[0], (kernel, None), part, finish)


@_own
def gathered_complex(
    *arguments: Any, fields: tuple[Described, Described], windows: int, way: Way, conjugated: bool, finish: Finish
) -> Any:
    """The real and the imaginary part of such a sum with complex kernels, which come as two fields."""
    x = (*arguments[:windows], None)[:2]
    kernel = _complex_kernel(fields, arguments[windows:], way, conjugated)
    return finished(complex_sum(x, kernel), x[0], kernel, None, finish)


@_own
def scattered(*arguments: Any, field: Described, way: Way, displacements: tuple[Any, ...]) -> Any:
    """The sum of products of the samples of a window, each with its own kernel; `scale` left out."""
    window, *values = arguments
    weights = Weights(field, values, way, displacements)
    return _sum(window * weights.weights, None, weights.part)


@_own
def balanced(*arguments: Any, field: Described, way: Way, centre: Shape, normalize: bool | str) -> Any:
    """A source times what all weights of its kernel share; `way` is the one in which the kernel would be gathered.

    With `normalize` the source is divided by the sum of the weights that fall on something, or rescaled so that these
    have the sum of all; where that is rounding noise, it sends nothing.
    """
    window, *values = arguments
    weights = Weights(field, values, way)
    source = window[centre]
    if normalize is not True and weights.scale is not None:
        source = source * weights.scale
    if not normalize:
        return source
    (found,), sound = weighed([source], window, (weights.weights, None), weights.part, Rule(normalize))
    return np.where(sound, found, np.zeros((), source.dtype))


@_own
def reciprocal(*arguments: Any, field: Described, way: Way, normalize: bool | str) -> Any:
    """What the weights of the anchor's kernel are multiplied with so that those that fall on something have the sum 1.

    Or, with ``normalize="valid"``, the sum of all; 0 where it is noise what one would divide by.
    """
    window, *values = arguments
    kernel = Weights(field, values, way).whole
    return _factors([np.ones((), kernel.dtype)], window, (kernel, None), normalize)[0]


@_own
def reciprocal_complex(
    *arguments: Any, fields: tuple[Described, Described], way: Way, conjugated: bool, normalize: bool | str
) -> Any:
    """The real and the imaginary part of the same for complex kernels."""
    window, *values = arguments
    kernel = _complex_kernel(fields, values, way, conjugated)
    one = (np.ones((), kernel[0].dtype), np.zeros((), kernel[0].dtype))
    return tuple(_factors(one, window, kernel, normalize))


def _factors(one: Sequence[Any], window: Any, kernel: tuple[Any, Any], normalize: bool | str) -> list[Any]:
    found, sound = weighed(one, window, kernel, None, Rule(normalize))
    return [np.where(sound, part, np.zeros((), part.dtype)) for part in found]


def _complex_kernel(
    fields: tuple[Described, Described], values: Sequence[Any], way: Way, conjugated: bool
) -> tuple[Any, Any]:
    count = len(fields[0].kinds)
    real, imag = Weights(fields[0], values[:count], way).whole, Weights(fields[1], values[count:], way).whole
    return real, -imag if conjugated else imag


# -- sums ------------------------------------------------------------------------------------------------------------


def product_sum(w: Any, k: Any) -> Any:
    """The sum of the products with one kernel for all pixels."""
    return np.sum(w * k)


def complex_sum(x: Sequence[Any], k: Sequence[Any]) -> tuple[Any, Any]:
    """The real and the imaginary part of a sum of products; None is an imaginary part that is not there."""
    if k[1] is None:
        return np.sum(x[0] * k[0]), np.sum(x[1] * k[0])
    if x[1] is None:
        return np.sum(x[0] * k[0]), np.sum(x[0] * k[1])
    return np.sum(x[0] * k[0]) - np.sum(x[1] * k[1]), np.sum(x[0] * k[1]) + np.sum(x[1] * k[0])
