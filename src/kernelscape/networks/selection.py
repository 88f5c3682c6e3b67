"""Constructions that select ranks: pruned sorting, truncated merging, and grids sorted along columns and then rows."""

from collections.abc import Iterable
from functools import lru_cache
from math import isqrt

from kernelscape.networks.network import Candidate, Network, Pair, cheapest
from kernelscape.networks.poset import HIGH, LOW, Poset, rename
from kernelscape.networks.sorting import merge, sort
from kernelscape.networks.tables import BANDS, COLUMNS, decode, tabulated


@lru_cache(maxsize=512)
def select(size: int, ranks: tuple[int, ...]) -> Network:
    """The cheapest network we know for these ranks of unsorted values."""
    return cheapest(size, _candidates(size, ranks))


@lru_cache(maxsize=512)
def select_from_columns(columns: int, rows: int, ranks: tuple[int, ...]) -> Network:
    """The cheapest network we know for these ranks of sorted columns."""
    return cheapest(columns * rows, _column_candidates(columns, rows, ranks))


def _candidates(size: int, ranks: tuple[int, ...]) -> Iterable[Candidate]:
    known = [*tabulated(size, ranks)]
    side = isqrt(size)
    if side * side == size and side in BANDS and ranks == (size // 2,):
        known.append(_grid(size, side, side, ranks))
    if known:  # no construction below comes near, and the first call waits for this
        yield from known
        return
    pairs, order = sort(range(size))
    yield pairs, [order[rank] for rank in ranks]
    if size < 2:
        return
    reach = min(max(ranks) + 1, size - min(ranks))
    if size <= 24 or reach <= 8:  # near an end few values stay candidates, and merging from the start drops the others
        poset = Poset([0] * size, [0] * size, (min(ranks), max(ranks)), (0, 0))
        merged = _merge_all(poset, [[wire] for wire in range(size)])
        yield poset.pairs, _read(poset, merged, ranks)
    for columns, rows in _shapes(size):
        yield _grid(size, columns, rows, ranks)


def _shapes(size: int) -> set[tuple[int, int]]:
    """Grids (columns, rows) worth trying: nearly square ones, and the smallest squares with a table that fit."""
    if size < 7:
        return set()
    side = round(size**0.5)
    shapes = {(-(-size // rows), rows) for rows in ({side - 1, side, side + 1} if size <= 60 else {side}) if rows > 1}
    squares = [s for s in sorted(BANDS) if s * s >= size]
    return shapes | {(s, s) for s in squares[:2] if s * s <= 2 * size + 2}


def _grid(size: int, columns: int, rows: int, ranks: tuple[int, ...]) -> Candidate:
    """Sort the columns of a grid, then select from the sorted columns. Cells beyond `size` hold infinities."""
    spare = columns * rows - size
    low = min(spare, max(0, (columns * rows - min(ranks) - max(ranks)) // 2))  # keeps the wanted ranks central
    cells = [LOW] * low + list(range(size)) + [HIGH] * (spare - low)
    flat = [cells[r * columns + c] for c in range(columns) for r in range(rows)]
    pairs: list[Pair] = []
    for c in range(columns):
        pairs += rename(sort(range(c * rows, (c + 1) * rows))[0], flat)
    more, outputs = _sort_rows(flat, columns, rows, tuple(rank + low for rank in ranks))
    return pairs + more, outputs


def _sort_rows(flat: list[int], columns: int, rows: int, ranks: tuple[int, ...]) -> Candidate:
    """Sort the rows of a grid of sorted columns as far as needed, and merge what can still be wanted.

    Sorting the rows leaves the columns sorted (Knuth, 5.2.1, exercise 27). Then the value at row r, column c has
    ``(r+1)*(c+1) - 1`` values known below it and, counted from the other corner, as many above it, so that for one rank
    a band around the anti-diagonal remains, and of each row only the part in the band has to be found.
    """
    total, first, last = columns * rows, min(ranks), max(ranks)
    if (text := COLUMNS.get((columns, rows))) and set(ranks) == {total // 2}:
        table, outputs = decode(text)
        wires = list(flat)
        return rename(table, wires), [wires[outputs[0]]] * len(ranks)
    pairs: list[Pair] = []
    cells: list[tuple[int, int]] = []
    holders: list[int] = []
    lists: list[list[int]] = []
    below_all = 0  # cells that are too small to be wanted, infinities included
    for r in range(rows):
        line = [flat[c * rows + r] for c in range(columns)]
        wires = [wire for wire in line if wire >= 0]
        low = line.count(LOW)
        small = sum((rows - r) * (columns - c) - 1 > total - 1 - first for c in range(columns))
        large = sum((r + 1) * (c + 1) - 1 > last for c in range(columns))
        found = range(max(small, low), min(columns - large, low + len(wires)))
        below_all += max(small, low)
        if found:
            network = select(len(wires), tuple(c - low for c in found))
            pairs += [(wires[c.low], wires[c.high]) for c in network.comparators]
            lists.append(list(range(len(cells), len(cells) + len(found))))
            cells += [(r, c) for c in found]
            holders += [wires[wire] for wire in network.outputs]
    if columns == rows and columns in BANDS and set(ranks) == {total // 2}:
        more, output = _finish_square(columns, cells, holders, flat)
        return pairs + more, [output] * len(ranks)
    below, above = _grid_order(cells)
    poset = Poset(below, above, (first, last), (below_all, total - below_all - len(cells)))
    poset.place = holders
    order = _merge_all(poset, lists)
    return pairs + poset.pairs, _read(poset, order, ranks)


def _finish_square(side: int, cells: list[Pair], holders: list[int], flat: list[int]) -> tuple[list[Pair], int]:
    """The median of a square grid sorted both ways; `cells` are on the wires `holders`, the others hold infinities."""
    held = dict(zip(cells, holders, strict=True))
    middle = side * side // 2
    wires = []
    for r in range(side):
        low = [flat[c * side + r] for c in range(side)].count(LOW)
        wires += [
            held.get((r, c), LOW if c < low else HIGH)
            for c in range(side)
            if (r + 1) * (c + 1) - 1 <= middle and (side - r) * (side - c) - 1 <= middle
        ]
    pairs, outputs = decode(BANDS[side])
    kept = rename(pairs, wires)  # moves what is on the wires, so before they are read
    return kept, wires[outputs[0]]


def _grid_order(cells: list[Pair]) -> tuple[list[int], list[int]]:
    """Which of these cells of a grid sorted both ways are below and above each, as bit sets."""
    below = [sum(1 << j for j, (s, d) in enumerate(cells) if s <= r and d <= c and (s, d) != (r, c)) for r, c in cells]
    above = [sum(1 << j for j, (s, d) in enumerate(cells) if s >= r and d >= c and (s, d) != (r, c)) for r, c in cells]
    return below, above


def _merge_all(poset: Poset, lists: list[list[int]]) -> list[int]:
    """Merge sorted lists of wires, the two shortest first, dropping at each step what cannot be wanted any more."""
    while len(lists) > 1:
        lists = sorted((poset.live(wires) for wires in lists), key=len)
        if not lists[0]:
            del lists[0]
            continue
        pairs, order = merge(lists[0], lists[1])
        poset.apply(pairs)
        lists[:2] = [order]
    return poset.live(lists[0])


def _read(poset: Poset, order: list[int], ranks: tuple[int, ...]) -> list[int]:
    """The physical wires of `ranks`, given the remaining wires in ascending order."""
    return [poset.place[poset.wires[order[rank - poset.low]]] for rank in ranks]


def _column_candidates(columns: int, rows: int, ranks: tuple[int, ...]) -> Iterable[Candidate]:
    size = columns * rows
    yield _sort_rows(list(range(size)), columns, rows, ranks)
    if columns == rows and columns in BANDS and ranks == (size // 2,):
        return  # merging whole columns is far behind
    chains = [list(range(c * rows, (c + 1) * rows)) for c in range(columns)]
    below = [sum(1 << w for w in chain[:i]) for chain in chains for i in range(rows)]
    above = [sum(1 << w for w in chain[i + 1 :]) for chain in chains for i in range(rows)]
    poset = Poset(below, above, (min(ranks), max(ranks)), (0, 0))
    order = _merge_all(poset, chains)
    yield poset.pairs, _read(poset, order, ranks)
