"""What each node means: one small function per node, from the values of its children to its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kernelscape import expression as ex
from kernelscape.boundary import BoolArray
from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError
from kernelscape.expression import DType, Node, Shape
from kernelscape.geometry import Job, anchors
from kernelscape.reference.samples import Array, Chunk, Samples, Value, held_number, load
from kernelscape.semantics import OPERATORS, blend_dtype, convert, register_dtype, run_bits, saturate
from kernelscape.verification import MalformedExpressionError

_ELEMENTS_PER_CHUNK = 2**22
"""How many elements all nodes together may have in one chunk of output positions."""


def evaluate(
    job: Job, arrays: Sequence[Array], arguments: Sequence[Array] = (), kept: Sequence[Array] = ()
) -> list[Array]:
    """Compute a job by its definition.

    Parameters
    ----------
    job : Job
    arrays : sequence of ndarray
        One for each input, of shape ``batch + extents``, of any real dtype and layout; they are only read.
    arguments : sequence of array_like
        The values of `Argument` nodes by slot; each has the node's shape and is converted to its dtype.
    kept : sequence of ndarray
        Where ``job.at`` says that not all outputs are wanted: what each output holds beforehand, of its shape and
        dtype. Outputs that are not wanted are not computed.

    Returns
    -------
    list of ndarray
        One for each output, of shape ``batch + counts + node.shape``.

    Raises
    ------
    ShapeError, ArgumentTypeError
        An array does not fit its input, or an argument its node.
    ArgumentError
        An integer output would have to hold NaN, and `job.invalid` is not an integer.
    """
    _check_arrays(job, arrays)
    nodes = list(ex.walk(job.outputs))
    grid = job.counts
    total = math.prod(grid)
    shapes = [(total, *n.shape) for n in job.outputs]
    if job.at is None:
        wanted = np.arange(total)
        results = [np.empty(shape, t) for shape, t in zip(shapes, job.output_dtypes, strict=True)]
    else:
        wanted = np.flatnonzero(arrays[job.at])
        results = [
            np.array(before, t).reshape(shape) for before, shape, t in zip(kept, shapes, job.output_dtypes, strict=True)
        ]
    footprint = sum(n.size for n in nodes) + sum(math.prod(source.window_shape) for source in job.inputs)
    step = max(1, _ELEMENTS_PER_CHUNK // max(footprint, 1))
    samples = [Samples.of(job, i) for i in range(len(job.inputs))]
    with np.errstate(all="ignore"):
        for start in range(0, len(wanted), step):
            places = wanted[start : start + step]
            chunk = Chunk(job, arrays, arguments, samples, np.unravel_index(places, grid))
            values: dict[int, Value] = {}
            for node in nodes:
                values[id(node)] = _MEANING[type(node)](node, [values[id(c)] for c in node.children], chunk)
            enough = chunk.enough_samples()
            weight = None if job.at is None else chunk.pixel(job.at)
            for node, result in zip(job.outputs, results, strict=True):
                value = values[id(node)]
                new = _store(node.dtype, value, enough, result.dtype, job.invalid)
                if weight is not None and weight.dtype.kind == "f":
                    # Weights of exactly 1 select: only in between is there something to blend.
                    mixed = _blended(node.dtype, value, weight, result[places])
                    part = _store(*mixed, enough, result.dtype, job.invalid)
                    new = np.where(_lift(weight == 1, node.ndim), new, part)
                result[places] = new
    return [r.reshape(grid + n.shape) for n, r in zip(job.outputs, results, strict=True)]


def _check_arrays(job: Job, arrays: Sequence[Array]) -> None:
    if len(arrays) != len(job.inputs):
        raise ShapeError(f"Expected {len(job.inputs)} arrays, one for each input of the job; got {len(arrays)}.")
    for i, (array, source) in enumerate(zip(arrays, job.inputs, strict=True)):
        wanted = job.batch + source.array_shape
        if array.shape != wanted:
            raise ShapeError(f"Array {i} must have shape {wanted} (batch axes, window axes); got {array.shape}.")
        if array.dtype.kind not in "biuf":
            raise ArgumentTypeError(f"Array {i} must hold bool, integers or floats; got dtype {array.dtype}.")


# -- the meaning of each node -----------------------------------------------------------------------------------------


def _window(node: Any, children: list[Value], chunk: Chunk) -> Value:
    value = chunk.window(node.input)
    shape = (chunk.count, *node.shape)
    return Value(value.data.reshape(shape), None if value.flags is None else value.flags.reshape(shape))


def _pixel(node: Any, children: list[Value], chunk: Chunk) -> Value:
    # A map has a value everywhere (the nearest edge's), so that the windows' missing samples do not touch it.
    return Value(chunk.pixel(node.input).reshape(chunk.count, *node.shape))


def _index(node: Any, children: list[Value], chunk: Chunk) -> Value:
    return Value(anchors(chunk.job.grid[node.axis])[chunk.coordinates[len(chunk.job.batch) + node.axis]])


def _constant(node: Any, children: list[Value], chunk: Chunk) -> Value:
    return Value(np.broadcast_to(held_number(node.value, node.dtype), (chunk.count,)))


def _argument(node: Any, children: list[Value], chunk: Chunk) -> Value:
    if node.slot >= len(chunk.arguments):
        raise ShapeError(f"Expected at least {node.slot + 1} arguments; got {len(chunk.arguments)}.")
    given = np.asarray(chunk.arguments[node.slot])
    if given.shape != node.shape:
        raise ShapeError(f"Argument {node.slot} must have shape {node.shape}; got {given.shape}.")
    return Value(np.broadcast_to(load(given, node.dtype), (chunk.count, *node.shape)))


def _elementwise(node: Any, children: list[Value], chunk: Chunk) -> Value:
    data = [_lift(child.data, node.ndim) for child in children]
    if node.operator == "cast":
        result = convert(data[0], node.operands[0].dtype, node.dtype)
    else:
        result = OPERATORS[node.operator](*data)
    if result.dtype != register_dtype(node.dtype) or result.shape[1:] != node.shape:
        raise MalformedExpressionError(
            f"{node.operator} of {[str(o.dtype) for o in node.operands]} gives {result.dtype} {result.shape[1:]}; the "
            f"expression says {node.dtype} {node.shape}."
        )
    if all(child.flags is None for child in children):
        return Value(result)
    flags: list[BoolArray] = [_lift(child.valid(), node.ndim) for child in children]
    if node.operator == "select":
        flags = [flags[0], np.where(data[0], flags[1], flags[2])]
    joint = np.ones(result.shape, np.bool_)
    for flag in flags:
        joint &= flag
    return Value(result, joint)


def _lift(array: Array, ndim: int) -> Array:
    """Add axes between the positions and the element axes, so that elements broadcast and positions stay."""
    missing = ndim - (array.ndim - 1)
    return array.reshape(array.shape[0], *(1,) * missing, *array.shape[1:])


def _reduce(node: Any, children: list[Value], chunk: Chunk) -> Value:
    body, where = children[0], children[1] if node.where is not None else None
    elements = _elements(body.data, node.axes)
    counted = _counted(body, where)
    used = None if counted is None else _elements(counted, node.axes)
    data = _fold(node.operation, elements, used).astype(register_dtype(node.dtype))
    if where is not None and node.operation == "add" and data.dtype.kind == "f":
        data = data + 0.0  # as in NumPy, a sum of what is selected begins with +0
    if used is None and len(elements):
        return Value(data)
    empty = len(elements) == 0
    remains: BoolArray = np.full(data.shape, not empty) if used is None else np.asarray(used.any(axis=0))
    if identity(node.operation) is not None:
        if where is None:
            remains |= empty
        else:
            lost = _elements(where.valid() & where.data & ~body.valid(), node.axes).any(axis=0)
            known = _elements(where.valid(), node.axes).any(axis=0) | empty
            remains |= known & ~lost
    return Value(data, remains)


def _counted(body: Value, where: Value | None) -> BoolArray | None:
    """Which elements a fold uses; None for all of them."""
    if where is None:
        return body.flags
    selected: BoolArray = where.data & where.valid()
    return selected & body.valid()


def _elements(array: Array, axes: tuple[int, ...]) -> Array:
    """The elements along some axes as a new first axis, in C order, before the positions and the remaining axes."""
    moved = np.moveaxis(array, [axis + 1 for axis in axes], range(len(axes)))
    count = math.prod(moved.shape[: len(axes)])
    return moved.reshape(count, *moved.shape[len(axes) :])


def identity(operation: str) -> bool | int | float | None:
    """What a fold over no element gives; None where that has no meaning."""
    value: bool | int | float | None = getattr(np, operation).identity
    return value


def _fold(operation: str, elements: Array, used: BoolArray | None) -> Array:
    """From the first to the last element; the identity (or 0, flagged by the caller) where no element is used."""
    narrow = elements.dtype.kind == "f" and operation in ("add", "multiply")
    dtype = np.dtype(np.float64) if narrow else elements.dtype
    result = np.broadcast_to(np.array(identity(operation) or 0).astype(dtype), elements.shape[1:])
    started = np.zeros(elements.shape[1:], np.bool_)
    for i, element in enumerate(elements.astype(dtype, copy=False)):
        folded = np.where(started, OPERATORS[operation](result, element), element)
        result = folded if used is None else np.where(used[i], folded, result)
        started = started | (True if used is None else used[i])
    return result


def _arg_reduce(node: Any, children: list[Value], chunk: Chunk) -> Value:
    body, where = children[0], children[1] if node.where is not None else None
    elements, counted = _elements(body.data, node.axes), _counted(body, where)
    used = np.ones(elements.shape, np.bool_) if counted is None else _elements(counted, node.axes)
    before = {"minimum": np.less, "maximum": np.greater}[node.operation]
    position = np.zeros(elements.shape[1:], np.int64)
    found = np.zeros(elements.shape[1:], np.bool_)
    best = np.zeros(elements.shape[1:], elements.dtype)
    for i, element in enumerate(elements):
        # The first NaN wins, as in NumPy: nothing comes before a NaN, and a NaN comes before every number.
        better = ~_is_nan(best) & (before(element, best) | _is_nan(element))
        chosen = used[i] & (~found | better)
        position, best = np.where(chosen, i, position), np.where(chosen, element, best)
        found |= used[i]
    return Value(position, None if counted is None and len(elements) else found)


def _is_nan(array: Array) -> BoolArray:
    return np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, np.bool_)


def _sort(node: Any, children: list[Value], chunk: Chunk) -> Value:
    body, where = children[0], children[1] if node.where is not None else None
    counted = _counted(body, where)
    data, axis = body.data, node.axis + 1
    unused = np.zeros(data.shape, np.bool_) if counted is None else ~counted
    nan = _is_nan(data)
    keys = [np.where(nan, 0, data), nan, unused]  # the last key is the most important one
    if data.dtype.kind == "f":
        keys.insert(0, ~np.signbit(data))
    order = np.lexsort(keys, axis=axis)
    flags = None if counted is None else np.take_along_axis(counted, order, axis)
    return Value(np.take_along_axis(data, order, axis), flags)


def _runs(node: Any, children: list[Value], chunk: Chunk) -> Value:
    """Along the sorted elements; one that is not linked to its neighbour begins a run."""
    body, data = children[0], children[0].data
    extent, shape = data.shape[-1], data.shape[:-1]
    count = np.full(shape, extent) if node.count is None else children[1].data
    lengths, values = run_bits(extent), data[..., 0]
    run, longest, number = np.ones(shape, np.int64), np.ones(shape, np.int64), (count > 0).astype(np.int64)
    total = np.zeros(shape, np.int64)
    steps = np.diff(np.array(lengths))
    for rank in range(1, extent):
        counts = count > rank
        linked = counts & (data[..., rank] == data[..., rank - 1])
        number += counts & ~linked
        run = np.where(linked, run + 1, 1)
        total += np.where(linked, steps[run - 1], 0)
        values, longest = np.where(run > longest, data[..., rank], values), np.maximum(longest, run)
    found = {"longest": values, "number": number, "bits": total}[node.measure]
    if all(child.flags is None for child in children):
        return Value(found)
    flags: BoolArray = np.asarray(body.valid().all(axis=-1))
    return Value(found, flags & children[1].valid() if node.count is not None else flags)


def _scan(node: Any, children: list[Value], chunk: Chunk) -> Value:
    """A running fold; an element is valid where all those are that it was made of."""
    body, axis = children[0], node.axis + 1
    data, flags = body.data.copy(), body.flags
    along = np.moveaxis(data, axis, 0)
    for i in range(1, len(along)):
        along[i] = OPERATORS[node.operation](along[i - 1], along[i])
    return Value(data, None if flags is None else np.logical_and.accumulate(flags, axis=axis))


def _take(node: Any, children: list[Value], chunk: Chunk) -> Value:
    body, index = children
    axis = node.axis + 1

    def align(array: Array) -> Array:
        if node.index.ndim == 0:
            array = array.reshape(-1, *(1,) * node.ndim)
        return np.expand_dims(np.broadcast_to(array, (chunk.count, *node.shape)), axis)

    where = np.clip(align(index.data).astype(np.int64), 0, body.data.shape[axis] - 1)
    data = np.take_along_axis(body.data, where, axis).squeeze(axis)
    if body.flags is None and index.flags is None:
        return Value(data)
    flags = np.take_along_axis(body.valid(), where, axis).squeeze(axis) & align(index.valid()).squeeze(axis)
    return Value(data, flags)


def _rearranged(rule: Callable[[Any, Array], Array]) -> Callable[[Any, list[Value], Chunk], Value]:
    """A node that moves elements takes their flags along."""

    def meaning(node: Any, children: list[Value], chunk: Chunk) -> Value:
        body = children[0]
        return Value(rule(node, body.data), None if body.flags is None else rule(node, body.flags))

    return meaning


def _region(node: Any, shape: Shape, count: int) -> tuple[Array, ...]:
    """Indices of the elements that `starts` and `steps` name, for every position."""
    return np.ix_(
        np.arange(count), *(a + s * np.arange(n) for a, s, n in zip(node.starts, node.steps, shape, strict=True))
    )


def _slice(node: Any, array: Array) -> Array:
    return array[_region(node, node.shape, len(array))]


def _reshape(node: Any, array: Array) -> Array:
    return array.reshape(len(array), *node.shape)


def _transpose(node: Any, array: Array) -> Array:
    return array.transpose(0, *(axis + 1 for axis in node.axes))


def _broadcast(node: Any, array: Array) -> Array:
    return np.broadcast_to(_lift(array, node.ndim), (len(array), *node.shape))


def _concatenate(node: Any, children: list[Value], chunk: Chunk) -> Value:
    data = np.concatenate([c.data for c in children], node.axis + 1)
    if all(c.flags is None for c in children):
        return Value(data)
    return Value(data, np.concatenate([c.valid() for c in children], node.axis + 1))


def _put(node: Any, children: list[Value], chunk: Chunk) -> Value:
    body, value = children
    region = _region(node, node.value.shape, chunk.count)
    data = body.data.copy()
    data[region] = value.data
    if body.flags is None and value.flags is None:
        return Value(data)
    flags = body.valid().copy()
    flags[region] = value.valid()
    return Value(data, flags)


def _valid(node: Any, children: list[Value], chunk: Chunk) -> Value:
    return Value(children[0].valid())


_MEANING: Mapping[type[Node], Callable[[Any, list[Value], Chunk], Value]] = {
    ex.Window: _window,
    ex.Pixel: _pixel,
    ex.Index: _index,
    ex.Constant: _constant,
    ex.Argument: _argument,
    ex.Elementwise: _elementwise,
    ex.Reduce: _reduce,
    ex.ArgReduce: _arg_reduce,
    ex.Sort: _sort,
    ex.Runs: _runs,
    ex.Scan: _scan,
    ex.Take: _take,
    ex.Slice: _rearranged(_slice),
    ex.Reshape: _rearranged(_reshape),
    ex.Transpose: _rearranged(_transpose),
    ex.Broadcast: _rearranged(_broadcast),
    ex.Concatenate: _concatenate,
    ex.Put: _put,
    ex.Valid: _valid,
}


# -- results ----------------------------------------------------------------------------------------------------------


def _blended(dtype: DType, value: Value, weight: Array, before: Array) -> tuple[DType, Value]:
    """A result of `dtype` mixed by weights with what the output holds, and the dtype in which that is made."""
    mixed = blend_dtype(dtype, before.dtype)
    share = _lift(weight.astype(mixed), before.ndim - 1)
    new, old = value.data.astype(mixed), load(before, before.dtype).astype(mixed)
    return mixed, Value(share * new + (1 - share) * old, value.flags)


def _store(source: DType, value: Value, enough: BoolArray | None, dtype: DType, invalid: float | int) -> Array:
    """Convert from `source` to the output's dtype and mark what is invalid."""
    valid = value.valid()
    if enough is not None:
        valid = valid & enough.reshape(-1, *(1,) * (valid.ndim - 1))
    integer_mark = isinstance(invalid, (int, np.integer)) and not isinstance(invalid, bool)
    if dtype.kind in "iu" and integer_mark:
        # An integer that marks invalid outputs marks NaN too, which an integer output cannot hold.
        valid = valid & ~_is_nan(value.data)
    elif dtype.kind in "iu" and (valid & _is_nan(value.data)).any():
        raise ArgumentError(
            f"The result has NaN, which an output of dtype {dtype} cannot hold; expected numbers. Give invalid= an "
            f"integer that stands for it, or ask for a floating output."
        )
    result = saturate(value.data, source, dtype).astype(dtype)
    if valid.all():
        return result
    if dtype.kind in "biu" and not integer_mark:
        raise ArgumentError(
            f"Some outputs are invalid, and an output of dtype {dtype} cannot hold invalid={invalid!r}. Give invalid= "
            f"an integer, or ask for a floating output."
        )
    mark = np.array(invalid)
    return np.where(valid, result, saturate(mark, mark.dtype, dtype).astype(dtype))
