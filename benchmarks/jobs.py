"""The table of jobs: one entry each. A new job is a new entry; nothing else knows a job by name.

Kernelscape's functions are plain lambdas, as a user would write them; the peers use what their own users would use.
"""

import functools
from collections.abc import Callable, Sequence

import cv2
import halide as hl
import numpy as np
import scipy.ndimage

import kernelscape as ks
from benchmarks import THREADS
from benchmarks.fields import FIELD_JOBS
from benchmarks.geometry import GEOMETRY_JOBS
from benchmarks.halide_pipelines import Search, bilateral, difference_of_squares, local_std, max_product
from benchmarks.harness import OURS, Array, Job, Run

cv2.setNumThreads(THREADS)

SIDE = 5
SHARPNESS = np.float32(8.0)
_offsets = np.arange(SIDE, dtype=np.float32) - SIDE // 2
SPATIAL = np.exp(-(_offsets[:, None] ** 2 + _offsets**2) / np.float32(8.0))
KERNEL = np.random.default_rng(5).random((SIDE, SIDE), dtype=np.float32)

IN_GRID = "Correlations and medians"
"""The heading of what the grid has, too."""

Inputs = Callable[[tuple[int, int], np.random.Generator], tuple[Array, ...]]


def images(number: int, dtype: type[np.generic] = np.float32, *extra: Array) -> Inputs:
    """Give a maker of `number` random images (floats in [0, 1), or all values of an integer) and further arrays."""

    def make(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, ...]:
        if np.issubdtype(dtype, np.integer):
            whole = [rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True) for _ in range(number)]
            return (*whole, *extra)
        return (*(rng.random(shape, dtype=dtype) for _ in range(number)), *extra)

    return make


def ours(function: Callable[..., object], size: int, mode: str = "reflect", number: int = 1) -> Callable[..., Run]:
    """Prepare `ks.apply`; its output has the dtype of the input, as the peers' has."""

    def make(*arrays: Array) -> Run:
        output = np.empty_like(arrays[0])
        settings = {"size": size, "mode": mode, "output": output, "workers": THREADS}
        return Run(lambda: ks.apply(function, *arrays[:number], **settings))

    return make


def our_correlate(image: Array, weights: Array) -> Run:
    output = np.empty_like(image)
    return Run(lambda: ks.correlate(image, weights, mode="reflect", output=output, workers=THREADS))


def opencv_filter(image: Array, weights: Array) -> Run:
    output = np.empty_like(image)
    return Run(lambda: cv2.filter2D(image, -1, weights, dst=output, borderType=cv2.BORDER_REFLECT))


def opencv_median(image: Array, side: int) -> Run:
    output = np.empty_like(image)
    return Run(lambda: cv2.medianBlur(image, side, dst=output))


def scipy_correlate(image: Array, weights: Array) -> Run:
    output = np.empty_like(image)
    return Run(lambda: scipy.ndimage.correlate(image, weights, output=output, mode="reflect"))


def scipy_median(image: Array, side: int) -> Run:
    output = np.empty_like(image)
    return Run(lambda: scipy.ndimage.median_filter(image, side, output=output, mode="nearest"))


def scipy_vectorized(function: Callable[..., Array]) -> Callable[..., Run]:
    def make(image: Array, *_: Array) -> Run:
        output = np.empty_like(image)

        def run() -> Array:
            scipy.ndimage.vectorized_filter(image, function, size=SIDE, mode="reflect", output=output)
            return output

        return Run(run)

    return make


def scipy_difference_of_squares(a: Array, b: Array) -> Run:
    """No function of two windows in SciPy: the squares by NumPy, then a box sum."""
    output = np.empty_like(a)
    box = np.ones((SIDE, SIDE), np.float32)
    return Run(lambda: scipy.ndimage.correlate(a**2 - b**2, box, output=output, mode="reflect"))


def vectorized_bilateral(w: Array, axis: Sequence[int]) -> Array:
    weights = SPATIAL * np.exp(-((w - w[..., 2:3, 2:3]) ** 2) * SHARPNESS)
    return np.sum(w * weights, axis=axis) / np.sum(weights, axis=axis)


def halide(**variants: Callable[[], object]) -> Callable[..., Run]:
    return Search(variants).contestant


def correlation(side: int) -> Job:
    weights = np.random.default_rng(side).standard_normal((side, side), dtype=np.float32)
    return Job(
        name=f"correlate f32 {side}x{side}",
        table=IN_GRID,
        inputs=images(1, np.float32, weights),
        contestants={OURS: our_correlate, "opencv": opencv_filter, "scipy": scipy_correlate},
        oracle="scipy",
        tolerance=2e-6,  # sums of up to 225 products in float32, against SciPy's in float64
        goals={"opencv": 4.0 if side == 15 else 1.0},
    )


def median(dtype: type[np.generic], side: int, goal: float) -> Job:
    return Job(
        name=f"median {np.dtype(dtype).name} {side}x{side}",
        table=IN_GRID,
        inputs=images(1, dtype),
        contestants={
            OURS: ours(lambda w: np.median(w), side, mode="nearest"),
            "opencv": functools.partial(opencv_median, side=side),
            "scipy": functools.partial(scipy_median, side=side),
        },
        oracle="scipy",
        tolerance=0,
        goals={"opencv": goal},
    )


WINDOW_FUNCTIONS = [
    Job(
        name="max(w*k) 5x5",
        inputs=images(1, np.float32, KERNEL),
        contestants={
            OURS: ours(lambda w: np.max(w * KERNEL), SIDE),
            "halide": halide(
                data=functools.partial(max_product, SIDE),
                constants=functools.partial(max_product, SIDE, constants=KERNEL),
            ),
            "scipy": scipy_vectorized(lambda w, axis: np.max(w * KERNEL, axis=axis)),
        },
        oracle="scipy",
        tolerance=0,
        goals={"halide": 1.0, "scipy": 200.0},
    ),
    Job(
        name="sum(A²-B²) 5x5",
        inputs=images(2),
        contestants={
            OURS: ours(lambda a, b: np.sum(a**2 - b**2), SIDE, number=2),
            "halide": halide(
                taps=functools.partial(difference_of_squares, SIDE, separable=False),
                separable=functools.partial(difference_of_squares, SIDE, separable=True),
            ),
            "scipy": scipy_difference_of_squares,
        },
        oracle="scipy",
        tolerance=2e-6,
        goals={"halide": 1.0},
        notes={"scipy": "not `vectorized_filter`, which takes one input: NumPy squares, then `ndimage.correlate`"},
    ),
    Job(
        name="local std 5x5",
        inputs=images(1),
        contestants={
            OURS: ours(lambda w: np.std(w), SIDE),
            "halide": halide(two_passes=functools.partial(local_std, SIDE, one_pass=False, separable=False)),
            "halide one-pass": halide(
                one_pass=functools.partial(local_std, SIDE, one_pass=True, separable=False),
                one_pass_separable=functools.partial(local_std, SIDE, one_pass=True, separable=True),
            ),
            "scipy": scipy_vectorized(lambda w, axis: np.std(w, axis=axis)),
        },
        oracle="scipy",
        tolerance=2e-6,
        goals={"halide": 1.0, "scipy": 200.0},
        notes={"halide one-pass": "E[w²]-E[w]²: cancels where the mean exceeds the deviation; another algorithm"},
        aside={"halide one-pass": 1e-4},
    ),
    Job(
        name="bilateral 5x5",
        inputs=images(1),
        contestants={
            OURS: ours(
                lambda w: (
                    np.sum(w * SPATIAL * np.exp(-((w - w[2, 2]) ** 2) * SHARPNESS))
                    / np.sum(SPATIAL * np.exp(-((w - w[2, 2]) ** 2) * SHARPNESS))
                ),
                SIDE,
            ),
            "halide": halide(exp=functools.partial(bilateral, SPATIAL, float(SHARPNESS), hl.exp)),
            "halide fast_exp": halide(fast_exp=functools.partial(bilateral, SPATIAL, float(SHARPNESS), hl.fast_exp)),
            "scipy": scipy_vectorized(vectorized_bilateral),
        },
        oracle="scipy",
        tolerance=2e-6,
        goals={"halide": 1.0, "scipy": 200.0},
        notes={"halide": "`hl.exp`, exact to the last bits", "halide fast_exp": "`hl.fast_exp`, a short polynomial"},
        aside={"halide fast_exp": 1e-3},
    ),
]

JOBS: list[Job] = [
    *(correlation(side) for side in range(3, 16, 2)),
    *(median(dtype, side, goal) for dtype in (np.uint8, np.float32) for side, goal in ((3, 1 / 1.2), (5, 1.0))),
    median(np.uint8, 7, 20.0),
    *WINDOW_FUNCTIONS,
    *GEOMETRY_JOBS,
    *FIELD_JOBS,
]
