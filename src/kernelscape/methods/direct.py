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
from kernelscape.networks import selection_network
from kernelscape.semantics import OPERATORS, register_dtype

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
) -> Tile:
    """The register tile for some expressions.

    `varying` holds the ids of nodes that differ from lane to lane, `packed` the inputs whose elements are taken apart
    in registers.
    """
    nodes = [n for n in ex.walk(outputs) if id(n) in varying]
    lanes = _best_lanes(nodes, target)
    instructions = sum(_instructions(n) * _registers(n, lanes, target) for n in nodes)
    if any(isinstance(n, ex.Sort | ex.ArgReduce) for n in nodes):
        return Tile(1, 1, lanes, instructions)
    folds = [n for n in nodes if isinstance(n, ex.Reduce)]
    widest = max((_registers(n, lanes, target) for n in nodes), default=1)
    together = max(Counter((n.axes, n.body.shape) for n in folds).values(), default=1)
    linear = bool(folds) and all(map(_is_sum_of_products, folds))
    free = target.registers * 3 // 4 if linear and together > 1 else target.registers // 2
    accumulators = max(1, free // widest // together)
    if any(isinstance(n, ex.Pixel) and n.input in packed for n in nodes):
        return Tile(1, 1, lanes, instructions)
    if linear and together == 1 and any(isinstance(n, ex.Pixel) and n.size > 1 for n in nodes):
        # Each position brings weights of its own: what counts is that they are read in long runs.
        return Tile(2 if shares_rows else 1, max(1, accumulators // 2), lanes, instructions)
    rows = 4 if shares_rows and folds else 1
    while rows > 1 and (rows > accumulators or (rows * instructions > 4 * BUDGET and not linear)):
        rows //= 2
    # Weights of a cell end with it: short chunks leave less of the last one unused.
    in_cells = any(isinstance(n, ex.Pixel) and n.size > 1 and id(n) not in varying for n in ex.walk(outputs))
    vectors = max(1, min(4 if rows == 1 else 2 if in_cells else 3, accumulators // rows))
    while vectors > 1 and rows * vectors * instructions > BUDGET and not linear:
        vectors -= 1
    return Tile(rows, vectors, lanes, instructions)


def _is_sum_of_products(fold: ex.Reduce) -> bool:
    """A sum of products of samples and weights: loops over rows keep it short whatever the size of the window."""
    inside = [n for n in ex.walk([fold.body]) if not isinstance(n, ex.Window | ex.Pixel | ex.Argument | ex.Constant)]
    moving = (ex.Slice, ex.Reshape, ex.Broadcast, ex.Transpose)
    operators = [n for n in inside if not isinstance(n, moving)]
    # A sum of those that count selects them.
    linear = ("multiply", "square", "cast", "select", "absolute")
    known = all(isinstance(n, ex.Elementwise) and n.operator in linear for n in operators)
    return fold.operation == "add" and known and len(operators) <= 3


def _registers(node: ex.Node, lanes: int, target: Target) -> int:
    return max(1, math.ceil(lanes * _element_bytes(node) / target.vector_bytes))


def _element_bytes(node: ex.Node) -> int:
    """Bytes of an element in a register; a mask is as wide as what it was made of."""
    if node.dtype.kind == "b":
        return max((_element_bytes(child) for child in node.children), default=1)
    return register_dtype(node.dtype).itemsize


def _instructions(node: ex.Node) -> float:
    """Instructions for all elements of a node, on one register."""
    if isinstance(node, ex.Elementwise):
        return node.size * OPERATORS[node.operator].cost
    if isinstance(node, ex.Window | ex.Pixel):
        return 0.5 * node.size
    if isinstance(node, ex.Sort):
        extent = node.shape[node.axis]
        if extent <= 121:
            return node.size / extent * selection_network(extent, (extent // 2,)).operations
        return node.size * node.dtype.itemsize * 16
    if isinstance(node, ex.ArgReduce):
        return 5.0 * node.body.size
    if isinstance(node, ex.Reduce):
        return node.body.size
    return 0.0


def _best_lanes(nodes: Sequence[ex.Node], target: Target) -> int:
    """Lanes for which the instructions per output are fewest; among equals the fewest lanes.

    What most instructions work on should fill at most two registers: more would only be spilled.
    """
    weight: Counter[int] = Counter()
    for node in nodes:
        weight[_element_bytes(node)] += round(100 * _instructions(node) / max(1, node.size)) * max(1, node.size)
    main = max((size for size, w in weight.items() if w >= 0.3 * weight.total()), default=8)
    best, lowest = target.vector_bytes // 8, math.inf
    for size in (8, 4, 2, 1):
        lanes = target.vector_bytes // size
        total = sum(_instructions(n) * _registers(n, lanes, target) for n in nodes) / lanes
        if total < lowest * 0.999 and lanes * main <= 2 * target.vector_bytes:
            best, lowest = lanes, total
    return best
