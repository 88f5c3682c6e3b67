"""Bring out faint detail: each pixel in units of the standard deviation around it.

Where the surroundings are flat, noise must not be blown up to full contrast; the constant in the divisor sees to it.
"""

from __future__ import annotations

import numpy as np
from shared import Array, options, photograph, show, stretched

import kernelscape as ks


@ks.stencil(size=41, mode="reflect", dtype=np.float32)
def local_contrast(w: Array) -> Array:
    """The centre, seen from the mean of its surroundings."""
    return (w[20, 20] - np.mean(w)) / (np.std(w) + 4)


def main() -> None:
    chosen = options(__doc__)
    image = photograph("moon", chosen.extent)
    result = local_contrast(image)
    print(f"local contrast: {result.dtype} values from {result.min():.2f} to {result.max():.2f}")
    show(chosen.picture, image, stretched(result))


if __name__ == "__main__":
    main()
