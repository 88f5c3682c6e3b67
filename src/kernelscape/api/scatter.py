"""The scatter form: each sample of the input spreads over the output with its own kernel.

It is computed as a gather, so that no two threads ever add to the same number and the order of additions is fixed: the
output at q sums over a window of sources, each with the weight that its own kernel has for q. Outputs are computed over
all places that a kernel reaches; what lies outside the array is then folded back as the mode says, in the order of the
places. So scatter-convolve is the adjoint of gather-correlate with the same field and mode, and scatter-correlate that
of gather-convolve.

What all weights of one kernel share (the division by their sum) is multiplied into the sources beforehand.

A blend of few of many kernels is the sum, over its kernels, of the fixed convolution of the sources times that kernel's
coefficients: each on the pixels where it takes part, in the order of the kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array
from kernelscape.api.fields import Way, arguments_of, balanced, described, function_of, reciprocal, scattered
from kernelscape.api.operands import Operands
from kernelscape.api.options import Options, changed, options_of
from kernelscape.api.results import Result, allocate, store
from kernelscape.api.signatures import stencil_of
from kernelscape.boundary import MODES, Outside, canonical_modes, locate
from kernelscape.errors import ArgumentError
from kernelscape.expression import DType, Shape
from kernelscape.geometry import (
    OutputAxis,
    canonical_centre,
    canonical_dilation,
    canonical_padding,
    canonical_stride,
    output_axis,
)
from kernelscape.kernels.blend import lowered, rows_at_once
from kernelscape.kernels.field import Blend, Bound, Field, Offsets, Table

Slices = tuple[slice, ...]
Convolve = Callable[[Array, Array], Array]
STRIP_BYTES = 1 << 26
"""Memory for the coefficients of scattered kernels that are looked at together."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where the samples of an image go, along its window axes.

    Attributes
    ----------
    extents, size, centre, dilation : tuple of int
    modes : tuple of str
    flipped : bool
        A kernel's sample i goes to +i (a convolution), or to -i.
    """

    extents: Shape
    size: Shape
    centre: Shape
    dilation: Shape
    modes: tuple[str, ...]
    flipped: bool

    @staticmethod
    def of(extents: Shape, size: Shape, options: Options, flipped: bool) -> Reach:
        """The reach of kernels of some size, as the options of a call say."""
        ndim = len(extents)
        return Reach(
            extents,
            size,
            canonical_centre(options.origin, size),
            canonical_dilation(options.dilation, ndim),
            canonical_modes("constant" if options.mode == "valid" else options.mode, ndim),
            flipped,
        )

    def margins(self, axis: int) -> tuple[int, int]:
        """How far kernels reach out of the array, before it and behind it."""
        before = self.dilation[axis] * self.centre[axis]
        behind = self.dilation[axis] * (self.size[axis] - 1 - self.centre[axis])
        return (before, behind) if self.flipped else (behind, before)

    def folded(self, axis: int) -> bool:
        """Whether what falls outside along an axis comes back."""
        return MODES[self.modes[axis]].outside is Outside.ELEMENT

    def window_centre(self, flipped: bool) -> Shape:
        """Which sample of a window lies on the anchor."""
        return tuple(k - 1 - c if flipped else c for k, c in zip(self.size, self.centre, strict=True))

    def origin(self, flipped: bool) -> tuple[int, ...]:
        """The origin of such a window."""
        return tuple(c - k // 2 for k, c in zip(self.size, self.window_centre(flipped), strict=True))

    def displacements(self) -> tuple[Array, ...]:
        """Where the source lies that a kernel's sample i belongs to, seen from the output."""
        found = []
        for axis, (k, c, d) in enumerate(zip(self.size, self.centre, self.dilation, strict=True)):
            steps = d * (np.arange(k, dtype=np.int64) - c)
            shape = (1,) * axis + (k,) + (1,) * (len(self.size) - axis - 1)
            found.append((-steps if self.flipped else steps).reshape(shape))
        return tuple(found)

    def pieces(self) -> Iterator[tuple[tuple[int, int], ...]]:
        """(first, count) along each axis of all that is computed: the array itself, then the margins around it."""
        core = tuple((0, n) for n in self.extents)
        yield core
        for axis, n in enumerate(self.extents):
            if not self.folded(axis):
                continue
            before, behind = self.margins(axis)
            wide = tuple(self._extended(a) for a in range(axis))
            for first, count in ((-before, before), (n, behind)):
                if count:
                    yield (*wide, (first, count), *core[axis + 1 :])

    def _extended(self, axis: int) -> tuple[int, int]:
        before, behind = self.margins(axis) if self.folded(axis) else (0, 0)
        return -before, self.extents[axis] + before + behind

    def fold(self, result: Array, piece: Array, region: tuple[tuple[int, int], ...]) -> None:
        """Add what fell on a region outside to where it belongs; window axes are the last ones of both arrays."""
        index = [
            locate(mode, np.arange(first, first + count), n)[0]
            for mode, (first, count), n in zip(self.modes, region, self.extents, strict=True)
        ]
        batch = [np.arange(n) for n in result.shape[: result.ndim - len(index)]]
        np.add.at(result, np.ix_(*batch, *index), piece)


def run_scatter(
    operands: Operands, options: Options, way: Way, run: Callable[..., Array], output: Any, workers: int | None
) -> Array:
    """What `correlate` and `convolve` do under ``form="scatter"``; `run` is what they do with fixed kernels."""
    axes = operands.axes or tuple(range(operands.array.ndim))
    array = np.moveaxis(operands.array, axes, range(-len(axes), 0))
    field = operands.field
    real, imag = (_fixed(operands, part) if field is None else _bound_of(field, part, operands) for part in range(2))
    assert real is not None
    reach = Reach.of(operands.extents, real.size, options, way.flipped)
    kept = selection(reach, options)
    job = _Scatter(reach, options, way, operands.normalize, operands.inner, run, workers)
    whole = job.of_parts(array, real, imag)
    chosen = np.moveaxis(_inside(whole, kept), range(-len(axes), 0), axes)
    result = Result(chosen.shape, operands.result, False, math.nan)
    (target,) = allocate([result], output)
    if target.dtype == chosen.dtype and output is None and chosen.flags.c_contiguous:
        return chosen
    if target.dtype.kind in "biu":
        store(chosen, target, options.invalid)
    else:
        target[...] = chosen
    return target


def _fixed(operands: Operands, part: int) -> Bound | None:
    """The same kernel for all pixels, as a field; of a complex one the real or the imaginary part."""
    weights = operands.weights
    assert weights is not None
    if part and not operands.complex_weights:
        return None
    own = (weights.imag if part else weights.real) if operands.complex_weights else weights
    return Bound(own.shape, operands.inner, (Table(np.ascontiguousarray(own, operands.inner)),), _itself)


def _itself(offsets: Offsets, table: Any) -> Any:
    return table


def _bound_of(field: Field, part: int, operands: Operands) -> Bound | Blend | None:
    own = field.imag if part else field.real
    return None if own is None else own.bound(operands.extents)


@dataclass(frozen=True, slots=True)
class _Scatter:
    """What all scatters of one call have in common."""

    reach: Reach
    options: Options
    way: Way
    normalize: bool
    inner: DType
    run: Callable[..., Array]
    workers: int | None

    def of_parts(self, array: Array, real: Bound | Blend, imag: Bound | Blend | None) -> Array:
        """The scattered image, of the array's shape with its window axes last; complex numbers by their parts."""
        if imag is None and array.dtype.kind != "c":
            return self.of(array, real)
        plain = replace(self, normalize=False)
        if self.normalize:
            array = array * self._reciprocals(array, real, imag)
        parts = [array.real, array.imag] if array.dtype.kind == "c" else [array]
        kernels: list[Any] = [real] if imag is None else [real, imag]
        total = np.zeros(array.shape, np.result_type(self.inner, np.complex64))
        for m, part in enumerate(parts):
            for n, kernel in enumerate(kernels):
                factor = 1j**m * (1j if self.way.flipped else -1j) ** n
                total += factor * plain.of(part, kernel)
        return total

    def of(self, array: Array, bound: Bound | Blend) -> Array:
        if isinstance(bound, Blend):
            return self.of_blend(array, bound)
        return self.of_bound(array, bound)

    def of_bound(self, array: Array, bound: Bound) -> Array:
        """Each output from the window of sources that reach it."""
        reach, way = self.reach, self.way
        axes = tuple(range(array.ndim - len(reach.size), array.ndim))
        if bound.scale is not None or self.normalize:
            array = self._balanced(array, bound, axes)
        function = function_of(scattered, bound, self.inner, way=way, displacements=_Frozen(reach.displacements()))
        arguments = arguments_of(bound, axes, way)
        result = None
        for region in reach.pieces():
            words = self._words(reach.size, "shrink", reach.origin(way.flipped), axes, 0.0, region)
            computed: Array = stencil_of(function, words)(array, *arguments, workers=self.workers)
            if result is None:
                result = computed
            else:
                reach.fold(result, computed, region)
        assert result is not None
        return result

    def _words(self, size: Any, mode: Any, origin: Any, axes: Any, invalid: float, anchors: Any) -> Options:
        return options_of(
            size, None, mode, 0.0, origin, 1, self.reach.dilation, "same", axes, None, "propagate", 1, invalid, None,
            "input", self.inner, None, "auto", None, anchors,
        )  # fmt: skip

    def _balanced(self, array: Array, bound: Bound, axes: tuple[int, ...]) -> Array:
        """The sources times what all weights of their kernels share."""
        gather, words, centre = self._gather_of_weights(axes)
        function = function_of(balanced, bound, self.inner, way=gather, centre=centre, normalize=self.normalize)
        made: Array = stencil_of(function, words)(array, *arguments_of(bound, axes, gather), workers=self.workers)
        return made

    def _gather_of_weights(self, axes: tuple[int, ...]) -> tuple[Way, Options, Shape]:
        """How the weights of a kernel are gathered that this form scatters; and which sample of the window is its own.

        A sum over all weights needs no window; one over those that fall inside the array does.
        """
        reach, gather = self.reach, Way(not self.way.flipped, False)
        if self.normalize and any(MODES[mode].outside is Outside.MISSING for mode in reach.modes):
            words = self._words(reach.size, reach.modes, reach.origin(gather.flipped), axes, math.nan, None)
            return gather, words, reach.window_centre(gather.flipped)
        ones, zeros = (1,) * len(reach.size), (0,) * len(reach.size)
        return gather, self._words(ones, reach.modes, 0, axes, math.nan, None), zeros

    def _reciprocals(self, array: Array, real: Bound | Blend, imag: Bound | Blend | None) -> Array:
        """One over the sum of each source's own weights, where kernels are complex or many."""
        extents = self.reach.extents
        axes = tuple(range(len(extents)))
        gather, words, _ = self._gather_of_weights(axes)
        found: Array = np.empty(extents, np.complex128 if imag is not None else np.float64)
        present = np.zeros(extents, self.inner)
        for low, high in _rows(real, extents, self.inner):
            bounds = [_lowered(b, extents, low, high, self.inner) for b in (real, imag)]
            assert bounds[0] is not None
            parts = [p for b in bounds if b is not None for p in arguments_of(b, axes, gather)]
            other = None if bounds[1] is None else described(bounds[1], self.inner)
            function = function_of(
                reciprocal, bounds[0], self.inner, imag=other, way=gather, own=len(bounds[0].parts),
                conjugated=not self.way.flipped,
            )  # fmt: skip
            strip = changed(words, anchors=((low, high - low), *((0, n) for n in extents[1:])))
            re, im = stencil_of(function, strip)(present, *parts, workers=self.workers)
            found[low:high] = re + 1j * im if imag is not None else re
        return found

    def of_blend(self, array: Array, blend: Blend) -> Array:
        array = array.astype(self.inner, copy=False)
        if self.normalize:
            array = array * self._reciprocals(array, blend, None).astype(self.inner)
        axes = tuple(range(array.ndim - len(self.reach.size), array.ndim))
        options = options_of(
            None, None, "constant", 0.0, 0, 1, self.reach.dilation, "full", axes, None, "propagate", 1, math.nan, None,
            "input", None, None, "auto", None, None,
        )  # fmt: skip

        def convolve(sources: Array, kernel: Array) -> Array:
            operands = Operands(sources, kernel, None, (), False, sources.dtype, self.inner, self.inner, False)
            way = Way(self.way.flipped, False)
            return self.run(operands, options, way, output=None, workers=self.workers, progress=None)

        return scatter_blend(array, blend, self.reach, convolve)


class _Frozen(tuple[Any, ...]):
    """A tuple of arrays that is compared by their contents."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen) and self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())

    def _content(self) -> tuple[Any, ...]:
        return tuple((array.shape, array.tobytes()) for array in self)


# -- blends ------------------------------------------------------------------------------------------------------------


def scatter_blend(array: Array, blend: Blend, reach: Reach, convolve: Convolve) -> Array:
    """The sum over the kernels of fixed convolutions; `convolve` gives all that a part of the sources reaches."""
    ndim = len(reach.size)
    margins = [reach.margins(axis) for axis in range(ndim)]
    batch = array.shape[: array.ndim - ndim]
    whole = np.zeros((*batch, *(n + a + b for n, (a, b) in zip(reach.extents, margins, strict=True))), array.dtype)
    for node, region, coefficient in _supports(blend, reach.extents):
        # A source with the coefficient 0 does not take part, whatever it is.
        part = _inside(array, region)
        sources = np.where(coefficient != 0, part * coefficient.astype(array.dtype), np.zeros((), array.dtype))
        spread = convolve(sources, blend.kernels[node].astype(array.dtype, copy=False))
        reached = tuple(
            slice(s.start, s.start + n) for s, n in zip(region, spread.shape[spread.ndim - ndim :], strict=True)
        )
        _inside(whole, reached)[...] += spread
    result = None
    for piece in reach.pieces():
        inside = tuple(slice(f + m[0], f + m[0] + n) for (f, n), m in zip(piece, margins, strict=True))
        if result is None:
            result = np.ascontiguousarray(_inside(whole, inside))
        else:
            reach.fold(result, _inside(whole, inside), piece)
    assert result is not None
    return result


def _inside(array: Array, region: Slices) -> Array:
    """A part of the last axes."""
    places: tuple[Any, ...] = (..., *region)
    found: Array = array[places]
    return found


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


# -- which outputs are kept --------------------------------------------------------------------------------------------


def selection(reach: Reach, options: Options) -> Slices:
    """The outputs that stride and padding keep: they select from what was scattered and folded.

    Raises
    ------
    ArgumentError
        The padding asks for outputs outside the array, of which nothing is left after folding.
    """
    ndim = len(reach.extents)
    strides = canonical_stride(options.stride, ndim)
    paddings = canonical_padding("valid" if options.mode == "valid" else options.padding, ndim)
    found = []
    for axis, extent in enumerate(reach.extents):
        window = (reach.size[axis], reach.dilation[axis], reach.window_centre(reach.flipped)[axis])
        grid: OutputAxis = output_axis(extent, [window], strides[axis], paddings[axis])
        last = grid.first + grid.stride * (grid.count - 1)
        if grid.count and (grid.first < 0 or last >= extent):
            raise ArgumentError(
                f"padding={options.padding!r} asks for outputs at {grid.first} .. {last} along an axis of {extent}; a "
                "scatter has folded what falls outside the array back into it. Expected 'same', 'valid' or less."
            )
        found.append(slice(grid.first, last + 1 if grid.count else grid.first, grid.stride))
    return tuple(found)


def _rows(bound: Bound | Blend, extents: Shape, inner: DType) -> Iterator[tuple[int, int]]:
    """Positions (first, stop) along the first axis that are worked on at a time."""
    step = rows_at_once(bound, extents, inner.itemsize, STRIP_BYTES) if isinstance(bound, Blend) else extents[0]
    for first in range(0, extents[0], max(1, step)):
        yield first, min(first + step, extents[0])


def _lowered(bound: Bound | Blend | None, extents: Shape, low: int, high: int, inner: DType) -> Bound | None:
    return lowered(bound, extents, low, high, inner) if isinstance(bound, Blend) else bound
