"""What is said of the arrays that fields are made of: numbers or maps, of which kinds, and which values are refused.

Fields keep the caller's arrays as they are. A number is an array of no axes, so that "a number or a map" is one type.
Whatever looks at all values of a map does so block by block, because maps may be as large as images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from kernelscape.errors import ArgumentError, ArgumentTypeError, NotYetSupportedError, ShapeError
from kernelscape.expression import DType, Shape
from kernelscape.kernels.field import Map, Table

Array: TypeAlias = np.ndarray[Any, Any]
FLOATS = tuple(np.dtype(name) for name in ("float16", "float32", "float64"))
COMPLEX = tuple(np.dtype(name) for name in ("complex64", "complex128"))
_BLOCK = 2**18
"""How many samples are looked at in one go."""


# -- arrays ------------------------------------------------------------------------------------------------------------


def as_numbers(name: str, value: Any, *, complex_too: bool = False) -> Array:
    """The array behind what the caller gave, not copied; a number becomes an array of no axes.

    Raises
    ------
    ArgumentTypeError
        It holds no numbers, or complex ones where only real ones have a meaning.
    NotYetSupportedError
        It carries more than numbers (a mask, a unit, a gradient).
    """
    array = _plain(name, value)
    native = array.dtype.newbyteorder("=")
    if native.kind in "biu" or native in FLOATS or (complex_too and native in COMPLEX):
        return array
    known = "integers, float16, float32 or float64" + (", complex64 or complex128" if complex_too else "")
    raise ArgumentTypeError(f"{name} must hold {known}; got dtype {array.dtype}. Convert it: array.astype(float).")


def _plain(name: str, value: Any) -> Array:
    if isinstance(value, np.ma.MaskedArray):
        raise NotYetSupportedError(
            f"{name} is a masked array, whose mask would be lost; expected a plain array. Fill the masked samples "
            "first: array.filled(value)."
        )
    if isinstance(value, np.memmap):
        return value.view(np.ndarray)
    if type(value) is np.ndarray or isinstance(value, (bool, int, float, complex, np.generic)):
        return np.asarray(value)
    if isinstance(value, (list, tuple)):
        try:
            return np.array(value)
        except ValueError as error:
            raise ArgumentError(f"{name} must have rows of equal lengths; got {value!r} ({error}).") from None
    if isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise NotYetSupportedError(
            f"{name} is of type {kind}, and what that carries beyond its numbers would be lost; expected a NumPy "
            "array. Convert it: numpy.asarray(array)."
        )
    raise ArgumentTypeError(f"{name} must be a number or an array; got {value!r}.")


def as_number(name: str, value: Any) -> float:
    """A finite number that is at least 0."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ArgumentTypeError(f"{name} must be a number; got {value!r}.")
    if not 0 <= value < math.inf:
        raise ArgumentError(f"{name} must be finite and at least 0; got {value!r}.")
    return float(value)


def as_switch(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise ArgumentTypeError(f"{name} must be True or False; got {value!r}.")
    return bool(value)


def as_size(size: Any) -> int | tuple[int, ...]:
    """A window's size as the caller may say it before the image is known: one integer, or one for each axis."""
    from kernelscape.geometry import canonical_size

    if not isinstance(size, (tuple, list, np.ndarray)):
        return canonical_size((size,), 1)[0]
    if not len(size):
        raise ShapeError("size must be one integer, or one for each window axis; got an empty sequence.")
    return canonical_size(size, len(size))


# -- maps --------------------------------------------------------------------------------------------------------------


def common_extents(maps: Sequence[tuple[str, Array]]) -> Shape | None:
    """The shape that all maps have, numbers aside; None where there are only numbers."""
    first: tuple[str, Shape] | None = None
    for name, array in maps:
        if not array.ndim:
            continue
        if first is None:
            first = (name, array.shape)
        elif array.shape != first[1]:
            raise ShapeError(
                f"The maps of a field must have one shape, that of the image; got {first[0]} of shape {first[1]} and "
                f"{name} of shape {array.shape}."
            )
    return None if first is None else first[1]


def check_extents(field: str, own: Shape | None, extents: Shape) -> None:
    """Refuses an image whose extents are not those of the maps."""
    if own is not None and own != tuple(extents):
        raise ShapeError(
            f"{field} has maps of shape {own}, which must be the image's extents along the window axes; got an image "
            f"with {tuple(extents)}."
        )


def common_ndim(extents: Shape | None, size: int | Shape | None) -> int | None:
    """The number of window axes that maps or a size have; None where neither says it."""
    given = extents if extents is not None else size
    return len(given) if isinstance(given, tuple) else None


def part_of(array: Array) -> Map | Table:
    """What a field reads of a number or a map."""
    return Map(array) if array.ndim else Table(array)


def floating_dtype(*arrays: Array) -> DType:
    """The dtype of weights that follow from these numbers and maps.

    At least float32, because that is what half precision is computed in; numbers count only where there is no map, as
    Python's numbers do in NumPy; float64 for integers.
    """
    maps = [a for a in arrays if a.ndim] or arrays
    found = [a.dtype.newbyteorder("=") for a in maps if a.dtype.kind in "fc"]
    return np.result_type(np.float32, *found) if found else np.dtype(np.float64)


def blocks(extents: Shape, weight: int = 1) -> Iterator[tuple[slice, ...]]:
    """Regions that cover an array in C order, each of few samples; `weight` is what one sample counts."""
    limit = max(1, _BLOCK // max(weight, 1))
    inner = math.prod(extents[1:])
    if not extents:
        yield ()
    elif inner <= limit or len(extents) == 1:
        step = max(1, limit // max(inner, 1))
        for start in range(0, extents[0], step):
            yield (slice(start, min(start + step, extents[0])), *(slice(0, n) for n in extents[1:]))
    else:
        for start in range(extents[0]):
            for rest in blocks(extents[1:], weight):
                yield (slice(start, start + 1), *rest)


def without_repeats(array: Array) -> Array:
    """The part of a broadcast view that is really there; it broadcasts to the view."""
    return array[tuple(slice(0, 1) if not stride and n else slice(None) for n, stride in _axes(array))]


def _axes(array: Array) -> Iterator[tuple[int, int]]:
    return zip(array.shape, array.strides, strict=True)


def check_values(name: str, array: Array, rule: str, *, least: float = -math.inf) -> None:
    """Refuses NaN, infinities and values below `least`, naming the first of them; `rule` says what is expected."""
    real = without_repeats(array)
    for region in blocks(real.shape):
        block = real[region]
        if not block.size:
            continue
        # Both extremes are NaN where there is one, and they need no array of truth values.
        lowest, highest = float(block.min()), float(block.max())
        if least <= lowest and -math.inf < lowest and highest < math.inf:
            continue
        wrong = ~((block >= least) & np.isfinite(block))
        inside = np.unravel_index(int(np.argmax(wrong)), block.shape)
        position = tuple(int(i) + s.start for i, s in zip(inside, region, strict=True))
        where = f" at {position}" if position else ""
        raise ArgumentError(f"{name} must be {rule}; got {block[inside].item()!r}{where}.")


def holds_nan(array: Array) -> bool:
    """Whether there is a NaN, also in a part of a complex number."""
    real = without_repeats(array)
    if real.dtype.kind not in "fc":
        return False
    parts = (real.real, real.imag) if real.dtype.kind == "c" else (real,)
    # The least number is NaN where there is one, and needs no array of truth values.
    return any(
        part[region].size and bool(np.isnan(part[region].min())) for part in parts for region in blocks(real.shape)
    )


def transformed(
    function: Callable[..., tuple[Array, ...]], arrays: Sequence[Array], dtype: DType, count: int = 1
) -> tuple[Array, ...]:
    """Maps of `dtype` made of others, `count` at once: block by block in float64, no larger than what is there."""
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    real = [without_repeats(a) for a in arrays]
    made = np.broadcast_shapes(*(a.shape for a in real))
    results = tuple(np.empty(made, dtype) for _ in range(count))
    real = [np.broadcast_to(a, made) for a in real]
    for region in blocks(made):
        found = function(*(a[region].astype(np.float64) for a in real))
        for result, block in zip(results, found, strict=True):
            result[region] = block
    return tuple(np.broadcast_to(result, shape) for result in results)
