"""Small matrices: determinants, inverses and systems of up to 4 by 4, by Gaussian elimination written out.

Partial pivoting becomes compare-and-swap of rows: before column k is eliminated, the row whose entry in it is largest
is brought up by one pass over the rows below (G. H. Golub and C. F. Van Loan, Matrix Computations, section 3.4).
LAPACK, which NumPy calls, chooses the same pivots, so results agree within rounding.  A singular matrix has determinant
0; where NumPy raises LinAlgError for its inverse, the result here is infinite or NaN, since only the data say which
matrices are singular.
"""

from __future__ import annotations

from typing import Any

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
