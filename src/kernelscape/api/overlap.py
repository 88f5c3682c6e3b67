"""One kernel for all pixels through Fourier transforms: whether a call may go that way, and its run.

Where samples are not finite, a transform would spread them over their block. If a tolerance allows transforms, blocks
that see such a sample are computed by the exact method, so that only windows that contain it are touched; a call that
asks for transforms by name is refused.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from kernelscape import pool
from kernelscape.api.arguments import Array
from kernelscape.api.blocks import Surroundings
from kernelscape.api.choices import FOURIER, GAIN, Candidate, Choice, words_of_size
from kernelscape.api.fields import Way
from kernelscape.api.operands import Operands, window_axes
from kernelscape.api.options import Options
from kernelscape.api.prepared import planning_target
from kernelscape.boundary import MODES, Outside
from kernelscape.errors import ArgumentError
from kernelscape.expression import DType, Shape
from kernelscape.methods.fft import TOGETHER, Filter, Line, Overlap, bound_of, overlap
from kernelscape.plan import Plan
from kernelscape.reference.samples import load

FEW = 25
"""Weights below which a kernel is always faster directly."""
LEAST = 2_000_000
"""Products below which transforms are not considered: that takes a millisecond itself."""
Span = tuple[int, int]
"""The first output along an axis, and the one behind the last."""


def refused(operands: Operands, options: Options, way: Way) -> str | None:
    """Why transforms cannot give the result; None: they can."""
    if operands.result.kind not in "fc":
        return f"transforms give floating numbers, and the result is {operands.result}"
    if operands.normalize:
        return f"normalize={operands.normalize!r} divides by sums of weights of the samples that count"
    if operands.masks or operands.masked or operands.rule.min_weight or options.nan_policy == "omit":
        return "some samples do not count, and which outputs are valid only the exact method says"
    if options.min_count > 1:
        return "min_count asks how many samples count"
    if isinstance(options.cval, complex) and not operands.complex_input:
        return "cval is complex, and the input is not"
    around = _around(operands, options, way)
    if not math.prod(operands.array.shape) or not all(axis.count for axis in around.grid):
        return "there is nothing to compute"
    missing = any(MODES[mode].outside is Outside.MISSING for mode in around.modes)
    if missing and not around.inside:
        return "outputs outside of the array may have no valid sample"
    if way.scattered:
        return _not_gathered(around)
    return None


def _too_little(operands: Operands, options: Options, way: Way) -> str | None:
    """Whether the exact method takes no longer than it takes to choose another one."""
    around = _around(operands, options, way)
    outputs = operands.array.size // max(1, math.prod(around.extents)) * math.prod(a.count for a in around.grid)
    taps = math.prod(around.size)
    return "it takes no longer than choosing another method" if taps < FEW or taps * outputs < LEAST else None


def _not_gathered(around: Surroundings) -> str | None:
    """Why a scatter is no gather with the same kernel; None: it is."""
    if not around.inside:
        return "outputs of a scatter lie in the array"
    if any(MODES[m].outside is Outside.ELEMENT and m != "wrap" for m in around.modes):
        return "a scatter is a gather under the modes 'wrap', 'constant' and 'shrink' only"
    return None


def _around(operands: Operands, options: Options, way: Way) -> Surroundings:
    assert operands.weights is not None
    axes = window_axes(operands, options)
    extents = tuple(operands.array.shape[axis] for axis in axes)
    found = Surroundings.of(extents, operands.weights.shape, options, way.flipped)
    # What a scatter sends outside of a constant is dropped: nothing comes back from there.
    return replace(found, cval=0.0) if way.scattered else found


@dataclass(frozen=True, eq=False)
class KernelJob:
    """A filter with one kernel for all pixels.

    Attributes
    ----------
    operands : Operands
    options : Options
    way : Way
    around : Surroundings
    array : ndarray
        The samples, window axes last.
    workers : int or None
    """

    operands: Operands
    options: Options
    way: Way
    around: Surroundings
    array: Array
    workers: int | None

    @staticmethod
    def of(operands: Operands, options: Options, way: Way, workers: int | None) -> KernelJob:
        """That of a call which nothing speaks against (`refused`)."""
        axes = window_axes(operands, options)
        array = np.moveaxis(operands.array, axes, range(-len(axes), 0))
        if operands.loaded != operands.inner and not operands.complex_input:
            array = load(array, operands.loaded)
        return KernelJob(operands, options, way, _around(operands, options, way), array, workers)

    @property
    def axes(self) -> tuple[int, ...]:
        """The window axes of the input."""
        return window_axes(self.operands, self.options)

    @property
    def weights(self) -> Array:
        """The kernel as it was given."""
        assert self.operands.weights is not None
        return self.operands.weights

    @property
    def inner(self) -> DType:
        """The real dtype that filters are computed in."""
        return self.operands.inner

    @property
    def is_complex(self) -> bool:
        """Whether numbers are complex."""
        return self.operands.complex_input or self.operands.complex_weights

    @cached_property
    def _parts(self) -> list[Array]:
        return [self.array.real, self.array.imag] if self.operands.complex_input else [self.array]

    @cached_property
    def is_finite(self) -> bool:
        """Whether all samples are."""
        if self.array.dtype.kind not in "fc":
            return True
        return all(math.isfinite(float(p.min())) and math.isfinite(float(p.max())) for p in self._parts)

    @cached_property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest number among what windows see, of those that are finite."""
        low, high = [], []
        for part in self._parts:
            own = part if self.is_finite else part[np.isfinite(part)]
            low.append(float(own.min()) if own.size else 0.0)
            high.append(float(own.max()) if own.size else 0.0)
        for value in (v for v in self.around.outside if v is not None):
            for seen in (complex(value).real, complex(value).imag):
                low.append(seen)
                high.append(seen)
        return min(low), max(high)

    @property
    def magnitude(self) -> float:
        """At least the largest magnitude of what windows see."""
        low, high = self.range
        return max(abs(low), abs(high)) * (math.sqrt(2.0) if self.is_complex else 1.0)

    @property
    def norm(self) -> float:
        """The sum of magnitudes of the kernel."""
        return float(np.abs(self.weights).sum(dtype=np.float64))

    @property
    def tolerance(self) -> float:
        """The largest error of an output that is allowed; infinite where nothing is said about it."""
        tol = self.options.tol
        return math.inf if tol is None else float(tol) * self.magnitude * self.norm

    @cached_property
    def filter(self) -> Filter:
        """What blocks are chosen by."""
        low, high = self.range
        centre = 0.0 if self.is_complex else float(self.inner.type(0.5 * low + 0.5 * high))
        return Filter(
            weights=self.weights,
            dilation=self.around.dilation,
            strides=tuple(axis.stride for axis in self.around.grid),
            counts=tuple(axis.count for axis in self.around.grid),
            images=max(1, math.prod(self.array.shape[: self.array.ndim - len(self.axes)])),
            inner=self.inner,
            is_complex=self.is_complex,
            spread=self.magnitude if self.is_complex else max(high - centre, centre - low),
            centre=centre,
        )


def choose_for_kernel(operands: Operands, options: Options, way: Way, workers: int | None) -> Choice:
    """Among the exact method and transforms."""
    from kernelscape.api.products import kernel_plan  # which runs what is chosen here

    asked = options.method == "fft"
    reason = refused(operands, options, way)
    if reason is None and not asked and options.tol is not None:
        reason = _too_little(operands, options, way)
    # What nothing is compared with need not be planned.
    compared = reason is None or options.tol is None
    plan = kernel_plan(operands, options, way._replace(scattered=False)) if compared else None
    steady = None if plan is None else plan.estimate.seconds()
    target = planning_target() if plan is None else plan.target
    exact = Candidate("exact", None if steady is None else 1e3 * steady, _words_of(plan))
    if options.tol is None and not asked:
        reason = "no tolerance was given"
    if reason is not None:
        return Choice(None, exact, (exact, Candidate("fft", None, reason)))
    job = KernelJob.of(operands, options, way, workers)
    if asked and not job.is_finite:
        raise ArgumentError(
            "method='fft' mixes all samples of a block, and the input holds NaN or infinities, which would spread; "
            "replace them (np.nan_to_num), or give a tolerance, tol=, in place of the method: then blocks that hold "
            "some are computed exactly."
        )
    design = overlap(job.filter, target.rates, None if options.tol is None else job.tolerance)
    if isinstance(design, str):
        return Choice(job, exact, (exact, Candidate("fft", None, design)))
    why = f"{design.blocks} block(s) through Fourier transforms of {words_of_size(design.lengths)} in {design.dtype}"
    fft = Candidate("fft", 1e3 * design.seconds, why, design.bound, FOURIER, design)
    faster = exact.cost is not None and 1e3 * design.seconds < GAIN * exact.cost
    return Choice(job, fft if faster else exact, (exact, fft))


def _words_of(plan: Plan | None) -> str:
    if plan is None:
        return "the sums by definition"
    return f"{plan.method}: " + next(c.why for c in plan.candidates if c.name == plan.method)


@dataclass(frozen=True, eq=False)
class Overlapping:
    """What is needed to run a design: in transforms of some precision, with results of some real dtype."""

    job: KernelJob
    design: Overlap
    dtype: DType
    precision: DType

    def run(self) -> Array:
        """The filtered samples, window axes last."""
        job = self.job
        batch = job.array.shape[: job.array.ndim - len(job.axes)]
        dtype = np.result_type(self.dtype, np.complex64) if job.is_complex else self.dtype
        result = np.empty((*batch, *job.filter.counts), dtype)
        for image in np.ndindex(*batch):
            for spans in self._groups():
                target = result[image][tuple(slice(*span) for span in spans)]
                self._compute(job.array[image], spans, target)
        return result

    def certified(self) -> float:
        """At least the largest error of `run`, for these samples: each block counts with what it holds."""
        job, most = self.job, 0.0
        for image in np.ndindex(*job.array.shape[: job.array.ndim - len(job.axes)]):
            for spans in itertools.product(*(line.parts() for line in self.design.lines)):
                seen = self._seen(job.array[image], spans, np.dtype(np.float64), job.filter.centre)
                if np.isfinite(seen).all():
                    sizes = np.abs(seen)
                    most = max(most, float(np.sqrt((sizes * sizes).sum())))
        filter_ = replace(job.filter, inner=self.dtype)
        return bound_of(filter_, self.design.lines, self.precision, most * (1 + 1e-9))

    # -- blocks ------------------------------------------------------------------------------------------------------

    def _groups(self) -> Iterator[tuple[Span, ...]]:
        """Outputs that are computed together: a block, or some small ones that are neighbours along the last axis."""
        *lead, last = self.design.lines
        together = max(1, TOGETHER // math.prod(self.design.lengths)) * last.side
        runs = [(a, min(a + together, last.count)) for a in range(0, last.count, together)]
        yield from itertools.product(*(list(line.parts()) for line in lead), runs)

    def _seen(self, array: Array, spans: tuple[Span, ...], dtype: DType, centre: float) -> Array:
        """What the windows of some outputs see."""
        region = tuple(
            slice(axis.first + axis.stride * a, axis.first + axis.stride * (b - 1) + 1)
            for axis, (a, b) in zip(self.job.around.grid, spans, strict=True)
        )
        wide = np.result_type(dtype, np.complex64) if self.job.operands.complex_input else dtype
        return self.job.around.around(array, region, wide, centre)

    def _compute(self, array: Array, spans: tuple[Span, ...], target: Array) -> None:
        job, last = self.job, self.design.lines[-1]
        seen = self._seen(array, spans, self.precision, job.filter.centre)
        if job.is_finite or bool(np.isfinite(seen).all()):
            found = self._transformed(seen, target.shape)
            if job.filter.centre:
                found += self._constant
            target[...] = found
            return
        if target.shape[-1] > last.side:
            # One block of them after the other, so that most of them are transformed.
            for a in range(0, target.shape[-1], last.side):
                own = (*spans[:-1], (spans[-1][0] + a, min(spans[-1][0] + a + last.side, spans[-1][1])))
                self._compute(array, own, target[..., a : a + last.side])
            return
        target[...] = self._directly(self._seen(array, spans, self.dtype, 0.0))

    def _directly(self, seen: Array) -> Array:
        """The same by the exact method."""
        from kernelscape.api.linear import convolve, correlate

        run: Callable[..., Array] = convolve if self.job.way.flipped else correlate
        options, dtype = self.job.options, self.dtype
        weights = self.job.weights
        wide = np.result_type(dtype, np.complex64) if weights.dtype.kind == "c" else dtype
        strides = tuple(line.stride for line in self.design.lines)
        return run(
            seen, weights.astype(wide), padding="valid", stride=strides, dilation=options.dilation,
            workers=self.job.workers,
        )  # fmt: skip

    # -- transforms --------------------------------------------------------------------------------------------------

    def _transformed(self, seen: Array, counts: Shape) -> Array:
        """The outputs of what was seen, by transforms of equal lengths; small blocks all at once."""
        last = self.design.lines[-1]
        if counts[-1] > last.side:
            return self._together(seen, counts, last)
        spectrum = self._forth(seen) * self._kernel
        return self._kept(self._back(spectrum), counts, self.design.lines)

    @staticmethod
    def _kept(whole: Array, counts: Shape, lines: tuple[Line, ...]) -> Array:
        """So many outputs along the axes behind the first ones, of all positions."""
        every = (slice(0, (n - 1) * line.stride + 1, line.stride) for n, line in zip(counts, lines, strict=True))
        places: tuple[Any, ...] = (..., *every)
        found: Array = whole[places]
        return found

    def _together(self, seen: Array, counts: Shape, last: Line) -> Array:
        """Blocks side by side: their common neighbourhoods are read once, and transformed in one call."""
        blocks, step = -(-counts[-1] // last.side), last.side * last.stride
        needed = (blocks - 1) * step + last.seen
        if seen.shape[-1] < needed:
            seen = np.pad(seen, [(0, 0)] * (seen.ndim - 1) + [(0, needed - seen.shape[-1])])
        views = np.lib.stride_tricks.sliding_window_view(seen, last.seen, axis=-1)[..., ::step, :]
        stacked = np.moveaxis(views, -2, 0)
        whole = self._back(self._forth(stacked) * self._kernel)
        parts = self._kept(whole, (*counts[:-1], last.side), self.design.lines)
        line = np.moveaxis(parts, 0, -2)
        found: Array = line.reshape(*line.shape[:-2], -1)[..., : counts[-1]]
        return found

    @cached_property
    def _kernel(self) -> Array:
        """The transform that spectra are multiplied with: conjugated, since windows are correlated."""
        job, weights = self.job, self.job.weights
        # A correlation conjugates the weights, a convolution turns them; the conjugate of a transform does the former.
        own = np.conj(np.flip(weights)) if job.way.flipped else weights
        wide = np.result_type(self.precision, np.complex64) if own.dtype.kind == "c" else self.precision
        spread = np.zeros([d * (k - 1) + 1 for d, k in zip(job.around.dilation, own.shape, strict=True)], wide)
        spread[tuple(slice(None, None, d) for d in job.around.dilation)] = own
        return np.conj(self._forth(spread))

    @cached_property
    def _constant(self) -> Any:
        """What the number that was taken from all samples contributes."""
        total = self.job.weights.sum(dtype=np.longdouble)
        return self.precision.type(total * np.longdouble(self.job.filter.centre))

    def _forth(self, block: Array) -> Array:
        from scipy import fft

        axes = tuple(range(block.ndim - len(self.design.lines), block.ndim))
        transform: Any = fft.fftn if self.job.is_complex else fft.rfftn
        found: Array = transform(block, s=self.design.lengths, axes=axes, workers=self._threads)
        return found

    def _back(self, spectrum: Array) -> Array:
        from scipy import fft

        axes = tuple(range(spectrum.ndim - len(self.design.lines), spectrum.ndim))
        transform: Any = fft.ifftn if self.job.is_complex else fft.irfftn
        found: Array = transform(spectrum, s=self.design.lengths, axes=axes, workers=self._threads)
        return found

    @cached_property
    def _threads(self) -> int:
        return pool.resolve_workers(self.job.workers)
