"""Validity, statement by statement, on windows that shrink; and what can be said of it before the data is known.

The array is ``10 20 30`` and the window has three samples, so that the first output lacks its first sample and the last
output its last one.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelscape import expression as ex
from kernelscape.boundary import MODES
from kernelscape.errors import ArgumentError, ShapeError
from kernelscape.reference import can_be_invalid, evaluate
from tests.oracle.comparison import assert_same
from tests.oracle.jobs import WindowWords, binary, flat, largest, make_job, number, smallest, total
from tests.test_reference import everything, node_results

LINE = np.array([10.0, 20.0, 30.0])
SHRINK = WindowWords(3, "shrink")
NAN = math.nan
BOOL = ex.BOOL


def run(function, *arrays, arguments=(), words=SHRINK, **rest):
    arrays = arrays or (LINE,)
    words = words if isinstance(words, list) else [words] * len(arrays)
    (result,) = evaluate(make_job(function, arrays, words, **rest), arrays, arguments)
    return result


def mask(*bits):
    """An argument of known truth values, valid everywhere."""
    return ex.Argument((len(bits),), BOOL, 0), [np.array(bits, bool)]


def truth(value, shape=(3,)):
    return ex.broadcast(ex.constant(value, BOOL), shape)


# -- samples ----------------------------------------------------------------------------------------------------------


def test_sample_that_does_not_exist_is_invalid():
    assert_same(run(lambda w: w), [[NAN, 10, 20], [10, 20, 30], [20, 30, NAN]])


def test_constant_outside_is_valid():
    assert_same(run(lambda w: w, words=WindowWords(3, "constant", 7)), [[7.0, 10, 20], [10, 20, 30], [20, 30, 7]])


def test_missing_wins_over_constant_where_both_lie_outside():
    array = np.array([[1.0]])
    result = run(lambda w: w, array, words=WindowWords(3, ("constant", "shrink"), 7))
    assert_same(result[0, 0], [[NAN, 7, NAN], [NAN, 1, NAN], [NAN, 7, NAN]])


def test_offset_counts_when_it_is_valid_in_all_windows_that_have_it():
    words = [WindowWords(5, "nearest"), SHRINK]
    narrow = run(lambda a, b: a, LINE, LINE, words=words)
    assert_same(narrow, [[10, NAN, 10, 20, 30], [10, 10, 20, 30, 30], [10, 20, 30, NAN, 30]])
    words = [SHRINK, WindowWords(3, "nearest", dilation=2)]
    spread = run(lambda a, b: b, LINE, LINE, words=words)
    assert_same(spread, [[10.0, 10, 30], [10, 20, 30], [10, 30, 30]])  # no offset but the anchor is shared


def test_map_at_an_anchor_outside_is_the_nearest_value_though_the_window_has_none_there():
    words = [SHRINK, WindowWords(None)]
    result = run(lambda w, m: m, LINE, LINE, words=words, padding=2)
    assert_same(result, [10.0, 10, 20, 30, 30])
    result = run(lambda w, m: m, LINE, LINE, words=words, padding=3)
    assert_same(result, [NAN, 10.0, 10, 20, 30, 30, NAN])  # the outer windows have no valid sample at all


# -- flags through nodes ----------------------------------------------------------------------------------------------


def test_elementwise_needs_all_operands():
    result = run(lambda w: binary("add", ex.slice_(w, (0,), (1,), (2,)), ex.slice_(w, (1,), (1,), (2,))))
    assert_same(result, [[NAN, 30], [30, 50], [50, NAN]])


def test_elementwise_with_a_scalar_broadcasts_the_flag():
    result = run(lambda w: binary("add", truth_as_zeros(w), ex.pick(w, 0, 0)))
    assert_same(result, [[NAN] * 3, [10] * 3, [20] * 3])


def truth_as_zeros(w):
    return ex.broadcast(number(0.0, w), w.shape)


def select(condition, yes, no):
    return ex.elementwise("select", yes.dtype, condition, yes, no)


def test_select_needs_the_chosen_branch_only():
    condition, arguments = mask(1, 0, 1)
    result = run(lambda w: select(condition, w, truth_as_zeros(w)), arguments=arguments)
    assert_same(result, [[NAN, 0, 20], [10, 0, 30], [20, 0, NAN]])


def test_select_needs_the_condition():
    result = run(lambda w: select(binary("less", w, number(15.0, w)), truth_as_zeros(w), truth_as_zeros(w)))
    assert_same(result, [[NAN, 0, 0], [0, 0, 0], [0, 0, NAN]])


def test_valid_turns_missing_samples_into_numbers():
    result = run(lambda w: select(ex.valid(w), w, truth_as_zeros(w)))
    assert_same(result, [[0.0, 10, 20], [10, 20, 30], [20, 30, 0]])


@pytest.mark.parametrize(
    ("operation", "wanted"),
    [
        ("add", [30.0, 60, 50]),
        ("multiply", [200.0, 6000, 600]),
        ("minimum", [10.0, 10, 20]),
        ("maximum", [20.0, 30, 30]),
    ],
)
def test_folds_skip_what_does_not_exist(operation, wanted):
    assert_same(run(lambda w: ex.reduce(operation, w, (0,))), wanted)


@pytest.mark.parametrize("operation", ["add", "multiply", "minimum", "maximum"])
def test_fold_is_invalid_where_nothing_exists(operation):
    result = run(lambda w: ex.reduce(operation, ex.slice_(w, (0,), (1,), (1,)), (0,)))
    assert_same(result, [NAN, 10, 20])


@pytest.mark.parametrize(
    ("operation", "operand", "wanted"),
    [("logical_and", "greater", [True] * 3), ("logical_or", "less", [False] * 3)],
)
def test_logical_folds_skip_what_does_not_exist(operation, operand, wanted):
    result = run(lambda w: ex.reduce(operation, binary(operand, w, number(1.0, w)), (0,)), invalid=0)
    assert_same(result, wanted)


def test_partial_fold_has_flags_of_its_own():
    array = np.arange(9.0).reshape(3, 3)
    result = run(lambda w: ex.reduce("maximum", w, (1,)), array)
    assert_same(result[0], [[NAN, 1, 4], [NAN, 2, 5], [NAN, 2, 5]])
    assert_same(result[1, 1], [2.0, 5, 8])


# -- selection --------------------------------------------------------------------------------------------------------


def above(w, threshold):
    return binary("greater", w, number(threshold, w))


@pytest.mark.parametrize(("operation", "identity"), [("add", 0.0), ("multiply", 1.0)])
def test_fold_over_an_empty_selection_is_the_identity(operation, identity):
    """At the border as in the interior: the condition of a missing sample is not known, so nothing is lost."""
    result = run(lambda w: ex.reduce(operation, w, (0,), above(w, 99.0)))
    assert_same(result, [identity] * 3)


@pytest.mark.parametrize("operation", ["minimum", "maximum"])
def test_extremum_of_an_empty_selection_is_invalid(operation):
    assert_same(run(lambda w: ex.reduce(operation, w, (0,), above(w, 25.0))), [NAN, 30, 30])


def test_fold_is_invalid_where_the_selected_samples_do_not_exist():
    chosen, arguments = mask(1, 0, 0)
    assert_same(run(lambda w: total(w, chosen), arguments=arguments), [NAN, 10, 20])


def test_fold_is_invalid_where_the_whole_condition_is_unknown():
    """The element exists, and whether it is selected is not known."""
    first = lambda w: ex.slice_(w, (0,), (1,), (1,))  # noqa: E731
    result = run(lambda w: ex.reduce("add", ex.reshape(number(5.0, w), (1,)), (0,), above(first(w), 0.0)))
    assert_same(result, [NAN, 5, 5])


def test_selection_counts_valid_elements_only():
    result = run(lambda w: total(w, above(w, 15.0)))
    assert_same(result, [20.0, 50, 50])


@pytest.mark.parametrize("selected", [True, False])
def test_fold_over_no_element(selected):
    def function(w):
        nothing = ex.slice_(w, (0,), (1,), (0,))
        return total(nothing, truth(selected, (0,))), smallest(nothing), largest(nothing, truth(selected, (0,)))

    sums, low, high = evaluate(make_job(function, [LINE], [SHRINK]), [LINE])
    assert_same(sums, [0.0] * 3)
    assert_same(low, [NAN] * 3)
    assert_same(high, [NAN] * 3)


# -- order ------------------------------------------------------------------------------------------------------------


def test_sort_puts_missing_elements_last():
    result = run(lambda w: ex.sort(w, 0), np.array([30.0, 10.0, 20.0]))
    assert_same(result, [[10, 30, NAN], [10, 20, 30], [10, 20, NAN]])


def test_sort_puts_nan_before_what_does_not_count():
    array = np.array([5.0, NAN, 1.0])
    chosen, arguments = mask(1, 1, 0)

    def function(w):
        ordered = ex.sort(w, 0, chosen)
        return ordered, ex.valid(ordered)

    ordered, flags = evaluate(make_job(function, [array], [SHRINK], invalid=-1), [array], arguments)
    assert_same(ordered, [[5, -1, -1], [5, NAN, -1], [1, NAN, -1]])
    assert_same(flags, np.array([[1, 0, 0], [1, 1, 0], [1, 1, 0]], bool))


def test_element_taken_beyond_the_existing_ones_is_invalid():
    last = ex.constant(2, ex.INT64)
    assert_same(run(lambda w: ex.take(ex.sort(w, 0), 0, last)), [NAN, 30, NAN])


def test_take_needs_its_index():
    first_above = lambda w, t: ex.arg_reduce("minimum", w, (0,), above(w, t))  # noqa: E731
    assert_same(run(lambda w: ex.take(w, 0, first_above(w, 25.0))), [NAN, 30, 30])


@pytest.mark.parametrize(("operation", "wanted"), [("minimum", [1, 0, 0]), ("maximum", [2, 2, 1])])
def test_position_of_an_extremum_is_in_the_full_window(operation, wanted):
    assert_same(run(lambda w: ex.arg_reduce(operation, w, (0,)), invalid=-1), np.array(wanted))


def test_position_of_an_extremum_of_nothing_is_invalid():
    result = run(lambda w: ex.arg_reduce("maximum", w, (0,), above(w, 25.0)), invalid=-1)
    assert_same(result, np.array([-1, 2, 1]))
    nothing = run(lambda w: ex.arg_reduce("maximum", ex.slice_(w, (0,), (1,), (0,)), (0,)), invalid=-1)
    assert_same(nothing, np.array([-1, -1, -1]))


def test_first_extremum_and_first_nan_win():
    array = np.array([NAN, 2.0, 7.0, 7.0, NAN, NAN, 3.0])
    result = run(lambda w: ex.arg_reduce("maximum", w, (0,)), array, invalid=-1)
    assert_same(result, np.array([1, 0, 1, 2, 1, 0, 0]))


# -- outputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("least", "wanted"), [(0, [30.0, 60, 50]), (2, [30.0, 60, 50]), (3, [NAN, 60, NAN]), (4, [NAN] * 3)]
)
def test_min_count(least, wanted):
    assert_same(run(total, min_count=least), wanted)


def test_min_count_is_of_the_largest_window():
    words = [WindowWords(1), WindowWords(3, "shrink"), WindowWords(None)]
    assert_same(run(lambda a, b, m: total(a), LINE, LINE, LINE, words=words, min_count=3), [NAN, 20, NAN])


def test_nothing_is_invalid_with_min_count_0_unless_its_value_is():
    chosen, arguments = mask(1, 0, 0)
    assert_same(run(lambda w: total(w, chosen), arguments=arguments, min_count=0), [NAN, 10, 20])
    outside = run(lambda w: total(ex.cast(ex.valid(w), ex.INT64)), padding=3, min_count=0, invalid=-1)
    assert_same(outside, np.array([0, 1, 2, 3, 2, 1, 0]))


def test_invalid_outputs_become_what_is_asked_for():
    first = lambda w: ex.pick(w, 0, 0)  # noqa: E731
    assert_same(run(first, invalid=-5), [-5.0, 10, 20])
    line = LINE.astype(np.uint8)
    assert_same(run(first, line, invalid=255), np.array([255, 10, 20], np.uint8))
    assert_same(run(first, line, dtypes=[np.float64]), [NAN, 10, 20])
    assert_same(run(lambda w: ex.cast(first(w), BOOL), line, invalid=0), np.array([False, True, True]))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool])
def test_invalid_outputs_that_the_dtype_cannot_mark_are_an_error(dtype):
    with pytest.raises(ArgumentError, match="cannot hold invalid=nan"):
        run(lambda w: ex.pick(w, 0, 0), LINE, dtypes=[dtype])


# -- what is known beforehand -----------------------------------------------------------------------------------------

RING = np.ones((3, 3), bool)
RING[1, 1] = False


def median(w):
    """As it is composed where samples may be missing: the rank is computed from how many there are."""
    line = flat(w)
    count = total(ex.cast(ex.valid(line), ex.INT64))
    ordered = ex.sort(line, 0)
    lower = binary("right_shift", binary("subtract", count, ex.constant(1, ex.INT64)), ex.constant(1, ex.INT64))
    return ex.take(ordered, 0, lower)


CANNOT = {
    "fold": (total, {}),
    "extremum": (smallest, {}),
    "position of an extremum": (lambda w: ex.arg_reduce("maximum", w, (0, 1)), {}),
    "fold of an expression": (lambda w: total(binary("multiply", w, w)), {}),
    "median": (median, {}),
    "anchor itself": (lambda w: ex.pick(ex.pick(w, 0, 1), 0, 1), {}),
    "row of the anchor": (lambda w: ex.pick(ex.reduce("maximum", w, (1,)), 0, 1), {}),
    "smallest element": (lambda w: ex.pick(ex.sort(flat(w), 0), 0, 0), {}),
    "sum of a selection by value": (lambda w: total(w, above(w, 1.0)), {}),
    "sum of a selection, reshaped": (lambda w: total(flat(binary("add", w, w)), flat(above(w, 1.0))), {}),
    "flags": (ex.valid, {}),
    "samples inside": (lambda w: w, {"padding": "valid"}),
    "constant": (lambda w: number(1.0, w), {}),
    "off-centre anchor": (total, {"words": WindowWords(3, "shrink", origin=-1)}),
    "samples of other modes": (lambda w: w, {"words": WindowWords(3, "constant")}),
    "window outside, no least count": (lambda w: number(1.0, w), {"padding": 5, "min_count": 0}),
}
CAN = {
    "samples": (lambda w: w, {}),
    "one sample": (lambda w: ex.pick(flat(w), 0, 0), {}),
    "partial fold": (lambda w: ex.reduce("add", w, (1,)), {}),
    "fold of a part": (lambda w: total(ex.slice_(w, (0, 0), (1, 1), (1, 3))), {}),
    "largest element": (lambda w: ex.pick(ex.sort(flat(w), 0), 0, 8), {}),
    "extremum of a selection": (lambda w: largest(w, above(w, 1.0)), {}),
    "sum of a selection by place": (lambda w: total(w, ex.Argument((3, 3), BOOL, 0)), {}),
    "sum of a selection by another sample": (lambda w: total(w, ex.slice_(above(w, 1.0), (0, 2), (1, -1), (3, 3))), {}),
    "element at a place that data decides": (lambda w: ex.take(flat(w), 0, ex.constant(1, ex.INT64)), {}),
    "window without its anchor": (total, {"words": WindowWords(None, "shrink", footprint=RING)}),
    "window outside the array": (total, {"padding": 5}),
    "least count": (total, {"min_count": 2}),
    "selected branch": (lambda w: select(above(w, 1.0), w, w), {}),
}


def job_of(function, words=SHRINK, **rest):
    return make_job(function, [np.zeros((6, 7))], [words], **rest)


@pytest.mark.parametrize("name", CANNOT)
def test_outputs_that_cannot_be_invalid(name):
    function, rest = CANNOT[name]
    assert not can_be_invalid(job_of(function, **rest))


@pytest.mark.parametrize("name", CAN)
def test_outputs_that_can_be_invalid(name):
    function, rest = CAN[name]
    assert can_be_invalid(job_of(function, **rest))


@pytest.mark.parametrize("mode", [name for name in MODES if name != "shrink"])
def test_no_other_mode_makes_an_output_invalid(mode):
    for function, rest in CAN.values():
        if not {"words", "min_count"} & set(rest) and function is not CAN["extremum of a selection"][0]:
            assert not can_be_invalid(job_of(function, WindowWords(3, mode), **rest))


def test_partner_makes_samples_invalid():
    arrays = [np.zeros(5), np.zeros(5)]
    words = [WindowWords(3, "wrap"), WindowWords(3, "shrink")]
    assert can_be_invalid(make_job(lambda a, b: a, arrays, words))
    assert not can_be_invalid(make_job(lambda a, b: a, arrays, [WindowWords(3, "wrap")] * 2))
    assert not can_be_invalid(make_job(lambda a, b: total(binary("multiply", a, b)), arrays, words))
    assert not can_be_invalid(make_job(lambda a, b: total(a, above(b, 0.0)), arrays, words))


@settings(max_examples=150)
@given(everything())
def test_what_cannot_be_invalid_is_not(drawn):
    """Each result alone: where the answer is no, the store of an integer result never asks for a mark."""
    arrays, words, _, stride, padding, min_count = drawn
    for position in range(5):
        try:
            job = make_job(
                lambda *w, which=position: node_results(*w)[which],
                arrays,
                list(words),
                stride=stride,
                padding=padding,
                min_count=min_count,
            )
        except ShapeError:
            return
        if not can_be_invalid(job):
            evaluate(job, arrays)


@settings(max_examples=100)
@given(st.integers(1, 7), st.integers(1, 5), st.integers(0, 6), st.integers(0, 6))
def test_plain_folds_know_their_anchors(extent, size, before, after):
    """No output is invalid where all anchors are in the array; some are where a window is quite outside."""
    padding = (before, after + size)
    job = make_job(total, [np.zeros(extent)], [WindowWords(size, "shrink")], padding=padding)
    axis = job.grid[0]
    if axis.first >= 0 and axis.first + axis.count <= extent:
        assert not can_be_invalid(job)
    if np.isnan(evaluate(job, [np.zeros(extent)])[0]).any():
        assert can_be_invalid(job)
