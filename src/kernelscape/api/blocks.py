"""Parts of an image with what surrounds them, and what falls around a part folded back: for methods of their own.

Exact methods leave boundaries to the engine. Methods that put an image together from blurs, or go through Fourier
transforms, work on blocks in which everything that a window sees is written out; they share these few functions. All
arrays here have their window axes last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array
from kernelscape.api.options import Options
from kernelscape.boundary import MODES, Outside, canonical_modes, locate
from kernelscape.expression import DType, Shape
from kernelscape.geometry import (
    OutputAxis,
    canonical_centre,
    canonical_dilation,
    canonical_padding,
    canonical_stride,
    output_axis,
)

Region = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where windows lie on an image and what they see outside, along its window axes.

    Attributes
    ----------
    extents, size, dilation : tuple of int
    before, behind : tuple of int
        How far windows reach from their anchors, for a gather; what is scattered reaches the other way.
    modes : tuple of str
    cval : float or complex
    grid : tuple of OutputAxis
        The anchors of the outputs.
    """

    extents: Shape
    size: Shape
    dilation: Shape
    before: Shape
    behind: Shape
    modes: tuple[str, ...]
    cval: Any
    grid: tuple[OutputAxis, ...]

    @staticmethod
    def of(extents: Shape, size: Shape, options: Options, flipped: bool) -> Surroundings:
        """Those of a call with kernels of some size; a convolution has flipped windows."""
        ndim = len(extents)
        centres = canonical_centre(options.origin, size)
        centres = tuple(k - 1 - c if flipped else c for k, c in zip(size, centres, strict=True))
        strides, dilation = canonical_stride(options.stride, ndim), canonical_dilation(options.dilation, ndim)
        valid = options.mode == "valid"
        paddings = canonical_padding("valid" if valid else options.padding, ndim)
        grid = tuple(
            output_axis(n, [(k, d, c)], s, p)
            for n, k, d, c, s, p in zip(extents, size, dilation, centres, strides, paddings, strict=True)
        )
        return Surroundings(
            extents,
            size,
            dilation,
            tuple(d * c for d, c in zip(dilation, centres, strict=True)),
            tuple(d * (k - 1 - c) for d, k, c in zip(dilation, size, centres, strict=True)),
            canonical_modes("constant" if valid else options.mode, ndim),
            options.cval if isinstance(options.cval, complex) else float(options.cval),
            grid,
        )

    @property
    def inside(self) -> bool:
        """Whether all anchors are pixels of the image."""
        return all(
            not a.count or (a.first >= 0 and a.first + a.stride * (a.count - 1) < n)
            for a, n in zip(self.grid, self.extents, strict=True)
        )

    @property
    def outside(self) -> tuple[Any, ...]:
        """What is seen outside along each axis: a constant (nothing adds zero to a sum), or samples of the image."""
        known = {Outside.CONSTANT: self.cval, Outside.MISSING: 0.0, Outside.ELEMENT: None}
        return tuple(known[MODES[mode].outside] for mode in self.modes)

    @property
    def selected(self) -> Region:
        """Which pixels are anchors, where all of them are."""
        return tuple(slice(a.first, a.first + a.stride * (a.count - 1) + 1, a.stride) for a in self.grid)

    def folds(self) -> tuple[str, ...]:
        """For each axis how often a scattered kernel's sample may fall on the same pixel: see `log_sigma.Task`."""
        times = {"nearest": "edge", "wrap": "none"}
        return tuple(
            times.get(mode, "twice") if MODES[mode].outside is Outside.ELEMENT else "none" for mode in self.modes
        )

    # -- gather ------------------------------------------------------------------------------------------------------

    def around(self, array: Array, region: Region, dtype: DType, centre: float) -> Array:
        """A region with all that windows see there, as a new array of `dtype` from which `centre` is taken."""
        index, missing = [], []
        for axis, part in enumerate(region):
            first, stop = part.start - self.before[axis], part.stop + self.behind[axis]
            own, there = locate(self.modes[axis], np.arange(first, stop), self.extents[axis])
            index.append(own)
            missing.append(~there)
        # One axis after the other: rows are copied whole.
        for axis, own in enumerate(index):
            run = _run_of(own)
            place = array.ndim - len(index) + axis
            array = array[(slice(None),) * place + (run,)] if run is not None else np.take(array, own, axis=place)
        found: Array = np.subtract(array, centre, dtype=dtype) if centre else np.array(array, dtype)
        # What does not exist comes last: no constant is there either.
        for axis in sorted(range(len(index)), key=lambda axis: MODES[self.modes[axis]].outside is Outside.MISSING):
            value = self.outside[axis]
            if value is not None and missing[axis].any():
                gaps: tuple[Any, ...] = (..., missing[axis], *(slice(None),) * (len(index) - 1 - axis))
                found[gaps] = value - centre
        return found

    # -- scatter -----------------------------------------------------------------------------------------------------

    def canvas(self, batch: Shape, dtype: DType) -> Array:
        """Zeros for all that kernels reach: the image with margins, `behind` before it and `before` behind it."""
        shape = (n + a + b for n, a, b in zip(self.extents, self.behind, self.before, strict=True))
        return np.zeros((*batch, *shape), dtype)

    def folded(self, canvas: Array) -> Array:
        """The image, with what fell outside where the mode shows it; in a fixed order, axis by axis."""
        ndim = len(self.extents)
        for axis, extent in enumerate(self.extents):
            place = canvas.ndim - ndim + axis
            lead: tuple[Any, ...] = (slice(None),) * place
            before, behind = self.behind[axis], self.before[axis]
            core = canvas[(*lead, slice(before, before + extent))]
            positions = np.r_[-before:0, extent : extent + behind]
            index, there = locate(self.modes[axis], positions, extent)
            for position, own in zip(positions[there].tolist(), index[there].tolist(), strict=True):
                core[(*lead, own)] += canvas[(*lead, position + before)]
            canvas = core
        return canvas


def inside(array: Array, region: Region) -> Array:
    """A part of the last axes."""
    places: tuple[Any, ...] = (..., *region)
    found: Array = array[places]
    return found


def _run_of(index: Array) -> slice | None:
    """The slice that says the same; None where positions are not one after the other."""
    if len(index) and bool((np.diff(index) == 1).all()):
        return slice(int(index[0]), int(index[-1]) + 1)
    return None


def tiles(extents: Shape, sides: Shape) -> Iterator[Region]:
    """Regions of nearly equal extents, none larger than `sides`, that cover an image in C order."""
    counts = [max(1, math.ceil(n / side)) for n, side in zip(extents, sides, strict=True)]
    edges = [[round(i * n / c) for i in range(c + 1)] for n, c in zip(extents, counts, strict=True)]
    for place in np.ndindex(*counts):
        yield tuple(slice(own[i], own[i + 1]) for own, i in zip(edges, place, strict=True))
