"""Means of integers that are stored as integers: rounded to the nearest, halves to even, whatever the arithmetic."""

import numpy as np
import pytest

import kernelscape as ks


def lines_with_sums(sums, count, dtype):
    """Lines of `count` samples, as equal as can be, with these sums."""
    whole, rest = np.divmod(sums, count)
    return (whole[:, None] + (np.arange(count) < rest[:, None])).astype(dtype)


def nearest(sums, count):
    """Sums over a count, rounded by integers alone."""
    whole, rest = np.divmod(sums, count)
    up = (2 * rest > count) | ((2 * rest == count) & (whole % 2 == 1))
    return whole + up


def assert_means_are_nearest(sums, count, dtype, output):
    lines = lines_with_sums(sums, count, dtype)
    found = ks.apply(np.mean, lines, size=(1, count), padding="valid", output=output)
    np.testing.assert_array_equal(found[:, 0], nearest(sums, count).astype(output))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 25, 49, 100, 121, 225, 255])
def test_every_mean_of_bytes_is_rounded_to_the_nearest(count):
    assert_means_are_nearest(np.arange(255 * count + 1), count, np.uint8, np.uint8)


@pytest.mark.parametrize("count", [257, 289, 400, 961])
def test_means_of_more_bytes_than_narrow_sums_hold(count):
    half = np.arange(count // 2, 255 * count, max(1, count // 7))
    assert_means_are_nearest(np.concatenate([half, half + 1, [255 * count]]), count, np.uint8, np.uint8)


@pytest.mark.parametrize("count", [3, 8, 15, 31, 127])
@pytest.mark.parametrize(("dtype", "output"), [(np.int8, np.int8), (np.uint16, np.uint16), (np.int16, np.int32)])
def test_means_of_other_integers(count, dtype, output):
    low, high = (int(n) * count for n in (np.iinfo(dtype).min, np.iinfo(dtype).max))
    sums = np.unique(np.linspace(low, high, 4001).astype(np.int64) + np.arange(4001) % 5)
    assert_means_are_nearest(sums[sums <= high], count, dtype, output)


@pytest.mark.parametrize("count", [3, 9, 25])
def test_means_of_truth_values_are_rounded_too(count):
    assert_means_are_nearest(np.arange(count + 1), count, np.bool_, np.uint8)
