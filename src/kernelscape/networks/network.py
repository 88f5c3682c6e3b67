"""What a network is, and the last steps of making one: drop what nobody reads, order the rest for few live values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

Pair = tuple[int, int]
Candidate = tuple[list[Pair], list[int]]  # comparators (low, high), and the wires of the wanted ranks


@dataclass(frozen=True, slots=True)
class Comparator:
    """One comparator: afterwards wire `low` holds the minimum of both wires and wire `high` the maximum.

    `need_low` and `need_high` say which of the two results is read later; at least one is. The other need not be
    computed.
    """

    low: int
    high: int
    need_low: bool
    need_high: bool


@dataclass(frozen=True, slots=True)
class Network:
    """A sequence of comparators on `size` wires; at the end wire `outputs[i]` holds the i-th requested rank."""

    size: int
    comparators: tuple[Comparator, ...]
    outputs: tuple[int, ...]

    @property
    def operations(self) -> int:
        """The number of minimum and maximum instructions."""
        return sum(c.need_low + c.need_high for c in self.comparators)

    @property
    def live_values(self) -> int:
        """The largest number of values that exist at once when each input is loaded just before its first use."""
        return _peak(self.comparators, self.outputs)


def cheapest(size: int, candidates: Iterable[Candidate]) -> Network:
    """The candidate with the fewest operations, ordered for few live values."""
    networks = [finished(size, *candidate) for candidate in candidates]
    fewest = min(network.operations for network in networks)
    best = [scheduled(network) for network in networks if network.operations == fewest]
    return min(best, key=lambda network: network.live_values)


def finished(size: int, pairs: Sequence[Pair], outputs: Sequence[int]) -> Network:
    """Drop what nobody reads, and mark which results are read."""
    wanted = set(outputs)
    kept: list[Comparator] = []
    for low, high in reversed(pairs):
        need_low, need_high = low in wanted, high in wanted
        if need_low or need_high:
            kept.append(Comparator(low, high, need_low, need_high))
            wanted |= {low, high}
    kept.reverse()
    return Network(size, tuple(kept), tuple(outputs))


def scheduled(network: Network) -> Network:
    """The same comparators in the order, of those tried, that keeps the fewest values alive."""
    orders = [network.comparators, _greedy_order(network.comparators), _depth_first_order(network.comparators)]
    return Network(network.size, min(orders, key=lambda order: _peak(order, network.outputs)), network.outputs)


def _sources(comparators: Sequence[Comparator]) -> list[list[int]]:
    """For each comparator those that wrote its two wires last."""
    writer: dict[int, int] = {}
    sources = []
    for index, c in enumerate(comparators):
        sources.append([writer[wire] for wire in (c.low, c.high) if wire in writer])
        writer[c.low] = writer[c.high] = index
    return sources


def _greedy_order(comparators: Sequence[Comparator]) -> tuple[Comparator, ...]:
    """Always take the ready comparator that adds the fewest live values; among equals, the first."""
    sources = _sources(comparators)
    readers: list[list[int]] = [[] for _ in comparators]
    for index, found in enumerate(sources):
        for source in found:
            readers[source].append(index)
    waiting = [len(found) for found in sources]
    ready = [
        (2 - len(found) - (not c.need_low) - (not c.need_high), index)
        for index, (c, found) in enumerate(zip(comparators, sources, strict=True))
        if not found
    ]
    heapify(ready)
    order = []
    while ready:
        index = heappop(ready)[1]
        order.append(comparators[index])
        for reader in readers[index]:
            waiting[reader] -= 1
            if not waiting[reader]:
                c = comparators[reader]
                heappush(ready, (2 - len(sources[reader]) - (not c.need_low) - (not c.need_high), reader))
    return tuple(order)


def _depth_first_order(comparators: Sequence[Comparator]) -> tuple[Comparator, ...]:
    """Each comparator just after what it needs, so that inputs are loaded as late as the results that want them."""
    sources = _sources(comparators)
    done: set[int] = set()
    order = []
    stack = list(range(len(comparators)))
    while stack:
        index = stack[-1]
        missing = [source for source in sources[index] if source not in done]
        if index in done or not missing:
            stack.pop()
            if index not in done:
                done.add(index)
                order.append(comparators[index])
        else:
            stack += missing
    return tuple(order)


def _peak(comparators: Sequence[Comparator], outputs: Sequence[int]) -> int:
    """The largest number of values that exist at once."""
    loaded: set[int] = set()
    peak = live = 0
    for c in comparators:
        live += (c.low not in loaded) + (c.high not in loaded)
        loaded |= {c.low, c.high}
        peak = max(peak, live)
        live -= (not c.need_low) + (not c.need_high)
    return max(peak, len(set(outputs)))
