"""Whether an output can be invalid, decided from the arguments and never from data.

Each node is given two facts. `certain`: the elements that are valid at every output position, whatever the data. And
`atoms`: names of flag arrays, of the node's shape, whose conjunction is exactly the node's flags; two nodes that share
an atom share those flags. The second is needed where a condition selects: ``sum(w[w > 3])`` cannot be invalid, because
a sample that does not exist has a condition that is not known, whereas ``sum(w[mask])`` is invalid where the samples
that the mask selects do not exist.

The answer errs on the side of True, with one idiom taken on trust: a rank that is computed from the number of valid
elements (a median at the border) is taken to be below that number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelscape import expression as ex
from kernelscape.boundary import BoolArray
from kernelscape.expression import Node, Shape
from kernelscape.geometry import Job, window_offsets
from kernelscape.reference.interpreter import identity
from kernelscape.reference.samples import Samples, largest_window, may_miss_samples
from kernelscape.rewrite import always_valid

_NONE: frozenset[Hashable] = frozenset()


@dataclass(frozen=True, slots=True)
class _Facts:
    certain: BoolArray
    atoms: frozenset[Hashable]


def can_be_invalid(job: Job) -> bool:
    """Whether some output of the job may be invalid.

    Parameters
    ----------
    job : Job

    Returns
    -------
    bool
        False only if no data can make an output invalid: then integer results may stay integers.
    """
    if any(map(may_miss_samples, job.inputs)):
        windows = [_certain_samples(job, number) for number in range(len(job.inputs))]
    else:
        windows = [np.ones(math.prod(source.window_shape), np.bool_) for source in job.inputs]
    largest = largest_window(job)
    if largest is not None and windows[largest].sum() < job.min_count:
        return True
    known: dict[int, _Facts] = {}
    nodes = list(ex.walk(job.outputs))
    filled = always_valid(nodes)
    for node in nodes:
        children = [known[id(child)] for child in node.children]
        if isinstance(node, ex.Window):
            # Windows with samples at the same offsets have the same flags.
            atoms: frozenset[Hashable] = frozenset(
                {("window", node.shape, window_offsets(job.inputs[node.input]).tobytes())}
            )
            certain = windows[node.input].reshape(node.shape)
        elif id(node) in filled:
            certain, atoms = _leaf(node, children)
        else:
            certain, atoms = _RULES.get(type(node), _leaf)(node, children)
        known[id(node)] = _Facts(certain, _NONE if certain.all() else atoms)
    return not all(known[id(node)].certain.all() for node in job.outputs)


def _certain_samples(job: Job, number: int) -> BoolArray:
    """The samples of an input that are valid at every output position."""
    own = Samples.of(job, number)
    certain = own.always_present(job.inputs[number])
    for other, mine, theirs in own.partners:
        certain[mine] &= Samples.of(job, other).always_present(job.inputs[other])[theirs]
    return certain


def _opaque(node: Node) -> frozenset[Hashable]:
    """Flags of which nothing is known but whose they are."""
    return frozenset({("node", id(node))})


def _leaf(node: Any, children: list[_Facts]) -> tuple[BoolArray, frozenset[Hashable]]:
    return np.ones(node.shape, np.bool_), _NONE


def _elementwise(node: Any, children: list[_Facts]) -> tuple[BoolArray, frozenset[Hashable]]:
    certain = np.ones(node.shape, np.bool_)
    atoms: set[Hashable] = set()
    for operand, facts in zip(node.operands, children, strict=True):
        certain &= facts.certain
        atoms |= facts.atoms if operand.shape == node.shape else _moved("broadcast", operand.shape, node.shape, facts)
    return certain, _opaque(node) if node.operator == "select" else frozenset(atoms)


def _moved(how: Hashable, before: Shape, after: Shape, facts: _Facts) -> frozenset[Hashable]:
    return frozenset((how, before, after, atom) for atom in facts.atoms)


def _rearranged(rule: Callable[[Any, BoolArray], BoolArray]) -> Any:
    def facts_of(node: Any, children: list[_Facts]) -> tuple[BoolArray, frozenset[Hashable]]:
        how = "broadcast" if isinstance(node, ex.Broadcast) else (type(node).__name__, *node.facts())
        return rule(node, children[0].certain), _moved(how, node.body.shape, node.shape, children[0])

    return facts_of


def _reduce(node: Any, children: list[_Facts]) -> tuple[BoolArray, frozenset[Hashable]]:
    body, where = children[0], children[1] if node.where is not None else None
    empty = math.prod(node.body.shape[axis] for axis in node.axes) == 0
    with_identity = not isinstance(node, ex.ArgReduce) and identity(node.operation) is not None
    if where is None:
        certain = body.certain.any(node.axes) | (empty and with_identity)
    elif with_identity:
        # Nothing that is known to be selected can be missing, and of one element at least the condition is known.
        nothing_lost = body.certain.all(node.axes) | (body.atoms <= where.atoms)
        certain = nothing_lost & (where.certain.any(node.axes) | empty)
    else:
        certain = np.zeros(node.shape, np.bool_)
    return np.broadcast_to(np.asarray(certain), node.shape), _opaque(node)


def _sort(node: Any, children: list[_Facts]) -> tuple[BoolArray, frozenset[Hashable]]:
    if node.where is not None:
        return np.zeros(node.shape, np.bool_), _opaque(node)
    # Elements that exist come first, so that as many as always exist are always there.
    return np.flip(np.sort(children[0].certain, axis=node.axis), node.axis), _opaque(node)


def _runs(node: Any, children: list[_Facts]) -> tuple[BoolArray, frozenset[Hashable]]:
    certain = children[0].certain.all(-1)
    for count in children[1:]:
        certain = certain & count.certain
    return np.asarray(certain), _opaque(node)


def _scan(node: Any, children: list[_Facts]) -> tuple[BoolArray, frozenset[Hashable]]:
    return np.logical_and.accumulate(children[0].certain, axis=node.axis), _opaque(node)


def _take(node: Any, children: list[_Facts]) -> tuple[BoolArray, frozenset[Hashable]]:
    body, index = children
    lifted = np.broadcast_to(index.certain, node.shape)
    if _is_rank_of(node.index, node.body):
        return body.certain.any(node.axis) & lifted, _opaque(node)
    return body.certain.all(node.axis) & lifted, _opaque(node)


def _is_rank_of(index: Node, body: Node) -> bool:
    """Whether the index is computed from the number of valid elements of what was sorted."""
    return isinstance(body, ex.Sort) and any(isinstance(n, ex.Valid) and n.body is body.body for n in ex.walk([index]))


def _concatenate(node: Any, children: list[_Facts]) -> tuple[BoolArray, frozenset[Hashable]]:
    return np.concatenate([c.certain for c in children], node.axis), _opaque(node)


def _put(node: Any, children: list[_Facts]) -> tuple[BoolArray, frozenset[Hashable]]:
    certain = children[0].certain.copy()
    certain[_region(node, node.value.shape)] = children[1].certain
    return certain, _opaque(node)


def _region(node: Any, shape: Shape) -> tuple[Any, ...]:
    return np.ix_(*(a + s * np.arange(n) for a, s, n in zip(node.starts, node.steps, shape, strict=True)))


_RULES: Mapping[type[Node], Callable[[Any, list[_Facts]], tuple[BoolArray, frozenset[Hashable]]]] = {
    ex.Elementwise: _elementwise,
    ex.Reduce: _reduce,
    ex.ArgReduce: _reduce,
    ex.Sort: _sort,
    ex.Runs: _runs,
    ex.Scan: _scan,
    ex.Take: _take,
    ex.Slice: _rearranged(lambda node, array: array[_region(node, node.shape)]),
    ex.Reshape: _rearranged(lambda node, array: array.reshape(node.shape)),
    ex.Transpose: _rearranged(lambda node, array: array.transpose(node.axes)),
    ex.Broadcast: _rearranged(lambda node, array: np.broadcast_to(array, node.shape)),
    ex.Concatenate: _concatenate,
    ex.Put: _put,
}
