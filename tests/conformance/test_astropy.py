"""`convolve` beside `astropy.convolution.convolve`: NaN interpolated, masks, and kernels renormalised or not.

What is said here by two words is said there by others:

===============================================  =========================================================
astropy                                          Kernelscape
===============================================  =========================================================
``boundary="fill", fill_value=v``                ``mode="constant", cval=v``
``boundary="extend"``, ``"wrap"``                ``mode="nearest"``, ``"wrap"``
``boundary="fill", fill_value=nan``              the same with ``cval=nan``, or ``mode="shrink"``
``nan_treatment="interpolate"``                  ``nan_policy="omit", normalize=True``
the same with ``normalize_kernel=False``         ``nan_policy="omit", normalize="valid"``
``nan_treatment="fill", fill_value=v``           NaN replaced beforehand; the kernel divided by its sum, or not
``mask=m``                                       ``where=~m``
``preserve_nan=True``                            ``np.where(np.isnan(image), np.nan, result)``
===============================================  =========================================================

Compared is every element, and where NaN is. Not compared: ``boundary=None`` (there the border is set to 0), and dtypes
(there all is float64).
"""

import itertools
import warnings

import astropy.convolution as astropy
import numpy as np
import pytest

import kernelscape as ks
from tests.oracle.comparison import assert_near

MODES = {"fill": "constant", "wrap": "wrap", "extend": "nearest"}
SHAPES = {(19,): (5,), (11, 14): (3, 5), (6, 7, 5): (3, 1, 3)}


def image_and_kernel(shape, size, seed=0):
    """An image with single NaN and a hole that some windows lie in, and a kernel that is not symmetric."""
    rng = np.random.default_rng([seed, *shape])
    x = rng.normal(3, 1, shape)
    x[rng.random(shape) < 0.1] = np.nan
    x[tuple(slice(n // 2, n // 2 + k) for n, k in zip(shape, size, strict=True))] = np.nan
    return x, rng.uniform(0.1, 1, size)


def theirs(*args, **words):
    with warnings.catch_warnings():
        # They tell of NaN that stay, and of other ways to do it.
        warnings.simplefilter("ignore")
        return astropy.convolve(*args, **words)


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("boundary", MODES)
@pytest.mark.parametrize("shape", SHAPES)
def test_nan_is_interpolated(shape, boundary, normalized):
    x, kernel = image_and_kernel(shape, SHAPES[shape])
    words = {"mode": MODES[boundary], "nan_policy": "omit", "normalize": True if normalized else "valid"}
    wanted = theirs(x, kernel, boundary, normalize_kernel=normalized)
    assert np.isnan(x).any()
    assert_near(ks.convolve(x, kernel, **words), wanted, 1e-12)
    assert_near(ks.correlate(x, np.flip(kernel), **words), wanted, 1e-12)
    wanted = theirs(x, kernel, boundary, normalize_kernel=normalized, preserve_nan=True)
    assert_near(np.where(np.isnan(x), np.nan, ks.convolve(x, kernel, **words)), wanted, 1e-12)


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("boundary", MODES)
def test_nan_is_filled(boundary, normalized):
    x, kernel = image_and_kernel((11, 14), (3, 5))
    for value in (0.0, -2.5):
        wanted = theirs(x, kernel, boundary, fill_value=value, nan_treatment="fill", normalize_kernel=normalized)
        weights = kernel / kernel.sum() if normalized else kernel
        found = ks.convolve(np.where(np.isnan(x), value, x), weights, mode=MODES[boundary], cval=value)
        assert_near(found, wanted, 1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_outside_may_count_or_not(shape):
    x, kernel = image_and_kernel(shape, SHAPES[shape], seed=1)
    words = {"nan_policy": "omit", "normalize": True}
    assert_near(ks.convolve(x, kernel, mode="constant", cval=2.5, **words), theirs(x, kernel, fill_value=2.5), 1e-12)
    wanted = theirs(x, kernel, fill_value=np.nan)
    assert_near(ks.convolve(x, kernel, mode="constant", cval=np.nan, **words), wanted, 1e-12)
    assert_near(ks.convolve(x, kernel, mode="shrink", **words), wanted, 1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_masks(shape):
    x, kernel = image_and_kernel(shape, SHAPES[shape], seed=2)
    mask = np.random.default_rng(3).random(shape) < 0.3
    words = {"mode": "nearest", "nan_policy": "omit", "normalize": True}
    wanted = theirs(x, kernel, "extend", mask=mask)
    assert_near(ks.convolve(x, kernel, where=~mask, **words), wanted, 1e-12)
    masked = np.ma.array(x, mask=mask)
    assert_near(ks.convolve(masked, kernel, **words).filled(np.nan), theirs(masked, kernel, "extend"), 1e-12)


def test_kernels_of_a_gaussian():
    x, _ = image_and_kernel((21, 23), (3, 3), seed=4)
    kernel = astropy.Gaussian2DKernel(1.5)
    wanted = theirs(x, kernel, "extend")
    words = {"mode": "nearest", "nan_policy": "omit", "normalize": True}
    assert_near(ks.convolve(x, kernel.array, **words), wanted, 1e-12)
    # The same Gaussian as a field: there the size is another way to say where it ends.
    field = ks.kernels.Gaussian(1.5, size=kernel.shape)
    assert_near(ks.convolve(x, field, **words), wanted, 1e-12)


def test_a_kernel_without_a_sum_has_nothing_to_be_rescaled_to():
    """There it is an error for all images; here the outputs are invalid that miss a sample, and the others as ever."""
    x, _ = image_and_kernel((11, 14), (3, 3), seed=5)
    slope = np.array([[1.0, 0.0, -1.0]])
    with pytest.raises(ValueError, match="sum close to zero"):
        theirs(x, slope, "extend", normalize_kernel=False)
    found = ks.convolve(x, slope, mode="nearest", nan_policy="omit", normalize="valid")
    wanted = ks.convolve(x, slope, mode="nearest", nan_policy="omit", min_count=3)
    assert_near(found, wanted, 0)
    assert 0 < np.isnan(found).sum() < found.size
    # NaN taken for 0, as there.
    filled = theirs(x, slope, "extend", nan_treatment="fill", normalize_kernel=False)
    found = ks.convolve(x, slope, mode="nearest", where=~np.isnan(x))
    assert_near(found, np.where(np.isnan(found), np.nan, filled), 1e-12)


def test_constant_images_stay_constant():
    """Both fill holes with the constant, whatever the kernel and the holes."""
    for shape, boundary in itertools.product(SHAPES, MODES):
        x, kernel = image_and_kernel(shape, SHAPES[shape], seed=6)
        x = np.where(np.isnan(x), np.nan, 7.0)
        found = ks.convolve(x, kernel, mode=MODES[boundary], cval=7.0, nan_policy="omit", normalize=True)
        assert_near(found[~np.isnan(found)], np.full((~np.isnan(found)).sum(), 7.0), 1e-13)
        assert_near(found, theirs(x, kernel, boundary, fill_value=7.0), 1e-13)
