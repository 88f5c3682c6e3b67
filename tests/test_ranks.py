"""Ranks among samples of which some do not count, through the engine and through the rewriting of expressions."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import kernelscape as ks
from kernelscape import expression as ex
from kernelscape.api.arguments import canonical_argument
from kernelscape.api.results import allocate
from kernelscape.api.validity import with_masks
from kernelscape.methods import ranks
from kernelscape.methods.columns import use_columns
from kernelscape.reductions.ranks import _climb, _ranks
from kernelscape.reference import evaluate
from kernelscape.verification import verify
from tests.oracle.engine import assert_as_defined as assert_engine_as_defined
from tests.oracle.jobs import WindowWords, make_job
from tests.test_methods import without_columns

RNG = np.random.default_rng(7)


def percentile(q, method="linear"):
    return lambda w: np.percentile(w, q, method=method)


def line(w):
    return w.reshape(-1)


FUNCTIONS = {
    "median": np.median,
    "percentile": percentile(30),
    "high percentile": percentile(93),
    "rank below": percentile(61, "lower"),
    "rank rounded": percentile(50, "nearest"),
    "continuous quantile": percentile(17, "hazen"),
    "least and largest": lambda w: np.percentile(w, [0, 100]),
    "medians of rows": lambda w: np.max(np.median(w, axis=-1)),
    "second largest": lambda w: np.sort(line(w))[-2],
    "sorted": lambda w: np.sort(line(w)),
    "trimmed": lambda w: np.max(np.sort(line(w))[2:-1]) + np.min(np.sort(line(w))[1:-2]),
    "median of a selection": lambda w: np.median(w[w > 40]),
}


def array_of(shape, dtype):
    values = RNG.integers(0, 100, shape)
    if np.dtype(dtype).kind == "f":
        values = np.where(RNG.random(shape) < 0.5, values, RNG.normal(50, 30, shape))
    return values.astype(dtype)


def mask_of(shape, share):
    """Where samples count; with a part where none does and one where all do."""
    mask = RNG.random(shape) < share
    mask[..., :9], mask[..., -9:] = False, True
    return mask


def job_of(stencil, array):
    """The job of a call, its input arrays and the values of its arguments."""
    arguments = with_masks([canonical_argument(array)], stencil.where, stencil.options)
    traced = stencil.prepared_for(arguments)
    inputs = traced.frame.job_arrays(arguments)
    results = [traced.frame.job_view(o) for o in allocate(traced.shared.results, None)]
    return traced.shared.plan(inputs, results).job, inputs, traced.run_time_arguments(arguments), traced.frame


def expected_of(stencil, array):
    """What the definition says, in the order of the job's axes, and how to see a result in that order."""
    job, inputs, slots, frame = job_of(stencil, array)
    return evaluate(job, inputs, slots)[0], frame.job_view


def assert_as_defined(function, array, mask, **options):
    __tracebackhide__ = True
    stencil = ks.stencil(function, where=mask, **options)
    wanted, view = expected_of(stencil, array)
    assert np.array_equal(view(stencil(array)), wanted, equal_nan=wanted.dtype.kind == "f")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("size", [1, 2, 3, (1, 6), 4, 5, (4, 7), 8])
@pytest.mark.parametrize("name", ["median", "percentile", "high percentile", "rank below"])
def test_ranks_of_windows_with_gaps(name, size, share):
    array = array_of((11, 45), np.float32)
    assert_as_defined(FUNCTIONS[name], array, mask_of(array.shape, share), size=size)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "u8", "f2", "f4", "f8"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_and_dtypes(name, dtype):
    array = array_of((9, 40), dtype)
    assert_as_defined(FUNCTIONS[name], array, mask_of(array.shape, 0.6), size=(3, 4))


@pytest.mark.parametrize("size", [3, 5, 13])
def test_truth_values(size):
    array = array_of((12, 40), np.uint8) > 50
    for name in ("median", "medians of rows", "second largest"):
        assert_as_defined(FUNCTIONS[name], array, mask_of(array.shape, 0.6), size=size)


@pytest.mark.parametrize("name", ["median", "percentile", "second largest", "trimmed"])
@pytest.mark.parametrize("size", [11, 12, 13, 19])
def test_large_windows(name, size):
    """With networks, and with bisection above their limit."""
    for dtype in (np.uint8, np.float32):
        array = array_of((14, 40), dtype)
        assert_as_defined(FUNCTIONS[name], array, mask_of(array.shape, 0.4), size=size)


def test_three_dimensions_footprints_and_strides():
    array = array_of((6, 7, 30), np.float32)
    mask = mask_of(array.shape, 0.5)
    assert_as_defined(np.median, array, mask, size=3)
    assert_as_defined(percentile(30), array, mask, footprint=np.hypot(*np.mgrid[-2:3, -2:3]) < 2.5, axes=(1, 2))
    assert_as_defined(np.median, array, mask, size=(5, 4), axes=(1, 2), stride=(2, 3))
    assert_as_defined(np.median, array, mask, size=(5, 4), axes=(0, 1), mode="shrink")


@pytest.mark.parametrize("size", [3, 4, 5, 7, 13])
def test_shrinking_windows(size):
    for dtype in (np.int16, np.float64):
        array = array_of((12, 41), dtype)
        for name in ("median", "percentile", "sorted" if size < 5 else "second largest"):
            assert_as_defined(FUNCTIONS[name], array, None, size=size, mode="shrink")


@pytest.mark.parametrize("size", [3, 5, (4, 6), 7])
def test_nan_that_counts_is_the_result(size):
    array = array_of((12, 40), np.float32)
    array[4, 12], array[8, 30], array[2, 2] = np.nan, np.nan, np.inf
    array[9, 20] = -np.inf
    for name in ("median", "percentile", "sorted", "median of a selection"):
        for mask in (mask_of(array.shape, 0.5), ~np.isnan(array)):
            assert_as_defined(FUNCTIONS[name], array, mask, size=size)


def test_nan_that_does_not_count():
    array = array_of((12, 40), np.float32)
    array[RNG.random(array.shape) < 0.3] = np.nan
    known = ~np.isnan(array)
    for name in ("median", "percentile", "second largest"):
        omitted = ks.apply(FUNCTIONS[name], array, size=5, nan_policy="omit")
        assert np.array_equal(omitted, ks.apply(FUNCTIONS[name], array, size=5, where=known), equal_nan=True)
    assert np.array_equal(ks.apply(np.nanmedian, array, size=5), ks.apply(np.median, array, size=5, where=known), True)


@pytest.mark.parametrize("target", ["x86-64", "x86-64-v3", "x86-64-v4"])
def test_targets_agree(target):
    array = array_of((10, 40), np.float32)
    mask = mask_of(array.shape, 0.5)
    for function, size in product((np.median, percentile(30)), (3, 5)):
        best = ks.apply(function, array, size=size, where=mask)
        with ks.configure(target=target):
            assert np.array_equal(ks.apply(function, array, size=size, where=mask), best, equal_nan=True)


def test_checked_build():
    array = array_of((10, 40), np.uint8)
    with ks.configure(checked=True):
        for size in (3, 5, 13):
            assert_as_defined(np.median, array, mask_of(array.shape, 0.5), size=size)


# -- expressions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [None, (5, 6)])
@pytest.mark.parametrize("name", ["median", "percentile", "high percentile", "rank rounded"])
def test_rewritten_expressions_mean_the_same(name, window):
    array = array_of((9, 14), np.float32)
    function = FUNCTIONS[name]
    if window is not None:
        function = lambda w: FUNCTIONS[name](w[w != 33])  # noqa: E731
    stencil = ks.stencil(function, size=(5, 6), mode="shrink" if window is None else "mirror")
    job, inputs, slots, _ = job_of(stencil, array)
    new = ranks.fill_ranks(job.outputs, missing=window is None, window=window, x=1)
    verify(new)
    assert any(isinstance(n, ex.Scan) for n in ex.walk(new))
    assert not any(isinstance(n, ex.Take) for n in ex.walk(new))
    assert any(isinstance(n, ex.Sort) and n.runs > 1 for n in ex.walk(new)) == (window is not None)
    wanted = evaluate(job, inputs, slots)[0]
    assert np.array_equal(evaluate(replace(job, outputs=new), inputs, slots)[0], wanted, equal_nan=True)


METHODS = ["linear", "lower", "higher", "nearest", "midpoint", "hazen", "weibull", "median_unbiased"]


@pytest.mark.parametrize("method", METHODS)
def test_numbers_of_low_elements(method):
    """Tables, and the arithmetic in their place, for every number of elements that do not count."""
    for rows, columns, q in product((2, 4, 5, 7), (3, 5, 11), (0.0, 0.05, 0.3, 0.5, 0.77, 0.98, 1.0)):
        extent = rows * columns
        low = _ranks(extent, q, method)
        climb = _climb(low)
        if climb is None:
            assert not set(np.diff(low)) <= {0, 1}
            continue
        table = ranks._missing_steps(climb, extent)
        assert [low[-1] - low[n - 1] for n in range(extent, 0, -1)] == list(table)
        found = ranks._as_line(table)
        if found is not None:
            factor, summand, shift = found
            assert [(m * factor + summand) >> shift for m in range(extent)] == list(table)


@pytest.mark.parametrize("q", [0.0, 0.1, 0.3, 0.5, 0.9, 0.99, 1.0])
def test_shares_of_columns(q):
    """A window never has too many low elements, and lacks at most one for each column with some that do not count."""
    for rows, columns in ((4, 4), (5, 5), (4, 9), (11, 11), (7, 4)):
        extent = rows * columns
        climb = _climb(_ranks(extent, q, "linear"))
        share = ranks._share(climb, extent, columns, rows)
        assert share is not None
        table = ranks._missing_steps(climb, extent)
        for _ in range(300):
            absent = RNG.binomial(rows, RNG.random(), columns)
            if absent.sum() < extent:
                lacks = table[absent.sum()] - sum(sum(s <= a for s in share) for a in absent)
                assert 0 <= lacks <= (absent > 0).sum()


def test_ranks_that_jump_are_not_filled():
    assert _climb([0, 0, 2]) is None
    assert _climb([1, 1, 2]) is None
    assert _climb([0, 0, 1, 1, 2]) == 0b10100


# -- running folds ----------------------------------------------------------------------------------------------------

LONG = np.dtype(np.int32)


def running(w, axis=1):
    return ex.scan("add", ex.cast(w, LONG), axis)


SCANS = {
    "sums": lambda w: running(w),
    "sums of rows": lambda w: running(w, 0),
    "products": lambda w: ex.scan("multiply", ex.cast(w, LONG), 1),
    "numbers": lambda w: ex.scan("add", ex.cast(ex.valid(w), LONG), 0),
    "only once": lambda w: ex.scan("logical_or", ex.elementwise("greater", ex.BOOL, w, ex.constant(5, w.dtype)), 1),
    "sum of sums": lambda w: ex.reduce("add", running(w), (0, 1)),
    "places": lambda w: ex.reduce("add", ex.elementwise("multiply", LONG, places(w.shape), ex.cast(w, LONG)), (0, 1)),
}


def places(shape):
    return ex.scan("add", ex.broadcast(ex.constant(3, LONG), shape), 1)


def test_scan_is_a_running_fold():
    array = RNG.integers(0, 9, (5, 8)).astype(np.int32)
    job = make_job(running, [array], [WindowWords((2, 3), "mirror")])
    windows = evaluate(make_job(lambda w: w, [array], [WindowWords((2, 3), "mirror")]), [array])[0]
    assert np.array_equal(evaluate(job, [array])[0], np.cumsum(windows, axis=-1))


@pytest.mark.parametrize("mode", ["mirror", "shrink"])
@pytest.mark.parametrize("name", SCANS)
def test_running_folds_in_the_engine(name, mode):
    """Written out, and in loops over taps where windows are large."""
    array = RNG.integers(0, 9, (14, 40)).astype(np.int16)
    for size in ((2, 3), (1, 1), (11, 17)):
        if size[0] < 5 or "of sums" in name or name == "places":
            assert_engine_as_defined(SCANS[name], [array], [WindowWords(size, mode)], invalid=-1)


# -- in columns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0.3, 0.5, 0.9])
@pytest.mark.parametrize(("shape", "x"), [((5, 4), 1), ((4, 5), 0), ((4, 4), 0), ((7, 4), 1)])
def test_columns_keep_the_meaning(shape, x, fraction):
    """Sorted columns, how many of each count, and what the window makes of them."""
    array = RNG.integers(0, 9, (9, 9)).astype(np.float32)
    extent = math.prod(shape)
    climb = _climb(_ranks(extent, fraction, "linear"))

    def function(w):
        line = ex.reshape(w, (extent,))
        chosen = ex.elementwise("greater", ex.BOOL, line, ex.constant(2.0, w.dtype))
        number = ex.reduce("add", ex.cast(chosen, ex.INT64), (0,))
        low = ex.constant(0, ex.INT64)
        for n in range(1, extent):
            step = ex.elementwise("greater", ex.BOOL, number, ex.constant(n, ex.INT64))
            low = ex.elementwise("add", ex.INT64, low, ex.cast(step, ex.INT64)) if climb >> n & 1 else low
        ordered = ex.sort(line, 0, chosen, climb=climb)
        return ex.take(ordered, 0, low), ex.take(
            ordered, 0, ex.elementwise("add", ex.INT64, low, ex.constant(1, ex.INT64))
        )

    words = [WindowWords(size=shape, mode="reflect")]
    job = make_job(function, [array], words, invalid=-1)
    filled = ranks.fill_ranks(job.outputs, missing=False, window=shape, x=x)
    made = use_columns(filled, shape, x, keep_order=False)
    verify([*made.outputs, *made.columns])
    assert any(isinstance(n, ex.Sort) for n in ex.walk(made.columns))
    assert any(isinstance(n, ex.Reduce) for n in ex.walk(made.columns))
    written = without_columns(made, shape, x)
    number, lower, upper = (evaluate(replace(job, outputs=o), [array]) for o in (job.outputs, filled, written))
    for wanted, one, other in zip(number, lower, upper, strict=True):
        looked_at = wanted != -1
        assert np.array_equal(one[looked_at], wanted[looked_at])
        assert np.array_equal(other, one)


KINDS = ("any bits", "equal", "equal first halves", "equal last halves", "extreme", "few values")


def keyed(kind, unsigned, count):
    """Bits of samples that have much or nothing in common, digit by digit."""
    bits = 8 * unsigned.itemsize
    half = bits // 2
    drawn = RNG.integers(0, 1 << bits, count, unsigned, endpoint=False) if bits < 64 else RNG.integers(
        0, (1 << 64) - 1, count, unsigned, endpoint=True)  # fmt: skip
    low, ones = unsigned.type((1 << half) - 1), unsigned.type((1 << bits) - 1)
    if kind == "equal":
        return np.full(count, drawn[0])
    if kind == "equal first halves":
        return (drawn & low) | (drawn[0] & ~low)
    if kind == "equal last halves":
        return (drawn & ~low) | (drawn[0] & low)
    if kind == "extreme":
        return RNG.choice(np.array([0, 1, low, low + unsigned.type(1), ~low, ones, ones - unsigned.type(1)]), count)
    return RNG.choice(drawn[:4], count) if kind == "few values" else drawn


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["uint16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64"])
def test_bisection_finds_every_rank(dtype, kind):
    """Compared with NumPy's sort of each window, as numbers: a zero has two signs, and NaN comes behind all others."""
    wanted = np.dtype(dtype)
    samples = keyed(kind, np.dtype(f"u{wanted.itemsize}"), 190).view(wanted)
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(samples, 131), axis=-1)
    for rank in (0, 7, 65, 66, 129, 130):
        found = ks.apply(lambda w, rank=rank: np.sort(w)[rank], samples, size=131, padding="valid", method="direct")
        assert np.array_equal(found, windows[:, rank], equal_nan=wanted.kind == "f")


def test_bisection_counts_what_counts():
    samples = array_of((300,), np.float32)
    mask = RNG.random(300) < 0.4
    mask[100:240] = False
    for checked in (False, True):
        with ks.configure(checked=checked):
            for name in ("median", "percentile", "rank below"):
                assert_as_defined(FUNCTIONS[name], samples, mask, size=135, method="direct")
