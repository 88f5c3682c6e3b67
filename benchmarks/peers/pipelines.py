"""Halide: its pipelines for the jobs of the grid, float32 only."""

from collections.abc import Callable, Sequence
from functools import partial

import halide as hl
import numpy as np

from benchmarks import halide_pipelines as pipelines
from benchmarks.halide_pipelines import UNROLLED
from benchmarks.harness import Array, Run
from benchmarks.peers import Factory

__all__ = ["UNROLLED", "averaged", "bilateral", "blurred", "correlated", "deviation", "greatest", "max_product"]


def searched(*extra: Array, **variants: Callable[[], pipelines.Pipeline]) -> Factory:
    search = pipelines.Search(variants, thorough=False)

    def make(image: Array) -> Run:
        return search.contestant(image, *extra)

    return make


def of_products(pipeline: Callable[..., pipelines.Pipeline], weights: Array) -> Factory:
    """As a loop over the window; small ones unrolled, too."""
    side = len(weights)
    variants = {"loop": partial(pipeline, side, looped=True)}
    if side <= UNROLLED:
        variants["taps"] = partial(pipeline, side, looped=False)
    return searched(weights, **variants)


def correlated(weights: Array) -> Factory:
    return of_products(pipelines.correlation, weights)


def max_product(weights: Array) -> Factory:
    return of_products(pipelines.max_product, weights)


def averaged(side: int) -> Factory:
    return searched(separable=partial(scaled_sum, side))


def scaled_sum(side: int) -> pipelines.Pipeline:
    return pipelines.separable(side, lambda terms: pipelines.total(terms) * hl.f32(1 / side), [1.0] * side)


def blurred(line: Sequence[float]) -> Factory:
    return searched(separable=partial(pipelines.separable, len(line), pipelines.total, line))


def greatest(side: int) -> Factory:
    return searched(separable=partial(pipelines.separable, side, pipelines.greatest, [1.0] * side))


def deviation(side: int) -> Factory:
    return searched(two_passes=partial(pipelines.local_std, side, one_pass=False, separable=False))


def bilateral(spatial: Array, sharpness: np.floating) -> Factory:
    return searched(exp=partial(pipelines.bilateral, spatial, float(sharpness), hl.exp))
