"""NumPy's products of arrays, covariances and norms."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernelscape import reductions
from kernelscape.expression import cast
from kernelscape.trace.notation import FUNCTIONS, UFUNC_METHODS, wrap
from kernelscape.trace.operators import Value, operate, selected_misused
from kernelscape.trace.page import tracing_error
from kernelscape.trace.recorder import Recorder, supported
from kernelscape.trace.shaping import traced
from kernelscape.trace.statistics import implements


def _pair(r: Recorder, a: Any, b: Any) -> tuple[Any, Any]:
    return traced(r, a)._node, traced(r, b)._node


@implements(np.dot)
def _dot(r: Recorder, a: Any, b: Any, out: None = None) -> Any:
    if _selections(a, b):
        return _sum_of_products(r, a, b)
    return wrap(r, reductions.dot(*_pair(r, a, b)))


def _selections(a: Any, b: Any) -> bool:
    return all(isinstance(x, Value) and x._mask is not None for x in (a, b))


def _sum_of_products(r: Recorder, a: Any, b: Any) -> Any:
    """The product of two selections by the same mask."""
    node, mask = operate(r, "multiply", (a, b))
    assert mask is not None
    return wrap(r, reductions.fold("add", node, tuple(range(node.ndim)), mask))


@implements(np.vdot)
def _vdot(r: Recorder, a: Any, b: Any, /) -> Any:
    return _sum_of_products(r, a, b) if _selections(a, b) else wrap(r, reductions.vdot(*_pair(r, a, b)))


@implements(np.inner)
def _inner(r: Recorder, a: Any, b: Any, /) -> Any:
    return _sum_of_products(r, a, b) if _selections(a, b) else wrap(r, reductions.inner(*_pair(r, a, b)))


@implements(np.matmul)
def _matmul(r: Recorder, a: Any, b: Any) -> Any:
    return _sum_of_products(r, a, b) if _selections(a, b) else wrap(r, reductions.matmul(*_pair(r, a, b)))


UFUNC_METHODS["matmul", "__call__"] = _matmul


def _vecdot(r: Recorder, a: Any, b: Any, *, axis: int = -1) -> Any:
    product = traced(r, a) * traced(r, b)
    (last,) = reductions.normalized_axes(axis, product.ndim)
    return wrap(r, reductions.fold("add", product._node, (last,)))


UFUNC_METHODS["vecdot", "__call__"] = _vecdot


@implements(np.outer)
def _outer(r: Recorder, a: Any, b: Any, out: None = None) -> Any:
    left, right = traced(r, a).ravel(), traced(r, b).ravel()
    return left[:, None] * right[None, :]


@implements(np.tensordot)
def _tensordot(r: Recorder, a: Any, b: Any, axes: Any = 2) -> Any:
    left, right = _pair(r, a, b)
    if isinstance(axes, (int, np.integer)):
        first, second = list(range(left.ndim - int(axes), left.ndim)), list(range(int(axes)))
    else:
        first, second = ([int(i) for i in np.atleast_1d(x)] for x in axes)
    first, second = [i % left.ndim for i in first], [j % right.ndim for j in second]
    if len(first) != len(second):
        raise ValueError("shape-mismatch for sum")
    return wrap(r, reductions.tensordot(left, right, first, second))


@implements(np.einsum)
def _einsum(r: Recorder, *operands: Any, optimize: Any = False, dtype: Any = None, **kwargs: Any) -> Any:
    if not operands or not isinstance(operands[0], str):
        raise tracing_error(
            "np.einsum is traced with its subscripts as text.",
            "np.einsum(w, [0, 1], k, [0, 1])",
            "np.einsum('ij,ij', w, k)",
        )
    nodes = [traced(r, x)._node for x in operands[1:]]
    labels, output = _subscripts(operands[0], [n.ndim for n in nodes])
    if dtype is not None:
        nodes = [cast(n, supported(np.dtype(dtype))) for n in nodes]
    return wrap(r, reductions.contract(nodes, labels, output))


def _subscripts(text: str, dimensions: list[int]) -> tuple[list[list[int]], list[int]]:
    """Subscripts as numbers; the axes of an ellipsis are numbered below zero, aligned at their ends."""
    left, arrow, right = text.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(dimensions):
        raise ValueError(f"einsum subscripts {text!r} name {len(terms)} operands, {len(dimensions)} were given")
    letters = "".join(terms).replace("...", "")
    if not letters.isalpha() and letters:
        raise ValueError(f"invalid subscript in einstein sum subscripts string {text!r}, subscripts must be letters")
    labels, deepest = [], 0
    for term, ndim in zip(terms, dimensions, strict=True):
        before, dots, after = term.partition("...")
        extra = ndim - len(before) - len(after)
        if extra < 0 or (extra and not dots):
            raise ValueError(f"einsum subscripts {term!r} do not fit an operand with {ndim} axes")
        deepest = max(deepest, extra)
        labels.append([ord(c) for c in before] + list(range(-extra, 0)) + [ord(c) for c in after])
    hidden = list(range(-deepest, 0))
    if not arrow:
        return labels, hidden + sorted(ord(c) for c in set(letters) if letters.count(c) == 1)
    before, dots, after = right.partition("...")
    output = [ord(c) for c in before] + (hidden if dots else []) + [ord(c) for c in after]
    missing = [chr(c) for c in output if c >= 0 and chr(c) not in letters]
    if missing or len(set(output)) != len(output):
        raise ValueError(f"einstein sum subscripts string {text!r} has an output that its operands do not give")
    return labels, output


@implements(np.trace)
def _trace(
    r: Recorder, a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None
) -> Any:
    node = traced(r, a)._node
    if dtype is not None:
        node = cast(node, supported(np.dtype(dtype)))
    return wrap(r, reductions.trace(node, offset, axis1, axis2))


@implements(np.diagonal)
def _diagonal(r: Recorder, a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return wrap(r, reductions.diagonal(traced(r, a)._node, offset, axis1, axis2))


@implements(np.diag)
def _diag(r: Recorder, v: Any, k: int = 0) -> Any:
    value = traced(r, v)
    if value.ndim == 2:
        return _diagonal(r, value, k)
    n = value.size + abs(k)
    result = FUNCTIONS[np.zeros_like](r, value, shape=(n, n))
    rows = np.arange(value.size) + max(-k, 0)
    result[rows, rows + k] = value
    return result


@implements(np.linalg.norm)
def _norm(r: Recorder, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if isinstance(x, Value) and x._mask is not None:
        if ord not in {None, 2}:
            raise selected_misused()
        return np.sqrt(
            FUNCTIONS[np.sum](r, wrap(r, *operate(r, "square", (wrap(r, *operate(r, "multiply", (x, 1.0))),))))
        )
    node = traced(r, x)._node
    try:
        return wrap(r, reductions.norm(node, ord, axis, keepdims=keepdims))
    except ValueError as error:
        if "decomposition" not in str(error):
            raise
        raise tracing_error(str(error), "np.linalg.norm(w, 2)", "np.linalg.norm(w)      # Frobenius") from None


@implements(np.cov)
def _cov(
    r: Recorder,
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    if fweights is not None or aweights is not None or dtype is not None:
        raise tracing_error(
            "np.cov is traced without weights and dtype.",
            "np.cov(a, b, aweights=k)",
            "np.average((a - ma) * (b - mb), weights=k)",
        )
    freedom = (0 if bias else 1) if ddof is None else ddof
    return FUNCTIONS[np.squeeze](
        r, wrap(r, reductions.covariance(_rows(r, m, y, rowvar), ddof=freedom, missing=r.missing))
    )


def _rows(r: Recorder, m: Any, y: Any, rowvar: bool) -> Any:
    """Variables as rows."""
    parts = []
    for given in (m, y):
        if given is None:
            continue
        value = traced(r, given)
        if value.ndim > 2:
            raise ValueError("m has more than 2 dimensions")
        value = value.reshape((1, value.size)) if value.ndim < 2 else value
        parts.append(value if rowvar or value.shape[0] == 1 else value.T)
    return FUNCTIONS[np.concatenate](r, parts, 0)._node if len(parts) > 1 else parts[0]._node


@implements(np.corrcoef)
def _corrcoef(r: Recorder, x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    return wrap(r, reductions.correlation(_cov(r, x, y, rowvar)._node))
