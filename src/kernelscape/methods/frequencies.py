"""How often each of 256 values is in a window: histograms that move with it, sample by sample.

One position further on a column of samples leaves the window and another one comes (Huang, Yang and Tang, "A fast
two-dimensional median filtering algorithm", 1979). With each sample one count changes, and so does what is known of
all: how many values there are, and the sum of ``c * log2(c)`` over all counts c, by an entry of a table of differences.
That sum is one of integers, so nothing drifts and the way to a position does not matter. The most frequent value is
looked up among all counts. Up to four output rows have their histograms side by side, and count at once a sample that
is in the windows of all of them. The code is in ``backends/emit/frequencies.py``.

Exact. Applies to bool, int8 and uint8. The time grows with one side of the window, not with its samples.
"""

from __future__ import annotations

from kernelscape.loops import TileRuns, TileShape

ROWS, POSITIONS = 128, 512
"""Of a tile: histograms are begun anew for each row of one."""
MOST = 16384
"""Samples of a window: so many entries has the table of differences."""
COUNTS = 512
"""Bytes of 256 counts."""

EXCHANGED, BEGUN = 1.0, 40.0
"""Nanoseconds in which one sample leaves some rows and one comes; in which the histograms of a row are begun."""
SAID = {"bits": 0.62, "number": 0.35, "longest": 0.1}
"""Nanoseconds for what that changes, in each row."""
FOUND = {"bits": 1.4, "number": 2.5, "longest": 10.0}
"""Nanoseconds for what is found at a position beside that."""


def together(rows: int) -> int:
    """Output rows of a tile of so many whose histograms lie side by side."""
    return next(n for n in (4, 2, 1) if n <= rows)


def applies(shape: TileShape) -> bool:
    """Whether windows have samples that can be counted so."""
    return shape.lines * shape.taps <= MOST


def costs(shape: TileShape, found: TileRuns) -> float:
    """Nanoseconds for one position, on a core of about 4 GHz."""
    rows, first = together(shape.rows), shape.step * shape.taps / shape.positions

    def exchanged(lines: int) -> float:
        """Of so many lines for each row."""
        return EXCHANGED * (lines + (rows - 1) * shape.moved) / rows + SAID[found.measure] * lines

    begun = exchanged(shape.lines) / shape.rows + exchanged(rows * shape.moved)
    return exchanged(shape.lines) + first * begun + BEGUN * shape.step / shape.positions + FOUND[found.measure]


def scratch(shape: TileShape) -> int:
    """Bytes of the histograms of a tile, about."""
    rows = together(shape.rows)
    return rows * (COUNTS * (shape.step + 1) + 8 * shape.positions) + 8 * shape.all_lines


def tiles(shape: TileShape, found: TileRuns, unit: int, most: int) -> tuple[TileRuns, int, int] | None:
    """The way to find it, and the rows and positions of a tile of a large image; None: it does not apply.

    Positions are a multiple of `unit`, rows are `most` at most.
    """
    if not applies(shape):
        return None
    return found, min(ROWS, most), max(unit, POSITIONS // unit * unit)
