"""NumPy's functions that choose, rearrange and join elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kernelscape import reductions
from kernelscape.expression import BOOL, Node, Shape, broadcast, cast, concatenate, reshape, take
from kernelscape.reductions import normalized_axes
from kernelscape.trace import indexing
from kernelscape.trace.notation import wrap
from kernelscape.trace.operators import (
    WEAK,
    Value,
    broadcast_shapes,
    node_of,
    selected_misused,
)
from kernelscape.trace.page import tracing_error
from kernelscape.trace.recorder import Recorder, supported
from kernelscape.trace.statistics import implements
from kernelscape.trace.value import full_shape


def traced(r: Recorder, a: Any) -> Any:
    """Any operand as a traced array."""
    if isinstance(a, Value):
        if a._mask is not None:
            raise selected_misused()
        return a
    if isinstance(a, (list, tuple)) and any(isinstance(v, Value) for v in a):
        return _stack(r, a)
    return wrap(r, node_of(r, a))


def common(r: Recorder, values: Sequence[Any], *, weak: bool = False) -> list[Node]:
    """Operands in their common dtype; Python numbers are weak only where NumPy says so."""
    values = [v if isinstance(v, Value) or (weak and type(v) in WEAK) else traced(r, v) for v in values]
    specs = [type(v)(0) if type(v) in WEAK else v.dtype for v in values]
    dtype = supported(np.result_type(*specs))
    return [node_of(r, v, dtype) for v in values]


# -- shapes -----------------------------------------------------------------------------------------------------------


@implements(np.shape)
def _shape(r: Recorder, a: Any) -> Shape:
    shape: Shape = traced(r, a).shape
    return shape


@implements(np.ndim)
def _ndim(r: Recorder, a: Any) -> int:
    return len(traced(r, a).shape)


@implements(np.size)
def _size(r: Recorder, a: Any, axis: int | None = None) -> Any:
    if isinstance(a, Value) and a._mask is not None:
        return a.size  # type: ignore[attr-defined]
    value = traced(r, a)
    return value.size if axis is None else value.shape[axis]


@implements(np.reshape)
def _reshape(r: Recorder, a: Any, shape: Any = None, order: str = "C", *, copy: Any = None) -> Any:
    value = traced(r, a)
    if order == "F":
        wanted = full_shape(shape, value.size)
        return value.T.reshape(tuple(reversed(wanted))).T
    return value.reshape(shape)


@implements(np.ravel)
def _ravel(r: Recorder, a: Any, order: str = "C") -> Any:
    if isinstance(a, Value) and a._mask is not None:
        return a
    return traced(r, a).ravel(order)


@implements(np.transpose, np.permute_dims)
def _transpose(r: Recorder, a: Any, axes: Any = None) -> Any:
    return traced(r, a).transpose(axes)


@implements(np.matrix_transpose)
def _matrix_transpose(r: Recorder, x: Any) -> Any:
    return _swapaxes(r, x, -1, -2)


@implements(np.swapaxes)
def _swapaxes(r: Recorder, a: Any, axis1: int, axis2: int) -> Any:
    value = traced(r, a)
    order = list(range(value.ndim))
    i, j = (normalized_axes(x, value.ndim)[0] for x in (axis1, axis2))
    order[i], order[j] = order[j], order[i]
    return value.transpose(order) if order else value


@implements(np.moveaxis)
def _moveaxis(r: Recorder, a: Any, source: Any, destination: Any) -> Any:
    value = traced(r, a)
    return value.transpose(_moved(value.ndim, source, destination))


def _moved(ndim: int, source: Any, destination: Any) -> list[int]:
    """The order of axes that NumPy gives: asked on an array whose extents are the numbers of its axes."""
    probe = np.moveaxis(np.broadcast_to(np.int8(0), tuple(range(1, ndim + 1))), source, destination)
    return [n - 1 for n in probe.shape]


@implements(np.rollaxis)
def _rollaxis(r: Recorder, a: Any, axis: int, start: int = 0) -> Any:
    value = traced(r, a)
    probe = np.rollaxis(np.broadcast_to(np.int8(0), tuple(range(1, value.ndim + 1))), axis, start)
    return value.transpose([n - 1 for n in probe.shape])


@implements(np.squeeze)
def _squeeze(r: Recorder, a: Any, axis: Any = None) -> Any:
    value = traced(r, a)
    drop = tuple(i for i, n in enumerate(value.shape) if n == 1) if axis is None else normalized_axes(axis, value.ndim)
    if any(value.shape[i] != 1 for i in drop):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return value.reshape(tuple(n for i, n in enumerate(value.shape) if i not in drop))


@implements(np.expand_dims)
def _expand_dims(r: Recorder, a: Any, axis: Any) -> Any:
    value = traced(r, a)
    added = axis if isinstance(axis, (tuple, list)) else (axis,)
    places = normalized_axes(added, value.ndim + len(added))
    rest = iter(value.shape)
    return value.reshape(tuple(1 if i in places else next(rest) for i in range(value.ndim + len(places))))


def _define_at_least(name: str) -> None:
    function: Callable[..., Any] = getattr(np, name)

    def implementation(r: Recorder, *arrays: Any) -> Any:
        values = [traced(r, a) for a in arrays]
        results = [v.reshape(function(np.broadcast_to(np.int8(0), v.shape)).shape) for v in values]
        return results[0] if len(results) == 1 else tuple(results)

    implements(function)(implementation)


for _name in ("atleast_1d", "atleast_2d", "atleast_3d"):
    _define_at_least(_name)


@implements(np.broadcast_to)
def _broadcast_to(r: Recorder, array: Any, shape: Any, subok: bool = False) -> Any:
    value, wanted = traced(r, array), (shape,) if isinstance(shape, int) else tuple(shape)
    if broadcast_shapes((value.shape, wanted)) != wanted:
        raise ValueError(f"cannot broadcast shape {value.shape} to {wanted}")
    return wrap(r, broadcast(value._node, wanted))


@implements(np.broadcast_arrays)
def _broadcast_arrays(r: Recorder, *arrays: Any, subok: bool = False) -> Any:
    values = [traced(r, a) for a in arrays]
    shape = broadcast_shapes([v.shape for v in values])
    return tuple(wrap(r, broadcast(v._node, shape)) for v in values)


@implements(np.copy)
def _copy(r: Recorder, a: Any, order: str = "K", subok: bool = False) -> Any:
    return a.copy()


@implements(np.astype)
def _astype(r: Recorder, x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    return x.astype(dtype)


@implements(np.real)
def _real(r: Recorder, a: Any) -> Any:
    return a


# -- order ------------------------------------------------------------------------------------------------------------


@implements(np.flip)
def _flip(r: Recorder, m: Any, axis: Any = None) -> Any:
    value = traced(r, m)
    axes = normalized_axes(axis, value.ndim)
    return value[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(value.ndim))]


@implements(np.fliplr)
def _fliplr(r: Recorder, m: Any) -> Any:
    if traced(r, m).ndim < 2:
        raise ValueError("Input must be >= 2-d.")
    return _flip(r, m, 1)


@implements(np.flipud)
def _flipud(r: Recorder, m: Any) -> Any:
    return _flip(r, m, 0)


@implements(np.rot90)
def _rot90(r: Recorder, m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    for _ in range(k % 4):
        m = _flip(r, _swapaxes(r, m, *axes), axes[0])
    return traced(r, m)


@implements(np.roll)
def _roll(r: Recorder, a: Any, shift: Any, axis: Any = None) -> Any:
    value = traced(r, a)
    if axis is None:
        return _roll(r, value.ravel(), shift, 0).reshape(value.shape)
    given = np.broadcast(shift, axis)
    for amount, where in given:
        (one,) = normalized_axes(int(where), value.ndim)
        extent = value.shape[one]
        cut = -int(amount) % extent if extent else 0
        before = (slice(None),) * one
        if cut:
            value = _concatenate(r, [value[*before, cut:], value[*before, :cut]], one)
    return value


@implements(np.take)
def _take(r: Recorder, a: Any, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise") -> Any:
    value = traced(r, a)
    if axis is None:
        value, axis = value.ravel(), 0
    (axis,) = normalized_axes(axis, value.ndim)
    index = indices if isinstance(indices, (Value, int)) else np.asarray(indices)
    return value[(*(slice(None),) * axis, index)]


@implements(np.take_along_axis)
def _take_along_axis(r: Recorder, arr: Any, indices: Any, axis: int | None = -1) -> Any:
    body, index = traced(r, arr), traced(r, indices)
    if axis is None:
        body, axis = body.ravel(), 0
    (axis,) = normalized_axes(axis, body.ndim)
    extent, many = body.shape[axis], index.shape[axis]
    last, wanted = (_moveaxis_node(r, x, axis) for x in (body, index))
    rest = broadcast_shapes((last.shape[:-1], wanted.shape[:-1]))
    wide = broadcast(reshape(last, (*last.shape[:-1], 1, extent)), (*rest, many, extent))
    positions = broadcast(indexing.wrapped_index(wanted, extent), (*rest, many))
    return _moveaxis(r, wrap(r, take(wide, wide.ndim - 1, positions)), -1, axis)


def _moveaxis_node(r: Recorder, value: Any, axis: int) -> Node:
    node: Node = _moveaxis(r, value, axis, -1)._node
    return node


@implements(np.diff)
def _diff(
    r: Recorder, a: Any, n: int = 1, axis: int = -1, prepend: Any = np._NoValue, append: Any = np._NoValue
) -> Any:
    value = traced(r, a)
    (axis,) = normalized_axes(axis, value.ndim)
    one = tuple(1 if i == axis else m for i, m in enumerate(value.shape))
    parts = [value]
    for extra, place in ((prepend, 0), (append, len(parts))):
        if extra is not np._NoValue:
            end = traced(r, extra)
            parts.insert(place if not place else len(parts), end if end.ndim else _broadcast_to(r, end, one))
    return wrap(r, reductions.diff(_concatenate(r, parts, axis)._node if len(parts) > 1 else value._node, n, axis))


@implements(np.ediff1d)
def _ediff1d(r: Recorder, ary: Any) -> Any:
    return _diff(r, traced(r, ary).ravel())


@implements(np.gradient)
def _gradient(r: Recorder, f: Any, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    value = traced(r, f)
    if value.dtype == BOOL:
        raise TypeError("numpy boolean subtract, the `-` operator, is not supported")
    if edge_order != 1 or any(np.ndim(h) for h in spacing):
        raise tracing_error(
            "np.gradient is traced with one number as the spacing of each axis and edge_order=1.",
            "np.gradient(w, coordinates, edge_order=2)",
            "np.gradient(w, 0.5)",
        )
    axes = (
        normalized_axes(axis, value.ndim) if axis is None or isinstance(axis, (tuple, list)) else (axis % value.ndim,)
    )
    steps = list(spacing) if len(spacing) > 1 else [spacing[0] if spacing else 1.0] * len(axes)
    if len(steps) != len(axes):
        raise TypeError("invalid number of arguments")
    dtype = value.dtype if value.dtype.kind == "f" else np.dtype(np.float64)
    results = [_gradient_along(r, value.astype(dtype), h, a) for h, a in zip(steps, axes, strict=True)]
    return results[0] if len(results) == 1 else tuple(results)


def _gradient_along(r: Recorder, value: Any, step: Any, axis: int) -> Any:
    if value.shape[axis] < 2:
        raise ValueError(
            "Shape of array too small to calculate a numerical gradient, at least 2 elements are required."
        )
    before = (slice(None),) * axis
    inner = (value[*before, 2:] - value[*before, :-2]) / (2.0 * step)
    first = (value[*before, 1:2] - value[*before, 0:1]) / step
    last = (value[*before, -1:] - value[*before, -2:-1]) / step
    return _concatenate(r, [first, inner, last], axis)


# -- joining ----------------------------------------------------------------------------------------------------------


@implements(np.concatenate)
def _concatenate(
    r: Recorder,
    arrays: Sequence[Any],
    axis: int | None = 0,
    out: None = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    values = [traced(r, a) for a in arrays]
    if axis is None:
        values, axis = [v.ravel() for v in values], 0
    if not values[0].ndim:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    (axis,) = normalized_axes(axis, values[0].ndim)
    rests = {v.shape[:axis] + v.shape[axis + 1 :] for v in values}
    if len(rests) > 1 or len({v.ndim for v in values}) > 1:
        raise ValueError(
            "all the input array dimensions except for the concatenation axis must match exactly, "
            f"got {[v.shape for v in values]}"
        )
    nodes = common(r, values)
    if dtype is not None:
        nodes = [cast(n, supported(np.dtype(dtype))) for n in nodes]
    return wrap(r, concatenate(nodes, axis))


@implements(np.stack)
def _stack(
    r: Recorder, arrays: Any, axis: int = 0, out: None = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    values = [traced(r, a) for a in arrays]
    if not values:
        raise ValueError("need at least one array to stack")
    if len({v.shape for v in values}) > 1:
        raise ValueError(f"all input arrays must have the same shape, got {[v.shape for v in values]}")
    return _concatenate(r, [_expand_dims(r, v, axis) for v in values], axis, dtype=dtype)


@implements(np.hstack)
def _hstack(r: Recorder, tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    values = [_reshaped(v, v.shape or (1,)) for v in (traced(r, a) for a in tup)]
    return _concatenate(r, values, 0 if values and values[0].ndim == 1 else 1, dtype=dtype)


@implements(np.vstack)
def _vstack(r: Recorder, tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    values = [traced(r, a) for a in tup]
    return _concatenate(r, [_reshaped(v, v.shape if v.ndim > 1 else (1, v.size)) for v in values], 0, dtype=dtype)


@implements(np.column_stack)
def _column_stack(r: Recorder, tup: Any) -> Any:
    values = [traced(r, a) for a in tup]
    return _concatenate(r, [_reshaped(v, v.shape if v.ndim > 1 else (v.size, 1)) for v in values], 1)


@implements(np.dstack)
def _dstack(r: Recorder, tup: Any) -> Any:
    values = [traced(r, a) for a in tup]
    deep = [v.reshape(np.atleast_3d(np.broadcast_to(np.int8(0), v.shape)).shape) for v in values]
    return _concatenate(r, deep, 2)


def _reshaped(value: Any, shape: Shape) -> Any:
    return value if value.shape == shape else value.reshape(shape)


@implements(np.append)
def _append(r: Recorder, arr: Any, values: Any, axis: int | None = None) -> Any:
    return _concatenate(r, [traced(r, arr), traced(r, values)], axis)


@implements(np.repeat)
def _repeat(r: Recorder, a: Any, repeats: Any, axis: int | None = None) -> Any:
    value = traced(r, a)
    if axis is None:
        value, axis = value.ravel(), 0
    return _take(r, value, np.repeat(np.arange(value.shape[axis]), repeats), axis)


@implements(np.tile)
def _tile(r: Recorder, A: Any, reps: Any) -> Any:  # noqa: N803
    value = traced(r, A)
    positions = np.arange(value.size, dtype=np.int64).reshape(value.shape)
    return wrap(r, indexing.gather(value._node, np.tile(positions, reps)))


@implements(np.pad)
def _pad(r: Recorder, array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    value = traced(r, array)
    positions = np.arange(value.size, dtype=np.int64).reshape(value.shape)
    if mode in {"edge", "reflect", "symmetric", "wrap"}:
        return wrap(r, indexing.gather(value._node, np.pad(positions, pad_width, mode=mode, **kwargs)))
    if mode != "constant" or np.ndim(kwargs.get("constant_values", 0)):
        raise tracing_error(f"np.pad with mode={mode!r} is not traced.", "np.pad(w, 1, mode='mean')", "np.pad(w, 1)")
    outline = np.pad(positions, pad_width, constant_values=-1)
    starts = np.argwhere(outline >= 0).min(axis=0, initial=0) if not value.size else np.argwhere(outline >= 0)[0]
    fill = broadcast(node_of(r, kwargs.get("constant_values", 0), value.dtype), outline.shape)
    region = indexing.Region(tuple(int(s) for s in starts), (1,) * value.ndim, value.shape, value.shape)
    return wrap(r, region.write(fill, value._node))


def _split(r: Recorder, ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    value = traced(r, ary)
    probe = np.split(np.arange(value.shape[axis]), indices_or_sections)
    before = (slice(None),) * (axis % value.ndim)
    return [value[*before, slice(int(p[0]), int(p[-1]) + 1) if p.size else slice(0, 0)] for p in probe]


implements(np.split)(_split)
