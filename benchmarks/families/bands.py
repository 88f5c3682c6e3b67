"""Kernels that let a band of frequencies pass: they are no outer product of two vectors, but the sum of a few."""

import numpy as np

from benchmarks.families.family import Case, Family
from benchmarks.families.linear import correlation_with
from benchmarks.harness import Array, Job, Run
from benchmarks.peers import Factory, opencv

WIDER = 1.6
"""The ratio of the two widths of a difference of Gaussians for which it is nearest to a Laplacian."""


def gaussian_line(side: int, sigma: float) -> Array:
    line = np.exp(-0.5 * ((np.arange(side) - side // 2) / sigma) ** 2)
    return line / line.sum()


def two_blurs(lines: tuple[Array, Array]) -> Factory:
    """OpenCV's two separable filters, and their difference, as its users write it."""
    factories = [opencv.separated(line.astype(np.float32)) for line in lines]

    def make(image: Array) -> Run:
        first, second = (factory(image) for factory in factories)
        output = np.empty_like(image)
        return Run(lambda: np.subtract(first(), second(), out=output))

    return make


def difference_of_gaussians(case: Case) -> Job:
    sigma = (case.side - 1) / 8
    lines = gaussian_line(case.side, sigma), gaussian_line(case.side, WIDER * sigma)
    weights = np.outer(lines[0], lines[0]) - np.outer(lines[1], lines[1])
    return correlation_with(
        weights.astype(case.floating),
        case,
        aside={"opencv sepFilter2D": 2e-5},
        notes={"opencv sepFilter2D": "what two blurs rounded remains in their difference"},
        opencv_sepFilter2D=two_blurs(lines),
    )


def laplacian_of_gaussian(case: Case) -> Job:
    """With a sum of 0, as the truncated one has not."""
    y, x = np.mgrid[: case.side, : case.side] - case.side // 2
    square = (x**2 + y**2) / (2 * ((case.side - 1) / 8) ** 2)
    weights = (square - 1) * np.exp(-square)
    return correlation_with((weights - weights.mean()).astype(case.floating), case)


def gabor(case: Case) -> Job:
    y, x = np.mgrid[: case.side, : case.side] - case.side // 2
    sigma, angle = (case.side - 1) / 6, 0.6
    along = x * np.cos(angle) + y * np.sin(angle)
    weights = np.exp(-(x**2 + y**2) / (2 * sigma**2)) * np.cos(np.pi * along / sigma)
    return correlation_with(weights.astype(case.floating), case)


BANDS = [
    Family("difference of Gaussians", ("f32",), difference_of_gaussians, (9, 15, 31)),
    Family("Laplacian of Gaussian", ("f32",), laplacian_of_gaussian, (9, 15, 31)),
    Family("Gabor", ("f32",), gabor, (11, 21, 31)),
]
