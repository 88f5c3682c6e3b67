"""Ranks of samples of any dtype: numbered in the order of their values, they are found like those of 8 bits.

The samples of a tile and of what its windows reach are sorted once; a number among them says as much of a sample as its
value, and has few bits (ranks instead of values are an idea of Weiss, "Fast median and bilateral filtering", 2006).
Histograms that move with the window (``levels.py``) find the upper bits of the number at a rank. Of the lower bits
there are 64 possible ones, each of which belongs to one sample at a known place; one comparison of 64 places with the
window says which of them are inside. What a position takes hardly depends on the window, and not on its data.

Exact, and independent of how a tile is cut: the number may differ, the value does not. -0 comes before +0, and NaN
behind all numbers. The code is in ``backends/emit/ordinals.py``.
"""

from __future__ import annotations

from dataclasses import replace

from kernelscape.loops import TileRanks, TileShape
from kernelscape.methods import levels

PER_LEVEL = 64
"""Samples of a level: as many places as are compared at once."""
MOST = 256 * PER_LEVEL
"""Samples that can be numbered."""
PITCH = 256
"""Lines and columns of a tile, at most: a place is two numbers of 8 bits."""
SORTED = {2: 5.0, 4: 6.5, 8: 14.0}
"""Nanoseconds in which a sample is sorted, by its bytes."""
FOUND = 4.0
"""Nanoseconds for the last step of one rank."""


def costs(shape: TileShape, found: TileRanks) -> float:
    """Nanoseconds for one position, on a core of about 4 GHz with vectors of 16 bytes or more."""
    samples = shape.all_lines * (shape.positions + shape.span) / (shape.rows * shape.positions)
    return SORTED[found.dtype.itemsize] * samples + levels.costs(shape, found) + FOUND * len(found.ranks)


def tile(shape: TileShape, found: TileRanks, rows: int, unit: int) -> tuple[int, int] | None:
    """Rows and positions of a tile, of at most `rows` rows and a multiple of `unit` positions; None: does not apply."""
    if not levels.applies(shape):
        return None
    best, least = None, float("inf")
    for positions in range(unit, PITCH + 1, unit):
        wide = replace(shape, positions=positions)
        if wide.columns > PITCH:
            break
        lines = min(PITCH, MOST // wide.columns)
        most = min(rows, (lines - shape.lines) // shape.moved + 1)
        if most < 1 or lines < shape.lines:
            continue
        sized = replace(wide, rows=most)
        cost = costs(sized, found)
        if cost < least:
            best, least = (most, positions), cost
    return best
