"""Methods: rewriting into columns keeps the meaning, and register tiles fit the target.

A `Column` is only a promise; here it is kept by hand: each one is replaced by the column expression on the window moved
along x to each of its taps. What comes out must be equal, by the definition, to what went in.
"""

import itertools

import numpy as np
import pytest

from kernelscape import expression as ex
from kernelscape.expression import BOOL, INT64
from kernelscape.machine import TARGETS
from kernelscape.methods.columns import use_columns
from kernelscape.methods.direct import choose_tile
from kernelscape.reference import evaluate
from kernelscape.verification import verify
from tests.oracle.engine import whole_numbers
from tests.oracle.jobs import WindowWords, binary, flat, largest, make_job, number, rank, smallest, total

SHAPES = [((3, 3), 1), ((3, 3), 0), ((5, 4), 1), ((4, 5), 0), ((3, 4, 3), 2), ((2, 3, 4), 1), ((7,), 0), ((1, 6), 1)]


def moved(window, x, tap):
    """Give the window with its sample `tap` along x in front."""
    starts, shape = [0] * window.ndim, list(window.shape)
    starts[x], shape[x] = tap, window.shape[x] - tap
    back = ex.slice_(window, starts, [1] * window.ndim, tuple(shape))
    if not tap:
        return window
    shape[x] = tap
    return ex.concatenate([back, ex.slice_(window, [0] * window.ndim, [1] * window.ndim, tuple(shape))], x)


def without_columns(made, shape, x):
    """Give the outputs with each column written out at all its taps."""

    def at(node, tap):
        def rule(n):
            return moved(n, x, tap) if isinstance(n, ex.Window) and n.shape == shape else None

        (placed,) = ex.rebuild([node], rule)
        return ex.reshape(placed, (1, *node.shape))

    def rule(node):
        if not isinstance(node, ex.Column):
            return None
        column = made.columns[node.number]
        assert node.shape == (shape[x], *column.shape)
        assert node.dtype == column.dtype
        return ex.concatenate([at(column, tap) for tap in range(shape[x])], 0)

    return ex.rebuild(made.outputs, rule)


def deviations(w):
    """Sum of |w - max(w)|: the inner fold may become columns, the outer one may not stay as it was."""
    return total(ex.elementwise("absolute", w.dtype, binary("subtract", w, largest(w))))


def means(w):
    squares = total(ex.elementwise("square", w.dtype, w))
    return binary("subtract", squares, binary("multiply", total(w), total(w)))


FUNCTIONS = {
    "sum": total,
    "extrema": lambda w: (largest(w), smallest(w), binary("subtract", largest(w), smallest(w))),
    "squares": means,
    "deviations": deviations,
    "median": lambda w: rank(w, w.size // 2),
    "ranks": lambda w: (rank(w, 0), rank(w, w.size - 1), ex.sort(flat(w), 0)),
    "flat": lambda w: total(ex.elementwise("square", w.dtype, flat(w))),
    "count": lambda w: total(ex.cast(binary("greater", w, number(2, w)), INT64)),
    "chosen": lambda w: total(w, binary("greater", w, number(1, w))),
    "position": lambda w: ex.arg_reduce("maximum", w, range(w.ndim)),
    "weighted": lambda w: total(binary("multiply", w, ex.Argument(w.shape, w.dtype, 0))),
    "scaled": lambda w: total(binary("multiply", ex.Argument((), w.dtype, 1), w)),
    "rows": lambda w: ex.reduce("add", w, (0,)),
    "truth": lambda w: ex.reduce("logical_or", binary("less", w, number(-5, w)), range(w.ndim)),
    "two": lambda w: (total(binary("multiply", w, w)), total(binary("multiply", w, w)), deviations(w)),
}


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_columns_keep_the_meaning(name, dtype):
    for (shape, x), keep_order in itertools.product(SHAPES, (False, True)):
        array = whole_numbers((6,) * len(shape), dtype)
        arguments = [whole_numbers(shape, dtype, 1), np.array(3, dtype)]
        job = make_job(FUNCTIONS[name], [array], [WindowWords(size=shape, mode="reflect")])
        made = use_columns(job.outputs, shape, x, keep_order=keep_order)
        verify([*made.outputs, *made.columns])
        written = without_columns(made, shape, x)
        verify(written)
        other = make_job(lambda w, written=written: written, [array], [WindowWords(size=shape, mode="reflect")])
        for a, b in zip(evaluate(job, [array], arguments), evaluate(other, [array], arguments), strict=True):
            np.testing.assert_array_equal(a, b)


def columns_of(function, dtype=np.float32, shape=(5, 5), x=1, *, keep_order=False):
    outputs = function(ex.Window(shape, np.dtype(dtype), 0))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return use_columns(outputs, shape, x, keep_order=keep_order)


@pytest.mark.parametrize("name", ["sum", "extrema", "squares", "flat", "count", "truth"])
def test_columns_are_used_where_neighbours_share_work(name):
    assert columns_of(FUNCTIONS[name]).columns


def test_equal_columns_are_computed_once():
    assert len(columns_of(FUNCTIONS["squares"]).columns) == 2
    assert len(columns_of(lambda w: (total(w), binary("add", total(w), number(1, w)))).columns) == 1


def test_no_sample_is_read_twice_where_columns_do_all():
    made = columns_of(FUNCTIONS["squares"])
    assert not any(isinstance(n, ex.Window) for n in ex.walk(made.outputs))


@pytest.mark.parametrize("name", ["chosen", "position", "weighted", "rows"])
def test_what_looks_at_the_place_of_a_sample_is_left_alone(name):
    made = columns_of(FUNCTIONS[name])
    assert made.columns == ()
    assert ex.structure(made.outputs) == ex.structure([FUNCTIONS[name](ex.Window((5, 5), np.dtype(np.float32), 0))])


def test_sums_of_floats_keep_their_order_where_they_must():
    assert columns_of(total, keep_order=True).columns == ()
    assert columns_of(total, np.int32, keep_order=True).columns
    assert columns_of(largest, keep_order=True).columns


def test_floats_that_may_be_nan_are_not_sorted_by_columns():
    assert columns_of(FUNCTIONS["median"], np.float32).columns == ()
    assert columns_of(FUNCTIONS["median"], np.int16).columns
    numbers = columns_of(lambda w: ex.pick(ex.sort(flat(w), 0, numbers=True), 0, 12), np.float32)
    assert numbers.columns


def test_sums_of_flags_are_left_alone():
    """Flags belong to the place of a sample: they differ between two windows that share it."""
    assert columns_of(lambda w: total(ex.cast(ex.valid(w), INT64))).columns == ()


# -- register tiles --


def tile_of(function, dtype, target, *, shares=True, shape=(5, 5)):
    outputs = function(ex.Window(shape, np.dtype(dtype), 0))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    varying = {id(n) for n in ex.walk(outputs) if not isinstance(n, ex.Argument | ex.Constant)}
    return choose_tile(outputs, varying, shares, TARGETS[target])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8"])
@pytest.mark.parametrize("name", ["sum", "extrema", "squares", "median", "position", "weighted", "two"])
def test_tiles_fit_the_registers(name, dtype, target):
    tile, facts = tile_of(FUNCTIONS[name], dtype, target), TARGETS[target]
    size = np.dtype(dtype).itemsize
    assert tile.rows >= 1
    assert tile.vectors >= 1
    assert tile.lanes & (tile.lanes - 1) == 0
    assert facts.vector_bytes // 8 <= tile.lanes <= facts.vector_bytes
    registers = max(1, tile.lanes * size // facts.vector_bytes)
    assert tile.rows * tile.vectors * registers <= facts.registers
    assert tile.instructions > 0


def test_lanes_fill_a_vector_of_the_elements_that_are_computed():
    for target, facts in TARGETS.items():
        for dtype in ("u1", "i2", "f4", "f8"):
            assert tile_of(largest, dtype, target).lanes == facts.vector_bytes // np.dtype(dtype).itemsize


def test_rows_share_their_sources_only_where_windows_overlap():
    assert tile_of(FUNCTIONS["weighted"], "f4", "x86-64-v3").rows > 1
    assert tile_of(FUNCTIONS["weighted"], "f4", "x86-64-v3", shares=False).rows == 1


def test_large_networks_are_not_repeated():
    for name in ("median", "position"):
        tile = tile_of(FUNCTIONS[name], "u1", "x86-64-v3")
        assert (tile.rows, tile.vectors) == (1, 1)


def test_masks_count_with_the_elements_that_they_were_made_of():
    assert BOOL.itemsize == 1
    tile = tile_of(lambda w: ex.reduce("logical_and", binary("less", w, number(0, w)), (0, 1)), "f8", "x86-64-v3")
    assert tile.lanes == 4
