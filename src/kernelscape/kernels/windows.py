"""Windows that follow a map: each pixel's own radius along the axes, in whole samples.

The radius is kept, as small integers, instead of being computed again beside the weights, because a comparison
``|d| <= int(truncate * sigma + 0.5)`` in float32 may fall to the other side than the one in float64 that decided how
large the field's window is. One byte per pixel and axis is enough up to a radius of 255.
"""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import numpy as np

from kernelscape.errors import ArgumentError
from kernelscape.expression import DType
from kernelscape.kernels import checks, distances
from kernelscape.kernels.field import Array, Offsets


def checked_map(name: str, value: Any, *, least: float = -math.inf) -> Array:
    """A number or map of finite numbers, not below `least`."""
    array = checks.as_numbers(name, value)
    rule = "finite" if least == -math.inf else f"finite and at least {least:g}"
    checks.check_values(name, array, f"{rule} everywhere" if array.ndim else rule, least=least)
    return array


def radius_dtype(largest: float, cause: str) -> DType:
    """The narrowest integers for radii up to `largest`; refuses windows that nobody can mean."""
    if largest >= 2**30:
        raise ArgumentError(
            f"The window of a kernel must have a radius below 2**30 samples; got {cause}. Give the field a size=."
        )
    return next(np.dtype(t) for t in (np.uint8, np.uint16, np.uint32) if largest <= np.iinfo(t).max)


def largest_radius(radii: tuple[Array, ...]) -> Array:
    """The largest radius over the axes, for each pixel."""
    largest: Array = functools.reduce(np.maximum, radii)
    return largest


def own_factors(count: int, offsets: Offsets, *values: Any) -> tuple[Any, ...]:
    """Whether an offset is in the pixel's own window, along each axis.

    The radii are the last `count` values: one for each axis, or one for all axes.
    """
    radii = values[-count:] if count == len(offsets) else values[-1:] * len(offsets)
    return tuple(d <= r for d, r in zip(distances.along_axes(offsets), radii, strict=True))


def takes_part(count: int, offsets: Offsets, *values: Any) -> Any:
    """Whether a sample is in the pixel's own window."""
    return functools.reduce(operator.and_, own_factors(count, offsets, *values))


def window_sum(values: Any, inside: Any, ndim: int) -> Any:
    """The sum over the axes of the window, which are the last ones; `inside` says which samples count."""
    last = tuple(range(-ndim, 0))
    return np.sum(values, axis=last) if inside is None else np.sum(values, axis=last, where=inside)
