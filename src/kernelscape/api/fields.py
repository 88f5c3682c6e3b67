"""Kernel fields in the friendly layer: from the parts of a field to arguments, and from its weights to functions.

A field is one more way to say a function of windows. Its maps become pixels (gather) or windows (scatter), and its
weights are traced with the values that these have; so windows, boundaries, padding, strides and all that follows are
the same for fields as for everything else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from kernelscape.api.arguments import Argument, Array, IndexArgument, KernelArgument, PixelArgument, WindowArgument
from kernelscape.api.kept import Kept
from kernelscape.errors import ArgumentTypeError
from kernelscape.expression import DType, Shape
from kernelscape.kernels.field import Bound, Cells, Coordinate, Elements, Map, Offsets, Table, offsets_of
from kernelscape.trace import valid

NOISE = 16
"""A sum of weights below this many epsilons of the sum of their magnitudes is rounding noise."""


class Way(NamedTuple):
    """In which of the four ways windows and kernels meet.

    With i counted from the centre, a window sample lies at ``+i`` from the anchor, or at ``-i`` where the kernel is
    `flipped`; and the kernel is the anchor's, or the sample's where `scattered`.
    """

    flipped: bool
    scattered: bool


# -- arguments ---------------------------------------------------------------------------------------------------------


def arguments_of(bound: Bound, axes: Sequence[int], way: Way) -> list[Argument]:
    """What the parts of a field are for the function; `axes` are the window axes of the image."""
    return [_argument(part, axes, way) for part in bound.parts]


def arrays_of(bound: Bound) -> list[Array]:
    """The arrays that a field reads."""
    return [part.array for part in bound.parts if not isinstance(part, Coordinate)]


def _argument(part: Any, axes: Sequence[int], way: Way) -> Argument:
    ndim = len(axes)
    if isinstance(part, Coordinate):
        return IndexArgument(axes[part.axis])
    if isinstance(part, Table):
        return KernelArgument(part.array)
    if isinstance(part, Cells):
        if way.scattered:
            raise ArgumentTypeError("Kernels that are shared by cells cannot be read at the samples of a window.")
        return PixelArgument(part.array, "input", part.array.ndim - ndim, part.axes)
    if not way.scattered:
        return PixelArgument(part.array, "input", ndim if isinstance(part, Elements) else 0)
    if isinstance(part, Map):
        return WindowArgument(part.array, mode="nearest")
    # The window's sample at +i is the source that sees the anchor at -i: its element is the flipped kernel's.
    own = np.flip(part.array, tuple(range(part.array.ndim - ndim, part.array.ndim))) if way.flipped else part.array
    return WindowArgument(own, mode="nearest", elements=ndim)


@functools.lru_cache(256)
def offsets_for(size: Shape, dtype: DType) -> Offsets:
    """The offsets of the taps; the same objects for equal kernels, by which compiled functions are found again."""
    offsets = offsets_of(size, tuple(k // 2 for k in size), dtype)
    for array in offsets:
        array.flags.writeable = False
    return offsets


# -- functions ---------------------------------------------------------------------------------------------------------


def function_of(head: Callable[..., Any], bound: Bound, dtype: DType, **words: Any) -> Callable[..., Any]:
    """``head(*arguments, field=...)`` as a function of arguments."""
    return kept_function(head, field=described(bound, dtype), **words)


def kept_function(head: Callable[..., Any], **words: Any) -> Callable[..., Any]:
    """``partial(head, **words)``: the same object for equal words, by which compiled functions are found again."""
    key = (head, tuple((name, _word_key(name, word)) for name, word in sorted(words.items())))
    found = _functions.get(key)
    return _functions.put(key, functools.partial(head, **words)) if found is None else found


def _word_key(name: str, word: Any) -> Hashable:
    if name == "layout":
        return tuple(None if entry is None else (entry[0], _description_key(entry[1])) for entry in word)
    return _description_key(word) if name in ("field", "imag") else word


def _description_key(described: tuple[Any, ...] | None) -> Hashable:
    if described is None:
        return None
    offsets, kinds, is_even, *functions = described
    return (tuple(o.shape for o in offsets), offsets[0].dtype, kinds, is_even, tuple(map(_function_key, functions)))


def described(bound: Bound, dtype: DType) -> tuple[Any, ...]:
    """What `Weights` needs to know of a field, as plain data and functions."""
    functions = (bound.weights, bound.scale, bound.takes_part, bound.factors, bound.own_factors, bound.terms)
    return (offsets_for(bound.size, dtype), kinds_of(bound), bound.is_even, *functions)


def kinds_of(bound: Bound) -> tuple[tuple[type, int, int], ...]:
    """For each part what it is, and the axis and its extent where it is a coordinate."""
    return tuple((type(part), getattr(part, "axis", 0), getattr(part, "extent", 0)) for part in bound.parts)


_functions: Kept[Callable[..., Any]] = Kept(256)


def _function_key(function: Any) -> Hashable:
    """Equal for functions that do the same: partial objects are compared by what they hold."""
    if not isinstance(function, functools.partial):
        return function  # type: ignore[no-any-return]
    held = (*function.args, *(entry for pair in sorted(function.keywords.items()) for entry in pair))
    return (_function_key(function.func), tuple(_function_key(part) for part in held))


class Weights:
    """The weights of a field for the values of one call, as the functions below use them."""

    def __init__(
        self, field: tuple[Any, ...], values: Sequence[Any], way: Way, displacements: tuple[Any, ...] = ()
    ) -> None:
        self.offsets, kinds, self._is_even, *functions = field
        self.ndim = len(self.offsets)
        self.size = tuple(offset.shape[axis] for axis, offset in enumerate(self.offsets))
        self.dtype = self.offsets[0].dtype
        self._weights, self._scale, self._takes_part, self._factors, self._own_factors, self._terms = functions
        self.way = way
        self.displacements = displacements
        self.values = [self._value(kind, value) for kind, value in zip(kinds, values, strict=True)]

    def _value(self, part: tuple[type, int, int], value: Any) -> Any:
        """Floats in the dtype that is computed in; what belongs to the samples of a window, in the kernel's order."""
        if value.dtype.kind == "f" and value.dtype != self.dtype:
            value = value.astype(self.dtype)
        kind, axis, extent = part
        if kind is Coordinate:
            # A field is read at the nearest edge, its coordinates too.
            at = np.broadcast_to(value + self.displacements[axis], self.size) if self.way.scattered else value
            return np.minimum(np.maximum(at, 0), extent - 1)
        return value if not self.way.scattered or kind is Table else self.turned(value)

    def turned(self, kernel: Any) -> Any:
        """From the kernel's order to the window's, and back."""
        return kernel[(..., *(slice(None, None, -1),) * self.ndim)] if self.way.flipped else kernel

    def full(self, found: Any) -> Any:
        """An array of weights in the window's order and of its shape."""
        return self.turned(np.broadcast_to(found, self.size))

    @property
    def weights(self) -> Any:
        """The weights, `scale` left out."""
        return self.full(self._weights(self.offsets, *self.values))

    @property
    def part(self) -> Any:
        """Which samples take part; None for all."""
        return None if self._takes_part is None else self.full(self._takes_part(self.offsets, *self.values))

    @property
    def scale(self) -> Any:
        """What all weights of the kernel share; None for 1."""
        return None if self._scale is None else self._scale(self.offsets, *self.values)

    @property
    def kernel(self) -> Any:
        """The kernel as a function gets it."""
        return self.turned(self.whole)

    @property
    def whole(self) -> Any:
        """Weights with everything in them: scaled, and 0 where samples do not take part."""
        found, part, scale = self.weights, self.part, self.scale
        found = found if scale is None else found * scale
        return found if part is None else np.where(part, found, np.zeros((), found.dtype))

    def sum_with(self, window: Any, *, whole: bool = False) -> Any:
        """The sum of products with a window, `scale` left out: in the form that takes least.

        `whole` says that no sample of any window can be missing.
        """
        if self._terms is not None:
            return self._sum_of_terms(window)
        if self._factors is not None and self.ndim > 1:
            return self._sum_by_axes(window, whole)
        return _sum(window * self.weights, None, self.part)

    def _sum_of_terms(self, window: Any) -> Any:
        total = None
        zero = np.zeros((), self.dtype)
        for coefficient, kernel in self._terms(self.offsets, *self.values):
            product = coefficient * np.sum(window * self.full(kernel))
            # A kernel with the coefficient 0 takes no part, whatever it holds.
            product = np.where(coefficient == zero, zero, product)
            total = product if total is None else total + product
        return total

    def _sum_by_axes(self, window: Any, whole: bool) -> Any:
        """Along the last axis first; each sum is over one axis and its weights are of one axis."""
        factors = self._factors(self.offsets, *self.values)
        own = (None,) * self.ndim if self._own_factors is None else self._own_factors(self.offsets, *self.values)
        for axis in reversed(range(self.ndim)):
            shape = (1,) * axis + (self.size[axis],)
            factor = self._along(factors[axis], shape)
            inside = None if own[axis] is None else self._along(own[axis], shape)
            if whole and self._is_even and axis == self.ndim - 1 and self.size[axis] % 2:
                window, factor, inside = _halved(window, factor, inside)
            window = _sum(window * factor, axis, inside)
        return window

    def _along(self, found: Any, shape: Shape) -> Any:
        line = np.broadcast_to(found, self.offsets[len(shape) - 1].shape).reshape(shape[-1])
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


def gathered(*arguments: Any, field: tuple[Any, ...], way: Way, normalize: bool, invalid: float, whole: bool) -> Any:
    """The sum of products of a window and the anchor's kernel."""
    window, *values = arguments
    weights = Weights(field, values, way)
    if not normalize:
        total, scale = weights.sum_with(window, whole=whole), weights.scale
        return total if scale is None else total * scale
    kernel, part = weights.weights, weights.part
    total, sound = _valid_sum(window, kernel, part)
    return np.where(sound, _sum(window * kernel, None, part) / total, invalid)


def scattered(*arguments: Any, field: tuple[Any, ...], way: Way, displacements: tuple[Any, ...]) -> Any:
    """The sum of products of the samples of a window, each with its own kernel; `scale` left out."""
    window, *values = arguments
    weights = Weights(field, values, way, displacements)
    return _sum(window * weights.weights, None, weights.part)


def balanced(*arguments: Any, field: tuple[Any, ...], way: Way, centre: Shape, normalize: bool) -> Any:
    """A source times what all weights of its kernel share; `way` is the one in which the kernel would be gathered."""
    window, *values = arguments
    weights = Weights(field, values, way)
    source = window[centre]
    if not normalize:
        return source * weights.scale
    total, sound = _valid_sum(window, weights.weights, weights.part)
    return np.where(sound, source / total, np.nan)


def _valid_sum(window: Any, kernel: Any, part: Any) -> tuple[Any, Any]:
    """The sum of the weights of valid samples, and whether it is more than rounding noise."""
    counts = valid(window) if part is None else valid(window) & part
    there = np.where(counts, kernel, np.zeros((), kernel.dtype))
    total = np.sum(there)
    return total, np.abs(total) > NOISE * np.finfo(total.dtype).eps * np.sum(np.abs(there))


def gathered_complex(
    *arguments: Any, field: tuple[Any, ...], imag: tuple[Any, ...] | None, way: Way, conjugated: bool, windows: int,
    own: int, normalize: bool, invalid: float,
) -> Any:  # fmt: skip
    """The same for complex numbers, which come as two windows, or two fields, or both; and so does the result."""
    x = (*arguments[:windows], None)[:2]
    real = Weights(field, arguments[windows : windows + own], way)
    kernel: tuple[Any, Any] = (real.whole, None)
    if imag is not None:
        other = Weights(imag, arguments[windows + own :], way).whole
        kernel = (kernel[0], -other if conjugated else other)
    total = complex_sum(x, kernel)
    return complex_quotient(total, x[0], kernel, invalid) if normalize else total


def reciprocal(
    *arguments: Any, field: tuple[Any, ...], imag: tuple[Any, ...] | None, way: Way, own: int, conjugated: bool
) -> Any:
    """One over the sum of the weights of the anchor's kernel, real and imaginary part; NaN where that is noise."""
    window, *values = arguments
    real = Weights(field, values[:own], way).whole
    other = None if imag is None else Weights(imag, values[own:], way).whole
    if other is not None and conjugated:
        other = -other
    one, zero = np.ones((), real.dtype), np.zeros((), real.dtype)
    return complex_quotient((one, zero), window, (real, other), np.nan)


def complex_sum(x: Sequence[Any], k: Sequence[Any]) -> tuple[Any, Any]:
    """The real and the imaginary part of a sum of products; None is an imaginary part that is not there."""
    if k[1] is None:
        return np.sum(x[0] * k[0]), np.sum(x[1] * k[0])
    if x[1] is None:
        return np.sum(x[0] * k[0]), np.sum(x[0] * k[1])
    return np.sum(x[0] * k[0]) - np.sum(x[1] * k[1]), np.sum(x[0] * k[1]) + np.sum(x[1] * k[0])


def complex_quotient(total: Sequence[Any], w: Any, k: Sequence[Any], invalid: float) -> tuple[Any, Any]:
    """A complex sum divided by the sum of the weights of the valid samples."""
    zero = np.zeros((), k[0].dtype)
    real = np.where(valid(w), k[0], zero)
    imaginary = np.zeros((), k[0].dtype) if k[1] is None else np.where(valid(w), k[1], zero)
    c, d = np.sum(real), np.sum(imaginary)
    sound = is_sound(np.hypot(c, d), np.sum(np.hypot(real, imaginary)))
    square, (a, b) = c * c + d * d, total
    return np.where(sound, (a * c + b * d) / square, invalid), np.where(sound, (b * c - a * d) / square, invalid)


def is_sound(total: Any, magnitude: Any) -> Any:
    """Whether a sum of weights is more than rounding noise."""
    return total > NOISE * np.finfo(total.dtype).eps * magnitude
