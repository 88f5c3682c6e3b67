"""Separable kernels: their factors, and what is filtered with them."""

import itertools

import numpy as np
import pytest
import scipy.ndimage as ndi

import kernelscape as ks
from kernelscape.errors import ArgumentError
from kernelscape.methods.separable import factors

RNG = np.random.default_rng(17)
IMAGE = RNG.normal(0, 1, (60, 170)).astype(np.float32)


def gaussian(size, sigma, dtype=np.float32):
    """Not made as a product."""
    y, x = np.meshgrid(np.arange(size) - size // 2, np.arange(size) - size // 2, indexing="ij")
    made = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    return (made / made.sum()).astype(dtype)


def assert_product(vectors, kernel):
    assert [v.shape for v in vectors] == [(n,) for n in kernel.shape]
    assert {v.dtype for v in vectors} == {kernel.dtype}
    made = vectors[0]
    for v in vectors[1:]:
        made = np.multiply.outer(made, v)
    if kernel.dtype.kind == "f":
        np.testing.assert_allclose(made, kernel, rtol=8 * np.finfo(kernel.dtype).eps)
    else:
        np.testing.assert_array_equal(made, kernel)


SEPARABLE = {
    "gaussian": gaussian(15, 2.5),
    "gaussian of float64": gaussian(9, 1.2, np.float64),
    "box": np.full((5, 7), np.float32(1 / 35)),
    "sobel": np.outer([1, 2, 1], [1, 0, -1]),
    "sobel of floats": np.outer([1, 2, 1], [1, 0, -1.0]),
    "six times": np.multiply.outer(np.outer([2, 4, 2], [3, 0, -3]), [5, 5]),
    "unsigned": np.outer([1, 2, 4], [7, 14]).astype(np.uint64),
    "binomial": np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / np.float32(256),
    "three axes": np.multiply.outer(gaussian(5, 1), np.array([0.25, 0.5, 0.25], np.float32)),
    "mostly zero": np.outer([0, 3, 0], [0, 0, 2.0]),
}
OTHERS = {
    "laplace": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
    "disc": (np.hypot(*np.mgrid[-3:4, -3:4]) < 3.5).astype(np.float32),
    "random": RNG.normal(0, 1, (5, 5)),
    "nearly": gaussian(7, 1.5) * (1 + 1e-5 * RNG.normal(0, 1, (7, 7))).astype(np.float32),
    "on a line": np.array([[1.0, 2.0, 3.0]]),
    "nothing": np.zeros((3, 3)),
    "not a number": np.outer([1, np.nan, 1], [1, 2, 1]),
    "infinite": np.outer([1, np.inf, 1], [1, 2, 1]),
    "half": gaussian(5, 1).astype(np.float16),
}


@pytest.mark.parametrize("name", SEPARABLE)
def test_factors(name):
    assert_product(factors(SEPARABLE[name]), SEPARABLE[name])


@pytest.mark.parametrize("name", OTHERS)
def test_kernels_without_factors(name):
    assert factors(OTHERS[name]) is None


def test_huge_weights_are_no_warning():
    huge = SEPARABLE["gaussian"] * np.float32(1e39 / 4)
    assert_product(factors(huge), huge)


def test_product_can_fail():
    with pytest.raises(AssertionError):
        assert_product((np.ones(3), np.ones(3)), np.eye(3))


@pytest.mark.parametrize("mode", ["reflect", "mirror", "nearest", "wrap", "constant"])
@pytest.mark.parametrize("name", ["gaussian", "gaussian of float64", "box", "sobel of floats", "mostly zero"])
def test_it_is_the_filter_of_scipy(name, mode):
    kernel, image = SEPARABLE[name], IMAGE.astype(SEPARABLE[name].dtype)
    found = ks.correlate(image, kernel, mode=mode, method="separable")
    wanted = ndi.correlate(image.astype(np.float64), kernel.astype(np.float64), mode=mode)
    scale = np.abs(image).max() * np.abs(kernel).sum()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=4 * np.finfo(kernel.dtype).eps * scale)
    flipped = ks.convolve(image, kernel, mode=mode, method="separable")
    wanted = ndi.convolve(image.astype(np.float64), kernel.astype(np.float64), mode=mode)
    np.testing.assert_allclose(flipped, wanted, rtol=0, atol=4 * np.finfo(kernel.dtype).eps * scale)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_whole_numbers_are_exact(dtype):
    image = RNG.integers(0, 100, (30, 41)).astype(dtype)
    for kernel in (SEPARABLE["sobel"], SEPARABLE["binomial"].astype(np.float64)):
        np.testing.assert_array_equal(
            ks.correlate(image, kernel, method="separable"), ks.correlate(image, kernel, method="direct")
        )


def test_three_axes_colours_and_other_layouts():
    volume, kernel = RNG.normal(0, 1, (9, 20, 40)).astype(np.float32), SEPARABLE["three axes"]
    found = ks.correlate(volume, kernel, method="separable")
    np.testing.assert_allclose(found, ndi.correlate(volume, kernel), rtol=0, atol=1e-5)
    turned = np.asfortranarray(volume)
    np.testing.assert_allclose(ks.correlate(turned, kernel, method="separable"), found, rtol=0, atol=1e-5)
    colours, kernel = RNG.integers(0, 255, (30, 50, 3)).astype(np.uint8), SEPARABLE["gaussian"]
    found = ks.correlate(colours, kernel, axes=(0, 1), output=np.uint8, method="separable")
    for colour in range(3):
        one = ks.correlate(np.ascontiguousarray(colours[..., colour]), kernel, output=np.uint8, method="direct")
        np.testing.assert_array_equal(found[..., colour], one)


def test_geometry():
    for stride, dilation, origin in itertools.product((1, (2, 1)), (1, (1, 2), 3), (0, (1, -2))):
        words = {"stride": stride, "dilation": dilation, "origin": origin}
        found = ks.correlate(IMAGE, SEPARABLE["gaussian"], method="separable", **words)
        wanted = ks.correlate(IMAGE, SEPARABLE["gaussian"], method="direct", **words)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6)


def test_nan_and_infinities_spread_as_in_the_definition():
    image = IMAGE.copy()
    image[10, 20], image[40, 90], image[41, 91], image[5, 150] = np.nan, np.inf, -np.inf, np.inf
    for name in ("gaussian", "mostly zero", "sobel of floats"):
        kernel = SEPARABLE[name].astype(np.float32)
        found = ks.correlate(image, kernel, method="separable")
        wanted = ks.correlate(image, kernel, method="numpy")
        np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
        np.testing.assert_array_equal(np.isinf(found), np.isinf(wanted))


def test_gaps_and_normalisation():
    where = RNG.random(IMAGE.shape) < 0.8
    for normalize in (False, True, "valid"):
        words = {"where": where, "normalize": normalize}
        found = ks.correlate(IMAGE, SEPARABLE["gaussian"], method="separable", **words)
        wanted = ks.correlate(IMAGE, SEPARABLE["gaussian"], method="direct", **words)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


def test_bits_do_not_depend_on_the_work_being_cut():
    image, kernel = RNG.normal(0, 1, (200, 400)).astype(np.float32), SEPARABLE["gaussian"]
    whole = ks.correlate(image, kernel, method="separable", workers=1)
    for workers in (2, 3, 5):
        np.testing.assert_array_equal(ks.correlate(image, kernel, method="separable", workers=workers), whole)
    at = RNG.random(image.shape) < 0.01
    some = ks.correlate(image, kernel, at=at, otherwise=0, method="separable")
    np.testing.assert_array_equal(some, np.where(at, whole, np.float32(0)))


@pytest.mark.parametrize("words", [{"checked": True}, {"target": "x86-64"}, {"target": "x86-64-v3"}], ids=str)
def test_the_checked_build_and_older_processors(words):
    wanted = ndi.correlate(IMAGE, SEPARABLE["gaussian"])
    with ks.configure(**words):
        found = ks.correlate(IMAGE, SEPARABLE["gaussian"], method="separable")
    np.testing.assert_allclose(found, wanted, rtol=0, atol=3e-6)


def test_any_function_with_a_separable_kernel():
    found = ks.apply(
        lambda w, k: np.sum(w * k) - np.max(w), IMAGE, ks.kernel(SEPARABLE["gaussian"]), method="separable"
    )
    wanted = ndi.correlate(IMAGE, SEPARABLE["gaussian"]) - ndi.maximum_filter(IMAGE, 15)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=3e-6)


def test_large_separable_kernels_are_filtered_so_and_others_are_not():
    weighted = ks.stencil(lambda w, k: np.sum(w * k))
    kernels = SEPARABLE["gaussian"], RNG.normal(0, 1, (15, 15)).astype(np.float32)
    assert [weighted.plan(IMAGE, ks.kernel(k)).method for k in kernels] == ["separable", "direct"]
    with pytest.raises(ArgumentError, match="no kernel is the outer product"):
        ks.correlate(IMAGE, OTHERS["laplace"], method="separable")
    with pytest.raises(ArgumentError, match="may lack samples"):
        ks.correlate(IMAGE, SEPARABLE["gaussian"], mode="shrink", method="separable")
