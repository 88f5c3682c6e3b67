"""Grids of windows beside `jax.lax.conv_general_dilated`, whose `"SAME"` depends on the stride and on the extent.

Compared are shapes and every element, exactly: images and kernels are whole numbers. Drawn are one to three window
axes, batch axes, even and odd sizes, strides, dilations and a padding for each side. On purpose not compared: grids
without outputs, of which JAX makes empty arrays, and negative paddings, which are slices here.

``python -m tests.conformance.beside_jax seed count`` is a process of its own: JAX forbids forks in the process that
uses it, and other tests fork.
"""

import random
import sys

import numpy as np
from jax import lax

import kernelscape as ks
from tests.oracle import grids
from tests.oracle.comparison import assert_same
from tests.oracle.grids import Grid, draw_grid


def correlation(x, kernel, stride, padding, dilation):
    """Images with any batch axes in front, correlated one by one."""
    images = x.reshape(-1, 1, *x.shape[x.ndim - kernel.ndim :])
    found = np.asarray(lax.conv_general_dilated(images, kernel[None, None], stride, padding, rhs_dilation=dilation))
    return found.reshape(*x.shape[: x.ndim - kernel.ndim], *found.shape[2:])


def compare(grid: Grid) -> bool:
    """Give whether there was something to compare."""
    x, k = grid.arrays()
    wanted = correlation(x, k, grid.stride, grid.padding, grid.dilation)
    if wanted.size == 0:
        assert min(grid.counts) < 1
        return False
    assert_same(grids.correlation(x, k, grid), wanted)
    assert_same(ks.correlate(x, k, **grid.words), wanted)
    assert_same(ks.apply(lambda w, v: np.sum(w * v), x, ks.kernel(k), **grid.words), wanted)
    return True


def compare_words(grid: Grid) -> None:
    """JAX's words for a padding."""
    x, k = grid.arrays()
    reach = [d * (n - 1) + 1 for n, d in zip(grid.size, grid.dilation, strict=True)]
    for word in ("SAME", "SAME_LOWER", "VALID"):
        padding = [tuple(map(int, pair)) for pair in lax.padtype_to_pads(grid.extents, reach, grid.stride, word)]
        if word != "VALID":
            rows = zip(grid.extents, grid.size, grid.stride, grid.dilation, strict=True)
            assert [grids.jax_same(*row, lower=word == "SAME_LOWER") for row in rows] == padding
        wanted = correlation(x, k, grid.stride, word, grid.dilation)
        if wanted.size:
            assert_same(ks.correlate(x, k, **(grid.words | {"padding": padding})), wanted)


def compare_channels() -> None:
    """Channels are a window axis, and the results of several filters are stacked."""
    rng = np.random.default_rng(0)
    x, filters = (rng.integers(-9, 10, shape).astype(np.float32) for shape in ((2, 3, 12, 13), (4, 3, 3, 2)))
    wanted = np.asarray(lax.conv_general_dilated(x, filters, (2, 3), ((1, 0), (2, 2))))
    how = {"axes": (1, 2, 3), "mode": "constant", "stride": (1, 2, 3), "padding": ["valid", (1, 0), (2, 2)]}
    assert_same(np.concatenate([ks.correlate(x, f, **how) for f in filters], axis=1), wanted)


def main(seed: int, count: int) -> None:
    compared = 0
    for number in range(count):
        grid = draw_grid(random.Random(f"{seed} {number}"), batch=0 if number % 2 else None)
        try:
            compared += compare(grid)
            if number % 2:
                compare_words(grid)
        except Exception:
            sys.stderr.write(f"{grid!r}\n")
            raise
    compare_channels()
    sys.stdout.write(f"{compared} grids\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
