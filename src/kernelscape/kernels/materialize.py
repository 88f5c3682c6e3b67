"""Kernels as arrays: at one position, or at all of them.

Both evaluate what `Field.bound` gives with NumPy, in float64, for a region of positions at once: the value of a map is
an array of shape ``region + (1, .., 1)``, which broadcasts with the offsets as a number does.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from kernelscape.config import settings
from kernelscape.errors import ArgumentError, ArgumentTypeError, MemoryBudgetError, PositionError, ShapeError
from kernelscape.expression import DType, Shape
from kernelscape.kernels.blend import every_position
from kernelscape.kernels.checks import blocks, without_repeats
from kernelscape.kernels.dense import given_weights
from kernelscape.kernels.field import (
    Array,
    Blend,
    Bound,
    Cells,
    Coordinate,
    Elements,
    Field,
    Map,
    Offsets,
    Part,
    Table,
    offsets_of,
)

Region = tuple[slice, ...]


class Formed(Protocol):
    """The functions of a field, as in `Bound`."""

    @property
    def weights(self) -> Callable[..., Any]: ...
    @property
    def scale(self) -> Callable[..., Any] | None: ...
    @property
    def takes_part(self) -> Callable[..., Any] | None: ...


def kernel_at(field: Field, position: Sequence[Any], shape: Sequence[int] | None) -> Array:
    """See `Field.at`."""
    if not position:
        raise ArgumentTypeError("at() needs one coordinate for each window axis, as at(y, x); got none.")
    if any(isinstance(p, (bool, np.bool_)) or not hasattr(p, "__index__") for p in position):
        raise ArgumentTypeError(f"at() needs integers, one for each window axis; got {position!r}.")
    place = tuple(operator.index(p) for p in position)
    extents = _known_extents(field, shape, "at()")
    if extents is None and field.needs_extents:
        raise ArgumentError(
            f"The kernels of {field!r} depend on the image's extents; give them: at(..., shape=(H, W))."
        )
    if extents is not None:
        place = _inside(place, extents)
    elif min(place) < 0:
        raise ArgumentError(
            f"A negative coordinate counts from the end of the image, and {field!r} fits images of all extents; got "
            f"{place}. Give the extents: at(..., shape=(H, W))."
        )
    bound = field.bound(extents if extents is not None else tuple(p + 1 for p in place))
    return evaluated(bound, tuple(slice(p, p + 1) for p in place)).reshape(bound.size)


def _inside(place: tuple[int, ...], extents: Shape) -> tuple[int, ...]:
    if len(place) != len(extents):
        raise ArgumentError(
            f"at() needs {len(extents)} coordinates, one for each axis of an image with {extents}; got {place}."
        )
    if any(not -n <= p < n for p, n in zip(place, extents, strict=True)):
        raise PositionError(f"The position {place} is outside an image with extents {extents}.")
    return tuple(p % n for p, n in zip(place, extents, strict=True))


def dense_array(field: Field, shape: Sequence[int] | None) -> Array:
    """See `Field.dense`."""
    extents = _known_extents(field, shape, "dense()")
    if extents is None:
        raise ArgumentError(f"{field!r} fits images of all extents; say which: dense((H, W)).")
    bound = field.bound(extents)
    needed = math.prod(extents) * math.prod(bound.size) * bound.dtype.itemsize
    budget = settings().memory_budget
    if needed > budget:
        raise MemoryBudgetError(
            f"The kernels of {field!r} as one array of shape {extents + bound.size} and dtype {bound.dtype} would take "
            f"{_gigabytes(needed)}; the memory budget is {_gigabytes(budget)}. Filters take the field itself, without "
            f"such an array, and at() gives single kernels. Where the memory is there: "
            f"with ks.configure(memory_budget={needed}): ..."
        )
    result = np.empty(extents + bound.size, bound.dtype)
    for region in blocks(extents, math.prod(bound.size)):
        result[region] = evaluated(bound, region)
    return result


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e9:.2g} GB"


def _known_extents(field: Field, shape: Sequence[int] | None, name: str) -> Shape | None:
    """The extents that the field or the caller says."""
    if shape is None:
        return field.extents
    given = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if any(isinstance(n, (bool, np.bool_)) or not hasattr(n, "__index__") for n in given):
        raise ArgumentTypeError(f"The shape in {name} must be made of integers; got {shape!r}.")
    extents = tuple(operator.index(n) for n in given)
    if not extents or min(extents) < 0:
        raise ShapeError(f"The shape in {name} must have one extent for each axis, none negative; got {shape!r}.")
    if field.extents is not None and extents != field.extents:
        raise ShapeError(f"{field!r} has maps of shape {field.extents}; got {name} of an image with {extents}.")
    return extents


def constant_kernel(bound: Bound | Blend) -> Array | None:
    """The kernel of a field that is the same at all pixels by what it is made of, in float64 or complex128.

    None of other fields. Maps and kernels that are broadcast views of one number or kernel count as that one; their
    values are never looked at.
    """
    if isinstance(bound, Blend):
        return _wide(bound.kernels[0]) if len(bound.kernels) == 1 else None
    parts = tuple(found for part in bound.parts if (found := _as_table(part, len(bound.size))) is not None)
    if len(parts) < len(bound.parts):
        return None
    key = _key_of_numbers(bound, parts)
    return _same_everywhere(bound, parts) if key is None else _kept_kernel(_Numbers(key, bound, parts))


def _same_everywhere(bound: Bound, parts: tuple[Table, ...]) -> Array:
    # Where windows follow a map, all samples of the largest one take part.
    table = replace(bound, parts=parts, takes_part=None)
    return _computed(table, (slice(0, 1),) * len(table.size)).reshape(table.size)


@dataclass(frozen=True, slots=True)
class _Numbers:
    """A field that is made of a few numbers, and all that its kernel depends on."""

    key: Hashable
    bound: Bound = field(compare=False)
    parts: tuple[Table, ...] = field(compare=False)


@functools.lru_cache(maxsize=64)
def _kept_kernel(numbers: _Numbers) -> Array:
    """Filters of small images take microseconds, and a kernel as many as they do."""
    kernel = _same_everywhere(numbers.bound, numbers.parts)
    kernel.flags.writeable = False
    return kernel


def _key_of_numbers(bound: Bound, parts: tuple[Table, ...]) -> Hashable | None:
    """What the kernel depends on, where its parts are single numbers and its functions ours; None elsewhere."""
    words = [_words_of(function) for function in (bound.weights, bound.scale)]
    if None in words or any(part.array.size != 1 for part in parts):
        return None
    return (bound.size, *words, *((part.array.dtype, part.array.shape, part.array.tobytes()) for part in parts))


def _words_of(function: Callable[..., Any] | None) -> tuple[Any, ...] | None:
    """A function with the words that it was given; None where the user has a say in it."""
    if isinstance(function, functools.partial):
        words = (function.func, *function.args)
        return None if function.keywords or any(map(callable, function.args)) else words
    return (function,) if function is None or function.__module__.startswith("kernelscape.") else None


def written_at_once(bound: Bound, extents: Shape, itemsize: int, budget: int) -> int:
    """For how many positions along the first axis the kernels of `written_rows` fit into some bytes."""
    per_row = math.prod(extents[1:]) * math.prod(bound.size) * itemsize
    return max(1, min(extents[0], budget // max(1, per_row)))


def written_rows(bound: Bound, extents: Shape, start: int, stop: int, dtype: DType) -> Bound:
    """The field as arrays of kernels, at ``start <= p < stop`` along the first axis (elsewhere at the nearest)."""
    rows = every_position(start, stop - start)
    kernels = _written(bound, (slice(start, stop), *(slice(0, n) for n in extents[1:])), dtype)
    return Bound(bound.size, bound.dtype, (Cells(kernels, (rows, *(None,) * (len(extents) - 1))),), given_weights)


def written_out(bound: Bound, extents: Shape, dtype: DType) -> Bound:
    """The field as an array of kernels.

    Raises
    ------
    MemoryBudgetError
        It would be larger than ``settings().memory_budget``.
    """
    needed, budget = math.prod(extents) * math.prod(bound.size) * dtype.itemsize, settings().memory_budget
    if needed > budget:
        raise MemoryBudgetError(
            f"The field's function cannot be traced, so that a scatter needs its kernels as one array of shape "
            f"{extents + bound.size}: {_gigabytes(needed)}, and the memory budget is {_gigabytes(budget)}. Write the "
            f"function with NumPy's operators and functions, or give the memory: "
            f"with ks.configure(memory_budget={needed}): ..."
        )
    kernels = _written(bound, tuple(slice(0, n) for n in extents), dtype)
    return Bound(bound.size, bound.dtype, (Elements(kernels),), given_weights)


def _written(bound: Bound, region: Region, dtype: DType) -> Array:
    """The kernels in a region, computed block by block."""
    counts = tuple(s.stop - s.start for s in region)
    kernels = np.empty(counts + bound.size, dtype)
    for block in blocks(counts, math.prod(bound.size)):
        inside = tuple(slice(b.start + s.start, b.stop + s.start) for b, s in zip(block, region, strict=True))
        kernels[block] = _computed(bound, inside)
    return kernels


def _as_table(part: Part, ndim: int) -> Table | None:
    """A part that is the same for all pixels; of an empty image no part is."""
    if isinstance(part, Table):
        return part
    if not isinstance(part, Map | Elements) or not part.array.size:
        return None
    single = without_repeats(part.array)
    if single.shape[:ndim] != (1,) * ndim:
        return None
    first: tuple[Any, ...] = (0,) * ndim
    return Table(np.asarray(part.array[first]))


# -- evaluation --------------------------------------------------------------------------------------------------------


def evaluated(bound: Bound | Blend, region: Region) -> Array:
    """The kernels at a region of positions, of shape ``region extents + size``, in the field's dtype."""
    with np.errstate(all="ignore"):
        return _computed(bound, region).astype(bound.dtype)


def _computed(bound: Bound | Blend, region: Region) -> Array:
    with np.errstate(all="ignore"):  # NaN and infinities in the caller's numbers go where they belong
        return _blended(bound, region) if isinstance(bound, Blend) else _formed(bound, region)


def _formed(bound: Bound, region: Region) -> Array:
    offsets = offsets_of(bound.size, tuple(k // 2 for k in bound.size))
    values = [_value(part, region) for part in bound.parts]
    return formed(bound, offsets, values, tuple(s.stop - s.start for s in region))


def formed(field: Formed, offsets: Offsets, values: Sequence[Array], counts: Shape) -> Array:
    """The kernels at some positions, of shape ``counts + size``, from the values of a field's parts.

    Values of maps and coordinates have the shape of `counts` and then an axis of extent 1 for each axis of the window,
    those of elements the elements' shape there.
    """
    size = tuple(offset.shape[axis] for axis, offset in enumerate(offsets))
    kernels = np.broadcast_to(field.weights(offsets, *values), counts + size)
    if field.scale is not None:
        scale = np.asarray(field.scale(offsets, *values))
        kernels = kernels * scale.reshape(scale.shape + (1,) * len(offsets))
    if field.takes_part is not None:
        kernels = np.where(field.takes_part(offsets, *values), kernels, np.zeros((), kernels.dtype))
    return kernels


def _value(part: Part, region: Region) -> Array:
    """What a part is in a region: with axes of the positions before those of the window."""
    if isinstance(part, Table):
        return _wide(part.array)
    ones = (1,) * len(region)
    if isinstance(part, Coordinate):
        shape = tuple(-1 if a == part.axis else 1 for a in range(len(region)))
        along = region[part.axis]
        return np.arange(along.start, along.stop).reshape(shape + ones)
    block = _wide(part.array[region])
    return block if isinstance(part, Elements) else block.reshape(block.shape + ones)


def _wide(array: Array) -> Array:
    """Floating and complex numbers in the precision that is computed in."""
    return array.astype({"f": np.float64, "c": np.complex128}.get(array.dtype.kind, array.dtype), copy=False)


def _blended(blend: Blend, region: Region) -> Array:
    indices, weights = blend.coefficients(region)
    ones = (1,) * len(blend.size)
    counts = indices.shape[:-1]
    result = np.zeros(counts + blend.size, np.result_type(blend.dtype, np.float64))
    for term in range(indices.shape[-1]):
        share = weights[..., term].reshape(counts + ones)
        # A term without weight does not take part, whatever its kernel holds.
        result += np.where(share != 0, share * _wide(blend.kernels[indices[..., term]]), 0.0)
    return result
