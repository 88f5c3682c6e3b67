"""`correlate` and `convolve` as linear operators, with their adjoints, for the solvers of SciPy.

The adjoint of one form and operation is the other form of the other operation, with the same kernels and the same
mode. What stride and padding keep of the outputs, the adjoint puts back to where it came from: the values go to their
anchors on the image's grid, zeros in between. Anchors outside of the image (``padding="full"``) read the kernel of the
nearest edge; they are scattered from boxes that reach out of the image, and what arrives is folded back by the mode.

The division by sums of weights (``normalize=True``) belongs to the outputs in a gather, so that the adjoint divides
first. In a scatter it belongs to the sources, and a normalised gather does it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Never

import numpy as np
from numpy.typing import ArrayLike

from kernelscape.api.arguments import Array, as_array
from kernelscape.api.linear import convolve, correlate
from kernelscape.api.operands import FORMS, Operands, operands_of
from kernelscape.api.options import Options, changed, dtype_of, native, options_of, refuse_unknown, with_known_keywords
from kernelscape.api.reach import Reach, selection
from kernelscape.api.strips import output_grid
from kernelscape.boundary import MODES, Outside
from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError, unknown_name
from kernelscape.expression import DType, Shape
from kernelscape.geometry import OutputAxis, anchors
from kernelscape.kernels.box import box_of
from kernelscape.kernels.field import Field
from kernelscape.kernels.words import in_words

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

_Integers = int | Sequence[int]
_OPERATIONS = {"correlate": correlate, "convolve": convolve}
_ADJOINT = {"correlate": convolve, "convolve": correlate}
COLUMNS_BYTES = 1 << 20
"""Memory for the columns of a matrix that are images of one call."""


@with_known_keywords
def linear_operator(
    shape: int | Sequence[int],
    weights: ArrayLike | Field,
    *,
    form: str = "gather",
    operation: str = "correlate",
    normalize: bool = False,
    mode: str | Sequence[str] = "reflect",
    cval: complex = 0.0,
    origin: _Integers = 0,
    stride: _Integers = 1,
    dilation: _Integers = 1,
    padding: Any = "same",
    axes: _Integers | None = None,
    dtype: Any = None,
    workers: int | None = None,
    **unknown: Never,
) -> LinearOperator:
    """Give `correlate` or `convolve` with some kernels as a linear operator on flattened images.

    Parameters
    ----------
    shape : int or tuple of int
        The shape of the images, at least 1 along each axis.
    weights : array_like or Field
        A kernel, or a kernel for every pixel. A kernel is copied; the arrays that a field is made of are not: do not
        change them while the operator is in use.
    form : {"gather", "scatter"}
        Whose the kernels are: the outputs' or the inputs', as in `correlate`.
    operation : {"correlate", "convolve"}
    normalize : bool
        As in `correlate`.
    mode : str or tuple of str
        As in `correlate`.
    cval : number
        Must be 0. With any other constant outside of the image the result would not be linear in the image.
    origin, stride, dilation, padding, axes
        As in `correlate`.
    dtype : dtype, optional
        Of the images: float32, float64 (the default), complex64 or complex128. Integers stand for float64, float16
        for float32. Vectors are converted to it; complex ones stay complex, in the same precision.
    workers : int, optional
        Number of threads; -1 uses all. Results do not depend on it.

    Returns
    -------
    scipy.sparse.linalg.LinearOperator
        Of shape (number of outputs, number of samples of an image), and of the dtype that `correlate` gives for images
        of the dtype. ``matvec(x.ravel())`` is ``correlate(x, weights, ...).ravel()``, to the bit, and `rmatvec` the
        Hermitian adjoint, for all words above. `matmat` and `rmatmat` take many columns in one call.

    Raises
    ------
    ArgumentError
        Some outputs of a gather have no value, so that there is no linear operator: no sample of their window exists
        (under ``mode="shrink"``), or the weights that `normalize` divides by sum to rounding noise. Or: `cval` is not
        0, and whatever `correlate` refuses.
    ShapeError, ArgumentTypeError, UnknownNameError, NotYetSupportedError
        `shape` is not made of positive integers; the kernels do not fit to it; and whatever `correlate` refuses.

    See Also
    --------
    correlate, convolve
    scipy.sparse.linalg.lsqr, scipy.sparse.linalg.lsmr, scipy.sparse.linalg.cg, scipy.sparse.linalg.svds

    Notes
    -----
    With i counted from the kernel's centre, gather-correlate ``y[p] = sum of conj(K_p[i]) x[p + i]`` is adjoint to
    scatter-convolve ``y[p + i] += K_p[i] x[p]``, and gather-convolve to scatter-correlate [1]_. What falls outside of
    the image is folded back to the samples that the mode shows there.

    Both directions are computed in the dtype of the images; the sum in ``<A x, y> = <x, A^H y>`` agrees up to rounding.
    Weights must be finite: under a stride the adjoint multiplies also those of kernels that no output uses, with 0.

    References
    ----------
    .. [1] J. F. Claerbout, Earth Soundings Analysis: Processing versus Inversion, Blackwell, 1992.

    Examples
    --------
    Each sample of an image spreads, to the right more than to the left; and the image again, by least squares:

    >>> import numpy as np
    >>> from scipy.sparse.linalg import lsqr
    >>> import kernelscape as ks
    >>> image = np.zeros((24, 32))
    >>> image[6:18, 5:9] = image[10:14, 20:28] = 1
    >>> sigma = np.broadcast_to(np.linspace(0.4, 0.8, 32), image.shape)
    >>> blur = ks.linear_operator(image.shape, ks.kernels.Gaussian(sigma), operation="convolve", form="scatter")
    >>> blur.shape, blur.dtype
    ((768, 768), dtype('float64'))
    >>> blurred = blur @ image.ravel()
    >>> float(np.abs(blurred - image.ravel()).max().round(2))
    0.42
    >>> found = lsqr(blur, blurred, atol=1e-10, btol=1e-10, iter_lim=400)[0].reshape(image.shape)
    >>> bool(np.abs(found - image).max() < 1e-6)
    True
    """
    if unknown:
        refuse_unknown(linear_operator, unknown)
    if operation not in _OPERATIONS:
        raise unknown_name("operation", operation, _OPERATIONS)
    if not np.isscalar(cval) or cval != 0:
        raise ArgumentError(
            "cval must be 0, since with another constant outside of the image the operator is not linear; got "
            f"{cval!r}. Add what the constant gives: correlate(zeros, weights, mode='constant', cval=...)."
        )
    if not isinstance(normalize, bool | np.bool_):
        raise ArgumentTypeError(f"normalize must be True or False for a linear operator; got {normalize!r}.")
    image = np.broadcast_to(np.zeros((), _image_dtype(dtype)), _image_shape(shape))
    weights = weights if isinstance(weights, Field) else as_array(weights).copy()
    # A scatter says which axes it takes, also for a single kernel.
    operands = operands_of(image, weights, axes, ("scatter" if form in FORMS else form, normalize, 0.0), None, None)
    if mode == "valid":
        if padding not in ("same", "valid"):
            raise ArgumentError(f"mode='valid' is padding='valid'; got padding={padding!r} too.")
        mode, padding = "constant", "valid"
    options = options_of(
        None, None, mode, 0.0, origin, stride, dilation, padding, axes, "propagate", 1, np.nan,
        None, None, "auto", None, None,
    )  # fmt: skip
    made = _made(operands, weights, options, form, operation, workers)
    from scipy.sparse.linalg import LinearOperator

    size = (math.prod(made.results), math.prod(made.shape))
    return LinearOperator(size, made.matvec, made.rmatvec, made.matmat, made.result, made.rmatmat)


def _image_shape(given: Any) -> Shape:
    if getattr(given, "ndim", 0) > 1 or (isinstance(given, np.ndarray) and given.dtype.kind not in "iu"):
        raise ArgumentTypeError(
            f"shape must be an integer or a tuple of integers, the shape of the images; got {in_words(given)}. Of an "
            "image hand over its shape: linear_operator(image.shape, weights)."
        )
    entries = tuple(given) if isinstance(given, Sequence | np.ndarray) else (given,)
    if any(isinstance(n, bool | np.bool_) or not hasattr(n, "__index__") for n in entries):
        raise ArgumentTypeError(
            f"shape must be an integer or a tuple of integers; got {given!r}. Of an image hand over image.shape."
        )
    found = tuple(int(n.__index__()) for n in entries)
    if not found or min(found) < 1:
        raise ShapeError(f"shape must have at least one axis, and at least 1 along each; got {given!r}.")
    return found


def _image_dtype(given: Any) -> DType:
    if given is None:
        return np.dtype(np.float64)
    found = native(dtype_of("dtype", given))
    if found.kind in "biu":
        return np.dtype(np.float64)
    if found == np.float16:
        return np.dtype(np.float32)
    if found not in (np.float32, np.float64, np.complex64, np.complex128):
        raise ArgumentTypeError(
            f"dtype must be float32, float64, complex64, complex128 or an integer dtype; got {found}."
        )
    return found


# -- the operator ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Operator:
    """A checked operator.

    Attributes
    ----------
    shape, results : tuple of int
        The shape of the images, and that of the outputs.
    dtype, result : dtype
        Of the images and of the outputs.
    weights : ndarray or Field
    form, operation : str
    normalize : bool
    axes : tuple of int
        The window axes; not negative.
    grid : tuple of OutputAxis
        The anchors of the outputs along these.
    words : dict
        `mode`, `origin` and `dilation`.
    placement : dict
        `stride` and `padding`.
    reach : Reach
        Where the adjoint sends what is at an anchor.
    workers : int or None
    sums : ndarray or None
        By what the outputs of a gather are divided; batch axes have the extent 1.
    """

    shape: Shape
    results: Shape
    dtype: DType
    result: DType
    weights: Any
    form: str
    operation: str
    normalize: bool
    axes: tuple[int, ...]
    grid: tuple[OutputAxis, ...]
    words: dict[str, Any]
    placement: dict[str, Any]
    reach: Reach
    workers: int | None
    sums: Array | None = None

    def matvec(self, x: Array) -> Array:
        """The outputs for a flattened image."""
        return _forward(self, _images(x, self.dtype, self.shape)).ravel()

    def rmatvec(self, y: Array) -> Array:
        """The flattened image that the adjoint gives for outputs."""
        return _backward(self, _images(y, self.result, self.results)).ravel()

    def matmat(self, x: Array) -> Array:
        """The same as `matvec`, for each column."""
        return _columns(functools.partial(_forward, self), x, self.dtype, self.shape)

    def rmatmat(self, y: Array) -> Array:
        """The same as `rmatvec`, for each column."""
        return _columns(functools.partial(_backward, self), y, self.result, self.results)


def _made(
    operands: Operands, weights: Field | Array, options: Options, form: str, operation: str, workers: int | None
) -> _Operator:
    shape, axes, extents = operands.array.shape, operands.axes, operands.extents
    size = weights.bound(extents).size if isinstance(weights, Field) else weights.shape
    reach = Reach.of(extents, size, options, operation == "convolve")
    if form == "scatter":
        selection(reach, options)  # refuses outputs outside of the image
    grid = tuple(output_grid(changed(options, origin=reach.origin(reach.flipped)), extents, size))
    counts = dict(zip(axes, (axis.count for axis in grid), strict=True))
    made = _Operator(
        shape=shape,
        results=tuple(counts.get(axis, n) for axis, n in enumerate(shape)),
        dtype=operands.array.dtype,
        result=operands.result,
        weights=weights,
        form=form,
        operation=operation,
        normalize=operands.normalize is True,
        axes=axes,
        grid=grid,
        words={name: getattr(options, name) for name in ("mode", "origin", "dilation")},
        placement={name: getattr(options, name) for name in ("stride", "padding")},
        reach=replace(reach, flipped=not reach.flipped),
        workers=workers,
    )
    _refuse_undefined(made)
    if not made.normalize or form == "scatter":
        return made
    # What is outside counts, where something is there.
    return replace(made, sums=_forward(made, _one_image(made, 1.0), normalize=False, cval=1.0)[0])


def _one_image(made: _Operator, value: float) -> Array:
    """An image that is the same everywhere, of extent 1 along batch axes, as the only one of a batch."""
    return np.full((1, *(n if axis in made.axes else 1 for axis, n in enumerate(made.shape))), value, made.dtype)


def _refuse_undefined(made: _Operator) -> None:
    # A scatter gives every output a value: sources whose weights cannot be divided by their sum send nothing.
    if made.form == "scatter" or not (made.normalize or _may_see_nothing(made)):
        return
    undefined = np.isnan(_forward(made, _one_image(made, 0.0)))[0]
    if not undefined.any():
        return
    first = tuple(int(n) for n in np.argwhere(undefined)[0])
    cause, advice = "no sample of their window exists", "Use another mode, or padding='same' and origin=0."
    if made.normalize:
        cause = "the weights that normalize=True divides by sum to rounding noise, or " + cause
        advice = "Use normalize=False or other weights. " + advice
    raise ArgumentError(
        f"Expected an operator that gives every output a value; got {np.count_nonzero(undefined)} of {undefined.size} "
        f"outputs without one, the first at {first}: {cause}. {advice}"
    )


def _may_see_nothing(made: _Operator) -> bool:
    """Whether all of a window may be outside of the image.

    It is not where its anchor, which is one of its samples, is in the image, and the middle of the kernel, which always
    takes part, lies on the anchor.
    """
    if all(MODES[mode].outside is not Outside.MISSING for mode in made.reach.modes):
        return False
    moved = any(c != k // 2 for c, k in zip(made.reach.centre, made.reach.size, strict=True))
    return moved or any(_lies_outside(axis, n) for axis, n in zip(made.grid, made.reach.extents, strict=True))


def _lies_outside(axis: OutputAxis, extent: int) -> bool:
    return axis.first < 0 or axis.first + axis.stride * (axis.count - 1) >= extent


def _images(vectors: Array, dtype: DType, shape: Shape) -> Array:
    """Columns as images one behind the other, in the operator's dtype; complex ones stay complex."""
    rows = np.asarray(vectors).reshape(math.prod(shape), -1).T
    wanted = np.result_type(dtype, np.complex64) if rows.dtype.kind == "c" else dtype
    return np.ascontiguousarray(rows, wanted).reshape(-1, *shape)


def _columns(call: Callable[[Array], Array], vectors: Array, dtype: DType, shape: Shape) -> Array:
    """What a call gives for each column: for as many at once as stay in the cache while they are turned to images."""
    count = vectors.shape[1]
    at_once = max(1, COLUMNS_BYTES // (math.prod(shape) * dtype.itemsize))
    found: Array | None = None
    for first in range(0, max(count, 1), at_once):
        images = call(_images(vectors[:, first : first + at_once], dtype, shape))
        rows = images.reshape(len(images), math.prod(images.shape[1:]))
        if len(rows) == count:
            return rows.T
        found = np.empty((count, rows.shape[1]), rows.dtype) if found is None else found
        found[first : first + at_once] = rows
    assert found is not None
    return found.T


# -- there and back ----------------------------------------------------------------------------------------------------


def _forward(made: _Operator, images: Array, **words: Any) -> Array:
    """The outputs for images, the first axis of the array counting these."""
    words = {"normalize": made.normalize, **made.words, **made.placement, **words}
    axes = tuple(axis + 1 for axis in made.axes)
    call = _OPERATIONS[made.operation]
    return call(images, made.weights, form=made.form, axes=axes, workers=made.workers, **words)


def _backward(made: _Operator, outputs: Array) -> Array:
    """The Hermitian adjoint for outputs, the first axis of the array counting them."""
    if made.sums is not None:
        outputs = outputs / made.sums.conj()
    axes = tuple(axis + 1 for axis in made.axes)
    last = tuple(range(outputs.ndim - len(axes), outputs.ndim))
    outputs = np.moveaxis(outputs, axes, last)
    parts = [_inside(axis, n) for axis, n in zip(made.grid, made.reach.extents, strict=True)]
    image = [(0, n) for n in made.reach.extents]
    sources = _placed(made, outputs, parts, image)
    if made.form == "scatter":
        # A source that sends nothing, since its weights sum to nothing, gets nothing.
        found = _adjoint(made, sources, made.weights, form="gather", normalize=made.normalize, invalid=0.0)
    else:
        found = _adjoint(made, sources, made.weights, form="scatter")
        for part in _outside(made, parts):
            _scatter_from_outside(made, outputs, part, found)
    return np.ascontiguousarray(np.moveaxis(found, last, axes))


def _adjoint(made: _Operator, sources: Array, weights: Any, **words: Any) -> Array:
    """The other form of the other operation; the window axes are the last ones."""
    axes = tuple(range(sources.ndim - len(made.axes), sources.ndim))
    return _ADJOINT[made.operation](sources, weights, axes=axes, workers=made.workers, **{**made.words, **words})


_Range = tuple[int, int]


def _inside(axis: OutputAxis, extent: int) -> _Range:
    """The outputs (first, stop) whose anchors are in the image."""
    places = anchors(axis)
    return int(np.count_nonzero(places < 0)), int(np.count_nonzero(places < extent))


def _outside(made: _Operator, inside: Sequence[_Range]) -> Iterator[list[_Range]]:
    """The outputs whose anchors are outside, in boxes: along one axis before or behind the image."""
    for axis, (low, high) in enumerate(inside):
        for side in ((0, low), (high, made.grid[axis].count)):
            part = [(0, other.count) for other in made.grid[:axis]] + [side, *inside[axis + 1 :]]
            if all(first < stop for first, stop in part):
                yield part


def _placed(made: _Operator, outputs: Array, part: Sequence[_Range], box: Sequence[_Range]) -> Array:
    """Some of the outputs at their anchors in a box of positions, and zeros in between."""
    extents = tuple(stop - first for first, stop in box)
    taken, places = [], []
    for axis, (first, stop), (origin, _) in zip(made.grid, part, box, strict=True):
        start = axis.first + axis.stride * first - origin
        taken.append(slice(first, stop))
        places.append(slice(start, start + axis.stride * (stop - first), axis.stride))
    chosen = _part(outputs, taken)
    if chosen.shape[chosen.ndim - len(box) :] == extents:
        return chosen
    placed = np.zeros((*outputs.shape[: outputs.ndim - len(box)], *extents), outputs.dtype)
    _part(placed, places)[...] = chosen
    return placed


def _part(array: Array, region: Sequence[slice]) -> Array:
    """A part of the last axes."""
    places: tuple[Any, ...] = (..., *region)
    found: Array = array[places]
    return found


def _scatter_from_outside(made: _Operator, outputs: Array, part: Sequence[_Range], found: Array) -> None:
    """Add what arrives from anchors outside; the window axes of both arrays are the last ones."""
    reach = made.reach
    box: list[_Range] = []
    kept: list[_Range] = []
    for axis, (grid, (first, stop)) in enumerate(zip(made.grid, part, strict=True)):
        before, behind = reach.margins(axis)
        ends = grid.first + grid.stride * first - before, grid.first + grid.stride * (stop - 1) + 1 + behind
        box.append(ends)
        kept.append(ends if reach.folded(axis) else (max(ends[0], 0), min(ends[1], reach.extents[axis])))
    if any(first >= stop for first, stop in kept):
        return
    weights = box_of(made.weights, reach.extents, box) if isinstance(made.weights, Field) else made.weights
    # The box has room for all that is sent.
    spread = _adjoint(made, _placed(made, outputs, part, box), weights, form="scatter", mode="shrink")
    taken = tuple(slice(first - low, stop - low) for (first, stop), (low, _) in zip(kept, box, strict=True))
    reach.fold(found, _part(spread, taken), tuple((first, stop - first) for first, stop in kept))
