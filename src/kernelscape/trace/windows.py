"""Functions of windows that NumPy does not have, for use inside traced functions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from kernelscape import expression, reductions
from kernelscape.trace.notation import wrap
from kernelscape.trace.operators import Value, selected_misused


@contextmanager
def own_arrays(value: Any) -> Iterator[None]:
    """While it lasts, arrays that meet a traced value are the library's own, and no maps that are captured by mistake.

    The offsets of a kernel may well have the shape of a small image. Nothing happens where the value is not traced.
    """
    recorder = value._recorder if isinstance(value, Value) else None
    if recorder is None or not recorder.users:
        yield
        return
    recorder.users = False
    try:
        yield
    finally:
        recorder.users = True


def valid(w: Any) -> Any:
    """Which samples of a window exist, as booleans of its shape.

    Parameters
    ----------
    w : window or array_like
        Outside a traced function all elements exist, unless the array is masked.

    Returns
    -------
    window or ndarray of bool

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> ks.apply(lambda w: np.sum(~ks.valid(w)), np.arange(4.0), size=3, mode="shrink")
    array([1, 0, 0, 1])
    """
    if isinstance(w, Value):
        if w._mask is not None:
            raise selected_misused()
        if isinstance(w._node, expression.Window) and not w._recorder.missing:
            return wrap(w._recorder, expression.broadcast(expression.constant(True, expression.BOOL), w._node.shape))
        return wrap(w._recorder, expression.valid(w._node))
    return ~np.ma.getmaskarray(w) if isinstance(w, np.ma.MaskedArray) else np.ones(np.shape(w), np.bool_)


def count(w: Any) -> Any:
    """How many samples of a window exist; of a boolean selection, how many were selected.

    Parameters
    ----------
    w : window, selection of a window, or array_like
        As in `valid`.

    Returns
    -------
    int64

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> ks.apply(lambda w: np.sum(w) / ks.count(w), np.arange(4.0), size=3, mode="shrink")
    array([0.5, 1. , 2. , 2.5])
    >>> ks.apply(lambda w: ks.count(w[w > 1]), np.arange(4.0), size=3, mode="shrink")
    array([0, 1, 2, 2])
    """
    if isinstance(w, Value):
        axes = tuple(range(w._node.ndim))
        return wrap(w._recorder, reductions.count(w._node, axes, w._mask, w._recorder.missing))
    return np.int64(np.count_nonzero(valid(w)))
