"""Orders: the greatest sample of a window, the middle one, the one at a quarter."""

import numpy as np
import scipy.ndimage

from benchmarks.families.family import Case, Family, applied, contest
from benchmarks.harness import Job
from benchmarks.peers import arrays, loops, opencv, pipelines, tensors

INSIDE = ("torch", "torch unfold", "jax", "numba", "skimage")


def maximum(case: Case) -> Job:
    return contest(
        case,
        applied(lambda w: np.max(w), case),
        lambda image: scipy.ndimage.maximum_filter(image, case.side),
        0,
        inside=INSIDE,
        opencv=opencv.greatest(case.side),
        scipy=arrays.ndimage(scipy.ndimage.maximum_filter, case.side),
        numba=loops.greatest(case.side),
        halide=pipelines.greatest(case.side, case.dtype),
        torch=tensors.torch_pooled("max", case.side) if not case.is_integer else None,
        jax=tensors.jax_reduced("max", case.side) if case.kind == "f32" else None,
    )


def minimum(case: Case) -> Job:
    return contest(
        case,
        applied(lambda w: np.min(w), case),
        lambda image: scipy.ndimage.minimum_filter(image, case.side),
        0,
        opencv=opencv.least(case.side),
        scipy=arrays.ndimage(scipy.ndimage.minimum_filter, case.side),
    )


def median(case: Case) -> Job:
    in_opencv = case.kind == "u8" or (case.side <= 5 and case.kind in {"u16", "f32"})
    return contest(
        case,
        applied(lambda w: np.median(w), case, mode="nearest"),
        lambda image: scipy.ndimage.median_filter(image, case.side, mode="nearest"),
        0,
        inside=INSIDE,
        opencv=opencv.median(case.side) if in_opencv else None,
        scipy=arrays.ndimage(scipy.ndimage.median_filter, case.side, mode="nearest"),
        skimage=arrays.ranked("median", case.side) if case.kind == "u8" else None,
        torch_unfold=tensors.torch_median(case.side) if case.kind == "f32" else None,
    )


def percentile(case: Case) -> Job:
    """The quarter, which is a sample for every odd size: k² - 1 is a multiple of eight."""
    return contest(
        case,
        applied(lambda w: np.percentile(w, 25), case),
        lambda image: scipy.ndimage.percentile_filter(image, 25, case.side),
        0,
        inside=INSIDE,
        scipy=arrays.ndimage(scipy.ndimage.percentile_filter, 25, case.side),
        skimage=arrays.ranked("percentile", case.side, p0=0.25) if case.kind == "u8" else None,
    )


ORDERS = [
    Family("maximum", ("f32", "f64", "u8", "u16"), maximum),
    Family("minimum", ("f32", "u8"), minimum),
    Family("median", ("u8", "u16", "f32", "f64"), median),
    Family("percentile 25", ("u8", "u16", "f32"), percentile),
]
