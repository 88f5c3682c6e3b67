"""Sharpen a photograph: the centre of each window, plus what a Gaussian mean takes away from it.

The kernel is handed over with `ks.kernel`; its shape is the size of the window. Colours are batch axes. The result is
rounded and saturates into the 8-bit output.
"""

from __future__ import annotations

import numpy as np
from shared import Array, options, photograph, show

import kernelscape as ks


def gaussian(sigma: float) -> Array:
    """A Gaussian kernel that sums to one."""
    reach = int(3 * sigma + 0.5)
    line = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel = np.outer(line, line)
    return np.asarray(kernel / kernel.sum(), np.float32)


def sharpen(w: Array, kernel: Array, amount: float) -> Array:
    """One pixel of the result."""
    centre = w[w.shape[0] // 2, w.shape[1] // 2]
    return centre + amount * (centre - np.sum(w * kernel))


def main() -> None:
    chosen = options(__doc__)
    image = photograph("coffee", chosen.extent)
    result = ks.apply(
        sharpen, image, ks.kernel(gaussian(2.0)), 1.5, axes=(0, 1), dtype=np.float32, output=np.uint8, mode="mirror"
    )
    change = np.mean(np.abs(result.astype(float) - image))
    print(f"unsharp mask: {image.shape[0]} x {image.shape[1]} pixels, changed by {change:.1f} grey levels on average")
    show(chosen.picture, image, result)


if __name__ == "__main__":
    main()
