"""Ranks of 8-bit samples by histograms that move with the window: the time does not depend on its size.

Each column of a window has a histogram; one output row further down one sample leaves it and one comes. The histogram
of a window is the sum of those of its columns; one position further on one column leaves it and one comes (Huang, Yang
and Tang, "A fast two-dimensional median filtering algorithm", 1979; Perreault and Hebert, "Median filtering in constant
time", 2007). Here all counts are cumulative, so that a rank is found by one comparison of 16 counts, and then by one of
those of the 16 levels in which it lies; those are brought up to date only where they are wanted, as in the second
paper. The code is in ``backends/emit/levels.py``.

Exact. Applies to bool, int8 and uint8, where a column has at most 255 samples and a window at most 65535.
"""

from __future__ import annotations

from kernelscape.loops import TileRanks, TileShape

ROWS, POSITIONS = 128, 512
"""Of a tile: so many that the histograms of its columns stay in the second-level cache, and are seldom begun anew."""

CHANGED, FOUND = 2.0, 2.4
"""Nanoseconds in which a column is changed, and in which a rank is found."""


def applies(shape: TileShape) -> bool:
    """Whether the counts of such windows fit their lanes."""
    return shape.lines <= 255 and shape.lines * shape.taps <= 65535 and shape.taps <= POSITIONS


def costs(shape: TileShape, found: TileRanks) -> float:
    """Nanoseconds for one position, on a core of about 4 GHz with vectors of 16 bytes or more."""
    begun = (shape.positions + shape.span) / shape.positions
    lines = (shape.lines / 2 + shape.moved * shape.rows) / shape.rows
    return CHANGED * begun * lines + FOUND * len(found.ranks)


def scratch(shape: TileShape) -> int:
    """Bytes of the histograms of a tile, about."""
    return 17 * 16 * shape.columns


def tiles(shape: TileShape, found: TileRanks, unit: int, most: int) -> tuple[TileRanks, int, int] | None:
    """The way to find ranks, and the rows and positions of a tile of a large image; None: it does not apply.

    Positions are a multiple of `unit`, rows are `most` at most.
    """
    if not applies(shape):
        return None
    return found, min(ROWS, most), max(unit, POSITIONS // unit * unit)
