"""What is known of sorted windows, found for all positions of a tile together.

What is looked for is a `Sort` of all samples of one input's window, of which few elements are used, or `Runs` of it; it
is replaced by rows that hold these elements, from which the rest of the expression is computed as it is from any other
column. Which way finds them is a matter of the samples: those of 8 bits are levels of a histogram (``levels.py``, and
``frequencies.py`` for runs), others are numbered in the order of their values first (``ordinals.py``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kernelscape import expression as ex
from kernelscape.loops import TILE_SIDE, RowInput, Stage, TileRanks, TileRuns, tile_shape
from kernelscape.machine import Target
from kernelscape.methods import frequencies, levels, ordinals

AT_BORDERS = 16
"""Rows of a tile where samples outside the array do not exist: tiles at its border are computed otherwise."""
MOST_RANKS = 8
"""Elements of one sorted window that are worth looking for one by one."""


@dataclass(frozen=True)
class Found:
    """Outputs in terms of rank rows, which are `Column` nodes numbered -1, -2, ..., and what these hold.

    `rows` and `positions` are those of a tile of a large image, and `unit` divides the latter.
    """

    outputs: tuple[ex.Node, ...]
    ranks: tuple[TileRanks | TileRuns, ...]
    rows: int
    positions: int
    unit: int

    @property
    def in_order(self) -> bool:
        """Whether samples are numbered in the order of their values."""
        return any(found.per_level for found in self.ranks)

    def numbered(self, outputs: Sequence[ex.Node], columns: int) -> tuple[ex.Node, ...]:
        """The same outputs, where rank rows are numbered behind so many columns."""

        def rule(node: ex.Node) -> ex.Node | None:
            if isinstance(node, ex.Column) and node.number < 0:
                return ex.Column(node.shape, node.dtype, columns - 1 - node.number)
            return None

        return ex.rebuild(outputs, rule)


def find_tile_ranks(outputs: Sequence[ex.Node], inputs: Sequence[RowInput], target: Target) -> Found | str:
    """The same results by way of rank rows, or why there are none."""
    wanted, runs = _wanted(outputs, inputs), _runs(outputs, inputs)
    if not wanted and not runs:
        return "nothing is one of a few elements of all samples of a window, sorted"
    if any(_is_irregular(spec) for spec in inputs):
        return "the rows of neighbouring outputs are not regular, or a row has every few samples only"
    numbers = sorted({number for number, _ in wanted.values()})
    ranks = {n: sorted({r for m, each in wanted.values() if m == n for r in each}) for n in numbers}
    if any(len(each) > MOST_RANKS for each in ranks.values()):
        return f"more than {MOST_RANKS} elements of a window are wanted"
    met = _met_nan(outputs, numbers)
    counted = list(dict.fromkeys(runs.values()))
    asked = [TileRanks(n, tuple(ranks[n]), inputs[n].dtype, 0, n in met.values()) for n in numbers]
    every: list[TileRanks | TileRuns] = [*asked, *counted]
    unit = target.vector_bytes // max(inputs[each.input].dtype.itemsize for each in every)
    sized = _sized(inputs, every, unit)
    if sized is None:
        return "windows are too large for a tile, or lack samples at the border"
    places = {node: len(asked) + counted.index(each) for node, each in runs.items()}
    return Found(_replaced(_with_runs(outputs, places), wanted, met, sized[0]), *sized, unit)


def seconds(stage: Stage) -> float:
    """What the ranks of one output position take one worker, on the machine that the constants were measured on."""
    total = 0.0
    for found in stage.tile_ranks:
        shape = tile_shape(stage.inputs[found.input], stage.rows, stage.positions)
        assert shape is not None
        if isinstance(found, TileRuns):
            total += frequencies.costs(shape, found)
        else:
            total += (ordinals if found.per_level else levels).costs(shape, found)
    return total * 1e-9


def scratch(stage: Stage) -> int:
    """Bytes of memory of a worker, about."""
    total = 0
    for found in stage.tile_ranks:
        shape = tile_shape(stage.inputs[found.input], stage.rows, stage.positions)
        assert shape is not None
        if isinstance(found, TileRuns):
            total += frequencies.scratch(shape)
        else:
            total += ordinals.scratch(shape, found) if found.per_level else levels.scratch(shape)
    return total


def _runs(outputs: Sequence[ex.Node], inputs: Sequence[RowInput]) -> dict[int, TileRuns]:
    """What is asked of the runs of whole windows of 8 bits, by the id of the node."""
    found = {}
    for node in ex.walk(outputs):
        if isinstance(node, ex.Runs) and node.count is None and isinstance(node.body, ex.Sort):
            number = _sorted_input(node.body, inputs)
            if number is not None and inputs[number].dtype.itemsize == 1:
                found[id(node)] = TileRuns(number, node.measure, node.dtype)
    return found


def _with_runs(outputs: Sequence[ex.Node], places: dict[int, int]) -> tuple[ex.Node, ...]:
    """The outputs, where runs are those of rows at some places."""
    new: dict[int, ex.Node] = {}
    for node in ex.walk(outputs):
        if id(node) in places:
            new[id(node)] = ex.reshape(ex.Column((1, 1), node.dtype, -1 - places[id(node)]), ())
        else:
            children = [new[id(child)] for child in node.children]
            same = all(a is b for a, b in zip(children, node.children, strict=True))
            new[id(node)] = node if same else node.with_children(children)
    return tuple(new[id(output)] for output in outputs)


def _wanted(outputs: Sequence[ex.Node], inputs: Sequence[RowInput]) -> dict[int, tuple[int, set[int]]]:
    """For each sort of a whole window of which single elements are used, by id: the input, and these elements."""
    found: dict[int, tuple[int, set[int]]] = {}
    others: set[int] = set()
    for node in ex.walk(outputs):
        if isinstance(node, ex.Sort):
            number = _sorted_input(node, inputs)
            if number is not None:
                found[id(node)] = number, set()
        for child in node.children:
            if id(child) not in found:
                continue
            if isinstance(node, ex.Slice):
                found[id(child)][1].update(node.starts[0] + node.steps[0] * i for i in range(node.shape[0]))
            else:
                others.add(id(child))
    others |= {id(output) for output in outputs}
    return {sort: what for sort, what in found.items() if sort not in others and what[1]}


def _sorted_input(node: ex.Sort, inputs: Sequence[RowInput]) -> int | None:
    """The input whose whole window is sorted."""
    body = node.body.body if isinstance(node.body, ex.Reshape) else node.body
    if node.ndim != 1 or node.where is not None or node.runs != 1 or not isinstance(body, ex.Window):
        return None
    spec = inputs[body.input]
    if spec.taps is not None or node.size != math.prod(spec.shape):
        return None
    return body.input


def _is_irregular(spec: RowInput) -> bool:
    """Whether the rows of a tall tile cannot be handed on row by row."""
    return spec.phases > 1 or spec.body is not None or (len(spec.y_taps) > 1 and spec.row_shift is None)


def _met_nan(outputs: Sequence[ex.Node], numbers: Sequence[int]) -> dict[int, int]:
    """What says whether any sample of a sorted window is NaN, by id: the input."""
    found: dict[int, int] = {}
    for node in ex.walk(outputs):
        if not isinstance(node, ex.Reduce) or node.operation != "logical_or" or node.where is not None or node.shape:
            continue
        body = node.body.body if isinstance(node.body, ex.Reshape) else node.body
        if isinstance(body, ex.Elementwise) and body.operator == "isnan":
            samples = body.operands[0]
            samples = samples.body if isinstance(samples, ex.Reshape) else samples
            if isinstance(samples, ex.Window) and samples.input in numbers and body.size == node.body.size:
                found[id(node)] = samples.input
    return found


def _sized(
    inputs: Sequence[RowInput], asked: Sequence[TileRanks | TileRuns], unit: int
) -> tuple[tuple[TileRanks | TileRuns, ...], int, int] | None:
    """How ranks and runs are found, and the rows and positions of a tile that suits all sorted windows."""
    ways: list[tuple[TileRanks | TileRuns, int, int]] = []
    for each in asked:
        spec = inputs[each.input]
        first, narrow = tile_shape(spec, 1, unit), spec.dtype.itemsize == 1
        if first is None or (spec.may_miss and narrow):
            # Without a border the other ways are not so slow, and at the border these tiles would have more rows.
            return None
        most = AT_BORDERS if spec.may_miss else TILE_SIDE
        own: tuple[TileRanks | TileRuns, int, int] | None
        if isinstance(each, TileRuns):
            own = frequencies.tiles(first, each, unit, most)
        else:
            own = (levels if narrow else ordinals).tiles(first, each, unit, most)
        if own is None:
            return None
        ways.append(own)
    return tuple(way for way, _, _ in ways), min(rows for _, rows, _ in ways), min(most for _, _, most in ways)


def _replaced(
    outputs: Sequence[ex.Node],
    wanted: dict[int, tuple[int, set[int]]],
    met: dict[int, int],
    found: Sequence[TileRanks | TileRuns],
) -> tuple[ex.Node, ...]:
    """The outputs, where elements of sorted windows are those of rank rows."""
    places = {each.input: (place, each) for place, each in enumerate(found) if isinstance(each, TileRanks)}

    def element(number: int, dtype: ex.DType, place: int) -> ex.Node:
        own, each = places[number]
        row = ex.Column((1, each.row_count), dtype, -1 - own)
        return ex.reshape(ex.slice_(row, (0, place), (1, 1), (1, 1)), (1,))

    new: dict[int, ex.Node] = {}
    for node in ex.walk(outputs):
        if isinstance(node, ex.Slice) and id(node.body) in wanted:
            number, _ = wanted[id(node.body)]
            ranks = places[number][1].ranks
            taken = [ranks.index(node.starts[0] + node.steps[0] * i) for i in range(node.shape[0])]
            new[id(node)] = ex.concatenate([element(number, node.dtype, place) for place in taken], 0)
        elif id(node) in met:
            number = met[id(node)]
            new[id(node)] = ex.reshape(element(number, ex.BOOL, len(places[number][1].ranks)), ())
        else:
            children = [new[id(child)] for child in node.children]
            same = all(a is b for a, b in zip(children, node.children, strict=True))
            new[id(node)] = node if same else node.with_children(children)
    return tuple(new[id(output)] for output in outputs)
