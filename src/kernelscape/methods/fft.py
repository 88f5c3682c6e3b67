"""A fixed kernel through the Fourier transform: blocks of the outputs, each from one product of spectra.

The outputs are cut into blocks; what the windows of a block see is transformed, multiplied with the transform of the
kernel, and transformed back. What a circular filter mixes at the ends of a block is thrown away (overlap-save [1]_), so
that results are those of windows, at the border of the array as the mode says. What it costs hardly depends on the size
of the kernel, so that it is faster than any direct method from some size on.

It applies to sums of products with one kernel for all outputs, gathered, or scattered where that is the same; in real
and complex floating numbers of which all are finite. It is inexact: a transform mixes all samples of a block, so that
errors are relative to the largest ones, not to what a window holds. The bound is that of
`product_convolution.error_of` [2]_, of the samples about a number in the middle of their range.

References
----------
.. [1] A. V. Oppenheim and R. W. Schafer, Discrete-Time Signal Processing, 3rd edition, Pearson, 2010, section 8.7.3.
.. [2] N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, SIAM, 2002, section 24.1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kernelscape.expression import DType, Shape
from kernelscape.kernels.field import Array
from kernelscape.machine import Rates
from kernelscape.methods.product_convolution import error_of, fast

SIDES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 16384, 65536)
"""Outputs along an axis of a block that are considered, besides all of them."""
CACHED = 1 << 19
"""Samples of a block above which transforms take twice as long; those along one axis always do."""
MOST = 1 << 23
"""Samples of a block, at most, unless one window has more."""
TOGETHER = 1 << 18
"""Samples of small blocks that are transformed together."""
PER_BLOCK = 8e-5
"""Seconds for what is around the transforms of some blocks, however small."""
PASSES = 14
"""How often a block is read or written besides its transforms: cut out, multiplied, brought to the result."""


@dataclass(frozen=True, slots=True)
class Line:
    """Blocks along one axis.

    Attributes
    ----------
    count : int
        Outputs.
    stride : int
        Positions from one output to the next.
    reach : int
        Positions that a window covers beyond its first.
    side : int
        Outputs of a block; the last one may have fewer.
    length : int
        Of the transforms: what the windows of a block see, and zeros.
    """

    count: int
    stride: int
    reach: int
    side: int
    length: int

    @property
    def blocks(self) -> int:
        """The number of blocks."""
        return -(-self.count // self.side)

    @property
    def seen(self) -> int:
        """Positions that the windows of a whole block see."""
        return (self.side - 1) * self.stride + 1 + self.reach

    def parts(self) -> Iterator[tuple[int, int]]:
        """The outputs of each block: the first, and the one behind the last."""
        return ((first, min(first + self.side, self.count)) for first in range(0, self.count, self.side))


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """How a filter with one kernel goes through Fourier transforms.

    Attributes
    ----------
    lines : tuple of Line
        For each window axis.
    dtype : dtype
        Real; in which transforms are computed.
    is_complex : bool
        Whether they are transforms of complex numbers.
    bound : float
        At least the largest error of an output.
    seconds : float
        What one worker takes.
    bytes : int
        Temporary memory.
    """

    lines: tuple[Line, ...]
    dtype: DType
    is_complex: bool
    bound: float
    seconds: float
    bytes: int

    @property
    def lengths(self) -> Shape:
        """Of the transforms."""
        return tuple(line.length for line in self.lines)

    @property
    def blocks(self) -> int:
        """Of one image."""
        return math.prod(line.blocks for line in self.lines)


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """What is known of a filter before it is decided how it is computed.

    Attributes
    ----------
    weights : ndarray
        The kernel.
    dilation, strides, counts : tuple of int
        The counts are those of the outputs along the window axes.
    images : int
        Arrays along the other axes.
    inner : dtype
        In which results are computed.
    is_complex : bool
        Whether samples or weights are complex.
    spread, centre : float
        The largest distance of a sample from `centre`, which is taken from all samples before they are transformed.
    """

    weights: Array
    dilation: Shape
    strides: Shape
    counts: Shape
    images: int
    inner: DType
    is_complex: bool
    spread: float
    centre: float


def overlap(job: Filter, rates: Rates, allowed: float | None) -> Overlap | str:
    """Blocks for a filter: the narrowest numbers whose error is `allowed`, or those it is computed in; or why none."""
    if not np.isfinite(job.weights).all():
        return "weights are not finite numbers"
    dtypes: list[DType] = [np.dtype(np.float32)] if job.inner.itemsize < 8 else []
    every = [*dtypes, np.dtype(np.float64)]
    lowest = math.inf
    for dtype in every:
        found = _designed(job, rates, dtype)
        if not math.isfinite(found.bound):
            continue
        if allowed is None or found.bound <= allowed:
            return found
        lowest = min(lowest, found.bound)
    if not math.isfinite(lowest):
        return "sums of so large samples could overflow"
    return f"rounding of transforms forbids errors below {lowest:.2g}"


def _designed(job: Filter, rates: Rates, dtype: DType) -> Overlap:
    lines = min(_ways(job), key=lambda ways: _seconds(job, ways, rates, dtype))
    size = math.prod(line.length for line in lines)
    item = dtype.itemsize * (2 if job.is_complex else 1)
    together = max(1, TOGETHER // size)
    return Overlap(
        lines,
        dtype,
        job.is_complex,
        bound_of(job, lines, dtype),
        _seconds(job, lines, rates, dtype),
        (4 * together + 1) * size * item,
    )


def _ways(job: Filter) -> Iterator[tuple[Line, ...]]:
    """Blocks of different extents; each axis for itself while there are few."""
    axes = []
    for size, dilation, stride, count in zip(job.weights.shape, job.dilation, job.strides, job.counts, strict=True):
        reach = dilation * (size - 1)
        sides = sorted({max(1, min(side // stride, count)) for side in SIDES} | {count})
        axes.append([_line(count, stride, reach, side) for side in sides])
    if len(axes) <= 3:
        every = list(itertools.product(*axes))
    else:
        most = max(map(len, axes))
        every = [tuple(own[min(n, len(own) - 1)] for own in axes) for n in range(most)]
    few = [lines for lines in every if math.prod(line.length for line in lines) <= MOST]
    return iter(few or every[:1])


def _line(count: int, stride: int, reach: int, side: int) -> Line:
    # Blocks of nearly equal extents leave less of the last one unused.
    side = -(-count // -(-count // side))
    return Line(count, stride, reach, side, fast((side - 1) * stride + 1 + reach))


def _seconds(job: Filter, lines: tuple[Line, ...], rates: Rates, dtype: DType) -> float:
    size = math.prod(line.length for line in lines)
    blocks = math.prod(line.blocks for line in lines) * job.images
    factor = (1.0 if dtype.itemsize < 8 else 1.7) * (2.0 if job.is_complex else 1.0)
    factor *= 2.0 if size > CACHED or len(lines) == 1 else 1.0
    transform = factor * size * max(1.0, math.log2(size)) / rates.transform
    item = dtype.itemsize * (2 if job.is_complex else 1)
    passes = PASSES * size * item / rates.far
    groups = -(-blocks // max(1, TOGETHER // size))
    return rates.call + transform + blocks * (2 * transform + passes) + groups * PER_BLOCK


def bound_of(job: Filter, lines: tuple[Line, ...], dtype: DType, root: float | None = None) -> float:
    """At least the largest error of an output; infinite where numbers on the way may be too large for `dtype`.

    `root` is the largest root of the sum of squares of a block, if that is known.
    """
    weights = job.weights.astype(np.complex128 if job.weights.dtype.kind == "c" else np.float64)
    sizes = np.abs(weights)
    total, own = float(sizes.sum()), float(np.sqrt((sizes * sizes).sum()))
    lengths = tuple(line.length for line in lines)
    seen = math.prod(line.seen for line in lines)
    parts = 2.0 if job.is_complex else 1.0
    # Somewhere on the way there may be a sum of all magnitudes of a block, times one of all weights.
    largest = (abs(job.centre) + seen * job.spread) * max(1.0, total) * math.prod(lengths) * parts
    if not largest < float(np.finfo(dtype).max) / 16:
        return math.inf
    unit, narrow = float(np.finfo(dtype).eps) / 2, float(np.finfo(job.inner).eps) / 2
    root = math.sqrt(seen) * job.spread if root is None else root
    # Samples and weights are rounded as they are converted, and results as they are stored.
    around = (4 * unit + 2 * narrow) * total * (job.spread + 2 * abs(job.centre))
    return float(1.01 * parts * (error_of(own, total, lengths, unit) * root + around))
