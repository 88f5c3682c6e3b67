"""The tracer apart from NumPy's functions, which `test_trace_functions.py` has.

Parameters, run-time arguments, structure, decisions, pages, guards, validity, simplification.
"""

import functools
import math

import numpy as np
import pytest

from kernelscape.errors import TracingError
from kernelscape.expression import structure, walk
from kernelscape.rewrite import linear_weights
from kernelscape.trace import Parameter, count, trace, valid
from tests.oracle.traced import assert_as_numpy, numpy_results, traced_results, values

SHAPE = (4, 5)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, from the windows it is called on


def window(dtype="float32", shape=(3, 3), number=0):
    return Parameter.window(number, shape, np.dtype(dtype))


# -- arguments ---------------------------------------------------------------------------------------------------------


def structure_of(function, *parameters):
    result = trace(function, parameters or [window()])
    return structure(result.outputs), result.arguments


def test_a_lambda_made_anew_has_the_same_structure_and_its_own_numbers():
    def made(t):
        return lambda w: np.sum(w[w > t] * 2.5) + t

    seen = [structure_of(made(t)) for t in (1, 2, 3)]
    assert seen[0][0] == seen[1][0] == seen[2][0]
    assert [[float(a.value) for a in arguments] for _, arguments in seen] == [[t, 2.5, t] for t in (1, 2, 3)]


def test_a_float_met_twice_is_one_argument():
    def made(t):
        return lambda w: np.sum(w[w > t] * 2.5) + t

    seen = [structure_of(made(t)) for t in (1.5, 7.25)]
    assert seen[0][0] == seen[1][0]
    assert [[float(a.value) for a in arguments] for _, arguments in seen] == [[t, 2.5] for t in (1.5, 7.25)]


def test_equal_numbers_do_not_change_the_structure():
    def made(a, b):
        return lambda w: (w - a) / b

    one, other = (structure_of(made(a, b))[0] for a, b in ((2, 3), (3, 3)))
    assert one == other


def test_shapes_and_exponents_are_part_of_the_structure():
    assert structure_of(lambda w: w**2)[0] != structure_of(lambda w: w**3)[0]
    assert structure_of(lambda w: w[:1])[0] != structure_of(lambda w: w[:2])[0]


def test_captured_arrays_are_arguments_by_identity():
    kernel = np.arange(9.0).reshape(3, 3)
    _, (argument,) = structure_of(lambda w: np.sum(w * kernel) - np.max(w + kernel), window("float64"))
    assert argument.value is kernel
    assert (argument.dtype, argument.shape) == (np.float64, (3, 3))


def test_captured_array_is_converted_where_it_is_bound():
    kernel = np.arange(9, dtype=">i2").reshape(3, 3)
    result = assert_as_numpy(lambda w: np.sum(w * kernel), [values("float32", SHAPE)])
    assert result.arguments[0].dtype == np.float32


def test_kernels_take_the_slots_that_they_are_given():
    parameters = [
        window(),
        Parameter.kernel(1, (3, 3), np.dtype("float32")),
        Parameter.kernel(0, (2,), np.dtype("int8")),
    ]
    result = trace(lambda w, k, j: np.sum(w * k) * j[1] + 3, parameters)
    assert result.arguments[:2] == (None, None)
    assert [a.value for a in result.arguments[2:]] == [3.0]


def test_parameters_of_every_kind():
    parameters = [
        Parameter.window(0, (3, 3), np.dtype("uint8")),
        Parameter.pixel(1, np.dtype("float32")),
        Parameter.kernel(0, (3, 3), np.dtype("float32")),
        Parameter.index(1),
        Parameter.scalar(2),
    ]

    def function(w, p, k, x, t):
        assert isinstance(t, int)
        assert (w.shape, p.shape, k.shape, x.shape) == ((3, 3), (), (3, 3), ())
        assert (w.dtype, p.dtype, k.dtype, x.dtype) == ("uint8", "float32", "float32", "int64")
        return np.sum(w * k) * p, x * t

    result = trace(function, parameters)
    assert [n.dtype for n in result.outputs] == ["float32", "int64"]
    assert result.several


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_pixels_and_kernels_as_numpy(dtype):
    image, gain = values(dtype, SHAPE), values("float32", SHAPE, 3)
    kernel = values("float32", (3, 3), 4)
    assert_as_numpy(lambda w, k, g: np.max(w * k) + g, [image], kernels=[kernel], pixels=[gain])
    assert_as_numpy(lambda w, k, g: np.percentile(w, 50) * k[1, 1] / g, [image], kernels=[kernel], pixels=[gain])
    assert_as_numpy(lambda w, g: np.quantile(w, abs(g) % 1), [image], pixels=[gain.astype("float64")])


def test_image_shaped_capture_names_pixel():
    gain = np.ones((5, 6))
    with pytest.raises(TracingError, match=r"ks\.pixel\(gain\)"):
        trace(lambda w: np.mean(w) * gain, [window()], input_shapes=[(5, 6)])
    small = np.ones((3, 3))
    trace(lambda w: np.sum(w * small), [window()], input_shapes=[(3, 3)])


def test_functions_with_an_axis_parameter_get_all_window_axes():
    def for_vectorized_filter(w, *, axis):
        assert axis == (0, 1)
        return np.mean(w, axis=axis)

    def with_default(w, axis=-1):
        return np.sum(w, axis=axis)

    for function in (for_vectorized_filter, with_default, functools.partial(with_default)):
        assert trace(function, [window()]).outputs[0].shape == ()
    assert trace(functools.partial(with_default, axis=0), [window()]).outputs[0].shape == (3,)
    assert trace(with_default, [window()], {"axis": 1}).outputs[0].shape == (3,)


@pytest.mark.parametrize("function", [np.median, np.max, np.std, functools.partial(np.percentile, q=30), np.ptp])
def test_numpy_functions_themselves(function):
    assert_as_numpy(function, [values("float32", SHAPE)])


def test_keyword_arguments_are_handed_over():
    assert_as_numpy(lambda w, *, gain: w.sum() * gain, [values("uint8", SHAPE)], kwargs={"gain": 2.5})


# -- decisions ---------------------------------------------------------------------------------------------------------


def _branches(w):
    if w.mean() > 0:
        return w.max()
    return np.float64(0.5)


def _nested(w):
    if w[0, 0] > 0:
        scale = 2 if w[1, 1] > 0 else 3
    elif w[2, 2] > 0:
        scale = 5
    else:
        return 7
    return w[1, 0] * scale


def _tuples(w):
    return (w.min(), w) if w[0, 0] > w[1, 1] else (w.max(), w * 2)


def _and_or(w):
    return w[0, 0] if w[0, 1] > 0 and not (w[1, 1] > 0 or w[2, 2] > 1) else w[2, 0]


def _same_decision_twice(w):
    large = w[1, 1] > 0
    return (1 if large else 2) * (10 if large else 20)


def _builtin_minimum(w):
    return min(w[0]), max(w[1, 0], 3)


DECISIONS = [_branches, _nested, _tuples, _and_or, _same_decision_twice, _builtin_minimum]


@pytest.mark.parametrize("function", DECISIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["int64", "float64"])
def test_decisions_choose_as_numpy_does(function, dtype):
    arrays = [values(dtype, SHAPE)]
    _, got = traced_results(function, arrays)
    for a, b in zip(got, numpy_results(function, arrays), strict=True):
        np.testing.assert_array_equal(a, b)  # values: the merged dtype is that of both branches together


def test_merged_branches_are_promoted():
    assert trace(lambda w: w[0, 0] if w[1, 1] > 0 else 0, [window("uint8")]).outputs[0].dtype == np.uint8
    assert trace(lambda w: w[0, 0] if w[1, 1] > 0 else 0.5, [window("uint8")]).outputs[0].dtype == np.float64
    assert trace(lambda w: 1 if w[1, 1] > 0 else 0, [window("uint8")]).outputs[0].dtype == np.int64


def test_numbers_in_branches_are_arguments():
    def made(a, b, t):
        return lambda w: w[0, 0] * a if w[1, 1] > t else w[0, 1] + b

    seen = [structure_of(made(*numbers)) for numbers in ((1, 2, 3), (4, 5, 6))]
    assert seen[0][0] == seen[1][0]
    assert sorted(float(x.value) for x in seen[1][1]) == [4, 5, 6]


def test_a_decision_known_already_is_not_taken_again():
    runs = []
    trace(lambda w: runs.append(0) or _same_decision_twice(w), [window()])
    assert len(runs) == 2


def test_temporary_arrays_of_later_paths_are_told_apart():
    def function(w):
        total = w[0, 0]
        if w[1, 1] > 0:
            total = total + 1
        for i in range(6):
            total = total + np.sum(w[0] * np.full(3, i + 1.0))  # each array is gone when the next one is made
        return total

    image = values("float64", SHAPE)
    _, (got,) = traced_results(function, [image])
    np.testing.assert_allclose(got, numpy_results(function, [image])[0])


def _endless(w):
    x = w[1, 1]
    while x > 1:
        x = x / 2
    return x


@pytest.mark.parametrize("function", [_endless, lambda w: min(w.ravel()), lambda w: sorted(w.ravel())[4]])
def test_too_many_paths(function):
    with pytest.raises(TracingError, match=r"np\.min\(w\)"):
        trace(function, [window("float64")])


def test_truth_of_many_elements_is_ambiguous_as_in_numpy():
    with pytest.raises(ValueError, match=r"np\.any"):
        trace(lambda w: 1 if w > 0 else 0, [window()])


# -- pages -------------------------------------------------------------------------------------------------------------

PAGES = [
    (lambda w: math.sqrt(np.var(w)), "np.sqrt"),
    (lambda w: float(w[0, 0]), "np.sqrt"),
    (lambda w: np.zeros(2).__setitem__(0, w[0, 0]), "zeros_like"),
    (lambda w: int(w[0, 0]), "astype"),
    (lambda w: np.array([w.min(), w.max()]), "np.stack"),
    (lambda w: np.asarray(w) * 2, "np.stack"),
    (lambda w: np.median([w.min(), w.max()]), "np.stack"),
    (lambda w: np.multiply(w, [w[0, 0], 1, 2]), "np.stack"),
    (lambda w: [1, 2, 3][w[0, 0].astype(int)], "np.arange"),
    (lambda w: list(range(w[0, 0].astype(int))), "np.arange"),
    (lambda w: w[: np.argmax(w)], "where="),
    (lambda w: np.unique(w)[0], "arithmetic"),
    (lambda w: np.argsort(w)[0], "np.sort"),
    (lambda w: np.fft.fft(w)[0], "arithmetic"),
    (lambda w: np.linalg.svd(w)[1], "arithmetic"),
    (lambda w: np.sum(w, out=np.zeros(())), "buffer"),
    (lambda w: np.add(w, 1, out=np.zeros((3, 3), "f4")), "buffer"),
    (lambda w: w * 1j, "kernel_real"),
    (lambda w: w.tolist(), "arithmetic"),
    (lambda w: w.item(), "arithmetic"),
    (lambda w: None, "return np.sum"),
    (lambda w: (), "return np.sum"),
    (lambda w: "text", "return np.sum"),
    (lambda w: w.nonzero(), "arithmetic"),
    (lambda w: np.where(w > 0)[0], "w.mean|mean"),
    (lambda w: np.add(w, 1, where=w > 0), "arithmetic"),
    (lambda w: np.sum(w * np.ma.masked_equal(np.ones((3, 3)), 0)), "where="),
    (lambda w: len(set(w.flat)), "np.sort"),
    (lambda w: {0: 1}.get(w[0, 0], 2), "np.sort"),
    (lambda w: float(f"{w[0, 0]:.2f}"), "np.round"),
]


@pytest.mark.parametrize(("function", "advice"), PAGES)
def test_what_cannot_be_traced_is_a_page(function, advice):
    with pytest.raises(TracingError, match=advice) as caught:
        trace(function, [window()])
    page = str(caught.value)
    assert f"{__file__}:{function.__code__.co_firstlineno} in <lambda>" in page
    assert page.index("This cannot be traced:") < page.index("This can:")


def test_a_window_is_no_key_and_has_a_text_for_debugging():
    with pytest.raises(TypeError, match="unhashable"):
        trace(lambda w: {w: 1}, [window()])
    texts = []
    trace(lambda w: texts.append(f"{w}") or np.sum(w), [window()])
    assert texts == ["Traced(shape=(3, 3), dtype=float32)"]


def test_errors_are_builtin_ones_too():
    with pytest.raises(TypeError):
        trace(lambda w: float(w[0, 0]), [window()])
    with pytest.raises(AttributeError):
        trace(lambda w: w.no_such_thing, [window()])


@pytest.mark.parametrize(
    "function",
    [
        lambda w: w + np.ones(4),
        lambda w: w.reshape(4, 2),
        lambda w: np.concatenate([w, np.ones(3)]),
        lambda w: np.stack([w, w[0]]),
        lambda w: np.sum(w, axis=2),
        lambda w: np.sum(w, axis=(0, 0)),
        lambda w: w @ np.ones(4),
        lambda w: np.einsum("ij,ij", w, np.ones((2, 3))),
        lambda w: np.percentile(w, 101),
        lambda w: np.min(w, where=w > 0),
        lambda w: np.median(w, axis=5),
        lambda w: np.squeeze(w, 0),
        lambda w: np.broadcast_to(w, (3, 4)),
        lambda w: np.transpose(w, (0, 0)),
        lambda w: np.average(w, weights=np.ones(3)),
        lambda w: np.cov(np.stack([w, w])),
    ],
)
def test_numpys_errors_are_numpys(function):
    array = np.ones((3, 3), np.float32)
    with pytest.raises((ValueError, TypeError)) as wanted:
        function(array)
    kind = ValueError if isinstance(wanted.value, ValueError) else TypeError
    with pytest.raises(kind) as caught:
        trace(function, [window()])
    assert not isinstance(caught.value, TracingError)


# -- validity ----------------------------------------------------------------------------------------------------------


def test_valid_and_count():
    image = values("uint8", SHAPE)
    _, (flags, number) = traced_results(lambda w: (valid(w), count(w)), [image], mode="shrink", missing=True)
    assert number.dtype == np.int64
    np.testing.assert_array_equal(flags.sum(axis=(2, 3)), number)
    np.testing.assert_array_equal(number[0], [4, 6, 6, 6, 4])
    np.testing.assert_array_equal(flags[0, 0], [[0, 0, 0], [0, 1, 1], [0, 1, 1]])


def test_valid_and_count_outside_traces():
    masked = np.ma.masked_greater(np.arange(4), 2)
    assert count(np.ones((2, 3))) == 6
    assert count(masked) == 3
    np.testing.assert_array_equal(valid(masked), [True, True, True, False])


def test_count_of_a_selection_and_without_missing_samples():
    image = values("int16", SHAPE)
    _, got = traced_results(lambda w: (count(w[w > 0]), count(w)), [image])
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3))
    np.testing.assert_array_equal(got[0], (windows > 0).sum(axis=(2, 3)))
    assert (got[1] == 9).all()


# -- simplification and patterns ---------------------------------------------------------------------------------------


def _mean_twice(w):
    mean = np.mean(w)
    return mean + mean


@pytest.mark.parametrize(
    ("function", "simpler"),
    [
        (lambda w: np.negative(-w), lambda w: w),
        (lambda w: ~~(w > 0), lambda w: w > 0),
        (lambda w: w[1:][1:, ::2][0], lambda w: w[2, ::2]),
        (lambda w: w.reshape(9).reshape(3, 3).ravel(), lambda w: w.ravel()),
        (lambda w: w.T.T, lambda w: w),
        (lambda w: w.astype("float64").astype("float64"), lambda w: w.astype("float64")),
        (lambda w: w.astype("float64").astype("float32"), lambda w: w),
        (lambda w: np.expand_dims(w.ravel(), 1).T, lambda w: w.reshape(1, 9)),
        (lambda w: np.flip(np.flip(w)), lambda w: w),
        (lambda w: np.mean(w) + np.mean(w), _mean_twice),
    ],
)
def test_equal_expressions_become_one(function, simpler):
    assert structure_of(function)[0] == structure_of(simpler)[0]


@pytest.mark.parametrize(
    ("function", "dtype"),
    [
        (lambda w: w.astype("int8").astype("float32"), "int16"),
        (lambda w: w.astype("float32").astype("float64"), "int32"),
        (lambda w: w.astype("float32").astype("int32"), "int32"),
        (lambda w: w.astype("float64").astype("int64"), "int64"),
    ],
)
def test_casts_that_lose_something_stay(function, dtype):
    assert_as_numpy(function, [values(dtype, SHAPE)])
    (node,) = trace(function, [window(dtype)]).outputs
    assert sum(getattr(n, "operator", None) == "cast" for n in walk([node])) == 2


LINEAR = [
    lambda w, k: np.sum(w * k),
    lambda w, k: (k * w).sum(),
    lambda w, k: np.einsum("ij,ij", w, k),
    np.vdot,
    lambda w, k: np.dot(w.ravel(), k.ravel()),
    np.tensordot,
]


@pytest.mark.parametrize("function", LINEAR)
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_linear_functions_are_recognised(function, dtype):
    kernel = Parameter.kernel(0, (3, 3), np.dtype("float32"))
    (node,) = trace(function, [window(dtype, number=4), kernel]).outputs
    number, weights = linear_weights(node)
    assert (number, weights.slot, weights.shape) == (4, 0, (3, 3))


@pytest.mark.parametrize(
    "function",
    [
        lambda w, k: np.max(w * k),
        lambda w, k: np.sum(w * k, axis=0),
        lambda w, k: np.sum(w * w),
        lambda w, k: np.sum(w * k, where=w > 0),
        lambda w, k: np.sum(w * k) * 2,
        lambda w, k: np.sum(w * k.T),
        lambda w, k: np.sum((w * 2).astype("int32") * k),
    ],
)
def test_other_functions_are_not(function):
    kernel = Parameter.kernel(0, (3, 3), np.dtype("float32"))
    assert linear_weights(trace(function, [window(), kernel]).outputs[0]) is None
