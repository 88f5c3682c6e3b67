"""Every function of the table on drawn calls, against the definition.

Compared are dtypes, shapes and every element; exactly where no rounding takes part, else within bounds that follow from
the expression (``tests/oracle/rounding.py``). Drawn are dimensions, dtypes, byte order, layouts in memory, values with
NaN, infinities and denormals, window, boundary modes, grid, batch axes, output arrays and workers. ``python -m
tests.fuzz`` draws on without an end.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import kernelscape as ks
from tests.conformance.cases import LAYOUTS, Case, Recipe, draw, lay_out, make
from tests.conformance.check import check, decided, prepare
from tests.conformance.functions import FUNCTIONS
from tests.oracle.rounding import assert_within

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of infinities on the way into float16


def few(count):
    """So many examples here, and in proportion where hypothesis is asked for more than its 100."""
    return settings(max_examples=count * settings.default.max_examples // 100)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@few(5)
@given(random=st.randoms(use_true_random=False))
def test_the_engine_is_the_definition(name, random):
    assume(check(draw(random, [name])))


@pytest.mark.parametrize("target", ["x86-64", "x86-64-v3"])
@few(20)
@given(random=st.randoms(use_true_random=False))
def test_code_for_older_processors_is_the_definition(target, random):
    with ks.configure(target=target):
        assume(check(draw(random)))


@few(30)
@given(random=st.randoms(use_true_random=False))
def test_the_checked_build_is_the_definition_and_finds_nothing(random):
    with ks.configure(checked=True):
        assume(check(draw(random)))


BIG = ("median", "sum", "mean_above", "nanmax", "argmin", "largest_product", "nanmedian", "std", "lower_percentile")


@pytest.mark.parametrize("name", BIG)
@pytest.mark.parametrize("mode", ["reflect", "shrink"])
def test_large_windows(name, mode):
    others = (Recipe("float32", (11, 13), "C", "small", 2),) if "kernel" in FUNCTIONS[name].roles else ()
    for values in ("small", "special"):
        array = Recipe("float32", (14, 40), "C", values, 1)
        assert check(Case(name, array, {"size": (11, 13), "mode": mode}, others), {"workers": 2})


@pytest.mark.parametrize("name", ["median", "mean", "max", "sum_below"])
def test_very_large_windows(name):
    array = Recipe("uint8", (9, 35), "C", "wide", 3)
    assert check(Case(name, array, {"size": 31, "mode": "mirror"}))


@pytest.mark.parametrize("colours", [2, 3, 4, 5])
@pytest.mark.parametrize("mode", ["reflect", "constant", "shrink"])
def test_interleaved_colours(colours, mode):
    array = Recipe("uint8", (9, 41, colours), "C", "small", colours)
    for name in ("mean", "median", "coordinate_weighted"):
        others = (1,) if name == "coordinate_weighted" else ()
        assert check(Case(name, array, {"size": 3, "mode": mode, "axes": (0, 1)}, others), {"workers": 2})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_hold_the_same_numbers(layout):
    array = np.arange(24, dtype=">i2").reshape(2, 3, 4)
    wanted = array if layout != "broadcast" else np.broadcast_to(array[:1], array.shape)
    np.testing.assert_array_equal(lay_out(array, layout), wanted)


def test_most_results_are_compared():
    """The bounds leave little undecided: otherwise the comparison would prove nothing."""
    import random

    shares = []
    for number in range(120):
        try:
            shares.append(decided(prepare(draw(random.Random(number)))))
        except Exception as error:
            if type(error).__name__ != "RefusedError":
                raise
    assert len(shares) > 90
    assert np.mean(shares) > 0.9


@pytest.mark.parametrize("spoiled", [np.nan, 0.0, np.float32(1.0001), np.inf])
def test_a_wrong_result_is_found(spoiled):
    case = Case("mean", Recipe("float32", (5, 9), "C", "constant", 0), {"size": 3})
    prepared = prepare(case)
    (result,) = prepared.run()
    assert_within(result, prepared.expected[0], prepared.bounds[0])
    result[2, 3] *= spoiled
    with pytest.raises(AssertionError, match="1 of 45 elements"):
        assert_within(result, prepared.expected[0], prepared.bounds[0])


def test_a_wrong_dtype_is_found():
    prepared = prepare(Case("sum", Recipe("uint8", (5,), "C", "small", 0), {"size": 3}))
    with pytest.raises(AssertionError):
        assert_within(prepared.expected[0].astype(np.int64), prepared.expected[0], prepared.bounds[0])


def test_a_case_is_made_again_from_its_repr():
    import random

    nan, inf = np.nan, np.inf
    for number in range(20):
        case = draw(random.Random(number))
        again = eval(repr(case), {"Case": Case, "Recipe": Recipe, "nan": nan, "inf": inf})  # noqa: S307  # our own repr
        assert make(again.array).tobytes() == make(case.array).tobytes()
        assert repr(again) == repr(case)
