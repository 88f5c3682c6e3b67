"""Pictures for people: panels side by side, each with a label, under a title. Numbers stay in the arrays.

A panel is 8-bit grey or RGB. Signed data becomes colour with white at zero, so that the sign shows without a legend.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import missing_dependency

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

Array = NDArray[Any]

_MARGIN, _GAP = 24, 16
_TITLE_SIZE, _LABEL_SIZE = 22, 15
_PAPER, _INK, _PALE_INK = (250, 250, 248), (28, 30, 34), (96, 100, 108)
_NEGATIVE, _POSITIVE = (33, 96, 172), (178, 34, 44)


@dataclass(frozen=True)
class Panel:
    """One picture and the line below it."""

    samples: Array
    label: str


def signed_colours(values: Array, limit: float | None = None) -> Array:
    """Show negative values in blue, zero in white, positive values in red.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
        The numbers.
    limit : float, optional
        The magnitude that gets the full colour; by default what 99 % of the values stay below.
    """
    strongest = limit if limit is not None else float(np.percentile(np.abs(values), 99))
    part = np.clip(values / (strongest or 1.0), -1.0, 1.0)[..., np.newaxis]
    end = np.where(part < 0, np.array(_NEGATIVE, float), np.array(_POSITIVE, float))
    return np.asarray(np.rint(255.0 + (end - 255.0) * np.abs(part) ** 0.7), np.uint8)


def grey_levels(values: Array) -> Array:
    """Stretch values to the range from black to white; 1 % at either end is cut."""
    low, high = np.percentile(values, (1, 99))
    return np.asarray(np.rint(255 * np.clip((values - low) / ((high - low) or 1.0), 0, 1)), np.uint8)


def enlarge(samples: Array, factor: int) -> Array:
    """Repeat each pixel, so that single pixels can be seen."""
    return np.repeat(np.repeat(samples, factor, axis=0), factor, axis=1)


def sheet(title: str, panels: list[Panel]) -> Array:
    """Lay out panels side by side.

    Parameters
    ----------
    title : str
        One line.
    panels : list of Panel
        From left to right.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        raise missing_dependency("PIL", "drawing pictures", "kernelscape[demo]") from None
    title_font, label_font = ImageFont.load_default(_TITLE_SIZE), ImageFont.load_default(_LABEL_SIZE)
    measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    widths = [max(panel.samples.shape[1], _width(measure, panel.label, label_font)) for panel in panels]
    top = _MARGIN + 2 * _TITLE_SIZE
    height = max(panel.samples.shape[0] for panel in panels)
    across = max(sum(widths) + _GAP * (len(panels) - 1), _width(measure, title, title_font))
    canvas = Image.new("RGB", (across + 2 * _MARGIN, top + height + 2 * _LABEL_SIZE + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.text((_MARGIN, _MARGIN), title, fill=_INK, font=title_font)
    left = _MARGIN
    for panel, width in zip(panels, widths, strict=True):
        canvas.paste(Image.fromarray(np.ascontiguousarray(panel.samples)).convert("RGB"), (left, top))
        draw.text((left, top + panel.samples.shape[0] + 8), panel.label, fill=_PALE_INK, font=label_font)
        left += width + _GAP
    return np.asarray(canvas)


def _width(draw: ImageDraw, text: str, font: FreeTypeFont | ImageFont) -> int:
    return round(draw.textlength(text, font=font))
