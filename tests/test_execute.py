"""Execution against the definition: every position of every layout is computed once, whatever the work is cut into.

Compared bit for bit: functions whose results do not depend on rounding (sums of small whole numbers, extrema, ranks),
on arrays of many shapes and memory orders, with results in arrays of any memory order amid bytes that nobody
may touch. What is cut (segments along x, strips, slabs) is read from the words that the native worker is given.
"""

import ctypes
import itertools
import math
import threading

import numpy as np
import pytest

from kernelscape import expression as ex
from kernelscape import loops
from kernelscape.backends import cpu
from kernelscape.backends.words import Call, Segment, Sweep
from kernelscape.errors import BoundsError
from kernelscape.execute import Executable, segments
from kernelscape.execute.memory import address_of
from kernelscape.machine import describe_host
from kernelscape.reference import evaluate
from tests.oracle.engine import TARGETS, assert_as_defined, plan_of, results_for, run, whole_numbers
from tests.oracle.jobs import WindowWords, binary, largest, make_job, number, rank, smallest, total


def several(w):
    """Give results of several kinds: a sum, an extremum, and one with an axis of its own."""
    return total(w), largest(w), ex.reduce("minimum", w, (0,))


def words_at(address, count):
    return np.ctypeslib.as_array(ctypes.cast(int(address), ctypes.POINTER(ctypes.c_int64)), (count,))


def segments_of(executable):
    """Give (start, positions, count) of the pieces along x."""
    sweep = executable.sweep
    rows = words_at(sweep[Sweep.SEGMENT_TABLE], int(sweep[Sweep.SEGMENTS]) * len(Segment)).reshape(-1, len(Segment))
    return [tuple(map(int, r[[Segment.X0, Segment.POSITIONS, Segment.COUNT]])) for r in rows]


def executable_of(function, array, words=None, **options):
    job = make_job(function, [array], words, **options)
    return job, Executable(plan_of(job, [array]), checked=False)


# -- how work is cut -


@pytest.mark.parametrize("width", [1, 2, 7, 31, 32, 33, 127, 1000, 70_001])
@pytest.mark.parametrize("dtype", ["uint8", "float64", ">f4"])
def test_segments_cover_each_position_once(width, dtype):
    for shape in ((width,), (3, width)):
        _, executable = executable_of(total, whole_numbers(shape, dtype), [WindowWords(size=3)])
        at = 0
        for start, positions, count in segments_of(executable):
            assert start == at
            assert 0 < positions <= count
            assert count % executable.plan.stage.chunk == 0
            at += positions
        assert at == shape[executable.plan.arrangement.x]


@pytest.mark.parametrize("shape", [(1, 50), (5, 40), (67, 40), (300, 90), (4, 33, 40), (40, 2, 3, 17)])
def test_strips_and_slabs_cover_each_row_once(shape):
    _, executable = executable_of(total, whole_numbers(shape))
    words = {name: int(executable.sweep[name]) for name in Sweep}
    strip, strips, rows = words[Sweep.STRIP], words[Sweep.STRIPS], executable.plan.stage.rows
    assert strip % rows == 0
    assert (strips - 1) * strip < words[Sweep.Y_COUNT] <= strips * strip
    groups = math.ceil(words[Sweep.SLABS] / words[Sweep.SLABS_PER_TILE])
    assert words[Sweep.TILES] == groups * strips * words[Sweep.SEGMENTS] == executable.tiles
    assert words[Sweep.SLABS] * words[Sweep.Y_COUNT] * shape[executable.plan.arrangement.x] == math.prod(shape)


@pytest.mark.parametrize("limit", [1, 40, 300])
def test_the_way_of_cutting_changes_no_bit(limit, monkeypatch):
    """Sums of arbitrary floats, whose bits do depend on the order."""
    array = np.random.default_rng(3).normal(size=(37, 1203)).astype(np.float32)
    job = make_job(lambda w: (total(w), total(binary("multiply", w, w))), [array], [WindowWords(size=5)])
    whole = run(job, [array])
    monkeypatch.setattr(segments, "SEGMENT_LIMIT", limit)
    monkeypatch.setattr(segments, "COLUMN_BYTES", 1)
    monkeypatch.setattr("kernelscape.execute.executable.INLINE_SECONDS", 0.0)
    executable = Executable(plan_of(job, [array]), checked=False)
    assert len(segments_of(executable)) > 1
    for workers in (1, 4):
        for result, wanted in zip(run(job, [array], workers=workers, executable=executable), whole, strict=True):
            assert result.tobytes() == wanted.tobytes()


def test_rows_longer_than_the_longest_segment():
    assert_as_defined(
        several, [whole_numbers(segments.SEGMENT_LIMIT * 2 + 77, np.int16)], [WindowWords(size=4, mode="wrap")]
    )
    assert_as_defined(total, [whole_numbers((3, segments.SEGMENT_LIMIT + 5))[:, ::-1]])


def test_ten_million_samples_in_one_row():
    array = whole_numbers(10_000_000, np.uint8)
    job = make_job(lambda w: (largest(w), total(w)), [array], [WindowWords(size=3, mode="nearest")])
    most, sums = run(job, [array], workers=2)
    padded = np.pad(array, 1, "edge")
    parts = [padded[:-2], padded[1:-1], padded[2:]]
    np.testing.assert_array_equal(most, np.maximum.reduce(parts))
    np.testing.assert_array_equal(sums, parts[0] + parts[1] + parts[2])


@pytest.mark.parametrize("mode", ["nearest", "shrink"])
def test_the_plan_of_a_long_row_has_no_table_of_its_samples(mode):
    """Each new length is planned anew, which must not take the time and memory of the work itself."""
    array = np.zeros((4, 1_000_000), np.uint8).T
    for source, batch in ((array[:, 0], 0), (np.moveaxis(np.ascontiguousarray(array), 1, 0), 1)):
        job = make_job(largest, [source], [WindowWords(size=(5,), mode=mode)], batch=batch)
        made = Executable(plan_of(job, [source]), checked=False)
        assert len(segments_of(made)) > 3
        assert sum(words.nbytes for words in made.keep if isinstance(words, np.ndarray)) < array.nbytes // 4


def test_a_long_stride_is_planned_in_steps_that_its_length_does_not_multiply(monkeypatch):
    """Each of the 500 phases of a row has a table; none may look at all 500 taps again."""
    array, asked = np.zeros(400_000, np.uint8), []
    place = loops.RowInput.x_place
    monkeypatch.setattr(loops.RowInput, "x_place", lambda spec, tap: asked.append(tap) or place(spec, tap))
    job = make_job(largest, [array], [WindowWords(size=500)], stride=500, padding="valid")
    Executable(plan_of(job, [array]), checked=False)
    assert len(asked) < 1.5 * 500**2  # the code itself asks 500 times for each phase


# -- shapes -


@pytest.mark.parametrize("shape", list(itertools.product([1, 2, 5, 18, 67], [1, 3, 33, 130])))
@pytest.mark.parametrize("words", [WindowWords(size=3), WindowWords(size=(2, 5), mode="wrap")], ids=["3", "2x5"])
def test_ragged_ends(shape, words):
    assert_as_defined(several, [whole_numbers(shape)], [words])


@pytest.mark.parametrize("mode", ["reflect", "mirror", "nearest", "wrap", "constant", "shrink"])
@pytest.mark.parametrize("shape", [(1,), (2,), (1, 1), (1, 4), (3, 1), (2, 1, 2)])
def test_windows_far_larger_than_the_array(mode, shape):
    words = WindowWords(size=7, mode=mode, cval=2.0)
    assert_as_defined(lambda w: (total(w), largest(w)), [whole_numbers(shape)], [words], batch=0)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0), (0, 0), (3, 0, 4), (0, 3, 4), (3, 4, 0)])
@pytest.mark.parametrize("batch", [0, 1])
def test_empty_arrays_give_empty_results(shape, batch):
    if batch and len(shape) == 1:
        shape = (*shape, 4)
    assert_as_defined(several, [whole_numbers(shape)], batch=batch)


def test_no_plan_reads_or_writes_when_there_is_nothing():
    job = make_job(total, [np.empty((0, 7))], [WindowWords(size=3)])
    executable = Executable(plan_of(job, [np.empty((0, 7))]), checked=True)
    assert executable.tiles == 0
    executable.run([np.empty((0, 7))], [], [np.empty((0, 7))])


SHAPES = [
    ((6, 9, 40), 1),
    ((2, 3, 5, 41), 2),
    ((17, 6, 7, 3), 1),
    ((300, 3, 3), 1),
    ((2, 9, 33, 4), 0),
    ((5, 4, 3, 2, 6), 3),
]


@pytest.mark.parametrize(("shape", "batch"), SHAPES)
def test_batch_axes_in_every_memory_order(shape, batch):
    """The input and the result lie in memory in orders of their own."""
    rng = np.random.default_rng(len(shape))
    orders = list(itertools.permutations(range(len(shape))))
    for choice in rng.permutation(len(orders))[:8]:
        order = orders[choice]
        array = whole_numbers([shape[a] for a in order]).transpose(np.argsort(order))
        assert array.shape == shape
        words = [WindowWords(size=(3,) * (len(shape) - batch))]
        result_order = orders[rng.integers(len(orders))]
        assert_as_defined(lambda w: (total(w), largest(w)), [array], words, batch=batch, order=result_order)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 64, 65, 100])
def test_interleaved_channels(count):
    array = whole_numbers((23, 35, count)).transpose(2, 0, 1)
    assert_as_defined(several, [array], batch=1, order=(1, 2, 0))
    assert_as_defined(total, [array], batch=1, order=(0, 1, 2))


def test_a_hundred_thousand_tiny_images():
    array = whole_numbers((100_000, 3, 3))
    job = make_job(lambda w: (total(w), largest(w)), [array], [WindowWords(size=3, mode="constant", cval=0.0)], batch=1)
    sums, most = run(job, [array], workers=2)
    padded = np.pad(array, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    np.testing.assert_array_equal(sums, windows.sum((3, 4)))
    np.testing.assert_array_equal(most, windows.max((3, 4)))


@pytest.mark.parametrize("view", [
    np.s_[::-1, ::-1], np.s_[::2, ::3], np.s_[:, ::-2], np.s_[5:, 7:-3], np.s_[::-3, 1:],
])  # fmt: skip
@pytest.mark.parametrize("dtype", ["int8", "float32", ">i4", "float16", "bool"])
def test_views_with_any_strides(view, dtype):
    assert_as_defined(lambda w: (largest(w), smallest(w)), [whole_numbers((41, 90), dtype)[view]])


def test_broadcast_arrays_with_strides_of_zero():
    for strides in ((0, 4), (4, 0), (0, 0)):
        base = whole_numbers((40, 40))
        array = np.lib.stride_tricks.as_strided(base, (21, 37), strides)
        assert_as_defined(several, [array])


@pytest.mark.parametrize("stride", [1, 2, 3, (2, 1), (1, 4), 50])
@pytest.mark.parametrize("padding", ["same", "valid", "full", (4, 0)])
@pytest.mark.parametrize("dilation", [1, 3])
def test_strides_paddings_and_dilations(stride, padding, dilation):
    words = WindowWords(size=(3, 4), mode="mirror", dilation=dilation)
    options = {"stride": stride, "padding": [padding] * 2 if isinstance(padding, tuple) else padding}
    assert_as_defined(lambda w: (total(w), rank(w, 5)), [whole_numbers((29, 83))], [words], **options)


@pytest.mark.parametrize("target", TARGETS)
def test_samples_that_do_not_exist(target):
    def function(w):
        counted = ex.cast(total(ex.cast(ex.valid(w), np.dtype(np.int64))), w.dtype)
        return total(w), counted, rank(w, 2), binary("add", ex.pick(ex.pick(w, 0, 0), 0, 0), largest(w))

    for shape in ((1, 1), (4, 5), (40, 71), (3, 300)):
        words = [WindowWords(size=(5, 3), mode=("shrink", "reflect"))]
        assert_as_defined(function, [whole_numbers(shape)], words, min_count=7, target=target)
        assert_as_defined(function, [whole_numbers(shape)], [WindowWords(size=3, mode="shrink")], target=target)


def test_several_inputs_of_their_own_layouts_and_windows():
    arrays = [
        whole_numbers((33, 70)),
        whole_numbers((70, 33), np.int16).T,
        whole_numbers((33, 140), np.float64)[:, ::-2],
    ]
    words = [WindowWords(size=3), WindowWords(size=None), WindowWords(size=(1, 5), mode="constant", cval=4.0)]

    def function(a, pixel, c):
        whole = ex.cast(total(a), c.dtype)
        return binary("add", whole, ex.cast(pixel, c.dtype)), largest(c)

    assert_as_defined(function, arrays, words)


def test_coordinates_are_those_of_the_anchors():
    def function(w):
        return ex.Index((), ex.INT64, 0), ex.Index((), ex.INT64, 1), largest(w)

    for array in (whole_numbers((19, 53)), whole_numbers((53, 19)).T):
        assert_as_defined(function, [array], [WindowWords(size=3)], stride=(3, 2), padding=[(1, 4), (0, 2)])


def test_arguments_are_read_anew_at_each_call():
    array, weights = whole_numbers((11, 40)), whole_numbers((3, 3), seed=5)
    job = make_job(lambda w: total(binary("multiply", w, ex.Argument((3, 3), w.dtype, 0))), [array])
    executable = Executable(plan_of(job, [array], arguments=[weights]), checked=False)
    for scale in (1, -2):
        given = weights * np.float32(scale)
        (result,) = run(job, [array], [given], executable=executable)
        np.testing.assert_array_equal(result, evaluate(job, [array], [given])[0])


# -- memory of the workers -


def poisoned(self):
    return np.full(self.scratch_bytes + 64, 0xFF, np.uint8)


@pytest.mark.parametrize("shape", [(3, 5), (17, 35), (40, 1000)])
@pytest.mark.parametrize("words", [
    WindowWords(size=3), WindowWords(size=(5, 4), mode="shrink"), WindowWords(size=3, mode="constant", cval=1.0),
], ids=["reflect", "shrink", "constant"])  # fmt: skip
def test_nan_left_in_scratch_memory_never_reaches_results(shape, words, monkeypatch):
    """Every byte 0xFF: NaN in all floating dtypes, and pointers that would crash if they were used unset."""
    monkeypatch.setattr(Executable, "_scratch", poisoned)
    for array in (whole_numbers(shape), whole_numbers(shape, ">f8"), whole_numbers(shape, np.float16)[:, ::-1]):
        assert_as_defined(lambda w: (total(w), largest(w), rank(w, 2)), [array], [words])


def test_scratch_memory_is_used_again_and_its_leftovers_do_not_show():
    first, second = whole_numbers((40, 90), ">f4", 1), np.full((40, 90), np.nan, ">f4")
    job = make_job(several, [first], [WindowWords(size=5)])
    executable = Executable(plan_of(job, [first]), checked=False)
    before = run(job, [first], executable=executable)
    kept = len(executable._free)
    assert kept == 1
    assert np.isnan(run(job, [second], executable=executable)[0]).all()
    for result, wanted in zip(run(job, [first], executable=executable), before, strict=True):
        assert result.tobytes() == wanted.tobytes()
    assert len(executable._free) == kept


def test_one_executable_serves_many_threads(monkeypatch):
    monkeypatch.setattr("kernelscape.execute.executable.INLINE_SECONDS", 0.0)
    arrays = [whole_numbers((120, 200), seed=s) for s in range(4)]
    job = make_job(several, [arrays[0]], [WindowWords(size=5)])
    executable = Executable(plan_of(job, [arrays[0]]), checked=False)
    found = {}

    def work(n):
        for _ in range(5):
            outputs = [g.array for g in results_for(job)]
            executable.run([arrays[n]], [], outputs, 2)
            found.setdefault(n, []).append(outputs)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, array in enumerate(arrays):
        wanted = evaluate(job, [array])
        for outputs in found[n]:
            for result, expected in zip(outputs, wanted, strict=True):
                np.testing.assert_array_equal(result, expected)


# -- the checked build -


@pytest.mark.parametrize("shape", [(2, 3), (30, 71), (3, 9, 40)])
@pytest.mark.parametrize("mode", ["reflect", "constant", "shrink"])
def test_the_checked_build_gives_the_same_and_finds_nothing(shape, mode):
    for array in (whole_numbers(shape), whole_numbers(shape, ">i2"), whole_numbers(shape[::-1]).T):
        job = make_job(lambda w: (total(w), rank(w, 1)), [array], [WindowWords(size=3, mode=mode)])
        for result, wanted in zip(run(job, [array], checked=True), evaluate(job, [array]), strict=True):
            np.testing.assert_array_equal(result, wanted)


def test_the_checked_build_finds_an_access_outside():
    """A call that lies about where its array ends: the access is reported, and nothing outside the truth is touched."""
    array = whole_numbers((30, 70))
    job = make_job(total, [array])
    executable = Executable(plan_of(job, [array]), checked=True)
    honest = executable._call_words

    def lying(*given):
        call = honest(*given)
        words_at(call[Call.INPUT_LIMITS], 2)[1] -= 400
        return call

    executable._call_words = lying
    with pytest.raises(BoundsError, match="outside its buffers") as caught:
        executable.run([array], [], [np.zeros((30, 70), np.float32)])
    assert "plan:" in str(caught.value)


def test_small_work_stays_in_the_calling_thread(monkeypatch):
    array = whole_numbers((8, 8))
    job, executable = executable_of(total, array)
    monkeypatch.setattr("kernelscape.execute.executable.pool.run", lambda *_: pytest.fail("threads were woken"))
    assert executable.serial
    run(job, [array], executable=executable, workers=8)


def test_code_that_this_machine_cannot_run_is_refused(monkeypatch):
    """Running it would end the process; planning and compiling for other machines is fine."""
    array = whole_numbers((8, 8))
    plan = plan_of(make_job(total, [array]), [array], target="x86-64-v3")
    older = describe_host("older", {"sse2": True, "fma": True}, is_x86=True)
    monkeypatch.setattr(cpu, "host_target", lambda: older)
    with pytest.raises(ValueError, match=r"got 'x86-64-v3'.*needs .*avx2.*configure\(target=None\)"):
        Executable(plan, checked=False)


def test_a_constant_result_needs_no_sample():
    assert_as_defined(lambda w: (number(3, w), total(w)), [whole_numbers((5, 40))])


@pytest.mark.parametrize("mode", ["reflect", "shrink"])
def test_a_count_of_samples_beside_other_folds_of_the_same_window(mode):
    """Folds of one window share a sweep; a count that is known without looking must not stand for the others."""

    def function(w):
        return total(ex.cast(ex.valid(w), w.dtype)), total(w), smallest(w)

    assert_as_defined(function, [whole_numbers((20, 40))], [WindowWords(size=3, mode=mode)])


# -- memory that is unusual -


def packed_field(shape, dtype):
    """Give an array whose elements lie at odd addresses, 3 bytes beside each other's neighbours."""
    record = np.dtype([("a", "u1"), ("b", dtype), ("c", "u2")])
    whole = np.zeros(shape, record)
    whole["b"] = whole_numbers(shape, dtype)
    return whole["b"]


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", ">i8", "f2"])
def test_elements_at_odd_addresses(dtype):
    size = np.dtype(dtype).itemsize
    memory = np.zeros(20 * 90 * size + 1, np.uint8)
    shifted = memory[1:].view(dtype).reshape(20, 90)
    shifted[...] = whole_numbers((20, 90), dtype)
    assert not shifted.flags.aligned or size == 1
    for array in (shifted, packed_field((20, 90), dtype)):
        assert_as_defined(lambda w: (largest(w), total(w)), [array], [WindowWords(size=(3, 2), mode="wrap")])


@pytest.mark.parametrize("view", [np.s_[::-1, ::-1], np.s_[:, ::3], np.s_[::2, 1:-1], np.s_[3:, ::-2]])
def test_results_in_views_with_any_strides(view):
    """What lies between the elements of the view stays as it was."""
    memory = np.full((90, 400), -99, np.float32)
    outputs = memory[view]
    array = whole_numbers(outputs.shape)
    job = make_job(total, [array], [WindowWords(size=3)])
    Executable(plan_of(job, [array], [outputs]), checked=True).run([array], [], [outputs])
    np.testing.assert_array_equal(outputs, evaluate(job, [array])[0])
    untouched = np.ones(memory.shape, bool)
    untouched[view] = False
    assert (memory[untouched] == -99).all()


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (7, 400), (16, 16), (17, 33), (66, 130), (131, 70)])
def test_results_whose_rows_lie_along_the_other_axis(shape, dtype):
    """They are written in squares; the smallest ones, and what remains at the edges, element by element."""
    for array, order in (
        (whole_numbers(shape, dtype), (1, 0)),
        (np.asfortranarray(whole_numbers(shape, dtype)), (0, 1)),
    ):
        for words in ({"size": 3}, {"size": (2, 3), "mode": "constant"}):
            assert_as_defined(largest, [array], [WindowWords(**words)], order=order)
        assert_as_defined(
            lambda w: (largest(w), smallest(w)), [array], [WindowWords(size=3)], order=order, stride=(2, 1)
        )
        assert_as_defined(largest, [array], [WindowWords(size=3, dilation=2)], order=order)


def test_turned_results_of_several_workers_and_batches():
    array = whole_numbers((3, 70, 90))
    job = make_job(total, [array], [WindowWords(size=3)], batch=1)
    for order in ((0, 2, 1), (2, 1, 0), (2, 0, 1)):
        for workers in (1, 3):
            got = run(job, [array], order=order, workers=workers)
            np.testing.assert_array_equal(got[0], evaluate(job, [array])[0])


def test_results_in_fields_of_records():
    array = packed_field((40, 90), "f4")
    outputs = packed_field((40, 90), "f4")
    job = make_job(smallest, [array], [WindowWords(size=5)])
    Executable(plan_of(job, [array], [outputs]), checked=True).run([array], [], [outputs])
    np.testing.assert_array_equal(outputs, evaluate(job, [array])[0])
    assert not outputs.base["a"].any()
    assert not outputs.base["c"].any()


@pytest.mark.parametrize("shape", [(200_000, 3), (3, 200_000), (2, 100_000, 2)])
def test_very_long_and_narrow_arrays(shape):
    array = whole_numbers(shape)
    job = make_job(lambda w: (largest(w), total(w)), [array], [WindowWords(size=3)])
    for result, wanted in zip(run(job, [array], workers=2), evaluate(job, [array]), strict=True):
        np.testing.assert_array_equal(result, wanted)


def test_addresses_are_those_of_the_elements(tmp_path):
    base = np.arange(60, dtype=np.float32).reshape(6, 10)
    mapped = np.memmap(tmp_path / "samples", np.float32, "w+", shape=(6, 10))
    scalar = np.array(1.0)
    frozen = base.copy()
    frozen.flags.writeable = False
    for array in (
        base,
        base[2:, 3:],
        base[::-1],
        base.T,
        mapped[1:],
        scalar,
        frozen,
        np.empty((0, 3)),
        base.view(np.recarray),
    ):
        assert address_of(array) == array.ctypes.data
