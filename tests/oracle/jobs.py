"""Jobs from the user's words, for tests: windows and functions of windows in, a canonical `Job` out."""

import math
from dataclasses import dataclass

import numpy as np

from kernelscape import expression as ex
from kernelscape import geometry as geo
from kernelscape.boundary import canonical_modes
from kernelscape.verification import verify


@dataclass
class WindowWords:
    """What a user says about the window of one array; without size and footprint it is a map."""

    size: object = 3
    mode: object = "reflect"
    cval: float = 0.0
    origin: object = 0
    dilation: object = 1
    footprint: object = None
    centre: object = None

    @property
    def is_map(self):
        return self.size is None and self.footprint is None


def make_input(array, words, batch=0):
    """Give the canonical input of an array with `batch` leading batch axes, and (size, dilation, centre) per axis."""
    extents = array.shape[batch:]
    ndim = len(extents)
    taps = None
    if words.footprint is not None:
        sizes, taps = geo.canonical_footprint(words.footprint, ndim)
    else:
        sizes = geo.canonical_size(1 if words.size is None else words.size, ndim, extents)
    centre = words.centre or geo.canonical_centre(words.origin, sizes)
    dilation = geo.canonical_dilation(words.dilation, ndim)
    modes = ("nearest",) * ndim if words.is_map else canonical_modes(words.mode, ndim)
    axes = tuple(map(geo.WindowAxis, extents, sizes, dilation, centre, modes))
    dtype = array.dtype.newbyteorder("=")
    cval = geo.canonical_cval(words.cval, dtype)
    return geo.Input(dtype, axes, cval, taps), list(zip(sizes, dilation, centre, strict=True))


def make_job(
    function, arrays, words=None, *, stride=1, padding="same", batch=0, dtypes=None, min_count=1, invalid=math.nan
):
    """Give the job of a function that takes one node per array and returns a node or a tuple of nodes."""
    words = words or [WindowWords()] * len(arrays)
    inputs, shapes = zip(*(make_input(a, w, batch) for a, w in zip(arrays, words, strict=True)), strict=True)
    ndim = len(inputs[0].axes)
    strides, paddings = geo.canonical_stride(stride, ndim), geo.canonical_padding(padding, ndim)
    grid = tuple(
        geo.output_axis(inputs[0].axes[axis].extent, [s[axis] for s in shapes], strides[axis], paddings[axis])
        for axis in range(ndim)
    )
    nodes = [
        ex.Pixel((), i.dtype, n) if w.is_map else ex.Window(i.window_shape, i.dtype, n)
        for n, (i, w) in enumerate(zip(inputs, words, strict=True))
    ]
    outputs = function(*nodes)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    verify(outputs)
    dtypes = tuple(map(np.dtype, dtypes)) if dtypes else tuple(o.dtype for o in outputs)
    return geo.Job(outputs, dtypes, inputs, arrays[0].shape[:batch], grid, min_count, invalid)


def total(body, where=None):
    return ex.reduce("add", body, range(body.ndim), where)


def smallest(body, where=None):
    return ex.reduce("minimum", body, range(body.ndim), where)


def largest(body, where=None):
    return ex.reduce("maximum", body, range(body.ndim), where)


def binary(operator, a, b):
    """Give an operator on operands of one dtype; comparisons give bool."""
    dtype = ex.BOOL if operator.startswith(("less", "greater", "equal", "not_equal", "logical")) else a.dtype
    return ex.elementwise(operator, dtype, a, b)


def number(value, like):
    """Give a constant of a node's dtype."""
    return ex.constant(value, like.dtype)


def flat(body):
    return ex.reshape(body, (body.size,))


def rank(body, position):
    """Give the element of a rank among all elements."""
    return ex.pick(ex.sort(flat(body), 0), 0, position)
