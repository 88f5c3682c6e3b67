"""What the examples share: two options, the photographs inside scikit-image's package, and pictures side by side."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

Array = NDArray[Any]

_GAP = 8
_WIDEST = 420
_COLOURS = 256


def options(description: str | None) -> argparse.Namespace:
    """Read ``--extent`` (work on a detail of so many rows and columns) and ``--picture`` (where to write one)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--extent", type=int, metavar="N", help="use only the middle N by N pixels")
    parser.add_argument("--picture", metavar="FILE", help="write before and after, side by side")
    return parser.parse_args()


def photograph(name: str, extent: int | None) -> Array:
    """Load one of scikit-image's photographs, or its middle."""
    image: Array = getattr(data, name)()
    return middle(image, extent)


def middle(image: Array, extent: int | None) -> Array:
    """The middle `extent` by `extent` pixels."""
    if extent is None:
        return image
    places = tuple(slice(max(0, (n - extent) // 2), max(0, (n - extent) // 2) + extent) for n in image.shape[:2])
    return np.ascontiguousarray(image[places])


def grey(image: Array) -> Array:
    """The luminance of a colour image, as float32 from 0 to 1."""
    return np.asarray(image @ np.array([0.2125, 0.7154, 0.0721]) / 255, np.float32)


def stretched(values: Array) -> Array:
    """Numbers as 8-bit grey levels; 1 % at either end is cut."""
    low, high = np.percentile(values, (1, 99))
    return np.asarray(np.rint(255 * np.clip((values - low) / ((high - low) or 1), 0, 1)), np.uint8)


def show(path: str | None, *panels: Array) -> None:
    """Write 8-bit panels of one shape side by side, if there is somewhere to write them; wide ones are made smaller."""
    if path is None:
        return
    pictures = [Image.fromarray(panel).convert("RGB") for panel in panels]
    for picture in pictures:
        picture.thumbnail((_WIDEST, _WIDEST))
    width, height = pictures[0].size
    row = Image.new("RGB", (len(pictures) * (width + _GAP) - _GAP, height), "white")
    for number, picture in enumerate(pictures):
        row.paste(picture, (number * (width + _GAP), 0))
    row.quantize(_COLOURS).save(path, optimize=True)
