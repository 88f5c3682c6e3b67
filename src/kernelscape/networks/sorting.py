"""Sorting and merging as comparators: tables up to 16 wires, Batcher's odd-even merges of such blocks beyond."""

from collections.abc import Sequence
from functools import cache

from kernelscape.networks.network import Pair
from kernelscape.networks.tables import SMALL


def sort(wires: Sequence[int]) -> tuple[list[Pair], list[int]]:
    """Comparators that sort `wires`, and the wires in ascending order of what they then hold."""
    count = len(wires)
    if count <= 16:
        table = SMALL.get(count, SMALL[16])  # 14 and 15: wires that are not there would hold plus infinity
        return [(wires[a], wires[b]) for a, b in table if b < count], list(wires)
    split = _best_split(count)
    first, first_order = sort(wires[:split])
    second, second_order = sort(wires[split:])
    merging, order = merge(first_order, second_order)
    return first + second + merging, order


@cache
def _sort_cost(count: int) -> int:
    if count <= 16:
        return len(sort(range(count))[0]) if count else 0
    split = _best_split(count)
    return _sort_cost(split) + _sort_cost(count - split) + _merge_cost(split, count - split)


@cache
def _best_split(count: int) -> int:
    power = 1 << (count - 1).bit_length() - 1
    options = {count // 2, (count + 1) // 2, power, power // 2, count - count % 16 if count % 16 else count // 2}
    return min(
        sorted(o for o in options if 0 < o < count),
        key=lambda o: _sort_cost(o) + _sort_cost(count - o) + _merge_cost(o, count - o),
    )


@cache
def _merge_cost(first: int, second: int) -> int:
    if not first or not second:
        return 0
    if first == 1 and second == 1:
        return 1
    even = (first + 1) // 2 + (second + 1) // 2
    odd = first // 2 + second // 2
    return _merge_cost((first + 1) // 2, (second + 1) // 2) + _merge_cost(first // 2, second // 2) + min(even - 1, odd)


def merge(first: Sequence[int], second: Sequence[int]) -> tuple[list[Pair], list[int]]:
    """Batcher's odd-even merge of two sorted sequences of wires: comparators and the merged order."""
    if not first or not second:
        return [], [*first, *second]
    if len(first) == 1 and len(second) == 1:
        return [(first[0], second[0])], [first[0], second[0]]
    pairs, even = merge(first[::2], second[::2])
    more, odd = merge(first[1::2], second[1::2])
    pairs += more
    order = [even[0]]
    for index in range(max(len(even) - 1, len(odd))):
        together = [*odd[index : index + 1], *even[index + 1 : index + 2]]
        order += together
        if len(together) == 2:
            pairs.append((together[0], together[1]))
    return pairs, order
