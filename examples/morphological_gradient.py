"""Outline coins: the brightest minus the darkest sample within a disc, without the extremes.

A footprint window is 1-D: the samples inside the disc, in C order. Two percentiles instead of the maximum and the
minimum ignore single bright or dark pixels.
"""

from __future__ import annotations

import numpy as np
from shared import Array, options, photograph, show, stretched

import kernelscape as ks

dy, dx = np.mgrid[-3:4, -3:4]
DISC = dy**2 + dx**2 <= 9


def robust_gradient(w: Array) -> Array:
    """The range of the middle 80 % of the samples."""
    return np.percentile(w, 90, method="nearest") - np.percentile(w, 10, method="nearest")


def main() -> None:
    chosen = options(__doc__)
    image = photograph("coins", chosen.extent)
    result = ks.apply(robust_gradient, image, footprint=DISC)
    print(f"morphological gradient: {int(DISC.sum())} samples each, {result.dtype} values up to {result.max()}")
    show(chosen.picture, image, stretched(result))


if __name__ == "__main__":
    main()
