"""`linear_operator`: the operator is `correlate` and `convolve`, to the bit, and its adjoint is the Hermitian one.

Matrices of operators on tiny images are compared with the ones that the definitions give, sample by sample
(`oracle/fields.py`), rows and columns; inner products for drawn kernels, modes, forms, geometries and dtypes. What
`correlate` and `convolve` themselves give is compared elsewhere.
"""

import itertools
import pickle
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator, cg, lsmr, lsqr, svds

import kernelscape as ks
from kernelscape.api import linear_operators
from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError, UnknownNameError
from kernelscape.kernels.box import box_of
from tests.conformance.field_cases import FIELDS, POSITIVE, FieldCase, field_case
from tests.oracle import fields

MODES = ("reflect", "mirror", "nearest", "wrap", "constant", "shrink")
FORMS = tuple(itertools.product(("gather", "scatter"), ("correlate", "convolve")))
CALLS = {"correlate": ks.correlate, "convolve": ks.convolve}


def numbers(rng, shape, dtype=np.float64):
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape)).astype(dtype) if np.dtype(dtype).kind == "c" else x.astype(dtype)


def assert_adjoint(operator, x, y, tolerance=1e-13):
    """<A x, y> and <x, A^H y> are one number."""
    __tracebackhide__ = True
    forward, back = operator.matvec(x), operator.rmatvec(y)
    there, here = np.vdot(forward, y), np.vdot(x, back)
    scale = max(np.linalg.norm(forward) * np.linalg.norm(y), np.linalg.norm(x) * np.linalg.norm(back))
    assert abs(there - here) <= tolerance * scale, f"<Ax, y> = {there!r}, <x, A^H y> = {here!r}, scale {scale!r}"


def assert_same_matrix(found, wanted, tolerance=1e-13):
    """Rounding is relative to the largest entries of the row."""
    __tracebackhide__ = True
    assert found.shape == wanted.shape, (found.shape, wanted.shape)
    assert np.isfinite(wanted).all()
    error = abs(found - wanted).max() / max(abs(wanted).max(), np.finfo(float).tiny)
    assert error <= tolerance, f"off by {error:.3g} of the largest entry"


def test_the_comparisons_can_fail():
    operator = ks.linear_operator((4, 5), np.arange(9.0).reshape(3, 3))
    x, y = numbers(np.random.default_rng(0), (2, 20))
    wrong = LinearOperator((20, 20), operator.matvec, lambda y: operator.rmatvec(y) + 1e-9, dtype=float)
    with pytest.raises(AssertionError, match="A\\^H y"):
        assert_adjoint(wrong, x, y)
    matrix = operator @ np.eye(20)
    with pytest.raises(AssertionError, match="off by"):
        assert_same_matrix(matrix + 1e-9, matrix)


# -- what the definition gives -----------------------------------------------------------------------------------------

GEOMETRIES = {
    "as it is": {},
    "stride": {"stride": (2, 3)},
    "origin and dilation": {"origin": (-1, 1), "dilation": (2, 1)},
    "valid": {"padding": "valid"},
    "full": {"padding": "full"},
    "full, stride, dilation, origin": {"padding": "full", "stride": 2, "dilation": (1, 2), "origin": (0, -1)},
    "far outside": {"padding": ((5, 2), (0, 7)), "stride": (1, 3)},
}
PROVED = ("constant", "dense, complex", "gaussian", "disc, sized", "formula", "grid", "scattered", "polynomials")


def defined_matrix(case, form, operation, words):
    """The matrix by definition: a column for each sample of the image."""
    extents = case.extents
    unit = np.eye(int(np.prod(extents))).reshape(-1, *extents)
    call = fields.gather if form == "gather" else fields.scatter
    found = call(unit, case.kernels, own=case.own, convolve=operation == "convolve", **words)
    return found.reshape(len(unit), -1).T


def defined_operator(case, form, operation, words):
    """The operator, where the definition gives every output a value; None where it does not, and that is refused."""
    make = lambda: ks.linear_operator(case.extents, case.make(), form=form, operation=operation, **words)  # noqa: E731
    try:
        matrix = defined_matrix(case, form, operation, words)
    except ValueError:  # a scatter has no outputs outside
        matrix = None
    if matrix is not None and not np.isnan(matrix).any():
        return make(), matrix
    with pytest.raises(ArgumentError, match="asks for outputs at" if matrix is None else "without one"):
        make()
    return None


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize(("form", "operation"), FORMS)
def test_the_matrix_is_the_defined_one(form, operation, geometry):
    modes = itertools.cycle((*MODES, ("wrap", "shrink"), ("constant", "nearest")))
    compared = 0
    for name in (*PROVED, *PROVED):
        case = field_case(name, (5, 6), (3, 4))
        made = defined_operator(case, form, operation, {**GEOMETRIES[geometry], "mode": next(modes)})
        if made is not None:
            operator, matrix = made
            assert_same_matrix(operator @ np.eye(30), matrix)
            assert_same_matrix(operator.H @ np.eye(len(matrix)), matrix.conj().T)
            compared += 1
    assert compared >= 10 or form == "scatter"


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize(("form", "operation"), FORMS)
def test_the_normalised_matrix_is_the_defined_one(form, operation, geometry):
    for name, mode in zip(
        ("dense, positive", "gaussian", "disc"), ("shrink", ("constant", "mirror"), "wrap"), strict=True
    ):
        words = {**GEOMETRIES[geometry], "mode": mode, "normalize": True}
        if name != "dense, positive":  # of weights far from the middle alone the sum may be rounding noise
            words.pop("origin", None)
        made = defined_operator(field_case(name, (5, 6), (3, 4)), form, operation, words)
        if made is not None:
            operator, matrix = made
            assert_same_matrix(operator @ np.eye(30), matrix)
            assert_same_matrix(operator.H @ np.eye(len(matrix)), matrix.conj().T)


@pytest.mark.parametrize(("form", "operation"), FORMS)
def test_normalised_complex_kernels(form, operation):
    """Sums of weights are complex numbers, and the adjoint has their conjugates."""
    weights = numbers(np.random.default_rng(8), (5, 6, 3, 4), np.complex128) + (2 - 3j)
    case = FieldCase(lambda: ks.kernels.Dense(weights), weights, np.zeros(weights.shape))
    for words in ({"mode": "reflect", "stride": 2}, {"mode": "shrink", "padding": "valid"}, {"mode": "constant"}):
        operator, matrix = defined_operator(case, form, operation, {**words, "normalize": True})
        assert_same_matrix(operator @ np.eye(30), matrix)
        assert_same_matrix(operator.H @ np.eye(len(matrix)), matrix.conj().T)


def test_windows_that_hold_nothing():
    """Pixels in focus look, with a moved origin, at one neighbour; at the border there is none."""
    field = ks.kernels.Gaussian([0.0, 0.0, 0.25, 0.25, 0.0], truncate=4)
    words = {"mode": "shrink", "origin": -1}
    with pytest.raises(ArgumentError, match=r"got 1 of 5 outputs without one, the first at \(4,\): no sample"):
        ks.linear_operator(5, field, **words)
    assert ks.linear_operator(5, field, mode="shrink").shape == (5, 5)
    for normalize in (False, True):
        operator = ks.linear_operator(5, field, form="scatter", operation="correlate", normalize=normalize, **words)
        matrix = operator @ np.eye(5)
        assert matrix.any(0).tolist() == [False, True, True, True, True]
        assert_same_matrix(operator.H @ np.eye(5), matrix.T)


def test_sums_that_are_noise_matter_only_where_they_are_used():
    """Kernels whose weights sum to 0, at pixels that a stride leaves out."""
    weights = np.random.default_rng(3).uniform(0.5, 1, (7, 6, 3, 3))
    weights[1::2] -= weights[1::2].mean((2, 3), keepdims=True)
    case = field_case("constant", (7, 6), (3, 3))
    words = {"mode": "mirror", "normalize": True}
    operator = ks.linear_operator((7, 6), ks.kernels.Dense(weights), stride=(2, 1), **words)
    matrix = fields.gather(np.eye(42).reshape(-1, *case.extents), weights, stride=(2, 1), **words).reshape(42, -1).T
    assert_same_matrix(operator @ np.eye(42), matrix, 1e-12)
    assert_same_matrix(operator.H @ np.eye(24), matrix.T, 1e-12)
    with pytest.raises(ArgumentError, match=r"sum to rounding noise, or no sample .* normalize=False"):
        ks.linear_operator((7, 6), ks.kernels.Dense(weights), **words)


@pytest.mark.parametrize("name", ["dense", "grid", "dense, complex", "grid, complex"])
def test_sources_without_a_sum_send_nothing_and_get_nothing(name):
    rng = np.random.default_rng(9)
    kernels = numbers(rng, (7, 3, 3), np.complex128 if "complex" in name else np.float64) + 3
    kernels[1::2] -= kernels[1::2].mean((1, 2), keepdims=True)
    if "grid" in name:  # each row of pixels has the kernel of a node
        field = ks.kernels.Grid(kernels[:, None], (np.arange(7.0), [2.0]))
    else:
        field = ks.kernels.Dense(np.broadcast_to(kernels[:, None], (7, 6, 3, 3)))
    for mode, operation in itertools.product(("mirror", "constant"), CALLS):
        operator = ks.linear_operator(
            (7, 6), field, form="scatter", operation=operation, normalize=True, mode=mode, stride=(1, 2)
        )
        matrix = operator @ np.eye(42)
        assert_same_matrix(operator.H @ np.eye(21), matrix.conj().T)
        silent = ~matrix.any(0).reshape(7, 6)
        assert silent[1::2].all()
        assert not silent[::2].any()


# -- drawn kernels, modes, forms and geometries ------------------------------------------------------------------------


@st.composite
def calls(draw):
    """A field case and the words of an operator with it; `shape` and `axes` have a batch axis now and then."""
    name = draw(st.sampled_from(sorted(FIELDS)))
    ndim = draw(st.sampled_from(FIELDS[name][1]))
    least, most = 4 if "grid" in name else 1, {1: 19, 2: 7, 3: 4}[ndim]  # nodes of grids have room
    extents = tuple(draw(st.integers(least, most)) for _ in range(ndim))
    size = tuple(draw(st.integers(1, 4 if ndim < 3 else 2)) for _ in range(ndim))
    case = field_case(name, extents, size, draw(st.integers(0, 99)))
    form, operation = draw(st.sampled_from(FORMS))
    words = {"mode": tuple(draw(st.sampled_from(MODES)) for _ in range(ndim))}
    if draw(st.booleans()):
        words["stride"] = tuple(draw(st.integers(1, 3)) for _ in range(ndim))
    if draw(st.booleans()):
        words["dilation"] = tuple(draw(st.integers(1, 3)) for _ in range(ndim))
    paddings = [st.sampled_from(("same", "valid", "full")), st.tuples(st.integers(0, 5), st.integers(0, 5))]
    if draw(st.booleans()):
        words["padding"] = [draw(paddings[0] | paddings[1] if form == "gather" else paddings[0]) for _ in range(ndim)]
    if name in POSITIVE and draw(st.booleans()):
        words["normalize"] = True
    elif draw(st.booleans()):
        words["origin"] = tuple(draw(st.integers(-(k // 2), (k - 1) // 2)) for k in case.size)
    shape, axes = extents, tuple(range(ndim))
    batch = draw(st.sampled_from((None, None, 0, ndim)))
    if batch is not None:
        shape = (*extents[:batch], 2, *extents[batch:])
        axes = tuple(axis + (axis >= batch) for axis in range(ndim))
    return case, shape, {"form": form, "operation": operation, "axes": axes, **words}


def direct(x, field, operation, **words):
    return CALLS[operation](x, field, **words)


@settings(max_examples=settings.default.max_examples)
@given(call=calls(), seed=st.integers(0, 99), is_complex=st.booleans())
def test_any_operator_is_the_call_and_its_adjoint(call, seed, is_complex):
    case, shape, words = call
    field, rng = case.make(), np.random.default_rng(seed)
    x = numbers(rng, shape, np.complex128 if is_complex else np.float64)
    refused = None
    try:
        wanted = direct(x, field, **words)
    except ArgumentError as error:
        refused = error
    if refused is not None:
        with pytest.raises(type(refused), match=f"^{re.escape(str(refused))}$"):
            ks.linear_operator(shape, field, dtype=x.dtype, **words)
        return
    if np.isnan(wanted).any():
        with pytest.raises(ArgumentError, match="outputs without one"):
            ks.linear_operator(shape, field, dtype=x.dtype, **words)
        return
    operator = ks.linear_operator(shape, field, dtype=x.dtype, **words)
    assert operator.shape == (wanted.size, x.size)
    assert operator.dtype == wanted.dtype
    np.testing.assert_array_equal(operator.matvec(x.ravel()), wanted.ravel())
    assert_adjoint(operator, x.ravel(), numbers(rng, wanted.size, wanted.dtype))


@pytest.mark.parametrize(("form", "operation"), FORMS)
def test_single_kernels(form, operation):
    """Arrays, even ones, complex ones, with batch axes and everything."""
    rng = np.random.default_rng(5)
    for dtype, mode in itertools.product((np.float64, np.complex128), (*MODES, ("wrap", "nearest"))):
        kernel = numbers(rng, (4, 3), dtype)
        words = {"form": form, "mode": mode, "axes": (0, 2), "origin": (1, -1), "dilation": (1, 2), "stride": (2, 1)}
        if form == "gather" and "shrink" not in mode:
            words["padding"] = ((2, 3), "full")
        operator = ks.linear_operator((9, 2, 8), kernel, operation=operation, dtype=dtype, **words)
        x = numbers(rng, (9, 2, 8), dtype)
        wanted = CALLS[operation](x, kernel, **words)
        np.testing.assert_array_equal(operator.matvec(x.ravel()), wanted.ravel())
        assert_adjoint(operator, x.ravel(), numbers(rng, wanted.size, dtype))


# -- threads, columns, dtypes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["constant", "dense", "gaussian", "grid", "scattered", "grid, complex"])
def test_workers_change_no_bit(name, monkeypatch):
    monkeypatch.setattr("kernelscape.execute.executable.INLINE_SECONDS", 0.0)
    shape, rng = (41, 67), np.random.default_rng(1)
    field = field_case(name, shape, (5, 4)).make()
    for form, operation in FORMS:
        words = {"form": form, "operation": operation, "mode": ("reflect", "nearest")}
        if form == "gather":
            words["padding"] = "full"
        made = {w: ks.linear_operator(shape, field, workers=w, **words) for w in (1, 2, 4, 8, 16)}
        x, y = rng.normal(size=(made[1].shape[1], 2)), rng.normal(size=(made[1].shape[0], 2))
        there, back = made[1].matmat(x).tobytes(), made[1].rmatmat(y).tobytes()
        for operator in made.values():
            assert operator.matmat(x).tobytes() == there
            assert operator.rmatmat(y).tobytes() == back


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_columns_are_vectors(at_once, monkeypatch):
    rng = np.random.default_rng(2)
    field = field_case("dense, complex", (3, 6, 5), (2, 3, 2)).make()
    operator = ks.linear_operator((3, 6, 5), field, padding="full", stride=(1, 2, 1), mode="wrap")
    monkeypatch.setattr(linear_operators, "COLUMNS_BYTES", at_once * operator.shape[1] * operator.dtype.itemsize)
    for shape, many, one in [
        (operator.shape[1], operator.matmat, operator.matvec), (operator.shape[0], operator.rmatmat, operator.rmatvec)
    ]:  # fmt: skip
        columns = rng.normal(size=(shape, 4))
        for order in "CF":
            np.testing.assert_array_equal(many(np.array(columns, order=order)), np.array([one(c) for c in columns.T]).T)
        np.testing.assert_array_equal(one(columns[:, :1]), many(columns[:, :1]))
        np.testing.assert_array_equal(many(columns[:, 1:3]), many(columns)[:, 1:3])
        assert many(columns[:, :0]).shape == (sum(operator.shape) - shape, 0)


@pytest.mark.parametrize(
    ("image", "weights", "result"),
    [
        (None, np.float64, np.float64),
        (None, np.float32, np.float64),
        (None, np.int64, np.float64),
        (None, np.complex64, np.complex128),
        (np.float32, np.float64, np.float32),
        (np.float32, np.complex128, np.complex64),
        (">f4", np.float32, np.float32),
        (np.float16, np.float32, np.float32),
        (np.uint8, np.float32, np.float64),
        (bool, np.float32, np.float64),
        (np.complex64, np.float64, np.complex64),
        (np.complex128, np.float32, np.complex128),
    ],
)
def test_dtypes(image, weights, result):
    rng = np.random.default_rng(4)
    kernel = (3 * numbers(rng, (3, 2), np.complex128 if np.dtype(weights).kind == "c" else np.float64)).astype(weights)
    for given_weights in (kernel, ks.kernels.Dense(np.broadcast_to(kernel, (5, 6, 3, 2)))):
        operator = ks.linear_operator((5, 6), given_weights, dtype=image)
        assert operator.dtype == result
        x, y = numbers(rng, 30, operator.dtype), numbers(rng, 30, operator.dtype)
        assert operator.matvec(x).dtype == operator.rmatvec(y).dtype == result
        assert operator.matmat(x[:, None]).dtype == operator.rmatmat(y[:, None]).dtype == result
        assert_adjoint(operator, x, y, 16 * np.finfo(result).eps)
        # Vectors come to the operator's precision.
        np.testing.assert_array_equal(operator.matvec(np.arange(30)), operator.matvec(np.arange(30.0)))
        wide = rng.normal(size=30)
        narrow = wide.astype(np.float32) if result in (np.float32, np.complex64) else wide
        np.testing.assert_array_equal(operator.matvec(wide), operator.matvec(narrow))


@pytest.mark.parametrize(("real", "found"), [(np.float32, np.complex64), (np.float64, np.complex128)])
def test_a_real_operator_on_complex_vectors(real, found):
    operator = ks.linear_operator((6, 5), field_case("gaussian", (6, 5), (3, 3)).make(), dtype=real, mode="mirror")
    x = numbers(np.random.default_rng(0), 30, np.complex128)
    for call in (operator.matvec, operator.rmatvec):
        assert call(x).dtype == found
        np.testing.assert_allclose(call(x), call(x.real) + 1j * call(x.imag), atol=16 * np.finfo(found).eps)


# -- as SciPy has them -------------------------------------------------------------------------------------------------


def test_adjoint_transpose_and_arithmetic():
    rng = np.random.default_rng(6)
    a = ks.linear_operator((5, 6), numbers(rng, (3, 4), np.complex128), mode="nearest", padding="full")
    b = ks.linear_operator((5, 6), ks.kernels.Dense(numbers(rng, (5, 6, 2, 2))), form="scatter", operation="convolve")
    matrix_a, matrix_b = a @ np.eye(30), b @ np.eye(30)
    for operator, matrix in [
        (a.H, matrix_a.conj().T),
        (a.adjoint(), matrix_a.conj().T),
        (a.T, matrix_a.T),
        (a.transpose(), matrix_a.T),
        (a.H.H, matrix_a),
        (a.T.T, matrix_a),
        (a.T.H, matrix_a.conj()),
        (b.T, matrix_b.T),
        (a @ b, matrix_a @ matrix_b),
        ((a @ b).H, (matrix_a @ matrix_b).conj().T),
        (b + 2 * b.T, matrix_b + 2 * matrix_b.T),
        ((2 - 1j) * a, (2 - 1j) * matrix_a),
        (-b, -matrix_b),
        (b**2, matrix_b @ matrix_b),
    ]:
        assert isinstance(operator, LinearOperator)
        assert_same_matrix(operator @ np.eye(operator.shape[1]), matrix, 1e-14)
        x = rng.normal(size=operator.shape[1])
        np.testing.assert_allclose(operator @ x, matrix @ x, rtol=1e-12, atol=1e-12)


def test_solvers_find_the_image():
    rng = np.random.default_rng(7)
    sigma = rng.uniform(0.2, 0.6, (12, 14))
    x = rng.normal(size=(12, 14))
    for form, operation in FORMS:
        operator = ks.linear_operator((12, 14), ks.kernels.Gaussian(sigma), form=form, operation=operation)
        seen = operator @ x.ravel()
        for solve in (lsqr, lsmr):
            found = solve(operator, seen, atol=1e-13, btol=1e-13)[0]
            np.testing.assert_allclose(found, x.ravel(), atol=1e-8)
        normal = operator.H @ operator + 1e-3 * LinearOperator((168, 168), lambda v: v, dtype=float)
        found, failed = cg(normal, operator.H @ seen, rtol=1e-12, maxiter=500)
        assert failed == 0
        np.testing.assert_allclose(normal @ found, operator.H @ seen, atol=1e-9)


def test_singular_values():
    field = field_case("grid, complex", (6, 7), (3, 3)).make()
    for words in ({}, {"stride": 2}, {"padding": "full"}):
        operator = ks.linear_operator((6, 7), field, mode="wrap", **words)
        wanted = np.linalg.svd(operator @ np.eye(42), compute_uv=False)[:3]
        found = svds(operator, k=3, random_state=0, return_singular_vectors=False)
        np.testing.assert_allclose(np.sort(found)[::-1], wanted, rtol=1e-10)


def test_an_operator_is_data():
    kernel = np.array([1.0, 2.0, 4.0])
    operator = ks.linear_operator(5, kernel, normalize=True, mode="shrink")
    before = operator @ np.eye(5)
    again = pickle.loads(pickle.dumps(operator))
    kernel[:] = 0
    for one in (operator, again):
        np.testing.assert_array_equal(one @ np.eye(5), before)
        np.testing.assert_array_equal(one.H @ np.eye(5), before.T)
    x = np.ones(5)
    x.flags.writeable = False
    np.testing.assert_array_equal(operator @ x, x)


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "words", "error", "text"),
    [
        ((5, 6), {"cval": 1}, ArgumentError, "cval must be 0, since .* not linear; got 1. Add what the constant gives"),
        ((5, 6), {"cval": np.nan}, ArgumentError, "cval must be 0"),
        ((5, 6), {"cval": "0"}, ArgumentError, "cval must be 0"),
        ((5, 6), {"cval": [0, 0]}, ArgumentError, "cval must be 0"),
        ((5, 6.0), {}, ArgumentTypeError, r"shape must be an integer or a tuple of integers; got \(5, 6.0\)"),
        ((5, True), {}, ArgumentTypeError, "shape must be an integer"),
        ("56", {}, ArgumentTypeError, "shape must be an integer"),
        ((), {}, ShapeError, "at least one axis"),
        ((5, 0), {}, ShapeError, "at least 1 along each"),
        ((5, 6, 7), {}, ShapeError, "kernel has 2 axes and the array has 3"),
        ((5, 6, 7), {"axes": (0, 3)}, ShapeError, "axes must be axes of the array"),
        ((5, 6, 7), {"axes": 1}, ShapeError, "there are 1 window axes"),
        ((5, 6), {"operation": "correlation"}, UnknownNameError, "operation 'correlation'; did you mean 'correlate'"),
        ((5, 6), {"form": "spread"}, UnknownNameError, "Unknown form 'spread'"),
        ((5, 6), {"mode": "refelct"}, UnknownNameError, "did you mean 'reflect'"),
        ((5, 6), {"mode": "valid", "padding": "full"}, ArgumentError, "mode='valid' is padding='valid'; got"),
        ((5, 6), {"origin": 2}, ArgumentError, "origin must be in"),
        ((5, 6), {"stride": 0}, ArgumentError, "stride must be at least 1"),
        ((5, 6), {"dilation": 4, "padding": "valid"}, ShapeError, "no output remains"),
        ((5, 6), {"form": "scatter", "padding": "full"}, ArgumentError, "asks for outputs at -1"),
        ((5, 6), {"normalize": 1}, ArgumentTypeError, "normalize must be True or False"),
        ((5, 6), {"normalize": "valid"}, ArgumentTypeError, "must be True or False for a linear operator"),
        ((5, 6), {"dtype": "longdouble"}, ArgumentTypeError, "dtype must be float32, float64, complex64"),
        ((5, 6), {"dtype": "U3"}, ArgumentTypeError, "dtype must be float32"),
        ((5, 6), {"dtype": "nothing"}, ArgumentTypeError, "dtype must be a NumPy dtype"),
        ((5, 6), {"boundary": 1}, ArgumentTypeError, r"linear_operator\(\) has no keyword argument 'boundary'"),
        ((5, 6), {"mode": "shrink", "padding": 5}, ArgumentError, r"value; got \d+ of \d+ .* at \(0, 0\): no sample"),
    ],
)
def test_what_is_refused(shape, words, error, text):
    with pytest.raises(error, match=text):
        ks.linear_operator(shape, np.ones((3, 3)), **words)


def test_kernels_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"Gaussian .*\(4, 6\)"):
        ks.linear_operator((5, 6), ks.kernels.Gaussian(np.ones((4, 6))))
    with pytest.raises(ArgumentError, match="weights must not be empty"):
        ks.linear_operator((5, 6), np.ones((0, 3)))
    operator = ks.linear_operator((5, 6), np.ones((3, 3)), padding="valid")
    for call, wrong in ((operator.matvec, 12), (operator.rmatvec, 30), (operator.matmat, 12), (operator.rmatmat, 30)):
        with pytest.raises(ValueError, match="dimension mismatch"):
            call(np.ones((wrong, 1)))


def test_the_word_valid_is_a_padding():
    x = np.arange(30.0).reshape(5, 6)
    for form in ("gather", "scatter"):
        operator = ks.linear_operator((5, 6), np.ones((3, 2)), mode="valid", form=form)
        wanted = ks.correlate(x, np.ones((3, 2)), mode="valid", form=form)
        np.testing.assert_array_equal(operator @ x.ravel(), wanted.ravel())
        assert_adjoint(operator, x.ravel(), np.arange(15.0))


# -- boxes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIELDS)
def test_boxes_show_the_kernel_of_the_nearest_edge(name):
    for ndim in FIELDS[name][1]:
        case = field_case(name, (4, 5, 3)[:ndim], (2, 3, 2)[:ndim])
        field, ranges = case.make(), [(-3, 2), (1, 8), (-4, -1)][:ndim]
        places = np.ix_(*(np.arange(*r).clip(0, n - 1) for r, n in zip(ranges, case.extents, strict=True)))
        wanted = field.dense(case.extents)[places]
        box = box_of(field, case.extents, ranges)
        np.testing.assert_array_equal(box.dense(), wanted)
        bound = box.real.bound(box.extents)
        if getattr(bound, "reach", None) is not None:
            np.testing.assert_array_equal(bound.reach(), field.bound(case.extents).reach()[places])
    with pytest.raises(ShapeError, match="box's extents"):
        box.bound((1,) * ndim)


def test_boxes_copy_only_the_edge():
    weights = np.ones((400, 500, 3, 3))
    for ranges, axis in [([(-30, 0), (-5, 505)], 0), ([(-5, 405), (500, 520)], 1)]:
        box = box_of(ks.kernels.Dense(weights), (400, 500), ranges)
        tracemalloc.start()
        (part,) = box.bound(box.extents).parts
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert part.array.shape == (*box.extents, 3, 3)
        assert part.array.strides[axis] == 0
        assert peak < weights.nbytes / 100, f"{peak} bytes for one line of kernels"
