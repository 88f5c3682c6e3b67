"""What follows from the offsets alone: distances from the pixel, known before any pixel is.

The same offsets give the same array objects, again and again. What a field computes from them at two places, for its
weights and for their sum, is then seen to be the same by whoever traces it, and is computed once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from kernelscape.expression import Shape
from kernelscape.kernels.field import Array, Offsets

_Content: TypeAlias = tuple[tuple[Shape, str, bytes], ...]


def known(offsets: Offsets) -> bool:
    """Whether the offsets are numbers now, rather than values of a trace."""
    return all(isinstance(d, np.ndarray) for d in offsets)


def along_axes(offsets: Offsets) -> tuple[Any, ...]:
    """The distance along each axis."""
    return _kept(_along_axes, offsets) if known(offsets) else tuple(abs(d) for d in offsets)


def distinct_squares(offsets: Offsets) -> tuple[Array, tuple[Array, ...]]:
    """The distinct squares of known offsets, and for each axis where its offsets find their own."""
    found: tuple[Array, tuple[Array, ...]] = _kept(_distinct_squares, offsets)
    return found


def from_pixel(offsets: Offsets) -> Any:
    """The Euclidean distance, of the window's shape."""
    if known(offsets):
        return _kept(_from_pixel, offsets)
    total: Any = sum(d * d for d in offsets)
    return np.sqrt(total)


def _kept(function: Callable[[list[Array]], Any], offsets: Offsets) -> Any:
    return _by_content(function, tuple((d.shape, d.dtype.str, d.tobytes()) for d in offsets))


@functools.lru_cache(maxsize=256)
def _by_content(function: Callable[[list[Array]], Any], content: _Content) -> Any:
    return function([np.frombuffer(data, dtype).reshape(shape) for shape, dtype, data in content])


def _along_axes(offsets: list[Array]) -> tuple[Array, ...]:
    return tuple(np.abs(d) for d in offsets)


def _distinct_squares(offsets: list[Array]) -> tuple[Array, tuple[Array, ...]]:
    squares, places = np.unique(np.concatenate([(d * d).ravel() for d in offsets]), return_inverse=True)
    parts = np.split(places.ravel(), np.cumsum([d.size for d in offsets])[:-1])
    return squares, tuple(part.reshape(d.shape) for part, d in zip(parts, offsets, strict=True))


def _from_pixel(offsets: list[Array]) -> Array:
    total = functools.reduce(np.add, [d.astype(np.float64) ** 2 for d in offsets])
    return np.asarray(np.sqrt(total).astype(offsets[0].dtype))
