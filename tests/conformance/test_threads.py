"""Calls from many threads, from forked children and from Dask, and what Ctrl-C does."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import kernelscape as ks
from tests.conformance.cases import Case, Recipe
from tests.conformance.check import prepare

NAMES = ("mean", "median", "std", "sorted", "argmax", "mean_above", "lower_percentile", "tuple")


def in_threads(calls):
    """Run all calls at once; the exceptions that they raised."""
    errors, barrier = [], threading.Barrier(len(calls))

    def body(call):
        barrier.wait()
        try:
            for _ in range(5):
                call()
        except BaseException as error:  # noqa: BLE001  # handed to the test
            errors.append(error)

    threads = [threading.Thread(target=body, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def assert_equal_results(prepared, wanted):
    for result, expected in zip(prepared.run(workers=2), wanted, strict=True):
        np.testing.assert_array_equal(result, expected)


def test_different_stencils_at_once():
    prepared = [
        prepare(Case(n, Recipe("float64", (60, 70), "C", "small", i), {"size": 4})) for i, n in enumerate(NAMES)
    ]
    wanted = [p.run(workers=1) for p in prepared]
    calls = [lambda p=p, w=w: assert_equal_results(p, w) for p, w in zip(prepared, wanted, strict=True)]
    assert in_threads(calls) == []


def test_one_new_stencil_from_many_threads():
    array = np.random.default_rng(0).random((90, 110))
    local = ks.stencil(lambda w: np.max(w) - np.median(w) + 0.125, size=3)
    results = []
    errors = in_threads([lambda: results.append(local(array, workers=2))] * 8)
    assert errors == []
    assert len(results) == 40
    assert all(np.array_equal(r, results[0]) for r in results)


def test_outputs_of_threads_are_their_own():
    arrays = [np.full((64, 64), float(i)) for i in range(8)]

    def call(array):
        out = np.empty_like(array)
        ks.apply(np.mean, array, size=5, output=out, workers=3)
        np.testing.assert_allclose(out, array, rtol=1e-12)

    assert in_threads([lambda a=a: call(a) for a in arrays]) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # of forking with threads, which is the point here
def test_a_forked_child_computes():
    array = np.random.default_rng(1).random((300, 300))
    wanted = ks.apply(np.median, array, size=5, workers=3)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            same = np.array_equal(ks.apply(np.median, array, size=5, workers=3), wanted)
            new = np.isfinite(ks.apply(lambda w: np.sum(w) * 0.5 - w[0, 0], array, size=4, workers=2)).all()
            code = 0 if same and new else 2
        finally:
            os._exit(code)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the child did not end")


def test_inside_dask_threads():
    import dask

    array = np.random.default_rng(2).random((80, 90)).astype(np.float32)
    wanted = ks.apply(np.std, array, size=5)
    tasks = [dask.delayed(lambda a: ks.apply(np.std, a, size=5))(array) for _ in range(8)]
    for result in dask.compute(*tasks, scheduler="threads", num_workers=4):
        np.testing.assert_array_equal(result, wanted)


LONG = """
import threading, time
import numpy as np
import kernelscape as ks
array = np.random.default_rng(0).random((3000, 3000))
stencil = ks.stencil(lambda w: np.sum(np.sin(w * w[0, 0])), size=31)
stencil(array[:64, :64], workers=2)
stencil.plan(array)
timer = threading.Timer(0.7, lambda: print("running", flush=True))
timer.start()
try:
    stencil(array, workers=2)
    print("finished", time.monotonic())
except KeyboardInterrupt:
    print("stopped", time.monotonic(), [t.name for t in threading.enumerate() if t is not threading.main_thread()])
"""


def test_control_c_stops_a_long_call():
    process = subprocess.Popen([sys.executable, "-c", LONG], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline().strip() == "running"
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        word, when, threads = process.stdout.readline().strip().split(maxsplit=2)
        assert word == "stopped"
        assert threads == "[]"
        assert float(when) - sent < 0.2
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.stdout.close()
