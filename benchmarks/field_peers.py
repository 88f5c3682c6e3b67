"""Who else computes with a kernel for every pixel: Numba loops, and what the packages offer.

Numba is how most people with such a job make it fast, so its loops are written as its manual advises: typed float32
arithmetic, rows in parallel, borders padded beforehand so that no loop asks about them. Where a sum may be reordered
without harm, `fastmath` allows Numba to vectorise it; the Gaussian with one `exp` per tap, which is the plain loop that
one finds everywhere, has it off. Nobody's arrays are converted while the clock runs.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import cv2
import numba
import numpy as np
import scipy.fft
import scipy.signal
from numba import njit, prange
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks import THREADS
from benchmarks.field_inputs import PAD, radii_of, terms_of_grid, terms_of_points
from benchmarks.harness import Array, Run, clock

numba.set_num_threads(THREADS)

F32 = np.float32
TIMED = 2**18  # pixels; smaller images are compared, not timed


def padded(image: Array, height: int, width: int, mode: str) -> Array:
    return np.pad(image, ((height // 2, height // 2), (width // 2, width // 2)), mode=PAD[mode])


def is_taps_first(weights: Array) -> bool:
    """Whether a dense field of shape (H, W, k, k) lies in memory as (k, k, H, W)."""
    return weights.strides[2] > weights.strides[1]


def fastest(runs: dict[str, Callable[[], Array]], size: int) -> Run:
    """Give the fastest of several ways to write the same; a small image, which nobody times, takes the first."""
    if size < TIMED:
        label = next(iter(runs))
    else:
        label = min(runs, key=lambda name: min(clock(Run(runs[name])) for _ in range(3)))
    return Run(runs[label], label)


# -- the limit: reading the weights -----------------------------------------------------------------------------------


@njit(nogil=True)
def _fold_words(words):
    total = np.uint64(0)
    for i in range(words.size):
        total ^= words[i]
    return total


@njit(parallel=True, nogil=True)
def _fold_parts(words, parts):
    length = words.size // parts
    totals = np.zeros(parts, np.uint64)
    for part in prange(parts):
        totals[part] = _fold_words(words[part * length : (part + 1) * length])
    rest = _fold_words(words[parts * length :])
    for part in range(parts):
        rest ^= totals[part]
    return rest


def words_of(weights: Array) -> Array:
    """The memory of a dense field, in its own order, as 64-bit words."""
    straight = np.moveaxis(weights, (2, 3), (0, 1)) if is_taps_first(weights) else weights
    whole = straight.size // 2 * 2
    return straight.reshape(-1)[:whole].view(np.uint64)


def bytes_of(word: np.uint64) -> Array:
    """A word as eight numbers that a float64 holds exactly."""
    return np.array([word], np.uint64).view(np.uint8)


def read(_: Array, weights: Array) -> Run:
    """Read K once, and do no more with it than must be: integers, because their sums vectorise in any order."""
    words = words_of(weights)
    return Run(lambda: bytes_of(_fold_parts(words, 256)), volume=words.nbytes)


def read_result(_: Array, weights: Array) -> Array:
    return bytes_of(np.bitwise_xor.reduce(words_of(weights)))


# -- dense fields -----------------------------------------------------------------------------------------------------


@njit(parallel=True, fastmath=True)
def _dense_pixels_first(source, weights, output):
    height, width, rows, columns = weights.shape
    for y in prange(height):
        for x in range(width):
            total = F32(0)
            for i in range(rows):
                for j in range(columns):
                    total += weights[y, x, i, j] * source[y + i, x + j]
            output[y, x] = total


@njit(parallel=True, fastmath=True)
def _dense_taps_first(source, weights, output):
    rows, columns, height, width = weights.shape
    for y in prange(height):
        row = output[y]
        row[:] = F32(0)
        for i in range(rows):
            for j in range(columns):
                tap = weights[i, j, y]
                samples = source[y + i, j : j + width]
                for x in range(width):
                    row[x] += tap[x] * samples[x]


def numba_dense(image: Array, weights: Array) -> Run:
    output = np.empty_like(image)
    rows, columns = weights.shape[2:]
    if is_taps_first(weights):
        loop, field = _dense_taps_first, np.moveaxis(weights, (2, 3), (0, 1))
    else:
        loop, field = _dense_pixels_first, weights

    def run() -> Array:
        loop(padded(image, rows, columns, "constant"), field, output)
        return output

    return Run(run)


def einsum(image: Array, weights: Array) -> Run:
    """`numpy.einsum` on windows."""
    output = np.empty_like(image)
    shape = weights.shape[2:]

    def run() -> Array:
        windows = sliding_window_view(padded(image, *shape, "constant"), shape)
        return np.einsum("yxij,yxij->yx", windows, weights, out=output)

    return Run(run)


def torch_unfold(image: Array, weights: Array) -> Run:
    """`torch.nn.functional.unfold`, multiply, sum; the fastest of the ways to say it for this order in memory."""
    import torch
    from torch.nn.functional import unfold

    torch.set_num_threads(THREADS)
    (height, width), side = image.shape, weights.shape[2]
    taps = side * side
    source = torch.from_numpy(image)[None, None]
    if is_taps_first(weights):
        field = torch.from_numpy(np.moveaxis(weights, (2, 3), (0, 1))).reshape(taps, -1)
        ways = {
            "(columns * K).sum(0)": lambda columns: (columns * field).sum(0),
            "columns.mul_(K).sum(0)": lambda columns: columns.mul_(field).sum(0),
            "einsum": lambda columns: torch.einsum("tp,tp->p", columns, field),
        }
    else:
        field = torch.from_numpy(weights).reshape(-1, taps)
        ways = {
            "(columns.T * K).sum(1)": lambda columns: (columns.T * field).sum(1),
            "columns.mul_(K.T).sum(0)": lambda columns: columns.mul_(field.T).sum(0),
            "einsum": lambda columns: torch.einsum("tp,pt->p", columns, field),
        }

    def run(way: Callable) -> Array:
        columns = unfold(source, side, padding=side // 2)[0]
        return way(columns).reshape(height, width).numpy()

    return fastest({label: partial(run, way) for label, way in ways.items()}, image.size)


def jax_local(image: Array, weights: Array) -> Run:
    """`jax.lax.conv_general_dilated_local`, compiled, with the weights in the order that it asks for."""
    import jax

    side = weights.shape[2]
    field = jax.numpy.asarray(np.moveaxis(weights, (2, 3), (0, 1)).reshape(1, side * side, *image.shape))
    source = jax.numpy.asarray(image[None, None])
    half = side // 2

    @jax.jit
    def work(source: "jax.Array", field: "jax.Array") -> "jax.Array":
        dimensions = ("NCHW", "OIHW", "NCHW")
        padding = [(half, half), (half, half)]
        return jax.lax.conv_general_dilated_local(
            source, field, (1, 1), padding, (side, side), (1, 1), (1, 1), dimensions
        )

    return Run(lambda: np.asarray(work(source, field))[0, 0])


@njit
def _spread_dense(image, weights, total):
    height, width, rows, columns = weights.shape
    for y in range(height):
        for x in range(width):
            value = image[y, x]
            for i in range(rows):
                for j in range(columns):
                    total[y + i, x + j] += weights[y, x, i, j] * value


def spread_into_padding(image: Array, rows: int, columns: int, spread: Callable[[Array], None]) -> Run:
    """Spread into an array with room for what falls outside, and cut that off."""
    total = np.empty((image.shape[0] + rows - 1, image.shape[1] + columns - 1), image.dtype)
    inside = total[rows // 2 :, columns // 2 :][: image.shape[0], : image.shape[1]]

    def run() -> Array:
        total.fill(0)
        spread(total)
        return inside

    return Run(run)


def numba_spread_dense(image: Array, weights: Array) -> Run:
    return spread_into_padding(image, *weights.shape[2:], lambda total: _spread_dense(image, weights, total))


# -- Gaussians --------------------------------------------------------------------------------------------------------


def _gaussian(source, border, sigma, radii, output):
    """One `exp` for each tap: the loop that everybody writes."""
    height, width = sigma.shape
    for y in prange(height):
        for x in range(width):
            factor = F32(-0.5) / (sigma[y, x] * sigma[y, x])
            radius = radii[y, x]
            total = F32(0)
            weights = F32(0)
            for dy in range(-radius, radius + 1):
                for dx in range(-radius, radius + 1):
                    weight = math.exp(F32(dy * dy + dx * dx) * factor)
                    weights += weight
                    total += weight * source[y + border + dy, x + border + dx]
            output[y, x] = total / weights


_gaussian_serial = njit(_gaussian)
_gaussian_parallel = njit(parallel=True)(_gaussian)


@njit(parallel=True, fastmath=True)
def _gaussian_separable(source, border, sigma, radii, output):
    """Two factors per pixel, with one `exp` for each distance: what one writes after a second thought."""
    height, width = sigma.shape
    for y in prange(height):
        row = np.empty(2 * border + 1, np.float32)
        for x in range(width):
            factor = F32(-0.5) / (sigma[y, x] * sigma[y, x])
            radius = radii[y, x]
            weights = F32(0)
            for d in range(radius + 1):
                row[radius + d] = math.exp(F32(d * d) * factor)
                row[radius - d] = row[radius + d]
            for d in range(2 * radius + 1):
                weights += row[d]
            total = F32(0)
            for i in range(2 * radius + 1):
                samples = source[y + border - radius + i, x + border - radius : x + border + radius + 1]
                line = F32(0)
                for j in range(2 * radius + 1):
                    line += row[j] * samples[j]
                total += row[i] * line
            output[y, x] = total / (weights * weights)


def _gaussian_run(loop: Callable, size: int | None, image: Array, sigma: Array) -> Run:
    output = np.empty_like(image)
    radii = radii_of(sigma, size)
    side = 2 * int(radii.max()) + 1

    def run() -> Array:
        loop(padded(image, side, side, "reflect"), side // 2, sigma, radii, output)
        return output

    return Run(run)


def numba_gaussian(size: int | None) -> Callable[..., Run]:
    return partial(_gaussian_run, _gaussian_serial, size)


def numba_gaussian_parallel(size: int | None) -> Callable[..., Run]:
    return partial(_gaussian_run, _gaussian_parallel, size)


def numba_gaussian_separable(size: int | None) -> Callable[..., Run]:
    return partial(_gaussian_run, _gaussian_separable, size)


@njit
def _spread_gaussian(image, border, sigma, radii, total):
    height, width = sigma.shape
    kernel = np.empty((2 * border + 1, 2 * border + 1), np.float32)
    for y in range(height):
        for x in range(width):
            factor = F32(-0.5) / (sigma[y, x] * sigma[y, x])
            radius = radii[y, x]
            weights = F32(0)
            for dy in range(-radius, radius + 1):
                for dx in range(-radius, radius + 1):
                    weight = math.exp(F32(dy * dy + dx * dx) * factor)
                    kernel[dy + radius, dx + radius] = weight
                    weights += weight
            value = image[y, x] / weights
            for dy in range(-radius, radius + 1):
                for dx in range(-radius, radius + 1):
                    total[y + border + dy, x + border + dx] += kernel[dy + radius, dx + radius] * value


def numba_spread_gaussian(size: int | None) -> Callable[..., Run]:
    def make(image: Array, sigma: Array) -> Run:
        radii = radii_of(sigma, size)
        border = int(radii.max())
        side = 2 * border + 1
        spread = partial(_spread_gaussian, image, border, sigma, radii)
        return spread_into_padding(image, side, side, spread)

    return make


# -- few of many kernels at each pixel: grids and scattered points ----------------------------------------------------


@njit(parallel=True, fastmath=True)
def _blend(source, kernels, index, weight, output):
    height, width, terms = index.shape
    rows, columns = kernels.shape[1:]
    nodes = kernels.reshape(len(kernels), rows * columns)
    for y in prange(height):
        kernel = np.empty(rows * columns, np.float32)
        for x in range(width):
            kernel[:] = F32(0)
            for term in range(terms):
                node = nodes[index[y, x, term]]
                share = weight[y, x, term]
                for tap in range(rows * columns):
                    kernel[tap] += share * node[tap]
            total = F32(0)
            for i in range(rows):
                line = kernel[i * columns : (i + 1) * columns]
                samples = source[y + i, x : x + columns]
                for j in range(columns):
                    total += line[j] * samples[j]
            output[y, x] = total


@njit(fastmath=True)
def _spread_blend(image, kernels, index, weight, total):
    height, width, terms = index.shape
    rows, columns = kernels.shape[1:]
    nodes = kernels.reshape(len(kernels), rows * columns)
    kernel = np.empty(rows * columns, np.float32)
    for y in range(height):
        for x in range(width):
            kernel[:] = F32(0)
            for term in range(terms):
                node = nodes[index[y, x, term]]
                share = weight[y, x, term] * image[y, x]
                for tap in range(rows * columns):
                    kernel[tap] += share * node[tap]
            for i in range(rows):
                line = kernel[i * columns : (i + 1) * columns]
                sums = total[y + i, x : x + columns]
                for j in range(columns):
                    sums[j] += line[j]


def _blend_run(image: Array, kernels: Array, index: Array, weight: Array, mode: str) -> Run:
    output = np.empty_like(image)
    rows, columns = kernels.shape[1:]

    def run() -> Array:
        _blend(padded(image, rows, columns, mode), kernels, index, weight, output)
        return output

    return Run(run)


def numba_grid(image: Array, kernels: Array, ys: Array, xs: Array) -> Run:
    nodes = kernels.reshape(-1, *kernels.shape[2:])
    return _blend_run(image, nodes, *terms_of_grid(image.shape, ys, xs), "constant")


def numba_points(image: Array, kernels: Array, places: Array) -> Run:
    return _blend_run(image, kernels, *terms_of_points(image.shape, places), "reflect")


def numba_spread_grid(image: Array, kernels: Array, ys: Array, xs: Array) -> Run:
    nodes = kernels.reshape(-1, *kernels.shape[2:])
    index, weight = terms_of_grid(image.shape, ys, xs)
    rows, columns = kernels.shape[2:]
    return spread_into_padding(image, rows, columns, lambda total: _spread_blend(image, nodes, index, weight, total))


@contextmanager
def numba_threads(number: int) -> Iterator[None]:
    before = numba.get_num_threads()
    numba.set_num_threads(number)
    try:
        yield
    finally:
        numba.set_num_threads(before)


_pylops_compiled: dict[str, Callable] = {}


def _pylops_operator(image: Array, kernels: Array, ys: Array, xs: Array) -> object:
    from pylops.signalprocessing import NonStationaryConvolve2D

    places = (tuple(map(int, nodes)) for nodes in (ys, xs))
    operator = NonStationaryConvolve2D(image.shape, kernels, *places, engine="numba", dtype="float32")
    # Every operator compiles the same function for itself, for seconds; one of them is enough.
    operator._mvrmv = _pylops_compiled.setdefault("function", operator._mvrmv)
    return operator


def pylops_gather(image: Array, kernels: Array, ys: Array, xs: Array) -> Run:
    """The adjoint of pylops' operator: the kernel belongs to the output pixel, and is not flipped."""
    operator = _pylops_operator(image, kernels, ys, xs)
    flat = image.reshape(-1)
    return Run(lambda: operator.rmatvec(flat).reshape(image.shape))


def pylops_scatter(image: Array, kernels: Array, ys: Array, xs: Array) -> Run:
    """pylops' operator itself.

    Its threads add to the same outputs without waiting for each other, which usually ends well on a large image; small
    images, which are only compared, get one thread, so that the check always says the same.
    """
    operator = _pylops_operator(image, kernels, ys, xs)
    flat = image.reshape(-1)
    threads = 1 if image.size < TIMED else THREADS

    def run() -> Array:
        with numba_threads(threads):
            return operator.matvec(flat).reshape(image.shape)

    return Run(run)


# -- combinations of a few fixed kernels ------------------------------------------------------------------------------


def _weighted_sum(maps: Array, filtered: Callable[[int], Array], output: Array, term: Array) -> Array:
    cv2.multiply(filtered(0), maps[0], dst=output)
    for number in range(1, len(maps)):
        cv2.multiply(filtered(number), maps[number], dst=term)
        cv2.add(output, term, dst=output)
    return output


def opencv_combination(image: Array, basis: Array, maps: Array) -> Run:
    result, output, term = (np.empty_like(image) for _ in range(3))

    def filtered(number: int) -> Array:
        return cv2.filter2D(image, -1, basis[number], dst=result, borderType=cv2.BORDER_REFLECT)

    return Run(lambda: _weighted_sum(maps, filtered, output, term))


def overlap_add_combination(image: Array, basis: Array, maps: Array) -> Run:
    """`scipy.signal.oaconvolve`: transforms of blocks, with both threads."""
    output, term = np.empty_like(image), np.empty_like(image)
    flipped = basis[:, ::-1, ::-1]

    def run() -> Array:
        source = padded(image, *basis.shape[1:], "reflect")
        with scipy.fft.set_workers(THREADS):
            return _weighted_sum(
                maps, lambda number: scipy.signal.oaconvolve(source, flipped[number], mode="valid"), output, term
            )

    return Run(run)
