"""Numba: plain loops, rows in parallel, fastmath off, written so that the innermost loop runs along memory.

A loop over the taps outside and over x inside vectorises without reordering a sum. The border is left out, as Numba's
own stencils leave it.
"""

import math
from collections.abc import Callable

import numba
import numpy as np
from numba import njit, prange

from benchmarks import THREADS
from benchmarks.harness import Array, Run
from benchmarks.peers import Factory

numba.set_num_threads(THREADS)


@njit(parallel=True)
def _correlate(image, weights, output):
    rows, columns = weights.shape
    height, width = image.shape[0] - rows + 1, image.shape[1] - columns + 1
    for y in prange(height):
        total = np.zeros(width, weights.dtype)
        for i in range(rows):
            for j in range(columns):
                weight, source = weights[i, j], image[y + i, j : j + width]
                for x in range(width):
                    total[x] += weight * source[x]
        output[y, :] = total


@njit(parallel=True)
def _correlate_integers(image, weights, output):
    rows, columns = weights.shape
    height, width = image.shape[0] - rows + 1, image.shape[1] - columns + 1
    for y in prange(height):
        total = np.full(width, weights.dtype.type(0.5))
        for i in range(rows):
            for j in range(columns):
                weight, source = weights[i, j], image[y + i, j : j + width]
                for x in range(width):
                    total[x] += weight * source[x]
        for x in range(width):
            output[y, x] = output.dtype.type(total[x])


@njit(parallel=True)
def _separated(image, line, output):
    side = len(line)
    height, width = image.shape[0] - side + 1, image.shape[1] - side + 1
    for y in prange(height):
        columns = np.zeros(image.shape[1], line.dtype)
        for i in range(side):
            weight, source = line[i], image[y + i]
            for x in range(source.size):
                columns[x] += weight * source[x]
        row = output[y]
        row[:] = 0
        for j in range(side):
            weight, source = line[j], columns[j : j + width]
            for x in range(width):
                row[x] += weight * source[x]


BLOCK = 4096


@njit(parallel=True)
def _correlate_line(line, weights, output):
    side = len(weights)
    for block in prange(-(-output.size // BLOCK)):
        start = block * BLOCK
        total = output[start : start + BLOCK]
        total[:] = 0
        for j in range(side):
            weight, source = weights[j], line[start + j : start + j + total.size]
            for x in range(total.size):
                total[x] += weight * source[x]


@njit(parallel=True)
def _greatest_of_line(line, side, output):
    for block in prange(-(-output.size // BLOCK)):
        start = block * BLOCK
        best = output[start : start + BLOCK]
        best[:] = line[start : start + best.size]
        for j in range(1, side):
            source = line[start + j : start + j + best.size]
            for x in range(best.size):
                best[x] = max(best[x], source[x])


@njit(parallel=True)
def _greatest(image, side, output):
    height, width = image.shape[0] - side + 1, image.shape[1] - side + 1
    for y in prange(height):
        columns = image[y].copy()
        for i in range(1, side):
            source = image[y + i]
            for x in range(source.size):
                columns[x] = max(columns[x], source[x])
        row = output[y]
        row[:] = columns[:width]
        for j in range(1, side):
            source = columns[j : j + width]
            for x in range(width):
                row[x] = max(row[x], source[x])


@njit(parallel=True)
def _max_product(image, weights, output):
    rows, columns = weights.shape
    height, width = image.shape[0] - rows + 1, image.shape[1] - columns + 1
    for y in prange(height):
        row = output[y]
        row[:] = -np.inf
        for i in range(rows):
            for j in range(columns):
                weight, source = weights[i, j], image[y + i, j : j + width]
                for x in range(width):
                    row[x] = max(row[x], weight * source[x])


@njit(parallel=True)
def _deviation(image, side, output):
    height, width = image.shape[0] - side + 1, image.shape[1] - side + 1
    number = output.dtype.type(side * side)
    for y in prange(height):
        mean, square = np.zeros(width, output.dtype), np.zeros(width, output.dtype)
        for i in range(side):
            for j in range(side):
                source = image[y + i, j : j + width]
                for x in range(width):
                    mean[x] += source[x]
        for x in range(width):
            mean[x] /= number
        for i in range(side):
            for j in range(side):
                source = image[y + i, j : j + width]
                for x in range(width):
                    square[x] += (source[x] - mean[x]) ** 2
        for x in range(width):
            output[y, x] = math.sqrt(square[x] / number)


@njit(parallel=True)
def _bilateral(image, spatial, sharpness, output):
    side = len(spatial)
    height, width = image.shape[0] - side + 1, image.shape[1] - side + 1
    for y in prange(height):
        total, weights = np.zeros(width, image.dtype), np.zeros(width, image.dtype)
        middle = image[y + side // 2, side // 2 : side // 2 + width]
        for i in range(side):
            for j in range(side):
                near, source = spatial[i, j], image[y + i, j : j + width]
                for x in range(width):
                    distance = source[x] - middle[x]
                    weight = near * math.exp(-(distance * distance) * sharpness)
                    weights[x] += weight
                    total[x] += weight * source[x]
        for x in range(width):
            output[y, x] = total[x] / weights[x]


@njit(parallel=True)
def _correlate_volume(image, weights, output):
    side = len(weights)
    width = image.shape[2] - side + 1
    for z in prange(image.shape[0] - side + 1):
        for y in range(image.shape[1] - side + 1):
            row = output[z, y]
            row[:] = 0
            for k in range(side):
                for i in range(side):
                    for j in range(side):
                        weight, source = weights[k, i, j], image[z + k, y + i, j : j + width]
                        for x in range(width):
                            row[x] += weight * source[x]


def looped(loop: Callable[..., None], side: int, *arguments: object, dtype: object = None) -> Factory:
    """A contestant from a loop that takes the image, further arguments and the output."""

    def make(image: Array) -> Run:
        output = np.empty([n - side + 1 for n in image.shape], dtype or image.dtype)

        def work() -> Array:
            loop(image, *arguments, output)
            return output

        return Run(work)

    return make


def correlated(weights: Array, integers: bool) -> Factory:
    loops = {1: _correlate_line, 2: _correlate_integers if integers else _correlate, 3: _correlate_volume}
    return looped(loops[weights.ndim], len(weights), weights)


def separated(line: Array) -> Factory:
    """The same weights along both axes."""
    return looped(_separated, len(line), line)


def greatest(side: int, dimensions: int = 2) -> Factory:
    return looped(_greatest if dimensions == 2 else _greatest_of_line, side, side)


def max_product(weights: Array) -> Factory:
    return looped(_max_product, len(weights), weights)


def deviation(side: int, dtype: object) -> Factory:
    return looped(_deviation, side, side, dtype=dtype)


def bilateral(spatial: Array, sharpness: np.floating) -> Factory:
    return looped(_bilateral, len(spatial), spatial, sharpness)
