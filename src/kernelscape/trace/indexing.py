"""Reading and writing parts of a value: what NumPy's indices mean as nodes.

Integers, slices, ellipsis and new axes become one `Slice` and a `Reshape`. Static integer arrays, lists and boolean
arrays (footprints) are part of the structure: NumPy itself says which elements they pick, and these are cut into runs
of equal step. A traced integer is a position known only from the data: a `Take`, clipped into the axis where NumPy
would raise IndexError.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelscape.expression import (
    BOOL,
    INT64,
    ArgReduce,
    Node,
    Shape,
    broadcast,
    cast,
    concatenate,
    constant,
    put,
    reshape,
    slice_,
    take,
    transpose,
)
from kernelscape.trace.operators import Value, elementwise, selected_misused
from kernelscape.trace.page import tracing_error


@dataclass(frozen=True, slots=True)
class Region:
    """The elements that a basic index reads: a slice of every axis, then a shape without the axes that it drops."""

    starts: tuple[int, ...]
    steps: tuple[int, ...]
    counts: Shape
    shape: Shape

    def read(self, body: Node) -> Node:
        return reshape(slice_(body, self.starts, self.steps, self.counts), self.shape)

    def write(self, body: Node, value: Node) -> Node:
        """`body` with the region replaced; `value` has its shape and the body's dtype."""
        return put(body, self.starts, self.steps, reshape(value, self.counts))


def normal_key(key: Any, ndim: int) -> list[Any]:
    """The index as a list of entries, with the ellipsis written out."""
    entries = list(key) if isinstance(key, tuple) else [key]
    consumed = sum(_consumes(e) for e in entries if e is not Ellipsis)
    dots = [i for i, e in enumerate(entries) if e is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if consumed > ndim:
        raise IndexError(f"too many indices: the value has {ndim} axes, but {consumed} were indexed")
    rest = [slice(None)] * (ndim - consumed)
    if dots:
        return [*entries[: dots[0]], *rest, *entries[dots[0] + 1 :]]
    return [*entries, *rest]


def _consumes(entry: Any) -> int:
    if entry is None:
        return 0
    dtype = getattr(entry, "dtype", None)
    if dtype == BOOL:
        return int(entry.ndim)
    if type(entry) is list:
        array = np.asarray(entry)
        return array.ndim if array.dtype == BOOL else 1
    return 1


def basic_region(entries: Sequence[Any], shape: Shape) -> Region | None:
    """The region of an index made of integers, slices and new axes; None when there is anything else."""
    starts, steps, counts, result = [], [], [], []
    axis = 0
    for entry in entries:
        if entry is None:
            result.append(1)
            continue
        if type(entry) is int or (isinstance(entry, (np.integer, int)) and not isinstance(entry, (bool, np.bool_))):
            starts.append(_position(int(entry), axis, shape[axis]))
            steps.append(1)
            counts.append(1)
        elif type(entry) is slice:
            start, _, step = bounds = _static_slice(entry).indices(shape[axis])
            count = len(range(*bounds))
            starts.append(start if count else 0)
            steps.append(step)
            counts.append(count)
            result.append(count)
        else:
            return None
        axis += 1
    return Region(tuple(starts), tuple(steps), tuple(counts), tuple(result))


def _position(index: int, axis: int, extent: int) -> int:
    if not -extent <= index < extent:
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {extent}")
    return index % extent


def _static_slice(entry: slice) -> slice:
    if any(isinstance(v, Value) for v in (entry.start, entry.stop, entry.step)):
        raise tracing_error(
            "A slice has a bound that depends on the data, and so would the shape of the result.",
            "lambda w, n: np.sum(w.ravel()[:n])",
            "lambda w, n: np.sum(w.ravel(), where=np.arange(w.size) < n)",
        )
    return entry


def static_positions(entries: Sequence[Any], shape: Shape) -> np.ndarray[Any, Any]:
    """The C-order positions of the elements that a static index picks; NumPy is asked."""
    flat = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    return np.asarray(flat[tuple(entries)])


def runs(positions: np.ndarray[Any, Any]) -> list[tuple[int, int, int]]:
    """Maximal arithmetic progressions (start, step, count) that the flat positions consist of, in order."""
    flat = positions.ravel().tolist()
    result: list[tuple[int, int, int]] = []
    i = 0
    while i < len(flat):
        j = i + 1
        step = flat[j] - flat[i] if j < len(flat) else 1
        if step == 0:
            result.append((flat[i], 1, 1))
            i += 1
            continue
        while j + 1 < len(flat) and flat[j + 1] - flat[j] == step:
            j += 1
        count = j - i + 1 if j < len(flat) else 1
        result.append((flat[i], step if count > 1 else 1, count))
        i += count
    return result


def gather(body: Node, positions: np.ndarray[Any, Any]) -> Node:
    """The elements at static C-order positions."""
    flat = reshape(body, (body.size,))
    if not positions.size:
        return reshape(slice_(flat, (0,), (1,), (0,)), positions.shape)
    parts = [slice_(flat, (start,), (step,), (count,)) for start, step, count in runs(positions)]
    return reshape(concatenate(parts, 0), positions.shape)


def scatter(body: Node, positions: np.ndarray[Any, Any], value: Node) -> Node:
    """`body` with the elements at static positions replaced, in order, by those of `value` (same shape)."""
    flat, source = reshape(body, (body.size,)), reshape(value, (value.size,))
    done = 0
    for start, step, count in runs(positions):
        flat = put(flat, (start,), (step,), slice_(source, (done,), (1,), (count,)))
        done += count
    return reshape(flat, body.shape)


# -- positions that depend on the data --------------------------------------------------------------------------------


def wrapped_index(index: Node, extent: int) -> Node:
    """A traced index as int64, counted from the end where negative."""
    if index.dtype.kind not in "iu":
        raise IndexError(
            "only integers, slices, ellipsis, numpy.newaxis and integer or boolean arrays are valid indices"
        )
    body = cast(index, INT64)
    if index.dtype.kind == "u" or isinstance(index, ArgReduce):
        return body
    below = elementwise("less", BOOL, body, constant(0, INT64))
    shifted = elementwise("add", INT64, body, constant(extent, INT64))
    return elementwise("select", INT64, below, shifted, body)


def take_many(body: Node, axis: int, index: Node) -> Node:
    """As ``numpy.take`` with an index of any shape: its axes replace `axis`."""
    rest = body.shape[:axis] + body.shape[axis + 1 :]
    last = transpose(body, [i for i in range(body.ndim) if i != axis] + [axis])
    wide = reshape(last, (*rest, *(1 for _ in index.shape), body.shape[axis]))
    wide = broadcast(wide, (*rest, *index.shape, body.shape[axis]))
    taken = take(wide, wide.ndim - 1, broadcast(index, wide.shape[:-1]))
    first, count = len(rest), index.ndim
    order = [*range(axis), *range(first, first + count), *range(axis, first)]
    return transpose(taken, order)


def read_traced(body: Node, entries: Sequence[Any]) -> Node:
    """An index among whose entries are traced integers."""
    arrays = [e for e in entries if isinstance(e, Value)]
    if any(e._mask is not None for e in arrays):
        raise selected_misused()
    if sum(e._node.ndim > 0 for e in arrays) > 1 or any(
        not isinstance(e, (Value, slice, int, np.integer)) and e is not None for e in entries
    ):
        raise tracing_error(
            "Positions that depend on the data can be combined with integers and slices, one array of them at a time.",
            "lambda w, i, j: w[i_array, j_array]",
            "lambda w, i, j: w.ravel()[i_array * w.shape[1] + j_array]",
        )
    axis = 0
    static: list[Any] = []
    for entry in entries:
        if isinstance(entry, Value):
            body = take_many(body, axis, wrapped_index(entry._node, body.shape[axis]))
            static.extend([slice(None)] * entry._node.ndim)
            axis += entry._node.ndim
        else:
            static.append(entry)
            axis += entry is not None
    region = basic_region(static, body.shape)
    assert region is not None
    return region.read(body)


def write_at(body: Node, entries: Sequence[Any], value: Node, iota: Sequence[Node]) -> Node:
    """`body` with one element, at a position that depends on the data, replaced; `iota` numbers each axis."""
    here: Node | None = None
    for axis, entry in enumerate(entries):
        index = (
            wrapped_index(entry._node, body.shape[axis]) if isinstance(entry, Value) else constant(int(entry), INT64)
        )
        shape = [1] * body.ndim
        shape[axis] = body.shape[axis]
        hit = elementwise("equal", BOOL, reshape(iota[axis], tuple(shape)), index)
        here = hit if here is None else elementwise("logical_and", BOOL, here, hit)
    assert here is not None
    return elementwise("select", body.dtype, here, value, body)


def as_integer(value: Any) -> int:
    """A static integer; traced ones raise their page from ``__index__``."""
    return operator.index(value)
