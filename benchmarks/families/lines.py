"""Windows along a line that is as long as an image has pixels."""

import numpy as np
import scipy.ndimage

from benchmarks.families.family import Case, Family, applied, contest, correlated
from benchmarks.families.linear import exact, tolerance_of, weights_of
from benchmarks.harness import Job
from benchmarks.peers import arrays, loops, opencv, tensors

INSIDE = ("torch", "jax", "numba", "numpy", "oaconvolve", "bottleneck", "astropy")

RUNNING = "one running sum over the whole line, whose rounding errors add up"


def correlation(case: Case) -> Job:
    weights = weights_of(case, 1)
    return contest(
        case,
        correlated(weights),
        exact(weights, case),
        tolerance_of(case),
        dimensions=1,
        inside=INSIDE,
        scipy=arrays.ndimage(scipy.ndimage.correlate1d, weights),
        opencv=opencv.on_line(opencv.correlated(weights[None])),
        numba=loops.correlated(weights, integers=False),
        numpy=arrays.convolved(weights),
        oaconvolve=arrays.overlap_add(weights),
        torch=tensors.torch_correlated(weights),
        jax=tensors.jax_correlated(weights) if case.kind == "f32" else None,
    )


def mean(case: Case) -> Job:
    real = not case.is_integer
    drifting = ("bottleneck", "scipy", "opencv") if case.kind == "f64" else ("bottleneck",)  # others sum f32 in float64
    return contest(
        case,
        applied(lambda w: np.mean(w), case),
        exact(np.full(case.side, 1 / case.side), case),
        tolerance_of(case),
        dimensions=1,
        inside=INSIDE,
        scipy=arrays.ndimage(scipy.ndimage.uniform_filter1d, case.side),
        opencv=opencv.on_line(opencv.averaged((case.side, 1))),
        bottleneck=arrays.moving("move_mean", case.side) if real else None,
        torch=tensors.torch_pooled("avg", case.side, 1) if real else None,
        coarse={} if real else {"scipy": 2.0},
        aside=dict.fromkeys(drifting, 1e-11 if case.kind == "f64" else 1e-4),
        notes=dict.fromkeys(drifting, RUNNING),
    )


def median(case: Case) -> Job:
    return contest(
        case,
        applied(lambda w: np.median(w), case),
        lambda line: scipy.ndimage.median_filter(line, case.side),
        0,
        dimensions=1,
        inside=INSIDE,
        scipy=arrays.ndimage(scipy.ndimage.median_filter, case.side),
        bottleneck=arrays.moving("move_median", case.side) if not case.is_integer else None,
    )


def maximum(case: Case) -> Job:
    return contest(
        case,
        applied(lambda w: np.max(w), case),
        lambda line: scipy.ndimage.maximum_filter(line, case.side),
        0,
        dimensions=1,
        inside=INSIDE,
        scipy=arrays.ndimage(scipy.ndimage.maximum_filter1d, case.side),
        opencv=opencv.on_line(opencv.greatest(case.side, height=1)),
        numba=loops.greatest(case.side, dimensions=1),
        bottleneck=arrays.moving("move_max", case.side) if not case.is_integer else None,
        torch=tensors.torch_pooled("max", case.side, 1) if not case.is_integer else None,
    )


def deviation(case: Case) -> Job:
    def right(line: object) -> object:
        padded = np.pad(line.astype(np.float64), case.side // 2, mode="symmetric")
        return np.std(np.lib.stride_tricks.sliding_window_view(padded, case.side), axis=-1).astype(case.dtype)

    return contest(
        case,
        applied(lambda w: np.std(w), case),
        right,
        1e-13 if case.kind == "f64" else 4e-6,
        dimensions=1,
        inside=INSIDE,
        scipy=arrays.vectorized(np.std, case.side),
        bottleneck=arrays.moving("move_std", case.side),
        aside={"bottleneck": 1e-2},
        notes={"bottleneck": "one running variance over the whole line, whose rounding errors add up"},
    )


LINES = [
    Family("1-D correlate", ("f32", "f64"), correlation, dimensions=1, is_product_sum=True),
    Family("1-D mean", ("f32", "f64", "u8"), mean, dimensions=1),
    Family("1-D median", ("f32", "f64", "u8"), median, dimensions=1),
    Family("1-D maximum", ("f32", "f64", "u8"), maximum, dimensions=1),
    Family("1-D std", ("f32", "f64"), deviation, dimensions=1),
]
