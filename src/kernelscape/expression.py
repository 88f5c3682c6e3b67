"""The expression level: what a function of windows *is*, as frozen nodes.

The grammar, with the meaning of each node. Every node is array-valued: it has a shape and a dtype, and its elements
are values of one output position (the *anchor*). Each element also carries a flag, valid or not (see ``reference.py``,
which gives these nodes their meaning).

* ``Window(input, shape)``: the samples of input number `input` around the anchor.
* ``Pixel(input)``: the value of a map at the anchor; shape ().
* ``Index(axis)``: the anchor's coordinate along window axis `axis`; int64, shape ().
* ``Column(number)``: values shared by neighbouring positions: of column expression `number` of the stage, at every tap
  along x (first axis); made by the planner only.
* ``Constant(value)``: a number that is part of the structure (never user data); shape ().
* ``Argument(slot, shape)``: a number or array that is handed over at run time: captured numbers, kernels.
* ``Elementwise(operator, operands)``: an operator of ``semantics.py`` on operands that broadcast.
* ``Reduce(operation, axes, body, where)``: a fold of `body` over `axes` (the sum of a 31x31 window is one node);
  `where` says which elements count.
* ``ArgReduce(operation, axes, body, where)``: the position (C order, over the full axes) of the first extremum.
* ``Sort(axis, body, where, numbers, climb, runs)``: ascending along `axis`; NaN last; elements that do not count after
  them. `numbers`: the result is not looked at where an element that counts is NaN; `climb`: only two neighbouring
  ranks are looked at; `runs`: the body is sorted runs of this length.
* ``Runs(measure, body, count)``: a fact about the runs of equal neighbours along the last axis, which is dropped, among
  its first `count` elements (all, if there is none), which are sorted numbers: ``longest``, the value of the first
  longest run (of no element: the first one); ``number``, how many there are; ``bits``, the sum of `run_bits` of their
  lengths. The last two are int64.
* ``Scan(operation, axis, body)``: a running fold along `axis`: element i is the fold of elements 0 to i.
* ``Take(axis, body, index)``: the element at a position computed at run time (clipped into the axis); drops `axis`.
* ``Slice(body, starts, steps)``: ``start + step * i`` along each axis, as many as `shape` says.
* ``Reshape(body)``: the same elements in C order, another shape.
* ``Transpose(body, axes)``: axes permuted as in NumPy.
* ``Broadcast(body)``: as ``numpy.broadcast_to``.
* ``Concatenate(axis, parts)``: parts joined along an existing axis.
* ``Put(body, starts, steps, value)``: `body` with the region that a Slice would read replaced by `value`.
* ``Valid(body)``: the flags of `body`, as bool values that are all valid.
* ``Finite(body, exact)``: `body` where that is finite, elsewhere `exact`, which is computed only then; made by the
  planner only.

Nodes compare by identity. `structure` gives what two traces of the same function have in common, and is the key of
compiled code; `rebuild` and `walk` do the walking for passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Shape = tuple[int, ...]
DType = np.dtype[Any]
INT64 = np.dtype(np.int64)
BOOL = np.dtype(np.bool_)
RUN_MEASURES = ("longest", "number", "bits")


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """A value of every output position: elements of one shape and dtype."""

    shape: Shape
    dtype: DType

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def children(self) -> tuple[Node, ...]:
        return ()

    def with_children(self, children: Sequence[Node]) -> Node:
        """The same node on other children (as many, in the same order)."""
        return self

    def facts(self) -> tuple[Any, ...]:
        """What makes the node, children aside; hashable."""
        return ()


@dataclass(frozen=True, eq=False, slots=True)
class Window(Node):
    input: int

    def facts(self) -> tuple[Any, ...]:
        return (self.input,)


@dataclass(frozen=True, eq=False, slots=True)
class Pixel(Node):
    input: int

    def facts(self) -> tuple[Any, ...]:
        return (self.input,)


@dataclass(frozen=True, eq=False, slots=True)
class Index(Node):
    axis: int

    def facts(self) -> tuple[Any, ...]:
        return (self.axis,)


@dataclass(frozen=True, eq=False, slots=True)
class Column(Node):
    number: int

    def facts(self) -> tuple[Any, ...]:
        return (self.number,)


@dataclass(frozen=True, eq=False, slots=True)
class Constant(Node):
    value: bool | int | float

    def facts(self) -> tuple[Any, ...]:
        return (type(self.value).__name__, repr(self.value))


@dataclass(frozen=True, eq=False, slots=True)
class Argument(Node):
    slot: int

    def facts(self) -> tuple[Any, ...]:
        return (self.slot,)


@dataclass(frozen=True, eq=False, slots=True)
class Elementwise(Node):
    operator: str
    operands: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        return self.operands

    def with_children(self, children: Sequence[Node]) -> Node:
        return replace(self, operands=tuple(children))

    def facts(self) -> tuple[Any, ...]:
        return (self.operator,)


@dataclass(frozen=True, eq=False, slots=True)
class Reduce(Node):
    operation: str
    axes: tuple[int, ...]
    body: Node
    where: Node | None = None

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.body,) if self.where is None else (self.body, self.where)

    def with_children(self, children: Sequence[Node]) -> Node:
        return replace(self, body=children[0], where=children[1] if len(children) > 1 else None)

    def facts(self) -> tuple[Any, ...]:
        return (self.operation, self.axes)


@dataclass(frozen=True, eq=False, slots=True)
class ArgReduce(Reduce):
    """`operation` is the operator that picks the element: ``minimum`` or ``maximum``."""


@dataclass(frozen=True, eq=False, slots=True)
class Sort(Node):
    """With `climb`, only ranks r and r + 1 are looked at where n elements count: r is the number of bits below n."""

    axis: int
    body: Node
    where: Node | None = None
    numbers: bool = False
    climb: int | None = None
    runs: int = 1

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.body,) if self.where is None else (self.body, self.where)

    def with_children(self, children: Sequence[Node]) -> Node:
        return replace(self, body=children[0], where=children[1] if len(children) > 1 else None)

    def facts(self) -> tuple[Any, ...]:
        more = (("climb", self.climb, None), ("runs", self.runs, 1))
        return (self.axis, self.numbers, *((name, value) for name, value, usual in more if value != usual))


@dataclass(frozen=True, eq=False, slots=True)
class Runs(Node):
    measure: str
    body: Node
    count: Node | None = None

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.body,) if self.count is None else (self.body, self.count)

    def with_children(self, children: Sequence[Node]) -> Node:
        return replace(self, body=children[0], count=children[1] if len(children) > 1 else None)

    def facts(self) -> tuple[Any, ...]:
        return (self.measure,)


@dataclass(frozen=True, eq=False, slots=True)
class Scan(Node):
    operation: str
    axis: int
    body: Node

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.body,)

    def with_children(self, children: Sequence[Node]) -> Node:
        return replace(self, body=children[0])

    def facts(self) -> tuple[Any, ...]:
        return (self.operation, self.axis)


@dataclass(frozen=True, eq=False, slots=True)
class Take(Node):
    axis: int
    body: Node
    index: Node

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.body, self.index)

    def with_children(self, children: Sequence[Node]) -> Node:
        return replace(self, body=children[0], index=children[1])

    def facts(self) -> tuple[Any, ...]:
        return (self.axis,)


@dataclass(frozen=True, eq=False, slots=True)
class _Unary(Node):
    body: Node

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.body,)

    def with_children(self, children: Sequence[Node]) -> Node:
        return replace(self, body=children[0])


@dataclass(frozen=True, eq=False, slots=True)
class Slice(_Unary):
    starts: tuple[int, ...]
    steps: tuple[int, ...]

    def facts(self) -> tuple[Any, ...]:
        return (self.starts, self.steps)


@dataclass(frozen=True, eq=False, slots=True)
class Reshape(_Unary):
    pass


@dataclass(frozen=True, eq=False, slots=True)
class Transpose(_Unary):
    axes: tuple[int, ...]

    def facts(self) -> tuple[Any, ...]:
        return (self.axes,)


@dataclass(frozen=True, eq=False, slots=True)
class Broadcast(_Unary):
    pass


@dataclass(frozen=True, eq=False, slots=True)
class Valid(_Unary):
    pass


@dataclass(frozen=True, eq=False, slots=True)
class Concatenate(Node):
    axis: int
    parts: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        return self.parts

    def with_children(self, children: Sequence[Node]) -> Node:
        return replace(self, parts=tuple(children))

    def facts(self) -> tuple[Any, ...]:
        return (self.axis,)


@dataclass(frozen=True, eq=False, slots=True)
class Put(Node):
    body: Node
    starts: tuple[int, ...]
    steps: tuple[int, ...]
    value: Node

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.body, self.value)

    def with_children(self, children: Sequence[Node]) -> Node:
        return replace(self, body=children[0], value=children[1])

    def facts(self) -> tuple[Any, ...]:
        return (self.starts, self.steps)


@dataclass(frozen=True, eq=False, slots=True)
class Finite(Node):
    body: Node
    exact: Node

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.body, self.exact)

    def with_children(self, children: Sequence[Node]) -> Node:
        return replace(self, body=children[0], exact=children[1])


# -- constructors that keep small things small ------------------------------------------------------------------------


def constant(value: bool | int | float, dtype: DType) -> Constant:
    return Constant((), dtype, value)


def elementwise(operator: str, dtype: DType, *operands: Node) -> Elementwise:
    """An operator on operands that broadcast; their dtypes are already the operator's."""
    if len(operands) == 1:
        return Elementwise(operands[0].shape, dtype, operator, operands)
    first = operands[0].shape
    if all(o.shape == first or not o.shape for o in operands[1:]):
        return Elementwise(first, dtype, operator, operands)
    return Elementwise(np.broadcast_shapes(*(o.shape for o in operands)), dtype, operator, operands)


def cast(body: Node, dtype: DType) -> Node:
    return body if body.dtype == dtype else Elementwise(body.shape, dtype, "cast", (body,))


def reduce(operation: str, body: Node, axes: Iterable[int], where: Node | None = None) -> Node:
    """A fold in the dtype of `body`; `axes` are dropped."""
    axes = tuple(sorted(axes))
    return Reduce(shape_without(body.shape, axes), body.dtype, operation, axes, body, _as_broadcast(where, body.shape))


def arg_reduce(operation: str, body: Node, axes: Iterable[int], where: Node | None = None) -> Node:
    axes = tuple(sorted(axes))
    return ArgReduce(shape_without(body.shape, axes), INT64, operation, axes, body, _as_broadcast(where, body.shape))


def sort(
    body: Node,
    axis: int,
    where: Node | None = None,
    *,
    numbers: bool = False,
    climb: int | None = None,
    runs: int = 1,
) -> Node:
    return Sort(body.shape, body.dtype, axis, body, _as_broadcast(where, body.shape), numbers, climb, runs)


def runs(measure: str, body: Node, count: Node | None = None) -> Node:
    """A fact about the runs along the last axis of what is sorted; `count` has the shape of the result."""
    return Runs(body.shape[:-1], body.dtype if measure == "longest" else INT64, measure, body, count)


def scan(operation: str, body: Node, axis: int) -> Node:
    """The running fold along one axis, in the dtype of `body`."""
    return Scan(body.shape, body.dtype, operation, axis, body)


def take(body: Node, axis: int, index: Node) -> Node:
    """`index` has shape () or the shape of `body` without `axis`."""
    return Take(shape_without(body.shape, (axis,)), body.dtype, axis, body, index)


def one_less(index: Node) -> Node | None:
    """I, of an index that says I + 1."""
    if not isinstance(index, Elementwise) or index.operator != "add":
        return None
    first, second = index.operands
    return first if isinstance(second, Constant) and second.value == 1 else None


def slice_(body: Node, starts: Sequence[int], steps: Sequence[int], shape: Shape) -> Node:
    if shape == body.shape and not any(starts) and all(s == 1 for s in steps):
        return body
    return Slice(shape, body.dtype, body, tuple(starts), tuple(steps))


def pick(body: Node, axis: int, position: int) -> Node:
    """The element at a known position of one axis; drops the axis."""
    starts, shape = [0] * body.ndim, list(body.shape)
    starts[axis], shape[axis] = position, 1
    return reshape(slice_(body, starts, [1] * body.ndim, tuple(shape)), shape_without(body.shape, (axis,)))


def reshape(body: Node, shape: Shape) -> Node:
    if body.shape == shape:
        return body
    inner = body.body if isinstance(body, Reshape) else body
    return inner if inner.shape == shape else Reshape(shape, body.dtype, inner)


def transpose(body: Node, axes: Sequence[int]) -> Node:
    if tuple(axes) == tuple(range(body.ndim)):
        return body
    return Transpose(tuple(body.shape[a] for a in axes), body.dtype, body, tuple(axes))


def broadcast(body: Node, shape: Shape) -> Node:
    return body if body.shape == shape else Broadcast(shape, body.dtype, body)


def concatenate(parts: Sequence[Node], axis: int) -> Node:
    if len(parts) == 1:
        return parts[0]
    shape = list(parts[0].shape)
    shape[axis] = sum(p.shape[axis] for p in parts)
    return Concatenate(tuple(shape), parts[0].dtype, axis, tuple(parts))


def put(body: Node, starts: Sequence[int], steps: Sequence[int], value: Node) -> Node:
    return Put(body.shape, body.dtype, body, tuple(starts), tuple(steps), value)


def finite(body: Node, exact: Node) -> Node:
    return Finite(body.shape, body.dtype, body, exact)


def valid(body: Node) -> Node:
    return Valid(body.shape, BOOL, body)


def shape_without(shape: Shape, axes: Sequence[int]) -> Shape:
    """The shape that is left where axes are folded."""
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def _as_broadcast(where: Node | None, shape: Shape) -> Node | None:
    return None if where is None else broadcast(where, shape)


# -- walking ----------------------------------------------------------------------------------------------------------


def walk(roots: Iterable[Node]) -> Iterator[Node]:
    """Every node once, children before parents."""
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = [(root, False) for root in reversed(list(roots))]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            yield node
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(node.children))


def rebuild(roots: Sequence[Node], rule: Callable[[Node], Node | None]) -> tuple[Node, ...]:
    """The roots with `rule` applied to every node, children first; a rule returns the new node or None."""
    new: dict[int, Node] = {}
    for node in list(walk(roots)):
        children = [new[id(child)] for child in node.children]
        if any(a is not b for a, b in zip(children, node.children, strict=True)):
            changed = node.with_children(children)
        else:
            changed = node
        new[id(node)] = rule(changed) or changed
    return tuple(new[id(root)] for root in roots)


def usual(roots: Sequence[Node]) -> tuple[Node, ...]:
    """The roots without what is computed only where a value is not finite."""
    return rebuild(roots, lambda node: node.body if isinstance(node, Finite) else None)


def structure(roots: Sequence[Node]) -> tuple[Any, ...]:
    """What identifies the compiled code of these results: hashable, equal for equal graphs and in all processes."""
    number: dict[int, int] = {}
    rows: dict[tuple[Any, ...], int] = {}
    for node in walk(roots):
        row = (type(node).__name__, node.shape, node.dtype.str, *node.facts(), *(number[id(c)] for c in node.children))
        number[id(node)] = rows.setdefault(row, len(rows))
    return (tuple(rows), tuple(number[id(root)] for root in roots))


def share(roots: Sequence[Node]) -> tuple[Node, ...]:
    """Equal subexpressions become the same node."""
    known: dict[tuple[Any, ...], Node] = {}

    def rule(node: Node) -> Node:
        row = (type(node).__name__, node.shape, node.dtype.str, *node.facts(), *(id(c) for c in node.children))
        return known.setdefault(row, node)

    return rebuild(roots, rule)


def to_text(roots: Sequence[Node]) -> str:
    """One line per node, for people and golden files."""
    lines, names = [], {}
    for number, node in enumerate(walk(roots)):
        names[id(node)] = f"%{number}"
        shape = "x".join(map(str, node.shape)) or "scalar"
        facts, operands = map(_fact_text, node.facts()), (names[id(c)] for c in node.children)
        words = [type(node).__name__.lower(), *facts, *operands]
        lines.append(f"%{number}: {node.dtype} {shape} = {' '.join(words)}")
    lines.append("return " + ", ".join(names[id(r)] for r in roots))
    return "\n".join(lines)


def _fact_text(fact: Any) -> str:
    return "(" + ",".join(map(str, fact)) + ")" if isinstance(fact, tuple) else str(fact)
