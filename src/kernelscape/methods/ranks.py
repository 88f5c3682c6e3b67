"""Ranks among samples of which some do not count: fill those so that the network of all samples finds the rank.

A selection network wants a rank that is known beforehand. The rank of a median moves with the number n of samples that
count, but it need not: of the others as many are replaced by the lowest value there is as the rank would have moved
down, and the rest by the highest. With low(n) the rank among n samples and N samples in all, low(N) - low(n) of them
are low, and the wanted sample has rank low(N) whatever n is. Which of them are low does not matter.

*One line.* Those that do not count are numbered from the first to the last, and are low while the number is at most
low(N) - low(n).

*Columns.* Neighbouring windows share sorted columns, so what is filled in a column must not depend on the window. Of
each column a fixed part, the rank's share of those that do not count, is low. What the window lacks then is at most one
for each column that has any: such a column is moved up by one, its highest sample, which stands for nothing, leaves it,
and a lowest one comes in below. It is still sorted.

Exact. Applies to ranks that move by at most one for every sample that counts, which is a fact of a Sort (`climb`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

import numpy as np

from kernelscape import expression as ex
from kernelscape.expression import BOOL, DType, Node
from kernelscape.methods.columns import is_pointwise, unflattened
from kernelscape.reductions.folds import binary, choose, compare, counting, highest, lowest, negated, number

MakeRow = Callable[[Node], "Node | None"]
"""The window of a row that is made of samples, of an expression of windows; None where it is none of single samples."""

LARGEST = 121
"""Samples up to which ranks are found by a network."""
COUNTER = np.dtype(np.uint8)
"""In which samples are counted."""
SMALLEST_SIDE = 4
"""Extent of a window from which on its columns are sorted first."""


class Place(Enum):
    """Which of the two ranks that are looked at an index is."""

    EITHER = auto()
    LOWER = auto()
    UPPER = auto()


@dataclass(frozen=True)
class Ranked:
    """What is known of the elements that are looked at in a Sort.

    Attributes
    ----------
    low : Node
        The rank of the lower one.
    lower, upper : Node
        It, and the one behind it; anything where there is none.
    some : Node
        Whether any element counts.
    """

    low: Node
    lower: Node
    upper: Node
    some: Node

    def at(self, index: Node, place: Place) -> Node:
        """The element of a rank that is one of the two."""
        if place is not Place.EITHER:
            return self.lower if place is Place.LOWER else self.upper
        rank = ex.cast(self.low, index.dtype)
        return choose(compare("greater", index, rank), self.upper, self.lower)


def fill_ranks(
    outputs: Sequence[Node], *, missing: bool, window: ex.Shape | None = None, x: int = 0
) -> tuple[Node, ...]:
    """The same results, where ranks among elements that count are ranks of all elements.

    `missing`: samples may have flags that are not set. Where they have none, `window` is the shape of whole windows
    that are neighbours along axis `x`, and columns are found first.
    """
    roles = places(outputs)
    new: dict[int, Node] = {}
    known: dict[int, Ranked | None] = {}
    for node in ex.walk(outputs):
        children = [new[id(child)] for child in node.children]
        same = all(a is b for a, b in zip(children, node.children, strict=True))
        new[id(node)] = node if same else node.with_children(children)
        place = roles.get(id(node))
        if place is None:
            continue
        sort, index = children
        if id(sort) not in known:
            known[id(sort)] = _ranked_implicitly(sort, missing, window, x)
        found = known[id(sort)]
        if found is not None:
            new[id(node)] = marked(found.at(index, place), found.some)
    return tuple(new[id(root)] for root in outputs)


def _ranked_implicitly(node: Node, missing: bool, window: ex.Shape | None, x: int) -> Ranked | None:
    """As `ranked`, of a Sort whose elements may have flags; None where all of them count."""
    assert isinstance(node, ex.Sort)
    # What selects may itself be made with a selection that is empty, and then nothing is known of it.
    parts = () if node.where is None else ex.walk([node.where])
    flagged = missing or any(getattr(part, "where", None) is not None for part in parts)
    counts = counting(node.body, node.where, flagged)
    if counts is None:
        return None
    every = ex.broadcast(counts, node.shape)
    counted = ex.reduce("add", ex.cast(every, COUNTER), (node.axis,))
    return ranked(node, node.body, every, counted, None if flagged else window, x)


def places(outputs: Sequence[Node]) -> dict[int, Place]:
    """For each element that is taken from a sort, by id, which it is; where both I and I + 1 are taken it is known."""
    takes: dict[int, list[ex.Take]] = {}
    for node in ex.walk(outputs):
        if isinstance(node, ex.Take) and applies(node.body) and node.axis == getattr(node.body, "axis", None):
            takes.setdefault(id(node.body), []).append(node)
    found: dict[int, Place] = {}
    for group in takes.values():
        below = {id(take.index): ex.one_less(take.index) for take in group}
        lowest_of_all = {id(index) for index in below.values() if index is not None and id(index) in below}
        for take in group:
            before = below[id(take.index)]
            if id(take.index) in lowest_of_all:
                found[id(take)] = Place.LOWER
            elif before is not None and id(before) in lowest_of_all:
                found[id(take)] = Place.UPPER
            else:
                found[id(take)] = Place.EITHER
    return found


def marked(value: Node, flags: Node | None) -> Node:
    """A value that is invalid where its flags are not set: a maximum over nothing is."""
    if flags is None:
        return value
    line = ex.reshape(flags, (*flags.shape, 1))
    mark = ex.reduce("maximum", line, (flags.ndim,), line)
    return choose(mark, value, value)


def applies(node: Node) -> bool:
    """Whether a node is a sort of which two neighbouring ranks of few samples are wanted."""
    return isinstance(node, ex.Sort) and node.climb is not None and 0 < node.shape[node.axis] <= LARGEST


def ranked(
    node: ex.Sort,
    value: Node,
    counts: Node,
    counted: Node,
    window: ex.Shape | None = None,
    x: int = 0,
    row: MakeRow | None = None,
) -> Ranked:
    """The elements that are looked at in `node`, a Sort of `value` among the elements that count.

    They are `counted`, as uint8. Nothing of this has flags. With `window` it is all a function of a whole window of
    this shape, flattened; `x` is its axis along which windows share columns. `row` makes rows of what is the same
    function of a sample for all windows.
    """
    extent = node.shape[node.axis]
    climb = node.climb or 0
    total = binary("subtract", number(extent, counted.dtype), counted)
    lacking = _lacking(total, climb, extent)
    ordered = None if window is None else _by_columns(node, value, counts, lacking, window, x, row)
    if ordered is None:
        ordered = _in_line(node, _samples(value, counts, row), lacking)
    full = climb.bit_count()
    lower = ex.pick(ordered, node.axis, full)
    upper = ex.pick(ordered, node.axis, min(full + 1, extent - 1))
    low = binary("subtract", number(full, lacking.dtype), lacking)
    return Ranked(low, lower, upper, compare("greater", counted, number(0, counted.dtype)))


@dataclass(frozen=True)
class _Samples:
    """What is known of each sample, as arrays of one shape.

    Attributes
    ----------
    absent : Node
        1 where it does not count, as unsigned integer.
    high : Node
        It, and the highest value where it does not count.
    """

    absent: Node
    high: Node

    def numbers(self, axis: int) -> Node:
        """How many do not count, up to and with each sample along an axis."""
        return ex.scan("add", self.absent, axis)

    def among_absent(self, chosen: Node) -> Node:
        absent = compare("not_equal", self.absent, number(0, self.absent.dtype))
        return ex.elementwise("logical_and", BOOL, absent, chosen)

    def filled(self, low: Node) -> Node:
        return choose(low, number(lowest(self.high.dtype), self.high.dtype), self.high)


def _samples(value: Node, counts: Node, row: MakeRow | None) -> _Samples:
    def made(node: Node) -> Node:
        found = None if row is None else row(node)
        return node if found is None else ex.reshape(found, node.shape)

    high = choose(counts, value, number(highest(value.dtype), value.dtype))
    return _Samples(made(ex.cast(negated(counts), COUNTER)), made(high))


def _in_line(node: ex.Sort, samples: _Samples, lacking: Node) -> Node:
    """All elements sorted; any axes, any number of elements."""
    axis = node.axis
    wide = ex.reshape(lacking, (*lacking.shape[:axis], 1, *lacking.shape[axis:]))
    low = samples.among_absent(compare("less_equal", samples.numbers(axis), wide))
    return ex.sort(samples.filled(low), axis, numbers=True)


def _by_columns(
    node: ex.Sort, line: Node, flags: Node, lacking: Node, window: ex.Shape, x: int, row: MakeRow | None
) -> Node | None:
    """All elements sorted, by way of sorted columns; None where there are none."""
    if node.ndim != 1 or len(window) != 2 or min(window) < SMALLEST_SIDE:
        return None
    y, rows, columns, extent = 1 - x, window[1 - x], window[x], node.size
    share = _share(node.climb or 0, extent, columns, rows) if rows * columns == extent else None
    value, counts = (unflattened(n, window) for n in (line, flags))
    if share is None or value is None or counts is None:
        return None
    if not (is_pointwise(value, window) and is_pointwise(counts, window)):
        return None
    samples = _samples(value, counts, row)
    low = samples.among_absent(_one_of(samples.numbers(y), share, rows))
    ordered = ex.sort(samples.filled(low), y, numbers=True)
    ones = ex.cast(counts, COUNTER)
    present = (None if row is None else row(ones)) or ones
    absent = binary("subtract", number(rows, COUNTER), ex.reduce("add", present, (y,)))
    lacking = binary("subtract", lacking, _low_in_columns(absent, low, share, y, rows))
    some = compare("greater", absent, number(0, COUNTER))
    place = ex.scan("add", ex.cast(some, COUNTER), 0)
    moved: Node = ex.elementwise("logical_and", BOOL, some, compare("less_equal", place, lacking))
    shifted = _moved_up(ordered, ex.reshape(moved, (columns, 1) if x == 0 else (1, columns)), y)
    flat = ex.reshape(shifted if x == 0 else ex.transpose(shifted, (1, 0)), (extent,))
    return ex.sort(flat, 0, numbers=True, runs=rows)


def _moved_up(ordered: Node, moved: Node, y: int) -> Node:
    """Sorted columns, of which some lose their highest element for a lowest one."""
    end, rest = list(ordered.shape), list(ordered.shape)
    end[y], rest[y] = 1, ordered.shape[y] - 1
    first = ex.broadcast(number(lowest(ordered.dtype), ordered.dtype), tuple(end))
    below = ex.concatenate([first, ex.slice_(ordered, (0, 0), (1, 1), tuple(rest))], y)
    return choose(ex.broadcast(moved, ordered.shape), below, ordered)


def _low_in_columns(absent: Node, low: Node, share: tuple[int, ...], y: int, rows: int) -> Node:
    """How many elements of a window are low already, from the numbers of those that do not count in its columns."""
    line = _as_line(tuple(sum(step <= m for step in share) for m in range(rows + 1)))
    if line is not None:
        return ex.reduce("add", _on_line(absent, rows, line), (0,))
    return ex.reduce("add", ex.reduce("add", ex.cast(low, absent.dtype), (y,)), (0,))


# -- numbers of low elements ------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _missing_steps(climb: int, extent: int) -> tuple[int, ...]:
    """low(N) - low(N - m) for every number m of elements that do not count, while one counts: 0 to N - 1."""
    full = climb.bit_count()
    return tuple(full - (climb & ((1 << (extent - m)) - 1)).bit_count() for m in range(extent))


@lru_cache(maxsize=256)
def _as_line(table: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Factor, summand and shift with ``(m * factor + summand) >> shift == table[m]`` in 16 bits, if there are any."""
    last = len(table) - 1
    for shift in range(12):
        guess = table[last] * 2**shift // max(last, 1)
        for factor in range(max(guess - 2, 0), guess + 4):
            summand = max((t << shift) - m * factor for m, t in enumerate(table))
            exact = all((m * factor + summand) >> shift == t for m, t in enumerate(table))
            if exact and summand >= 0 and last * factor + summand < 2**16:
                return factor, summand, shift
    return None


def _lacking(total: Node, climb: int, extent: int) -> Node:
    """How many elements are to be low, of so many that do not count."""
    table = _missing_steps(climb, extent)
    line = _as_line(table)
    if line is None:
        found: Node = number(0, total.dtype)
        for m in range(1, extent):
            if table[m] > table[m - 1]:
                step = ex.cast(compare("greater_equal", total, number(m, total.dtype)), total.dtype)
                found = ex.elementwise("add", total.dtype, found, step)
        return found
    return _on_line(total, extent, line)


def _on_line(value: Node, most: int, line: tuple[int, int, int]) -> Node:
    """``(value * factor + summand) >> shift`` for values up to `most`, in lanes that hold it on the way."""
    factor, summand, shift = line
    dtype: DType = value.dtype if most * factor + summand < 256 else np.dtype(np.uint16)
    found = ex.cast(value, dtype)
    if factor != 1:
        found = binary("multiply", found, number(factor, dtype))
    if summand:
        found = binary("add", found, number(summand, dtype))
    if shift:
        found = binary("right_shift", found, number(shift, dtype))
    return ex.cast(found, value.dtype)


@lru_cache(maxsize=256)
def _share(climb: int, extent: int, columns: int, rows: int) -> tuple[int, ...] | None:
    """Which of a column's elements that do not count (numbered from 1) are low, so that what windows lack is right."""
    table = _missing_steps(climb, extent)
    fraction = table[-1] / max(extent - 1, 1)
    for less in (0.0, 0.25, 0.5, 1.0):
        low = [max(0, int(m * fraction + 1e-9 - less * (m > 0))) for m in range(rows + 1)]
        if _is_right(table, low, columns):
            return tuple(m for m in range(1, rows + 1) if low[m] > low[m - 1])
    return None


def _is_right(table: Sequence[int], low: Sequence[int], columns: int) -> bool:
    """Whether for any numbers of columns' missing elements the window lacks none to one for each column with some."""
    rows = len(low) - 1
    none = 10**6
    # For each number of missing elements: the most that are low, and the fewest with one more for each column.
    most, fewest = [0], [0]
    for _ in range(columns):
        size = len(most) + rows
        new_most, new_fewest = [-none] * size, [none] * size
        for m, (a, b) in enumerate(zip(most, fewest, strict=True)):
            for own in range(rows + 1):
                new_most[m + own] = max(new_most[m + own], a + low[own])
                new_fewest[m + own] = min(new_fewest[m + own], b + low[own] + (own > 0))
        most, fewest = new_most, new_fewest
    return all(a <= t <= b for a, t, b in zip(most, table, fewest, strict=False))


def _one_of(values: Node, wanted: Sequence[int], largest: int) -> Node:
    """Whether values, from 0 to `largest`, are among some numbers above 0."""
    if wanted and list(wanted) == list(range(wanted[0], largest + 1)):
        return compare("greater_equal", values, number(wanted[0], values.dtype))
    found: Node = ex.broadcast(number(False, BOOL), values.shape)
    for value in wanted:
        found = ex.elementwise("logical_or", BOOL, found, compare("equal", values, number(value, values.dtype)))
    return found
