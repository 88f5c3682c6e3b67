"""Conway's Game of Life: one step is one stencil on a torus.

The comparison gives booleans, and so does the result: no dtype has to be named.
"""

from __future__ import annotations

import numpy as np
from shared import Array, middle, options, photograph, show

import kernelscape as ks


@ks.stencil(size=3, mode="wrap")
def step(w: Array) -> Array:
    """Alive next: three in the block of nine, or four with a living cell in the middle."""
    alive = np.count_nonzero(w)
    return (alive == 3) | ((alive == 4) & w[1, 1])


def enlarged(board: Array) -> Array:
    """A detail of the board, three pixels a cell."""
    return middle(board, 140).repeat(3, axis=0).repeat(3, axis=1)


def main() -> None:
    chosen = options(__doc__)
    camera = photograph("camera", chosen.extent)
    first = cells = np.random.default_rng(1).random(camera.shape) < camera / 512
    for _ in range(100):
        cells = step(cells)
    print(f"game of life: {np.count_nonzero(first)} living cells, {np.count_nonzero(cells)} after 100 steps")
    show(chosen.picture, *(enlarged(np.asarray(255 * ~c, np.uint8)) for c in (first, cells)))


if __name__ == "__main__":
    main()
