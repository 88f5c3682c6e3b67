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

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kernelscape import expression as ex
from kernelscape.expression import BOOL, DType, Node
from kernelscape.methods.columns import is_pointwise, unflattened
from kernelscape.reductions.folds import choose, compare, counting, highest, lowest, negated, number

LARGEST = 121
"""Samples up to which ranks are found by a network."""
SMALLEST_SIDE = 4
"""Extent of a window from which on its columns are sorted first."""


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

    def at(self, index: Node) -> Node:
        """The element of a rank that is one of the two."""
        rank = ex.cast(self.low, index.dtype)
        return choose(compare("greater", index, rank), self.upper, self.lower)


def fill_ranks(
    outputs: Sequence[Node], *, missing: bool, window: ex.Shape | None = None, x: int = 0
) -> tuple[Node, ...]:
    """The same results, where ranks among elements that count are ranks of all elements.

    `missing`: samples may have flags that are not set. Where they have none, `window` is the shape of whole windows
    that are neighbours along axis `x`, and columns are found first.
    """

    def rule(node: Node) -> Node | None:
        if not isinstance(node, ex.Take) or not applies(node.body) or node.axis != node.body.axis:
            return None
        sort = node.body
        assert isinstance(sort, ex.Sort)
        counts = counting(sort.body, sort.where, missing)
        if counts is None:
            return None
        key = id(sort)
        if key not in known:
            known[key] = ranked(sort, sort.body, ex.broadcast(counts, sort.shape), window, x)
        return marked(known[key].at(node.index), known[key].some)

    known: dict[int, Ranked] = {}
    return ex.rebuild(outputs, rule)


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


def ranked(node: ex.Sort, value: Node, counts: Node, window: ex.Shape | None = None, x: int = 0) -> Ranked:
    """The elements that are looked at in `node`, a Sort of `value` among the elements that count.

    Neither has flags. With `window` both are functions of a whole window of this shape, flattened; `x` is its axis
    along which windows share columns.
    """
    extent = node.shape[node.axis]
    climb = node.climb or 0
    found = None if window is None else _by_columns(node, value, counts, window, x)
    total, ordered = found or _in_line(node, value, counts)
    full = climb.bit_count()
    lower = ex.pick(ordered, node.axis, full)
    upper = ex.pick(ordered, node.axis, min(full + 1, extent - 1))
    low = ex.elementwise("subtract", total.dtype, number(full, total.dtype), _lacking(total, climb, extent))
    return Ranked(low, lower, upper, compare("less", total, number(extent, total.dtype)))


def _in_line(node: ex.Sort, value: Node, counts: Node) -> tuple[Node, Node]:
    """How many elements do not count, and all of them sorted; any axes, any number of elements."""
    axis, extent = node.axis, node.shape[node.axis]
    running = ex.scan("add", _ones(counts, extent), axis)
    total = ex.pick(running, axis, extent - 1)
    lacking = _lacking(total, node.climb or 0, extent)
    wide = ex.reshape(lacking, (*total.shape[:axis], 1, *total.shape[axis:]))
    return total, ex.sort(_filled(value, counts, compare("less_equal", running, wide)), axis, numbers=True)


def _by_columns(node: ex.Sort, line: Node, flags: Node, window: ex.Shape, x: int) -> tuple[Node, Node] | None:
    """How many elements do not count, and all of them sorted, by way of sorted columns; None where there are none."""
    if node.ndim != 1 or len(window) != 2 or min(window) < SMALLEST_SIDE:
        return None
    y, rows, columns, extent = 1 - x, window[1 - x], window[x], node.size
    share = _share(node.climb or 0, extent, columns, rows) if rows * columns == extent else None
    value, counts = (unflattened(n, window) for n in (line, flags))
    if share is None or value is None or counts is None:
        return None
    if not (is_pointwise(value, window) and is_pointwise(counts, window)):
        return None
    ones = _ones(counts, extent)
    running = ex.scan("add", ones, y)
    low = _one_of(running, share)
    ordered = ex.sort(_filled(value, counts, low), y, numbers=True)
    absent = ex.reduce("add", ones, (y,))
    filled_low = ex.elementwise("logical_and", BOOL, low, negated(counts))
    are_low = ex.reduce("add", ex.cast(filled_low, ones.dtype), (y,))
    total = ex.reduce("add", absent, (0,))
    lacking = ex.elementwise(
        "subtract", total.dtype, _lacking(total, node.climb or 0, extent), ex.reduce("add", are_low, (0,))
    )
    some = compare("greater", absent, number(0, absent.dtype))
    place = ex.scan("add", ex.cast(some, absent.dtype), 0)
    moved: Node = ex.elementwise("logical_and", BOOL, some, compare("less_equal", place, lacking))
    moved = ex.reshape(moved, (columns, 1) if x == 0 else (1, columns))
    kept: list[int] = list(window)
    kept[y] = 1
    lowest_row = ex.broadcast(number(lowest(value.dtype), value.dtype), tuple(kept))
    kept[y] = rows - 1
    below = ex.concatenate([lowest_row, ex.slice_(ordered, (0, 0), (1, 1), tuple(kept))], y)
    shifted = choose(ex.broadcast(moved, window), below, ordered)
    flat = ex.reshape(shifted if x == 0 else ex.transpose(shifted, (1, 0)), (extent,))
    return total, ex.sort(flat, 0, numbers=True, runs=rows)


def _filled(value: Node, counts: Node, low: Node) -> Node:
    ends = choose(low, number(lowest(value.dtype), value.dtype), number(highest(value.dtype), value.dtype))
    return choose(counts, value, ends)


def _ones(counts: Node, extent: int) -> Node:
    """1 for each element that does not count, in the narrowest dtype in which all can be counted."""
    return ex.cast(negated(counts), np.dtype(np.uint8 if extent < 256 else np.uint16))


# -- numbers of low elements --------------------------------------------------------------------------------------------


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
    factor, summand, shift = line
    dtype: DType = total.dtype if extent * factor + summand < 256 else np.dtype(np.uint16)
    value = ex.cast(total, dtype)
    if factor != 1:
        value = ex.elementwise("multiply", dtype, value, number(factor, dtype))
    if summand:
        value = ex.elementwise("add", dtype, value, number(summand, dtype))
    if shift:
        value = ex.elementwise("right_shift", dtype, value, number(shift, dtype))
    return ex.cast(value, total.dtype)


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


def _one_of(values: Node, wanted: Sequence[int]) -> Node:
    """Whether values are among some numbers."""
    if wanted and list(wanted) == list(range(2, 2 * len(wanted) + 1, 2)):
        one = number(1, values.dtype)
        return compare("equal", ex.elementwise("bitwise_and", values.dtype, values, one), number(0, values.dtype))
    found: Node = ex.broadcast(number(False, BOOL), values.shape)
    for value in wanted:
        found = ex.elementwise("logical_or", BOOL, found, compare("equal", values, number(value, values.dtype)))
    return found
