"""Kernels as arrays: at one position, or at all of them.

Both evaluate what `Field.bound` gives with NumPy, in float64, for a region of positions at once: the value of a map is
an array of shape ``region + (1, .., 1)``, which broadcasts with the offsets as a number does.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from kernelscape.config import settings
from kernelscape.errors import ArgumentError, ArgumentTypeError, MemoryBudgetError, ShapeError
from kernelscape.expression import Shape
from kernelscape.kernels.checks import PositionError, blocks
from kernelscape.kernels.field import Array, Blend, Bound, Coordinate, Elements, Field, Part, Table, offsets_of

Region = tuple[slice, ...]


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


# -- evaluation --------------------------------------------------------------------------------------------------------


def evaluated(bound: Bound | Blend, region: Region) -> Array:
    """The kernels at a region of positions, of shape ``region extents + size``, in the field's dtype."""
    with np.errstate(all="ignore"):  # NaN and infinities in the caller's numbers go where they belong
        kernels = _blended(bound, region) if isinstance(bound, Blend) else _formed(bound, region)
        return kernels.astype(bound.dtype)


def _formed(bound: Bound, region: Region) -> Array:
    offsets = offsets_of(bound.size, tuple(k // 2 for k in bound.size))
    counts = tuple(s.stop - s.start for s in region)
    values = [_value(part, region) for part in bound.parts]
    kernels = np.broadcast_to(bound.weights(offsets, *values), counts + bound.size)
    if bound.scale is not None:
        scale = np.asarray(bound.scale(offsets, *values))
        kernels = kernels * scale.reshape(scale.shape + (1,) * len(offsets))
    if bound.takes_part is not None:
        kernels = np.where(bound.takes_part(offsets, *values), kernels, 0.0)
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
