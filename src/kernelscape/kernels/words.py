"""Arrays in a few words, for messages and for `repr`: what is in an image does not belong there."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernelscape.expression import Shape


def described(array: np.ndarray[Any, Any]) -> str:
    """A number as it is; of an array its dtype and shape."""
    return repr(array.item()) if not array.ndim else f"<{array.dtype} {shown(array.shape)}>"


def shown(shape: Shape) -> str:
    return "x".join(map(str, shape))
