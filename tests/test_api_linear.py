"""`correlate` and `convolve` against scipy.ndimage and against sums written out.

Where SciPy differs on purpose (integers keep the input's dtype and wrap there, tiny weights are skipped) its input is
converted first. Floats are compared within rounding, integers and dtypes exactly.
"""

import itertools

import numpy as np
import pytest
from scipy import ndimage, signal

import kernelscape as ks
from tests.oracle.comparison import assert_near, assert_same

RNG = np.random.default_rng(11)
MODES = ["reflect", "mirror", "nearest", "wrap", "constant"]
PAIRS = [(ks.correlate, ndimage.correlate), (ks.convolve, ndimage.convolve)]
SHAPES = {1: ((23,), (4,)), 2: ((9, 14), (3, 4)), 3: ((6, 5, 9), (2, 3, 5)), 4: ((4, 3, 5, 6), (3, 2, 1, 4))}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ndim", SHAPES)
@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=["correlate", "convolve"])
def test_against_scipy(ours, theirs, ndim, mode):
    shape, size = SHAPES[ndim]
    image, weights = RNG.normal(size=shape), RNG.normal(size=size)
    assert_near(ours(image, weights, mode=mode, cval=2.5), theirs(image, weights, mode=mode, cval=2.5))


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 4), (5, 2), (4, 5)])
@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=["correlate", "convolve"])
def test_every_origin(ours, theirs, size):
    image, weights = RNG.normal(size=(7, 8)), RNG.normal(size=size)
    for origin in itertools.product(*(range(-(k // 2), (k - 1) // 2 + 1) for k in size)):
        assert_near(ours(image, weights, origin=origin), theirs(image, weights, origin=origin))


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "u2", "i4", "u8", "f2", "f4", ">i2", ">f8"])
@pytest.mark.parametrize("weights", [[1, -2, 3], [0.5, 0.25, -1.5]])
def test_dtypes(dtype, weights):
    image = RNG.integers(0, 2 if dtype == "?" else 100, (20,)).astype(dtype)
    found = ks.correlate(image, np.array(weights))
    kinds = (image.dtype.kind, np.array(weights).dtype.kind)
    common = np.result_type(image, np.array(weights))
    wanted = {("f", "f"): image.dtype.newbyteorder("="), ("f", "i"): image.dtype.newbyteorder("=")}.get(
        kinds, np.sum(np.zeros(1, common)).dtype
    )
    assert found.dtype == wanted
    exact = ndimage.correlate(image.astype(np.float64), np.array(weights, np.float64))
    tolerance = 2e-3 if found.dtype == np.float16 else 1e-6
    np.testing.assert_allclose(found.astype(np.float64), exact, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("image", "weights", "result"),
    [
        ("u1", "f4", "f4"),
        ("u1", "f8", "f8"),
        ("i4", "f4", "f8"),
        ("u1", "u1", "u8"),
        ("u1", "i1", "i8"),
        ("?", "?", "i8"),
        ("u8", "i8", "f8"),
        ("f4", "f8", "f4"),
        ("f4", "c16", "c8"),
        ("f8", "c8", "c16"),
        ("c8", "f8", "c8"),
        ("u1", "c8", "c8"),
        ("i4", "c8", "c16"),
    ],
)
def test_dtype_of_the_result(image, weights, result):
    for function in (ks.correlate, ks.convolve):
        assert function(np.ones(4, image), np.ones(3, weights)).dtype == result


def test_integers_do_not_wrap():
    assert_same(ks.correlate(np.full(3, 255, np.uint8), np.full(3, 255, np.uint8)), np.full(3, 3 * 255**2, np.uint64))


def test_weights_of_float16_input_are_not_rounded():
    image, weights = np.ones(4, np.float16), np.array([1 / 3, 1 / 3, 1 / 3])
    assert_same(ks.correlate(image, weights), np.ones(4, np.float16))


def test_accumulate_is_wider_than_the_result():
    image = np.array([1e8, 1, -1e8, 1], np.float32)
    narrow = ks.correlate(image, np.ones(3, np.float32), padding="valid")
    wide = ks.correlate(image, np.ones(3, np.float32), padding="valid", accumulate=np.float64)
    assert_same(wide, np.array([1, -99999998], np.float32))
    assert narrow.dtype == np.float32


def test_dtype_is_that_of_the_input():
    image = np.array([100, 200, 250], np.uint8)
    assert_same(ks.correlate(image, [0.5, 0.5], dtype=np.float32), ks.correlate(image.astype(np.float32), [0.5, 0.5]))
    assert_same(ks.correlate(image, [1, 1], dtype=np.complex64), np.array([200, 300, 450], np.complex64))
    assert_same(ks.correlate(image, [1, 1j], dtype=np.complex64)[1:], np.array([100 - 200j, 200 - 250j], np.complex64))


def test_output_rounds_and_saturates():
    image = np.array([10, 200, 255], np.uint8)
    assert_same(ks.correlate(image, [0.25, 2.0, 0.25], output=np.uint8), np.array([72, 255, 255], np.uint8))


# -- geometry ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", ["full", "valid", "same"])
@pytest.mark.parametrize("size", [(3, 3), (2, 5)])
def test_against_scipy_signal(padding, size):
    image, weights = RNG.normal(size=(8, 9)), RNG.normal(size=size)
    found = ks.convolve(image, weights, padding=padding, mode="constant", origin=[-(1 - k % 2) for k in size])
    assert_near(found, signal.convolve2d(image, weights, padding))


def test_stride_dilation_and_asymmetric_padding():
    ramp, ones = np.arange(25.0).reshape(5, 5), np.ones((2, 2))
    assert_same(ks.correlate(ramp, ones, stride=2, padding="valid"), np.array([[12.0, 20], [52, 60]]))
    padded = np.pad(ramp, ((0, 1), (1, 0)))
    wanted = signal.correlate2d(padded, ones, "valid")[::2, ::2]
    assert_same(ks.correlate(ramp, ones, stride=2, padding=((0, 1), (1, 0)), mode="constant"), wanted)
    spread = np.zeros((3, 3))
    spread[::2, ::2] = 1
    assert_near(ks.correlate(ramp, ones, dilation=2, padding="valid"), signal.correlate2d(ramp, spread, "valid"))


def test_axes():
    image, weights = RNG.normal(size=(6, 7, 3)), RNG.normal(size=(3, 2))
    wanted = np.stack([ndimage.correlate(image[..., c], weights) for c in range(3)], -1)
    assert_near(ks.correlate(image, weights, axes=(0, 1)), wanted)
    lines = RNG.normal(size=(4, 9))
    assert_near(ks.convolve(lines, [1.0, 2, 4], axes=-1), ndimage.convolve1d(lines, [1.0, 2, 4]))


def test_impulse_returns_the_kernel():
    impulse, weights = np.zeros((5, 5)), np.arange(9.0).reshape(3, 3)
    impulse[2, 2] = 1
    assert_same(ks.convolve(impulse, weights)[1:4, 1:4], weights)
    assert_same(ks.correlate(impulse, weights)[1:4, 1:4], weights[::-1, ::-1])


def test_zero_weights_count():
    found = ks.correlate(np.array([1.0, np.nan, 1.0, 1.0]), [0.0, 1.0, 0.0])
    assert_same(found, [np.nan, np.nan, np.nan, 1.0])


# -- complex numbers --------------------------------------------------------------------------------------------------


def complex_normal(*shape):
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("which", ["both", "image", "weights"])
@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=["correlate", "convolve"])
def test_complex_against_scipy(ours, theirs, which, mode):
    image = RNG.normal(size=(6, 7)) if which == "weights" else complex_normal(6, 7)
    weights = RNG.normal(size=(3, 2)) if which == "image" else complex_normal(3, 2)
    cval = 1.5 if which == "weights" else 1.5 - 0.5j
    assert_near(ours(image, weights, mode=mode, cval=cval), theirs(image, weights, mode=mode, cval=cval))


def test_complex_results_in_outputs_of_all_kinds():
    image, weights = complex_normal(6, 7), complex_normal(3, 3)
    wanted = ks.correlate(image, weights)
    target = np.zeros((6, 14), np.complex64)[:, ::2]
    assert ks.correlate(image, weights, output=target) is target
    assert_near(target, wanted.astype(np.complex64), 1e-5)
    assert_same(ks.correlate(image, weights, output=">c16"), wanted.astype(">c16"))
    own = image.copy()
    assert_same(ks.correlate(own, weights, output=own), wanted)
    with pytest.raises(TypeError, match="cannot hold a result of dtype complex128; expected a complex dtype"):
        ks.correlate(image, weights, output=np.float64)


# -- normalisation ----------------------------------------------------------------------------------------------------


def normalised(image, weights, mode):
    """The sum of the products over the sum of the weights, sample by sample."""
    k = weights.shape
    result = np.zeros(image.shape, np.result_type(image, weights, np.float64))
    reflected = np.pad(image, [(n // 2, n - 1 - n // 2) for n in k], mode="symmetric")
    for p in np.ndindex(*image.shape):
        total = share = 0.0
        for i in np.ndindex(*k):
            at = [a + b - n // 2 for a, b, n in zip(p, i, k, strict=True)]
            if mode == "shrink" and not all(0 <= a < n for a, n in zip(at, image.shape, strict=True)):
                continue
            total += np.conj(weights[i]) * reflected[tuple(a + b for a, b in zip(p, i, strict=True))]
            share += np.conj(weights[i])
        result[p] = total / share
    return result


@pytest.mark.parametrize("mode", ["shrink", "reflect"])
@pytest.mark.parametrize("kinds", ["real", "complex image", "complex weights", "complex"])
def test_normalize_against_brute_force(kinds, mode):
    image = complex_normal(5, 6) if kinds in ("complex", "complex image") else RNG.normal(size=(5, 6))
    weights = complex_normal(3, 2) + 3 if kinds in ("complex", "complex weights") else RNG.uniform(0.5, 1, (3, 2))
    found = ks.correlate(image, weights, mode=mode, normalize=True)
    assert_near(found, normalised(image, weights, mode))
    flipped = ks.convolve(image, np.conj(weights)[::-1, ::-1], mode=mode, normalize=True, origin=(0, -1))
    assert_near(flipped, normalised(image, weights, mode))


def test_normalized_integers_are_floats():
    assert_same(
        ks.correlate(np.array([1, 2, 4], np.uint8), [1, 1, 1], normalize=True, mode="shrink"), [1.5, 7 / 3, 3.0]
    )
    found = ks.correlate(np.array([1, 2, 4], np.uint8), [1, 1, 1], normalize=True, output=np.uint8)
    assert_same(found, np.array([1, 2, 3], np.uint8))


def test_a_constant_image_is_unchanged_under_normalisation():
    image = np.full((6, 6), 3.5, np.float32)
    assert_near(ks.correlate(image, RNG.uniform(0, 1, (5, 5)), normalize=True, mode="shrink"), image, 1e-6)


@pytest.mark.parametrize("image", [np.ones(4), np.ones(4, complex)])
def test_a_sum_of_weights_that_is_noise_is_invalid(image):
    weights = [0.1, 0.2, -0.3]
    assert abs(sum(weights)) > 0
    found = ks.correlate(image, weights, normalize=True)
    assert np.isnan(found.real).all()
    marked = ks.correlate(image, weights, normalize=True, invalid=-1)
    assert_same(marked.real, np.full(4, -1.0))


def test_shrink_sums_what_is_there():
    assert_same(ks.correlate(np.array([1, 2, 4]), [1, 1, 1], mode="shrink"), np.array([3, 7, 6]))


def test_float32_products_are_kept_apart_from_float64_ones():
    """The same call with weights of other dtypes in turn: nothing that is remembered may be confused."""
    image = RNG.random(9, dtype=np.float32)
    for _ in range(2):
        for dtype in (np.float32, np.float64, np.int32, np.complex64):
            found = ks.correlate(image, np.array([1, 2, 3], dtype))
            assert found.dtype == (np.complex64 if dtype == np.complex64 else np.float32)
            assert_near(found.real, ndimage.correlate(image, [1.0, 2, 3]), 1e-6)
