"""Squares of vectors transposed in registers, by shuffles that machines have without a table of indices."""

from __future__ import annotations

from kernelscape.backends.ir import Builder, Value


def transposed(builder: Builder, rows: list[Value]) -> list[Value]:
    """The columns of a square of vectors.

    First inside lanes of 128 bits, where machines interleave without a table, then whole lanes.
    """
    width = min(len(rows), 16 // (rows[0].type.bits // 8))
    groups = [inside_lanes(builder, rows[i : i + width]) for i in range(0, len(rows), width)]
    columns: list[Value] = [rows[0]] * len(rows)
    for c in range(width):
        for lane, column in enumerate(_lanes_exchanged(builder, [group[c] for group in groups], width)):
            columns[lane * width + c] = column
    return columns


def inside_lanes(builder: Builder, rows: list[Value]) -> list[Value]:
    """Of as many rows as a lane has elements: vectors that hold, lane by lane, what a column has of them."""
    width, lanes = len(rows), rows[0].type.lanes
    if width == 1:
        return rows
    order, half = rows, width // 2
    for _ in range(width.bit_length() - 1):
        pairs = list(zip(order[:half], order[half:], strict=True))
        order = [interleaved(builder, a, b, width, lanes, upper) for a, b in pairs for upper in (0, 1)]
    return order


def interleaved(builder: Builder, a: Value, b: Value, width: int, lanes: int, upper: int) -> Value:
    """One element of each in turn, from the lower or the upper half of every lane."""
    mask = []
    for lane in range(0, lanes, width):
        for i in range(width // 2):
            element = lane + upper * (width // 2) + i
            mask += [element, lanes + element]
    return builder.shuffle(a, b, tuple(mask))


def _lanes_exchanged(builder: Builder, vectors: list[Value], width: int) -> list[Value]:
    """Vector `l` of the result has lane `l` of each vector, in order; as many vectors as they have lanes."""
    if len(vectors) == 1:
        return vectors
    lanes = vectors[0].type.lanes
    blocks = [range(i, i + width) for i in range(0, lanes, width)]
    even = tuple(e for block in blocks[0::2] for e in block)
    odd = tuple(e for block in blocks[1::2] for e in block)
    pairs = list(zip(vectors[0::2], vectors[1::2], strict=True))
    halves = []
    for part in (even, odd):
        mask = (*part, *(lanes + e for e in part))
        halves.append(_lanes_exchanged(builder, [builder.shuffle(a, b, mask) for a, b in pairs], width))
    return [vector for pair in zip(*halves, strict=True) for vector in pair]
