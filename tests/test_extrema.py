"""Extrema of functions of samples and weights, written out and in loops, against NumPy on each window.

NaN is looked for beside the fold, in sums of the samples: results have to be NaN where NumPy's are, for NaN of either
sign, infinities, zero weights and weights that are not finite. Two zeros are compared by value.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

import kernelscape as ks
from kernelscape import expression as ex
from kernelscape.backends.emit.doubts import Cover, watched

FUNCTIONS = {
    "largest product": lambda w, k: np.max(w * k),
    "smallest product": lambda w, k: np.min(k * w),
    "dilation": lambda w, k: np.max(w + k),
    "erosion": lambda w, k: np.min(w - k),
    "mirrored": lambda w, k: np.max(k - w),
    "farthest": lambda w, k: np.max(np.abs(w - k)),
    "largest part": lambda w, k: np.max(np.abs(w * k) + k),
    "twice": lambda w, k: np.max((w + k) * k),
    "quotient": lambda w, k: np.min(w / k),
    "range": lambda w, k: np.max(w * k) - np.min(w * k),
    "about the centre": lambda w, k: np.max((w - w[1, 1]) * k),
}
SIZES = ((3, 3), (7, 7), (13, 14), (3, 65))
SPECIAL = (np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 3e38, -3e38)


def by_windows(function, array, kernel):
    """NumPy's function of each window, under reflection."""
    pads = [(k // 2, k - 1 - k // 2) for k in kernel.shape]
    windows = sliding_window_view(np.pad(array, pads, "symmetric"), kernel.shape)
    with np.errstate(all="ignore"):
        return np.array([[function(w, kernel) for w in row] for row in windows])


def assert_same(found, wanted):
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    np.testing.assert_array_equal(found, wanted)


def image(dtype, seed=3, shape=(17, 75)):
    return np.random.default_rng(seed).normal(0, 2, shape).astype(dtype)


def test_same_can_fail():
    with pytest.raises(AssertionError):
        assert_same(np.array([1.0, np.nan]), np.array([1.0, 2.0]))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_samples_and_weights(name, size):
    array, function = image(np.float32), FUNCTIONS[name]
    kernel = image(np.float32, 5, size)
    stencil = ks.stencil(function, size=size)
    assert_same(stencil(array, ks.kernel(kernel)), by_windows(function, array, kernel))
    array[4, 9], array[15, 60], array[2, 50], array[9, 20] = np.nan, -np.nan, np.inf, -np.inf
    assert_same(stencil(array, ks.kernel(kernel)), by_windows(function, array, kernel))
    kernel[0, 1] = kernel[-1, 0] = 0.0
    assert_same(stencil(array, ks.kernel(kernel)), by_windows(function, array, kernel))


@pytest.mark.parametrize("weight", SPECIAL)
@pytest.mark.parametrize("size", [(3, 3), (12, 12)], ids=str)
def test_weights_that_are_not_finite(size, weight):
    kernel, array = image(np.float32, 5, size), image(np.float32)
    kernel[1, 2], array[3, 3], array[10, 60] = weight, 0.0, np.inf
    for name in ("largest product", "erosion", "twice", "largest part"):
        found = ks.apply(FUNCTIONS[name], array, ks.kernel(kernel), size=size)
        assert_same(found, by_windows(FUNCTIONS[name], array, kernel))


@settings(max_examples=15)
@given(data=st.data())
def test_any_special_values(data):
    draw = data.draw
    dtype, size = draw(st.sampled_from([np.float32, np.float64])), draw(st.sampled_from([(3, 3), (5, 4), (12, 11)]))
    array, kernel = image(dtype, draw(st.integers(0, 9)), (13, 41)), image(dtype, draw(st.integers(0, 9)), size)
    for target in (array, array, array, kernel):
        places = draw(st.lists(st.integers(0, target.size - 1), max_size=3))
        target.reshape(-1)[places] = draw(st.sampled_from(SPECIAL))
    function = FUNCTIONS[draw(st.sampled_from(sorted(FUNCTIONS)))]
    words = {"size": size, "workers": 1}
    found = ks.apply(function, array, ks.kernel(kernel), **words)
    assert_same(found, by_windows(function, array, kernel))
    at = np.zeros(array.shape, bool)
    at[::2, 3::5] = True
    chosen = ks.apply(function, array, ks.kernel(kernel), at=at, **words)
    assert_same(chosen[at], found[at])


@pytest.mark.parametrize("target", ["x86-64", "x86-64-v3", None])
@pytest.mark.parametrize("size", [7, 12])
def test_every_width_of_registers_and_the_checked_build(target, size):
    array, kernel = image(np.float64, 8), image(np.float64, 9, (size, size))
    array[7, 7], array[12, 70] = np.nan, -np.inf
    wanted = by_windows(FUNCTIONS["largest product"], array, kernel)
    for checked in (False, True):
        with ks.configure(target=target, checked=checked):
            found = ks.apply(FUNCTIONS["largest product"], array, ks.kernel(kernel), size=size)
        assert_same(found, wanted)


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("method", ["direct", "columns", "passes"])
def test_one_nan_anywhere_is_met(name, method):
    function = getattr(np, name)
    for place in range(70):
        array = np.zeros((9, 70), np.float32)
        array[4, place] = np.nan
        found = ks.apply(function, array, size=(5, 9), method=method)
        wanted = np.zeros((9, 70), bool)
        wanted[2:7, max(0, place - 4) : place + 5] = True
        np.testing.assert_array_equal(np.isnan(found), wanted)


@pytest.mark.parametrize("dilation", [1, 2, 5, 16, 17, 40])
def test_vectors_of_dilated_rows_are_all_suspected(dilation):
    array = image(np.float32, 4, (5, 300))
    for place in (0, 31, 150, 299):
        array[2, place] = np.nan
        found = ks.apply(np.max, array, size=(3, 7), dilation=(1, dilation), mode="wrap", method="direct")
        padded = np.pad(array, [(1, 1), (3 * dilation, 3 * dilation)], "wrap")
        parts = [padded[i : i + 5, dilation * j : dilation * j + 300] for i in range(3) for j in range(7)]
        np.testing.assert_array_equal(found, np.max(parts, axis=0))


@given(lanes=st.sampled_from([1, 4, 16]), starts=st.lists(st.integers(0, 60), max_size=40))
def test_a_cover_has_every_sample(lanes, starts):
    cover: Cover[int] = Cover(lanes)
    taken = [found for start in starts for found in cover.offered(start, start)] + cover.rest()
    assert set(taken) <= set(starts)

    def samples(places):
        return {place + lane for place in places for lane in range(lanes)}

    assert samples(taken) == samples(starts)


def test_a_cover_of_a_window_is_small():
    cover: Cover[int] = Cover(16)
    taken = [found for start in range(31) for found in cover.offered(start, start)] + cover.rest()
    assert taken == [0, 16, 30]


def test_what_is_watched():
    float32 = np.dtype(np.float32)
    window, weights = ex.Window((9,), float32, 0), ex.Argument((9,), float32, 0)
    uniform = {id(weights)}
    product = ex.elementwise("multiply", float32, weights, window)
    moved = ex.elementwise("absolute", float32, ex.elementwise("add", float32, product, weights))
    assert watched(window, uniform) == (window, (), False)
    assert watched(moved, uniform) == (window, (weights, weights), False)
    assert watched(ex.elementwise("subtract", float32, weights, window), uniform) == (window, (weights,), True)
    outer = ex.elementwise("multiply", float32, moved, weights)
    assert watched(outer, uniform) == (moved, (weights,), False)
    quotient = ex.elementwise("divide", float32, window, weights)
    assert watched(quotient, uniform) == (quotient, (), False)


@pytest.mark.parametrize("size", [3, 12])
def test_strides_colours_footprints_and_kernels_of_pixels(size):
    """What shares no rows, or has several elements at a position, is the same as one window at a time."""
    array, kernel, product = image(np.float32, 6, (33, 70)), image(np.float32, 7, (size, size)), FUNCTIONS["dilation"]
    array[9, 9], array[30, 66], array[20, 40] = np.nan, np.nan, np.inf
    wanted = by_windows(product, array, kernel)
    assert_same(ks.apply(product, array, ks.kernel(kernel), size=size, stride=(2, 3)), wanted[::2, ::3])
    colours = np.stack([array, array[::-1], array[:, ::-1]], -1)
    found = ks.apply(product, colours, ks.kernel(kernel), size=size, axes=(0, 1))
    assert_same(found[..., 0], wanted)
    assert_same(found[..., 2], by_windows(product, array[:, ::-1], kernel))
    footprint = np.random.default_rng(1).random((size, size)) < 0.7
    listed = ks.apply(lambda w, k: np.max(w + k), array, ks.kernel(kernel[footprint]), footprint=footprint)
    assert_same(listed, by_windows(lambda w, k: np.max((w + k)[footprint]), array, kernel))
    fields = ks.kernels.Dense(np.broadcast_to(kernel, (*array.shape, size, size)))
    assert_same(ks.apply(product, array, ks.kernel(fields), size=size), wanted)


def test_volumes():
    array, kernel = image(np.float64, 6, (7, 9, 40)), image(np.float64, 7, (5, 5, 7))
    array[3, 4, 20], array[6, 8, 39] = np.nan, -np.inf
    padded = np.pad(array, [(2, 2), (2, 2), (3, 3)], "symmetric")
    with np.errstate(invalid="ignore"):
        wanted = (sliding_window_view(padded, (5, 5, 7)) * kernel).max((3, 4, 5))
    assert_same(ks.apply(FUNCTIONS["largest product"], array, ks.kernel(kernel), size=(5, 5, 7)), wanted)
