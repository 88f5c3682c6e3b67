"""JPEG: 8 bits, grey or RGB. Lossy, so it is written at a quality where the loss is small and colour is not thinned."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from ..errors import ArgumentError
from .image import Image, black_and_white
from .pillow import pillow, save_options, to_image, to_picture

_QUALITY = 95  # above this files grow fast and hardly improve, says the manual of libjpeg
_LARGEST_SIDE = 65535


def read(path: Path) -> Image:
    """Read the pixels, upright; of a file that holds several pictures (MPO) the first."""
    with pillow().open(path, formats=["JPEG", "MPO"]) as picture:
        return to_image(picture)


def write(image: Image, file: BinaryIO) -> None:
    """Write a JPEG of quality 95 with full colour resolution."""
    rows, columns = image.array.shape[:2]
    if max(rows, columns) > _LARGEST_SIDE:
        raise ArgumentError(
            f"JPEG holds at most {_LARGEST_SIDE} rows and columns; got {rows} × {columns}. Write .png or .tif."
        )
    grey = Image(black_and_white(image.array), image.axes, image.alpha, image.metadata)
    to_picture(grey).save(file, "JPEG", quality=_QUALITY, subsampling=0, **save_options(image))
