"""Kernels between kernels through the Fourier transform: products of weights and convolutions.

A field that is at each pixel a sum of few of m kernels, times numbers of the pixel, filters an image as m fixed filters
do, times these numbers and added up: exactly, whatever the numbers are [1]_. For interpolated grids they are hats, each
zero outside of the cells around its node, so that a node's filter is wanted on a patch of the image only. For large
kernels each patch goes through the fast Fourier transform, whose cost hardly depends on the size of the kernel.

The one error is rounding, and that is why the method needs a tolerance: a Fourier transform mixes all samples of a
patch, so that errors are relative to the largest ones, not to what a window holds. The bound is the one of N. J. Higham
[2]_: with u half the distance of 1 to the next number, a transform of N samples differs from the exact one by at most
``8 u log2(N)`` of its norm (in the sum of squares), whence for a filter, with x the patch and k the kernel,

    |error| <= |x|_2 (f (2 |k|_2 + |K|) + 4 u |K|),    f = 8 u log2(N),

|K| being the largest magnitude of the kernel's transform, which is at most |k|_1. That is a worst case for the constant
8, which covers transforms of radix 2 to 11, and for all errors adding up at one sample; what is found is some hundred
times less. In float32 it allows for tolerances of 1e-3 and more, in float64 for 1e-10; where the first is not enough
for an image in float32, transforms are in float64.

Measured on 2 cores of a Zen 4 (see `costs`): ...

References
----------
.. [1] J. G. Nagy and D. P. O'Leary, "Restoring images degraded by spatially variant blur", SIAM Journal on Scientific
   Computing 19(4), 1998, pp. 1063-1082.
.. [2] N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, SIAM, 2002, section 24.1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelscape.expression import DType, Shape
from kernelscape.kernels.field import Array, Blend, Bound, Coordinate, Map, Table, offsets_of
from kernelscape.methods import costs

Region = tuple[slice, ...]
FLOAT64: DType = np.dtype(np.float64)

TILE = 1024
"""Pixels along each axis of the patches of a combination, whose kernels take part everywhere."""
PER_SAMPLE = 1.5e-6
"""Milliseconds for bringing one sample of a patch there and back: with its surroundings, times numbers, added up."""


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A part of the image, and which kernels take part in it with which numbers.

    Attributes
    ----------
    region : tuple of slice
    terms : tuple of (int, ndarray)
        Numbers of kernels, and what each is multiplied with at the pixels of the region.
    """

    region: Region
    terms: tuple[tuple[int, Array], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """A field as a sum of products.

    Attributes
    ----------
    bound : Bound or Blend
    extents : tuple of int
        Of the image.
    kernels : ndarray
        Of shape ``(m, *size)``, real.
    largest : tuple of int
        At least the extents of any patch.
    patches_count, terms_count, area : int
        How many patches and terms there are, and how many samples all patches have together; roughly.
    adds : int
        At most how many terms meet at a pixel.
    """

    bound: Bound | Blend
    extents: Shape
    kernels: Array
    largest: Shape
    patches_count: int
    terms_count: int
    area: int
    adds: int

    def patches(self, dtype: DType = FLOAT64) -> Iterator[Patch]:
        """The patches in a fixed order, one after the other, since their numbers may be as large as images.

        Numbers that are not given are computed in `dtype`; see `inexact`.
        """
        if isinstance(self.bound, Bound):
            return _tiles(self.bound, self.extents, dtype)
        return _stars(self.bound, self.extents) if self.bound.axes is None else _hats(self.bound)

    def summed(self, errors: Array) -> float:
        """At least what errors of the kernels, one for each, add up to at a pixel."""
        if isinstance(self.bound, Bound):
            return float(_peaks(self.bound) @ errors)
        if self.bound.axes is None:
            return float(errors.max())  # shares of the corners of a triangle: not negative, with the sum 1
        sums = [float(np.abs(weight).sum(1).max()) for _, weight in self.bound.axes]
        return math.prod(sums) * float(errors.max())

    @property
    def sums(self) -> Array:
        """Of each kernel the sum of magnitudes."""
        found: Array = np.abs(self.kernels).sum(axis=tuple(range(1, self.kernels.ndim)), dtype=np.float64)
        return found

    def inexact(self, dtype: DType = FLOAT64) -> Array:
        """Of each kernel how wrong the numbers may be that it is multiplied with, if computed in `dtype`."""
        if isinstance(self.bound, Blend) or isinstance(self.bound.parts[0], Map):
            return np.zeros(len(self.kernels))  # given, or defined to be these numbers
        polynomials = self.bound.parts[-2]
        assert isinstance(polynomials, Table)
        # At the edges a Chebyshev polynomial of degree d has the slope d * d: so much larger is a position's rounding.
        steps = 8 + sum(4 * n + 8 * (n - 1) ** 2 for n in polynomials.array.shape[1:])
        found: Array = steps * float(np.finfo(dtype).eps) / 2 * _peaks(self.bound)
        return found

    def spread(self) -> float:
        """At least the sum of magnitudes of all weights that meet at an output of a scatter, from one image of ones."""
        if isinstance(self.bound, Bound):
            return self.summed(self.sums)
        # At each offset some kernel, times numbers whose magnitudes have a known sum.
        largest = np.abs(self.kernels).max(axis=0)
        return self.summed(np.ones(len(self.kernels))) * float(largest.sum(dtype=np.float64))

    def met(self, reach: Shape) -> int:
        """At most how many patches meet at an output when each is wider by `reach`: in a scatter."""
        if isinstance(self.bound, Blend) and self.bound.axes is None:
            return self.patches_count
        if isinstance(self.bound, Blend):
            assert self.bound.axes is not None
            ends = [[(r.start, r.stop + more) for r, _ in _lines(table, n) if r.stop > r.start]
                    for table, n, more in zip(self.bound.axes, self.bound.node_shape, reach, strict=True)]  # fmt: skip
        else:
            edges = [_edges(n) for n in self.extents]
            ends = [[(a, b + more) for a, b in itertools.pairwise(e)] for e, more in zip(edges, reach, strict=True)]
        return math.prod(max(sum(a <= first < b for a, b in line) for first, _ in line) for line in ends)


def terms_of(bound: Bound | Blend, extents: Shape) -> Terms | None:
    """A field as a sum of products; None where it is none."""
    if isinstance(bound, Bound):
        if bound.terms is None or bound.sparse:
            return None
        basis = bound.parts[-1]
        assert isinstance(basis, Table)
        sides = tuple(max(b - a for a, b in itertools.pairwise(_edges(n))) for n in extents)
        patches, count = math.prod(len(_edges(n)) - 1 for n in extents), len(basis.array)
        return Terms(bound, extents, basis.array, sides, patches, patches * count, math.prod(extents), count)
    nodes = len(bound.kernels)
    if bound.axes is None:
        # Each pixel is in three stars of triangles, and a star fills half of the box around it.
        return Terms(bound, extents, bound.kernels, extents, nodes, nodes, 6 * math.prod(extents), nodes)
    lines = [
        [r.stop - r.start for r, _ in _lines(table, n)] for table, n in zip(bound.axes, bound.node_shape, strict=True)
    ]
    used = math.prod(sum(n > 0 for n in line) for line in lines)
    adds = math.prod(weight.shape[1] for _, weight in bound.axes)
    largest, area = tuple(max(line) for line in lines), math.prod(sum(line) for line in lines)
    return Terms(bound, extents, bound.kernels, largest, used, used, area, adds)


# -- patches -----------------------------------------------------------------------------------------------------------


def _lines(table: tuple[Array, Array], count: int) -> list[tuple[slice, Array]]:
    """For each node along an axis where it takes part, and its weights there."""
    index, weight = table
    dense = np.zeros((count, len(index)))
    for term in range(index.shape[1]):
        np.add.at(dense, (index[:, term], np.arange(len(index))), weight[:, term])
    found = []
    for line in dense:
        there = np.flatnonzero(line)
        part = slice(int(there[0]), int(there[-1]) + 1) if there.size else slice(0, 0)
        found.append((part, line[part]))
    return found


def _hats(blend: Blend) -> Iterator[Patch]:
    """A patch for each node of a grid."""
    assert blend.axes is not None
    lines = [_lines(table, n) for table, n in zip(blend.axes, blend.node_shape, strict=True)]
    for number, node in enumerate(np.ndindex(*blend.node_shape)):
        parts = [line[i] for line, i in zip(lines, node, strict=True)]
        if all(len(weights) for _, weights in parts):
            product = parts[0][1]
            for _, weights in parts[1:]:
                product = product[..., None] * weights
            yield Patch(tuple(region for region, _ in parts), ((number, product),))


def _stars(blend: Blend, extents: Shape) -> Iterator[Patch]:
    """A patch for each kernel and each strip of rows in which it takes part."""
    for first, stop in itertools.pairwise(_edges(extents[0])):
        strip = (slice(first, stop), *(slice(0, n) for n in extents[1:]))
        index, weight = blend.coefficients(strip)
        for node in np.unique(index[weight != 0]).tolist():
            own = np.where(index == node, weight, 0.0).sum(axis=-1)
            box = tuple(slice(int(t.min()), int(t.max()) + 1) for t in np.nonzero(own))
            region = tuple(slice(s.start + b.start, s.start + b.stop) for s, b in zip(strip, box, strict=True))
            yield Patch(region, ((node, own[box]),))


def _tiles(bound: Bound, extents: Shape, dtype: DType) -> Iterator[Patch]:
    """Tiles of the image, in each of which all kernels take part."""
    for region in itertools.product(*([slice(a, b) for a, b in itertools.pairwise(_edges(n))] for n in extents)):
        coefficients = _coefficients(bound, region, dtype)
        yield Patch(region, tuple(enumerate(coefficients)))


def _edges(extent: int) -> list[int]:
    parts = max(1, math.ceil(extent / TILE))
    return [round(i * extent / parts) for i in range(parts + 1)]


def _coefficients(bound: Bound, region: Region, dtype: DType) -> list[Array]:
    """What the basis kernels of a combination are multiplied with."""
    if isinstance(bound.parts[0], Map):
        return [part.array[region].astype(np.float64) for part in bound.parts if isinstance(part, Map)]
    ndim = len(region)
    values = []
    for part in bound.parts:
        if isinstance(part, Coordinate):
            along = region[part.axis]
            shape = tuple(-1 if a == part.axis else 1 for a in range(ndim))
            values.append(np.arange(along.start, along.stop).astype(dtype).reshape(shape + (1,) * ndim))
        else:
            assert isinstance(part, Table)
            values.append(part.array.astype(dtype))
    assert bound.terms is not None
    offsets = offsets_of((1,) * ndim, (0,) * ndim, dtype)
    counts = tuple(r.stop - r.start for r in region)
    found = (np.asarray(coefficient) for coefficient, _ in bound.terms(offsets, *values))
    return [np.broadcast_to(c.reshape(c.shape[:ndim] or (1,) * ndim), counts) for c in found]


def _peaks(bound: Bound) -> Array:
    """At least the largest magnitudes of the numbers that the basis kernels are multiplied with."""
    if isinstance(bound.parts[0], Map):
        maps = [part.array for part in bound.parts if isinstance(part, Map)]
        return np.array([max(float(m.max()), -float(m.min())) for m in maps])
    polynomials = bound.parts[-2]
    assert isinstance(polynomials, Table)
    found: Array = np.abs(polynomials.array).sum(axis=tuple(range(1, polynomials.array.ndim)), dtype=np.float64)
    return found


# -- the method --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class ProductConvolution:
    """How a field of terms is filtered through Fourier transforms.

    Attributes
    ----------
    terms : Terms
    lengths : tuple of int
        Of the transforms; none is longer.
    dtype : dtype
        In which they are computed.
    bound : float
        At least the largest error of an output, for an image whose samples are at most 1 in magnitude.
    cost : float
        Milliseconds.
    """

    terms: Terms
    lengths: Shape
    dtype: DType
    bound: float
    cost: float


def product_convolution(
    terms: Terms, dilation: Shape, allowed: float, images: int, inner: DType, folds: tuple[str, ...] | None
) -> ProductConvolution | None:
    """The narrowest transforms whose error is `allowed`, for so many images; None where there are none.

    `folds` is that of `log_sigma.Task`: given for a scatter.
    """
    dtypes: list[DType] = [np.dtype(np.float32)] if inner.itemsize < 8 else []
    for dtype in (*dtypes, np.dtype(np.float64)):
        found = _designed(terms, dilation, images, inner, dtype, folds)
        if found.bound <= allowed:
            return found
    return None


def _designed(
    terms: Terms, dilation: Shape, images: int, inner: DType, dtype: DType, folds: tuple[str, ...] | None
) -> ProductConvolution:
    reach = tuple(d * (k - 1) for d, k in zip(dilation, terms.kernels.shape[1:], strict=True))
    lengths = tuple(fast(n + r) for n, r in zip(terms.largest, reach, strict=True))
    # A scatter transforms what is sent, a gather what is seen.
    samples = math.prod(terms.largest if folds else (n + r for n, r in zip(terms.largest, reach, strict=True)))
    error = errors(terms.kernels, lengths, float(np.finfo(dtype).eps) / 2) * math.sqrt(samples)
    unit = float(np.finfo(inner).eps) / 2
    if folds is None:
        bound = terms.summed(error + (terms.adds + 8) * unit * terms.sums) + float(terms.inexact() @ terms.sums)
    else:
        again = math.prod({"none": 1, "twice": 2}.get(f, r + 1) for f, r in zip(folds, reach, strict=True))
        meet = terms.met(reach) * again
        added = meet * terms.terms_count // max(1, terms.patches_count) + 8
        bound = meet * terms.summed(error) + again * (
            added * unit * terms.spread() + float(terms.inexact() @ terms.sums)
        )
    area = terms.area * math.prod(length / n for length, n in zip(lengths, terms.largest, strict=True))
    return ProductConvolution(terms, lengths, dtype, bound, _cost(terms, area, images, dtype))


def fast(count: int) -> int:
    """The next length at which a real transform is fast."""
    from scipy.fft import next_fast_len

    return int(next_fast_len(count, real=True))


def errors(kernels: Array, lengths: Shape, unit: float) -> Array:
    """For each kernel the bound on the error of a filter, for a patch whose sum of squares is 1."""
    lines = kernels.reshape(len(kernels), -1).astype(np.float64)
    sums, roots = np.abs(lines).sum(1), np.sqrt((lines * lines).sum(1))
    found: Array = error_of(roots, sums, lengths, unit)
    return found


def error_of(root: Any, gain: Any, lengths: Shape, unit: float) -> Any:
    """The same from the root of a kernel's sum of squares, and the largest magnitude of its transform or more."""
    transform = 8 * unit * max(1.0, math.log2(math.prod(lengths)))
    return 1.01 * (transform * (2 * root + gain) + 4 * unit * gain)


def _cost(terms: Terms, area: float, images: int, dtype: DType) -> float:
    """Transforms of all patches there, of all terms back, of all kernels; and all that is done to samples."""
    per_patch = round(area / max(1, terms.patches_count))
    per_image = terms.patches_count + terms.terms_count
    transforms = per_image * images + min(len(terms.kernels), terms.terms_count)
    moved = per_image * images * per_patch * PER_SAMPLE * costs.width(dtype)
    return costs.CALL + transforms * costs.transform((per_patch,), dtype) + moved
