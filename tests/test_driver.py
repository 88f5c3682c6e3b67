"""The native worker on its own: tiles, cancellation, the floating-point environment, and that it knows no stage.

Real tables are made by an `Executable`; here its words are looked at, changed and handed to the worker directly. The
control word of SSE arithmetic is set by a few lines of LLVM text, because Python cannot.
"""

import ctypes
import platform
import threading
import time

import numpy as np
import pytest

from kernelscape import expression as ex
from kernelscape.backends import cpu
from kernelscape.backends.driver import worker_text
from kernelscape.backends.words import AxisWord, Call, InputWord, Phase, Plane, Segment, SegmentInput, Sweep
from kernelscape.execute import Executable
from tests.oracle.engine import TARGETS, plan_of, results_for, run, target_named, whole_numbers
from tests.oracle.jobs import WindowWords, make_job, number, total

DEFAULT_CONTROL = 0x1F80
FLUSH_TO_ZERO = 0x1F80 | 0x8040  # flush-to-zero and denormals-are-zero
ROUND_UP = 0x1F80 | 0x4000


def make(shape=(64, 300), size=3):
    array = whole_numbers(shape)
    job = make_job(total, [array], [WindowWords(size=size)])
    return job, array, Executable(plan_of(job, [array]), checked=False)


class Native:
    """One call of the worker of an executable, with its words in the open."""

    def __init__(self, executable, arrays, outputs):
        self.executable, self.keep = executable, (arrays, outputs)
        words = executable._call_words(arrays, [], outputs)
        self.call = words
        self.view = np.frombuffer(words, np.int64)
        self.sweep = executable.sweep
        self.scratch = np.zeros(executable.scratch_bytes + 128, np.uint8)

    def __call__(self):
        place = (self.scratch.ctypes.data + 63) & ~63
        self.executable._worker(self.sweep.ctypes.data, self.view.ctypes.data, place)


def native(job, array, executable):
    (guarded,) = results_for(job)
    return Native(executable, [array], [guarded.array]), guarded


# -- words -


@pytest.mark.parametrize("words", [Sweep, Call, InputWord, Segment, SegmentInput, Phase, Plane, AxisWord])
def test_words_are_numbered_from_zero_without_gaps(words):
    assert [int(w) for w in words] == list(range(len(words)))


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("target", TARGETS)
def test_the_worker_is_the_same_for_all_stages_and_calls_no_library(target, checked):
    text = worker_text(target_named(target), checked=checked)
    assert text == worker_text(target_named(target), checked=checked)
    code = cpu.load_object(cpu.compile_text(text, target_named(target)), ("worker",))
    assert code.addresses["worker"]


# -- tiles -


def test_each_tile_is_taken_once():
    """The counter passes the number of tiles by one for each worker that looked in vain."""
    job, array, executable = make()
    assert executable.tiles > 3
    worker, guarded = native(job, array, executable)
    worker()
    assert worker.view[Call.COUNTER] == executable.tiles + 1
    assert worker.view[Call.ERROR] == 0
    np.testing.assert_array_equal(guarded.array, run(job, [array])[0])
    guarded.array[...] = -99
    worker()
    assert (guarded.array == -99).all(), "nothing is left for a second worker"
    assert worker.view[Call.COUNTER] == executable.tiles + 2


def test_a_worker_that_comes_later_takes_what_is_left():
    job, array, executable = make()
    worker, guarded = native(job, array, executable)
    guarded.array[...] = -99
    worker.view[Call.COUNTER] = executable.tiles - 1
    worker()
    done = guarded.array != -99
    assert 0 < done.sum() < done.size
    np.testing.assert_array_equal(guarded.array[done], run(job, [array])[0][done])
    worker.view[Call.COUNTER] = 0
    worker()
    np.testing.assert_array_equal(guarded.array, run(job, [array])[0])


def test_two_workers_share_the_tiles_and_each_has_memory_of_its_own():
    job, array, executable = make((400, 3000), 7)
    worker, guarded = native(job, array, executable)
    other = Native(executable, *worker.keep)
    other.view = worker.view
    threads = [threading.Thread(target=w) for w in (worker, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert worker.view[Call.COUNTER] == executable.tiles + 2
    np.testing.assert_array_equal(guarded.array, run(job, [array])[0])
    guarded.assert_intact()


def test_a_cancelled_call_computes_nothing():
    job, array, executable = make()
    worker, guarded = native(job, array, executable)
    guarded.array[...] = -99
    worker.view[Call.CANCEL] = 1
    worker()
    assert (guarded.array == -99).all()


def test_cancelling_ends_work_that_runs():
    """The rows of one tile are given up as well; the word is looked at once per row."""
    job, array, executable = make((6000, 3000), 9)
    executable.sweep[Sweep.STRIP], executable.sweep[Sweep.STRIPS] = 6000, 1
    executable.sweep[Sweep.TILES] = executable.sweep[Sweep.SEGMENTS]
    worker, guarded = native(job, array, executable)
    guarded.array[...] = np.nan
    thread = threading.Thread(target=worker)
    thread.start()
    while np.isnan(guarded.array[0, 0]):
        time.sleep(1e-4)
    worker.view[Call.CANCEL] = 1
    thread.join(10)
    assert not thread.is_alive()
    assert np.isnan(guarded.array[-1, -1]), "the work went on to its end"


# -- the floating-point environment -

needs_sse = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="this machine has no SSE control word"
)


def control_functions():
    """Give (read, write) of this thread's control word."""
    text = (
        "declare void @llvm.x86.sse.stmxcsr(ptr)\ndeclare void @llvm.x86.sse.ldmxcsr(ptr)\n"
        "define void @read(ptr %p) {\n call void @llvm.x86.sse.stmxcsr(ptr %p)\n ret void\n}\n"
        "define void @write(ptr %p) {\n call void @llvm.x86.sse.ldmxcsr(ptr %p)\n ret void\n}\n"
    )
    code = cpu.load_object(cpu.compile_text(text, cpu.host_target()), ("read", "write"))
    native_read, native_write = (ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.addresses[n]) for n in ("read", "write"))
    native_read.code = native_write.code = code

    def read():
        word = ctypes.c_uint32()
        native_read(ctypes.addressof(word))
        return word.value & ~0x3F  # without the flags of what has happened

    def write(value):
        word = ctypes.c_uint32(value)
        native_write(ctypes.addressof(word))

    return read, write


@needs_sse
@pytest.mark.parametrize("control", [FLUSH_TO_ZERO, ROUND_UP, DEFAULT_CONTROL & ~0x0280])
def test_results_do_not_depend_on_the_control_word_of_the_caller_who_keeps_it(control):
    """Denormals survive, rounding is to nearest, a division by zero traps nobody; afterwards all is as it was."""
    tiny = np.full((5, 40), 1e-40, np.float32)
    tiny[1, 1], tiny[2, 2] = 0.1, 0.0

    def function(w):
        return total(w), ex.elementwise("divide", w.dtype, number(1, w), ex.reduce("minimum", w, (0, 1)))

    job = make_job(function, [tiny])
    executable = Executable(plan_of(job, [tiny]), checked=False)
    wanted = run(job, [tiny], executable=executable)
    assert np.isinf(wanted[1]).any()
    assert (wanted[0][3:] > 0).all()
    assert wanted[0][4, 39] == np.float32(1e-40) * 9
    read, write = control_functions()
    outputs = [g.array for g in results_for(job)]
    prepared = Native(executable, [tiny], outputs)
    seen = []

    def work():
        before = read()
        write(control)
        prepared()
        seen.append(read())
        write(before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [control & ~0x3F]
    for result, expected in zip(outputs, wanted, strict=True):
        assert result.tobytes() == expected.tobytes()
