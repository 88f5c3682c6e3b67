"""The jobs with strides, dilations and arrays that are views: each beside the same job without.

Goals are ratios: 10 beside "stride 1" asks for a tenth of its time, 0.95 beside "dilation 1" for nearly its time. A
view is compared with the same filter on an array in C order, which says what bringing its samples together costs.
"""

from collections.abc import Callable

import numpy as np
import scipy.ndimage

import kernelscape as ks
from benchmarks import THREADS
from benchmarks.harness import OURS, Array, Job, Run

TORCH, STRIDE_1, DILATION_1, IN_ORDER = "torch", "stride 1", "dilation 1", "C order"
NEEDS = {TORCH: "torch"}


def kernel(side: int) -> Array:
    return np.random.default_rng(side).standard_normal((side, side), dtype=np.float32)


def image(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, ...]:
    return (rng.random(shape, dtype=np.float32),)


# -- contestants ------------------------------------------------------------------------------------------------------


def correlated(weights: Array, stride: int = 1, dilation: int = 1) -> Callable[..., Run]:
    def make(source: Array) -> Run:
        settings = {"mode": "constant", "stride": stride, "dilation": dilation, "workers": THREADS}
        output = np.empty(tuple(-(-n // stride) for n in source.shape), np.float32)
        return Run(lambda: ks.correlate(source, weights, output=output, **settings))

    return make


def applied(function: Callable[..., object], size: int, stride: int = 1) -> Callable[..., Run]:
    def make(source: Array) -> Run:
        output = np.empty(tuple(-(-n // stride) for n in source.shape), source.dtype)
        settings = {"size": size, "mode": "nearest", "stride": stride, "workers": THREADS, "output": output}
        return Run(lambda: ks.apply(function, source, **settings))

    return make


def torch_correlated(weights: Array, stride: int = 1, dilation: int = 1) -> Callable[..., Run]:
    def make(source: Array) -> Run:
        import torch

        torch.set_num_threads(THREADS)
        images, filters = torch.from_numpy(source)[None, None], torch.from_numpy(weights)[None, None]
        padding = dilation * (len(weights) // 2)

        def work() -> Array:
            with torch.no_grad():
                found = torch.nn.functional.conv2d(images, filters, stride=stride, dilation=dilation, padding=padding)
            return found[0, 0].numpy()

        return Run(work)

    return make


def scipy_correlated(weights: Array, stride: int = 1, dilation: int = 1) -> Callable[..., Array]:
    spread = np.zeros(tuple(dilation * (n - 1) + 1 for n in weights.shape), np.float32)
    spread[::dilation, ::dilation] = weights
    return lambda source: scipy.ndimage.correlate(source, spread, mode="constant")[::stride, ::stride]


# -- jobs -------------------------------------------------------------------------------------------------------------


def strided_correlation(side: int, stride: int, goal: float) -> Job:
    weights = kernel(side)
    return Job(
        name=f"correlate f32 {side}x{side}, stride {stride}",
        table="Strides and dilations",
        inputs=image,
        contestants={
            OURS: correlated(weights, stride),
            STRIDE_1: correlated(weights),
            TORCH: torch_correlated(weights, stride),
        },
        oracle=scipy_correlated(weights, stride),
        tolerance=2e-6,
        limits={STRIDE_1: scipy_correlated(weights)},
        goals={STRIDE_1: goal, TORCH: 1.0},
        needs=NEEDS,
    )


def dilated_correlation(side: int, dilation: int) -> Job:
    weights = kernel(side)
    return Job(
        name=f"correlate f32 {side}x{side}, dilation {dilation}",
        table="Strides and dilations",
        inputs=image,
        contestants={
            OURS: correlated(weights, dilation=dilation),
            DILATION_1: correlated(weights),
            TORCH: torch_correlated(weights, dilation=dilation),
        },
        oracle=scipy_correlated(weights, dilation=dilation),
        tolerance=2e-6,
        limits={DILATION_1: scipy_correlated(weights)},
        goals={DILATION_1: 0.95, TORCH: 1.0},
        needs=NEEDS,
    )


def strided_function(
    name: str, function: Callable[..., object], right: Callable[..., Array], size: int, stride: int
) -> Job:
    return Job(
        name=f"{name} f32 {size}x{size}, stride {stride}",
        table="Strides and dilations",
        inputs=image,
        contestants={OURS: applied(function, size, stride), STRIDE_1: applied(function, size)},
        oracle=lambda source: right(source, size, mode="nearest")[::stride, ::stride],
        tolerance=0,
        limits={STRIDE_1: lambda source: right(source, size, mode="nearest")},
    )


VIEWS: dict[str, Callable[[tuple[int, int], np.random.Generator], Array]] = {
    "a[::2, ::3]": lambda shape, rng: rng.random((2 * shape[0], 3 * shape[1]), np.float32)[::2, ::3],
    "a.T": lambda shape, rng: rng.random(shape[::-1], np.float32).T,
    "a[::-1, ::-1]": lambda shape, rng: rng.random(shape, np.float32)[::-1, ::-1],
    "rgb[..., 1]": lambda shape, rng: rng.random((*shape, 3), np.float32)[..., 1],
}


def view(name: str, side: int) -> Job:
    """A filter of a view, and of the same numbers in C order; copying them is no part of either."""
    weights, make = kernel(side), VIEWS[name]
    return Job(
        name=f"correlate f32 {side}x{side} of {name}",
        table="Views",
        inputs=lambda shape, rng: (make(shape, rng),),
        contestants={
            OURS: correlated(weights),
            IN_ORDER: lambda source: correlated(weights)(np.ascontiguousarray(source)),
            TORCH: torch_copied(weights),
        },
        oracle=scipy_correlated(weights),
        tolerance=2e-6,
        limits={IN_ORDER: scipy_correlated(weights)},
        needs=NEEDS,
        notes={TORCH: "copies the view in each call: a tensor has no negative strides, and convolutions want C order"},
    )


def torch_copied(weights: Array) -> Callable[..., Run]:
    return lambda source: Run(lambda: torch_correlated(weights)(np.ascontiguousarray(source))())


GEOMETRY_JOBS: list[Job] = [
    strided_correlation(15, 2, 3.0),
    strided_correlation(15, 4, 10.0),
    strided_correlation(5, 2, 1.0),
    strided_correlation(5, 4, 1.0),
    *(dilated_correlation(side, dilation) for side in (5, 9) for dilation in (2, 4)),
    *(
        strided_function(name, function, right, 5, stride)
        for name, function, right in (
            ("median", lambda w: np.median(w), scipy.ndimage.median_filter),
            ("maximum", lambda w: np.max(w), scipy.ndimage.maximum_filter),
        )
        for stride in (2, 4)
    ),
    *(view(name, 5) for name in VIEWS),
]
