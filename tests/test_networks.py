"""Comparator networks against sorting: zeros and ones exhaustively where possible, random data with ties elsewhere.

Bits of big integers stand for many 0/1 inputs at once: on zeros and ones the minimum is AND, the maximum OR. `run`
computes only the results that a comparator says it needs and poisons the others, so that every check here also checks
the flags. Operation counts are pinned from above: a change that makes a network dearer has to say so here.
"""

import itertools
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from kernelscape.networks import (
    Comparator,
    Network,
    column_selection_network,
    selection,
    selection_network,
    sorting_network,
    tables,
)

SIZES = [*range(1, 131)]


def rank_sets(size: int) -> list[tuple[int, ...]]:
    """One rank, the two in the middle, both ends, percentiles, several in descending order and twice, all."""
    middle = size // 2
    sets = [
        (0,),
        (size - 1,),
        (middle,),
        ((size - 1) // 2, middle),
        (size // 10,),
        (9 * size // 10,),
        (min(1, size - 1),),
    ]
    sets += [(3 * size // 4, size // 4), (size // 10, middle, 9 * size // 10), (middle, middle), tuple(range(size))]
    return sorted(set(sets))


def run(
    network: Network,
    values: Sequence[Any],
    minimum: Callable[[Any, Any], Any] = min,
    maximum: Callable[[Any, Any], Any] = max,
) -> list[Any]:
    """What the network's outputs hold; reading a result that was not computed is an error."""
    wires: list[Any] = list(values)
    assert len(wires) == network.size
    for c in network.comparators:
        a, b = wires[c.low], wires[c.high]
        assert None not in (a, b), f"{c} reads a result that was not computed"
        wires[c.low] = minimum(a, b) if c.need_low else None
        wires[c.high] = maximum(a, b) if c.need_high else None
    found = [wires[output] for output in network.outputs]
    assert None not in found, "an output was not computed"
    return found


def run_bits(network: Network, columns: Sequence[int]) -> list[int]:
    return run(network, columns, int.__and__, int.__or__)


def assert_selects(network: Network, ranks: Sequence[int], values: Sequence[int]) -> None:
    ordered = sorted(values)
    assert run(network, values) == [ordered[rank] for rank in ranks], f"ranks {ranks} of {values}"


def assert_selects_all(network: Network, ranks: Sequence[int], states: Sequence[Sequence[int]]) -> None:
    """Every state of zeros and ones gives 1 at a rank exactly when so many ones are there."""
    wires = [int("".join(map(str, column)), 2) for column in zip(*states, strict=True)]
    for rank, found in zip(ranks, run_bits(network, wires), strict=True):
        expected = int("".join("1" if sum(state) >= network.size - rank else "0" for state in states), 2)
        assert found == expected, f"rank {rank} of {network.size}"


def random_inputs(size: int, seed: int) -> list[list[int]]:
    """A permutation, few distinct values, and zeros and ones with a random share, with just half, and one more."""
    source = random.Random(1000 * seed + size)
    share = source.random()
    inputs = [source.sample(range(size), size), [source.randrange(4) for _ in range(size)]]
    inputs.append([int(source.random() < share) for _ in range(size)])
    halves = (size // 2, (size + 1) // 2)
    return inputs + [source.sample([1] * ones + [0] * (size - ones), size) for ones in halves]


def sorted_columns(values: Sequence[int], rows: int) -> list[int]:
    return [v for start in range(0, len(values), rows) for v in sorted(values[start : start + rows])]


# ---- the helpers can fail ------------------------------------------------------------------------


def test_assert_selects_fails_on_a_wrong_network() -> None:
    wrong = Network(3, (Comparator(0, 1, True, True), Comparator(1, 2, True, True)), (0, 1, 2))
    assert_selects(wrong, (0, 1, 2), [1, 2, 3])
    with pytest.raises(AssertionError):
        assert_selects(wrong, (0, 1, 2), [3, 2, 1])
    with pytest.raises(AssertionError):
        assert_selects_all(wrong, (0, 1, 2), [*itertools.product((0, 1), repeat=3)])


def test_run_fails_when_a_flag_is_wrong() -> None:
    wrong = Network(2, (Comparator(0, 1, True, False),), (1,))
    with pytest.raises(AssertionError, match="not computed"):
        run(wrong, [1, 2])


# ---- sorting -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(1, 17))
def test_small_sorting_networks_sort_all_zeros_and_ones(size: int) -> None:
    wires = []
    for wire in range(size):  # bit i of wire w is bit w of i: all inputs at once
        block = ((1 << (1 << wire)) - 1) << (1 << wire)
        repeats = sum(1 << start for start in range(0, 1 << size, 2 << wire)) if wire < size else 0
        wires.append(block * repeats)
    found = run_bits(sorting_network(size), wires)
    for smaller, larger in itertools.pairwise(found):
        assert smaller & ~larger == 0
    assert sum(wire.bit_count() for wire in found) == size << (size - 1)


@pytest.mark.parametrize("size", SIZES)
def test_sorting_networks_sort_random_data(size: int) -> None:
    network = sorting_network(size)
    for values in random_inputs(size, 1):
        assert run(network, values) == sorted(values)


COMPARATORS = {1: 0, 2: 1, 3: 3, 4: 5, 5: 9, 6: 12, 7: 16, 8: 19, 9: 25, 10: 29, 11: 35, 12: 39, 13: 45, 14: 51, 15: 56}
COMPARATORS |= {16: 60, 24: 125, 25: 133, 32: 185, 49: 374, 64: 531, 121: 1362}


@pytest.mark.parametrize("size", COMPARATORS)
def test_sorting_networks_are_no_larger_than_known(size: int) -> None:
    network = sorting_network(size)
    assert len(network.comparators) <= COMPARATORS[size]
    assert network.operations == 2 * len(network.comparators)


# ---- selection -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(1, 13))
def test_selection_holds_for_all_zeros_and_ones(size: int) -> None:
    states = [*itertools.product((0, 1), repeat=size)]
    for ranks in {*rank_sets(size), *((rank,) for rank in range(size)), *itertools.pairwise(range(size))}:
        assert_selects_all(selection_network(size, ranks), ranks, states)


@pytest.mark.parametrize("size", range(3, 8))
def test_selection_of_any_range_of_ranks(size: int) -> None:
    states = [*itertools.product((0, 1), repeat=size)]
    for first, last in itertools.combinations(range(size + 1), 2):
        ranks = tuple(range(first, last))
        assert_selects_all(selection_network(size, ranks), ranks, states)


@pytest.mark.parametrize(("size", "ranks"), tables.SELECTIONS)
def test_tabulated_selections_and_their_mirror_images_hold(size: int, ranks: tuple[int, ...]) -> None:
    """The rows of the square medians are among these, so with the sorted grids below the whole of those is proven."""
    states = [*itertools.product((0, 1), repeat=size)]
    for wanted in (ranks, tuple(size - 1 - rank for rank in reversed(ranks))):
        assert_selects_all(selection_network(size, wanted), wanted, states)


@pytest.mark.parametrize("size", SIZES)
def test_selection_on_random_data(size: int) -> None:
    sets = (
        rank_sets(size) if size <= 30 or size % 12 == 0 else [(size // 2,), ((size - 1) // 2, size // 2), (size // 10,)]
    )
    for ranks in sets:
        network = selection_network(size, ranks)
        for values in random_inputs(size, 2):
            assert_selects(network, ranks, values)


@pytest.mark.parametrize("size", [13, 25, 49, 81, 121])
def test_medians_at_the_threshold(size: int) -> None:
    """Inputs whose ones are one too many or one too few decide a median; many of them at once as bits."""
    source = random.Random(size)
    network = selection_network(size, (size // 2,))
    states = []
    for ones in (size // 2, size // 2 + 1):
        states += [source.sample([1] * ones + [0] * (size - ones), size) for _ in range(3000)]
    assert_selects_all(network, (size // 2,), states)


@pytest.mark.parametrize("size", [5, 9, 14, 25, 49])
def test_every_comparator_is_needed_and_reads_two_wires(size: int) -> None:
    for ranks in rank_sets(size):
        for c in selection_network(size, ranks).comparators:
            assert c.low != c.high
            assert c.need_low or c.need_high


def test_dropping_any_comparator_of_a_median_breaks_it() -> None:
    states = [*itertools.product((0, 1), repeat=9)]
    network = selection_network(9, (4,))
    for index in range(len(network.comparators)):
        rest = network.comparators[:index] + network.comparators[index + 1 :]
        with pytest.raises(AssertionError):
            assert_selects_all(Network(9, rest, network.outputs), (4,), states)


# ---- sorted columns ------------------------------------------------------------------------------


@pytest.mark.parametrize(("columns", "rows"), [(1, 1), (1, 5), (5, 1), (2, 3), (3, 3), (4, 3), (3, 5), (5, 5), (6, 4)])
def test_column_networks_hold_for_all_sorted_columns(columns: int, rows: int) -> None:
    size = columns * rows
    options = [[0] * (rows - ones) + [1] * ones for ones in range(rows + 1)]
    states = [[*itertools.chain(*state)] for state in itertools.product(options, repeat=columns)]
    for ranks in [(size // 2,), ((size - 1) // 2, size // 2), (0,), (size // 10, 3 * size // 4)]:
        assert_selects_all(column_selection_network(columns, rows, ranks)[1], ranks, states)


@pytest.mark.parametrize(("columns", "rows"), [(7, 7), (9, 9), (11, 11), (9, 5), (3, 11), (8, 8)])
def test_column_networks_on_random_data(columns: int, rows: int) -> None:
    size = columns * rows
    for ranks in [(size // 2,), ((size - 1) // 2, size // 2), (size // 20,)]:
        column, network = column_selection_network(columns, rows, ranks)
        assert column.outputs == sorting_network(rows).outputs
        for seed in range(10):
            for values in random_inputs(size, seed):
                assert_selects(network, ranks, sorted_columns(values, rows))


@pytest.mark.parametrize("side", [3, 5, 7, 9, 11])
def test_square_medians_hold_for_all_grids_sorted_both_ways(side: int) -> None:
    """Sorted both ways only partitions remain as 0/1 inputs; being monotone, those next to the threshold decide."""
    states = [
        [int(c >= side - ones[r]) for c in range(side) for r in range(side)]
        for ones in itertools.combinations_with_replacement(range(side + 1), side)  # ones per row, more further down
        if sum(ones) in (side * side // 2, side * side // 2 + 1)
    ]
    assert_selects_all(column_selection_network(side, side, (side * side // 2,))[1], (side * side // 2,), states)


# ---- what it costs -------------------------------------------------------------------------------

MEDIAN_OPERATIONS = {3: 4, 5: 10, 7: 20, 9: 30, 11: 40, 13: 52, 15: 76, 25: 168, 27: 190, 49: 460, 81: 936, 121: 1630}
COLUMN_OPERATIONS = {3: 12, 5: 78, 7: 236, 9: 486, 11: 860}
OTHER_OPERATIONS = {(16, (7, 8)): 92, (25, (2,)): 96, (49, (0,)): 48, (64, (31, 32)): 760, (100, (99,)): 99}


@pytest.mark.parametrize("size", MEDIAN_OPERATIONS)
def test_medians_cost_no_more_than_known(size: int) -> None:
    network = selection_network(size, (size // 2,))
    assert network.operations <= MEDIAN_OPERATIONS[size]
    assert network.live_values <= size


@pytest.mark.parametrize("side", COLUMN_OPERATIONS)
def test_column_medians_cost_no_more_than_known(side: int) -> None:
    assert column_selection_network(side, side, (side * side // 2,))[1].operations <= COLUMN_OPERATIONS[side]


@pytest.mark.parametrize(("size", "ranks"), OTHER_OPERATIONS)
def test_other_ranks_cost_no_more_than_known(size: int, ranks: tuple[int, ...]) -> None:
    assert selection_network(size, ranks).operations <= OTHER_OPERATIONS[size, ranks]


def test_live_values_of_a_running_minimum() -> None:
    assert selection_network(100, (0,)).live_values <= 12
    assert Network(2, (Comparator(0, 1, True, True),), (0, 1)).live_values == 2
    assert Network(1, (), (0,)).live_values == 1


@pytest.mark.parametrize(("size", "seconds"), [(49, 0.02), (121, 0.08)])
def test_construction_is_quick(size: int, seconds: float) -> None:
    selection_network(
        size, (size // 2,)
    )  # the parts (tables, rows) are then at hand, as in a process with other medians

    def once() -> float:
        start = time.process_time()
        selection.select.__wrapped__(size, (size // 2,))
        return time.process_time() - start

    assert min(once() for _ in range(5)) < seconds


# ---- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, -1, 2.0, True, None])
def test_a_bad_size_is_an_error(size: Any) -> None:
    with pytest.raises(ValueError, match=f"at least 1, got {size!r}"):
        sorting_network(size)
    with pytest.raises(ValueError, match=f"at least 1, got {size!r}"):
        selection_network(size, (0,))
    with pytest.raises(ValueError, match=f"rows must be an integer of at least 1, got {size!r}"):
        column_selection_network(3, size, (0,))


@pytest.mark.parametrize("rank", [-1, 9, 1.0, False])
def test_a_bad_rank_is_an_error(rank: Any) -> None:
    with pytest.raises(ValueError, match=f"in 0..8 for 9 values, got {rank!r}"):
        selection_network(9, (4, rank))
    with pytest.raises(ValueError, match=f"in 0..8 for 9 values, got {rank!r}"):
        column_selection_network(3, 3, (4, rank))


def test_no_rank_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"at least one rank, got \(\)"):
        selection_network(9, ())
