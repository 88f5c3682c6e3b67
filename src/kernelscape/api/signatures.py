"""`apply` and `stencil`: the public signatures, and which stencil a call uses."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Never, overload

from kernelscape.api.arguments import as_mask
from kernelscape.api.options import options_of, refuse_unknown, with_known_keywords
from kernelscape.api.selection import selection_of
from kernelscape.api.stencils import Stencil, stencil_of

_Size = int | Sequence[int | None] | None
_Integers = int | Sequence[int]


@with_known_keywords
def apply(
    function: Callable[..., Any],
    *arrays: Any,
    size: _Size = None,
    footprint: Any = None,
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
    kwargs: dict[str, Any] | None = None,
    method: str = "auto",
    tol: float | None = None,
    workers: int | None = None,
    progress: Callable[[float], object] | None = None,
    **unknown: Never,
) -> Any:
    """Compute each output element from the windows of one or several arrays.

    Parameters
    ----------
    function : callable
        A plain NumPy function, called with one value per argument: the window of an array (an n-dimensional value of
        shape `size`), the value of a map, a kernel, a coordinate or a number. It returns a number, an array, or a
        tuple of these.
    *arrays : array_like, or what `window`, `pixel`, `kernel` and `index` make, or a number
        A bare array is a window. All have the same extents along the window axes; other axes broadcast.
    size : int, or tuple of int or None, optional
        Extents of the window; None along an axis hands over the whole axis, which the result then lacks.
    footprint : array_like of bool, optional
        Instead of `size`: the window is 1-D, its True samples in C order.
    mode : str or tuple of str
        Samples outside the array, SciPy's words: ``reflect`` (d c b a | a b c d | d c b a), ``mirror``
        (d c b | a b c d | c b a), ``nearest`` (a a a a | a b c d | d d d d), ``wrap`` (a b c d | a b c d | a b c d),
        ``constant`` (k k k k | a b c d | k k k k), and ``shrink``: the sample does not exist. ``valid``
        is ``padding="valid"``.
    cval : number
        The sample outside under ``constant``.
    origin : int or tuple of int
        Moves the window, with SciPy's sign: its centre is ``size // 2 + origin``.
    stride : int or tuple of int
        Distance between outputs.
    dilation : int or tuple of int
        Distance between the samples of a window.
    padding : {"same", "valid", "full"}, int, (before, after), or one of these per axis
        How far windows reach outside the array. ``same`` has one output per sample (per `stride`).
    axes : int or tuple of int, optional
        The window axes; the others are batch axes. By default all.
    where : array_like of bool, optional
        Which samples count: True where they do. Of the arrays' shape, or of the shape of their window axes only; it is
        read through `mode`, as they are. Reductions pass over samples that do not count, medians and ranks too; with
        several windows, an offset from the anchor counts where it does in all windows that have it.
    nan_policy : {"propagate", "omit", "raise"}
        What a NaN in an input does; ``propagate`` leaves it to the function, under ``omit`` it is a sample that does
        not count.
    min_count : int
        An output whose largest window has fewer valid samples is invalid.
    invalid : number
        What stands where an output is invalid. Where outputs can be invalid, integer results become float64, unless
        this is an integer. In integer outputs an integer also stands for NaN.
    dtype : dtype, optional
        To which windows are converted as they are loaded.
    output : array or dtype, optional
        Where results go; a tuple of them for several results. A conversion to integers rounds half to even and
        saturates. An array may overlap the inputs.
    kwargs : dict, optional
        Keyword arguments for the function.
    method : str
        ``"auto"`` takes the method that the planner expects to be fastest. The name of another one forces it:
        ``"direct"`` or ``"columns"``, as ``plan(...).candidates`` of a stencil lists them; one that does not apply is
        an error that says why and what does. Methods may add floating numbers in different orders. ``"traced"`` is
        ``"auto"``, but makes it an error when the function cannot be traced, as all names do; ``"numpy"`` never
        compiles.
    tol : float, optional
        A tolerated error, as in `correlate`. It changes nothing here: functions of windows are computed exactly, up to
        rounding, whatever is tolerated.
    workers : int, optional
        Number of threads; -1 uses all. Results do not depend on it.
    at : array_like of bool or float, slices, or tuple of int, optional
        Which outputs are wanted; the others are not computed. An array of the outputs' shape (appended axes aside), or
        of the shape of their window axes only: of truth values, or of weights from 0 to 1, with which results are
        blended. A region: slices of the outputs (``np.s_[10:50, 20:80]``), or a bounding box ``(min_row, min_col,
        max_row, max_col)``, all lower bounds before all upper ones, as `skimage.measure.regionprops` gives them.
    otherwise : {"input"}, number, or array_like
        What stands where an output is not wanted: the first windowed input at the anchor (nearest to it, where the
        anchor lies outside), a number, or an array of the outputs' shape. It is converted to the result's dtype as
        results are to that of an output; what would lose fractions that way is refused, unless `output` asks for
        integers. A tuple has one entry for each of several results.
    progress
        Not supported yet.

    Returns
    -------
    array or tuple of arrays
        With the dtype that NumPy gives for the function on windows of these dtypes. The axes of an array that the
        function returns are appended. Of masked arrays, whose masks say which samples count, results are masked arrays;
        what is invalid is masked.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError, NotYetSupportedError
        Before anything is computed; they are ValueError, TypeError and NotImplementedError too. NaN in a result
        whose output holds integers is an ArgumentError when it is met, unless `invalid` is an integer.
    TracingError
        With ``method="traced"``, when the function cannot be traced.
    MemoryBudgetError
        The function returns arrays that would take more than ``settings().memory_budget``.

    Warns
    -----
    PerformanceWarning
        The function cannot be traced, and is called by NumPy: with many windows at once if it has a parameter
        `axis`, else for each output. The warning says why, and what to write instead.

    Notes
    -----
    Wanted outputs are, bit for bit, those of the whole filter, and unwanted ones are `otherwise`; with weights w
    strictly between 0 and 1 the output is ``w * result + (1 - w) * otherwise``, in floating numbers. `where` says which
    samples count, `at` which outputs are wanted.

    A function with a parameter `valid` gets a boolean array that says which samples count (a tuple of them when
    windows differ). Where samples may be missing, a function that cannot be traced must have it.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> A, B = np.array([1, 2, 3]), np.array([1, 1, 1])
    >>> ks.apply(lambda a, b: np.sum(a**2 - b**2), A, B, size=3, mode="shrink")
    array([ 3, 11, 11])
    """
    if unknown:
        refuse_unknown(apply, unknown)
    selection = selection_of(at, otherwise)
    options = options_of(
        size, footprint, mode, cval, origin, stride, dilation, padding, axes, nan_policy, min_count, invalid,
        dtype, kwargs, method, tol,
    )  # fmt: skip
    mask = None if where is None else as_mask(where)
    return stencil_of(function, options).called(arrays, output, workers, progress, selection, mask)


@overload
def stencil(function: Callable[..., Any], **options: Any) -> Stencil: ...
@overload
def stencil(function: None = None, **options: Any) -> Callable[[Callable[..., Any]], Stencil]: ...
@with_known_keywords
def stencil(
    function: Callable[..., Any] | None = None,
    *,
    size: _Size = None,
    footprint: Any = None,
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
    kwargs: dict[str, Any] | None = None,
    method: str = "auto",
    tol: float | None = None,
    **unknown: Never,
) -> Any:
    """Make a stencil of a function; also a decorator.

    Parameters
    ----------
    function : callable
        As in `apply`.
    size, footprint, mode, cval, origin, stride, dilation, padding, axes, where, nan_policy, min_count, invalid, at,
    otherwise
        As in `apply`.
    dtype, kwargs, method, tol
        As in `apply`. `output`, `workers` and `progress` belong to the call.

    Returns
    -------
    Stencil
        ``f(A, B, output=, workers=)`` computes, ``f.plan(A, B).explain()`` says what would run.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> @ks.stencil(size=3)
    ... def local_range(w):
    ...     return np.max(w) - np.min(w)
    >>> local_range(np.array([1, 5, 2, 2]))
    array([4, 4, 3, 0])
    """
    if unknown:
        refuse_unknown(stencil, unknown)
    selection = selection_of(at, otherwise)
    options = options_of(
        size, footprint, mode, cval, origin, stride, dilation, padding, axes, nan_policy, min_count, invalid,
        dtype, kwargs, method, tol,
    )  # fmt: skip
    kept = None if selection is None else selection.own_copy()
    made = functools.partial(Stencil, options=options, selection=kept, where=where)
    return made if function is None else made(function)
