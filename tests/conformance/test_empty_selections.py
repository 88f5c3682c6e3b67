"""An extremum of nothing selected is invalid, and so is what is made of it, also where no sample is missing."""

import numpy as np
import pytest

import kernelscape as ks
from tests.conformance.cases import Case, Recipe
from tests.conformance.check import check
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
    array = Recipe("int16", (2, 40), "C", "small", 1)
    others = (array, Recipe("int16", (size,), "C", "small", 2), 1)
    options = {"axes": (1,), "size": (size,), "mode": "reflect"}
    assert check(Case("wvkx: np.sum((k * 1.5)[(v != 2)])", array, options, others))


@pytest.mark.parametrize("mode", ["reflect", "shrink"])
@pytest.mark.parametrize("size", [3, 7, 33])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_comes_of_nothing(name, size, mode):
    words = {"size": size, "mode": mode}
    actual = ks.apply(FUNCTIONS[name], SAMPLES, output=np.float64, method="traced", **words)
    expected = defined(FUNCTIONS[name], (SAMPLES,), output=np.float64, **words)
    np.testing.assert_array_equal(actual, expected)
    assert np.isnan(expected).any() == (size < 33 and name != "count")
