"""Depth from two eyes: for each shift of the right image the local correlation with the left one; the best shift wins.

The correlation coefficient of two windows is a function of two images, which no sum of products with a fixed kernel is.
A shifted image is just another array. The shift is large where things are near (bright).
"""

from __future__ import annotations

import numpy as np
from shared import Array, grey, middle, options, show, stretched
from skimage import data

import kernelscape as ks


@ks.stencil(size=9, mode="nearest")
def correlation(a: Array, b: Array) -> Array:
    """Pearson's coefficient of two windows, 0 where one of them is constant."""
    a, b = a - np.mean(a), b - np.mean(b)
    return np.sum(a * b) / np.sqrt(np.sum(a**2) * np.sum(b**2) + 1e-6)


def main() -> None:
    chosen = options(__doc__)
    left, right = (grey(middle(image, chosen.extent)) for image in data.stereo_motorcycle()[:2])
    shifts = range(72)
    scores = np.stack([correlation(left, np.roll(right, shift, axis=1)) for shift in shifts])
    shift = np.argmax(scores, axis=0).astype(np.uint8)
    depth = ks.apply(np.median, shift, size=9, output=np.uint8)
    print(f"local correlation: {len(shifts)} shifts, best correlation {scores.max(axis=0).mean():.2f} on average")
    show(chosen.picture, stretched(left), stretched(depth))


if __name__ == "__main__":
    main()
