"""The table of methods: every way in which the planner may compute a job, one entry each.

A method is given a `Task` and makes a `Draft` of it, or says in a sentence why it does not apply. Drafts are turned
into stages, their costs are estimated, and the cheapest one is taken (`candidates.py`); so a new method is one function
and one entry, and nothing else knows its name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod

from kernelscape.expression import Node, Reduce, Shape, walk
from kernelscape.loops import RowInput, TileRanks, TileRuns
from kernelscape.methods.chords import chords_of, use_chords
from kernelscape.methods.columns import Columns, use_columns
from kernelscape.methods.passes import use_passes
from kernelscape.methods.separable import use_separable
from kernelscape.methods.terms import use_terms
from kernelscape.methods.tile_ranks import Found, find_tile_ranks
from kernelscape.plan.rows import pass_rows
from kernelscape.plan.task import Task


@dataclass(frozen=True)
class Draft:
    """What a method makes of a task.

    Attributes
    ----------
    outputs : tuple of Node
        The expressions of the stage.
    why : str
        What is gained, in words.
    exactness : str
        How the results differ from the definition's, in words.
    columns : tuple of Node
        As in `loops.Stage`.
    rows : tuple of RowInput
        Made rows, numbered behind `Task.inputs`.
    steps : tuple of str
        What is done one after the other, in words; where there is nothing to say, the one stage.
    tiles : Found or None
        What is found for whole tiles, with the columns numbered.
    """

    outputs: tuple[Node, ...]
    why: str
    exactness: str = "exact up to rounding"
    columns: tuple[Node, ...] = ()
    rows: tuple[RowInput, ...] = ()
    steps: tuple[str, ...] = ()
    tiles: Found | None = None


@dataclass(frozen=True)
class Method:
    """An entry of the table.

    Attributes
    ----------
    name : str
        What a user writes in ``method=``.
    draft : callable
        ``draft(task)``: a `Draft`, or why there is none.
    """

    name: str
    draft: Callable[[Task], Draft | str]


def _direct(task: Task) -> Draft | str:
    return Draft(task.outputs, "every output from the samples of its own window")


def _columns(task: Task) -> Draft | str:
    x = task.x
    if task.has_flags:
        return "samples count or not as data says, in windows of several kinds"
    if task.window is None or x is None:
        return "windows do not move along x by one sample, or differ from each other"
    made = use_columns(task.outputs, task.window, x, keep_order=task.keeps_order)
    if not made.columns:
        return "windows that are neighbours along x share no part that is worth keeping"
    shared = sum(c.size for c in made.columns)
    why = f"{shared} value{'s' * (shared != 1)} per position along x serve all windows that overlap there"
    return Draft(made.outputs, why, columns=made.columns)


NOT_MOVING = "windows do not move along x by one sample, differ from each other, or may lack samples at the border"


def _in_columns(task: Task, make: Callable[[Shape, int], Columns | None], none: str) -> Columns | str:
    """Sums over windows that `make` makes of columns, whatever their order; `none` says that there are none."""
    if task.window is None or task.x is None or task.keeps_order or task.has_flags:
        return NOT_MOVING
    made = make(task.window, task.x)
    if made is None:
        return none
    return use_columns(made.outputs, task.window, task.x, keep_order=False, known=made.columns)


def _separable(task: Task) -> Draft | str:
    if not task.job.factors:
        return "no kernel is the outer product of one vector for each axis"
    make = partial(use_separable, task.outputs, slots=dict(task.job.factors))
    made = _in_columns(task, make, "no sum over windows is weighted with a separable kernel")
    if isinstance(made, str):
        return made
    window = task.window or ()
    sides = " + ".join(map(str, window))
    why = f"the kernel is the product of one vector for each axis: {sides} products instead of {prod(window)}"
    return Draft(made.outputs, why, columns=made.columns)


def _terms(task: Task) -> Draft | str:
    if not task.job.terms:
        return "no kernel is a sum of few outer products, up to the rounding of the sum of all its products"
    make = partial(use_terms, task.outputs, kernels=task.job.terms)
    made = _in_columns(task, make, "no sum over windows is weighted with a kernel of low rank")
    if isinstance(made, str):
        return made
    window = task.window or ()
    ranks = " and ".join(str(len(k.vectors)) for k in task.job.terms)
    dtypes = " and ".join(dict.fromkeys(str(k.dtype) for k in task.job.terms))
    why = (
        f"the kernel is a sum of {ranks} outer products, in {dtypes}: {ranks} * ({' + '.join(map(str, window))}) "
        f"products instead of {prod(window)}"
    )
    error = (
        f"exact up to rounding: off by at most {prod(window) / 2:g} eps of the sum of the products' magnitudes, "
        "half of the bound of the sum itself; a weight of 0 may act as 2^-20 eps of the largest one"
    )
    steps = (f"{ranks} sums along y per position along x, which windows share", "the outputs; again, if not finite")
    return Draft(made.outputs, why, error, columns=made.columns, steps=steps)


def _passes(task: Task) -> Draft | str:
    lattice = task.lattice
    if lattice is None:
        return NOT_MOVING
    made = use_passes(task.outputs, lattice, len(task.inputs))
    if made is None:
        return "no sum, extremum or moment is of all samples of a window, or the windows are small"
    rows = tuple(pass_rows(row, task.inputs[task.like], lattice) for row in made.rows)
    rest = use_columns(made.outputs, lattice.shape, lattice.x, keep_order=False)
    why = f"{len(rows)} kind{'s' * (len(rows) != 1)} of rows of groups of samples serve all windows that have them"
    kinds = (f"{len(rows)} kind{'s' * (len(rows) != 1)} of rows, each made of others", "the outputs")
    return Draft(rest.outputs, why, columns=rest.columns, rows=rows, steps=kinds)


def _chords(task: Task) -> Draft | str:
    if all(i.taps is None for i in task.job.inputs):
        return "windows are boxes"
    footprint = task.footprint
    if footprint is None:
        return NOT_MOVING
    made = use_chords(task.outputs, footprint, len(task.inputs))
    if made is None:
        return (
            "nothing is an extremum of all samples of the footprint, or it has hardly fewer runs along x than samples"
        )
    like = task.inputs[task.like]
    rows = tuple(pass_rows(row, like, footprint.lattice) for row in made.rows)
    chords = chords_of(footprint.taps, footprint.lattice.x)
    count = sum(map(len, chords.values()))
    why = f"{count} runs along x, of {len(chords)} lengths, are the {len(footprint.taps)} samples of the footprint"
    return Draft(made.outputs, why, "exact", rows=rows, steps=(f"{len(rows)} kinds of rows of runs", "the outputs"))


def _levels(task: Task) -> Draft | str:
    made = _tile_ranks(task)
    if isinstance(made, Draft) and made.tiles is not None and made.tiles.in_order:
        return "samples have more than 8 bits"
    return made


def _ordinals(task: Task) -> Draft | str:
    made = _tile_ranks(task)
    if isinstance(made, Draft) and made.tiles is not None and not made.tiles.in_order:
        return "samples have 8 bits, and need no numbers"
    return made


def _tile_ranks(task: Task) -> Draft | str:
    found = find_tile_ranks(task.outputs, task.inputs, task.target)
    if isinstance(found, str):
        return found
    if task.has_flags or task.filled is not None or task.job.min_count > 1:
        return "data says which samples count, or how many must"
    x, outputs = task.x, found.outputs
    columns: tuple[Node, ...] = ()
    if task.window is not None and x is not None:
        rest = use_columns(outputs, task.window, x, keep_order=task.keeps_order)
        outputs, columns = rest.outputs, rest.columns
    every = found.numbered((*outputs, *columns), len(columns))
    counted = _counted(found)
    numbered = ("the samples of a tile are numbered in the order of their values",) * found.in_order
    moved = f"histograms of columns move down a tile, and of windows along its rows: {counted}"
    why = f"{counted} by histograms that move with the window: its size hardly matters"
    rounded = any(isinstance(n, Reduce) and n.dtype.kind == "f" and n.operation == "add" for n in walk(every))
    return Draft(
        every[: len(outputs)],
        why,
        "exact up to rounding" if rounded else "exact",
        columns=every[len(outputs) :],
        steps=(*numbered, moved, "the outputs"),
        tiles=found,
    )


def _counted(found: Found) -> str:
    """What is found for whole tiles, in words."""
    ranks = sum(len(each.ranks) for each in found.ranks if isinstance(each, TileRanks))
    runs = sum(isinstance(each, TileRuns) for each in found.ranks)
    kinds = ((ranks, "rank", "ranks"), (runs, "fact about equal samples", "facts about equal samples"))
    return " and ".join(f"{number} {one if number == 1 else many}" for number, one, many in kinds if number)


METHODS = (
    Method("direct", _direct),
    Method("columns", _columns),
    Method("separable", _separable),
    Method("terms", _terms),
    Method("passes", _passes),
    Method("chords", _chords),
    Method("levels", _levels),
    Method("ordinals", _ordinals),
)
"""All methods, the simplest first; among equally cheap ones the first is taken."""
NAMES = tuple(m.name for m in METHODS)
