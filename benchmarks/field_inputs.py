"""What the jobs with a kernel for every pixel work on, and what is right: plain NumPy, in float64, one line per form.

A field is known here in one way only, as the array of all its weights, of shape (H, W, kh, kw). That is what no
contestant has to make (but `Dense` is given it), and it is affordable because only small images are compared with it.
"""

from collections.abc import Callable

import numpy as np
from scipy.spatial import Delaunay

from benchmarks.harness import Array

Inputs = Callable[[tuple[int, int], np.random.Generator], tuple[Array, ...]]
Weights = Callable[..., Array]

NODES = 8  # of a grid, along each axis
POINTS = 60
BASIS = 5
TRUNCATE = 4.0


# -- the images and the fields ----------------------------------------------------------------------------------------


def dense(side: int, taps_first: bool) -> Inputs:
    """Give a maker of an image and random weights: (H, W, k, k), or (k, k, H, W) in memory and then a view of it."""

    def make(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, ...]:
        image = rng.random(shape, dtype=np.float32)
        if taps_first:
            weights = rng.random((side, side, *shape), dtype=np.float32)
            return image, np.moveaxis(weights, (0, 1), (2, 3))
        return image, rng.random((*shape, side, side), dtype=np.float32)

    return make


def sigma_map(lowest: float, highest: float) -> Inputs:
    """Give a maker of an image and a smooth map of sigmas: waves, different along both axes, between two numbers."""

    def make(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, ...]:
        image = rng.random(shape, dtype=np.float32)
        y, x = (np.linspace(0, 1, extent) for extent in shape)
        waves = np.sin(5 * y + 1)[:, None] * np.cos(7 * x)
        fraction = (waves - waves.min()) / (waves.max() - waves.min())
        return image, (lowest + (highest - lowest) * fraction).astype(np.float32)

    return make


def node_positions(extent: int) -> Array:
    """Positions of nodes: at equal steps, as pylops asks, and away from the ends, so that kernels are held constant."""
    step = extent // NODES
    return (extent - (NODES - 1) * step) // 2 + step * np.arange(NODES)


def grid(side: int) -> Inputs:
    def make(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, ...]:
        kernels = rng.standard_normal((NODES, NODES, side, side), dtype=np.float32)
        return rng.random(shape, dtype=np.float32), kernels, node_positions(shape[0]), node_positions(shape[1])

    return make


def combination(side: int) -> Inputs:
    def make(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, ...]:
        basis = rng.standard_normal((BASIS, side, side), dtype=np.float32)
        return rng.random(shape, dtype=np.float32), basis, rng.random((BASIS, *shape), dtype=np.float32)

    return make


def points(side: int) -> Inputs:
    """Give a maker of an image, kernels, and points, among them the corners: no pixel is outside the hull."""

    def make(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, ...]:
        last = np.array(shape) - 1.0
        corners = last * [[0, 0], [0, 1], [1, 0], [1, 1]]
        places = np.concatenate([corners, last * rng.random((POINTS - len(corners), 2))])
        kernels = rng.standard_normal((POINTS, side, side), dtype=np.float32)
        return rng.random(shape, dtype=np.float32), kernels, places

    return make


# -- from a field to sums over few kernels ----------------------------------------------------------------------------


def radii_of(sigma: Array, size: int | None) -> Array:
    """The reach of each pixel's Gaussian: that of the window, or four sigmas, rounded as `scipy.ndimage` does."""
    if size is not None:
        return np.full(sigma.shape, size // 2, np.int32)
    return (TRUNCATE * sigma.astype(np.float64) + 0.5).astype(np.int32)


def hats(extent: int, nodes: Array) -> tuple[Array, Array]:
    """For each position the two nodes around it and their weights; constant outside of the nodes."""
    place = np.clip(np.arange(extent), nodes[0], nodes[-1])
    left = np.clip(np.searchsorted(nodes, place, side="right") - 1, 0, len(nodes) - 2)
    fraction = (place - nodes[left]) / (nodes[left + 1] - nodes[left])
    return np.stack([left, left + 1], axis=-1), np.stack([1 - fraction, fraction], axis=-1)


def terms_of_grid(shape: tuple[int, int], ys: Array, xs: Array) -> tuple[Array, Array]:
    """For each pixel the four nodes around it (counted in C order) and their weights, of shape (H, W, 4)."""
    (row, row_weight), (column, column_weight) = hats(shape[0], ys), hats(shape[1], xs)
    index = row[:, None, :, None] * len(xs) + column[None, :, None, :]
    weight = row_weight[:, None, :, None] * column_weight[None, :, None, :]
    return index.reshape(*shape, 4).astype(np.int32), weight.reshape(*shape, 4).astype(np.float32)


def terms_of_points(shape: tuple[int, int], places: Array) -> tuple[Array, Array]:
    """For each pixel the corners of its triangle and its barycentric coordinates, of shape (H, W, 3)."""
    mesh = Delaunay(places)
    pixels = np.indices(shape).reshape(2, -1).T.astype(np.float64)
    triangle = mesh.find_simplex(pixels, tol=1e-9)
    if np.any(triangle < 0):
        raise ValueError(f"{np.count_nonzero(triangle < 0)} pixels are outside the hull of the points")
    transform = mesh.transform[triangle]
    first = np.einsum("pij,pj->pi", transform[:, :2], pixels - transform[:, 2])
    weight = np.concatenate([first, 1 - first.sum(axis=1, keepdims=True)], axis=1)
    index = mesh.simplices[triangle]
    return index.reshape(*shape, 3).astype(np.int32), weight.reshape(*shape, 3).astype(np.float32)


# -- the array of all weights, from what the contestants get ----------------------------------------------------------


def dense_weights(_: Array, weights: Array) -> Array:
    return weights


def gaussian_weights(size: int | None) -> Weights:
    def make(_: Array, sigma: Array) -> Array:
        radii = radii_of(sigma, size)[:, :, None, None]
        offsets = np.arange(-radii.max(), radii.max() + 1)
        dy, dx = offsets[:, None], offsets
        values = np.exp(-0.5 * (dy**2 + dx**2) / sigma[:, :, None, None].astype(np.float64) ** 2)
        values[(np.abs(dy) > radii) | (np.abs(dx) > radii)] = 0
        return values / values.sum(axis=(2, 3), keepdims=True)

    return make


def blended(kernels: Array, index: Array, weight: Array) -> Array:
    values = kernels.astype(np.float64)[index]
    return np.einsum("yxt,yxtij->yxij", weight.astype(np.float64), values)


def grid_weights(image: Array, kernels: Array, ys: Array, xs: Array) -> Array:
    return blended(kernels.reshape(-1, *kernels.shape[2:]), *terms_of_grid(image.shape, ys, xs))


def points_weights(image: Array, kernels: Array, places: Array) -> Array:
    return blended(kernels, *terms_of_points(image.shape, places))


def combination_weights(_: Array, basis: Array, maps: Array) -> Array:
    return np.einsum("mij,myx->yxij", basis.astype(np.float64), maps.astype(np.float64))


# -- the two forms ----------------------------------------------------------------------------------------------------

PAD = {"constant": "constant", "reflect": "symmetric"}  # NumPy's words for the modes


def gather(image: Array, weights: Array, mode: str) -> Array:
    """Correlate: the kernel belongs to the output pixel."""
    height, width, *side = weights.shape
    padded = np.pad(image.astype(np.float64), [(k // 2, k // 2) for k in side], mode=PAD[mode])
    total = np.zeros((height, width))
    for i, j in np.ndindex(*side):
        total += weights[:, :, i, j] * padded[i : i + height, j : j + width]
    return total


def scatter(image: Array, weights: Array) -> Array:
    """Convolve: each pixel spreads its kernel; what falls outside is lost, as with a boundary of zeros."""
    height, width, *side = weights.shape
    total = np.zeros((height + side[0] - 1, width + side[1] - 1))
    for i, j in np.ndindex(*side):
        total[i : i + height, j : j + width] += weights[:, :, i, j] * image.astype(np.float64)
    return total[side[0] // 2 :, side[1] // 2 :][:height, :width]


def gathered(weights_of: Weights, mode: str) -> Callable[..., Array]:
    """Give a function of a job's inputs: the right result, as float32."""
    return lambda image, *field: gather(image, weights_of(image, *field), mode).astype(np.float32)


def spread(weights_of: Weights) -> Callable[..., Array]:
    """Give a function of a job's inputs: the right result of the form "scatter", as float32."""
    return lambda image, *field: scatter(image, weights_of(image, *field)).astype(np.float32)
