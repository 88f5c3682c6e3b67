"""Strided, dilated and padded windows in plain NumPy, from the formulas that PyTorch and JAX document; and drawn ones.

An array is padded with a constant, and output o sees the samples ``o*stride + dilation*i`` of what comes of it. Nothing
of the library takes part. The draws are plain data, whose repr is all that is needed to run a case again.
"""

from dataclasses import dataclass
from random import Random

import numpy as np


@dataclass(frozen=True)
class Grid:
    """One case: extents of batch and window axes, and everything about the windows, per window axis."""

    batch: tuple[int, ...]
    extents: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    seed: int

    @property
    def ndim(self):
        return len(self.extents)

    @property
    def counts(self):
        """Output extents, which are below 1 where no window fits."""
        rows = zip(self.extents, self.padding, self.dilation, self.size, self.stride, strict=True)
        return tuple((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in rows)

    @property
    def words(self):
        """The keywords of `correlate`."""
        axes = tuple(range(len(self.batch), len(self.batch) + self.ndim))
        return {
            "stride": self.stride,
            "dilation": self.dilation,
            "padding": list(self.padding),
            "axes": axes,
            "mode": "constant",
        }

    def arrays(self, dtype=np.float32):
        """Image and kernel of small whole numbers, whose sums of products are exact in any order."""
        rng = np.random.default_rng(self.seed)
        return tuple(rng.integers(-9, 10, shape).astype(dtype) for shape in ((*self.batch, *self.extents), self.size))


def draw_grid(random: Random, *, ndim=None, batch=None) -> Grid:
    """Any geometry: even and odd sizes, strides beyond the extent, windows beyond the array, a padding per side."""
    ndim = ndim or random.choice((1, 2, 2, 3))
    batch = tuple(random.randint(1, 3) for _ in range(random.randint(0, 2) if batch is None else batch))
    extents = tuple(random.randint(1, {1: 90, 2: 40, 3: 14}[ndim]) for _ in range(ndim))
    return Grid(
        batch=batch,
        extents=extents,
        size=tuple(random.randint(1, {1: 9, 2: 6, 3: 4}[ndim]) for _ in range(ndim)),
        stride=tuple(random.choice((1, 2, 3, 4, 5, 8, max(1, n - 1), n, n + 1)) for n in extents),
        dilation=tuple(random.choice((1, 1, 2, 3, 4)) for _ in range(ndim)),
        padding=tuple((random.randint(0, 7), random.randint(0, 7)) for _ in range(ndim)),
        seed=random.randint(0, 2**20),
    )


def windows(array, grid: Grid, fill=0):
    """Give all windows, in an array of shape ``batch + counts + size``."""
    lead = len(grid.batch)
    found = np.pad(array, ((0, 0),) * lead + grid.padding, constant_values=fill)
    for axis, (count, k, s, d) in enumerate(zip(grid.counts, grid.size, grid.stride, grid.dilation, strict=True)):
        places = s * np.arange(count)[:, None] + d * np.arange(k)
        found = np.take(found, places, axis=lead + 2 * axis)
    # Each axis has become (outputs, samples): the samples go last.
    outputs = [lead + 2 * axis for axis in range(grid.ndim)]
    return found.transpose(*range(lead), *outputs, *(axis + 1 for axis in outputs))


def correlation(array, kernel, grid: Grid):
    """Give the sums of products."""
    return np.tensordot(windows(array, grid), kernel, axes=grid.ndim)


# -- which padding other libraries choose ------------------------------------------------------------------------------


def torch_same(k, d=1):
    """``torch.nn.functional.conv2d(padding="same")``: half of what is needed on each side, an odd one behind."""
    total = d * (k - 1)
    return total // 2, total - total // 2


def jax_same(n, k, s=1, d=1, *, lower=False):
    """``jax.lax.padtype_to_pads``: what ceil(n/s) outputs need, an odd one behind (``"SAME_LOWER"``: before)."""
    total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
    less, more = total // 2, total - total // 2
    return (more, less) if lower else (less, more)
