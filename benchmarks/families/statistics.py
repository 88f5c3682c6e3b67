"""Functions of a window: deviation, entropy, the greatest product, and a bilateral filter."""

from collections.abc import Callable, Sequence

import numpy as np
import scipy.ndimage
from numpy.lib.stride_tricks import sliding_window_view

import kernelscape as ks
from benchmarks.families.family import Case, Family, applied, contest
from benchmarks.harness import Array, Job
from benchmarks.peers import arrays, loops, opencv, pipelines

INSIDE = ("numba", "skimage")
SHARPNESS = np.float32(8.0)  # 1 / (2 sigma²) of the differences between floating samples: sigma 1/4
SIGMA_COLOUR = 0.25


def by_definition(function: Callable[..., Array], side: int, dtype: np.dtype) -> Callable[[Array], Array]:
    """The function on float64 windows, some rows of them at a time."""

    def right(image: Array) -> Array:
        padded = np.pad(image.astype(np.float64), side // 2, mode="symmetric")
        windows = sliding_window_view(padded, (side, side))
        rows = [function(windows[y : y + 1], axis=(-2, -1)) for y in range(len(image))]
        return np.concatenate(rows).astype(dtype)

    return right


def deviation(case: Case) -> Job:
    return contest(
        case,
        applied(lambda w: np.std(w), case, case.floating, dtype=case.floating),
        by_definition(np.std, case.side, case.floating),
        1e-13 if case.kind == "f64" else 4e-6,
        levels=0,
        inside=INSIDE,
        opencv=opencv.deviation(case.side),
        scipy=arrays.vectorized(np.std, case.side) if not case.is_integer else None,
        numba=loops.deviation(case.side, case.floating),
        halide=pipelines.deviation(case.side) if case.kind == "f32" else None,
        aside={"opencv": 1e-3},
        notes={"opencv": "E[w²] - E[w]² of two box filters: cancels where the mean exceeds the deviation"},
    )


def entropy(case: Case) -> Job:
    return contest(
        case,
        applied(lambda w: ks.entropy(w), case, np.float64),
        lambda image: scipy.ndimage.generic_filter(image, entropy_of, case.side, output=np.float64),
        1e-12,
        levels=0,
        inside=INSIDE,
        skimage=arrays.ranked("entropy", case.side, dtype=np.float64),
    )


def entropy_of(values: Array) -> float:
    counts = np.unique(values, return_counts=True)[1] / values.size
    return float(-np.sum(counts * np.log2(counts)))


def max_product(case: Case) -> Job:
    weights = np.random.default_rng(case.side).random((case.side,) * 2, dtype=np.float32)
    return contest(
        case,
        applied(lambda w: np.max(w * weights), case),
        by_definition(lambda w, axis: np.max(w.astype(np.float32) * weights, axis=axis), case.side, case.dtype),
        0,
        inside=INSIDE,
        scipy=arrays.vectorized(lambda w, axis: np.max(w * weights, axis=axis), case.side),
        numba=loops.max_product(weights),
        halide=pipelines.max_product(weights),
    )


def spatial_of(side: int) -> Array:
    offsets = np.arange(side, dtype=np.float32) - side // 2
    return np.exp(-(offsets[:, None] ** 2 + offsets**2) / np.float32(2 * sigma_space(side) ** 2))


def sigma_space(side: int) -> float:
    return side / 4


def bilateral(case: Case) -> Job:
    """A square window and float32: the filter as its formula has it."""
    spatial, middle = spatial_of(case.side), case.side // 2

    def ours(w: object) -> object:
        weights = spatial * np.exp(-((w - w[middle, middle]) ** 2) * SHARPNESS)
        return np.sum(w * weights) / np.sum(weights)

    def right(w: Array, axis: Sequence[int]) -> Array:
        centre = w[..., middle : middle + 1, middle : middle + 1]
        weights = spatial * np.exp(-((w - centre) ** 2) * SHARPNESS)
        return np.sum(w * weights, axis=axis) / np.sum(weights, axis=axis)

    return contest(
        case,
        applied(ours, case),
        by_definition(right, case.side, case.dtype),
        2e-6,
        inside=INSIDE,
        scipy=arrays.vectorized(right, case.side),
        numba=loops.bilateral(spatial, SHARPNESS),
        halide=pipelines.bilateral(spatial, SHARPNESS),
    )


def round_bilateral(case: Case) -> Job:
    """The window of OpenCV's filter, a disc; the scale of the differences goes with the dtype."""
    scale = 255.0 if case.is_integer else 1.0
    offsets = np.arange(case.side) - case.side // 2
    disc = offsets[:, None] ** 2 + offsets**2 <= (case.side // 2) ** 2
    spatial = spatial_of(case.side)[disc]
    middle, sharpness = len(spatial) // 2, np.float32(0.5 / (SIGMA_COLOUR * scale) ** 2)

    def function(w: object) -> object:
        weights = spatial * np.exp(-((w - w[middle]) ** 2) * sharpness)
        return np.sum(w * weights) / np.sum(weights)

    def right(image: Array) -> Array:
        padded = np.pad(image.astype(np.float64), case.side // 2, mode="symmetric")
        windows = sliding_window_view(padded, (case.side,) * 2)[..., disc]
        weights = spatial * np.exp(-((windows - windows[..., middle, None]) ** 2) * sharpness)
        found = np.sum(windows * weights, axis=-1) / np.sum(weights, axis=-1)
        return (np.rint(found) if case.is_integer else found).astype(case.dtype)

    return contest(
        case,
        applied(function, case, footprint=disc, dtype=np.float32),
        right,
        1e-4,
        opencv=opencv.bilateral(case.side, SIGMA_COLOUR * scale, sigma_space(case.side)),
        notes={"opencv": "takes its exponentials from a table"},
    )


STATISTICS = [
    Family("std", ("f32", "f64", "u8"), deviation),
    Family("entropy", ("u8",), entropy, result=np.float64),
    Family("max(w*k)", ("f32",), max_product),
    Family("bilateral", ("f32",), bilateral),
    Family("round bilateral", ("u8", "f32"), round_bilateral, sides=(5, 7, 9, 15, 21)),
]
