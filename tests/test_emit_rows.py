"""Functions that fill rows: every pair of dtypes, both byte orders, any distance of samples, against NumPy's casts.

Called directly with tables of byte offsets, as the worker does. Conversions to narrower dtypes follow
``semantics.convert``; the destination stands amid guard bytes.
"""

import ctypes
import itertools

import numpy as np
import pytest

from kernelscape import semantics
from kernelscape.backends import cpu
from kernelscape.backends.emit import Loading, fill_text
from kernelscape.backends.words import APART
from kernelscape.loops import MISSING, OUTSIDE
from kernelscape.semantics import register_dtype
from tests.oracle.engine import TARGETS, Guarded, target_named

DTYPES = [np.dtype(d) for d in ("bool", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8")]
COUNT = 77
PATTERN = 0x5A


class Fill:
    """The compiled function from samples of dtype `source` to the rows of an input that is seen as another dtype."""

    def __init__(self, target, source, seen, *, swapped=False, checked=False, step=1):
        target = target_named(target)
        self.source, self.row = np.dtype(source), register_dtype(np.dtype(seen))
        loading = Loading(self.source, swapped, np.dtype(seen), self.row)
        text = fill_text(target, loading, step=step, checked=checked)
        self.lanes = target.vector_bytes // max(self.source.itemsize, self.row.itemsize)
        self.code = cpu.load_object(cpu.compile_text(text, target), ("fill",))
        pointer, word = ctypes.c_void_p, ctypes.c_int64
        self.call = ctypes.CFUNCTYPE(None, pointer, pointer, pointer, *[word] * 6, *[pointer] * 3)(
            self.code.addresses["fill"]
        )

    def __call__(self, samples, offsets, low=0, high=0, *, fixed=0, limits=None, apart=False):
        """Give the row, and the error word; elements in [low, high) lie at a constant distance, or are not filled."""
        step = int(offsets[low + 1] - offsets[low]) if high - low > 1 else self.source.itemsize
        step = APART if apart else step
        table = np.array(offsets, np.int64)
        start = int(table[low]) if high > low else 0
        table[low:high] = 2**40  # a run must not be looked up: this would be far outside
        row, fixed = Guarded((len(offsets),), self.row), np.array([fixed], self.row)
        bounds = np.array(limits or np.lib.array_utils.byte_bounds(samples), np.int64)
        error = np.zeros(1, np.int64)
        numbers = (len(offsets), low, high, start, step, 1 << 40)
        addresses = (fixed.ctypes.data, bounds.ctypes.data, error.ctypes.data)
        self.call(row.array.ctypes.data, samples.ctypes.data, table.ctypes.data, *numbers, *addresses)
        row.assert_intact()
        return row.array, int(error[0])


def samples_of(dtype, count, seed=0):
    """Edge values first, then random ones of all magnitudes that a dtype has."""
    rng, dtype = np.random.default_rng(seed), np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, count).astype(bool)
    if dtype.kind == "f":
        edges = [
            0.0,
            -0.0,
            1.5,
            -2.5,
            0.1,
            65504,
            65520,
            1e30,
            1e300,
            -1e300,
            127.7,
            255.5,
            3e9,
            -3e9,
            np.inf,
            -np.inf,
            np.nan,
        ]
        with np.errstate(over="ignore"):
            return np.concatenate([edges, rng.normal(0, 300, count)])[:count].astype(dtype)
    limits = np.iinfo(dtype)
    edges = [0, 1, limits.min, limits.max, limits.max // 2]
    return np.concatenate([np.array(edges, dtype), rng.integers(limits.min, limits.max, count, dtype)])[:count]


def assert_row(row, wanted):
    assert row.dtype == wanted.dtype
    np.testing.assert_array_equal(row, wanted)
    if row.dtype.kind == "f":
        ordinary = ~np.isnan(row)
        np.testing.assert_array_equal(np.signbit(row[ordinary]), np.signbit(wanted[ordinary]))


def converted(values, source, seen):
    """Give what the table of conversions says, in the dtype that rows have."""
    held = values.astype(semantics.register_dtype(source))
    return (held if source == seen else semantics.convert(held, source, seen)).astype(register_dtype(seen))


@pytest.mark.parametrize("source", DTYPES, ids=str)
@pytest.mark.parametrize("swapped", [False, True])
def test_every_pair_of_dtypes(source, swapped):
    """Samples that are seen as float16 are rounded to it and stand in float32 rows."""
    native = samples_of(source, COUNT)
    stored = native.astype(source.newbyteorder()) if swapped else native
    size = source.itemsize
    for seen in DTYPES:
        fill = Fill("host", source, seen, swapped=swapped)
        with np.errstate(all="ignore"):
            wanted = converted(native, source, seen)
        offsets = np.arange(COUNT) * size
        assert_row(fill(stored, offsets, 0, COUNT)[0], wanted)
        assert_row(fill(stored, offsets[::-1], 0, COUNT)[0], wanted[::-1])
        assert_row(fill(stored, offsets)[0], wanted)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", ["u1", "f2", "i4", "f8"])
def test_any_distance_and_any_length(target, source):
    fill, source = Fill(target, source, "f4"), np.dtype(source)
    values = np.roll(samples_of(source, 600, seed=2), 200)
    with np.errstate(all="ignore"):
        wanted = converted(values, source, np.dtype("f4"))
    for step, length in itertools.product([1, 2, 5, -1, -3, 0], [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64]):
        places = 200 + step * np.arange(length)
        assert_row(fill(values, places * source.itemsize, 0, length)[0], wanted[places])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("step", [2, 3, 4, 5, 6, 7, 8, -1, -2, -3, -7, -8])
def test_samples_some_steps_apart_and_nothing_behind_them(step, target):
    """The checked build is told that the array ends with the last sample: whole vectors are read up to there."""
    for source, seen in (("u1", "u1"), ("bool", "bool"), ("i2", "f4"), ("f2", "f4"), ("f4", "f4"), ("f8", "f4")):
        fill, source = Fill(target, source, seen, step=step, checked=True), np.dtype(source)
        for length in (1, 2, fill.lanes - 1, fill.lanes, fill.lanes + 1, 2 * fill.lanes + 3):
            values = np.roll(samples_of(source, abs(step) * (length - 1) + 1, seed=abs(step)), 5)
            places = step * np.arange(length) + (0 if step > 0 else len(values) - 1)
            with np.errstate(all="ignore"):
                wanted = converted(values, source, np.dtype(seen))[places]
            row, error = fill(values, places * source.itemsize, 0, length)
            assert_row(row, wanted)
            assert error == 0


@pytest.mark.parametrize("step", [1, 3])
def test_another_distance_than_the_code_was_written_for(step):
    fill, values = Fill("host", "f4", "f4", step=step), samples_of("f4", 400)
    for other in (1, 2, 3, -1):
        places = 150 + other * np.arange(70)
        assert_row(fill(values, 4 * places, 0, 70)[0], values[places])


@pytest.mark.parametrize("swapped", [False, True])
def test_runs_amid_borders_with_every_kind_of_entry(swapped):
    values = samples_of("i2", 100, seed=4)
    stored = values.astype(">i2") if swapped else values
    fill = Fill("host", "i2", "i4", swapped=swapped)
    for low, high in itertools.product([0, 1, 5, 9], [9, 40, 63, 64]):
        places = np.arange(64)
        places[:low] = places[:low][::-1]
        offsets = 2 * places.astype(np.int64)
        border = [i for i in range(64) if not low <= i < high]
        offsets[border[::3]] = OUTSIDE
        offsets[border[1::3]] = MISSING
        wanted = values[places].astype(np.int32)
        wanted[border[::3]] = wanted[border[1::3]] = -77
        assert_row(fill(stored, offsets, low, high, fixed=-77)[0], wanted)


def test_a_run_that_is_filled_elsewhere_is_left_alone():
    values = samples_of("f4", 64)
    found = Fill("host", "f4", "f4")(values, 4 * np.arange(64), 5, 60, apart=True)[0]
    assert_row(found[[*range(5), *range(60, 64)]], values[[*range(5), *range(60, 64)]])
    assert set(found[5:60].view(np.uint8)) == {0xA5}, "the bytes that were there"


def test_bytes_that_are_no_truth_values_become_true():
    """A view of other memory as bool may hold any byte; rows hold 0 and 1 only."""
    values = np.arange(256, dtype=np.uint8)
    for row in ("bool", "u1", "f4"):
        fill = Fill("host", "bool", row)
        for offsets, high in ((np.arange(256), 256), (np.arange(256)[::-1], 256), (np.arange(256), 0)):
            found, _ = fill(values.view(bool), offsets, 0, high)
            np.testing.assert_array_equal(
                found.view(np.dtype(row)).astype(np.uint8), (values[offsets] != 0).astype(np.uint8)
            )
            if found.dtype.itemsize == 1:
                assert set(found.view(np.uint8)) == {0, 1}


def test_an_empty_row():
    assert Fill("host", "f4", "f4")(np.zeros(4, np.float32), np.zeros(0, np.int64))[0].size == 0


def test_the_checked_build_reports_the_first_sample_outside():
    values = samples_of("f4", 64)
    fill = Fill("host", "f4", "f8", checked=True)
    first, end = np.lib.array_utils.byte_bounds(values)
    offsets = 4 * np.arange(64)
    row, error = fill(values, offsets, 0, 64)
    assert error == 0
    assert_row(row, values.astype(np.float64))
    for low, high in ((0, 64), (0, 0)):
        _, error = fill(values, offsets, low, high, limits=(first, end - 8))
        assert end - 4 * fill.lanes <= error < end, "the offence is where the last vector or element begins"
        _, error = fill(values, offsets, low, high, limits=(first + 4, end))
        assert error == first
