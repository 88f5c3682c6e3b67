"""A photograph drawn by two chemicals that react and diffuse (Gray and Scott's model, with Pearson's patterns).

Two concentrations are one state: each step is one stencil of both, and maps of the photograph say how much is fed and
removed at each pixel.
"""

from __future__ import annotations

import numpy as np
from shared import Array, options, photograph, show, stretched

import kernelscape as ks

STEPS = 3000


def laplacian(w: Array) -> Array:
    """What diffuses in from the eight neighbours."""
    return 0.2 * (w[0, 1] + w[1, 0] + w[1, 2] + w[2, 1]) + 0.05 * (w[0, 0] + w[0, 2] + w[2, 0] + w[2, 2]) - w[1, 1]


@ks.stencil(size=3)
def react(u: Array, v: Array, feed: Array, kill: Array) -> tuple[Array, Array]:
    """One step of u + 2 v -> 3 v."""
    made = u[1, 1] * v[1, 1] ** 2
    return (
        u[1, 1] + 0.4 * laplacian(u) - made + feed * (1 - u[1, 1]),
        v[1, 1] + 0.2 * laplacian(v) + made - (feed + kill) * v[1, 1],
    )


def main() -> None:
    chosen = options(__doc__)
    camera = photograph("camera", chosen.extent)
    bright = ks.correlate(camera / np.float32(255), np.full((5, 5), 0.04, np.float32))
    feed, kill = 0.03 + 0.025 * bright, 0.055 + 0.01 * bright
    seeds = np.random.default_rng(1).random(camera.shape) < 0.005
    v = ks.apply(np.max, seeds, size=7) / np.float32(2)
    u = 1 - v
    u, v = ks.iterate(react, (u, v), STEPS, ks.pixel(feed), ks.pixel(kill))
    print(f"reaction diffusion: {STEPS} steps, {np.mean(v > 0.15):.0%} of the pixels are spots and stripes")
    show(chosen.picture, camera, stretched(u))


if __name__ == "__main__":
    main()
