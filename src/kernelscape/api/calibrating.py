"""Measures what the planner's estimates are made of, on this machine: a few seconds of small jobs.

Each job is one that users run, through the public functions and with one worker, and each needs another mixture of
instructions. The rates are those with which the planner's own estimates come nearest to the times that were measured;
they are sought near those that are shipped, so that one disturbed measurement does no harm. A second set of jobs, run
afterwards, says how good the estimates are then.

Notes
-----
The fit minimises the sum of Huber's function [1]_ of ``log(estimate / time)``, and of the squares of ``WEIGHT *
log(rate / shipped rate)``, by Gauss and Newton's method in the logarithms of the rates, with differences for
derivatives.

References
----------
.. [1] P. J. Huber, "Robust estimation of a location parameter", The Annals of Mathematical Statistics 35(1), 1964, pp.
   73-101.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kernelscape import pool
from kernelscape.api.arguments import Array, kernel
from kernelscape.api.prepared import planning_target
from kernelscape.api.profiling import fastest
from kernelscape.api.signatures import stencil
from kernelscape.api.stencils import Stencil
from kernelscape.backends.peak import peak_rate
from kernelscape.machine import Rates, Target
from kernelscape.plan import Plan
from kernelscape.plan.costs import estimate
from kernelscape.plan.counting import KINDS

WEIGHT = 0.1
"""How firmly rates are held near the shipped ones."""
SECONDS, PASSES = 0.015, 3
"""For each measurement, and how many of them there are of each job."""
FAR_OFF = 0.3
"""Logarithms of estimates over times above which an error counts less than with its square: it may be a mishap."""
FITTED = (*KINDS, "near", "far", "tile", "call")
"""Rates that are found by the fit; others are measured one by one."""


@dataclass(frozen=True)
class Measurement:
    """One job: what it is, seconds that were measured, and that were expected before and after the calibration."""

    name: str
    seconds: float
    before: float
    after: float


@dataclass(frozen=True)
class Calibration:
    """What was found.

    Attributes
    ----------
    target : Target
        What was measured, with the new rates.
    measurements : tuple of Measurement
        The jobs that rates were fitted to.
    """

    target: Target
    measurements: tuple[Measurement, ...]

    @property
    def rates(self) -> Rates:
        """The new rates."""
        return self.target.rates

    @property
    def within_two(self) -> float:
        """The part of the jobs whose time was expected within a factor of two, with the new rates."""
        near = [0.5 <= m.after / m.seconds <= 2.0 for m in self.measurements]
        return sum(near) / len(near)


def calibrate(progress: Callable[[str], object] | None = None) -> Calibration:
    """Measure this machine.

    Parameters
    ----------
    progress : callable, optional
        Is told the name of each job before it runs.

    Returns
    -------
    Calibration
        Nothing is stored, and no plan of this process changes; see `kernelscape.calibration.save`.
    """
    shipped = replace(planning_target(), rates=Rates())
    jobs = list(_jobs())
    plans, times = [made for _, _, made in jobs], [math.inf] * len(jobs)
    for _ in range(PASSES):  # what disturbs one job now will rarely do so again
        for number, (name, run, _) in enumerate(jobs):
            if progress is not None:
                progress(name)
            times[number] = min(times[number], _seconds(run))
    if progress is not None:
        progress("transforms and threads")
    apart = {"transform": _transform_rate(), "wake": _wake_seconds(), "shared": _shared_rate()}
    start = replace(Rates(), **apart)
    rates = _fitted(plans, times, replace(shipped, rates=start))
    rates = replace(rates, peak=peak_rate(shipped))
    target = replace(shipped, rates=rates)
    return Calibration(
        target,
        tuple(
            Measurement(name, seconds, expected(plan, shipped), expected(plan, target))
            for (name, _, _), plan, seconds in zip(jobs, plans, times, strict=True)
        ),
    )


def expected(plan: Plan, target: Target) -> float:
    """What a plan takes one worker, by the rates of a target."""
    made = estimate(plan.stage, target, plan.job, plan.layouts, plan.output_layouts, plan.arrangement)
    return made.seconds()


# -- jobs --------------------------------------------------------------------------------------------------------------

Job = tuple[str, Callable[[], object], Plan]


def _jobs() -> Iterator[Job]:
    random = np.random.default_rng(0)
    tiny, small, large = (random.random((n, m)).astype(np.float32) for n, m in ((8, 16), (300, 500), (1000, 1500)))
    bytes_, huge = (255 * large).astype(np.uint8), np.zeros((2048, 3000), np.float32)

    def job(name: str, made: Stencil, *arrays: Any) -> Job:
        target = made(*arrays, workers=1)
        return name, lambda: made(*arrays, output=target, workers=1), made.plan(*arrays, output=target)

    for name, image in (("call", tiny), ("copy", huge), ("copy in the cache", small[:200])):
        yield job(name, stencil(_first, size=1), image)
    for size in (3, 7, 15, 31):
        weights = kernel(random.random((size, size)).astype(np.float32))
        yield job(f"correlation {size}x{size}", stencil(_products), small, weights)
        yield job(f"sum {size}x{size}", stencil(np.sum, size=size), small)
        yield job(f"maximum {size}x{size}", stencil(np.max, size=size), small)
        yield job(f"maximum of bytes {size}x{size}", stencil(np.max, size=size), bytes_)
    for size in (3, 5):
        yield job(f"median {size}x{size}", stencil(np.median, size=size), small)
        yield job(f"deviation {size}x{size}", stencil(np.std, size=size), small)
        yield job(f"ratio {size}x{size}", stencil(_ratios, size=size), small)
        yield job(f"bilateral {size}x{size}", stencil(_bilateral, size=size), small)
    yield job("maximal product 7x7", stencil(_largest), small, kernel(random.random((7, 7)).astype(np.float32)))


def _first(w: Any) -> Any:
    return w[0, 0]


def _products(w: Any, k: Any) -> Any:
    return np.sum(w * k)


def _largest(w: Any, k: Any) -> Any:
    return np.max(w * k)


def _ratios(w: Any) -> Any:
    return np.sum(w / (w[0, 0] + 1))


def _bilateral(w: Any) -> Any:
    centre = w[w.shape[0] // 2, w.shape[1] // 2]
    weights = np.exp(-8 * (w - centre) ** 2)
    return np.sum(weights * w) / np.sum(weights)


def _seconds(run: Callable[[], object]) -> float:
    """The fastest of as many calls as fit into some time, and three at least."""
    run()
    best, end = math.inf, time.perf_counter() + SECONDS
    while time.perf_counter() < end or best == math.inf:
        best = min(best, fastest(run, 3))
    return best


# -- the fit -----------------------------------------------------------------------------------------------------------


def _fitted(plans: Sequence[Plan], times: Sequence[float], shipped: Target) -> Rates:
    """The rates with which estimates come nearest to times."""
    logs, start = np.log(times), np.log([getattr(shipped.rates, name) for name in FITTED])

    def rates_of(values: Array) -> Rates:
        return replace(shipped.rates, **{n: float(v) for n, v in zip(FITTED, np.exp(values), strict=True)})

    def errors(values: Array) -> Array:
        target = replace(shipped, rates=rates_of(values))
        found = np.log([expected(plan, target) for plan in plans]) - logs
        # Huber's function, as a square.
        size = np.abs(found)
        found *= np.sqrt(np.where(size > FAR_OFF, 2 * FAR_OFF * size - FAR_OFF**2, size**2)) / np.maximum(size, 1e-12)
        return np.concatenate([found, WEIGHT * (values - start)])

    values, step = start.copy(), 1e-4
    now = errors(values)
    for _ in range(12):
        slopes = np.stack([(errors(values + step * unit) - now) / step for unit in np.eye(len(values))], axis=1)
        change = np.linalg.lstsq(slopes, -now, rcond=None)[0]
        for part in (1.0, 0.5, 0.25, 0.1):
            tried = values + part * np.clip(change, -1.0, 1.0)
            new = errors(tried)
            if new @ new < now @ now:
                values, now = tried, new
                break
        else:
            break
    return rates_of(values)


# -- measured one by one -----------------------------------------------------------------------------------------------


def _transform_rate() -> float:
    from scipy import fft

    block = np.random.default_rng(0).random((540, 540)).astype(np.float32)
    size = block.size
    return size * math.log2(size) / _seconds(lambda: fft.rfftn(block, workers=1))


def _wake_seconds() -> float:
    """What a call takes more in which all workers have nothing to do."""
    count = pool.resolve_workers(None)
    if count == 1:
        return Rates().wake
    nothing = _seconds(lambda: pool.run(lambda number: None, count, lambda: None))
    return max(nothing, 1e-6)


def _shared_rate() -> float:
    image, copy = np.zeros((2048, 3000), np.float32), stencil(_first, size=1)
    target = copy(image)
    return 2 * image.nbytes / _seconds(lambda: copy(image, output=target))
