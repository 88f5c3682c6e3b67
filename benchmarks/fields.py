"""The jobs with a kernel for every pixel, on images of 1024 x 1024.

Goals are ratios: 5 beside a peer asks for a fifth of its time, 0.7 beside a limit for 70 % of its speed.
"""

from collections.abc import Callable

import numpy as np
import scipy.ndimage

import kernelscape as ks
from benchmarks import THREADS, field_inputs, field_peers
from benchmarks.harness import OURS, Array, Job, Run

EXTENT = 1024
NUMBA, PARALLEL, SEPARABLE = "numba", "numba parallel", "numba separable"
TORCH, EINSUM, JAX, READ = "torch unfold", "einsum", "jax", "read K"
PYLOPS, FIXED = "pylops", "one correlate"
OPENCV, OVERLAP_ADD = "opencv", "oaconvolve"
NEEDS = {TORCH: "torch", JAX: "jax", PYLOPS: "pylops"}

# -- ours -------------------------------------------------------------------------------------------------------------


def correlated(
    field: Callable[..., object], mode: str, volume: Callable[..., int] = lambda *_: 0
) -> Callable[..., Run]:
    """Prepare `ks.correlate`; the field is made anew in every call, as its user would do."""

    def make(image: Array, *arrays: Array) -> Run:
        output = np.empty_like(image)
        settings = {"mode": mode, "output": output, "workers": THREADS}
        return Run(lambda: ks.correlate(image, field(*arrays), **settings), volume=volume(*arrays))

    return make


def scattered(field: Callable[..., object]) -> Callable[..., Run]:
    def make(image: Array, *arrays: Array) -> Run:
        output = np.empty_like(image)
        settings = {"form": "scatter", "mode": "constant", "output": output, "workers": THREADS}
        return Run(lambda: ks.convolve(image, field(*arrays), **settings))

    return make


def dense(weights: Array) -> object:
    return ks.kernels.Dense(weights)


def gaussian(size: int | None) -> Callable[[Array], object]:
    return lambda sigma: ks.kernels.Gaussian(sigma, size=size)


def grid(kernels: Array, ys: Array, xs: Array) -> object:
    return ks.kernels.Grid(kernels, (ys, xs))


def combination(basis: Array, maps: Array) -> object:
    return ks.kernels.Combination(basis, maps)


def points(kernels: Array, places: Array) -> object:
    return ks.kernels.Scattered(kernels, places)


def fixed(image: Array, kernels: Array, *_: Array) -> Run:
    """One kernel for the whole image."""
    output = np.empty_like(image)
    return Run(lambda: ks.correlate(image, kernels[0, 0], mode="constant", output=output, workers=THREADS))


def fixed_result(image: Array, kernels: Array, *_: Array) -> Array:
    return scipy.ndimage.correlate(image, kernels[0, 0], mode="constant")


# -- the jobs ---------------------------------------------------------------------------------------------------------


def dense_job(side: int, taps_first: bool) -> Job:
    order = "(k,k,H,W)" if taps_first else "(H,W,k,k)"
    return Job(
        name=f"fields: dense {side}x{side}, {order}",
        table="Fields: dense",
        extent=EXTENT,
        inputs=field_inputs.dense(side, taps_first),
        contestants={
            OURS: correlated(dense, "constant", volume=lambda weights: weights.nbytes),
            READ: field_peers.read,
            PARALLEL: field_peers.numba_dense,
            TORCH: field_peers.torch_unfold,
            EINSUM: field_peers.einsum,
            JAX: field_peers.jax_local,
        },
        oracle=field_inputs.gathered(field_inputs.dense_weights, "constant"),
        tolerance=2e-6,
        slow=frozenset(),
        limits={READ: field_peers.read_result},
        goals={READ: 0.7, TORCH: 5.0, EINSUM: 3.0},
        needs=NEEDS,
    )


def gaussian_job(name: str, lowest: float, highest: float, size: int | None, tolerance: float) -> Job:
    return Job(
        name=f"fields: {name}",
        table="Fields: Gaussians with a sigma for each pixel",
        extent=EXTENT,
        inputs=field_inputs.sigma_map(lowest, highest),
        contestants={
            OURS: correlated(gaussian(size), "reflect"),
            NUMBA: field_peers.numba_gaussian(size),
            PARALLEL: field_peers.numba_gaussian_parallel(size),
            SEPARABLE: field_peers.numba_gaussian_separable(size),
        },
        oracle=field_inputs.gathered(field_inputs.gaussian_weights(size), "reflect"),
        tolerance=tolerance,
        slow=frozenset(),
        goals={NUMBA: 20.0},
        notes={SEPARABLE: "one `exp` per distance instead of one per tap, rows in parallel, fastmath"},
    )


def grid_job(side: int, goal: float) -> Job:
    return Job(
        name=f"fields: grid 8x8 of {side}x{side}",
        table="Fields: a grid of kernels",
        extent=EXTENT,
        inputs=field_inputs.grid(side),
        contestants={
            OURS: correlated(grid, "constant"),
            FIXED: fixed,
            PARALLEL: field_peers.numba_grid,
            PYLOPS: field_peers.pylops_gather,
        },
        oracle=field_inputs.gathered(field_inputs.grid_weights, "constant"),
        tolerance=2e-6,
        slow=frozenset(),
        limits={FIXED: fixed_result},
        goals={PYLOPS: goal, FIXED: 1 / 3.5},
        needs=NEEDS,
        notes={PYLOPS: "`rmatvec` of NonStationaryConvolve2D, which gathers; Numba engine, two threads"},
    )


SCATTER = [
    Job(
        name=f"fields: scatter {name}",
        table="Fields: scattered",
        extent=EXTENT,
        inputs=inputs,
        contestants={OURS: scattered(field), **peers},
        oracle=field_inputs.spread(weights),
        tolerance=2e-6,
        slow=frozenset(),
        needs=NEEDS,
        notes={NUMBA: "one thread: two would add to the same outputs"}
        | ({PYLOPS: "`matvec`, two threads, which may add to the same output at once"} if PYLOPS in peers else {}),
    )
    for name, inputs, field, weights, peers in [
        (
            "dense 5x5",
            field_inputs.dense(5, taps_first=False),
            dense,
            field_inputs.dense_weights,
            {NUMBA: field_peers.numba_spread_dense},
        ),
        (
            "Gaussian 13x13",
            field_inputs.sigma_map(0.3, 1.5),
            gaussian(13),
            field_inputs.gaussian_weights(13),
            {NUMBA: field_peers.numba_spread_gaussian(13)},
        ),
        (
            "grid 8x8 of 15x15",
            field_inputs.grid(15),
            grid,
            field_inputs.grid_weights,
            {NUMBA: field_peers.numba_spread_grid, PYLOPS: field_peers.pylops_scatter},
        ),
    ]
]

SUMS = [
    Job(
        name=f"fields: combination of {field_inputs.BASIS} kernels 15x15",
        table="Fields: combinations and scattered points",
        extent=EXTENT,
        inputs=field_inputs.combination(15),
        contestants={
            OURS: correlated(combination, "reflect"),
            OPENCV: field_peers.opencv_combination,
            OVERLAP_ADD: field_peers.overlap_add_combination,
        },
        oracle=field_inputs.gathered(field_inputs.combination_weights, "reflect"),
        tolerance=2e-6,
        slow=frozenset(),
    ),
    Job(
        name=f"fields: {field_inputs.POINTS} points of 15x15",
        table="Fields: combinations and scattered points",
        extent=EXTENT,
        inputs=field_inputs.points(15),
        contestants={OURS: correlated(points, "reflect"), PARALLEL: field_peers.numba_points},
        oracle=field_inputs.gathered(field_inputs.points_weights, "reflect"),
        tolerance=2e-6,
        slow=frozenset(),
        notes={
            OURS: "the triangulation is part of every call",
            PARALLEL: "each pixel's triangle and coordinates were found beforehand",
        },
    ),
]

FIELD_JOBS: list[Job] = [
    *(dense_job(side, taps_first) for side in (5, 9) for taps_first in (False, True)),
    gaussian_job("Gaussian 13x13, sigma 0.3 to 1.5", 0.3, 1.5, 13, 2e-6),
    # Plain loops add up to 33*33 positive terms one by one, twice, in float32.
    gaussian_job("Gaussian, sigma 0.5 to 4, windows to match", 0.5, 4.0, None, 4e-6),
    grid_job(15, 8.0),
    grid_job(31, 15.0),
    *SCATTER,
    *SUMS,
]
