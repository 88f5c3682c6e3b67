"""What ways to filter with a kernel field cost, roughly: by how much one may be faster than another.

Costs are milliseconds, from counts of multiply-adds and of what is read, with constants that were measured on 2 cores
of a Zen 4 (AVX-512) with images of 1024x1024 in float32; float64 costs twice as much. Only their ratios matter, since
they decide between methods. They were measured where these differ by large factors; a decision that hangs on ten per
cent is as good either way.
"""

from __future__ import annotations

import math

from kernelscape.expression import DType
from kernelscape.kernels.field import Blend, Bound, Elements, Table

MILLION = 1e6

FIXED = 0.031
"""One tap of a kernel that is the same for all pixels, for a million outputs."""
COMBINED = 0.031
"""One tap of one of the basis kernels of a combination."""
BLENDED = 0.07
"""One tap of one of the terms along the last axis of a grid: blending included."""
POINTS = 0.45
"""One tap of kernels at points, between which others are interpolated: in blocks, with all that take part in each."""
FACTORED = 0.15
"""One tap of a kernel that is separable at every pixel."""
COMPUTED = 0.5
"""One tap of a kernel whose weights are computed one by one, with an elementary function."""
READ = 0.05
"""One byte of weights per pixel that is read from memory."""
SPREAD = 0.45
"""One tap of a kernel that is separable at every pixel, scattered: each source has another one."""
SPREAD_COMPUTED = 1.5
"""One tap of another kernel whose weights are computed, scattered."""
CALL = 0.15
"""One call of the engine, however small the image is."""
PASS = 0.4
"""One pass over a million outputs: reading and writing them."""


def width(dtype: DType) -> float:
    """How much longer than in float32 everything takes."""
    return max(1.0, dtype.itemsize / 4)


def exact(bound: Bound | Blend, outputs: int, dtype: DType, *, scattered: bool = False) -> float:
    """The method that is exact up to rounding, for so many outputs."""
    taps = math.prod(bound.size)
    return CALL + (PASS + taps * _per_tap(bound, scattered)) * outputs / MILLION * width(dtype)


def _per_tap(bound: Bound | Blend, scattered: bool) -> float:
    if isinstance(bound, Blend):
        if scattered:
            # Fixed filters on the pixels around each node, which overlap.
            return FIXED * (6 if bound.axes is None else math.prod(w.shape[1] for _, w in bound.axes))
        return POINTS if bound.axes is None else BLENDED * bound.axes[-1][0].shape[1]
    if bound.terms is not None:
        return COMBINED * terms_of(bound)
    elements = [part.array for part in bound.parts if isinstance(part, Elements)]
    if elements:
        numbers = sum(a.dtype.itemsize * math.prod(a.shape[len(bound.size) :]) for a in elements)
        return float(READ * numbers / math.prod(bound.size))
    if bound.factors is not None:
        return SPREAD if scattered else FACTORED
    return SPREAD_COMPUTED if scattered else COMPUTED


def terms_of(bound: Bound) -> int:
    """The number of basis kernels of a combination, which come last among what it reads."""
    basis = bound.parts[-1]
    assert isinstance(basis, Table)
    return len(basis.array)


def separable(taps: int, outputs: int, dtype: DType) -> float:
    """One pass along one axis with one kernel."""
    return CALL + (PASS + FIXED * taps) * outputs / MILLION * width(dtype)


def transform(count: int, lengths: tuple[int, ...], dtype: DType) -> float:
    """So many real Fourier transforms of some lengths, there or back."""
    size = math.prod(lengths)
    return 0.3e-6 * count * size * max(1.0, math.log2(size)) * width(dtype)
