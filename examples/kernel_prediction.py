"""Denoise a photograph with a kernel for every pixel, in the order in which networks predict kernels.

A kernel-predicting network gives an array of shape (k, k, H, W): for each tap an image of weights, softmax over the
taps. Here a rule plays the network: a tap scores well where its surroundings look like those of the pixel. The array is
used as it lies in memory; ``moveaxis`` is a view. An output is a weighted mean of what is around it, so this is a
gather, and a correlation, because weights are those of the window.

Mildenhall et al., "Burst denoising with kernel prediction networks" (2018); the rule is that of Buades, Coll and Morel,
"A non-local algorithm for image denoising" (2005).
"""

from __future__ import annotations

import numpy as np
from shared import Array, options, photograph, show

import kernelscape as ks

TAPS = 9
NOISE = 25.0


def predicted(image: Array) -> Array:
    """Weights for each tap and pixel, of shape (TAPS, TAPS, H, W)."""
    scores = np.empty((TAPS, TAPS, *image.shape[:2]), np.float32)
    for i, j in np.ndindex(TAPS, TAPS):
        there = np.roll(image, (TAPS // 2 - i, TAPS // 2 - j), axis=(0, 1))
        difference = np.mean((there - image) ** 2, axis=2)
        scores[i, j] = ks.apply(np.mean, difference, size=5)
    # Of two noisy surroundings that are alike, the difference is twice the variance of the noise.
    scores = -np.maximum(scores - 2 * NOISE**2, 0) / (0.45 * NOISE) ** 2
    weights = np.exp(scores)
    return weights / weights.sum(axis=(0, 1))


def main() -> None:
    chosen = options(__doc__)
    image = photograph("chelsea", chosen.extent).astype(np.float32)
    noisy = image + np.random.default_rng(0).normal(0, NOISE, image.shape).astype(np.float32)
    field = ks.kernels.Dense(np.moveaxis(predicted(noisy), (2, 3), (0, 1)))
    result = ks.correlate(noisy, field, axes=(0, 1))
    before, after = (np.sqrt(np.mean((i - image) ** 2)) for i in (noisy, result))
    print(f"kernel prediction: an error of {after:.1f} grey levels, {before:.1f} before, with {field!r}")
    show(chosen.picture, *(np.asarray(np.clip(np.rint(i), 0, 255), np.uint8) for i in (noisy, result)))


if __name__ == "__main__":
    main()
