"""The grid: every member of every family, checked, then timed beside its peers in the same run.

A contestant that would need long for the full image is timed on the largest of some smaller ones that it does in a
moment, and scaled by the number of pixels.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

import kernelscape as ks
from benchmarks import THREADS
from benchmarks.families import FAMILIES, Case, Family
from benchmarks.harness import OURS, Job, Result, Run, Timing, check_job, compare_runs, describe, time_in_turns
from benchmarks.record import Row

EXTENTS = (2048, 1024, 512, 256, 128)
SAMPLE = 256
"""Extent of the image from which the time for larger ones is guessed."""
TINY = 64
"""Extent of the image of the very first call: what it takes longer than others is compiling, not work."""
MOMENT = 0.15
"""Seconds that one run may take; who needs more works on a smaller image."""
ACCOUNTED = 0.1
"""Seconds of processor time after which the share of a thread is known: systems account for it now and then only."""
PATIENCE = 0.06
"""Seconds: runs that take longer are timed three times only."""
QUICK_SIDES = (3, 7, 31)
QUICK_KINDS = ("u8", "f32")
CHECKED_SIDES = (5,)


@dataclass(frozen=True)
class Member:
    """A member of a family: a row of the grid before it is measured."""

    family: Family
    case: Case

    @property
    def name(self) -> str:
        return self.family.name_of(self.case)

    def job(self) -> Job:
        return self.family.job_of(self.case)


def members(
    wanted: Callable[[str], bool] = lambda name: True,
    kinds: Sequence[str] | None = None,
    sides: Sequence[int] | None = None,
) -> list[Member]:
    """Give the members of the grid, all or some."""
    found = [Member(family, case) for family in FAMILIES for case in family.cases()]
    found = [one for one in found if kinds is None or one.case.kind in kinds]
    return [one for one in found if (sides is None or one.case.side in sides) and wanted(one.name)]


def seconds_of(run: Run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def processor_seconds_of(run: Run) -> float:
    """What a call takes of the processors, all threads together: the same on a busy machine."""
    start = time.process_time()
    run()
    return time.process_time() - start


def is_alone(run: Run) -> bool:
    """Whether the calling thread does all the work."""
    whole, own, calls = time.process_time(), time.thread_time(), 0
    while calls < 2 or (time.process_time() - whole < ACCOUNTED and calls < 50):
        run()
        calls += 1
    return time.thread_time() - own > 0.85 * (time.process_time() - whole)


@dataclass(frozen=True)
class Prepared:
    """A contestant that is ready for an image of this extent, and how much longer its very first call took."""

    extent: int
    run: Run
    compile: float


def affordable(job: Job, name: str, size: int, moment: float = MOMENT) -> Prepared:
    """Prepare a contestant for the largest image that it does in a moment; a small one says what it would take."""

    def ready(extent: int) -> Run:
        return job.contestants[name](*job.inputs((extent, extent), np.random.default_rng(0)))

    tiny = ready(min(TINY, size))
    compiling = max(processor_seconds_of(tiny) - processor_seconds_of(tiny), 0.0)
    sample = min(SAMPLE, size)
    run = ready(sample)
    run()
    seconds = min(seconds_of(run), seconds_of(run))
    smaller = [extent for extent in EXTENTS if extent < size]
    fitting = (extent for extent in (size, *smaller) if seconds * (extent / sample) ** 2 <= moment)
    extent = next(fitting, min(EXTENTS[-1], size))
    return Prepared(extent, run if extent == sample else ready(extent), compiling)


def checked_shapes(case: Case) -> list[tuple[int, int]]:
    """Of the images on which results are compared with the oracle's: no smaller than the windows."""
    return [(max(61, case.side + 10), max(97, case.side + 34))]


def measure_member(member: Member, size: int, repeat: int, names: Sequence[str] | None = None) -> Row:
    """Check a member on a small image, then time those that were right; `names` picks contestants."""
    job = member.job()
    failures: dict[str, str] = {}
    prepared: dict[str, Prepared] = {}
    for name in job.contestants:
        if name in job.missing() or (names is not None and name not in names):
            continue
        try:
            prepared[name] = affordable(job, name, size)
        except Exception as error:  # noqa: BLE001 - whatever a contestant raises is its result, and the others go on
            failures[name] = describe(error)
    failures |= {name: text for name, text in check_job(job, checked_shapes(member.case)).items() if name in prepared}
    runs = {name: one.run for name, one in prepared.items() if name not in failures}
    failures |= compare_runs(job, runs, {name: prepared[name].extent for name in runs})
    runs = {name: run for name, run in runs.items() if name not in failures}
    timings = scaled_times(runs, prepared, size, repeat)
    alone = tuple(name for name, run in runs.items() if name != OURS and is_alone(run)) if THREADS > 1 else ()
    return replace(row_of(member, Result(job, timings, failures, details_of(runs)), prepared, size), alone=alone)


def details_of(runs: dict[str, Run]) -> dict[str, str]:
    return {name: run.detail for name, run in runs.items() if run.detail}


def scaled_times(runs: dict[str, Run], prepared: dict[str, Prepared], size: int, repeat: int) -> dict[str, Timing]:
    timings = {}
    for name, seconds in time_in_turns(runs, repeat, PATIENCE).items():
        factor = (size / prepared[name].extent) ** 2
        timings[name] = Timing(tuple(factor * value for value in seconds), scaled=factor != 1)
    return timings


def row_of(member: Member, result: Result, prepared: dict[str, Prepared], size: int) -> Row:
    job, case = result.job, member.case
    arrays = job.inputs((size, size), np.random.default_rng(0))
    outputs = arrays[0].size // member.family.stride**member.family.dimensions
    itemsize = np.dtype(member.family.result or case.dtype).itemsize
    return Row(
        name=member.name,
        family=member.family.name,
        kind=case.kind,
        side=case.side,
        best={name: timing.best for name, timing in result.timings.items()},
        median={name: timing.median for name, timing in result.timings.items()},
        scaled={name: prepared[name].extent for name, timing in result.timings.items() if timing.scaled},
        failures=result.failures,
        notes=job.notes,
        details=result.details,
        aside=tuple(job.aside),
        contestants=len({*prepared, *result.failures}),
        compile=prepared[OURS].compile if OURS in prepared else 0.0,
        bytes=arrays[0].nbytes + outputs * itemsize,
        operations=2 * case.side**member.family.dimensions * outputs if member.family.is_product_sum else 0,
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
    )


def measure_grid(chosen: Iterable[Member], size: int, repeat: int) -> Iterator[Row]:
    """Measure members of the grid; nothing is taken from a cache of compiled code, so that compiling is measured."""
    with ks.configure(disk_cache=False):
        ks.apply(lambda w: np.sum(w), np.zeros((8, 8)), size=3)  # imports the compiler, which is another part's subject
        for member in chosen:
            yield measure_member(member, size, repeat)


def check_members(chosen: Iterable[Member]) -> Iterator[tuple[str, dict[str, str], float]]:
    """Compare results only; give name, failures by contestant, and seconds."""
    for member in chosen:
        start = time.perf_counter()
        failures = check_job(member.job(), checked_shapes(member.case))
        yield member.name, failures, time.perf_counter() - start
