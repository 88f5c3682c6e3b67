"""Does the planner choose well? Each member of the grid with its choice, and with every method that applies.

A choice is good enough when it takes at most `ALLOWED` times what the best method takes. Methods that are not exact are
left out: the planner may not take them unasked. Times are those of the processor, with one worker, because all methods
share their work among workers in the same way; so the verdict does not depend on what else the machine does.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

import kernelscape as ks
from benchmarks.grid import MOMENT, Member, affordable, checked_shapes, processor_seconds_of
from benchmarks.harness import OURS, Job, Run, assert_right, describe
from kernelscape.api.options import METHODS
from kernelscape.errors import ArgumentError

ALLOWED = 1.3
SETTLING = 0.01
"""Seconds of calls in a row."""
AUTO = "auto"
UNASKED = ("traced", "numpy", "exact", "fft", "log_sigma", "product_convolution", "low_rank")
"""Names that `method=` knows, and that are no exact method which the planner could have chosen."""


@dataclass(frozen=True)
class Verdict:
    """Processor seconds of the best run by method, the planner's choice under "auto", and what was wrong."""

    name: str
    seconds: dict[str, float]
    failures: dict[str, str]

    @property
    def best(self) -> str:
        """The fastest method that was asked for by name; "auto" where there is none."""
        named = [method for method in self.seconds if method != AUTO]
        return min(named, key=self.seconds.__getitem__, default=AUTO)

    @property
    def loss(self) -> float:
        """How many times the best method's time the planner's choice takes."""
        return self.seconds[AUTO] / self.seconds[self.best]

    @property
    def is_bad(self) -> bool:
        return bool(self.failures) or self.loss > ALLOWED


def applicable(job: Job, member: Member) -> list[str]:
    """Give the names of the methods that can do a job."""
    (shape,) = checked_shapes(member.case)
    arrays = job.inputs(shape, np.random.default_rng(1))
    found = []
    for method in METHODS:
        if method in UNASKED or method == AUTO:
            continue
        try:
            job.contestants[OURS](*arrays, method=method, workers=1)()
        except ArgumentError:
            continue
        found.append(method)
    return found


def wrong(job: Job, member: Member, methods: Sequence[str]) -> dict[str, str]:
    """Compare each method's result with the oracle's; give what is wrong by method."""
    (shape,) = checked_shapes(member.case)
    arrays = job.inputs(shape, np.random.default_rng(1))
    right = job.right_result(arrays)
    failures = {}
    for method in methods:
        try:
            assert_right(job, OURS, job.contestants[OURS](*arrays, method=method, workers=1)(), right, job.tolerance)
        except AssertionError as error:
            failures[method] = describe(error)
    return failures


def judge(member: Member, size: int, repeat: int) -> Verdict:
    """Time a member with the planner's choice and with all methods; what looks bad is timed once more, for longer."""
    job = member.job()
    extent = affordable(job, OURS, size).extent
    methods = [AUTO, *applicable(job, member)]
    arrays = job.inputs((extent, extent), np.random.default_rng(0))
    runs: dict[str, Run] = {}
    for method in methods:
        run = job.contestants[OURS](*arrays, method=method, workers=1)
        run()
        if method == AUTO or processor_seconds_of(run) < 8 * MOMENT:
            runs[method] = run
    verdict = Verdict(member.name, best_times(runs, repeat), wrong(job, member, methods))
    if verdict.loss > ALLOWED:
        pair = {method: runs[method] for method in (AUTO, verdict.best)}
        verdict = Verdict(member.name, verdict.seconds | best_times(pair, 3 * repeat), verdict.failures)
    return verdict


def best_times(runs: dict[str, Run], repeat: int) -> dict[str, float]:
    """Time all methods in turns."""
    rounds = [{method: settled(run) for method, run in runs.items()} for _ in range(repeat)]
    return {method: min(one[method] for one in rounds) for method in runs}


def settled(run: Run) -> float:
    """The best of some calls in a row: until caches hold what this method reads, not what the one before it read."""
    times: list[float] = []
    while len(times) < 2 or (sum(times) < SETTLING and len(times) < 20):
        times.append(processor_seconds_of(run))
    return min(times)


def judge_all(chosen: Iterable[Member], size: int, repeat: int) -> Iterator[Verdict]:
    with ks.configure(disk_cache=False):
        for member in chosen:
            yield judge(member, size, repeat)


def line_of(verdict: Verdict) -> str:
    times = ", ".join(f"{method} {seconds * 1e3:.3g}" for method, seconds in verdict.seconds.items())
    failures = "".join(f"; {method} WRONG: {text}" for method, text in verdict.failures.items())
    mark = "BAD " if verdict.is_bad else "good"
    return f"{mark} {verdict.name:28} {verdict.loss:5.2f} x {verdict.best:12} {times} ms{failures}"
