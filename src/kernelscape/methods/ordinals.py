"""Ranks of samples of any dtype: numbered in the order of their values, they are found like those of 8 bits.

The samples of a tile and of what its windows reach are sorted once; a number among them says as much of a sample as its
value, and has few bits (ranks instead of values are an idea of Weiss, "Fast median and bilateral filtering", 2006).
Histograms that move with the window (``levels.py``) find the upper bits of the number at a rank. With the same
upper bits there are 64 samples or a few times as many, each at a known place; comparing these with the window says
which of them are inside. What a position takes hardly depends on the window, and not on its data.

Exact, and independent of how a tile is cut: the number may differ, the value does not. -0 comes before +0, and NaN
behind all numbers. The code is in ``backends/emit/ordinals.py``.
"""

from __future__ import annotations

from dataclasses import replace

from kernelscape.loops import TILE_SIDE, TileRanks, TileShape
from kernelscape.methods import levels

PER_LEVEL = (64, 128, 256)
"""Samples of a level: so many places are compared, 64 at once."""
SORTED = {2: 4.0, 4: 6.5, 8: 14.0}
"""Nanoseconds in which a sample is sorted, by its bytes."""
FOUND, COMPARED = 3.0, 1.0
"""Nanoseconds for the last step of one rank: in any case, and for each 64 places."""


def costs(shape: TileShape, found: TileRanks) -> float:
    """Nanoseconds for one position, on a core of about 4 GHz with vectors of 16 bytes or more."""
    samples = shape.all_lines * (shape.positions + shape.span) / (shape.rows * shape.positions)
    last = FOUND + COMPARED * found.per_level / PER_LEVEL[0]
    return SORTED[found.dtype.itemsize] * samples + levels.costs(shape, found) + last * len(found.ranks)


def scratch(shape: TileShape, found: TileRanks) -> int:
    """Bytes for the samples of a tile, and for its histograms, about."""
    samples = shape.all_lines * shape.columns
    return levels.scratch(shape) + shape.all_lines * TILE_SIDE * (found.dtype.itemsize + 1) + 6 * samples


def tiles(shape: TileShape, found: TileRanks, unit: int) -> tuple[TileRanks, int, int] | None:
    """The way to find ranks, and the rows and positions of a tile of a large image; None: it does not apply.

    Positions are a multiple of `unit`.
    """
    if not levels.applies(shape):
        return None
    best, least = None, float("inf")
    for per_level in PER_LEVEL:
        way = replace(found, per_level=per_level)
        for positions in range(unit, TILE_SIDE + 1, unit):
            wide = replace(shape, positions=positions)
            lines = min(TILE_SIDE, 256 * per_level // wide.columns)
            if wide.columns > TILE_SIDE or lines < shape.lines:
                break
            rows = (lines - shape.lines) // shape.moved + 1
            cost = costs(replace(wide, rows=rows), way)
            if cost < least:
                best, least = (way, rows, positions), cost
    return best
