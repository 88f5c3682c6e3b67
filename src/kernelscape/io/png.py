"""PNG: 8 and 16 bits, grey or RGB, with or without alpha; booleans as one bit.

Pillow silently cuts 16-bit colour to 8 bits, so the header is read first and those files go through imagecodecs. That
library writes pixels only; the profile and the resolution are put in as chunks here.

References
----------
Portable Network Graphics (PNG) Specification, Third Edition, W3C: 5.3 chunk layout, 11.2.1 IHDR, 11.3.2.3 iCCP,
11.3.4.3 pHYs.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

import numpy as np

from ..errors import ImageFileError, missing_dependency
from .image import Image, upright
from .pillow import metadata_of, orientation_of, pillow, profile_fits, save_options, to_image, to_picture

DTYPES = ("bool", "uint16", "uint8")

_HEADER_BYTES = 33  # signature 8, IHDR: length 4, name 4, data 13, checksum 4
_BIT_DEPTH, _COLOUR_TYPE = 24, 25
_GREY = 0
_INCH = 0.0254


def read(path: Path) -> Image:
    """Read the pixels with all their bits."""
    data = path.read_bytes()
    if len(data) < _HEADER_BYTES:
        raise ImageFileError("the file ends inside its header")
    with pillow().open(io.BytesIO(data), formats=["PNG"]) as picture:
        if getattr(picture, "n_frames", 1) > 1:
            raise ImageFileError(f"it is an animation of {picture.n_frames} frames; save the wanted frame by itself")
        if data[_BIT_DEPTH] < 16 or data[_COLOUR_TYPE] == _GREY:
            return to_image(picture)
        metadata = metadata_of(picture)
        orientation = orientation_of(picture)
    samples = _imagecodecs().png_decode(data)
    return Image(upright(samples, "yxc", orientation), "yxc", samples.shape[-1] in (2, 4), metadata)


def write(image: Image, file: BinaryIO) -> None:
    """Write a PNG."""
    colours = 1 if image.channel_axis is None else image.array.shape[-1]
    if image.array.dtype.itemsize == 1 or colours == 1:
        to_picture(image).save(file, "PNG", **save_options(image))
        return
    samples = np.ascontiguousarray(image.array, dtype=np.uint16)
    encoded = _imagecodecs().png_encode(samples)
    file.write(encoded[:_HEADER_BYTES] + _chunks(image) + encoded[_HEADER_BYTES:])


def _chunks(image: Image) -> bytes:
    chunks = b""
    if profile_fits(image):
        chunks += _chunk(b"iCCP", b"ICC\0\0" + zlib.compress(image.metadata["icc_profile"]))
    if "dpi" in image.metadata:
        per_metre = (round(value / _INCH) for value in image.metadata["dpi"])
        chunks += _chunk(b"pHYs", struct.pack(">IIB", *per_metre, 1))
    return chunks


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _imagecodecs() -> ModuleType:
    try:
        import imagecodecs
    except ImportError:
        raise missing_dependency("imagecodecs", "PNG with 16-bit colours", "kernelscape[images]") from None
    codecs: ModuleType = imagecodecs
    return codecs
