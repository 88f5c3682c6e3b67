"""Elements that lie some steps apart, brought together in registers."""

from __future__ import annotations

from collections.abc import Sequence

from kernelscape.backends.ir import Builder, Value

Picks = Sequence[tuple[int, int]]
"""For each lane of a result: the number of a vector, and a lane of it."""


def span_of(step: int, lanes: int) -> int:
    """Elements from the first to the last of as many as a vector has lanes, a step apart."""
    return abs(step) * (lanes - 1) + 1


def stepped(builder: Builder, blocks: Sequence[Value], starts: Sequence[int], step: int) -> Value:
    """A vector of elements that are `step` apart, in the order of the step's sign.

    `blocks` cover them: vector `b` begins at element ``starts[b]``, and the first element is one of those that are
    wanted (the last one, where the step is negative).
    """
    lanes = blocks[0].type.lanes
    wanted = range(0, abs(step) * lanes, abs(step))
    picks = []
    for element in wanted if step > 0 else reversed(wanted):
        block = next(b for b, start in enumerate(starts) if start <= element < start + lanes)
        picks.append((block, element - starts[block]))
    return picked(builder, blocks, picks)


def picked(builder: Builder, blocks: Sequence[Value], picks: Picks) -> Value:
    """A vector of lanes of others: each pair of vectors gives what it has, then the pairs are blended."""
    lanes = blocks[0].type.lanes
    parts: dict[int, Value] = {}
    for pair in sorted({block // 2 for block, _ in picks}):
        own = [(block, lane) if block // 2 == pair else (2 * pair, n) for n, (block, lane) in enumerate(picks)]
        first = blocks[2 * pair]
        second = blocks[2 * pair + 1] if 2 * pair + 1 < len(blocks) else first
        mask = tuple(lane + lanes * (block % 2) for block, lane in own)
        parts[pair] = first if mask == tuple(range(lanes)) else builder.shuffle(first, second, mask)
    (pair, found), *others = parts.items()
    done = {pair}
    for pair, part in others:
        mask = tuple(n if block // 2 in done else lanes + n for n, (block, _) in enumerate(picks))
        found = builder.shuffle(found, part, mask)
        done.add(pair)
    return found


def phase(builder: Builder, blocks: Sequence[Value], number: int) -> Value:
    """Every n-th element of n vectors that lie one behind the other, from element `number` on.

    Halves of halves, as long as n is even: the phases have most of their work in common, which is done once.
    """
    count, lanes = len(blocks), blocks[0].type.lanes
    if count == 1:
        return blocks[0]
    if count % 2:
        return picked(builder, blocks, [divmod(number + count * n, lanes) for n in range(lanes)])
    half = tuple(range(number % 2, 2 * lanes, 2))
    pairs = zip(blocks[0::2], blocks[1::2], strict=True)
    return phase(builder, [builder.shuffle(a, b, half) for a, b in pairs], number // 2)
