"""Comparator networks that sort a window or select some of its ranks, as pure data.

A median of a small window is fastest as a fixed sequence of ``minimum`` and ``maximum`` instructions: no branch, every
lane busy, and ties need no care. What it costs is the number of those instructions, so everything here serves to make
that number small. The rules:

* A *wire* is a place that holds one value. A comparator puts the minimum of two wires into one of them and the maximum
  into the other. The wires never need to be in order; a result says which wire holds it.
* A network is right when it is right on zeros and ones (the 0/1 principle, Knuth, *The Art of Computer Programming* 3,
  5.3.4, theorem Z).
* Nothing is computed that cannot matter: a comparator whose inputs are known to be in order does nothing; a value with
  too many values known below it (or above it) to have a wanted rank is replaced by plus (minus) infinity, which makes
  every later comparator on it a mere renaming; an output that nobody reads is not computed (``need_low``,
  ``need_high``).
* Constructions are tried and counted, not trusted: the cheapest of several is returned, and where a search found a
  better one, a table holds it.
"""

from kernelscape.errors import ArgumentError
from kernelscape.networks.network import Comparator, Network, finished
from kernelscape.networks.selection import select, select_from_columns
from kernelscape.networks.sorting import sort

__all__ = ["Comparator", "Network", "column_selection_network", "selection_network", "sorting_network"]


def sorting_network(size: int) -> Network:
    """Return a network that sorts `size` wires; ``outputs[r]`` is the wire of rank r.

    Parameters
    ----------
    size : int
        Number of wires, at least 1.

    Returns
    -------
    Network
        The best known network up to 16 wires, and Batcher's odd-even merges of such blocks beyond.

    References
    ----------
    K. E. Batcher, "Sorting networks and their applications", AFIPS Spring Joint Computer Conference, 1968.
    """
    _check_size(size, "size")
    pairs, order = sort(tuple(range(size)))
    return finished(size, pairs, order)


def selection_network(size: int, ranks: tuple[int, ...]) -> Network:
    """Return the cheapest network we know that finds the given ranks of `size` values.

    Parameters
    ----------
    size : int
        Number of values, at least 1.
    ranks : tuple of int
        The ranks wanted, each in ``0 <= rank < size``, in any order.

    Returns
    -------
    Network
        ``outputs[i]`` is the wire that holds rank ``ranks[i]``.

    Examples
    --------
    >>> selection_network(9, (4,)).operations
    30
    """
    _check_size(size, "size")
    _check_ranks(ranks, size)
    return select(size, ranks)


def column_selection_network(columns: int, rows: int, ranks: tuple[int, ...]) -> tuple[Network, Network]:
    """Return the network that sorts one column, and the one that selects `ranks` of a window of sorted columns.

    Windows that are neighbours along a row share all columns but one, so each column is sorted once for all windows
    that see it.

    Parameters
    ----------
    columns, rows : int
        The window's extents, each at least 1.
    ranks : tuple of int
        The ranks wanted, each in ``0 <= rank < columns * rows``.

    Returns
    -------
    column : Network
        Sorts `rows` wires.
    selection : Network
        Works on ``columns * rows`` wires, of which wire ``c * rows + r`` holds the r-th smallest value of column c.
    """
    _check_size(columns, "columns")
    _check_size(rows, "rows")
    _check_ranks(ranks, columns * rows)
    return sorting_network(rows), select_from_columns(columns, rows, ranks)


def _check_size(value: object, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ArgumentError(
            f"{name} must be an integer of at least 1, got {value!r}; a network needs a wire to work on"
        )


def _check_ranks(ranks: object, size: int) -> None:
    if not isinstance(ranks, tuple) or not ranks:
        raise ArgumentError(f"ranks must be a tuple of at least one rank, got {ranks!r}; write (rank,) for one rank")
    for rank in ranks:
        if isinstance(rank, bool) or not isinstance(rank, int) or not 0 <= rank < size:
            raise ArgumentError(
                f"each rank must be an integer in 0..{size - 1} for {size} values, got {rank!r}; rank 0 is the smallest"
            )
