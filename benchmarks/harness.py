"""What a job is, and how it is checked and timed.

A job knows its contestants by name. Each is a factory: it receives the input arrays, prepares whatever a user would
prepare once (output, compiled pipeline, stencil object) and returns a function that does the job once and returns the
output. The oracle is one of the contestants; every other one has to agree with it before a single number is taken.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]

OURS = "kernelscape"
CHECK_SHAPES = ((61, 97), (96, 128))
SMALL = 512  # the extent on which slow contestants are timed
PATIENCE = 0.4  # seconds; a contestant that takes longer runs three times only


@dataclass(frozen=True)
class Run:
    """A prepared contestant: does the job once and gives the output.

    `detail` tells how, where there was a choice; `volume` is the number of bytes that have to be read, where those set
    the pace.
    """

    work: Callable[[], Array]
    detail: str = ""
    volume: int = 0

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
        The contestant that defines the right result, or a function of the inputs that gives it.
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
    limits
        Contestants that do another job, less than this one or more, which shows what its time means; each with a
        function of the inputs that gives what they have to give: shown, but no peer.
    needs
        Contestants that are optional -> the module that they need.
    extent
        The largest extent of the images, where it is less than that of the command.
    table
        The heading of the table that the job belongs to.
    levels
        What two right results may differ by in any case: 1 where sums of integers are rounded to a grey level.
    coarse
        Contestants who compute integers with few bits -> what they may differ by in place of `levels`.
    inside
        Contestants that have borders of their own, or none: they are compared, and give their output, away from it.
    """

    name: str
    inputs: Callable[[tuple[int, int], np.random.Generator], tuple[Array, ...]]
    contestants: dict[str, Callable[..., Run]]
    oracle: str | Callable[..., Array]
    tolerance: float
    slow: frozenset[str] = frozenset({"scipy"})
    goals: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    aside: dict[str, float] = field(default_factory=dict)
    limits: dict[str, Callable[..., Array]] = field(default_factory=dict)
    needs: dict[str, str] = field(default_factory=dict)
    extent: int | None = None
    table: str = "Functions of windows"
    levels: float = 0.0
    coarse: dict[str, float] = field(default_factory=dict)
    inside: frozenset[str] = frozenset()

    def missing(self) -> list[str]:
        """Give the contestants whose package is not installed."""
        return [name for name in self.contestants if name in self.needs and find_spec(self.needs[name]) is None]

    def right_result(self, arrays: Sequence[Array]) -> Array:
        """Give what the contestants have to give for these inputs, all but the limits."""
        return self.oracle(*arrays) if callable(self.oracle) else self.contestants[self.oracle](*arrays)().copy()


@dataclass(frozen=True)
class Timing:
    """Seconds of one contestant for the full image, round by round."""

    rounds: tuple[float, ...]
    scaled: bool = False
    volume: int = 0

    @property
    def best(self) -> float:
        return min(self.rounds)

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


@dataclass(frozen=True)
class Result:
    """What became of a job: timings by contestant, and what failed by contestant."""

    job: Job
    timings: dict[str, Timing]
    failures: dict[str, str]
    details: dict[str, str]

    def ratio(self, peer: str) -> float | None:
        """Give how many times faster we were than a peer; None when one of the two has no number.

        Peers are compared by the best runs. A limit is compared round by round, and the middle ratio counts: the speed
        of memory goes up and down by a factor while others use the machine, and the best runs of two programs then need
        not have met the same machine.
        """
        if OURS not in self.timings or peer not in self.timings:
            return None
        theirs, ours = self.timings[peer], self.timings[OURS]
        if peer in self.job.limits:
            return statistics.median(a / b for a, b in zip(theirs.rounds, ours.rounds, strict=False))
        return theirs.best / ours.best

    def best_peer(self) -> str | None:
        others = {OURS, *self.job.aside, *self.job.limits}
        peers = [name for name in self.timings if name not in others]
        return min(peers, key=lambda name: self.timings[name].best, default=None)

    def missed(self) -> list[str]:
        """Give the goals that were not reached, or that nobody could see reached, as text."""
        texts = []
        for peer, goal in self.job.goals.items():
            ratio = self.ratio(peer)
            if ratio is None and OURS in self.timings:
                texts.append(f"{peer} not measured, goal {goal:.3g}x")
            elif ratio is not None and ratio < goal:
                texts.append(f"{ratio:.2f}x {peer}, goal {goal:.3g}x")
        return texts


def centre_of(array: Array, shape: tuple[int, ...]) -> Array:
    """Give the middle of an array, no larger than this shape along any axis."""
    starts = [max(n - m, 0) // 2 for n, m in zip(array.shape, shape, strict=True)]
    return array[tuple(slice(start, start + m) for start, m in zip(starts, shape, strict=True))]


def assert_agrees(actual: Array, expected: Array, tolerance: float, levels: float = 0.0) -> None:
    """Raise AssertionError unless both are the same image.

    They may differ by `tolerance` times the largest expected value, and by `levels`.
    """
    if actual.shape != expected.shape:
        raise AssertionError(f"expected shape {expected.shape}, got {actual.shape}")
    if actual.dtype != expected.dtype:
        raise AssertionError(f"expected dtype {expected.dtype}, got {actual.dtype}")
    difference = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    allowed = max(levels, tolerance * float(np.max(np.abs(expected.astype(np.float64)))))
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


def assert_right(
    job: Job, name: str, actual: Array, expected: Array, tolerance: float, reference: str | None = None
) -> None:
    """Raise AssertionError unless a contestant's output is right, where the job asks it to be.

    `reference` is the contestant that made what is expected, if it was one.
    """
    if name in job.inside:
        expected = centre_of(expected, actual.shape)
    actual = centre_of(actual, expected.shape) if expected.size < actual.size and job.inside else actual
    levels = max(job.coarse.get(one, job.levels) for one in (name, reference))
    assert_agrees(actual, expected, job.aside.get(name, tolerance), levels)


def check_job(job: Job, shapes: Sequence[tuple[int, int]] = CHECK_SHAPES) -> dict[str, str]:
    """Compare all contestants with the oracle on small images; give the failures by contestant."""
    failures: dict[str, str] = {}
    contestants = [name for name in job.contestants if name not in job.missing()]
    for shape in shapes:
        arrays = job.inputs(shape, np.random.default_rng(1))
        right = job.right_result(arrays)
        for name in contestants:
            try:
                run = job.contestants[name](*arrays)
                expected = job.limits[name](*arrays) if name in job.limits else right
                assert_right(job, name, run(), expected, job.tolerance)
                assert_right(job, name, run(), expected, job.tolerance)  # the second call runs what was kept
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


def time_in_turns(runs: dict[str, Run], repeat: int, patience: float = PATIENCE) -> dict[str, list[float]]:
    """Time every contestant `repeat` times (slow ones three times), one after the other in each round."""
    first = {name: min(clock(run), clock(run)) for name, run in runs.items()}  # warm-up; not counted
    rounds = {name: repeat if seconds < patience else min(3, repeat) for name, seconds in first.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(repeat):
        for name, run in runs.items():
            if number < rounds[name]:
                times[name].append(clock(run))
    return times


def compare_runs(job: Job, runs: dict[str, Run], extents: dict[str, int]) -> dict[str, str]:
    """Compare the outputs that are about to be timed with those of a peer; give the failures by contestant.

    At this size there is no oracle, so two right results may differ by twice the tolerance; and the peer with which
    nobody agrees is taken to be the one that is wrong.
    """
    failures: dict[str, str] = {}
    for extent in set(extents.values()):
        group = [name for name in runs if extents[name] == extent and name not in job.limits]
        exact = [name for name in group if name != OURS and name not in job.aside]
        found: dict[str, str] = {}
        for reference in exact:
            found = compare_with(job, runs, group, reference)
            if len(found) < len(group) - 1:
                break
        failures |= {name: f"{extent}x{extent}, {text}" for name, text in found.items()}
    return failures


def compare_with(job: Job, runs: dict[str, Run], group: Sequence[str], reference: str) -> dict[str, str]:
    """Compare the outputs of a group with that of one of them."""
    failures: dict[str, str] = {}
    expected = runs[reference]().copy()
    for name in group:
        try:
            assert_right(job, name, runs[name](), expected, 2 * job.tolerance, reference)
        except Exception as error:  # noqa: BLE001 - as in `check_job`
            failures[name] = f"beside {reference}: {describe(error)}"
    return failures


def measure_job(job: Job, size: int, repeat: int) -> Result:
    """Check a job on small images, then time those contestants that were right."""
    size = min(size, job.extent or size)
    failures = check_job(job)
    small = min(size, SMALL)
    extents = {name: small if name in job.slow else size for name in job.contestants}
    arrays = {extent: job.inputs((extent, extent), np.random.default_rng(0)) for extent in set(extents.values())}
    out = {*failures, *job.missing()}
    runs = {name: make(*arrays[extents[name]]) for name, make in job.contestants.items() if name not in out}
    failures |= compare_runs(job, runs, extents)
    times = time_in_turns({name: run for name, run in runs.items() if name not in failures}, repeat)
    timings = {}
    for name, seconds in times.items():
        factor = (size / extents[name]) ** 2
        rounds = tuple(factor * value for value in seconds)
        timings[name] = Timing(rounds, scaled=factor != 1, volume=round(runs[name].volume * factor))
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
