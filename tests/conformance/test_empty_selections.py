"""An extremum of nothing selected is invalid, and so is what is made of it, also where no sample is missing."""

import numpy as np
import pytest

import kernelscape as ks
from tests.oracle.defined import defined

SAMPLES = np.array([5, 0, 3, 0, 2, 7, 1, 8, 9, 4, 4, 4, 4, 4])
FUNCTIONS = {
    "first": lambda w: np.sort(w * 1.0 - np.max(w[w == 0]))[0],
    "maximum": lambda w: np.max(w * 1.0 + np.max(w[w == 0])),
    "sum": lambda w: np.sum(w * 1.0 + np.max(w[w == 0])),
    "position": lambda w: np.argmax(w + np.min(w[w == 0])),
    "median": lambda w: np.median(w + np.min(w[w == 0])),
    "any": lambda w: np.any(w + np.min(w[w == 0]) > 3),
    "count": lambda w: ks.count(w + np.min(w[w == 0])),
}


@pytest.mark.parametrize("size", [3, 33])
def test_products_of_weights_alone_are_summed_where_samples_say_so(size):
    weights = np.linspace(-1, 2, size)

    def function(w):
        return np.sum((weights * 1.5)[w != 0])

    actual = ks.apply(function, SAMPLES, size=size, method="traced")
    np.testing.assert_allclose(actual, defined(function, (SAMPLES,), size=size), rtol=1e-14)


@pytest.mark.parametrize("mode", ["reflect", "shrink"])
@pytest.mark.parametrize("size", [3, 7, 33])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_comes_of_nothing(name, size, mode):
    words = {"size": size, "mode": mode}
    actual = ks.apply(FUNCTIONS[name], SAMPLES, output=np.float64, method="traced", **words)
    expected = defined(FUNCTIONS[name], (SAMPLES,), output=np.float64, **words)
    np.testing.assert_array_equal(actual, expected)
    assert np.isnan(expected).any() == (size < 33 and name != "count")
