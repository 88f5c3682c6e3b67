"""Remove passers-by from a series of pictures: the median over time of every pixel.

The stack has the axes time, row, column; ``axes=0`` makes time the only window axis, and the others batch axes. With
``mode="shrink"`` the first and last pictures use the pictures that exist.
"""

from __future__ import annotations

import numpy as np
from shared import Array, options, photograph, show

import kernelscape as ks


def series(image: Array, pictures: int) -> Array:
    """Noisy pictures of one scene, with a bright bar that wanders through it."""
    generator = np.random.default_rng(0)
    frames = image + generator.normal(0, 12, (pictures, *image.shape))
    step = image.shape[1] // pictures
    for number, frame in enumerate(frames):
        frame[:, number * step : (number + 1) * step] = 235
    return np.asarray(np.clip(np.rint(frames), 0, 255), np.uint8)


def main() -> None:
    chosen = options(__doc__)
    image = photograph("camera", chosen.extent)
    frames = series(image, 12)
    result = ks.apply(np.median, frames, size=7, axes=0, mode="shrink", output=np.uint8)
    before, after = (np.abs(stack.astype(float) - image).mean() for stack in (frames, result))
    print(f"temporal median: {len(frames)} pictures, mean error {after:.1f} grey levels, {before:.1f} before")
    show(chosen.picture, frames[5], result[5])


if __name__ == "__main__":
    main()
