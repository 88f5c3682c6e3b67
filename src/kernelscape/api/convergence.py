"""When an iteration has settled: `until=` as a test of two successive states.

A number means the largest change of any sample. It is found in strips, so that no array of differences is made, and
the strip that told the last difference is looked at first: while an iteration goes on, a test mostly costs one strip.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array
from kernelscape.errors import ArgumentError, ArgumentTypeError
from kernelscape.kernels.words import in_words

STRIP = 1 << 15
"""Samples that are compared at once: they and their difference stay in the cache."""

Arrays = Sequence[Array]
Criterion = Callable[[Arrays, Arrays, int], bool]
"""``criterion(new, old, steps)``: whether the iteration ends with these arrays, which `steps` steps have made."""


def criterion(until: Any, given: Arrays, handed: Callable[[Arrays], Any]) -> Criterion:
    """The criterion that `until` stands for.

    Parameters
    ----------
    until : float or callable
    given : sequence of ndarray
        The arrays that the iteration starts from: where they have NaN, a NaN is no mishap.
    handed : callable
        Makes of arrays what a callable `until` gets.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        `until` is neither a callable nor a number of at least 0.
    """
    if callable(until):
        return lambda new, old, steps: bool(until(handed(new), handed(old)))
    limit = _limit(until)
    first = [0] * len(given)

    def settled(new: Arrays, old: Arrays, steps: int) -> bool:
        for number, arrays in enumerate(zip(new, old, given, strict=True)):
            found = _changed_strip(arrays, limit, first[number], steps)
            if found is not None:
                first[number] = found
                return False
        return True

    return settled


def _limit(given: Any) -> float:
    if isinstance(given, bool | np.bool_) or not isinstance(given, int | float | np.integer | np.floating):
        raise ArgumentTypeError(
            f"until must be a number, the largest change that does not count, or a callable until(new, old); got "
            f"{in_words(given)}."
        )
    if math.isnan(given) or given < 0:
        raise ArgumentError(f"until must be at least 0, where nothing changes any more; got {given!r}.")
    return float(given)


def _changed_strip(arrays: Arrays, limit: float, first: int, steps: int) -> int | None:
    """The number of a strip in which some sample changed by more than the limit; `first` is looked at first."""
    shape, size = arrays[0].shape, arrays[0].size
    if not size:
        return None
    # Strips of whole rows are contiguous; where few rows are very long they are cut along the longest axis.
    axis = 0 if size // shape[0] <= STRIP else shape.index(max(shape))
    extent: int = shape[axis]
    rows = max(1, STRIP * extent // size)
    count: int = -(-extent // rows)
    for strip in chain(range(first, count), range(first)):
        place = (slice(None),) * axis + (slice(strip * rows, (strip + 1) * rows),)
        new, old, given = (array[place] for array in arrays)
        if _changed(new, old, given, limit, steps):
            return strip
    return None


def _changed(new: Array, old: Array, given: Array, limit: float, steps: int) -> bool:
    if limit == 0 or new.dtype.kind == old.dtype.kind == "b":
        # Booleans differ by 1.
        if limit >= 1 or np.array_equal(new, old):
            return False
        if new.dtype.kind not in "fc":
            return True
        changed = new != old
    else:
        with np.errstate(invalid="ignore", over="ignore"):
            distance = _distance(new, old)
        largest = distance.max()
        if largest <= limit:
            return False
        if largest > limit:
            return True
        changed = ~(distance <= limit) & (new != old)  # infinities of one sign are equal, and their difference is NaN
    missing = np.isnan(new)
    if (missing & ~np.isnan(given)).any():
        raise _not_a_number(limit, steps)
    return bool((changed & ~(missing & np.isnan(old))).any())


def _distance(new: Array, old: Array) -> Array:
    common = np.result_type(new, old)
    if common.kind in "iu":
        # The difference of two integers fits into the unsigned integers of their width, whatever their signs.
        unsigned = np.dtype(f"u{common.itemsize}")
        high, low = np.maximum(new, old, dtype=common), np.minimum(new, old, dtype=common)
        found: Array = np.subtract(high.view(unsigned), low.view(unsigned))
        return found
    found = np.subtract(new, old, dtype=np.float32 if common == np.float16 else common)
    return np.abs(found, out=None if found.dtype.kind == "c" else found)


def _not_a_number(limit: float, steps: int) -> ArgumentError:
    return ArgumentError(
        f"After {steps} steps there is NaN where the array that was given has a number, and until={limit:g} cannot say "
        "whether a NaN still changes. Expected numbers: make smaller steps if the iteration diverges, and replace "
        "missing samples if NaN spreads from them. A callable until(new, old) may see NaN as it likes."
    )
