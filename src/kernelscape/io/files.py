"""Reading and writing files: content decides on reading, the extension on writing, and a file is whole or unchanged.

A result is written to a new file in the same folder, forced to the disk, and renamed over the old one, which the
operating system does in one step. Whatever goes wrong before that (a full disk, an interrupt, a codec's refusal) leaves
the old file as it was and no other file behind. A symbolic link is followed, the old file's permissions are kept, and
what is not a regular file (a folder, a pipe) is refused rather than replaced.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import ArgumentError, ArgumentTypeError, ImageFileError, KernelscapeError, MissingDependencyError
from .formats import by_content, by_extension
from .image import Image, Samples, usual_axes

_LONGEST_SIGNATURE = 16


def read(path: str | os.PathLike[str]) -> Image:
    """Read an image file.

    Palettes become RGB or RGBA, one bit becomes 0 and 255 (uint8), CMYK JPEGs become RGB, and the orientation tag is
    applied. Every other sample is as it is in the file.

    Parameters
    ----------
    path : path
        A PNG, JPEG, TIFF or .npy file, whatever its name.

    Returns
    -------
    Image

    Raises
    ------
    ImageFileError
        If the file is missing, is no image, is damaged, or holds what cannot be turned into plain samples.
    MissingDependencyError
        If the format needs a package that is not installed.
    """
    where = _path(path)
    if where.is_dir():
        raise ImageFileError(f"Cannot read '{where}': it is a folder; give the image files in it by name.")
    try:
        with where.open("rb") as file:
            head = file.read(_LONGEST_SIGNATURE)
        return by_content(where, head).read(where)
    except MissingDependencyError:
        raise
    except ImageFileError as error:
        text = str(error)
        raise ImageFileError(text if text.startswith("Cannot") else f"Cannot read '{where}': {text}.") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise ImageFileError(f"Cannot read '{where}': {reason}.") from error
    # Decoders answer damaged files with anything: struct.error, SyntaxError, zlib.error, MemoryError, IndexError.
    except Exception as error:
        raise ImageFileError(f"Cannot read '{where}': the file is damaged or cut short ({error}).") from error


def write(
    path: str | os.PathLike[str],
    array: Samples | Image,
    *,
    axes: str | None = None,
    alpha: bool | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write an image file, whole or not at all.

    Parameters
    ----------
    path : path
        Its extension names the format.
    array : ndarray or Image
        The samples. Booleans become black and white; every other sample is stored as it is, never converted.
    axes : str, optional
        The meaning of each axis, as in `Image`; `usual_axes` when it is not given.
    alpha : bool, optional
        Whether the last colour is an opacity; when it is not given, it is one of two or of four colours.
    metadata : mapping, optional
        As in `Image`; an entry that the format has no place for is left out.

    Raises
    ------
    UnknownNameError
        For an extension that names no format.
    ArgumentError
        If the format cannot hold the array; the text says which one can.
    ImageFileError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(Path(folder) / "ramp.npy", np.arange(6))
    ...     read(Path(folder) / "ramp.npy").array
    array([0, 1, 2, 3, 4, 5])
    """
    where = _path(path)
    entry = by_extension(where)
    image = array if isinstance(array, Image) else _described(array, axes, alpha, metadata or {}, entry.name == "NumPy")
    entry.check(image.array.dtype, image.axes, image.array.shape)
    _replace(where, lambda file: entry.write(image, file))


def check_output(path: str | os.PathLike[str], dtype: object = None) -> None:
    """Refuse a path that `write` would refuse, before the work is done whose result it should hold.

    Parameters
    ----------
    path : path
        Where the result shall go.
    dtype : dtype, optional
        What it will hold, where that is known.

    Raises
    ------
    UnknownNameError, ArgumentError, ImageFileError
        As `write` does.
    """
    where = _path(path)
    entry = by_extension(where)
    if dtype is not None:
        entry.check(np.dtype(dtype))  # type: ignore[call-overload]  # NumPy says what is wrong with it
    _target(where)


def _path(path: object) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise ArgumentTypeError(f"path must be a string or a path; got {path!r}.")
    text = os.fspath(path)
    if not isinstance(text, str) or not text or "\0" in text:
        raise ArgumentError(f"path must be the name of a file, as text; got {path!r}.")
    return Path(text)


def _described(array: Samples, axes: str | None, alpha: bool | None, metadata: Mapping[str, Any], bare: bool) -> Image:
    if not isinstance(array, np.ndarray):
        raise ArgumentTypeError(f"array must be a NumPy array or an Image; got {type(array).__name__}.")
    if axes is None:
        axes = "?" * array.ndim if bare else usual_axes(array)
    if alpha is None:
        alpha = axes.endswith("c") and array.shape[-1] in (2, 4)
    return Image(array, axes, alpha, metadata)


def _target(where: Path) -> Path:
    """Give the file that would be replaced, behind any links, or refuse it."""
    try:
        target = Path(os.path.realpath(where))
        if not target.parent.is_dir():
            raise ImageFileError(f"Cannot write '{where}': there is no folder '{target.parent}'; make it first.")
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            kind = "a folder" if target.is_dir() else "not a regular file"
            raise ImageFileError(f"Cannot write '{where}': it is {kind}; give the name of a file.")
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise ImageFileError(f"Cannot write '{where}': no permission to write in '{target.parent}'.")
    except ImageFileError:
        raise
    except OSError as error:
        raise ImageFileError(f"Cannot write '{where}': {error.strerror or error}.") from error
    return target


def _replace(where: Path, encode: Callable[[BinaryIO], None]) -> None:
    target = _target(where)
    try:
        with _temporary_beside(target) as (temporary, file):
            encode(file)
            file.flush()
            os.fsync(file.fileno())
            if target.exists():
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            temporary.replace(target)
    except KernelscapeError:
        raise
    except OSError as error:
        raise ImageFileError(f"Cannot write '{where}': {error.strerror or error}.") from error
    # A codec may answer a shape or a value that it does not like with any exception.
    except Exception as error:
        raise ImageFileError(f"Cannot write '{where}': {error}.") from error


@contextmanager
def _temporary_beside(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Open a new file in the folder of the target, and remove it unless it has been renamed away."""
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.tmp")
    # Not `tempfile`: it makes private files, and the result should have the permissions that the user's umask gives.
    file = temporary.open("x+b")
    try:
        with file:
            yield temporary, file
    finally:
        temporary.unlink(missing_ok=True)
