"""Random expressions of windows, kernels, maps and coordinates against the definition, and those once wrong."""

import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.conformance.cases import Case, Recipe, draw
from tests.conformance.check import check
from tests.conformance.programs import draw_program, function_of

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of what a function does with plain numbers


@settings(max_examples=120 * settings.default.max_examples // 100)
@given(random=st.randoms(use_true_random=False))
def test_random_functions(random):
    assume(check(draw(random, programs=1.0)))


FOUND = (
    "wk: np.median((w * k)[k > 0])",  # a rank known for all positions of values that differ
    "wk: np.median(k[w > 0])",
    "wk: np.sort(k)[np.argmax(w)]",  # a rank that differs of values known for all positions
    "wk: np.sort(w)[np.argmax(k)]",
    "wk: np.median(k) + np.sum(w)",
    "wk: np.percentile((w + k)[k > -5], 30)",
    "wk: np.sum(valid(k)) + np.mean(k[w > 0])",
    "wt: np.sum(w > t)",  # a map has no missing samples
    "w: np.where(valid(w), 1.0, 0.0).sum() / count(w)",
    "w: np.max(np.sin(w))",
    "w: np.sum(w[w > w[-1]])",  # of a selection nothing is known where w[-1] does not exist
    "w: np.sum(np.flip(w)[(w <= 3) & valid(w)])",  # what is selected may not exist
    "wk: np.any(w[k > 0])",
    "w: np.mean(w[w <= np.max(w[w > 6])])",  # a selection by what need not exist
    "w: np.where(np.max(w) > 3, np.max(w), np.max(np.where(w != -1, w * np.float64(2), w)))",  # two dtypes in a sweep
)


@pytest.mark.parametrize("mode", ["shrink", "mirror"])
@pytest.mark.parametrize("program", FOUND)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_was_wrong(program, mode, dtype):
    roles = {"k": Recipe(dtype, (5,), "C", "small", 3), "t": Recipe(dtype, (40,), "C", "small", 4)}
    others = tuple(roles[name] for name in program.split(":")[0][1:])
    for padding in ("same", "full"):
        case = Case(
            program, Recipe(dtype, (40,), "C", "small", 1), {"size": 5, "mode": mode, "padding": padding}, others
        )
        assert check(case)


def test_dilation_leaves_gaps_between_the_rows_of_a_tile():
    """Rows of a ring are filled one by one: a row between two that were filled is not there yet."""
    for layout in ("C", "F"):
        array = Recipe("float32", (2, 43, 2, 2), layout, "small", 5)
        assert check(Case("sum", array, {"axes": (1,), "size": 7, "dilation": 3}))


def test_float16_windows_are_rounded_as_they_are_loaded():
    for dtype in ("float64", "float32", "int32", ">f8"):
        assert check(
            Case("max", Recipe(dtype, (9, 40), "C", "wide", 6), {"size": 3, "dtype": "float16"}, output="float64")
        )


@pytest.mark.parametrize("invalid", [-1, 0, 300])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "bool", "float32"])
def test_marks_of_invalid_outputs_are_saturated(dtype, invalid):
    case = Case(
        "max", Recipe(dtype, (30,), "C", "small", 7), {"size": 4, "mode": "shrink", "min_count": 4, "invalid": invalid}
    )
    check(case)


def test_programs_are_functions():
    texts = {draw_program(random.Random(number)) for number in range(60)}
    assert len(texts) > 50
    roles = {function_of(text).roles for text in texts}
    assert {("window",), ("window", "window"), ("window", "kernel"), ("window", "pixel")} <= roles
