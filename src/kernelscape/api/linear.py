"""`correlate` and `convolve`: sums of products of windows and weights.

Conventions are SciPy's: the centre of a window of k samples is ``k // 2 + origin``, and a convolution is the
correlation with the flipped kernel about the same centre. Both are functions of windows like any other; complex
numbers go through as real and imaginary parts, in one pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Never

from numpy.typing import ArrayLike

from kernelscape.api.arguments import Array
from kernelscape.api.fields import Way
from kernelscape.api.operands import operands_of
from kernelscape.api.options import options_of, refuse_unknown, with_known_keywords
from kernelscape.api.products import run_linear
from kernelscape.api.selection import selection_of
from kernelscape.kernels.field import Field

_Integers = int | Sequence[int]


@with_known_keywords
def correlate(
    input: ArrayLike,
    weights: ArrayLike | Field,
    *,
    form: str = "gather",
    normalize: bool | str = False,
    min_weight: float = 0.0,
    accumulate: Any = None,
    mode: str | Sequence[str] = "reflect",
    cval: complex = 0.0,
    origin: _Integers = 0,
    stride: _Integers = 1,
    dilation: _Integers = 1,
    padding: Any = "same",
    axes: _Integers | None = None,
    where: Any = None,
    nan_policy: str = "propagate",
    min_count: int = 1,
    invalid: float = math.nan,
    at: Any = None,
    otherwise: Any = "input",
    dtype: Any = None,
    output: Any = None,
    method: str = "auto",
    tol: float | None = None,
    workers: int | None = None,
    progress: Callable[[float], object] | None = None,
    **unknown: Never,
) -> Array:
    """Correlate an array with a kernel: ``y[p] = sum of conj(weights[i]) * x[p + i]``, i counted from the centre.

    Parameters
    ----------
    input : array_like
        Bool, integers, floats or complex numbers.
    weights : array_like or Field
        The kernel, with one axis for each window axis; or a kernel for every pixel, see `kernelscape.kernels`.
    form : {"gather", "scatter"}
        Whose the kernel is: the output's, which gathers what its window holds, or the input's: each sample spreads over
        the output, ``y[p - i] += conj(weights_p[i]) * x[p]``, and what falls outside the array is folded back as the
        mode says (dropped under ``"constant"`` and ``"shrink"``). Scatter-correlate is the exact adjoint of
        gather-convolve, whatever the kernels and the mode; for one kernel for all pixels both forms differ at the
        border only. `stride` and `padding` then select from the folded result.
    normalize : bool or "valid"
        True: divide by the sum of the weights of the valid samples, so that missing ones are interpolated.
        ``"valid"``: multiply with the sum of all weights over that of the valid samples', so that the kernel keeps the
        sum that it has; where no sample is missing the result is that of False. Invalid is a result that would be
        divided by rounding noise (``<= 16 eps`` of the sum of the magnitudes), and under ``"valid"`` also where a
        sample is missing of a kernel whose own sum is noise, as of a derivative. Integers then give float64. In a
        scatter each sample is divided by the sum of its own kernel's weights, of those that fall on something, or
        rescaled in the same way; where that is noise, it sends nothing.
    min_weight : float
        From 0 to 1: a result is invalid where the weights of valid samples are a smaller fraction of all, by magnitude
        and up to rounding. Of a field whose windows differ in size, all are those of the pixel's own window.
    accumulate : dtype, optional
        In which products are made and added, where it is wider than the result, which keeps its dtype.
    where : array_like of bool, optional
        Which samples count, as in `apply`: the others take no part, whatever they hold and whatever weights they meet.
        In a scatter they send nothing.
    nan_policy : {"propagate", "omit", "raise"}
        Under ``omit``, NaN in the input do not count (of complex numbers, in either part); NaN among the weights are no
        samples, and spread. ``raise`` refuses NaN that count, and those among the weights.
    min_count : int
        A result is invalid where fewer samples of the window count. In a scatter, where fewer samples that count reach
        the output, each counted once for every weight that falls there, folded ones too; where all samples count, the
        default asks for nothing, and 0 makes what none of them reaches 0.
    invalid : number
        As in `apply`: what stands where a result is invalid. Of an integer result it must be an integer for that to
        stay one, except in masked arrays.
    mode, cval, origin, stride, dilation, padding, axes, at, otherwise
        As in `apply`; the size of the windows is the shape of the weights.
    dtype : dtype, optional
        To which the input is converted as it is loaded; what is said below of the input's dtype holds for this one.
    tol : float, optional
        The largest error of any output, as a fraction of the largest output that there can be: of the largest magnitude
        of the image (and of `cval`, where it is seen) times the largest sum of magnitudes of a kernel. With it methods
        that are not exact may run, where they are faster: see Notes. Without it nothing inexact ever runs unless
        `method` asks for it.
    method : str
        As in `apply`; or one of those below by name, of which ``"fft"`` needs no `tol` (its error is then what
        transforms in the dtype of the computation make; `plan` says how much), and ``"exact"``, which takes none of
        them. A name that does not apply is an error that says why.
    output, workers, progress
        As in `apply`.

    Returns
    -------
    array
        A floating input keeps its dtype; integers with floating weights give ``numpy.result_type``; integers with
        integers give the dtype of ``numpy.sum``; complex numbers have the precision of a floating input. float16 is
        computed in float32. A masked array gives a masked array (of `output`, where that is an array), masked where the
        result is invalid; what is masked holds `invalid`, or 0 where an integer cannot.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError, NotYetSupportedError
        Before anything is computed.

    See Also
    --------
    plan : which method runs, what error it promises, and a check of that.
    scipy.ndimage.correlate : the same, without `stride`, `dilation`, `padding` and `normalize`.

    Notes
    -----
    Under `tol` the cheapest of these methods runs that keeps the tolerance for certain, rounding in the dtype of the
    computation included; and the exact one where none does, or where it is no slower:

    * One kernel for all pixels: blocks of the outputs through Fourier transforms (`fft`), from some 20 x 20 weights on.
    * Gaussians along the axes: blurs of the image with few sigmas, blended at each pixel by its own (`log_sigma`).
    * Interpolated grids, scattered kernels, combinations: patches of the image through Fourier transforms
      (`product_convolution`).
    * Gathered stacks of many images: few basis kernels in place of the field, by `kernels.compress` (`low_rank`).

    The choice depends on shapes, the kernels and `tol`, and not on the image; but where the image or a field holds NaN
    or infinities the exact method runs, since only that one says which outputs they touch (with one kernel, for the
    blocks that hold some; ``method="fft"`` refuses them). Complex results of fields, `at`, `normalize`, `min_count`,
    `min_weight`, `where` and masked arrays are for the exact method, too. Rounding of the exact method is no error
    here, and neither is the conversion of the result to `output`.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> ks.correlate(np.array([0.0, 0.0, 1.0, 0.0, 0.0]), [1, 2, 3])
    array([0., 3., 2., 1., 0.])

    A hole, interpolated:

    >>> ks.correlate(np.array([1.0, 2.0, np.nan, 4.0]), [1, 2, 1], nan_policy="omit", normalize=True)
    array([1.25      , 1.66666667, 3.        , 4.        ])
    """
    if unknown:
        refuse_unknown(correlate, unknown)
    selection = selection_of(at, otherwise)
    operands = operands_of(input, weights, axes, (form, normalize, min_weight), accumulate, dtype, where, nan_policy)
    options = options_of(
        None, None, mode, cval, origin, stride, dilation, padding, axes, nan_policy, min_count, invalid,
        operands.loaded, None, method, tol,
    )  # fmt: skip
    way = Way(flipped=False, scattered=form == "scatter")
    return run_linear(operands, options, way, output=output, workers=workers, progress=progress, selection=selection)


@with_known_keywords
def convolve(
    input: ArrayLike,
    weights: ArrayLike | Field,
    *,
    form: str = "gather",
    normalize: bool | str = False,
    min_weight: float = 0.0,
    accumulate: Any = None,
    mode: str | Sequence[str] = "reflect",
    cval: complex = 0.0,
    origin: _Integers = 0,
    stride: _Integers = 1,
    dilation: _Integers = 1,
    padding: Any = "same",
    axes: _Integers | None = None,
    where: Any = None,
    nan_policy: str = "propagate",
    min_count: int = 1,
    invalid: float = math.nan,
    at: Any = None,
    otherwise: Any = "input",
    dtype: Any = None,
    output: Any = None,
    method: str = "auto",
    tol: float | None = None,
    workers: int | None = None,
    progress: Callable[[float], object] | None = None,
    **unknown: Never,
) -> Array:
    """Convolve an array with a kernel: ``y[p] = sum of weights[i] * x[p - i]``, i counted from the centre.

    Parameters
    ----------
    input : array_like
        Bool, integers, floats or complex numbers.
    weights : array_like or Field
        The kernel, with one axis for each window axis, or a kernel for every pixel; complex weights are taken as they
        are.
    form, normalize, min_weight, accumulate
        As in `correlate`.
    where, nan_policy, min_count, invalid
        As in `correlate`.
    mode, cval, origin, stride, dilation, padding, axes, at, otherwise
        As in `correlate`.
    dtype, output, method, tol, workers, progress
        As in `correlate`.

    Returns
    -------
    array
        Of the same dtype as the result of `correlate`.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError, NotYetSupportedError
        Before anything is computed.

    See Also
    --------
    scipy.ndimage.convolve : the same, without `stride`, `dilation`, `padding` and `normalize`.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> ks.convolve(np.array([0.0, 0.0, 1.0, 0.0, 0.0]), [1, 2, 3])
    array([0., 1., 2., 3., 0.])
    """
    if unknown:
        refuse_unknown(convolve, unknown)
    selection = selection_of(at, otherwise)
    operands = operands_of(input, weights, axes, (form, normalize, min_weight), accumulate, dtype, where, nan_policy)
    options = options_of(
        None, None, mode, cval, origin, stride, dilation, padding, axes, nan_policy, min_count, invalid,
        operands.loaded, None, method, tol,
    )  # fmt: skip
    way = Way(flipped=True, scattered=form == "scatter")
    return run_linear(operands, options, way, output=output, workers=workers, progress=progress, selection=selection)
