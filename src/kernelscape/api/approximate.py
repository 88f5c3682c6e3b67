"""Filters under a tolerance: which inexact method may stand for the exact one, and its run.

Of kernel fields, and of one kernel for all pixels. ``tol=`` is a promise about the error of every output: at most `tol`
times the largest magnitude of the image (and of the constant outside it) times the largest sum of magnitudes of a
kernel. Each method says what it costs and what it promises; the cheapest of those that promise enough is taken, and the
exact method where none is cheaper. The choice depends on shapes, the kernels and the tolerance, and not on the image,
but for one thing: where anything is not finite, only the exact method says which outputs that touches. So it is with
samples that do not count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from kernelscape.api.arguments import Array
from kernelscape.api.blocks import Surroundings
from kernelscape.api.blurs import Blurring
from kernelscape.api.choices import FOURIER, GAIN, Candidate, Choice, Design, forced, words_of_size
from kernelscape.api.compress import compressed, extremes, rank_of_samples
from kernelscape.api.fields import Way
from kernelscape.api.linear import convolve, correlate
from kernelscape.api.operands import Operands, window_axes
from kernelscape.api.options import LINEAR_METHODS, Options
from kernelscape.api.overlap import KernelJob, Overlapping, choose_for_kernel
from kernelscape.api.results import Result, allocate, store
from kernelscape.api.transforms import Transforming
from kernelscape.errors import ArgumentError, MemoryBudgetError
from kernelscape.expression import DType
from kernelscape.kernels.combination import LowRank
from kernelscape.kernels.field import ArrayPart, Blend, Bound, Field, Table
from kernelscape.kernels.gaussian import Gaussian
from kernelscape.kernels.materialize import evaluated
from kernelscape.methods import costs, low_rank
from kernelscape.methods.fft import Overlap
from kernelscape.methods.gaussian_nodes import Family, norm_of
from kernelscape.methods.log_sigma import SPLITS, LogSigma, Task, along_axes, isotropic
from kernelscape.methods.product_convolution import ProductConvolution, product_convolution, terms_of
from kernelscape.reference.samples import load

LEAST = 4.0
"""Milliseconds that the exact method may take without others being considered: that takes some itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A filter with a kernel field, and what all methods need to know of it.

    Attributes
    ----------
    operands : Operands
    options : Options
    way : Way
    around : Surroundings
    array : ndarray
        The image, window axes last, in the dtype that the caller wants it to be seen in.
    bound : Bound or Blend
    low, high : float
        The smallest and largest samples that windows may see.
    norm : float
        At most the largest sum of magnitudes of a kernel, and nearly that.
    workers : int or None
    """

    operands: Operands
    options: Options
    way: Way
    around: Surroundings
    array: Array
    bound: Bound | Blend
    low: float
    high: float
    norm: float
    workers: int | None

    @property
    def magnitude(self) -> float:
        """The largest magnitude of what windows see."""
        return max(abs(self.low), abs(self.high))

    @property
    def tolerance(self) -> float:
        """The largest error of an output that is allowed."""
        return float(self.options.tol) * self.magnitude * self.norm

    @property
    def inner(self) -> DType:
        """The dtype that filters are computed in."""
        return self.operands.inner

    @property
    def pixels(self) -> int:
        """Of one image."""
        return math.prod(self.around.extents)

    @property
    def images(self) -> int:
        """The number of images in the stack."""
        return max(1, self.array.size // max(1, self.pixels))

    @property
    def folds(self) -> tuple[str, ...] | None:
        """Of a scatter, how what falls outside comes back."""
        return self.around.folds() if self.way.scattered else None

    @property
    def middle(self) -> float:
        """The number half way between the smallest and the largest sample, as the dtype can hold it."""
        return float(self.inner.type(0.5 * self.low + 0.5 * self.high))


def run_approximately(operands: Operands, options: Options, way: Way, output: Any, workers: int | None) -> Array | None:
    """The filtered image by an inexact method; None where the exact one is to be taken."""
    return run_choice(choose(operands, options, way, workers), output)


# -- choosing ----------------------------------------------------------------------------------------------------------


def choose(operands: Operands, options: Options, way: Way, workers: int | None) -> Choice:
    """The cheapest method that keeps the tolerance, or the one that is asked for.

    Raises
    ------
    ArgumentError
        The method that is asked for does not apply, or there is no tolerance for it.
    """
    if operands.field is None:
        found = choose_for_kernel(operands, options, way, workers)
    else:
        found = _choose_for_field(operands, options, way, workers)
    asked = options.method if options.method in LINEAR_METHODS else "exact" if options.planned_method else None
    return found if asked is None else forced(found, asked, operands, options)


def _choose_for_field(operands: Operands, options: Options, way: Way, workers: int | None) -> Choice:
    made = _job_of(operands, options, way, workers)
    if isinstance(made, str):
        only = Candidate("exact", None, made)
        return Choice(None, only, (only,))
    cost = costs.exact(made.bound, made.pixels * made.images, made.inner, scattered=way.scattered)
    exact = Candidate("exact", cost, f"every kernel of {words_of_size(made.bound.size)} samples")
    found = [exact, _log_sigma(made), _product_convolution(made)]
    found.append(_low_rank(made, cost))
    faster = [c for c in found[1:] if c.cost is not None and c.cost < GAIN * cost]
    chosen = min(faster, key=lambda c: c.cost or 0.0, default=exact)
    return Choice(made, chosen, tuple(found))


def _job_of(operands: Operands, options: Options, way: Way, workers: int | None) -> Job | str:
    """The job, or why only the exact method can do it."""
    field = operands.field
    assert field is not None
    if options.tol is None:
        return "no tolerance was given"
    if operands.result.kind != "f":
        return f"inexact methods give real numbers, and the result is {operands.result}"
    if operands.normalize:
        return f"normalize={operands.normalize!r} divides by sums of weights, whose errors no method bounds"
    if operands.masks or operands.masked or operands.rule.min_weight:
        return "where some samples do not count, only the exact method says which outputs are valid"
    if options.method == "numpy" or options.min_count != 1:
        return "method='numpy' and min_count are for the exact method"
    bound = field.bound(operands.extents)
    around = Surroundings.of(operands.extents, bound.size, options, way.flipped)
    if not math.prod(operands.array.shape) or not all(axis.count for axis in around.grid):
        return "there is nothing to compute"
    if not around.inside and (way.scattered or "shrink" in around.modes):
        return "outputs outside of the image have no value, or are refused"
    own = isinstance(bound, Bound) and bound.takes_part is not None
    if "shrink" in around.modes and own and any(np.atleast_1d(options.origin)):
        return "windows that are moved off their pixels may hold no sample at all"
    if not all(_is_finite(part.array) for part in _parts(bound)):
        return "the field holds NaN or infinities, and which outputs these touch only the exact method says"
    asked = options.method in LINEAR_METHODS
    if not asked and costs.exact(bound, operands.array.size, operands.inner, scattered=way.scattered) < LEAST:
        return "it takes no longer than choosing another method"
    array = np.moveaxis(operands.array, operands.axes, range(-len(operands.axes), 0))
    if operands.loaded != operands.inner:
        array = load(array, operands.loaded)
    outside = [value for value in around.outside if value is not None]
    low, high = (
        float(found(np.array([limit, *outside]))) for found, limit in ((np.min, array.min()), (np.max, array.max()))
    )
    if not math.isfinite(low) or not math.isfinite(high):
        return "the image holds NaN or infinities, and which outputs these touch only the exact method says"
    return Job(operands, options, way, around, array, bound, low, high, _norm(field, bound, operands.extents), workers)


def _parts(bound: Bound | Blend) -> Iterator[ArrayPart]:
    if isinstance(bound, Blend):
        yield Table(bound.kernels)
    else:
        yield from (part for part in bound.parts if isinstance(part, ArrayPart))


def _is_finite(array: Array) -> bool:
    """Without an array of truth values; a broadcast view counts once."""
    if array.dtype.kind not in "fc" or not array.size:
        return True
    own = array[tuple(slice(0, 1) if not stride else slice(None) for stride in array.strides)]
    if own.dtype.kind == "c":
        return _is_finite(own.real) and _is_finite(own.imag)
    return math.isfinite(float(own.min())) and math.isfinite(float(own.max()))


def _norm(field: Field, bound: Bound | Blend, extents: tuple[int, ...]) -> float:
    """The largest sum of magnitudes of the kernels of some pixels: on a coarse grid, and where maps are extreme."""
    if _is_gaussian(field):
        families, ranges = families_of(field, bound)
        return math.prod(norm_of(family, high) for family, (_, high) in zip(families, ranges, strict=True))
    places = {
        tuple(round(i * (n - 1) / max(1, min(n, 5) - 1)) for i, n in zip(place, extents, strict=True))
        for place in np.ndindex(*(min(n, 5) for n in extents))
    }
    kernels = (evaluated(bound, tuple(slice(i, i + 1) for i in at)) for at in sorted(places | set(extremes(bound))))
    return max(float(np.abs(kernel).sum(dtype=np.float64)) for kernel in kernels)


# -- the methods -------------------------------------------------------------------------------------------------------


def _log_sigma(job: Job) -> Candidate:
    field, around = job.operands.field, job.around
    if not _is_gaussian(field):
        return Candidate("log_sigma", None, "the field is not one of Gaussians along the axes")
    families, ranges = families_of(field, job.bound)
    splits = SPLITS if around.inside and not any(np.atleast_1d(job.options.origin)) else ()
    task = Task(float(job.options.tol), job.pixels * job.images, job.inner, job.folds, splits)
    design = along_axes(families, ranges, task) if len(families) > 1 else isotropic(families[0], *ranges[0], task)
    if design is None:
        return Candidate("log_sigma", None, f"no blurs keep tol={job.options.tol}")
    rounding = design.bound - design.error.l1 if job.folds is None else 0.0
    if job.folds is not None or not field.normalize:
        bound, source = design.bound * job.magnitude, "sums of differences between kernels, times the largest sample"
    else:
        # What kernels differ by has nearly the sum 0: a constant image is filtered without error.
        spread = job.high - job.middle
        bound = design.error.l1 * spread + design.error.mean * abs(job.middle) + rounding * job.magnitude
        source = "sums of differences between kernels, times half the range of the image"
    why = f"{design.blurs} blurs of the image, blended by each pixel's sigma"
    if design.split is not None:
        why += f"; sigmas up to {design.split} exactly"
    return Candidate("log_sigma", design.cost, why, bound, source, design)


def _is_gaussian(field: Field | None) -> TypeGuard[Gaussian]:
    return type(field) is Gaussian and field.angle is None


def families_of(field: Gaussian, bound: Bound | Blend) -> tuple[tuple[Family, ...], tuple[tuple[float, float], ...]]:
    """For each sigma of a field its family, and the smallest and largest value."""
    assert isinstance(bound, Bound)
    truncate = field.truncate if bound.takes_part is not None else None
    sigmas = [field.sigma] if field.sigma2 is None else [field.sigma, field.sigma2]
    axes = [tuple(range(len(bound.size)))] if field.sigma2 is None else [(0,), (1,)]
    families = tuple(
        Family(
            tuple(bound.size[a] // 2 for a in own),
            tuple(bound.size[a] % 2 == 0 for a in own),
            truncate,
            field.normalize,
        )
        for own in axes
    )
    return families, tuple((float(s.min()), float(s.max())) for s in sigmas)


def _product_convolution(job: Job) -> Candidate:
    terms = terms_of(job.bound, job.around.extents)
    if terms is None:
        return Candidate("product_convolution", None, "the field is no sum of few kernels")
    if not job.around.inside:
        return Candidate("product_convolution", None, "outputs lie outside of the image")
    allowed = float(job.options.tol) * job.norm
    design = product_convolution(terms, job.around.dilation, allowed, job.images, job.inner, job.folds)
    if design is None:
        return Candidate("product_convolution", None, f"rounding forbids tol={job.options.tol}")
    lengths = words_of_size(design.lengths)
    why = f"{terms.patches_count} patches through Fourier transforms of up to {lengths} in {design.dtype}"
    return Candidate("product_convolution", design.cost, why, design.bound * job.magnitude, FOURIER, design)


def _low_rank(job: Job, exact: float) -> Candidate:
    field = job.operands.field
    assert field is not None
    if job.way.scattered or terms_of(job.bound, job.around.extents) is not None:
        return Candidate("low_rank", None, "the field is a sum of few kernels already, or scattered")
    most = low_rank.most_ranks(job.bound, job.pixels, job.images, job.inner, exact)
    if most < 1:
        return Candidate("low_rank", None, f"looking at every kernel costs more than filtering {job.images} image(s)")
    tol = low_rank.SHARE * float(job.options.tol)
    try:
        rank = rank_of_samples(field, tol, job.around.extents)
        if rank > most:
            return Candidate("low_rank", None, f"about {rank} basis kernels are needed, and at most {most} pay")
        few = compressed(field, tol, job.around.extents, most, job.workers)
    except (ArgumentError, MemoryBudgetError) as error:  # kernels that are not finite; a tolerance below rounding
        return Candidate("low_rank", None, str(error))
    if few is None:
        return Candidate("low_rank", None, f"more than {most} basis kernels are needed")
    return _compressed(job, few)


def _compressed(job: Job, few: LowRank) -> Candidate:
    """The candidate that filters with a few kernels, directly or through Fourier transforms."""
    assert few.error is not None
    error = few.error
    price = low_rank.price(job.bound, len(few.basis), job.pixels, job.images, job.inner)
    bound = few.bound(job.around.extents)
    terms = terms_of(bound, job.around.extents)
    assert terms is not None
    left = float(job.options.tol) * job.norm - error.l1
    taps = math.prod(job.bound.size)
    rank = len(terms.kernels)
    rounding = (taps + rank + 8) * float(np.finfo(job.inner).eps) / 2 * terms.summed(terms.sums)
    why = f"{rank} basis kernels with coefficient maps"
    if job.around.inside:
        design = product_convolution(terms, job.around.dilation, left, job.images, job.inner, None)
        if design is not None and (rounding > left or design.cost < price.run):
            total = (error.l1 + design.bound) * job.magnitude
            words = f"{why}, through Fourier transforms of up to {words_of_size(design.lengths)} in {design.dtype}"
            return Candidate("low_rank", price.once + design.cost, words, total, f"{_MEASURED}; {FOURIER}", design)
    if rounding > left:
        return Candidate("low_rank", None, f"rounding forbids tol={job.options.tol}")
    total = (error.l1 + rounding) * job.magnitude
    return Candidate("low_rank", price.once + price.run, why, total, _MEASURED, few)


_MEASURED = "differences between kernels, measured at every pixel"


# -- running -----------------------------------------------------------------------------------------------------------


def run_choice(choice: Choice, output: Any) -> Array | None:
    """The result of the chosen method, if it is not the exact one."""
    job, design = choice.job, choice.chosen.design
    if job is None or design is None:
        return None
    axes = window_axes(job.operands, job.options)
    ndim = len(axes)
    shape = list(job.operands.array.shape)
    for axis, along in zip(axes, job.around.grid, strict=True):
        shape[axis] = along.count
    (target,) = allocate([Result(tuple(shape), job.operands.result, False, math.nan)], output)
    made = np.moveaxis(computed(job, design), range(-ndim, 0), axes)
    if output is None and target.dtype == made.dtype and made.flags.c_contiguous:
        return made
    if target.dtype.kind in "biu":
        store(made, target, job.options.invalid)
    else:
        target[...] = made
    return target


def computed(job: Job | KernelJob, design: Design) -> Array:
    """What a design makes of the image, window axes last, in the dtype that is computed in."""
    if isinstance(design, Overlap):
        assert isinstance(job, KernelJob)
        return Overlapping(job, design, job.inner, design.dtype).run()
    assert isinstance(job, Job)
    if isinstance(design, LogSigma):
        field = job.operands.field
        assert isinstance(field, Gaussian)
        assert isinstance(job.bound, Bound)
        words = {name: getattr(job.options, name) for name in ("mode", "cval", "dilation")}
        words["mode"] = "constant" if words["mode"] == "valid" else words["mode"]
        blurring = Blurring(design, field, job.bound, job.around, job.way.flipped, job.inner, words, job.workers)
        if job.way.scattered:
            return blurring.scatter(job.array)
        return blurring.gather(job.array, job.middle if field.normalize else 0.0)
    if isinstance(design, ProductConvolution):
        return transforming(job, design, job.inner, design.dtype).run(job.array, job.middle)
    return _directly(job, design)


def transforming(job: Job, design: ProductConvolution, dtype: DType, precision: DType) -> Transforming:
    """A design with transforms of some precision, and a result of some dtype."""
    return Transforming(design, job.around, job.way.flipped, job.way.scattered, dtype, precision, job.workers)


def _directly(job: Job, field: LowRank) -> Array:
    """With the exact method for another field, all words of the call the same."""
    run: Callable[..., Array] = convolve if job.way.flipped else correlate
    names = ("mode", "cval", "origin", "stride", "dilation", "padding")
    words = {name: getattr(job.options, name) for name in names}
    ndim = len(job.operands.axes)
    axes = tuple(range(job.array.ndim - ndim, job.array.ndim))
    return run(job.array.astype(job.inner, copy=False), field, axes=axes, workers=job.workers, **words)
