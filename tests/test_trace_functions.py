"""NumPy functions of traced values that shape, choose, multiply and solve, over dtypes, against NumPy on each window.

Compared are dtype and values; which warnings NumPy gives on the way is on purpose not.
"""

import numpy as np
import pytest

from kernelscape.errors import TracingError
from kernelscape.trace import Parameter, trace
from tests.oracle.traced import assert_as_numpy, check, traced_results, values

DTYPES = ("bool", "uint8", "int16", "int64", "uint64", "float16", "float32", "float64")
MASK = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, from the windows it is called on


def window(dtype="float32", shape=(3, 3), number=0):
    return Parameter.window(number, shape, np.dtype(dtype))


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
