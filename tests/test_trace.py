"""What NumPy functions mean when they are traced: each is run by the definition and by NumPy, over dtypes.

Compared are dtype (NEP 50, exactly) and values; which warnings NumPy gives on the way is on purpose not.
"""

import functools
import math
import operator
import warnings

import numpy as np
import pytest

from kernelscape.errors import KernelscapeError, TracingError
from kernelscape.expression import structure, walk
from kernelscape.rewrite import linear_weights
from kernelscape.trace import Guard, Parameter, count, trace, valid
from tests.oracle.traced import assert_as_numpy, assert_close, traced_results, values

DTYPES = ("bool", "uint8", "int16", "int64", "uint64", "float16", "float32", "float64")
FLOATS = ("float16", "float32", "float64")
SHAPE = (4, 5)
IMAGE = np.arange(30.0).reshape(5, 6)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, from the windows it is called on


def window(dtype="float32", shape=(3, 3), number=0):
    return Parameter.window(number, shape, np.dtype(dtype))


def refused_by_numpy(function, arrays):
    """The exception that NumPy raises for these dtypes, if any."""
    try:
        function(*(a[:3, :3].copy() for a in arrays))
    except (TypeError, ValueError, OverflowError) as error:
        return next(kind for kind in (TypeError, ValueError, OverflowError) if isinstance(error, kind))
    return None


def check(function, dtype, *, arrays=1, shape=SHAPE, size=(3, 3), positive=False):
    """As NumPy, or refused with the exception that NumPy raises."""
    inputs = [values(dtype, shape, seed) for seed in range(arrays)]
    if positive:
        inputs = [np.abs(a) + np.ones((), a.dtype) if a.dtype != bool else a for a in inputs]
    error = refused_by_numpy(function, inputs)
    if error is not None:
        with pytest.raises(error):
            traced_results(function, inputs, size)
        return
    assert_as_numpy(function, inputs, size)


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
    check(lambda a, b: function(a, b), dtype, arrays=2)


@pytest.mark.parametrize("first", ("bool", "uint8", "int16", "uint64", "float32"))
@pytest.mark.parametrize("second", ("int8", "int64", "float16", "float64"))
def test_mixed_dtypes_promote(first, second):
    arrays = [values(first, SHAPE), values(second, SHAPE, 1)]
    assert_as_numpy(lambda a, b: a + b, arrays)
    assert_as_numpy(lambda a, b: a > b, arrays)
    assert_as_numpy(lambda a, b: np.where(a > b, a, b), arrays)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("number", (3, 2.5, True, np.float64(2.5), np.int8(3), np.float32(0.5), np.array(2.0)))
@pytest.mark.parametrize("function", (operator.add, operator.mul, operator.truediv, operator.gt), ids=lambda f: f.__name__)
def test_numbers_on_either_side(function, number, dtype):
    check(lambda w: function(w, number), dtype)
    check(lambda w: function(number, w), dtype)


@pytest.mark.parametrize("shift", (1, 3))
@pytest.mark.parametrize("function", (operator.lshift, operator.rshift), ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ("uint8", "int16", "uint64"))
def test_shifts(function, shift, dtype):
    check(lambda w: function(w, shift), dtype)


UNARY = (
    "abs sqrt cbrt exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh "
    "arctanh floor ceil rint trunc sign isnan isfinite isinf signbit square reciprocal negative positive invert "
    "logical_not fabs degrees radians deg2rad rad2deg conjugate real round"
).split()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", UNARY)
def test_unary(name, dtype):
    function = getattr(np, name)
    scale = {"float16": 4}.get(dtype)
    if name in {"sinh", "cosh", "exp", "exp2", "expm1"} and np.dtype(dtype).kind in "iu":
        check(lambda w: function(w % 5), dtype)  # the powers of 200 overflow float16 in NumPy, and float32 does not here
    elif name == "reciprocal" and np.dtype(dtype).kind in "iu":
        check(lambda w: function(w | 1), dtype)
    elif scale:
        check(lambda w: function(w / scale + 2), dtype)
    else:
        check(lambda w: function(w), dtype)


@pytest.mark.parametrize("exponent", (0, 1, 2, 3, 5, 8, 11, 0.5, -1, 1.5, 2.0, 3.0, -2.0, np.int8(2)))
@pytest.mark.parametrize("dtype", ("uint8", "int64", "float32", "float64"))
def test_powers(exponent, dtype):
    check(lambda w: w**exponent, dtype, positive=True)
    check(lambda w: np.power(w, exponent), dtype, positive=True)


def test_powers_of_and_by_values():
    arrays = [values("float64", SHAPE), values("float64", SHAPE, 1)]
    assert_as_numpy(lambda a, b: abs(a) ** b, arrays)
    assert_as_numpy(lambda a, b: 2.0**a + 2**b, arrays)


@pytest.mark.parametrize("exponent", (2, 3, 4, 8))
def test_small_integer_powers_are_products(exponent):
    (node,) = trace(lambda w: w**exponent, [window("float64")]).outputs
    assert "power" not in {getattr(n, "operator", None) for n in walk([node])}


@pytest.mark.parametrize("dtype", ("uint8", "int16", "float32", "float64"))
def test_pairs_of_results(dtype):
    check(lambda w: divmod(w, 3), dtype)
    check(lambda w: np.divmod(w, 3), dtype)
    check(lambda w: np.modf(w / 2), dtype)


@pytest.mark.parametrize("dtype", ("uint8", "int16", "float32"))
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
    [(lambda w: w * 300, "uint8"), (lambda w: w - (-1), "uint16"), (lambda w: np.clip(w, np.int8(3), 5) * 2**40, "int32")],
)
def test_numbers_that_do_not_fit_overflow_as_in_numpy(expression, dtype):
    with pytest.raises(OverflowError):
        expression(np.ones((3, 3), dtype))
    with pytest.raises(OverflowError):
        trace(expression, [window(dtype)])


@pytest.mark.parametrize("number", (300, -1, 2**70))
@pytest.mark.parametrize("function", (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne))
@pytest.mark.parametrize("dtype", ("uint8", "uint64"))
def test_comparison_beyond_the_dtype(function, number, dtype):
    check(lambda w: function(w, number), dtype)
    check(lambda w: function(number, w), dtype)


@pytest.mark.parametrize("target", DTYPES)
@pytest.mark.parametrize("dtype", ("bool", "uint8", "int16", "float32"))
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


@pytest.mark.parametrize("dtype", ("uint8", "int64", "float32"))
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


@pytest.mark.parametrize("dtype", ("int16", "float32", "float64"))
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


# -- functions --------------------------------------------------------------------------------------------------------

SHAPING = {
    "where": lambda w: np.where(w > 3, w, 0),
    "where numbers": lambda w: np.where(w > 3, 1, 0.5),
    "where static": lambda w: np.where(MASK, w, -w if w.dtype.kind == "f" else w),
    "select": lambda w: np.select([w > 5, w > 1], [w * 2, w], default=1),
    "clip": lambda w: np.clip(w, 1, 5),
    "clip low": lambda w: np.clip(w, 2, None),
    "clip out of range": lambda w: w.clip(-1000, 1000),
    "clip floats": lambda w: np.clip(w, 0.5, 1.5),
    "ravel": lambda w: np.ravel(w)[2:],
    "ravel F": lambda w: w.ravel(order="F"),
    "reshape": lambda w: w.reshape(9)[:6].reshape(2, -1),
    "reshape F": lambda w: np.reshape(w, (9, 1), order="F"),
    "transpose": lambda w: w.T @ w if w.dtype != bool else w.T,
    "transpose axes": lambda w: np.transpose(w[None], (2, 0, 1)),
    "swapaxes": lambda w: np.swapaxes(w, 0, 1),
    "moveaxis": lambda w: np.moveaxis(w[None, :2], 0, -1),
    "rollaxis": lambda w: np.rollaxis(w[None, :2], 2),
    "flip": lambda w: np.flip(w),
    "flip axis": lambda w: np.flip(w, 0),
    "fliplr": lambda w: np.fliplr(w),
    "flipud": lambda w: np.flipud(w),
    "rot90": lambda w: np.rot90(w[:2], 3),
    "roll": lambda w: np.roll(w, 1),
    "roll axes": lambda w: np.roll(w, (1, -1), axis=(0, 1)),
    "diff": lambda w: np.diff(w),
    "diff axis": lambda w: np.diff(w, n=2, axis=0),
    "diff prepend": lambda w: np.diff(w, prepend=0, append=w[:, :1]),
    "stack": lambda w: np.stack([w.min(), w.max()]),
    "stack axis": lambda w: np.stack((w, w.T), axis=-1),
    "concatenate": lambda w: np.concatenate([w[0], w[:, 1]]),
    "concatenate none": lambda w: np.concatenate((w, w[:1]), axis=None),
    "hstack": lambda w: np.hstack([w, w[:, :1]]),
    "vstack": lambda w: np.vstack([w, w[0]]),
    "dstack": lambda w: np.dstack([w, w]),
    "column_stack": lambda w: np.column_stack([w[0], w]),
    "append": lambda w: np.append(w, w[0]),
    "squeeze": lambda w: np.squeeze(w[:, :1]),
    "expand_dims": lambda w: np.expand_dims(w, (0, 2)),
    "atleast": lambda w: np.atleast_3d(w[0]),
    "broadcast_to": lambda w: np.broadcast_to(w[0], (2, 3)),
    "broadcast_arrays": lambda w: np.broadcast_arrays(w[0], w)[0],
    "repeat": lambda w: np.repeat(w, 2, axis=1),
    "tile": lambda w: np.tile(w[0], (2, 2)),
    "pad": lambda w: np.pad(w, 1),
    "pad edge": lambda w: np.pad(w, ((1, 0), (0, 2)), mode="edge"),
    "take": lambda w: np.take(w, [0, 4, -1]),
    "split": lambda w: np.split(w, 3)[1],
    "zeros_like": lambda w: np.zeros_like(w) + w,
    "full_like": lambda w: np.full_like(w, 3),
    "ones_like": lambda w: np.ones_like(w, dtype="float32"),
    "triu": lambda w: np.triu(w, 1),
    "tril": lambda w: np.tril(w),
    "cumsum": lambda w: np.cumsum(w),
    "cumsum axis": lambda w: w.cumsum(axis=1),
    "cumprod": lambda w: np.cumprod(w[0]),
    "gradient": lambda w: np.gradient(w, axis=0),
    "round": lambda w: np.round(w, 1),
    "isclose": lambda w: np.isclose(w, 2.0, atol=1.0),
    "nan_to_num": lambda w: np.nan_to_num(w),
    "size shape": lambda w: w * np.size(w) if w.dtype != bool else np.shape(w)[0] * np.ndim(w) + w,
    "sort": lambda w: np.sort(w),
    "sort flat": lambda w: np.sort(w, axis=None),
    "sort axis": lambda w: np.sort(w, axis=0),
    "partition": lambda w: np.partition(w.ravel(), 3)[3],
    "outer": lambda w: np.outer(w[0], w[1]),
    "ufunc outer": lambda w: np.add.outer(w[0], w[1]),
    "add.reduce": lambda w: np.add.reduce(w),
    "maximum.reduce": lambda w: np.maximum.reduce(w, axis=1),
    "add.accumulate": lambda w: np.add.accumulate(w, axis=1),
    "iteration": lambda w: sum(row[0] for row in w),
    "contains": lambda w: len(w) * w[0, 0],
    "copy": lambda w: np.copy(w).copy(),
    "list": lambda w: [w.sum(), w.max()],
    "tuple": lambda w: (w.sum(), w, 3),
    "number": lambda w: 3.5,
    "array": lambda w: np.arange(3),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SHAPING)
def test_shaping(name, dtype):
    check(SHAPING[name], dtype)


PRODUCTS = {
    "dot": lambda a, b: np.dot(a, b),
    "dot method": lambda a, b: a[0].dot(b[1]),
    "vdot": lambda a, b: np.vdot(a, b),
    "inner": lambda a, b: np.inner(a, b),
    "matmul": lambda a, b: a @ b,
    "matmul vector": lambda a, b: a @ b[0],
    "vector matmul": lambda a, b: a[0] @ b,
    "stacked matmul": lambda a, b: np.matmul(a[None], np.stack([b, a])),
    "tensordot": lambda a, b: np.tensordot(a, b),
    "tensordot axes": lambda a, b: np.tensordot(a, b, axes=([0], [1])),
    "einsum": lambda a, b: np.einsum("ij,ij->", a, b),
    "einsum implicit": lambda a, b: np.einsum("ij,jk", a, b),
    "einsum trace": lambda a, b: np.einsum("ii", a),
    "einsum diagonal": lambda a, b: np.einsum("ii->i", a),
    "einsum outer": lambda a, b: np.einsum("i,j->ji", a[0], b[0]),
    "einsum ellipsis": lambda a, b: np.einsum("...j,j->...", a, b[0]),
    "einsum three": lambda a, b: np.einsum("ij,jk,k->i", a, b, a[0]),
    "trace": lambda a, b: np.trace(a),
    "trace offset": lambda a, b: np.trace(a, offset=-1),
    "diagonal": lambda a, b: np.diagonal(a, 1),
    "diag": lambda a, b: np.diag(a[0], 1),
    "norm": lambda a, b: np.linalg.norm(a),
    "norm axis": lambda a, b: np.linalg.norm(a, axis=0),
    "norm 1": lambda a, b: np.linalg.norm(a.ravel(), 1),
    "norm inf": lambda a, b: np.linalg.norm(a, np.inf),
    "norm 3": lambda a, b: np.linalg.norm(a.ravel(), 3),
    "norm 0": lambda a, b: np.linalg.norm(a[0], 0),
    "cov": lambda a, b: np.cov(a),
    "cov two": lambda a, b: np.cov(a.ravel(), b.ravel()),
    "cov bias": lambda a, b: np.cov(a[0], bias=True),
    "cov columns": lambda a, b: np.cov(a, rowvar=False, ddof=0),
    "corrcoef": lambda a, b: np.corrcoef(a.ravel() + 1.5 * b.ravel(), b.ravel()),
    "average": lambda a, b: np.average(a, weights=np.abs(b) + 1),
    "average axis": lambda a, b: np.average(a, axis=1, weights=np.array([1.0, 2.0, 4.0])),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name, dtype):
    if dtype == "float16" and name in {"cov", "cov two", "cov bias", "cov columns", "corrcoef"}:
        check(lambda a, b: PRODUCTS[name](a.astype("float32"), b.astype("float32")), dtype, arrays=2)
    elif dtype == "bool" and name == "corrcoef":
        check(lambda a, b: np.corrcoef(np.arange(9) * a.ravel(), np.arange(9) - b.ravel()), dtype, arrays=2)
    else:
        check(PRODUCTS[name], dtype, arrays=2)


# -- arguments ----------------------------------------------------------------------------------------------------------


def structure_of(function, *parameters):
    result = trace(function, parameters or [window()])
    return structure(result.outputs), result.arguments


def test_a_lambda_made_anew_has_the_same_structure_and_its_own_numbers():
    seen = [structure_of(lambda w: np.sum(w[w > t] * 2.5) + t) for t in (1, 2, 2.5)]
    assert seen[0][0] == seen[1][0] == seen[2][0]
    assert [[float(a.value) for a in arguments] for _, arguments in seen] == [[t, 2.5, t] for t in (1, 2, 2.5)]


def test_equal_numbers_do_not_change_the_structure():
    one, other = (structure_of(lambda w: (w - a) / b)[0] for a, b in ((2, 3), (3, 3)))
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
    parameters = [window(), Parameter.kernel(1, (3, 3), np.dtype("float32")), Parameter.kernel(0, (2,), np.dtype("int8"))]
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


@pytest.mark.parametrize("dtype", ("uint8", "float32"))
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


# -- decisions ----------------------------------------------------------------------------------------------------------


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
@pytest.mark.parametrize("dtype", ("int64", "float64"))
def test_decisions_choose_as_numpy_does(function, dtype):
    arrays = [values(dtype, SHAPE)]
    _, got = traced_results(function, arrays)
    from tests.oracle.traced import numpy_results

    for a, b in zip(got, numpy_results(function, arrays), strict=True):
        np.testing.assert_array_equal(a, b)  # values: the merged dtype is that of both branches together


def test_merged_branches_are_promoted():
    assert trace(lambda w: w[0, 0] if w[1, 1] > 0 else 0, [window("uint8")]).outputs[0].dtype == np.uint8
    assert trace(lambda w: w[0, 0] if w[1, 1] > 0 else 0.5, [window("uint8")]).outputs[0].dtype == np.float64
    assert trace(lambda w: 1 if w[1, 1] > 0 else 0, [window("uint8")]).outputs[0].dtype == np.int64


def test_numbers_in_branches_are_arguments():
    seen = [structure_of(lambda w: w[0, 0] * a if w[1, 1] > t else w[0, 1] + b) for a, b, t in ((1, 2, 3), (4, 5, 6))]
    assert seen[0][0] == seen[1][0]
    assert sorted(float(x.value) for x in seen[1][1]) == [4, 5, 6]


def test_a_decision_known_already_is_not_taken_again():
    runs = []
    trace(lambda w: runs.append(0) or _same_decision_twice(w), [window()])
    assert len(runs) == 2


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


# -- pages --------------------------------------------------------------------------------------------------------------

PAGES = [
    (lambda w: math.sqrt(np.var(w)), "np.sqrt"),
    (lambda w: float(w[0, 0]), "np.sqrt"),
    (lambda w: int(w[0, 0]), "astype"),
    (lambda w: np.array([w.min(), w.max()]), "np.stack"),
    (lambda w: np.asarray(w), "np.stack"),
    (lambda w: np.median([w.min(), w.max()]), "np.stack"),
    (lambda w: np.multiply(w, [w[0, 0], 1, 2]), "np.stack"),
    (lambda w: [1, 2, 3][w[0, 0].astype(int)], "np.arange"),
    (lambda w: list(range(w[0, 0].astype(int))), "np.arange"),
    (lambda w: w[: np.argmax(w)], "where="),
    (lambda w: np.unique(w), "arithmetic"),
    (lambda w: np.argsort(w), "np.sort"),
    (lambda w: np.fft.fft(w), "arithmetic"),
    (lambda w: np.linalg.svd(w), "arithmetic"),
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
]


@pytest.mark.parametrize(("function", "advice"), PAGES)
def test_what_cannot_be_traced_is_a_page(function, advice):
    with pytest.raises(TracingError, match=advice) as caught:
        trace(function, [window()])
    page = str(caught.value)
    assert f"{__file__}:{function.__code__.co_firstlineno} in <lambda>" in page
    assert page.index("This cannot be traced:") < page.index("This can:")


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


# -- guards -------------------------------------------------------------------------------------------------------------

THRESHOLD = 3
SETTINGS = {"threshold": 3}


def _helper(w):
    return w > THRESHOLD


def make(t, kernel=None):
    return lambda w: np.sum(w > t) if kernel is None else np.sum(w * kernel)


def test_guard_matches_the_same_function_only():
    function = make(3)
    guard = Guard.of(function)
    assert guard.matches(function)
    assert not guard.matches(make(3))


def test_guard_sees_a_rebound_cell():
    t = 3

    def function(w):
        return w > t

    guard = Guard.of(function)
    assert guard.matches(function)
    t = 4
    assert not guard.matches(function)


def test_guard_sees_a_rebound_global_through_helpers(monkeypatch):
    def function(w):
        return np.sum(_helper(w))

    guard = Guard.of(function)
    assert guard.matches(function)
    monkeypatch.setitem(globals(), "THRESHOLD", 5)
    assert not guard.matches(function)
    monkeypatch.undo()
    assert guard.matches(function)
    monkeypatch.setitem(globals(), "_helper", abs)
    assert not guard.matches(function)


def test_guard_sees_an_array_that_is_written_to():
    kernel = np.ones((3, 3))
    function = make(0, kernel)
    guard = Guard.of(function)
    assert guard.matches(function)
    kernel[1, 1] = 2
    assert not guard.matches(function)


def test_guard_sees_changed_defaults_and_code():
    def function(w, t=3, *, s=2):
        return w * t + s

    guard = Guard.of(function)
    function.__defaults__ = (4,)
    assert not guard.matches(function)
    guard = Guard.of(function)
    function.__kwdefaults__["s"] = 5
    assert not guard.matches(function)
    guard = Guard.of(function)
    function.__code__ = (lambda w, t=3, *, s=2: w).__code__
    assert not guard.matches(function)


def test_guard_sees_a_module_attribute(monkeypatch):
    import tests.oracle.traced as module

    def function(w):
        return w > module.LIMIT

    monkeypatch.setattr(module, "LIMIT", 1, raising=False)
    guard = Guard.of(function)
    assert guard.matches(function)
    monkeypatch.setattr(module, "LIMIT", 2)
    assert not guard.matches(function)


def _writes_global(w):
    global THRESHOLD
    THRESHOLD = 4
    return w


@pytest.mark.parametrize(
    "function",
    [
        lambda w: w > SETTINGS["threshold"],
        make([1, 2]),
        make(0, np.ones((100, 100))),
        _writes_global,
        lambda w: undefined_name(w),  # noqa: F821
        SETTINGS.get,
    ],
)
def test_what_may_change_unseen_has_no_guard(function):
    if isinstance(function, type(SETTINGS.get)):
        assert Guard.of(function) is not None  # a builtin is what it is
    else:
        assert Guard.of(function) is None


@pytest.mark.parametrize("function", [np.median, functools.partial(np.percentile, q=30), np.add.reduce, lambda w: math.pi * w])
def test_what_cannot_change_has_a_guard(function):
    assert Guard.of(function).matches(function)


# -- validity -----------------------------------------------------------------------------------------------------------


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
    assert_as_numpy_count = [values("int16", SHAPE)]
    _, got = traced_results(lambda w: (count(w[w > 0]), count(w)), assert_as_numpy_count)
    windows = np.lib.stride_tricks.sliding_window_view(assert_as_numpy_count[0], (3, 3))
    np.testing.assert_array_equal(got[0], (windows > 0).sum(axis=(2, 3)))
    assert (got[1] == 9).all()


# -- simplification and patterns ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "simpler"),
    [
        (lambda w: -(-w), lambda w: w),
        (lambda w: ~~(w > 0), lambda w: w > 0),
        (lambda w: w[1:][1:, ::2][0], lambda w: w[2, ::2]),
        (lambda w: w.reshape(9).reshape(3, 3).ravel(), lambda w: w.ravel()),
        (lambda w: w.T.T, lambda w: w),
        (lambda w: w.astype("float64").astype("float64"), lambda w: w.astype("float64")),
        (lambda w: w.astype("float64").astype("float32"), lambda w: w),
        (lambda w: np.expand_dims(w.ravel(), 1).T, lambda w: w.reshape(1, 9)),
        (lambda w: np.flip(np.flip(w)), lambda w: w),
        (lambda w: np.mean(w) + np.mean(w), lambda w: (lambda m: m + m)(np.mean(w))),
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
    check(function, dtype)
    (node,) = trace(function, [window(dtype)]).outputs
    assert sum(getattr(n, "operator", None) == "cast" for n in walk([node])) == 2


LINEAR = [
    lambda w, k: np.sum(w * k),
    lambda w, k: (k * w).sum(),
    lambda w, k: np.einsum("ij,ij", w, k),
    lambda w, k: np.vdot(w, k),
    lambda w, k: np.dot(w.ravel(), k.ravel()),
    lambda w, k: np.tensordot(w, k),
]


@pytest.mark.parametrize("function", LINEAR)
@pytest.mark.parametrize("dtype", ("float32", "uint8"))
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
