"""Windows of three dimensions."""

import numpy as np
import scipy.ndimage

from benchmarks.families.family import Case, Family, applied, contest, correlated
from benchmarks.families.linear import exact, tolerance_of, weights_of
from benchmarks.harness import Job
from benchmarks.peers import arrays, loops, tensors

INSIDE = ("torch", "jax", "numba", "skimage")
SIDES = (3, 5, 7, 9)


def correlation(case: Case) -> Job:
    weights = weights_of(case, 3)
    return contest(
        case,
        correlated(weights),
        exact(weights, case),
        tolerance_of(case),
        dimensions=3,
        inside=INSIDE,
        scipy=arrays.ndimage(scipy.ndimage.correlate, weights),
        numba=loops.correlated(weights, integers=False),
        torch=tensors.torch_correlated(weights),
        jax=tensors.jax_correlated(weights),
    )


def mean(case: Case) -> Job:
    return contest(
        case,
        applied(lambda w: np.mean(w), case),
        exact(np.full((case.side,) * 3, 1 / case.side**3), case),
        tolerance_of(case),
        dimensions=3,
        inside=INSIDE,
        scipy=arrays.ndimage(scipy.ndimage.uniform_filter, case.side),
        scipy_float32=arrays.averaged_in_floats(case.side) if case.is_integer else None,
        torch=tensors.torch_pooled("avg", case.side, 3) if not case.is_integer else None,
        jax=tensors.jax_reduced("add", case.side, 3) if case.kind == "f32" else None,
        aside={"scipy": 0.02} if case.is_integer else {},
        notes={"scipy": "rounds after each axis"} if case.is_integer else {},
    )


def maximum(case: Case) -> Job:
    return contest(
        case,
        applied(lambda w: np.max(w), case),
        lambda volume: scipy.ndimage.maximum_filter(volume, case.side),
        0,
        dimensions=3,
        inside=INSIDE,
        scipy=arrays.ndimage(scipy.ndimage.maximum_filter, case.side),
        torch=tensors.torch_pooled("max", case.side, 3) if not case.is_integer else None,
        jax=tensors.jax_reduced("max", case.side, 3) if case.kind == "f32" else None,
    )


def median(case: Case) -> Job:
    return contest(
        case,
        applied(lambda w: np.median(w), case),
        lambda volume: scipy.ndimage.median_filter(volume, case.side),
        0,
        dimensions=3,
        inside=INSIDE,
        scipy=arrays.ndimage(scipy.ndimage.median_filter, case.side),
        skimage=arrays.ranked("median", case.side, 3) if case.kind == "u8" else None,
    )


VOLUMES = [
    Family("3-D correlate", ("f32",), correlation, SIDES, 3, is_product_sum=True),
    Family("3-D mean", ("f32", "u8"), mean, SIDES, 3),
    Family("3-D maximum", ("f32", "u8"), maximum, SIDES, 3),
    Family("3-D median", ("f32", "u8"), median, SIDES, 3),
]
