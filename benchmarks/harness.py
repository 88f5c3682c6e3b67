"""What a job is, and how it is checked and timed.

A job knows its contestants by name. Each is a factory: it receives the input arrays, prepares whatever a user would
prepare once (output, compiled pipeline, stencil object) and returns a function that does the job once and returns the
output. The oracle is one of the contestants; every other one has to agree with it before a single number is taken.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]

OURS = "kernelscape"
CHECK_SHAPES = ((61, 97), (96, 128))
SMALL = 512  # the extent on which slow contestants are timed
PATIENCE = 0.4  # seconds; a contestant that takes longer runs three times only


@dataclass(frozen=True)
class Run:
    """A prepared contestant: does the job once and gives the output; `detail` tells how, where there was a choice."""

    work: Callable[[], Array]
    detail: str = ""

    def __call__(self) -> Array:
        return self.work()


@dataclass(frozen=True)
class Job:
    """One row of the table.

    Attributes
    ----------
    inputs
        Makes the arrays of the job for an image of this shape, from a seeded generator.
    contestants
        Name -> factory; among them "kernelscape".
    oracle
        The contestant that defines the right result.
    tolerance
        The largest difference allowed, as a fraction of the oracle's largest value; 0 asks for equality.
    slow
        Contestants that are timed on a smaller image and scaled.
    goals
        Name of a peer -> how many times faster than it we mean to be.
    notes
        Name of a contestant -> what a reader of its number has to know.
    aside
        Contestants whose result is computed in a less exact way than ours: shown, but no peer.
    """

    name: str
    inputs: Callable[[tuple[int, int], np.random.Generator], tuple[Array, ...]]
    contestants: dict[str, Callable[..., Run]]
    oracle: str
    tolerance: float
    slow: frozenset[str] = frozenset({"scipy"})
    goals: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    aside: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Timing:
    """Seconds of one contestant for the full image: the best run and the middle one."""

    best: float
    median: float
    scaled: bool = False


@dataclass(frozen=True)
class Result:
    """What became of a job: timings by contestant, and what failed by contestant."""

    job: Job
    timings: dict[str, Timing]
    failures: dict[str, str]
    details: dict[str, str]

    def ratio(self, peer: str) -> float | None:
        """Give how many times faster we were than a peer; None when one of the two has no number."""
        if OURS not in self.timings or peer not in self.timings:
            return None
        return self.timings[peer].best / self.timings[OURS].best

    def best_peer(self) -> str | None:
        peers = [name for name in self.timings if name != OURS and name not in self.job.aside]
        return min(peers, key=lambda name: self.timings[name].best, default=None)

    def missed(self) -> list[str]:
        """Give the goals that were not reached, as text."""
        ratios = ((peer, goal, self.ratio(peer)) for peer, goal in self.job.goals.items())
        return [f"{ratio:.2f}x {peer}, goal {goal:.3g}x" for peer, goal, ratio in ratios if ratio and ratio < goal]


def assert_agrees(actual: Array, expected: Array, tolerance: float) -> None:
    """Raise AssertionError unless both are the same image up to `tolerance` times the largest expected value."""
    if actual.shape != expected.shape:
        raise AssertionError(f"expected shape {expected.shape}, got {actual.shape}")
    if actual.dtype != expected.dtype:
        raise AssertionError(f"expected dtype {expected.dtype}, got {actual.dtype}")
    difference = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    allowed = tolerance * float(np.max(np.abs(expected.astype(np.float64))))
    worst = float(np.max(difference))
    if not worst <= allowed:  # also catches NaN
        where = np.unravel_index(int(np.argmax(difference)), difference.shape)
        raise AssertionError(
            f"largest difference {worst:.3g} at {tuple(map(int, where))}, allowed {allowed:.3g}; "
            f"{np.count_nonzero(~(difference <= allowed))} of {difference.size} elements differ"
        )


def describe(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"


def check_job(job: Job, shapes: Sequence[tuple[int, int]] = CHECK_SHAPES) -> dict[str, str]:
    """Compare all contestants with the oracle on small images; give the failures by contestant."""
    failures: dict[str, str] = {}
    for shape in shapes:
        arrays = job.inputs(shape, np.random.default_rng(1))
        expected = job.contestants[job.oracle](*arrays)().copy()
        for name, make in job.contestants.items():
            try:
                run = make(*arrays)
                assert_agrees(run(), expected, job.aside.get(name, job.tolerance))
                assert_agrees(run(), expected, job.aside.get(name, job.tolerance))  # the second call runs what was kept
            except Exception as error:  # noqa: BLE001 - whatever a contestant raises is its result, and the others go on
                failures.setdefault(name, f"{shape[0]}x{shape[1]}: {describe(error)}")
    return failures


REST = 0.03
"""Seconds before every timing: the worker threads of some libraries go on spinning after their work, and would take a
core from whoever comes next."""


def clock(run: Run) -> float:
    """Time the second of two calls in a row, on a machine that has come to rest before them."""
    time.sleep(REST)
    run()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def time_in_turns(runs: dict[str, Run], repeat: int) -> dict[str, list[float]]:
    """Time every contestant `repeat` times (slow ones three times), one after the other in each round."""
    first = {name: min(clock(run), clock(run)) for name, run in runs.items()}  # warm-up; not counted
    rounds = {name: repeat if seconds < PATIENCE else min(3, repeat) for name, seconds in first.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(repeat):
        for name, run in runs.items():
            if number < rounds[name]:
                times[name].append(clock(run))
    return times


def measure_job(job: Job, size: int, repeat: int) -> Result:
    """Check a job on small images, then time those contestants that were right."""
    failures = check_job(job)
    small = min(size, SMALL)
    arrays = {extent: job.inputs((extent, extent), np.random.default_rng(0)) for extent in {size, small}}
    extents = {name: small if name in job.slow else size for name in job.contestants}
    runs = {name: make(*arrays[extents[name]]) for name, make in job.contestants.items() if name not in failures}
    times = time_in_turns(runs, repeat)
    timings = {}
    for name, seconds in times.items():
        factor = (size / extents[name]) ** 2
        best, median = min(seconds) * factor, float(np.median(seconds)) * factor
        timings[name] = Timing(best, median, scaled=factor != 1)
    details = {name: run.detail for name, run in runs.items() if run.detail}
    return Result(job, timings, failures, details)


def clock_copy(size: int = 2048) -> tuple[int, float]:
    """Give the bytes of a float32 image and the best time of copying it: what no filter can be faster than by much."""
    source = np.ones((size, size), np.float32)
    target = np.empty_like(source)

    def copy() -> Array:
        np.copyto(target, source)
        return target

    run = Run(copy)
    return source.nbytes, min(clock(run) for _ in range(10))
