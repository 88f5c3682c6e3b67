"""TIFF: every plain dtype, any number of colours, any number of pages of one shape.

Rows and columns are spatial, samples per pixel are colours, and every other axis that a file has (pages, time, depth,
microscope channels) is a batch axis: "p". What would need interpretation that the samples alone do not carry (inks,
CIELAB, pages of several shapes) is refused with its name; palettes, inverted grey and orientation are undone.

References
----------
TIFF Revision 6.0 (1992): PhotometricInterpretation, ExtraSamples, ColorMap, Orientation.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from ..errors import ImageFileError, missing_dependency
from .image import Image, Samples, black_and_white, upright
from .npy import DTYPES
from .pillow import profile_fits

__all__ = ["DTYPES", "read", "write"]

_ICC_PROFILE = "InterColorProfile"
_REDUCED_IMAGE = 1
_ASSOCIATED, _UNASSOCIATED = 1, 2
_READABLE = ("MINISBLACK", "MINISWHITE", "RGB", "PALETTE", "YCBCR")


def read(path: Path) -> Image:
    """Read the image or the stack of images of a file; thumbnails and pyramid levels are passed over."""
    tifffile = _tifffile()
    with tifffile.TiffFile(path) as file:
        series = _only_series(file)
        page = series.keyframe
        photometric = getattr(page.photometric, "name", str(page.photometric))
        if photometric not in _READABLE or (photometric == "YCBCR" and page.compression.name != "JPEG"):
            raise ImageFileError(f"its colours are {photometric}; convert it to RGB first")
        samples, axes = _ordered(_decoded(series), series.axes)
        alpha = axes.endswith("c") and _has_alpha(page)
        if photometric == "PALETTE" and page.colormap is not None:
            samples, axes = _through_palette(samples, page.colormap), axes + "c"
        elif photometric == "MINISWHITE" and samples.dtype.kind in "bu":
            samples = ~samples
        orientation = page.tags.valueof("Orientation", 1)
        return Image(upright(black_and_white(samples), axes, int(orientation)), axes, alpha, _metadata(page))


def _only_series(file: Any) -> Any:
    wanted = [series for series in file.series if not int(series.keyframe.subfiletype) & _REDUCED_IMAGE]
    if not wanted:
        raise ImageFileError("it holds no image")
    if len(wanted) > 1:
        shapes = ", ".join(str(series.shape) for series in wanted[:4])
        raise ImageFileError(f"it holds {len(wanted)} images of different kinds ({shapes}); save the wanted one alone")
    return wanted[0]


def _decoded(series: Any) -> Samples:
    try:
        samples: Samples = series.asarray()
    except ValueError as error:
        if "imagecodecs" in str(error):
            raise missing_dependency("imagecodecs", "reading this compressed TIFF", "kernelscape[images]") from None
        raise
    if samples.size == 0 and series.size:
        raise ImageFileError("the file ends before its samples")
    return samples


def _ordered(samples: Samples, letters: str) -> tuple[Samples, str]:
    """Name the axes, and move the colours of a planar file to the end."""
    if "Y" not in letters or "X" not in letters:
        raise ImageFileError(f"its axes are {letters}; expected rows (Y) and columns (X)")
    meaning = {"Y": "y", "X": "x", "S": "c"}
    axes = "".join(meaning.get(letter, "p") for letter in letters)
    if "c" in axes:
        samples = np.moveaxis(samples, axes.index("c"), -1)
        axes = axes.replace("c", "") + "c"
    return samples, axes


def _has_alpha(page: Any) -> bool:
    extra = [int(kind) for kind in page.extrasamples]
    return bool(extra) and extra[-1] in (_ASSOCIATED, _UNASSOCIATED)


def _through_palette(indices: Samples, palette: Samples) -> Samples:
    colours = palette.T[indices]
    # Eight-bit palettes are stored in 16 bits, each value twice: 0xAB becomes 0xABAB.
    return (colours >> 8).astype(np.uint8) if np.all(palette % 257 == 0) or not np.any(palette & 0xFF) else colours


def _metadata(page: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    profile = page.tags.valueof(_ICC_PROFILE)
    if profile:
        found["icc_profile"] = bytes(profile)
    if "XResolution" in page.tags and "YResolution" in page.tags and int(page.resolutionunit) > 1:
        horizontal, vertical = page.get_resolution("INCH")
        if horizontal > 0 and vertical > 0:
            found["dpi"] = (float(horizontal), float(vertical))
    return found


def write(image: Image, file: BinaryIO) -> None:
    """Write an uncompressed TIFF; it becomes a BigTIFF when it needs more than 4 GiB."""
    samples, axes = image.array, image.axes
    if axes.endswith("c") and samples.shape[-1] == 1:
        samples, axes = samples[..., 0], axes[:-1]
    colours = samples.shape[-1] if axes.endswith("c") else 1
    if colours > 1:
        samples = black_and_white(samples)  # few readers know one bit with several colours
    rgb = colours - image.alpha == 3
    extra = colours - (3 if rgb else 1)
    kinds = ["unspecified"] * (extra - 1) + ["unassalpha" if image.alpha else "unspecified"] if extra else None
    dpi = image.metadata.get("dpi")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # "nonconformant TIFF" is a file that others cannot read
        _tifffile().imwrite(
            file,
            samples,
            photometric="rgb" if rgb else "minisblack",
            planarconfig="contig" if colours > 1 else None,
            extrasamples=kinds,
            iccprofile=image.metadata["icc_profile"] if profile_fits(image) else None,
            resolution=dpi,
            resolutionunit="INCH" if dpi else None,
        )


def _tifffile() -> ModuleType:
    try:
        import tifffile
    except ImportError:
        raise missing_dependency("tifffile", "reading and writing TIFF", "kernelscape[images]") from None
    module: ModuleType = tifffile
    return module
