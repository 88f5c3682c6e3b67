"""Windows of different sizes under `shrink`: a sample counts when it is there in every window that has its offset.

Compared with the definition, where the compiled code loops over taps and so finds a sample's partner at run time.
"""

import numpy as np
import pytest

import kernelscape as ks
from tests.oracle.defined import defined

FUNCTIONS = {
    "median of the second": lambda a, b: np.sum(a > np.median(b)),
    "sums": lambda a, b: np.sum(a) - 2.0 * np.sum(b),
    "medians": lambda a, b: np.median(a) - np.median(b),
    "extrema": lambda a, b: np.max(a) + np.min(b),
}
SECOND = {
    "smaller": {"size": 2},
    "larger": {"size": 15},
    "dilated": {"size": 3, "dilation": 2},
    "moved": {"size": 4, "origin": -1},
    "footprint": {"footprint": np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)},
    "constant": {"size": 5, "mode": "constant"},
}


@pytest.mark.parametrize("size", [3, 13])
@pytest.mark.parametrize("second", SECOND, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_partners_are_found(name, second, size):
    random = np.random.default_rng(3)
    x, y = random.integers(-9, 10, (2, 17, 23)).astype(np.float64)
    arguments = (x, ks.window(y, **SECOND[second]))
    actual = ks.apply(FUNCTIONS[name], *arguments, size=size, mode="shrink", method="traced")
    np.testing.assert_array_equal(actual, defined(FUNCTIONS[name], arguments, size=size, mode="shrink"))
