"""Small matrices, up to 4 by 4, written out: determinants, inverses, systems; eigenvalues of symmetric ones.

Partial pivoting becomes compare-and-swap of rows: before column k is eliminated, the row whose entry in it is largest
is brought up by one pass over the rows below (G. H. Golub and C. F. Van Loan, Matrix Computations, section 3.4).
LAPACK, which NumPy calls, chooses the same pivots, so results agree within rounding. A singular matrix has determinant
0; where NumPy raises LinAlgError for its inverse, the result here is infinite or NaN, since only the data say which
matrices are singular.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kernelscape.trace.notation import FUNCTIONS
from kernelscape.trace.page import tracing_error
from kernelscape.trace.recorder import Recorder
from kernelscape.trace.shaping import traced
from kernelscape.trace.statistics import implements

LARGEST = 4


def _square(r: Recorder, a: Any, name: str) -> Any:
    """The matrix in the dtype that LAPACK would compute in."""
    value = traced(r, a)
    if value.ndim < 2:
        raise np.linalg.LinAlgError(f"{value.ndim}-dimensional array given. Array must be at least two-dimensional")
    n = value.shape[-1]
    if value.shape[-2] != n:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    if value.dtype == np.float16:
        raise TypeError("array type float16 is unsupported in linalg")
    if not 0 < n <= LARGEST:
        raise tracing_error(
            f"np.linalg.{name} of a {n} by {n} matrix would be a very long program; up to {LARGEST} by {LARGEST} is "
            "written out.",
            f"lambda w: np.linalg.{name}(w)      # size=5",
            f"lambda w: np.linalg.{name}(w[:3, :3])",
        )
    return value if value.dtype.kind == "f" else value.astype(np.float64)


def _eliminated(rows: list[Any], n: int) -> tuple[list[Any], Any]:
    """Rows of an upper triangular matrix (and what is to its right), and the parity of the swaps: 1 or -1."""
    zero = FUNCTIONS[np.zeros_like](rows[0]._recorder, rows[0][..., 0])
    parity = FUNCTIONS[np.ones_like](rows[0]._recorder, zero)
    for k in range(n):
        for i in range(k + 1, n):
            larger = abs(rows[i][..., k]) > abs(rows[k][..., k])
            wide = larger[..., None]
            rows[k], rows[i] = np.where(wide, rows[i], rows[k]), np.where(wide, rows[k], rows[i])
            parity = np.where(larger, -parity, parity)
        pivot = rows[k][..., k]
        for i in range(k + 1, n):
            factor = np.where(pivot == zero, zero, rows[i][..., k] / pivot)
            rows[i] = rows[i] - factor[..., None] * rows[k]
    return rows, parity


@implements(np.linalg.det)
def _det(r: Recorder, a: Any) -> Any:
    value = _square(r, a, "det")
    n = value.shape[-1]
    rows, parity = _eliminated([value[..., i, :] for i in range(n)], n)
    result = rows[0][..., 0] * parity
    for k in range(1, n):
        result = result * rows[k][..., k]
    return result


@implements(np.linalg.solve)
def _solve(r: Recorder, a: Any, b: Any) -> Any:
    value, right = _square(r, a, "solve"), traced(r, b)
    n = value.shape[-1]
    vector = right.ndim == 1
    right = right[:, None] if vector else right
    if right.ndim < 2 or right.shape[-2] != n:
        raise ValueError(f"solve: a matrix of shape {value.shape} does not fit a right side of shape {right.shape}")
    if right.dtype == np.float16:
        raise TypeError("array type float16 is unsupported in linalg")
    dtype = np.result_type(value.dtype, right.dtype if right.dtype.kind == "f" else np.float64)
    value, right = value.astype(dtype), right.astype(dtype)
    leading = np.broadcast_shapes(value.shape[:-2], right.shape[:-2])
    value = FUNCTIONS[np.broadcast_to](r, value, (*leading, n, n))
    right = FUNCTIONS[np.broadcast_to](r, right, (*leading, n, right.shape[-1]))
    whole = FUNCTIONS[np.concatenate](r, [value, right], -1)
    rows, _ = _eliminated([whole[..., i, :] for i in range(n)], n)
    solution = _substituted(rows, n)
    result = FUNCTIONS[np.stack](r, solution, -2)
    return result[..., 0] if vector else result


def _substituted(rows: list[Any], n: int) -> list[Any]:
    """Back substitution: the unknowns, from the last to the first."""
    solution: list[Any] = [None] * n
    for k in reversed(range(n)):
        rest = rows[k][..., n:]
        for j in range(k + 1, n):
            rest = rest - rows[k][..., j : j + 1] * solution[j]
        solution[k] = rest / rows[k][..., k : k + 1]
    return solution


@implements(np.linalg.inv)
def _inv(r: Recorder, a: Any) -> Any:
    value = _square(r, a, "inv")
    return _solve(r, value, traced(r, np.eye(value.shape[-1], dtype=value.dtype)))


# -- symmetric matrices -----------------------------------------------------------------------------------------------

# Sweeps of cyclic Jacobi rotations after which float64 has converged: one rotation solves 2 by 2 exactly, and
# convergence is quadratic (G. H. Golub and C. F. Van Loan, Matrix Computations, section 8.5).
_SWEEPS = {1: 0, 2: 1, 3: 5, 4: 6}


class EighResult(NamedTuple):
    """As the result of ``numpy.linalg.eigh``."""

    eigenvalues: Any
    eigenvectors: Any


@implements(np.linalg.eigh)
def _eigh(r: Recorder, a: Any, UPLO: str = "L") -> EighResult:  # noqa: N803
    values, columns = _diagonalized(r, a, UPLO, "eigh")
    n = len(values)
    for last in range(n - 1, 0, -1):
        for i in range(last):
            swap = values[i] > values[i + 1]
            low, high = values[i], values[i + 1]
            values[i], values[i + 1] = np.where(swap, high, low), np.where(swap, low, high)
            pairs = list(zip(columns[i], columns[i + 1], strict=True))
            columns[i] = [np.where(swap, y, x) for x, y in pairs]
            columns[i + 1] = [np.where(swap, x, y) for x, y in pairs]
    stack = FUNCTIONS[np.stack]
    vectors = stack(r, [stack(r, column, -1) for column in columns], -1)
    return EighResult(stack(r, values, -1), vectors)


@implements(np.linalg.eigvalsh)
def _eigvalsh(r: Recorder, a: Any, UPLO: str = "L") -> Any:  # noqa: N803
    values, _ = _diagonalized(r, a, UPLO, "eigvalsh")
    return FUNCTIONS[np.sort](r, FUNCTIONS[np.stack](r, values, -1), -1)


def _diagonalized(r: Recorder, a: Any, uplo: str, name: str) -> tuple[list[Any], list[list[Any]]]:
    """Eigenvalues in no order, and the columns of eigenvectors."""
    value = _square(r, a, name)
    n = value.shape[-1]
    if uplo.upper() not in {"L", "U"}:
        raise ValueError("UPLO argument must be 'L' or 'U'")
    lower = uplo.upper() == "L"
    places = [[(max(i, j), min(i, j)) if lower else (min(i, j), max(i, j)) for j in range(n)] for i in range(n)]
    matrix = [[value[(..., *place)] for place in row] for row in places]
    zero = FUNCTIONS[np.zeros_like](r, matrix[0][0])
    one = FUNCTIONS[np.ones_like](r, zero)
    columns = [[one if i == j else zero for i in range(n)] for j in range(n)]
    for _ in range(_SWEEPS[n]):
        for p in range(n - 1):
            for q in range(p + 1, n):
                _rotate(matrix, columns, p, q, zero, one)
    return [matrix[i][i] for i in range(n)], columns


def _rotate(matrix: list[list[Any]], columns: list[list[Any]], p: int, q: int, zero: Any, one: Any) -> None:
    """One Jacobi rotation: the element (p, q) of the symmetric matrix becomes 0."""
    off = matrix[p][q]
    tau = (matrix[q][q] - matrix[p][p]) / (off + off)
    root = one / (abs(tau) + np.sqrt(one + tau * tau))
    t = np.where(off == zero, zero, np.where(tau < zero, -root, root))
    c = one / np.sqrt(one + t * t)
    s = t * c
    matrix[p][p], matrix[q][q] = matrix[p][p] - t * off, matrix[q][q] + t * off
    matrix[p][q] = matrix[q][p] = zero
    for k in range(len(matrix)):
        if k not in {p, q}:
            x, y = matrix[k][p], matrix[k][q]
            matrix[k][p] = matrix[p][k] = c * x - s * y
            matrix[k][q] = matrix[q][k] = s * x + c * y
        u, v = columns[p][k], columns[q][k]
        columns[p][k], columns[q][k] = c * u - s * v, s * u + c * v
