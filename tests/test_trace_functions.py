"""What NumPy functions mean when they are traced: each is run by the definition and by NumPy, over dtypes.

Compared are dtype (NEP 50, exactly) and values; which warnings NumPy gives on the way is on purpose not.
"""

import operator

import numpy as np
import pytest

from kernelscape.errors import TracingError
from kernelscape.expression import walk
from kernelscape.trace import Parameter, trace
from tests.oracle.traced import assert_as_numpy, traced_results, values

DTYPES = ("bool", "uint8", "int16", "int64", "uint64", "float16", "float32", "float64")
FLOATS = ("float16", "float32", "float64")
SHAPE = (4, 5)
IMAGE = np.arange(30.0).reshape(5, 6)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, from the windows it is called on


def window(dtype="float32", shape=(3, 3), number=0):
    return Parameter.window(number, shape, np.dtype(dtype))


def refused_by_numpy(function, arrays, size):
    """The exception that NumPy raises for these dtypes, if any."""
    try:
        function(*(a[: size[0], : size[1]].copy() for a in arrays))
    except (TypeError, ValueError, OverflowError) as error:
        return next(kind for kind in (TypeError, ValueError, OverflowError) if isinstance(error, kind))
    return None


def check(function, dtype, *, arrays=1, shape=SHAPE, size=(3, 3), positive=False):
    """As NumPy, or refused with the exception that NumPy raises."""
    inputs = [values(dtype, shape, seed) for seed in range(arrays)]
    if positive:
        inputs = [np.abs(a) + np.ones((), a.dtype) if a.dtype != bool else a for a in inputs]
    error = refused_by_numpy(function, inputs, size)
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
    "flip": np.flip,
    "flip axis": lambda w: np.flip(w, 0),
    "fliplr": np.fliplr,
    "flipud": np.flipud,
    "rot90": lambda w: np.rot90(w[:2], 3),
    "roll": lambda w: np.roll(w, 1),
    "roll axes": lambda w: np.roll(w, (1, -1), axis=(0, 1)),
    "diff": np.diff,
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
    "tril": np.tril,
    "cumsum": np.cumsum,
    "cumsum axis": lambda w: w.cumsum(axis=1),
    "cumprod": lambda w: np.cumprod(w[0]),
    "gradient": lambda w: np.gradient(w, axis=0),
    "round": lambda w: np.round(w, 1),
    "isclose": lambda w: np.isclose(w, 2.0, atol=1.0),
    "nan_to_num": np.nan_to_num,
    "size shape": lambda w: w * np.size(w) if w.dtype != bool else np.shape(w)[0] * np.ndim(w) + w,
    "sort": np.sort,
    "sort flat": lambda w: np.sort(w, axis=None),
    "sort axis": lambda w: np.sort(w, axis=0),
    "partition": lambda w: np.partition(w.ravel(), 3)[3],
    "outer": lambda w: np.outer(w[0], w[1]),
    "ufunc outer": lambda w: np.add.outer(w[0], w[1]),
    "add.reduce": np.add.reduce,
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
    "dot": np.dot,
    "dot method": lambda a, b: a[0].dot(b[1]),
    "vdot": np.vdot,
    "inner": np.inner,
    "matmul": lambda a, b: a @ b,
    "matmul vector": lambda a, b: a @ b[0],
    "vector matmul": lambda a, b: a[0] @ b,
    "stacked matmul": lambda a, b: np.matmul(a[None], np.stack([b, a])),
    "tensordot": np.tensordot,
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


# -- small matrices ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_small_matrices(n, dtype):
    def stacked(w):
        return np.linalg.det(np.stack([w, w + w]))

    for function in (np.linalg.det, stacked):
        check(function, dtype, shape=(5, 6), size=(n, n))

    def well_conditioned(w):
        return w + 300 * np.eye(n, dtype="float32")

    check(lambda w: np.linalg.inv(well_conditioned(w)), dtype, shape=(5, 6), size=(n, n))
    check(lambda w: np.linalg.solve(well_conditioned(w), w[0]), dtype, shape=(5, 6), size=(n, n))
    check(lambda w: np.linalg.solve(well_conditioned(w), w), dtype, shape=(5, 6), size=(n, n))


def test_elimination_swaps_rows_and_knows_singular_matrices():
    image = np.array([[0.0, 1, 2, 0], [1e-20, 0, 3, 0], [5, 0, 0, 0], [0, 0, 0, 0]])
    assert_as_numpy(np.linalg.det, [image])
    assert_as_numpy(lambda w: np.linalg.det(w[:2, :2]), [image])
    assert_as_numpy(lambda w: np.linalg.solve(w, np.array([1.0, 2.0, 3.0])), [image[:3, :3]])


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_eigenvalues_of_symmetric_matrices(n, dtype):
    for uplo in ("L", "U"):
        check(lambda w: np.linalg.eigvalsh(w, UPLO=uplo), dtype, shape=(5, 6), size=(n, n))  # noqa: B023
    check(lambda w: np.linalg.eigh(w)[0], dtype, shape=(5, 6), size=(n, n))
    check(lambda w: np.linalg.eigvalsh(w * np.eye(n, dtype="float32")), dtype, shape=(5, 6), size=(n, n))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_eigenvectors_of_symmetric_matrices(n):
    image = values("float64", (5, 6))
    _, (numbers, vectors) = traced_results(lambda w: tuple(np.linalg.eigh(w + w.T)), [image], (n, n))
    windows = np.lib.stride_tricks.sliding_window_view(image, (n, n))
    matrices = windows + np.swapaxes(windows, -1, -2)
    np.testing.assert_allclose(matrices @ vectors, vectors * numbers[..., None, :], atol=1e-11)
    np.testing.assert_allclose(
        np.swapaxes(vectors, -1, -2) @ vectors, np.broadcast_to(np.eye(n), matrices.shape), atol=1e-12
    )
    assert (np.diff(numbers) >= 0).all()


def test_large_matrices_are_refused():
    with pytest.raises(TracingError, match="4 by 4"):
        trace(np.linalg.inv, [window(shape=(5, 5))])
    with pytest.raises(np.linalg.LinAlgError):
        trace(np.linalg.det, [window(shape=(2, 3))])
