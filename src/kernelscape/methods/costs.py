"""What ways to filter with a kernel field cost, roughly: by how much one may be faster than another.

Costs are milliseconds, from counts of multiply-adds and of what is read, with constants that were measured on 2 cores
of a Zen 4 (AVX-512) with images of 1024x1024 in float32; float64 costs twice as much. Only their ratios matter, since
they decide between methods. They were measured where these differ by large factors; a decision that hangs on ten per
cent is as good either way.
"""

from __future__ import annotations

import math

from kernelscape.expression import DType
from kernelscape.kernels.field import Array, Blend, Bound, Elements, Table

MILLION = 1e6

FIXED = 0.024
"""One tap of a kernel that is the same for all pixels, for a million outputs."""
COMBINED = 0.014
"""One tap of one of the basis kernels of a combination, which share what they read."""
BLENDED = 0.02
"""One tap of one of the terms along the last axis of a grid: blending included."""
POINTS = 0.64
"""One tap of kernels at points, between which others are interpolated: in blocks, with all that take part in each."""
POINTS_SPREAD = 2.0
"""The same, scattered."""
FACTORED = 0.017
"""One tap of a kernel that is separable at every pixel; and `WEIGHTS` for its weights along the axes."""
WEIGHTS = 11.0
COMPUTED = 0.12
"""One tap of a kernel whose weights are computed one by one, with an elementary function."""
READ = 0.045
"""One byte of weights per pixel that is read from memory."""
SPREAD = 0.22
"""One tap of a kernel that is separable at every pixel, scattered: each source has another one."""
SPREAD_COMPUTED = 0.6
"""One tap of another kernel whose weights are computed, scattered."""
CALL = 0.15
"""One call of the engine, however small the image is."""
PASS = 0.35
"""One pass over a million outputs: reading and writing them."""
COPY = 4.0
"""Copying a million samples, and what is around them, by NumPy."""
TRANSFORM = 0.1
"""One Fourier transform, however small; and for N samples ``N log2(N)`` times `STEP`."""
STEP = 0.2e-6


def width(dtype: DType) -> float:
    """How much longer than in float32 everything takes."""
    return float(max(1.0, dtype.itemsize / 4))


def exact(bound: Bound | Blend, outputs: int, dtype: DType, *, scattered: bool = False) -> float:
    """The method that is exact up to rounding, for so many outputs."""
    weights = WEIGHTS if isinstance(bound, Bound) and bound.factors is not None and not _elements(bound) else 0.0
    taps = math.prod(bound.size)
    return CALL + (PASS + weights + taps * _per_tap(bound, scattered)) * outputs / MILLION * width(dtype)


def _per_tap(bound: Bound | Blend, scattered: bool) -> float:
    if isinstance(bound, Blend):
        if bound.axes is None:
            return POINTS_SPREAD if scattered else POINTS
        # Scattered: fixed filters on the pixels around each node, which overlap.
        terms = [weight.shape[1] for _, weight in bound.axes]
        return FIXED * math.prod(terms) if scattered else BLENDED * float(terms[-1])
    if bound.terms is not None:
        return (FIXED if scattered else COMBINED) * terms_of(bound)
    if _elements(bound):
        numbers = float(sum(a.dtype.itemsize * math.prod(a.shape[len(bound.size) :]) for a in _elements(bound)))
        return READ * numbers / math.prod(bound.size) + (0.0 if bound.factors is None else FACTORED)
    if bound.factors is not None:
        return SPREAD if scattered else FACTORED
    return SPREAD_COMPUTED if scattered else COMPUTED


def _elements(bound: Bound) -> list[Array]:
    return [part.array for part in bound.parts if isinstance(part, Elements)]


def terms_of(bound: Bound) -> int:
    """The number of basis kernels of a combination, which come last among what it reads."""
    basis = bound.parts[-1]
    assert isinstance(basis, Table)
    return len(basis.array)


def separable(taps: int, outputs: int, dtype: DType) -> float:
    """One pass along one axis with one kernel."""
    return CALL + (PASS + FIXED * taps) * outputs / MILLION * width(dtype)


def transform(lengths: tuple[int, ...], dtype: DType) -> float:
    """One real Fourier transform of some lengths, there or back; float64 takes a third longer."""
    size = math.prod(lengths)
    return (TRANSFORM + STEP * size * max(1.0, math.log2(size))) * (1.0 if dtype.itemsize < 8 else 1.33)
