"""Columns: what neighbouring positions along x have in common is computed once.

A fold over a whole window, of a body that looks at every sample in the same way, is the fold along x of folds of
columns; the column that ends at one tap of a window is the first column of a window further on. So a k x k sum takes
2k instead of k^2 additions, `a**2 - b**2` is computed once per sample, and the columns of a median are sorted once (the
selection among sorted columns is a shorter network). The idea is old: separable sums and extrema are textbook, sorted
columns are used by Huang, Yang and Tang (1979) and by Adams, "Fast median filters using separable sorting networks"
(2021).

Applies when rows along x are read without stride. Exact for integers, extrema, booleans and sorting. A floating sum
is made in another order (column by column), which rounds less; the order is still a function of the window alone.
Where samples may be missing, code for whole windows and code with flags must give the same bits, and floating sums stay
in the direct order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kernelscape import expression as ex
from kernelscape.semantics import OPERATORS

LARGEST_SORT = 121
"""Samples up to which sorted columns pay; above, ranks are found otherwise."""

MakeColumn = Callable[[ex.Node], ex.Node]
"""The Column node that stands for an expression of the samples at the first tap along x."""


@dataclass(frozen=True)
class Columns:
    """Outputs in terms of columns, and the column expressions."""

    outputs: tuple[ex.Node, ...]
    columns: tuple[ex.Node, ...]


class ColumnList:
    """Expressions of columns, each of them once, and the nodes that stand for them at `taps` places along x."""

    def __init__(self, taps: int, known: Sequence[ex.Node] = ()) -> None:
        self.found = list(known)
        self._taps = taps
        self._places: dict[object, ex.Node] = {}

    def column(self, node: ex.Node) -> ex.Node:
        """The values of an expression in all columns of the window."""
        key = ex.structure([node])
        if key not in self._places:
            self._places[key] = ex.Column((self._taps, *node.shape), node.dtype, len(self.found))
            self.found.append(node)
        return self._places[key]


def use_columns(
    outputs: Sequence[ex.Node], shape: ex.Shape, x: int, *, keep_order: bool, known: Sequence[ex.Node] = ()
) -> Columns:
    """Replaces folds and sorts over whole windows of `shape` by columns along window axis `x`, where that pays.

    `keep_order`: floating sums must stay as they are. `known`: columns that the outputs have already.
    """
    columns = ColumnList(shape[x], known)
    # Where every element of the whole is wanted, sorted columns save little, and their networks are long.
    followed = {id(node.body) for node in ex.walk(outputs) if isinstance(node, ex.Runs) and node.body.ndim == 1}

    def rule(node: ex.Node) -> ex.Node | None:
        if id(node) in followed:
            return None
        if isinstance(node, ex.Sort):
            return _sorted_columns(node, shape, x, columns.column)
        if isinstance(node, ex.Reduce) and not isinstance(node, ex.ArgReduce):
            return _folded_columns(node, shape, x, columns.column, keep_order)
        return None

    changed = ex.rebuild(outputs, rule)
    return Columns(changed, tuple(columns.found))


def in_column_order(outputs: Sequence[ex.Node], shape: ex.Shape, x: int, *, keep_order: bool) -> tuple[ex.Node, ...]:
    """The outputs with the floating folds that `use_columns` makes of columns in that order, but without columns.

    For code in which no two positions share a column, and which must give the same bits.
    """

    def rule(node: ex.Node) -> ex.Node | None:
        if not isinstance(node, ex.Reduce) or isinstance(node, ex.ArgReduce) or node.dtype.kind != "f":
            return None
        body = in_window_shape(node, shape)
        if body is None or _folded_columns(node, shape, x, _column_of(shape, x), keep_order) is None:
            return None
        others = [axis for axis in range(body.ndim) if axis != x]
        if others:
            return ex.reduce(node.operation, ex.reduce(node.operation, body, others), (0,))
        # As a slice of all, so that a product is rounded before it is added, as it is where it is a column.
        own = ex.Slice(body.shape, body.dtype, body, (0,) * body.ndim, (1,) * body.ndim)
        return ex.reduce(node.operation, own, (0,))

    return ex.rebuild(outputs, rule)


def _column_of(shape: ex.Shape, x: int) -> MakeColumn:
    return lambda node: ex.Column((shape[x], *node.shape), node.dtype, 0)


def _folded_columns(node: ex.Reduce, shape: ex.Shape, x: int, column: MakeColumn, keep_order: bool) -> ex.Node | None:
    node = without_choice(node, shape)
    alone = _folded_along(node, shape, x, column)
    if alone is not None:
        return alone
    body = in_window_shape(node, shape)
    if node.where is not None or body is None or not is_pointwise(body, shape):
        return None
    floating = node.dtype.kind == "f"
    # A product of columns may overflow where the product in order does not.
    if floating and (node.operation == "multiply" or (keep_order and node.operation == "add")):
        return None
    others = [a for a in range(len(shape)) if a != x]
    heavy = _cost(body) >= 3
    tall = len(others) > 0 and max(shape[a] for a in others) > 1
    if shape[x] < 3 or not (tall or heavy):
        return None
    first = _first_tap(body, x)
    inner = ex.reduce(node.operation, first, range(first.ndim)) if first.ndim else first
    return ex.reduce(node.operation, column(inner), (0,))


def _sorted_columns(node: ex.Sort, shape: ex.Shape, x: int, column: MakeColumn) -> ex.Node | None:
    """Sort of a whole window, flattened, whose elements are numbers: the order of axes does not matter to it."""
    body = node.body
    if node.shape == shape:
        return _sorted_along(node, shape, x, column)
    if not isinstance(body, ex.Reshape) or body.ndim != 1 or body.body.shape != shape or node.where is not None:
        return None
    if not node.numbers and node.dtype.kind == "f":
        return None
    if not is_pointwise(body.body, shape) or len(shape) != 2 or body.size > LARGEST_SORT or min(shape) < 4:
        return None
    first = ex.pick(body.body, x, 0)
    made = column(ex.sort(first, 0, numbers=True))
    return ex.sort(ex.reshape(made, (body.size,)), 0, numbers=node.numbers, runs=math.prod(first.shape))


def _sorted_along(node: ex.Sort, shape: ex.Shape, x: int, column: MakeColumn) -> ex.Node | None:
    """Columns of a window that are sorted each for itself."""
    if len(shape) != 2 or node.axis == x or node.where is not None or not _is_columnwise(node.body, shape, x):
        return None
    made = column(ex.sort(_first_column(node.body, shape, x), 0, numbers=node.numbers))
    return made if x == 0 else ex.transpose(made, (1, 0))


def _folded_along(node: ex.Reduce, shape: ex.Shape, x: int, column: MakeColumn) -> ex.Node | None:
    """A fold of each column of a window by itself, where every order gives the same bits."""
    if len(shape) != 2 or node.axes != (1 - x,) or node.body.shape != shape or node.where is not None:
        return None
    if node.dtype.kind == "f" or not _is_columnwise(node.body, shape, x):
        return None
    return column(ex.reduce(node.operation, _first_column(node.body, shape, x), (0,)))


def without_choice(node: ex.Reduce, shape: ex.Shape) -> ex.Reduce:
    """Whether any of those that are chosen is: whether any is both."""
    if node.where is None or node.operation != "logical_or":
        return node
    chosen = unflattened(node.where, shape)
    if chosen is None or not is_pointwise(chosen, shape):
        return node
    return replace(node, body=ex.elementwise("logical_and", ex.BOOL, node.where, node.body), where=None)


def in_window_shape(node: ex.Reduce, shape: ex.Shape) -> ex.Node | None:
    """The body of a fold over a whole window, in the window's own shape (a flattened one is seen through)."""
    if node.axes != tuple(range(node.body.ndim)):
        return None
    return unflattened(node.body, shape)


def unflattened(node: ex.Node, shape: ex.Shape) -> ex.Node | None:
    """A function of flattened windows as one of windows of their own shape; None where it is none."""
    if node.shape == shape:
        return node
    if isinstance(node, ex.Reshape):
        return node.body if node.body.shape == shape else None
    if isinstance(node, ex.Elementwise) and node.shape == (math.prod(shape),):
        operands = [o if not o.shape else unflattened(o, shape) for o in node.operands]
        if all(o is not None for o in operands):
            return ex.elementwise(node.operator, node.dtype, *(o for o in operands if o is not None))
    return None


def is_pointwise(node: ex.Node, shape: ex.Shape) -> bool:
    """Whether every element is the same function of the samples at its own tap, wherever the window stands."""
    if isinstance(node, ex.Window):
        return node.shape == shape
    if isinstance(node, ex.Argument | ex.Constant):
        return not node.shape
    if isinstance(node, ex.Broadcast):
        return not node.body.shape and is_pointwise(node.body, shape)
    if isinstance(node, ex.Elementwise):
        return all(is_pointwise(o, shape) for o in node.operands)
    return False


def _is_columnwise(node: ex.Node, shape: ex.Shape, x: int) -> bool:
    """Whether every element is a function of the samples in its own column, the same in all columns."""
    if isinstance(node, ex.Scan):
        return node.axis != x and _is_columnwise(node.body, shape, x)
    if isinstance(node, ex.Elementwise):
        return all(_is_columnwise(o, shape, x) for o in node.operands)
    return is_pointwise(node, shape)


def _first_tap(node: ex.Node, x: int) -> ex.Node:
    """What a pointwise function of a window is at the first tap along x: the same function of the samples there."""
    if isinstance(node, ex.Elementwise):
        parts = (_first_tap(o, x) if o.shape else o for o in node.operands)
        return ex.elementwise(node.operator, node.dtype, *parts)
    if isinstance(node, ex.Broadcast):
        return ex.broadcast(node.body, (*node.shape[:x], *node.shape[x + 1 :]))
    return ex.pick(node, x, 0)


def _first_column(node: ex.Node, shape: ex.Shape, x: int) -> ex.Node:
    """The first column of what `_is_columnwise`."""
    if isinstance(node, ex.Scan):
        return ex.scan(node.operation, _first_column(node.body, shape, x), 0)
    if isinstance(node, ex.Elementwise):
        return ex.elementwise(node.operator, node.dtype, *(_first_column(o, shape, x) for o in node.operands))
    if isinstance(node, ex.Broadcast):
        return ex.broadcast(node.body, (shape[1 - x],))
    return ex.pick(node, x, 0) if node.shape == shape else node


def _cost(node: ex.Node) -> float:
    return sum(OPERATORS[n.operator].cost for n in ex.walk([node]) if isinstance(n, ex.Elementwise) and n.shape)
