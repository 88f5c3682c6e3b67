"""Separable kernels: a weighted sum over a window is a sum along x of sums along the other axes, with weights of each.

A kernel that is the outer product of one vector for each axis, as a Gaussian, a box or a Sobel kernel is, needs 2k
instead of k^2 products of a k x k window. The sums along the other axes are columns, which windows share.

`factors` finds the vectors. They are a row and a column of the kernel through its largest weight (a cross, as in [1]_),
so that weights that are products come back as they are; whole numbers have whole factors. A kernel is separable where
each weight is the product of its factors up to rounding, and, of integers, exactly. Zeros stay zeros, so that NaN and
infinities spread as the definition has it.

References
----------
.. [1] E. Tyrtyshnikov, "Incomplete cross approximation in the mosaic-skeleton method", Computing 64, 2000, pp. 367-380.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from kernelscape import expression as ex
from kernelscape.expression import DType, Node, Shape
from kernelscape.methods.columns import ColumnList, Columns, in_window_shape, is_pointwise, unflattened
from kernelscape.reductions.folds import number

Vector = np.ndarray[Any, np.dtype[Any]]
Vectors = tuple[Vector, ...]
FRACTIONS = (0, 8, 16)
"""Binary places that weights may have to count as whole numbers."""
LARGEST = 1 << 50
ROUNDING = 8
"""Epsilons by which a weight may differ from the product of its factors."""


def factors(kernel: Vector) -> Vectors | None:
    """One vector for each axis whose outer product the kernel is; None where there are none, or they gain nothing."""
    if kernel.dtype.kind not in "iuf" or kernel.dtype.itemsize < 4 or sum(n > 1 for n in kernel.shape) < 2:
        return None
    if not kernel.any() or not np.isfinite(kernel).all():
        return None
    found = _of_floats(kernel) if kernel.dtype.kind == "f" else _of_integers(kernel)
    if found is None:
        return None
    product = reduce(np.multiply.outer, found)
    if kernel.dtype.kind != "f":
        return found if bool((product == kernel).all()) else None
    near = np.abs(product - kernel) <= ROUNDING * np.finfo(kernel.dtype).eps * np.abs(kernel)
    return found if bool(near.all()) else None


def _of_floats(kernel: Vector) -> Vectors | None:
    """Of whole numbers, or such over a power of two, whole numbers: then sums are exact as without factors."""
    for places in FRACTIONS:
        with np.errstate(over="ignore"):  # what overflows is too large to count
            scaled = np.ldexp(kernel, places)
        if bool((scaled == np.rint(scaled)).all()) and np.abs(scaled).max() < LARGEST:
            whole = _of_integers(scaled.astype(np.int64))
            if whole is None:
                return None
            first, *others = (v.astype(kernel.dtype) for v in whole)
            return (np.ldexp(first, -places), *others)
    return _lines(kernel)


def _lines(kernel: Vector) -> Vectors:
    """The lines through the largest weight, all but the first divided by it."""
    peak = np.unravel_index(np.argmax(np.abs(kernel)), kernel.shape)
    lines = [np.moveaxis(kernel, a, -1)[peak[:a] + peak[a + 1 :]] for a in range(kernel.ndim)]
    return (np.ascontiguousarray(lines[0]), *(np.ascontiguousarray(line / kernel[peak]) for line in lines[1:]))


def _of_integers(kernel: Vector) -> Vectors | None:
    """The last vector has no common divisor, as integers; what remains of a slice is the product of the others."""
    if kernel.ndim == 1:
        return (np.ascontiguousarray(kernel),)
    nonzero = tuple(axis[0] for axis in np.nonzero(kernel))
    line = kernel[nonzero[:-1]]
    last = line // np.gcd.reduce(line)
    rest, left = np.divmod(kernel[..., nonzero[-1]], last[nonzero[-1]])
    others = None if left.any() else _of_integers(rest)
    return None if others is None else (*others, np.ascontiguousarray(last))


def use_separable(
    outputs: Sequence[Node], shape: Shape, x: int, slots: Mapping[int, tuple[int, ...]]
) -> Columns | None:
    """Replaces sums over whole windows that are weighted with a separable kernel; None where there are none.

    `slots` has for the run-time argument of such a kernel those of its factors, one for each window axis.
    """
    columns = ColumnList(shape[x])

    def rule(node: Node) -> Node | None:
        found = weighted(node, shape, slots)
        if found is None:
            return None
        samples, kernel, kernel_dtype = found
        dtype = samples.dtype
        lines = [ex.cast(ex.Argument((shape[a],), kernel_dtype, slot), dtype) for a, slot in enumerate(slots[kernel])]
        total = ex.pick(samples, x, 0)
        for axis in (a for a in range(len(shape)) if a != x):
            weights = ex.reshape(lines[axis], (shape[axis], *(1,) * (total.ndim - 1)))
            total = ex.reduce("add", ex.elementwise("multiply", dtype, weights, total), (0,))
        return ex.reduce("add", ex.elementwise("multiply", dtype, lines[x], columns.column(total)), (0,))

    changed = ex.rebuild(outputs, rule)
    return Columns(changed, tuple(columns.found)) if columns.found else None


def weighted(node: Node, shape: Shape, slots: Container[int]) -> tuple[Node, int, DType] | None:
    """The samples of a weighted sum over windows, the run-time argument that its kernel is, and the kernel's dtype."""
    if not isinstance(node, ex.Reduce) or isinstance(node, ex.ArgReduce) or node.operation != "add":
        return None
    if node.where is not None:
        # The sum of the weights whose samples count: they are summed with ones, and zeros.
        flags = unflattened(node.where, shape)
        kernel = _kernel(node.body, shape, slots)
        if kernel is None or flags is None or node.axes != tuple(range(node.body.ndim)):
            return None
        return (ex.cast(flags, node.dtype), *kernel) if is_pointwise(flags, shape) else None
    body, flags = in_window_shape(node, shape), None
    if isinstance(body, ex.Elementwise) and body.operator == "select" and _is_zero(body.operands[2]):
        flags, body = body.operands[:2]
    if not isinstance(body, ex.Elementwise) or body.operator != "multiply" or body.shape != shape:
        return None
    for weights, samples in (body.operands, body.operands[::-1]):
        kernel = _kernel(weights, shape, slots)
        if kernel is not None and samples.shape == shape and is_pointwise(samples, shape):
            if flags is None:
                return (samples, *kernel)
            # Weights are finite: a zero in place of a sample takes as little part as a zero in place of a product.
            filled = ex.elementwise("select", samples.dtype, flags, samples, number(0, samples.dtype))
            return (filled, *kernel) if is_pointwise(flags, shape) else None
    return None


def _kernel(node: Node, shape: Shape, slots: Container[int]) -> tuple[int, DType] | None:
    """The run-time argument that a kernel is, and its dtype."""
    inner = node.operands[0] if isinstance(node, ex.Elementwise) and node.operator == "cast" else node
    is_kernel = isinstance(inner, ex.Argument) and inner.slot in slots and inner.shape == shape
    return (inner.slot, inner.dtype) if is_kernel else None  # type: ignore[attr-defined]


def _is_zero(node: Node) -> bool:
    return isinstance(node, ex.Constant) and node.value == 0
