"""Stars through a telescope whose point-spread function is known at twelve places only.

A lens draws points out towards the corners. The kernels have been measured at twelve points; between them they are
interpolated in triangles, and outside the nearest point of the border of the triangles counts. Light spreads from where
it comes from: that is a scatter, and a convolution, because each star becomes the kernel as it is. Since kernels have
unit sums, every star keeps its flux. Stars whose light reaches over the border lose it there (``mode="constant"``).
"""

from __future__ import annotations

import numpy as np
from shared import Array, options, show

import kernelscape as ks

ROWS, COLUMNS, REACH = 320, 400, 13


def measured(points: Array, middle: Array) -> Array:
    """The point-spread function at some points: a comet that points away from the middle; unit sums."""
    dy, dx = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1]
    kernels = []
    for down, right in (points - middle) / np.hypot(*middle):
        tail = [
            np.exp(-((dy - s * down) ** 2 + (dx - s * right) ** 2) / (1.5 + 0.4 * s)) / (1.5 + s) for s in range(10)
        ]
        kernels.append(sum(tail) / np.sum(tail))
    return np.stack(kernels)


def sky(generator: np.random.Generator, rows: int, columns: int, stars: int) -> Array:
    """Points of very different brightness."""
    image = np.zeros((rows, columns))
    places = generator.integers(0, rows, stars), generator.integers(0, columns, stars)
    np.add.at(image, places, generator.pareto(1.2, stars) + 0.1)
    return image


def developed(image: Array) -> Array:
    """Brightness as 8-bit grey levels, faint stars brought up."""
    return np.asarray(np.rint(255 * np.clip(image / 0.9, 0, 1) ** 0.5), np.uint8)


def main() -> None:
    chosen = options(__doc__)
    rows, columns = (ROWS, COLUMNS) if chosen.extent is None else (chosen.extent, chosen.extent)
    generator = np.random.default_rng(4)
    points = generator.uniform((0, 0), (rows, columns), (12, 2))
    psf = ks.kernels.Scattered(measured(points, np.array([rows, columns]) / 2), points)
    stars = sky(generator, rows, columns, max(4, rows * columns // 400))
    seen = ks.convolve(stars, psf, form="scatter", mode="constant")

    # A star in the inside has all of its light within the reach of the kernel.
    y, x = rows // 3, columns // 3
    star = np.zeros((rows, columns))
    star[y, x] = 1.0
    one = ks.convolve(star, psf, form="scatter", mode="constant")
    inside = one[y - REACH : y + REACH + 1, x - REACH : x + REACH + 1]
    assert np.allclose(inside, psf.at(y, x), atol=1e-12)
    lost = 1 - seen.sum() / stars.sum()
    print(f"scattered psf: a star keeps {inside.sum():.6f} of its flux, and {lost:.2%} of all light leaves the image")
    show(chosen.picture, developed(stars), developed(seen))


if __name__ == "__main__":
    main()
