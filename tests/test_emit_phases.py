"""The function that takes strided rows apart: every n-th sample in a row of its own, against NumPy's slices.

Called directly, as the worker does. The checked build is told that the array ends with the last phase of the last
position; the rows stand amid guard bytes.
"""

import ctypes
import itertools

import numpy as np
import pytest

from kernelscape.backends import cpu
from kernelscape.backends.emit import Loading, Phases, phases_text
from kernelscape.semantics import register_dtype
from tests.oracle.engine import TARGETS, Guarded, target_named
from tests.test_emit_rows import assert_row, converted, samples_of

PAIRS = [
    ("u1", "u1"),
    ("bool", "bool"),
    ("u1", "f4"),
    ("i2", "f4"),
    ("f2", "f4"),
    ("f4", "f4"),
    ("f8", "f4"),
    ("f4", "f8"),
]


class Divide:
    """The compiled function for samples of dtype `source` that are seen as another."""

    def __init__(self, target, source, seen, phases, *, swapped=False):
        target = target_named(target)
        self.row, self.phases = register_dtype(np.dtype(seen)), phases
        loading = Loading(np.dtype(source), swapped, np.dtype(seen), self.row)
        self.lanes = loading.lanes(target)
        text = phases_text(target, loading, phases, checked=True)
        self.code = cpu.load_object(cpu.compile_text(text, target), ("phases",))
        pointer, word = ctypes.c_void_p, ctypes.c_int64
        self.call = ctypes.CFUNCTYPE(None, pointer, pointer, *[word] * 4, *[pointer] * 2)(self.code.addresses["phases"])

    def __call__(self, samples, positions, limits=None):
        """Give the rows of all phases, and the error word."""
        count, unit = self.phases.count, self.phases.unit
        rows = Guarded((count, positions * unit), self.row)
        bounds = np.array(limits or np.lib.array_utils.byte_bounds(samples), np.int64)
        error = np.zeros(1, np.int64)
        sizes = (positions * unit, positions * unit * self.row.itemsize, count * unit * samples.itemsize, -(1 << 40))
        self.call(rows.array.ctypes.data, samples.ctypes.data, *sizes, bounds.ctypes.data, error.ctypes.data)
        rows.assert_intact()
        return rows.array, int(error[0])


def assert_divided(divide, values, wanted, positions):
    """All phases that are used have their samples, and nothing was read that lies outside."""
    __tracebackhide__ = True
    rows, error = divide(values, positions)
    parts = wanted.reshape(positions, divide.phases.count, divide.phases.unit)
    for number in divide.phases.used:
        assert_row(rows[number], parts[:, number].reshape(-1))
    assert error == 0


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 8, 9])
def test_phases_are_slices(count, target):
    for (source, seen), unit in itertools.product(PAIRS, (1, 3)):
        used = tuple(range(count)) if unit == 1 else (0, count - 1)
        divide = Divide(target, source, seen, Phases(count, used, unit))
        for positions in (1, divide.lanes - 1, divide.lanes, divide.lanes + 1, 2 * divide.lanes + 3):
            values = samples_of(source, count * unit * positions, seed=count)
            with np.errstate(all="ignore"):
                wanted = converted(values, np.dtype(source), np.dtype(seen))
            assert_divided(divide, values, wanted, positions)


@pytest.mark.parametrize("unit", [2, 3, 4, 5, 7])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_colours_stay_together(count, unit):
    for source in ("u1", "f4"):
        divide = Divide("host", source, "f4", Phases(count, tuple(range(count)), unit))
        for positions in (3, 50, 129):
            values = samples_of(source, count * unit * positions, seed=unit)
            assert_divided(divide, values, values.astype(np.float32), positions)


def test_swapped_bytes():
    divide = Divide("host", "i2", "f4", Phases(4, (0, 1, 2, 3)), swapped=True)
    values = samples_of("i2", 4 * 50)
    assert_divided(divide, values.astype(">i2"), values.astype(np.float32), 50)


@pytest.mark.parametrize("positions", [5, 40])
def test_the_checked_build_reports_what_lies_outside(positions):
    divide = Divide("host", "f4", "f4", Phases(2, (0, 1)))
    values = samples_of("f4", 2 * positions)
    first, end = np.lib.array_utils.byte_bounds(values)
    assert divide(values, positions, (first, end - 4))[1] >= end - 4 * 2 * divide.lanes
    assert divide(values, positions, (first + 4, end))[1] == first
