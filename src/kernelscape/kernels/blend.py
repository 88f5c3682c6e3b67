"""A blend of kernels as a `Bound`: along each row of pixels it is a blend of few kernels that change from cell to cell.

Along the last axis a grid has *spans*, between which other nodes take part. For one row of pixels the kernels at the
nodes of a span can be blended along all other axes beforehand; inside the span only the coefficients along the last
axis differ from pixel to pixel. So a gathered row costs as many fixed correlations as the method has terms along one
axis (two for linear interpolation), however many nodes there are (`on_rows`).

Where coefficients are no products over the axes (scattered points), the image is cut into blocks, each with the few
kernels that take part in it (`in_blocks`).

Both are made for some rows of the image at a time: kernels that are blended for every row would fill the memory.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np

from kernelscape.expression import DType, Shape
from kernelscape.geometry import CellAxis
from kernelscape.kernels.field import Array, Blend, Bound, Cells, Map, Offsets

BLOCK = (16, 64)
"""Rows and pixels of a block in which the same scattered kernels take part."""
_LADDER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Numbers of kernels in a block for which code is made."""


def rows_at_once(blend: Blend, extents: Shape, itemsize: int, budget: int) -> int:
    """For how many positions along the first axis the kernels of `lowered` fit into some bytes."""
    if len(extents) == 1:
        return extents[0]
    if blend.axes is None:
        # Coefficients, and the indices and weights that they are made from.
        per_row = math.prod(extents[1:]) * (8 * itemsize + 64)
    else:
        per_row = math.prod(extents[1:-1]) * blend.node_shape[-1] * math.prod(blend.size) * itemsize
    return max(1, min(extents[0], budget // max(1, per_row)))


def lowered(blend: Blend, extents: Shape, start: int, stop: int, dtype: DType) -> Bound:
    """The blend at the positions ``start <= p < stop`` along the first axis (and at the nearest of them elsewhere)."""
    make = _in_blocks if blend.axes is None else _on_rows
    return make(blend, extents, start, stop, dtype)


def _bound(blend: Blend, parts: tuple[Any, ...], terms: Any) -> Bound:
    return Bound(
        blend.size,
        blend.dtype,
        parts,
        functools.partial(_weights, terms),
        terms=functools.partial(_terms, terms),
        sparse=True,
    )


# -- grids -------------------------------------------------------------------------------------------------------------


def _on_rows(blend: Blend, extents: Shape, start: int, stop: int, dtype: DType) -> Bound:
    assert blend.axes is not None
    kernels = blend.kernels.reshape(*blend.node_shape, *blend.size).astype(dtype, copy=False)
    rows = (slice(start, stop), *(slice(0, n) for n in extents[1:]))
    along_rows: list[CellAxis | None] = []
    for axis, (index, weight) in enumerate(blend.axes[:-1]):
        kernels = _blended(kernels, axis, index[rows[axis]], weight[rows[axis]])
        count = rows[axis].stop - rows[axis].start
        along_rows.append(every_position(start if axis == 0 else 0, count))
    kernels = np.ascontiguousarray(kernels)
    index, weight = blend.axes[-1]
    terms = index.shape[1]
    parts: list[Any] = []
    for term in range(terms):
        cells = _cells_of(index[:, term], weight[:, term] != 0, blend.node_shape[-1])
        parts.append(Cells(kernels, (*along_rows, cells)))
    for term in range(terms):
        coefficient = weight[:, term].astype(dtype)
        parts.append(Map(np.broadcast_to(coefficient, extents)))
    return _bound(blend, tuple(parts), functools.partial(_pairs, terms))


def _blended(kernels: Array, axis: int, index: Array, weight: Array) -> Array:
    """Kernels at nodes along an axis become kernels at positions along it; what has the weight 0 takes no part."""
    shape = list(kernels.shape)
    shape[axis] = len(index)
    found = np.zeros(shape, kernels.dtype)
    lead = (slice(None),) * axis
    # Positions between the same nodes are neighbours: one product for each run of them.
    changes = np.flatnonzero((np.diff(index, axis=0) != 0).any(1) | (np.diff(weight != 0, axis=0)).any(1)) + 1
    for a, b in itertools.pairwise([0, *changes.tolist(), len(index)]):
        for term in range(index.shape[1]):
            if b > a and weight[a, term] != 0:
                factor = weight[a:b, term].astype(kernels.dtype).reshape(-1, *(1,) * (kernels.ndim - axis - 1))
                node = kernels[(*lead, slice(int(index[a, term]), int(index[a, term]) + 1))]
                found[(*lead, slice(a, b))] += factor * node
    return found


def every_position(first: int, count: int) -> CellAxis:
    """A position for each pixel from `first` on, and the nearest of them for the others."""
    return CellAxis(tuple(range(first, first + count)), tuple(range(count)), count)


def _cells_of(index: Array, takes_part: Array, count: int) -> CellAxis:
    """Runs of positions with one node; where a term takes no part any node will do."""
    starts, places = [0], [int(index[0]) if len(index) else 0]
    for position in range(1, len(index)):
        if takes_part[position] and index[position] != places[-1]:
            starts.append(position)
            places.append(int(index[position]))
    return CellAxis(tuple(starts), tuple(places), count)


def _pairs(terms: int, *values: Any) -> tuple[tuple[Any, Any], ...]:
    return tuple(zip(values[terms:], values[:terms], strict=True))


# -- scattered kernels -------------------------------------------------------------------------------------------------


def _in_blocks(blend: Blend, extents: Shape, start: int, stop: int, dtype: DType) -> Bound:
    ndim = len(extents)
    steps = tuple(BLOCK[len(BLOCK) - ndim :]) if ndim <= len(BLOCK) else (1,) * (ndim - len(BLOCK)) + BLOCK
    region = (slice(start, stop), *(slice(0, n) for n in extents[1:]))
    index, weight = blend.coefficients(region)
    shape = index.shape[:-1]
    blocks = tuple(math.ceil(n / step) for n, step in zip(shape, steps, strict=True))
    nodes, slots = _nodes_of_blocks(index, weight, steps, blocks)
    most = next(n for n in (*_LADDER, len(blend.kernels)) if n >= nodes.shape[-1])
    coefficients = np.zeros((most, *shape), dtype)
    for term in range(index.shape[-1]):
        where = np.nonzero(weight[..., term])
        coefficients[(slots[..., term][where], *where)] = weight[..., term][where]
    padded = np.zeros((*blocks, most), np.int64)
    padded[..., : nodes.shape[-1]] = nodes
    kernels = blend.kernels.astype(dtype, copy=False)
    cells = tuple(
        CellAxis(tuple(range(first, first + n * step, step)), tuple(range(n)), n)
        for first, n, step in zip((start, *(0,) * (ndim - 1)), blocks, steps, strict=True)
    )
    parts = [Cells(np.ascontiguousarray(kernels[padded[..., m]]), cells) for m in range(most)]
    maps = [Cells(coefficients[m], (every_position(start, shape[0]), *(None,) * (ndim - 1))) for m in range(most)]
    return _bound(blend, (*parts, *maps), functools.partial(_pairs, most))


def _nodes_of_blocks(
    index: Array, weight: Array, steps: tuple[int, ...], blocks: tuple[int, ...]
) -> tuple[Array, Array]:
    """For each block the nodes that take part in it; and for each coefficient the place of its node among them."""
    along = (np.arange(n) // step for n, step in zip(index.shape, steps, strict=False))
    block = np.broadcast_to(np.ravel_multi_index(np.ix_(*along), blocks)[..., None], index.shape)
    part = weight != 0
    nodes = int(index.max(initial=0)) + 1
    present = np.zeros((int(np.prod(blocks)), nodes), np.bool_)
    present[block[part], index[part]] = True
    # The place of a node is how many nodes of its block come before it.
    places = np.cumsum(present, axis=1) - 1
    slots = np.where(part, places[block, index], 0)
    table = np.zeros((len(present), max(1, int(present.sum(axis=1).max(initial=0)))), np.int64)
    number, node = np.nonzero(present)
    table[number, places[number, node]] = node
    return table.reshape(*blocks, -1), slots


# -- what both have in common ------------------------------------------------------------------------------------------


def _terms(terms: Any, offsets: Offsets, *values: Any) -> tuple[tuple[Any, Any], ...]:
    return terms(*values)  # type: ignore[no-any-return]


def _weights(terms: Any, offsets: Offsets, *values: Any) -> Any:
    """What takes no part is not multiplied: its kernel may hold anything."""
    total = None
    for coefficient, kernel in terms(*values):
        zero = np.zeros((), kernel.dtype)
        product = np.where(coefficient == zero, zero, coefficient * kernel)
        total = product if total is None else total + product
    return total
