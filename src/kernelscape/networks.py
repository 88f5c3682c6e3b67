"""Comparator networks that sort a window or select some of its ranks, as pure data.

A median of a small window is fastest as a fixed sequence of ``minimum`` and ``maximum`` instructions: no branch, every lane busy, and ties need no care.
What it costs is the number of those instructions, so everything here serves to make that number small. The rules:

* A *wire* is a place that holds one value. A comparator puts the minimum of two wires into one of them and the maximum into the other. The wires
  never need to be in order; a result says which wire holds it.
* A network is right when it is right on zeros and ones (the 0/1 principle, Knuth, *The Art of Computer Programming* 3, 5.3.4, theorem Z).
* Nothing is computed that cannot matter. Three arguments remove work: a comparator whose inputs are known to be in order does nothing; a value with
  too many values known below it (or above it) to have a wanted rank is replaced by plus (minus) infinity, which makes every later comparator on it
  a mere renaming; and an output that nobody reads is not computed (``need_low``, ``need_high``).
* Constructions are tried and counted, not trusted: ``selection_network`` returns the cheapest of several.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import heapify, heappop, heappush

from kernelscape.errors import ArgumentError

Pair = tuple[int, int]
_Candidate = tuple[list[Pair], list[int]]  # comparators, and the wires of the wanted ranks

# Fewest known comparators for each size (Knuth 5.3.4 and the lists that followed it); 14 and 15 are Green's 16 without its last wires.
_SMALL_TEXT = {
    1: "",
    2: "01",
    3: "02 01 12",
    4: "02 13 01 23 12",
    5: "03 14 02 13 01 24 12 34 23",
    6: "05 13 24 12 34 03 25 01 23 45 12 34",
    7: "06 23 45 02 14 36 01 25 34 12 46 23 45 12 34 56",
    8: "02 13 46 57 04 15 26 37 01 23 45 67 24 35 14 36 12 34 56",
    9: "03 17 25 48 07 24 38 56 02 13 45 78 14 36 57 01 24 35 68 23 45 67 12 34 56",
    10: "08 19 27 35 46 02 14 58 79 03 24 57 69 01 36 89 15 23 48 67 12 35 46 78 23 45 67 34 56",
    11: "09 16 24 37 58 01 35 4a 69 78 13 25 47 8a 04 12 37 59 68 01 26 45 78 9a 24 36 57 89 12 34 56 78 23 45 67",
    12: "08 17 26 3b 4a 59 01 25 34 69 78 ab 02 16 5a 9b 03 12 46 57 8b 9a 14 35 68 7a 13 25 69 8a 23 45 67 89 46 57 34"
    " 56 78",
    13: "0c 1a 29 37 5b 68 16 23 4b 79 8a 04 12 36 78 9a bc 46 59 8b ac 05 38 47 6b 9a 01 25 69 78 ab 13 24 56 9a 12 34"
    " 57 68 23 45 67 89 34 56",
    16: "01 23 45 67 89 ab cd ef 02 13 46 57 8a 9b ce df 04 15 26 37 8c 9d ae bf 08 19 2a 3b 4c 5d 6e 7f 12 3c de 7b 48"
    " 5a 69 14 7d 28 be 24 56 9a bd 38 7c 68 ac 35 79 34 56 78 9a bc 67 89",
}
_SMALL = {
    size: tuple((int(pair[0], 16), int(pair[1], 16)) for pair in text.split()) for size, text in _SMALL_TEXT.items()
}

# tables begin
# Found by simulated annealing over comparator sequences, judged on all 0/1 inputs whose number of ones is next to a threshold (that is enough,
# because networks are monotone); proven exhaustively in the tests. Text: wires as digits of `_DIGITS`, two per comparator, then the outputs.
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+,-./:;<=>?@^_~"

# (size, ranks): networks on unsorted values. Mirrored ranks use the mirrored network.
_SELECTIONS: dict[tuple[int, tuple[int, ...]], str] = {
    (3, (2,)): "0212 2",
    (4, (1, 2)): "0213012312 12",
    (5, (1, 2, 3)): "031402130124123423 123",
    (5, (2,)): "34101304232030 3",
    (5, (2, 3, 4)): "0302130124123423 234",
    (5, (3, 4)): "03140212342343 43",
    (6, (2, 3)): "5024124304512421201310 10",
    (6, (3,)): "05132412340325234534 3",
    (7, (1, 2, 3, 4, 5)): "06234502143601253412462345123456 12345",
    (7, (2, 3, 4, 5, 6)): "601324041035546332505261130235 35024",
    (7, (3,)): "25060336140124233456135131 3",
    (7, (3, 4, 5, 6)): "062345021436012534124623453456 3456",
    (7, (4, 5, 6)): "153445622064315021451541 150",
    (8, (3, 4)): "0213465704152637012345672435143634 34",
    (8, (4,)): "74421513735063327503506550155440 4",
    (9, (1, 2, 3, 4, 5, 6, 7)): "03172548072438560213457814365701243568234567123456 1234567",
    (9, (3, 4, 5, 6, 7, 8)): "0317254807243856021345781436572435682345673456 345678",
    (9, (4,)): "60847635218306238036155451201057137371 1",
    (9, (4, 5, 6, 7, 8)): "70845241423646614702836057732167327802308535 35021",
    (9, (5, 6, 7, 8)): "031725480724385602134578143657243568456756 5678",
    (10, (4, 5)): "947081627928152791400531818064378493637387030407 07",
    (10, (5,)): "38795135698157198683204610527147612306030773 7",
    (11, (1, 2, 3, 4, 5, 6, 7, 8, 9)): (
        "091624375801354A69781325478A0412375968012645789A2436578912345678234567 123456789"
    ),
    (11, (3, 4, 5, 6, 7, 8, 9, 10)): "5236896A92352A01854740179661367A5043217072019557398969027909655768 8570921A",
    (11, (4, 5, 6, 7, 8, 9, 10)): "091624375801354A69781325478A04123759682645789A243657893456784567 456789A",
    (11, (5,)): "751326405063122909746085814105136771A01024A7414717 1",
    (11, (5, 6, 7, 8, 9, 10)): "0325A5319848670485173926181A57691606A45849A25423638943564683 468397",
    (11, (6, 7, 8, 9, 10)): "091624375801354A69781325478A043759682645789A365789567867 6789A",
    (12, (5, 6)): "6473A02B586591B0579B1384402A597B9762A8B429718189A73B37973898 98",
    (12, (6,)): "3A512964A96541230734B304B09137A593260A57348A68983A35A58A38 8",
    (13, (6,)): "38C02154BA5C049693591AC1A4682B0B6030A810B3BC9271A3CA621AC7727121 2",
}
# side: the median of a square grid whose rows and columns are sorted, from the cells that can be the median, row by row.
_BANDS: dict[int, str] = {
    3: "012010 1",
    5: "CAB3156535C32086B6494704C4C664 6",
    7: "I89NRE1DFODQBQM40JGL24BNGN68KS6DBD8F9B5E5P2CB3KAK3D84RCK7RK4J5RG3RJH58D3DKHKK43543K4 4",
    9: (
        "DjM1YET96UG9N7CWOC5L7dE6eI1eaP0ZN6KA4e7O8aJaFXLgL3X7BciJVch1kA13Of8iZDGRDH1NkhO6hZ8V3Ve3BRDbORZD8O3d6D6U2Xe9Q7OL"
        "Z6SXQNZQci3V9cLeC3XQeR6NeXCUNCNQRQXhR69NR99L6NLh6LLh L"
    ),
}
# (columns, rows): the median of a grid whose columns are sorted, wire ``c * rows + r``.
_COLUMNS: dict[tuple[int, int], str] = {
    (5, 5): "9OFAIDGBK5L605I361B1CH8N8BL0H7MCG8H2EJ5A1N2C683J1DA28KI0B3HM7O742701BKB050K1K9MA9EC9KAC2A7A20FKCACAFFC F",
}
# tables end

_LOW, _HIGH = -1, -2  # what stands on a wire whose value is known to be too small or too large to be wanted


@dataclass(frozen=True, slots=True)
class Comparator:
    """One comparator: afterwards wire `low` holds the minimum of both wires and wire `high` the maximum.

    `need_low` and `need_high` say which of the two results is read later; at least one is. The other need not be computed.
    """

    low: int
    high: int
    need_low: bool
    need_high: bool


@dataclass(frozen=True, slots=True)
class Network:
    """A sequence of comparators on `size` wires; `outputs[i]` is the wire that holds the i-th requested rank at the end."""

    size: int
    comparators: tuple[Comparator, ...]
    outputs: tuple[int, ...]

    @property
    def operations(self) -> int:
        """The number of minimum and maximum instructions."""
        return sum(c.need_low + c.need_high for c in self.comparators)

    @property
    def live_values(self) -> int:
        """The largest number of values that exist at once when each input is loaded just before its first use."""
        return _peak(self.comparators, self.outputs)


def sorting_network(size: int) -> Network:
    """Return a network that sorts `size` wires; ``outputs[r]`` is the wire of rank r.

    Parameters
    ----------
    size : int
        Number of wires, at least 1.

    Returns
    -------
    Network
        The best known network up to 16 wires, and Batcher's odd-even merges of such blocks beyond.

    References
    ----------
    K. E. Batcher, "Sorting networks and their applications", AFIPS Spring Joint Computer Conference, 1968.
    """
    _check_size(size, "size")
    pairs, order = _sort(tuple(range(size)))
    return _network(size, pairs, order)


def selection_network(size: int, ranks: tuple[int, ...]) -> Network:
    """Return the cheapest network we know that finds the given ranks of `size` values.

    Parameters
    ----------
    size : int
        Number of values, at least 1.
    ranks : tuple of int
        The ranks wanted, each in ``0 <= rank < size``, in any order.

    Returns
    -------
    Network
        ``outputs[i]`` is the wire that holds rank ``ranks[i]``.

    Examples
    --------
    >>> selection_network(9, (4,)).operations
    30
    """
    _check_size(size, "size")
    _check_ranks(ranks, size)
    return _selection(size, ranks)


@lru_cache(maxsize=512)
def _selection(size: int, ranks: tuple[int, ...]) -> Network:
    return _cheapest(size, _candidates(size, ranks))


def column_selection_network(columns: int, rows: int, ranks: tuple[int, ...]) -> tuple[Network, Network]:
    """Return the network that sorts one column, and the one that selects `ranks` of a window of sorted columns.

    Windows that are neighbours along a row share all columns but one, so each column is sorted once for all windows that see it.

    Parameters
    ----------
    columns, rows : int
        The window's extents, each at least 1.
    ranks : tuple of int
        The ranks wanted, each in ``0 <= rank < columns * rows``.

    Returns
    -------
    column : Network
        Sorts `rows` wires.
    selection : Network
        Works on ``columns * rows`` wires, of which wire ``c * rows + r`` holds the r-th smallest value of column c.
    """
    _check_size(columns, "columns")
    _check_size(rows, "rows")
    _check_ranks(ranks, columns * rows)
    return sorting_network(rows), _column_selection(columns, rows, ranks)


@lru_cache(maxsize=512)
def _column_selection(columns: int, rows: int, ranks: tuple[int, ...]) -> Network:
    return _cheapest(columns * rows, _column_candidates(columns, rows, ranks))


def _check_size(value: object, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ArgumentError(
            f"{name} must be an integer of at least 1, got {value!r}; a network needs a wire to work on"
        )


def _check_ranks(ranks: object, size: int) -> None:
    if not isinstance(ranks, tuple) or not ranks:
        raise ArgumentError(f"ranks must be a tuple of at least one rank, got {ranks!r}; write (rank,) for one rank")
    for rank in ranks:
        if isinstance(rank, bool) or not isinstance(rank, int) or not 0 <= rank < size:
            raise ArgumentError(
                f"each rank must be an integer in 0..{size - 1} for {size} values, got {rank!r}; ranks count from 0, the smallest"
            )


@lru_cache(maxsize=None)
def _decode(text: str) -> tuple[tuple[Pair, ...], tuple[int, ...]]:
    """The comparators and the outputs of a network written as text."""
    body, outputs = text.split()
    wires = [_DIGITS.index(digit) for digit in body]
    return tuple(zip(wires[::2], wires[1::2], strict=True)), tuple(_DIGITS.index(digit) for digit in outputs)


def _tabulated(size: int, ranks: tuple[int, ...]) -> Iterable[_Candidate]:
    """The network that a table holds for these ranks or for their mirror image."""
    if text := _SELECTIONS.get((size, ranks)):
        pairs, outputs = _decode(text)
        yield list(pairs), list(outputs)
    if text := _SELECTIONS.get((size, tuple(size - 1 - rank for rank in reversed(ranks)))):
        pairs, outputs = _decode(text)
        yield [(high, low) for low, high in pairs], list(reversed(outputs))


# ---- sorting and merging -------------------------------------------------------------------------------------------------


def _sort(wires: Sequence[int]) -> tuple[list[Pair], list[int]]:
    """Comparators that sort `wires`, and the wires in ascending order of what they then hold."""
    count = len(wires)
    if count <= 16:
        table = _SMALL.get(count, _SMALL[16])  # 14 and 15: wires that are not there would hold plus infinity
        return [(wires[a], wires[b]) for a, b in table if b < count], list(wires)
    split = _best_split(count)
    first, first_order = _sort(wires[:split])
    second, second_order = _sort(wires[split:])
    merge, order = _merge(first_order, second_order)
    return first + second + merge, order


@lru_cache(maxsize=None)
def _sort_cost(count: int) -> int:
    if count <= 16:
        return len(_sort(range(count))[0]) if count else 0
    split = _best_split(count)
    return _sort_cost(split) + _sort_cost(count - split) + _merge_cost(split, count - split)


@lru_cache(maxsize=None)
def _best_split(count: int) -> int:
    power = 1 << (count - 1).bit_length() - 1
    options = {count // 2, (count + 1) // 2, power, power // 2, count - count % 16 if count % 16 else count // 2}
    return min(
        sorted(o for o in options if 0 < o < count),
        key=lambda o: _sort_cost(o) + _sort_cost(count - o) + _merge_cost(o, count - o),
    )


@lru_cache(maxsize=None)
def _merge_cost(first: int, second: int) -> int:
    if not first or not second:
        return 0
    if first == 1 and second == 1:
        return 1
    even = (first + 1) // 2 + (second + 1) // 2
    odd = first // 2 + second // 2
    return _merge_cost((first + 1) // 2, (second + 1) // 2) + _merge_cost(first // 2, second // 2) + min(even - 1, odd)


def _merge(first: Sequence[int], second: Sequence[int]) -> tuple[list[Pair], list[int]]:
    """Batcher's odd-even merge of two sorted sequences of wires: comparators and the merged order."""
    if not first or not second:
        return [], [*first, *second]
    if len(first) == 1 and len(second) == 1:
        return [(first[0], second[0])], [first[0], second[0]]
    pairs, even = _merge(first[::2], second[::2])
    more, odd = _merge(first[1::2], second[1::2])
    pairs += more
    order = [even[0]]
    for index in range(max(len(even) - 1, len(odd))):
        together = [*odd[index : index + 1], *even[index + 1 : index + 2]]
        order += together
        if len(together) == 2:
            pairs.append((together[0], together[1]))
    return pairs, order


# ---- partial orders ------------------------------------------------------------------------------------------------------


class _Poset:
    """The values on the wires and what is known about their order, while comparators are applied.

    Values are numbered as they are made; ``below[v]`` and ``above[v]`` are bit sets of values known to be at most, at least v. Values that have
    been consumed stay in those sets: they carry knowledge (the maximum of a and b is at most x when a and b are).
    """

    def __init__(self, below: list[int], above: list[int], wanted: tuple[int, int], gone: tuple[int, int]) -> None:
        """Start from value i on wire i, wanting the ranks `wanted` (first, last) where `gone` values too small, too large exist besides."""
        self.wires = list(range(len(below)))
        self.below, self.above = below, above
        self.place = list(range(len(below)))  # value -> the physical wire that holds it
        self.parents: list[int] = [0] * len(below)
        self.first, self.last = wanted
        self.low, self.high = gone
        self.total = len(below) + self.low + self.high
        self.alive = (1 << len(below)) - 1
        self.pairs: list[Pair] = []
        self._discard()

    def live(self, wires: Iterable[int]) -> list[int]:
        """Those of `wires` that still hold a candidate."""
        return [w for w in wires if self.wires[w] >= 0]

    def apply(self, pairs: Iterable[Pair]) -> None:
        for low, high in pairs:
            self.compare(low, high)

    def compare(self, low: int, high: int) -> None:
        """Put the smaller of two wires on `low`, with a comparator only if nothing else tells which it is."""
        a, b = self.wires[low], self.wires[high]
        if a < 0 or b < 0:
            if (a == _HIGH and b != _HIGH) or (b == _LOW and a != _LOW):
                self.wires[low], self.wires[high] = b, a
        elif self.below[a] >> b & 1:
            self.wires[low], self.wires[high] = b, a
        elif not self.above[a] >> b & 1:
            self._exchange(low, high, a, b)

    def _exchange(self, low: int, high: int, a: int, b: int) -> None:
        below, above = self.below, self.above
        small = len(below)
        large = small + 1
        both = 1 << a | 1 << b
        self.pairs.append((self.place[a], self.place[b]))
        self.place += [self.place[a], self.place[b]]
        self.parents += [both, both]
        self.alive &= ~both
        small_below, small_above = below[a] & below[b], above[a] | above[b] | both | 1 << large
        large_below, large_above = below[a] | below[b] | both | 1 << small, above[a] & above[b]
        others = [v for v in self.wires if v >= 0 and v != a and v != b]
        start = len(self.place) % 2  # values made here come in pairs: the minimum first
        for v in others:
            parents = self.parents[v]
            if not parents:
                continue
            if (v - start) % 2:
                if large_below & parents == parents:
                    large_below |= 1 << v | below[v]
            elif small_above & parents == parents:
                small_above |= 1 << v | above[v]
        for v in others:
            above[v] |= (small_below >> v & 1) << small | (large_below >> v & 1) << large
            below[v] |= (small_above >> v & 1) << small | (large_above >> v & 1) << large
        below += [small_below, large_below]
        above += [small_above, large_above]
        self.alive |= 1 << small | 1 << large
        self.wires[low], self.wires[high] = small, large
        if self._drop(low) | self._drop(high):
            self._discard()

    def _discard(self) -> None:
        while any([self._drop(wire) for wire in range(len(self.wires))]):
            pass

    def _drop(self, wire: int) -> bool:
        """Replace the value by an infinity if its rank cannot be wanted."""
        v = self.wires[wire]
        if v < 0:
            return False
        if self.low + (self.below[v] & self.alive).bit_count() > self.last:
            self.wires[wire] = _HIGH
            self.high += 1
        elif self.high + (self.above[v] & self.alive).bit_count() > self.total - 1 - self.first:
            self.wires[wire] = _LOW
            self.low += 1
        else:
            return False
        self.alive &= ~(1 << v)
        return True


def _rename(pairs: Iterable[Pair], wires: list[int]) -> list[Pair]:
    """Run comparators on `wires`, some of which hold infinities, and return those that compare two values."""
    kept = []
    for low, high in pairs:
        a, b = wires[low], wires[high]
        if a >= 0 and b >= 0:
            kept.append((a, b))
        elif (a == _HIGH and b != _HIGH) or (b == _LOW and a != _LOW):
            wires[low], wires[high] = b, a
    return kept


# ---- selection -----------------------------------------------------------------------------------------------------------


def _candidates(size: int, ranks: tuple[int, ...]) -> Iterable[_Candidate]:
    yield from _tabulated(size, ranks)
    pairs, order = _sort(range(size))
    yield pairs, [order[rank] for rank in ranks]
    if size < 2:
        return
    reach = min(max(ranks) + 1, size - min(ranks))
    if size <= 24 or reach <= 8:  # near an end few values stay candidates, and merging from the start drops the others
        poset = _Poset([0] * size, [0] * size, (min(ranks), max(ranks)), (0, 0))
        merged = _merge_all(poset, [[wire] for wire in range(size)])
        yield poset.pairs, _read(poset, merged, ranks)
    for columns, rows in _shapes(size):
        yield _grid(size, columns, rows, ranks)


def _shapes(size: int) -> set[tuple[int, int]]:
    """Grids (columns, rows) worth trying: nearly square ones, and the smallest squares with a table that hold `size` cells."""
    if size < 7:
        return set()
    side = round(size**0.5)
    shapes = {(-(-size // rows), rows) for rows in ({side - 1, side, side + 1} if size <= 60 else {side}) if rows > 1}
    squares = [s for s in sorted(_BANDS) if s * s >= size]
    return shapes | {(s, s) for s in squares[:2] if s * s <= 2 * size + 2}


def _grid(size: int, columns: int, rows: int, ranks: tuple[int, ...]) -> _Candidate:
    """Sort the columns of a grid, then select from the sorted columns. Cells beyond `size` hold infinities."""
    spare = columns * rows - size
    low = min(spare, max(0, (columns * rows - min(ranks) - max(ranks)) // 2))  # keeps the wanted ranks central
    cells = [_LOW] * low + list(range(size)) + [_HIGH] * (spare - low)
    flat = [cells[r * columns + c] for c in range(columns) for r in range(rows)]
    pairs: list[Pair] = []
    for c in range(columns):
        pairs += _rename(_sort(range(c * rows, (c + 1) * rows))[0], flat)
    more, outputs = _sort_rows(flat, columns, rows, tuple(rank + low for rank in ranks))
    return pairs + more, outputs


def _sort_rows(flat: list[int], columns: int, rows: int, ranks: tuple[int, ...]) -> _Candidate:
    """Sort the rows of a grid of sorted columns as far as needed, and merge what can still be wanted.

    Sorting the rows leaves the columns sorted (Knuth, 5.2.1, exercise 27). Then the value at row r, column c has ``(r+1)*(c+1) - 1`` values known
    below it and, counted from the other corner, as many above it, so that for one rank a band around the anti-diagonal remains, and of each row
    only the part in the band has to be found.
    """
    total, first, last = columns * rows, min(ranks), max(ranks)
    if (text := _COLUMNS.get((columns, rows))) and set(ranks) == {total // 2}:
        table, outputs = _decode(text)
        wires = list(flat)
        return _rename(table, wires), [wires[outputs[0]]] * len(ranks)
    pairs: list[Pair] = []
    cells: list[tuple[int, int]] = []
    holders: list[int] = []
    lists: list[list[int]] = []
    below_all = 0  # cells that are too small to be wanted, infinities included
    for r in range(rows):
        line = [flat[c * rows + r] for c in range(columns)]
        wires = [wire for wire in line if wire >= 0]
        low = line.count(_LOW)
        small = sum((rows - r) * (columns - c) - 1 > total - 1 - first for c in range(columns))
        large = sum((r + 1) * (c + 1) - 1 > last for c in range(columns))
        found = range(max(small, low), min(columns - large, low + len(wires)))
        below_all += max(small, low)
        if found:
            network = _selection(len(wires), tuple(c - low for c in found))
            pairs += [(wires[c.low], wires[c.high]) for c in network.comparators]
            lists.append(list(range(len(cells), len(cells) + len(found))))
            cells += [(r, c) for c in found]
            holders += [wires[wire] for wire in network.outputs]
    if columns == rows and columns in _BANDS and set(ranks) == {total // 2}:
        more, output = _finish_square(columns, cells, holders, flat)
        return pairs + more, [output] * len(ranks)
    below, above = _grid_order(cells)
    poset = _Poset(below, above, (first, last), (below_all, total - below_all - len(cells)))
    poset.place = holders
    order = _merge_all(poset, lists)
    return pairs + poset.pairs, _read(poset, order, ranks)


def _finish_square(side: int, cells: list[Pair], holders: list[int], flat: list[int]) -> tuple[list[Pair], int]:
    """The median of a square grid sorted both ways; `holders` are the wires of `cells`, the other cells hold infinities."""
    held = dict(zip(cells, holders, strict=True))
    middle = side * side // 2
    wires = []
    for r in range(side):
        low = [flat[c * side + r] for c in range(side)].count(_LOW)
        for c in range(side):
            if (r + 1) * (c + 1) - 1 <= middle and (side - r) * (side - c) - 1 <= middle:
                wires.append(held.get((r, c), _LOW if c < low else _HIGH))
    pairs, outputs = _decode(_BANDS[side])
    kept = _rename(pairs, wires)
    return kept, wires[outputs[0]]


def _grid_order(cells: list[Pair]) -> tuple[list[int], list[int]]:
    """Which of these cells of a grid sorted both ways are below and above each, as bit sets."""
    below = [sum(1 << j for j, (s, d) in enumerate(cells) if s <= r and d <= c and (s, d) != (r, c)) for r, c in cells]
    above = [sum(1 << j for j, (s, d) in enumerate(cells) if s >= r and d >= c and (s, d) != (r, c)) for r, c in cells]
    return below, above


def _merge_all(poset: _Poset, lists: list[list[int]]) -> list[int]:
    """Merge sorted lists of wires, the two shortest first, dropping at each step what cannot be wanted any more."""
    while len(lists) > 1:
        lists = sorted((poset.live(wires) for wires in lists), key=len)
        if not lists[0]:
            del lists[0]
            continue
        pairs, order = _merge(lists[0], lists[1])
        poset.apply(pairs)
        lists[:2] = [order]
    return poset.live(lists[0])


def _read(poset: _Poset, order: list[int], ranks: tuple[int, ...]) -> list[int]:
    """The physical wires of `ranks`, given the remaining wires in ascending order."""
    return [poset.place[poset.wires[order[rank - poset.low]]] for rank in ranks]


def _column_candidates(columns: int, rows: int, ranks: tuple[int, ...]) -> Iterable[_Candidate]:
    size = columns * rows
    yield _sort_rows(list(range(size)), columns, rows, ranks)
    if columns == rows and columns in _BANDS and ranks == (size // 2,):
        return  # merging whole columns is far behind
    chains = [list(range(c * rows, (c + 1) * rows)) for c in range(columns)]
    below = [sum(1 << w for w in chain[:i]) for chain in chains for i in range(rows)]
    above = [sum(1 << w for w in chain[i + 1 :]) for chain in chains for i in range(rows)]
    poset = _Poset(below, above, (min(ranks), max(ranks)), (0, 0))
    order = _merge_all(poset, chains)
    yield poset.pairs, _read(poset, order, ranks)


# ---- finishing -----------------------------------------------------------------------------------------------------------


def _cheapest(size: int, candidates: Iterable[_Candidate]) -> Network:
    """The candidate with the fewest operations, ordered for few live values."""
    networks = [_network(size, *candidate) for candidate in candidates]
    fewest = min(network.operations for network in networks)
    best = [_scheduled(network) for network in networks if network.operations == fewest]
    return min(best, key=lambda network: network.live_values)


def _network(size: int, pairs: Sequence[Pair], outputs: Sequence[int]) -> Network:
    """Drop what nobody reads, and mark which results are read."""
    wanted = set(outputs)
    kept: list[Comparator] = []
    for low, high in reversed(pairs):
        need_low, need_high = low in wanted, high in wanted
        if need_low or need_high:
            kept.append(Comparator(low, high, need_low, need_high))
            wanted |= {low, high}
    kept.reverse()
    return Network(size, tuple(kept), tuple(outputs))


def _scheduled(network: Network) -> Network:
    """The same comparators in the order, of those tried, that keeps the fewest values alive."""
    orders = [network.comparators, _greedy_order(network.comparators), _depth_first_order(network.comparators)]
    return Network(network.size, min(orders, key=lambda order: _peak(order, network.outputs)), network.outputs)


def _sources(comparators: Sequence[Comparator]) -> list[list[int]]:
    """For each comparator those that wrote its two wires last."""
    writer: dict[int, int] = {}
    sources = []
    for index, c in enumerate(comparators):
        sources.append([writer[wire] for wire in (c.low, c.high) if wire in writer])
        writer[c.low] = writer[c.high] = index
    return sources


def _greedy_order(comparators: Sequence[Comparator]) -> tuple[Comparator, ...]:
    """Always take the ready comparator that adds the fewest live values; among equals, the first."""
    sources = _sources(comparators)
    readers: list[list[int]] = [[] for _ in comparators]
    for index, found in enumerate(sources):
        for source in found:
            readers[source].append(index)
    waiting = [len(found) for found in sources]
    ready = [
        (2 - len(found) - (not c.need_low) - (not c.need_high), index)
        for index, (c, found) in enumerate(zip(comparators, sources, strict=True))
        if not found
    ]
    heapify(ready)
    order = []
    while ready:
        index = heappop(ready)[1]
        order.append(comparators[index])
        for reader in readers[index]:
            waiting[reader] -= 1
            if not waiting[reader]:
                c = comparators[reader]
                heappush(ready, (2 - len(sources[reader]) - (not c.need_low) - (not c.need_high), reader))
    return tuple(order)


def _depth_first_order(comparators: Sequence[Comparator]) -> tuple[Comparator, ...]:
    """Each comparator just after what it needs, so that inputs are loaded as late as the results that want them."""
    sources = _sources(comparators)
    done: set[int] = set()
    order = []
    stack = list(range(len(comparators)))
    while stack:
        index = stack[-1]
        missing = [source for source in sources[index] if source not in done]
        if index in done or not missing:
            stack.pop()
            if index not in done:
                done.add(index)
                order.append(comparators[index])
        else:
            stack += missing
    return tuple(order)


def _peak(comparators: Sequence[Comparator], outputs: Sequence[int]) -> int:
    """The largest number of values that exist at once."""
    loaded: set[int] = set()
    peak = live = 0
    for c in comparators:
        live += (c.low not in loaded) + (c.high not in loaded)
        loaded |= {c.low, c.high}
        peak = max(peak, live)
        live -= (not c.need_low) + (not c.need_high)
    return max(peak, len(set(outputs)))
