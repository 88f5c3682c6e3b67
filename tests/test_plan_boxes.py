"""Footprints that leave out nothing are planned as what they are: windows."""

import numpy as np
import pytest

import kernelscape as ks
from kernelscape.api.fallback import run_by_definition

FUNCTIONS = {
    "max": np.max,
    "sum": np.sum,
    "std": np.std,
    "median": np.median,
    "argmax": np.argmax,
    "range": lambda w: np.max(w) - np.min(w),
    "share": lambda w: np.mean(w > w[w.size // 2]),
    "first": lambda w: w[1] * np.sum(w**2) - w[0],
    "weighted": lambda w: np.sum(w * np.arange(w.size, dtype=np.float32)),
    "some": lambda w: np.sum(w[: w.size // 2]) + np.max(np.abs(w - 0.5)),
    "sorted": lambda w: np.sort(w)[2],
}
SHAPES = {1: (70,), 2: (23, 41), 3: (7, 9, 33)}


def arguments_for(ndim):
    rng = np.random.default_rng(ndim)
    image = rng.random(SHAPES[ndim], dtype=np.float32)
    image.flat[::97] = np.nan
    return image, rng.random(SHAPES[ndim]) < 0.8


@pytest.mark.parametrize("missing", [{}, {"where": True}, {"nan_policy": "omit"}, {"mode": "shrink"}])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("ndim", SHAPES)
def test_full_footprints_mean_what_the_reference_says(ndim, name, missing):
    image, mask = arguments_for(ndim)
    window = ks.window(image, where=mask) if "where" in missing else ks.window(image)
    words = {word: value for word, value in missing.items() if word != "where"}
    stencil = ks.stencil(FUNCTIONS[name], footprint=np.ones((3, 5, 3)[:ndim]), **words)
    wanted = run_by_definition(stencil.prepared_for([window]), [window], None)
    np.testing.assert_allclose(stencil(window), wanted, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["max", "sum", "std", "median", "range"])
def test_full_footprints_run_as_windows_do(name):
    image, _ = arguments_for(2)
    function = FUNCTIONS[name]
    line = ks.stencil(function, footprint=np.ones((7, 9))).plan(image)
    box = ks.stencil(function, size=(7, 9)).plan(image)
    assert line.stage.key == box.stage.key
    np.testing.assert_array_equal(
        ks.apply(function, image, footprint=np.ones((7, 9))), ks.apply(function, image, size=(7, 9))
    )


def test_other_footprints_are_left_alone():
    image, _ = arguments_for(2)
    cross = np.ones((3, 3))
    cross[0, 0] = 0
    assert ks.stencil(np.max, footprint=cross).plan(image).job.inputs[0].taps is not None


def test_kernels_of_pixels_keep_their_lines():
    image, _ = arguments_for(2)
    weights = np.random.default_rng(0).random((*image.shape, 3, 3), dtype=np.float32)
    found = ks.apply(lambda w, k: np.max(w * k), image, ks.kernel(ks.kernels.Dense(weights)), footprint=np.ones((3, 3)))
    np.testing.assert_array_equal(
        found, ks.apply(lambda w, k: np.max(w * k), image, ks.kernel(ks.kernels.Dense(weights)))
    )
