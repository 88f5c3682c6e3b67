"""A photograph as if of a miniature: the blur grows with the distance from a line, by a formula in the row.

No kernel array exists: the weights are computed from the pixel's position, inside the compiled loop.
"""

from __future__ import annotations

import numpy as np
from shared import Array, options, photograph, show

import kernelscape as ks

dy, dx = np.mgrid[-8:9, -8:9].astype(np.float32)


def blur(w: Array, y: Array, sharp: int, depth: float) -> Array:
    """A Gaussian mean whose width follows from the row."""
    sigma = 0.3 + np.abs(y - sharp) / depth
    weights = np.exp(-(dy**2 + dx**2) / (2 * sigma**2))
    return np.sum(w * weights) / np.sum(weights)


def main() -> None:
    chosen = options(__doc__)
    image = photograph("coffee", chosen.extent)
    rows = image.shape[0]
    sharp, depth = round(0.62 * rows), rows / 8
    result = ks.apply(blur, image, ks.index(0), sharp, depth, size=17, axes=(0, 1), dtype=np.float32, output=np.uint8)
    same = np.mean(result[sharp] == image[sharp])
    print(f"varying blur: row {sharp} is in focus ({same:.0%} of its samples are unchanged), row 0 is not")
    show(chosen.picture, image, result)


if __name__ == "__main__":
    main()
