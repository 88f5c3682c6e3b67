"""Comparison of results: shape and dtype first, then every element."""

import numpy as np


def assert_same(actual, expected):
    """The same shape, dtype and values; NaN equals NaN, and -0 equals +0."""
    expected = np.asarray(expected)
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(actual, expected)


def assert_near(actual, expected, tolerance=1e-12):
    """The same shape, NaN at the same places, and elsewhere within the tolerance, relative and absolute."""
    expected = np.asarray(expected)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)
