"""The key of a rank by bisection: bits are found from the highest on, by counting how many keys lie below a candidate.

Keys of 32 and 64 bits are looked at 16 bits at a time. When the first *digit* of the key of the rank is known, keys
with another first digit are known to lie below it or above it, whatever follows: what they have as the next digit
becomes the least or the largest one, so that counting goes on with the next digits alone. Vectors of digits hold twice
as many keys as vectors of keys, or four times as many. Bits that all keys have in common are not looked for; nor is the
rest of a later digit, where one key is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kernelscape.backends.ir import I64, Builder, Type, Value, constant

DIGIT = 16
"""Bits of a digit."""
MOST_KEYS = (1 << DIGIT) - 1
"""Counts are made in digits."""
TOGETHER = 8
"""Keys that are counted in one turn of a loop."""
CHAINS = 4
"""Counts that are made side by side: each waits for itself."""

Read = Callable[[Value], Value]


def count_below(builder: Builder, read: Read, counter: Type, extent: int, candidate: Value) -> Value:
    """How many of `extent` keys lie below a candidate, in each lane."""

    def counted(place: Value, count: Value) -> Value:
        less = builder.icmp("ult", read(place), candidate)
        return builder.select(less, builder.add(count, constant(counter, 1)), count)

    def several(place: Value, carried: list[Value]) -> list[Value]:
        counts = list(carried)
        for number in range(TOGETHER):
            counts[number % len(counts)] = counted(
                builder.add(place, constant(I64, number)), counts[number % len(counts)]
            )
        return counts

    whole = extent - extent % TOGETHER
    counts = [constant(counter, 0)]
    if whole:
        zeros = [constant(counter, 0)] * min(CHAINS, whole)
        counts = builder.loop(constant(I64, 0), constant(I64, whole), TOGETHER, zeros, several, never_empty=True)
    for place in range(whole, extent):
        counts[place % len(counts)] = counted(constant(I64, place), counts[place % len(counts)])
    while len(counts) > 1:
        counts = [builder.add(a, b) for a, b in zip(counts[0::2], counts[1::2], strict=True)]
    return counts[0]


def digit_bytes(extent: int, key: Type) -> int:
    """Memory for the digits of keys, as they are and as they become."""
    digits = key.bits // DIGIT
    return extent * key.lanes * (2 * digits - 1) * DIGIT // 8


@dataclass(frozen=True)
class Digits:
    """The digits of some keys in memory, the highest ones first; `changed` has room for all but the first."""

    builder: Builder
    key: Type
    extent: int
    own: tuple[Value, ...]
    changed: tuple[Value, ...]

    @staticmethod
    def of(builder: Builder, key: Type, extent: int) -> Digits:
        """Room for the digits of `extent` keys."""
        count = key.bits // DIGIT
        digit = key.of(f"i{DIGIT}")
        rooms = [builder.local(digit, extent) for _ in range(2 * count - 1)]
        return Digits(builder, key, extent, tuple(rooms[:count]), tuple(rooms[count:]))

    @property
    def type(self) -> Type:
        """Of the digits of some keys."""
        return self.key.of(f"i{DIGIT}")

    def _at(self, room: Value, place: Value) -> Value:
        return self.builder.element_pointer(room, self.type.text, place)

    def store(self, key: Value, place: Value) -> Value:
        """Takes a key apart; returns its first digit."""
        builder, found = self.builder, []
        for number, room in enumerate(self.own):
            shift = self.key.bits - DIGIT * (number + 1)
            part = builder.binary("lshr", key, constant(key.type, shift)) if shift else key
            found.append(builder.convert("trunc", part, self.type))
            builder.store(found[-1], self._at(room, place))
        return found[0]

    def read(self, place: Value) -> Value:
        """A key."""
        return self._joined([self.builder.load(self.type, self._at(room, place)) for room in self.own])

    def _joined(self, digits: list[Value]) -> Value:
        builder = self.builder
        found = builder.convert("zext", digits[0], self.key)
        for digit in digits[1:]:
            moved = builder.binary("shl", found, constant(self.key, DIGIT))
            found = builder.binary("or", moved, builder.convert("zext", digit, self.key))
        return found

    def ranked(self, wanted: Value, common: tuple[Value, Value]) -> Value:
        """The key that has `wanted` others in front of it; `common` are all first digits, united by and and by or."""
        builder, state, found = self.builder, self._state(), []
        for number in range(len(self.own)):
            room = self.changed[number - 1] if number else self.own[0]
            if number:
                builder.store(constant(self.type, 0), state.low)
                builder.store(constant(self.type, -1), state.high)
                bits = constant(I64, DIGIT)
            else:
                bits = self._begin(state, *common)
            self._narrow(room, state, wanted, bits, to_the_end=not number)
            found.append(self._only(room, state) if number else builder.load(self.type, state.low))
            self._change(room, found[-1], number)
        return self._joined(found)

    def _state(self) -> _State:
        low, high, in_front, up_to = (self.builder.local(self.type) for _ in range(4))
        return _State(low, high, in_front, up_to, self.builder.local(I64))

    def _begin(self, state: _State, all_of: Value, any_of: Value) -> Value:
        """All that is known of first digits: the bits that all have in common; returns how many follow."""
        builder, lanes = self.builder, self.type.lanes
        # Lanes need not have as many bits in common: what follows is the most of any.
        differing = self._over_lanes("or", builder.binary("xor", all_of, any_of))
        zeros = builder.intrinsic("ctlz", differing.type, differing, constant(Type("i1"), 0))
        bits = builder.sub(constant(I64, DIGIT), builder.convert("zext", zeros, I64))
        ones = builder.convert("trunc", builder.binary("shl", constant(I64, -1), bits), differing.type)
        known = builder.splat(ones, lanes)
        low = builder.binary("and", all_of, known)
        builder.store(low, state.low)
        builder.store(builder.binary("or", low, builder.binary("xor", known, constant(self.type, -1))), state.high)
        builder.store(constant(self.type, 0), state.in_front)
        builder.store(constant(self.type, self.extent), state.up_to)
        return bits

    def _over_lanes(self, operation: str, value: Value) -> Value:
        """What all lanes give together."""
        builder, scalar = self.builder, Type(value.type.element)
        if value.type.lanes == 1:
            return value
        name = f"llvm.vector.reduce.{operation}.v{value.type.lanes}{scalar.text}"
        builder.module.declare(name, scalar.text, [value.type.text])
        result = builder.fresh(scalar)
        builder.line(f"{result.name} = call {scalar.text} @{name}({value.type.text} {value.name})")
        return result

    def _narrow(self, room: Value, state: _State, wanted: Value, bits: Value, *, to_the_end: bool) -> None:
        """Finds bits of a digit: all, or until no lane has two keys left."""
        builder, type = self.builder, self.type
        builder.store(constant(I64, 0), state.step)

        def going() -> Value:
            step = builder.load(I64, state.step)
            more = builder.icmp("slt", step, bits)
            if to_the_end:
                return more
            left = builder.sub(builder.load(type, state.up_to), builder.load(type, state.in_front))
            several = builder.icmp("ugt", self._over_lanes("umax", left), constant(Type(type.element), 1))
            # The first bit parts a digit from those that were changed to the least, or to the largest one.
            wished = builder.binary("or", several, builder.icmp("eq", step, constant(I64, 0)))
            return builder.binary("and", wished, more)

        def bit() -> None:
            step = builder.load(I64, state.step)
            shift = builder.sub(builder.sub(bits, constant(I64, 1)), step)
            one = builder.convert("trunc", builder.binary("shl", constant(I64, 1), shift), Type(type.element))
            low, high = builder.load(type, state.low), builder.load(type, state.high)
            middle = builder.binary("or", low, builder.splat(one, type.lanes))
            below = count_below(builder, lambda place: self._load(room, place), type, self.extent, middle)
            keep = builder.icmp("ule", below, wanted)
            for target, if_kept, if_not in (
                (state.low, middle, low),
                (state.high, high, builder.binary("add", middle, constant(type, -1))),
                (state.in_front, below, builder.load(type, state.in_front)),
                (state.up_to, builder.load(type, state.up_to), below),
            ):
                builder.store(builder.select(keep, if_kept, if_not), target)
            builder.store(builder.add(step, constant(I64, 1)), state.step)

        builder.repeat(going, bit)

    def _load(self, room: Value, place: Value) -> Value:
        return self.builder.load(self.type, self._at(room, place))

    def _only(self, room: Value, state: _State) -> Value:
        """The digit that is left: the least from the lower bound on; from 0 on the largest up to the upper bound."""
        builder, type = self.builder, self.type
        low, high = builder.load(type, state.low), builder.load(type, state.high)
        none, all_ones = constant(type, 0), constant(type, -1)

        def one(place: Value, carried: list[Value]) -> list[Value]:
            digit = self._load(room, place)
            above = builder.select(builder.icmp("uge", digit, low), digit, all_ones)
            below = builder.select(builder.icmp("ule", digit, high), digit, none)
            return [
                builder.intrinsic("umin", type, carried[0], above),
                builder.intrinsic("umax", type, carried[1], below),
            ]

        stop = constant(I64, self.extent)
        least, largest = builder.loop(constant(I64, 0), stop, 1, [all_ones, none], one, never_empty=True)
        return builder.select(builder.icmp("eq", low, none), largest, least)

    def _change(self, room: Value, found: Value, number: int) -> None:
        """Digits behind one that is known become the least or the largest where that one is smaller or larger."""
        builder, later = self.builder, range(number + 1, len(self.own))
        if not later:
            return

        def one(place: Value, _: list[Value]) -> list[Value]:
            digit = self._load(room, place)
            below, above = (builder.icmp(test, digit, found) for test in ("ult", "ugt"))
            for behind in later:
                source = self.changed[behind - 1] if number else self.own[behind]
                value = self._load(source, place)
                value = builder.select(above, constant(self.type, -1), value)
                value = builder.select(below, constant(self.type, 0), value)
                builder.store(value, self._at(self.changed[behind - 1], place))
            return []

        builder.loop(constant(I64, 0), constant(I64, self.extent), 1, [], one, never_empty=True)


@dataclass(frozen=True)
class _State:
    """Variables: the least and the largest digit that it can be, how many keys lie in front of them and up to them."""

    low: Value
    high: Value
    in_front: Value
    up_to: Value
    step: Value
