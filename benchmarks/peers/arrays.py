"""The packages on plain arrays: SciPy, scikit-image, bottleneck, astropy, NumPy."""

from collections.abc import Callable

import numpy as np
import scipy.ndimage
import scipy.signal

from benchmarks.harness import Array, Run
from benchmarks.peers import Factory

MODE = "reflect"


def ndimage(function: Callable[..., object], *arguments: object, mode: str = MODE) -> Factory:
    """A filter of `scipy.ndimage` that writes to an output of the input's dtype."""

    def make(image: Array) -> Run:
        output = np.empty_like(image)

        def work() -> Array:
            function(image, *arguments, output=output, mode=mode)
            return output

        return Run(work)

    return make


def averaged_in_floats(side: int) -> Factory:
    """`uniform_filter` of integers, rounded once at the end and not after each axis."""

    def make(image: Array) -> Run:
        kept, output = np.empty(image.shape, np.float32), np.empty_like(image)

        def work() -> Array:
            scipy.ndimage.uniform_filter(image, side, output=kept, mode=MODE)
            np.rint(kept, out=kept)
            np.copyto(output, kept, casting="unsafe")
            return output

        return Run(work)

    return make


def separated(line: Array) -> Factory:
    """Two passes of `correlate1d`, the first in floating point."""

    def make(image: Array) -> Run:
        kept = np.empty(image.shape, np.float64 if image.dtype == np.float64 else np.float32)
        output = np.empty_like(image)

        def work() -> Array:
            scipy.ndimage.correlate1d(image, line, axis=0, output=kept, mode=MODE)
            scipy.ndimage.correlate1d(kept, line, axis=1, output=output, mode=MODE)
            return output

        return Run(work)

    return make


def vectorized(function: Callable[..., Array], size: int | tuple[int, ...], dtype: object = None) -> Factory:
    """`scipy.ndimage.vectorized_filter`."""

    def make(image: Array) -> Run:
        output = np.empty(image.shape, dtype or image.dtype)

        def work() -> Array:
            scipy.ndimage.vectorized_filter(image, function, size=size, mode=MODE, output=output)
            return output

        return Run(work)

    return make


def ranked(name: str, side: int, dimensions: int = 2, dtype: object = None, **settings: float) -> Factory:
    """`skimage.filters.rank`, whose windows end at the border: compared in the inside."""

    def make(image: Array) -> Run:
        import skimage.filters.rank

        function = getattr(skimage.filters.rank, name)
        footprint = np.ones((side,) * dimensions, np.uint8)
        output = np.empty(image.shape, dtype or image.dtype)
        inside = inner(side, dimensions)

        def work() -> Array:
            found = function(image, footprint, **settings) if dtype else function(image, footprint, output, **settings)
            return found[inside]

        return Run(work)

    return make


def inner(side: int, dimensions: int) -> tuple[slice, ...]:
    return (slice(side // 2, -(side // 2)),) * dimensions


def moving(name: str, side: int) -> Factory:
    """`bottleneck.move_*` along a line; its windows end at the output, so that the first ones are incomplete."""

    def make(line: Array) -> Run:
        import bottleneck

        function = getattr(bottleneck, name)
        return Run(lambda: function(line, side)[side - 1 :])

    return make


def convolved(line: Array) -> Factory:
    """`numpy.convolve`."""
    turned = np.ascontiguousarray(line[::-1])
    return lambda source: Run(lambda: np.convolve(source, turned, mode="valid"))


def overlap_add(line: Array) -> Factory:
    """`scipy.signal.oaconvolve`."""
    turned = np.ascontiguousarray(line[::-1])
    return lambda source: Run(lambda: scipy.signal.oaconvolve(source, turned, mode="valid"))


def astropy(weights: Array) -> Factory:
    """`astropy.convolution.convolve`, without its interpolation of NaN."""
    turned = np.ascontiguousarray(weights[(slice(None, None, -1),) * weights.ndim])
    inside = inner(len(weights), weights.ndim)

    def make(image: Array) -> Run:
        from astropy.convolution import convolve

        settings = {"boundary": "extend", "normalize_kernel": False, "nan_treatment": "fill"}
        return Run(lambda: convolve(image, turned, **settings)[inside])

    return make
