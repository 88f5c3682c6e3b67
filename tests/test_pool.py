"""The pool: every call exactly once, nothing left behind by Ctrl-C, errors or fork, and the right number of workers.

Signals and forks are exercised in processes of their own. The foreign calls there are `usleep` through ctypes, in a
loop that looks at a cancel word as compiled code does between rows: the main thread cannot see them, and they hold no
interpreter lock while they sleep.
"""

import _thread
import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import types
import weakref
from contextlib import suppress

import pytest

from kernelscape import pool
from kernelscape.config import configure
from kernelscape.errors import ArgumentError, ArgumentTypeError

PREAMBLE = """
import ctypes, os, signal, sys, threading, time
from kernelscape import pool
libc = ctypes.CDLL(None)
word = ctypes.c_int(0)
running = []
lock = threading.Lock()

def cancel():
    word.value = 1

def foreign(number, rows=2000, row_us=5000):
    with lock:
        running.append(number)
    for _ in range(rows):
        if word.value:
            break
        libc.usleep(row_us)
    with lock:
        running.remove(number)

def interrupt_after(seconds, times=1, gap=0.02, number=signal.SIGINT):
    def fire():
        global fired
        time.sleep(seconds)
        fired = time.monotonic()
        for _ in range(times):
            os.kill(os.getpid(), number)
            time.sleep(gap)
    thread = threading.Thread(target=fire)
    thread.start()
    return thread
"""


def _in_a_process(body, timeout=30):
    result = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-W", "error", "-c", PREAMBLE + textwrap.dedent(body)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, ""), result.stdout + result.stderr
    return result.stdout.split()


def _nothing():
    pass


def _wait_for_starting_threads():
    while pool._pool.starting:  # they work before they are listed
        time.sleep(0.001)


@pytest.fixture(autouse=True)
def _threads_end_with_the_test():
    # Idle threads would stay until the process ends. The stacks of hundreds take gigabytes of addresses, and a dump of
    # all threads after a crash no longer shows the one that crashed.
    yield
    used = pool._pool
    pool._retire(used)
    pool._join(used)
    assert not any(thread.is_alive() for thread in used.threads)


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 64, 300])
def test_each_call_is_made_exactly_once_on_a_thread_of_the_pool(workers):
    seen = []
    pool.run(lambda number: seen.append((number, threading.current_thread())), workers, _nothing)
    assert sorted(number for number, _ in seen) == list(range(workers))
    assert threading.current_thread() not in {thread for _, thread in seen}
    assert all(thread.daemon and thread.name == "kernelscape-worker" for _, thread in seen)
    assert len(pool._pool.threads) <= pool._MOST_THREADS


def test_calls_of_one_run_overlap():
    # Each call needs the other one to be running, so this ends only if both have a thread.
    barrier = threading.Barrier(2, timeout=10)
    pool.run(lambda number: barrier.wait(), 2, _nothing)
    assert not barrier.broken


def test_threads_are_reused():
    for _ in range(50):
        pool.run(lambda number: None, 2, _nothing)
    assert len(pool._pool.threads) <= max(pool._available_cpus(), pool._pool.largest)
    _wait_for_starting_threads()
    before = set(pool._pool.threads)
    pool.run(lambda number: None, 2, _nothing)
    assert set(pool._pool.threads) == before


def test_sixteen_threads_share_the_pool():
    counts = [0] * 16
    lock = threading.Lock()

    def user(index):
        def call(number):
            with lock:
                counts[index] += number + 1

        for _ in range(40):
            pool.run(call, 1 + index % 5, _nothing)

    threads = [threading.Thread(target=user, args=(index,)) for index in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert counts == [40 * sum(range(1, 2 + index % 5)) for index in range(16)]
    assert pool._pool.load == 0


def test_a_run_inside_a_call_is_done_in_place():
    seen = []

    def outer(number):
        here = threading.current_thread()
        pool.run(lambda inner: seen.append((number, inner, threading.current_thread() is here)), 3, _nothing)

    pool.run(outer, 40, _nothing)
    assert sorted(seen) == [(number, inner, True) for number in range(40) for inner in range(3)]


def _fails(number):
    if number == 1:
        raise ZeroDivisionError("the second call")


@pytest.mark.parametrize("nested", [False, True])
def test_an_error_of_a_call_is_raised_with_its_traceback(nested):
    cancelled = threading.Event()

    def start(_=0):
        pool.run(_fails, 4, cancelled.set)

    def start_nested():
        pool.run(start, 1, _nothing)

    with pytest.raises(ZeroDivisionError, match="the second call") as caught:
        (start_nested if nested else start)()
    assert cancelled.is_set()
    assert "_fails" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


def test_an_error_waits_for_the_others_and_drops_those_that_wait():
    cancelled = threading.Event()
    started, ended = [], []
    both = threading.Barrier(2, timeout=10)

    def call(number):
        started.append(number)
        if number == 0:
            both.wait()
            raise KeyError(number)
        if number == 1:
            both.wait()
        cancelled.wait(10)
        time.sleep(0.02)
        ended.append(number)

    with pytest.raises(KeyError):
        pool.run(call, 5000, cancelled.set)
    assert set(started) - {0} == set(ended)
    _wait_for_starting_threads()
    assert len(started) <= len(pool._pool.threads)
    assert pool._pool.load == 0


def test_the_first_error_wins_and_a_failing_cancel_is_noted():
    def cancel():
        raise RuntimeError("no cancel")

    with pytest.raises(ZeroDivisionError) as caught:
        pool.run(_fails, 2, cancel)
    assert caught.value.__notes__ == ["Cancelling the other calls failed as well: RuntimeError('no cancel')"]


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_of_a_call_stays_alive(fails):
    class Buffer:
        pass

    def use():
        buffer = Buffer()

        def call(number):
            assert buffer is not None
            if fails:
                raise ZeroDivisionError

        with suppress(ZeroDivisionError):
            pool.run(call, 3, lambda: buffer)
        return weakref.ref(buffer)

    gc.disable()  # references must go by themselves, not when the collector happens to run
    try:
        reference = use()
        deadline = time.monotonic() + 5
        while reference() is not None and time.monotonic() < deadline:
            time.sleep(0.001)  # a thread may be between its last call and its next wait
        assert reference() is None
    finally:
        gc.enable()


def test_calls_are_made_in_place_where_no_thread_can_be_had(monkeypatch):
    def no_thread(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(pool, "_pool", pool._Pool())
    monkeypatch.setattr(_thread, "start_new_thread", no_thread)
    seen = []
    pool.run(lambda number: seen.append((number, threading.current_thread())), 3, _nothing)
    assert seen == [(number, threading.current_thread()) for number in range(3)]
    assert (pool._pool.load, pool._pool.starting) == (0, 0)


def test_one_last_thread_of_the_system_makes_the_calls():
    # The first thread can be had, and every one that it tries to start cannot.
    assert _in_a_process("""
        def no_thread(self):
            raise RuntimeError("can't start new thread")
        threading.Thread.start = no_thread
        main = threading.get_ident()
        seen = []
        for _ in range(3):
            pool.run(lambda number: seen.append((number, threading.get_ident() != main)), 3, cancel)
        print(len(seen), all(elsewhere for _, elsewhere in seen), pool._pool.load)
    """) == ["9", "True", "0"]


def test_a_run_costs_little():
    for _ in range(100):
        pool.run(lambda number: None, 2, _nothing)
    times = []
    for _ in range(2000):
        start = time.perf_counter()
        pool.run(lambda number: None, 2, _nothing)
        times.append(time.perf_counter() - start)
    # A tenth of the calls, not the mean: other processes may use the same CPUs. 30 µs were measured on idle ones.
    assert sorted(times)[len(times) // 10] < 60e-6


def test_ctrl_c_stops_the_calls_and_leaves_no_thread():
    late, still_running, cancelled, threads = _in_a_process("""
        shooter = interrupt_after(0.3)
        try:
            pool.run(foreign, 5, cancel)
        except KeyboardInterrupt:
            late = time.monotonic() - fired
        still = len(running)
        shooter.join()
        print(late, still, word.value, len(threading.enumerate()))
        word.value = 0
        pool.run(lambda number: foreign(number, rows=1), 3, cancel)   # a new pool serves the next run
    """)
    assert float(late) < 0.2
    assert (still_running, cancelled, threads) == ("0", "1", "1")


def test_ctrl_c_from_the_terminal_of_another_process():
    script = PREAMBLE + textwrap.dedent("""
        print("ready", flush=True)
        try:
            pool.run(foreign, 2, cancel)
        except KeyboardInterrupt:
            print(time.monotonic(), len(running), len(threading.enumerate()))
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        sent = time.monotonic()
        process.send_signal(2)
        ended, running, threads = process.stdout.read().split()
    assert float(ended) - sent < 0.2
    assert (running, threads) == ("0", "1")


def test_further_interruptions_do_not_leave_buffers_in_use():
    # The calls ignore the cancel word for 0.4 s, so that many interruptions fall into the wait for them.
    still_running, threads, waited = _in_a_process("""
        def stubborn(number):
            with lock:
                running.append(number)
            libc.usleep(700000)
            with lock:
                running.remove(number)
        shooter = interrupt_after(0.2, times=30, gap=0.01)
        try:
            pool.run(stubborn, 2, cancel)
        except KeyboardInterrupt:
            print(len(running), sum(t.name.startswith("kernelscape") for t in threading.enumerate()),
                  time.monotonic() - fired)
        while shooter.is_alive():
            try:
                shooter.join()
            except KeyboardInterrupt:
                pass
    """)
    assert (still_running, threads) == ("0", "0")
    assert float(waited) > 0.4


def test_an_interruption_at_any_moment_is_clean():
    # An alarm that raises, sent at many different moments of short runs: in submission, start, wait and return.
    survived, left = _in_a_process("""
        class Alarm(Exception):
            pass
        def ring(*_):
            raise Alarm
        signal.signal(signal.SIGALRM, ring)
        rung = 0
        pool.resolve_workers(-1)   # reads files, which any signal's exception leaves to the garbage collector
        for index in range(400):
            word.value = 0
            finished = []
            try:
                signal.setitimer(signal.ITIMER_REAL, 2e-5 + index * 1e-6)
                pool.run(lambda number: (foreign(number, rows=1, row_us=100), finished.append(number)), 3, cancel)
                signal.setitimer(signal.ITIMER_REAL, 0)
                assert sorted(finished) == [0, 1, 2], finished
            except Alarm:
                rung += 1
            assert not running, running
        pool.run(lambda number: None, 2, cancel)
        print(rung, sum(t.name.startswith("kernelscape") for t in threading.enumerate()))
    """)
    assert int(survived) > 20
    assert int(left) <= 3


def test_an_interrupted_run_leaves_the_runs_of_other_threads_alone():
    late, other, threads = _in_a_process("""
        done = []
        def other():
            pool.run(lambda number: (libc.usleep(600000), done.append(number)), 2, lambda: None)
        user = threading.Thread(target=other)
        user.start()
        time.sleep(0.1)
        shooter = interrupt_after(0.2)
        try:
            pool.run(foreign, 4, cancel)
        except KeyboardInterrupt:
            late = time.monotonic() - fired
        user.join()
        shooter.join()
        deadline = time.monotonic() + 5
        while len(threading.enumerate()) > 1 and time.monotonic() < deadline:
            time.sleep(0.001)
        print(late, len(done), len(threading.enumerate()))
    """)
    assert float(late) < 0.2
    assert (other, threads) == ("2", "1")


def test_a_signal_handler_may_use_the_pool():
    assert _in_a_process("""
        seen = []
        signal.signal(signal.SIGUSR1, lambda *_: pool.run(seen.append, 2, cancel))
        shooter = interrupt_after(0.1, times=5, number=signal.SIGUSR1)
        pool.run(lambda number: foreign(number, rows=60), 2, cancel)
        shooter.join()
        print(len(seen), word.value)
    """) == ["10", "0"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_children_start_anew_also_in_the_middle_of_runs():
    lines = _in_a_process("""
        import warnings
        warnings.simplefilter("ignore")   # newer Pythons warn of any fork in a process with threads: it is the point
        stop = threading.Event()
        def busy():
            while not stop.is_set():
                pool.run(lambda number: libc.usleep(50), 3, lambda: None)
        users = [threading.Thread(target=busy) for _ in range(3)]
        for user in users:
            user.start()
        good = 0
        for _ in range(25):
            child = os.fork()
            if child == 0:
                seen = []
                pool.run(seen.append, 3, cancel)
                os._exit(0 if sorted(seen) == [0, 1, 2] and len(pool._pool.threads) <= 3 else 1)
            deadline = time.monotonic() + 10
            while True:
                ended, status = os.waitpid(child, os.WNOHANG)
                if ended:
                    good += status == 0
                    break
                if time.monotonic() > deadline:
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                    break
                time.sleep(0.001)
        stop.set()
        for user in users:
            user.join()
        print(good)
    """)
    assert lines == ["25"]


@pytest.mark.parametrize("moment", ["idle", "running", "atexit"])
def test_the_interpreter_ends_without_a_word(moment):
    body = {
        "idle": "pool.run(lambda number: None, 4, cancel)",
        "running": """
            user = threading.Thread(target=pool.run, args=(foreign, 3, cancel), daemon=True)
            user.start()
            time.sleep(0.1)
        """,
        "atexit": """
            import atexit
            atexit.register(lambda: pool.run(lambda number: None, 3, cancel))
        """,
    }[moment]
    start = time.monotonic()
    assert _in_a_process(body) == []
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("workers", [1, 2, 1000])
def test_a_number_of_workers_is_taken_as_it_is(workers):
    assert pool.resolve_workers(workers) == workers


def test_none_and_minus_one_follow_settings_and_cpus(monkeypatch):
    monkeypatch.setattr(pool, "_cpus", 6)
    with configure(workers=None):
        assert pool.resolve_workers(None) == pool.resolve_workers(-1) == 6
    with configure(workers=3):
        assert (pool.resolve_workers(None), pool.resolve_workers(-1)) == (3, 6)
    with configure(workers=-1):
        assert pool.resolve_workers(None) == 6


@pytest.mark.parametrize(
    ("workers", "error"),
    [
        (0, ArgumentError),
        (-2, ArgumentError),
        (1.0, ArgumentTypeError),
        (True, ArgumentTypeError),
        ("2", ArgumentTypeError),
    ],
)
def test_wrong_numbers_of_workers_are_refused(workers, error):
    with pytest.raises(error, match=r"workers must be .*got "):
        pool.resolve_workers(workers)


def test_the_affinity_counts(monkeypatch):
    monkeypatch.setattr(pool, "_cpus", None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    monkeypatch.setattr(pool, "_control_group_quota", lambda: None)
    assert pool._available_cpus() == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)
    assert pool._available_cpus() == 3, "asked once per process"
    if hasattr(os, "fork"):
        for name in ("_pool", "_lock", "_here"):  # what is there now comes back after the test
            monkeypatch.setattr(pool, name, getattr(pool, name))
        pool._forget_after_fork()
        assert pool._available_cpus() == 1


@pytest.mark.parametrize(("quota", "cpus"), [(None, 8), (0.5, 1), (1.0, 1), (1.5, 2), (2.0, 2), (64.0, 8)])
def test_a_quota_limits_the_cpus(monkeypatch, quota, cpus):
    monkeypatch.setattr(pool, "_cpus", None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(pool, "_control_group_quota", lambda: quota)
    assert pool._available_cpus() == cpus


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, 2.0),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "300000 100000"}, 2.0),
        ("0::/of/the/host\n", {"cpu.max": "100000 100000"}, 1.0),
        (
            "4:cpu,cpuacct:/x\n",
            {"cpu,cpuacct/x/cpu.cfs_quota_us": "50000", "cpu,cpuacct/x/cpu.cfs_period_us": "100000"},
            0.5,
        ),
        ("4:cpu:/x\n", {"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, 4.0),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("4:memory:/\n", {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("0::/\n", {"cpu.max": "nonsense"}, None),
        ("0::/\n", {"cpu.max": "0 0"}, None),
        ("nonsense\n\n", {}, None),
    ],
)
def test_quotas_of_both_versions_of_control_groups_are_read(tmp_path, membership, files, quota):
    (tmp_path / "membership").write_text(membership)
    for name, text in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert pool._control_group_quota(str(tmp_path / "root"), str(tmp_path / "membership")) == quota


def test_no_control_groups_no_quota(tmp_path):
    assert pool._control_group_quota(str(tmp_path), str(tmp_path / "absent")) is None


@pytest.mark.parametrize(("scheduler", "expected"), [("threads", 1), ("synchronous", 6)])
def test_inside_the_tasks_of_dask(monkeypatch, scheduler, expected):
    import dask

    monkeypatch.setattr(pool, "_cpus", 6)
    tasks = [dask.delayed(pool.resolve_workers)(workers) for workers in (None, None, 4)]
    with configure(workers=None):
        assert list(dask.compute(*tasks, scheduler=scheduler)) == [expected, expected, 4]
        assert pool.resolve_workers(None) == 6


def test_inside_a_process_of_dask():
    assert _in_a_process("""
        import dask, warnings
        from dask.multiprocessing import get
        warnings.simplefilter("ignore")
        pool._cpus = 6
        def ask(_):
            pool._cpus = 6
            return pool.resolve_workers(None)
        print(*get({"x": (ask, 0)}, ["x"], num_workers=1), pool.resolve_workers(None))
    """) == ["1", "6"]


def test_inside_a_task_of_distributed(monkeypatch):
    # What `distributed` does around a task: it sets `execution_state` on its thread-local state, and removes it after.
    state = threading.local()
    monkeypatch.setitem(sys.modules, "distributed.worker", types.SimpleNamespace(thread_state=state))
    monkeypatch.setattr(pool, "_cpus", 6)
    with configure(workers=None):
        assert pool.resolve_workers(None) == 6
        state.execution_state = {}
        assert pool.resolve_workers(None) == 1


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system has no such call")
def test_threads_rest_on_cpus_of_their_own_and_work_anywhere():
    found = _in_a_process(
        """
        def places():
            threads = [t for t in threading.enumerate() if t.name == "kernelscape-worker" and t.native_id]
            return sorted(sorted(os.sched_getaffinity(t.native_id)) for t in threads)
        cpus, seen = os.sched_getaffinity(0), []
        for _ in range(3):
            pool.run(lambda number: seen.append(os.sched_getaffinity(0)), len(cpus), lambda: None)
        assert len(seen) == 3 * len(cpus) and all(found == cpus for found in seen)
        try:
            os.sched_setaffinity(0, cpus)
            wanted = [[cpu] for cpu in sorted(cpus)]
        except OSError:  # the system does not let threads choose
            wanted = [sorted(cpus)] * len(cpus)
        end = time.monotonic() + 20
        while places() != wanted and time.monotonic() < end:
            time.sleep(0.01)
        assert places() == wanted, places()
        """
    )
    assert not found
