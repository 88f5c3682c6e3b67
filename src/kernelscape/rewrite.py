"""Simplifications that keep every bit, and facts about patterns that planners ask for.

A rule sees a node whose children are already simple and returns a better node or None. Only what gives the same bits
for every value (NaN, -0, infinities, wrapping integers) and the same flags is here: x*1 and x/1, but not x+0, which
turns -0 into +0, and never x*0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kernelscape.expression import (
    BOOL,
    ArgReduce,
    Argument,
    Broadcast,
    Column,
    Constant,
    Elementwise,
    Node,
    Reduce,
    Reshape,
    Slice,
    Sort,
    Transpose,
    Valid,
    Window,
    broadcast,
    cast,
    constant,
    elementwise,
    rebuild,
    reduce,
    reshape,
    slice_,
    transpose,
    valid,
    walk,
)

Rule = Callable[[Any], "Node | None"]


def simplify(outputs: Sequence[Node]) -> tuple[Node, ...]:
    """The same results, with less to compute; equal subexpressions become one node.

    Examples
    --------
    >>> from kernelscape.expression import Window, cast, to_text
    >>> w = Window((3,), np.dtype(np.uint8), 0)
    >>> print(to_text(simplify([cast(cast(w, np.dtype(np.int16)), np.dtype(np.float32))])))
    %0: uint8 3 = window 0
    %1: float32 3 = elementwise cast %0
    return %1
    """
    known: dict[tuple[Any, ...], Node] = {}
    new: dict[int, Node] = {}
    stack = list(reversed(outputs))
    while stack:
        node = stack[-1]
        children = node.children
        waiting = [c for c in children if id(c) not in new]
        if waiting:
            stack.extend(reversed(waiting))
            continue
        stack.pop()
        if id(node) not in new:
            new[id(node)] = _simpler(node, [new[id(c)] for c in children], known)
    return tuple(new[id(node)] for node in outputs)


def _simpler(node: Node, children: list[Node], known: dict[tuple[Any, ...], Node]) -> Node:
    """The node on simplified children, by the first rule that applies, and once only among equal ones."""
    for old, child in zip(node.children, children, strict=True):
        if old is not child:
            node = node.with_children(children)
            break
    for rule in _RULES.get(type(node), ()):
        changed = rule(node)
        if changed is not None:
            node = changed
            break
    row = (type(node), node.shape, node.dtype, *node.facts(), *map(id, node.children))
    return known.setdefault(row, node)


def _is(node: Node, value: float) -> bool:
    while isinstance(node, Broadcast):
        node = node.body
    return isinstance(node, Constant) and type(node.value) is not bool and node.value == value


def _neutral(node: Elementwise) -> Node | None:
    """``x * 1``, ``1 * x`` and ``x / 1``."""
    if node.operator not in {"multiply", "divide"}:
        return None
    a, b = node.operands
    if _is(b, 1) and a.shape == node.shape and a.dtype == node.dtype:
        return a
    return b if node.operator == "multiply" and _is(a, 1) and b.shape == node.shape else None


def _casts(node: Elementwise) -> Node | None:
    """A cast to the dtype that is there, and one after another that loses nothing."""
    if node.operator != "cast":
        return None
    body = node.operands[0]
    if body.dtype == node.dtype:
        return body
    if isinstance(body, Constant):
        return _constant_cast(body, node.dtype)
    if isinstance(body, Elementwise) and body.operator == "cast":
        inner = body.operands[0]
        if np.can_cast(inner.dtype, body.dtype, "safe") and _exact(inner.dtype, body.dtype):
            return cast(inner, node.dtype)
    return None


def _constant_cast(node: Constant, dtype: np.dtype[Any]) -> Node | None:
    """A cast of a number to a floating dtype; casts to integers are left to the one table that says what they give."""
    if dtype.kind != "f" or isinstance(node.value, bool):
        return None
    with np.errstate(over="ignore"):
        return constant(float(dtype.type(node.value)), dtype)


def _exact(source: np.dtype[Any], result: np.dtype[Any]) -> bool:
    """Whether every value of `source` is a value of `result` (NumPy calls int64 to float64 safe; it is not exact)."""
    if source.kind in "iu" and result.kind == "f":
        return np.iinfo(source).bits <= np.finfo(result).nmant + 1
    return True


def _chosen(node: Elementwise) -> Node | None:
    """A choice that is known."""
    if node.operator != "select":
        return None
    condition = node.operands[0]
    while isinstance(condition, Broadcast):
        condition = condition.body
    if not isinstance(condition, Constant):
        return None
    chosen = node.operands[1] if condition.value else node.operands[2]
    return chosen if chosen.shape == node.shape and chosen.dtype == node.dtype else None


def _double_negation(node: Elementwise) -> Node | None:
    body = node.operands[0]
    if node.operator not in {"negative", "invert", "logical_not"} or not isinstance(body, Elementwise):
        return None
    inner = body.operands[0]
    return inner if body.operator == node.operator and inner.dtype == node.dtype else None


def _slices(node: Slice) -> Node | None:
    """A slice of a slice is one slice; any slice of a broadcast number is that number again."""
    body = node.body
    if isinstance(body, Slice):
        starts = [a + b * s for a, s, b in zip(body.starts, body.steps, node.starts, strict=True)]
        return slice_(body.body, starts, [a * b for a, b in zip(body.steps, node.steps, strict=True)], node.shape)
    if isinstance(body, Broadcast) and body.body.size == 1:
        return broadcast(reshape(body.body, ()), node.shape)
    return None


def _reshapes(node: Reshape) -> Node | None:
    body = node.body
    if isinstance(body, Reshape):
        return reshape(body.body, node.shape)
    if isinstance(body, Broadcast) and body.body.size == 1:
        return broadcast(reshape(body.body, ()), node.shape)
    return body if body.shape == node.shape else None


def _transposes(node: Transpose) -> Node | None:
    body = node.body
    if isinstance(body, Transpose):
        return transpose(body.body, [body.axes[a] for a in node.axes])
    moving = [a for a in node.axes if body.shape[a] != 1]
    return reshape(body, node.shape) if moving == sorted(moving) else None


def _broadcasts(node: Broadcast) -> Node | None:
    body = node.body
    if isinstance(body, Broadcast):
        return broadcast(body.body, node.shape)
    return body if body.shape == node.shape else None


_RULES: dict[type[Node], tuple[Rule, ...]] = {
    Elementwise: (_neutral, _casts, _chosen, _double_negation),
    Slice: (_slices,),
    Reshape: (_reshapes,),
    Transpose: (_transposes,),
    Broadcast: (_broadcasts,),
}


# -- facts about patterns ---------------------------------------------------------------------------------------------


def linear_weights(node: Node) -> tuple[int, Argument] | None:
    """A sum of products of a whole window and run-time weights of its shape, with nothing selected.

    Returns
    -------
    tuple of (int, Argument) or None
        The input number, and the weights.
    """
    node = _bare(node)
    if not isinstance(node, Reduce) or type(node) is not Reduce or node.operation != "add" or node.where is not None:
        return None
    if len(node.axes) != node.body.ndim or not isinstance(node.body, Elementwise) or node.body.operator != "multiply":
        return None
    a, b = (_bare(x) for x in node.body.operands)
    if isinstance(a, Argument):
        a, b = b, a
    if isinstance(a, Window) and isinstance(b, Argument) and a.shape == b.shape:
        return a.input, b
    return None


def _bare(node: Node) -> Node:
    """Without casts that keep every value, and changes of shape that keep the order."""
    while True:
        if isinstance(node, Reshape):
            node = node.body
        elif isinstance(node, Elementwise) and node.operator == "cast":
            inner = node.operands[0]
            if not (np.can_cast(inner.dtype, node.dtype, "safe") and _exact(inner.dtype, node.dtype)):
                return node
            node = inner
        else:
            return node


def always_valid(nodes: Sequence[Node]) -> set[int]:
    """Ids of nodes all elements of which are valid whichever samples are missing; children come before their parents.

    So is what has a number wherever a sample is missing: ``select(valid(x), x, 0)``.
    """
    found: set[int] = set()
    for node in nodes:
        if isinstance(node, Valid) or _keeps_valid(node, found):
            found.add(id(node))
    return found


def _keeps_valid(node: Node, known: set[int]) -> bool:
    if isinstance(node, Window | Column) or (isinstance(node, Reduce) and 0 in node.body.shape):
        return False
    if isinstance(node, Elementwise) and node.operator == "select":
        condition, yes, no = node.operands
        chosen = id(yes) in known or (yes.shape == condition.shape and _says_valid(condition, yes))
        return id(condition) in known and id(no) in known and chosen
    if isinstance(node, ArgReduce | Sort) or (
        isinstance(node, Reduce) and getattr(np, node.operation).identity is None
    ):
        return node.where is None and id(node.body) in known
    return all(id(child) in known for child in node.children)


def _says_valid(condition: Node, body: Node) -> bool:
    """Whether elements of `body` are valid where a condition is true."""
    if isinstance(condition, Valid):
        return condition.body is body
    if not isinstance(condition, Elementwise):
        return False
    operands = [o for o in condition.operands if o.shape == condition.shape]
    if condition.operator in {"logical_and", "bitwise_and"}:
        return any(_says_valid(o, body) for o in operands)
    if condition.operator != "select":
        return False
    what, yes, no = condition.operands
    return (
        isinstance(no, Constant) and not no.value and any(o in operands and _says_valid(o, body) for o in (what, yes))
    )


# -- validity written out ----------------------------------------------------------------------------------------------


def with_explicit_selections(outputs: Sequence[Node], *, missing: bool) -> tuple[Node, ...]:
    """The same results, where folds with an identity whose `where` exists elsewhere than their body say so themselves.

    Such a fold is valid where it used an element, or where something is known of `where` and nothing that it selects is
    missing. Where body and `where` exist at the same elements, as in ``np.sum(w[w > 3])``, that is: where one of them
    exists, which is all that a backend looks at. Without `missing` samples only a selection that is itself made with
    the result of another one, ``w[w > np.max(w[w < 3])]``, may not exist.
    """
    return rebuild(outputs, lambda node: _explicit(node, missing) if type(node) is Reduce else None)


def _explicit(node: Reduce, missing_samples: bool) -> Node | None:
    if node.where is None or 0 in node.body.shape:
        return None
    identity = getattr(np, node.operation).identity
    if identity is None or _flags_of(node.body, missing_samples) == _flags_of(node.where, missing_samples):
        return None
    exists, known = valid(node.body), valid(node.where)
    chosen = elementwise("select", BOOL, known, node.where, constant(False, BOOL))
    used = elementwise("logical_and", BOOL, chosen, exists)
    missing = elementwise("logical_and", BOOL, chosen, elementwise("logical_not", BOOL, exists))

    def some(flags: Node) -> Node:
        return reduce("logical_or", flags, node.axes)

    settled = elementwise("logical_and", BOOL, some(known), elementwise("logical_not", BOOL, some(missing)))
    holds = reshape(elementwise("logical_or", BOOL, some(used), settled), (*node.shape, 1))
    # A maximum over nothing is invalid, and so is what a choice depends on that is invalid.
    mark = reduce("maximum", holds, (len(node.shape),), holds)
    fold = reduce(node.operation, node.body, node.axes, used)
    value = elementwise("select", node.dtype, valid(fold), fold, constant(identity, node.dtype))
    return elementwise("select", node.dtype, mark, value, value)


def _flags_of(node: Node, missing: bool) -> frozenset[Any]:
    """Names of the flags whose conjunction a node has, element by element; equal names, equal flags."""
    if isinstance(node, Window):
        return frozenset({node.input} if missing else ())
    if isinstance(node, Valid):
        return frozenset()
    if isinstance(node, Elementwise) and node.operator != "select":
        parts = [_flags_of(o, missing) for o in node.operands]
        if all(o.shape == node.shape or not part for o, part in zip(node.operands, parts, strict=True)):
            return frozenset().union(*parts)
    if any((missing and isinstance(n, Window)) or getattr(n, "where", None) is not None for n in walk([node])):
        return frozenset({("node", id(node))})
    return frozenset()
