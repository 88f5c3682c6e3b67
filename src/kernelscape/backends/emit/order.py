"""Sorted samples: networks of minima and maxima where small, bisection on integer keys everywhere else.

A *key* is an integer of the width of the sample whose unsigned order is the samples' order; all NaN share the largest
key of a number's side, elements that do not count get the largest of all. Networks compare values or keys, whichever
is a single instruction; bisection finds the element of any rank, also one known at run time only, by counting how many
keys lie below a candidate, one bit after the other, over keys kept in scratch memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from kernelscape import expression as ex
from kernelscape.backends import operators
from kernelscape.backends.emit.values import Element, Emitter, Index, Lane, Position, as_value, project
from kernelscape.backends.ir import I64, Builder, Type, Value, constant
from kernelscape.networks import Network, column_selection_network, selection_network, sorting_network

NETWORK_LIMIT = 121
"""Samples up to which selection is a network; above, bisection."""
SORT_LIMIT = 64
"""Samples up to which all ranks come from a network."""
MEMORY_LIMIT = 1024
"""Samples up to which a network is run as data, when more ranks than `MEMORY_RANKS` are wanted of it."""
MEMORY_RANKS = 2
SCRATCH_LIMIT = 1 << 19
"""Bytes of keys that are kept on the stack of a worker; above, the body is computed again at every turn."""


class Order:
    """The rules of Sort, for one emitter, and of Take from a Sort."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter, self.builder = emitter, emitter.builder
        self._take_elsewhere = emitter.rule(ex.Take)
        self._demand = _demanded(list(ex.walk(emitter.stage.outputs)))
        emitter.add_rules({ex.Sort: self._sort, ex.Take: self._take})
        emitter.prepare = self.prepare

    # -- one known rank ----------------------------------------------------------------------------------------------

    def _sort(self, node: ex.Sort, index: Index, lane: Lane) -> Element:
        rank = index[node.axis]
        others = (*index[: node.axis], *index[node.axis + 1 :])
        extent = node.shape[node.axis]
        ranks = self._demand.get(id(node))
        wanted = tuple(range(extent)) if ranks is None else ranks
        few = extent <= (SORT_LIMIT if len(wanted) > 8 else NETWORK_LIMIT)
        if self._is_sorted_in_memory(node):
            return self._from_memory(node, others, rank, lane)
        if isinstance(rank, int) and few and not self._countable(node):
            key = ("network", id(node), others, lane)
            found = self.builder.remember(key, lambda: self._network(node, others, wanted, lane))
            return found[rank]
        return self._bisect(node, others, rank, lane)

    def _countable(self, node: ex.Sort) -> bool:
        """Whether the number of elements that count is known at run time only."""
        return node.where is not None or self.emitter.may_be_invalid(node.body)

    def _network(self, node: ex.Sort, others: Index, ranks: tuple[int, ...], lane: Lane) -> dict[int, Element]:
        extent = node.shape[node.axis]
        network = self._selection(node, ranks)
        values = [self._input(node, others, place, lane).value for place in range(extent)]
        if node.dtype.kind == "b":
            wires = self._exchange(network, values, boolean=True)
        elif node.dtype.kind == "f" and not node.numbers:
            keys = [_sortable_key(self.builder, v) for v in values]
            wires = [_from_sortable_key(self.builder, k, values[0].type) for k in self._exchange(network, keys)]
        else:
            wires = self._exchange(network, values, unsigned=node.dtype.kind == "u")
        return {rank: Element(wire, None) for rank, wire in zip(ranks, wires, strict=True)}

    def _selection(self, node: ex.Sort, ranks: tuple[int, ...]) -> Network:
        """The network, which is short where its inputs are sorted runs."""
        extent = node.shape[node.axis]
        if node.runs > 1:
            return column_selection_network(extent // node.runs, node.runs, ranks)[1]
        return sorting_network(extent) if len(ranks) == extent else selection_network(extent, ranks)

    def _input(self, node: ex.Sort, others: Index, place: Position, lane: Lane) -> Element:
        return self.emitter.operand(node, node.body, (*others[: node.axis], place, *others[node.axis :]), lane)

    def _exchange(
        self, network: Network, values: Sequence[Value], *, boolean: bool = False, unsigned: bool = True
    ) -> list[Value]:
        """The demanded outputs of a network."""
        wires = list(values)
        for c in network.comparators:
            a, b = wires[c.low], wires[c.high]
            if c.need_low:
                wires[c.low] = self._extreme("and" if boolean else "min", a, b, unsigned)
            if c.need_high:
                wires[c.high] = self._extreme("or" if boolean else "max", a, b, unsigned)
        return [wires[w] for w in network.outputs]

    def _extreme(self, which: str, a: Value, b: Value, unsigned: bool) -> Value:
        builder = self.builder
        if which in ("and", "or"):
            return builder.binary(which, a, b)
        if a.type.is_float:
            return builder.select(builder.fcmp("olt" if which == "min" else "ogt", a, b), a, b)
        return builder.intrinsic(("u" if unsigned else "s") + which, a.type, a, b)

    # -- many ranks of many samples ----------------------------------------------------------------------------------

    def _is_sorted_in_memory(self, node: ex.Sort) -> bool:
        """Where several ranks of more samples are wanted than a network in registers serves."""
        extent = node.shape[node.axis]
        ranks = self._demand.get(id(node), tuple(range(extent)))
        return SORT_LIMIT < extent <= MEMORY_LIMIT and len(ranks) > MEMORY_RANKS and not self._countable(node)

    def prepare(self, node: ex.Node, lane: Lane) -> None:
        """Sorts ahead of a loop whose body reads the sorted samples."""
        if isinstance(node, ex.Sort) and node.ndim == 1 and self._is_sorted_in_memory(node):
            self._sorted_memory(node, (), lane)

    def _sorted_memory(self, node: ex.Sort, others: Index, lane: Lane) -> tuple[Value, Type]:
        key = ("sorted", id(node), others, self.emitter.canonical_lane(node, lane))
        return self.builder.remember(key, lambda: self._sort_in_memory(node, others, lane))

    def _from_memory(self, node: ex.Sort, others: Index, rank: Position, lane: Lane) -> Element:
        scratch, key = self._sorted_memory(node, others, lane)
        wire = self.emitter.lookup(_whole_network(node.shape[node.axis]).outputs, rank)
        found = self.builder.load(key, self.builder.element_pointer(scratch, key.text, as_value(wire)))
        return Element(self._from_key(found, node.dtype, key.lanes), None)

    def _sort_in_memory(self, node: ex.Sort, others: Index, lane: Lane) -> tuple[Value, Type]:
        """The network as data: a loop over its comparators, on keys in scratch memory."""
        builder, extent = self.builder, node.shape[node.axis]
        key = self._key_type(node.dtype, self.emitter.width(node))
        scratch = builder.local(key, extent)

        def fill(place: Value, _: list[Value]) -> list[Value]:
            value = self._to_key(self._input(node, others, place, lane).value, node.dtype)
            builder.store(value, builder.element_pointer(scratch, key.text, place))
            return []

        builder.loop(constant(I64, 0), constant(I64, extent), 1, [], fill, never_empty=True)
        pairs = [(c.low, c.high) for c in _whole_network(extent).comparators]
        table = self.emitter.module.constant_table(f"network{extent}", Type("i32"), [w for pair in pairs for w in pair])

        def exchange(step: Value, _: list[Value]) -> list[Value]:
            both = builder.element_pointer(table, "i64", step)
            wires = [builder.load(Type("i32"), builder.offset(both, 4 * n)) for n in (0, 1)]
            places = [builder.element_pointer(scratch, key.text, builder.convert("zext", w, I64)) for w in wires]
            low, high = (builder.load(key, p) for p in places)
            builder.store(self._extreme("min", low, high, True), places[0])
            builder.store(self._extreme("max", low, high, True), places[1])
            return []

        builder.loop(constant(I64, 0), constant(I64, len(pairs)), 1, [], exchange, never_empty=True)
        return scratch, key

    # -- any rank ----------------------------------------------------------------------------------------------------

    def _take(self, node: ex.Take, index: Index, lane: Lane) -> Element:
        body = node.body
        if not isinstance(body, ex.Sort) or body.axis != node.axis:
            return self._take_elsewhere(node, index, lane)
        wanted = self.emitter.element(node.index, project(index, node.index.shape, node.shape), lane)
        element = self._bisect_at(body, index, wanted.value, lane)
        return Element(element.value, self.emitter.both(element.flag, self._spread_flag(wanted.flag)))

    def _spread_flag(self, flag: Value | None) -> Value | None:
        return None if flag is None else self.emitter.splat(flag)

    def _bisect(self, node: ex.Sort, others: Index, rank: Position, lane: Lane) -> Element:
        width = self.emitter.width(node)
        wanted = self.builder.splat(as_value(rank), width)
        if isinstance(rank, int):
            wanted = constant(Type("i64", width), rank)
        return self._bisect_at(node, others, wanted, lane)

    def _bisect_at(self, node: ex.Sort, others: Index, rank: Value, lane: Lane) -> Element:
        """The element of a rank (clipped): bits of its key are found from the highest to the lowest."""
        builder, emitter = self.builder, self.emitter
        width, extent = max(emitter.width(node), rank.type.lanes), node.shape[node.axis]
        rank = builder.splat(rank, width)
        read, key, total = self._keys(node, others, lane, width)
        counter = key.of("i16") if key.bits == 8 and extent > 255 else key
        if counter.bits == 16 and extent > 65535:
            counter = key.of("i32")
        number = builder.convert("trunc", rank, Type("i32", width)) if rank.type.bits > 32 else rank
        top = constant(number.type, extent - 1)
        number = builder.intrinsic("smax", number.type, number, constant(number.type, 0))
        number = builder.intrinsic("smin", number.type, number, top)
        wanted = _resized(builder, builder.splat(number, width), counter)

        def bit(step: Value, carried: list[Value]) -> list[Value]:
            shift = builder.sub(constant(I64, key.bits - 1), step)
            one = builder.binary("shl", constant(I64, 1), shift)
            mask = builder.splat(_resized(builder, one, Type(key.element)), width)
            candidate = builder.binary("or", carried[0], mask)
            below = self._count_below(read, counter, extent, candidate)
            keep = builder.icmp("ule", below, wanted)
            return [builder.select(keep, candidate, carried[0])]

        start, stop = constant(I64, 0), constant(I64, key.bits)
        (found,) = builder.loop(start, stop, 1, [constant(key, 0)], bit, never_empty=True)
        value = self._from_key(found, node.dtype, width)
        if total is None:
            return Element(value, None)
        return Element(value, builder.icmp("sgt", total, builder.splat(number, width)))

    def _keys(
        self, node: ex.Sort, others: Index, lane: Lane, width: int
    ) -> tuple[Callable[[Value], Value], Type, Value | None]:
        """The key of element i, the type of keys, and how many elements count (None: all)."""
        builder, emitter, extent = self.builder, self.emitter, node.shape[node.axis]
        flagged = False
        key = self._key_type(node.dtype, width)
        scratch = builder.local(key, extent) if extent * key.bits * width <= 8 * SCRATCH_LIMIT else None
        zero = constant(Type("i32", width), 0)

        def make(place: Position) -> tuple[Value, Value | None]:
            element = self._input(node, others, place, lane)
            counts = element.flag
            if node.where is not None:
                index = (*others[: node.axis], place, *others[node.axis :])
                where = emitter.operand(node, node.where, index, lane)
                counts = emitter.both(emitter.both(counts, where.flag), where.value)
            value = builder.splat(self._to_key(element.value, node.dtype), width)
            counts = None if counts is None else builder.splat(counts, width)
            return (value if counts is None else builder.select(counts, value, constant(key, -1))), counts

        def first_pass(place: Value, carried: list[Value]) -> list[Value]:
            nonlocal flagged
            value, counts = make(place)
            flagged |= counts is not None
            if scratch is not None:
                builder.store(value, builder.element_pointer(scratch, key.text, place))
            return carried if counts is None else [builder.add(carried[0], builder.convert("zext", counts, zero.type))]

        total = None
        if scratch is not None or self._countable(node):
            (total,) = builder.loop(constant(I64, 0), constant(I64, extent), 1, [zero], first_pass, never_empty=True)

        def read(place: Value) -> Value:
            if scratch is None:
                return make(place)[0]
            return builder.load(key, builder.element_pointer(scratch, key.text, place))

        return read, key, total if flagged else None

    def _count_below(self, read: Callable[[Value], Value], counter: Type, extent: int, candidate: Value) -> Value:
        """How many elements lie below a candidate, in each lane."""
        builder = self.builder

        def step(place: Value, carried: list[Value]) -> list[Value]:
            less = builder.icmp("ult", read(place), candidate)
            return [builder.sub(carried[0], builder.convert("sext", less, counter))]

        start, stop = constant(I64, 0), constant(I64, extent)
        (count,) = builder.loop(start, stop, 1, [constant(counter, 0)], step, never_empty=True)
        return count

    def _key_type(self, dtype: ex.DType, width: int) -> Type:
        bits = 32 if dtype.itemsize == 2 and dtype.kind == "f" else 8 * dtype.itemsize
        return Type(f"i{bits}", width)

    def _to_key(self, value: Value, dtype: ex.DType) -> Value:
        builder = self.builder
        if dtype.kind == "b":
            return builder.convert("zext", value, value.type.of("i8"))
        if dtype.kind == "f":
            return _sortable_key(builder, value)
        if dtype.kind == "i":
            return builder.binary("xor", value, constant(value.type, 1 << (value.type.bits - 1)))
        return value

    def _from_key(self, key: Value, dtype: ex.DType, width: int) -> Value:
        builder = self.builder
        if dtype.kind == "b":
            return builder.icmp("ne", key, constant(key.type, 0))
        if dtype.kind == "f":
            return _from_sortable_key(builder, key, operators.register_type(dtype, width))
        if dtype.kind == "i":
            return builder.binary("xor", key, constant(key.type, 1 << (key.type.bits - 1)))
        return key


_whole_network = lru_cache(maxsize=32)(sorting_network)


def _sortable_key(builder: Builder, value: Value) -> Value:
    """An integer whose unsigned order is the order of floating values; every NaN is the same, above all numbers."""
    bits = value.type.bits
    nan = constant(value.type, float("nan"))
    known = builder.select(builder.fcmp("uno", value, value), nan, value)
    raw = builder.convert("bitcast", known, value.type.of(f"i{bits}"))
    negative = builder.binary("ashr", raw, constant(raw.type, bits - 1))
    return builder.binary("xor", raw, builder.binary("or", negative, constant(raw.type, 1 << (bits - 1))))


def _from_sortable_key(builder: Builder, key: Value, to: Type) -> Value:
    """The floating value of a key."""
    bits = key.type.bits
    positive = builder.binary("ashr", key, constant(key.type, bits - 1))
    negative = builder.binary("xor", positive, constant(key.type, -1))
    raw = builder.binary("xor", key, builder.binary("or", negative, constant(key.type, 1 << (bits - 1))))
    return builder.convert("bitcast", raw, to)


def _resized(builder: Builder, value: Value, to: Type) -> Value:
    if value.type.bits == to.bits:
        return value
    return builder.convert("trunc" if value.type.bits > to.bits else "zext", value, to)


def _demanded(nodes: Sequence[ex.Node]) -> dict[int, tuple[int, ...]]:
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
