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

from kernelscape.api.arguments import Array, KernelArgument
from kernelscape.api.fields import (
    Described,
    Way,
    arguments_of,
    balanced,
    kept_function,
    product_sum,
    reciprocal,
    reciprocal_complex,
    scattered,
)
from kernelscape.api.operands import Operands, run_function
from kernelscape.api.options import Options, options_of
from kernelscape.api.results import Result, allocate, store
from kernelscape.api.strips import BLEND_BYTES, in_strips
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
from kernelscape.kernels.field import Blend, Bound, Offsets, Table
from kernelscape.kernels.materialize import written_out
from kernelscape.reference.samples import load

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
    operands: Operands, options: Options, way: Way, output: Any, workers: int | None, *, written: bool = False
) -> Array:
    """What `correlate` and `convolve` do under ``form="scatter"``.

    The kernels of a field can be `written` out beforehand.

    Raises
    ------
    ArgumentError
        Outputs outside the array are asked for, or a `min_count`.
    """
    if options.min_count != 1:
        raise ArgumentError(
            f"min_count counts the samples of a window, and a scatter has none; got {options.min_count}. Leave it out."
        )
    axes, ndim = operands.axes, len(operands.axes)
    real, imag = (_written(b, operands) if written else b for b in _kernels_of(operands))
    assert real is not None
    reach = Reach.of(operands.extents, real.size, options, way.flipped)
    kept = selection(reach, options)
    array = np.moveaxis(_loaded(operands), axes, range(-ndim, 0))
    job = _Scatter(reach, way, operands.normalize, operands.inner, options.method, workers)
    whole = job.of_parts(array, real, imag)
    chosen = np.moveaxis(_inside(whole, kept), range(-ndim, 0), axes)
    (target,) = allocate([Result(chosen.shape, operands.result, False, math.nan)], output)
    if target.dtype == chosen.dtype and output is None and chosen.flags.c_contiguous:
        return chosen
    if target.dtype.kind in "biu":
        store(chosen, target, options.invalid)
    else:
        target[...] = chosen
    return target


def _loaded(operands: Operands) -> Array:
    """The input as the caller wants it to be seen."""
    array, loaded = operands.array, operands.loaded
    if loaded == operands.inner:
        return array
    if operands.complex_input:
        return array.astype(np.result_type(loaded, np.complex64))
    return load(array, loaded)


def _kernels_of(operands: Operands) -> tuple[Bound | Blend, Bound | Blend | None]:
    """The kernels on the image, as fields: of complex ones the real and the imaginary parts."""
    field, weights = operands.field, operands.weights
    if field is not None:
        imag = field.imag
        return field.real.bound(operands.extents), None if imag is None else imag.bound(operands.extents)
    assert weights is not None
    parts = [weights.real, weights.imag] if operands.complex_weights else [weights]
    tables = [Table(np.ascontiguousarray(part, operands.inner)) for part in parts]
    made = [Bound(weights.shape, operands.inner, (table,), _itself) for table in tables]
    return made[0], made[1] if operands.complex_weights else None


def _written(bound: Bound | Blend | None, operands: Operands) -> Bound | Blend | None:
    return written_out(bound, operands.extents, operands.inner) if isinstance(bound, Bound) else bound


def _itself(offsets: Offsets, table: Any) -> Any:
    return table


@dataclass(frozen=True, slots=True)
class _Scatter:
    """What all scatters of one call have in common."""

    reach: Reach
    way: Way
    normalize: bool
    inner: DType
    method: str
    workers: int | None

    def of_parts(self, array: Array, real: Bound | Blend, imag: Bound | Blend | None) -> Array:
        """The scattered image, of the array's shape with its window axes last; complex numbers by their parts."""
        if imag is not None and self.normalize:
            return replace(self, normalize=False).of_parts(array * self.reciprocals(real, imag), real, imag)
        if imag is None and array.dtype.kind != "c":
            return self.of(array, real)
        total = np.zeros(array.shape, np.result_type(self.inner, np.complex64))
        for m, part in enumerate([array.real, array.imag] if array.dtype.kind == "c" else [array]):
            for n, kernel in enumerate([real] if imag is None else [real, imag]):
                # The product of the units is a power of i; correlation conjugates the kernel.
                power = (m + (n if self.way.flipped else -n)) % 4
                target = total.imag if power % 2 else total.real
                (np.add if power < 2 else np.subtract)(target, self.of(part, kernel), out=target)
        return total

    def of(self, array: Array, bound: Bound | Blend) -> Array:
        """The same for real numbers."""
        return self.of_blend(array, bound) if isinstance(bound, Blend) else self.of_bound(array, bound)

    def of_bound(self, array: Array, bound: Bound) -> Array:
        """Each output from the window of sources that reach it."""
        reach, way = self.reach, self.way
        axes = tuple(range(array.ndim - len(reach.size), array.ndim))
        if bound.scale is not None or self.normalize:
            array = self.balanced(array, bound, axes)
        field = Described.of(bound, self.inner)
        function = kept_function(scattered, field=field, way=way, displacements=reach.displacements())
        arguments = [array, *arguments_of(bound, axes, way, self.inner)]
        result = None
        for region in reach.pieces():
            options = self.options(reach.size, "shrink", reach.origin(way.flipped), axes, region)
            computed: Array = run_function(function, options, arguments, None, self.workers)
            if result is None:
                result = computed
            else:
                reach.fold(result, computed, region)
        assert result is not None
        return result

    def options(self, size: Any, mode: Any, origin: Any, axes: Any, anchors: Any = None) -> Options:
        """How windows are taken of sources; a place that nothing reaches is 0."""
        return options_of(
            size, None, mode, 0.0, origin, 1, self.reach.dilation, "same", axes, None, "propagate", 1, 0.0, None,
            "input", self.inner, None, self.method, None, anchors,
        )  # fmt: skip

    def balanced(self, array: Array, bound: Bound, axes: tuple[int, ...]) -> Array:
        """The sources times what all weights of their kernels share."""
        gather, options, centre = self.gather_of_weights(axes)
        field = Described.of(bound, self.inner)
        function = kept_function(balanced, field=field, way=gather, centre=centre, normalize=self.normalize)
        arguments = [array, *arguments_of(bound, axes, gather, self.inner)]
        made: Array = run_function(function, options, arguments, None, self.workers)
        return made

    def gather_of_weights(self, axes: tuple[int, ...]) -> tuple[Way, Options, Shape]:
        """How the weights of a kernel are gathered that this form scatters; and which sample of the window is its own.

        A sum over all weights needs no window; one over those that fall inside the array does.
        """
        reach, gather = self.reach, Way(not self.way.flipped, False)
        if self.normalize and any(MODES[mode].outside is Outside.MISSING for mode in reach.modes):
            options = self.options(reach.size, reach.modes, reach.origin(gather.flipped), axes)
            return gather, options, reach.window_centre(gather.flipped)
        ones, zeros = (1,) * len(reach.size), (0,) * len(reach.size)
        return gather, self.options(ones, reach.modes, 0, axes), zeros

    def reciprocals(self, real: Bound | Blend, imag: Bound | Blend | None) -> Array:
        """One over the sum of each source's own weights, where kernels are complex or many."""
        extents = self.reach.extents
        axes = tuple(range(len(extents)))
        gather, options, _ = self.gather_of_weights(axes)
        present = np.zeros(extents, self.inner)

        def run(part: Options, low: int, high: int, target: Any) -> Any:
            given = [real] if imag is None else [real, imag]
            bounds = [lowered(b, extents, low, high, self.inner) if isinstance(b, Blend) else b for b in given]
            fields = tuple(Described.of(bound, self.inner) for bound in bounds)
            function = (
                kept_function(reciprocal, field=fields[0], way=gather)
                if imag is None
                else kept_function(reciprocal_complex, fields=fields, way=gather, conjugated=not self.way.flipped)
            )
            parts = [a for bound in bounds for a in arguments_of(bound, axes, gather, self.inner)]
            return run_function(function, part, [present, *parts], target, self.workers)

        at_once = extents[0]
        if isinstance(real, Blend):
            at_once = rows_at_once(real, extents, self.inner.itemsize, BLEND_BYTES)
        grid = [OutputAxis(0, 1, n) for n in extents]
        found = in_strips(run, options, grid, extents, at_once, axis=0, output=None, read=())
        if imag is None:
            return np.asarray(found)
        joined = np.empty(extents, np.result_type(self.inner, np.complex64))
        joined.real, joined.imag = found
        return joined

    def of_blend(self, array: Array, blend: Blend) -> Array:
        """The sum over the kernels of fixed convolutions of the sources times the kernel's coefficients."""
        array = array.astype(self.inner, copy=False)
        if self.normalize:
            array = array * self.reciprocals(blend, None)
        axes = tuple(range(array.ndim - len(self.reach.size), array.ndim))
        options = options_of(
            None, None, "constant", 0.0, 0, 1, self.reach.dilation, "full", axes, None, "propagate", 1, math.nan, None,
            "input", None, None, self.method, None, None,
        )  # fmt: skip

        def convolve(sources: Array, kernel: Array) -> Array:
            own = np.flip(kernel) if self.way.flipped else kernel
            arguments = [sources, KernelArgument(np.ascontiguousarray(own, self.inner))]
            found: Array = run_function(product_sum, options, arguments, None, self.workers)
            return found

        return scatter_blend(array, blend, self.reach, convolve)


# -- blends ------------------------------------------------------------------------------------------------------------


def scatter_blend(array: Array, blend: Blend, reach: Reach, convolve: Convolve) -> Array:
    """The sum over the kernels of fixed convolutions; `convolve` gives all that a part of the sources reaches."""
    ndim = len(reach.size)
    margins = [reach.margins(axis) for axis in range(ndim)]
    batch = array.shape[: array.ndim - ndim]
    whole = np.zeros((*batch, *(n + a + b for n, (a, b) in zip(reach.extents, margins, strict=True))), array.dtype)
    for node, region, coefficient in _supports(blend, reach.extents):
        # A source with the coefficient 0 does not take part, whatever it is.
        takes_part = coefficient != 0
        part = _inside(array, region)
        sources = np.where(takes_part, part * coefficient.astype(array.dtype), np.zeros((), array.dtype))
        kernel = blend.kernels[node].astype(array.dtype, copy=False)
        finite = np.isfinite(kernel)
        spread = convolve(sources, kernel if finite.all() else np.where(finite, kernel, np.zeros((), kernel.dtype)))
        reached = tuple(
            slice(s.start, s.start + n) for s, n in zip(region, spread.shape[spread.ndim - ndim :], strict=True)
        )
        _inside(whole, reached)[...] += spread
        for tap in np.argwhere(~finite):
            # Of these, products with zeros that are no sources would be seen.
            start = [s.start + d * int(t if reach.flipped else k - 1 - t)
                     for s, d, t, k in zip(region, reach.dilation, tap, reach.size, strict=True)]  # fmt: skip
            there = _inside(whole, tuple(slice(a, a + n) for a, n in zip(start, takes_part.shape, strict=True)))
            with np.errstate(invalid="ignore"):
                np.add(there, sources * kernel[tuple(tap)], out=there, where=takes_part)
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
