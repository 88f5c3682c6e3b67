"""What a file is in memory: samples, the meaning of each axis, and what travels with the picture.

An axis is one of `AXES`. Only y and x are spatial: windows lie over them, and colour, pages and everything else are
batch axes. A file that does not say what its axes mean (`.npy`) has "?" for each of them, and nobody guesses here.
Colour is always the last axis and, when there is alpha, alpha is the last colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError

AXES = {"y": "rows", "x": "columns", "c": "colour", "p": "pages", "?": "unknown"}

Samples = NDArray[Any]


def _no_metadata() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Image:
    """An image as it was read, or as it shall be written.

    Parameters
    ----------
    array : ndarray
        The samples, upright: the orientation that a camera stores beside them has been applied.
    axes : str
        One letter per axis: ``y`` rows, ``x`` columns, ``c`` colour, ``p`` pages, ``?`` not known.
    alpha : bool
        Whether the last colour is an opacity.
    metadata : mapping
        What belongs to the picture and is no sample: ``"icc_profile"`` (bytes), ``"exif"`` (bytes, without
        orientation), ``"dpi"`` (horizontal, vertical). A key is absent when the file does not have it.

    Raises
    ------
    ArgumentError
        If the axes do not describe the array.
    """

    array: Samples
    axes: str
    alpha: bool = False
    metadata: Mapping[str, Any] = field(default_factory=_no_metadata)

    def __post_init__(self) -> None:
        known = all(letter in AXES for letter in self.axes)
        once = all(self.axes.count(letter) <= 1 for letter in "yxc")
        if len(self.axes) != self.array.ndim or not known or not once or "c" in self.axes[:-1]:
            raise ArgumentError(
                f"axes must have one letter of {''.join(AXES)!r} for each axis, colour last; "
                f"got {self.axes!r} for an array of shape {self.array.shape}."
            )
        if self.alpha and (not self.axes.endswith("c") or self.array.shape[-1] < 2):
            raise ArgumentError(
                f"alpha=True needs a last axis of at least two colours; got axes {self.axes!r} and shape "
                f"{self.array.shape}."
            )

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """Positions of rows and columns; of every axis when the file does not say what they mean."""
        return tuple(axis for axis, letter in enumerate(self.axes) if letter in "yx?")

    @property
    def channel_axis(self) -> int | None:
        """Position of the colour axis, or None."""
        return len(self.axes) - 1 if self.axes.endswith("c") else None


def usual_axes(array: Samples) -> str:
    """Say what the axes of a bare array are taken for when it becomes a picture file.

    Two axes are rows and columns; a last axis of 2 to 4 after them is colour (grey with alpha, RGB, RGBA); all axes
    before rows and columns are pages.

    Examples
    --------
    >>> usual_axes(np.zeros((5, 6))), usual_axes(np.zeros((5, 6, 3))), usual_axes(np.zeros((9, 5, 6)))
    ('yx', 'yxc', 'pyx')
    """
    if array.ndim < 2:
        raise ArgumentError(
            f"A picture file needs rows and columns; got an array of shape {array.shape}. Write it as .npy."
        )
    colour = array.ndim > 2 and 2 <= array.shape[-1] <= 4
    plane = "yxc" if colour else "yx"
    return "p" * (array.ndim - len(plane)) + plane


# EXIF and TIFF orientation, by number: whether rows and columns are exchanged, and which of them then run backwards.
ORIENTATIONS: dict[int, tuple[bool, bool, bool]] = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def upright(array: Samples, axes: str, orientation: object) -> Samples:
    """Turn the samples as the orientation tag of EXIF or TIFF asks; an unknown number asks for nothing.

    References
    ----------
    TIFF Revision 6.0 (1992), tag 274, page 36.
    """
    number = orientation if isinstance(orientation, int) else 1
    exchange, flip_rows, flip_columns = ORIENTATIONS.get(number, ORIENTATIONS[1])
    row_axis, column_axis = axes.index("y"), axes.index("x")
    if exchange:
        array = np.swapaxes(array, row_axis, column_axis)
    flipped = tuple(axis for axis, flip in ((row_axis, flip_rows), (column_axis, flip_columns)) if flip)
    return np.ascontiguousarray(np.flip(array, flipped)) if exchange or flipped else array


def black_and_white(array: Samples) -> Samples:
    """Show booleans as 8-bit grey, 0 and 255."""
    return array.astype(np.uint8) * np.uint8(255) if array.dtype == bool else array
