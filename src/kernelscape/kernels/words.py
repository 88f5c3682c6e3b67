"""Arrays in a few words, for messages and for `repr`: what is in an image does not belong there."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernelscape.expression import Shape


def described(array: np.ndarray[Any, Any]) -> str:
    """A number as it is; of an array its dtype and shape."""
    return repr(array.item()) if not array.ndim else f"<{array.dtype} {shown(array.shape)}>"


def in_words(value: Any) -> str:
    """Anything that was given, as `repr` has it; arrays, and objects that hold one, by what they are."""
    if isinstance(value, np.ndarray):
        return described(value)
    held = getattr(value, "array", None)
    return f"{type(value).__name__}({described(held)})" if isinstance(held, np.ndarray) else repr(value)


def shown(shape: Shape) -> str:
    return "x".join(map(str, shape))
