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
    lanes = _best_lanes(nodes, widths, target)
    instructions = sum(_instructions(n) * registers_of(widths[id(n)], lanes, target) for n in nodes)
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
        else:
            found[id(node)] = register_dtype(node.dtype).itemsize
    return found


def _instructions(node: ex.Node) -> float:
    """Instructions for all elements of a node, on one register."""
    if isinstance(node, ex.Elementwise):
        return node.size * OPERATORS[node.operator].cost
    if isinstance(node, ex.Window | ex.Pixel):
        return 0.5 * node.size
    if isinstance(node, ex.Sort):
        return sort_operations(node)
    if isinstance(node, ex.ArgReduce):
        return 5.0 * node.body.size
    if isinstance(node, ex.Reduce | ex.Scan):
        return node.body.size
    return 0.0


def sort_operations(node: ex.Sort) -> float:
    """Instructions for a Sort of which the middle is wanted, on one register."""
    extent = node.shape[node.axis]
    if node.runs > 1 and extent <= 121:
        columns = extent // node.runs
        network = column_selection_network(columns, node.runs, (extent // 2,))[1]
        return node.size / extent * network.operations
    if extent <= 121:
        return node.size / extent * selection_network(extent, (extent // 2,)).operations
    # By bisection: keys of one or two bytes whole, others digit by digit, of which the later ones take fewer turns.
    size = register_dtype(node.dtype).itemsize
    return float(node.size * size * (16 if size <= 2 else 5))


def _best_lanes(nodes: Sequence[ex.Node], widths: dict[int, int], target: Target) -> int:
    """Lanes for which the instructions per output are fewest; among equals the fewest lanes.

    What most instructions work on should fill at most two registers, and what is sorted, of which much is held at once,
    one: more would only be spilled.
    """
    weight: Counter[int] = Counter()
    for node in nodes:
        weight[widths[id(node)]] += round(100 * _instructions(node) / max(1, node.size)) * max(1, node.size)
    main = max((size for size, w in weight.items() if w >= 0.3 * weight.total()), default=8)
    ordered = max((widths[id(n)] for n in nodes if isinstance(n, ex.Sort)), default=1)
    best, lowest = target.vector_bytes // 8, math.inf
    for size in (8, 4, 2, 1):
        lanes = target.vector_bytes // size
        total = sum(_instructions(n) * registers_of(widths[id(n)], lanes, target) for n in nodes) / lanes
        fits = lanes * main <= 2 * target.vector_bytes and lanes * ordered <= target.vector_bytes
        if total < lowest * 0.999 and fits:
            best, lowest = lanes, total
    return best
