"""Which outputs of a scatter are valid: those that enough sources reach, with enough weight.

An output has no window of its own. What stands for its samples are the sources whose kernels fall on it, once for each
sample of a kernel that does, folded ones among them. Each that counts adds 1 to the number that `min_count` is about;
and the magnitude of the weight with which it arrives to what `min_weight` compares with the magnitudes of all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kernelscape.api.arguments import Array, KernelArgument
from kernelscape.api.fields import Described, Way, Weights, arguments_of, kept_function, product_sum
from kernelscape.api.reach import at_region, inside
from kernelscape.api.scattered_blends import sent_to
from kernelscape.api.strips import BLEND_BYTES
from kernelscape.api.weighing import NOISE
from kernelscape.kernels.field import Bound
from kernelscape.kernels.materialize import evaluated
from kernelscape.trace import own_arrays

if TYPE_CHECKING:
    from kernelscape.api.scatter import Kernels, Scatter


def arrived(job: Scatter, real: Kernels, imag: Kernels | None, min_count: int, min_weight: float) -> Array | None:
    """Which places of the image are valid, of a shape that broadcasts to the sources'; None: all of them.

    All are where every source counts and no more than one is asked for.
    """
    if job.present is None and min_count <= 1:
        return None
    present = np.ones(job.reach.extents, np.bool_) if job.present is None else job.present
    found: Array = _enough(replace(job, present=None), real, present, min_count)
    if min_weight and job.present is not None:
        there, full = (_weight(job, real, imag, where) for where in (present, np.ones(present.shape, np.bool_)))
        noise = NOISE * float(np.finfo(there.dtype).eps) if there.dtype.kind == "f" else 0.0
        with np.errstate(invalid="ignore"):
            found &= ~(there < (min_weight - noise) * full)
    return found


# -- how many ----------------------------------------------------------------------------------------------------------


def _enough(job: Scatter, kernels: Kernels, present: Array, least: int) -> Array:
    """Whether so many sources arrive at each place."""
    if least < 1:
        return np.ones(present.shape, np.bool_)
    counts, dtype = least > 1, np.dtype(np.bool_)  # without counts truth values do, which are folded as well
    function = kept_function(arriving, function=None, counts=counts)
    arguments: list[Any] = [present]
    if isinstance(kernels, Bound) and kernels.takes_part is not None:
        dtype = job.inner  # maps are windows, too
        function = kept_function(arriving, function=job.scattering(_own_window, kernels), counts=counts)
        arguments += arguments_of(kernels, job.axes_of(present), job.way, dtype)
    found = job.spread(present, job.windows(function, arguments, dtype))
    return found >= least if counts else found


def arriving(window: Any, *values: Any, function: Callable[..., Any] | None, counts: bool) -> Any:
    """How many samples of a window are not 0, or whether any is, among those that a function says."""
    there = window != 0
    if function is not None:
        there = there & function(window, *values)
    return np.sum(there) if counts else np.any(there)


def _own_window(window: Any, *values: Any, field: Described, way: Way, displacements: tuple[Any, ...]) -> Any:
    """Which samples have the anchor in the window of their own kernel."""
    with own_arrays(window):
        return np.broadcast_to(Weights(field, values, way, displacements).part, window.shape)


# -- with which weight -------------------------------------------------------------------------------------------------


def _weight(job: Scatter, real: Kernels, imag: Kernels | None, present: Array) -> Array:
    """The sum of the magnitudes of the weights that arrive at each place."""
    sources: Array = np.broadcast_to(np.ones((), job.inner), present.shape)
    plain = replace(job, present=present, normalize=False)
    if isinstance(real, np.ndarray):
        kernel = np.abs(real) if imag is None else np.hypot(real, np.asarray(imag))
        if job.normalize:
            sources = np.abs(sources * job.reciprocals(real, imag))
        own = np.ascontiguousarray(np.flip(kernel) if job.way.flipped else kernel)
        return job.spread(sources, job.windows(product_sum, [plain.sending(sources), KernelArgument(own)]))
    if isinstance(real, Bound) and imag is None:
        if job.normalize or real.scale is not None:
            sources = np.abs(job.balanced(sources, real))
        arguments = [plain.sending(sources), *arguments_of(real, job.axes_of(sources), job.way, job.inner)]
        return job.spread(sources, job.windows(job.scattering(magnitudes, real), arguments))
    if job.normalize:
        sources = np.abs(sources * job.reciprocals(real, imag))
    return _written(job, [real] if imag is None else [real, imag], np.where(present, sources, 0.0), present)


def magnitudes(*arguments: Any, field: Described, way: Way, displacements: tuple[Any, ...]) -> Any:
    """The sum of the products of the samples of a window with the magnitudes of their kernels' weights."""
    window, *values = arguments
    with own_arrays(window):
        weights = Weights(field, values, way, displacements)
        products = window * np.abs(weights.weights)
        if weights.part is None:
            return np.sum(products)
        return np.sum(products, where=np.broadcast_to(weights.part, products.shape))


def _written(job: Scatter, kernels: list[Any], sources: Array, present: Array) -> Array:
    """The same with kernels that are written out, some rows at a time: those of blends, and complex ones."""
    reach, ndim = job.reach, len(job.reach.size)
    margins = [reach.margins(axis) for axis in range(ndim)]
    shape = tuple(n + a + b for n, (a, b) in zip(reach.extents, margins, strict=True))
    whole = np.zeros((*sources.shape[: sources.ndim - ndim], *shape))
    rows = max(1, BLEND_BYTES // (16 * math.prod(reach.extents[1:]) * math.prod(reach.size)))
    for first in range(0, reach.extents[0], rows):
        region = (slice(first, min(first + rows, reach.extents[0])), *(slice(0, n) for n in reach.extents[1:]))
        parts = [evaluated(kernel, region) for kernel in kernels]
        weights = np.abs(parts[0]) if len(parts) == 1 else np.hypot(*parts)
        own, there = inside(sources, region), inside(present, region)
        for tap in np.ndindex(*reach.size):
            start = sent_to(region, tap, reach)
            place = tuple(slice(s, s + n) for s, n in zip(start, own.shape[-ndim:], strict=True))
            inside(whole, place)[...] += np.where(there, own * weights[(..., *tap)], 0.0)
    return reach.all_folded(lambda region: at_region(whole, region, [-before for before, _ in margins]))
