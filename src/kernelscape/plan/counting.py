"""How many instructions of each kind a stage takes for one vector of its outputs, from its expressions alone.

The count follows what the emitter writes: an expression of single samples is computed once for each source row of a
tile and serves all output rows that have it; a product inside a floating sum is fused; columns are computed once for
each position. It is a count of vector instructions for registers as wide as the target's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from kernelscape import expression as ex
from kernelscape.loops import RowInput, Stage, X, Y
from kernelscape.machine import Target
from kernelscape.methods.direct import element_bytes, registers_of, run_operations, sort_operations, wanted_ranks
from kernelscape.semantics import OPERATORS

ARITHMETIC, SELECTION, DIVISION, ELEMENTARY, ORDER, LOAD, STORE = (
    "arithmetic", "selection", "division", "elementary", "order", "load", "store",
)  # fmt: skip
KINDS = (ARITHMETIC, SELECTION, DIVISION, ELEMENTARY, ORDER, LOAD, STORE)
"""Kinds of instructions, each with a rate of its own in `machine.Rates`."""

WHOLE = 0.6
"""What an extremum of integers of up to 32 bits takes, beside a comparison of floating numbers."""
WRITTEN_OUT, LOOKED_UP = 900, 2.0
"""Samples of footprints in a tile from which on a loop looks up where they lie, and how many reads each takes then."""
BY_KNOWN = 3.0
"""What a division of unsigned integers by a known number takes: the upper half of a product, shifted."""
_SELECTING = frozenset(
    (
        "select", "minimum", "maximum", "fmin", "fmax", "less", "less_equal", "greater", "greater_equal", "equal",
        "not_equal", "isnan", "isinf", "isfinite", "signbit", "logical_and", "logical_or", "logical_xor", "logical_not",
    )
)  # fmt: skip
_DIVIDING = frozenset(["divide", "sqrt", "reciprocal", "floor_divide", "remainder", "fmod"])
_MOVING = (ex.Slice, ex.Reshape, ex.Transpose, ex.Broadcast, ex.Take, ex.Concatenate)


def count(stage: Stage, target: Target) -> dict[str, float]:
    """Instructions of each kind for one vector of one row of outputs."""
    outputs = ex.usual(stage.outputs)
    found = _count(outputs, stage, target, stage.vectors)
    found[ARITHMETIC] += sum(isinstance(node, ex.Finite) for node in ex.walk(stage.outputs))
    if stage.columns:
        for kind, number in _count(stage.columns, stage, target, 1).items():
            found[kind] += number
        widths = element_bytes(stage.columns)
        found[STORE] += sum(c.size * registers_of(widths[id(c)], stage.lanes, target) for c in stage.columns)
    for number, spec in enumerate(stage.inputs):
        if spec.body is not None:
            # Each is made once, for all windows that have it.
            made, rows = stage.made(number), len(spec.outer) * spec.y_stride * stage.lanes / spec.lanes
            for kind, part in _count(made.outputs, made, target, 1).items():
                found[kind] += rows * part
            found[STORE] += rows * registers_of(spec.dtype.itemsize, spec.lanes, target)
    for node, dtype in zip(stage.outputs, stage.output_dtypes, strict=True):
        found[STORE] += node.size * registers_of(dtype.itemsize, stage.lanes, target)
        if node.dtype != dtype:
            found[ARITHMETIC] += 2.0 * node.size
    return dict(found)


def _count(outputs: Sequence[ex.Node], stage: Stage, target: Target, vectors: int) -> defaultdict[str, float]:
    nodes = list(ex.walk(outputs))
    varying = _varying(nodes, stage)
    wanted, fused = _demands(nodes, outputs)
    shares = _shares(nodes, stage, varying)
    sweeps, ranks = _sweeps(nodes), wanted_ranks(nodes)
    widths = element_bytes(outputs)
    total: defaultdict[str, float] = defaultdict(float)
    for node in nodes:
        registers = registers_of(widths[id(node)], stage.lanes, target)
        if id(node) not in varying:
            if isinstance(node, ex.Argument | ex.Constant | ex.Pixel) and node.shape:
                total[LOAD] += wanted[id(node)] / (2 * vectors)
            continue
        if isinstance(node, ex.Sort):
            total[ORDER] += sort_operations(node, ranks.get(id(node))) * registers
            continue
        if isinstance(node, ex.Runs):
            total[ARITHMETIC] += run_operations(node) * registers
            continue
        elements = wanted[id(node)] * shares[id(node)] * registers * sweeps.get(id(node), 1)
        if isinstance(node, ex.Window) and stage.inputs[node.input].taps is not None:
            looped = node.size * stage.rows * vectors > WRITTEN_OUT
            elements = LOOKED_UP * wanted[id(node)] * registers if looped else elements
        for kind, number in _kinds(node, id(node) in fused):
            total[kind] += elements * number
    return total


def _varying(nodes: Sequence[ex.Node], stage: Stage) -> set[int]:
    """Ids of the nodes whose value differs from lane to lane."""
    found: set[int] = set()
    for node in nodes:
        own = isinstance(node, ex.Window | ex.Pixel) and not stage.inputs[node.input].is_uniform
        own = own or isinstance(node, ex.Column) or (isinstance(node, ex.Index) and stage.roles[node.axis] == X)
        if own or any(id(child) in found for child in node.children):
            found.add(id(node))
    return found


def _kinds(node: ex.Node, is_fused: bool) -> list[tuple[str, float]]:
    """Instructions for one element of a node."""
    if isinstance(node, ex.Window | ex.Pixel | ex.Column):
        return [(LOAD, 1.0)]
    if isinstance(node, ex.Elementwise):
        return [] if is_fused else [_operator(node)]
    if isinstance(node, ex.ArgReduce):
        return [(SELECTION, 5.0 * node.body.size / max(1, node.size))]
    if isinstance(node, ex.Reduce | ex.Scan):
        steps = node.body.size / max(1, node.size)
        extremum = node.operation in ("minimum", "maximum")
        if extremum and node.dtype.kind == "f":
            return [(SELECTION, 1.5 * steps)]  # half a comparison looks for NaN
        if extremum and node.dtype.itemsize < 8:
            steps *= WHOLE
        chosen = [(SELECTION, steps)] if getattr(node, "where", None) is not None else []
        return [(SELECTION if extremum else ARITHMETIC, steps), *chosen]
    return []


def _operator(node: ex.Elementwise) -> tuple[str, float]:
    cost, name = float(OPERATORS[node.operator].cost), node.operator
    floating = node.operands[0].dtype.kind == "f"
    if name in _DIVIDING and floating and node.dtype.kind == "f":
        return DIVISION, node.dtype.itemsize / 4
    if not OPERATORS[name].exact and floating:
        return ELEMENTARY, cost
    if name == "floor_divide" and isinstance(node.operands[1], ex.Constant) and node.dtype.kind == "u":
        return ARITHMETIC, BY_KNOWN
    return (SELECTION if name in _SELECTING else ARITHMETIC), cost


def _demands(nodes: Sequence[ex.Node], outputs: Sequence[ex.Node]) -> tuple[dict[int, float], set[int]]:
    """How many elements of each node are computed for an output, and which products are fused into sums."""
    wanted: dict[int, float] = dict.fromkeys(map(id, nodes), 0.0)
    fused: set[int] = set()
    for root in outputs:
        wanted[id(root)] += root.size
    for node in reversed(nodes):
        own = wanted[id(node)] = min(wanted[id(node)], float(node.size))
        for child in node.children:
            if isinstance(node, ex.Reduce | ex.ArgReduce | ex.Sort | ex.Scan | ex.Runs):
                asked = child.size * own / max(1, node.size)
            else:
                asked = min(own, child.size) if isinstance(node, (*_MOVING, ex.Elementwise)) else child.size
            wanted[id(child)] += asked
        if isinstance(node, ex.Reduce) and node.operation == "add" and node.dtype.kind == "f":
            body = node.body
            if isinstance(body, ex.Elementwise) and body.operator in ("multiply", "square"):
                fused.add(id(body))
    return wanted, fused


def _shares(nodes: Sequence[ex.Node], stage: Stage, varying: set[int]) -> dict[int, float]:
    """For each node which part of its elements is computed anew for an output row, others of the tile having them."""
    found: dict[int, float] = {}
    for node in nodes:
        if isinstance(node, ex.Window):
            found[id(node)] = _new_rows(stage.inputs[node.input], stage)
        elif isinstance(node, ex.Elementwise | ex.Slice | ex.Reshape | ex.Transpose | ex.Broadcast):
            # What is made with the anchor's own sample is another value for each output.
            operands = [found[id(c)] for c in node.children if id(c) in varying]
            found[id(node)] = max(operands, default=1.0) if node.shape else 1.0
        else:
            found[id(node)] = 1.0
    return found


def _sweeps(nodes: Sequence[ex.Node]) -> dict[int, int]:
    """For each window how often it is read: by folds at once, and again by folds of what these gave."""
    depths: dict[int, int] = {}
    readers: dict[int, set[int]] = {}
    for node in nodes:
        folds = isinstance(node, ex.Reduce | ex.ArgReduce)
        depth = depths[id(node)] = max((depths[id(c)] for c in node.children), default=0) + folds
        if folds:
            for inner in ex.walk(node.children):
                if isinstance(inner, ex.Window):
                    readers.setdefault(id(inner), set()).add(depth)
    return {window: len(found) for window, found in readers.items()}


def _new_rows(spec: RowInput, stage: Stage) -> float:
    if Y not in stage.roles or not spec.y_taps:
        return 1.0
    return len(spec.y_offsets(stage.rows)) / (stage.rows * len(spec.y_taps))
