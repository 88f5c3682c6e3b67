"""The emitter: the value of one element of one node, for one vector of output positions.

Rules:

* ``element(node, index, lane)`` is the element of `node` at `index` for output row ``lane[0]`` and vector ``lane[1]``
  of the register tile. An index entry is a number, or a scalar i64 value inside a loop over taps.
* A node that reads no sample and no position along x is *uniform*: it is computed once, as a scalar, in front of the
  loop over x, and spread over the lanes where it meets a vector.
* The order of every fold depends on the window alone: never on the tile, the lanes or the border.
* A flag of None means that the element is valid, always.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from kernelscape import expression as ex
from kernelscape.backends import operators
from kernelscape.backends.ir import I1, I64, PTR, Bounds, Builder, Module, Type, Value, constant, vector_constant
from kernelscape.loops import RowInput, Stage, X, Y
from kernelscape.machine import Target
from kernelscape.rewrite import always_valid
from kernelscape.semantics import OPERATORS, register_dtype

STORED_SIZE = 12
"""Elements from which on a uniform array is stored."""

Position = int | Value
Index = tuple[Position, ...]
Lane = tuple[int, int]


class Element(NamedTuple):
    """A value and whether it is valid (None: always).

    Inside a fold of extrema `unordered` says whether a NaN was met; `pending` is a value not yet looked at for that.
    """

    value: Value
    flag: Value | None
    unordered: Value | None = None
    pending: Value | None = None


class Load(NamedTuple):
    """Where a vector was read: in which row, and from which of its elements on, seen from the position along x."""

    row: tuple[Any, ...]
    start: int


Rule = Callable[[Any, Index, Lane], Element]
"""How the elements of one kind of node are emitted."""
Known = Callable[[ex.Node, Index, Lane], Element | None]


@dataclass(frozen=True, slots=True)
class Frame:
    """The arguments of a kernel function, and the position of the loop along x."""

    rows: Value
    flags: Value
    outputs: Value
    arguments: Value
    coordinates: Value
    limits: Value
    error: Value
    columns: Value
    column_bytes: Value
    x: Value


class Emitter:
    """Emits the elements of a stage's expressions into one kernel function."""

    def __init__(
        self, module: Module, builder: Builder, stage: Stage, target: Target, frame: Frame, masked: bool
    ) -> None:
        self.module, self.builder, self.stage, self.target = module, builder, stage, target
        self.frame, self.masked = frame, masked
        self._multiples: dict[Value, tuple[Value, int]] = {}
        self.has_asked_ahead = False
        self.loads: dict[str, Load] = {}
        self._storing = False
        self.prepare: Callable[[ex.Node, Lane], None] = lambda node, lane: None
        self.held: Known | None = None
        self._rules: dict[type[ex.Node], Rule] = {}
        nodes = list(ex.walk(stage.outputs))
        self.uniform = _closed(nodes, self._is_varying_leaf)
        self.row_free = _closed(
            nodes,
            lambda n: isinstance(n, ex.Pixel) or (isinstance(n, ex.Index) and stage.roles[n.axis] == Y),
        )
        self.windowless = _closed(nodes, lambda n: isinstance(n, ex.Window | ex.Column | ex.Valid))
        # Without missing samples, only what selects may leave nothing behind.
        self._always_valid = _closed(nodes, lambda n: getattr(n, "where", None) is not None)
        self._certain = always_valid(nodes)
        self.add_rules(
            {
                ex.Window: self._window,
                ex.Index: self._index,
                ex.Constant: lambda n, i, lane: Element(constant(self.type_of(n.dtype, 1), n.value), None),
                ex.Argument: self._argument,
                ex.Elementwise: self._elementwise,
                ex.Valid: self._valid,
            }
        )

    def may_be_invalid(self, node: ex.Node) -> bool:
        """Whether elements of a node may carry a flag that is not set."""
        if id(node) in self._certain:
            return False
        return self.masked or id(node) not in self._always_valid

    def add_rules(self, rules: dict[type[ex.Node], Rule]) -> None:
        self._rules.update(rules)

    def rule(self, kind: type[ex.Node]) -> Rule:
        return self._rules[kind]

    # -- elements ----------------------------------------------------------------------------------------------------

    def element(self, node: ex.Node, index: Index, lane: Lane) -> Element:
        """The element of `node` at `index`; scalar when the node is uniform."""
        lane = self.canonical_lane(node, lane)
        known = None if self.held is None else self.held(node, index, lane)
        if known is not None:
            return known
        key = ("element", id(node), index, lane)
        if node.shape and (isinstance(node, ex.Argument) or self.is_uniform_map(node)):
            # Weights are read again for each output row: keeping all of them in registers would push out the sums.
            return self._rules[type(node)](node, index, lane)
        rule = self._rules[type(node)]
        if self._is_stored(node) and not self._storing:
            return self._stored(node, index, lane)
        if id(node) in self.uniform and all(isinstance(i, int) for i in index):
            return self.builder.remember(key, lambda: self.builder.hoisted(lambda: rule(node, index, lane)))
        return self.builder.remember(key, lambda: rule(node, index, lane))

    def _is_stored(self, node: ex.Node) -> bool:
        """Large uniform arrays (say, weights from the position) are computed once per tile, in front of the loop."""
        return id(node) in self.uniform and node.size >= STORED_SIZE and isinstance(node, ex.Elementwise)

    def _stored(self, node: ex.Node, index: Index, lane: Lane) -> Element:
        builder = self.builder
        key = ("stored", id(node), lane)
        base = builder.remember(key, lambda: builder.hoisted(lambda: self._store_all(node, lane)))
        place = self.flat(node.shape, index)
        held = register_dtype(node.dtype)
        type_ = operators.memory_type(held, 1)
        raw = builder.load(type_, builder.element_pointer(base, type_.element, as_value(place)))
        return Element(operators.from_memory(builder, self.target, raw, held), None)

    def _store_all(self, node: ex.Node, lane: Lane) -> Value:
        builder, held = self.builder, register_dtype(node.dtype)
        type_ = operators.memory_type(held, 1)
        base = builder.local(type_, node.size)
        rule = self._rules[type(node)]
        self._storing = True

        def one(number: Value, _: list[Value]) -> list[Value]:
            places: list[Position] = []
            rest = number
            for extent in reversed(node.shape):
                divisor = constant(I64, extent)
                places.append(builder.binary("urem", rest, divisor))
                rest = builder.binary("udiv", rest, divisor)
            value = rule(node, tuple(reversed(places)), lane).value
            stored = operators.to_memory(builder, self.target, value, held)
            builder.store(stored, builder.element_pointer(base, type_.element, number))
            return []

        builder.loop(constant(I64, 0), constant(I64, node.size), 1, [], one, never_empty=True)
        self._storing = False
        return base

    def spread(self, node: ex.Node, index: Index, lane: Lane) -> Element:
        """The element as a vector over the lanes."""
        found = self.element(node, index, lane)
        if id(node) not in self.uniform:
            return found
        return Element(self.splat(found.value), None if found.flag is None else self.splat(found.flag))

    def operand(self, node: ex.Node, part: ex.Node, index: Index, lane: Lane) -> Element:
        """The element of a part of `node`, in as many lanes as elements of `node` have."""
        return self.element(part, index, lane) if id(node) in self.uniform else self.spread(part, index, lane)

    def splat(self, value: Value) -> Value:
        return self.builder.splat(value, self.stage.lanes)

    def width(self, node: ex.Node) -> int:
        return 1 if id(node) in self.uniform else self.stage.lanes

    def canonical_lane(self, node: ex.Node, lane: Lane) -> Lane:
        """A uniform node is the same in all vectors of a row, and often in all rows."""
        if id(node) not in self.uniform:
            return lane
        return (0, 0) if id(node) in self.row_free else (lane[0], 0)

    def lanes_of(self, node: ex.Node, lane: Lane) -> list[Lane]:
        """The vectors of the tile for which `node` is computed together."""
        if id(node) in self.uniform:
            return [lane]
        return [(t, u) for t in range(self.stage.rows) for u in range(self.stage.vectors)]

    @staticmethod
    def type_of(dtype: ex.DType, lanes: int) -> Type:
        return operators.register_type(dtype, lanes)

    def operate(self, name: str, values: Sequence[Value], dtypes: Sequence[ex.DType], result: ex.DType) -> Value:
        """An operator of ``semantics.py`` on values of the same number of lanes."""
        if name == "cast":
            return operators.cast(self.builder, self.target, values[0], dtypes[0], result)
        return operators.apply_operator(self.builder, self.target, name, values, dtypes, result)

    def both(self, a: Value | None, b: Value | None) -> Value | None:
        """The conjunction of two flags."""
        if a is None or b is None:
            return b if a is None else a
        lanes = max(a.type.lanes, b.type.lanes)
        return self.builder.binary("and", self.builder.splat(a, lanes), self.builder.splat(b, lanes))

    # -- leaves ------------------------------------------------------------------------------------------------------

    def _is_varying_leaf(self, node: ex.Node) -> bool:
        if isinstance(node, ex.Index):
            return self.stage.roles[node.axis] == X
        return isinstance(node, ex.Window | ex.Pixel | ex.Column) and not self.is_uniform_map(node)

    def is_uniform_map(self, node: ex.Node) -> bool:
        """Whether a node is a map that has one value for all positions of a segment."""
        return isinstance(node, ex.Pixel) and self.stage.inputs[node.input].is_uniform

    def _window(self, node: ex.Window, index: Index, lane: Lane) -> Element:
        taps = self.stage.inputs[node.input].taps
        if taps is None:
            return self.sample(node.input, index, lane)
        (place,) = index
        if isinstance(place, int):
            return self.sample(node.input, taps[place], lane)
        columns = [self.lookup(tuple(tap[axis] for tap in taps), place) for axis in range(len(taps[0]))]
        return self.sample(node.input, tuple(columns), lane)

    def sample(self, number: int, tap: Index, lane: Lane, plane: Position | None = None) -> Element:
        """The sample of an input at a position of its window box; of `elements`, the tap's own, or the one given."""
        value = self._loaded(number, tap, lane, plane)
        return Element(value, self._sample_flag(number, tap, lane) if self.masked else None)

    def _loaded(self, number: int, tap: Index, lane: Lane, plane: Position | None = None) -> Value:
        spec = self.stage.inputs[number]
        if plane is None:
            plane = self._plane(spec, tap)
        row, offset = self.place(number, tap, lane[0], plane)
        value = self.vector_at(number, row, offset, lane[1])
        if isinstance(row, int) and isinstance(offset, int):
            self.loads[value.name] = Load(("row", row), offset + lane[1] * self.stage.lanes)
        return value

    def vector_at(self, number: int, row: Position, offset: Position, vector: int = 0) -> Value:
        """Samples of an input, from an offset in one of its rows on: an entry of the table of rows."""
        spec = self.stage.inputs[number]
        type_ = operators.memory_type(spec.dtype, self.stage.lanes)
        pointer = self.sample_pointer(row, type_, offset, vector)
        raw = self.builder.load_constant(type_, pointer, self.row_bounds(row))
        return operators.from_memory(self.builder, self.target, raw, spec.dtype)

    def _sample_flag(self, number: int, tap: Index, lane: Lane) -> Value | None:
        """Whether a sample counts: it is there in every window that has a sample at its offset from the anchor."""
        flag = None
        for other, spec in enumerate(self.stage.inputs):
            found = self._same_offset(number, other, tap) if spec.may_miss or spec.has_gaps else None
            if found is None:
                continue
            place, there = found
            own = self._own_flag(other, place, lane)
            if there is not None:
                apart = self.builder.binary("xor", there, constant(I1, 1))
                own = self.builder.binary("or", own, self.splat(apart))
            flag = self.both(flag, own)
        return flag

    def _plane(self, spec: RowInput, tap: Index) -> Position:
        """Which of the elements at a position is that of a tap."""
        return self.flat(spec.elements, project(tap, spec.elements, spec.shape)) if spec.elements else 0

    def _own_flag(self, number: int, tap: Index, lane: Lane) -> Value:
        """Whether an input has a sample there, its masks allow it, and it is no NaN that does not count."""
        spec, flag = self.stage.inputs[number], None
        if spec.may_miss:
            flag = self._is_there(number, tap, lane)
        for mask in spec.masks:
            flag = self.both(flag, self._loaded(mask, tap, lane))
        if spec.omits_nan:
            value = self._loaded(number, tap, lane)
            flag = self.both(flag, self.builder.fcmp("ord", value, value))
        assert flag is not None
        return flag

    def _is_there(self, number: int, tap: Index, lane: Lane) -> Value:
        row, offset = self.place(number, tap, lane[0], self._plane(self.stage.inputs[number], tap))
        flags = self.table_pointer(self.frame.flags, row)
        type_ = Type("i8", self.stage.lanes)
        raw = self.builder.load_constant(type_, self.moved(flags, "i8", offset, lane[1]))
        return self.builder.icmp("ne", raw, constant(type_, 0))

    def _same_offset(self, number: int, other: int, tap: Index) -> tuple[Index, Value | None] | None:
        """The tap of another input that lies where a tap of this one does, None where it has none.

        Inside a loop over taps that is known at run time only: then comes a flag with it, and a legal tap in any case.
        """
        mine, its = self.stage.inputs[number], self.stage.inputs[other]
        if mine.offsets == its.offsets and mine.taps == its.taps:
            return tap, None
        found: list[Position] = []
        there: Value | None = None
        for place, own, others in zip(tap, mine.offsets, its.offsets, strict=True):
            at = self.lookup(tuple(others.index(o) if o in others else -1 for o in own), place)
            if isinstance(at, int):
                if at < 0:
                    return None
            elif any(o not in others for o in own):
                there = self.both(there, self.builder.icmp("sge", at, constant(I64, 0)))
                at = self.builder.intrinsic("smax", I64, at, constant(I64, 0))
            found.append(at)
        if its.taps is None:
            return tuple(found), there
        member = self.lookup(_members(its), self.flat(its.shape, tuple(found)))
        if isinstance(member, int):
            return (tuple(found), there) if member else None
        return tuple(found), self.both(there, self.builder.icmp("ne", member, constant(I64, 0)))

    def place(self, number: int, tap: Index, row: int, plane: Position = 0) -> tuple[Position, Position]:
        """Entry in the table of rows, and offset in the row, of a sample for one output row."""
        spec, stage = self.stage.inputs[number], self.stage
        offsets = stage.y_offsets[number]
        outer = self._combination(spec, tap)
        y_table: Position = 0
        phase_table: Position = 0
        x_table: Position = 0
        for axis, role in enumerate(stage.roles):
            if role == Y:
                y_table = self.lookup(tuple(offsets.index(row * spec.y_step + o) for o in spec.y_taps), tap[axis])
            elif role == X:
                places = [spec.x_place(o) for o in spec.x_taps]
                phase_table = self.lookup(tuple(p for p, _ in places), tap[axis])
                x_table = self.lookup(tuple(o for _, o in places), tap[axis])
        if Y not in stage.roles:
            y_table = offsets.index(row * spec.y_step)
        entry = self.affine(self.affine(outer, len(offsets), y_table), spec.planes, plane)
        entry = self.affine(entry, spec.phases, phase_table)
        return self.affine(stage.row_base[number], 1, entry), x_table

    def _combination(self, spec: RowInput, tap: Index) -> Position:
        """Number of a combination of taps along the outer axes."""
        number: Position = 0
        axes = sorted((role, axis) for axis, role in enumerate(self.stage.roles) if role >= 0)
        for _, axis in axes:
            number = self.affine(number, spec.shape[axis], tap[axis])
        return number

    def affine(self, a: Position, factor: int, b: Position) -> Position:
        """``a * factor + b``"""
        if factor == 0:
            return b
        if isinstance(a, int) and isinstance(b, int):
            return a * factor + b
        product = a * factor if isinstance(a, int) else self.builder.mul(a, constant(I64, factor))
        return self.builder.add(as_value(product), as_value(b))

    def flat(self, shape: ex.Shape, index: Index) -> Position:
        """The number, in C order, of the element at an index."""
        place: Position = 0
        for extent, i in zip(shape, index, strict=True):
            place = self.affine(place, extent, i)
        return place

    def lookup(self, table: tuple[int, ...], place: Position) -> Position:
        """``table[place]``; without memory where the table is an arithmetic sequence."""
        if isinstance(place, int):
            return table[place]
        if known := _arithmetic(table):
            return self.affine(place, known[1], known[0])
        base, ahead = self.builder.base_of(place)
        if base in self._multiples:
            # Every n-th entry is all that is asked for: of taps along x under a stride, those of one phase.
            number, factor = self._multiples[base]
            if found := _arithmetic(table[ahead::factor]):
                return self.affine(number, found[1], found[0])
        address = self.module.integer_table(table)
        return self.builder.load_constant(I64, self.builder.element_pointer(address, "i64", place))

    def multiple(self, number: Value, factor: int) -> Value:
        """``number * factor``, of which `lookup` knows that it is a multiple."""
        place = self.builder.mul(number, constant(I64, factor))
        self._multiples[place] = number, factor
        return place

    def table_pointer(self, table: Value, entry: Position) -> Value:
        """An entry of a table of pointers."""
        builder = self.builder
        if isinstance(entry, int):
            return builder.hoisted(lambda: builder.load_constant(PTR, builder.offset(table, 8 * entry)))
        return builder.load_constant(PTR, builder.element_pointer(table, "ptr", entry))

    def moved(self, pointer: Value, element: str, offset: Position, vector: int) -> Value:
        """The address of a vector in a row: behind x, an offset, and the vectors of the tile before it."""
        pointer = self.builder.element_pointer(pointer, element, self.frame.x)
        shift = vector * self.stage.lanes
        size = Type(element).bits // 8
        if isinstance(offset, int):
            return self.builder.offset(pointer, (offset + shift) * size)
        return self.builder.offset(self.builder.element_pointer(pointer, element, offset), shift * size)

    def sample_pointer(self, row: Position, type_: Type, offset: Position, vector: int) -> Value:
        return self.moved(self.table_pointer(self.frame.rows, row), type_.element, offset, vector)

    def row_bounds(self, row: Position) -> Bounds | None:
        """First and last address of the buffer that a row lies in (checked builds only)."""
        if self.builder.offence is None:
            return None
        place = self.builder.element_pointer(self.frame.limits, "i64", as_value(self.affine(row, 2, 0)))
        first = self.builder.load_constant(I64, place)
        return Bounds(first, self.builder.load_constant(I64, self.builder.offset(place, 8)))

    def _index(self, node: ex.Index, index: Index, lane: Lane) -> Element:
        builder, stage = self.builder, self.stage
        role, stride = stage.roles[node.axis], stage.strides[node.axis]
        first = builder.hoisted(
            lambda: builder.load_constant(I64, builder.offset(self.frame.coordinates, 8 * node.axis))
        )
        if role == Y:
            return Element(builder.add(first, constant(I64, lane[0] * stage.spacing * stride)), None)
        if role != X:
            return Element(first, None)
        start = builder.hoisted(
            lambda: builder.load_constant(I64, builder.offset(self.frame.coordinates, 8 * len(stage.roles)))
        )
        wide = Type("i64", stage.lanes)
        numbers = vector_constant(wide, range(lane[1] * stage.lanes, (lane[1] + 1) * stage.lanes))
        place = builder.add(self.splat(builder.add(start, self.frame.x)), numbers)
        if stage.flatten > 1:
            # Positions are below 2**53: the division by a constant is exact in double with a floor.
            place = _divide_exactly(builder, place, stage.flatten)
        return Element(builder.add(builder.mul(place, constant(wide, stride)), self.splat(first)), None)

    def _argument(self, node: ex.Argument, index: Index, lane: Lane) -> Element:
        builder = self.builder
        base = builder.hoisted(lambda: builder.load_constant(PTR, builder.offset(self.frame.arguments, 24 * node.slot)))
        place = self.flat(node.shape, index)
        type_ = operators.memory_type(node.dtype, 1)
        bounds = self._argument_bounds(node.slot)
        pointer = builder.element_pointer(base, type_.element, as_value(place))
        raw = builder.load(type_, pointer, bounds)
        return Element(operators.from_memory(builder, self.target, raw, node.dtype), None)

    def _argument_bounds(self, slot: int) -> Bounds | None:
        builder = self.builder
        if builder.offence is None:
            return None
        entry = builder.offset(self.frame.arguments, 24 * slot + 8)
        first = builder.load_constant(I64, entry)
        return Bounds(first, builder.load_constant(I64, builder.offset(entry, 8)))

    # -- operators ---------------------------------------------------------------------------------------------------

    def _elementwise(self, node: ex.Elementwise, index: Index, lane: Lane) -> Element:
        found = [self.operand(node, o, project(index, o.shape, node.shape), lane) for o in node.operands]
        value = self.operate(node.operator, [f.value for f in found], [o.dtype for o in node.operands], node.dtype)
        if id(node) in self._certain:
            return Element(value, None)
        if node.operator == "select":
            return Element(value, self._select_flag(found))
        flag = None
        for f in found:
            flag = self.both(flag, f.flag)
        return Element(value, flag)

    def _select_flag(self, found: Sequence[Element]) -> Value | None:
        """The condition's flag and the chosen branch's."""
        condition, a, b = found
        if a.flag is None and b.flag is None:
            return condition.flag
        true = constant(condition.value.type, 1)
        chosen = self.builder.select(condition.value, a.flag or true, b.flag or true)
        return self.both(condition.flag, chosen)

    def _valid(self, node: ex.Valid, index: Index, lane: Lane) -> Element:
        flag = self.element(node.body, index, lane).flag
        return Element(flag if flag is not None else constant(Type("i1", self.width(node)), 1), None)

    def cost(self, nodes: Sequence[ex.Node]) -> int:
        """Instructions of all elements of the nodes, roughly, for one vector."""
        return sum(n.size * OPERATORS[n.operator].cost for n in nodes if isinstance(n, ex.Elementwise))


def report(builder: Builder, error: Value, address: Value) -> None:
    """Notes the first offending address in the error word."""
    old = builder.load(I64, error)
    first = builder.icmp("eq", old, constant(I64, 0))
    builder.store(builder.select(first, address, old), error)


def _members(spec: RowInput) -> tuple[int, ...]:
    """For every position of the box, in C order, whether the footprint has a sample there."""
    taps = set(spec.taps or ())
    return tuple(int(tap in taps) for tap in product(*map(range, spec.shape)))


def _arithmetic(table: tuple[int, ...]) -> tuple[int, int] | None:
    """First entry and step of an arithmetic sequence."""
    step = table[1] - table[0] if len(table) > 1 else 0
    return (table[0], step) if all(n == table[0] + i * step for i, n in enumerate(table)) else None


def as_value(place: Position) -> Value:
    return constant(I64, place) if isinstance(place, int) else place


def project(index: Index, inner: ex.Shape, outer: ex.Shape) -> Index:
    """The index of an operand of shape `inner` that broadcasts to `outer`."""
    kept = index[len(outer) - len(inner) :]
    return tuple(0 if extent == 1 else i for extent, i in zip(inner, kept, strict=True))


def _closed(nodes: Sequence[ex.Node], is_source: Callable[[ex.Node], bool]) -> set[int]:
    """The nodes that no source reaches."""
    free: set[int] = set()
    for node in nodes:
        if not is_source(node) and all(id(c) in free for c in node.children):
            free.add(id(node))
    return free


def _divide_exactly(builder: Builder, value: Value, divisor: int) -> Value:
    double = value.type.of("double")
    quotient = builder.fdiv(builder.convert("sitofp", value, double), constant(double, divisor))
    return builder.convert("fptosi", quotient, value.type)
