"""Worker threads for foreign calls that release the interpreter lock, and how many of them a call may use.

A main thread inside a foreign call cannot see Ctrl-C, and neither the standard executors nor daemon threads give a call
back once it runs. So here the calling thread only waits, and these rules hold:

* `run` returns or raises only when none of its calls is running any more: no thread still writes into a buffer whose
  owner has moved on. Further interruptions during that wait are put off until it is over.
* An interrupted `run` retires the pool: its threads end, and are joined unless another thread's calls keep them busy.
* All runs of the process share one pool. A call never waits for another call, and a run inside a call is done in place,
  so the pool cannot deadlock, however few its threads are.
* A forked child starts with an empty pool and fresh locks, whatever the other threads held at that moment.
* Threads are daemons and hold no reference to anything while idle.
* Where calls use all CPUs, idle threads rest on one CPU each (Linux). A system may wake two threads on the same one,
  and part them only milliseconds later: under a hypervisor it takes a CPU that was halted for one that others use.
  While they work, threads may run anywhere.

State that several threads change is only changed under `_lock`, which is held for moments only. It is re-entrant
because a signal handler, which runs in the main thread between any two steps, may itself use `run`.
"""

from __future__ import annotations

import _thread
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from types import FrameType

from .config import settings
from .errors import ArgumentError, ArgumentTypeError

_MOST_THREADS = 256
# An upper bound on how long an interruption may go unnoticed where the system does not end the wait by itself: on
# Windows, and where a signal is delivered to another thread than the main one.
_WAKE_SECONDS = 0.1


class _Job:
    """One `run`: the calls that nobody has taken yet, those that are running, and the first failure."""

    __slots__ = ("call", "cancel", "count", "error", "finished", "pool", "settled", "taken")

    def __init__(self, call: Callable[[int], None], count: int, cancel: Callable[[], None]) -> None:
        self.call: Callable[[int], None] | None = call
        self.cancel = cancel
        self.count = count  # calls that will be made; lowered to `taken` when the job is withdrawn
        self.taken = 0
        self.finished = 0
        self.pool: _Pool | None = None  # where it was queued
        self.error: BaseException | None = None
        self.settled = threading.Lock()  # held until the last call has returned
        self.settled.acquire()

    def wait(self) -> None:
        while not self.settled.acquire(timeout=_WAKE_SECONDS):
            pass
        self.settled.release()


class _Pool:
    """Threads and the queue that they all read; a job stands in the queue once for each of its calls."""

    __slots__ = ("largest", "load", "queue", "retired", "starting", "threads")

    def __init__(self) -> None:
        self.queue: SimpleQueue[_Job | None] = SimpleQueue()
        self.threads: list[threading.Thread] = []
        self.starting = 0  # threads that are about to be listed
        self.load = 0  # calls in the queue or running
        self.largest = 1
        self.retired = False


_lock = threading.RLock()
_pool = _Pool()
_here = threading.local()  # `_here.works` is set in the pool's own threads


def run(call: Callable[[int], None], workers: int, cancel: Callable[[], None]) -> None:
    """Execute ``call(0)``, ..., ``call(workers - 1)`` on the pool's threads and wait for all of them.

    Parameters
    ----------
    call : callable
        Receives its number. It should spend its time in foreign code that releases the interpreter lock, must not wait
        for another number's call, and may itself use `run`, which then works in place.
    workers : int
        How many calls to make, at least 1; each number is called exactly once.
    cancel : callable
        Asks calls that are running to return soon. It may be called from any thread, several times, and before or
        after the calls; it is called when a call raises and when the wait is interrupted.

    Raises
    ------
    BaseException
        The first exception that a call raised, with its traceback, after the others have returned; calls that had not
        started are dropped. Or what interrupted the wait, such as KeyboardInterrupt.
    """
    if getattr(_here, "works", False):
        _run_in_place(call, workers, cancel)
        return
    job = _Job(call, workers, cancel)
    try:
        if not _submit(job):
            _run_in_place(call, workers, cancel)
            return
        job.wait()
    except BaseException:
        _give_up(job)
        raise
    finally:
        # A queue entry that nobody has looked at yet must not keep the caller's buffers alive.
        job.call = None
    if job.error is not None:
        _raise_error_of(job)


def _raise_error_of(job: _Job) -> None:
    """Raise a call's failure, and cut the circle job -> error -> traceback -> frame -> job."""
    error, job.error = job.error, None
    assert error is not None
    try:
        raise error
    finally:
        del error, job


def _run_in_place(call: Callable[[int], None], workers: int, cancel: Callable[[], None]) -> None:
    try:
        for number in range(workers):
            call(number)
    except BaseException:
        cancel()
        raise


def _submit(job: _Job) -> bool:
    """Queue the job and see that threads are there for it; False where no thread can be had."""
    with _lock:
        # Signal handlers run after calls and jumps only, so these lines happen all or not at all.
        pool = _pool
        job.pool = pool
        pool.load += job.count
        pool.largest = max(pool.largest, job.count)
        wanted = min(pool.load, max(_available_cpus(), pool.largest), _MOST_THREADS)
        missing = wanted - len(pool.threads) - pool.starting
        if missing > 0 and not _grow(pool, missing) and not pool.threads and not pool.starting:
            _drop_waiting_calls(pool, job)
            return False
        # One thread is woken here and each wakes the next: by then the caller sleeps, and its CPU is free. Threads that
        # are woken at once share the CPUs that were idle at that moment, and are parted only milliseconds later.
        pool.queue.put(job)
    return True


def _grow(pool: _Pool, number: int) -> bool:
    """Have threads started, by a thread in which no signal handler can interrupt that; the lock is held."""
    try:
        pool.starting += number
        _thread.start_new_thread(_start_threads, (pool, number))
    except RuntimeError:
        # The system has no thread left, or the interpreter is shutting down: go on with those that exist.
        pool.starting -= number
        return False
    return True


def _start_threads(pool: _Pool, number: int) -> None:
    started: list[threading.Thread] = []
    with suppress(RuntimeError):
        for n in range(number):
            place = len(pool.threads) + n
            thread = threading.Thread(target=_work, args=(pool, place), name="kernelscape-worker", daemon=True)
            thread.start()
            started.append(thread)
    with _lock:
        pool.threads += started
        pool.starting -= number
        alone = not pool.threads
    if alone:
        # This one was the last that the system had to give.
        _work(pool, 0)


def _work(pool: _Pool, place: int) -> None:
    """Body of a thread: make calls until the pool is retired; `place` is its number among the threads."""
    _here.works = True
    while True:
        cpus = _rest(pool, place)
        job = pool.queue.get()
        if cpus:
            _allow(cpus)
        if job is None:
            pool.queue.put(None)  # for the next thread
            return
        _make_call(pool, job)
        del job  # an idle thread keeps nothing alive


def _rest(pool: _Pool, place: int) -> set[int]:
    """Let the calling thread wake on a CPU of its own; give those that it may use, if that was done."""
    if pool.largest < _available_cpus() or not hasattr(os, "sched_setaffinity"):
        return set()
    cpus = os.sched_getaffinity(0)
    if not 1 < len(cpus) <= pool.largest:
        return set()
    return cpus if _allow({sorted(cpus)[place % len(cpus)]}) else set()


def _allow(cpus: set[int]) -> bool:
    """Let the calling thread run on these CPUs; False where the system does not allow that."""
    try:
        os.sched_setaffinity(0, cpus)
    except OSError:
        return False
    return True


def _make_call(pool: _Pool, job: _Job) -> None:
    with _lock:
        number, call = job.taken, job.call
        if number >= job.count or call is None:
            return
        job.taken += 1
        if job.taken < job.count:
            pool.queue.put(job)
    try:
        call(number)
    except BaseException as error:  # noqa: BLE001  # it is raised again in the thread that waits
        _note_error(pool, job, error)
    with _lock:
        job.finished += 1
        pool.load -= 1
        if job.finished == job.count:
            job.settled.release()


def _note_error(pool: _Pool, job: _Job, error: BaseException) -> None:
    with _lock:
        first = job.error is None
        if first:
            job.error = error
            _drop_waiting_calls(pool, job)
    if first:
        try:
            job.cancel()
        except BaseException as failure:  # noqa: BLE001  # the error that led here matters more
            error.add_note(f"Cancelling the other calls failed as well: {failure!r}")


def _drop_waiting_calls(pool: _Pool, job: _Job) -> None:
    """Make no further call of this job; the lock is held."""
    pool.load -= job.count - job.taken
    job.count = job.taken


def _give_up(job: _Job) -> None:
    """After an interruption: stop the job, wait until none of its calls runs, end and join the pool's threads."""
    pool = job.pool
    if pool is None:
        return
    for step in (_cancel, _withdraw, _drain):
        _insist(partial(step, job))
    job.error = None  # the interruption is what the caller sees
    for end in (_retire, _join):
        _insist(partial(end, pool))


def _insist(step: Callable[[], None]) -> None:
    """Repeat a step until it comes to its end, however often signals interrupt it.

    The step must be one that may be repeated and does not fail by itself. The second loop is for an interruption that
    arrives between two rounds of the first one.
    """
    while True:
        try:
            while True:
                try:
                    step()
                except BaseException:  # noqa: BLE001  # the interruption that led here is raised in the end
                    continue
                return
        except BaseException:  # noqa: BLE001
            continue


def _cancel(job: _Job) -> None:
    # An `Exception` is a defect of `cancel`; then waiting is all that remains. What a signal raises is tried again.
    with suppress(Exception):
        job.cancel()


def _withdraw(job: _Job) -> None:
    with _lock:
        if job.pool is not None:
            _drop_waiting_calls(job.pool, job)
        # A lock that is free already says that the last call has returned.
        if job.finished == job.count and job.settled.locked():
            job.settled.release()


def _drain(job: _Job) -> None:
    while not job.settled.acquire(timeout=_WAKE_SECONDS):
        _cancel(job)  # again: a signal's exception may have cut the first one short
    job.settled.release()


def _retire(pool: _Pool) -> None:
    """Let later runs begin with a new pool, and let this one's threads end behind the work that they still have."""
    global _pool
    with _lock:
        if _pool is pool:
            _pool = _Pool()
        if not pool.retired:
            pool.retired = True
            pool.queue.put(None)


def _join(pool: _Pool) -> None:
    """Wait for the threads' end, unless another run keeps some of them: those end by themselves after it."""
    with _lock:
        busy = pool.load > 0
    if busy:
        return
    while pool.starting:
        time.sleep(0.0005)
    for thread in pool.threads:
        thread.join()


def _forget_after_fork() -> None:
    """In a forked child no other thread exists, and locks may have been copied while held."""
    global _lock, _pool, _here, _cpus
    _lock = threading.RLock()
    _pool = _Pool()
    _here = threading.local()
    _cpus = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)


def resolve_workers(workers: int | None) -> int:
    """Return how many threads a call may use.

    Parameters
    ----------
    workers : int or None
        At least 1, or -1 for every CPU that this process may use, as in `scipy.fft`. None asks the settings; where they
        say None too it is one inside a Dask worker, which already runs one task per CPU, and every CPU elsewhere.

    Returns
    -------
    int
        At least 1. CPUs count when the process's affinity allows them, and no further than its control group's quota.
    """
    if workers is None:
        workers = settings().workers
        if workers is None:
            return 1 if _in_dask_task() else _available_cpus()
    elif isinstance(workers, bool) or not hasattr(workers, "__index__"):
        raise ArgumentTypeError(f"workers must be an integer or None; got {workers!r}.")
    count = int(workers.__index__())
    if count == -1:
        return _available_cpus()
    if count < 1:
        raise ArgumentError(f"workers must be at least 1, or -1 for all CPUs, or None; got {workers!r}.")
    return count


def _in_dask_task() -> bool:
    """Whether this thread executes a task of Dask in one of its worker threads or processes.

    Nothing is imported: a framework that is not in ``sys.modules`` did not call us. ``distributed`` marks the thread.
    Dask's local schedulers do not, so their frames are looked for: a task runs below ``batch_execute_tasks``, and where
    ``get_async`` stands around that, it is the synchronous scheduler, which has one task at a time.
    """
    worker = sys.modules.get("distributed.worker")
    if worker is not None and hasattr(getattr(worker, "thread_state", None), "execution_state"):
        return True
    local = sys.modules.get("dask.local")
    if local is None:
        return False
    task = getattr(getattr(local, "batch_execute_tasks", None), "__code__", None)
    scheduler = getattr(getattr(local, "get_async", None), "__code__", None)
    inside = False
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code is task:
            inside = True
        elif frame.f_code is scheduler:
            inside = False
        frame = frame.f_back
    return inside


_cpus: int | None = None


def _available_cpus() -> int:
    """CPUs that this process may use: its affinity, limited by the quota; asked once per process."""
    global _cpus
    if _cpus is None:
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        quota = _control_group_quota()
        # Rounded up: half a CPU more is worth a thread, and one thread is the least there can be.
        _cpus = max(1, count if quota is None else min(count, math.ceil(quota)))
    return _cpus


def _control_group_quota(root: str = "/sys/fs/cgroup", membership: str = "/proc/self/cgroup") -> float | None:
    """CPUs' worth of time that Linux control groups (version 1 or 2) grant; None where there is no limit.

    The limits of all ancestors hold too, so the smallest counts. In a container the path may be one of the host's that
    cannot be seen inside; the group's root, which always can, is then the container's own.
    """
    found: list[float] = []
    for line in _lines(membership):
        controllers, _, path = line.partition(":")[2].partition(":")
        mounts: tuple[str, ...]
        if not controllers:
            mounts, read = ("", "unified"), _quota_of_version_2
        elif "cpu" in controllers.split(","):
            mounts, read = ("cpu", "cpu,cpuacct", controllers), _quota_of_version_1
        else:
            continue
        folders = [part for part in path.split("/") if part]
        for mount in mounts:
            for depth in range(len(folders) + 1):
                quota = read(os.path.join(root, mount, *folders[:depth]))
                if quota is not None:
                    found.append(quota)
    return min(found, default=None)


def _quota_of_version_2(folder: str) -> float | None:
    words = " ".join(_lines(os.path.join(folder, "cpu.max"))).split()
    return _ratio(words[0], words[1]) if len(words) == 2 else None


def _quota_of_version_1(folder: str) -> float | None:
    quota = _lines(os.path.join(folder, "cpu.cfs_quota_us"))
    period = _lines(os.path.join(folder, "cpu.cfs_period_us"))
    return _ratio(quota[0], period[0]) if quota and period else None


def _ratio(quota: str, period: str) -> float | None:
    # "max" in version 2 and -1 in version 1 mean: no limit.
    try:
        time_granted, length = int(quota), int(period)
    except ValueError:
        return None
    return time_granted / length if time_granted > 0 and length > 0 else None


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return [line.strip() for line in file if line.strip()]
    except OSError:
        return []
