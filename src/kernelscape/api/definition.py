"""`correlate` and `convolve` at single outputs, straight from their definition: what plans are checked with.

No engine, no plan and no method takes part: kernels come from the functions of their field, as those of `Field.at`,
and samples from `boundary.locate`. Everything is written for one output at a time, and slow; numbers are in extended
precision where NumPy has it, since float64 itself is what some results are compared in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array
from kernelscape.api.blocks import Surroundings
from kernelscape.api.weighing import NOISE, Rule
from kernelscape.boundary import MODES, Outside, locate
from kernelscape.expression import Shape
from kernelscape.kernels.field import Blend, Bound, Coordinate, Elements, Map, Table, offsets_of
from kernelscape.kernels.materialize import formed

REAL, COMPLEX = np.longdouble, np.clongdouble

_NOISE = NOISE * float(np.finfo(np.float64).eps)
_CHUNK = 1 << 22
"""Weights that are looked at together, where sums over the kernels of many sources are needed."""


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """A filter, as its definition needs it.

    Attributes
    ----------
    array : ndarray
        The image, window axes last.
    kernels : tuple of Bound or Blend
        The field, or the fields of its real and imaginary parts.
    around : Surroundings
    flipped, scattered : bool
    rule : Rule
    min_count : int
    present : ndarray of bool or None
        Which samples count, of the image's shape; None: all.
    """

    array: Array
    kernels: tuple[Bound | Blend, ...]
    around: Surroundings
    flipped: bool
    scattered: bool
    rule: Rule
    min_count: int = 1
    present: Array | None = None

    def at(self, batch: tuple[int, ...], output: tuple[int, ...]) -> Any:
        """The output at an index of the batch axes and one of the window axes: a number of `REAL` or `COMPLEX`.

        NaN where it is invalid.
        """
        image, present = self.array[batch], None if self.present is None else self.present[batch]
        anchor = tuple(a.first + a.stride * o for a, o in zip(self.around.grid, output, strict=True))
        with np.errstate(all="ignore"):
            run = self._scattered if self.scattered else self._gathered
            return run(image, present, anchor)

    # -- gather ------------------------------------------------------------------------------------------------------

    def _gathered(self, image: Array, present: Array | None, anchor: Shape) -> Any:
        """The sum of the anchor's kernel times what lies around the anchor; NaN where nothing does."""
        around, normalize = self.around, self.rule.normalize
        pixel = tuple(min(max(p, 0), n - 1) for p, n in zip(anchor, around.extents, strict=True))
        kernel, own = self._kernel(pixel), self._own(pixel)
        samples, there = self._seen(image, present, anchor)
        counts = there & own
        if not counts.any() or np.count_nonzero(there) < self.min_count:
            return REAL(math.nan)
        total = (kernel * samples)[counts].sum()
        sums, size = kernel[counts].sum(), np.abs(kernel[counts]).sum()
        full, whole = kernel[own].sum(), np.abs(kernel[own]).sum()
        if size < (self.rule.min_weight - _NOISE) * whole:
            return REAL(math.nan)
        if not normalize or (normalize == "valid" and counts.sum() == own.sum()):
            return total
        noise = abs(sums) <= _NOISE * size or (normalize == "valid" and abs(full) <= _NOISE * whole)
        if noise:
            return REAL(math.nan)
        return total / sums if normalize is True else total * (full / sums)

    def _own(self, pixel: Shape) -> Array:
        """The samples of a pixel's own window."""
        own = np.ones(self.around.size, bool)
        for kernel in self.kernels:
            if isinstance(kernel, Bound) and kernel.takes_part is not None:
                values = [_at_places(part, tuple(np.array([p]) for p in pixel)) for part in kernel.parts]
                own &= np.broadcast_to(kernel.takes_part(_offsets(kernel.size), *values), (1, *own.shape))[0]
        return own

    def _kernel(self, pixel: Shape) -> Array:
        """The kernel as it is multiplied with samples: conjugated in a correlation."""
        parts = [_kernel_at(kernel, pixel) for kernel in self.kernels]
        return parts[0] if len(parts) == 1 else parts[0] + (1j if self.flipped else -1j) * parts[1]

    def _steps(self, axis: int) -> Array:
        """Where the samples of a kernel lie, seen from its pixel's anchor (gather), or the output from the source."""
        around = self.around
        centre = around.before[axis] // around.dilation[axis]
        size = around.size[axis]
        if self.flipped:
            return around.dilation[axis] * ((size - 1 - centre) - np.arange(size))
        return around.dilation[axis] * (np.arange(size) - centre)

    def _seen(self, image: Array, present: Array | None, anchor: Shape) -> tuple[Array, Array]:
        """The samples that the kernel's weights meet, and which of them count."""
        around = self.around
        found = [
            locate(mode, p + self._steps(axis), n)
            for axis, (mode, p, n) in enumerate(zip(around.modes, anchor, around.extents, strict=True))
        ]
        index = np.ix_(*(index for index, _ in found))
        samples = _wide(image[index])
        there = np.ones(samples.shape, bool) if present is None else present[index]
        for axis, (mode, (_, inside)) in enumerate(zip(around.modes, found, strict=True)):
            if MODES[mode].outside is Outside.CONSTANT:
                there = there | ~inside.reshape([-1 if a == axis else 1 for a in range(samples.ndim)])
        for axis, (mode, (_, inside)) in enumerate(zip(around.modes, found, strict=True)):
            outside = ~inside.reshape([-1 if a == axis else 1 for a in range(samples.ndim)])
            if MODES[mode].outside is Outside.MISSING:
                there &= ~outside
            else:
                samples = np.where(outside, around.cval, samples)
        return samples, there

    # -- scatter -----------------------------------------------------------------------------------------------------

    def _scattered(self, image: Array, present: Array | None, output: Shape) -> Any:
        """The sum over the sources whose kernels fall on the output, also by being folded back."""
        total: Any = REAL(0)
        count, size, whole = 0, REAL(0), REAL(0)
        places = self._folded(output)
        for place in np.ndindex(*map(len, places)):
            at = tuple(int(p[i]) for p, i in zip(places, place, strict=True))
            sources = [p + self._steps(axis) for axis, p in enumerate(at)]
            inside = np.ones((), bool)
            for axis, (p, n) in enumerate(zip(sources, self.around.extents, strict=True)):
                line = (p >= 0) & (p < n)
                inside = inside & line.reshape([-1 if a == axis else 1 for a in range(len(sources))])
            index = np.ix_(*(np.clip(p, 0, n - 1) for p, n in zip(sources, self.around.extents, strict=True)))
            weights, own = self._weights(index), inside & self._own_of_sources(index)
            counts = own if present is None else own & present[index]
            total = total + (weights * _wide(image[index]))[counts].sum()
            count += int(np.count_nonzero(counts))
            size, whole = size + np.abs(weights[counts]).sum(), whole + np.abs(weights[own]).sum()
        if present is None and self.min_count <= 1:
            return total
        enough = count >= self.min_count and not size < (self.rule.min_weight - _NOISE) * whole
        return total if enough else REAL(math.nan)

    def _own_of_sources(self, index: tuple[Array, ...]) -> Array:
        """For each tap whether it is in the window of its own source's kernel."""
        own = np.ones(self.around.size, bool)
        taps = np.ix_(*(np.arange(k) for k in self.around.size))
        for kernel in self.kernels:
            if isinstance(kernel, Bound) and kernel.takes_part is not None:
                values = [_at_sources(part, index, taps) for part in kernel.parts]
                own &= kernel.takes_part(_offsets(kernel.size), *values)
        return own

    def _folded(self, output: Shape) -> list[Array]:
        """For each axis the positions at which what falls there comes to the output."""
        found = []
        for axis, (mode, p, n) in enumerate(zip(self.around.modes, output, self.around.extents, strict=True)):
            steps = self._steps(axis)
            reached = np.arange(-int(steps.max()) if steps.max() > 0 else 0, n + max(0, -int(steps.min())))
            index, inside = locate(mode, reached, n)
            found.append(reached[inside & (index == p)])
        return found

    def _weights(self, index: tuple[Array, ...]) -> Array:
        """For each tap the weight that the kernel of its own source has for it; `index` says which source that is."""
        parts = [self._weights_of(kernel, index) for kernel in self.kernels]
        return parts[0] if len(parts) == 1 else parts[0] + (1j if self.flipped else -1j) * parts[1]

    def _weights_of(self, kernel: Bound | Blend, index: tuple[Array, ...]) -> Array:
        if isinstance(kernel, Blend):
            return _blended(kernel, index)
        offsets = _offsets(kernel.size)
        taps = np.ix_(*(np.arange(k) for k in kernel.size))
        values = [_at_sources(part, index, taps) for part in kernel.parts]
        found = np.broadcast_to(kernel.weights(offsets, *values), kernel.size)
        if kernel.takes_part is not None:
            found = np.where(kernel.takes_part(offsets, *values), found, REAL(0))
        return found if kernel.scale is None else found * _scales(kernel, index)


def _kernel_at(kernel: Bound | Blend, pixel: Shape) -> Array:
    """The kernel of a pixel."""
    if isinstance(kernel, Blend):
        nodes, weights = kernel.coefficients(tuple(slice(p, p + 1) for p in pixel))
        total = np.zeros(kernel.size, REAL)
        for node, share in zip(nodes.ravel().tolist(), weights.ravel().tolist(), strict=True):
            # What takes no part may hold anything.
            total += REAL(share) * _wide(kernel.kernels[node]) if share else REAL(0)
        return total
    values = [_at_places(part, tuple(np.array([p]) for p in pixel)) for part in kernel.parts]
    found: Array = formed(kernel, _offsets(kernel.size), values, (1,))[0]
    return found


def _offsets(size: Shape) -> tuple[Array, ...]:
    return offsets_of(size, tuple(k // 2 for k in size), REAL)


def _at_places(part: Any, places: tuple[Array, ...]) -> Array:
    """What a part is at some pixels, before an axis for each axis of the window; of elements the whole array."""
    ones = (1,) * len(places)
    if isinstance(part, Table):
        return _wide(part.array)
    if isinstance(part, Coordinate):
        return places[part.axis].reshape(-1, *ones)
    block = _wide(part.array[places])
    return block if isinstance(part, Elements) else block.reshape(-1, *ones)


def _at_sources(part: Any, index: tuple[Array, ...], taps: tuple[Array, ...]) -> Array:
    """What a part is at a source for each tap."""
    if isinstance(part, Table):
        return _wide(part.array)
    if isinstance(part, Coordinate):
        return np.broadcast_to(index[part.axis], np.broadcast_shapes(*(i.shape for i in index)))
    if isinstance(part, Elements):
        shape = part.array.shape[len(index) :]
        own = tuple(tap if n > 1 else np.zeros((1,) * len(taps), int) for tap, n in zip(taps, shape, strict=True))
        return _wide(part.array[(*index, *own)])
    assert isinstance(part, Map)
    return _wide(part.array[index])


def _scales(kernel: Bound, index: tuple[Array, ...]) -> Array:
    """For each source what all weights of its kernel share."""
    assert kernel.scale is not None
    offsets, shape = _offsets(kernel.size), np.broadcast_shapes(*(i.shape for i in index))
    flat = [np.broadcast_to(i, shape).ravel() for i in index]
    step = max(1, _CHUNK // math.prod(kernel.size))
    found = []
    for first in range(0, len(flat[0]), step):
        some = tuple(f[first : first + step] for f in flat)
        values = [_at_places(part, some) for part in kernel.parts]
        found.append(np.broadcast_to(np.asarray(kernel.scale(offsets, *values)).reshape(-1), len(some[0])))
    return np.concatenate(found).reshape(shape)


def _blended(kernel: Blend, index: tuple[Array, ...]) -> Array:
    lows = [int(i.min()) for i in index]
    region = tuple(slice(low, int(i.max()) + 1) for low, i in zip(lows, index, strict=True))
    nodes, weights = kernel.coefficients(region)
    here = tuple(i - low for i, low in zip(index, lows, strict=True))
    nodes, weights = nodes[here], weights[here]
    taps = np.ix_(*(np.arange(k) for k in kernel.size))
    total = np.zeros(kernel.size, REAL)
    for term in range(nodes.shape[-1]):
        share = weights[..., term]
        total += np.where(share != 0, _wide(share) * _wide(kernel.kernels[(nodes[..., term], *taps)]), REAL(0))
    return total


def _wide(array: Array) -> Array:
    if array.dtype.kind == "c":
        return array.astype(COMPLEX)
    return array.astype(REAL) if array.dtype.kind in "biuf" else array
