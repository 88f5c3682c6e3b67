"""NumPy's own format: any shape, any plain dtype, and no word about what the axes mean."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from .image import Image

_SIGNED = tuple(f"int{bits}" for bits in (8, 16, 32, 64))
_UNSIGNED = tuple(f"uint{bits}" for bits in (64, 32, 16, 8))
DTYPES = ("bool", "complex128", "complex64", "float64", "float16", "float32", *_SIGNED, *_UNSIGNED)


def read(path: Path) -> Image:
    """Read an array; pickled objects are never loaded, because loading them runs code."""
    if path.stat().st_size > 0:
        mapped = _mapped(path)
        if mapped is not None:
            return Image(np.array(mapped), "?" * mapped.ndim)
    array = np.load(path, allow_pickle=False)
    return Image(array, "?" * array.ndim)


def _mapped(path: Path) -> np.ndarray | None:
    """Map the file, which compares its length with its header before any memory is taken; None if it is empty."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, _ = header(file)
    if 0 in shape:
        return None
    mapped: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def write(image: Image, file: BinaryIO) -> None:
    """Write the array as it is, byte order and memory order included."""
    np.save(file, image.array, allow_pickle=False)
