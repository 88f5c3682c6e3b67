"""Halide: its pipelines for the jobs of the grid."""

from collections.abc import Callable, Sequence
from functools import partial

import halide as hl
import numpy as np

from benchmarks import halide_pipelines as pipelines
from benchmarks.halide_pipelines import UNROLLED
from benchmarks.harness import Array, Run
from benchmarks.peers import Factory

__all__ = ["averaged", "bilateral", "correlated", "deviation", "greatest", "max_product", "separated"]


def searched(*extra: Array, **variants: Callable[[], pipelines.Pipeline]) -> Factory:
    search = pipelines.Search(variants, thorough=False)

    def make(image: Array) -> Run:
        return search.contestant(image, *extra)

    return make


def of_products(pipeline: Callable[..., pipelines.Pipeline], weights: Array) -> Factory:
    """As a loop over the window; small ones unrolled, too."""
    made = partial(pipeline, len(weights), element=pipelines.TYPES[weights.dtype.name])
    variants = {"loop": partial(made, looped=True)}
    if len(weights) <= UNROLLED:
        variants["taps"] = made
    return searched(weights, **variants)


def correlated(weights: Array) -> Factory:
    return of_products(pipelines.correlation, weights)


def max_product(weights: Array) -> Factory:
    return of_products(pipelines.max_product, weights)


def separated(line: Array) -> Factory:
    """The same weights along both axes."""
    element = pipelines.TYPES[line.dtype.name]
    return searched(separable=partial(pipelines.separable, pipelines.total, line.tolist(), element))


def averaged(side: int, dtype: np.dtype) -> Factory:
    element = pipelines.TYPES[dtype.name]

    def mean(terms: Sequence["hl.Expr"]) -> "hl.Expr":
        return pipelines.total(terms) * pipelines.number(1 / side, element)

    return searched(separable=partial(pipelines.separable, mean, [1.0] * side, element))


def greatest(side: int, dtype: np.dtype) -> Factory:
    element = pipelines.TYPES[dtype.name]
    return searched(separable=partial(pipelines.separable, pipelines.greatest, [1.0] * side, element))


def deviation(side: int) -> Factory:
    variants = {"loop": partial(pipelines.looped_std, side)}
    if side <= UNROLLED:
        variants["taps"] = partial(pipelines.local_std, side, one_pass=False, separable=False)
    return searched(**variants)


def bilateral(spatial: Array, sharpness: np.floating) -> Factory:
    variants = {"loop": partial(pipelines.looped_bilateral, len(spatial), float(sharpness))}
    if len(spatial) <= UNROLLED:
        variants["taps"] = partial(pipelines.bilateral, spatial, float(sharpness), hl.exp)
    return searched(spatial, **variants)
