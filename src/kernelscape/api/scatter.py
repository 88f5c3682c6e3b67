"""The scatter form: each sample of the input spreads over the output with its own kernel.

It is computed as a gather, so that no two threads ever add to the same number and the order of additions is fixed: the
output at q sums over a window of sources, each with the weight that its own kernel has for q. Outputs are computed over
all places that a kernel reaches; what lies outside the array is then folded back as the mode says, in the order of the
places. So scatter-convolve is the adjoint of gather-correlate with the same field and mode, and scatter-correlate that
of gather-convolve.

What all weights of one kernel share (the division by their sum) is multiplied into the sources beforehand: for some
rows of outputs at a time where the sources are many. So are the factors of kernels that are separable
(`scattered_factors`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array, KernelArgument, WindowArgument, array_of
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
from kernelscape.api.operands import Operands, counted, run_function
from kernelscape.api.options import GENERAL, Options, changed, options_of
from kernelscape.api.reach import Reach, Region, Slices, at_region, inside, selection
from kernelscape.api.results import Result, allocate, store
from kernelscape.api.scattered_blends import scatter_blend
from kernelscape.api.scattered_factors import Planes, planes_for, scattered_factors, with_planes
from kernelscape.api.scattered_validity import arrived
from kernelscape.api.selection import Selection
from kernelscape.api.strips import BLEND_BYTES, in_strips
from kernelscape.api.untouched import Surrounds, blended, elsewhere, fill
from kernelscape.boundary import MODES, Outside
from kernelscape.expression import BOOL, DType, Shape
from kernelscape.geometry import OutputAxis
from kernelscape.kernels.blend import lowered, rows_at_once
from kernelscape.kernels.box import bound_at
from kernelscape.kernels.field import Blend, Bound, Offsets, Table
from kernelscape.kernels.materialize import written_out
from kernelscape.reference.samples import load

TOGETHER_BYTES = 1 << 26
"""Up to this size an image is computed with the margins around it, and cut out of that."""
SOURCE_BYTES = 1 << 25
"""Memory for sources that are balanced beforehand: those of all outputs, or of some rows of outputs at a time."""
PLANE_BYTES = 1 << 26
"""The same where the factors of their kernels are computed beforehand, too."""
SLIVER = 4
"""How many times wider such rows may be than their number, each measured in what it shares with the next part."""


def run_scatter(
    operands: Operands, options: Options, way: Way, output: Any, workers: int | None, chosen: Selection | None = None,
    *, written: bool = False,
) -> Any:  # fmt: skip
    """What `correlate` and `convolve` do under ``form="scatter"``; of masked operands the result and its flags.

    The kernels of a field can be `written` out beforehand.

    Raises
    ------
    ArgumentError
        Outputs outside the array are asked for.
    """
    axes, ndim = operands.axes, len(operands.axes)
    real, imag = _kernels_of(operands, written)
    size = real.shape if isinstance(real, np.ndarray) else real.size
    reach = Reach.of(operands.extents, size, options, way.flipped)
    kept = selection(reach, options)
    array = np.moveaxis(_loaded(operands), axes, range(-ndim, 0))
    present = counted(operands, options)
    if present is not None:
        present = np.moveaxis(present, axes, range(-ndim, 0))
    job = Scatter(reach, way, _normalized(operands, reach), operands.inner, options.method, workers, present)
    whole = job.of_parts(array, real, imag)
    flags = arrived(job, real, imag, options.min_count, operands.rule.min_weight)
    found = np.moveaxis(inside(whole, kept), range(-ndim, 0), axes)
    if flags is not None:
        flags = np.moveaxis(np.broadcast_to(inside(flags, kept), inside(whole, kept).shape), range(-ndim, 0), axes)
    if chosen is not None:
        return _selected(found, flags, operands, options, kept, output, chosen)
    handed = _handed_out(found, flags, operands, options, output)
    if not operands.masked:
        return handed
    return handed, np.ones(handed.shape, np.bool_) if flags is None else flags


def _normalized(operands: Operands, reach: Reach) -> bool | str:
    """Whether sources are divided or rescaled: where nothing is lost, kernels have their own sum."""
    loses = any(MODES[mode].outside is Outside.MISSING for mode in reach.modes)
    return operands.normalize if loses or operands.normalize is True else False


def _handed_out(found: Array, flags: Array | None, operands: Operands, options: Options, output: Any) -> Array:
    """The result with its marks, in the dtype and the array that were asked for."""
    if output is None and flags is None and found.dtype == operands.result and found.flags.c_contiguous:
        return found
    result = Result(found.shape, operands.result, flags is not None, options.invalid)
    (target,) = allocate([result], output)
    if flags is not None:
        found = np.where(flags, found, np.array(options.invalid).astype(np.result_type(result.own_dtype, found)))
    if target.dtype.kind in "biu":
        store(found, target, options.invalid)
    else:
        target[...] = found
    return target


def _selected(
    found: Array, flags: Array | None, operands: Operands, options: Options, kept: Slices, output: Any,
    chosen: Selection,
) -> Any:  # fmt: skip
    """The folded result where it is wanted, and elsewhere what the selection says; of masked operands with its flags.

    A result that is blended with a sample that does not count does not count.
    """
    result = Result(found.shape, operands.result, flags is not None, options.invalid)
    (target,) = allocate([result], output)
    windowed = [axis in operands.axes for axis in range(found.ndim)]
    at = chosen.wanted(found.shape, windowed)
    places = dict(zip(operands.axes, kept, strict=True))
    here = tuple(places.get(axis, slice(None)) for axis in range(found.ndim))
    around = Surrounds(found.shape, windowed, lambda _, shown: (operands.array if shown is None else shown)[here])
    values = np.empty(found.shape, target.dtype.newbyteorder("="))
    if chosen.otherwise is None:
        values[...] = target
    made, results = [values], [result]
    if operands.masked:
        made.append(np.empty(found.shape, np.bool_))
        results.append(Result(found.shape, BOOL, False, 0))
    fill(elsewhere(chosen, made, results, around, given=output is not None), made, results)
    wanted = at != 0
    weight = at[wanted] if at.dtype.kind == "f" else None
    new, valid = found[wanted], None if flags is None else flags[wanted]
    if valid is not None:
        new = np.where(valid, new, np.zeros((), new.dtype))
    values[wanted] = blended(new.astype(operands.result), valid, weight, values[wanted], options.invalid)
    target[...] = values
    if not operands.masked:
        return target
    own = np.ones(len(new), np.bool_) if valid is None else valid
    made[1][wanted] = own if weight is None else own & (made[1][wanted] | (weight == 1))
    return target, made[1]


def _loaded(operands: Operands) -> Array:
    """The input as the caller wants it to be seen."""
    array, loaded = operands.array, operands.loaded
    if loaded == operands.inner:
        return array
    if operands.complex_input:
        return array.astype(np.result_type(loaded, np.complex64))
    return load(array, loaded)


Kernels = Bound | Blend | Array
"""A field on the image, or one kernel for all pixels."""


def _kernels_of(operands: Operands, written: bool) -> tuple[Kernels, Kernels | None]:
    """The kernels; of complex ones the real and the imaginary parts."""
    field, weights, inner = operands.field, operands.weights, operands.inner
    if field is not None:
        bounds = [f.bound(operands.extents) for f in (field.real, field.imag) if f is not None]
        made = [written_out(b, operands.extents, inner) if written and isinstance(b, Bound) else b for b in bounds]
        return made[0], made[1] if len(made) > 1 else None
    assert weights is not None
    if not operands.complex_weights:
        return weights.astype(inner, copy=False), None
    return weights.real.astype(inner, copy=False), weights.imag.astype(inner, copy=False)


def _table_of(kernel: Array) -> Bound:
    """One kernel for all pixels as a field."""
    return Bound(kernel.shape, kernel.dtype, (Table(kernel),), _itself)


def _sources_of(reach: Reach, region: Region) -> Region:
    """The samples of the array that reach a region."""
    found = []
    for axis, (n, (first, count)) in enumerate(zip(reach.extents, region, strict=True)):
        before, behind = reach.margins(axis)
        start, stop = max(first - behind, 0), min(first + count + before, n)
        found.append((start, stop - start))
    return tuple(found)


def _cut(reach: Reach, region: Region, rows_of: Callable[[Region], int]) -> list[Region]:
    """Parts of a region, cut across all axes but the first until their strips are no slivers.

    A strip shares its margins with the next one: if they are long and thin, most of what is in them is made twice.
    """
    halos = [sum(reach.margins(axis)) for axis in range(len(region))]
    shares = [count / max(1, halo) for (_, count), halo in zip(region, halos, strict=True)]
    axis = max(range(1, len(region)), key=shares.__getitem__)
    (first, count), rows = region[axis], rows_of(region)
    enough = max(2.0, shares[axis] / SLIVER) * halos[0]
    if rows >= min(enough, halos[0] + region[0][1]) or count < 2 or shares[axis] < 2:
        return [region]
    halves = ((first, count // 2), (first + count // 2, count - count // 2))
    return [part for half in halves for part in _cut(reach, (*region[:axis], half, *region[axis + 1 :]), rows_of)]


def _itself(offsets: Offsets, table: Any) -> Any:
    return table


@dataclass(frozen=True, slots=True)
class Scatter:
    """What all scatters of one call have in common."""

    reach: Reach
    way: Way
    normalize: bool | str
    inner: DType
    method: str
    workers: int | None
    present: Array | None = None
    """Which sources send anything, of a shape that broadcasts to the sources'; None: all."""

    def of_parts(self, array: Array, real: Kernels, imag: Kernels | None) -> Array:
        """The scattered image, of the array's shape with its window axes last; complex numbers by their parts."""
        if imag is not None and self.normalize:
            return replace(self, normalize=False).of_parts(self.rescaled(array, real, imag), real, imag)
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

    def of(self, array: Array, kernels: Kernels) -> Array:
        """The same for real numbers."""
        if isinstance(kernels, Blend):
            return self.of_blend(array, kernels)
        return self.of_bound(array, kernels) if isinstance(kernels, Bound) else self.of_kernel(array, kernels)

    def of_bound(self, array: Array, bound: Bound) -> Array:
        """Each output from the window of sources that reach it."""
        planes = self.planes(bound, array.size)
        if planes is not None:
            return self.spread(array, lambda region: self.strips(array, bound, region, planes))
        if bound.scale is not None or self.normalize:
            if array.size * self.inner.itemsize > SOURCE_BYTES:
                return self.spread(array, lambda region: self.strips(array, bound, region))
            array = self.balanced(array, bound)
        arguments = [self.sending(array), *arguments_of(bound, self.axes_of(array), self.way, self.inner)]
        return self.spread(array, self.windows(self.scattering(scattered, bound), arguments))

    def of_kernel(self, array: Array, kernel: Array) -> Array:
        """The same with one kernel for all sources: what a gather runs, too."""
        if self.normalize:
            array = self.balanced(array, _table_of(kernel))
        own = np.flip(kernel) if self.way.flipped else kernel
        arguments = [self.sending(array), KernelArgument(np.ascontiguousarray(own))]
        return self.spread(array, self.windows(product_sum, arguments))

    def sending(self, sources: Array, place: Slices | None = None) -> WindowArgument | Array:
        """Sources as an argument, or those at some place; those that do not count send nothing, whatever they hold."""
        if self.present is None:
            return sources
        return WindowArgument(sources, masks=(self.present if place is None else inside(self.present, place),))

    def scattering(self, head: Callable[..., Any], bound: Bound) -> Callable[..., Any]:
        """The function of a window of sources."""
        field = Described.of(bound, self.inner)
        return kept_function(head, field=field, way=self.way, displacements=self.reach.displacements())

    def planes(self, bound: Bound, sources: int) -> Planes | None:
        """The factors of the kernels, where it pays to compute them beforehand."""
        ndim = len(self.reach.size)
        options = self.options((1,) * ndim, self.reach.modes, 0, tuple(range(ndim)))
        gather = Way(not self.way.flipped, False)
        return planes_for(bound, self.reach.extents, sources, options, gather, self.inner)

    def windows(
        self, function: Callable[..., Any], arguments: list[Any], dtype: DType | None = None
    ) -> Callable[..., Array]:
        """What arrives at a region, from a function of the window of sources; it can be written to an output.

        Sources are seen in a dtype; by default the one that is computed in.
        """
        reach, axes = self.reach, self.axes_of(array_of(arguments[0]))

        def part(region: Region, output: Any = None) -> Array:
            options = self.options(reach.size, "shrink", reach.origin(self.way.flipped), axes, region, dtype)
            found: Array = run_function(function, options, arguments, output, self.workers)
            return found

        return part

    def strips(self, array: Array, bound: Bound, region: Region, planes: Planes | None = None) -> Array:
        """What arrives at a region, as many rows at once as their balanced sources, or planes, have memory for.

        To the outputs of a strip it makes no difference that there are no other sources than those that reach them.
        Where few rows of planes fit into the memory, so that many would be made again for the next strip, the region is
        cut along the other axes, too.
        """
        reach, axes = self.reach, self.axes_of(array)
        batch, halo = array.shape[: array.ndim - len(axes)], sum(reach.margins(0))
        numbers, memory = math.prod(batch), SOURCE_BYTES
        if planes is not None:
            numbers, memory = numbers + planes.count, PLANE_BYTES

        def rows_of(part: Region) -> int:
            """How many rows of the sources of a part fit."""
            row = numbers * math.prod(count for _, count in _sources_of(reach, part)[1:]) * self.inner.itemsize
            return memory // row

        def run(options: Options, low: int, high: int, target: Any) -> Any:
            return self.strip(array, bound, options.anchors, planes, target)

        output = np.empty((*batch, *(count for _, count in region)), self.inner)
        for part in [region] if planes is None else _cut(reach, region, rows_of):
            options = self.options(reach.size, "shrink", reach.origin(self.way.flipped), axes, part)
            grid, at_once = [OutputAxis(first, 1, count) for first, count in part], max(1, rows_of(part) - halo, halo)
            target = at_region(output, part, [first for first, _ in region])
            in_strips(run, options, grid, reach.extents, at_once, axis=len(batch), output=target, read=())
        return output

    def strip(self, array: Array, bound: Bound, region: Region, planes: Planes | None, target: Array) -> Array:
        """What arrives at a region small enough to balance its sources, or to make their planes, all at once."""
        box = _sources_of(self.reach, region)
        own = bound_at(bound, [np.arange(first, first + count) for first, count in box])
        place = tuple(slice(first, first + count) for first, count in box)
        sources = inside(array, place)
        if self.normalize:
            sources = self.balanced(array, bound, box)
        elif bound.scale is not None:
            # Without anchors, which would be others for each strip, the same machine code is found again.
            sources = self.balanced(sources, own)
        own = own if planes is None else with_planes(own, planes.of_box(own, self.workers))
        function = self.scattering(scattered if planes is None else scattered_factors, own)
        arguments = [self.sending(sources, place), *arguments_of(own, self.axes_of(array), self.way, self.inner)]
        seen = tuple((first - start, count) for (first, count), (start, _) in zip(region, box, strict=True))
        return self.windows(function, arguments)(seen, target)

    def spread(self, array: Array, part: Callable[[Region], Array]) -> Array:
        """All places that the sources reach, folded; `part` gives what arrives at a region."""
        reach = self.reach
        everything = reach.everything()
        batch = array.shape[: array.ndim - len(reach.size)]
        if math.prod([*batch, *(n for _, n in everything)]) * self.inner.itemsize > TOGETHER_BYTES:
            return reach.all_folded(part)
        whole = part(everything)
        return reach.all_folded(lambda region: at_region(whole, region, [first for first, _ in everything]))

    def axes_of(self, array: Array) -> tuple[int, ...]:
        """The window axes, which are the last ones."""
        return tuple(range(array.ndim - len(self.reach.size), array.ndim))

    def options(
        self, size: Any, mode: Any, origin: Any, axes: Any, anchors: Any = None, dtype: DType | None = None
    ) -> Options:
        """How windows are taken of sources; a place that nothing reaches is 0."""
        return options_of(
            size, None, mode, 0.0, origin, 1, self.reach.dilation, "same", axes, "propagate", 1,
            0.0 if dtype is None else 0, self.inner if dtype is None else dtype, None, self.method, None, anchors,
        )  # fmt: skip

    def balanced(self, array: Array, bound: Bound, box: Region | None = None) -> Array:
        """The sources, or those in a box, times what all weights of their kernels share."""
        axes = self.axes_of(array)
        gather, options, centre = self.gather_of_weights(axes)
        options = options if box is None else changed(options, anchors=box)
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

    def rescaled(self, array: Array, real: Kernels, imag: Kernels | None) -> Array:
        """The sources times that."""
        with np.errstate(invalid="ignore", over="ignore"):
            found: Array = array * self.reciprocals(real, imag)
        return found

    def reciprocals(self, real: Kernels, imag: Kernels | None) -> Array:
        """What each source is multiplied with by `normalize`, where kernels are complex or many."""
        extents = self.reach.extents
        axes = tuple(range(len(extents)))
        gather, options, _ = self.gather_of_weights(axes)
        nothing, words = np.zeros(extents, self.inner), {"way": gather, "normalize": self.normalize}

        def run(part: Options, low: int, high: int, target: Any) -> Any:
            kernels = [real] if imag is None else [real, imag]
            given = [_table_of(k) if isinstance(k, np.ndarray) else k for k in kernels]
            bounds = [lowered(b, extents, low, high, self.inner) if isinstance(b, Blend) else b for b in given]
            fields = tuple(Described.of(bound, self.inner) for bound in bounds)
            function = (
                kept_function(reciprocal, field=fields[0], **words)
                if imag is None
                else kept_function(reciprocal_complex, fields=fields, conjugated=not self.way.flipped, **words)
            )
            parts = [a for bound in bounds for a in arguments_of(bound, axes, gather, self.inner)]
            return run_function(function, part, [nothing, *parts], target, self.workers)

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
            array = self.rescaled(array, blend, None)
        axes, dilation = self.axes_of(array), self.reach.dilation
        options = options_of(
            None, None, "constant", 0.0, 0, 1, dilation, "full", axes, "propagate", 1, math.nan,
            None, None, self.method if self.method in GENERAL else "traced", None, None,
        )  # fmt: skip

        def convolve(sources: Array, kernel: Array) -> Array:
            own = np.flip(kernel) if self.way.flipped else kernel
            arguments = [sources, KernelArgument(np.ascontiguousarray(own, self.inner))]
            found: Array = run_function(product_sum, options, arguments, None, self.workers)
            return found

        return scatter_blend(array, blend, self.reach, convolve, self.present)
