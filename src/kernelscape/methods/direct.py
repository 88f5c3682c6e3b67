"""Direct evaluation: every output from the samples of its own window.

Applies always and is exact: it is the definition, computed tile by tile. Its one decision is the shape of the register
tile: several output rows share the source rows that they have in common, and several vectors share the weights. The
number of lanes is the one for which all registers of the expression together are used best.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kernelscape import expression as ex
from kernelscape.machine import Target
from kernelscape.networks import column_selection_network, selection_network
from kernelscape.semantics import OPERATORS, register_dtype

SHORT = 400
"""Instructions of a tile of several rows that share nothing."""
BUDGET = 1000
"""Instructions of an unrolled tile above which it does not grow."""
SORT_LIMIT = 64
"""Samples up to which all ranks come from a network."""
MEMORY_RANKS = 2
"""Ranks of more samples that come from a network in registers, at most."""
MOST_SELECTED, MOST_SORTED = 121, 1024
"""Samples up to which few ranks come from networks, and up to which networks are run as data."""
IN_MEMORY = 2.1
"""Instructions of such a network for each sample, times the square of the logarithm of their number."""
LOOKED_UP = 110.0
"""Instructions for an element of all lanes of a register of bytes, of which each has its own entry of a table."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A register tile, and the instructions that one vector of outputs takes, roughly."""

    rows: int
    vectors: int
    lanes: int
    instructions: float


def choose_tile(
    outputs: Sequence[ex.Node],
    varying: set[int],
    shares_rows: bool,
    target: Target,
    packed: frozenset[int] = frozenset(),
    *,
    divides_rows: bool = False,
) -> Tile:
    """The register tile for some expressions.

    `varying` holds the ids of nodes that differ from lane to lane, `packed` the inputs whose elements are taken apart
    in registers; `divides_rows` says that windows have a stride along x.
    """
    widths = element_bytes(outputs)
    nodes = [n for n in ex.walk(outputs) if id(n) in varying]
    ranks = wanted_ranks(nodes)
    each = {id(n): _instructions(n, ranks) for n in nodes}
    lanes = _best_lanes(nodes, widths, each, target)
    instructions = sum(each[id(n)] * registers_of(widths[id(n)], lanes, target) for n in nodes)
    if any(isinstance(n, ex.Sort | ex.ArgReduce) for n in nodes):
        # One after the other: several rows share nothing but what a tile costs, which is much beside a short network.
        rows = 8 if lanes >= 32 else 4
        return Tile(rows if rows * instructions <= SHORT else 1, 1, lanes, instructions)
    folds = [n for n in nodes if isinstance(n, ex.Reduce)]
    widest = max((registers_of(widths[id(n)], lanes, target) for n in nodes), default=1)
    together = max(Counter((n.axes, n.body.shape) for n in folds).values(), default=1)
    linear = bool(folds) and all(map(is_sum_of_products, folds))
    free = target.registers * 3 // 4 if linear and together > 1 else target.registers // 2
    accumulators = max(1, free // widest // together)
    if any(isinstance(n, ex.Pixel) and n.input in packed for n in nodes):
        return Tile(1, 1, lanes, instructions)
    if linear and together == 1 and any(isinstance(n, ex.Pixel) and n.size > 1 for n in nodes):
        # Each position brings weights of its own: what counts is that they are read in long runs.
        return Tile(2 if shares_rows else 1, max(1, accumulators // 2), lanes, instructions)
    # Rows of narrow samples are short in vectors: more of them at once make up for what each tile costs.
    rows = (8 if lanes >= 32 else 4) if shares_rows and folds else 1
    # Written out, one vector of each row, where that fits, and else a loop.
    products = bool(folds) and all(map(is_extremum_of_products, folds))
    looped = products and rows * instructions > BUDGET
    long = linear or looped
    while rows > 1 and (rows > accumulators or (rows * instructions > 4 * BUDGET and not long)):
        rows //= 2
    # Weights of a cell end with it: short chunks leave less of the last one unused.
    in_cells = any(isinstance(n, ex.Pixel) and n.size > 1 and id(n) not in varying for n in ex.walk(outputs))
    # Under a stride output rows share fewer source rows: more vectors make up for it, which share the weights.
    most = 4 if rows == 1 or divides_rows or looped else 1 if products else 3
    vectors = max(1, min(2 if in_cells and rows > 1 else most, accumulators // rows))
    while vectors > 1 and rows * vectors * instructions > BUDGET and not long:
        vectors -= 1
    return Tile(rows, vectors, lanes, instructions)


def is_sum_of_products(fold: ex.Reduce) -> bool:
    """A sum of products of samples and weights: loops over rows keep it short whatever the size of the window."""
    inside = [n for n in ex.walk([fold.body]) if not isinstance(n, ex.Window | ex.Pixel | ex.Argument | ex.Constant)]
    moving = (ex.Slice, ex.Reshape, ex.Broadcast, ex.Transpose)
    operators = [n for n in inside if not isinstance(n, moving)]
    # A sum of those that count selects them.
    linear = ("multiply", "square", "cast", "select", "absolute")
    known = all(isinstance(n, ex.Elementwise) and n.operator in linear for n in operators)
    return fold.operation == "add" and known and len(operators) <= 3


def is_extremum_of_products(fold: ex.Reduce) -> bool:
    """An extremum of floating products or sums of samples and weights, which loops over rows keep as short."""
    inside = [n for n in ex.walk([fold.body]) if not isinstance(n, ex.Window | ex.Argument | ex.Constant)]
    moving = (ex.Slice, ex.Reshape, ex.Broadcast, ex.Transpose)
    operators = [n for n in inside if not isinstance(n, moving)]
    affine = ("multiply", "add", "subtract", "cast", "absolute", "negative")
    known = all(isinstance(n, ex.Elementwise) and n.operator in affine for n in operators)
    extremum = fold.operation in ("minimum", "maximum") and fold.dtype.kind == "f" and fold.where is None
    return extremum and known and 0 < len(operators) <= 3


def registers_of(width: int, lanes: int, target: Target) -> int:
    """Registers that so many lanes of elements of so many bytes take."""
    return max(1, math.ceil(lanes * width / target.vector_bytes))


def element_bytes(outputs: Sequence[ex.Node]) -> dict[int, int]:
    """Bytes of each node's elements in a register; a mask is as wide as what it was made of."""
    found: dict[int, int] = {}
    for node in ex.walk(outputs):
        if node.dtype.kind == "b":
            found[id(node)] = max((found[id(child)] for child in node.children), default=1)
        elif isinstance(node, ex.Runs):
            found[id(node)] = found[id(node.body)]  # to follow runs is more than what comes of it
        else:
            found[id(node)] = register_dtype(node.dtype).itemsize
    return found


def _instructions(node: ex.Node, ranks: dict[int, tuple[int, ...]]) -> float:
    """Instructions for all elements of a node, on one register."""
    if isinstance(node, ex.Elementwise):
        return node.size * OPERATORS[node.operator].cost
    if isinstance(node, ex.Window | ex.Pixel):
        return 0.5 * node.size
    if isinstance(node, ex.Sort):
        return sort_operations(node, ranks.get(id(node)))
    if isinstance(node, ex.ArgReduce):
        return 5.0 * node.body.size
    if isinstance(node, ex.Reduce | ex.Scan):
        return node.body.size
    if isinstance(node, ex.Runs):
        return run_operations(node)
    return 0.0


def sort_operations(node: ex.Sort, ranks: tuple[int, ...] | None) -> float:
    """Instructions for a Sort of which some ranks are wanted, on one register; None: as if it were the middle."""
    extent = node.shape[node.axis]
    wanted = (extent // 2,) if ranks is None else ranks
    if SORT_LIMIT < extent <= MOST_SORTED and (ranks is None or len(ranks) > MEMORY_RANKS):
        return node.size * IN_MEMORY * math.log2(extent) ** 2
    if node.runs > 1 and extent <= MOST_SELECTED:
        columns = extent // node.runs
        return node.size / extent * column_selection_network(columns, node.runs, wanted)[1].operations
    if extent <= MOST_SELECTED:
        return node.size / extent * selection_network(extent, wanted).operations
    # By bisection: keys of one or two bytes whole, others digit by digit, of which the later ones take fewer turns.
    size = register_dtype(node.dtype).itemsize
    return float(node.size * size * (16 if size <= 2 else 5))


def wanted_ranks(nodes: Sequence[ex.Node]) -> dict[int, tuple[int, ...]]:
    """For each Sort whose readers are all slices: the ranks that they ask for."""
    ranks: dict[int, set[int]] = {}
    everything: set[int] = set()
    for node in nodes:
        for child in node.children:
            if not isinstance(child, ex.Sort):
                continue
            if isinstance(node, ex.Slice):
                start, step, count = node.starts[child.axis], node.steps[child.axis], node.shape[child.axis]
                ranks.setdefault(id(child), set()).update(start + step * i for i in range(count))
            elif not (isinstance(node, ex.Take) and node.axis == child.axis):
                everything.add(id(child))
    return {sort: tuple(sorted(found)) for sort, found in ranks.items() if sort not in everything}


def run_operations(node: ex.Runs) -> float:
    """Instructions that follow runs along sorted elements, on one register."""
    each = 8.0
    if node.measure == "bits":
        each += LOOKED_UP / register_dtype(node.body.dtype).itemsize
    return node.body.size * each


def _best_lanes(nodes: Sequence[ex.Node], widths: dict[int, int], each: dict[int, float], target: Target) -> int:
    """Lanes for which the instructions per output are fewest; among equals the fewest lanes.

    What most instructions work on should fill at most two registers, and what is sorted, of which much is held at once,
    one: more would only be spilled.
    """
    weight: Counter[int] = Counter()
    for node in nodes:
        weight[widths[id(node)]] += round(100 * each[id(node)] / max(1, node.size)) * max(1, node.size)
    main = max((size for size, w in weight.items() if w >= 0.3 * weight.total()), default=8)
    ordered = max((widths[id(n)] for n in nodes if isinstance(n, ex.Sort)), default=1)
    best, lowest = target.vector_bytes // 8, math.inf
    for size in (8, 4, 2, 1):
        lanes = target.vector_bytes // size
        total = sum(each[id(n)] * registers_of(widths[id(n)], lanes, target) for n in nodes) / lanes
        fits = lanes * main <= 2 * target.vector_bytes and lanes * ordered <= target.vector_bytes
        if total < lowest * 0.999 and fits:
            best, lowest = lanes, total
    return best
