"""Sums of products: dot, inner, matmul, tensordot and einsum are one contraction over labelled axes.

A contraction is the element-wise product of its operands, aligned by their labels, folded with `add` over the labels
that the result lacks. As in NumPy the result has the common dtype of the operands, so narrow integers wrap; booleans
are combined with *and* and *or*; float16 is multiplied and added in float32 and rounded once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kernelscape.errors import ShapeError
from kernelscape.expression import BOOL, Node, cast, elementwise, reshape, slice_, transpose
from kernelscape.reductions.folds import binary, count, counting, fold, normalized_axes, number
from kernelscape.reductions.statistics import F16, F32, F64, Axis, max_, min_, sum_

Labels = Sequence[int]


def diagonal(body: Node, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Node:
    """``numpy.diagonal``: the diagonal becomes the last axis."""
    if body.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    first, second = (normalized_axes(a, body.ndim)[0] for a in (axis1, axis2))
    if first == second:
        raise ValueError("axis1 and axis2 cannot be the same")
    rest = [i for i in range(body.ndim) if i not in {first, second}]
    rows, columns = body.shape[first], body.shape[second]
    turned = transpose(body, (*rest, first, second))
    flat = reshape(turned, (*turned.shape[:-2], rows * columns))
    length = max(min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns), 0)
    start = (offset if offset >= 0 else -offset * columns) if length else 0
    leading = flat.ndim - 1
    return slice_(flat, [0] * leading + [start], [1] * leading + [columns + 1], (*flat.shape[:-1], length))


def contract(operands: Sequence[Node], labels: Sequence[Labels], output: Labels) -> Node:
    """The sum over all labels that `output` lacks of the product of the operands.

    Parameters
    ----------
    operands : sequence of Node
    labels : sequence of sequences of int
        One label for each axis of each operand. A label given twice to one operand means its diagonal.
    output : sequence of int
        Labels of the result's axes, in order.
    """
    dtype = np.result_type(*(o.dtype for o in operands))
    working = F32 if dtype == F16 else dtype
    plain = [_without_repeats(cast(o, working), list(names)) for o, names in zip(operands, labels, strict=True)]
    extents = _extents(plain)
    summed = [name for name in extents if name not in output]
    order = [*output, *summed]
    product: Node | None = None
    for node, names in plain:
        aligned = _aligned(node, names, order)
        multiply = "logical_and" if dtype == BOOL else "multiply"
        product = aligned if product is None else elementwise(multiply, working, product, aligned)
    if product is None:
        raise ShapeError("A sum of products needs at least one operand.")
    axes = tuple(range(len(output), len(order)))
    return cast(fold("logical_or" if dtype == BOOL else "add", product, axes) if axes else product, dtype)


def _without_repeats(node: Node, names: list[int]) -> tuple[Node, list[int]]:
    if node.ndim != len(names):
        raise ShapeError(f"An operand of shape {node.shape} is given {len(names)} subscripts.")
    for name in set(names):
        while names.count(name) > 1:
            first = names.index(name)
            second = names.index(name, first + 1)
            if node.shape[first] != node.shape[second]:
                raise ShapeError(f"A repeated subscript needs equal extents, got {node.shape}.")
            node = diagonal(node, 0, first, second)
            names = [n for i, n in enumerate(names) if i not in {first, second}] + [name]
    return node, names


def _extents(operands: Sequence[tuple[Node, list[int]]]) -> dict[int, int]:
    extents: dict[int, int] = {}
    for node, names in operands:
        for name, extent in zip(names, node.shape, strict=True):
            known = extents.get(name, 1)
            if extent not in {1, known} and known != 1:
                raise ShapeError(f"Operands cannot be contracted: extents {known} and {extent} meet.")
            extents[name] = max(known, extent) if extent and known else 0
    return extents


def _aligned(node: Node, names: list[int], order: list[int]) -> Node:
    """Axes in the given order, with axes of extent 1 for the labels that the operand lacks."""
    node = transpose(node, sorted(range(node.ndim), key=lambda i: order.index(names[i])))
    shape = iter(node.shape)
    return reshape(node, tuple(next(shape) if name in names else 1 for name in order))


def tensordot(a: Node, b: Node, axes_a: Sequence[int], axes_b: Sequence[int]) -> Node:
    """The axes of `a` and `b` contracted in pairs; the others follow in order."""
    names_a = list(range(a.ndim))
    names_b = list(range(a.ndim, a.ndim + b.ndim))
    for i, j in zip(axes_a, axes_b, strict=True):
        if a.shape[i] != b.shape[j]:
            raise ValueError(
                f"shapes {a.shape} and {b.shape} not aligned: {a.shape[i]} (dim {i}) != {b.shape[j]} (dim {j})"
            )
        names_b[j] = names_a[i]
    output = [n for i, n in enumerate(names_a) if i not in axes_a] + [
        n for j, n in enumerate(names_b) if j not in axes_b
    ]
    return contract([a, b], [names_a, names_b], output)


def dot(a: Node, b: Node) -> Node:
    """``numpy.dot``."""
    if not a.ndim or not b.ndim:
        return contract([a, b], [range(a.ndim), range(b.ndim)], range(max(a.ndim, b.ndim)))
    return tensordot(a, b, [a.ndim - 1], [max(b.ndim - 2, 0)])


def inner(a: Node, b: Node) -> Node:
    """``numpy.inner``."""
    if not a.ndim or not b.ndim:
        return dot(a, b)
    return tensordot(a, b, [a.ndim - 1], [b.ndim - 1])


def vdot(a: Node, b: Node) -> Node:
    """``numpy.vdot`` of real arrays: flattened."""
    return tensordot(reshape(a, (a.size,)), reshape(b, (b.size,)), [0], [0])


def matmul(a: Node, b: Node) -> Node:
    """``numpy.matmul``, with leading axes broadcast."""
    if not a.ndim or not b.ndim:
        raise ValueError("matmul: an input operand does not have enough dimensions (a scalar)")
    if a.shape[-1] != b.shape[max(b.ndim - 2, 0) if b.ndim > 1 else 0]:
        raise ValueError(f"matmul: mismatch of extents in {a.shape} @ {b.shape}")
    row, column, inside = -1, -2, -3
    depth = max(a.ndim, b.ndim, 2) - 2
    lead_a, lead_b = (range(depth - max(n.ndim - 2, 0), depth) for n in (a, b))
    names_a = [*lead_a, row, inside] if a.ndim > 1 else [inside]
    names_b = [*lead_b, inside, column] if b.ndim > 1 else [inside]
    lead = sorted({*lead_a, *lead_b})
    return contract(
        [a, b], [names_a, names_b], [*lead, *([row] if a.ndim > 1 else []), *([column] if b.ndim > 1 else [])]
    )


def trace(body: Node, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Node:
    """``numpy.trace``."""
    return sum_(diagonal(body, offset, axis1, axis2), -1)


def norm(body: Node, order: float | str | None = None, axis: Axis = None, *, keepdims: bool = False) -> Node:
    """``numpy.linalg.norm`` of vectors, and of matrices where no decomposition is needed."""
    body = cast(body, F64) if body.dtype.kind in "biu" else body
    axes = normalized_axes(axis, body.ndim)
    if order is None or (order == "fro" and len(axes) == 2) or (order == 2 and len(axes) == 1):
        square = elementwise("square", body.dtype, body)
        return elementwise("sqrt", body.dtype, sum_(square, axes, keepdims=keepdims))
    size = elementwise("absolute", body.dtype, body)
    if len(axes) == 1:
        return _vector_norm(body, size, order, axes, keepdims)
    if len(axes) == 2 and order in {1, -1, np.inf, -np.inf}:
        given = tuple(axis) if isinstance(axis, (tuple, list)) else (0, 1)
        rows, columns = (a % body.ndim for a in given)
        along = rows if abs(float(order)) == 1 else columns
        totals = sum_(size, along, keepdims=True)
        result = (max_ if float(order) > 0 else min_)(totals, columns if along == rows else rows, keepdims=True)
        return result if keepdims else reshape(result, tuple(n for i, n in enumerate(body.shape) if i not in axes))
    raise ValueError(f"Norm of order {order!r} over {len(axes)} axes cannot be written without a decomposition.")


def _vector_norm(body: Node, size: Node, order: float | str, axes: tuple[int, ...], keepdims: bool) -> Node:
    if isinstance(order, str):
        raise ValueError(f"Invalid norm order {order!r} for vectors")  # noqa: TRY004 - NumPy's error
    if np.isinf(order):
        return (max_ if order > 0 else min_)(size, axes, keepdims=keepdims)
    if order == 0:
        nonzero = elementwise("not_equal", BOOL, body, number(0.0, body.dtype))
        return sum_(cast(nonzero, body.dtype), axes, keepdims=keepdims)
    if order == 1:
        return sum_(size, axes, keepdims=keepdims)
    exponent = number(float(order), body.dtype)
    total = sum_(binary("power", size, exponent), axes, keepdims=keepdims)
    return binary("power", total, number(1.0 / float(order), body.dtype))


# -- second moments ---------------------------------------------------------------------------------------------------


def covariance(samples: Node, *, ddof: float = 1, missing: bool = False) -> Node:
    """``numpy.cov`` of rows: (variables, observations) -> (variables, variables).

    With missing samples an observation counts when it is valid in every variable.
    """
    samples = cast(samples, np.result_type(samples.dtype, F64))
    variables, observations = samples.shape
    complete = counting(samples, None, missing)
    mask: Node | None = None
    if complete is not None:
        mask = reshape(fold("logical_and", complete, (0,)), (1, observations))
    elements = count(reshape(samples, (variables, observations)), (1,), mask, False)
    if mask is not None:
        elements = reshape(elements, (variables, 1))
    total = reshape(fold("add", samples, (1,), mask), (variables, 1))
    deviation = binary("subtract", samples, binary("divide", total, cast(elements, F64)))
    left, right = reshape(deviation, (variables, 1, observations)), reshape(deviation, (1, variables, observations))
    products = binary("multiply", left, right)
    wide = None if mask is None else reshape(mask, (1, 1, observations))
    summed = fold("add", products, (2,), wide)
    if mask is None:
        return binary("divide", summed, number(max(observations - ddof, 0), F64))
    freedom = binary("maximum", binary("subtract", cast(elements, F64), number(ddof, F64)), number(0.0, F64))
    return binary("divide", summed, freedom)


def correlation(covariances: Node) -> Node:
    """``numpy.corrcoef`` from a covariance matrix, clipped into [-1, 1]."""
    if not covariances.ndim:
        return binary("divide", covariances, covariances)
    deviation = elementwise("sqrt", F64, diagonal(covariances))
    n = deviation.shape[0]
    scaled = binary("divide", covariances, reshape(deviation, (n, 1)))
    scaled = binary("divide", scaled, reshape(deviation, (1, n)))
    low = binary("maximum", scaled, number(-1.0, F64))
    return binary("minimum", low, number(1.0, F64))
