"""Kernels of low rank: a weighted sum over a window is the sum of a few sums with separable weights, its *terms*.

Differences of Gaussians, Laplacians of Gaussians, Gabor kernels and sharpening kernels are sums of a few outer products
u v^T, which the singular value decomposition of the kernel finds, largest first; the best ones, by the theorem of
Eckart and Young [1]_. Each term needs kh + kw products instead of kh * kw. The sums along y are columns: the terms of
all rows of a tile are made in one sweep over its samples, and read by one sweep along x.

**How exact.** With r terms in a format of epsilon e, the error of an output is at most ``sum_i E_i |x_i|`` with

    E_i = (kh + kw + r + 2) e B_i + |w_i - sum_k u_ik v_ik|,   B_i = sum_k |u_ik| |v_ik|

since every product u v x goes through at most kh + kw + r - 1 additions and two products ([2]_, section 3.1). Terms are
used only where every tap has

    E_i <= eps max(n / 2 |w_i|, 2^-20 max|w|)

with the epsilon of the sum and n weights: then the error of an output is at most half of the bound ``n eps sum|w x|``
of the sum as it is defined, whatever the samples are; but that a weight of (nearly) 0 may act as one of a millionth of
the rounding of the largest. Where terms cancel, as they do near the zeros of such kernels, B_i is much larger than
|w_i|, and float32 is too narrow for them: they are made in float64. Sums in float64 have no wider format, and are made
of terms only where these do not cancel.

**What is not finite.** Two terms of different signs make NaN of an infinity, where the definition may have an infinity.
But no sum of terms is finite when its window holds NaN or an infinity: the columns with that sample are not, u being
finite, and nothing makes a sum finite again. So a sum that is not finite is made again as it is defined
(`expression.Finite`). What is finite depends on its window alone, and remains as it is.

References
----------
.. [1] C. Eckart and G. Young, "The approximation of one matrix by another of lower rank", Psychometrika 1, 1936,
   pp. 211-218.
.. [2] N. J. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, SIAM, 2002.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kernelscape import expression as ex
from kernelscape.expression import DType, Node, Shape
from kernelscape.geometry import KernelTerms
from kernelscape.methods.columns import ColumnList, Columns
from kernelscape.methods.separable import weighted

Array = np.ndarray[Any, np.dtype[Any]]
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
WORTH = 1.1
"""How many times the products of its terms a kernel must have, for them to be looked at."""
SMALLEST = 64
"""Weights of the kernels that are looked at: what fewer may gain does not pay for looking."""
EXTRA = 2
"""Terms that are tried beyond those that hold all but the rounding of the weights."""
NEGLIGIBLE = 2.0**-20
"""The part of an epsilon of the largest weight by which any weight may be off."""


@dataclass(frozen=True)
class Terms:
    """Outer products whose sum a kernel is.

    Attributes
    ----------
    vectors : tuple of (array, array)
        For each term one for y and one for x.
    sums : dtype
        Of the sums whose rounding covers that of the terms.
    """

    vectors: tuple[tuple[Array, Array], ...]
    sums: DType

    @property
    def rank(self) -> int:
        """How many terms there are."""
        return len(self.vectors)

    @property
    def dtype(self) -> DType:
        """Of the vectors, in which terms are computed."""
        return self.vectors[0][0].dtype

    @cached_property
    def arrays(self) -> tuple[Array, ...]:
        """All vectors, in the order of `geometry.KernelTerms.vectors`."""
        return tuple(vector for pair in self.vectors for vector in pair)

    @cached_property
    def words(self) -> Hashable:
        """What plans depend on."""
        return (self.rank, self.dtype.str, self.sums.str)


def terms(kernel: Array) -> Terms | None:
    """The terms that a kernel of float32 or float64 is, up to rounding; None where there are none, or too many.

    Examples
    --------
    >>> import numpy as np
    >>> offsets = np.arange(-7, 8)
    >>> narrow, wide = (np.exp(-(offsets**2) / (2 * sigma**2)) / sigma for sigma in (2.0, 3.2))
    >>> difference = np.outer(narrow, narrow) - np.outer(wide, wide)
    >>> found = terms(difference.astype(np.float32))
    >>> found.rank, found.dtype
    (2, dtype('float64'))
    """
    if kernel.ndim != 2 or kernel.dtype not in (FLOAT32, FLOAT64) or kernel.size < SMALLEST:
        return None
    most = int(kernel.size / sum(kernel.shape) / WORTH)
    if most < 2 or not kernel.any() or not np.isfinite(kernel).all():
        return None
    try:
        found = _search(kernel, most)
    except np.linalg.LinAlgError:  # the decomposition did not converge: the sum is made as it is defined
        return None
    if found is None:
        return None
    return Terms(tuple((a.copy(), b.copy()) for a, b in zip(found[0].T, found[1], strict=True)), kernel.dtype)


def _search(kernel: Array, most: int) -> tuple[Array, Array] | None:
    """Columns and rows of the terms, in float32 where that is enough; it costs half as much as float64."""
    # By a power of two, so that nothing is rounded: tiny and huge weights would underflow or overflow on the way.
    scale = int(np.frexp(np.abs(kernel).max())[1])
    weights = np.ldexp(kernel.astype(FLOAT64), -scale)
    size = np.abs(weights)
    allowed = float(np.finfo(kernel.dtype).eps) * np.maximum(kernel.size / 2 * size, NEGLIGIBLE * size.max())
    parts = np.linalg.svd(weights, full_matrices=False)
    # Fewer terms leave out more than all that is allowed together.
    left = np.sqrt(np.cumsum(parts[1][::-1] ** 2)[::-1])
    least = max(1, int((left > np.sqrt((allowed**2).sum())).sum()))
    for dtype in dict.fromkeys((kernel.dtype, FLOAT64)):
        for rank in range(least, min(least + EXTRA, most, len(left)) + 1):
            found = _made(weights, parts, rank, dtype, allowed)
            if found is not None and _is_scaled(found[0], scale):
                return np.ldexp(found[0], scale), found[1]
    return None


def _is_scaled(vectors: Array, scale: int) -> bool:
    """Whether vectors times a power of two neither overflow nor lose bits to underflow."""
    with np.errstate(over="ignore", under="ignore"):
        return bool((np.ldexp(np.ldexp(vectors, scale), -scale) == vectors).all())


def _made(
    weights: Array, parts: tuple[Array, Array, Array], rank: int, dtype: DType, allowed: Array
) -> tuple[Array, Array] | None:
    """So many terms of a decomposition, if they are covered."""
    vt = parts[2][:rank]
    vectors = _vectors(parts[0][:, :rank] * parts[1][:rank], vt, dtype)
    if _is_covered(weights, vectors, allowed):
        return vectors
    # What is left out is rounding of the weights, which is too much for small ones: they count most in this fit.
    fitted = (np.linalg.pinv(vt.T / allowed[:, :, None]) @ (weights / allowed)[:, :, None])[:, :, 0]
    vectors = _vectors(fitted, vt, dtype)
    return vectors if _is_covered(weights, vectors, allowed) else None


def _vectors(first: Array, second: Array, dtype: DType) -> tuple[Array, Array]:
    """Columns and rows of terms; the magnitudes of a row add up to at most 1, so that what underflows stays small."""
    shift = np.ceil(np.log2(np.abs(second).sum(axis=1))).astype(np.int64)
    return np.ldexp(first, shift).astype(dtype), np.ldexp(second, -shift[:, None]).astype(dtype)


def _is_covered(weights: Array, vectors: tuple[Array, Array], allowed: Array) -> bool:
    """Whether the error of each weight is within what is allowed for it; see the formulas above."""
    first, second = (v.astype(FLOAT64) for v in vectors)
    steps = sum(weights.shape) + len(second) + 2
    error = steps * float(np.finfo(vectors[0].dtype).eps) * (np.abs(first) @ np.abs(second))
    return bool((error + np.abs(weights - first @ second) <= allowed).all())


def use_terms(outputs: Sequence[Node], shape: Shape, x: int, kernels: Sequence[KernelTerms]) -> Columns | None:
    """Replaces floating sums over whole windows that are weighted with kernels of low rank; None where there are none.

    `kernels` says which run-time arguments are such kernels.
    """
    columns, by_slot = ColumnList(shape[x]), {k.kernel: k for k in kernels}

    def rule(node: Node) -> Node | None:
        found = weighted(node, shape, by_slot)
        if found is None or not _holds(by_slot[found[1]], node.dtype):
            return None
        samples, kernel = found[0], by_slot[found[1]]
        first = ex.pick(_widened(samples, kernel.dtype), x, 0)
        parts = []
        for vectors in kernel.vectors:
            lines = [ex.Argument((shape[a],), kernel.dtype, slot) for a, slot in enumerate(vectors)]
            along = ex.reduce("add", ex.elementwise("multiply", kernel.dtype, lines[1 - x], first), (0,))
            parts.append(
                ex.reduce("add", ex.elementwise("multiply", kernel.dtype, lines[x], columns.column(along)), (0,))
            )
        total = parts[0]
        for part in parts[1:]:
            total = ex.elementwise("add", kernel.dtype, total, part)
        return ex.finite(ex.cast(total, node.dtype), node)

    changed = ex.rebuild(outputs, rule)
    return Columns(changed, tuple(columns.found)) if columns.found else None


def _holds(kernel: KernelTerms, dtype: DType) -> bool:
    """Whether the rounding of sums of a dtype covers that of the terms."""
    return dtype in (FLOAT32, FLOAT64) and bool(np.finfo(dtype).eps >= np.finfo(kernel.sums).eps)


def _widened(samples: Node, dtype: DType) -> Node:
    """Samples in the dtype of terms; integers that were converted without rounding, in one step."""
    if isinstance(samples, ex.Elementwise) and samples.operator == "cast":
        inner = samples.operands[0]
        if np.can_cast(inner.dtype, samples.dtype, "safe") and samples.dtype.kind == "f":
            samples = inner
    return ex.cast(samples, dtype)
