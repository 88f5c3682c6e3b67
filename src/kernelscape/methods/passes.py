"""Passes: a fold over a window is a fold along one axis of folds along the others, each made once for all windows.

A sum over k x k samples is k sums of columns; a column of k rows is some groups of rows and a rest, and a group is
shared by all windows that have it. So what a window costs grows with the square root of its sides, or less, where the
definition costs k^2. The idea behind it is old: separable windows, doubling, and the blocks of van Herk [1]_ and of Gil
and Werman [2]_. Groups are used instead of running sums because only samples of the window take part in a result: NaN
stays where it is, nothing drifts, and the order of a sum is a function of the window alone.

Sums of squared deviations (variances, covariances) are folds too, of a sum and of the squared deviations from its own
mean: groups are merged with the formula of Chan, Golub and LeVeque [3]_, in which nothing cancels (`moments.py`).

Rows of groups are *made rows* (`loops.RowInput`). Applies to folds over whole windows whose body looks at every sample
in the same way, where rows along x are read without stride and all samples exist. Exact for integers, extrema and
booleans; floating sums are made in another order, which rounds less than the order of the definition.

References
----------
.. [1] M. van Herk, "A fast algorithm for local minimum and maximum filters on rectangular and octagonal kernels",
   Pattern Recognition Letters 13, 1992, pp. 517-521.
.. [2] J. Gil and M. Werman, "Computing 2-D min, median, and max filters", IEEE Transactions on Pattern Analysis and
   Machine Intelligence 15, 1993, pp. 504-507.
.. [3] T. F. Chan, G. H. Golub and R. J. LeVeque, "Algorithms for computing the sample variance: analysis and
   recommendations", The American Statistician 37, 1983, pp. 242-247.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from kernelscape import expression as ex
from kernelscape.expression import DType, Node, Shape
from kernelscape.loops import Reading, X, Y
from kernelscape.methods.columns import in_window_shape, is_pointwise, without_choice
from kernelscape.methods.integers import narrowest, spread
from kernelscape.methods.moments import PIVOT, VALUES, Comoment, deviations
from kernelscape.semantics import OPERATORS

ASSOCIATIVE = ("add", "maximum", "minimum", "logical_or", "logical_and", "bitwise_or", "bitwise_and", "bitwise_xor")
"""Folds whose groups are folds."""
LEVEL = 2.0
"""What making a row of groups costs beside the additions, as so many of them."""
LARGEST_GROUP = 16
SMALLEST = 9
"""Samples of windows that may be worth more than one pass."""


@dataclass(frozen=True)
class Lattice:
    """The windows that are folded: extents and dilations along the window axes, and the part that each axis plays."""

    shape: Shape
    dilations: tuple[int, ...]
    roles: tuple[int, ...]

    @property
    def along(self) -> tuple[int, ...]:
        """The axes in the order in which they are folded: outer ones (together), y, x."""
        return (*(a for a, role in enumerate(self.roles) if role == Y), self.x)

    @property
    def x(self) -> int:
        """The axis of neighbours."""
        return self.roles.index(X)

    @property
    def outer(self) -> tuple[int, ...]:
        return tuple(a for a, role in enumerate(self.roles) if role not in (X, Y))


@dataclass(frozen=True)
class MadeRow:
    """A row that others read, or the kernel.

    Attributes
    ----------
    body : Node
        One sample; its windows are the `readings`, by place.
    readings : tuple of Reading
    taps : tuple of tuple of int, or None
        Where the kernel reads it, if it does: for each window axis the offsets, without dilation.
    combinations : bool
        Whether there is one for each combination of taps along the outer axes.
    reach : int
        Positions along x that it has beyond those of the outputs.
    places : tuple of tuple of int, or None
        Of the kernel's readings at a box of `taps` those that it takes, in window coordinates; None: all.
    """

    body: Node
    readings: tuple[Reading, ...]
    taps: tuple[tuple[int, ...], ...] | None
    combinations: bool
    reach: int
    places: tuple[tuple[int, ...], ...] | None = None


@dataclass(frozen=True)
class Passes:
    """Outputs in terms of made rows, which are numbered behind the inputs, and these."""

    outputs: tuple[Node, ...]
    rows: tuple[MadeRow, ...]


@dataclass(frozen=True)
class Part:
    """Elements of one level: `count` of them, one behind the other, each of `size` samples, the first at `start`."""

    level: int
    start: int
    count: int
    size: int


# -- groups ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def group_sizes(extent: int) -> tuple[int, ...]:
    """How many elements of one level a group of the next has, so that a fold of `extent` samples costs least."""
    best: tuple[float, tuple[int, ...]] = (extent, ())
    for first in range(2, min(LARGEST_GROUP, extent) + 1):
        for second in (0, *range(2, min(LARGEST_GROUP, extent // first) + 1)):
            sizes = (first, second) if second else (first,)
            best = min(best, (reads(extent, sizes), sizes))
    return best[1]


def reads(extent: int, sizes: Sequence[int]) -> float:
    """Elements that are read for one fold of `extent` samples, those of its groups included, and rows of these made."""
    return sum(sizes) + LEVEL * len(sizes) + sum(p.count for p in parts_of(extent, sizes))


def parts_of(extent: int, sizes: Sequence[int]) -> tuple[Part, ...]:
    """A fold of `extent` samples as elements of the levels, the largest ones first."""
    found, start = [], 0
    for level in range(len(sizes), -1, -1):
        size = math.prod(sizes[:level])
        count = (extent - start) // size
        if count:
            found.append(Part(level, start, count, size))
            start += count * size
    return tuple(found)


# -- what is folded ----------------------------------------------------------------------------------------------------

Values = dict[str, Node]
"""What a fold carries, by name: along one axis some elements of it, or their fold."""


@dataclass(frozen=True)
class Plain:
    """A fold of numbers."""

    operation: str
    dtype: DType
    spread: int = 0
    """For integers that were narrower: how large the magnitude of one of them may be."""

    def combined(self, parts: Sequence[tuple[Values, int]], axis: int, total: int) -> Values:
        """The fold along `axis` of some parts, each with the number of samples of its elements."""
        dtype = self.narrow(total)
        folds = [ex.reduce(self.operation, ex.cast(values["value"], dtype), (axis,)) for values, _ in parts]
        result = folds[0]
        for other in folds[1:]:
            result = ex.elementwise(self.operation, dtype, result, other)
        return {"value": result}

    def narrow(self, total: int) -> DType:
        """The narrowest dtype for a sum of so many samples."""
        if not self.spread:
            return self.dtype
        narrow = narrowest(total * self.spread, signed=self.dtype.kind == "i")
        return self.dtype if narrow is None or narrow.itemsize > self.dtype.itemsize else narrow

    @staticmethod
    def is_carried(name: str) -> bool:
        """Whether what has this name is made for groups."""
        return True

    def result(self, values: Values, like: Node) -> Node:
        return ex.cast(values["value"], like.dtype)


Quantity = Plain | Comoment


# -- rows --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RowSource:
    """Rows that can be read: an input or made rows; `wrap` is a function of their samples that costs little."""

    number: int
    dtype: DType
    combinations: bool
    wrap: Callable[[Node], Node] = field(default=lambda node: node, compare=False)


Sources = dict[str, RowSource]


def use_passes(outputs: Sequence[Node], lattice: Lattice, first: int) -> Passes | None:
    """Replaces folds by passes; None where there are none.

    `first` is the number of the first made row. The bodies of rows with that number and above are not known here, which
    is all the same to what reads them.
    """
    if math.prod(lattice.shape) < SMALLEST:
        return None
    writer, outputs = _Writer(lattice, first), tuple(outputs)
    # Deviations first, since they are known by the means in them, which are folds, too.
    for kind in (Comoment, Plain):

        def rule(node: Node, kind: type[Quantity] = kind) -> Node | None:
            found = quantity_of(node, lattice.shape)
            if found is None or not isinstance(found[0], kind):
                return None
            return writer.folded(node, *found)

        outputs = ex.rebuild(outputs, rule)
    return Passes(outputs, tuple(writer.finished())) if writer.rows else None


def quantity_of(node: Node, shape: Shape) -> tuple[Quantity, Values] | None:
    """What a node folds over whole windows, and its elements; None where it is no such fold."""
    if not isinstance(node, ex.Reduce) or isinstance(node, ex.ArgReduce):
        return None
    node = without_choice(node, shape)
    if node.where is not None or node.operation not in ASSOCIATIVE:
        return None
    pair = deviations(node, shape)
    if pair is not None and all(is_pointwise(p, shape) for p in pair):
        same = ex.structure([pair[0]]) == ex.structure([pair[1]])
        values = pair[:1] if same else pair
        return Comoment(node.dtype), {PIVOT + name: value for name, value in zip(VALUES, values, strict=False)}
    body = in_window_shape(node, shape)
    if body is None or not is_pointwise(body, shape):
        return None
    inner, spread = _narrowed(body) if node.operation == "add" else (body, 0)
    return Plain(node.operation, node.dtype, spread), {"value": inner}


def _narrowed(body: Node) -> tuple[Node, int]:
    """Integers that were widened for a sum, before that, and how large their magnitude may be."""
    if not isinstance(body, ex.Elementwise) or body.operator != "cast" or body.dtype.kind not in "iu":
        return body, 0
    inner = body.operands[0]
    if inner.dtype.kind == "b":
        return ex.cast(inner, np.dtype(np.uint8)), 1
    narrow: bool = inner.dtype.kind in "iu" and inner.dtype.itemsize < body.dtype.itemsize
    if not narrow or (inner.dtype.kind == "i" and body.dtype.kind == "u"):
        return body, 0
    return inner, spread(inner.dtype)


class RowWriter:
    """Collects made rows; equal ones are made once."""

    def __init__(self, lattice: Lattice, first: int) -> None:
        self.lattice, self.first = lattice, first
        self.rows: list[MadeRow] = []
        self._known: dict[Any, int] = {}
        self.unit = (1,) * len(lattice.shape)

    def finished(self) -> list[MadeRow]:
        """The rows, each as long as those that read it need it."""
        x = self.lattice.x
        unit = self.lattice.dilations[x]
        reach = [0 if row.taps is None else max(row.taps[x]) * unit for row in self.rows]
        for place in range(len(self.rows) - 1, -1, -1):
            for reading in self.rows[place].readings:
                source = reading.number - self.first
                if source >= 0:
                    reach[source] = max(reach[source], reach[place] + max(reading.x_taps))
        return [replace(row, reach=length) for row, length in zip(self.rows, reach, strict=True)]

    def base(self, body: Node) -> RowSource:
        """Rows of the body of a fold; what is more than a conversion is made once per sample."""
        if isinstance(body, ex.Window):
            return RowSource(body.input, body.dtype, combinations=True)
        inner = body.operands[0] if isinstance(body, ex.Elementwise) and body.operator == "cast" else None
        if isinstance(inner, ex.Window) and OPERATORS["cast"].cost <= 1:
            dtype = body.dtype
            return RowSource(inner.input, inner.dtype, combinations=True, wrap=lambda node: ex.cast(node, dtype))
        numbers = sorted({n.input for n in ex.walk([body]) if isinstance(n, ex.Window)})
        place = {n: i for i, n in enumerate(numbers)}
        one = self._of_one_sample(body, place)
        return self.row(one, tuple(Reading(n) for n in numbers), combinations=True)

    def _of_one_sample(self, node: Node, place: dict[int, int]) -> Node:
        if isinstance(node, ex.Window):
            return ex.Window(self.unit, node.dtype, place[node.input])
        if not node.shape:
            return node
        if isinstance(node, ex.Broadcast):
            return ex.broadcast(node.body, self.unit)
        assert isinstance(node, ex.Elementwise)
        return ex.elementwise(node.operator, node.dtype, *(self._of_one_sample(o, place) for o in node.operands))

    def window(self, source: RowSource, shape: Shape, place: int) -> Node:
        return source.wrap(ex.Window(shape, source.dtype, place))

    def row(
        self,
        body: Node,
        readings: tuple[Reading, ...],
        *,
        combinations: bool,
    ) -> RowSource:
        """The number of a row that is made so; equal ones are one."""
        body = ex.reshape(body, ()) if body.shape else body
        key = (ex.structure([body]), readings, combinations)
        if key not in self._known:
            self._known[key] = self.first + len(self.rows)
            self.rows.append(MadeRow(body, readings, None, combinations, 0))
        return RowSource(self._known[key], body.dtype, combinations)


class _Writer(RowWriter):
    """Writes folds as passes."""

    def folded(self, node: Node, quantity: Quantity, elements: Values) -> Node:
        """A fold over windows as an expression of what the kernel reads."""
        lattice = self.lattice
        sources = {name: self.base(body) for name, body in elements.items()}
        samples = math.prod(lattice.shape[a] for a in lattice.outer)
        if samples > 1:
            sources = self._across(quantity, sources, samples)
        *others, x = lattice.along
        for axis in others:
            if lattice.shape[axis] > 1:
                sources = self._along(quantity, sources, axis, samples)
                samples *= lattice.shape[axis]
        return quantity.result(self._in_kernel(quantity, sources, x, samples), node)

    # -- levels --------------------------------------------------------------------------------------------------------

    def _across(self, quantity: Quantity, sources: Sources, samples: int) -> Sources:
        """All outer axes at once: of each sample of a row, those of all slabs that a window has."""
        shape = tuple(n if a in self.lattice.outer else 1 for a, n in enumerate(self.lattice.shape))
        names = list(sources)
        windows = {n: self.window(s, shape, place) for place, (n, s) in enumerate(sources.items())}
        flat = {n: ex.reshape(w, (samples,)) for n, w in windows.items()}
        made = quantity.combined([(flat, 1)], 0, samples)
        readings = tuple(Reading(sources[n].number, across=True) for n in names)
        rows = {name: self.row(body, readings, combinations=False) for name, body in made.items()}
        return rows | _samples_of(quantity, sources)

    def _along(self, quantity: Quantity, sources: Sources, axis: int, samples: int) -> Sources:
        """Folds along one axis, made for every position of a row."""
        extent = self.lattice.shape[axis]
        sizes = group_sizes(extent)
        levels = self._levels(quantity, sources, axis, sizes, samples)
        return self._combined(quantity, levels, axis, parts_of(extent, sizes), samples)

    def _levels(
        self, quantity: Quantity, sources: Sources, axis: int, sizes: Sequence[int], samples: int
    ) -> list[Sources]:
        """The rows of all levels of groups, the samples themselves first."""
        levels = [sources]
        for level, size in enumerate(sizes):
            group = (Part(level, 0, size, math.prod(sizes[:level])),)
            levels.append(self._combined(quantity, levels, axis, group, samples))
        return levels

    def _combined(
        self, quantity: Quantity, levels: Sequence[Sources], axis: int, parts: Sequence[Part], samples: int
    ) -> Sources:
        readings: list[Reading] = []
        windows: list[tuple[Values, int]] = []
        for part in parts:
            taps = tuple(self.lattice.dilations[axis] * (part.start + part.size * i) for i in range(part.count))
            shape = tuple(part.count if a == axis else 1 for a in range(len(self.unit)))
            found: Values = {}
            for name, source in levels[part.level].items():
                found[name] = ex.reshape(self.window(source, shape, len(readings)), (part.count,))
                y_taps, x_taps = ((0,), taps) if axis == self.lattice.x else (taps, (0,))
                readings.append(Reading(source.number, y_taps, x_taps))
            windows.append((found, part.size * samples))
        total = samples * sum(p.size * p.count for p in parts)
        made = quantity.combined(windows, 0, total)
        carried = [s for name, s in levels[-1].items() if quantity.is_carried(name)]
        kept = all(s.combinations for s in carried or levels[0].values())
        rows = {name: self.row(body, tuple(readings), combinations=kept) for name, body in made.items()}
        return rows | _samples_of(quantity, levels[0])

    def _in_kernel(self, quantity: Quantity, sources: Sources, x: int, samples: int) -> Values:
        """The last fold, along x, of what the kernel reads."""
        extent = self.lattice.shape[x]
        sizes = group_sizes(extent)
        levels = self._levels(quantity, sources, x, sizes, samples)
        windows: list[tuple[Values, int]] = []
        for part in parts_of(extent, sizes):
            taps = tuple(part.start + part.size * i for i in range(part.count))
            found = {name: self._seen(source, x, taps) for name, source in levels[part.level].items()}
            windows.append((found, part.size * samples))
        return quantity.combined(windows, 0, samples * extent)

    # -- reading -----------------------------------------------------------------------------------------------------

    def _seen(self, source: RowSource, x: int, taps: tuple[int, ...]) -> Node:
        """Elements of rows that the kernel reads, as a line."""
        place = source.number - self.first
        if place < 0:
            whole = ex.Window(self.lattice.shape, source.dtype, source.number)
            starts = tuple(taps[0] if a == x else 0 for a in range(len(self.unit)))
            shape = tuple(len(taps) if a == x else 1 for a in range(len(self.unit)))
            step = taps[1] - taps[0] if len(taps) > 1 else 1
            steps = tuple(step if a == x else 1 for a in range(len(self.unit)))
            return source.wrap(ex.reshape(ex.slice_(whole, starts, steps, shape), (len(taps),)))
        offsets = tuple(taps if a == x else (0,) for a in range(len(self.unit)))
        if self.rows[place].taps not in (None, offsets):
            # The kernel reads a row in one way; for another one it is made again.
            self.rows.append(self.rows[place])
            place = len(self.rows) - 1
        self.rows[place] = replace(self.rows[place], taps=offsets)
        return ex.reshape(ex.Window(tuple(map(len, offsets)), source.dtype, self.first + place), (len(taps),))


def _samples_of(quantity: Quantity, sources: Sources) -> Sources:
    """What groups are known by that is a sample of theirs: their first one, so that it lies where they do."""
    return {name: source for name, source in sources.items() if not quantity.is_carried(name)}
