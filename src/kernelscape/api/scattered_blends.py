"""Blends of few of many kernels, scattered: a fixed convolution for each of the kernels.

The image is the sum, over the kernels, of the fixed convolution of the sources times that kernel's coefficients: each
on the pixels where it takes part, in the order of the kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from kernelscape.api.arguments import Array
from kernelscape.api.reach import Reach, Slices, at_region, inside
from kernelscape.expression import Shape
from kernelscape.kernels.field import Blend

Convolve = Callable[[Array, Array], Array]
STRIP_BYTES = 1 << 26
"""Memory for the coefficients of scattered kernels that are looked at together."""


def scatter_blend(array: Array, blend: Blend, reach: Reach, convolve: Convolve, present: Array | None = None) -> Array:
    """The sum over the kernels of fixed convolutions; `convolve` gives all that a part of the sources reaches.

    Sources that are not `present` take no part.
    """
    ndim = len(reach.size)
    margins = [reach.margins(axis) for axis in range(ndim)]
    batch = array.shape[: array.ndim - ndim]
    whole = np.zeros((*batch, *(n + a + b for n, (a, b) in zip(reach.extents, margins, strict=True))), array.dtype)
    for node, region, coefficient in _supports(blend, reach.extents):
        # A source with the coefficient 0 does not take part, whatever it is.
        takes_part = coefficient != 0
        if present is not None:
            takes_part = takes_part & inside(present, region)
        part = inside(array, region)
        with np.errstate(invalid="ignore", over="ignore"):
            products = part * coefficient.astype(array.dtype)
        sources = np.where(takes_part, products, np.zeros((), array.dtype))
        kernel = blend.kernels[node].astype(array.dtype, copy=False)
        finite = np.isfinite(kernel)
        spread = convolve(sources, kernel if finite.all() else np.where(finite, kernel, np.zeros((), kernel.dtype)))
        reached = tuple(
            slice(s.start, s.start + n) for s, n in zip(region, spread.shape[spread.ndim - ndim :], strict=True)
        )
        inside(whole, reached)[...] += spread
        for tap in np.argwhere(~finite):
            # Multiplied one by one: zeros that are no sources, times NaN, would be seen.
            start = sent_to(region, tuple(map(int, tap)), reach)
            there = inside(
                whole, tuple(slice(first, first + n) for first, n in zip(start, part.shape[-ndim:], strict=True))
            )
            with np.errstate(invalid="ignore"):
                np.add(there, sources * kernel[tuple(tap)], out=there, where=takes_part)
    return reach.all_folded(lambda region: at_region(whole, region, [-before for before, _ in margins]))


def sent_to(region: Slices, tap: tuple[int, ...], reach: Reach) -> list[int]:
    """Where a kernel's sample sends the first source of a region, counted from the first place that is reached."""
    steps = [t if reach.flipped else k - 1 - t for t, k in zip(tap, reach.size, strict=True)]
    return [s.start + d * step for s, d, step in zip(region, reach.dilation, steps, strict=True)]


def _supports(blend: Blend, extents: Shape) -> Iterator[tuple[int, Slices, Array]]:
    """(kernel, the pixels among which it takes part, its coefficients there), in the order of the kernels."""
    if blend.axes is not None:
        lines = [_lines(index, weight, n) for (index, weight), n in zip(blend.axes, blend.node_shape, strict=True)]
        for number, place in enumerate(np.ndindex(*blend.node_shape)):
            along = [line[i] for line, i in zip(lines, place, strict=True)]
            if all(weights.size for _, weights in along):
                coefficient = along[0][1]
                for _, weights in along[1:]:
                    coefficient = coefficient[..., None] * weights
                yield number, tuple(slice(first, first + len(w)) for first, w in along), coefficient
        return
    rows = max(1, STRIP_BYTES // (64 * math.prod(extents[1:])))
    for start in range(0, extents[0], rows):
        strip = (slice(start, min(start + rows, extents[0])), *(slice(0, n) for n in extents[1:]))
        yield from _supports_in(blend, strip)


def _lines(index: Array, weight: Array, count: int) -> list[tuple[int, Array]]:
    """For each node along an axis: the first position where it takes part, and its weights from there on."""
    dense = np.zeros((count, len(index)))
    for term in range(index.shape[1]):
        # A node may stand twice where the other weight is 0.
        np.add.at(dense, (index[:, term], np.arange(len(index))), weight[:, term])
    found = []
    for line in dense:
        there = np.flatnonzero(line)
        found.append((int(there[0]), line[there[0] : there[-1] + 1]) if there.size else (0, line[:0]))
    return found


def _supports_in(blend: Blend, strip: Slices) -> Iterator[tuple[int, Slices, Array]]:
    index, weight = blend.coefficients(strip)
    for node in np.unique(index[weight != 0]):
        own = np.where(index == node, weight, 0.0).sum(axis=-1)
        there = np.nonzero(own)
        box = tuple(slice(int(t.min()), int(t.max()) + 1) for t in there)
        region = tuple(slice(s.start + b.start, s.start + b.stop) for s, b in zip(strip, box, strict=True))
        yield int(node), region, own[box]
