"""What PNG and JPEG share: Pillow's modes, turned into plain samples and back.

Palettes and packed bits are ways to store pixels, not to compute with them: a palette becomes RGB (RGBA where it has
transparency), one bit becomes 0 and 255. CMYK becomes RGB, through the embedded profile when there is one, because
filtering inks one by one is meaningless to everything downstream; the CMYK profile is dropped with the inks.
"""

from __future__ import annotations

import copy
import io
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import missing_dependency
from .image import Image, black_and_white, upright

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_ORIENTATION = 0x0112


def pillow() -> ModuleType:
    """Import Pillow, or say how to get it."""
    try:
        import PIL.Image
    except ImportError:
        raise missing_dependency("PIL", "reading and writing PNG and JPEG", "kernelscape[images]") from None
    return PIL.Image


def to_image(picture: Picture) -> Image:
    """Decode an opened picture."""
    orientation = orientation_of(picture)
    metadata = metadata_of(picture)
    if picture.mode == "CMYK":
        picture = _rgb_from_cmyk(picture)
        metadata.pop("icc_profile", None)
    elif picture.mode == "P" or "transparency" in picture.info:
        picture = picture.convert(_unpacked_mode(picture))
    samples = black_and_white(np.asarray(picture))
    if picture.mode == "I":  # 16-bit grey in some releases of Pillow: 32-bit integers that hold 16 bits
        samples = samples.astype(np.uint16)
    axes = "yx" if samples.ndim == 2 else "yxc"
    alpha = picture.mode in ("LA", "RGBA")
    return Image(upright(samples, axes, orientation), axes, alpha, metadata)


def _unpacked_mode(picture: Picture) -> str:
    if picture.mode in ("1", "L"):
        return "LA"
    return "RGBA" if "transparency" in picture.info else "RGB"


def _rgb_from_cmyk(picture: Picture) -> Picture:
    profile = picture.info.get("icc_profile")
    if profile:
        from PIL import ImageCms

        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except ImageCms.PyCMSError:
            converted = None  # a damaged profile is worth no more than none
        if converted is not None:
            return converted
    return picture.convert("RGB")


def orientation_of(picture: Picture) -> object:
    """Give the number of the orientation tag, 1 when there is none."""
    return picture.getexif().get(_ORIENTATION, 1)


def metadata_of(picture: Picture) -> dict[str, Any]:
    """Collect what travels with the picture; the orientation does not, because it is applied to the samples."""
    found: dict[str, Any] = {}
    profile = picture.info.get("icc_profile")
    if profile:
        found["icc_profile"] = profile
    dpi = picture.info.get("dpi")
    if dpi and all(float(value) > 0 for value in dpi):
        found["dpi"] = (float(dpi[0]), float(dpi[1]))
    exif = copy.copy(picture.getexif())
    exif.pop(_ORIENTATION, None)
    if exif:
        found["exif"] = exif.tobytes()
    return found


def to_picture(image: Image) -> Picture:
    """Make a picture of 8 bits, of one bit, or of 16-bit grey."""
    samples = image.array
    if image.channel_axis is not None and samples.shape[-1] == 1:
        samples = samples[..., 0]
    if samples.dtype == bool and samples.ndim == 3:
        samples = black_and_white(samples)
    # Pillow reads neither a foreign byte order nor an arbitrary stride.
    native = np.ascontiguousarray(samples, dtype=samples.dtype.newbyteorder("="))
    picture: Picture = pillow().fromarray(native)
    return picture


def save_options(image: Image) -> dict[str, Any]:
    """Give the keyword arguments of Pillow's ``save`` that hand on the metadata."""
    options = dict(image.metadata)
    if not profile_fits(image):
        options.pop("icc_profile", None)
    return options


def profile_fits(image: Image) -> bool:
    """Whether the colour profile is one of this number of colours: grey made from RGB must not carry RGB's profile.

    References
    ----------
    ICC.1:2022, clause 7.2.6: the colour space of the data is at byte 16 of a profile.
    """
    profile = image.metadata.get("icc_profile")
    if not profile:
        return False
    colours = 1 if image.channel_axis is None else image.array.shape[-1]
    expected = b"GRAY" if colours - image.alpha == 1 else b"RGB "
    return bytes(profile[16:20]) == expected
