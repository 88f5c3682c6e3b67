"""Make a photograph sharp again that is more and more out of focus from left to right.

The blur, a disc whose radius grows with x, is a linear operator; its adjoint is exact, at the border too, as solvers
need it. The least squares solution with a small damping is found by SciPy's LSQR.

Paige and Saunders, "LSQR: an algorithm for sparse linear equations and sparse least squares" (1982).
"""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import lsqr
from shared import options, photograph, show

import kernelscape as ks

NOISE, DAMPING, STEPS = 1.0, 0.07, 30


def main() -> None:
    chosen = options(__doc__)
    image = photograph("camera", 360 if chosen.extent is None else chosen.extent).astype(float)
    radius = np.broadcast_to(np.linspace(0.5, 5, image.shape[1]), image.shape)
    blur = ks.linear_operator(image.shape, ks.kernels.Disc(radius), operation="convolve", form="scatter")
    blurred = blur @ image.ravel() + np.random.default_rng(0).normal(0, NOISE, image.size)
    # A grey start, so that damping pulls to grey and not to black.
    grey = np.full(image.size, blurred.mean())
    found = grey + lsqr(blur, blurred - blur @ grey, damp=DAMPING, iter_lim=STEPS)[0]
    before, after = (np.sqrt(np.mean((i - image.ravel()) ** 2)) for i in (blurred, found))
    print(f"deconvolution: an error of {after:.1f} grey levels, {before:.1f} before, after {STEPS} steps")
    panels = (np.clip(np.rint(i), 0, 255).astype(np.uint8).reshape(image.shape) for i in (blurred, found))
    show(chosen.picture, *panels)


if __name__ == "__main__":
    main()
