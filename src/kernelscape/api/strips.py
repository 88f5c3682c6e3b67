"""Some rows of outputs at a time, where what they read is made beforehand and must not fill the memory."""

from __future__ import annotations

from collections.abc import Iterator

from kernelscape.api.options import Options
from kernelscape.expression import Shape
from kernelscape.geometry import (
    OutputAxis,
    canonical_centre,
    canonical_dilation,
    canonical_padding,
    canonical_stride,
    output_axis,
)

BLEND_BYTES = 1 << 26
"""Memory for kernels that are blended beforehand, for some rows of the image."""


def output_grid(options: Options, extents: Shape, size: Shape) -> list[OutputAxis]:
    """The anchors along the window axes, for windows of one size."""
    ndim = len(extents)
    centres, strides = canonical_centre(options.origin, size), canonical_stride(options.stride, ndim)
    dilations = canonical_dilation(options.dilation, ndim)
    paddings = canonical_padding("valid" if options.mode == "valid" else options.padding, ndim)
    return [
        output_axis(n, [(k, d, c)], s, p)
        for n, k, d, c, s, p in zip(extents, size, dilations, centres, strides, paddings, strict=True)
    ]


def strips(axis: OutputAxis, extent: int, at_once: int) -> Iterator[tuple[int, int]]:
    """Outputs (first, stop) whose anchors reach over so many positions."""
    outputs = max(1, at_once // axis.stride)
    if extent <= at_once or axis.count == 0:
        outputs = max(1, axis.count)
    for first in range(0, max(1, axis.count), outputs):
        yield first, min(first + outputs, axis.count)


def anchors_between(axis: OutputAxis, first: int, stop: int, extent: int) -> tuple[int, int]:
    """The positions (first, stop) in the array from which outputs read their kernels."""
    low = min(max(axis.first + axis.stride * first, 0), max(extent - 1, 0))
    high = min(max(axis.first + axis.stride * (max(stop, first + 1) - 1), 0), max(extent - 1, 0))
    return low, min(high + 1, extent)
