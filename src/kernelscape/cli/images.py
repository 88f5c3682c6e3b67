"""Images as arguments of one call: their axes lined up, colour and pages as batch axes, alpha set aside.

The first input is the reference: its axes, dtype, alpha and metadata are those of the result. Other inputs are brought
to its axes, so that a grey mask fits a colour photograph. A 3-D `.npy` file whose last axis could be colour is
ambiguous, and asks the user rather than mixing colours silently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError, ShapeError
from ..io import Image

Array = NDArray[Any]

_SINGLE_PRECISION_BITS = 16  # float32 holds 24-bit integers exactly; 32-bit ones need float64


@dataclass(frozen=True)
class Batch:
    """Inputs that can stand side by side in one call.

    Parameters
    ----------
    arrays : tuple of ndarray
        The samples that are filtered.
    axes : tuple of int or None
        The axes that windows lie over; None for all of them.
    alpha : ndarray or None
        The opacity of the first image, when it is kept out of the filter.
    reference : Image
        The first image as it was read.
    """

    arrays: tuple[Array, ...]
    axes: tuple[int, ...] | None
    alpha: Array | None
    reference: Image


def line_up(images: Sequence[Image], axes: tuple[int, ...] | None, *, filter_alpha: bool) -> Batch:
    """Bring the inputs to common axes.

    Parameters
    ----------
    images : sequence of Image
        At least one.
    axes : tuple of int, optional
        What the user said that windows lie over; otherwise rows and columns, where the file tells which these are.
    filter_alpha : bool
        Whether opacity is filtered like a colour.

    Raises
    ------
    ArgumentError
        If an array's axes could mean several things.
    ShapeError
        If an input has axes that the others lack.
    """
    reference = images[0]
    if any(image.array.ndim == 0 for image in images):
        raise ShapeError("An image has at least one axis; got a file with a single number.")
    if axes is None:
        _refuse_ambiguous(reference)
    alpha = None if filter_alpha or not reference.alpha else reference.array[..., -1]
    opaque = [image if filter_alpha else _without_alpha(image) for image in images]
    letters = max((image.axes for image in opaque if "?" not in image.axes), key=len, default=opaque[0].axes)
    arrays = [_expand(image, letters) for image in opaque]
    if "c" in letters:
        colours = max(array.shape[-1] for array in arrays)
        arrays = [_spread(array, colours) for array in arrays]
    window_axes = axes
    if axes is None and "?" not in letters and letters != "yx":
        window_axes = (letters.index("y"), letters.index("x"))
    return Batch(tuple(arrays), window_axes, alpha, reference)


def _refuse_ambiguous(image: Image) -> None:
    shape = image.array.shape
    if "?" in image.axes and image.array.ndim > 2 and shape[-1] in (2, 3, 4):
        raise ArgumentError(
            f"An array of shape {shape} can be an image with {shape[-1]} colours or a volume. Say --axes 0,1 if its "
            f"last axis is colour, --axes {','.join(map(str, range(len(shape))))} if windows lie over all axes."
        )


def _without_alpha(image: Image) -> Image:
    return replace(image, array=image.array[..., :-1], alpha=False) if image.alpha else image


def _expand(image: Image, letters: str) -> Array:
    """Insert the axes that the image lacks, with extent one."""
    own = image.axes
    if "?" in own:
        fitting = {len(letters): letters, len(letters.replace("c", "")): letters.replace("c", ""), 2: "yx"}
        own = own if own == letters else fitting.get(len(own), own)
    if len(own) > len(letters) or any(own.count(letter) > letters.count(letter) for letter in own):
        raise ShapeError(
            f"The inputs do not fit each other: one has axes {letters!r}, another has shape {image.array.shape} "
            f"with axes {own!r} (y rows, x columns, c colour, p pages)."
        )
    missing = list(own)
    index: list[Any] = []
    for letter in letters:
        if letter in missing:
            missing.remove(letter)
            index.append(slice(None))
        else:
            index.append(np.newaxis)
    return np.asarray(image.array[tuple(index)])


def _spread(array: Array, colours: int) -> Array:
    """Show a grey image in as many colours as the others have, without copying it."""
    if array.shape[-1] in (colours, 0) or array.shape[-1] != 1:
        return array
    return np.broadcast_to(array, (*array.shape[:-1], colours))


def computing_dtype(arrays: Sequence[Array]) -> np.dtype[Any] | None:
    """Choose what integer images are computed in: float32, or float64 where an integer has more than 16 bits.

    Returns
    -------
    dtype or None
        None when no input is an integer, so that the samples are computed in as they are.
    """
    if not any(array.dtype.kind in "bui" for array in arrays):
        return None
    kinds = [_floating(array.dtype) for array in arrays]
    return np.result_type(*kinds)


def _floating(kind: np.dtype[Any]) -> np.dtype[Any]:
    if kind.kind not in "bui":
        return kind.newbyteorder("=")
    return np.dtype(np.float32 if kind.itemsize * 8 <= _SINGLE_PRECISION_BITS else np.float64)


def output_axes(batch: Batch, result: Array) -> str | None:
    """Say what the axes of the result mean, or None where only its shape can tell."""
    letters = batch.reference.axes
    if "?" in letters:
        return None
    if "c" not in letters and batch.arrays[0].ndim == len(letters) + 1:
        letters += "c"
    return letters if len(letters) == result.ndim else None
