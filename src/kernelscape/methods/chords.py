"""Chords: an extremum over a footprint is one over the runs of its lines, each made once for all windows that have it.

A disc of radius 10 has 317 samples and 21 chords of 7 lengths. Extrema over runs of so many samples along x are *made
rows* (`loops.RowInput`); longer runs are the extremum of two shorter ones that overlap, so each length costs one
instruction per sample. What is left for a window is one read per chord, or two where few chords have its length. The
decomposition of arbitrary footprints into chords is by Urbach and Wilkinson [1]_.

Applies to folds over all samples of a footprint in which a sample may be counted twice (extrema, any, all), whose body
looks at every sample in the same way, where rows along x are read without stride and all samples exist. Exact.

References
----------
.. [1] E. R. Urbach and M. H. F. Wilkinson, "Efficient 2-D grayscale morphological transformations with arbitrary flat
   structuring elements", IEEE Transactions on Image Processing 17, 2008, pp. 1-8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from kernelscape import expression as ex
from kernelscape.expression import Node
from kernelscape.loops import Reading
from kernelscape.methods.columns import is_pointwise
from kernelscape.methods.passes import Lattice, Passes, RowSource, RowWriter
from kernelscape.reductions import FOLDS

Tap = tuple[int, ...]
FEW = 5
"""Runs of one length up to which two shorter ones take less than a row of their own."""
SMALLEST = 9
"""Samples of footprints that may be worth rows of their own."""


@dataclass(frozen=True)
class Footprint:
    """The windows that are folded: the box around them, and the positions of their samples in it, in C order."""

    lattice: Lattice
    taps: tuple[Tap, ...]


def chords_of(taps: Sequence[Tap], x: int) -> dict[int, tuple[Tap, ...]]:
    """Runs of samples along axis `x`: for each length that occurs the positions at which runs begin.

    Examples
    --------
    A cross:

    >>> chords_of([(0, 1), (1, 0), (1, 1), (1, 2), (2, 1)], 1)
    {1: ((0, 1), (2, 1)), 3: ((1, 0),)}
    """
    lines: dict[Tap, list[int]] = {}
    for tap in taps:
        lines.setdefault((*tap[:x], *tap[x + 1 :]), []).append(tap[x])
    found: dict[int, list[Tap]] = {}
    for line, places in lines.items():
        places = sorted(places)
        breaks = [n + 1 for n, (a, b) in enumerate(pairwise(places)) if b != a + 1]
        for first, behind in pairwise([0, *breaks, len(places)]):
            found.setdefault(behind - first, []).append((*line[:x], places[first], *line[x:]))
    return {length: tuple(sorted(found[length])) for length in sorted(found)}


def steps_of(lengths: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """(length, a shorter one that gives it twice, overlapping), from 1 on, so that all of some lengths are made.

    Examples
    --------
    >>> steps_of([9, 13])
    ((2, 1), (4, 2), (8, 4), (9, 8), (13, 9))
    """
    steps: list[tuple[int, int]] = []
    last = 1
    for length in sorted(set(lengths)):
        while 2 * last < length:
            steps.append((2 * last, last))
            last *= 2
        if length > last:
            steps.append((length, last))
            last = length
    return tuple(steps)


def reads_of(chords: dict[int, tuple[Tap, ...]], x: int) -> dict[int, tuple[Tap, ...]]:
    """For each length of which rows are made, the positions of the box at which the kernel reads it.

    Lengths that few runs have are not made: such a run is two shorter ones that overlap.

    Examples
    --------
    >>> reads_of({1: ((0, 3),), 5: ((1, 1),), 7: tuple((n, 0) for n in range(2, 8))}, 1)
    {1: ((0, 3),), 4: ((1, 1), (1, 2)), 7: ((2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0))}
    """
    kept = {length for length, places in chords.items() if len(places) > FEW}
    made = {1}.union(length for length, _ in steps_of(sorted(kept)))
    found: dict[int, set[Tap]] = {}
    for length, places in chords.items():
        part = max(n for n in made if n <= length)
        if 2 * part < length:
            made.update(n for n, _ in steps_of([length]))
            part = length
        ends = {(*p[:x], p[x] + length - part, *p[x + 1 :]) for p in places}
        found.setdefault(part, set()).update(ends.union(places))
    return {part: tuple(sorted(found[part])) for part in sorted(found)}


def use_chords(outputs: Sequence[Node], footprint: Footprint, first: int) -> Passes | None:
    """Replaces folds over a footprint by folds over its chords; None where there are none.

    `first` is the number of the first made row, as in `passes.use_passes`.
    """
    count = len(footprint.taps)
    chords = chords_of(footprint.taps, footprint.lattice.x)
    if count < SMALLEST or 4 * sum(map(len, chords.values())) > 3 * count:
        return None
    writer = _Writer(footprint, reads_of(chords, footprint.lattice.x), first)

    def rule(node: Node) -> Node | None:
        if not isinstance(node, ex.Reduce) or isinstance(node, ex.ArgReduce) or node.body.shape != (count,):
            return None
        known = FOLDS.get(node.operation)
        if node.where is not None or known is None or not known.idempotent or not is_pointwise(node.body, (count,)):
            return None
        return writer.folded(node)

    outputs = ex.rebuild(tuple(outputs), rule)
    return Passes(outputs, tuple(writer.finished())) if writer.rows else None


class _Writer(RowWriter):
    """Collects rows of runs; equal ones are made once."""

    def __init__(self, footprint: Footprint, reads: dict[int, tuple[Tap, ...]], first: int) -> None:
        super().__init__(footprint.lattice, first)
        self.footprint, self.reads = footprint, reads

    def folded(self, node: ex.Reduce) -> Node:
        """A fold over windows as one of runs that the kernel reads."""
        lattice, operation = self.lattice, node.operation
        runs = {1: self.base(node.body)}
        unit = lattice.dilations[lattice.x]
        for length, shorter in steps_of(list(self.reads)):
            source = runs[shorter]
            shape = tuple(2 if a == lattice.x else 1 for a in range(len(self.unit)))
            both = ex.reshape(self.window(source, shape, 0), (2,))
            readings = (Reading(source.number, (0,), (0, unit * (length - shorter))),)
            runs[length] = self.row(ex.reduce(operation, both, (0,)), readings, combinations=True)
        read = [self._read(runs[length], places) for length, places in self.reads.items()]
        return ex.reduce(operation, ex.concatenate(read, 0) if len(read) > 1 else read[0], (0,))

    def _read(self, source: RowSource, places: tuple[Tap, ...]) -> Node:
        """What the kernel reads at some positions of the box, as a line."""
        place = source.number - self.first
        if place < 0:
            taps = self.footprint.taps
            whole = ex.Window((len(taps),), source.dtype, source.number)
            each = [ex.slice_(whole, (taps.index(tap),), (1,), (1,)) for tap in places]
            return source.wrap(ex.concatenate(each, 0) if len(each) > 1 else each[0])
        if self.rows[place].places not in (None, places):
            # The kernel reads a row in one way; for another one it is made again.
            self.rows.append(self.rows[place])
            place = len(self.rows) - 1
        box = tuple(
            tuple(range(n)) if a in self.lattice.outer else tuple(sorted({p[a] for p in places}))
            for a, n in enumerate(self.lattice.shape)
        )
        self.rows[place] = replace(self.rows[place], taps=box, places=places)
        return source.wrap(ex.Window((len(places),), source.dtype, self.first + place))
