"""How often each of 256 values is in a window: histograms that move with it, sample by sample.

One position further on a column of samples leaves the window and another one comes (Huang, Yang and Tang, "A fast
two-dimensional median filtering algorithm", 1979). With each sample one count changes, and so does what is known of
all: how many values there are, and the sum of ``c * log2(c)`` over all counts c, by an entry of a table of differences.
That sum is one of integers, so nothing drifts and the way to a position does not matter. The most frequent value is
looked up among all counts. The code is in ``backends/emit/frequencies.py``.

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

EXCHANGED, BEGUN = 1.2, 20.0
"""Nanoseconds in which one sample leaves and one comes; in which the histogram of a row is begun."""
FOUND = {"bits": 1.0, "number": 1.0, "longest": 9.0}
"""The same for what is found at a position beside that."""


def applies(shape: TileShape) -> bool:
    """Whether windows have samples that can be counted so."""
    return shape.lines * shape.taps <= MOST


def costs(shape: TileShape, found: TileRuns) -> float:
    """Nanoseconds for one position, on a core of about 4 GHz."""
    samples = shape.lines + shape.taps * shape.moved * shape.step / shape.positions
    first = shape.lines * shape.taps * shape.step / (shape.rows * shape.positions)
    begun = BEGUN * shape.step / shape.positions
    return EXCHANGED * (samples + first / 2) + begun + FOUND[found.measure]


def scratch(shape: TileShape) -> int:
    """Bytes of the histograms of a tile, about."""
    return (COUNTS + 8) * (shape.step + 1) + 8 * shape.all_lines


def tiles(shape: TileShape, found: TileRuns, unit: int, most: int) -> tuple[TileRuns, int, int] | None:
    """The way to find it, and the rows and positions of a tile of a large image; None: it does not apply.

    Positions are a multiple of `unit`, rows are `most` at most.
    """
    if not applies(shape):
        return None
    return found, min(ROWS, most), max(unit, POSITIONS // unit * unit)
