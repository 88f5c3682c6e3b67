"""Sorted samples: networks of minima and maxima where small, bisection on integer keys everywhere else.

A *key* is an integer of the width of the sample whose unsigned order is the samples' order; all NaN share the largest
key of a number's side, elements that do not count get the largest of all. Networks compare values or keys, whichever
is a single instruction; bisection finds the element of any rank, also one known at run time only, by counting how many
keys lie below a candidate, one bit after the other, over keys kept in scratch memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from kernelscape import expression as ex
from kernelscape.backends.emit.bisection import DIGIT, MOST_KEYS, Digits, count_below, digit_bytes
from kernelscape.backends.emit.keys import from_key, from_sortable, key_type, sortable, to_key
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


class _Keys(NamedTuple):
    """The keys of some elements: that of element i, the types of a key and of a number of keys, how many count.

    Where keys are kept as digits: these, and what their first ones have in common.
    """

    read: Callable[[Value], Value]
    key: Type
    counter: Type
    total: Value | None
    digits: Digits | None
    common: tuple[Value, Value] | None


class Order:
    """The rules of Sort, for one emitter, and of Take from a Sort."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter, self.builder = emitter, emitter.builder
        self._take_elsewhere = emitter.rule(ex.Take)
        nodes = list(ex.walk(emitter.stage.outputs))
        self._demand = _demanded(nodes)
        self._taken = {(id(n.body), id(n.index)) for n in nodes if isinstance(n, ex.Take)}
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
            keys = [sortable(self.builder, v) for v in values]
            wires = [from_sortable(self.builder, k, values[0].type) for k in self._exchange(network, keys)]
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
        return Element(from_key(self.builder, found, node.dtype), None)

    def _sort_in_memory(self, node: ex.Sort, others: Index, lane: Lane) -> tuple[Value, Type]:
        """The network as data: a loop over its comparators, on keys in scratch memory."""
        builder, extent = self.builder, node.shape[node.axis]
        key = key_type(node.dtype, self.emitter.width(node))
        scratch = builder.local(key, extent)

        def fill(place: Value, _: list[Value]) -> list[Value]:
            value = to_key(builder, self._input(node, others, place, lane).value, node.dtype)
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
        before = ex.one_less(node.index)
        behind = before is not None and (id(body), id(before)) in self._taken
        known = node.index if before is None or not behind else before
        wanted = self.emitter.element(known, project(index, known.shape, node.shape), lane)
        element = self._bisect_at(body, index, wanted.value, lane, behind=behind)
        return Element(element.value, self.emitter.both(element.flag, self._spread_flag(wanted.flag)))

    def _spread_flag(self, flag: Value | None) -> Value | None:
        return None if flag is None else self.emitter.splat(flag)

    def _bisect(self, node: ex.Sort, others: Index, rank: Position, lane: Lane) -> Element:
        width = self.emitter.width(node)
        if not isinstance(rank, int):
            return self._bisect_at(node, others, self.builder.splat(rank, width), lane, behind=False)
        # The element behind another one is found faster than one of which nothing is known.
        behind = rank - 1 in self._demand.get(id(node), ())
        wanted = constant(Type("i64", width), rank - behind)
        return self._bisect_at(node, others, wanted, lane, behind=behind)

    def _bisect_at(self, node: ex.Sort, others: Index, rank: Value, lane: Lane, *, behind: bool) -> Element:
        """The element of a rank (clipped), or the one behind it."""
        builder = self.builder
        width = max(self.emitter.width(node), rank.type.lanes)
        lane = self.emitter.canonical_lane(node, lane)
        keys = builder.remember(("keys", id(node), others, lane, width), lambda: self._keys(node, others, lane, width))
        number = self._clipped(rank, node.shape[node.axis], width)
        found = builder.remember(
            ("ranked", id(node), others, lane, number), lambda: self._bisected(keys, node.shape[node.axis], number)
        )
        if behind:
            number = self._clipped(builder.add(number, constant(number.type, 1)), node.shape[node.axis], width)
            found = self._following(keys, node.shape[node.axis], found, number)
        flag = None if keys.total is None else builder.icmp("sgt", keys.total, number)
        return Element(from_key(builder, found, node.dtype), flag)

    def _clipped(self, rank: Value, extent: int, width: int) -> Value:
        """A rank as i32, in as many lanes as keys have."""
        builder, whole = self.builder, Type("i32", rank.type.lanes)
        number = builder.convert("trunc" if rank.type.bits > 32 else "sext", rank, whole)
        number = builder.intrinsic("smax", whole, number, constant(whole, 0))
        number = builder.intrinsic("smin", whole, number, constant(whole, extent - 1))
        return builder.splat(number, width)

    def _bisected(self, keys: _Keys, extent: int, number: Value) -> Value:
        """The key of a rank: its bits are found from the highest to the lowest."""
        builder, key, counter = self.builder, keys.key, keys.counter
        if keys.digits is not None and keys.common is not None:
            return keys.digits.ranked(_resized(builder, number, keys.digits.type), keys.common)
        wanted = _resized(builder, number, counter)

        def bit(step: Value, carried: list[Value]) -> list[Value]:
            shift = builder.sub(constant(I64, key.bits - 1), step)
            one = builder.binary("shl", constant(I64, 1), shift)
            mask = builder.splat(_resized(builder, one, Type(key.element)), key.lanes)
            candidate = builder.binary("or", carried[0], mask)
            below = count_below(builder, keys.read, counter, extent, candidate)
            keep = builder.icmp("ule", below, wanted)
            return [builder.select(keep, candidate, carried[0])]

        start, stop = constant(I64, 0), constant(I64, key.bits)
        (found,) = builder.loop(start, stop, 1, [constant(key, 0)], bit, never_empty=True)
        return found

    def _following(self, keys: _Keys, extent: int, found: Value, number: Value) -> Value:
        """The key of a rank, when `found` is that of the rank before it: equal, or the smallest one above it."""
        builder, key, counter = self.builder, keys.key, keys.counter

        def step(place: Value, carried: list[Value]) -> list[Value]:
            this = keys.read(place)
            above = builder.icmp("ugt", this, found)
            least = builder.intrinsic("umin", key, carried[1], builder.select(above, this, constant(key, -1)))
            return [builder.sub(carried[0], builder.convert("sext", above, counter)), least]

        state = [constant(counter, 0), constant(key, -1)]
        above, least = builder.loop(constant(I64, 0), constant(I64, extent), 1, state, step, never_empty=True)
        rest = builder.sub(constant(counter, extent), above)
        return builder.select(builder.icmp("ugt", rest, _resized(builder, number, counter)), found, least)

    def _key(self, node: ex.Sort, others: Index, place: Position, lane: Lane, key: Type) -> tuple[Value, Value | None]:
        """The key of an element, and whether it counts."""
        builder, emitter = self.builder, self.emitter
        element = self._input(node, others, place, lane)
        counts = element.flag
        if node.where is not None:
            index = (*others[: node.axis], place, *others[node.axis :])
            where = emitter.operand(node, node.where, index, lane)
            counts = emitter.both(emitter.both(counts, where.flag), where.value)
        value = builder.splat(to_key(builder, element.value, node.dtype), key.lanes)
        counts = None if counts is None else builder.splat(counts, key.lanes)
        return (value if counts is None else builder.select(counts, value, constant(key, -1))), counts

    def _keys(self, node: ex.Sort, others: Index, lane: Lane, width: int) -> _Keys:
        """The keys of all elements, in memory where they fit."""
        builder, extent, flagged = self.builder, node.shape[node.axis], False
        key = key_type(node.dtype, width)
        digits = None
        if key.bits > DIGIT and extent <= MOST_KEYS and digit_bytes(extent, key) <= SCRATCH_LIMIT:
            digits = Digits.of(builder, key, extent)
        kept = digits is None and extent * key.bits * width <= 8 * SCRATCH_LIMIT
        scratch = builder.local(key, extent) if kept else None
        zero = constant(Type("i32", width), 0)

        def first_pass(place: Value, carried: list[Value]) -> list[Value]:
            nonlocal flagged
            value, counts = self._key(node, others, place, lane, key)
            flagged |= counts is not None
            total, *common = carried
            if digits is not None:
                first = digits.store(value, place)
                common = [builder.binary("and", common[0], first), builder.binary("or", common[1], first)]
            elif scratch is not None:
                builder.store(value, builder.element_pointer(scratch, key.text, place))
            more = total if counts is None else builder.add(total, builder.convert("zext", counts, zero.type))
            return [more, *common]

        total, common = None, None
        if digits is not None or scratch is not None or self._countable(node):
            state = [zero] if digits is None else [zero, constant(digits.type, -1), constant(digits.type, 0)]
            total, *found = builder.loop(
                constant(I64, 0), constant(I64, extent), 1, state, first_pass, never_empty=True
            )
            common = (found[0], found[1]) if found else None

        def read(place: Value) -> Value:
            if digits is not None:
                return digits.read(place)
            if scratch is None:
                return self._key(node, others, place, lane, key)[0]
            return builder.load(key, builder.element_pointer(scratch, key.text, place))

        counter = key.of("i16") if key.bits == 8 and extent > 255 else key
        if counter.bits == 16 and extent > 65535:
            counter = key.of("i32")
        return _Keys(read, key, counter, total if flagged else None, digits, common)


_whole_network = lru_cache(maxsize=32)(sorting_network)


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
