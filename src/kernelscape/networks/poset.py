"""What is known about the order of the values while comparators are applied, and what need not be compared for it."""

from collections.abc import Iterable

from kernelscape.networks.network import Pair

LOW, HIGH = -1, -2  # what stands on a wire whose value is known to be too small or too large to be wanted


class Poset:
    """The values on the wires and what is known about their order, while comparators are applied.

    Values are numbered as they are made; ``below[v]`` and ``above[v]`` are bit sets of values known to be at most, at
    least v. Values that have been consumed stay in those sets: they carry knowledge (the maximum of a and b is at most
    x when a and b are).
    """

    def __init__(self, below: list[int], above: list[int], wanted: tuple[int, int], gone: tuple[int, int]) -> None:
        """Start from value i on wire i, wanting ranks `wanted` (first, last) beside values `gone` (small, large)."""
        self.wires = list(range(len(below)))
        self.below, self.above = below, above
        self.place = list(range(len(below)))  # value -> the physical wire that holds it
        self.parents: list[int] = [0] * len(below)
        self.first, self.last = wanted
        self.low, self.high = gone
        self.total = len(below) + self.low + self.high
        self.alive = (1 << len(below)) - 1
        self.pairs: list[Pair] = []
        self._discard()

    def live(self, wires: Iterable[int]) -> list[int]:
        """Those of `wires` that still hold a candidate."""
        return [w for w in wires if self.wires[w] >= 0]

    def apply(self, pairs: Iterable[Pair]) -> None:
        for low, high in pairs:
            self.compare(low, high)

    def compare(self, low: int, high: int) -> None:
        """Put the smaller of two wires on `low`, with a comparator only if nothing else tells which it is."""
        a, b = self.wires[low], self.wires[high]
        if a < 0 or b < 0:
            if (a == HIGH and b != HIGH) or (b == LOW and a != LOW):
                self.wires[low], self.wires[high] = b, a
        elif self.below[a] >> b & 1:
            self.wires[low], self.wires[high] = b, a
        elif not self.above[a] >> b & 1:
            self._exchange(low, high, a, b)

    def _exchange(self, low: int, high: int, a: int, b: int) -> None:
        below, above = self.below, self.above
        small = len(below)
        large = small + 1
        both = 1 << a | 1 << b
        self.pairs.append((self.place[a], self.place[b]))
        self.place += [self.place[a], self.place[b]]
        self.parents += [both, both]
        self.alive &= ~both
        small_below, small_above = below[a] & below[b], above[a] | above[b] | both | 1 << large
        large_below, large_above = below[a] | below[b] | both | 1 << small, above[a] & above[b]
        others = [v for v in self.wires if v >= 0 and v != a and v != b]
        start = len(self.place) % 2  # values made here come in pairs: the minimum first
        for v in others:
            parents = self.parents[v]
            if not parents:
                continue
            if (v - start) % 2:
                if large_below & parents == parents:
                    large_below |= 1 << v | below[v]
            elif small_above & parents == parents:
                small_above |= 1 << v | above[v]
        for v in others:
            above[v] |= (small_below >> v & 1) << small | (large_below >> v & 1) << large
            below[v] |= (small_above >> v & 1) << small | (large_above >> v & 1) << large
        below += [small_below, large_below]
        above += [small_above, large_above]
        self.alive |= 1 << small | 1 << large
        self.wires[low], self.wires[high] = small, large
        if self._drop(low) | self._drop(high):
            self._discard()

    def _discard(self) -> None:
        """Drop values until nothing more follows: each infinity may rule out further values."""
        dropped = True
        while dropped:
            dropped = False
            for wire in range(len(self.wires)):
                dropped |= self._drop(wire)

    def _drop(self, wire: int) -> bool:
        """Replace the value by an infinity if its rank cannot be wanted."""
        v = self.wires[wire]
        if v < 0:
            return False
        if self.low + (self.below[v] & self.alive).bit_count() > self.last:
            self.wires[wire] = HIGH
            self.high += 1
        elif self.high + (self.above[v] & self.alive).bit_count() > self.total - 1 - self.first:
            self.wires[wire] = LOW
            self.low += 1
        else:
            return False
        self.alive &= ~(1 << v)
        return True


def rename(pairs: Iterable[Pair], wires: list[int]) -> list[Pair]:
    """Run comparators on `wires`, some of which hold infinities, and return those that compare two values."""
    kept = []
    for low, high in pairs:
        a, b = wires[low], wires[high]
        if a >= 0 and b >= 0:
            kept.append((a, b))
        elif (a == HIGH and b != HIGH) or (b == LOW and a != LOW):
            wires[low], wires[high] = b, a
    return kept
