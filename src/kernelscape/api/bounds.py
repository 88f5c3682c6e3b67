"""Bounds on the error of one filtered image that are sharper than what a method promises for all images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from kernelscape.api.approximate import Job, transforming
from kernelscape.api.arguments import Array
from kernelscape.api.linear import convolve, correlate
from kernelscape.api.operands import window_axes
from kernelscape.api.overlap import KernelJob, Overlapping
from kernelscape.expression import DType
from kernelscape.methods.fft import Overlap
from kernelscape.methods.log_sigma import LogSigma
from kernelscape.methods.product_convolution import ProductConvolution

Bounded = tuple[float, str]
"""A bound and where it comes from."""


def largest_magnitude(array: Array) -> float:
    """Of the finite samples."""
    sizes = np.abs(array[np.isfinite(array)] if array.dtype.kind in "fc" else array.astype(np.float64))
    return float(sizes.max(initial=0.0))


def largest_difference(one: Array, other: Array) -> float:
    """Infinite where only one of both is finite; samples that are not finite in both count as equal."""
    finite = np.isfinite(one)
    if not np.array_equal(finite, np.isfinite(other)):
        return math.inf
    return float(np.abs(np.where(finite, one, 0) - np.where(finite, other, 0)).max(initial=0.0))


def local(job: Job, design: LogSigma) -> Bounded:
    """By the roots of the sums of squares that windows hold, about their own means.

    With d the difference of two kernels of n weights and w the window, ``sum d w`` is at most ``|sum d|`` times the
    mean of w, and ``|d|_2`` times the root of what is left of the sum of squares.
    """
    around, words = (
        job.around,
        {name: getattr(job.options, name) for name in ("origin", "stride", "dilation", "padding")},
    )
    modes = tuple("constant" if mode == "shrink" else mode for mode in around.modes)
    outside = {value for value in around.outside if value is not None} or {0.0}
    if len(outside) > 1:
        return math.inf, "nothing"
    (constant,) = outside
    centre, ndim = job.middle, len(around.size)
    shifted = job.array.astype(np.float64) - centre
    run = convolve if job.way.flipped else correlate
    axes = tuple(range(shifted.ndim - ndim, shifted.ndim))
    words |= {"mode": modes, "axes": axes, "workers": job.workers}
    if job.options.mode == "valid":
        words["padding"] = "valid"
    ones, count = np.ones(around.size), math.prod(around.size)
    sums = run(shifted, ones, cval=constant - centre, **words)
    squares = run(shifted * shifted, ones, cval=(constant - centre) ** 2, **words)
    # Rounding of both sums, each of which has as many terms.
    largest = float(squares.max(initial=0.0))
    left = max(float((squares - sums * sums / count).max(initial=0.0)), 0.0) + 8 * count * 2.0**-53 * largest
    mean = float(np.abs(sums).max(initial=0.0)) / count + abs(centre)
    rounding = (design.bound - design.error.l1) * job.magnitude
    total = design.error.l2 * math.sqrt(left) + design.error.mean * mean * (1 + 1e-9) + rounding
    return total, "roots of sums of squares of the differences between kernels, and of what windows hold"


def by_patches(job: Job, design: ProductConvolution) -> Bounded:
    """By what each patch holds, and where it reaches."""
    own = transforming(job, design, job.inner, design.dtype)
    words = "rounding of Fourier transforms (Higham 2002, section 24.1) of what each patch holds"
    return own.certified(job.array, job.middle, job.magnitude), words


def overlapping(job: KernelJob, design: Overlap, result: Array) -> Iterator[Callable[[], Bounded]]:
    """By what each block holds; and by comparing with transforms in wider numbers, whose rounding is bounded so."""
    words = "rounding of Fourier transforms (Higham 2002, section 24.1) of what each block holds"
    yield lambda: (Overlapping(job, design, job.inner, design.dtype).certified(), words)
    axes = window_axes(job.operands, job.options)
    for name, dtype in (("double", np.dtype(np.float64)), ("extended", np.dtype(np.longdouble))):
        if np.finfo(dtype).eps < np.finfo(design.dtype).eps:
            yield partial(_wider_blocks, Overlapping(job, design, dtype, dtype), result, axes, name)


def _wider_blocks(wider: Overlapping, result: Array, axes: tuple[int, ...], name: str) -> Bounded:
    found = np.moveaxis(wider.run(), range(-len(axes), 0), axes)
    return largest_difference(result, found) + wider.certified(), f"a comparison with transforms in {name} precision"


def in_wider_numbers(job: Job, design: ProductConvolution, dtype: DType, result: Array) -> Bounded:
    """By comparing with the same method in wider numbers, whose rounding is bounded."""
    wider = transforming(job, design, dtype, dtype)
    axes = job.operands.axes
    found = np.moveaxis(wider.run(job.array, job.middle), range(-len(axes), 0), axes)
    bound = wider.certified(job.array, job.middle, job.magnitude)
    words = "double" if dtype == np.float64 else "extended"
    return largest_difference(result, found) + bound, f"a comparison with transforms in {words} precision"
