"""Runs what `methods.product_convolution` decided: patches of the image through Fourier transforms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelscape import pool
from kernelscape.api.arguments import Array
from kernelscape.api.blocks import Surroundings, inside
from kernelscape.expression import DType, Shape
from kernelscape.methods.product_convolution import ProductConvolution, error_of, fast

SPECTRA_BYTES = 1 << 28
"""Memory for transforms of kernels that are kept, where several patches have the same kernels."""


@dataclass(frozen=True, slots=True, eq=False)
class Transforming:
    """What is needed to run a design.

    Attributes
    ----------
    design : ProductConvolution
    around : Surroundings
    flipped : bool
        A convolution.
    scattered : bool
    dtype : dtype
        Of the result.
    precision : dtype
        Of the transforms.
    workers : int or None
    """

    design: ProductConvolution
    around: Surroundings
    flipped: bool
    scattered: bool
    dtype: DType
    precision: DType
    workers: int | None

    def run(self, array: Array, centre: float) -> Array:
        """The filtered image, window axes last; a gather takes `centre` from samples before they are transformed."""
        return self._scatter(array) if self.scattered else self._gather(array, centre)

    def _gather(self, array: Array, centre: float) -> Array:
        around, ndim = self.around, len(self.around.extents)
        batch = array.shape[: array.ndim - ndim]
        result = np.zeros((*batch, *around.extents), self.dtype)
        spectra = _Spectra(self, turned=self.flipped, conjugated=True)
        for patch in self.design.terms.patches(self._wide):
            # One image after the other: a patch of all of them may be large.
            for image in np.ndindex(*batch):
                block = around.around(array[image], patch.region, self.precision, centre)
                lengths = tuple(map(fast, block.shape))
                seen, target = self._forth(block, lengths), result[image][patch.region]
                for number, weights in patch.terms:
                    kernel, total, *_ = spectra.of(number, lengths)
                    found = self._back(seen * kernel, lengths, target.shape)
                    if centre:
                        found += self.precision.type(centre) * total
                    found *= weights
                    target += found
        return inside(result, around.selected)

    def _scatter(self, array: Array) -> Array:
        """Each sample of the image is spread by its own kernel; then what fell outside is folded back."""
        around, ndim = self.around, len(self.around.extents)
        batch = array.shape[: array.ndim - ndim]
        canvas = around.canvas(batch, self.dtype)
        spectra = _Spectra(self, turned=not self.flipped, conjugated=False)
        for patch in self.design.terms.patches(self._wide):
            counts = tuple(
                r.stop - r.start + b + a for r, b, a in zip(patch.region, around.before, around.behind, strict=True)
            )
            place = tuple(slice(r.start, r.start + n) for r, n in zip(patch.region, counts, strict=True))
            lengths = tuple(map(fast, counts))
            for image in np.ndindex(*batch):
                part, total = array[image][patch.region], None
                for number, weights in patch.terms:
                    sent = np.multiply(part, weights, dtype=self.precision, casting="unsafe")
                    product = self._forth(sent, lengths) * spectra.of(number, lengths)[0]
                    total = product if total is None else total + product
                if total is not None:
                    canvas[image][place] += self._back(total, lengths, counts)
        return inside(around.folded(canvas), around.selected)

    def certified(self, array: Array, centre: float, largest: float) -> float:
        """At least the largest error of an output of `gather` or `scatter`, for this image; see `error_of`.

        Of each patch counts what it holds, and only where it reaches; `largest` is the largest magnitude of a sample.
        """
        around, ndim = self.around, len(self.around.extents)
        batch = array.shape[: array.ndim - ndim]
        spectra = _Spectra(self, turned=False, conjugated=False)
        unit, worst, inexact = float(np.finfo(self.precision).eps) / 2, 0.0, self.design.terms.inexact(self._wide)
        for image in np.ndindex(*batch):
            # What transforms make wrong at each output, and what is added up there, in how many terms.
            total, added, times = (self._room() for _ in range(3))
            for patch in self.design.terms.patches(self._wide):
                part = array[image][patch.region]
                counts = tuple(n + b + a for n, b, a in zip(part.shape, around.before, around.behind, strict=True))
                place = tuple(slice(r.start, r.start + n) for r, n in zip(patch.region, counts, strict=True))
                place, lengths = place if self.scattered else patch.region, tuple(map(fast, counts))
                if not self.scattered:
                    part = around.around(array[image], patch.region, np.dtype(np.float64), centre)
                for number, weights in patch.terms:
                    spectrum, _, root, size = spectra.of(number, lengths)
                    error = error_of(root, float(np.abs(spectrum).max()) * (1 + 1e-3), lengths, unit)
                    share: Any = np.abs(weights)
                    if self.scattered:
                        error, share = error * _norm(part * weights), float(share.max(initial=0.0))
                        total[place] += error
                    else:
                        total[place] += error * _norm(part) * share
                    total[place] += inexact[number] * size * largest
                    added[place] += share * size * largest
                    times[place] += 1
            narrow = float(np.finfo(self.dtype).eps) / 2
            total += 1.01 * narrow * (times + 8) * added
            worst = max(worst, float((around.folded(total) if self.scattered else total).max()))
        return 1.01 * worst

    @property
    def _wide(self) -> DType:
        """In which the numbers of patches are computed: float64 or more."""
        return np.result_type(self.precision, np.float64)

    def _room(self) -> Array:
        around = self.around
        return around.canvas((), np.dtype(np.float64)) if self.scattered else np.zeros(around.extents)

    def _forth(self, block: Array, lengths: Shape) -> Array:
        from scipy.fft import rfftn

        found: Array = rfftn(block, s=lengths, workers=pool.resolve_workers(self.workers))
        return found

    def _back(self, spectrum: Array, lengths: Shape, counts: Shape) -> Array:
        from scipy.fft import irfftn

        whole: Array = irfftn(spectrum, s=lengths, workers=pool.resolve_workers(self.workers))
        return whole[tuple(slice(0, n) for n in counts)]


def _norm(array: Array) -> float:
    return float(np.linalg.norm(array.ravel().astype(np.float64)))


class _Spectra:
    """Transforms of kernels, kept where there is memory and they are wanted again; and the kernels' sums."""

    def __init__(self, job: Transforming, *, turned: bool, conjugated: bool) -> None:
        self._job, self._turned, self._conjugated = job, turned, conjugated
        self._kept: dict[tuple[int, Shape], tuple[Array, Any, float, float]] = {}
        self._left = SPECTRA_BYTES if job.design.terms.terms_count > len(job.design.terms.kernels) else 0

    def of(self, number: int, lengths: Shape) -> tuple[Array, Any, float, float]:
        """A kernel's transform with the dilation of the call; its sum, root of squares and sum of magnitudes."""
        found = self._kept.get((number, lengths))
        if found is None:
            found = self._made(number, lengths)
            if found[0].nbytes <= self._left:
                self._left -= found[0].nbytes
                self._kept[number, lengths] = found
        return found

    def _made(self, number: int, lengths: Shape) -> tuple[Array, Any, float, float]:
        job = self._job
        kernel = job.design.terms.kernels[number].astype(job.precision)
        # The sum is exact but for one rounding: it is multiplied with what was taken from all samples.
        total = job.precision.type(job.design.terms.kernels[number].sum(dtype=np.longdouble))
        numbers = total, _norm(kernel), float(np.abs(kernel).sum(dtype=np.float64))
        spread = np.zeros(
            [d * (k - 1) + 1 for d, k in zip(job.around.dilation, kernel.shape, strict=True)], kernel.dtype
        )
        spread[tuple(slice(None, None, d) for d in job.around.dilation)] = np.flip(kernel) if self._turned else kernel
        spectrum = job._forth(spread, lengths)
        return np.conjugate(spectrum, out=spectrum) if self._conjugated else spectrum, *numbers
