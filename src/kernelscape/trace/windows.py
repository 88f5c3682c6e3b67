"""Functions of windows that NumPy does not have, for use inside traced functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernelscape import expression, reductions
from kernelscape.trace.notation import wrap
from kernelscape.trace.operators import Value, selected_misused


def valid(w: Any) -> Any:
    """Which samples of a window exist, as booleans of its shape.

    Outside a traced function all elements exist, unless the array is masked.
    """
    if isinstance(w, Value):
        if w._mask is not None:
            raise selected_misused()
        return wrap(w._recorder, expression.valid(w._node))
    return ~np.ma.getmaskarray(w) if isinstance(w, np.ma.MaskedArray) else np.ones(np.shape(w), np.bool_)


def count(w: Any) -> Any:
    """How many samples of a window exist (int64); of a boolean selection, how many were selected."""
    if isinstance(w, Value):
        axes = tuple(range(w._node.ndim))
        return wrap(w._recorder, reductions.count(w._node, axes, w._mask, w._recorder.missing))
    return np.int64(np.count_nonzero(valid(w)))
