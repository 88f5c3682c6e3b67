"""Generated code touches the arrays that it was given and nothing else."""

import ctypes
import signal
import subprocess
import sys

import numpy as np
import pytest

import kernelscape as ks
from kernelscape.backends.words import Phase, Plane, SegmentInput
from kernelscape.errors import BoundsError
from kernelscape.execute import segments
from kernelscape.execute.tables import Tables
from tests.conformance.cases import Case, Recipe
from tests.conformance.check import prepare
from tests.conformance.running import run


def guarded(*words):
    return subprocess.run(
        [sys.executable, "-m", "tests.conformance.guarded", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_arrays_between_forbidden_pages():
    ended = guarded(7, 120)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert int(ended.stdout.split()[0]) > 50


def test_kernel_fields_between_forbidden_pages():
    ended = guarded("fields")
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert int(ended.stdout.split()[0]) > 200


def test_selections_between_forbidden_pages():
    ended = guarded("selections")
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert int(ended.stdout.split()[0]) > 500


def test_a_step_onto_a_forbidden_page_ends_the_process():
    assert guarded("forbidden").returncode == -signal.SIGSEGV


def prepared_case(name="sum", options=None):
    return prepare(Case(name, Recipe("float32", (20, 200), "C", "small", 1), {"size": 3, **(options or {})}))


def test_a_broken_row_table_raises(monkeypatch):
    usual = Tables.axis_map

    def broken(self, number, axis):
        found = usual(self, number, axis)
        if axis == self.plan.arrangement.y:
            found[len(found) // 2] += 10**6
        return found

    monkeypatch.setattr(Tables, "axis_map", broken)
    with ks.configure(checked=True), pytest.raises(BoundsError, match="outside its buffers"):
        run(prepared_case())


def test_a_broken_row_of_a_copied_segment_raises(monkeypatch):
    usual = segments.places

    def broken(work, number, phase, x0, length):
        places, affine = usual(work, number, phase, x0, length)
        places[0] += 10**6
        return places, affine

    monkeypatch.setattr(segments, "places", broken)
    with ks.configure(checked=True), pytest.raises(BoundsError):
        run(prepared_case(options={"mode": "wrap"}))


def test_a_broken_span_raises(monkeypatch):
    usual = segments.write_input

    def broken(row, *arguments):
        missing = usual(row, *arguments)
        phase = ctypes.cast(int(row[SegmentInput.PHASE_TABLE]), ctypes.POINTER(ctypes.c_int64))
        phase[Phase.START] += 4 * 200 * 30
        return missing

    monkeypatch.setattr(segments, "write_input", broken)
    with ks.configure(checked=True), pytest.raises(BoundsError):
        run(prepared_case())


def test_a_broken_output_step_raises(monkeypatch):
    usual = Tables._planes

    def broken(self, longest):
        table = usual(self, longest)
        table[0, Plane.Y_STEP] += 4
        return table

    monkeypatch.setattr(Tables, "_planes", broken)
    with ks.configure(checked=True), pytest.raises(BoundsError):
        run(prepared_case())


def test_the_checked_build_goes_on_after_an_error(monkeypatch):
    with monkeypatch.context() as patch:
        usual = Tables.axis_map
        patch.setattr(Tables, "axis_map", lambda self, n, axis: usual(self, n, axis) + 10**7 * (axis == 0))
        with ks.configure(checked=True), pytest.raises(BoundsError):
            run(prepared_case())
    with ks.configure(checked=True):
        (result,) = run(prepared_case())
    assert np.isfinite(result).all()
