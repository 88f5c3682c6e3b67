"""Whether an expression keeps to the grammar of ``expression.py``: shapes, dtypes and arities of every node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kernelscape.errors import KernelscapeError
from kernelscape.expression import (
    BOOL,
    INT64,
    RUN_MEASURES,
    ArgReduce,
    Concatenate,
    Elementwise,
    Finite,
    Node,
    Put,
    Reduce,
    Reshape,
    Runs,
    Scan,
    Slice,
    Sort,
    Transpose,
    shape_without,
    to_text,
    walk,
)


class MalformedExpressionError(KernelscapeError, AssertionError):
    """A pass made an expression that breaks the grammar: a defect of Kernelscape."""


def verify(roots: Sequence[Node]) -> None:
    """Checks shapes, dtypes and arities of every node; run between passes when ``settings().verify`` is on."""
    for node in walk(roots):
        problem = _problem(node)
        if problem:
            kind = type(node).__name__
            raise MalformedExpressionError(f"{kind} {node.shape} {node.dtype}: {problem}\n{to_text(roots)}")


def _problem(node: Node) -> str | None:
    if any(type(n) is not int or n < 0 for n in node.shape):
        return "extents must be non-negative integers"
    if node.dtype.kind not in "biuf" or not node.dtype.isnative:
        return "dtype must be a native bool, integer or float"
    for kind, check in _CHECKS:
        if isinstance(node, kind):
            return check(node)
    return None


def _check_reduce(node: Any) -> str | None:
    if node.shape != shape_without(node.body.shape, node.axes):
        return f"axes {node.axes} of {node.body.shape} leave another shape"
    if node.where is not None and (node.where.shape != node.body.shape or node.where.dtype != BOOL):
        return "where must be bool and have the shape of the body"
    wanted = INT64 if isinstance(node, ArgReduce) else node.body.dtype
    return None if node.dtype == wanted else f"dtype must be {wanted}"


def _check_elementwise(node: Any) -> str | None:
    try:
        shape = np.broadcast_shapes(*(o.shape for o in node.operands))
    except ValueError:
        return f"operands do not broadcast: {[o.shape for o in node.operands]}"
    return None if shape == node.shape else f"operands broadcast to {shape}"


def _check_slice(node: Any) -> str | None:
    inner, value = (node.body.shape, node.value.shape) if isinstance(node, Put) else (node.body.shape, node.shape)
    for extent, count, start, step in zip(inner, value, node.starts, node.steps, strict=True):
        if count and not (0 <= start < extent and 0 <= start + step * (count - 1) < extent):
            return f"start {start} step {step} count {count} leaves the axis of {extent}"
    return None


def _check_concatenate(node: Any) -> str | None:
    others = shape_without(node.shape, (node.axis,))
    wrong = [p for p in node.parts if p.dtype != node.dtype or shape_without(p.shape, (node.axis,)) != others]
    total = sum(p.shape[node.axis] for p in node.parts)
    return "parts do not fit" if wrong or total != node.shape[node.axis] else None


def _check_same_size(node: Any) -> str | None:
    return None if node.size == node.body.size and node.dtype == node.body.dtype else "must keep size and dtype"


def _check_same_shape(node: Any) -> str | None:
    return None if node.shape == node.body.shape and node.dtype == node.body.dtype else "must keep shape and dtype"


def _check_runs(node: Any) -> str | None:
    if node.measure not in RUN_MEASURES:
        return f"measure must be one of {RUN_MEASURES}"
    if not node.body.shape or not node.body.shape[-1] or node.shape != node.body.shape[:-1]:
        return "must drop the last axis, which has elements"
    if node.count is not None and (node.count.shape != node.shape or node.count.dtype.kind != "i"):
        return "count must be an integer of the shape of the result"
    wanted = node.body.dtype if node.measure == "longest" else INT64
    return None if node.dtype == wanted else f"dtype must be {wanted}"


def _check_finite(node: Any) -> str | None:
    same = (node.shape, node.dtype) == (node.exact.shape, node.exact.dtype) and node.dtype.kind == "f"
    return _check_same_shape(node) if same else "both must be floating numbers of the same shape and dtype"


def _check_sort(node: Any) -> str | None:
    extent = node.shape[node.axis]
    if node.runs < 1 or extent % node.runs:
        return f"{extent} elements are no runs of {node.runs}"
    if node.climb is not None and node.climb >> extent:
        return f"climb has more bits than there are elements: {extent}"
    return _check_same_shape(node)


_CHECKS: tuple[tuple[type[Node], Callable[[Any], str | None]], ...] = (
    (Elementwise, _check_elementwise),
    (Reduce, _check_reduce),
    (Sort, _check_sort),
    (Runs, _check_runs),
    (Scan, _check_same_shape),
    (Slice, _check_slice),
    (Put, _check_slice),
    (Reshape, _check_same_size),
    (Transpose, _check_same_size),
    (Concatenate, _check_concatenate),
    (Finite, _check_finite),
)
