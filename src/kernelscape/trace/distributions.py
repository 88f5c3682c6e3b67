"""The most frequent value, the number of different ones, entropy and skewness: of windows and of plain arrays.

NumPy has none of them. Of windows they are what `reductions` says; of arrays, what is said here, line by line, so that
a function means the same when it is called on an array.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kernelscape import reductions
from kernelscape.expression import Node
from kernelscape.trace.notation import wrap
from kernelscape.trace.operators import Value
from kernelscape.trace.page import tracing_error
from kernelscape.trace.statistics import axis_of, operand

_Array = np.ndarray[Any, Any]


def majority(w: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """The most frequent value of a window, among the samples that count; of several the smallest.

    Parameters
    ----------
    w : window, selection of a window, or array_like
        Of any dtype; of a masked array, the elements that are not masked count.
    axis : int or tuple of int, optional
        By default all.
    keepdims : bool, optional
        Leave the reduced axes with extent 1.

    Returns
    -------
    window's dtype
        NaN where a NaN is among the samples that count. -0.0 equals 0.0, which is what comes back.

    Raises
    ------
    ValueError
        There are no elements, counting or not.

    Notes
    -----
    Of more than 1024 samples (16384, if they have 8 bits and all count) NumPy finds it, after a `PerformanceWarning`.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> classes = np.array([1, 1, 4, 1, 2, 2, 4, 4])
    >>> ks.apply(lambda w: ks.majority(w), classes, size=3)
    array([1, 1, 1, 1, 2, 2, 4, 4])
    """
    return _of(w, axis, keepdims, _traced_majority, _majority)


def variety(w: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """How many different values a window has, among the samples that count.

    Parameters
    ----------
    w, axis, keepdims
        As in `majority`.

    Returns
    -------
    int64
        All NaN are one value, as in ``numpy.unique``.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> ks.apply(lambda w: ks.variety(w), np.array([1, 1, 1, 7, 8, 9]), size=3)
    array([1, 1, 2, 3, 3, 2])
    """
    return _of(w, axis, keepdims, reductions.variety, lambda line: np.int64(len(np.unique(line))))


def entropy(w: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Shannon's entropy of a window's values, in bits: how surprising it is to meet one of them.

    With p the frequency of a value among the samples that count, ``-sum(p * log2(p))`` over the values: 0 where all are
    equal, log2(n) where all n are different.

    Parameters
    ----------
    w, axis, keepdims
        As in `majority`.

    Returns
    -------
    float
        Of the window's dtype if that is floating, else float64; NaN where a NaN is among the samples that count. It is
        computed in float64.

    Notes
    -----
    C. E. Shannon, "A Mathematical Theory of Communication", The Bell System Technical Journal 27 (1948).

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> ks.apply(lambda w: ks.entropy(w), np.array([3, 3, 3, 3, 5, 5, 5]), size=4)
    array([0.        , 0.        , 0.        , 0.81127812, 1.        , 0.81127812, 0.        ])
    """
    return _of(w, axis, keepdims, reductions.entropy, _entropy)


def skew(w: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """The skewness of a window's samples that count: above 0 where the values far from the mean are larger ones.

    Parameters
    ----------
    w, axis, keepdims
        As in `majority`.

    Returns
    -------
    float
        ``mean((w - mean)**3) / mean((w - mean)**2)**1.5``, in the dtype that ``numpy.mean`` has; it is not corrected
        for bias. NaN where all values are equal up to rounding, as in ``scipy.stats.skew``.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> ks.apply(lambda w: ks.skew(w), np.array([1.0, 1.0, 4.0, 3.0, 2.0]), size=3).round(3)
    array([   nan,  0.707, -0.382,  0.   ,  0.707])
    """
    return _of(w, axis, keepdims, reductions.skew, _skew)


def _of(w: Any, axis: Any, keepdims: bool, reduction: Callable[..., Any], numpys: Callable[[_Array], Any]) -> Any:
    if not isinstance(w, Value):
        return _by_lines(w, axis, keepdims, numpys)
    r = w._recorder
    body, mask = operand(r, w)
    return wrap(r, reduction(body, axis_of(w, axis), keepdims=bool(keepdims), where=mask, missing=r.missing))


def _traced_majority(body: Node, axis: Any, *, where: Node | None, missing: bool, keepdims: bool) -> Node:
    extent = math.prod(body.shape[a] for a in reductions.normalized_axes(axis, body.ndim))
    most = reductions.longest_scan(body.dtype, missing or where is not None)
    if extent > most:
        raise tracing_error(
            f"The most frequent of {extent} samples is sought; compiled functions find it among up to {most}, and "
            f"among {reductions.longest_scan(np.dtype(np.uint8), False)} of 8 bits if all count.",
            "lambda w: ks.majority(w)            # size=51",
            "lambda w: ks.majority(w[::2, ::2])  # or size=31",
        )
    return reductions.majority(body, axis, where=where, missing=missing, keepdims=keepdims)


# -- plain arrays -----------------------------------------------------------------------------------------------------


def _by_lines(w: Any, axis: Any, keepdims: bool, function: Callable[[_Array], Any]) -> Any:
    """A function of the elements that count of each line along some axes."""
    masked = isinstance(w, np.ma.MaskedArray)
    data, hidden = np.asarray(w), np.ma.getmaskarray(w) if masked else None
    axes = reductions.normalized_axes(axis, data.ndim)
    rest = tuple(i for i in range(data.ndim) if i not in axes)
    shape = tuple(data.shape[i] for i in rest)

    def lines(array: _Array) -> _Array:
        return array.transpose(*rest, *axes).reshape(math.prod(shape), -1 if array.size else 0)

    counts = np.ones(data.shape, np.bool_) if hidden is None else ~hidden
    there = lines(counts)
    nothing = np.logical_and(masked, ~there.any(axis=-1))
    found = np.zeros(len(there), function(np.zeros(1, data.dtype)).dtype)
    for number, (line, use) in enumerate(zip(lines(data), there, strict=True)):
        if not nothing[number]:
            found[number] = function(line[use])
    final = tuple(1 if i in axes else n for i, n in enumerate(data.shape)) if keepdims else shape
    result = np.ma.MaskedArray(found, nothing) if masked else found
    return result.reshape(final)[()]


def _majority(line: _Array) -> Any:
    if not line.size:
        raise ValueError("zero-size array has no most frequent value")
    values, counts = np.unique(line, return_counts=True)
    if line.dtype.kind in "fc" and np.isnan(values[-1]):
        return values[-1]
    found = values[np.argmax(counts)]
    return found + line.dtype.type(0) if line.dtype.kind in "fc" else found


def _entropy(line: _Array) -> Any:
    dtype = line.dtype if line.dtype.kind == "f" else np.dtype(np.float64)
    _, counts = np.unique(line, return_counts=True)
    if not line.size or (line.dtype.kind in "fc" and np.isnan(line).any()):
        return dtype.type(math.nan)
    return dtype.type(max(0.0, math.log2(line.size) - float(np.sum(counts * np.log2(counts))) / line.size))


def _skew(line: _Array) -> Any:
    dtype = line.dtype if line.dtype.kind == "f" else np.dtype(np.float64)
    wide = line.astype(np.float32 if dtype == np.float16 else dtype)
    if not line.size:
        return dtype.type(math.nan)
    centre = np.mean(wide)
    deviation = wide - centre
    second, third = np.mean(deviation**2), np.mean(deviation**3)
    flat = second <= (np.finfo(wide.dtype).eps * centre) ** 2
    return dtype.type(math.nan) if flat else dtype.type(third / (second * np.sqrt(second)))
