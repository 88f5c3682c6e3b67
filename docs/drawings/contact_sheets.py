"""Draw ``docs/pictures/contact_sheets.png``: what `Field.plot` shows of three fields.

Run it again when the drawing is to change; it needs matplotlib and scikit-image::

    python docs/drawings/contact_sheets.py
"""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image
from skimage import data

import kernelscape as ks

PICTURE = Path(__file__).parents[1] / "pictures" / "contact_sheets.png"
COLOURS = 128


def main() -> None:
    drawing().save(PICTURE, optimize=True)


def drawing() -> Image.Image:
    """The three panels side by side."""
    mpl.use("Agg")
    from matplotlib.figure import Figure

    photo = data.coffee()
    figure = Figure(figsize=(12, 3.1), layout="constrained")
    for ax, (title, field, at) in zip(figure.subplots(1, 3), fields(photo.shape[:2]), strict=True):
        field.plot(photo, at=at, ax=ax)
        ax.set_title(title, family="monospace", size=10)
        ax.set_axis_off()
    held = io.BytesIO()
    figure.savefig(held, format="png", dpi=75)
    return Image.open(held).convert("RGB").quantize(COLOURS)


def fields(extents: tuple[int, int]) -> list[tuple[str, ks.kernels.Gaussian | ks.kernels.Scattered, np.ndarray | None]]:
    """A title, a field, and the positions at which its kernels are shown."""
    y, x = np.mgrid[: extents[0], : extents[1]]
    towards = np.arctan2(y - 190, x - 290)
    away = np.hypot(y - 190, x - 290)
    points = np.array(
        [(40, 60), (70, 290), (50, 540), (200, 130), (190, 330), (215, 480), (350, 50), (330, 270), (355, 530)]
    )
    comet = [coma(*(point - (190, 290)) / 300) for point in points]
    return [
        ("Gaussian(sigma)", ks.kernels.Gaussian(0.3 + away / 90), None),
        ("Gaussian(4, 1, angle=angle)", ks.kernels.Gaussian(4, 1, angle=np.pi / 2 - towards), None),
        ("Scattered(kernels, points)", ks.kernels.Scattered(comet, points), points),
    ]


def coma(down: float, right: float) -> np.ndarray:
    """A point that a lens has drawn out, away from the middle of the image."""
    dy, dx = np.mgrid[-10.0:11, -10:11]
    kernel = sum(np.exp(-((dy - s * down) ** 2 + (dx - s * right) ** 2) / (2 + s / 2)) / (4 + s) for s in range(9))
    return kernel / kernel.sum()


if __name__ == "__main__":
    main()
