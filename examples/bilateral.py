"""Smooth skin and fur but no edges: a bilateral filter on colours, written as a plain function.

A sample weighs little when it is far away or when its colour differs. ``size=(9, 9, None)`` hands over the whole colour
axis, so the function sees windows of shape (9, 9, 3) and returns one colour.

Tomasi and Manduchi, "Bilateral filtering for gray and color images" (1998).
"""

from __future__ import annotations

import numpy as np
from shared import Array, options, photograph, show

import kernelscape as ks

dy, dx = np.mgrid[-4:5, -4:5].astype(np.float32)
NEARNESS = np.exp(-(dy**2 + dx**2) / (2 * 2.5**2))


def bilateral(w: Array) -> Array:
    """The mean colour of the samples that look like the centre."""
    distance = np.sum((w - w[4, 4]) ** 2, axis=2)
    weights = NEARNESS * np.exp(-distance / (2 * 30.0**2))
    return np.sum(w * weights[:, :, np.newaxis], axis=(0, 1)) / np.sum(weights)


def main() -> None:
    chosen = options(__doc__)
    image = photograph("chelsea", chosen.extent)
    result = ks.apply(bilateral, image, size=(9, 9, None), dtype=np.float32, output=np.uint8)
    before, after = (np.mean(np.abs(np.diff(i.astype(float), axis=1))) for i in (image, result))
    print(f"bilateral filter: neighbours differ by {after:.2f} grey levels on average, by {before:.2f} before")
    show(chosen.picture, image, result)


if __name__ == "__main__":
    main()
