"""Weighted sums: a correlation without structure, the mean, the Gaussian, and a correlation at every other pixel."""

from collections.abc import Callable

import numpy as np
import scipy.ndimage

import kernelscape as ks
from benchmarks.families.family import Case, Family, applied, contest, correlated, rounded
from benchmarks.harness import Array, Job
from benchmarks.peers import Factory, arrays, loops, opencv, pipelines, tensors


def weights_of(case: Case, dimensions: int = 2) -> Array:
    """Random weights: of both signs for floating images; for integers positive, with sum 1, so that none saturates."""
    shape = (case.side,) * dimensions
    rng = np.random.default_rng(case.side)
    if not case.is_integer:
        return rng.standard_normal(shape).astype(case.floating)
    positive = rng.random(shape)
    return (positive / positive.sum()).astype(case.floating)


def sigma_of(side: int) -> float:
    """The width for which a window of this size holds three sigmas to either side."""
    return (side - 1) / 6


def gaussian_line(case: Case) -> Array:
    offsets = np.arange(case.side) - case.side // 2
    line = np.exp(-0.5 * (offsets / sigma_of(case.side)) ** 2)
    return (line / line.sum()).astype(case.floating)


def exact(weights: Array, case: Case, stride: int = 1, mode: str = "reflect") -> Callable[[Array], Array]:
    """SciPy's sum in float64."""

    def right(image: Array) -> Array:
        kernel = weights.astype(np.float64)
        kernel = kernel[..., None] if image.ndim > kernel.ndim else kernel
        found = scipy.ndimage.correlate(image.astype(np.float64), kernel, mode=mode)
        return rounded(found, case.dtype)[(slice(None, None, stride),) * weights.ndim]

    return right


def tolerance_of(case: Case) -> float:
    """For sums of up to 225 products; the rounding of longer ones grows with the root of their number."""
    return (1e-14 if case.dtype == np.float64 else 2e-6) * max(1.0, case.side / 15)


ZERO_BORDERS = ("torch", "jax", "numba", "astropy", "skimage")


def correlation(case: Case) -> Job:
    return correlation_with(weights_of(case), case)


def correlation_with(
    weights: Array,
    case: Case,
    aside: dict[str, float] | None = None,
    notes: dict[str, str] | None = None,
    **more: Factory,
) -> Job:
    """Correlation with some weights, by those who do it with any; `more` know how these weights are made."""
    plain, real = not case.is_coloured, not case.is_integer and not case.is_coloured
    return contest(
        case,
        correlated(weights),
        exact(weights, case),
        tolerance_of(case),
        inside=ZERO_BORDERS,
        opencv=opencv.correlated(weights),
        scipy=arrays.ndimage(scipy.ndimage.correlate, weights) if real else None,
        numba=loops.correlated(weights, case.is_integer) if plain else None,
        torch=tensors.torch_correlated(weights) if real else None,
        jax=tensors.jax_correlated(weights) if case.kind == "f32" else None,
        halide=pipelines.correlated(weights) if real else None,
        astropy=arrays.astropy(weights) if case.kind == "f64" else None,
        aside=aside,
        notes=notes,
        **more,
    )


def mean(case: Case) -> Job:
    weights = np.full((case.side,) * 2, 1 / case.side**2)
    real = not case.is_integer
    return contest(
        case,
        applied(lambda w: np.mean(w), case),
        exact(weights, case),
        tolerance_of(case),
        inside=ZERO_BORDERS,
        opencv=opencv.averaged(case.side),
        scipy=arrays.ndimage(scipy.ndimage.uniform_filter, case.side),
        scipy_float32=arrays.averaged_in_floats(case.side) if case.is_integer else None,
        skimage=arrays.ranked("mean", case.side) if case.kind == "u8" else None,
        numba=loops.separated(np.full(case.side, 1 / case.side, case.floating)) if real else None,
        halide=pipelines.averaged(case.side, case.dtype) if real else None,
        aside={"scipy": 0.02} if case.is_integer else {},
        notes={"scipy": "rounds after each axis"} if case.is_integer else {},
        torch=tensors.torch_pooled("avg", case.side) if real else None,
        jax=tensors.jax_reduced("add", case.side) if case.kind == "f32" else None,
    )


def gaussian(case: Case) -> Job:
    line, sigma = gaussian_line(case), sigma_of(case.side)
    weights = np.outer(line.astype(np.float64), line)
    return contest(
        case,
        correlated(ks.kernels.Gaussian(sigma, size=case.side), **({"dtype": case.floating} if case.is_integer else {})),
        exact(weights, case),
        tolerance_of(case),
        inside=ZERO_BORDERS,
        opencv=opencv.blurred(case.side, sigma),
        opencv_sepFilter2D=opencv.separated(line),
        scipy=arrays.separated(line) if not case.is_integer else None,
        numba=loops.separated(line) if not case.is_integer else None,
        halide=pipelines.separated(line) if not case.is_integer else None,
        coarse={"opencv": 2.0} if case.is_integer else {},
        notes={"opencv": "weights of 8 or 16 bits: within two grey levels"} if case.is_integer else {},
    )


def strided(case: Case) -> Job:
    weights = weights_of(case)
    return contest(
        case,
        correlated(weights, stride=2),
        exact(weights, case, stride=2),
        tolerance_of(case),
        inside=ZERO_BORDERS,
        torch=tensors.torch_correlated(weights, stride=2),
        opencv=opencv.correlated(weights, stride=2),
        notes={"opencv": "has no strides: all pixels, then every other one"},
    )


LINEAR = [
    Family("correlate", ("f32", "f64", "u8", "u16", "rgb u8", "rgb f32"), correlation, is_product_sum=True),
    Family("mean", ("f32", "f64", "u8", "u16"), mean),
    Family("Gaussian", ("f32", "f64", "u8", "u16"), gaussian),
    Family("strided correlate", ("f32",), strided, stride=2, is_product_sum=True),
]
