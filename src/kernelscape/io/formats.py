"""The table of formats: one entry each, with everything that differs between them.

A file is recognised by its first bytes, whatever its name says, because names lie; a file to be written is what its
extension says, because nothing else can. Which dtypes and colours a format holds is data, so that a result which does
not fit is refused before it is computed, and the text of the refusal is made in one place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import ArgumentError, ImageFileError, unknown_name
from . import jpeg, npy, png, tiff
from .image import Image


@dataclass(frozen=True)
class Format:
    """One file format.

    Parameters
    ----------
    name : str
        As people call it.
    extensions : tuple of str
        Lower case, with the dot; the first is the usual one.
    signatures : tuple of bytes
        What a file of this format begins with.
    dtypes : tuple of str
        Names of the dtypes it holds, in the machine's byte order.
    colours : tuple of int or None
        Numbers of colours that it holds; 2 and 4 are grey and RGB with alpha. None is any number.
    pages : bool
        Whether one file holds several images of one shape, or any axes at all.
    read : callable
        Gives the image in the file at this path; any exception means that the file is unreadable.
    write : callable
        Writes an image that `check` accepts into an open file.
    """

    name: str
    extensions: tuple[str, ...]
    signatures: tuple[bytes, ...]
    dtypes: tuple[str, ...]
    colours: tuple[int, ...] | None
    pages: bool
    read: Callable[[Path], Image]
    write: Callable[[Image, BinaryIO], None]

    def check(self, dtype: np.dtype, axes: str | None = None, shape: tuple[int, ...] | None = None) -> None:
        """Refuse what the format cannot hold.

        Raises
        ------
        ArgumentError
            It says what the format holds and which format would do.
        """
        if dtype.name not in self.dtypes:
            raise ArgumentError(
                f"{self.name} holds {', '.join(self.dtypes)}; got {dtype}. "
                f"Convert the result to one of these (on the command line: --output-dtype {self.dtypes[-1]}), "
                f"or write {_who_holds(dtype)}."
            )
        if axes is None or shape is None:
            return
        # A .npy file needs no axes; every picture has rows and columns.
        if "p" in axes and not self.pages:
            raise ArgumentError(f"{self.name} holds one image per file; got shape {shape}. Write .tif or .npy.")
        colours = shape[-1] if axes.endswith("c") else 1
        if self.colours is not None and colours not in self.colours:
            alpha = " It has no transparency." if colours in (2, 4) and self.colours == (1, 3) else ""
            raise ArgumentError(
                f"{self.name} holds {' or '.join(map(str, self.colours))} colours; got {colours}, in shape {shape}."
                f"{alpha} Write .{'png' if colours in (2, 4) and dtype.name in png.DTYPES else 'tif'}."
            )
        if self.colours is not None and min(shape, default=0) == 0:
            raise ArgumentError(f"{self.name} holds no empty images; got shape {shape}. Write it as .npy.")


FORMATS: tuple[Format, ...] = (
    Format(
        name="PNG",
        extensions=(".png",),
        signatures=(b"\x89PNG\r\n\x1a\n",),
        dtypes=png.DTYPES,
        colours=(1, 2, 3, 4),
        pages=False,
        read=png.read,
        write=png.write,
    ),
    Format(
        name="JPEG",
        extensions=(".jpg", ".jpeg"),
        signatures=(b"\xff\xd8\xff",),
        dtypes=("bool", "uint8"),
        colours=(1, 3),
        pages=False,
        read=jpeg.read,
        write=jpeg.write,
    ),
    Format(
        name="TIFF",
        extensions=(".tif", ".tiff"),
        signatures=(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        dtypes=tiff.DTYPES,
        colours=None,
        pages=True,
        read=tiff.read,
        write=tiff.write,
    ),
    Format(
        name="NumPy",
        extensions=(".npy",),
        signatures=(b"\x93NUMPY",),
        dtypes=npy.DTYPES,
        colours=None,
        pages=True,
        read=npy.read,
        write=npy.write,
    ),
)


def _who_holds(dtype: np.dtype) -> str:
    able = [entry.extensions[0] for entry in FORMATS if dtype.name in entry.dtypes]
    return " or ".join(able) or "another dtype: no format holds this one"


def by_extension(path: Path) -> Format:
    """Give the format that a file of this name is to be written in.

    Raises
    ------
    UnknownNameError
        For an extension of no format.
    """
    extension = path.suffix.lower()
    for entry in FORMATS:
        if extension in entry.extensions:
            return entry
    known = [known for entry in FORMATS for known in entry.extensions]
    raise unknown_name(f"extension of the file '{path}':", path.suffix, known)


def by_content(path: Path, head: bytes) -> Format:
    """Give the format of a file from its first bytes.

    Raises
    ------
    ImageFileError
        If no format begins like this.
    """
    for entry in FORMATS:
        if head.startswith(entry.signatures):
            return entry
    names = ", ".join(entry.name for entry in FORMATS)
    what = "it is empty" if not head else f"it begins with {head[:8]!r}"
    raise ImageFileError(f"Cannot read '{path}': expected {names}, but {what}. Convert it to one of these first.")
