"""Gaps: where data says which samples count, what a function does with that is written out.

Flags are an implicit second value of every element. Here they become values like others, and a fold goes over samples
among which those that do not count are replaced by the value that changes nothing: 0 in a sum, infinity in a minimum.
That is done once for each sample, in *made rows*, and not by every window that has it; so what is left is a function
without flags, and all that makes such functions fast applies (shared columns, tiles of rows, pruned networks).

A fold whose body is not the same function of the samples at all taps (weights, deviations from a mean) selects what
counts tap by tap. A result is marked as invalid at the end, by its flag.

Applies where all windows have the same samples around the anchor; elsewhere flags stay implicit. Exact: sums have the
order that they have without gaps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kernelscape import expression as ex
from kernelscape.expression import BOOL, Node, Shape
from kernelscape.geometry import Input, Job
from kernelscape.methods.columns import is_pointwise, unflattened
from kernelscape.methods.ranks import Place, Ranked, applies, marked, places, ranked
from kernelscape.reductions import FOLDS
from kernelscape.reductions.folds import both, choose, highest, number
from kernelscape.rewrite import always_valid


@dataclass(frozen=True)
class Filled:
    """Outputs without implicit flags but for a mark on what is invalid.

    Attributes
    ----------
    outputs : tuple of Node
        Besides the windows of the job's inputs they have those of made rows, numbered behind the inputs.
    bodies : tuple of Node
        How a sample of a made row is computed from the samples of inputs at the same place, which are windows of one
        sample.
    like : int
        The input whose windows all these have.
    """

    outputs: tuple[Node, ...]
    bodies: tuple[Node, ...]
    like: int


def fill_gaps(outputs: Sequence[Node], job: Job, x: int | None) -> Filled | None:
    """Writes out which samples count; None where that is not one question for all windows.

    `x` is the window axis along which windows are neighbours, if it is one of them.
    """
    nodes = list(ex.walk(outputs))
    windowed = sorted({n.input for n in nodes if isinstance(n, ex.Window)})
    if not windowed:
        return None
    geometry = {_geometry(job.inputs[n]) for n in windowed}
    if len(geometry) != 1 or any(job.inputs[n].elements for n in windowed):
        return None
    return _Writer(job, windowed[0], job.inputs[windowed[0]].window_shape, x).filled(outputs)


def geometry_of(job: Job, like: int) -> tuple[int, ...]:
    """The inputs whose windows have the samples that those of one have."""
    same = _geometry(job.inputs[like])
    return tuple(n for n, i in enumerate(job.inputs) if _geometry(i) == same and not i.elements and i.cells is None)


def _geometry(spec: Input) -> Any:
    return tuple((a.size, a.dilation, a.centre) for a in spec.axes), spec.taps


BYTE = np.dtype(np.uint8)
Explicit = tuple[Node, Node | None]
"""A value without flags, and its flags as a value; None: all are set."""


class _Writer:
    """Rewrites the expressions of one job, and collects the bodies of made rows."""

    def __init__(self, job: Job, like: int, shape: Shape, x: int | None) -> None:
        self.job, self.like, self.shape, self.x = job, like, shape, x
        self.first, self.unit = len(job.inputs), (1,) * len(job.grid)
        self.bodies: list[Node] = []
        self._known: dict[Any, Node] = {}
        self._sorted: dict[int, Explicit] = {}
        self._ranked: dict[int, Ranked] = {}
        self._places: dict[int, Place] = {}
        one = ex.Window(self.unit, job.inputs[like].dtype, like)
        self.flags = self._made(ex.valid(one))
        self.some = self._at_least(1)
        self._rules: dict[type[Node], Callable[[Any, list[Explicit]], Explicit]] = {
            ex.Window: lambda node, _: (node, self.flags),
            ex.Elementwise: self._elementwise,
            ex.Reduce: self._reduce,
            ex.ArgReduce: self._arg_reduce,
            ex.Sort: self._sort,
            ex.Runs: self._runs,
            ex.Take: self._take,
            ex.Valid: self._valid,
            ex.Put: self._parts,
            ex.Concatenate: self._parts,
        }

    def filled(self, outputs: Sequence[Node]) -> Filled:
        known: dict[int, Explicit] = {}
        self._places = places(outputs)
        certain = always_valid(list(ex.walk(outputs)))
        for node in ex.walk(outputs):
            children = [known[id(c)] for c in node.children]
            value, flags = self._rules.get(type(node), self._moved)(node, children)
            known[id(node)] = value, None if id(node) in certain else flags
        least = self.job.min_count
        enough = None if least < 1 else self.some if least == 1 else self._at_least(least)
        settled = (known[id(n)] for n in outputs)
        return self._without_unused(tuple(marked(v, _both(_lifted(enough, v), f)) for v, f in settled))

    def _without_unused(self, outputs: tuple[Node, ...]) -> Filled:
        """Only the rows that are read are made."""
        read = {n.input for n in ex.walk(outputs) if isinstance(n, ex.Window) and n.input >= self.first}
        new = {old: self.first + place for place, old in enumerate(sorted(read))}

        def renumbered(node: Node) -> Node | None:
            return (
                ex.Window(node.shape, node.dtype, new[node.input])
                if (isinstance(node, ex.Window) and node.input in new)
                else None
            )

        bodies = tuple(self.bodies[old - self.first] for old in new)
        return Filled(ex.rebuild(outputs, renumbered), bodies, self.like)

    # -- made rows ---------------------------------------------------------------------------------------------------

    def _made(self, body: Node) -> Node:
        """The window of a made row of this body, whose windows are of one sample."""
        key = ex.structure([body])
        if key not in self._known:
            self._known[key] = ex.Window(self.shape, body.dtype, self.first + len(self.bodies))
            self.bodies.append(body)
        return self._known[key]

    def _row(self, node: Node) -> Node | None:
        """A pointwise function of whole windows as the window of a made row."""
        body = unflattened(node, self.shape)
        if body is None or not is_pointwise(body, self.shape):
            return None
        return body if isinstance(body, ex.Window) else self._made(self._of_one_sample(body))

    def _of_one_sample(self, node: Node) -> Node:
        if isinstance(node, ex.Window):
            made = node.input - self.first
            return self.bodies[made] if made >= 0 else ex.Window(self.unit, node.dtype, node.input)
        if not node.shape:
            return node
        if isinstance(node, ex.Broadcast):
            return ex.broadcast(node.body, self.unit)
        assert isinstance(node, ex.Elementwise)
        return ex.elementwise(node.operator, node.dtype, *map(self._of_one_sample, node.operands))

    def _at_least(self, least: int) -> Node:
        """Whether so many samples of the window count."""
        counted = self._count(self.flags, range(len(self.shape)))
        return ex.elementwise("greater_equal", BOOL, counted, number(least, counted.dtype))

    def _count(self, flags: Node, axes: Sequence[int] | range) -> Node:
        """How many of some flags are set, in the narrowest dtype that holds it."""
        taps = math.prod(flags.shape[a] for a in axes)
        narrow = next(d for d in map(np.dtype, ("uint8", "uint16", "int32")) if taps <= np.iinfo(d).max)
        ones = ex.cast(flags, narrow)
        row = self._row(ones) if tuple(axes) == tuple(range(flags.ndim)) else None
        return ex.reduce("add", ones, axes) if row is None else ex.reduce("add", row, range(row.ndim))

    # -- nodes -------------------------------------------------------------------------------------------------------

    def _elementwise(self, node: ex.Elementwise, children: list[Explicit]) -> Explicit:
        made = node.with_children([v for v, _ in children])
        if node.operator == "select":
            condition, *branches = children
            flags = [f for _, f in branches]
            chosen = None
            if any(f is not None for f in flags):
                all_set = number(True, BOOL)
                yes, no = (all_set if f is None else f for f in flags)
                chosen = ex.elementwise("select", BOOL, condition[0], yes, no)
            return made, _both(condition[1], chosen)
        joint: Node | None = None
        for _, flag in children:
            joint = _both(joint, flag)
        return made, joint

    def _reduce(self, node: ex.Reduce, children: list[Explicit]) -> Explicit:
        (value, exists), counts = children[0], self._counts(node, children)
        fold = FOLDS[node.operation]
        if counts is None:
            return self._total(node, value), None
        # As in NumPy, a sum over nothing that is selected is +0.
        identity = 0.0 if node.where is not None and node.operation == "add" else fold.identity(node.dtype)
        filled = choose(_lifted(counts, value), value, number(identity, value.dtype))
        whole = node.axes == tuple(range(node.body.ndim))
        if whole and node.operation == "logical_or" and (row := self._row(ex.cast(filled, BYTE))) is not None:
            # Bytes are combined as they lie in memory; truth values are made of them first.
            largest = ex.reduce("maximum", row, range(row.ndim))
            return ex.cast(largest, BOOL), self._any(exists, value.shape, node.axes)
        row = self._row(filled) if whole else None
        if row is not None:
            result = ex.reduce(node.operation, row, range(row.ndim))
        elif not fold.empty_is_identity or (node.where is None and node.operation == "add"):
            # A fold over nothing would have a flag that is not written out.
            result = ex.reduce(node.operation, filled, node.axes)
        else:
            result = ex.reduce(node.operation, value, node.axes, counts)
        return result, self._any(exists if fold.empty_is_identity else counts, value.shape, node.axes)

    def _total(self, node: ex.Reduce, value: Node) -> Node:
        """A fold of what all counts; numbers of flags are counted in few bits."""
        flags = value.operands[0] if isinstance(value, ex.Elementwise) and value.operator == "cast" else value
        if node.operation == "add" and flags.dtype == BOOL and value.dtype.kind in "iu":
            return ex.cast(self._count(ex.broadcast(flags, value.shape), node.axes), value.dtype)
        row = self._row(value) if node.axes == tuple(range(value.ndim)) else None
        return (
            ex.reduce(node.operation, value, node.axes)
            if row is None
            else ex.reduce(node.operation, row, range(row.ndim))
        )

    def _arg_reduce(self, node: ex.ArgReduce, children: list[Explicit]) -> Explicit:
        made = ex.arg_reduce(node.operation, children[0][0], node.axes, self._counts(node, children))
        return made, ex.valid(made)

    def _counts(self, node: Any, children: list[Explicit]) -> Node | None:
        """Which elements a fold uses."""
        counts = children[0][1]
        for part in children[1] if len(children) > 1 else ():
            counts = _both(counts, part)
        return None if counts is None else _lifted(counts, node.body)

    def _any(self, flags: Node | None, shape: Shape, axes: tuple[int, ...]) -> Node | None:
        if flags is None:
            return None
        whole = len(axes) == len(shape) and math.prod(shape) == math.prod(self.shape)
        if whole and unflattened(flags, self.shape) is self.flags:
            return self.some
        full = ex.broadcast(flags, shape) if flags.shape != shape else flags
        row = self._row(full) if len(axes) == len(shape) else None
        if row is not None:
            return ex.reduce("logical_or", row, range(row.ndim))
        return ex.reduce("logical_or", full, axes)

    def _sort(self, node: ex.Sort, children: list[Explicit]) -> Explicit:
        """What does not count is last: among NaN, which are last too, or the highest value."""
        (value, _), counts = children[0], self._counts(node, children)
        self._sorted[id(node)] = value, counts
        if counts is None:
            return node.with_children([value]), None
        last = math.nan if node.dtype.kind == "f" and not node.numbers else highest(node.dtype)
        made = ex.sort(choose(counts, value, number(last, value.dtype)), node.axis, numbers=node.numbers)
        counted = self._counted(node, counts)
        wide = ex.reshape(counted, (*counted.shape[: node.axis], 1, *counted.shape[node.axis :]))
        ones = ex.broadcast(number(1, counted.dtype), node.shape)
        return made, ex.elementwise("greater_equal", BOOL, wide, ex.scan("add", ones, node.axis))

    def _counted(self, node: ex.Sort, counts: Node) -> Node:
        """How many elements of a Sort count."""
        if node.ndim == 1 and unflattened(counts, self.shape) is self.flags:
            return self._count(self.flags, range(len(self.shape)))
        return self._count(counts, (node.axis,))

    def _of_sorted(self, node: ex.Take, children: list[Explicit]) -> Explicit:
        """An element of a computed rank."""
        sort, (made, _), (index, known) = node.body, *children
        assert isinstance(sort, ex.Sort)
        value, counts = self._sorted[id(sort)]
        if counts is None:
            return node.with_children([made, index]), known
        if applies(sort):
            if id(sort) not in self._ranked:
                window = None if self.x is None else self.shape
                counted = self._counted(sort, counts)
                self._ranked[id(sort)] = ranked(sort, value, counts, counted, window, self.x or 0, self._row)
            found = self._ranked[id(sort)]
            return found.at(index, self._places[id(node)]), _both(found.some, known)
        last = number(sort.shape[sort.axis] - 1, index.dtype)
        least = ex.elementwise("maximum", index.dtype, index, number(0, index.dtype))
        place = ex.elementwise("minimum", index.dtype, least, last)
        there = ex.elementwise("less", BOOL, place, ex.cast(self._counted(sort, counts), index.dtype))
        return node.with_children([made, index]), _both(there, known)

    def _take(self, node: ex.Take, children: list[Explicit]) -> Explicit:
        if isinstance(node.body, ex.Sort) and node.axis == node.body.axis:
            return self._of_sorted(node, children)
        (value, flags), (index, known) = children
        made = node.with_children([value, index])
        if flags is not None:
            flags = ex.take(_lifted(flags, value), node.axis, index)
        return made, _both(flags, None if known is None else ex.broadcast(known, made.shape))

    def _runs(self, node: ex.Runs, children: list[Explicit]) -> Explicit:
        flags: Node | None = None
        for (_, own), part in zip(children, node.children, strict=True):
            if own is not None:
                whole = own if part is not node.body else ex.reduce("logical_and", _lifted(own, part), (part.ndim - 1,))
                flags = _both(flags, _lifted(whole, node))
        return node.with_children([value for value, _ in children]), flags

    def _valid(self, node: ex.Valid, children: list[Explicit]) -> Explicit:
        flags = children[0][1]
        return (ex.broadcast(number(True, BOOL), node.shape) if flags is None else _lifted(flags, node)), None

    def _parts(self, node: Any, children: list[Explicit]) -> Explicit:
        """Several arrays laid out in one, and their flags in the same way."""
        made = node.with_children([v for v, _ in children])
        if all(f is None for _, f in children):
            return made, None
        every = [ex.broadcast(number(True, BOOL), v.shape) if f is None else _lifted(f, v) for v, f in children]
        return made, _as_bool(node.with_children(every))

    def _moved(self, node: Any, children: list[Explicit]) -> Explicit:
        """An array in another shape, and its flags in the same; leaves have none."""
        if not children:
            return node, None
        ((value, flags),) = children
        made = node.with_children([value])
        return made, None if flags is None else _as_bool(node.with_children([_lifted(flags, value)]))


def _lifted(flags: Node | None, like: Node) -> Any:
    """Flags in the shape of what they belong to."""
    return flags if flags is None or flags.shape == like.shape else ex.broadcast(flags, like.shape)


def _both(a: Node | None, b: Node | None) -> Node | None:
    return a if a is b else both(a, b)


def _as_bool(node: Node) -> Node:
    return replace(node, dtype=BOOL)


__all__ = ["Filled", "fill_gaps", "geometry_of"]
