"""Operators, ufuncs, indexing and selections of traced values, over dtypes, against NumPy on each window.

Compared are dtype (NEP 50, exactly) and values; which warnings NumPy gives on the way is on purpose not.
"""

import operator

import numpy as np
import pytest

from kernelscape.errors import TracingError
from kernelscape.expression import walk
from kernelscape.trace import Parameter, trace
from tests.oracle.traced import assert_as_numpy, check, values

DTYPES = ("bool", "uint8", "int16", "int64", "uint64", "float16", "float32", "float64")
FLOATS = ("float16", "float32", "float64")
SHAPE = (4, 5)
IMAGE = np.arange(30.0).reshape(5, 6)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, from the windows it is called on


def window(dtype="float32", shape=(3, 3), number=0):
    return Parameter.window(number, shape, np.dtype(dtype))


# -- operators and ufuncs ---------------------------------------------------------------------------------------------

BINARY = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod),
    *(operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne),
    *(operator.and_, operator.or_, operator.xor),
    *(np.minimum, np.maximum, np.fmin, np.fmax, np.hypot, np.arctan2, np.copysign, np.heaviside, np.fmod),
    *(np.logical_and, np.logical_or, np.logical_xor, np.logaddexp, np.logaddexp2, np.float_power),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
def test_binary(function, dtype):
    check(function, dtype, arrays=2)


@pytest.mark.parametrize("first", ["bool", "uint8", "int16", "uint64", "float32"])
@pytest.mark.parametrize("second", ["int8", "int64", "float16", "float64"])
def test_mixed_dtypes_promote(first, second):
    arrays = [values(first, SHAPE), values(second, SHAPE, 1)]
    assert_as_numpy(lambda a, b: a + b, arrays)
    assert_as_numpy(lambda a, b: a > b, arrays)
    assert_as_numpy(lambda a, b: np.where(a > b, a, b), arrays)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("number", [3, 2.5, True, np.float64(2.5), np.int8(3), np.float32(0.5), np.array(2.0)])
@pytest.mark.parametrize(
    "function", [operator.add, operator.mul, operator.truediv, operator.gt], ids=lambda f: f.__name__
)
def test_numbers_on_either_side(function, number, dtype):
    check(lambda w: function(w, number), dtype)
    check(lambda w: function(number, w), dtype)


@pytest.mark.parametrize("shift", [1, 3])
@pytest.mark.parametrize("function", [operator.lshift, operator.rshift], ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64"])
def test_shifts(function, shift, dtype):
    check(lambda w: function(w, shift), dtype)


UNARY = [
    "abs",
    "sqrt",
    "cbrt",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "floor",
    "ceil",
    "rint",
    "trunc",
    "sign",
    "isnan",
    "isfinite",
    "isinf",
    "signbit",
    "square",
    "reciprocal",
    "negative",
    "positive",
    "invert",
    "logical_not",
    "fabs",
    "degrees",
    "radians",
    "deg2rad",
    "rad2deg",
    "conjugate",
    "real",
    "round",
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", UNARY)
def test_unary(name, dtype):
    function = getattr(np, name)
    scale = {"float16": 4}.get(dtype)
    if name in {"sinh", "cosh", "exp", "exp2", "expm1"} and np.dtype(dtype).kind in "iu":
        check(
            lambda w: function(w % 5), dtype
        )  # the powers of 200 overflow float16 in NumPy, and float32 does not here
    elif name == "reciprocal" and np.dtype(dtype).kind in "iu":
        check(lambda w: function(w | 1), dtype)
    elif scale:
        check(lambda w: function(w / scale + 2), dtype)
    else:
        check(function, dtype)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 5, 8, 11, 0.5, -1, 1.5, 2.0, 3.0, -2.0, np.int8(2)])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64"])
def test_powers(exponent, dtype):
    check(lambda w: w**exponent, dtype, positive=True)
    check(lambda w: np.power(w, exponent), dtype, positive=True)


def test_powers_of_and_by_values():
    arrays = [values("float64", SHAPE), values("float64", SHAPE, 1)]
    assert_as_numpy(lambda a, b: abs(a) ** b, arrays)
    assert_as_numpy(lambda a, b: 2.0**a + 2**b, arrays)


@pytest.mark.parametrize("exponent", [2, 3, 4, 8])
def test_small_integer_powers_are_products(exponent):
    (node,) = trace(lambda w: w**exponent, [window("float64")]).outputs
    assert "power" not in {getattr(n, "operator", None) for n in walk([node])}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_pairs_of_results(dtype):
    check(lambda w: divmod(w, 3), dtype)
    check(lambda w: np.divmod(w, 3), dtype)
    check(lambda w: np.modf(w / 2), dtype)


@pytest.mark.parametrize("target", ["float32", "int64"])
def test_ufuncs_with_a_dtype(target):
    check(lambda w: np.add(w, 3, dtype=target), "uint8")
    check(lambda w: np.add.reduce(w, axis=None, dtype=target), "uint8")
    check(lambda w: np.multiply.outer(w[0], np.arange(2)), "uint8")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_in_place(dtype):
    def function(w):
        alias = w
        w += 3
        w *= 2
        w -= 1
        return alias

    check(function, dtype)


def test_in_place_keeps_the_dtype_as_numpy_does():
    def function(w):
        w += 0.5
        return w

    with pytest.raises(TypeError, match="same_kind"):
        trace(function, [window("uint8")])
    check(function, "float32")


@pytest.mark.parametrize(
    ("expression", "dtype"),
    [
        (lambda w: w * 300, "uint8"),
        (lambda w: w - (-1), "uint16"),
        (lambda w: np.clip(w, np.int8(3), 5) * 2**40, "int32"),
    ],
)
def test_numbers_that_do_not_fit_overflow_as_in_numpy(expression, dtype):
    with pytest.raises(OverflowError):
        expression(np.ones((3, 3), dtype))
    with pytest.raises(OverflowError):
        trace(expression, [window(dtype)])


@pytest.mark.parametrize("number", [300, -1, 2**70])
@pytest.mark.parametrize("function", [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne])
@pytest.mark.parametrize("dtype", ["uint8", "uint64"])
def test_comparison_beyond_the_dtype(function, number, dtype):
    check(lambda w: function(w, number), dtype)
    check(lambda w: function(number, w), dtype)


@pytest.mark.parametrize("target", DTYPES)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "float32"])
def test_astype(dtype, target):
    check(lambda w: w.astype(target), dtype, positive=np.dtype(target).kind == "u")


# -- indexing ---------------------------------------------------------------------------------------------------------

MASK = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)

INDICES = [
    1,
    -1,
    (1, 2),
    (-1, np.int64(0)),
    slice(1, None),
    (slice(None, None, -1), slice(None, None, 2)),
    (..., 1),
    (1, ...),
    (),
    (None, slice(None), 1),
    (slice(5, 2), 0),
    [0, 2],
    ([0, 2], [1, 1]),
    (np.array([[0, 1], [2, -1]]), 1),
    (slice(None), [2, 0]),
    MASK,
    (MASK[0], slice(None)),
    (np.array([True, False, True]), 1),
    [True, False, True],
    (np.newaxis, [0, 0, 1]),
]


@pytest.mark.parametrize("key", INDICES, ids=str)
def test_reading_parts(key):
    check(lambda w: w[key], "int16")
    check(lambda w: w[key].sum() + w[key].size, "float64")


@pytest.mark.parametrize("key", INDICES, ids=str)
def test_writing_parts(key):
    def scalar(w):
        w[key] = 7
        return w

    def doubled(w):
        w[key] = w[key] * 2
        w[key] += 1
        return w

    check(scalar, "int16")
    check(doubled, "float32")


@pytest.mark.parametrize("key", [3, (0, 3), -4, (0, 0, 0), 1.0, "x", (..., ...)])
def test_bad_indices_are_index_errors(key):
    with pytest.raises(IndexError):
        IMAGE[:3, :3][key]
    with pytest.raises(IndexError):
        trace(lambda w: w[key], [window()])


def test_writing_what_does_not_fit():
    def function(w):
        w[0] = np.arange(4)
        return w

    with pytest.raises(ValueError, match="could not broadcast"):
        trace(function, [window()])


def _through_row(w):
    row = w[1]
    row[0] = 9
    w[1, 2] = row[1] + 5
    return w + row


def _through_flat(w):
    flat = w.ravel()
    flat[4] = 0
    flat.reshape(3, 3).T[0, 2] = 1
    return w


def _through_loop(w):
    for row in w:
        row -= row[0]
    return w


def _of_copy(w):
    other = w.copy()
    other[0] = 0
    w.flatten()[3] = 100
    return w


@pytest.mark.parametrize("function", [_through_row, _through_flat, _through_loop, _of_copy], ids=lambda f: f.__name__)
def test_views_share_elements_and_copies_do_not(function):
    check(function, "int64")
    check(function, "float32")


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_positions_known_from_data_only(dtype):
    check(lambda w: w.ravel()[np.argmax(w)], dtype)
    check(lambda w: w[np.argmin(w[:, 0]), 1:], dtype)
    check(lambda w: w[np.argmin(w[:, 0]), np.argmax(w[0])], dtype)
    check(lambda w: w[0][np.argmax(w, axis=0)], dtype)
    check(lambda w: w[np.argmax(w, axis=1)], dtype)
    check(lambda w: w.ravel()[-1 - np.argmax(w)], dtype)
    check(lambda w: np.take_along_axis(w, np.argmax(w, axis=1, keepdims=True), axis=1), dtype)


def test_writing_at_a_position_known_from_data_only():
    def function(w):
        flat = w.ravel()
        flat[np.argmax(flat)] = -5
        return w

    check(function, "float32")


# -- selections -------------------------------------------------------------------------------------------------------

SELECTIONS = {
    "sum": lambda w: np.sum(w[w > 0]),
    "mean": lambda w: w[w > 0].mean(),
    "size": lambda w: w[w > 0].size,
    "median": lambda w: np.median(w[w > 0]),
    "std": lambda w: np.std(w[w > 0]),
    "var ddof": lambda w: np.var(w[w > 0], ddof=1),
    "quantile": lambda w: np.quantile(w[w > 0], 0.3),
    "count": lambda w: np.count_nonzero(w[w > 0]),
    "any": lambda w: np.any(w[w > 0]),
    "all": lambda w: np.all(w[w > 0]),
    "max": lambda w: w[w >= w.min()].max(),
    "ptp": lambda w: np.ptp(w[w >= w.min()]),
    "of an expression": lambda w: np.sum((w[w > 1] - 3) ** 2),
    "two selections": lambda w: np.sum(w[w > 1] * np.abs(w)[w > 1]),
    "dot": lambda w: np.dot(w[w > 1], w[w > 1]),
    "average": lambda w: np.average(w[w > 0] + 1),
    "prod": lambda w: np.prod(w[(w > 0) & (w < 3)]),
    "norm": lambda w: np.linalg.norm(w[w > 0]),
}


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
@pytest.mark.parametrize("name", SELECTIONS)
def test_selection(name, dtype):
    check(SELECTIONS[name], dtype)


def test_selection_assigned():
    def function(w):
        w[w > 0] = 0
        w[w < -1] *= 2
        return w

    check(function, "float32")
    check(function, "int16")


@pytest.mark.parametrize(
    "function",
    [
        lambda w: w[w > 0],
        lambda w: np.sort(w[w > 0])[0],
        lambda w: w[w > 0][0],
        lambda w: len(w[w > 0]),
        lambda w: w[w > 0] + w.ravel(),
        lambda w: np.sum(w[w > 0] * w[w < 0]),
        lambda w: w[np.where(w > 0)],
        lambda w: w[w[0] > 0, 0],
        lambda w: np.argmax(w[w > 0]),
    ],
)
def test_selection_misused_is_a_page(function):
    with pytest.raises(TracingError, match="This can:"):
        trace(function, [window()])
